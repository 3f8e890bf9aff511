//! Why a proposal is not executed.

use cordon_identity::IdentityError;
use cordon_types::TxId;

/// A proposal that is refused before anything runs. The message goes to its sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposalError {
    /// Not a transaction.
    #[error("header type {found} is not a transaction's (3)")]
    HeaderType {
        /// Type found.
        found: i32,
    },
    /// The epoch is used by no version of the protocol.
    #[error("epoch is not 0")]
    Epoch,
    /// No creator, or no nonce.
    #[error("the proposal has no {part}")]
    Missing {
        /// Which.
        part: &'static str,
    },
    /// The transaction id is not what it must be.
    #[error("the transaction id is not the SHA-256 of nonce and creator, which is {expected}")]
    WrongTxId {
        /// What it must be.
        expected: TxId,
    },
    /// The creator is no valid member, or did not sign this.
    #[error("creator is not accepted: {0}")]
    Creator(#[from] IdentityError),
    /// The client's clock and ours differ too much.
    #[error(
        "the proposal's time is {seconds} seconds from this host's; at most {} are accepted: check the client's clock",
        crate::CLOCK_SKEW_SECONDS_MAX
    )]
    Clock {
        /// Difference, absolute.
        seconds: u64,
    },
    /// No time at all, or one that is none.
    #[error("the proposal has no valid timestamp")]
    NoTimestamp,
    /// It was sent before.
    #[error("transaction {0} is on the ledger already; a new attempt needs a new proposal")]
    Duplicate(TxId),
}
