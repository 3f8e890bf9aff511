//! `protos.Endorser/ProcessProposal`: what hosts ask of each other, and Fabric's command line of us.

use std::sync::Arc;

use cordon_wire::proposal::Proposal;
use cordon_wire::proto::protos;

use crate::host::Host;
use crate::qscc;
use crate::status::Failure;

pub(crate) async fn process_proposal(
    host: &Arc<Host>,
    signed: protos::SignedProposal,
) -> Result<protos::ProposalResponse, Failure> {
    let proposal = Proposal::parse(&signed)?;
    if qscc::is_system(&proposal.contract) {
        let response = qscc::call(host, &proposal)?;
        return Ok(protos::ProposalResponse {
            response: Some(response),
            ..Default::default()
        });
    }
    let accepted = Arc::new(host.accept(proposal)?);
    match host.endorse_here(&accepted).await {
        Ok(reply) => Ok(reply),
        // The proposal was accepted; that this host fails is an answer, not a transport error.
        Err(Failure::Host(detail)) => Ok(protos::ProposalResponse {
            response: Some(protos::Response {
                status: cordon_types::status::FAULT,
                message: detail.message,
                payload: bytes::Bytes::new(),
            }),
            ..Default::default()
        }),
        Err(failure) => Err(failure),
    }
}
