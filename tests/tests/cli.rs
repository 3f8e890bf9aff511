//! The command line: help, answers for people and programs, exit codes, and what it says when it
//! cannot do what it was asked.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cordon_tests::{
    CLINIC, HOSPITAL, HostProcess, Network, Table, cordon, create_emr, emr_of, eventually_async,
    note,
};
use serde_json::json;

#[test]
fn help_of_every_command() {
    let mut table = Table::new();
    let commands: &[(&[&str], &str)] = &[
        (&[], "Usage: cordon"),
        (&["up"], "Usage: cordon up"),
        (&["init"], "Usage: cordon init"),
        (&["host"], "Usage: cordon host"),
        (&["host", "run"], "Usage: cordon host run"),
        (&["tx"], "Usage: cordon tx"),
        (&["tx", "submit"], "Usage: cordon tx submit"),
        (&["tx", "evaluate"], "Usage: cordon tx evaluate"),
        (&["ledger"], "Usage: cordon ledger"),
        (&["ledger", "info"], "Usage: cordon ledger info"),
        (&["ledger", "block"], "Usage: cordon ledger block"),
        (&["ledger", "tx"], "Usage: cordon ledger tx"),
        (&["ledger", "verify"], "Usage: cordon ledger verify"),
        (&["demo"], "Usage: cordon demo"),
        (&["bench"], "Usage: cordon bench"),
    ];
    for (command, usage) in commands {
        let case = format!("cordon {}", command.join(" "));
        let found = cordon(&[command, &["--help"][..]].concat());
        table.equal(&case, found.code, 0);
        table.contains(&case, &found.stdout, usage);
        table.equal(&case, found.stderr, String::new());
        table.contains(&case, &found.stdout, "--json");
    }
    // No command is missing here.
    let all = cordon(&["--help"]).stdout;
    let listed = all
        .split("Commands:\n")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    for line in listed
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
    {
        let name = line.split_whitespace().next().unwrap();
        let known = name == "help"
            || commands
                .iter()
                .any(|(command, _)| command.first() == Some(&name));
        table.holds(&format!("cordon {name} is in this table"), known);
    }
    table.contains("exit codes", &all, "Exit codes:");
    let version = cordon(&["--version"]);
    table.equal(
        "version",
        (version.code, version.stdout.starts_with("cordon ")),
        (0, true),
    );
    for wrong in [
        &[][..],
        &["down"],
        &["tx"],
        &["tx", "submit"],
        &["tx", "submit", "emr", "CreateEmr"],
        &["up", "--port-base", "http"],
        &["up", "--port-base", "65536"],
        &["ledger", "block", "--as", "hospital/hc1", "one"],
        &["init", "--nowhere"],
    ] {
        let found = cordon(wrong);
        table.equal(
            &format!("{wrong:?}"),
            (found.code, found.stdout),
            (2, String::new()),
        );
        table.holds(&format!("{wrong:?} is explained"), !found.stderr.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_ledger() {
    let network = Network::start().await;
    let mut table = Table::new();
    let submit = |args: &[&str]| network.cli(&[&["tx", "submit", "--as"], args].concat());
    let evaluate = |args: &[&str]| network.cli(&[&["tx", "evaluate", "--as"], args].concat());
    let ledger = |args: &[&str]| network.cli(&[&["ledger"], args].concat());

    let created = submit(&[
        "hospital/hc1",
        "--json",
        "emr",
        "HealthCenter:CreateEmr",
        &emr_of("pa1"),
    ]);
    table.equal("submit", created.code, 0);
    let receipt = created.json();
    let tx_id = receipt["transaction"].as_str().unwrap().to_owned();
    table.equal("code", receipt["code"].clone(), json!("VALID"));
    table.equal("block", receipt["block"].clone(), json!(1));
    table.equal("answer", receipt["answer"]["emrId"].clone(), json!(tx_id));
    network.settled().await;
    let added = submit(&[
        "hospital/py1",
        "emr",
        "Physician:AddEmrNote",
        &note("pa1", "flu"),
    ]);
    table.equal("submit for people", added.code, 0);
    table.contains(
        "submit for people",
        &added.stdout,
        "\ncommitted in block 2: ",
    );
    let end = network.settled().await;

    let asked = evaluate(&["hospital/pa1", "--json", "emr", "Patient:GetOwnEmr"]);
    table.equal(
        "evaluate",
        asked.json()["answer"]["notes"][0]["diagnosis"].clone(),
        json!("flu"),
    );
    let asked = evaluate(&["hospital/pa1", "emr", "Patient:GetMedicalVisitsCount"]);
    table.equal(
        "evaluate for people",
        (asked.code, asked.stdout.as_str()),
        (0, "1\n"),
    );

    for user in ["hospital/hc1", "clinic/py2"] {
        let info = ledger(&["info", "--as", user, "--json"]);
        let expected = json!({
            "height": end.height,
            "blockHash": hex::encode(&end.block_hash),
            "stateDigest": hex::encode(end.state_digest),
        });
        table.equal("info", info.json(), expected);
        let verified = ledger(&["verify", "--as", user, "--json"]);
        table.equal("verify", verified.code, 0);
        let verified = verified.json();
        table.equal("verify", verified["height"].clone(), json!(end.height));
        table.equal(
            "verify",
            verified["blockHash"].clone(),
            json!(hex::encode(&end.block_hash)),
        );
        table.equal(
            "verify",
            verified["stateDigest"].clone(),
            json!(hex::encode(end.state_digest)),
        );
    }
    let info = ledger(&["info", "--as", "hospital/hc1"]).stdout;
    table.contains("info for people", &info, "height        3\n");
    let block = ledger(&["block", "--as", "hospital/hc1", "--json", "1"]).json();
    table.equal("block", block["number"].clone(), json!(1));
    table.equal(
        "block",
        block["transactions"].clone(),
        json!([{ "transaction": tx_id, "code": "VALID" }]),
    );
    let last = ledger(&["block", "--as", "clinic/hc2", "--json"]).json();
    table.equal(
        "last block",
        last["hash"].clone(),
        json!(hex::encode(&end.block_hash)),
    );
    table.equal(
        "last block",
        last["previousHash"].clone(),
        block["hash"].clone(),
    );
    let block = ledger(&["block", "--as", "hospital/hc1", "1"]).stdout;
    table.contains(
        "block for people",
        &block,
        &format!("VALID                      {tx_id}"),
    );
    let tx = ledger(&["tx", "--as", "hospital/hc1", "--json", &tx_id]).json();
    for (field, value) in [
        ("transaction", json!(tx_id)),
        ("block", json!(1)),
        ("index", json!(0)),
        ("code", json!("VALID")),
        ("contract", json!("emr")),
        ("function", json!("HealthCenter:CreateEmr")),
        ("creator", json!("HospitalMSP")),
        ("events", json!(["EmrCreated"])),
    ] {
        table.equal(field, tx[field].clone(), value);
    }
    let mut endorsers: Vec<_> = tx["endorsers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e.as_str().unwrap())
        .collect();
    endorsers.sort_unstable();
    table.equal("endorsers", endorsers, vec!["ClinicMSP", "HospitalMSP"]);
    let shown = ledger(&["tx", "--as", "hospital/hc1", &tx_id]).stdout;
    table.holds(
        "no values are shown",
        !shown.contains("Ann") && !shown.contains("10-03"),
    );

    // What cannot be done, and why.
    for (case, found, code, text) in [
        (
            "the contract refuses",
            submit(&[
                "hospital/hc1",
                "emr",
                "HealthCenter:CreateEmr",
                &emr_of("pa1"),
            ]),
            1,
            "chaincode response 409, This patient already has a medical record in your organisation.",
        ),
        (
            "who refuses",
            submit(&[
                "hospital/hc1",
                "emr",
                "HealthCenter:CreateEmr",
                &emr_of("pa1"),
            ]),
            1,
            &format!(
                "HospitalMSP ({}): chaincode response 409",
                network.address(HOSPITAL)
            ),
        ),
        (
            "another role",
            evaluate(&["hospital/pa1", "emr", "Physician:GetEmrByPatientId", "pa1"]),
            1,
            "Only a caller whose certificate has userRole \"physician\" may do this.",
        ),
        (
            "unknown contract",
            evaluate(&["hospital/pa1", "billing", "Pay"]),
            1,
            "contract billing is not deployed on channel providers",
        ),
        (
            "unknown channel",
            evaluate(&[
                "hospital/pa1",
                "--channel",
                "records",
                "emr",
                "Patient:GetOwnEmr",
            ]),
            1,
            "channel records is not known to this host",
        ),
        (
            "unknown organisation",
            evaluate(&["school/pa1", "emr", "Patient:GetOwnEmr"]),
            1,
            "there is no organization school in",
        ),
        (
            "unknown user",
            evaluate(&["hospital/pa7", "emr", "Patient:GetOwnEmr"]),
            1,
            "organization hospital has no user pa7; there are admin, hc1, pa1, py1",
        ),
        (
            "half a user",
            evaluate(&["hospital", "emr", "Patient:GetOwnEmr"]),
            1,
            "\"hospital\" is not organisation/user",
        ),
        (
            "empty user",
            evaluate(&["hospital/", "emr", "Patient:GetOwnEmr"]),
            1,
            "has no user",
        ),
        (
            "a user who climbs",
            evaluate(&["hospital/../host", "emr", "Patient:GetOwnEmr"]),
            1,
            "has no user",
        ),
        (
            "an organisation that climbs",
            evaluate(&["../connections/hospital/pa1", "emr", "Patient:GetOwnEmr"]),
            1,
            "there is no organization",
        ),
        (
            "no such block",
            ledger(&["block", "--as", "hospital/hc1", "99"]),
            1,
            "there is no block 99",
        ),
        (
            "no such transaction",
            ledger(&["tx", "--as", "hospital/hc1", &"0".repeat(64)]),
            1,
            "there is no transaction 0000",
        ),
        (
            "no transaction id",
            ledger(&["tx", "--as", "hospital/hc1", "one"]),
            1,
            "the transaction id is not 64 lower-case hex digits",
        ),
    ] {
        table.equal(case, (found.code, found.stdout.as_str()), (code, ""));
        table.contains(case, &found.stderr, text);
        table.holds(
            &format!("{case}: who says it"),
            found.stderr.starts_with("cordon: "),
        );
    }
    let nowhere = cordon(&[
        "tx",
        "evaluate",
        "--dir",
        "/nowhere",
        "--as",
        "hospital/pa1",
        "emr",
        "Patient:GetOwnEmr",
    ]);
    table.equal("no folder", nowhere.code, 1);
    table.contains(
        "no folder",
        &nowhere.stderr,
        "start a network there first (cordon up --dir /nowhere)",
    );

    let refused = submit(&[
        "hospital/hc1",
        "--json",
        "emr",
        "HealthCenter:CreateEmr",
        &emr_of("pa1"),
    ]);
    table.equal(
        "refused, for programs",
        (refused.code, refused.stdout.as_str()),
        (1, ""),
    );
    let error: serde_json::Value = serde_json::from_str(&refused.stderr).unwrap();
    table.equal(
        "refused, for programs",
        error["client"]["status"].clone(),
        json!(409),
    );
    table.equal(
        "refused, for programs",
        error["client"]["code"].clone(),
        json!("Aborted"),
    );
    table.equal("nothing has changed", network.settled().await, end);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_there() {
    let network = Network::provision();
    let mut table = Table::new();
    let found = network.cli(&[
        "tx",
        "evaluate",
        "--as",
        "hospital/pa1",
        "emr",
        "Patient:GetOwnEmr",
    ]);
    table.equal("evaluate", (found.code, found.stdout.as_str()), (3, ""));
    table.contains("evaluate", &found.stderr, &network.address(HOSPITAL));
    let found = network.cli(&[
        "tx",
        "submit",
        "--as",
        "clinic/hc2",
        "--json",
        "emr",
        "CreateEmr",
        "{}",
    ]);
    table.equal("submit", (found.code, found.stdout.as_str()), (3, ""));
    let error: serde_json::Value = serde_json::from_str(&found.stderr).unwrap();
    table.contains(
        "submit",
        error["error"].as_str().unwrap(),
        &network.address(CLINIC),
    );
    let found = network.cli(&["ledger", "info", "--as", "clinic/hc2"]);
    table.equal("info", found.code, 3);
}

// === cordon init and cordon up ===

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn keys_are_for_their_owner_only() {
    let network = Network::provision();
    let mut keys = 0;
    for path in files(network.dir()) {
        let text = fs::read(&path).unwrap();
        if text.windows(12).any(|window| window == b"PRIVATE KEY-") {
            keys += 1;
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    // Two authorities, a host's two and each user's two, for both organisations.
    assert_eq!(keys, 2 * (2 + 2 + 4 * 2));
}

fn up(dir: &Path, network: &str, port_base: u16) -> Vec<String> {
    let args = [
        "up",
        "--network",
        network,
        "--dir",
        dir.to_str().unwrap(),
        "--port-base",
    ];
    let mut args: Vec<String> = args.into_iter().map(str::to_owned).collect();
    args.push(port_base.to_string());
    args
}

fn spawn(dir: &Path, args: &[String]) -> HostProcess {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    HostProcess::spawn(&args, &dir.join("logs/up"), "warn")
}

fn run(args: &[String]) -> cordon_tests::Cli {
    cordon(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_in_one_process() {
    // Only its folder and ports are used: `up` finds it provisioned and goes on from there.
    let network = Network::provision();
    let dir = network.dir().to_owned();
    let base = network.port_base();
    let town = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/town.toml");
    let text = fs::read_to_string(&town).unwrap();
    let town = town.to_str().unwrap();
    let mut table = Table::new();

    let mut running = spawn(&dir, &up(&dir, town, base));
    running.line("ready in ").unwrap();
    // Ready means that a transaction can be submitted, at once and at any host.
    create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();
    let mut before = network.settled().await;
    table.equal("height", before.height, 2);

    // Again, on the same ports or in the same folder.
    let again = run(&up(&dir, town, base));
    table.equal("same ports", again.code, 1);
    table.contains("same ports", &again.stderr, &format!("cannot listen on 127.0.0.1:{base}: is another host running there? (--port-base moves the ports)"));
    let again = run(&up(&dir, town, base + 3));
    table.equal("same folder", again.code, 1);
    table.contains("same folder", &again.stderr, "is in use by another process");
    table.equal(
        "the first one is not disturbed",
        network.settled().await,
        before.clone(),
    );

    // ctrl-C and SIGTERM end it well; what was there is there again.
    for (signal, patient) in [("INT", "pa2"), ("TERM", "pa3"), ("INT", "pa4")] {
        let status = running.stop(signal);
        table.equal(signal, status.code(), Some(0));
        table.equal(signal, running.stderr(), String::new());
        table.contains(signal, &running.stdout(), "stopping");
        running = spawn(&dir, &up(&dir, town, base));
        running.line("ready in ").unwrap();
        table.equal(
            &format!("after {signal}"),
            network.settled().await,
            before.clone(),
        );
        create_emr(&network.client("hospital/hc1"), patient)
            .await
            .unwrap();
        let now = network.settled().await;
        table.equal(&format!("after {signal}"), now.height, before.height + 1);
        before = now;
    }
    running.kill();

    // Another network in this folder.
    let other = dir.join("other.toml");
    fs::write(
        &other,
        text.replace("1.0.0", "1.0.1")
            .replace(
                "../target",
                town.strip_suffix("policies/town.toml").unwrap(),
            )
            .replace("//", "/"),
    )
    .unwrap();
    let refused = run(&up(&dir, other.to_str().unwrap(), base));
    table.equal("another network file", refused.code, 1);
    table.contains("another network file", &refused.stderr, "holds a network made from another network file: give another --dir, or delete that folder with all its data");

    // Other ports are no other network; kill -9 loses nothing.
    let mut moved = spawn(&dir, &up(&dir, town, base + 3));
    moved.line("ready in ").unwrap();
    table.equal("on other ports", network.settled().await, before);
    table.equal(
        "on other ports",
        network.address(HOSPITAL),
        format!("127.0.0.1:{}", base + 3),
    );
    table.equal("on other ports", moved.stop("INT").code(), Some(0));
}

/// Clients that keep their connections and streams open do not keep a host from ending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_a_busy_host() {
    let mut network = Network::start().await;
    let client = network.client("clinic/hc2");
    let events = client.events("emr", Some(0), None).await.unwrap();
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.commit_status("0".repeat(64).parse().unwrap()).await })
    };
    for organization in [CLINIC, HOSPITAL] {
        let status = network.stop(organization, "INT");
        assert_eq!(status.code(), Some(0), "{}", network.log(organization));
    }
    drop(events);
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_provisioned() {
    let dir = tempfile::tempdir().unwrap();
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/town.toml"))
            .unwrap();
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/contracts/emr.wasm");
    let text = text.replace("../target/contracts/emr.wasm", component.to_str().unwrap());
    let not_a_component = dir.path().join("text.wasm");
    fs::write(&not_a_component, "text").unwrap();
    let mut table = Table::new();
    for (case, from, to, says) in [
        (
            "no component",
            component.to_str().unwrap(),
            "/nowhere.wasm",
            "cannot read the component of contract emr, /nowhere.wasm: build it with `make contracts`",
        ),
        (
            "text as component",
            component.to_str().unwrap(),
            not_a_component.to_str().unwrap(),
            "contract emr (",
        ),
        (
            "endorsement policy that is none",
            "AND('HospitalMSP.peer','ClinicMSP.peer')",
            "AND('HospitalMSP.peer'",
            "channel providers",
        ),
        (
            "endorsement policy of a stranger",
            "'ClinicMSP.peer'",
            "'SchoolMSP.peer'",
            "SchoolMSP",
        ),
        (
            "unknown field",
            "name = \"emr\"",
            "name = \"emr\"\nowner = \"me\"",
            "unknown field `owner`",
        ),
        (
            "no TOML",
            "[[channels]]",
            "[[channels",
            "is not a network file",
        ),
        (
            "organisation twice",
            "name = \"clinic\"",
            "name = \"hospital\"",
            "organization hospital is there twice",
        ),
    ] {
        assert!(text.contains(from), "{case}");
        let file = dir.path().join("network.toml");
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let target = dir.path().join(case.replace(' ', "-"));
        let args = [
            "init",
            "--network",
            file.to_str().unwrap(),
            "--dir",
            target.to_str().unwrap(),
        ];
        let found = cordon(&args);
        table.equal(case, (found.code, found.stdout.as_str()), (1, ""));
        table.contains(case, &found.stderr, says);
        // Refused once is not refused for ever: with the right file the folder is of use.
        fs::write(&file, &text).unwrap();
        let found = cordon(&args);
        table.equal(
            &format!("{case}, put right"),
            (found.code, found.stderr.as_str()),
            (0, ""),
        );
    }
    let found = cordon(&[
        "init",
        "--network",
        "/nowhere.toml",
        "--dir",
        dir.path().to_str().unwrap(),
    ]);
    table.equal("no network file", found.code, 1);
    table.contains(
        "no network file",
        &found.stderr,
        "cannot read the network file /nowhere.toml",
    );
    let found = cordon(&["host", "run", "--config", "/nowhere/host.toml"]);
    table.equal("no configuration", found.code, 1);
    table.contains(
        "no configuration",
        &found.stderr,
        "cannot read /nowhere/host.toml",
    );
}

/// A host whose configuration, keys or code are not what they must be says which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_cannot_start() {
    let mut network = Network::provision();
    let dir = network.dir().to_owned();
    let host = dir.join("organizations/clinic/host");
    let component = files(&dir.join("hosts/clinic/components")).remove(0);
    let config = network.config(CLINIC);
    let cases: &[(&str, PathBuf, &dyn Fn(Vec<u8>) -> Vec<u8>, &str)] = &[
        (
            "configuration",
            config.clone(),
            &|text| [text, b"\nports = 1\n".to_vec()].concat(),
            "is not a host's configuration",
        ),
        (
            "genesis block",
            dir.join("channels/providers.block"),
            &|mut bytes| {
                let at = bytes.len() / 2;
                bytes[at] ^= 1;
                bytes
            },
            "channels/providers.block",
        ),
        (
            "component",
            component,
            &|mut bytes| {
                let at = bytes.len() / 2;
                bytes[at] ^= 1;
                bytes
            },
            "contract emr",
        ),
        (
            "signing key",
            host.join("msp/keystore/priv_sk"),
            &|_| b"none".to_vec(),
            "organizations/clinic/host/msp",
        ),
        (
            "certificate",
            host.join("msp/signcerts/host.clinic-cert.pem"),
            &|_| b"none".to_vec(),
            "organizations/clinic/host/msp",
        ),
        (
            "TLS certificate",
            host.join("tls/server.crt"),
            &|_| b"none".to_vec(),
            "TLS",
        ),
        (
            "TLS key",
            host.join("tls/server.key"),
            &|_| b"none".to_vec(),
            "TLS",
        ),
    ];
    let mut table = Table::new();
    for (case, path, damage, says) in cases {
        let good = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        fs::write(path, damage(good.clone())).unwrap();
        match network.try_start_host(CLINIC) {
            Err(error) => {
                table.holds(case, error.starts_with("exit status: 1: "));
                table.contains(case, &error, says);
                table.holds(&format!("{case}: no panic"), !error.contains("panicked"));
            }
            Ok(()) => {
                // It said that it was ready; then at least it must serve.
                let served = tokio::time::timeout(
                    std::time::Duration::from_secs(2),
                    network.answers("clinic/hc2"),
                )
                .await;
                table.holds(&format!("{case}: ready, but not serving"), served.is_ok());
                table.equal(case, "started", "refused");
                network.kill(CLINIC);
            }
        }
        fs::write(path, good).unwrap();
    }
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    let height = network.settled().await.height;
    table.equal("put right", height, 1);
    let client = network.client("hospital/hc1");
    eventually_async("and working", async || {
        create_emr(&client, "pa1").await.ok()
    })
    .await;
}
