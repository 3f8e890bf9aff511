//! Why a contract was at fault is told to its developer, in the log of the hosts that executed it and in
//! `cordon contract test`; and to nobody else.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::fs;
use std::path::{Path, PathBuf};

use cordon_client::{Call, ClientError};
use cordon_tests::{
    CHANNEL, CLINIC, Deployed, HOSPITAL, Network, Table, answer_of, cordon, town_with,
};
use serde_json::json;
use tonic::Code;

/// What no client and no other host may see. The contract says it when it panics.
const PLANTED: &str = "Ann-Example-born-on-10-03";
const DEBUG: &str = "info,cordon_execute=debug";

fn prober() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/hostile/prober.wasm")
}

/// Hospital and clinic, which both have the prober.
async fn start(log: &str) -> Network {
    let (file, _folder) = town_with(&[Deployed {
        channel: CHANNEL,
        name: "prober".to_owned(),
        component: prober(),
        endorsement_policy: "AND('HospitalMSP.peer','ClinicMSP.peer')",
    }]);
    let mut network = Network::provision_from(file, log);
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    network.settled().await;
    network
}

fn panics() -> Call {
    Call::new("prober", "Panic", &[PLANTED])
}

/// Everything that a client gets to see of an error.
fn shown<T>(result: Result<T, ClientError>) -> (Code, String) {
    let answer = answer_of(result);
    (answer.code, format!("{answer:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_in_the_debug_log_of_the_hosts_that_executed_it_and_nowhere_else() {
    let network = start(DEBUG).await;
    let client = network.client("hospital/hc1");
    let mut table = Table::new();

    let (code, text) = shown(client.evaluate(&panics()).await);
    table.equal("evaluated", code, Code::Unknown);
    table.contains("evaluated", &text, "500, the contract trapped");
    table.holds(
        "evaluated: nothing of it",
        !text.contains(PLANTED) && !text.contains("lib.rs"),
    );
    let log = network.log(HOSPITAL);
    for told in [
        &format!("the prober was told {PLANTED}"),
        "prober/src/lib.rs:",
        "probe:panic",
        "channel=providers",
        "contract=prober",
        "tx_id=",
    ] {
        table.contains("the log of who executed", &log, told);
    }
    table.holds(
        "the log of who did not",
        !network.log(CLINIC).contains(PLANTED),
    );

    let (code, text) = shown(client.transact(&panics()).await);
    table.equal("endorsed", code, Code::Aborted);
    table.contains("endorsed", &text, "500, the contract trapped");
    table.holds(
        "endorsed: nothing of it",
        !text.contains(PLANTED) && !text.contains("lib.rs"),
    );
    let count = |organization| network.log(organization).matches(PLANTED).count();
    table.equal(
        "both have executed",
        (count(HOSPITAL), count(CLINIC)),
        (2, 1),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_level_info_no_log_has_it() {
    let network = start("info").await;
    let client = network.client("hospital/hc1");
    shown(client.evaluate(&panics()).await);
    let (code, _) = shown(client.transact(&panics()).await);
    assert_eq!(code, Code::Aborted);
    for organization in [HOSPITAL, CLINIC] {
        let log = network.log(organization);
        assert!(!log.contains(PLANTED) && !log.contains("at fault"), "{log}");
    }
}

/// A folder of cases with one that panics, which says so or not.
fn cases(folder: &Path, status: i32) {
    let setup = json!({
        "contract": "prober",
        "contracts": { "prober": "here" },
        "callers": { "somebody": { "mspId": "HospitalMSP" } },
    });
    let message = if status == 500 {
        "the contract trapped"
    } else {
        ""
    };
    let case = json!({
        "about": "It panics.",
        "call": { "by": "somebody", "function": "Panic", "arguments": [PLANTED] },
        "answer": { "status": status, "message": message },
    });
    fs::write(folder.join("setup.json"), setup.to_string()).unwrap();
    fs::write(folder.join("panics.json"), case.to_string()).unwrap();
}

#[test]
fn a_case_that_faults_shows_the_panic_and_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let component = prober();
    let args = |more: &[&'static str]| -> Vec<String> {
        let (component, cases) = (component.to_str().unwrap(), folder.path().to_str().unwrap());
        let args = ["contract", "test", component, "--cases", cases];
        args.iter()
            .chain(more)
            .map(|arg| (*arg).to_owned())
            .collect()
    };
    let test = |more: &[&'static str]| {
        let args = args(more);
        cordon(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut table = Table::new();

    // It should be accepted, and is not.
    cases(folder.path(), 200);
    let found = test(&[]);
    table.equal("unexpected", found.code, 1);
    for told in [
        "probe:panic",
        "prober/src/lib.rs:",
        &format!("told {PLANTED}"),
    ] {
        table.contains("unexpected", &found.stdout, told);
    }

    // It is expected: shown when asked for.
    cases(folder.path(), 500);
    let found = test(&["--bless"]);
    table.equal("expected", found.code, 0);
    table.holds("expected: not shown", !found.stdout.contains("lib.rs"));
    let found = test(&["--faults"]);
    table.equal("asked for", found.code, 0);
    table.contains("asked for", &found.stdout, "prober/src/lib.rs:");
    let found = test(&["--json"]).json();
    let fault = &found["cases"][0]["fault"];
    table.contains("as JSON", &fault["panics"][0].to_string(), PLANTED);
    table.equal("as JSON", fault["function"].clone(), json!("probe:panic"));
    let golden = fs::read_to_string(folder.path().join("panics.golden")).unwrap();
    table.holds("what is recorded", !golden.contains(PLANTED));
}
