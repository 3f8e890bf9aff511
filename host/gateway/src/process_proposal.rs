//! `protos.Endorser/ProcessProposal`: what hosts ask of each other, and Fabric's command line of us.

use std::collections::BTreeMap;
use std::sync::Arc;

use cordon_types::ChannelId;
use cordon_wire::proposal::Proposal;
use cordon_wire::proto::protos;
use tonic::Response;

use crate::height::{self, catch_up};
use crate::host::Host;
use crate::status::Failure;
use crate::system;

/// `height`: the least number of blocks that whoever asks has already; `others`: of other channels.
pub(crate) async fn process_proposal(
    host: &Arc<Host>,
    signed: protos::SignedProposal,
    height: Option<u64>,
    others: BTreeMap<ChannelId, u64>,
) -> Result<Response<protos::ProposalResponse>, Failure> {
    let proposal = Proposal::parse(&signed)?;
    if system::is_system(&proposal) {
        let response = system::call(host, &proposal).await;
        let reply = response.and_then(|response| system::reply(host, &proposal, response));
        return reply.or_else(answer_of_failure).map(Response::new);
    }
    let channel = proposal.channel.as_ref();
    let channel = channel.and_then(|id| host.channels.get(id)).cloned();
    let accepted = match (host.accept(proposal), channel, height) {
        // It may have come with blocks that this host does not have yet.
        (Err(Failure::ContractUnknown(_)), Some(channel), Some(height)) => {
            catch_up(&channel, height).await;
            host.accept(Proposal::parse(&signed)?)?
        }
        (accepted, ..) => accepted?,
    };
    let mut accepted = Arc::new(accepted);
    if accepted.asks_other_channels() {
        host.ledgers_of(&accepted).catch_up(&others).await;
    }
    if let Some(height) = height {
        catch_up(&accepted.channel, height).await;
    }
    if !accepted.is_current() {
        accepted = Arc::new(host.accept(Proposal::parse(&signed)?)?);
    }
    match host.endorse_here(&accepted).await {
        Ok((reply, height)) => {
            let mut response = Response::new(reply);
            height::put(response.metadata_mut(), height);
            Ok(response)
        }
        Err(failure) => answer_of_failure(failure).map(Response::new),
    }
}

/// The proposal was accepted; that this host fails is an answer, not a transport error.
fn answer_of_failure(failure: Failure) -> Result<protos::ProposalResponse, Failure> {
    let Failure::Host(detail) = failure else {
        return Err(failure);
    };
    Ok(protos::ProposalResponse {
        response: Some(protos::Response {
            status: cordon_types::status::FAULT,
            message: detail.message,
            payload: bytes::Bytes::new(),
        }),
        ..Default::default()
    })
}
