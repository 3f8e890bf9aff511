//! `gateway.Gateway/Evaluate`: execute and answer; nothing is ordered.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use cordon_types::MspId;
use cordon_wire::proto::gateway::{EvaluateRequest, EvaluateResponse};
use cordon_wire::proto::protos;

use crate::calls_seen::Purpose;
use crate::host::Host;
use crate::peer::PeerAnswer;
use crate::request::{self, Accepted};
use crate::status::{Detail, Failure, chaincode_response};
use crate::system;

pub(crate) async fn evaluate(
    host: &Arc<Host>,
    request: EvaluateRequest,
) -> Result<EvaluateResponse, Failure> {
    let signed = request.proposed_transaction;
    let proposal = request::parse(
        signed.as_ref(),
        &request.channel_id,
        &request.transaction_id,
    )?;
    let targets = request::organizations(&request.target_organizations)?;
    if system::is_system(&proposal) {
        let response = system::call(host, &proposal).await?;
        if response.status >= 400 {
            let text = chaincode_response(response.status, &response.message);
            return Err(Failure::Contract(vec![host.detail(text)]));
        }
        return Ok(EvaluateResponse {
            result: Some(response),
        });
    }
    let accepted = Arc::new(host.accept(proposal)?);
    if targets.is_empty() || targets.contains(&host.msp_id) {
        let execution = host.execute(&accepted, Purpose::Evaluate).await?;
        if let Some(refusal) = host.refusal(&execution) {
            return Err(refusal);
        }
        let contract = accepted.contract();
        let measures = host.measures.contract(accepted.channel.id(), contract);
        measures.answered.fetch_add(1, Relaxed);
        return Ok(EvaluateResponse {
            result: Some(execution.response()),
        });
    }
    elsewhere(host, &accepted, signed.unwrap_or_default(), &targets).await
}

/// Asks the hosts of the organisations named, one after the other, until one answers.
async fn elsewhere(
    host: &Host,
    accepted: &Accepted,
    signed: protos::SignedProposal,
    targets: &[MspId],
) -> Result<EvaluateResponse, Failure> {
    let mut details = Vec::new();
    let height = accepted.channel.ledger().height();
    let peers = host.others_of(accepted).into_iter();
    for peer in peers.filter(|peer| targets.contains(&peer.msp_id)) {
        let detail = |message: String| Detail {
            address: peer.address.clone(),
            msp_id: peer.msp_id.to_string(),
            message,
        };
        let others = host.other_heights(accepted, &peer.msp_id);
        match peer.process_proposal(signed.clone(), height, &others).await {
            PeerAnswer::Reply(reply, _) => {
                let response = reply.response.unwrap_or_default();
                if response.status >= 400 || response.status == 0 {
                    let text = chaincode_response(response.status, &response.message);
                    return Err(Failure::Contract(vec![detail(text)]));
                }
                return Ok(EvaluateResponse {
                    result: Some(response),
                });
            }
            PeerAnswer::Refused(message) => return Err(Failure::Refused(detail(message))),
            PeerAnswer::Unreachable(message) => details.push(detail(message)),
        }
    }
    if details.is_empty() {
        return Err(Failure::ContractUnknown(
            "no host of the target organisations is known on this channel".to_owned(),
        ));
    }
    let names: Vec<String> = details
        .iter()
        .map(|d| format!("{} ({})", d.msp_id, d.address))
        .collect();
    Err(Failure::Unreachable(
        format!("not reachable: {}", names.join(", ")),
        details,
    ))
}
