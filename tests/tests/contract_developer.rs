//! The way of somebody who writes a contract, with nothing but the binary and Rust's tools: what
//! `docs/writing-contracts.md` says is done as it stands there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cordon_tests::document::Shell;
use cordon_tests::{Table, binary, change, commands, cordon, root, run, town_text};
use serde_json::{Value, json};

/// Goal: the document's Rust part can be typed as it stands, and so can the README that a new contract
/// has; what came of it is the whole contract that they promise. Method: one contract, built once, then
/// changed. It is always in the same folder, where a later run finds its dependencies compiled.
///
/// `BLESS=1` puts the records of its cases into the template.
#[test]
fn the_documents_commands_lead_to_a_tested_component() {
    let mut shell = Shell::of_a_developer();
    let visits = shell.contract();

    let document = fs::read_to_string(root().join("docs/writing-contracts.md")).unwrap();
    let blocks = commands(&document, "### From nothing to a tested component");
    assert!(blocks.len() >= 5, "{blocks:#?}");
    assert_eq!(blocks[0], "cordon contract new visits\ncd visits\n");
    let mut outputs = Vec::new();
    for block in &blocks {
        let done = shell.run(block);
        assert_eq!(done.code, 0, "{block}\n{}\n{}", done.stdout, done.stderr);
        outputs.push(done);
        if outputs.len() == 1 {
            assert_eq!(shell.place, visits);
            // It is this folder that is promised, and no other.
            assert_eq!(names(&visits), FILES);
            shell.take_target();
            let lock = fs::read_to_string(visits.join("Cargo.lock")).unwrap();
            fs::write(shell.folder.join("Cargo.lock"), lock).unwrap();
        }
    }
    let mut table = Table::new();
    let lock = fs::read_to_string(shell.folder.join("Cargo.lock")).unwrap();
    let found = fs::read_to_string(visits.join("Cargo.lock")).unwrap();
    table.holds("cargo finds nothing to change in the lock", found == lock);

    // The first test compares with the template's records, all but fuel; then they are this machine's.
    let tested = &outputs[1];
    table.contains("rules", &tested.stderr, "test result: ok. 5 passed");
    table.contains("cases", &tested.stdout, "9 of 9 cases are as recorded");
    table.contains("fuel", &tested.stdout, "NOTE: FUEL IS NOT COMPARED");
    let line = "ok       cancel                                   200  fuel ";
    table.contains("a case's line", &tested.stdout, line);
    table.contains("its reads", &tested.stdout, "reads  1  writes  1");
    let blessed = &outputs[2].stdout;
    table.holds("fuel is compared", !blessed.contains("NOTE:"));
    let template = root().join("host/cordon/template/cases");
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        for name in names(&visits.join("cases")) {
            if name.ends_with(".golden") {
                fs::copy(visits.join("cases").join(&name), template.join(&name)).unwrap();
            }
        }
    }

    let readme = fs::read_to_string(visits.join("README.md")).unwrap();
    let told = commands(&readme, "# Contract visits").concat();
    assert_eq!(told.lines().count(), 5, "{told}");
    let done = shell.run(&told);
    assert_eq!(done.code, 0, "{told}\n{}\n{}", done.stdout, done.stderr);

    let done = shell.run("cargo fmt --check");
    table.equal("its Rust is formatted", done.stdout, String::new());

    what_build_and_inspect_tell(&mut table, &mut shell);
    the_policy_fits(&mut table, &visits);
    mistakes(&mut table, &mut shell, &visits);
}

const FILES: [&str; 9] = [
    ".cordon",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "cases",
    "src",
    "visits.cedar",
    "wit",
];

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn what_build_and_inspect_tell(table: &mut Table, shell: &mut Shell) {
    let built = shell.run("cordon contract build --json").json();
    table.equal("name", built["contract"].clone(), json!("visits"));
    let functions = ["Book", "Cancel", "GetHistory", "ListAppointments"];
    let functions = functions.map(|name| format!("Appointments:{name}"));
    table.equal("functions", built["functions"].clone(), json!(functions));
    let imports = ["types", "context", "state", "events", "diagnostics"];
    let imports = imports.map(|name| format!("cordon:contract/{name}@1.0.0"));
    table.equal("imports", built["imports"].clone(), json!(imports));
    let file = built["file"].as_str().unwrap();
    let bytes = fs::metadata(file).unwrap().len();
    table.equal("bytes", built["bytes"].as_u64(), Some(bytes));

    let inspected = cordon(&["--json", "contract", "inspect", file]).json();
    table.equal("sha256", &inspected["sha256"], &built["sha256"]);
    let example = &inspected["examples"]["Appointments:Book"];
    let appointment = json!({"patientId": "alice", "day": "2026-12-01", "reason": "Vaccination"});
    table.equal("example", &example["arguments"], &json!([appointment]));
    table.equal(
        "example's answer",
        &example["answer"]["bookedBy"],
        &json!("clara"),
    );
    let text = cordon(&["contract", "inspect", file]).stdout;
    let typed =
        r#"    example   '{"patientId":"alice","day":"2026-12-01","reason":"Vaccination"}'"#;
    table.contains("example for a shell", &text, typed);
    table.contains("documentation", &text, "    Cancels an appointment and");
    table.contains("limits", &text, "  memory_bytes_max          16777216");
}

/// The contract's own policy file is held to its component, on a channel of the town.
fn the_policy_fits(table: &mut Table, visits: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("providers");
    fs::create_dir(&policies).unwrap();
    fs::copy(visits.join("visits.cedar"), policies.join("visits.cedar")).unwrap();
    let town = town_text();
    let (organizations, _) = town.split_once("[[channels]]").unwrap();
    let network = folder.path().join("town.toml");
    let text = format!(
        "{organizations}[[channels]]\nname = \"providers\"\norganizations = [\"hospital\", \"clinic\"]\n\
         ordering = \"hospital\"\n\n[[channels.contracts]]\nname = \"visits\"\nversion = \"1.0.0\"\n\
         component = \"{}\"\nendorsement_policy = \"AND('HospitalMSP.peer','ClinicMSP.peer')\"\n",
        visits.join("target/contracts/visits.wasm").display()
    );
    fs::write(&network, text).unwrap();
    let init = || {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().join("network").display().to_string();
        cordon(&[
            "init",
            "--network",
            network.to_str().unwrap(),
            "--dir",
            &place,
        ])
    };
    let done = init();
    table.equal("the policy", (done.code, done.stderr.as_str()), (0, ""));
    change(&policies.join("visits.cedar"), "\"Appointments\"", "\"X\"");
    table.equal("another policy", init().code, 1);
}

/// What a developer does wrong is told in the words of who noticed it.
fn mistakes(table: &mut Table, shell: &mut Shell, visits: &Path) {
    let domain = visits.join("src/domain.rs");
    let right = fs::read_to_string(&domain).unwrap();
    let build = |shell: &mut Shell| shell.run("cordon contract build");

    change(&domain, "cancelled = true;", "cancelled = yes;");
    for command in ["cordon contract build", "cordon contract test"] {
        let done = shell.run(command);
        table.equal(command, done.code, 1);
        table.contains(
            command,
            &done.stderr,
            "error[E0425]: cannot find value `yes`",
        );
        table.contains(command, &done.stderr, "src/domain.rs:");
        table.contains(command, &done.stderr, "its message is above");
        table.equal(command, done.stdout, String::new());
    }
    fs::write(&domain, &right).unwrap();

    // A rule that its tests do not find: a case does.
    change(&domain, "\"This appointment is", "\"The appointment is");
    change(
        &domain,
        "Only who booked an appointment may",
        "Only the clerk may",
    );
    let done = shell.run("cordon contract test --json");
    table.equal("a case", done.code, 1);
    let found = done.json();
    let wrong = found["cases"].as_array().unwrap().iter();
    let wrong: Vec<&Value> = wrong.filter(|case| case["wrong"] != json!([])).collect();
    table.equal("one is wrong", wrong.len(), 1);
    table.equal("which", &wrong[0]["name"], &json!("cancel-of-a-colleague"));
    let answer = json!("Only the clerk may cancel it.");
    table.equal("its answer", &wrong[0]["answer"], &answer);
    fs::write(&domain, &right).unwrap();

    let wit = visits.join("wit/visits.wit");
    let documented = fs::read_to_string(&wit).unwrap();
    let lines = documented.lines();
    let lines = lines.filter(|line| !line.starts_with("    /// All changes of an appointment"));
    let bare: Vec<&str> = lines.collect();
    let bare = bare.join("\n").replace(
        "    ///\n    /// Errors: `invalid` for an unusable id; `not-found` when the patient has no such appointment.\n    get-history",
        "    get-history",
    );
    fs::write(&wit, bare).unwrap();
    let done = build(shell);
    table.equal("without documentation", done.code, 1);
    table.contains("which", &done.stderr, "get-history` has no doc comment");
    fs::write(&wit, documented).unwrap();

    // The SDK in the folder is the developer's until another is asked for.
    let sdk = visits.join(".cordon/contracts/sdk/src/lib.rs");
    let before = fs::read_to_string(&sdk).unwrap();
    fs::write(&sdk, format!("{before}\n// older\n")).unwrap();
    let done = build(shell);
    table.equal("another SDK", done.code, 0);
    table.contains("is told", &done.stderr, "`cordon contract build --refresh`");
    let done = shell.run("cordon contract build --refresh");
    table.equal("a new SDK", done.code, 0);
    table.holds("is there", fs::read_to_string(&sdk).unwrap() == before);
    fs::remove_dir_all(visits.join(".cordon")).unwrap();
    let done = build(shell);
    table.equal("without SDK", done.code, 0);
    table.holds(
        "is there again",
        fs::read_to_string(&sdk).unwrap() == before,
    );
}

#[test]
fn a_contract_is_not_begun_under_a_name_or_in_a_place_that_it_cannot_have() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = Table::new();
    let new = |args: &[&str]| {
        run(Command::new(binary())
            .args(["contract", "new"])
            .args(args)
            .current_dir(folder.path()))
    };
    for (name, told) in [
        ("Visits", "words of a-z and 0-9 that begin with a letter"),
        ("2nd", "words of a-z and 0-9 that begin with a letter"),
        ("a_b", "words of a-z and 0-9 that begin with a letter"),
        ("../visits", "1..=64 letters and digits"),
        ("a--b", "1..=64 letters and digits"),
        ("record", "means something else to cargo, Rust or WIT"),
        ("serde", "means something else to cargo, Rust or WIT"),
    ] {
        let done = new(&[name]);
        table.equal(name, done.code, 1);
        table.contains(name, &done.stderr, told);
        table.equal(name, names(folder.path()), Vec::new());
    }

    fs::create_dir(folder.path().join("visits")).unwrap();
    fs::write(folder.path().join("visits/mine"), "").unwrap();
    let done = new(&["visits"]);
    table.equal("a folder that is not empty", done.code, 1);
    table.contains("it is named", &done.stderr, "visits is not empty");
    table.equal("it is left", names(&folder.path().join("visits")).len(), 1);

    let done = new(&["visits", "--dir", "visits/mine"]);
    table.equal("a file", done.code, 1);
    fs::create_dir(folder.path().join("empty")).unwrap();
    let done = new(&["my-register", "--dir", "empty", "--json"]);
    table.equal("an empty folder", done.code, 0);
    let told = json!({"contract": "my-register", "folder": "empty"});
    table.equal("is told", done.json(), told);
    let found = names(&folder.path().join("empty"));
    table.holds("is filled", found.contains(&"my-register.cedar".to_owned()));
}

#[test]
fn without_rusts_tools_it_is_said_where_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = Table::new();
    let cordon = |args: &[&str]| {
        run(Command::new(binary())
            .arg("contract")
            .args(args)
            .current_dir(folder.path())
            .env("PATH", folder.path()))
    };
    table.equal("new needs none", cordon(&["new", "visits"]).code, 0);
    for command in ["build", "test"] {
        let done = cordon(&[command, "visits"]);
        table.equal(command, done.code, 1);
        table.contains(command, &done.stderr, "there is no cargo on PATH");
        table.contains(command, &done.stderr, "https://rustup.rs");
    }
    let done = cordon(&["test", "nowhere"]);
    table.contains("nothing", &done.stderr, "there is no such folder");
    let done = cordon(&["build"]);
    table.contains(
        "no contract",
        &done.stderr,
        "`cordon contract new NAME` makes one",
    );
}

/// A toolchain for WebAssembly that can neither be found nor had.
#[test]
fn without_a_target_for_webassembly_it_is_said_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    // A cargo that can be asked about the package and builds nothing, and a rustc without targets.
    for (name, script) in [
        (
            "cargo",
            "case $1 in metadata) exec \"$REAL_CARGO\" \"$@\";; esac",
        ),
        ("rustc", "echo /nonexistent"),
        ("rustup", "exit 1"),
        ("apt-cache", "exit 1"),
        ("apt-get", "exit 1"),
        ("wasm-ld", "exit 1"),
    ] {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).unwrap();
    }
    let cordon = |args: &[&str]| {
        run(Command::new(binary())
            .arg("contract")
            .args(args)
            .current_dir(folder.path())
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("REAL_CARGO", real_cargo()))
    };
    assert_eq!(cordon(&["new", "visits"]).code, 0);
    let done = cordon(&["build", "visits"]);
    assert_eq!(done.code, 1, "{done:?}");
    for told in [
        "adding the target wasm32-unknown-unknown with rustup",
        "nothing here builds for wasm32-unknown-unknown",
        "rustup target add wasm32-unknown-unknown",
        "visits: no component was made; the reason is above",
    ] {
        assert!(done.stderr.contains(told), "{told}: {done:?}");
    }
}

fn real_cargo() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("cargo"));
    places.find(|place| place.is_file()).unwrap()
}

/// Goal: an example is something that can be sent. Method: every example of the repository's contracts
/// as a case; whatever the contract answers, it is the contract that does.
#[test]
fn every_example_is_accepted_as_what_the_function_takes() {
    let mut table = Table::new();
    for contract in ["emr", "cards"] {
        let component = root().join(format!("target/contracts/{contract}.wasm"));
        let component = component.display().to_string();
        let inspected = cordon(&["--json", "contract", "inspect", &component]).json();
        let cases = tempfile::tempdir().unwrap();
        let path = |name: &str| cases.path().join(format!("{name}.json"));
        let setup = json!({
            "contract": contract, "contracts": {contract: "channel"},
            "callers": {"clara": {"mspId": "HospitalMSP"}},
        });
        fs::write(path("setup"), setup.to_string()).unwrap();
        let examples = inspected["examples"].as_object().unwrap();
        for (function, example) in examples {
            let case = json!({
                "about": "An example.",
                "call": {
                    "by": "clara", "function": function, "arguments": example["arguments"],
                },
                "answer": {"status": 200},
            });
            fs::write(path(&function.replace(':', "-")), case.to_string()).unwrap();
        }
        let folder = cases.path().display().to_string();
        let args = ["--json", "contract", "test", &component, "--cases", &folder];
        let ran = cordon(&args).json();
        let ran = ran["cases"].as_array().unwrap();
        table.equal(contract, ran.len(), examples.len());
        for case in ran {
            // A call into the host, or at least some work: it is refused before when it does not fit.
            let fuel = case["used"]["fuel_max"].as_u64().unwrap();
            let told = format!("{} {}", case["function"], case["answer"]);
            table.holds(&told, fuel > 0 && case["status"] != json!(500));
        }
    }
}
