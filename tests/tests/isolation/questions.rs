//! Across channels contracts only ask, and ask no more than their caller may: tried with a hostile
//! contract, `tests/hostile/prober`, deployed on two channels.

use std::path::Path;

use bytes::Bytes;
use cordon_client::{Call, Client};
use cordon_tests::{
    Answer, CARDS, CHANNEL, Deployed, HOSPITAL, Network, PARENTS, REPORTS, SCHOOL, Stage, Table,
    answer_of, refusal_of, town_with,
};
use serde_json::json;
use tonic::Code;

const WOULD_WRITE: &str = "would write: across channels contracts only ask";

/// The town with the prober on `providers` and `reports`.
async fn start() -> Network {
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/hostile/prober.wasm");
    let prober = |channel, endorsement_policy| Deployed {
        channel,
        name: "prober".to_owned(),
        component: component.clone(),
        endorsement_policy,
    };
    let (file, _folder) = town_with(&[
        prober(REPORTS, "AND('HospitalMSP.peer','ParentsMSP.peer')"),
        prober(CHANNEL, "AND('HospitalMSP.peer','ClinicMSP.peer')"),
    ]);
    Network::start_all(file).await
}

fn child(id: &str) -> String {
    json!({ "childId": id, "name": "Tom Miller", "birthdate": "2019-05-14" }).to_string()
}

/// A call of the prober.
fn probe(function: &str, args: &[&str]) -> Call {
    Call::new("prober", &format!("Probe:{function}"), args)
}

/// What the prober asks, in a call of it.
fn question(channel: &str, contract: &str, function: &str, args: &[&str]) -> Call {
    let args = json!(args).to_string();
    probe("Query", &[channel, contract, function, &args])
}

async fn answer(client: &Client, call: &Call) -> String {
    let answer = client.evaluate(call).await;
    let answer = answer.unwrap_or_else(|error| panic!("{:?}", answer_of::<()>(Err(error))));
    String::from_utf8(answer.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_across_channels() {
    let network = start().await;
    let cards = Stage::new(&network, CARDS, "cards", &["parents/parent1"]);
    cards
        .submits("parents/parent1", "Parent:RegisterChild", &[&child("tom")])
        .await;
    let before = network.settled_everywhere().await;
    let mut table = Table::new();

    let agreement = json!({ "childId": "tom", "hospital": "HospitalMSP", "pediatrician": "pd1" });
    let agreement = agreement.to_string();
    let eve = child("eve");
    let writes: [(&str, &[&str]); 2] = [
        ("Parent:RegisterChild", &[&eve]),
        ("Parent:SignAgreement", &[&agreement]),
    ];
    for host in [PARENTS, HOSPITAL] {
        let parent = network.client_at(host, REPORTS, "parents/parent1");
        for (function, args) in writes {
            let refused = refusal_of(&parent, &question(CARDS, "cards", function, args)).await;
            let expected =
                format!("403: {function} of contract cards on channel cards {WOULD_WRITE}");
            table.equal(&format!("{function} at {host}"), refused, expected);
        }
    }
    // A record, an event, and what a refusal takes back.
    let hc1 = network.client_at(HOSPITAL, REPORTS, "hospital/hc1");
    for (function, args, expected) in [
        (
            "Write",
            ["key", "value"],
            format!("403: Probe:Write of contract prober on channel providers {WOULD_WRITE}"),
        ),
        (
            "Emit",
            ["name", "payload"],
            format!("403: Probe:Emit of contract prober on channel providers {WOULD_WRITE}"),
        ),
        (
            "WriteThenFail",
            ["key", "value"],
            "409: written, and refused".to_owned(),
        ),
    ] {
        // The parents' host cannot ask there, so only the hospital's is evaluated.
        let call = question(CHANNEL, "prober", &format!("Probe:{function}"), &args);
        let refused = answer_of(hc1.evaluate(&call).await);
        table.contains(
            function,
            &refused.message.replacen(", ", ": ", 1),
            &expected,
        );
    }
    let direct = refusal_of(&hc1, &probe("WriteThenFail", &["key", "value"])).await;
    table.equal(
        "a refusal writes nothing",
        direct,
        "409: written, and refused".to_owned(),
    );
    table.equal(
        "it has not",
        answer(&hc1, &probe("Read", &["key"])).await,
        "absent".to_owned(),
    );
    table.equal(
        "nothing has changed",
        network.settled_everywhere().await,
        before.clone(),
    );

    // A contract that does not mind the refusal writes on its own channel, and only there.
    let parent = network.client_on(REPORTS, "parents/parent1");
    let args = json!([eve]).to_string();
    let call = probe(
        "QueryAndWrite",
        &["found", CARDS, "cards", "Parent:RegisterChild", &args],
    );
    let done = parent.transact(&call).await.unwrap();
    let expected =
        format!("refused: Parent:RegisterChild of contract cards on channel cards {WOULD_WRITE}");
    table.equal(
        "what it met",
        std::str::from_utf8(&done.answer).unwrap(),
        expected.as_str(),
    );
    let after = network.settled_everywhere().await;
    table.equal("providers", &after[0], &before[0]);
    table.equal("cards", &after[1], &before[1]);
    table.equal("reports", after[2].height, before[2].height + 1);
    table.equal(
        "its own record",
        answer(&parent, &probe("Read", &["found"])).await,
        expected,
    );
    let children = cards
        .asks("parents/parent1", "Parent:GetChildren", &[])
        .await;
    table.equal("children", children.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_asks_what_its_caller_may() {
    let network = start().await;
    let cards = Stage::new(&network, CARDS, "cards", &["parents/parent1"]);
    cards
        .submits("parents/parent1", "Parent:RegisterChild", &[&child("tom")])
        .await;
    let before = network.settled_everywhere().await;
    let mut table = Table::new();

    // Who may, is answered as by the contract itself.
    let parent = cards.client("parents/parent1");
    let own = answer(parent, &cards.call("Parent:GetChild", &["tom"])).await;
    for host in [PARENTS, HOSPITAL] {
        let parent = network.client_at(host, REPORTS, "parents/parent1");
        let call = question(CARDS, "cards", "Parent:GetChild", &["tom"]);
        table.equal(
            &format!("at {host}"),
            answer(&parent, &call).await,
            own.clone(),
        );
        let missing = question(CARDS, "cards", "Parent:GetChild", &["eve"]);
        let through = answer_of(parent.evaluate(&missing).await);
        let direct = network.client_at(host, CARDS, "parents/parent1");
        let direct = answer_of(
            direct
                .evaluate(&cards.call("Parent:GetChild", &["eve"]))
                .await,
        );
        table.equal(&format!("a refusal at {host}"), through, direct);
    }
    // Another one of a member organisation meets the access policy there.
    let hc1 = network.client_at(HOSPITAL, REPORTS, "hospital/hc1");
    let denied = refusal_of(&hc1, &question(CARDS, "cards", "Parent:GetChildren", &[])).await;
    let expected = "403: no access policy of contract cards permits Parent:GetChildren to a caller of HospitalMSP";
    table.equal("by access policy", denied, expected.to_owned());

    // Who is no member is told what is told of a channel that is not there, by hosts that know it.
    for (caller, hosts, channel, contract) in [
        (
            "school/registrar1",
            &[HOSPITAL, SCHOOL, PARENTS][..],
            CARDS,
            "cards",
        ),
        ("school/registrar1", &[HOSPITAL, SCHOOL], CHANNEL, "prober"),
        ("parents/parent1", &[HOSPITAL, PARENTS], CHANNEL, "emr"),
    ] {
        for &host in hosts {
            let client = network.client_at(host, REPORTS, caller);
            let ask = async |channel: &str| {
                let call = question(channel, contract, "Parent:GetChildren", &[]);
                let nobody = question(channel, "nothing", "Parent:GetChildren", &[]);
                [
                    refusal_of(&client, &call).await,
                    refusal_of(&client, &nobody).await,
                ]
            };
            let expected = |channel: &str| {
                [contract, "nothing"].map(|contract| {
                    format!("404: there is no contract {contract} on a channel {channel} here")
                })
            };
            for channel in [channel, "nopes"] {
                let case = format!("{caller} at {host} about {channel}");
                table.equal(&case, ask(channel).await, expected(channel));
            }
        }
    }

    // The own channel is no other one.
    let own = refusal_of(&hc1, &question(REPORTS, "prober", "Probe:Read", &["key"])).await;
    let expected = "400: channel reports is this one: import the contract's interface, ledger-query asks other channels";
    table.equal("the own channel", own, expected.to_owned());

    // Transient fields are for the contract that the client calls.
    let mut direct = probe("Transient", &["secret"]);
    let mut through = question(CHANNEL, "prober", "Probe:Transient", &["secret"]);
    for call in [&mut direct, &mut through] {
        call.transient
            .insert("secret".to_owned(), Bytes::from_static(b"whispered"));
    }
    table.equal(
        "transient, called",
        answer(&hc1, &direct).await,
        "whispered".to_owned(),
    );
    table.equal(
        "transient, asked",
        answer(&hc1, &through).await,
        "absent".to_owned(),
    );

    // Questions that lead to questions end, and the host goes on.
    for times in 0..8_u32 {
        let case = format!("{times} questions");
        let call = probe("Bounce", &[REPORTS, CHANNEL, &times.to_string()]);
        if times < 4 {
            let probers = (times + 1).to_string();
            table.equal(&case, answer(&hc1, &call).await, probers);
        } else {
            // Evaluated alone: to endorse it, the parents' host would have to ask where it may not.
            let text = "chaincode response 500, contracts called each other too deeply";
            let expected = Answer {
                code: Code::Unknown,
                message: format!("evaluate call to endorser returned error: {text}"),
                details: vec![("HospitalMSP".to_owned(), text.to_owned())],
            };
            table.equal(&case, answer_of(hc1.evaluate(&call).await), expected);
        }
    }
    table.equal(
        "it goes on",
        answer(&hc1, &direct).await,
        "whispered".to_owned(),
    );
    table.equal(
        "nothing has changed",
        network.settled_everywhere().await,
        before,
    );
}
