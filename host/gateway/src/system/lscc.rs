//! The lifecycle contract of Fabric 1.x: nothing but a word of where to ask instead.

use cordon_endorse::check_creator;
use cordon_types::status;
use cordon_wire::proposal::Proposal;
use cordon_wire::proto::protos;

use super::refusal;
use crate::host::{Host, now};
use crate::status::Failure;

/// Refuses a call of whoever may call at all. The answer is the same on every channel.
pub(super) fn call(host: &Host, proposal: &Proposal) -> Result<protos::Response, Failure> {
    let header = &proposal.header;
    check_creator(
        header,
        &proposal.signed_bytes,
        &proposal.signature,
        host.door("", &header.creator).membership(),
        now(),
    )
    .map_err(|error| Failure::Refused(host.detail(error.to_string())))?;
    let text = "there is no lscc here, the lifecycle of Fabric 1.x: a channel's contracts stand in its configuration";
    Ok(refusal(status::FAULT, text))
}
