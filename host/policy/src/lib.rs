//! Who may do what on a channel. Pure: no I/O, no clock, no certificates.
//!
//! - Endorsement policies: which endorsements a transaction needs. Fabric's syntax and encoding
//!   (`WIRE.md` section 14), decided exactly, and every refusal says what is lacking.
//! - Meta policies: who of a channel's members must sign a change of the channel itself.
//! - Access policies: who may call which function of a contract. Cedar files, checked against the
//!   contract's functions when they are loaded (`docs/adr/0011`).

mod access;
mod endorsement;
mod error;
mod evaluate;
mod explain;
mod limits;
mod meta;
mod parse;
mod plan;
mod principal;
mod proto;
#[cfg(test)]
mod testing;

pub use access::{
    AccessFinding, AccessPolicies, AccessPolicyError, AccessPolicyFile, AccessProblem, Denial,
    PolicyName,
};
pub use endorsement::EndorsementPolicy;
pub use error::PolicyError;
pub use explain::{PolicyRefusal, UnmetTerm};
pub use limits::{
    ACCESS_ID_BYTES_MAX, ACCESS_LINKS_MAX, ACCESS_NESTING_MAX, ACCESS_POLICIES_MAX,
    ACCESS_TEXT_BYTES_MAX, CONTESTED_MAX, DEPTH_MAX, PLANS_MAX, PRINCIPALS_MAX, TEXT_BYTES_MAX,
};
pub use meta::{MetaKind, MetaPolicy, MetaPolicyError, MetaPolicyRefusal, MetaRule};
pub use plan::smallest_set;
pub use principal::{Principal, Role, Signer, SignerRole};
