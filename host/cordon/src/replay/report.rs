//! What a replay found, for people and for programs.

use std::collections::BTreeMap;

use bytes::Bytes;
use cordon_channel::{ChainVerifier, Difference, Outcome, Replayed, Side, Skipped};
use cordon_types::Version;
use serde_json::{Value, json};

/// Transactions that people are told of one by one; programs get all.
const SHOWN_MAX: usize = 20;

/// Counts everything, and keeps what is to be told one by one.
#[derive(Default)]
pub(super) struct Report {
    channel: String,
    height: u64,
    block_hash: String,
    state_digest: String,
    equal: u64,
    different: u64,
    never_stood: u64,
    /// By reason.
    unreplayable: BTreeMap<String, u64>,
    /// By what they are.
    skipped: BTreeMap<String, u64>,
    /// Bytes behind the last whole block of the files.
    unfinished_bytes: u64,
    /// Whether equal ones are told of too.
    all: bool,
    kept: Vec<Replayed>,
}

impl Report {
    /// Of transactions that are equal it tells no more than their number, unless of `all`.
    pub(super) fn new(channel: &str, unfinished_bytes: u64, all: bool) -> Self {
        Self {
            unfinished_bytes,
            channel: channel.to_owned(),
            all,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, replayed: Vec<Replayed>, skipped: Vec<Skipped>) {
        for transaction in replayed {
            match &transaction.outcome {
                Outcome::Equal => self.equal += 1,
                Outcome::Different(_) => self.different += 1,
                Outcome::NeverStood => self.never_stood += 1,
                Outcome::Unreplayable(reason) => {
                    *self.unreplayable.entry(reason.to_string()).or_default() += 1;
                }
            }
            if self.all || transaction.outcome != Outcome::Equal {
                self.kept.push(transaction);
            }
        }
        for Skipped { code, .. } in skipped {
            let name = code.map_or("CONFIGURATION", |code| code.name());
            *self.skipped.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// How far the chain was verified.
    pub(super) fn end(&mut self, chain: &ChainVerifier) {
        self.height = chain.height();
        self.block_hash = hex::encode(chain.hash());
        self.state_digest = hex::encode(chain.state_digest());
    }

    /// Whether nothing was added yet.
    pub(super) fn is_empty(&self) -> bool {
        self.executed() == 0 && self.skipped.is_empty()
    }

    /// Transactions that were executed again, or should have been.
    pub(super) fn executed(&self) -> u64 {
        self.equal + self.wrong() + self.cannot()
    }

    /// Those that are not as an honest host endorses them.
    pub(super) fn wrong(&self) -> u64 {
        self.different + self.never_stood
    }

    fn cannot(&self) -> u64 {
        self.unreplayable.values().sum()
    }

    pub(super) fn text(&self) -> String {
        let Self {
            channel,
            height,
            block_hash,
            state_digest,
            equal,
            different,
            never_stood,
            unreplayable,
            skipped,
            kept,
            all,
            unfinished_bytes,
        } = self;
        let mut text = String::new();
        // For those that cannot be replayed, people are told the reasons.
        let told = kept.iter();
        let told = told.filter(|one| *all || !matches!(one.outcome, Outcome::Unreplayable(_)));
        for transaction in told.clone().take(SHOWN_MAX) {
            text += &describe(transaction);
        }
        let more = told.count().saturating_sub(SHOWN_MAX);
        if more > 0 {
            text += &format!("… and {more} more transactions: --json tells of all\n");
        }
        text += &format!(
            "verified {height} blocks of channel {channel}, replayed {} transactions\n",
            self.executed()
        );
        text += &format!("equal         {equal}\ndifferent     {different}\n");
        if *never_stood > 0 {
            text += &format!(
                "never stood   {never_stood} (their reads were no state of the channel)\n"
            );
        }
        text += &format!("not replayed  {}\n", self.cannot());
        for (reason, count) in unreplayable {
            text += &format!("  {count}: {reason}\n");
        }
        if !skipped.is_empty() {
            let counts: Vec<String> = skipped
                .iter()
                .map(|(name, count)| format!("{count} {name}"))
                .collect();
            text += &format!("not executed  {}\n", counts.join(", "));
        }
        if *unfinished_bytes > 0 {
            text += &format!(
                "unfinished    {unfinished_bytes} bytes behind the last block are no whole block: cut off, damaged, or being written now\n"
            );
        }
        text + &format!("last block    {block_hash}\nstate digest  {state_digest}")
    }

    pub(super) fn to_json(&self) -> Value {
        let reasons = self.unreplayable.iter();
        let reasons: Vec<Value> = reasons
            .map(|(reason, count)| json!({ "reason": reason, "count": count }))
            .collect();
        json!({
            "channel": self.channel,
            "height": self.height,
            "blockHash": self.block_hash,
            "stateDigest": self.state_digest,
            "unfinishedBytes": self.unfinished_bytes,
            "replayed": self.executed(),
            "equal": self.equal,
            "different": self.different,
            "neverStood": self.never_stood,
            "notReplayed": reasons,
            "notExecuted": self.skipped,
            "transactions": self.kept.iter().map(value).collect::<Vec<_>>(),
        })
    }
}

/// One transaction for people, several lines.
fn describe(transaction: &Replayed) -> String {
    let Replayed {
        at: Version { block, tx },
        tx_id,
        contract,
        function,
        code,
        height,
        tries,
        outcome,
    } = transaction;
    // What a client has called a function can be anything.
    let function: String = function.escape_debug().take(100).collect();
    let mut text = format!(
        "transaction {tx_id}\n  block {block}, index {tx}, {code}: {contract} {function}\n"
    );
    let state = format!("on the state of {height} blocks, after {tries} executions");
    text += &match outcome {
        Outcome::Equal => format!("  equal {state}\n"),
        Outcome::NeverStood => {
            "  what it says that it read was never the state of the channel\n".to_owned()
        }
        Outcome::Unreplayable(reason) => format!("  cannot be replayed: {reason}\n"),
        Outcome::Different(differences) => {
            let lines = differences.iter();
            let lines: Vec<String> = lines.map(|line| format!("    {line}\n")).collect();
            format!("  different {state}\n{}", lines.concat())
        }
    };
    text
}

fn value(transaction: &Replayed) -> Value {
    let (outcome, reason, differences) = match &transaction.outcome {
        Outcome::Equal => ("equal", None, &[][..]),
        Outcome::Different(differences) => ("different", None, differences.as_slice()),
        Outcome::NeverStood => ("never-stood", None, &[][..]),
        Outcome::Unreplayable(reason) => ("not-replayed", Some(reason.to_string()), &[][..]),
    };
    json!({
        "transaction": transaction.tx_id.to_string(),
        "block": transaction.at.block,
        "index": transaction.at.tx,
        "code": transaction.code.name(),
        "contract": transaction.contract.as_str(),
        "function": transaction.function,
        "stateHeight": transaction.height,
        "executions": transaction.tries,
        "outcome": outcome,
        "reason": reason,
        "differences": differences.iter().map(difference).collect::<Vec<_>>(),
    })
}

fn difference(difference: &Difference) -> Value {
    let call = difference.host_call.as_ref();
    json!({
        "part": difference.part.to_string(),
        "contract": difference.contract.as_str(),
        "key": difference.key,
        "old": side(&difference.old),
        "new": side(&difference.new),
        "hostCall": call.map(|call| json!({ "number": call.number, "function": call.function })),
    })
}

/// All of it: `null`, or an object with what it is.
fn side(side: &Side) -> Value {
    let text = |bytes: &Bytes| std::str::from_utf8(bytes).map(str::to_owned);
    match side {
        Side::Nothing => Value::Null,
        Side::Deleted => json!({ "deleted": true }),
        Side::Words(words) => json!({ "words": words }),
        Side::Value(bytes) => match text(bytes) {
            Ok(text) => json!({ "text": text }),
            Err(_) => json!({ "hex": hex::encode(bytes) }),
        },
    }
}
