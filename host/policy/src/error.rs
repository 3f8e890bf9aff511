//! Why a text or a message is not an endorsement policy.

use crate::limits::{CONTESTED_MAX, DEPTH_MAX, PRINCIPALS_MAX, TEXT_BYTES_MAX};

/// What is wrong with an endorsement policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The text breaks the grammar.
    #[error("endorsement policy, byte {position}: expected {expected}, found {found}")]
    Syntax {
        /// Where, in bytes from 0.
        position: usize,
        /// What may stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The text is longer than [`TEXT_BYTES_MAX`].
    #[error("endorsement policy has {bytes} bytes; at most {TEXT_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Gates nest deeper than [`DEPTH_MAX`].
    #[error("endorsement policy nests gates more than {DEPTH_MAX} deep")]
    TooDeep,
    /// More than [`PRINCIPALS_MAX`] mentions of principals.
    #[error("endorsement policy mentions more than {PRINCIPALS_MAX} principals")]
    TooManyPrincipals,
    /// More than [`CONTESTED_MAX`] mentions compete for the same endorsements.
    #[error(
        "endorsement policy has {contested} mentions that compete for the same endorsements; at \
         most {CONTESTED_MAX} can be decided exactly"
    )]
    TooContested {
        /// How many compete.
        contested: usize,
    },
    /// The message is not an encoded endorsement policy.
    #[error("encoded endorsement policy: {what} must be {rule}")]
    Encoding {
        /// The part at fault.
        what: &'static str,
        /// The rule it breaks.
        rule: &'static str,
    },
}
