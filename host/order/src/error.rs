//! What can go wrong with ordering.

/// Ordering failed. Whether the envelope is in the log is known only for [`OrderError::Refused`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// The log took the envelope for what it cannot be; it is not in the log.
    #[error("ordering refused the envelope: {0}")]
    Refused(String),
    /// The log cannot be reached, or stopped while it was asked.
    #[error("ordering at {address} is not reachable: {reason}")]
    Unavailable {
        /// Where it should be.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The log's files cannot be used.
    #[error("the ordering log cannot be used: {0}")]
    Storage(String),
    /// The log is not the one that was read before.
    #[error("the ordering log is not the one read before: {0}")]
    Forked(String),
}
