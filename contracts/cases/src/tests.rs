//! Every case of every contract.

use std::fs;
use std::path::{Path, PathBuf};

use cordon_sdk::Error;
use serde_json::Value;

use crate::files::{Case, cases, json, name_tx_ids, put_tx_ids};
use crate::town::Town;

/// The folders of cases.
fn folders() -> Vec<PathBuf> {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = fs::read_dir(contracts).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path().join("cases"));
    let mut folders: Vec<_> = folders
        .filter(|path| path.join("setup.json").exists())
        .collect();
    folders.sort();
    folders
}

/// What became of a case's call.
struct Done {
    status: i32,
    message: String,
    payload: String,
    /// Writes and events as `host/cases` records them.
    effects: Vec<String>,
    /// Number of the call.
    last: usize,
}

fn run(town: &Town, case: &Case) -> Done {
    let steps = town.setup().steps(case);
    let last = steps.len();
    let (call, given) = steps.split_last().unwrap();
    for (number, step) in (1..).zip(given) {
        let accepted = town.call(step, number);
        let accepted = accepted.unwrap_or_else(|error| panic!("step {number}: {error}"));
        town.commit(step, accepted);
    }
    let mut done = Done {
        status: 200,
        message: String::new(),
        payload: String::new(),
        effects: Vec::new(),
        last,
    };
    match town.call(call, last) {
        Err(error) => {
            (done.status, done.message) = match error {
                Error::Invalid(text) => (400, text),
                Error::Forbidden(text) => (403, text),
                Error::NotFound(text) => (404, text),
                Error::Conflict(text) => (409, text),
            };
        }
        Ok(accepted) => {
            done.payload.clone_from(accepted.answer());
            let contract = town.contract(call);
            for (key, value) in accepted.writes() {
                let key = shown(key.as_bytes());
                done.effects.push(match value {
                    Some(value) => format!("write {contract} {key} = {}", shown(value)),
                    None => format!("delete {contract} {key} ="),
                });
            }
            for event in accepted.events() {
                let name = shown(event.name.as_bytes());
                let payload = shown(&event.payload);
                done.effects.push(format!("event {name} = {payload}"));
            }
        }
    }
    done
}

impl Done {
    /// All of it, as `host/cases` records it.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("status = {}", self.status)];
        for (name, text) in [("message", &self.message), ("payload", &self.payload)] {
            if !text.is_empty() {
                lines.push(format!("{name} = {}", shown(text.as_bytes())));
            }
        }
        let lines = lines.iter().chain(&self.effects);
        lines.map(|line| name_tx_ids(line, self.last)).collect()
    }

    /// What is answered otherwise than the case's author says.
    fn wrong(&self, case: &Case) -> Vec<String> {
        let mut expected = case.answer.payload.clone();
        put_tx_ids(&mut expected, self.last);
        let payload: Value = serde_json::from_str(&self.payload).unwrap_or_default();
        let parts = [
            ("status", case.answer.status.into(), self.status.into()),
            (
                "message",
                case.answer.message.clone().into(),
                self.message.clone().into(),
            ),
            ("payload", expected, payload),
        ];
        let wrong = parts
            .into_iter()
            .filter(|(_, expected, found)| expected != found);
        wrong
            .map(|(part, expected, found)| format!("{part}: should be {expected}, is {found}"))
            .collect()
    }
}

/// Bytes for people, as `host/cases` writes them.
fn shown(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            0 => "\\0".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b' '..=b'~' => char::from(*byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect()
}

#[test]
fn every_case_does_natively_what_is_recorded_of_the_component() {
    let compared = ["status", "message", "payload", "write", "delete", "event"];
    let mut count = 0;
    let mut failures = Vec::new();
    for folder in folders() {
        for (name, case) in cases(&folder) {
            count += 1;
            let town = Town::new(json(&folder.join("setup.json")));
            let done = run(&town, &case);
            let (found, mut wrong) = (done.lines(), done.wrong(&case));
            let golden = folder.join(format!("{name}.golden"));
            let golden = fs::read_to_string(&golden).unwrap_or_default();
            let recorded: Vec<&str> = golden
                .lines()
                .filter(|line| compared.contains(&line.split(' ').next().unwrap_or_default()))
                .collect();
            let gone = recorded
                .iter()
                .filter(|line| !found.iter().any(|found| found == *line));
            let new = found
                .iter()
                .filter(|line| !recorded.contains(&line.as_str()));
            wrong.extend(gone.map(|line| format!("recorded, not natively: {line}")));
            wrong.extend(new.map(|line| format!("natively, not recorded: {line}")));
            if !wrong.is_empty() {
                failures.push(format!(
                    "{}/{name}:\n  {}",
                    folder.display(),
                    wrong.join("\n  ")
                ));
            }
        }
    }
    assert!(count > 0, "there are no cases");
    assert!(
        failures.is_empty(),
        "{} of {count} cases differ natively (`make bless` renews records):\n{}",
        failures.len(),
        failures.join("\n")
    );
}
