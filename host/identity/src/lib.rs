//! X.509 identities as Fabric uses them: who signed, for which organisation, with what role and
//! attributes; and the authority that issues them. The only crate that parses certificates. No
//! I/O and no clock: callers pass PEM text and Unix seconds. Section numbers are those of WIRE.md.
//!
//! - [`Certificate`], [`PublicKey`]: what is read from bytes, trusted or not.
//! - [`SigningKey`], [`Signer`]: signing.
//! - [`Msp`] (from [`MspConfig`]) and [`Membership`]: from bytes to an [`Identity`].
//! - [`SignatureCache`]: what was verified once.
//! - [`CertificateAuthority`]: issuing and revoking.

mod attributes;
mod authority;
mod certificate;
mod chain;
mod error;
mod identity;
mod key;
pub mod limits;
mod membership;
mod msp;
mod msp_config;
mod name;
mod pem;
mod revocation;
mod revocation_list;
mod signature;
mod signature_cache;

pub use authority::{CertificateAuthority, IssueRequest, TlsRequest, Validity};
pub use certificate::Certificate;
pub use error::IdentityError;
pub use identity::{Identity, Role};
pub use key::{Signer, SigningKey};
pub use membership::Membership;
pub use msp::Msp;
pub use msp_config::{MspConfig, NodeOus};
pub use revocation_list::{Revocation, RevocationList, RevocationReason};
pub use signature::{KeyAlgorithm, PublicKey};
pub use signature_cache::SignatureCache;
