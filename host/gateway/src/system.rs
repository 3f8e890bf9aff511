//! Contracts that every host answers itself, called like any other. Fabric's have Fabric's names;
//! `cordon` is this host's administration.

mod administration;
mod cscc;
mod document;
pub(crate) mod lifecycle;
mod lscc;
mod qscc;

use std::sync::Arc;

use bytes::Bytes;
use cordon_types::{ContractId, status};
use cordon_wire::proposal::Proposal;
use cordon_wire::proto::protos;
use cordon_wire::transaction::response_payload;

use crate::host::Host;
use crate::status::Failure;

pub use administration::Administration;

const CSCC: &str = "cscc";
const LSCC: &str = "lscc";
const QSCC: &str = "qscc";
const ADMINISTRATION: &str = "cordon";

/// What Fabric calls the version of its system contracts.
const VERSION: &str = "syscc";

/// Whether a contract's name means one that hosts answer themselves.
/// `_lifecycle` is one of them where no channel is named; on a channel it is called like any contract.
pub(crate) fn is_system(proposal: &Proposal) -> bool {
    let contract = proposal.contract.as_str();
    let on_channel = !proposal.header.channel_header.channel_id.is_empty();
    [CSCC, LSCC, QSCC, ADMINISTRATION].contains(&contract)
        || (contract == lifecycle::NAME && !on_channel)
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
        CSCC => cscc::call(host, proposal),
        LSCC => lscc::call(host, proposal),
        _ => qscc::call(host, proposal),
    }
}

/// An answer to `ProcessProposal`. Fabric's command line takes none about a channel that is not
/// endorsed, though nothing of a query is ever ordered; of one without a channel it asks nothing.
pub(crate) fn reply(
    host: &Host,
    proposal: &Proposal,
    response: protos::Response,
) -> Result<protos::ProposalResponse, Failure> {
    let contract = proposal.contract.as_str();
    let queried = [CSCC, QSCC].contains(&contract) && proposal.channel.is_some();
    let contract: Option<ContractId> = contract.parse().ok();
    let Some(contract) = contract.filter(|_| queried && response.status == status::OK) else {
        return Ok(protos::ProposalResponse {
            response: Some(response),
            ..Default::default()
        });
    };
    let none = Bytes::new();
    let payload = response_payload(
        proposal.hash(),
        none.clone(),
        none,
        response.clone(),
        &contract,
        VERSION,
    );
    let endorsement = host.endorser.endorse(&payload);
    Ok(protos::ProposalResponse {
        version: 1,
        response: Some(response),
        endorsement: Some(endorsement.map_err(|error| host.broken(&error))?),
        payload,
        ..Default::default()
    })
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
