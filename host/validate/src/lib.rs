//! Validation: block + endorsement policies + committed versions → one validation code per
//! transaction, with its reason. A function of its arguments only, so every host and every later
//! replay reaches the same verdicts. A commit walks these steps:
//!
//! 1. [`prepare`] each envelope: take it apart, check its shape;
//! 2. [`check`] each against the channel's [`ChannelRules`]: signatures, contract, endorsement
//!    policy. Envelopes are independent of each other up to here, so this may run in parallel;
//! 3. [`needs`]: what has to be read from committed state; the caller loads it as [`Committed`];
//! 4. [`judge`] the block in order: transaction ids, versions read, ranges scanned;
//! 5. [`updates`] to apply, and the [`commit_hash`] that hosts compare.
//!
//! The order of checks, which decides the code when several things are wrong, is: shape, creator's
//! signature, transaction id, contract, response, namespaces written, endorsements, then per
//! namespace reads before scans.

mod apply;
mod check;
mod identity;
mod judge;
mod lifecycle;
mod limits;
mod prepare;
mod rules;
mod state;
#[cfg(test)]
mod testing;
mod verdict;

pub use apply::{StateUpdate, commit_hash, updates};
pub use check::{Checked, check};
pub use identity::{ConfigVerifier, IdentityRefusal, IdentityVerifier};
pub use judge::judge;
pub use lifecycle::defined;
pub use limits::ENDORSEMENTS_MAX;
pub use prepare::{Prepared, claimed_tx_id, prepare};
pub use rules::{ChannelRules, ContractRules};
pub use state::{Committed, Needs, NotLoaded, StateKey, StateRange, needs};
pub use verdict::{Conflict, Reason, Verdict};
