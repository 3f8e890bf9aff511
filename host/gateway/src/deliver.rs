//! `protos.Deliver`: blocks, whole or filtered, to members of the channel (`WIRE.md` section 10).

use std::sync::Arc;

use bytes::Bytes;
use cordon_channel::Channel;
use cordon_endorse::CLOCK_SKEW_SECONDS_MAX;
use cordon_wire::block::CommittedBlock;
use cordon_wire::proto::common;
use cordon_wire::proto::common::{Envelope as EnvelopeMessage, HeaderType, Status as Outcome};
use cordon_wire::proto::orderer::{SeekInfo, SeekPosition, seek_position};
use cordon_wire::proto::protos::deliver_response::Type;
use cordon_wire::proto::protos::filtered_transaction::Data;
use cordon_wire::proto::protos::{
    BlockAndPrivateData, ChaincodeEvent, DeliverResponse, FilteredBlock, FilteredChaincodeAction,
    FilteredTransaction, FilteredTransactionActions,
};
use cordon_wire::transaction::{Envelope, Transaction};
use cordon_wire::{Message as _, decode};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::chaincode_events::blocks;
use crate::host::{Host, now};
use crate::reader::Reader;
use crate::status::{Failure, Rpc};

/// What of each block is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Block,
    Filtered,
    /// This version has no private data: the block alone, in that message.
    WithPrivateData,
}

/// Blocks waiting for a slow client; it holds up nobody else.
const QUEUE_MAX: usize = 16;
const HEADER_WITH_SIGNATURES: i32 = 1;
const FAIL_IF_NOT_READY: i32 = 1;

pub(crate) type DeliverStream = BoxStream<'static, Result<DeliverResponse, Status>>;

/// Serves one seek after the other, for as long as the client sends them; blocks go on after it has
/// closed its side.
pub(crate) fn deliver(
    host: Arc<Host>,
    mut requests: Streaming<EnvelopeMessage>,
    content: Content,
) -> DeliverStream {
    let (sender, replies) = mpsc::channel(QUEUE_MAX);
    tokio::spawn(async move {
        loop {
            let request = tokio::select! {
                request = requests.message() => request,
                () = host.shutting_down() => {
                    let failure = Failure::ShuttingDown;
                    let status = failure.into_status(Rpc::ChaincodeEvents, &host);
                    let _ = sender.send(Err(status)).await;
                    return;
                }
            };
            let Ok(Some(envelope)) = request else { return };
            if !seek(&host, &envelope, content, &sender).await {
                return;
            }
        }
    });
    ReceiverStream::new(replies).boxed()
}

type Sender = mpsc::Sender<Result<DeliverResponse, Status>>;

async fn answer(sender: &Sender, outcome: Outcome) -> bool {
    let reply = DeliverResponse {
        r#type: Some(Type::Status(outcome as i32)),
    };
    // Anything but success ends the call.
    sender.send(Ok(reply)).await.is_ok() && outcome == Outcome::Success
}

/// Returns whether the next seek may follow.
async fn seek(
    host: &Arc<Host>,
    envelope: &EnvelopeMessage,
    content: Content,
    sender: &Sender,
) -> bool {
    let (channel, info, reader) = match check(host, envelope, content) {
        Ok(accepted) => accepted,
        Err(outcome) => return answer(sender, outcome).await,
    };
    let (start, stop) = match range(&channel, &info) {
        Ok(range) => range,
        Err(outcome) => return answer(sender, outcome).await,
    };
    let mut blocks = Box::pin(blocks(host, Arc::clone(&channel), start, reader));
    let mut next = start;
    while next <= stop {
        if info.behavior == FAIL_IF_NOT_READY && next >= channel.ledger().height() {
            return answer(sender, Outcome::NotFound).await;
        }
        let block = tokio::select! {
            block = blocks.next() => block,
            // A client that has gone is not waited for until the next block.
            () = sender.closed() => return false,
        };
        let reply = match block {
            Some(Ok((_, bytes))) => reply(&channel, &bytes, content, info.content_type),
            Some(Err(failure)) => Err(failure.into_status(Rpc::ChaincodeEvents, host)),
            None => return false,
        };
        let failed = reply.is_err();
        if sender.send(reply).await.is_err() || failed {
            return false;
        }
        next += 1;
    }
    answer(sender, Outcome::Success).await
}

fn check(
    host: &Host,
    envelope: &EnvelopeMessage,
    content: Content,
) -> Result<(Arc<Channel>, SeekInfo, Reader), Outcome> {
    let parsed = Envelope::from_proto(envelope.clone()).map_err(|_| Outcome::BadRequest)?;
    let header = &parsed.header.channel_header;
    if header.r#type != HeaderType::DeliverSeekInfo as i32 {
        return Err(Outcome::BadRequest);
    }
    let time = header.timestamp.ok_or(Outcome::BadRequest)?;
    if time.seconds.abs_diff(now()) > CLOCK_SKEW_SECONDS_MAX {
        return Err(Outcome::BadRequest);
    }
    let door = host.door(&header.channel_id, &parsed.header.creator);
    let identity = door
        .membership()
        .verify(
            &parsed.header.creator,
            &[&parsed.payload],
            &parsed.signature,
        )
        .map_err(|_| Outcome::Forbidden)?;
    identity
        .check_validity(now())
        .map_err(|_| Outcome::Forbidden)?;
    let (channel, current) = door.channel().map_err(|_| Outcome::NotFound)?;
    if content != Content::Filtered && !current.may_read_blocks(&identity) {
        return Err(Outcome::Forbidden);
    }
    let info = SeekInfo::decode(parsed.data).map_err(|_| Outcome::BadRequest)?;
    let whole_blocks = content != Content::Filtered;
    let reader = Reader::new(parsed.header.creator, whole_blocks, current);
    Ok((Arc::clone(channel), info, reader))
}

/// First and last block asked for.
fn range(channel: &Channel, info: &SeekInfo) -> Result<(u64, u64), Outcome> {
    let height = channel.ledger().height();
    let newest = height.saturating_sub(1);
    let kind = |position: &Option<SeekPosition>| {
        position
            .as_ref()
            .and_then(|position| position.r#type)
            .ok_or(Outcome::BadRequest)
    };
    let (start_kind, stop_kind) = (kind(&info.start)?, kind(&info.stop)?);
    let start = match &start_kind {
        seek_position::Type::Oldest(_) => 0,
        seek_position::Type::Newest(_) => newest,
        seek_position::Type::NextCommit(_) => height,
        seek_position::Type::Specified(specified) if specified.number > height => {
            return Err(Outcome::NotFound);
        }
        seek_position::Type::Specified(specified) => specified.number,
    };
    let stop = match stop_kind {
        seek_position::Type::Oldest(_) => 0,
        seek_position::Type::Newest(_) => newest.max(start),
        seek_position::Type::NextCommit(_) => height,
        seek_position::Type::Specified(specified) => specified.number,
    };
    if stop < start {
        Err(Outcome::BadRequest)
    } else {
        Ok((start, stop))
    }
}

fn reply(
    channel: &Channel,
    bytes: &Bytes,
    content: Content,
    content_type: i32,
) -> Result<DeliverResponse, Status> {
    let damaged = |_| Status::data_loss("the block cannot be read");
    let r#type = match content {
        Content::Filtered => {
            let block = CommittedBlock::parse(bytes).map_err(damaged)?;
            Type::FilteredBlock(filtered(channel, &block))
        }
        Content::Block | Content::WithPrivateData => {
            let mut block: common::Block = decode(bytes, "block").map_err(damaged)?;
            let number = block.header.as_ref().map_or(0, |header| header.number);
            // Of configurations the data are what is asked for.
            if content_type == HEADER_WITH_SIGNATURES
                && CommittedBlock::parse(bytes).map_err(damaged)?.last_config != number
            {
                block.data = None;
            }
            if content == Content::Block {
                Type::Block(block)
            } else {
                Type::BlockAndPrivateData(BlockAndPrivateData { block: Some(block) })
            }
        }
    };
    Ok(DeliverResponse {
        r#type: Some(r#type),
    })
}

fn filtered(channel: &Channel, block: &CommittedBlock) -> FilteredBlock {
    let filtered_transactions = block
        .data
        .iter()
        .zip(&block.codes)
        .map(|(bytes, &code)| {
            let mut entry = FilteredTransaction {
                tx_validation_code: i32::from(code as u8),
                ..Default::default()
            };
            let Ok(envelope) = Envelope::parse(bytes) else {
                return entry;
            };
            entry.txid.clone_from(&envelope.header.channel_header.tx_id);
            entry.r#type = envelope.header.channel_header.r#type;
            if let Ok(transaction) = Transaction::parse(envelope) {
                entry.data = Some(Data::TransactionActions(actions(transaction)));
            }
            entry
        })
        .collect();
    FilteredBlock {
        channel_id: channel.id().to_string(),
        number: block.header.number,
        filtered_transactions,
    }
}

/// A filtered event has no payload.
fn actions(transaction: Transaction) -> FilteredTransactionActions {
    let chaincode_actions = transaction
        .events
        .into_iter()
        .map(|event| FilteredChaincodeAction {
            chaincode_event: Some(ChaincodeEvent {
                payload: Bytes::new(),
                ..event
            }),
        })
        .collect();
    FilteredTransactionActions { chaincode_actions }
}
