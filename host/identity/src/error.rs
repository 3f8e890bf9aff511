//! What can be wrong with a certificate, a signature, a key or an organisation's configuration.

use cordon_types::MspId;

/// Why an identity, a signature or a configuration is refused.
///
/// Messages name organisations, roles and rules; they never hold certificate bytes, attribute
/// values, subjects or keys, so they may be logged and answered to a client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Bytes that are not the structure they should be.
    #[error("{what} is malformed: {rule}")]
    Malformed {
        /// The structure.
        what: &'static str,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// A public or private key of an algorithm other than P-256, P-384 or Ed25519.
    #[error("{what} has an unsupported key algorithm")]
    UnsupportedKey {
        /// Where the key stands.
        what: &'static str,
    },
    /// The attribute extension is not the JSON text Fabric CA writes.
    #[error("the certificate's attributes are malformed")]
    BadAttributes,
    /// The creator names an organisation that is not a member.
    #[error("organisation {msp_id:?} is not a member")]
    UnknownOrganization {
        /// The MSP id as given, cut to 64 characters.
        msp_id: String,
    },
    /// The certificate does not chain to the organisation's authorities.
    #[error("the certificate is not trusted by {msp_id}: {reason}")]
    Untrusted {
        /// The organisation whose authorities were asked.
        msp_id: MspId,
        /// What broke the chain.
        reason: &'static str,
    },
    /// The certificate, or an authority above it, is on a revocation list.
    #[error("the certificate is revoked by {msp_id}")]
    Revoked {
        /// The organisation.
        msp_id: MspId,
    },
    /// The subject does not hold exactly one of the role OUs.
    #[error("the certificate holds {found} of {msp_id}'s role units instead of one")]
    BadOrganizationalUnits {
        /// The organisation.
        msp_id: MspId,
        /// How many role OUs the subject holds.
        found: usize,
    },
    /// The certificate's end of validity has passed.
    #[error("the certificate expired at {not_after}, before {at}")]
    Expired {
        /// Last valid second, Unix time.
        not_after: i64,
        /// The second that was asked for, Unix time.
        at: i64,
    },
    /// The certificate's validity has not begun.
    #[error("the certificate is valid from {not_before}, after {at}")]
    NotYetValid {
        /// First valid second, Unix time.
        not_before: i64,
        /// The second that was asked for, Unix time.
        at: i64,
    },
    /// The signature would verify in mathematics, but its s is above half the group order.
    #[error("the signature is high-S")]
    HighS,
    /// The signature does not fit key and message.
    #[error("the signature does not verify")]
    BadSignature,
    /// A private key does not belong to the certificate beside it.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// A membership's configuration cannot be used.
    #[error("the configuration of {msp_id} is not acceptable: {rule}")]
    Configuration {
        /// The organisation.
        msp_id: MspId,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// A certificate or revocation list could not be issued.
    #[error("{what} cannot be issued: {rule}")]
    Issue {
        /// What was to be issued.
        what: &'static str,
        /// The rule that was broken.
        rule: &'static str,
    },
    /// The cryptographic library failed, e.g. for want of randomness.
    #[error("the cryptographic library failed to {what}")]
    Crypto {
        /// What it was asked to do.
        what: &'static str,
    },
}

impl IdentityError {
    pub(crate) fn malformed(what: &'static str, rule: &'static str) -> Self {
        Self::Malformed { what, rule }
    }
}
