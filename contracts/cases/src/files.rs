//! The files of a folder of cases. `host/cases` tells what is in them; here they are trusted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cordon_sdk::testing::TestWorld;
use cordon_sdk::{Timestamp, World};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Deserialize)]
pub(crate) struct Setup {
    pub(crate) contract: String,
    pub(crate) contracts: BTreeMap<String, String>,
    pub(crate) callers: BTreeMap<String, Person>,
    #[serde(default)]
    given: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Person {
    pub(crate) msp_id: String,
    pub(crate) enrollment_id: Option<String>,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    #[serde(default)]
    given: Vec<Value>,
    call: Step,
    pub(crate) answer: Answer,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Step {
    pub(crate) by: String,
    pub(crate) contract: Option<String>,
    pub(crate) function: String,
    #[serde(default)]
    pub(crate) arguments: Vec<Value>,
    time: Option<String>,
    #[serde(default)]
    pub(crate) transient: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(crate) struct Answer {
    pub(crate) status: i32,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) payload: Value,
}

pub(crate) fn json<T: DeserializeOwned>(path: &Path) -> T {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All cases of a folder, by name.
pub(crate) fn cases(folder: &Path) -> BTreeMap<String, Case> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let cases = paths.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
            && !path.ends_with("setup.json")
    });
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    cases.map(|path| (name(&path), json(&path))).collect()
}

impl Setup {
    /// All steps of a case in order, its own call last.
    pub(crate) fn steps(&self, case: &Case) -> Vec<Step> {
        let mut steps = Vec::new();
        self.expand(&case.given, &mut steps);
        steps.push(case.call.clone());
        let last = steps.len();
        for argument in steps.iter_mut().flat_map(|step| &mut step.arguments) {
            put_tx_ids(argument, last);
        }
        steps
    }

    fn expand(&self, given: &[Value], steps: &mut Vec<Step>) {
        for item in given {
            match item {
                Value::String(name) => self.expand(&self.given[name], steps),
                step => steps.push(serde_json::from_value(step.clone()).unwrap()),
            }
        }
    }
}

impl Step {
    /// When the client signs.
    pub(crate) fn time(&self, number: usize) -> Timestamp {
        let minute = Timestamp {
            seconds: 1_767_225_600 + 60 * i64::try_from(number).unwrap(),
            nanoseconds: 0,
        };
        self.time.as_deref().map_or(minute, time)
    }
}

/// The moment that reads like this, between 2000 and 2100.
fn time(text: &str) -> Timestamp {
    let (whole, fraction) = text
        .trim_end_matches('Z')
        .split_once('.')
        .unwrap_or((text, ""));
    let at = |seconds| Timestamp {
        seconds,
        nanoseconds: 0,
    };
    let whole = format!("{}Z", whole.trim_end_matches('Z'));
    // Texts of whole seconds are ordered as their times: bisect.
    let (mut low, mut high) = (946_684_800, 4_102_444_800);
    while low + 1 < high {
        let middle = i64::midpoint(low, high);
        if at(middle).to_rfc3339() <= whole {
            low = middle;
        } else {
            high = middle;
        }
    }
    assert_eq!(at(low).to_rfc3339(), whole, "{text} is no time in UTC");
    Timestamp {
        seconds: low,
        nanoseconds: format!("{fraction:0<9}").parse().unwrap(),
    }
}

/// The id of the transaction of this number.
fn tx_id(number: usize) -> String {
    TestWorld::new().begin(number as u64).transaction_id()
}

/// What transaction ids are called, the last one first.
fn names(last: usize) -> impl Iterator<Item = (String, String)> {
    let others = (1..=last).map(|number| (format!("<tx {number}>"), tx_id(number)));
    [("<tx>".to_owned(), tx_id(last))].into_iter().chain(others)
}

/// Puts ids in the place of their names.
pub(crate) fn put_tx_ids(value: &mut Value, last: usize) {
    match value {
        Value::String(text) => {
            for (name, id) in names(last) {
                *text = text.replace(&name, &id);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put_tx_ids(item, last)),
        Value::Object(fields) => fields.values_mut().for_each(|item| put_tx_ids(item, last)),
        _ => {}
    }
}

/// Puts names in the place of ids.
pub(crate) fn name_tx_ids(text: &str, last: usize) -> String {
    names(last).fold(text.to_owned(), |text, (name, id)| text.replace(&id, &name))
}
