//! Proposals: built by a client, taken apart by a host (section 5).

use std::collections::BTreeMap;

use bytes::Bytes;
use cordon_types::{ChannelId, TxId};

use crate::proto::{common, msp, protos};
use crate::{WireError, decode, encode, sha256};

/// Header type of a transaction.
pub const ENDORSER_TRANSACTION: i32 = common::HeaderType::EndorserTransaction as i32;
/// Header type that Fabric's command line uses for a query without a channel.
pub const CONFIG: i32 = common::HeaderType::Config as i32;
/// Header type of an update of a configuration, which stands inside one.
pub(crate) const CONFIG_UPDATE: i32 = common::HeaderType::ConfigUpdate as i32;

/// The transaction id: SHA-256 of nonce and creator.
pub fn tx_id(nonce: &[u8], creator: &[u8]) -> TxId {
    TxId::from_bytes(sha256([nonce, creator]))
}

/// The header of a proposal or a transaction, decoded, with the exact bytes that are hashed.
#[derive(Clone)]
pub struct Header {
    /// Channel header as received.
    pub channel_header_bytes: Bytes,
    /// Signature header as received.
    pub signature_header_bytes: Bytes,
    /// Channel header, decoded.
    pub channel_header: common::ChannelHeader,
    /// Serialized identity of the signer.
    pub creator: Bytes,
    /// The signer's nonce.
    pub nonce: Bytes,
}

impl Header {
    /// Takes a header apart.
    ///
    /// # Errors
    /// [`WireError`] when a part is missing or cannot be decoded.
    pub fn parse(header: common::Header) -> Result<Self, WireError> {
        if header.channel_header.is_empty() {
            return Err(WireError::missing("channel header"));
        }
        if header.signature_header.is_empty() {
            return Err(WireError::missing("signature header"));
        }
        let channel_header = decode(&header.channel_header, "channel header")?;
        let signature: common::SignatureHeader =
            decode(&header.signature_header, "signature header")?;
        Ok(Self {
            channel_header_bytes: header.channel_header,
            signature_header_bytes: header.signature_header,
            channel_header,
            creator: signature.creator,
            nonce: signature.nonce,
        })
    }

    /// The header as a message again; the same bytes.
    pub fn to_proto(&self) -> common::Header {
        common::Header {
            channel_header: self.channel_header_bytes.clone(),
            signature_header: self.signature_header_bytes.clone(),
        }
    }
}

/// A proposal taken apart. Its shape is right; nothing about it is verified yet.
#[derive(Clone)]
pub struct Proposal {
    /// The bytes that the creator's signature covers.
    pub signed_bytes: Bytes,
    /// That signature.
    pub signature: Bytes,
    /// The header.
    pub header: Header,
    /// Channel; `None` for a call without one (some system queries).
    pub channel: Option<ChannelId>,
    /// The contract's name as asked for; system contracts included.
    pub contract: String,
    /// Function name and arguments, as bytes.
    pub args: Vec<Bytes>,
    /// Whether it is meant to initialise the contract, as some of Fabric's have to be.
    pub is_init: bool,
    /// Values for the contract only: in no hash, no block and no log.
    pub transient: BTreeMap<String, Bytes>,
    /// The encoded payload without transient data: what is hashed and ordered.
    pub public_payload: Bytes,
}

impl std::fmt::Debug for Proposal {
    // Arguments and transient data never reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proposal")
            .field("channel", &self.channel)
            .field("contract", &self.contract)
            .field("tx_id", &self.header.channel_header.tx_id)
            .field("args", &self.args.len())
            .finish_non_exhaustive()
    }
}

impl Proposal {
    /// Takes a signed proposal apart.
    ///
    /// # Errors
    /// [`WireError`] naming the first part that is missing, cannot be decoded or contradicts
    /// another.
    pub fn parse(signed: &protos::SignedProposal) -> Result<Self, WireError> {
        if signed.proposal_bytes.is_empty() {
            return Err(WireError::missing("proposal"));
        }
        let proposal: protos::Proposal = decode(&signed.proposal_bytes, "proposal")?;
        if proposal.header.is_empty() {
            return Err(WireError::missing("proposal header"));
        }
        if proposal.payload.is_empty() {
            return Err(WireError::missing("proposal payload"));
        }
        let header = Header::parse(decode(&proposal.header, "proposal header")?)?;
        let channel = match header.channel_header.channel_id.as_str() {
            "" => None,
            id => Some(id.parse().map_err(|_| {
                WireError::invalid("channel id", "lower-case letters, digits, '.' or '-'")
            })?),
        };
        let extension: protos::ChaincodeHeaderExtension = decode(
            &header.channel_header.extension,
            "chaincode header extension",
        )?;
        let named = extension
            .chaincode_id
            .ok_or(WireError::missing("chaincode id in the header extension"))?
            .name;
        let payload: protos::ChaincodeProposalPayload =
            decode(&proposal.payload, "chaincode proposal payload")?;
        let invocation = Invocation::parse(&payload.input)?;
        if invocation.contract != named {
            return Err(WireError::invalid(
                "chaincode id",
                "header extension and input name the same one",
            ));
        }
        let public_payload = encode(&protos::ChaincodeProposalPayload {
            input: payload.input,
            transient_map: BTreeMap::new(),
        });
        Ok(Self {
            signed_bytes: signed.proposal_bytes.clone(),
            signature: signed.signature.clone(),
            header,
            channel,
            contract: invocation.contract,
            args: invocation.args,
            is_init: invocation.is_init,
            transient: payload.transient_map,
            public_payload,
        })
    }

    /// What every endorsement of this proposal names: SHA-256 of both headers and the public payload.
    pub fn hash(&self) -> [u8; 32] {
        proposal_hash(&self.header, &self.public_payload)
    }
}

/// SHA-256 over channel header, signature header and the payload without transient data.
pub fn proposal_hash(header: &Header, public_payload: &[u8]) -> [u8; 32] {
    sha256([
        header.channel_header_bytes.as_ref(),
        header.signature_header_bytes.as_ref(),
        public_payload,
    ])
}

/// The call inside a proposal's payload.
pub(crate) struct Invocation {
    pub(crate) contract: String,
    pub(crate) args: Vec<Bytes>,
    pub(crate) is_init: bool,
}

impl Invocation {
    pub(crate) fn parse(input: &Bytes) -> Result<Self, WireError> {
        if input.is_empty() {
            return Err(WireError::missing("chaincode invocation"));
        }
        let invocation: protos::ChaincodeInvocationSpec = decode(input, "chaincode invocation")?;
        let spec = invocation
            .chaincode_spec
            .ok_or(WireError::missing("chaincode spec"))?;
        let id = spec
            .chaincode_id
            .ok_or(WireError::missing("chaincode id"))?;
        if id.name.is_empty() {
            return Err(WireError::missing("chaincode name"));
        }
        let input = spec.input.ok_or(WireError::missing("chaincode input"))?;
        Ok(Self {
            contract: id.name,
            args: input.args,
            is_init: input.is_init,
        })
    }
}

/// What a client asks for; [`NewProposal::build`] makes the message that it signs.
#[derive(Clone)]
pub struct NewProposal<'a> {
    /// Channel.
    pub channel: &'a str,
    /// Contract.
    pub contract: &'a str,
    /// Function name, then arguments.
    pub args: Vec<Bytes>,
    /// Values for the contract only.
    pub transient: BTreeMap<String, Bytes>,
    /// Serialized identity of the signer ([`serialized_identity`]).
    pub creator: Bytes,
    /// 24 random bytes.
    pub nonce: [u8; 24],
    /// The client's time: seconds since the Unix epoch, nanoseconds.
    pub timestamp: (i64, i32),
}

impl NewProposal<'_> {
    /// The encoded proposal, ready to be signed, and its transaction id.
    pub fn build(self) -> (Bytes, TxId) {
        let tx_id = tx_id(&self.nonce, &self.creator);
        let chaincode_id = protos::ChaincodeId {
            name: self.contract.to_owned(),
            ..Default::default()
        };
        let channel_header = common::ChannelHeader {
            r#type: ENDORSER_TRANSACTION,
            timestamp: Some(prost_types::Timestamp {
                seconds: self.timestamp.0,
                nanos: self.timestamp.1,
            }),
            channel_id: self.channel.to_owned(),
            tx_id: tx_id.to_string(),
            extension: encode(&protos::ChaincodeHeaderExtension {
                chaincode_id: Some(chaincode_id.clone()),
            }),
            ..Default::default()
        };
        let header = common::Header {
            channel_header: encode(&channel_header),
            signature_header: encode(&common::SignatureHeader {
                creator: self.creator,
                nonce: Bytes::copy_from_slice(&self.nonce),
            }),
        };
        let spec = protos::ChaincodeSpec {
            chaincode_id: Some(chaincode_id),
            input: Some(protos::ChaincodeInput {
                args: self.args,
                ..Default::default()
            }),
            ..Default::default()
        };
        let payload = protos::ChaincodeProposalPayload {
            input: encode(&protos::ChaincodeInvocationSpec {
                chaincode_spec: Some(spec),
            }),
            transient_map: self.transient,
        };
        let proposal = protos::Proposal {
            header: encode(&header),
            payload: encode(&payload),
            extension: Bytes::new(),
        };
        (encode(&proposal), tx_id)
    }
}

/// The bytes that stand for an identity in every message: MSP id and PEM certificate.
pub fn serialized_identity(msp_id: &str, certificate_pem: &str) -> Bytes {
    encode(&msp::SerializedIdentity {
        mspid: msp_id.to_owned(),
        id_bytes: Bytes::copy_from_slice(certificate_pem.as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Vector printed by Fabric's own code (section 20).
    #[test]
    fn tx_id_is_fabrics() {
        assert_eq!(
            tx_id(&[7; 24], b"creator").to_string(),
            "4945eb25e69b7c2909796717c0288bcc8a89a98e6ff008eca6c754154a0d11da"
        );
    }

    fn signed() -> protos::SignedProposal {
        let (proposal_bytes, _) = NewProposal {
            channel: "providers",
            contract: "emr",
            args: vec![Bytes::from_static(b"f"), Bytes::from_static(b"x")],
            transient: [("secret".to_owned(), Bytes::from_static(b"t"))].into(),
            creator: Bytes::from_static(b"creator"),
            nonce: [7; 24],
            timestamp: (1, 2),
        }
        .build();
        protos::SignedProposal {
            proposal_bytes,
            signature: Bytes::new(),
        }
    }

    #[test]
    fn what_is_built_parses_and_transient_data_is_in_no_hash() {
        let parsed = Proposal::parse(&signed()).unwrap();
        assert_eq!(parsed.channel.as_ref().unwrap().as_str(), "providers");
        assert_eq!(parsed.contract, "emr");
        assert_eq!(parsed.args[1], "x");
        assert_eq!(parsed.transient["secret"], "t");
        assert!(!parsed.public_payload.windows(6).any(|w| w == b"secret"));
        assert!(!format!("{parsed:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_panics(at in 0..400usize, bits in 1..=255u8) {
            let mut signed = signed();
            let mut bytes = signed.proposal_bytes.to_vec();
            let at = at % bytes.len();
            bytes[at] ^= bits;
            signed.proposal_bytes = bytes.into();
            let _ = Proposal::parse(&signed);
        }
    }
}
