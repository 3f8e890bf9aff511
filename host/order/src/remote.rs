//! The log kept by another host, over gRPC.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use cordon_types::ChannelId;
use cordon_wire::proto::cordon::ordering::v1 as proto;
use futures::StreamExt as _;
use proto::ordering_log_client::OrderingLogClient;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::credentials::HostCredentials;
use crate::error::OrderError;
use crate::log::RecordStream;
use crate::record::{Content, ENVELOPE_BYTES_MAX, Record};

/// Envelopes under way to the log at once.
const UNDER_WAY_MAX: usize = 1_000;
/// A reply holds a batch of records: a few megabytes, and one largest envelope on top.
const REPLY_BYTES_MAX: usize = 4 * ENVELOPE_BYTES_MAX;

struct Waiting {
    envelope: Bytes,
    done: oneshot::Sender<Result<(), OrderError>>,
}

/// The log of one channel on another host. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct RemoteLog {
    channel_id: ChannelId,
    address: String,
    access: Arc<watch::Sender<Access>>,
    queue: mpsc::Sender<Waiting>,
}

/// A connection, and the credentials that count on it.
#[derive(Clone)]
struct Access {
    client: OrderingLogClient<Channel>,
    credentials: HostCredentials,
}

impl Access {
    fn new(connection: Channel, credentials: HostCredentials) -> Self {
        let client = OrderingLogClient::new(connection)
            .max_decoding_message_size(REPLY_BYTES_MAX)
            .max_encoding_message_size(REPLY_BYTES_MAX);
        Self {
            client,
            credentials,
        }
    }
}

impl RemoteLog {
    /// The log of `channel_id` at `address`, reached over `connection` (connected when needed, and
    /// again when it breaks), by the host with these credentials. Must be called inside a tokio
    /// runtime.
    pub fn new(
        channel_id: ChannelId,
        address: String,
        connection: Channel,
        credentials: HostCredentials,
    ) -> Self {
        let access = watch::Sender::new(Access::new(connection, credentials));
        let (queue, waiting) = mpsc::channel(UNDER_WAY_MAX);
        let appender = Appender {
            channel_id: channel_id.clone(),
            address: address.clone(),
            access: access.subscribe(),
        };
        tokio::spawn(appender.run(waiting));
        Self {
            channel_id,
            address,
            access: Arc::new(access),
            queue,
        }
    }

    /// The channel.
    pub fn channel_id(&self) -> &ChannelId {
        &self.channel_id
    }

    /// Where the log is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Uses another connection and its credentials from now on. Appends under way end on the one that
    /// they began on, and so does a reader.
    pub fn replace(&self, connection: Channel, credentials: HostCredentials) {
        self.access
            .send_replace(Access::new(connection, credentials));
    }

    pub(crate) async fn append(&self, envelope: Bytes) -> Result<(), OrderError> {
        let (done, result) = oneshot::channel();
        let unavailable = || OrderError::Unavailable {
            address: self.address.clone(),
            reason: "the connection was closed".to_owned(),
        };
        self.queue
            .send(Waiting { envelope, done })
            .await
            .map_err(|_| unavailable())?;
        result.await.unwrap_or_else(|_| Err(unavailable()))
    }

    pub(crate) fn read(&self, position: u64) -> RecordStream {
        let Access {
            mut client,
            credentials,
        } = self.access.borrow().clone();
        let address = self.address.clone();
        let mut request = Request::new(proto::ReadRequest {
            channel_id: self.channel_id.to_string(),
            position,
        });
        credentials.put(request.metadata_mut());
        let stream = async move {
            let error = |status: tonic::Status| failed(&address, &status);
            let replies = client.read(request).await.map_err(error)?.into_inner();
            let address = address.clone();
            Ok::<_, OrderError>(replies.map(move |reply| {
                let reply = reply.map_err(|status| failed(&address, &status))?;
                reply.records.into_iter().map(record).collect()
            }))
        };
        // A connection that could not be made is a stream of one error.
        futures::stream::once(stream)
            .flat_map(|stream| match stream {
                Ok(records) => {
                    let there = futures::stream::once(async { Ok(Vec::new()) });
                    there.chain(records).boxed()
                }
                Err(error) => futures::stream::once(async { Err(error) }).boxed(),
            })
            .boxed()
    }
}

fn record(record: proto::LogRecord) -> Result<Record, OrderError> {
    let malformed = || OrderError::Forked("a record without content or chain".to_owned());
    let content = match record.kind.ok_or_else(malformed)? {
        proto::log_record::Kind::Envelope(envelope) => Content::Envelope(envelope),
        proto::log_record::Kind::Cut(block) => Content::Cut(block),
    };
    let chain = record.chain.as_ref().try_into().map_err(|_| malformed())?;
    Ok(Record {
        position: record.position,
        chain,
        content,
    })
}

impl From<Record> for proto::LogRecord {
    fn from(record: Record) -> Self {
        Self {
            position: record.position,
            chain: Bytes::copy_from_slice(&record.chain),
            kind: Some(match record.content {
                Content::Envelope(envelope) => proto::log_record::Kind::Envelope(envelope),
                Content::Cut(block) => proto::log_record::Kind::Cut(block),
            }),
        }
    }
}

/// What the log's keeper says: that it has lost records which were read from it, or anything that
/// may pass.
fn failed(address: &str, status: &tonic::Status) -> OrderError {
    match status.code() {
        Code::DataLoss => return OrderError::Forked(status.message().to_owned()),
        // To ask again would bring the same.
        Code::OutOfRange => return OrderError::Storage(status.message().to_owned()),
        _ => {}
    }
    OrderError::Unavailable {
        address: address.to_owned(),
        reason: status.message().to_owned(),
    }
}

/// The task that keeps one stream of appends open.
struct Appender {
    channel_id: ChannelId,
    address: String,
    access: watch::Receiver<Access>,
}

impl Appender {
    async fn run(mut self, mut waiting: mpsc::Receiver<Waiting>) {
        while let Some(first) = waiting.recv().await {
            self.one_stream(first, &mut waiting).await;
        }
    }

    /// Sends until the stream breaks, or there is another connection to use. Whoever waits when it
    /// breaks is told that nothing is known.
    async fn one_stream(&mut self, first: Waiting, waiting: &mut mpsc::Receiver<Waiting>) {
        let Access {
            mut client,
            credentials,
        } = self.access.borrow_and_update().clone();
        let (requests, outgoing) = mpsc::channel(UNDER_WAY_MAX);
        let mut under_way: VecDeque<oneshot::Sender<_>> = VecDeque::new();
        let request = |envelope| proto::AppendRequest {
            channel_id: self.channel_id.to_string(),
            envelope,
        };
        under_way.push_back(first.done);
        if requests.send(request(first.envelope)).await.is_err() {
            return;
        }
        let fail = |under_way: VecDeque<oneshot::Sender<_>>, status: &tonic::Status| {
            for done in under_way {
                let _ = done.send(Err(failed(&self.address, status)));
            }
        };
        let mut outgoing = Request::new(ReceiverStream::new(outgoing));
        credentials.put(outgoing.metadata_mut());
        let mut replies = match client.append(outgoing).await {
            Ok(replies) => replies.into_inner(),
            Err(status) => return fail(under_way, &status),
        };
        let mut last = false;
        while !last || !under_way.is_empty() {
            tokio::select! {
                // Nobody who waits is lost: what is under way is answered here, the next begins there.
                _ = self.access.changed(), if !last => last = true,
                next = waiting.recv(), if !last && under_way.len() < UNDER_WAY_MAX => {
                    let Some(next) = next else { return };
                    under_way.push_back(next.done);
                    if requests.send(request(next.envelope)).await.is_err() {
                        return fail(under_way, &tonic::Status::unavailable("the stream has ended"));
                    }
                }
                reply = replies.message() => match reply {
                    Ok(Some(reply)) => {
                        if let Some(done) = under_way.pop_front() {
                            let refused = !reply.refused.is_empty();
                            let _ = done.send(if refused {
                                Err(OrderError::Refused(reply.refused))
                            } else {
                                Ok(())
                            });
                        }
                    }
                    Ok(None) => {
                        return fail(under_way, &tonic::Status::unavailable("the stream has ended"));
                    }
                    Err(status) => return fail(under_way, &status),
                }
            }
        }
    }
}
