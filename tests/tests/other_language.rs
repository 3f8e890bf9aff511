//! A contract in JavaScript is the same contract: on the cases of the one in Rust, beside other contracts,
//! and on a network. What goes wrong in JavaScript is a trap like any other.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cordon_cases::{Comparison, Suite, Town};
use cordon_execute::{Profile, Runtime};
use cordon_tests::{
    CHANNEL, CLINIC, HOSPITAL, Network, NetworkFile, Stage, Table, emr_of, note, town_text,
};
use serde_json::json;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn component(path: &str) -> Vec<u8> {
    fs::read(root().join("target").join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}; `make contract-javascript` builds it"))
}

/// Goal: answers, reads, writes and events of the contract in JavaScript are those of the one in Rust, byte
/// for byte, also where a contract in Rust calls it. Method: the cases of both with their records.
#[test]
fn a_contract_in_javascript_does_what_is_recorded_of_the_one_in_rust() {
    let runtime = Runtime::new(Profile::default()).unwrap();
    let javascript = ("emr".to_owned(), component("javascript/emr.wasm"));
    let sharing = ("sharing".to_owned(), component("contracts/sharing.wasm"));
    let mut reached = BTreeSet::new();
    for (contract, components) in [
        ("emr", BTreeMap::from([javascript.clone()])),
        ("sharing", BTreeMap::from([javascript, sharing])),
    ] {
        let suite = Suite::read(&root().join(format!("contracts/{contract}/cases"))).unwrap();
        let town = Town::new(&runtime, suite.setup(), &components).unwrap();
        let report = suite.run(&town).unwrap();
        assert!(report.is_same(), "{}", report.failures());
        assert!(report.ran.len() > 10, "{report}");
        // It cannot be that the component in Rust ran.
        let Comparison::WithoutFuel(others) = &report.comparison else {
            panic!("{:?}", report.comparison);
        };
        assert!(others.contains(&"emr".to_owned()), "{others:?}");
        let accepted = report.ran.iter().filter(|ran| ran.status == 200);
        reached.extend(accepted.flat_map(|ran| ran.reached.clone()));
    }
    let functions = reached.iter().filter(|(contract, _)| contract == "emr");
    assert_eq!(functions.count(), 9, "{reached:?}");
}

/// Goal: clients of the two see the same functions. In particular, none that takes a script.
#[test]
fn a_contract_in_javascript_exports_its_wit_and_nothing_else() {
    let runtime = Runtime::new(Profile::default()).unwrap();
    let [javascript, rust] = ["javascript/emr.wasm", "contracts/emr.wasm"]
        .map(|path| runtime.compile(&component(path)).unwrap());
    assert_eq!(javascript.metadata(), rust.metadata());
    // Rust's panics are told to the developer; JavaScript's errors are not, yet.
    let more = rust
        .imports()
        .iter()
        .filter(|import| !javascript.imports().contains(import));
    assert_eq!(
        more.collect::<Vec<_>>(),
        ["cordon:contract/diagnostics@1.0.0"]
    );
    assert!(
        javascript
            .imports()
            .iter()
            .all(|import| rust.imports().contains(import))
    );
}

/// Goal: whatever goes wrong in JavaScript is answered with 500, and nothing is written. Method: a contract
/// each of whose functions writes first, and then goes wrong in its own way.
#[test]
fn what_goes_wrong_in_javascript_is_a_trap_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: serde_json::Value| {
        fs::write(folder.path().join(name), value.to_string()).unwrap();
    };
    let callers = json!({"ann": {"mspId": "HospitalMSP"}});
    let setup = json!({"contract": "faults", "contracts": {"faults": "one"}, "callers": callers});
    write("setup.json", setup);
    let trapped = |message: &'static str| (500, message);
    let expected = BTreeMap::from([
        ("Refuse", (409, "no")),
        (
            "PassOn",
            (400, "a key of 0 bytes cannot be: keys have 1 to 1024 bytes"),
        ),
        ("ThrowError", trapped("the contract trapped")),
        ("ThrowUnknown", trapped("the contract trapped")),
        ("AnswerOtherwise", trapped("the contract trapped")),
        ("AskTime", trapped("the contract trapped")),
        ("AskChance", trapped("the contract trapped")),
        ("LookForModule", trapped("the contract trapped")),
        ("AnswerLater", trapped("the contract trapped")),
        ("NeverEnd", trapped("the contract ran out of fuel")),
        (
            "CallItself",
            trapped("the contract exhausted its call stack"),
        ),
        ("TakeMemory", trapped("the contract trapped")),
        ("HalveCharacter", trapped("the contract trapped")),
    ]);
    for (function, (status, message)) in &expected {
        let call = json!({"by": "ann", "function": format!("Faults:{function}")});
        let answer = json!({"status": status, "message": message});
        let case = json!({"about": function, "call": call, "answer": answer});
        write(&format!("{function}.json"), case);
    }
    let suite = Suite::read(folder.path()).unwrap();
    let faults = component("tests-javascript/faults.wasm");
    let components = BTreeMap::from([("faults".to_owned(), faults)]);
    let runtime = Runtime::new(Profile::default()).unwrap();
    let town = Town::new(&runtime, suite.setup(), &components).unwrap();
    assert_eq!(town.functions().len(), expected.len());
    let report = suite.run(&town).unwrap();
    assert_eq!(report.ran.len(), expected.len());
    for ran in &report.ran {
        assert!(ran.wrong.is_empty(), "{}: {:?}", ran.name, ran.wrong);
        let mut lines = ran.record.lines().iter();
        let left = lines.find(|line| ["write", "event"].iter().any(|b| line.key.starts_with(b)));
        assert_eq!(left, None, "{}", ran.name);
        // It had written.
        assert!(ran.used["write_bytes_max"] > 0, "{}", ran.name);
    }
}

/// Goal: hosts run it as any other contract, and contracts in Rust read what it wrote. Method: the town with
/// `emr` in JavaScript; `sharing` calls it; both hosts endorse, and start again from their ledgers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_runs_a_contract_in_javascript() {
    let text = town_text();
    let (rust, javascript) = ("target/contracts/emr.wasm", "target/javascript/emr.wasm");
    assert_eq!(text.matches(rust).count(), 1);
    let file = NetworkFile::Text(text.replace(rust, javascript));
    let mut network = Network::provision_from(file, "warn");
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    network.settled().await;
    let mut table = Table::new();

    let people = ["hospital/hc1", "hospital/py1", "hospital/pa1", "clinic/py2"];
    let [clerk, doctor, patient, elsewhere] = people;
    let emr = Stage::new(&network, CHANNEL, "emr", &people);
    let created = emr
        .submits(clerk, "HealthCenter:CreateEmr", &[&emr_of("pa1")])
        .await;
    let added = emr
        .submits(
            doctor,
            "Physician:AddEmrNote",
            &[&note("pa1", "müde – 疲れ")],
        )
        .await;
    let own = emr.asks(patient, "Patient:GetOwnEmr", &[]).await;
    table.equal("the note", own["notes"].clone(), json!([added]));
    table.equal("its text", added["diagnosis"].clone(), json!("müde – 疲れ"));
    let refused = emr
        .refusal(clerk, "HealthCenter:CreateEmr", &[&emr_of("pa1")])
        .await;
    table.equal(
        "a refusal of the contract",
        refused.as_str(),
        "409: This patient already has a medical record in your organisation.",
    );
    let refused = emr
        .refusal(patient, "HealthCenter:CreateEmr", &[&emr_of("pa3")])
        .await;
    table.contains(
        "a refusal of the access policy",
        &refused,
        "403: no access policy",
    );

    let sharing = Stage::new(&network, CHANNEL, "sharing", &people);
    let id = created["emrId"].as_str().unwrap();
    let authorize = "HealthCenter:AuthorizeEmrReading";
    sharing.submits(clerk, authorize, &["ClinicMSP", id]).await;
    sharing
        .submits(patient, "Patient:ApproveEmrSharing", &["ClinicMSP"])
        .await;
    let shared = "Physician:GetSharedEmr";
    let read = sharing
        .asks(elsewhere, shared, &["HospitalMSP", "pa1"])
        .await;
    table.equal(
        "what the other organisation reads",
        read["emr"].clone(),
        own.clone(),
    );

    let end = network.settled().await;
    network.stop_all();
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    table.equal("a restart changes nothing", network.settled().await, end);
    let emr = Stage::new(&network, CHANNEL, "emr", &people);
    let again = emr.asks(patient, "Patient:GetOwnEmr", &[]).await;
    table.equal("the record is still there", again, own);
}
