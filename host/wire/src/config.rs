//! A channel's configuration as transactions hold it: Fabric's messages (`WIRE.md` section 18) around
//! one readable document. Block 0 holds the first; a later one is an envelope of type `CONFIG` with
//! the update that admins of members have approved.

use bytes::Bytes;
use cordon_types::{TxId, ValidationCode};

use crate::proposal::{CONFIG, CONFIG_UPDATE, Header, tx_id};
use crate::proto::common;
use crate::transaction::{Envelope, TransactionError};
use crate::{WireError, decode, encode};

/// Where the document stands among the values of Fabric's channel group.
const VALUE_NAME: &str = "Cordon";

/// An admin's word for an update.
pub struct Approval {
    /// The admin's serialized identity.
    pub creator: Bytes,
    /// The bytes that the signature covers, before those of the update.
    pub signature_header: Bytes,
    /// Over signature header and update.
    pub signature: Bytes,
}

/// A configuration with the approvals it rests on; nothing about it is verified yet but that its parts
/// fit each other.
pub struct ConfigTransaction {
    /// The bytes that the creator's signature covers.
    pub payload: Bytes,
    /// That signature.
    pub signature: Bytes,
    /// The header.
    pub header: Header,
    /// The id; it is the hash of nonce and creator.
    pub tx_id: TxId,
    /// Number of the configuration, one more than that of the one before.
    pub sequence: u64,
    /// The document.
    pub document: Bytes,
    /// What was approved.
    pub update: Bytes,
    /// By whom.
    pub approvals: Vec<Approval>,
}

impl ConfigTransaction {
    /// Takes a configuration apart that is not a channel's first.
    ///
    /// # Errors
    /// [`TransactionError`] with the verdict that it gets in a block.
    pub fn parse(envelope: Envelope) -> Result<Self, TransactionError> {
        use ValidationCode as Code;
        let bad = |code| move |cause| TransactionError { code, cause };
        let Envelope {
            payload,
            signature,
            header,
            data,
        } = envelope;
        let channel_header = &header.channel_header;
        if channel_header.timestamp.is_none() {
            let cause = WireError::Missing { what: "timestamp" };
            return Err(bad(Code::BadChannelHeader)(cause));
        }
        let tx_id = tx_id(&header.nonce, &header.creator);
        if header.creator.is_empty() || channel_header.tx_id != tx_id.to_string() {
            let cause = WireError::invalid("transaction id", "hash of nonce and creator");
            return Err(bad(Code::BadProposalTxid)(cause));
        }
        let invalid = bad(Code::InvalidConfigTransaction);
        let (sequence, document, last_update) = take_apart(&data).map_err(invalid)?;
        let (update, approvals) = last_update
            .ok_or(WireError::Missing { what: "update" })
            .and_then(approved)
            .map_err(invalid)?;
        if update != config_update(&channel_header.channel_id, sequence, &document) {
            let cause = WireError::invalid("update", "the one that makes this configuration");
            return Err(invalid(cause));
        }
        Ok(Self {
            payload,
            signature,
            header,
            tx_id,
            sequence,
            document,
            update,
            approvals,
        })
    }
}

/// The document of a channel's first configuration; `None` when `data` is a later one.
///
/// # Errors
/// [`WireError`] for what is missing or cannot be decoded.
pub fn first_document(data: &Bytes) -> Result<Option<Bytes>, WireError> {
    let (_, document, last_update) = take_apart(data)?;
    Ok(last_update.is_none().then_some(document))
}

type Parts = (u64, Bytes, Option<common::Envelope>);

fn take_apart(data: &Bytes) -> Result<Parts, WireError> {
    let envelope: common::ConfigEnvelope = decode(data, "configuration")?;
    let missing = WireError::Missing {
        what: "configuration",
    };
    let config = envelope.config.ok_or(missing)?;
    let document = config
        .channel_group
        .and_then(|mut group| group.values.remove(VALUE_NAME))
        .map(|value| value.value)
        .ok_or(WireError::Missing {
            what: "configuration document",
        })?;
    Ok((config.sequence, document, envelope.last_update))
}

/// The update in an envelope, and its approvals.
fn approved(envelope: common::Envelope) -> Result<(Bytes, Vec<Approval>), WireError> {
    let payload: common::Payload = decode(&envelope.payload, "update")?;
    let update: common::ConfigUpdateEnvelope = decode(&payload.data, "update")?;
    let approval = |signature: common::ConfigSignature| {
        let header: common::SignatureHeader =
            decode(&signature.signature_header, "signature header")?;
        Ok(Approval {
            creator: header.creator,
            signature_header: signature.signature_header,
            signature: signature.signature,
        })
    };
    let approvals = update.signatures.into_iter().map(approval);
    Ok((update.config_update, approvals.collect::<Result<_, _>>()?))
}

fn group(sequence: u64, document: &Bytes) -> common::ConfigGroup {
    let value = common::ConfigValue {
        value: document.clone(),
        ..Default::default()
    };
    common::ConfigGroup {
        version: sequence,
        values: [(VALUE_NAME.to_owned(), value)].into(),
        ..Default::default()
    }
}

/// What admins approve: that `document` becomes configuration `sequence` of `channel`.
pub fn config_update(channel: &str, sequence: u64, document: &Bytes) -> Bytes {
    encode(&common::ConfigUpdate {
        channel_id: channel.to_owned(),
        read_set: None,
        write_set: Some(group(sequence, document)),
    })
}

/// The content of block 0's envelope.
pub fn first_config(document: &Bytes) -> Bytes {
    encode(&common::ConfigEnvelope {
        config: Some(common::Config {
            sequence: 0,
            channel_group: Some(group(0, document)),
        }),
        last_update: None,
    })
}

/// The unsigned payload of a configuration's envelope; `nonce` is 24 random bytes, `timestamp` seconds
/// since the Unix epoch and nanoseconds.
pub fn config_payload(
    channel: &str,
    sequence: u64,
    document: &Bytes,
    approvals: Vec<common::ConfigSignature>,
    creator: Bytes,
    nonce: [u8; 24],
    timestamp: (i64, i32),
) -> (Bytes, TxId) {
    let nonce = Bytes::copy_from_slice(&nonce);
    let tx_id = tx_id(&nonce, &creator);
    let header = |r#type, tx_id: String, signature_header| common::Header {
        channel_header: encode(&common::ChannelHeader {
            r#type,
            channel_id: channel.to_owned(),
            tx_id,
            timestamp: Some(prost_types::Timestamp {
                seconds: timestamp.0,
                nanos: timestamp.1,
            }),
            ..Default::default()
        }),
        signature_header,
    };
    let update = common::ConfigUpdateEnvelope {
        config_update: config_update(channel, sequence, document),
        signatures: approvals,
    };
    let update = common::Payload {
        header: Some(header(CONFIG_UPDATE, String::new(), Bytes::new())),
        data: encode(&update),
    };
    let config = common::ConfigEnvelope {
        config: Some(common::Config {
            sequence,
            channel_group: Some(group(sequence, document)),
        }),
        last_update: Some(common::Envelope {
            payload: encode(&update),
            signature: Bytes::new(),
        }),
    };
    let signature_header = encode(&common::SignatureHeader { creator, nonce });
    let payload = common::Payload {
        header: Some(header(CONFIG, tx_id.to_string(), signature_header)),
        data: encode(&config),
    };
    (encode(&payload), tx_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(change: impl FnOnce(&mut common::ConfigEnvelope)) -> Envelope {
        let document = Bytes::from_static(b"{}");
        let header = encode(&common::SignatureHeader {
            creator: Bytes::from_static(b"admin"),
            nonce: Bytes::from_static(b"n"),
        });
        let approvals = vec![common::ConfigSignature {
            signature_header: header,
            signature: Bytes::from_static(b"s"),
        }];
        let creator = Bytes::from_static(b"me");
        let (payload, _) = config_payload("c", 7, &document, approvals, creator, [1; 24], (5, 6));
        let mut payload: common::Payload = decode(&payload, "payload").unwrap();
        let mut config = decode(&payload.data, "configuration").unwrap();
        change(&mut config);
        payload.data = encode(&config);
        Envelope::from_proto(common::Envelope {
            payload: encode(&payload),
            signature: Bytes::new(),
        })
        .unwrap()
    }

    #[test]
    fn what_was_put_in_comes_out() {
        let config = ConfigTransaction::parse(envelope(|_| ())).unwrap();
        assert_eq!((config.sequence, config.document.as_ref()), (7, &b"{}"[..]));
        assert_eq!(config.approvals.len(), 1);
        assert_eq!(config.approvals[0].creator, "admin");
        assert_eq!(config.update, config_update("c", 7, &config.document));
        assert_eq!(
            first_document(&first_config(&config.document))
                .unwrap()
                .unwrap(),
            "{}"
        );
    }

    #[test]
    fn what_was_not_approved_is_no_configuration() {
        let code = |envelope| ConfigTransaction::parse(envelope).err().unwrap().code;
        let invalid = ValidationCode::InvalidConfigTransaction;
        assert_eq!(
            code(envelope(|c| c.config.as_mut().unwrap().sequence = 8)),
            invalid
        );
        assert_eq!(code(envelope(|c| c.last_update = None)), invalid);
        assert_eq!(code(envelope(|c| c.config = None)), invalid);
        let other = envelope(|c| {
            let group = c.config.as_mut().unwrap().channel_group.as_mut().unwrap();
            group.values.get_mut(VALUE_NAME).unwrap().value = Bytes::from_static(b"[]");
        });
        assert_eq!(code(other), invalid);
    }
}
