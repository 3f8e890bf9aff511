//! Calls, queries and their exit codes.

use cordon_tests::{CLINIC, HOSPITAL, Network, Table, cordon, emr_of, note};
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
        (&["host", "reload"], "Usage: cordon host reload"),
        (&["ca"], "Usage: cordon ca"),
        (&["ca", "list"], "Usage: cordon ca list"),
        (&["ca", "issue"], "Usage: cordon ca issue"),
        (&["ca", "renew"], "Usage: cordon ca renew"),
        (&["ca", "renew-ca"], "Usage: cordon ca renew-ca"),
        (&["ca", "revoke"], "Usage: cordon ca revoke"),
        (&["ca", "crl"], "Usage: cordon ca crl"),
        (&["host", "log-level"], "Usage: cordon host log-level"),
        (&["status"], "Usage: cordon status"),
        (&["host", "add"], "Usage: cordon host add"),
        (&["host", "backup"], "Usage: cordon host backup"),
        (&["host", "restore"], "Usage: cordon host restore"),
        (&["channel"], "Usage: cordon channel"),
        (&["channel", "snapshot"], "Usage: cordon channel snapshot"),
        (
            &["channel", "snapshot", "verify"],
            "Usage: cordon channel snapshot verify",
        ),
        (&["channel", "fetch"], "Usage: cordon channel fetch"),
        (&["channel", "join"], "Usage: cordon channel join"),
        (&["tx"], "Usage: cordon tx"),
        (&["tx", "submit"], "Usage: cordon tx submit"),
        (&["tx", "evaluate"], "Usage: cordon tx evaluate"),
        (&["ledger"], "Usage: cordon ledger"),
        (&["ledger", "info"], "Usage: cordon ledger info"),
        (&["ledger", "block"], "Usage: cordon ledger block"),
        (&["ledger", "tx"], "Usage: cordon ledger tx"),
        (&["ledger", "verify"], "Usage: cordon ledger verify"),
        (&["ledger", "replay"], "Usage: cordon ledger replay"),
        (&["contract"], "Usage: cordon contract"),
        (&["contract", "new"], "Usage: cordon contract new"),
        (&["contract", "build"], "Usage: cordon contract build"),
        (&["contract", "test"], "Usage: cordon contract test"),
        (&["contract", "inspect"], "Usage: cordon contract inspect"),
        (&["contract", "package"], "Usage: cordon contract package"),
        (&["policy"], "Usage: cordon policy"),
        (&["policy", "show"], "Usage: cordon policy show"),
        (&["policy", "history"], "Usage: cordon policy history"),
        (&["policy", "set"], "Usage: cordon policy set"),
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
            "cordon: refused, 409: This patient already has a medical record in your organisation.",
        ),
        (
            "another role",
            evaluate(&["hospital/pa1", "emr", "Physician:GetEmrByPatientId", "pa1"]),
            1,
            "cordon: refused, 403: no access policy of contract emr permits Physician:GetEmrByPatientId to a caller of HospitalMSP",
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
            evaluate(&["insurer/pa1", "emr", "Patient:GetOwnEmr"]),
            1,
            "there is no organization insurer in",
        ),
        (
            "unknown user",
            evaluate(&["hospital/pa7", "emr", "Patient:GetOwnEmr"]),
            1,
            "organization hospital has no user pa7; there are admin, hc1, pa1, pa3, pd1, pd2, py1",
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
