//! What the fuzz targets check, one function per target (`tests/fuzz` has the targets). Each takes any
//! bytes and panics when a property does not hold; the tests of this crate call the same functions
//! with their seeds, with mutations of those, and with every input that once failed.
//!
//! - [`proposal`], [`envelope`], [`block`]: messages at every door that takes them.
//! - [`certificate`]: certificates, revocation lists, keys, signatures.
//! - [`json`]: arguments and answers of contracts.
//! - [`endorsement_policy`], [`access_policy`]: the two kinds of policies.
//! - [`component`]: installing and calling what anybody may have made.
//! - [`package`]: what is uploaded as a contract's package.
//! - [`block_files`]: a ledger after accidents.
//! - [`each_mutant`]: bends protobuf messages by their structure.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a property that does not hold is told by a panic"
)]

mod block_files;
mod choices;
mod components;
mod identities;
mod json;
mod messages;
mod packages;
mod people;
mod policies;
mod protobuf;
mod random;
pub mod samples;

pub use block_files::block_files;
pub use components::component;
pub use identities::certificate;
pub use json::json;
pub use messages::{block, envelope, heal, id_at_endorser, in_one_block, proposal};
pub use packages::package;
pub use people::sign;
pub use policies::{access_policy, endorsement_policy};
pub use protobuf::each_mutant;
pub use random::Random;

/// A target's body.
pub type Body = fn(&[u8]);

/// Every target: its name, which its folders of seeds and regressions have too, and its body.
pub const TARGETS: [(&str, Body); 10] = [
    ("proposal", proposal),
    ("envelope", envelope),
    ("block", block),
    ("certificate", certificate),
    ("json", json),
    ("endorsement_policy", endorsement_policy),
    ("access_policy", access_policy),
    ("component", component),
    ("package", package),
    ("block_files", block_files),
];
