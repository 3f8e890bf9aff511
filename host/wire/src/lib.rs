//! Fabric's messages, the bytes that are hashed and signed, and their mapping to
//! [`cordon_types`]. The only crate with protobuf definitions. Section numbers in comments are
//! those of `WIRE.md`.
//!
//! - [`proto`]: the messages as generated (and, with feature `services`, the gRPC stubs).
//! - [`proposal`] and [`transaction`]: what a client sends, taken apart and checked for shape.
//! - [`rw_set`]: the read-write set and its range summaries.
//! - [`block`]: blocks, their hashes and metadata.
//! - [`config`]: configurations of ours; [`channel_config`]: what Fabric's tools are told of them.

pub mod block;
pub mod channel_config;
pub mod config;
mod error;
pub mod proposal;
pub mod proto;
pub mod rw_set;
pub mod transaction;

pub use error::WireError;
pub use prost::Message;

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// SHA-256 of the concatenation of `parts`.
pub fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The canonical encoding of `message`.
pub fn encode(message: &impl Message) -> Bytes {
    Bytes::from(message.encode_to_vec())
}

/// Decodes a message; `what` names it in the error.
///
/// # Errors
/// [`WireError::Undecodable`] when `bytes` are not such a message.
pub fn decode<M: Message + Default>(bytes: &Bytes, what: &'static str) -> Result<M, WireError> {
    M::decode(bytes.clone()).map_err(|_| WireError::Undecodable { what })
}
