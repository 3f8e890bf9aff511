//! Endorsement policies: which endorsements a transaction needs. Fabric's syntax and encoding
//! (`WIRE.md` section 14), decided exactly, and every refusal says what is lacking. Pure: no I/O,
//! no clock, no certificates.

mod endorsement;
mod error;
mod evaluate;
mod explain;
mod limits;
mod parse;
mod plan;
mod principal;
mod proto;
#[cfg(test)]
mod testing;

pub use endorsement::EndorsementPolicy;
pub use error::PolicyError;
pub use explain::{PolicyRefusal, UnmetTerm};
pub use limits::{CONTESTED_MAX, DEPTH_MAX, PLANS_MAX, PRINCIPALS_MAX, TEXT_BYTES_MAX};
pub use plan::smallest_set;
pub use principal::{Principal, Role, Signer, SignerRole};
