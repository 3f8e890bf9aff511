//! A call of a contract: who calls, and what is answered.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::MspId;

/// Status numbers of [`Response`], as a client sees them.
pub mod status {
    /// The contract accepted.
    pub const OK: i32 = 200;
    /// The arguments are not what the function takes, or break a rule of the contract.
    pub const INVALID: i32 = 400;
    /// The caller may not do this.
    pub const FORBIDDEN: i32 = 403;
    /// There is no such record or function.
    pub const NOT_FOUND: i32 = 404;
    /// It contradicts what is there already.
    pub const CONFLICT: i32 = 409;
    /// The contract trapped or used up a limit.
    pub const FAULT: i32 = 500;
}

/// The identity that signed a proposal, as a contract sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Organisation.
    pub msp_id: MspId,
    /// Subject of the certificate, RFC 2253 text.
    pub subject: String,
    /// `x509::<subject>::<issuer>`, base64: what Fabric's Go `cid.GetID` answers.
    pub unique_id: String,
    /// Attribute `hf.EnrollmentID`, else the subject's common name.
    pub enrollment_id: String,
    /// Attributes of the certificate (Fabric CA's extension). Empty when it has none.
    pub attributes: BTreeMap<String, String>,
}

/// An event that a contract emitted.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// Name, 1..=128 bytes.
    pub name: String,
    /// Payload, possibly empty.
    pub payload: Bytes,
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name)
            .field("bytes", &self.payload.len())
            .finish()
    }
}

/// A contract's answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// See [`status`].
    pub status: i32,
    /// Why it was refused; empty when accepted.
    pub message: String,
    /// The result; empty when refused.
    pub payload: Bytes,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}
