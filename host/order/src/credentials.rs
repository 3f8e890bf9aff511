//! How a host shows a log's keeper that it is one. A TLS certificate tells the organisation, but
//! every user of it may have one; so the host's signing identity vouches for the TLS certificate
//! that its connection shows. The statement is worth nothing on another connection.

use bytes::Bytes;
use cordon_types::ChannelId;
use cordon_wire::sha256;
use tonic::metadata::{MetadataMap, MetadataValue};

const CREATOR: &str = "cordon-creator-bin";
const SIGNATURE: &str = "cordon-signature-bin";

/// A host's serialized identity, and its signature over [`HostCredentials::statement`].
#[derive(Clone)]
pub struct HostCredentials {
    /// Serialized identity of the host.
    pub creator: Bytes,
    /// Its signature.
    pub signature: Bytes,
}

impl HostCredentials {
    /// What a host signs to use the log of `channel` over connections with the TLS certificate
    /// `certificate_der`.
    pub fn statement(channel: &ChannelId, certificate_der: &[u8]) -> Vec<u8> {
        let mut statement = b"cordon ordering log 1".to_vec();
        statement.extend_from_slice(&sha256([certificate_der]));
        statement.extend_from_slice(channel.as_str().as_bytes());
        statement
    }

    /// Puts the credentials into a request.
    pub fn put(&self, metadata: &mut MetadataMap) {
        metadata.insert_bin(CREATOR, MetadataValue::from_bytes(&self.creator));
        metadata.insert_bin(SIGNATURE, MetadataValue::from_bytes(&self.signature));
    }

    /// The credentials in a request; `None` when it carries none.
    pub fn of(metadata: &MetadataMap) -> Option<Self> {
        let bytes = |name| metadata.get_bin(name)?.to_bytes().ok();
        Some(Self {
            creator: bytes(CREATOR)?,
            signature: bytes(SIGNATURE)?,
        })
    }
}
