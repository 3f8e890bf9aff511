//! The ledger of one channel: its blocks, and what follows from them.
//!
//! A directory holds `blocks/`, a [journal](cordon_journal) with one encoded `common.Block` per
//! record (the record's index is the block's number); `state/`, a sled database with the world
//! state, for every change of a key the one before it, and the index of block hashes; and
//! `transactions`, a hash file that says where each transaction is. **Blocks are the truth; the
//! others are derived** and distrusted: sled is compared with a checksum after every stop that was
//! not orderly, the hash file on every opening, and either is rebuilt from blocks whenever it is
//! missing, damaged, of other blocks, or, sled, panics.
//!
//! - [`Ledger`]: opens, commits, answers. [`LedgerSnapshot`]: the world state at one height.
//! - [`CommitBlock`], [`CommitTransaction`]: a block with its verdicts, as it is committed.
//! - [`BlockFiles`]: the blocks alone, for whoever reads a ledger that is not theirs to open.
//! - [`verify`], [`set_aside_from`]: check the blocks of a ledger that is not open, and move damaged
//!   ones out of the way.
//!
//! Not here: who may sign what, and the verdicts themselves (`cordon-validate`).

mod block;
mod chain;
mod derive;
mod entries;
mod error;
mod files;
mod ledger;
mod recover;
mod repair;
mod snapshot;
mod store;
#[cfg(test)]
mod testing;
mod tx_index;

pub use block::{CommitBlock, CommitTransaction};
pub use cordon_journal::TornTail;
pub use entries::TxLocation;
pub use error::{BlockDamage, LedgerError};
pub use files::BlockFiles;
pub use ledger::{ChainInfo, CommitTimes, Ledger, OpenReport, Options};
pub use recover::RebuildReason;
pub use repair::{Verified, set_aside_from, verify};
pub use snapshot::LedgerSnapshot;
