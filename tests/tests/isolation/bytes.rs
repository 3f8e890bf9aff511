//! No byte of channel `cards` comes to the School's or the Clinic's host; what a parent approves does.

use std::fs;

use bytes::Bytes;
use cordon_client::Call;
use cordon_tests::{CARDS, CHANNEL, CLINIC, HOSPITAL, PARENTS, REPORTS, SCHOOL, Stage, Table};
use cordon_tests::{answer_of, create_emr};
use serde_json::json;

use crate::search::{Mark, Source, folder, size};
use crate::town::{OUTSIDERS, RecordedTown};

const PLACE: [&str; 2] = ["SchoolMSP", "northside"];

/// Whose values they are.
struct Marks {
    /// Of channel `cards` alone.
    hidden: Mark,
    /// On the card of a child whose report is approved later: hidden until then.
    approved: Mark,
    /// What parents write on channel `reports`.
    told: Mark,
    /// On channel `providers`.
    clinical: Mark,
}

struct Life {
    cards: Stage,
    reports: Stage,
    marks: Marks,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_card_reaches_others() {
    let mut town = RecordedTown::start().await;
    let network = &town.network;
    let life = Life {
        cards: Stage::new(
            network,
            CARDS,
            "cards",
            &[
                "parents/parent1",
                "parents/parent2",
                "hospital/hc1",
                "hospital/pd1",
                "hospital/pd2",
            ],
        ),
        reports: Stage::new(
            network,
            REPORTS,
            "reports",
            &[
                "parents/parent1",
                "hospital/pd1",
                "school/registrar1",
                "school/registrar2",
            ],
        ),
        marks: Marks {
            hidden: Mark::new(),
            approved: Mark::new(),
            told: Mark::new(),
            clinical: Mark::new(),
        },
    };
    let marks = &life.marks;
    let ready = marks.told.value("ready");
    let shown = marks.told.value("shown");

    let values = a_card(&town, &life).await;
    a_report(&life, &ready, &marks.hidden.value("form of a ready report")).await;
    a_report(
        &life,
        &shown,
        &marks.approved.value("form of an approved report"),
    )
    .await;
    for caller in ["hospital/hc1", "clinic/hc2"] {
        let patient = marks.clinical.value(caller);
        create_emr(&town.network.client(caller), &patient)
            .await
            .unwrap();
    }
    others_ask(&town, &life).await;

    town.network.settled_everywhere().await;
    town.stop_outsiders();
    let mut table = Table::new();
    everything_is_looked_at(&town, marks, &mut table);
    for outsider in OUTSIDERS {
        let everything = town.everything(outsider);
        table.equal(outsider, marks.hidden.find(&everything), Vec::new());
        let case = format!("{outsider}, before the parent approves");
        table.equal(&case, marks.approved.find(&everything), Vec::new());
        no_trace_of_the_channel(&town, outsider, &mut table);
    }
    // The marks themselves are sound: members have every one of these values, readable, on their disks.
    for member in [HOSPITAL, PARENTS] {
        let log = [Source::new("log", town.network.log(member))];
        table.equal(
            &format!("nor does {member} log any"),
            marks.hidden.find(&log),
            Vec::new(),
        );
        let files = folder(&town.folder(member));
        for value in &values {
            let found = files.iter().any(|file| contains(&file.bytes, value));
            table.holds(&format!("{member} has {value}"), found);
        }
        let transient = marks.hidden.value("transient");
        let found = files.iter().any(|file| contains(&file.bytes, &transient));
        table.holds(&format!("{member} keeps no transient field"), !found);
    }

    town.start_outsiders().await;
    let place = [&shown, PLACE[0], PLACE[1]];
    life.reports
        .submits("parents/parent1", "Parent:ApproveReport", &place)
        .await;
    let report = life
        .reports
        .asks("school/registrar1", "Registrar:GetReport", &[&shown])
        .await;
    let note = marks.approved.value("form of an approved report");
    table.equal(
        "the school reads",
        report["text"]["note"].as_str(),
        Some(note.as_str()),
    );
    town.network.settled_everywhere().await;
    town.stop_outsiders();
    for outsider in OUTSIDERS {
        let everything = town.everything(outsider);
        table.equal(outsider, marks.hidden.find(&everything), Vec::new());
    }
    let school = folder(&town.folder(SCHOOL));
    table.holds(
        "what is approved is on the school's disk",
        marks.approved.is_in(&school),
    );
    for way in ["in", HOSPITAL] {
        let recorded = town.recorded(SCHOOL, way);
        table.holds(
            &format!("and recorded, {way}"),
            marks.approved.is_in(&recorded),
        );
    }
    let clinic = town.everything(CLINIC);
    table.equal(
        "the clinic has none of it",
        marks.approved.find(&clinic),
        Vec::new(),
    );

    planted(&mut town, &marks.hidden, &mut table).await;
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// Everything that can happen on a card, with marks in arguments, records, events, refusals and a
/// transient field. Returns the values that members keep.
async fn a_card(town: &RecordedTown, life: &Life) -> Vec<String> {
    let (cards, hidden) = (&life.cards, &life.marks.hidden);
    let mut kept = Vec::new();
    let mut value = |name: &str| {
        let value = hidden.value(name);
        kept.push(value.clone());
        value
    };
    let child = value("child");
    let mut events = Vec::new();
    for caller in ["hospital/hc1", "parents/parent2"] {
        let client = town.client(CARDS, caller);
        events.push(client.events("cards", Some(0), None).await.unwrap());
    }

    let registered = json!({ "childId": child, "name": value("name"), "birthdate": "2019-05-14" });
    cards
        .submits(
            "parents/parent1",
            "Parent:RegisterChild",
            &[&registered.to_string()],
        )
        .await;
    let agreement = |pediatrician: &str| {
        json!({ "childId": child, "hospital": "HospitalMSP", "pediatrician": pediatrician })
            .to_string()
    };
    cards
        .submits(
            "parents/parent1",
            "Parent:SignAgreement",
            &[&agreement("pd2")],
        )
        .await;
    let reason = value("refusal");
    cards
        .submits(
            "hospital/hc1",
            "HealthCenter:RefuseAgreement",
            &[&child, &reason],
        )
        .await;
    cards
        .submits(
            "parents/parent1",
            "Parent:SignAgreement",
            &[&agreement("pd1")],
        )
        .await;
    cards
        .submits("hospital/hc1", "HealthCenter:AcceptAgreement", &[&child])
        .await;

    let entries = [
        (
            "AddVaccination",
            json!({ "vaccine": value("vaccine"), "givenOn": "2026-01-02", "batch": value("batch") }),
        ),
        (
            "AddCondition",
            json!({ "condition": value("condition"), "treatment": value("treatment") }),
        ),
        (
            "AddVisit",
            json!({ "visitedOn": "2026-11-02", "reason": value("visit"), "findings": value("findings") }),
        ),
        (
            "AddAssessment",
            json!({
                "assessedOn": "2026-11-03", "fitForSchool": true, "vaccinationsComplete": true,
                "restrictions": value("restrictions"), "note": value("note"),
            }),
        ),
    ];
    for (function, mut entry) in entries {
        entry["childId"] = child.clone().into();
        let function = format!("Pediatrician:{function}");
        cards
            .submits("hospital/pd1", &function, &[&entry.to_string()])
            .await;
    }
    let allergy =
        json!({ "childId": child, "substance": value("allergy"), "reaction": value("reaction") });
    let mut call = cards.call("Pediatrician:AddAllergy", &[&allergy.to_string()]);
    let transient = Bytes::from(hidden.value("transient"));
    call.transient.insert(hidden.value("transient"), transient);
    let added = cards.client("hospital/pd1").transact(&call).await.unwrap();
    cards.seen(added.tx_id).await;

    // Reads, and refusals that repeat what they were given.
    for (who, function) in [
        ("parents/parent1", "Parent:GetCard"),
        ("parents/parent1", "Parent:GetCardHistory"),
        ("parents/parent1", "Forms:GetReportForm"),
        ("hospital/pd1", "Pediatrician:GetCard"),
        ("hospital/pd1", "Forms:GetReportForm"),
    ] {
        let answer = cards.asks(who, function, &[&child]).await.to_string();
        assert!(
            answer.contains(&hidden.value("")[..]),
            "{who} {function}: {answer}"
        );
    }
    let registered = registered.to_string();
    let args = [registered.as_str()];
    let taken = cards.refusal("parents/parent2", "Parent:RegisterChild", &args);
    assert!(taken.await.starts_with("409: "));
    for (who, function) in [
        ("hospital/pd2", "Pediatrician:GetCard"),
        ("hospital/hc1", "Parent:GetCard"),
    ] {
        assert!(
            cards
                .refusal(who, function, &[&child])
                .await
                .starts_with("403: ")
        );
    }
    let odd = hidden.value("date");
    let odd = json!({ "childId": child, "name": "Tom", "birthdate": odd }).to_string();
    assert!(
        cards
            .refusal("parents/parent1", "Parent:RegisterChild", &[&odd])
            .await
            .starts_with("400: ")
    );
    let unknown = cards
        .refusal("parents/parent1", &hidden.value("function"), &[])
        .await;
    assert!(unknown.contains(&hidden.value("function")), "{unknown}");

    let reason = value("end");
    cards
        .submits(
            "hospital/hc1",
            "HealthCenter:EndAgreement",
            &[&child, &reason],
        )
        .await;

    // Whoever listens has heard of it.
    for mut events in events {
        let mut heard = Vec::new();
        while !heard.iter().any(|(name, _)| name == "AgreementEnded") {
            let block = events.message().await.unwrap().unwrap();
            heard.extend(
                block
                    .events
                    .into_iter()
                    .map(|event| (event.event_name, event.payload)),
            );
        }
        assert!(
            heard.contains(&("ChildRegistered".to_owned(), child.clone().into())),
            "{heard:?}"
        );
    }
    kept
}

/// A child whose name and card are as hidden as the first one's, and who applies for a place: up to a
/// report that is ready.
async fn a_report(life: &Life, child: &str, note: &str) {
    let Life {
        cards,
        reports,
        marks,
    } = life;
    let registered = json!({
        "childId": child, "name": marks.hidden.value("another name"), "birthdate": "2020-02-29",
    });
    cards
        .submits(
            "parents/parent1",
            "Parent:RegisterChild",
            &[&registered.to_string()],
        )
        .await;
    let agreement = json!({ "childId": child, "hospital": "HospitalMSP", "pediatrician": "pd1" });
    cards
        .submits(
            "parents/parent1",
            "Parent:SignAgreement",
            &[&agreement.to_string()],
        )
        .await;
    cards
        .submits("hospital/hc1", "HealthCenter:AcceptAgreement", &[child])
        .await;
    let allergy = json!({ "childId": child, "substance": marks.hidden.value("another allergy") });
    cards
        .submits(
            "hospital/pd1",
            "Pediatrician:AddAllergy",
            &[&allergy.to_string()],
        )
        .await;
    let assessment = json!({
        "childId": child, "assessedOn": "2026-11-02", "fitForSchool": true,
        "vaccinationsComplete": true, "note": note,
    });
    cards
        .submits(
            "hospital/pd1",
            "Pediatrician:AddAssessment",
            &[&assessment.to_string()],
        )
        .await;

    let application = json!({
        "childId": child, "childName": marks.told.value("name"), "schoolOrg": PLACE[0],
        "school": PLACE[1], "hospital": "HospitalMSP", "pediatrician": "pd1",
    });
    reports
        .submits(
            "parents/parent1",
            "Parent:ApplyForPlace",
            &[&application.to_string()],
        )
        .await;
    reports
        .submits("school/registrar1", "Registrar:AcceptApplication", &[child])
        .await;
    reports
        .submits("school/registrar1", "Registrar:RequestReport", &[child])
        .await;
    let place = [child, PLACE[0], PLACE[1]];
    let made = reports
        .submits("hospital/pd1", "Pediatrician:CreateReport", &place)
        .await;
    assert_eq!(made["status"], "ready");
    let form = cards
        .asks("parents/parent1", "Forms:GetReportForm", &[child])
        .await;
    assert_eq!(form["note"], note);
    let early = reports
        .refusal("school/registrar1", "Registrar:GetReport", &[child])
        .await;
    assert!(early.starts_with("403: "), "{early}");
}

/// What others may ask, and what they may not.
async fn others_ask(town: &RecordedTown, life: &Life) {
    life.reports
        .asks("school/registrar1", "Registrar:GetApplications", &[])
        .await;
    for (host, caller) in [
        (SCHOOL, "school/registrar1"),
        (CLINIC, "clinic/py2"),
        (SCHOOL, "hospital/pd1"),
        (HOSPITAL, "school/registrar1"),
    ] {
        let client = town.network.client_at(host, CARDS, caller);
        let call = Call::new("cards", "Pediatrician:GetPatients", &[]);
        let answer = answer_of(client.evaluate(&call).await);
        assert_ne!(answer.code, tonic::Code::Ok, "{caller} at {host}");
    }
}

/// Nothing that is searched is empty, and each place holds what must be there.
fn everything_is_looked_at(town: &RecordedTown, marks: &Marks, table: &mut Table) {
    for (outsider, mark, ways) in [
        (SCHOOL, &marks.told, &["in", HOSPITAL, PARENTS][..]),
        (CLINIC, &marks.clinical, &["in", HOSPITAL]),
    ] {
        let files = folder(&town.folder(outsider));
        table.holds(
            &format!("{outsider}'s files are searched"),
            mark.is_in(&files),
        );
        for &way in ways {
            let recorded = town.recorded(outsider, way);
            table.holds(
                &format!("{outsider}'s calls are searched, {way}"),
                mark.is_in(&recorded),
            );
        }
        let log = town.network.log(outsider);
        table.holds(
            &format!("{outsider} logs all"),
            log.contains("TRACE") && log.len() > 10_000,
        );
        let everything = town.everything(outsider);
        for part in ["host.toml", "stdout", "connection", "names in"] {
            let found: Vec<_> = everything
                .iter()
                .filter(|source| source.name.contains(part))
                .collect();
            let all = !found.is_empty() && found.iter().all(|source| !source.bytes.is_empty());
            table.holds(&format!("{outsider}: {part}"), all);
        }
        table.holds(
            &format!("{outsider}: everything"),
            size(&everything) > 100_000,
        );
    }
}

/// Neither a name nor a contract of the channel.
fn no_trace_of_the_channel(town: &RecordedTown, outsider: &str, table: &mut Table) {
    let names = |organization: &str| {
        let folder = folder(&town.folder(organization));
        let names = folder.last().unwrap();
        String::from_utf8(names.bytes.clone()).unwrap()
    };
    let cards = fs::read(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/contracts/cards.wasm"),
    );
    let component = format!(
        "components/{}.wasm",
        hex::encode(cordon_wire::sha256([&cards.unwrap()[..]]))
    );
    for (organization, holds) in [(outsider, false), (HOSPITAL, true)] {
        let names = names(organization);
        table.equal(
            &format!("a name at {organization}"),
            names.contains("cards"),
            holds,
        );
        table.equal(
            &format!("the contract at {organization}"),
            names.contains(&component),
            holds,
        );
    }
    let connection = fs::read_to_string(
        town.network
            .dir()
            .join(format!("connections/{outsider}.json")),
    );
    table.holds(
        &format!("{outsider}'s connection file"),
        !connection.unwrap().contains("cards"),
    );
    let config = fs::read_to_string(town.network.config(outsider)).unwrap();
    table.holds(
        &format!("{outsider}'s configuration"),
        !config.contains("cards"),
    );
}

/// The search finds what is put there on purpose: in a file of the host's data, in the name of one, in
/// its log, and in what a caller says and is answered.
async fn planted(town: &mut RecordedTown, hidden: &Mark, table: &mut Table) {
    for outsider in OUTSIDERS {
        let file = town.network.data(outsider, "channels").join("planted");
        fs::write(
            &file,
            [&[0xff; 100][..], hidden.value("planted").as_bytes()].concat(),
        )
        .unwrap();
        let found = hidden.find(&town.everything(outsider));
        table.equal(&format!("planted at {outsider}: {found:?}"), found.len(), 1);
        fs::remove_file(file).unwrap();
        let folder = town.network.data(outsider, &hidden.value("planted"));
        fs::create_dir(&folder).unwrap();
        let found = hidden.find(&town.everything(outsider));
        table.equal(&format!("a name at {outsider}: {found:?}"), found.len(), 1);
        fs::remove_dir(folder).unwrap();
        let log = town.network.dir().join(format!("logs/{outsider}"));
        let before = fs::read(&log).unwrap();
        let line = format!("{:?}", hidden.value("planted").as_bytes());
        fs::write(&log, [&before[..], line.as_bytes()].concat()).unwrap();
        let found = hidden.find(&town.everything(outsider));
        table.equal(&format!("logged at {outsider}: {found:?}"), found.len(), 1);
        fs::write(&log, before).unwrap();
    }
    town.start_outsiders().await;
    // In an argument: it stands in the body of what is asked.
    let said = hidden.value("said");
    let client = town.client(REPORTS, "school/registrar1");
    let call = Call::new("reports", "Registrar:GetReport", &[&said]);
    let refused = answer_of(client.evaluate(&call).await);
    table.contains("the school is told", &refused.message, "404");
    let recorded = town.recorded(SCHOOL, "in");
    let pieces =
        |found: &[String], what: &str| found.iter().filter(|found| found.contains(what)).count();
    let found = hidden.find(&recorded);
    table.equal(&format!("in a body: {found:?}"), pieces(&found, "plain"), 1);
    // In a name that the refusal repeats: it stands in trailers, as text and binary.
    let client = town.client(CHANNEL, "clinic/hc2");
    let refused = answer_of(client.evaluate(&Call::new(&said, "x", &[])).await);
    table.contains("the clinic is told", &refused.message, &said);
    let found = hidden.find(&town.recorded(CLINIC, "in"));
    table.equal(
        &format!("in trailers: {found:?}"),
        pieces(&found, "grpc-message"),
        1,
    );
}
