//! From a new contract to its first committed transaction by the commands of its README, and from then
//! on by saving: `cordon contract dev`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::fs;
use std::path::Path;

use cordon_client::{Call, Client};
use cordon_tests::document::Shell;
use cordon_tests::{
    HostProcess, Network, NetworkFile, Table, change, commands, cordon, root, town_text,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// In arguments of calls; nobody is shown it who watches them.
const PLANTED: &str = "planted-name-of-a-patient";

/// The town's hospital and clinic, on a channel that has no contract yet.
fn network() -> (Network, TempDir) {
    let policies = tempfile::tempdir().unwrap();
    let town = town_text();
    let (organizations, _) = town
        .split_once("[[organizations]]\nname = \"parents\"")
        .unwrap();
    let text = format!(
        "{organizations}[[channels]]\nname = \"providers\"\norganizations = [\"hospital\", \"clinic\"]\n\
         ordering = \"hospital\"\ncontracts = []\naccess_policies = \"{}\"\n",
        policies.path().display()
    );
    let network = Network::provision_from(NetworkFile::Text(text), "warn");
    (network, policies)
}

/// What `cordon up` is where a test runs it.
fn up(network: &Network) -> HostProcess {
    let file = network.dir().join("file.toml");
    let args = [
        "up",
        "--dir",
        network.dir_text(),
        "--network",
        file.to_str().unwrap(),
    ];
    let mut process = HostProcess::spawn(&args, &network.dir().join("logs/up"), "warn");
    process.line("ready in ").unwrap();
    process
}

fn list(patient: &str) -> Call {
    Call::new("visits", "Appointments:ListAppointments", &[patient])
}

async fn book(client: &Client) -> Value {
    let new = json!({"patientId": PLANTED, "day": "2026-12-24", "reason": PLANTED}).to_string();
    let call = Call::new("visits", "Appointments:Book", &[&new]);
    serde_json::from_slice(&client.transact(&call).await.unwrap().answer).unwrap()
}

/// Goal: a new contract's README leads to a committed transaction in five commands, the document's section
/// to the same; and then a save is enough. Method: the commands as they stand, but that the network is one
/// of two organisations on free ports; then each kind of save, right and wrong, with calls between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_is_on_a_network_in_five_commands_and_then_with_every_save() {
    let mut table = Table::new();
    let (network, _policies) = network();
    let mut shell = Shell::of_a_developer();
    let link = shell.folder.join("network");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(network.dir(), link).unwrap();

    let readme = fs::read_to_string(root().join("host/cordon/template/README.md")).unwrap();
    let told = commands(&readme, "## On a network").concat();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told.len(), 5, "{told:#?}");
    let mut running = None;
    for line in told {
        if line.starts_with("cordon up ") {
            running = Some(up(&network));
            continue;
        }
        let done = shell.run(line);
        assert_eq!(done.code, 0, "{line}\n{}\n{}", done.stdout, done.stderr);
        if line.starts_with("cordon contract new ") {
            shell.take_target();
        }
        if line.starts_with("cordon tx submit ") {
            table.contains("its answer", &done.stdout, r#""bookedBy":"hc1""#);
            table.contains("the fifth command", &done.stdout, "committed in block ");
        }
    }
    let mut running = running.unwrap();

    let document = fs::read_to_string(root().join("docs/writing-contracts.md")).unwrap();
    let told = commands(&document, "### On a network").concat();
    for line in told.lines().filter(|line| *line != "cordon up") {
        let done = shell.run(line);
        assert_eq!(done.code, 0, "{line}\n{}\n{}", done.stdout, done.stderr);
        if line.starts_with("cordon contract status ") {
            table.contains(
                "the same is the same",
                &done.stdout,
                "visits 0.1  sequence 1",
            );
        }
    }
    deployed_again(&mut table, &network, &shell);
    let told = commands(&document, "### On every save").concat();
    table.equal(
        "on every save",
        told.as_str(),
        "cordon contract dev visits\n",
    );
    saves(&mut table, &network, &shell.contract()).await;
    assert!(running.stop("TERM").success(), "{}", running.stderr());
}

/// What a deployment changes, and what it refuses before anything has changed.
fn deployed_again(table: &mut Table, network: &Network, shell: &Shell) {
    let component = shell.contract().join("target/contracts/visits.wasm");
    let component = component.to_str().unwrap();
    let deploy = |more: &[&str]| {
        let args = [
            "--json",
            "contract",
            "deploy",
            component,
            "--dir",
            network.dir_text(),
        ];
        cordon(&[&args, more].concat())
    };
    let either = [
        "--endorsement-policy",
        "OR('HospitalMSP.peer','ClinicMSP.peer')",
    ];
    for round in ["another endorsement policy alone", "and the same once more"] {
        let done = deploy(&either).json();
        let found = (&done["version"], &done["sequence"]);
        table.equal(round, found, (&json!("0.1"), &json!(2)));
    }
    let status = |what: &str| {
        let args = [
            "--json",
            "contract",
            "status",
            "--dir",
            network.dir_text(),
            "--as",
        ];
        let found = cordon(&[&args[..], &["clinic/admin", "visits"]].concat()).json();
        found["contracts"][0]["committed"][what].clone()
    };
    let policy = status("endorsement_policy");
    table.equal(
        "is in force",
        policy.as_str(),
        Some("OR('HospitalMSP.peer', 'ClinicMSP.peer')"),
    );

    let bad = network.dir().join("bad.cedar");
    fs::write(
        &bad,
        "permit (principal, action in Action::\"Nothing\", resource);",
    )
    .unwrap();
    let bad = bad.to_str().unwrap();
    for (args, told) in [
        (
            vec!["--access-policies", bad, "--version", "9"],
            "nothing was deployed",
        ),
        (
            vec!["--access-policies", bad],
            "no function or interface \\\"Nothing\\\"",
        ),
        (
            vec!["--endorsement-policy", "OR("],
            "--endorsement-policy: ",
        ),
        (vec!["--dir", "nowhere"], "is --dir right"),
        (vec!["--channel", "nowhere"], "on channel nowhere"),
    ] {
        // The last --dir counts.
        let args: Vec<&str> = args.into_iter().collect();
        let done = if args[0] == "--dir" {
            cordon(&[&["contract", "deploy", component], &args[..]].concat())
        } else {
            deploy(&args)
        };
        table.equal(told, done.code, 1);
        table.contains(told, &done.stderr, told);
    }
    table.equal("nothing has changed", status("sequence"), json!(2));

    // The same by each organisation for itself.
    let by = |admin: &str, args: &[&str]| {
        let whole = [
            &["contract"],
            args,
            &["--dir", network.dir_text(), "--as", admin],
        ]
        .concat();
        let done = cordon(&whole);
        assert_eq!(done.code, 0, "{whole:?}: {}", done.stderr);
        done.stdout
    };
    let installed = by("hospital/admin", &["install", "--json"]);
    let installed: Value = serde_json::from_str(&installed).unwrap();
    let package = installed["packages"][0]["packageId"].as_str().unwrap();
    let both = "AND('HospitalMSP.peer','ClinicMSP.peer')";
    let mut told = Vec::new();
    for admin in ["hospital/admin", "clinic/admin"] {
        let args = [
            "approve",
            "visits",
            "--package",
            package,
            "--version",
            "0.1",
        ];
        told.push(by(
            admin,
            &[&args[..], &["--endorsement-policy", both]].concat(),
        ));
    }
    table.contains(
        "who is missing",
        &told[0],
        "ClinicMSP has not approved this sequence",
    );
    table.contains(
        "nobody is",
        &told[1],
        "enough organisations have approved it",
    );
    let told = by("clinic/admin", &["commit", "visits"]);
    table.contains(
        "committed",
        &told,
        "contract visits 0.1 (sequence 3) is in force",
    );
}

async fn saves(table: &mut Table, network: &Network, contract: &Path) {
    let args = [
        "contract",
        "dev",
        contract.to_str().unwrap(),
        "--dir",
        network.dir_text(),
    ];
    let mut dev = HostProcess::spawn(&args, &network.dir().join("logs/dev"), "warn");
    let told = dev.line("contract visits 0.1 is in force").unwrap();
    table.contains("at once", &told, " s after the start");
    let [hc1, py1] = ["hospital/hc1", "hospital/py1"].map(|user| network.client(user));

    let appointment = book(&hc1).await;
    let id = appointment["appointmentId"].as_str().unwrap();
    py1.evaluate(&list(PLANTED)).await.unwrap();
    let unknown = Call::new("visits", PLANTED, &[PLANTED]);
    assert!(hc1.evaluate(&unknown).await.is_err());
    let told = dev.line_with("  submit    200  HospitalMSP     Appointments:Book  fuel ");
    table.contains("with its duration", &told.unwrap(), " ms");
    dev.line_with("  evaluate  200  HospitalMSP     Appointments:ListAppointments  fuel ")
        .unwrap();
    dev.line_with("  evaluate  404  HospitalMSP     a function that the contract does not have")
        .unwrap();

    // A function answers something else.
    let domain = contract.join("src/domain.rs");
    let cancel = Call::new("visits", "Appointments:Cancel", &[PLANTED, id]);
    hc1.transact(&cancel).await.unwrap();
    change(
        &domain,
        "This appointment is cancelled already.",
        "It was cancelled before.",
    );
    let told = dev.line("contract visits 0.4 is in force").unwrap();
    table.contains("seconds", &told, " s after the save");
    let refusal = hc1.transact(&cancel).await.unwrap_err();
    table.contains(
        "the new answer",
        &format!("{refusal:?}"),
        "It was cancelled before.",
    );
    dev.line_with("  submit    409  HospitalMSP     Appointments:Cancel")
        .unwrap();

    // It does not compile: what is in force stays.
    let right = fs::read_to_string(&domain).unwrap();
    fs::write(&domain, format!("{right}\nfn broken(")).unwrap();
    dev.line("contract visits was not built; waiting for the next save")
        .unwrap();
    table.contains("cargo's message", &dev.stderr(), "src/domain.rs:");
    py1.evaluate(&list(PLANTED)).await.unwrap();
    dev.line_with("  evaluate  200  ").unwrap();

    // It is mended, and panics now.
    let panics = right.replace(
        "    list.sort_by",
        "    panic!(\"{}\", list.len());\n    list.sort_by",
    );
    fs::write(&domain, panics).unwrap();
    dev.line("contract visits 0.5 is in force").unwrap();
    assert!(py1.evaluate(&list(PLANTED)).await.is_err());
    dev.line_with("  evaluate  500 fault  HospitalMSP     Appointments:ListAppointments")
        .unwrap();
    dev.line_with("`cordon contract test` tells what it said")
        .unwrap();
    fs::write(&domain, &right).unwrap();
    dev.line("contract visits 0.6 is in force").unwrap();

    // Access policies alone.
    let policies = contract.join("visits.cedar");
    change(&policies, "== \"physician\"", "== \"nobody\"");
    dev.line("contract visits 0.6 is in force").unwrap();
    assert!(py1.evaluate(&list(PLANTED)).await.is_err());
    dev.line_with("  evaluate  403  HospitalMSP     Appointments:ListAppointments")
        .unwrap();
    change(&policies, "Appointments:GetHistory", "Appointments:GetAll");
    dev.line("contract visits was not deployed; waiting for the next save")
        .unwrap();
    table.contains(
        "the reason",
        &dev.stderr(),
        "has no function or interface \"Appointments:GetAll\"",
    );
    // The function gets that name: neither the old policies fit the new component nor the other way round.
    let wit = contract.join("wit/visits.wit");
    change(&wit, "get-history: func", "get-all: func");
    change(
        &contract.join("src/lib.rs"),
        "fn get_history(",
        "fn get_all(",
    );
    dev.line("contract visits 0.7 is in force").unwrap();
    let all = Call::new("visits", "Appointments:GetAll", &[PLANTED, id]);
    hc1.evaluate(&all).await.unwrap();
    dev.line_with("  evaluate  200  HospitalMSP     Appointments:GetAll")
        .unwrap();

    assert!(dev.stop("INT").success(), "{}", dev.stderr());
    let (stdout, stderr) = (dev.stdout(), dev.stderr());
    table.contains("the end", &stdout, "stopping");
    let booked = stdout
        .lines()
        .filter(|line| line.contains("Appointments:Book"));
    table.equal("two hosts executed it", booked.count(), 1);
    table.holds(
        "no argument is shown",
        !stdout.contains(PLANTED) && !stderr.contains(PLANTED),
    );
}
