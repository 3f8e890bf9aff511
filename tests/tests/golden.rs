//! What every function of every contract does is recorded: `contracts/README.md` tells how. A change of
//! fuel, of a byte or of a key that is read fails here, and is renewed by `make bless`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cordon_cases::{Comparison, Report, Setup, Suite, Town};
use cordon_execute::{Profile, Runtime};
use cordon_tests::{Table, cordon};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All contracts: folders with exports of their own.
fn contracts() -> Vec<String> {
    let folders = fs::read_dir(root().join("contracts")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path());
    let contracts = folders.filter(|path| path.join("wit").is_dir());
    let mut names: Vec<String> = contracts
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    names
}

fn cases_of(contract: &str) -> PathBuf {
    root().join("contracts").join(contract).join("cases")
}

fn component_of(contract: &str) -> PathBuf {
    root().join(format!("target/contracts/{contract}.wasm"))
}

/// The contracts of a setup, as they were built.
fn town(runtime: &Runtime, setup: &Setup) -> Town {
    let components: BTreeMap<String, Vec<u8>> = setup
        .contracts
        .keys()
        .map(|name| (name.clone(), fs::read(component_of(name)).unwrap()))
        .collect();
    Town::new(runtime, setup, &components).unwrap_or_else(|error| panic!("{error}"))
}

fn run(suite: &Suite, town: &Town) -> Report {
    suite.run(town).unwrap_or_else(|error| panic!("{error}"))
}

fn read(folder: &Path) -> Suite {
    Suite::read(folder).unwrap_or_else(|error| panic!("{error}"))
}

/// Goal: what contracts do cannot change unnoticed. Method: every case in this process. `BLESS=1` first
/// records what happens now.
#[test]
fn contracts_do_what_is_recorded() {
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let runtime = Runtime::new(Profile::default()).unwrap();
    let mut failures = Vec::new();
    for contract in contracts() {
        let folder = cases_of(&contract);
        let mut suite = read(&folder);
        let town = town(&runtime, suite.setup());
        if bless {
            let renewed = suite.renew(&town, &run(&suite, &town)).unwrap();
            println!("{contract}: {} records renewed", renewed.len());
            suite = read(&folder);
        }
        let report = run(&suite, &town);
        if !report.is_same() {
            failures.push(format!("=== {contract}\n{}", report.failures()));
        } else if let Comparison::WithoutFuel(_) = report.comparison {
            println!("=== {contract}\n{}", report.failures());
        }
    }
    assert!(
        failures.is_empty(),
        "{}\n\nwhere this should be so: `make bless`, and look at the difference",
        failures.join("\n")
    );
}

/// Goal: nothing that a contract exports is left out. Method: its own list of functions, and every
/// contract has somebody who may not.
#[test]
fn every_function_is_accepted_in_a_case_and_every_contract_forbids_something() {
    let runtime = Runtime::new(Profile::default()).unwrap();
    let (mut exported, mut accepted) = (BTreeSet::new(), BTreeSet::new());
    let mut forbids = BTreeSet::new();
    for contract in contracts() {
        let suite = read(&cases_of(&contract));
        assert_eq!(suite.setup().contract, contract);
        let town = town(&runtime, suite.setup());
        exported.extend(town.functions());
        for ran in run(&suite, &town).ran {
            match ran.status {
                200 => accepted.extend(ran.reached),
                403 => drop(forbids.insert(ran.contract)),
                _ => {}
            }
        }
    }
    let missing: Vec<_> = exported.difference(&accepted).collect();
    assert!(missing.is_empty(), "no case is accepted by {missing:?}");
    assert_eq!(Vec::from_iter(forbids), contracts());
}

/// The command line, which in continuous integration is the release build, on the same records: the same
/// bytes and fuel from another build of the host.
#[test]
fn the_command_line_finds_what_is_recorded() {
    for contract in contracts() {
        let folder = cases_of(&contract);
        let setup: Setup =
            serde_json::from_slice(&fs::read(folder.join("setup.json")).unwrap()).unwrap();
        let component = component_of(&contract).display().to_string();
        let folder = folder.display().to_string();
        let others = setup.contracts.keys().filter(|name| **name != contract);
        let with: Vec<String> = others
            .map(|name| format!("--with={name}={}", component_of(name).display()))
            .collect();
        let with: Vec<&str> = with.iter().map(String::as_str).collect();

        let test = ["contract", "test", &component, "--cases", &folder];
        let done = cordon(&[&test[..], &with].concat());
        assert_eq!(
            (done.code, done.stderr.as_str()),
            (0, ""),
            "{}",
            done.stdout
        );
        assert!(done.stdout.contains("are as recorded"), "{}", done.stdout);

        let inspect = [
            "--json", "contract", "inspect", &component, "--cases", &folder,
        ];
        let done = cordon(&[&inspect[..], &with].concat()).json();
        for (function, used) in done["used"].as_object().unwrap() {
            for (setting, used) in used.as_object().unwrap() {
                let limit = done["execution"][setting].as_u64().unwrap();
                let used = used.as_u64().unwrap();
                assert!(used <= limit, "{function}: {setting} {used} of {limit}");
            }
            assert!(used["fuel_max"].as_u64().unwrap() > 1_000, "{function}");
        }
    }
    let emr = component_of("emr").display().to_string();
    let folder = cases_of("emr").display().to_string();
    let text = cordon(&["contract", "inspect", &emr, "--cases", &folder]).stdout;
    let used = "    keys_max                           3 of 20000 (0.01 %)";
    assert!(text.contains(used), "{text}");
}

/// Cases of `emr` that can be changed, in a folder of their own with one source.
struct Copy {
    folder: tempfile::TempDir,
    runtime: Runtime,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(cases_of("emr")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        let copy = Self {
            folder,
            runtime: Runtime::new(Profile::default()).unwrap(),
        };
        fs::write(copy.path("source.rs"), "fn rule() {}").unwrap();
        copy.change_json("setup.json", |setup| {
            setup["sources"] = json!(["source.rs"]);
        });
        copy.renew();
        copy
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn suite(&self) -> (Suite, Town) {
        let suite = read(self.folder.path());
        let town = town(&self.runtime, suite.setup());
        (suite, town)
    }

    fn report(&self) -> Report {
        let (suite, town) = self.suite();
        run(&suite, &town)
    }

    fn renew(&self) -> Vec<String> {
        let (suite, town) = self.suite();
        suite.renew(&town, &run(&suite, &town)).unwrap()
    }

    fn change(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from:?}: {text}");
        fs::write(self.path(name), text.replacen(from, to, 1)).unwrap();
    }

    fn change_json(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap();
        change(&mut value);
        fs::write(self.path(name), value.to_string()).unwrap();
    }

    /// What is told, on one line each, after `change`; then everything is as before.
    fn told(&self, change: impl FnOnce(&Self)) -> String {
        let names = fs::read_dir(self.folder.path()).unwrap();
        let paths: Vec<PathBuf> = names.map(|entry| entry.unwrap().path()).collect();
        let before: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        change(self);
        let report = self.report();
        assert!(!report.is_same(), "{report}");
        let text = report.failures();
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (path, bytes) in paths.iter().zip(before) {
            fs::write(path, bytes).unwrap();
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ")
    }
}

/// Goal: no change of a record passes, and each is told by its name. Method: records and cases of `emr`
/// changed one at a time.
#[test]
fn what_is_not_as_recorded_is_told_by_name() {
    let copy = Copy::new();
    let report = copy.report();
    assert!(
        report.is_same() && report.comparison == Comparison::Exact,
        "{report}"
    );
    let golden = fs::read_to_string(copy.path("add-note.golden")).unwrap();
    let line = |begin: &str| golden.lines().find(|line| line.starts_with(begin)).unwrap();
    let fuel = line("fuel = ").trim_start_matches("fuel = ");
    let read = line("read emr");
    let answer = line("payload = ").trim_start_matches("payload = ");
    let answer: String = answer.chars().take(60).collect();

    let mut table = Table::new();
    let told =
        copy.told(|copy| copy.change("add-note.golden", &format!("fuel = {fuel}"), "fuel = 1"));
    let expected = format!(
        "differs add-note 200 fuel {fuel} reads 1 writes 1 bytes written 220 {answer}… changed fuel recorded 1 found {fuel}"
    );
    table.contains("fuel", &told, &expected);
    table.holds("and nothing else", told.matches("changed").count() == 1);

    let told = copy.told(|copy| copy.change("add-note.golden", "\\x07aspirin", "\\x07aspirik"));
    table.contains(
        "a byte of a value",
        &told,
        "changed write emr \\0note\\0HospitalMSP\\0alice",
    );
    table.contains("the value found", &told, "\\x07aspirin");

    let told = copy.told(|copy| {
        copy.change(
            "add-note.golden",
            read,
            &format!("{read}\nread emr \\0other\\0 = absent"),
        );
    });
    table.contains(
        "a read that is not made",
        &told,
        "gone read emr \\0other\\0 = absent",
    );

    let told = copy.told(|copy| copy.change("add-note.golden", &format!("{read}\n"), ""));
    table.contains("a read that is not recorded", &told, &format!("new {read}"));

    let told =
        copy.told(|copy| copy.change("add-note.golden", "event EmrNoteAdded", "event Other"));
    table.contains(
        "an event",
        &told,
        "gone event Other = <tx> new event EmrNoteAdded = <tx>",
    );

    let told = copy.told(|copy| {
        fs::rename(copy.path("add-note.golden"), copy.path("other.golden")).unwrap();
    });
    table.contains("a case without record", &told, "new add-note 200");
    table.contains("a record without case", &told, "orphan other.golden");

    let told = copy.told(|copy| copy.change("add-note.json", "\"aspirin\"", "\"aspirix\""));
    table.contains("an argument", &told, "wrong answer.payload should be");

    let told = copy.told(|copy| {
        copy.change_json("add-note.json", |case| {
            case["answer"]["status"] = 403.into();
        });
        copy.renew();
    });
    table.contains(
        "renewing mends no case",
        &told,
        "wrong answer.status should be 403 found 200",
    );

    let told = copy.told(|copy| fs::write(copy.path("source.rs"), "fn rule() { }").unwrap());
    table.contains(
        "sources",
        &told,
        "sources are not those that the records were made of",
    );

    let told = copy.told(|copy| fs::remove_file(copy.path("components.sha256")).unwrap());
    table.contains("no hashes", &told, "nothing is recorded yet");

    // And after all of it, it is the same again.
    table.holds("all is as before", copy.report().is_same());
    table.equal("nothing is left to renew", copy.renew(), Vec::new());
}

/// Goal: where another toolchain has built the components, fuel is not compared, which is said, and
/// everything else is. Method: another hash among the records.
#[test]
fn of_another_toolchains_components_all_but_fuel_is_compared() {
    let copy = Copy::new();
    let hashes = fs::read_to_string(copy.path("components.sha256")).unwrap();
    copy.change("components.sha256", &hashes[..4], "abcd");
    copy.change("add-note.golden", "fuel = ", "fuel = 1");
    copy.change(
        "add-note.golden",
        "call emr context.caller = ",
        "call emr context.caller = 1",
    );
    let report = copy.report();
    assert!(report.is_same(), "{report}");
    assert_eq!(
        report.comparison,
        Comparison::WithoutFuel(vec!["emr".to_owned()])
    );
    let note = "NOTE: FUEL IS NOT COMPARED. The sources are those of the records, but another toolchain has built: emr.";
    assert!(report.to_string().contains(note), "{report}");
    let told = copy.told(|copy| copy.change("add-note.golden", "\\x07aspirin", "\\x07aspirik"));
    assert!(told.contains("changed write emr"), "{told}");
    // A change of the sources is no other toolchain.
    let told = copy.told(|copy| fs::write(copy.path("source.rs"), "fn rule() { }").unwrap());
    assert!(told.contains("sources are not those"), "{told}");
}

/// The command line says how to renew, with exit code 1, and renews.
#[test]
fn the_command_line_renews_when_it_is_told_to() {
    let copy = Copy::new();
    let component = component_of("emr").display().to_string();
    let folder = copy.folder.path().display().to_string();
    let args = ["contract", "test", &component, "--cases", &folder];
    copy.change("add-note.golden", "fuel = ", "fuel = 1");
    let done = cordon(&args);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stdout.contains("changed  fuel"), "{done:?}");
    assert!(
        done.stderr.contains("run this again with --bless"),
        "{done:?}"
    );
    let done = cordon(&[&args[..], &["--bless"]].concat());
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains("renewed  add-note.golden"), "{done:?}");
    assert!(copy.report().is_same());

    let done = cordon(&[
        "contract",
        "test",
        &component,
        "--cases",
        &cases_of("sharing").display().to_string(),
    ]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("by --with NAME=COMPONENT"), "{done:?}");
    assert!(
        done.stderr.contains("the cases need contract emr"),
        "{done:?}"
    );
}
