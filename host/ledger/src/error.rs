//! What can go wrong with a ledger. No variant holds a key or a value.

use std::io;
use std::path::PathBuf;

use cordon_journal::{Damage, JournalError};
use cordon_types::StateError;
use cordon_wire::WireError;
use cordon_wire::transaction::TransactionError;

/// What is wrong with a block in the block files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockDamage {
    /// Its record, or the segment that should hold it.
    #[error("{0}")]
    Record(Damage),
    /// The record is intact but is not a committed block: written by something else.
    #[error("{0}")]
    Content(WireError),
    /// It has another number.
    #[error("it says that it is block {0}")]
    Number(u64),
    /// It does not name the hash of the block before it.
    #[error("its previous hash is not that of the block before it")]
    PreviousHash,
}

/// Why a ledger cannot be opened, read or extended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The block files cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A block is damaged. [`set_aside_from`](crate::set_aside_from) moves it and what follows
    /// away, so that they can be fetched again.
    #[error("block {number} is damaged ({} at byte {offset}): {damage}", file.display())]
    DamagedBlock {
        /// The block.
        number: u64,
        /// The file that holds it.
        file: PathBuf,
        /// Where its record begins.
        offset: u64,
        /// What is wrong.
        damage: BlockDamage,
    },
    /// sled failed. The state is not read any more; opening the ledger again checks or rebuilds it.
    #[error("cannot {action} the state: {source}")]
    State {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: sled::Error,
    },
    /// sled panicked. As for [`LedgerError::State`].
    #[error("cannot {action} the state: sled panicked")]
    StatePanicked {
        /// What was tried.
        action: &'static str,
    },
    /// sled failed before. Open the ledger again.
    #[error("the state is not usable since an earlier failure; open the ledger again")]
    StateBroken,
    /// An entry of the state or its indexes does not decode, or does not lead to the bytes it was made for.
    #[error("an entry of the {what} is damaged")]
    StateEntry {
        /// The index it belongs to.
        what: &'static str,
    },
    /// No more transactions can be told apart: their hashes begin with the same bits.
    #[error("the transaction index is full: a page of it cannot split beyond {depth} bits")]
    TransactionIndexFull {
        /// The bits that its pages differ in at most.
        depth: u8,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", file.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The block offered is not the next one.
    #[error("block {number} was offered where block {expected} is due")]
    NotNext {
        /// Its number.
        number: u64,
        /// The ledger's height.
        expected: u64,
    },
    /// The block offered does not continue the chain.
    #[error("block {number} does not name the hash of the block before it")]
    BrokenChain {
        /// Its number.
        number: u64,
    },
    /// The block offered does not decode, or its data do not have the hash in its header.
    #[error("the block offered is no committed block: {source}")]
    BadBlock {
        /// The part at fault.
        source: WireError,
    },
    /// A transaction that the block calls valid cannot be taken apart.
    #[error("transaction {index} of block {number} is called valid but is not: {source}")]
    BadTransaction {
        /// The block.
        number: u64,
        /// Index in the block.
        index: u32,
        /// The part at fault.
        source: TransactionError,
    },
    /// What was handed over with the block contradicts it.
    #[error("block {number} and what was parsed of it differ in {what}")]
    Contradiction {
        /// The block.
        number: u64,
        /// Where they differ.
        what: &'static str,
    },
    /// There is no such block.
    #[error("there is no block {number}; the height is {height}")]
    NoSuchBlock {
        /// The block asked for.
        number: u64,
        /// Number of blocks there are.
        height: u64,
    },
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
}

impl From<LedgerError> for StateError {
    fn from(error: LedgerError) -> Self {
        Self(error.to_string())
    }
}
