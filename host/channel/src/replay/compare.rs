//! Where a transaction on the ledger and its execution again differ, for whoever has to find out why.
//! What is shown holds keys and values: it is for those who may read the blocks, and for no log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use cordon_endorse::Installed;
use cordon_execute::{HostCall, Observed};
use cordon_types::{ContractId, RangeRead, RangeResults, ReadWriteSet, Version, status};
use cordon_wire::decode;
use cordon_wire::proto::protos;
use cordon_wire::rw_set::{encode_rw_set, range_results};
use cordon_wire::transaction::{Transaction, encode_events, response_payload};

/// Bytes of a value that are shown as text; programs get all of them.
const SHOWN_BYTES_MAX: usize = 200;

/// One thing that differs.
#[derive(Clone, PartialEq, Eq)]
pub struct Difference {
    /// What kind of thing.
    pub part: Part,
    /// The contract whose key it is, else the one that was called.
    pub contract: ContractId,
    /// The key, the start of the scan, or the name of the event; empty for parts that have none.
    pub key: String,
    /// What stands on the ledger.
    pub old: Side,
    /// What the execution gave.
    pub new: Side,
    /// The call of the execution into its host that this comes from; `None` when there is none, as
    /// when the execution did not write the key.
    pub host_call: Option<CallAt>,
}

/// What can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Whether the contract accepted.
    Status,
    /// The answer.
    Answer,
    /// A key that was read.
    Read,
    /// A scan of keys.
    Scan,
    /// A key that was written or deleted.
    Write,
    /// An event.
    Event,
    /// Nothing that has a name: the encoded outcome.
    Encoding,
}

/// One of two things that differ.
#[derive(Clone, PartialEq, Eq)]
pub enum Side {
    /// It is not there.
    Nothing,
    /// The key is deleted.
    Deleted,
    /// A value or a payload, whole.
    Value(Bytes),
    /// In words: a version, an answer's status, what a scan found.
    Words(String),
}

/// A call into the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallAt {
    /// Which one of the execution, from 1.
    pub number: usize,
    /// Interface and function: `state.put`.
    pub function: String,
}

/// All that differs between `transaction` and what was observed; empty when the bytes that endorsers
/// signed are the same.
pub(super) fn differences(
    transaction: &Transaction,
    observed: &Observed,
    installed: &Installed,
) -> Vec<Difference> {
    let Observed {
        outcome,
        host_calls,
        ..
    } = observed;
    let calls = Calls(host_calls);
    let response = protos::Response {
        status: outcome.response.status,
        message: outcome.response.message.clone(),
        payload: outcome.response.payload.clone(),
    };
    let events = encode_events(installed.id(), &transaction.tx_id, &outcome.events);
    let payload = response_payload(
        proposal_hash(transaction),
        encode_rw_set(&outcome.rw_set),
        events,
        response,
        installed.id(),
        &installed.version,
    );
    if payload == transaction.response_payload {
        return Vec::new();
    }
    let contract = &transaction.contract;
    let of_call = |part, old, new| Difference {
        part,
        contract: contract.clone(),
        key: String::new(),
        old,
        new,
        host_call: calls.last(),
    };
    let words = |status: i32, message: &str| {
        Side::Words(if message.is_empty() {
            status.to_string()
        } else {
            format!("{status}: {message:?}")
        })
    };
    let old = words(transaction.response.status, &transaction.response.message);
    let new = words(outcome.response.status, &outcome.response.message);
    if old != new {
        // A refused call has no effects to compare.
        return vec![of_call(Part::Status, old, new)];
    }
    debug_assert_eq!(outcome.response.status, status::OK);
    let mut all = Vec::new();
    keys(&transaction.rw_set, &outcome.rw_set, &calls, &mut all);
    let recorded = transaction.events.iter();
    let recorded: Vec<(&str, &Bytes)> = recorded
        .map(|event| (event.event_name.as_str(), &event.payload))
        .collect();
    let emitted = outcome.events.iter();
    let emitted: Vec<(&str, &Bytes)> = emitted
        .map(|event| (event.name.as_str(), &event.payload))
        .collect();
    for index in 0..recorded.len().max(emitted.len()) {
        let (old, new) = (recorded.get(index), emitted.get(index));
        if old != new {
            let name = old.or(new).map_or("", |(name, _)| name);
            let side = |event: Option<&(&str, &Bytes)>| match event {
                None => Side::Nothing,
                Some((other, _)) if *other != name => Side::Words(format!("event {other:?}")),
                Some((_, payload)) => Side::Value((*payload).clone()),
            };
            all.push(Difference {
                part: Part::Event,
                contract: contract.clone(),
                key: name.to_owned(),
                old: side(old),
                new: side(new),
                host_call: calls.nth(contract, "events.emit", index),
            });
        }
    }
    let (old, new) = (&transaction.response.payload, &outcome.response.payload);
    if old != new {
        let (old, new) = (Side::Value(old.clone()), Side::Value(new.clone()));
        all.push(of_call(Part::Answer, old, new));
    }
    if all.is_empty() {
        let (old, new) = (transaction.response_payload.clone(), payload);
        all.push(of_call(Part::Encoding, Side::Value(old), Side::Value(new)));
    }
    all
}

/// The hash that is part of what endorsers sign; that it is the transaction's own was checked when it
/// was taken apart.
fn proposal_hash(transaction: &Transaction) -> [u8; 32] {
    let payload = decode::<protos::ProposalResponsePayload>(
        &transaction.response_payload,
        "proposal response payload",
    );
    let hash = payload.map(|payload| payload.proposal_hash);
    let hash = hash.ok().and_then(|hash| hash.as_ref().try_into().ok());
    hash.unwrap_or_default()
}

/// Reads, scans and writes that differ, in order of contracts, parts and keys.
fn keys(old: &ReadWriteSet, new: &ReadWriteSet, calls: &Calls<'_>, all: &mut Vec<Difference>) {
    let (old, new) = (Sides::of(old), Sides::of(new));
    let places: BTreeSet<&Place<'_>> = old.0.keys().chain(new.0.keys()).collect();
    for place in places {
        let (old, new) = (old.0.get(place), new.0.get(place));
        if old == new {
            continue;
        }
        let (contract, part, index, key) = *place;
        let host_call = match part {
            Part::Read => calls.first(contract, &["state.get"], key),
            Part::Scan => calls.nth(contract, "state.scan", index),
            _ => calls.of_last(contract, &["state.put", "state.delete"], key),
        };
        let key = match old.or(new) {
            Some((start, _)) if part == Part::Scan => start,
            _ => key,
        };
        let side =
            |side: Option<&(&str, Side)>| side.map_or(Side::Nothing, |(_, side)| side.clone());
        all.push(Difference {
            part,
            contract: contract.clone(),
            key: key.to_owned(),
            old: side(old),
            new: side(new),
            // What the execution did not do, no call of it did.
            host_call: host_call.filter(|_| new.is_some()),
        });
    }
}

/// Contract, part, which scan of it, key.
type Place<'a> = (&'a ContractId, Part, usize, &'a str);

/// What a set says of each key and scan, with where a scan begins.
struct Sides<'a>(BTreeMap<Place<'a>, (&'a str, Side)>);

impl<'a> Sides<'a> {
    fn of(set: &'a ReadWriteSet) -> Self {
        let mut all = BTreeMap::new();
        for set in &set.contracts {
            let contract = &set.contract;
            for read in &set.reads {
                let version = Side::Words(version(read.version));
                all.insert((contract, Part::Read, 0, read.key.as_str()), ("", version));
            }
            for (index, scan) in set.range_reads.iter().enumerate() {
                let side = (scan.start.as_str(), Side::Words(found(scan)));
                all.insert((contract, Part::Scan, index, ""), side);
            }
            for write in &set.writes {
                let value = write.value.clone().map_or(Side::Deleted, Side::Value);
                all.insert((contract, Part::Write, 0, write.key.as_str()), ("", value));
            }
        }
        Self(all)
    }
}

fn version(version: Option<Version>) -> String {
    version.map_or("absent".to_owned(), |version| {
        format!("of block {}, transaction {}", version.block, version.tx)
    })
}

/// What a scan found, the same words for the same results.
fn found(scan: &RangeRead) -> String {
    let RangeRead {
        start,
        end,
        exhausted,
        results,
    } = scan;
    let results = match results.clone() {
        RangeResults::Raw(reads) => range_results(reads),
        summary @ RangeResults::Merkle { .. } => summary,
    };
    let results = match results {
        RangeResults::Raw(reads) => {
            let keys = reads.iter();
            let keys: Vec<String> = keys
                .map(|read| format!("{:?} {}", read.key, version(read.version)))
                .collect();
            format!("{} keys [{}]", keys.len(), keys.join(", "))
        }
        RangeResults::Merkle { hashes, .. } => {
            let hashes: Vec<String> = hashes.iter().map(hex::encode).collect();
            format!("more keys, with hashes [{}]", hashes.join(", "))
        }
    };
    let bound = if *exhausted { "before" } else { "up to" };
    format!("from {start:?} {bound} {end:?}: {results}")
}

/// The calls of an execution into its host.
struct Calls<'a>(&'a [HostCall]);

impl Calls<'_> {
    fn at(&self, index: usize) -> Option<CallAt> {
        Some(CallAt {
            number: index + 1,
            function: self.0.get(index)?.function.clone(),
        })
    }

    fn last(&self) -> Option<CallAt> {
        self.at(self.0.len().checked_sub(1)?)
    }

    fn first(&self, contract: &ContractId, functions: &[&str], subject: &str) -> Option<CallAt> {
        let mut calls = self.0.iter();
        self.at(calls.position(|call| is(call, contract, functions, subject))?)
    }

    fn of_last(&self, contract: &ContractId, functions: &[&str], subject: &str) -> Option<CallAt> {
        let mut calls = self.0.iter();
        self.at(calls.rposition(|call| is(call, contract, functions, subject))?)
    }

    fn nth(&self, contract: &ContractId, function: &str, n: usize) -> Option<CallAt> {
        let calls = self.0.iter().enumerate();
        let mut calls =
            calls.filter(|(_, call)| call.contract == *contract && call.function == function);
        self.at(calls.nth(n)?.0)
    }
}

fn is(call: &HostCall, contract: &ContractId, functions: &[&str], subject: &str) -> bool {
    call.contract == *contract
        && functions.contains(&call.function.as_str())
        && call.subject.as_deref() == Some(subject)
}

// === what is shown ===

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status => "status",
            Self::Answer => "answer",
            Self::Read => "read",
            Self::Scan => "scan",
            Self::Write => "write",
            Self::Event => "event",
            Self::Encoding => "encoding",
        })
    }
}

/// Values longer than 200 bytes are cut.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            part,
            contract,
            key,
            old,
            new,
            host_call,
        } = self;
        write!(f, "{part} of contract {contract}")?;
        match part {
            Part::Read | Part::Write => write!(f, ", key {key:?}")?,
            Part::Scan => write!(f, ", from key {key:?}")?,
            Part::Event => write!(f, ", {key:?}")?,
            Part::Status | Part::Answer | Part::Encoding => {}
        }
        write!(f, ": old {old}, new {new}, ")?;
        match (host_call, part) {
            (None, _) => f.write_str("no host call"),
            // They come of the whole execution.
            (Some(call), Part::Status | Part::Answer | Part::Encoding) => {
                write!(f, "after host call {}: {}", call.number, call.function)
            }
            (Some(call), _) => write!(f, "host call {}: {}", call.number, call.function),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = |end: usize, all: usize| {
            if end < all {
                format!("… ({all} bytes)")
            } else {
                String::new()
            }
        };
        match self {
            Self::Nothing => f.write_str("not there"),
            Self::Deleted => f.write_str("deleted"),
            Self::Words(words) => {
                let end = words.floor_char_boundary(SHOWN_BYTES_MAX);
                write!(f, "{}{}", &words[..end], cut(end, words.len()))
            }
            Self::Value(bytes) => {
                if let Ok(text) = std::str::from_utf8(bytes) {
                    // Escaped: a value must not move anybody's cursor.
                    let end = text.floor_char_boundary(SHOWN_BYTES_MAX);
                    write!(f, "{:?}{}", &text[..end], cut(end, text.len()))
                } else {
                    let end = bytes.len().min(SHOWN_BYTES_MAX);
                    let shown = hex::encode(&bytes[..end]);
                    write!(f, "hex {shown}{}", cut(end, bytes.len()))
                }
            }
        }
    }
}

/// Lengths only.
impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Deleted => f.write_str("Deleted"),
            Self::Value(bytes) => write!(f, "Value({} bytes)", bytes.len()),
            Self::Words(words) => write!(f, "Words({} bytes)", words.len()),
        }
    }
}

/// Without the key.
impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Difference")
            .field("part", &self.part)
            .field("contract", &self.contract)
            .field("old", &self.old)
            .field("new", &self.new)
            .field("host_call", &self.host_call)
            .finish_non_exhaustive()
    }
}
