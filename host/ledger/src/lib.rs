//! The ledger of one channel: its blocks, and what follows from them.
//!
//! A directory holds `blocks/`, a [journal](cordon_journal) with one encoded `common.Block` per
//! record (the record's index is the block's number), and `state/`, a sled database with the world
//! state, for every change of a key the one before it, and the indexes of transactions and block
//! hashes. **Blocks are the truth; sled is derived** and distrusted: it is compared with a checksum
//! after every stop that was not orderly, and rebuilt from blocks whenever it is missing, damaged,
//! ahead of the blocks, or panics.
//!
//! - [`Ledger`]: opens, commits, answers. [`LedgerSnapshot`]: the world state at one height.
//! - [`CommitBlock`], [`CommitTransaction`]: a block with its verdicts, as it is committed.
//! - [`verify`], [`set_aside_from`]: check the blocks of a ledger that is not open, and move damaged
//!   ones out of the way.
//!
//! Not here: who may sign what, and the verdicts themselves (`cordon-validate`).

mod block;
mod chain;
mod derive;
mod entries;
mod error;
mod ledger;
mod recover;
mod repair;
mod snapshot;
mod store;
#[cfg(test)]
mod testing;

pub use block::{CommitBlock, CommitTransaction};
pub use cordon_journal::TornTail;
pub use entries::TxLocation;
pub use error::{BlockDamage, LedgerError};
pub use ledger::{ChainInfo, Ledger, OpenReport, Options};
pub use recover::RebuildReason;
pub use repair::{Verified, set_aside_from, verify};
pub use snapshot::LedgerSnapshot;
