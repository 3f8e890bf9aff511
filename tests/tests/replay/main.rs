//! Committed transactions, executed again from a host or from block files alone. The hosts run the
//! binary under test, in whatever profile it was built; the test at the end replays in its own, so
//! that a debug build repeats what a release build has endorsed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod town;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cordon_channel::{ChannelError, Components, Outcome, Past, Replay, Unreplayable};
use cordon_client::Call;
use cordon_execute::{Compiled, Profile, Runtime};
use cordon_tests::{
    CHANNEL, CHANNELS, CLINIC, HOSPITAL, Network, REPORTS, SCHOOL, Table, cordon, note,
};
use cordon_types::ContractId;
use serde_json::{Value, json};

use crate::town::{HC1, PY1, Town, prober, root};

/// Of a replay's JSON: replayed, equal, different, reasons.
fn counts(found: &Value) -> (u64, u64, u64, Vec<(u64, String)>) {
    let count = |name: &str| found[name].as_u64().unwrap();
    let reasons = found["notReplayed"].as_array().unwrap().iter();
    let reasons = reasons.map(|reason| {
        let text = reason["reason"].as_str().unwrap().to_owned();
        (reason["count"].as_u64().unwrap(), text)
    });
    (
        count("replayed"),
        count("equal"),
        count("different") + count("neverStood"),
        reasons.collect(),
    )
}

const TRANSIENT: &str = "the contract asked for transient values, which are on no ledger";

/// Block files of every channel of a host, and its components, in `to`: nothing else of it.
fn copy_blocks(network: &Network, host: &str, to: &Path) {
    let copy = |from: &Path, to: &Path, ending: &str| {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|found| found == ending) {
                fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
            }
        }
    };
    for entry in fs::read_dir(network.data(host, "channels")).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        copy(&entry.path().join("blocks"), &to, "seg");
    }
    let components = network.config(host).with_file_name("components");
    copy(&components, &to.join("components"), "wasm");
}

/// Every file in a folder and below, with what is in it.
fn files(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_town_is_the_same_again_from_hosts_and_from_their_block_files() {
    let mut town = Town::start().await;
    town.providers().await;
    let whispered = town.transient().await;
    let report = town.children().await;
    town.configure();

    // A host whose state is gone goes on with what its blocks say.
    town.network.stop(CLINIC, "TERM");
    fs::remove_dir_all(town.network.data(CLINIC, "channels/providers/state")).unwrap();
    town.network.start_host(CLINIC);
    town.network.settled_everywhere().await;
    let again = note("pa1", "after");
    town.emr
        .submits(PY1, "Physician:AddEmrNote", &[&again])
        .await;
    town.network.settled_everywhere().await;

    let mut table = Table::new();
    let mut expected = BTreeMap::new();
    for (channel, members) in CHANNELS {
        let all = town.executed(channel).await as u64;
        let transient = u64::from(channel == CHANNEL);
        let reasons = vec![(1, TRANSIENT.to_owned()); usize::from(channel == CHANNEL)];
        let counted = (all, all - transient, 0, reasons);
        for member in members {
            // A school's host has no cards: what the report was told, it cannot ask again.
            if *member == SCHOOL {
                continue;
            }
            let caller = format!("{member}/admin");
            let found = town.replay(&["--as", &caller, "--channel", channel, "--json"]);
            let case = format!("{channel} at {member}");
            table.equal(&case, (found.code, found.stderr.as_str()), (0, ""));
            table.equal(&case, counts(&found.json()), counted.clone());
            let skipped = match channel {
                CHANNEL => json!({ "CONFIGURATION": 1 }),
                _ => json!({}),
            };
            table.equal(&case, found.json()["notExecuted"].clone(), skipped);
        }
        expected.insert(channel, counted);
    }
    // The card has changed twice since, and the report was made of what it was.
    let report = report.to_string();
    let one = ["--as", "hospital/admin", "--channel", REPORTS, "--json"];
    let found = town.replay(&[&one[..], &["--tx", &report]].concat()).json();
    let transaction = &found["transactions"][0];
    table.equal("the report", transaction["outcome"].clone(), json!("equal"));
    table.holds(
        "the report was looked for",
        transaction["executions"].as_u64().unwrap() > 1,
    );
    let whispered = whispered.to_string();
    let one = ["--as", "clinic/admin", "--channel", CHANNEL];
    let found = town.replay(&[&one[..], &["--tx", &whispered]].concat());
    table.equal("transient", found.code, 0);
    table.contains("transient", &found.stdout, TRANSIENT);
    table.contains("transient", &found.stdout, "replayed 1 transactions");

    // Block files that a running host has open, where they are.
    let data = town.network.config(HOSPITAL);
    let data = data.parent().unwrap();
    let found = cordon(&[
        "ledger",
        "replay",
        "--blocks",
        data.to_str().unwrap(),
        "--json",
    ]);
    table.equal("a host's folder", found.stderr.as_str(), "");
    table.equal(
        "a host's folder",
        counts(&found.json()),
        expected[CHANNEL].clone(),
    );

    // Another machine: no host, no keys, no state.
    let machine = tempfile::tempdir().unwrap();
    copy_blocks(&town.network, HOSPITAL, machine.path());
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    files(machine.path(), &mut before);
    drop(town);
    let dir = machine.path().to_str().unwrap();
    let elsewhere = |args: &[&str]| cordon(&[&["ledger", "replay", "--json"], args].concat());
    for (channel, counted) in &expected {
        let found = elsewhere(&["--blocks", dir, "--channel", channel]);
        let case = format!("{channel} elsewhere");
        table.equal(&case, (found.code, found.stderr.as_str()), (0, ""));
        table.equal(&case, counts(&found.json()), counted.clone());
    }
    incomplete(&mut table, machine.path(), &expected[REPORTS], &report);
    refused(&mut table, machine.path());
    files(machine.path(), &mut after);
    table.holds("files were only read", before == after);
}

/// What cannot be had is said, and is not called a difference.
fn incomplete(
    table: &mut Table,
    machine: &Path,
    reports: &(u64, u64, u64, Vec<(u64, String)>),
    report: &str,
) {
    // The reports alone, without the cards that one asks.
    let blocks = machine.join(REPORTS);
    let components = machine.join("components");
    let (blocks, components) = (blocks.to_str().unwrap(), components.to_str().unwrap());
    let from = [
        "ledger",
        "replay",
        "--json",
        "--channel",
        REPORTS,
        "--blocks",
        blocks,
    ];
    let found = cordon(&[&from[..], &["--components", components]].concat());
    let found = found.json();
    let reason = "the contract asked channel \"cards\", whose blocks are not here".to_owned();
    let (all, _, _, _) = reports;
    let (replayed, equal, different, reasons) = counts(&found);
    table.equal("without cards", (replayed, different), (*all, 0));
    table.equal("without cards", reasons, vec![(*all - equal, reason)]);
    let told = found["transactions"].as_array().unwrap();
    let told = told.iter().any(|one| one["transaction"] == report);
    table.holds("the report is among them", told);

    // No components, and one under another's name.
    let other = tempfile::tempdir().unwrap();
    let emr = fs::read(root().join("target/contracts/reports.wasm")).unwrap();
    let sha256 = hex::encode(cordon_wire::sha256([emr.as_slice()]));
    let from = [&from[..], &["--components", other.path().to_str().unwrap()]].concat();
    let found = cordon(&from);
    table.equal("no component", found.code, 0);
    let reason = format!(
        "there is no component with SHA-256 {sha256}, which the channel ran as contract reports"
    );
    table.equal(
        "no component",
        counts(&found.json()),
        (*all, 0, 0, vec![(*all, reason)]),
    );
    let mut changed = emr;
    let last = changed.len() - 1;
    changed[last] ^= 1;
    fs::write(other.path().join(format!("{sha256}.wasm")), changed).unwrap();
    let found = cordon(&from);
    table.equal("another component", found.code, 0);
    let reason = format!(
        "the file {sha256}.wasm, which should be contract reports, does not have that SHA-256: put the right component in its place"
    );
    table.equal(
        "another component",
        counts(&found.json()),
        (*all, 0, 0, vec![(*all, reason)]),
    );
}

/// Questions that have no answer.
fn refused(table: &mut Table, machine: &Path) {
    let dir = machine.to_str().unwrap();
    let unknown = "0".repeat(64);
    let empty = tempfile::tempdir().unwrap();
    let twice = tempfile::tempdir().unwrap();
    for copy in ["a", "b"] {
        let to = twice.path().join(copy);
        fs::create_dir(&to).unwrap();
        let file = "00000000.seg";
        fs::copy(machine.join(CHANNEL).join(file), to.join(file)).unwrap();
    }
    let empty = empty.path().to_str().unwrap();
    let cases: [(&[&str], i32, &str); 9] = [
        (
            &["--blocks", dir, "--tx", &unknown],
            1,
            "no block of channel providers holds transaction 000",
        ),
        (
            &["--blocks", dir, "--tx", "one"],
            2,
            "64 lower-case hex digits",
        ),
        (
            &["--blocks", dir, "--from", "999"],
            1,
            "channel providers has blocks 0 to ",
        ),
        (
            &["--blocks", dir, "--from", "2", "--to", "1"],
            1,
            "--from 2 comes after --to",
        ),
        (
            &["--blocks", dir, "--channel", "moon"],
            1,
            "holds no block files of channel moon; it has those of cards, providers, reports",
        ),
        (
            &["--blocks", empty],
            1,
            "holds no block files of channel providers",
        ),
        (
            &["--blocks", twice.path().to_str().unwrap()],
            1,
            "both hold blocks of channel providers",
        ),
        (
            &["--blocks", dir, "--components", "/nowhere"],
            1,
            "there is no folder /nowhere",
        ),
        (&[], 2, "--as"),
    ];
    for (args, code, expected) in cases {
        let found = cordon(&[&["ledger", "replay"], args].concat());
        let case = format!("{args:?}");
        table.equal(&case, (found.code, found.stdout.as_str()), (code, ""));
        table.contains(&case, &found.stderr, expected);
    }
    // Some of it.
    let some = |args: &[&str]| {
        let found = cordon(&[&["ledger", "replay", "--json", "--blocks", dir], args].concat());
        (
            found.json()["replayed"].clone(),
            found.json()["height"].clone(),
        )
    };
    table.equal(
        "one block",
        some(&["--from", "1", "--to", "1"]),
        (json!(1), json!(2)),
    );
    table.equal("block 0", some(&["--to", "0"]), (json!(0), json!(1)));
}

/// Hands out components by name, whatever their hash should be.
struct Shelf {
    runtime: Runtime,
    components: BTreeMap<&'static str, Vec<u8>>,
}

impl Components for Shelf {
    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn load(&self, contract: &ContractId, _: &str) -> Result<Arc<Compiled>, ChannelError> {
        let component = &self.components[contract.as_str()];
        Ok(self.runtime.compile(component).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_contract_is_found_out() {
    let town = Town::start().await;
    town.providers().await;
    let hc1 = town.emr.client(HC1);
    let written = Call::new("prober", "Probe:Write", &["key", "value"]);
    let written = hc1.transact(&written).await.unwrap().tx_id;
    town.transient().await;
    town.network.settled_everywhere().await;
    let admin = town.network.client_on(CHANNEL, "clinic/admin");
    let height = town.network.settled_on(CHANNEL).await.height;
    let mut blocks = Vec::new();
    for number in 0..height {
        let call = Call::new("qscc", "GetBlockByNumber", &[CHANNEL, &number.to_string()]);
        blocks.push(admin.evaluate(&call).await.unwrap());
    }

    // The same but for a word that one function answers.
    let mut changed = prober();
    // Alone: other texts of the contract hold the word, too.
    let at = changed
        .windows(8)
        .position(|window| window.starts_with(b"written") && window[7].is_ascii_alphabetic());
    let at = at.unwrap();
    changed[at..at + 7].copy_from_slice(b"WRITTEN");
    let contracts = |prober: Vec<u8>| {
        let read = |name: &str| fs::read(root().join(format!("target/contracts/{name}.wasm")));
        BTreeMap::from([
            ("emr", read("emr").unwrap()),
            ("sharing", read("sharing").unwrap()),
            ("prober", prober),
        ])
    };
    let replay = |prober: Vec<u8>| {
        let shelf = Shelf {
            runtime: Runtime::new(Profile::default()).unwrap(),
            components: contracts(prober),
        };
        let past = Past::new(&blocks[0], Arc::new(shelf)).unwrap();
        let mut replay = Replay::new(past, Vec::new());
        let mut found = Vec::new();
        for block in &blocks[1..] {
            let (replayed, skipped) = replay.next(block, |_| true).unwrap();
            assert_eq!(skipped, []);
            found.extend(replayed);
        }
        found.retain(|replayed| {
            !matches!(
                replayed.outcome,
                Outcome::Equal | Outcome::Unreplayable(Unreplayable::Transient)
            )
        });
        found
    };
    // On a thread with the stack that contracts need.
    let work = move || (replay(prober()), replay(changed));
    let worker = std::thread::Builder::new()
        .stack_size(cordon_execute::thread_stack_bytes(&Profile::default()));
    let (same, other) = std::thread::scope(|scope| {
        let handle = worker.spawn_scoped(scope, work).unwrap();
        handle.join().unwrap()
    });
    assert_eq!(same, []);
    let [found] = other.as_slice() else {
        panic!("{other:?}");
    };
    assert_eq!(found.tx_id, written);
    let Outcome::Different(differences) = &found.outcome else {
        panic!("{found:?}");
    };
    let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "answer of contract prober: old \"written\", new \"WRITTEN\", after host call 1: state.put"
        ]
    );
}
