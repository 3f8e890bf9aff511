//! Many people on all channels at once, each with records of their own: nobody is in anybody's way.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::sync::Arc;

use cordon_tests::{CARDS, CHANNEL, CHANNELS, Network, REPORTS, Stage, blocks_on, emr_of, note};
use cordon_types::TxId;
use futures::future::join_all;
use serde_json::json;

/// Clients on channel `providers`, with a patient each.
const PATIENTS: usize = 11;
/// Clients on channel `cards`, with a child each.
const CHILDREN: usize = 11;
/// Clients on channels `cards` and `reports`, with a child and an application each.
const PUPILS: usize = 10;
/// Notes per patient and entries per card.
const ENTRIES: usize = 5;

/// What a client of each kind submits: on its channel, and a pupil's on `cards`.
const CALLS_OF_PATIENT: usize = 2 + ENTRIES;
const CALLS_OF_CHILD: usize = 3 + ENTRIES;
const CALLS_OF_PUPIL: [usize; 2] = [4, 5];

struct Town {
    emr: Stage,
    sharing: Stage,
    cards: Stage,
    reports: Stage,
}

/// Whoever is told of something by another looks at the own organisation's host until it is there.
async fn told(stage: &Stage, who: &str, tx_id: TxId) {
    stage.client(who).commit_status(tx_id).await.unwrap();
}

async fn patient(town: &Town, index: usize) {
    let (organization, n, other) =
        [("hospital", 1, "ClinicMSP"), ("clinic", 2, "HospitalMSP")][index % 2];
    let (center, physician) = (
        format!("{organization}/hc{n}"),
        format!("{organization}/py{n}"),
    );
    let patient = format!("patient-{index}");
    let created = town
        .emr
        .commits(&center, "HealthCenter:CreateEmr", &[&emr_of(&patient)])
        .await;
    for entry in 0..ENTRIES {
        let note = note(&patient, &format!("note {entry}"));
        town.emr
            .commits(&physician, "Physician:AddEmrNote", &[&note])
            .await;
    }
    let emr_id = created.tx_id.to_string();
    let authorize = "HealthCenter:AuthorizeEmrReading";
    town.sharing
        .commits(&center, authorize, &[other, &emr_id])
        .await;
    let emr = town
        .emr
        .asks(&physician, "Physician:GetEmrByPatientId", &[&patient])
        .await;
    assert_eq!(emr["notes"].as_array().unwrap().len(), ENTRIES);
}

/// Registered by a parent, and in a pediatrician's care.
async fn admitted(cards: &Stage, id: &str, parent: &str, pediatrician: &str) {
    let child = json!({ "childId": id, "name": "Tom", "birthdate": "2019-05-14" }).to_string();
    let agreement =
        json!({ "childId": id, "hospital": "HospitalMSP", "pediatrician": pediatrician })
            .to_string();
    cards
        .commits(parent, "Parent:RegisterChild", &[&child])
        .await;
    let signed = cards
        .commits(parent, "Parent:SignAgreement", &[&agreement])
        .await;
    told(cards, "hospital/hc1", signed.tx_id).await;
    cards
        .commits("hospital/hc1", "HealthCenter:AcceptAgreement", &[id])
        .await;
}

fn people(index: usize) -> (String, String) {
    let n = index % 2 + 1;
    (format!("parents/parent{n}"), format!("pd{n}"))
}

async fn child(town: &Town, index: usize) {
    let (parent, pediatrician) = people(index);
    let id = format!("child-{index}");
    admitted(&town.cards, &id, &parent, &pediatrician).await;
    let pediatrician = format!("hospital/{pediatrician}");
    for entry in 0..ENTRIES {
        let visit =
            json!({ "childId": id, "visitedOn": "2026-10-01", "reason": format!("visit {entry}") });
        town.cards
            .commits(
                &pediatrician,
                "Pediatrician:AddVisit",
                &[&visit.to_string()],
            )
            .await;
    }
    let card = town
        .cards
        .asks(&pediatrician, "Pediatrician:GetCard", &[&id])
        .await;
    assert_eq!(card["visits"].as_array().unwrap().len(), ENTRIES);
}

async fn pupil(town: &Town, index: usize) {
    let Town { cards, reports, .. } = town;
    let (parent, pediatrician) = people(index);
    let (school, registrar) = [
        ("northside", "school/registrar1"),
        ("southside", "school/registrar2"),
    ][index / 2 % 2];
    let id = format!("pupil-{index}");
    admitted(cards, &id, &parent, &pediatrician).await;
    let application = json!({
        "childId": id, "childName": "Tom", "schoolOrg": "SchoolMSP", "school": school,
        "hospital": "HospitalMSP", "pediatrician": pediatrician,
    })
    .to_string();
    let pediatrician = format!("hospital/{pediatrician}");
    let assessment = json!({
        "childId": id, "assessedOn": "2026-11-02", "fitForSchool": true,
        "vaccinationsComplete": true, "note": id,
    })
    .to_string();
    cards
        .commits(&pediatrician, "Pediatrician:AddAssessment", &[&assessment])
        .await;

    let place = [id.as_str(), "SchoolMSP", school];
    let steps: [(&str, &str, &[&str]); 5] = [
        (&parent, "Parent:ApplyForPlace", &[&application]),
        (registrar, "Registrar:AcceptApplication", &[&id]),
        (registrar, "Registrar:RequestReport", &[&id]),
        (&pediatrician, "Pediatrician:CreateReport", &place),
        (&parent, "Parent:ApproveReport", &place),
    ];
    let mut last = None;
    for (who, function, args) in steps {
        if let Some(last) = last {
            told(reports, who, last).await;
        }
        last = Some(reports.commits(who, function, args).await.tx_id);
    }
    told(reports, registrar, last.unwrap()).await;
    let report = reports.asks(registrar, "Registrar:GetReport", &[&id]).await;
    assert_eq!(report["text"]["note"], id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_at_once() {
    let network = Network::start_town().await;
    let stage =
        |channel, contract, callers: &[&str]| Stage::new(&network, channel, contract, callers);
    let providers = ["hospital/hc1", "hospital/py1", "clinic/hc2", "clinic/py2"];
    let of_cards = [
        "parents/parent1",
        "parents/parent2",
        "hospital/hc1",
        "hospital/pd1",
        "hospital/pd2",
    ];
    let of_reports = [
        "parents/parent1",
        "parents/parent2",
        "school/registrar1",
        "school/registrar2",
        "hospital/pd1",
        "hospital/pd2",
    ];
    let town = Arc::new(Town {
        emr: stage(CHANNEL, "emr", &providers),
        sharing: stage(CHANNEL, "sharing", &providers),
        cards: stage(CARDS, "cards", &of_cards),
        reports: stage(REPORTS, "reports", &of_reports),
    });
    let before: Vec<u64> = heights(&network).await;

    assert_eq!(PATIENTS + CHILDREN + PUPILS, 32);
    let clients = (0..32).map(|index| {
        let town = Arc::clone(&town);
        // `commits` panics unless a call is endorsed and its transaction is valid.
        tokio::spawn(async move {
            match index {
                _ if index < PATIENTS => patient(&town, index).await,
                _ if index < PATIENTS + CHILDREN => child(&town, index - PATIENTS).await,
                _ => pupil(&town, index - PATIENTS - CHILDREN).await,
            }
        })
    });
    let failures: Vec<String> = join_all(clients)
        .await
        .into_iter()
        .filter_map(Result::err)
        .map(|error| error.to_string())
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");

    // The hosts agree on height, hash and state digest, and every verdict of all of it is `VALID`.
    let after = heights(&network).await;
    let expected = [
        PATIENTS * CALLS_OF_PATIENT,
        CHILDREN * CALLS_OF_CHILD + PUPILS * CALLS_OF_PUPIL[0],
        PUPILS * CALLS_OF_PUPIL[1],
    ];
    for (index, (channel, members)) in CHANNELS.into_iter().enumerate() {
        assert!(after[index] > before[index], "{channel}");
        for member in members {
            let admin = network.client_on(channel, &format!("{member}/admin"));
            let blocks = blocks_on(&admin, channel).await;
            let codes = blocks.iter().skip(1).flat_map(|block| &block.codes);
            let names: Vec<_> = codes.map(|code| code.name()).collect();
            let case = format!("{channel} at {member}");
            assert_eq!(names, vec!["VALID"; expected[index]], "{case}");
            let verified = network.cli(&[
                "ledger",
                "verify",
                "--as",
                &format!("{member}/admin"),
                "--channel",
                channel,
            ]);
            assert_eq!((verified.code, verified.stderr.as_str()), (0, ""), "{case}");
        }
    }
}

async fn heights(network: &Network) -> Vec<u64> {
    let standings = network.settled_everywhere().await;
    standings.iter().map(|standing| standing.height).collect()
}
