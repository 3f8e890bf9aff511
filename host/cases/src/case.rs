//! Files that people write: the setup of a folder, and its cases.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Longest chain of named steps that begin with other named ones.
const DEPTH_MAX: u32 = 32;

/// `setup.json`: what the cases of a folder share.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The contract that cases call, unless they say another one.
    pub contract: String,
    /// All contracts that are there, with the channel of each.
    pub contracts: BTreeMap<String, String>,
    /// Everybody who calls, by a name for this folder.
    pub callers: BTreeMap<String, Person>,
    /// Steps that several cases begin with, by name.
    #[serde(default)]
    pub given: BTreeMap<String, Vec<Value>>,
    /// Files and folders, relative to the cases' folder, that the components are built from. When they
    /// are as they were and a component is not, another toolchain has built it. Empty: not known.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// Somebody who calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Person {
    /// Organisation.
    pub msp_id: String,
    /// Enrollment id; the name in [`Setup::callers`] when it is left out.
    pub enrollment_id: Option<String>,
    /// Attributes of the certificate.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// A case: what is called, on the state after which calls, and what is answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in a sentence.
    pub about: String,
    /// What happened before: steps, or names of [`Setup::given`]. Every call must be accepted.
    #[serde(default)]
    pub given: Vec<Value>,
    /// The call.
    pub call: Step,
    /// What it answers.
    pub answer: Answer,
}

/// A call. Counted from 1 through all that is given to the case's own, number `n` is a block of its
/// own, has the transaction id [`tx_id`](crate::record::tx_id)`(n)`, written `<tx n>` in these files
/// (the case's own also `<tx>`), and happens `n` minutes after 2026-01-01T00:00:00Z.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Who calls, by the name in [`Setup::callers`].
    pub by: String,
    /// The contract; [`Setup::contract`] when it is left out.
    pub contract: Option<String>,
    /// The function, as clients name it.
    pub function: String,
    /// Arguments as JSON; a text stands for itself.
    #[serde(default)]
    pub arguments: Vec<Value>,
    /// When the client signs, RFC 3339, instead of the time that the step's number gives.
    pub time: Option<String>,
    /// Transient values, texts.
    #[serde(default)]
    pub transient: BTreeMap<String, String>,
}

/// What a call answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Status: 200, 400, 403, 404, 409 or 500.
    pub status: i32,
    /// The refusal; empty when the call is accepted.
    #[serde(default)]
    pub message: String,
    /// The payload as JSON, whatever the order of its fields; left out when there is none.
    pub payload: Option<Value>,
}

impl Setup {
    /// All steps of a case in order, its own call last, with transaction ids put in.
    ///
    /// # Errors
    /// A sentence: an unknown name, or a step that is none.
    pub(crate) fn steps(&self, case: &Case) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        self.expand(&case.given, DEPTH_MAX, &mut steps)?;
        steps.push(case.call.clone());
        let last = steps.len();
        for step in &mut steps {
            for argument in &mut step.arguments {
                put_tx_ids(argument, last);
            }
        }
        Ok(steps)
    }

    fn expand(&self, given: &[Value], depth: u32, steps: &mut Vec<Step>) -> Result<(), String> {
        let deeper = depth
            .checked_sub(1)
            .ok_or("the lists of \"given\" name each other in a circle")?;
        for item in given {
            if let Value::String(name) = item {
                let list = self.given.get(name);
                let list = list.ok_or_else(|| format!("\"given\" has no steps {name:?}"))?;
                self.expand(list, deeper, steps)?;
            } else {
                let step = serde_json::from_value(item.clone());
                let number = steps.len() + 1;
                steps.push(step.map_err(|error| format!("step {number}: {error}"))?);
            }
        }
        Ok(())
    }
}

/// Puts ids in the place of `<tx 1>` to `<tx last>`, and of `<tx>`, which is the last one.
pub(crate) fn put_tx_ids(value: &mut Value, last: usize) {
    match value {
        Value::String(text) => {
            if text.contains("<tx") {
                let mut filled = text.replace("<tx>", &hex::encode(crate::record::tx_id(last)));
                for number in 1..=last {
                    let name = format!("<tx {number}>");
                    filled = filled.replace(&name, &hex::encode(crate::record::tx_id(number)));
                }
                *text = filled;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put_tx_ids(item, last)),
        Value::Object(fields) => fields.values_mut().for_each(|item| put_tx_ids(item, last)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
