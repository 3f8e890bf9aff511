//! What validation asks of the crate that knows certificates.

use cordon_policy::Signer;

/// Judges identities and their signatures. Implemented over the channel's MSPs as committed before
/// the block; called once for the creator and once per endorsement, from several threads at once.
///
/// The answer must follow from the arguments and the channel's configuration alone: no clock, no
/// revocation list that another host may not have.
pub trait IdentityVerifier {
    /// Who signed. `identity` is a serialized identity as it stands in the transaction; `signature`
    /// must be its signature over the concatenation of `message`. `at_seconds` (Unix time) is the
    /// time for which the certificate must be valid: the one that the client stated in the
    /// transaction, the only time that is the same on every host. Endorsers have compared it with
    /// their clocks.
    ///
    /// # Errors
    /// [`IdentityRefusal`] saying why the signature counts for nothing.
    fn verify(
        &self,
        identity: &[u8],
        message: &[&[u8]],
        signature: &[u8],
        at_seconds: i64,
    ) -> Result<Signer, IdentityRefusal>;
}

/// Why a signature counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityRefusal {
    /// The identity is not an MSP id with a certificate.
    #[error("the identity cannot be decoded")]
    Undecodable,
    /// The organisation is not a member of the channel.
    #[error("the organisation is not a member of the channel")]
    NotMember,
    /// The certificate does not chain to its organisation, or is not what an identity needs.
    #[error("the certificate is not one of its organisation's")]
    NotTrusted,
    /// The transaction's time is outside the certificate's validity.
    #[error("the certificate is not valid at the transaction's time")]
    OutsideValidity,
    /// The organisation revoked the certificate.
    #[error("the certificate is revoked")]
    Revoked,
    /// The signature is not this identity's over this message, or not in the form required.
    #[error("the signature does not fit")]
    WrongSignature,
}

/// Judges the content of configurations.
pub trait ConfigVerifier {
    /// Whether `document` can be configuration `sequence` of the channel, after the one in force.
    ///
    /// # Errors
    /// Why it cannot, in words that do not depend on the machine.
    fn verify_config(&self, sequence: u64, document: &[u8]) -> Result<(), String>;
}
