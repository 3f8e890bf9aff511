//! `cscc GetChannelDocument`: the configuration in force as the one readable document that it is here.
//! Fabric's form of it is another function's.

use bytes::Bytes;
use cordon_endorse::check_creator;
use cordon_wire::proposal::Proposal;
use cordon_wire::proto::protos;
use serde_json::json;

use super::answer;
use crate::host::{Host, now};
use crate::status::Failure;

/// Whether this call is for this file.
pub(super) fn is_asked(proposal: &Proposal) -> bool {
    let function = proposal.args.first().map(Bytes::as_ref);
    proposal.contract == super::CSCC && function == Some(b"GetChannelDocument")
}

/// `sequence`, `block` that holds the last configuration, `config` with all contracts in force.
pub(super) fn call(host: &Host, proposal: &Proposal) -> Result<protos::Response, Failure> {
    let id = proposal.args.get(1);
    let id = id.and_then(|id| std::str::from_utf8(id).ok());
    let door = host.door(id.unwrap_or_default(), &proposal.header.creator);
    check_creator(
        &proposal.header,
        &proposal.signed_bytes,
        &proposal.signature,
        door.membership(),
        now(),
    )
    .map_err(|error| Failure::Refused(host.detail(error.to_string())))?;
    let (channel, current) = door.channel()?;
    let document = json!({
        "sequence": current.sequence(),
        "block": channel.ledger().info().last_config,
        "config": **current.config(),
    });
    Ok(answer(Bytes::from(document.to_string())))
}
