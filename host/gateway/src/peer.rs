//! Another organisation's host, as this one asks it for endorsements.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cordon_types::{ChannelId, MspId};
use cordon_wire::proto::protos;
use cordon_wire::proto::protos::endorser_client::EndorserClient;
use parking_lot::Mutex;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

use crate::call::put_trace;
use crate::height;

/// Longest wait for another host's answer. A contract's fuel ends long before.
const ANSWER_MAX: Duration = Duration::from_secs(15);
const CONNECT_MAX: Duration = Duration::from_secs(3);
const KEEPALIVE: Duration = Duration::from_secs(10);
const MESSAGE_BYTES_MAX: usize = 100 << 20;

/// Why another host cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The address is none.
    #[error("{address} is not an address of a host: {reason}")]
    Address {
        /// The address.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// A certificate or key cannot be used.
    #[error("TLS towards {address} cannot be set up, check the certificates: {reason}")]
    Tls {
        /// The other host.
        address: String,
        /// What is wrong.
        reason: String,
    },
}

/// A host of another organisation. Cheap to clone.
#[derive(Clone)]
pub struct Peer {
    pub(crate) msp_id: MspId,
    pub(crate) address: String,
    connection: Channel,
    client: EndorserClient<Channel>,
    /// When it could not be reached, unless it has answered since.
    lost: Arc<Mutex<Option<Instant>>>,
}

/// What another host said.
pub(crate) enum PeerAnswer {
    /// It answered, with an endorsement or with the contract's refusal, on so many blocks.
    Reply(protos::ProposalResponse, Option<u64>),
    /// It did not accept the proposal.
    Refused(String),
    /// It is not there.
    Unreachable(String),
}

impl Peer {
    /// The host of `msp_id` at `address` (`host:port`), reached at `via`. Its certificate must come
    /// from `tls_roots_pem` and be for the host in `address`; this host shows `certificate_pem` with
    /// `key_pem`. Connects when first needed, and again when the connection breaks.
    ///
    /// # Errors
    /// [`PeerError`] when address or certificates cannot be read.
    pub fn new(
        msp_id: MspId,
        address: String,
        via: &str,
        tls_roots_pem: &str,
        certificate_pem: &str,
        key_pem: &str,
    ) -> Result<Self, PeerError> {
        let server_name = address.rsplit_once(':').map_or("", |(host, _)| host);
        let server_name = server_name.trim_start_matches('[').trim_end_matches(']');
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(tls_roots_pem))
            .identity(Identity::from_pem(certificate_pem, key_pem))
            .domain_name(server_name);
        let connection = Endpoint::from_shared(format!("https://{via}"))
            .map_err(|error| PeerError::Address {
                address: address.clone(),
                reason: error.to_string(),
            })?
            .tls_config(tls)
            .map_err(|error| PeerError::Tls {
                address: address.clone(),
                reason: error.to_string(),
            })?
            .connect_timeout(CONNECT_MAX)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true)
            .connect_lazy();
        let client = EndorserClient::new(connection.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Self {
            msp_id,
            address,
            connection,
            client,
            lost: Arc::default(),
        })
    }

    /// Whose it is.
    pub fn msp_id(&self) -> &MspId {
        &self.msp_id
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// When it could not be reached, unless it has answered since. Whoever asks those first that were
    /// reached, and then those lost longest ago, waits for a host that is gone once, as long as another
    /// one does.
    pub(crate) fn lost(&self) -> Option<Instant> {
        *self.lost.lock()
    }

    /// The connection, for other services of the same host.
    pub fn connection(&self) -> Channel {
        self.connection.clone()
    }

    /// Asks for an endorsement on a state of at least `height` blocks, and of `others` of other
    /// channels.
    pub(crate) async fn process_proposal(
        &self,
        signed: protos::SignedProposal,
        height: u64,
        others: &BTreeMap<ChannelId, u64>,
    ) -> PeerAnswer {
        let mut client = self.client.clone();
        let mut request = Request::new(signed);
        height::put(request.metadata_mut(), height);
        height::put_others(request.metadata_mut(), others);
        put_trace(request.metadata_mut());
        let answer = match tokio::time::timeout(ANSWER_MAX, client.process_proposal(request)).await
        {
            Ok(Ok(reply)) => {
                let height = height::of(reply.metadata());
                PeerAnswer::Reply(reply.into_inner(), height)
            }
            Ok(Err(status)) if is_unreachable(&status) => {
                PeerAnswer::Unreachable(status.message().to_owned())
            }
            Ok(Err(status)) => PeerAnswer::Refused(status.message().to_owned()),
            Err(_) => PeerAnswer::Unreachable("no answer in time".to_owned()),
        };
        let lost = matches!(answer, PeerAnswer::Unreachable(_)).then(Instant::now);
        *self.lost.lock() = lost;
        answer
    }
}

fn is_unreachable(status: &Status) -> bool {
    // A broken connection is reported as Unknown with a transport error as its source, or as
    // Cancelled; what the other host itself says has no source.
    matches!(
        status.code(),
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded
    ) || std::error::Error::source(status).is_some()
}
