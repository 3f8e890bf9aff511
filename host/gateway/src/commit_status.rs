//! `gateway.Gateway/CommitStatus`: wait until a transaction is in a block, and tell its verdict.

use std::sync::Arc;

use cordon_channel::Committed;
use cordon_types::TxId;
use cordon_wire::decode;
use cordon_wire::proto::gateway::{
    CommitStatusRequest, CommitStatusResponse, SignedCommitStatusRequest,
};

use crate::host::Host;
use crate::status::Failure;

pub(crate) async fn commit_status(
    host: &Arc<Host>,
    signed: SignedCommitStatusRequest,
) -> Result<CommitStatusResponse, Failure> {
    if signed.request.is_empty() {
        return Err(Failure::Malformed("the request is missing".to_owned()));
    }
    let request: CommitStatusRequest = decode(&signed.request, "commit status request")?;
    let tx_id: TxId = request
        .transaction_id
        .parse()
        .map_err(|error| Failure::Malformed(format!("{error}")))?;
    let door = host.door(&request.channel_id, &request.identity);
    door.membership()
        .verify(&request.identity, &[&signed.request], &signed.signature)
        .map_err(|error| Failure::Refused(host.detail(error.to_string())))?;
    let (channel, _) = door.channel()?;

    // Wait first, look second: what is committed in between is not missed.
    let waiting = channel.commits().wait_for(tx_id);
    let found = channel
        .ledger()
        .transaction(&tx_id)
        .map_err(|error| host.broken(&error))?;
    let committed = if let Some(found) = found {
        Committed {
            block: found.block,
            code: found.code,
        }
    } else {
        tokio::select! {
            committed = waiting.committed() => committed.ok_or(Failure::ShuttingDown)?,
            () = host.shutting_down() => return Err(Failure::ShuttingDown),
            reason = channel.stopping() => return Err(Failure::Stopped(host.detail(reason))),
        }
    };
    Ok(CommitStatusResponse {
        result: i32::from(committed.code as u8),
        block_number: committed.block,
    })
}
