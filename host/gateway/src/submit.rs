//! `gateway.Gateway/Submit`: hand an endorsed and signed transaction to ordering. What is looked at
//! before that is the same for `orderer.AtomicBroadcast/Broadcast`.

use std::sync::Arc;

use bytes::Bytes;
use cordon_channel::Channel;
use cordon_endorse::{CLOCK_SKEW_SECONDS_MAX, ProposalError};
use cordon_order::{ENVELOPE_BYTES_MAX, OrderError};
use cordon_wire::proposal::CONFIG;
use cordon_wire::proto::common::{self, Status as Outcome};
use cordon_wire::proto::gateway::{SubmitRequest, SubmitResponse};
use cordon_wire::transaction::{Envelope, Transaction, TransactionError};
use cordon_wire::{WireError, encode};
use tracing::Instrument as _;

use crate::host::{Host, now};
use crate::request::agree;
use crate::status::{Detail, Failure};

/// Why an envelope is not ordered: as `Broadcast` says it, and as `Submit` does.
pub(crate) struct Unordered {
    pub(crate) outcome: Outcome,
    pub(crate) failure: Failure,
}

pub(crate) async fn submit(
    host: &Arc<Host>,
    request: SubmitRequest,
) -> Result<SubmitResponse, Failure> {
    let envelope = request
        .prepared_transaction
        .ok_or_else(|| Failure::Malformed("the request has no prepared transaction".to_owned()))?;
    let taken = take(host, envelope).map_err(|unordered| unordered.failure)?;
    let header = &taken.parsed.header.channel_header;
    agree("channel_id", &request.channel_id, &header.channel_id)?;
    agree("transaction_id", &request.transaction_id, &header.tx_id)?;
    let ordered = order(host, taken).await;
    ordered.map_err(|unordered| unordered.failure)?;
    Ok(SubmitResponse {})
}

/// An envelope that is decoded as far as its header.
pub(crate) struct Taken {
    parsed: Envelope,
    bytes: Bytes,
}

/// Takes an envelope as a client sent it.
pub(crate) fn take(host: &Host, envelope: common::Envelope) -> Result<Taken, Unordered> {
    if envelope.signature.is_empty() {
        return Err(Unordered::malformed(
            "the prepared transaction is not signed",
        ));
    }
    let bytes = encode(&envelope);
    let parsed = Envelope::from_proto(envelope).map_err(|error| shape(host, &error))?;
    Ok(Taken { parsed, bytes })
}

impl Taken {
    /// What kind of envelope it says to be.
    pub(crate) fn header_type(&self) -> i32 {
        self.parsed.header.channel_header.r#type
    }
}

impl Unordered {
    fn new(outcome: Outcome, failure: Failure) -> Self {
        Self { outcome, failure }
    }

    fn malformed(text: &str) -> Self {
        Self::new(Outcome::BadRequest, Failure::Malformed(text.to_owned()))
    }

    /// Whoever is not known here.
    fn creator(host: &Host, error: &dyn std::fmt::Display) -> Self {
        let text = format!("creator is not accepted: {error}");
        Self::new(Outcome::Forbidden, Failure::Refused(host.detail(text)))
    }

    /// A channel that does not exist, for all that is told.
    fn unknown(failure: Failure) -> Self {
        Self::new(Outcome::BadRequest, failure)
    }
}

fn shape(host: &Host, error: &TransactionError) -> Unordered {
    let failure = match error.cause {
        WireError::Missing { .. } | WireError::Undecodable { .. } => {
            Failure::Malformed(error.cause.to_string())
        }
        WireError::Invalid { .. } => Failure::Refused(host.detail(error.to_string())),
    };
    Unordered::new(Outcome::BadRequest, failure)
}

/// Checks what can be checked of an envelope by itself, and appends it to its channel's log. Returns
/// once the log has it.
pub(crate) async fn order(host: &Arc<Host>, taken: Taken) -> Result<(), Unordered> {
    let Taken { parsed, bytes } = taken;
    if parsed.header.channel_header.r#type == CONFIG {
        return order_config(host, parsed, bytes).await;
    }
    // What cannot be valid by its shape is refused here already: in the block it would only take
    // room, and nobody could ask for its verdict, because it takes no id.
    let transaction = Transaction::parse(parsed).map_err(|error| shape(host, &error))?;
    let id = transaction.channel.as_str();
    let door = host.door(id, &transaction.header.creator);
    let identity = door
        .membership()
        .verify(
            &transaction.header.creator,
            &[&transaction.payload],
            &transaction.signature,
        )
        .map_err(|error| Unordered::creator(host, &error))?;
    let time = transaction.header.channel_header.timestamp;
    let time = time.ok_or_else(|| Unordered::malformed("timestamp is missing"))?;
    identity
        .check_validity(time.seconds)
        .map_err(|error| Unordered::creator(host, &error))?;
    let (channel, _) = door.channel().map_err(Unordered::unknown)?;
    // This host could neither tell the verdict nor be sure that it is the right log.
    running(host, channel)?;
    append(host, channel, bytes).await
}

/// A configuration that admins have approved. What is wrong with it is said here: in a block it would
/// only take room.
async fn order_config(host: &Arc<Host>, envelope: Envelope, bytes: Bytes) -> Result<(), Unordered> {
    let id = envelope.header.channel_header.channel_id.clone();
    let door = host.door(&id, &envelope.header.creator);
    let (creator, signature) = (&envelope.header.creator, &envelope.signature);
    door.membership()
        .verify(creator, &[&envelope.payload], signature)
        .map_err(|error| Unordered::creator(host, &error))?;
    let (channel, _) = door.channel().map_err(Unordered::unknown)?;
    running(host, channel)?;
    let refused = |text: String| {
        let failure = Failure::Refused(host.detail(text));
        Unordered::new(Outcome::BadRequest, failure)
    };
    let time = envelope.header.channel_header.timestamp;
    let time = time.ok_or_else(|| Unordered::malformed("timestamp is missing"))?;
    let seconds = time.seconds.abs_diff(now());
    if seconds > CLOCK_SKEW_SECONDS_MAX {
        return Err(refused(ProposalError::Clock { seconds }.to_string()));
    }
    let (checking, checked) = (Arc::clone(channel), bytes.clone());
    tokio::task::spawn_blocking(move || checking.check_config(&checked))
        .await
        .map_err(|error| Unordered::new(Outcome::InternalServerError, host.broken(&error)))?
        .map_err(refused)?;
    append(host, channel, bytes).await
}

fn running(host: &Host, channel: &Channel) -> Result<(), Unordered> {
    let Some(reason) = channel.stopped() else {
        return Ok(());
    };
    let text = format!(
        "channel {} has stopped on this host: {reason}",
        channel.id()
    );
    let failure = Failure::Stopped(host.detail(text));
    Err(Unordered::new(Outcome::ServiceUnavailable, failure))
}

async fn append(host: &Host, channel: &Channel, bytes: Bytes) -> Result<(), Unordered> {
    let too_large = bytes.len() > ENVELOPE_BYTES_MAX;
    let _appending = channel.measures().appending();
    let span = tracing::info_span!("order append", channel = %channel.id());
    let appended = channel.log().append(bytes).instrument(span).await;
    appended.map_err(|error| match error {
        OrderError::Refused(_) => {
            // It will never be taken, or may be in a moment.
            let outcome = if too_large {
                Outcome::BadRequest
            } else {
                Outcome::ServiceUnavailable
            };
            let failure = Failure::Refused(host.detail(error.to_string()));
            Unordered::new(outcome, failure)
        }
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
            let failure = Failure::Unreachable(error.to_string(), vec![detail]);
            Unordered::new(Outcome::ServiceUnavailable, failure)
        }
        _ => {
            tracing::error!(%error, "ordering failed");
            let text = "the ordering log does not take transactions";
            let failure = Failure::Unreachable(text.to_owned(), vec![host.detail(text)]);
            Unordered::new(Outcome::ServiceUnavailable, failure)
        }
    })
}
