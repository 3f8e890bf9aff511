//! `cordon status` and `cordon host log-level`.

use std::fs;

use cordon_identity::{Certificate, IssueRequest, SigningKey, Validity};
use cordon_tests::{
    CHANNEL, CLINIC, Cli, HOSPITAL, HostProcess, Network, NetworkFile, Table, cordon, create_emr,
    eventually,
};
use serde_json::{Value, json};

fn status(network: &Network, more: &[&str]) -> Cli {
    cordon(&[&["status", "--dir", network.dir_text()], more].concat())
}

fn log_level(network: &Network, caller: &str, level: &str) -> Cli {
    network.cli(&["host", "log-level", level, "--as", caller])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_sees_how_a_host_is() {
    let mut network = Network::start().await;
    create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();
    let standing = network.settled().await;
    let mut table = Table::new();

    let shown = status(&network, &["--as", "hospital/admin", "--json"]).json();
    let host = &shown["hosts"][0];
    table.equal("one host", shown["hosts"].as_array().unwrap().len(), 1);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    table.equal(
        "organisation",
        text(&host["mspId"]),
        "HospitalMSP".to_owned(),
    );
    table.equal("address", text(&host["address"]), network.address(HOSPITAL));
    let operations = network.operations(HOSPITAL).to_string();
    table.equal("operations", text(&host["operations"]), operations);
    table.equal("log level", text(&host["logLevel"]), "warn".to_owned());
    let channels = host["channels"].as_array().unwrap();
    let channel = channels
        .iter()
        .find(|channel| channel["channel"] == CHANNEL)
        .unwrap();
    table.equal("height", channel["height"].as_u64(), Some(standing.height));
    table.equal("state", text(&channel["state"]), "following".to_owned());
    table.equal("lag", channel["lag"].as_u64(), Some(0));
    table.equal("hash", text(&channel["lastBlock"]["hash"]).len(), 64);
    table.holds("time", text(&channel["lastBlock"]["time"]).ends_with('Z'));
    table.equal(
        "ordering",
        channel["ordering"]["reachable"].as_bool(),
        Some(true),
    );
    let peer = |shown: &Value, msp_id: &str| {
        let peers = shown["hosts"][0]["peers"].as_array().unwrap();
        peers
            .iter()
            .find(|peer| peer["mspId"] == msp_id)
            .unwrap()
            .clone()
    };
    let clinic = peer(&shown, "ClinicMSP");
    table.equal(
        "the other's height",
        clinic["heights"][CHANNEL].as_u64(),
        Some(standing.height),
    );
    // These two do not run.
    table.equal(
        "unreachable",
        peer(&shown, "SchoolMSP")["reachable"].as_bool(),
        Some(false),
    );
    for certificate in host["certificates"].as_array().unwrap() {
        table.equal(
            "certificate",
            text(&certificate["state"]),
            "good".to_owned(),
        );
    }
    for part in ["ledgerBytes", "orderingBytes", "compiledBytes", "freeBytes"] {
        table.holds(
            part,
            host["disk"][part].as_u64().is_some_and(|bytes| bytes > 0),
        );
    }

    let all = status(&network, &["--all"]);
    table.equal("some answer", all.code, 0);
    table.contains("all", &all.stdout, "hospital  HospitalMSP");
    table.contains("all", &all.stdout, "clinic  ClinicMSP");
    table.contains("all", &all.stdout, "school: no host answers at");
    let refused = status(&network, &["--as", "hospital/hc1"]);
    table.equal("no admin", refused.code, 1);
    table.contains("no admin", &refused.stderr, "only admins of HospitalMSP");
    table.equal("nobody", status(&network, &[]).code, 2);

    // Without the other host: what is known of it stays, and it is told that it is away.
    network.kill(CLINIC);
    let shown = eventually("the clinic is seen to be away", || {
        let shown = status(&network, &["--as", "hospital/admin", "--json"]).json();
        (peer(&shown, "ClinicMSP")["reachable"] == false).then_some(shown)
    });
    table.holds("why", peer(&shown, "ClinicMSP")["reason"].is_string());
    network.start_host(CLINIC);
    network.kill(HOSPITAL);
    eventually("the clinic misses the log", || {
        let shown = status(&network, &["--as", "clinic/admin", "--json"]).json();
        let ordering = &shown["hosts"][0]["channels"][0]["ordering"];
        (ordering["reachable"] == false && ordering["reason"].is_string()).then_some(())
    });
    let gone = status(&network, &["--as", "hospital/admin"]);
    table.equal("a host that is away", gone.code, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_host_is_shown_again_and_again() {
    let network = Network::start().await;
    let args = [
        "status",
        "--dir",
        network.dir_text(),
        "--as",
        "hospital/admin",
        "--watch",
    ];
    let mut watching = HostProcess::spawn(&args, &network.dir().join("logs/watch"), "warn");
    for _ in 0..2 {
        watching.line("hospital  HospitalMSP").unwrap();
        watching.line("  disk").unwrap();
    }
    assert!(watching.stop("INT").success(), "{}", watching.stderr());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_changes_what_a_running_host_logs() {
    let network = Network::start().await;
    let mut table = Table::new();
    let refused = log_level(&network, "hospital/hc1", "debug");
    table.equal("no admin", refused.code, 1);
    let refused = log_level(&network, "hospital/admin", "loud");
    table.equal("no level", refused.code, 1);
    table.contains("no level", &refused.stderr, "\"loud\" is no log level");
    create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();
    network.settled().await;
    table.holds("quiet before", !network.log(HOSPITAL).contains("committed"));

    let done = log_level(&network, "hospital/admin", "debug");
    table.contains("done", &done.stdout, "log level debug (it was warn)");
    create_emr(&network.client("hospital/hc1"), "pa2")
        .await
        .unwrap();
    eventually("the host logs more", || {
        network.log(HOSPITAL).contains("committed").then_some(())
    });
    table.holds(
        "another host does not",
        !network.log(CLINIC).contains("committed"),
    );
    let args = [
        "host",
        "log-level",
        "warn",
        "--as",
        "hospital/admin",
        "--json",
    ];
    table.equal(
        "back",
        network.cli(&args).json(),
        json!({ "old": "debug", "new": "warn" }),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_end_are_warned_of() {
    let mut network = Network::provision_from(NetworkFile::Town, "warn");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let (now, day) = (i64::try_from(now.as_secs()).unwrap(), 24 * 3_600);
    // The host's signing identity again, for the same key, with ten days and some hours left.
    let msp = network.dir().join("organizations/hospital/host/msp");
    let key = fs::read_to_string(msp.join("keystore/priv_sk")).unwrap();
    let key = SigningKey::from_pem(&key).unwrap();
    let request = IssueRequest {
        common_name: "host.hospital".to_owned(),
        organization: None,
        organizational_unit: Some("peer".to_owned()),
        attributes: std::collections::BTreeMap::new(),
        validity: Validity {
            not_before: now - day,
            not_after: now + 10 * day + day / 2,
        },
    };
    let issued = network
        .authority(HOSPITAL)
        .issue(&request, &key.public_key().unwrap());
    let issued: Certificate = issued.unwrap();
    fs::write(
        msp.join("signcerts/host.hospital-cert.pem"),
        issued.to_pem().unwrap(),
    )
    .unwrap();
    network.start_host(HOSPITAL);

    let mut table = Table::new();
    let shown = status(&network, &["--as", "hospital/admin"]);
    table.contains(
        "status",
        &shown.stdout,
        "signing      WARNING: ends in 10 days",
    );
    let log = eventually("the log warns", || {
        let log = network.log(HOSPITAL);
        log.contains("certificate expires on").then_some(log)
    });
    table.contains("log", &log, "the signing certificate expires on");
    table.contains("log", &log, "in 10 days");
    table.holds(
        "of that one alone",
        !log.contains("the TLS certificate expires"),
    );
}
