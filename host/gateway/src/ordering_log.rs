//! `cordon.ordering.v1.OrderingLog`: the logs that this process keeps, for the channels' other
//! hosts and nobody else.

use std::sync::Arc;

use cordon_identity::Role;
use cordon_order::{EmbeddedLog, HostCredentials};
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
    ) -> Result<&EmbeddedLog, Status> {
        let denied = || Status::permission_denied("access denied");
        let id = channel_id.parse().map_err(|_| denied())?;
        let log = self.0.ordering_logs.get(&id).ok_or_else(denied)?;
        let channel = self.0.channels.get(&id).ok_or_else(denied)?;
        let certificates = extensions
            .get::<TlsConnectInfo<TcpConnectInfo>>()
            .and_then(TlsConnectInfo::peer_certs)
            .ok_or_else(denied)?;
        let (certificate, intermediates) = certificates.split_first().ok_or_else(denied)?;
        let membership = channel.membership();
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
        Ok(log)
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
                    Ok(log) => {
                        let log = log.clone();
                        Ok(tokio::spawn(
                            async move { log.append(request.envelope).await },
                        ))
                    }
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
                Ok(Err(error @ cordon_order::OrderError::Refused(_))) => Ok(AppendReply {
                    refused: error.to_string(),
                }),
                Ok(Err(error)) => Err(Status::unavailable(error.to_string())),
                Err(error) => Err(Status::unavailable(error.to_string())),
            }
        });
        Ok(Response::new(replies.boxed()))
    }

    async fn read(
        &self,
        request: Request<ReadRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let channel_id = &request.get_ref().channel_id;
        let log = self.log(request.metadata(), request.extensions(), channel_id)?;
        let records = log
            .read(request.get_ref().position)
            .map(|records| match records {
                Ok(records) => Ok(ReadReply {
                    records: records.into_iter().map(Into::into).collect(),
                }),
                Err(error @ cordon_order::OrderError::Forked(_)) => {
                    Err(Status::data_loss(error.to_string()))
                }
                Err(error) => Err(Status::unavailable(error.to_string())),
            });
        Ok(Response::new(
            records.take_until(self.0.shutting_down()).boxed(),
        ))
    }
}
