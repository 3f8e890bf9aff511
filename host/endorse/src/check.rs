//! Is the proposal from whom it says, and for now? (`WIRE.md` section 5, step 1.)

use std::sync::Arc;

use cordon_identity::{Identity, Membership};
use cordon_types::TxId;
use cordon_wire::proposal::{ENDORSER_TRANSACTION, Header, Proposal, tx_id};

use crate::error::ProposalError;

/// How far a client's clock may be from ours: Fabric's 15 minutes.
pub const CLOCK_SKEW_SECONDS_MAX: u64 = 15 * 60;

/// What checking found out.
pub struct CheckedProposal {
    /// Who signed.
    pub identity: Arc<Identity>,
    /// The transaction's id, proved.
    pub tx_id: TxId,
    /// The client's time: seconds since the Unix epoch, nanoseconds.
    pub timestamp: (i64, u32),
}

/// Checks header, creator, signature and time of a proposal. `now` is this host's time in seconds
/// since the Unix epoch. Whether the id is used already is the ledger's matter.
///
/// # Errors
/// [`ProposalError`] for the first thing wrong, in a fixed order.
pub fn check_proposal(
    proposal: &Proposal,
    membership: &Membership,
    now: i64,
) -> Result<CheckedProposal, ProposalError> {
    let header = &proposal.header;
    if header.channel_header.r#type != ENDORSER_TRANSACTION {
        return Err(ProposalError::HeaderType {
            found: header.channel_header.r#type,
        });
    }
    check_creator(
        header,
        &proposal.signed_bytes,
        &proposal.signature,
        membership,
        now,
    )
}

/// The same for any signed message with a header, whatever its type.
///
/// # Errors
/// As [`check_proposal`].
pub fn check_creator(
    header: &Header,
    signed_bytes: &[u8],
    signature: &[u8],
    membership: &Membership,
    now: i64,
) -> Result<CheckedProposal, ProposalError> {
    let channel_header = &header.channel_header;
    if channel_header.epoch != 0 {
        return Err(ProposalError::Epoch);
    }
    if header.creator.is_empty() {
        return Err(ProposalError::Missing { part: "creator" });
    }
    if header.nonce.is_empty() {
        return Err(ProposalError::Missing { part: "nonce" });
    }
    let tx_id = tx_id(&header.nonce, &header.creator);
    if channel_header.tx_id != tx_id.to_string() {
        return Err(ProposalError::WrongTxId { expected: tx_id });
    }
    let identity = membership.verify(&header.creator, &[signed_bytes], signature)?;
    let timestamp = channel_header.timestamp.ok_or(ProposalError::NoTimestamp)?;
    let seconds = timestamp.seconds.abs_diff(now);
    if seconds > CLOCK_SKEW_SECONDS_MAX {
        return Err(ProposalError::Clock { seconds });
    }
    // Judged at the transaction's own time, as validation on every host will judge it.
    identity.check_validity(timestamp.seconds)?;
    let nanos = u32::try_from(timestamp.nanos)
        .ok()
        .filter(|&nanos| nanos < 1_000_000_000)
        .ok_or(ProposalError::NoTimestamp)?;
    Ok(CheckedProposal {
        identity,
        tx_id,
        timestamp: (timestamp.seconds, nanos),
    })
}
