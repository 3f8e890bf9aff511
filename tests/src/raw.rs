//! Every service of a host, message by message.

use std::time::Duration;

use bytes::Bytes;
use cordon_client::{ClientError, Detail};
use cordon_wire::proto::common::Envelope;
use cordon_wire::proto::gateway::gateway_client::GatewayClient;
use cordon_wire::proto::gateway::{EndorseRequest, EvaluateRequest, SubmitRequest};
use cordon_wire::proto::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use cordon_wire::proto::protos::deliver_client::DeliverClient;
use cordon_wire::proto::protos::endorser_client::EndorserClient;
use cordon_wire::proto::protos::{ProposalResponse, SignedProposal};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Longest wait for an answer that must come.
const ANSWER_MAX: Duration = Duration::from_secs(30);
const MESSAGE_BYTES_MAX: usize = 100 << 20;

/// Stubs on one connection.
#[derive(Clone)]
pub struct Raw {
    /// `gateway.Gateway`.
    pub gateway: GatewayClient<Channel>,
    /// `protos.Endorser`.
    pub endorser: EndorserClient<Channel>,
    /// `protos.Deliver`.
    pub deliver: DeliverClient<Channel>,
    /// `orderer.AtomicBroadcast`.
    pub orderer: AtomicBroadcastClient<Channel>,
}

/// What a host answered, in a form that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The gRPC code.
    pub code: Code,
    /// Its text.
    pub message: String,
    /// Organisations and sentences of the details.
    pub details: Vec<(String, String)>,
}

impl Raw {
    /// Stubs on `connection`.
    pub fn new(connection: Channel) -> Self {
        let gateway = GatewayClient::new(connection.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Self {
            gateway,
            endorser: EndorserClient::new(connection.clone()),
            deliver: DeliverClient::new(connection.clone()),
            orderer: AtomicBroadcastClient::new(connection),
        }
    }

    /// `Evaluate` of a proposal, without hints.
    ///
    /// # Errors
    /// The host's status.
    pub async fn evaluate(&self, signed: SignedProposal) -> Result<Bytes, Status> {
        let request = EvaluateRequest {
            proposed_transaction: Some(signed),
            ..EvaluateRequest::default()
        };
        let reply = within(self.gateway.clone().evaluate(request)).await?;
        Ok(reply.into_inner().result.unwrap_or_default().payload)
    }

    /// `Endorse` of a proposal, without hints; the envelope.
    ///
    /// # Errors
    /// The host's status.
    pub async fn endorse(&self, signed: SignedProposal) -> Result<Envelope, Status> {
        let request = EndorseRequest {
            proposed_transaction: Some(signed),
            ..EndorseRequest::default()
        };
        let reply = within(self.gateway.clone().endorse(request)).await?;
        Ok(reply.into_inner().prepared_transaction.unwrap_or_default())
    }

    /// `Submit` of an envelope, without hints.
    ///
    /// # Errors
    /// The host's status.
    pub async fn submit(&self, envelope: Envelope) -> Result<(), Status> {
        let request = SubmitRequest {
            prepared_transaction: Some(envelope),
            ..SubmitRequest::default()
        };
        within(self.gateway.clone().submit(request)).await.map(drop)
    }

    /// `ProcessProposal`.
    ///
    /// # Errors
    /// The host's status.
    pub async fn process_proposal(
        &self,
        signed: SignedProposal,
    ) -> Result<ProposalResponse, Status> {
        let reply = within(self.endorser.clone().process_proposal(signed)).await?;
        Ok(reply.into_inner())
    }
}

/// An answer that must come in time; one that does not is told as `DeadlineExceeded`.
///
/// # Errors
/// The host's status.
pub async fn within<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(ANSWER_MAX, call)
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("the host did not answer")))
}

/// What was answered; an accepted call is code `Ok` without text.
pub fn answer_of<T>(result: Result<T, impl Into<ClientError>>) -> Answer {
    let Err(error) = result else {
        return Answer {
            code: Code::Ok,
            message: String::new(),
            details: Vec::new(),
        };
    };
    match error.into() {
        ClientError::Status {
            code,
            message,
            details,
        } => Answer {
            code,
            message,
            details: details
                .into_iter()
                .map(
                    |Detail {
                         msp_id, message, ..
                     }| (msp_id, message),
                )
                .collect(),
        },
        other => Answer {
            code: Code::Unknown,
            message: format!("not a status: {other}"),
            details: Vec::new(),
        },
    }
}
