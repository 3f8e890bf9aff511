//! The last calls of a contract, as a host tells them to its organisation's admins: when, who, which
//! function, and what came of it. What was in a call is not known here.

use cordon_gateway::{CallSeen, CallsSeen, Purpose};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The function of the system contract `cordon`: channel, contract, and the number of the last call
/// that is known already, or null to be told nothing but the number of the last one.
pub(crate) const FUNCTION: &str = "Calls";

/// What a host answers.
#[derive(Deserialize)]
pub(crate) struct Answer {
    /// Oldest first.
    pub(crate) calls: Vec<Told>,
    /// Number to ask with next.
    pub(crate) last: u64,
}

/// One execution on one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    /// RFC 3339, in UTC.
    pub(crate) time: String,
    /// Null when the contract has no such function.
    pub(crate) function: Option<String>,
    pub(crate) msp_id: String,
    pub(crate) transaction: String,
    /// Otherwise it is for an endorsement.
    pub(crate) evaluated: bool,
    pub(crate) status: i32,
    pub(crate) fuel: u64,
    pub(crate) milliseconds: f64,
}

impl From<CallSeen> for Told {
    fn from(call: CallSeen) -> Self {
        Self {
            time: OffsetDateTime::from(call.time)
                .format(&Rfc3339)
                .unwrap_or_default(),
            function: call.function,
            msp_id: call.msp_id.to_string(),
            transaction: call.tx_id.to_string(),
            evaluated: call.purpose == Purpose::Evaluate,
            status: call.status,
            fuel: call.fuel,
            milliseconds: call.duration.as_secs_f64() * 1_000.0,
        }
    }
}

/// A host's answer.
pub(crate) fn answer(seen: &CallsSeen, channel: &str, contract: &str, after: Option<u64>) -> Value {
    let (mut calls, last) = match after {
        Some(after) => seen.after(after),
        None => (Vec::new(), seen.last()),
    };
    calls.retain(|call| call.channel.as_str() == channel && call.contract.as_str() == contract);
    let calls: Vec<Told> = calls.into_iter().map(Told::from).collect();
    json!({ "calls": calls, "last": last })
}
