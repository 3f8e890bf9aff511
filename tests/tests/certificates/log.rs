//! A log on another host, when this one gets another certificate: a keeper that says who asks.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use cordon_order::{HostCredentials, OrderingLog, RemoteLog};
use cordon_tests::{CHANNEL, within};
use cordon_wire::proto::cordon::ordering::v1::ordering_log_server::{
    OrderingLog as Service, OrderingLogServer,
};
use cordon_wire::proto::cordon::ordering::v1::{
    AppendReply, AppendRequest, ReadReply, ReadRequest,
};
use futures::{Stream, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

/// Tells who appended or read, and answers as often as it is let.
struct Keeper {
    seen: mpsc::UnboundedSender<Bytes>,
    answers: Arc<Semaphore>,
}

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Service for Keeper {
    type AppendStream = Replies<AppendReply>;
    type ReadStream = Replies<ReadReply>;

    async fn append(
        &self,
        request: Request<Streaming<AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let creator = HostCredentials::of(request.metadata()).unwrap().creator;
        let (seen, answers) = (self.seen.clone(), Arc::clone(&self.answers));
        let replies = request.into_inner().then(move |_| {
            seen.send(creator.clone()).unwrap();
            let answers = Arc::clone(&answers);
            async move {
                answers.acquire().await.unwrap().forget();
                Ok(AppendReply::default())
            }
        });
        Ok(Response::new(replies.boxed()))
    }

    async fn read(
        &self,
        request: Request<ReadRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let creator = HostCredentials::of(request.metadata()).unwrap().creator;
        self.seen.send(creator).unwrap();
        Ok(Response::new(futures::stream::empty().boxed()))
    }
}

fn credentials(creator: &'static str) -> HostCredentials {
    HostCredentials {
        creator: Bytes::from_static(creator.as_bytes()),
        signature: Bytes::from_static(b"signed"),
    }
}

/// Goal: nothing that is under way is lost or answered twice when the connection is replaced, and all that
/// comes later goes over the new one with its own credentials.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_connection_ends_well_and_the_next_shows_its_own_credentials() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (seen, mut asked) = mpsc::unbounded_channel();
    let answers = Arc::new(Semaphore::new(0));
    let keeper = Keeper {
        seen,
        answers: Arc::clone(&answers),
    };
    let server = Server::builder().add_service(OrderingLogServer::new(keeper));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let connection = || -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{address}"));
        endpoint.unwrap().connect_lazy()
    };

    let log = RemoteLog::new(
        CHANNEL.parse().unwrap(),
        address.clone(),
        connection(),
        credentials("old"),
    );
    let remote = OrderingLog::Remote(Box::new(log.clone()));
    let append = || {
        let remote = remote.clone();
        tokio::spawn(async move { remote.append(Bytes::from_static(b"envelope")).await })
    };
    let first = append();
    assert_eq!(asked.recv().await.unwrap(), "old");
    log.replace(connection(), credentials("new"));
    answers.add_permits(1_000);
    first.await.unwrap().unwrap();
    // Whether the one after it is still taken on the old stream is a matter of moments; those after are not.
    let mut by = Vec::new();
    while by.last() != Some(&Bytes::from_static(b"new")) {
        assert!(by.len() < 100, "the new connection is never used");
        append().await.unwrap().unwrap();
        by.push(asked.recv().await.unwrap());
    }
    for _ in 0..10 {
        append().await.unwrap().unwrap();
        assert_eq!(asked.recv().await.unwrap(), "new");
    }
    // Nothing but word that the log is there.
    let read = async { Ok(remote.read(0).collect::<Vec<_>>().await) };
    let read = within(read).await.unwrap();
    let empty = read
        .iter()
        .all(|batch| batch.as_ref().is_ok_and(Vec::is_empty));
    assert!(empty, "the keeper's stream is empty");
    assert_eq!(asked.recv().await.unwrap(), "new");
}
