//! `gateway.Gateway/ChaincodeEvents`: the events of one contract, from a place in the ledger on, as
//! blocks are committed (`WIRE.md` section 9).

use std::sync::Arc;

use cordon_channel::Channel;
use cordon_types::{TxId, ValidationCode};
use cordon_wire::block::CommittedBlock;
use cordon_wire::decode;
use cordon_wire::proto::gateway::{
    ChaincodeEventsRequest, ChaincodeEventsResponse, SignedChaincodeEventsRequest,
};
use cordon_wire::proto::orderer::seek_position;
use cordon_wire::transaction::{Envelope, Transaction};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use tonic::Status;

use crate::host::Host;
use crate::reader::Reader;
use crate::status::{Failure, Rpc};

pub(crate) type EventStream = BoxStream<'static, Result<ChaincodeEventsResponse, Status>>;

pub(crate) fn chaincode_events(
    host: &Arc<Host>,
    signed: SignedChaincodeEventsRequest,
) -> Result<EventStream, Failure> {
    if signed.request.is_empty() {
        return Err(Failure::Malformed("the request is missing".to_owned()));
    }
    let request: ChaincodeEventsRequest = decode(&signed.request, "chaincode events request")?;
    let door = host.door(&request.channel_id, &request.identity);
    door.membership()
        .verify(&request.identity, &[&signed.request], &signed.signature)
        .map_err(|error| Failure::Refused(host.detail(error.to_string())))?;
    let (channel, current) = door.channel()?;
    if request.chaincode_id.is_empty() {
        return Err(Failure::Malformed("chaincode_id is missing".to_owned()));
    }

    let (start, after) = start(host, channel, &request)?;
    let contract = request.chaincode_id;
    let owner = Arc::clone(host);
    let reader = Reader::new(request.identity, false, current);
    let events = blocks(host, Arc::clone(channel), start, reader).filter_map(move |block| {
        let response = match block {
            Ok((number, block)) => {
                let after = after
                    .filter(|(block, _)| *block == number)
                    .map(|(_, index)| index);
                let events = events_of(&block, &contract, after);
                (!events.is_empty()).then(|| {
                    Ok(ChaincodeEventsResponse {
                        events,
                        block_number: number,
                    })
                })
            }
            Err(failure) => Some(Err(failure.into_status(Rpc::ChaincodeEvents, &owner))),
        };
        std::future::ready(response)
    });
    Ok(events.boxed())
}

type Place = (u64, u32);

/// The first block to look at, and the transaction up to which its events are known already.
fn start(
    host: &Host,
    channel: &Channel,
    request: &ChaincodeEventsRequest,
) -> Result<(u64, Option<Place>), Failure> {
    // An id that is not known, or is none, leaves it to the start position.
    if let Ok(tx_id) = request.after_transaction_id.parse::<TxId>() {
        let found = channel
            .ledger()
            .transaction(&tx_id)
            .map_err(|error| host.broken(&error))?;
        if let Some(place) = found {
            return Ok((place.block, Some((place.block, place.index))));
        }
    }
    let position = request
        .start_position
        .as_ref()
        .and_then(|position| position.r#type.as_ref());
    let start = match position {
        None | Some(seek_position::Type::NextCommit(_)) => channel.ledger().height(),
        Some(seek_position::Type::Specified(specified)) => specified.number,
        Some(seek_position::Type::Oldest(_) | seek_position::Type::Newest(_)) => {
            return Err(Failure::Malformed(
                "start_position must be specified or next_commit".to_owned(),
            ));
        }
    };
    Ok((start, None))
}

/// Committed blocks from `start` on, as they come; ends with an error when the host shuts down, the
/// channel stops, or `reader` may no longer read.
pub(crate) fn blocks(
    host: &Arc<Host>,
    channel: Arc<Channel>,
    start: u64,
    reader: Reader,
) -> impl Stream<Item = Result<(u64, bytes::Bytes), Failure>> + Send + use<> {
    let host = Arc::clone(host);
    let height = channel.commits().height();
    let state = Some((host, channel, height, start, reader));
    futures::stream::unfold(state, |state| async move {
        let (host, channel, mut height, number, mut reader) = state?;
        let failure = tokio::select! {
            // A block that is there is handed out before anything else is looked at.
            biased;
            reached = height.wait_for(|height| *height > number) => match reached {
                Ok(_) if reader.may_read(&channel) => None,
                Ok(_) => Some(Failure::Refused(
                    host.detail("the channel no longer lets this identity read"),
                )),
                Err(_) => Some(Failure::ShuttingDown),
            },
            () = host.shutting_down() => Some(Failure::ShuttingDown),
            reason = channel.stopping() => Some(Failure::Stopped(host.detail(reason))),
        };
        if let Some(failure) = failure {
            return Some((Err(failure), None));
        }
        let reading = Arc::clone(&channel);
        let block = tokio::task::spawn_blocking(move || reading.ledger().block(number)).await;
        match block {
            Ok(Ok(Some(block))) => Some((
                Ok((number, block)),
                Some((host, channel, height, number + 1, reader)),
            )),
            Ok(Ok(None)) => Some((Err(Failure::ShuttingDown), None)),
            Ok(Err(error)) => Some((Err(host.broken(&error)), None)),
            Err(error) => Some((Err(host.broken(&error)), None)),
        }
    })
}

/// Events of the valid transactions of a block, without those up to index `after`.
fn events_of(
    block: &bytes::Bytes,
    contract: &str,
    after: Option<u32>,
) -> Vec<cordon_wire::proto::protos::ChaincodeEvent> {
    // The ledger has checked the block; its valid transactions parse.
    let Ok(block) = CommittedBlock::parse(block) else {
        return Vec::new();
    };
    (0u32..)
        .zip(block.data.iter().zip(&block.codes))
        .filter(|(index, (_, code))| {
            **code == ValidationCode::Valid && after.is_none_or(|after| *index > after)
        })
        .filter_map(|(_, (envelope, _))| Transaction::parse(Envelope::parse(envelope).ok()?).ok())
        .filter(|transaction| transaction.contract.as_str() == contract)
        .flat_map(|transaction| transaction.events)
        .filter(|event| !event.event_name.is_empty())
        .collect()
}
