//! What can go wrong with a call.

use cordon_identity::IdentityError;
use cordon_types::ValidationCode;
use cordon_wire::proto::gateway::ErrorDetail;
use cordon_wire::proto::google::rpc;
use cordon_wire::{Message as _, WireError};
use tonic::{Code, Status};

/// One party's part in a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// Address of the party's host.
    pub address: String,
    /// Its organisation.
    pub msp_id: String,
    /// What happened there.
    pub message: String,
}

/// A call that did not do what it was for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The host answered with an error.
    #[error("{code:?}: {message}")]
    Status {
        /// gRPC code.
        code: Code,
        /// Text.
        message: String,
        /// Details, one per party.
        details: Vec<Detail>,
    },
    /// The transaction is in a block, and not valid.
    #[error("transaction {tx_id} is in block {block} and is not valid: {code}{}", in_words(*code))]
    NotValid {
        /// The transaction.
        tx_id: String,
        /// Its block.
        block: u64,
        /// Why.
        code: ValidationCode,
    },
    /// The host's answer is not what the protocol asks for.
    #[error("the host's answer is malformed: {0}")]
    Answer(#[from] WireError),
    /// The identity cannot sign.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The host cannot be reached.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Its address.
        address: String,
        /// Why.
        reason: String,
    },
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        let details = rpc::Status::decode(status.details())
            .unwrap_or_default()
            .details;
        let details = details
            .into_iter()
            .filter_map(|any| ErrorDetail::decode(any.value.as_slice()).ok())
            .map(|detail| Detail {
                address: detail.address,
                msp_id: detail.msp_id,
                message: detail.message,
            })
            .collect();
        Self::Status {
            code: status.code(),
            message: status.message().to_owned(),
            details,
        }
    }
}

impl ClientError {
    /// The status with which a contract refused (400, 403, 404, 409, 500), and its sentence.
    pub fn contract_refusal(&self) -> Option<(i32, &str)> {
        let Self::Status { details, .. } = self else {
            return None;
        };
        details.iter().find_map(|detail| {
            let (status, sentence) = detail
                .message
                .strip_prefix("chaincode response ")?
                .split_once(", ")?;
            Some((status.parse().ok()?, sentence))
        })
    }
}

/// What a verdict means for whoever sent the transaction, where that is not plain.
fn in_words(code: ValidationCode) -> &'static str {
    match code {
        ValidationCode::MvccReadConflict | ValidationCode::PhantomReadConflict => {
            " (somebody else changed this at the same moment; nothing was done, try again)"
        }
        _ => "",
    }
}
