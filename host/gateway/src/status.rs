//! What a failure is on the wire: gRPC code, text and details (`WIRE.md` section 12). Details name
//! the host, its organisation and the cause.

use cordon_wire::proto::gateway::ErrorDetail;
use cordon_wire::proto::google::rpc;
use cordon_wire::{WireError, encode};
use tonic::{Code, Status};

use crate::host::Host;

/// The call that failed; the same cause has different codes in different calls, as in Fabric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rpc {
    Evaluate,
    Endorse,
    Submit,
    CommitStatus,
    ChaincodeEvents,
    ProcessProposal,
    Broadcast,
}

/// One party's part in a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detail {
    pub(crate) address: String,
    pub(crate) msp_id: String,
    pub(crate) message: String,
}

impl Host {
    /// This host's part in a failure.
    pub(crate) fn detail(&self, message: impl Into<String>) -> Detail {
        Detail {
            address: self.address.clone(),
            msp_id: self.msp_id.to_string(),
            message: message.into(),
        }
    }
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request is not what the protocol asks for.
    Malformed(String),
    /// A proposal, envelope or request is not accepted: identity, signature, id, time, duplicate.
    Refused(Detail),
    /// There is no such channel on this host.
    ChannelUnknown(String),
    /// There is no such contract on the channel, or no organisation that could run it.
    ContractUnknown(String),
    /// The contract refused or was at fault.
    Contract(Vec<Detail>),
    /// Endorsers came to different results.
    Disagreement(Vec<Detail>),
    /// No set of organisations that are asked can satisfy the endorsement policy.
    PolicyUnsatisfiable(String),
    /// Whoever is needed cannot be reached.
    Unreachable(String, Vec<Detail>),
    /// The channel has stopped on this host.
    Stopped(Detail),
    /// This host cannot do its part.
    Host(Detail),
    /// This host is shutting down.
    ShuttingDown,
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl Failure {
    /// What the client is told. Whatever is not its own mistake alone names the host that says so.
    pub(crate) fn into_status(self, rpc: Rpc, host: &Host) -> Status {
        let (code, text, details) = match self {
            Self::Malformed(text) => (Code::InvalidArgument, text, Vec::new()),
            Self::Refused(detail) => {
                let code = match rpc {
                    Rpc::Evaluate => Code::FailedPrecondition,
                    Rpc::Endorse | Rpc::Submit => Code::Aborted,
                    Rpc::CommitStatus | Rpc::ChaincodeEvents => Code::PermissionDenied,
                    Rpc::ProcessProposal | Rpc::Broadcast => Code::Unknown,
                };
                // Whoever may not read a channel must not learn whether it exists.
                let details = if code == Code::PermissionDenied {
                    Vec::new()
                } else {
                    vec![detail.clone()]
                };
                (code, prefixed(rpc, &detail.message), details)
            }
            Self::ChannelUnknown(channel) => {
                let text = format!("channel {channel} is not known to this host");
                match rpc {
                    // Whoever may not read a channel must not learn whether it exists.
                    Rpc::CommitStatus | Rpc::ChaincodeEvents => (
                        Code::PermissionDenied,
                        "access denied".to_owned(),
                        Vec::new(),
                    ),
                    Rpc::ProcessProposal => (Code::Unknown, text, Vec::new()),
                    _ => (Code::FailedPrecondition, text, Vec::new()),
                }
            }
            Self::ContractUnknown(text) => {
                let code = match rpc {
                    Rpc::ProcessProposal => Code::Unknown,
                    _ => Code::FailedPrecondition,
                };
                (code, text, Vec::new())
            }
            Self::Contract(details) => {
                let code = match rpc {
                    Rpc::Evaluate => Code::Unknown,
                    _ => Code::Aborted,
                };
                let text = details.first().map_or("", |detail| detail.message.as_str());
                (code, prefixed(rpc, text), details)
            }
            Self::Disagreement(details) => {
                let text = "failed to collect enough transaction endorsements: the endorsers' results differ, see attached details for more info";
                (Code::Aborted, text.to_owned(), details)
            }
            Self::PolicyUnsatisfiable(text) => (Code::FailedPrecondition, text, Vec::new()),
            Self::Unreachable(text, details) => (Code::Unavailable, text, details),
            Self::Stopped(detail) => (Code::Unavailable, detail.message.clone(), vec![detail]),
            // What exactly failed is in this host's log; other parties learn that it did.
            Self::Host(detail) => (Code::Aborted, detail.message.clone(), vec![detail]),
            Self::ShuttingDown => (
                Code::Unavailable,
                "the host is shutting down".to_owned(),
                Vec::new(),
            ),
        };
        let blameless = matches!(code, Code::InvalidArgument | Code::PermissionDenied);
        if details.is_empty() && !blameless {
            let detail = host.detail(text.clone());
            return status(code, text, vec![detail]);
        }
        status(code, text, details)
    }
}

/// Fabric's words, which applications match on.
fn prefixed(rpc: Rpc, text: &str) -> String {
    match rpc {
        Rpc::Evaluate => format!("evaluate call to endorser returned error: {text}"),
        Rpc::Endorse => {
            format!("failed to endorse transaction, see attached details for more info: {text}")
        }
        Rpc::Submit => format!("failed to submit transaction: {text}"),
        Rpc::CommitStatus | Rpc::ChaincodeEvents => "access denied".to_owned(),
        Rpc::ProcessProposal | Rpc::Broadcast => text.to_owned(),
    }
}

/// What a contract's refusal is called in details; applications match on it.
pub(crate) fn chaincode_response(status: i32, message: &str) -> String {
    format!("chaincode response {status}, {message}")
}

const DETAIL_TYPE: &str = "type.googleapis.com/gateway.ErrorDetail";

/// Longest text in a status. It travels in HTTP trailers, several times over, and clients that get
/// more than some kilobytes there hang or break the connection.
const TEXT_BYTES_MAX: usize = 1_024;
/// Parties named in a status.
const DETAILS_MAX: usize = 4;

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}

fn status(code: Code, text: String, details: Vec<Detail>) -> Status {
    let text = cut(text);
    if details.is_empty() {
        return Status::new(code, text);
    }
    let details = details
        .into_iter()
        .take(DETAILS_MAX)
        .map(
            |Detail {
                 address,
                 msp_id,
                 message,
             }| prost_types::Any {
                type_url: DETAIL_TYPE.to_owned(),
                value: encode(&ErrorDetail {
                    address,
                    msp_id,
                    message: cut(message),
                })
                .into(),
            },
        )
        .collect();
    let bytes = encode(&rpc::Status {
        code: code as i32,
        message: text.clone(),
        details,
    });
    Status::with_details(code, text, bytes)
}
