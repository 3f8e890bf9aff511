//! The streams of the command line: transactions to an orderer, blocks from anybody.

use cordon_types::TxId;
use cordon_wire::proto::common::{Block, Envelope};
use cordon_wire::proto::orderer;
use cordon_wire::proto::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use cordon_wire::proto::orderer::deliver_response::Type as Orderers;
use cordon_wire::proto::protos::deliver_client::DeliverClient;
use cordon_wire::proto::protos::deliver_response::Type;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Channel;

use super::{MESSAGE_BYTES_MAX, Result, rpc_error};
use crate::raw::within;

/// A stream to `Broadcast`, both sides of it.
pub struct Broadcast {
    requests: Option<mpsc::Sender<Envelope>>,
    replies: tonic::Streaming<orderer::BroadcastResponse>,
}

impl Broadcast {
    /// Opens a stream.
    ///
    /// # Errors
    /// The host's status.
    pub async fn open(orderer: &Channel) -> Result<Self> {
        let (requests, outgoing) = mpsc::channel(64);
        let mut client = AtomicBroadcastClient::new(orderer.clone())
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let replies = within(client.broadcast(ReceiverStream::new(outgoing))).await;
        Ok(Self {
            requests: Some(requests),
            replies: replies.map_err(rpc_error)?.into_inner(),
        })
    }

    /// Sends an envelope without waiting for the answer; whether the stream was open.
    pub async fn push(&self, envelope: Envelope) -> bool {
        match &self.requests {
            Some(requests) => requests.send(envelope).await.is_ok(),
            None => false,
        }
    }

    /// The next answer; `None` when the stream has ended well.
    ///
    /// # Errors
    /// The host's status.
    pub async fn next(&mut self) -> Result<Option<orderer::BroadcastResponse>> {
        within(self.replies.message()).await.map_err(rpc_error)
    }

    /// Sends an envelope and waits for its answer.
    ///
    /// # Errors
    /// The host's status, or that the stream has ended.
    pub async fn send(&mut self, envelope: Envelope) -> Result<orderer::BroadcastResponse> {
        self.push(envelope).await;
        self.next().await?.ok_or("EOF".to_owned())
    }

    /// Ends this side.
    pub fn close(&mut self) {
        self.requests = None;
    }
}

/// A stream of blocks, from a peer or an orderer.
pub(super) struct Blocks {
    requests: Option<mpsc::Sender<Envelope>>,
    replies: BoxStream<'static, std::result::Result<Type, Status>>,
}

impl Blocks {
    pub(super) async fn of_peer(peer: &Channel) -> Result<Self> {
        let (requests, outgoing) = mpsc::channel(4);
        let mut client =
            DeliverClient::new(peer.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let replies = within(client.deliver(ReceiverStream::new(outgoing))).await;
        let replies = replies.map_err(rpc_error)?.into_inner();
        let replies = replies.map(|reply| Ok(reply?.r#type.unwrap())).boxed();
        Ok(Self {
            requests: Some(requests),
            replies,
        })
    }

    pub(super) async fn of_orderer(orderer: &Channel) -> Result<Self> {
        let (requests, outgoing) = mpsc::channel(4);
        let mut client = AtomicBroadcastClient::new(orderer.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let replies = within(client.deliver(ReceiverStream::new(outgoing))).await;
        let replies = replies.map_err(rpc_error)?.into_inner();
        let replies = replies.map(|reply| {
            Ok(match reply?.r#type.unwrap() {
                Orderers::Status(status) => Type::Status(status),
                Orderers::Block(block) => Type::Block(block),
            })
        });
        Ok(Self {
            requests: Some(requests),
            replies: replies.boxed(),
        })
    }

    /// Filtered blocks after `seek`, behind which this side is closed at once.
    pub(super) async fn filtered(peer: &Channel, seek: Envelope) -> Result<Self> {
        let mut client = DeliverClient::new(peer.clone());
        let replies = within(client.deliver_filtered(tokio_stream::once(seek))).await;
        let replies = replies.map_err(rpc_error)?.into_inner();
        let replies = replies.map(|reply| Ok(reply?.r#type.unwrap())).boxed();
        Ok(Self {
            requests: None,
            replies,
        })
    }

    pub(super) async fn ask(&self, seek: Envelope) -> Result<()> {
        let requests = self.requests.as_ref().ok_or("closed")?;
        requests.send(seek).await.map_err(|error| error.to_string())
    }

    async fn next(&mut self) -> Result<Type> {
        let next = async { self.replies.next().await.transpose() };
        within(next)
            .await
            .map_err(rpc_error)?
            .ok_or("EOF".to_owned())
    }

    /// One block, and that it was all.
    pub(super) async fn one(&mut self) -> Result<Block> {
        let block = match self.next().await? {
            Type::Block(block) => block,
            Type::Status(status) => return Err(format!("can't read the block: status:{status}")),
            other => return Err(format!("{other:?} instead of a block")),
        };
        match self.next().await? {
            Type::Status(200) => Ok(block),
            other => Err(format!("{other:?} instead of success")),
        }
    }

    /// Until a transaction is committed, which has to be valid.
    pub(super) async fn until(&mut self, id: &TxId) -> Result<()> {
        loop {
            let block = match self.next().await? {
                Type::FilteredBlock(block) => block,
                other => return Err(format!("deliver completed with {other:?} before txid")),
            };
            let mut transactions = block.filtered_transactions.into_iter();
            if let Some(found) = transactions.find(|found| found.txid == id.to_string()) {
                return match found.tx_validation_code {
                    0 => Ok(()),
                    code => Err(format!("transaction invalidated with status ({code})")),
                };
            }
        }
    }
}
