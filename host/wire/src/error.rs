//! What can be wrong with a message's shape.

/// A message that is not what the protocol asks for. Names the part; never holds its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Bytes that do not decode.
    #[error("{what} cannot be decoded")]
    Undecodable {
        /// The message.
        what: &'static str,
    },
    /// A part that must be present is absent or empty.
    #[error("{what} is missing")]
    Missing {
        /// The part.
        what: &'static str,
    },
    /// A part with a value the protocol does not allow.
    #[error("{what} is not what it must be: {rule}")]
    Invalid {
        /// The part.
        what: &'static str,
        /// The rule it breaks.
        rule: &'static str,
    },
}

impl WireError {
    pub(crate) fn missing(what: &'static str) -> Self {
        Self::Missing { what }
    }

    pub(crate) fn invalid(what: &'static str, rule: &'static str) -> Self {
        Self::Invalid { what, rule }
    }
}
