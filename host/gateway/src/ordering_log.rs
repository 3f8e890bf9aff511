//! `cordon.ordering.v1.OrderingLog`: the logs that this process keeps, for the channels' other
//! hosts and nobody else.

use std::sync::Arc;

use cordon_identity::Role;
use cordon_order::{
    Content, EmbeddedLog, HostCredentials, OrderError, Position, Record, RecordStream, is_config,
};
use cordon_wire::proto::cordon::ordering::v1::{
    AppendReply, AppendRequest, ReadReply, ReadRequest, ordering_log_server::OrderingLog,
};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::{Extensions, Request, Response, Status, Streaming};

use crate::host::{Host, now};
use crate::measures::Method;

/// Appends of one connection under way at once.
const UNDER_WAY_MAX: usize = 1_000;

/// The service.
pub(crate) struct OrderingLogService(pub(crate) Arc<Host>);

/// What the accept loop hands to tonic.
pub(crate) type Connection = TlsStream<TcpStream>;

impl OrderingLogService {
    /// The log of a channel, for a host of a member organisation: its TLS certificate must be the
    /// organisation's, and its signing identity must vouch for that certificate.
    fn log(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
        channel_id: &str,
    ) -> Result<EmbeddedLog, Status> {
        let denied = || Status::permission_denied("access denied");
        let id = channel_id.parse().map_err(|_| denied())?;
        let neighbours = self.0.neighbours();
        let log = neighbours.ordering_logs.get(&id).ok_or_else(denied)?;
        let channel = self.0.channels.get(&id).ok_or_else(denied)?;
        let certificates = extensions
            .get::<TlsConnectInfo<TcpConnectInfo>>()
            .and_then(TlsConnectInfo::peer_certs)
            .ok_or_else(denied)?;
        let (certificate, intermediates) = certificates.split_first().ok_or_else(denied)?;
        let current = channel.current();
        let membership = current.membership();
        let organization = membership
            .tls_organization(certificate, intermediates, now())
            .ok_or_else(denied)?;
        let HostCredentials { creator, signature } =
            HostCredentials::of(metadata).ok_or_else(denied)?;
        let statement = HostCredentials::statement(&id, certificate);
        let host = membership
            .verify(&creator, &[&statement], &signature)
            .map_err(|_| denied())?;
        host.check_validity(now()).map_err(|_| denied())?;
        let is_host = host.has_role(Role::Peer) || host.has_role(Role::Orderer);
        if !is_host || *host.msp_id() != organization {
            return Err(denied());
        }
        Ok(log.clone())
    }
}

/// What another organisation's host is told, and tells its clients: where this host's files are, and what
/// is wrong with them, stays here.
fn unavailable(error: &OrderError) -> Status {
    match error {
        OrderError::Storage(_) => {
            tracing::error!(%error, "ordering failed");
            Status::unavailable("the ordering log cannot be used at its host")
        }
        error => Status::unavailable(error.to_string()),
    }
}

#[tonic::async_trait]
impl OrderingLog for OrderingLogService {
    type AppendStream = BoxStream<'static, Result<AppendReply, Status>>;
    type ReadStream = BoxStream<'static, Result<ReadReply, Status>>;

    async fn append(
        &self,
        request: Request<Streaming<AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let (metadata, extensions, mut requests) = request.into_parts();
        let service = Self(Arc::clone(&self.0));
        let (sender, appends) = mpsc::channel(UNDER_WAY_MAX);
        let reading = async move {
            while let Ok(Some(request)) = requests.message().await {
                // Each append is begun at once, so that many share one write; replies keep order.
                let append = match service.log(&metadata, &extensions, &request.channel_id) {
                    Ok(log) => Ok(tokio::spawn(
                        async move { log.append(request.envelope).await },
                    )),
                    Err(status) => Err(status),
                };
                if sender.send(append).await.is_err() {
                    return;
                }
            }
        };
        let shutting_down = self.0.shutting_down();
        tokio::spawn(async move {
            tokio::select! {
                () = reading => {}
                () = shutting_down => {}
            }
        });
        let replies = ReceiverStream::new(appends).then(|append| async move {
            match append?.await {
                Ok(Ok(())) => Ok(AppendReply::default()),
                Ok(Err(error @ OrderError::Refused(_))) => Ok(AppendReply {
                    refused: error.to_string(),
                }),
                Ok(Err(error)) => Err(unavailable(&error)),
                Err(error) => {
                    tracing::error!(%error, "appending failed");
                    Err(Status::unavailable(
                        "the ordering log cannot be used at its host",
                    ))
                }
            }
        });
        let replies = self.0.measures.stream(Method::Append, replies.boxed());
        self.0
            .measures
            .call(Method::Append, async { Ok(Response::new(replies)) })
            .await
    }

    async fn read(
        &self,
        request: Request<ReadRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let measures = &self.0.measures;
        let work = async { self.reading(metadata, extensions, request) };
        let records = measures.call(Method::Read, work).await?;
        Ok(Response::new(measures.stream(Method::Read, records)))
    }
}

impl OrderingLogService {
    fn reading(
        &self,
        metadata: MetadataMap,
        extensions: Extensions,
        request: ReadRequest,
    ) -> Result<BoxStream<'static, Result<ReadReply, Status>>, Status> {
        let log = self.log(&metadata, &extensions, &request.channel_id)?;
        let reading = Reading {
            service: Self(Arc::clone(&self.0)),
            records: log.read(request.position),
            kept: Vec::new(),
            // What it has read already may have been a configuration.
            configured_at: Some(request.position),
            metadata,
            extensions,
            channel_id: request.channel_id,
        };
        let records = futures::stream::try_unfold(reading, |mut reading| async move {
            let records = reading.next().await?;
            let records = records.into_iter().map(Into::into).collect();
            Ok::<_, Status>(Some((ReadReply { records }, reading)))
        });
        Ok(records.take_until(self.0.shutting_down()).boxed())
    }
}

/// A host that reads a log. What follows a configuration is handed out once that configuration is
/// committed here, to those whom it lets in: a member that it removes reads nothing that came later.
struct Reading {
    service: OrderingLogService,
    records: RecordStream,
    /// Read already, and behind a configuration.
    kept: Vec<Record>,
    /// The point in the log that this host must have committed before anything else is handed out.
    configured_at: Option<u64>,
    metadata: MetadataMap,
    extensions: Extensions,
    channel_id: String,
}

impl Reading {
    async fn next(&mut self) -> Result<Vec<Record>, Status> {
        if let Some(position) = self.configured_at.take() {
            self.committed(position).await?;
            self.service
                .log(&self.metadata, &self.extensions, &self.channel_id)?;
        }
        let mut records = std::mem::take(&mut self.kept);
        if records.is_empty() {
            records = match self.records.next().await {
                Some(Ok(records)) => records,
                Some(Err(error @ OrderError::Forked(_))) => {
                    return Err(Status::data_loss(error.to_string()));
                }
                Some(Err(error)) => return Err(unavailable(&error)),
                None => return Err(Status::unavailable("the log has been closed")),
            };
        }
        let is_config = |record: &Record| match &record.content {
            Content::Envelope(envelope) => is_config(envelope),
            Content::Cut(_) => false,
        };
        if let Some(at) = records.iter().position(is_config) {
            self.kept = records.split_off(at + 1);
            self.configured_at = records.last().map(|record| record.position + 1);
        }
        Ok(records)
    }

    /// Waits until this host has committed the log up to `position`.
    async fn committed(&mut self, position: u64) -> Result<(), Status> {
        let id = self.channel_id.parse().ok();
        let channel = id.and_then(|id| self.service.0.channels.get(&id));
        let channel = channel.ok_or_else(|| Status::permission_denied("access denied"))?;
        let mut height = channel.commits().height();
        loop {
            // What is told here is in force; the ledger is a moment earlier.
            let told = *height.borrow_and_update();
            let info = channel.ledger().info();
            let reached = Position::from_bytes(&info.consenter_metadata);
            if info.height <= told && reached.is_some_and(|reached| reached.next >= position) {
                return Ok(());
            }
            if let Some(reason) = channel.stopped() {
                return Err(Status::unavailable(reason));
            }
            tokio::select! {
                changed = height.changed() => {
                    changed.map_err(|_| Status::unavailable("the host is shutting down"))?;
                }
                reason = channel.stopping() => return Err(Status::unavailable(reason)),
            }
        }
    }
}
