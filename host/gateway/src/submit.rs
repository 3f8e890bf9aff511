//! `gateway.Gateway/Submit`: hand an endorsed and signed transaction to ordering.

use std::sync::Arc;

use bytes::Bytes;
use cordon_channel::Channel;
use cordon_endorse::{CLOCK_SKEW_SECONDS_MAX, ProposalError};
use cordon_order::OrderError;
use cordon_wire::proposal::CONFIG;
use cordon_wire::proto::gateway::{SubmitRequest, SubmitResponse};
use cordon_wire::transaction::{Envelope, Transaction};
use cordon_wire::{WireError, encode};

use crate::host::{Host, now};
use crate::request::agree;
use crate::status::{Detail, Failure};

pub(crate) async fn submit(
    host: &Arc<Host>,
    request: SubmitRequest,
) -> Result<SubmitResponse, Failure> {
    let envelope = request
        .prepared_transaction
        .ok_or_else(|| Failure::Malformed("the request has no prepared transaction".to_owned()))?;
    if envelope.signature.is_empty() {
        return Err(Failure::Malformed(
            "the prepared transaction is not signed".to_owned(),
        ));
    }
    let bytes = encode(&envelope);
    let shape = |error: cordon_wire::transaction::TransactionError| match error.cause {
        WireError::Missing { .. } | WireError::Undecodable { .. } => {
            Failure::Malformed(error.cause.to_string())
        }
        WireError::Invalid { .. } => Failure::Refused(host.detail(error.to_string())),
    };
    let parsed = Envelope::from_proto(envelope).map_err(shape)?;
    agree(
        "channel_id",
        &request.channel_id,
        &parsed.header.channel_header.channel_id,
    )?;
    agree(
        "transaction_id",
        &request.transaction_id,
        &parsed.header.channel_header.tx_id,
    )?;
    if parsed.header.channel_header.r#type == CONFIG {
        return submit_config(host, parsed, bytes).await;
    }
    // What cannot be valid by its shape is refused here already: in the block it would only take
    // room, and nobody could ask for its verdict, because it takes no id.
    let transaction = Transaction::parse(parsed).map_err(shape)?;
    let id = transaction.channel.as_str();
    let door = host.door(id, &transaction.header.creator);
    let refused = |error: &dyn std::fmt::Display| {
        Failure::Refused(host.detail(format!("creator is not accepted: {error}")))
    };
    let identity = door
        .membership()
        .verify(
            &transaction.header.creator,
            &[&transaction.payload],
            &transaction.signature,
        )
        .map_err(|error| refused(&error))?;
    let time = transaction.header.channel_header.timestamp;
    let time = time.ok_or_else(|| Failure::Malformed("timestamp is missing".to_owned()))?;
    identity
        .check_validity(time.seconds)
        .map_err(|error| refused(&error))?;
    let (channel, _) = door.channel()?;
    if let Some(reason) = channel.stopped() {
        // This host could neither tell the verdict nor be sure that it is the right log.
        let text = format!("channel {id} has stopped on this host: {reason}");
        return Err(Failure::Stopped(host.detail(text)));
    }
    append(host, channel, bytes).await
}

/// A configuration that admins have approved. What is wrong with it is said here: in a block it would
/// only take room.
async fn submit_config(
    host: &Arc<Host>,
    envelope: Envelope,
    bytes: Bytes,
) -> Result<SubmitResponse, Failure> {
    let id = envelope.header.channel_header.channel_id.clone();
    let door = host.door(&id, &envelope.header.creator);
    let (creator, signature) = (&envelope.header.creator, &envelope.signature);
    door.membership()
        .verify(creator, &[&envelope.payload], signature)
        .map_err(|error| {
            Failure::Refused(host.detail(format!("creator is not accepted: {error}")))
        })?;
    let (channel, _) = door.channel()?;
    if let Some(reason) = channel.stopped() {
        let text = format!("channel {id} has stopped on this host: {reason}");
        return Err(Failure::Stopped(host.detail(text)));
    }
    let time = envelope.header.channel_header.timestamp;
    let time = time.ok_or_else(|| Failure::Malformed("timestamp is missing".to_owned()))?;
    let seconds = time.seconds.abs_diff(now());
    if seconds > CLOCK_SKEW_SECONDS_MAX {
        let error = ProposalError::Clock { seconds };
        return Err(Failure::Refused(host.detail(error.to_string())));
    }
    let (checking, checked) = (Arc::clone(channel), bytes.clone());
    tokio::task::spawn_blocking(move || checking.check_config(&checked))
        .await
        .map_err(|error| host.broken(&error))?
        .map_err(|text| Failure::Refused(host.detail(text)))?;
    append(host, channel, bytes).await
}

async fn append(host: &Host, channel: &Channel, bytes: Bytes) -> Result<SubmitResponse, Failure> {
    channel
        .log()
        .append(bytes)
        .await
        .map_err(|error| match error {
            OrderError::Refused(_) => Failure::Refused(host.detail(error.to_string())),
            OrderError::Unavailable { ref address, .. } => {
                let neighbours = host.neighbours();
                let mut peers = neighbours.peers.iter();
                let keeper = peers.find(|peer| peer.address == *address);
                let msp_id = keeper.map(|peer| peer.msp_id.to_string());
                let detail = Detail {
                    address: address.clone(),
                    msp_id: msp_id.unwrap_or_default(),
                    message: error.to_string(),
                };
                Failure::Unreachable(error.to_string(), vec![detail])
            }
            _ => {
                tracing::error!(%error, "ordering failed");
                let text = "the ordering log does not take transactions";
                Failure::Unreachable(text.to_owned(), vec![host.detail(text)])
            }
        })?;
    Ok(SubmitResponse {})
}
