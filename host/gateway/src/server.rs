//! The TLS listener, and the services on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cordon_execute::Profile;
use cordon_types::ChannelId;
use cordon_wire::proto::common::Envelope;
use cordon_wire::proto::cordon::ordering::v1::ordering_log_server::OrderingLogServer;
use cordon_wire::proto::gateway as messages;
use cordon_wire::proto::gateway::gateway_server::{Gateway, GatewayServer};
use cordon_wire::proto::orderer::atomic_broadcast_server::{
    AtomicBroadcast, AtomicBroadcastServer,
};
use cordon_wire::proto::protos;
use cordon_wire::proto::protos::deliver_server::{Deliver, DeliverServer};
use cordon_wire::proto::protos::endorser_server::{Endorser, EndorserServer};
use parking_lot::RwLock;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::{Request, Response, Status, Streaming};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};

use crate::broadcast::{self, BroadcastStream, OrdererDeliverStream};
use crate::call::span;
use crate::chaincode_events::{self, EventStream};
use crate::deliver::{Content, DeliverStream, deliver};
use crate::height;
use crate::host::{Host, now};
use crate::measures::Method;
use crate::ordering_log::{Connection, OrderingLogService};
use crate::status::Rpc;
use crate::{commit_status, endorse, evaluate, process_proposal, submit};

/// Largest request: an envelope that ordering takes, and what is around it. Requests are decoded
/// before it is known who sends them, so this is what a stranger can make the host hold.
const REQUEST_BYTES_MAX: usize = cordon_order::ENVELOPE_BYTES_MAX + (1 << 20);
/// What is around the component in a proposal that installs its package: two tar files, `metadata.json`,
/// the proposal's headers.
const AROUND_COMPONENT_BYTES_MAX: usize = 256 << 10;
/// Largest request for blocks.
const SEEK_BYTES_MAX: usize = 128 << 10;
/// Largest answer, as Fabric has it.
const ANSWER_BYTES_MAX: usize = 100 << 20;
/// Calls and streams of one connection at once.
const STREAMS_MAX: u32 = 2_000;
/// A connection that has not finished its handshake by then is dropped.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long calls under way may go on after the host was told to stop.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// Connections whose handshake is done, waiting to be served.
const ACCEPTED_MAX: usize = 128;

/// The host's TLS identity, and whose client certificates it takes. All PEM.
pub struct TlsOptions {
    /// The host's certificate, then intermediates.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// Authorities of the organisations whose hosts may connect with a certificate, any number in
    /// each text. Clients need none.
    pub client_roots: Vec<String>,
}

/// A TLS identity that can be used. Clones share it; what replaces it counts for connections that are
/// made from then on.
#[derive(Clone)]
pub struct Tls(Arc<RwLock<TlsAcceptor>>);

impl Tls {
    /// Reads certificates and key.
    ///
    /// # Errors
    /// [`ServeError::Tls`] when one of them cannot be used.
    pub fn new(options: &TlsOptions) -> Result<Self, ServeError> {
        Ok(Self(Arc::new(RwLock::new(acceptor(options)?))))
    }

    /// The same with other certificates.
    ///
    /// # Errors
    /// [`ServeError::Tls`] when one of them cannot be used; nothing is replaced then.
    pub fn replace(&self, options: &TlsOptions) -> Result<(), ServeError> {
        *self.0.write() = acceptor(options)?;
        Ok(())
    }
}

/// Why a host cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A certificate or key cannot be used.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The listener failed.
    #[error("the listener failed: {0}")]
    Listener(String),
}

/// Serves `host` on `listener` until `stop` resolves; then ends streams, lets calls end and returns.
///
/// # Errors
/// [`ServeError::Listener`] when the listener fails.
pub async fn serve(
    host: Arc<Host>,
    listener: TcpListener,
    tls: Tls,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let (sender, accepted) = mpsc::channel::<Result<Connection, std::io::Error>>(ACCEPTED_MAX);
    let accepting = tokio::spawn(accept(listener, tls, sender));

    let service = Service(Arc::clone(&host));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(cordon_wire::proto::DESCRIPTORS)
        .build_v1()
        .map_err(|error| ServeError::Listener(error.to_string()))?;
    let health = health(&host).await;
    let shutting_down = host.shutting_down();
    let server = Server::builder()
        // The clients that know us send pings every 10 s and more; ours finds hosts that vanished.
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .max_concurrent_streams(Some(STREAMS_MAX))
        .initial_stream_window_size(Some(1 << 20))
        .initial_connection_window_size(Some(4 << 20))
        .add_service(
            GatewayServer::new(service.clone())
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX),
        )
        .add_service(
            EndorserServer::new(service.clone())
                .max_decoding_message_size(proposal_bytes_max())
                .max_encoding_message_size(ANSWER_BYTES_MAX),
        )
        .add_service(
            DeliverServer::new(service.clone())
                .max_decoding_message_size(SEEK_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX),
        )
        .add_service(
            AtomicBroadcastServer::new(service)
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX),
        )
        .add_service(
            OrderingLogServer::new(OrderingLogService(Arc::clone(&host)))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX),
        )
        .add_service(health)
        .add_service(reflection)
        .serve_with_incoming_shutdown(ReceiverStream::new(accepted), shutting_down);

    let mut server = std::pin::pin!(server);
    let result = tokio::select! {
        result = &mut server => result,
        () = stop => {
            host.shut_down();
            // Clients that keep their connection open are not waited for.
            tokio::time::timeout(DRAIN_MAX, server).await.unwrap_or(Ok(()))
        }
    };
    accepting.abort();
    result.map_err(|error| ServeError::Listener(error.to_string()))
}

/// Largest proposal: one with a package of the largest component that hosts accept, though no compressor
/// makes it smaller. Arguments and transient data of contracts have half a megabyte.
fn proposal_bytes_max() -> usize {
    Profile::default().component_bytes_max + AROUND_COMPONENT_BYTES_MAX
}

/// The standard health service: every service is serving until a channel stops on this host.
async fn health(host: &Arc<Host>) -> HealthServer<impl Health> {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_serving::<GatewayServer<Service>>().await;
    reporter.set_serving::<EndorserServer<Service>>().await;
    reporter.set_serving::<DeliverServer<Service>>().await;
    reporter
        .set_serving::<AtomicBroadcastServer<Service>>()
        .await;
    for channel in host.channels.values() {
        let (reporter, stopping) = (reporter.clone(), channel.stopping());
        tokio::spawn(async move {
            stopping.await;
            reporter
                .set_service_status("", ServingStatus::NotServing)
                .await;
            reporter.set_not_serving::<GatewayServer<Service>>().await;
        });
    }
    service
}

async fn accept(
    listener: TcpListener,
    tls: Tls,
    accepted: mpsc::Sender<Result<Connection, std::io::Error>>,
) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, for example: others may close theirs meanwhile.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (acceptor, accepted) = (tls.0.read().clone(), accepted.clone());
        tokio::spawn(async move {
            // Small messages back and forth: waiting to fill packets only delays them.
            let _ = stream.set_nodelay(true);
            match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
                Ok(Ok(connection)) => {
                    let _ = accepted.send(Ok(connection)).await;
                }
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        });
    }
}

fn acceptor(tls: &TlsOptions) -> Result<TlsAcceptor, ServeError> {
    let error = |error: &dyn std::fmt::Display| ServeError::Tls(error.to_string());
    let certificates = CertificateDer::pem_slice_iter(tls.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| error(&e))?;
    let key = PrivateKeyDer::from_pem_slice(tls.key.as_bytes()).map_err(|e| error(&e))?;
    let mut roots = RootCertStore::empty();
    for root in &tls.client_roots {
        for root in CertificateDer::pem_slice_iter(root.as_bytes()) {
            roots
                .add(root.map_err(|e| error(&e))?)
                .map_err(|e| error(&e))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            // Whose certificates are accepted would tell strangers who shares channels with this host.
            .clear_root_hint_subjects()
            .build()
            .map_err(|e| error(&e))?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| error(&e))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates, key)
        .map_err(|e| error(&e))?;
    // gRPC clients refuse a server that does not speak h2 by name.
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The client-facing services: each call is one function in its own file.
#[derive(Clone)]
struct Service(Arc<Host>);

#[tonic::async_trait]
impl Gateway for Service {
    async fn evaluate(
        &self,
        request: Request<messages::EvaluateRequest>,
    ) -> Result<Response<messages::EvaluateResponse>, Status> {
        let hints = request.get_ref();
        let span = span(
            Method::Evaluate,
            &request,
            &hints.channel_id,
            &hints.transaction_id,
        );
        let work = async {
            let reply = evaluate::evaluate(&self.0, request.into_inner()).await;
            reply
                .map(Response::new)
                .map_err(|failure| failure.into_status(Rpc::Evaluate, &self.0))
        };
        self.0.call(Method::Evaluate, span, work).await
    }

    async fn endorse(
        &self,
        request: Request<messages::EndorseRequest>,
    ) -> Result<Response<messages::EndorseResponse>, Status> {
        let hints = request.get_ref();
        let span = span(
            Method::Endorse,
            &request,
            &hints.channel_id,
            &hints.transaction_id,
        );
        let work = async {
            let reply = endorse::endorse(&self.0, request.into_inner()).await;
            reply
                .map(Response::new)
                .map_err(|failure| failure.into_status(Rpc::Endorse, &self.0))
        };
        self.0.call(Method::Endorse, span, work).await
    }

    async fn submit(
        &self,
        request: Request<messages::SubmitRequest>,
    ) -> Result<Response<messages::SubmitResponse>, Status> {
        let hints = request.get_ref();
        let span = span(
            Method::Submit,
            &request,
            &hints.channel_id,
            &hints.transaction_id,
        );
        let work = async {
            let reply = submit::submit(&self.0, request.into_inner()).await;
            reply
                .map(Response::new)
                .map_err(|failure| failure.into_status(Rpc::Submit, &self.0))
        };
        self.0.call(Method::Submit, span, work).await
    }

    async fn commit_status(
        &self,
        request: Request<messages::SignedCommitStatusRequest>,
    ) -> Result<Response<messages::CommitStatusResponse>, Status> {
        let span = span(Method::CommitStatus, &request, "", "");
        let work = async {
            let reply = commit_status::commit_status(&self.0, request.into_inner()).await;
            reply
                .map(Response::new)
                .map_err(|failure| failure.into_status(Rpc::CommitStatus, &self.0))
        };
        self.0.call(Method::CommitStatus, span, work).await
    }

    type ChaincodeEventsStream = EventStream;

    async fn chaincode_events(
        &self,
        request: Request<messages::SignedChaincodeEventsRequest>,
    ) -> Result<Response<EventStream>, Status> {
        let method = Method::ChaincodeEvents;
        let span = span(method, &request, "", "");
        let work = async {
            let events = chaincode_events::chaincode_events(&self.0, request.into_inner());
            events
                .map(|events| Response::new(self.0.measures.stream(method, events)))
                .map_err(|failure| failure.into_status(Rpc::ChaincodeEvents, &self.0))
        };
        self.0.call(method, span, work).await
    }
}

impl Service {
    /// The heights of other channels in a host's request, of those alone that its organisation is a
    /// member of: a stranger's wait would tell how far a channel is, and that there is one.
    fn believed_heights(
        &self,
        request: &Request<protos::SignedProposal>,
    ) -> BTreeMap<ChannelId, u64> {
        let mut others = height::others(request.metadata());
        if others.is_empty() {
            return others;
        }
        let certificates = request
            .extensions()
            .get::<TlsConnectInfo<TcpConnectInfo>>()
            .and_then(TlsConnectInfo::peer_certs);
        let certificates = certificates.as_ref().and_then(|all| all.split_first());
        others.retain(|id, _| {
            let Some((certificate, intermediates)) = certificates else {
                return false;
            };
            self.0.channels.get(id).is_some_and(|channel| {
                let current = channel.current();
                let organization =
                    current
                        .membership()
                        .tls_organization(certificate, intermediates, now());
                organization.is_some()
            })
        });
        others
    }
}

#[tonic::async_trait]
impl Endorser for Service {
    async fn process_proposal(
        &self,
        request: Request<protos::SignedProposal>,
    ) -> Result<Response<protos::ProposalResponse>, Status> {
        let height = height::of(request.metadata());
        let others = self.believed_heights(&request);
        let span = span(Method::ProcessProposal, &request, "", "");
        let work = async {
            process_proposal::process_proposal(&self.0, request.into_inner(), height, others)
                .await
                .map_err(|failure| failure.into_status(Rpc::ProcessProposal, &self.0))
        };
        self.0.call(Method::ProcessProposal, span, work).await
    }
}

impl Service {
    async fn delivery(
        &self,
        request: Request<Streaming<Envelope>>,
        content: Content,
    ) -> Result<Response<DeliverStream>, Status> {
        let span = span(Method::Deliver, &request, "", "");
        let host = Arc::clone(&self.0);
        let work = async {
            let blocks = deliver(host, request.into_inner(), content);
            Ok(Response::new(
                self.0.measures.stream(Method::Deliver, blocks),
            ))
        };
        self.0.call(Method::Deliver, span, work).await
    }
}

#[tonic::async_trait]
impl Deliver for Service {
    type DeliverStream = DeliverStream;
    type DeliverFilteredStream = DeliverStream;
    type DeliverWithPrivateDataStream = DeliverStream;

    async fn deliver(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<DeliverStream>, Status> {
        self.delivery(request, Content::Block).await
    }

    async fn deliver_filtered(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<DeliverStream>, Status> {
        self.delivery(request, Content::Filtered).await
    }

    async fn deliver_with_private_data(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<DeliverStream>, Status> {
        self.delivery(request, Content::WithPrivateData).await
    }
}

#[tonic::async_trait]
impl AtomicBroadcast for Service {
    type BroadcastStream = BroadcastStream;
    type DeliverStream = OrdererDeliverStream;

    async fn broadcast(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<BroadcastStream>, Status> {
        let (host, requests) = (Arc::clone(&self.0), request.into_inner());
        Ok(Response::new(broadcast::broadcast(host, requests)))
    }

    async fn deliver(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<OrdererDeliverStream>, Status> {
        let (host, requests) = (Arc::clone(&self.0), request.into_inner());
        Ok(Response::new(broadcast::deliver(host, requests)))
    }
}
