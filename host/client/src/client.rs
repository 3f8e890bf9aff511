//! One identity on one host's connection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cordon_identity::Signer;
use cordon_types::{TxId, ValidationCode};
use cordon_wire::config::{config_payload, config_update};
use cordon_wire::proposal::NewProposal;
use cordon_wire::proto::common::{ConfigSignature, Envelope, SignatureHeader};
use cordon_wire::proto::gateway::gateway_client::GatewayClient;
use cordon_wire::proto::gateway::{
    ChaincodeEventsRequest, ChaincodeEventsResponse, CommitStatusRequest, EndorseRequest,
    EvaluateRequest, SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest,
};
use cordon_wire::proto::orderer::{SeekPosition, SeekSpecified, seek_position};
use cordon_wire::proto::protos;
use cordon_wire::transaction::{Envelope as ParsedEnvelope, Transaction};
use cordon_wire::{WireError, encode};
use tonic::Streaming;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use crate::error::ClientError;

const CONNECT_MAX: Duration = Duration::from_secs(5);
const MESSAGE_BYTES_MAX: usize = 100 << 20;

/// Where a host is, and how to know it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `host:port`.
    pub address: String,
    /// Name in the host's TLS certificate.
    pub server_name: String,
    /// Authority of that certificate, PEM.
    pub tls_ca_pem: String,
}

impl Endpoint {
    /// A connection, made when it is first used and again when it breaks.
    ///
    /// # Errors
    /// [`ClientError::Connect`] when address or certificate cannot be read.
    pub fn connect_lazy(&self) -> Result<Channel, ClientError> {
        let error = |error: tonic::transport::Error| ClientError::Connect {
            address: self.address.clone(),
            reason: error.to_string(),
        };
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.tls_ca_pem))
            .domain_name(&self.server_name);
        Ok(
            tonic::transport::Endpoint::from_shared(format!("https://{}", self.address))
                .map_err(error)?
                .tls_config(tls)
                .map_err(error)?
                .connect_timeout(CONNECT_MAX)
                .tcp_nodelay(true)
                .connect_lazy(),
        )
    }
}

/// 24 random bytes.
fn nonce() -> Result<[u8; 24], ClientError> {
    let mut nonce = [0; 24];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| cordon_identity::IdentityError::Crypto {
        what: "make random numbers",
    })?;
    Ok(nonce)
}

/// This moment: seconds since the Unix epoch, nanoseconds.
fn now() -> (i64, i32) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    (
        now.as_secs().cast_signed(),
        now.subsec_nanos().cast_signed(),
    )
}

/// The approval of configuration `sequence` of `channel` by `signer`.
///
/// # Errors
/// [`ClientError::Identity`] when the key cannot sign.
pub fn approve(
    signer: &Signer,
    channel: &str,
    sequence: u64,
    document: &Bytes,
) -> Result<ConfigSignature, ClientError> {
    let signature_header = encode(&SignatureHeader {
        creator: signer.serialized(),
        nonce: Bytes::copy_from_slice(&nonce()?),
    });
    let update = config_update(channel, sequence, document);
    let signature = signer.sign(&[signature_header.as_ref(), &update].concat())?;
    Ok(ConfigSignature {
        signature_header,
        signature,
    })
}

/// A function to call, with its arguments.
#[derive(Clone)]
pub struct Call {
    /// Contract.
    pub contract: String,
    /// Function name, then arguments.
    pub args: Vec<Bytes>,
    /// Values for the contract only.
    pub transient: BTreeMap<String, Bytes>,
    /// Organisations (MSP ids) that are to endorse; none: as the endorsement policy asks for.
    pub organizations: Vec<String>,
}

impl Call {
    /// A call of `function` with text arguments.
    pub fn new(contract: &str, function: &str, args: &[&str]) -> Self {
        let args = std::iter::once(&function).chain(args);
        Self {
            contract: contract.to_owned(),
            args: args
                .map(|arg| Bytes::copy_from_slice(arg.as_bytes()))
                .collect(),
            transient: BTreeMap::new(),
            organizations: Vec::new(),
        }
    }
}

/// A signed proposal.
#[derive(Clone)]
pub struct Proposal {
    /// Id of the transaction that it may become.
    pub tx_id: TxId,
    /// The message.
    pub signed: protos::SignedProposal,
}

/// An endorsed transaction, signed and ready to be submitted.
#[derive(Clone)]
pub struct Prepared {
    /// Its id.
    pub tx_id: TxId,
    /// The message.
    pub envelope: Envelope,
    /// What the contract answered.
    pub answer: Bytes,
}

/// What became of a transaction that is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its id.
    pub tx_id: TxId,
    /// The block it is in.
    pub block: u64,
    /// What the contract answered.
    pub answer: Bytes,
}

/// An identity that calls contracts of one channel through one host. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    channel: String,
    signer: Arc<Signer>,
    gateway: GatewayClient<Channel>,
}

impl Client {
    /// Calls contracts of `channel` as `signer` over `connection`.
    pub fn new(channel: &str, signer: Arc<Signer>, connection: Channel) -> Self {
        let gateway = GatewayClient::new(connection)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Self {
            channel: channel.to_owned(),
            signer,
            gateway,
        }
    }

    /// The channel.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Who calls.
    pub fn signer(&self) -> &Arc<Signer> {
        &self.signer
    }

    /// A signed proposal for a call.
    ///
    /// # Errors
    /// [`ClientError::Identity`] when the key cannot sign.
    pub fn propose(&self, call: &Call) -> Result<Proposal, ClientError> {
        let (proposal_bytes, tx_id) = NewProposal {
            channel: &self.channel,
            contract: &call.contract,
            args: call.args.clone(),
            transient: call.transient.clone(),
            creator: self.signer.serialized(),
            nonce: nonce()?,
            timestamp: now(),
        }
        .build();
        let signature = self.signer.sign(&proposal_bytes)?;
        Ok(Proposal {
            tx_id,
            signed: protos::SignedProposal {
                proposal_bytes,
                signature,
            },
        })
    }

    /// Calls a function without changing anything.
    ///
    /// # Errors
    /// [`ClientError::Status`] when the host or the contract refuses.
    pub async fn evaluate(&self, call: &Call) -> Result<Bytes, ClientError> {
        let proposal = self.propose(call)?;
        let reply = self
            .gateway
            .clone()
            .evaluate(EvaluateRequest {
                transaction_id: proposal.tx_id.to_string(),
                channel_id: self.channel.clone(),
                proposed_transaction: Some(proposal.signed),
                target_organizations: Vec::new(),
            })
            .await?;
        Ok(reply.into_inner().result.unwrap_or_default().payload)
    }

    /// Collects endorsements for a proposal and signs the transaction.
    ///
    /// # Errors
    /// [`ClientError::Status`] when it is refused, [`ClientError::Answer`].
    pub async fn endorse(&self, proposal: Proposal) -> Result<Prepared, ClientError> {
        self.endorse_by(proposal, Vec::new()).await
    }

    async fn endorse_by(
        &self,
        proposal: Proposal,
        endorsing_organizations: Vec<String>,
    ) -> Result<Prepared, ClientError> {
        let reply = self
            .gateway
            .clone()
            .endorse(EndorseRequest {
                transaction_id: proposal.tx_id.to_string(),
                channel_id: self.channel.clone(),
                proposed_transaction: Some(proposal.signed),
                endorsing_organizations,
            })
            .await?;
        let mut envelope = reply
            .into_inner()
            .prepared_transaction
            .ok_or(WireError::Missing {
                what: "prepared transaction",
            })?;
        envelope.signature = self.signer.sign(&envelope.payload)?;
        let transaction = ParsedEnvelope::from_proto(envelope.clone())
            .and_then(Transaction::parse)
            .map_err(|error| ClientError::Answer(error.cause))?;
        Ok(Prepared {
            tx_id: proposal.tx_id,
            envelope,
            answer: transaction.response.payload,
        })
    }

    /// Hands a transaction to ordering.
    ///
    /// # Errors
    /// [`ClientError::Status`].
    pub async fn submit(&self, prepared: &Prepared) -> Result<(), ClientError> {
        self.gateway
            .clone()
            .submit(SubmitRequest {
                transaction_id: prepared.tx_id.to_string(),
                channel_id: self.channel.clone(),
                prepared_transaction: Some(prepared.envelope.clone()),
            })
            .await?;
        Ok(())
    }

    /// Waits until a transaction is in a block: its verdict, and the block.
    ///
    /// # Errors
    /// [`ClientError::Status`].
    pub async fn commit_status(&self, tx_id: TxId) -> Result<(ValidationCode, u64), ClientError> {
        let request = encode(&CommitStatusRequest {
            transaction_id: tx_id.to_string(),
            channel_id: self.channel.clone(),
            identity: self.signer.serialized(),
        });
        let signature = self.signer.sign(&request)?;
        let reply = self
            .gateway
            .clone()
            .commit_status(SignedCommitStatusRequest { request, signature })
            .await?
            .into_inner();
        let code = u8::try_from(reply.result)
            .ok()
            .and_then(ValidationCode::from_number)
            .ok_or(WireError::Invalid {
                what: "validation code",
                rule: "a known one",
            })?;
        Ok((code, reply.block_number))
    }

    /// All steps: propose, endorse, submit, wait until committed.
    ///
    /// # Errors
    /// [`ClientError::NotValid`] when it is committed as invalid; [`ClientError::Status`].
    pub async fn transact(&self, call: &Call) -> Result<Receipt, ClientError> {
        let organizations = call.organizations.clone();
        let prepared = self.endorse_by(self.propose(call)?, organizations).await?;
        self.commit(prepared).await
    }

    /// Puts configuration `sequence` on the channel's ledger, approved by these, and waits until it is
    /// committed.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub async fn configure(
        &self,
        sequence: u64,
        document: &Bytes,
        approvals: Vec<ConfigSignature>,
    ) -> Result<Receipt, ClientError> {
        let (payload, tx_id) = config_payload(
            &self.channel,
            sequence,
            document,
            approvals,
            self.signer.serialized(),
            nonce()?,
            now(),
        );
        let signature = self.signer.sign(&payload)?;
        self.commit(Prepared {
            tx_id,
            envelope: Envelope { payload, signature },
            answer: Bytes::new(),
        })
        .await
    }

    /// Submits, and waits until it is committed.
    async fn commit(&self, prepared: Prepared) -> Result<Receipt, ClientError> {
        self.submit(&prepared).await?;
        let (code, block) = self.commit_status(prepared.tx_id).await?;
        if code == ValidationCode::Valid {
            return Ok(Receipt {
                tx_id: prepared.tx_id,
                block,
                answer: prepared.answer,
            });
        }
        Err(ClientError::NotValid {
            tx_id: prepared.tx_id.to_string(),
            block,
            code,
        })
    }

    /// Events of a contract from block `start` on; `None`: from now on.
    ///
    /// # Errors
    /// [`ClientError::Status`].
    pub async fn events(
        &self,
        contract: &str,
        start: Option<u64>,
        after: Option<TxId>,
    ) -> Result<Streaming<ChaincodeEventsResponse>, ClientError> {
        let start_position = start.map(|number| SeekPosition {
            r#type: Some(seek_position::Type::Specified(SeekSpecified { number })),
        });
        let request = encode(&ChaincodeEventsRequest {
            channel_id: self.channel.clone(),
            chaincode_id: contract.to_owned(),
            identity: self.signer.serialized(),
            start_position,
            after_transaction_id: after.map(|tx_id| tx_id.to_string()).unwrap_or_default(),
        });
        let signature = self.signer.sign(&request)?;
        let stream = self
            .gateway
            .clone()
            .chaincode_events(SignedChaincodeEventsRequest { request, signature })
            .await?;
        Ok(stream.into_inner())
    }
}
