//! Contracts that every host answers itself, called like any other. Fabric's have Fabric's names;
//! `cordon` is this host's administration.

mod administration;
mod document;
pub(crate) mod lifecycle;
mod qscc;

use std::sync::Arc;

use bytes::Bytes;
use cordon_types::status;
use cordon_wire::proposal::Proposal;
use cordon_wire::proto::protos;

use crate::host::Host;
use crate::status::Failure;

pub use administration::Administration;

const CSCC: &str = "cscc";
const QSCC: &str = "qscc";
const ADMINISTRATION: &str = "cordon";

/// Whether a contract's name means one that hosts answer themselves.
/// `_lifecycle` is one of them where no channel is named; on a channel it is called like any contract.
pub(crate) fn is_system(proposal: &Proposal) -> bool {
    let contract = proposal.contract.as_str();
    let on_channel = !proposal.header.channel_header.channel_id.is_empty();
    [CSCC, QSCC, ADMINISTRATION].contains(&contract) || (contract == lifecycle::NAME && !on_channel)
}

/// Answers a call. What finds nothing or makes no sense is an answer with a status of 400 and more.
pub(crate) async fn call(
    host: &Arc<Host>,
    proposal: &Proposal,
) -> Result<protos::Response, Failure> {
    match proposal.contract.as_str() {
        lifecycle::NAME => lifecycle::call(host, proposal).await,
        ADMINISTRATION => administration::call(host, proposal).await,
        CSCC if document::is_asked(proposal) => document::call(host, proposal),
        _ => qscc::call(host, proposal),
    }
}

fn answer(payload: Bytes) -> protos::Response {
    protos::Response {
        status: status::OK,
        message: String::new(),
        payload,
    }
}

fn refusal(status: i32, message: impl Into<String>) -> protos::Response {
    protos::Response {
        status,
        message: message.into(),
        payload: Bytes::new(),
    }
}
