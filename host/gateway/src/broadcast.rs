//! `orderer.AtomicBroadcast`: what Fabric's command line and older clients order with (`WIRE.md`
//! section 10). Every host takes envelopes and hands them to the ordering log, wherever that is.

use std::sync::Arc;

use cordon_wire::proto::common::{Envelope, HeaderType, Status as Outcome};
use cordon_wire::proto::orderer::deliver_response::Type;
use cordon_wire::proto::orderer::{BroadcastResponse, DeliverResponse};
use cordon_wire::proto::protos;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::deliver::{self, Content};
use crate::host::Host;
use crate::status::{Failure, Rpc};
use crate::submit::{order, take};

/// Said to whoever wants to change a configuration in Fabric's way.
const CONFIG_UPDATES: &str = "configurations are not changed by updates of type CONFIG_UPDATE here: \
     admins of the members approve the next one as a whole, with `cordon channel propose`";

pub(crate) type BroadcastStream = BoxStream<'static, Result<BroadcastResponse, Status>>;
pub(crate) type OrdererDeliverStream = BoxStream<'static, Result<DeliverResponse, Status>>;

/// Orders one envelope after the other: the next is read when the answer to the one before is on its
/// way, so that a stream never holds more than one. Ends after anything but success.
pub(crate) fn broadcast(host: Arc<Host>, mut requests: Streaming<Envelope>) -> BroadcastStream {
    let (sender, replies) = mpsc::channel(1);
    tokio::spawn(async move {
        let working = async {
            while let Some(envelope) = requests.message().await.transpose() {
                // One that is too large is not read: the call ends with what is said of it.
                let reply = match envelope {
                    Ok(envelope) => Ok(answer(&host, envelope).await),
                    Err(status) => Err(status),
                };
                let success = Outcome::Success as i32;
                let goes_on = reply.as_ref().is_ok_and(|reply| reply.status == success);
                if sender.send(reply).await.is_err() || !goes_on {
                    return;
                }
            }
        };
        tokio::select! {
            () = working => {}
            () = host.shutting_down() => {
                let status = Failure::ShuttingDown.into_status(Rpc::Broadcast, &host);
                let _ = sender.send(Err(status)).await;
            }
        }
    });
    ReceiverStream::new(replies).boxed()
}

/// What is said of one envelope, once the log has it or will not.
async fn answer(host: &Arc<Host>, envelope: Envelope) -> BroadcastResponse {
    let taken = match take(host, envelope) {
        Ok(taken) if taken.header_type() == HeaderType::ConfigUpdate as i32 => {
            return response(Outcome::NotImplemented, CONFIG_UPDATES);
        }
        taken => taken,
    };
    let ordered = match taken {
        Ok(taken) => order(host, taken).await,
        Err(unordered) => Err(unordered),
    };
    match ordered {
        Ok(()) => response(Outcome::Success, ""),
        Err(unordered) => {
            let status = unordered.failure.into_status(Rpc::Broadcast, host);
            response(unordered.outcome, status.message())
        }
    }
}

fn response(outcome: Outcome, info: &str) -> BroadcastResponse {
    BroadcastResponse {
        status: outcome as i32,
        info: info.to_owned(),
    }
}

/// Whole blocks, as `protos.Deliver` has them, in the orderer's messages.
pub(crate) fn deliver(host: Arc<Host>, requests: Streaming<Envelope>) -> OrdererDeliverStream {
    let replies = deliver::deliver(host, requests, Content::Block);
    let translated = replies.map(|reply| reply.map(translate));
    translated.boxed()
}

fn translate(reply: protos::DeliverResponse) -> DeliverResponse {
    use protos::deliver_response::Type as From;
    let r#type = match reply.r#type {
        Some(From::Status(status)) => Some(Type::Status(status)),
        Some(From::Block(block)) => Some(Type::Block(block)),
        // Of these none are asked for.
        Some(From::FilteredBlock(_) | From::BlockAndPrivateData(_)) | None => None,
    };
    DeliverResponse { r#type }
}
