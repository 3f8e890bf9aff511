//! Executes committed transactions again, on the state that they were endorsed on and with the
//! contracts of that time, and compares the bytes that endorsers signed. What an auditor does who
//! wants to know that contracts did what is on the ledger, and a developer who looks for what differs.
//! Needs blocks and components; every block is verified first ([`ChainVerifier`](crate::ChainVerifier)).
//!
//! On which state a transaction was endorsed, no block says. But its reads say on which ones it can
//! have been: [`Replay`] looks for the newest such state, and goes on to older ones where what a
//! contract saw is not all in its reads (histories of keys, answers of other channels). Access
//! policies are not asked again: who was denied is on no ledger.
//!
//! - [`Past`]: a channel's blocks, verified, with the state of every height.
//! - [`Replay`]: follows a channel and replays. [`Replayed`], [`Outcome`]: what that gave.
//! - [`Difference`]: key, old, new, host call. [`Unreplayable`]: why nothing can be said.

mod compare;
mod ledgers;
mod past;
mod versions;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use cordon_execute::{Call, HostError};
use cordon_types::{ContractId, ReadWriteSet, TxId, ValidationCode, Version};
use cordon_validate::Prepared;
use cordon_wire::transaction::Transaction;

pub use self::compare::{CallAt, Difference, Part, Side};
pub use self::past::Past;

use self::compare::differences;
use self::ledgers::{Heights, Others, PastLedgers};
use crate::verify::VerifyError;

/// Most executions of one transaction. Nearly all need one; the others, as many as keys whose history
/// was read, or other channels, had changed meanwhile.
const TRIES_MAX: u32 = 64;

/// Follows a channel and executes its transactions again.
pub struct Replay {
    past: Past,
    others: Others,
}

/// A transaction that was executed again, or could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Where it is.
    pub at: Version,
    /// Its id.
    pub tx_id: TxId,
    /// The contract that was called.
    pub contract: ContractId,
    /// The function, as the client named it.
    pub function: String,
    /// Its verdict: valid, or a read conflict.
    pub code: ValidationCode,
    /// Number of blocks in the state that the outcome is about.
    pub height: u64,
    /// How often it was executed.
    pub tries: u32,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The same bytes.
    Equal,
    /// Other bytes; never empty.
    Different(Vec<Difference>),
    /// What the transaction says that it read was never the state of the channel at one height, so no
    /// host that keeps to the rules has endorsed it.
    NeverStood,
    /// It cannot be said whether it would be the same.
    Unreplayable(Unreplayable),
}

/// Why a transaction cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Unreplayable {
    /// The contract asked for transient values, and differs without them.
    #[error("the contract asked for transient values, which are on no ledger")]
    Transient,
    /// The contract asked a channel whose blocks are not there.
    #[error("the contract asked channel {channel:?}, whose blocks are not here")]
    NoBlocks {
        /// The channel.
        channel: String,
    },
    /// The contract asked other channels, and with none of the answers tried is it the same.
    #[error(
        "the contract asked channel {channels}, and what it was answered then is not among the answers of the {tries} states tried"
    )]
    OtherAnswer {
        /// The channels.
        channels: String,
        /// Executions.
        tries: u32,
    },
    /// It defines a contract, which hosts do themselves.
    #[error("it defines a contract, which no contract executes; verification judges it")]
    Lifecycle,
    /// A component is missing.
    #[error(
        "there is no component with SHA-256 {sha256}, which the channel ran as contract {contract}"
    )]
    NoComponent {
        /// The contract.
        contract: ContractId,
        /// The component's hash, hex.
        sha256: String,
    },
    /// A component cannot be used.
    #[error("{0}")]
    Code(String),
    /// The channel's execution profile is not this engine's.
    #[error("the channel's execution profile is not that of this program: {0}")]
    Profile(String),
}

/// What was not executed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its id, unless the envelope has none that holds.
    pub tx_id: Option<TxId>,
    /// The verdict; `None` for a configuration, which no contract made.
    pub code: Option<ValidationCode>,
}

/// Why a replay cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// A block is not as it must be.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The engine failed.
    #[error("transaction {tx_id} cannot be executed here: {source}")]
    Host {
        /// The transaction.
        tx_id: TxId,
        /// Why.
        source: HostError,
    },
}

/// An execution on one state.
struct Attempt {
    outcome: Outcome,
    tries: u32,
    /// The next lower height at which it may give something else; 0 when there is none.
    older: u64,
}

// === impl Replay ===

impl Replay {
    /// Begins with a channel of which block 0 is verified; contracts can ask the channels in `others`
    /// at any of the heights that these have.
    pub fn new(past: Past, others: Vec<Past>) -> Self {
        let others = others.into_iter();
        let others = others.map(|past| (past.id().to_string(), past));
        Self {
            past,
            others: Arc::new(others.collect()),
        }
    }

    /// The channel as far as it was followed.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// Verifies the next block, then executes those of its transactions again that are `wanted`: the
    /// valid ones, and those whose only fault is that what they read had changed by then. Blocking.
    ///
    /// # Errors
    /// [`ReplayError`] when the block is not as it must be, or this machine cannot execute.
    pub fn next(
        &mut self,
        bytes: &Bytes,
        wanted: impl Fn(Option<TxId>) -> bool,
    ) -> Result<(Vec<Replayed>, Vec<Skipped>), ReplayError> {
        let number = self.past.chain().height();
        let block = self.past.next_block(bytes)?;
        let (mut replayed, mut skipped) = (Vec::new(), Vec::new());
        for (tx, (checked, &code)) in (0..).zip(block.checked.iter().zip(&block.codes)) {
            // A copy that does not take the id is not the transaction.
            let tx_id = cordon_validate::claimed_tx_id(checked.prepared(), code);
            if !wanted(tx_id) {
                continue;
            }
            match (checked.prepared(), code) {
                (
                    Prepared::Transaction(transaction),
                    ValidationCode::Valid
                    | ValidationCode::MvccReadConflict
                    | ValidationCode::PhantomReadConflict,
                ) => {
                    let at = Version { block: number, tx };
                    replayed.push(self.replay(at, code, transaction)?);
                }
                (Prepared::Config(_) | Prepared::FirstConfig, ValidationCode::Valid) => {
                    skipped.push(Skipped { tx_id, code: None });
                }
                _ => skipped.push(Skipped {
                    tx_id,
                    code: Some(code),
                }),
            }
        }
        Ok((replayed, skipped))
    }

    /// Goes down from the state before the transaction's block until it gives the same, or nothing
    /// can be hoped for.
    fn replay(
        &self,
        at: Version,
        code: ValidationCode,
        transaction: &Transaction,
    ) -> Result<Replayed, ReplayError> {
        let floor = newest_read(&transaction.rw_set).map_or(1, |block| block.saturating_add(1));
        let done = |height, tries, outcome| Replayed {
            at,
            tx_id: transaction.tx_id,
            contract: transaction.contract.clone(),
            function: transaction.args.first().map_or(String::new(), |name| {
                String::from_utf8_lossy(name).into_owned()
            }),
            code,
            height,
            tries,
            outcome,
        };
        let mut height = at.block;
        let mut tries = 0;
        // Of the newest state on which it can have been endorsed; what cannot be told comes first.
        let mut worst: Option<(u64, Outcome)> = None;
        while let Some(holds) = self.newest_with(&transaction.rw_set, height, floor) {
            height = holds;
            let attempt = self.attempt(height, transaction, TRIES_MAX - tries)?;
            tries += attempt.tries;
            match (&attempt.outcome, &worst) {
                (Outcome::Equal, _) => return Ok(done(height, tries, Outcome::Equal)),
                (Outcome::Unreplayable(_), Some((_, Outcome::Different(_)))) | (_, None) => {
                    worst = Some((height, attempt.outcome));
                }
                _ => {}
            }
            height = attempt.older;
            if tries >= TRIES_MAX {
                break;
            }
        }
        let (height, outcome) = worst.unwrap_or((at.block, Outcome::NeverStood));
        Ok(done(height, tries, outcome))
    }

    /// The newest height from `height` down to `floor` at which the reads hold.
    fn newest_with(&self, reads: &ReadWriteSet, mut height: u64, floor: u64) -> Option<u64> {
        let versions = self.past.versions().read();
        while height >= floor {
            match versions.hold(reads, height) {
                Ok(()) => return Some(height),
                Err(older) => height = older?,
            }
        }
        None
    }

    /// Executes on the state of `height`, with all answers of other channels that may be, at most
    /// `tries_max` times.
    fn attempt(
        &self,
        height: u64,
        transaction: &Transaction,
        tries_max: u32,
    ) -> Result<Attempt, ReplayError> {
        let host_error = |source| ReplayError::Host {
            tx_id: transaction.tx_id,
            source,
        };
        let ended = |outcome, tries, older| {
            Ok(Attempt {
                outcome,
                tries,
                older,
            })
        };
        if transaction.contract.is_lifecycle() {
            return ended(Outcome::Unreplayable(Unreplayable::Lifecycle), 0, 0);
        }
        let deployed = self.past.deployed(height);
        let installed = deployed
            .as_deref()
            .map_err(Clone::clone)
            .and_then(|deployed| deployed.contract(&transaction.contract));
        let installed = match installed {
            Ok(installed) => installed,
            Err(reason) => return ended(Outcome::Unreplayable(reason), 0, 0),
        };
        let creator = &transaction.header.creator;
        let identity = self.past.identity(creator, height);
        // Whose signature was verified.
        let identity =
            identity.map_err(|error| host_error(HostError::Engine(error.to_string())))?;
        let time = transaction.header.channel_header.timestamp;
        let time = time.unwrap_or_default();
        let nanos = u32::try_from(time.nanos).unwrap_or_default();

        let mut heights = Heights::new();
        let mut tries = 0;
        loop {
            let snapshot = self.past.snapshot(height);
            let older = snapshot.older();
            let ledgers = PastLedgers::new(&self.others, heights, creator.clone(), time.seconds);
            let ledgers = Arc::new(ledgers);
            let call = Call {
                channel: transaction.channel.clone(),
                tx_id: transaction.tx_id,
                timestamp: (time.seconds, nanos),
                caller: Arc::clone(identity.caller()),
                transient: BTreeMap::new(),
                args: &transaction.args,
                snapshot: Box::new(snapshot),
                ledgers: Arc::clone(&ledgers) as Arc<_>,
            };
            let observed = installed.code.observe(call).map_err(host_error)?;
            tries += 1;
            let older = older.load(Ordering::Relaxed);
            let found = differences(transaction, &observed, installed);
            if found.is_empty() {
                return ended(Outcome::Equal, tries, 0);
            }
            let mut host_calls = observed.host_calls.iter();
            let transient = host_calls.any(|call| call.function == "context.transient");
            let reason = ledgers.unanswered();
            let reason = reason.or(transient.then_some(Unreplayable::Transient));
            if let Some(reason) = reason {
                return ended(Outcome::Unreplayable(reason), tries, older);
            }
            let asked = ledgers.asked();
            if asked.is_empty() {
                return ended(Outcome::Different(found), tries, older);
            }
            match ledgers.next() {
                Some(next) if tries < tries_max => heights = next,
                _ => {
                    let channels = asked.join(", ");
                    let reason = Unreplayable::OtherAnswer { channels, tries };
                    return ended(Outcome::Unreplayable(reason), tries, older);
                }
            }
        }
    }
}

/// The newest block that wrote something that was read.
fn newest_read(set: &ReadWriteSet) -> Option<u64> {
    let reads = set.contracts.iter().flat_map(|set| {
        let scanned = set.range_reads.iter().flat_map(|scan| match &scan.results {
            cordon_types::RangeResults::Raw(reads) => reads.as_slice(),
            cordon_types::RangeResults::Merkle { .. } => &[],
        });
        set.reads.iter().chain(scanned)
    });
    let blocks = reads.filter_map(|read| read.version.map(|version| version.block));
    blocks.max()
}
