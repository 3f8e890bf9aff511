//! What clients can read of a ledger: `Deliver` in its three forms, contract events, commit status,
//! and `qscc` (`WIRE.md` sections 9, 10, 11, 12 and 15).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod blocks;
mod events;
mod queries;
mod seeks;

use std::time::Duration;

use cordon_client::{Call, Client};
use cordon_tests::craft::Seek;
use cordon_tests::{Raw, note};
use cordon_types::TxId;
use cordon_wire::proto::common::{self, Envelope};
use cordon_wire::proto::protos::DeliverResponse;
use cordon_wire::proto::protos::deliver_response::Type;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// Longest wait for a message that must come.
const MESSAGE_MAX: Duration = Duration::from_secs(30);
/// How long nothing has to come until it counts as silence.
pub(crate) const SILENCE: Duration = Duration::from_millis(100);

/// Which of the three calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Filtered,
    WithPrivateData,
}

/// A call of `Deliver`, both sides of it.
pub(crate) struct Delivery {
    /// Dropped to close this side.
    requests: Option<mpsc::Sender<Envelope>>,
    replies: Streaming<DeliverResponse>,
}

impl Delivery {
    pub(crate) async fn open(raw: &Raw, form: Form) -> Self {
        let (requests, receiver) = mpsc::channel(4);
        let outgoing = ReceiverStream::new(receiver);
        let mut client = raw.deliver.clone();
        let replies = match form {
            Form::Whole => client.deliver(outgoing).await,
            Form::Filtered => client.deliver_filtered(outgoing).await,
            Form::WithPrivateData => client.deliver_with_private_data(outgoing).await,
        };
        Self {
            requests: Some(requests),
            replies: replies.unwrap().into_inner(),
        }
    }

    pub(crate) async fn send(&self, envelope: Envelope) {
        self.requests
            .as_ref()
            .unwrap()
            .send(envelope)
            .await
            .unwrap();
    }

    pub(crate) fn half_close(&mut self) {
        self.requests = None;
    }

    /// The next message; `None` when the call has ended well.
    pub(crate) async fn next(&mut self) -> Option<Type> {
        let message = tokio::time::timeout(MESSAGE_MAX, self.replies.message()).await;
        let message = message.expect("no message in time").unwrap()?;
        Some(message.r#type.unwrap())
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn is_silent(&mut self) -> bool {
        let message: Result<Result<_, Status>, _> =
            tokio::time::timeout(SILENCE, self.replies.message()).await;
        message.is_err()
    }

    pub(crate) async fn block(&mut self) -> common::Block {
        match self.next().await.expect("the call has ended") {
            Type::Block(block) => block,
            other => panic!("{other:?} instead of a block"),
        }
    }

    /// Blocks until a status comes; their numbers, and the status.
    pub(crate) async fn rest(&mut self) -> (Vec<u64>, Option<common::Status>) {
        let mut numbers = Vec::new();
        loop {
            let number = |block: Option<common::Block>| block.unwrap().header.unwrap().number;
            match self.next().await {
                Some(Type::Block(block)) => numbers.push(number(Some(block))),
                Some(Type::FilteredBlock(block)) => numbers.push(block.number),
                Some(Type::BlockAndPrivateData(both)) => numbers.push(number(both.block)),
                Some(Type::Status(status)) => {
                    return (numbers, Some(common::Status::try_from(status).unwrap()));
                }
                None => return (numbers, None),
            }
        }
    }
}

/// One seek on a call of its own: numbers of the blocks, the status, and whether the call ended after
/// it by itself.
pub(crate) async fn seek(
    raw: &Raw,
    form: Form,
    envelope: Envelope,
) -> (Vec<u64>, Option<common::Status>) {
    let mut delivery = Delivery::open(raw, form).await;
    delivery.send(envelope).await;
    let (numbers, status) = delivery.rest().await;
    if status == Some(common::Status::Success) {
        // The next seek may come on this stream; it ends once no further can.
        delivery.half_close();
    }
    assert_eq!(delivery.next().await, None, "something after {status:?}");
    (numbers, status)
}

/// Adds notes to a record, all under way at once; ids in the order of their places in the ledger.
pub(crate) async fn add_notes(client: &Client, patient: &str, count: usize) -> Vec<(u64, TxId)> {
    let mut prepared = Vec::new();
    for index in 0..count {
        let text = note(patient, &format!("note {index}"));
        let call = Call::new("emr", "Physician:AddEmrNote", &[&text]);
        prepared.push(
            client
                .endorse(client.propose(&call).unwrap())
                .await
                .unwrap(),
        );
    }
    let submitted = futures::future::join_all(prepared.iter().map(|p| client.submit(p))).await;
    assert!(submitted.into_iter().all(|result| result.is_ok()));
    let mut blocks = Vec::new();
    for prepared in prepared {
        let (_, block) = client.commit_status(prepared.tx_id).await.unwrap();
        blocks.push((block, prepared.tx_id));
    }
    let chain = cordon_tests::blocks(client).await;
    let place = |(block, tx_id): &(u64, TxId)| {
        let data = &chain[usize::try_from(*block).unwrap()].data;
        let index = data.iter().position(|envelope| {
            let envelope = cordon_wire::transaction::Envelope::parse(envelope).unwrap();
            envelope.header.channel_header.tx_id == tx_id.to_string()
        });
        (*block, index.unwrap())
    };
    blocks.sort_by_key(place);
    blocks
}

/// The seek of every test that wants all blocks there are.
pub(crate) fn everything() -> Seek {
    Seek::new(cordon_tests::craft::oldest(), cordon_tests::craft::newest())
}
