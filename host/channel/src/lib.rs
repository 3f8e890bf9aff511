//! One channel on one host: its configuration, its contracts, its ledger, and the task that turns
//! the ordering log into committed blocks. The only place where a block becomes final.
//!
//! - [`ChannelConfig`]: the readable document in block 0.
//! - [`ChainVerifier`]: the same rules again, for an auditor with nothing but blocks.
//! - [`FilePackages`]: the packages that are installed on a host.
//! - [`Checkpoint`], [`CopiedChain`]: where a copy of the blocks ends, as a host has signed it; and
//!   what can be said of copied blocks without judging them again.
//! - [`Replay`]: what contracts did, executed again on the state of that time, from blocks too.
//! - [`Channel`]: everything the services of a host ask of a channel.

mod access;
mod channel;
mod checkpoint;
mod commits;
mod committer;
mod config;
mod copied;
mod error;
mod lifecycle;
mod measures;
mod packages;
mod replay;
pub mod trace;
mod verifier;
mod verify;

pub use access::ContractAccess;
pub use channel::valid_config;
pub use channel::{Channel, ComponentStore, Components, Current, STATE_CACHE_BYTES};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use commits::{Commits, Committed, Waiting};
pub use config::{
    BatchConfig, BlockReaders, ChannelConfig, ConfigError, ContractConfig, ENDORSEMENT_DEFAULT,
    GOVERNANCE_DEFAULT, OrderingConfig, OrganizationConfig, endorsement_policy, genesis_block,
};
pub use copied::CopiedChain;
pub use error::ChannelError;
pub use measures::{Appending, ChannelMeasures, Durations, Histogram, OrderingLost};
pub use packages::{DamagedPackage, FilePackages};
pub use replay::{
    CallAt, Difference, Outcome, Part, Past, Replay, ReplayError, Replayed, Side, Skipped,
    Unreplayable,
};
pub use verify::{ChainVerifier, VerifyError};
