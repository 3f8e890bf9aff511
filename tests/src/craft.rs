//! Messages that no honest client sends: taken apart, changed in one place, put together again.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cordon_identity::{CertificateAuthority, IssueRequest, Signer, SigningKey, Validity};
use cordon_types::TxId;
use cordon_wire::proposal::NewProposal;
use cordon_wire::proto::common::{self, Envelope};
use cordon_wire::proto::orderer::seek_position::Type as SeekType;
use cordon_wire::proto::orderer::{
    SeekInfo, SeekNewest, SeekNextCommit, SeekOldest, SeekPosition, SeekSpecified,
};
use cordon_wire::proto::{kvrwset, protos, rwset};
use cordon_wire::{Message, encode};

use crate::network::CHANNEL;

/// Seconds since the Unix epoch.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs().cast_signed()
}

/// 24 random bytes.
pub fn nonce() -> [u8; 24] {
    // A fresh key's certificate-free public point is as random as anything.
    let key = SigningKey::generate().unwrap().public_key().unwrap();
    key.as_bytes()[1..25].try_into().unwrap()
}

/// Changes the message that `bytes` are; the inner `edit`s of a nested message change its parts.
pub fn edit<M: Message + Default>(bytes: &mut Bytes, change: impl FnOnce(&mut M)) {
    let mut message = M::decode(bytes.clone()).unwrap();
    change(&mut message);
    *bytes = encode(&message);
}

/// A signed proposal to the `emr` contract, now.
pub fn proposal(signer: &Signer, args: &[&str]) -> protos::SignedProposal {
    proposal_at(signer, args, now())
}

/// The same, signed at another time.
pub fn proposal_at(signer: &Signer, args: &[&str], seconds: i64) -> protos::SignedProposal {
    let args = args
        .iter()
        .map(|arg| Bytes::copy_from_slice(arg.as_bytes()))
        .collect();
    let (proposal_bytes, _) = NewProposal {
        channel: CHANNEL,
        contract: "emr",
        args,
        transient: BTreeMap::new(),
        creator: signer.serialized(),
        nonce: nonce(),
        timestamp: (seconds, 0),
    }
    .build();
    sign(signer, proposal_bytes)
}

fn sign(signer: &Signer, proposal_bytes: Bytes) -> protos::SignedProposal {
    let signature = signer.sign(&proposal_bytes).unwrap();
    protos::SignedProposal {
        proposal_bytes,
        signature,
    }
}

/// Signs a changed proposal again.
pub fn sign_again(signer: &Signer, signed: protos::SignedProposal) -> protos::SignedProposal {
    sign(signer, signed.proposal_bytes)
}

/// Changes the proposal itself; the signature stays.
pub fn in_proposal(
    signed: &mut protos::SignedProposal,
    change: impl FnOnce(&mut protos::Proposal),
) {
    edit(&mut signed.proposal_bytes, change);
}

/// Changes the channel header of a proposal; the signature stays.
pub fn in_channel_header(
    signed: &mut protos::SignedProposal,
    change: impl FnOnce(&mut common::ChannelHeader),
) {
    in_proposal(signed, |proposal| {
        edit(&mut proposal.header, |header: &mut common::Header| {
            edit(&mut header.channel_header, change);
        });
    });
}

/// Changes the signature header of a proposal; the signature stays.
pub fn in_signature_header(
    signed: &mut protos::SignedProposal,
    change: impl FnOnce(&mut common::SignatureHeader),
) {
    in_proposal(signed, |proposal| {
        edit(&mut proposal.header, |header: &mut common::Header| {
            edit(&mut header.signature_header, change);
        });
    });
}

/// Changes the invocation in a proposal; the signature stays.
pub fn in_invocation(
    signed: &mut protos::SignedProposal,
    change: impl FnOnce(&mut protos::ChaincodeInvocationSpec),
) {
    in_proposal(signed, |proposal| {
        edit(
            &mut proposal.payload,
            |payload: &mut protos::ChaincodeProposalPayload| edit(&mut payload.input, change),
        );
    });
}

/// The id in a proposal's header.
pub fn tx_id_of(signed: &protos::SignedProposal) -> TxId {
    let mut tx_id = String::new();
    in_channel_header(&mut signed.clone(), |header| {
        tx_id.clone_from(&header.tx_id);
    });
    tx_id.parse().unwrap()
}

/// The id in an envelope's header.
pub fn tx_id_of_envelope(envelope: &Envelope) -> TxId {
    let mut tx_id = String::new();
    in_envelope_channel_header(&mut envelope.clone(), |header| {
        tx_id.clone_from(&header.tx_id);
    });
    tx_id.parse().unwrap()
}

/// The creator signs an envelope.
pub fn sign_envelope(signer: &Signer, mut envelope: Envelope) -> Envelope {
    envelope.signature = signer.sign(&envelope.payload).unwrap();
    envelope
}

/// Changes an envelope's payload; the signature stays.
pub fn in_payload(envelope: &mut Envelope, change: impl FnOnce(&mut common::Payload)) {
    edit(&mut envelope.payload, change);
}

/// Changes an envelope's channel header; the signature stays.
pub fn in_envelope_channel_header(
    envelope: &mut Envelope,
    change: impl FnOnce(&mut common::ChannelHeader),
) {
    in_payload(envelope, |payload| {
        if let Some(header) = &mut payload.header {
            edit(&mut header.channel_header, change);
        }
    });
}

/// Changes the transaction in an envelope; the signature stays.
pub fn in_transaction(envelope: &mut Envelope, change: impl FnOnce(&mut protos::Transaction)) {
    in_payload(envelope, |payload| edit(&mut payload.data, change));
}

/// Changes the one action of a transaction; the signature stays.
pub fn in_action(
    envelope: &mut Envelope,
    change: impl FnOnce(&mut protos::ChaincodeActionPayload),
) {
    in_transaction(envelope, |transaction| {
        edit(&mut transaction.actions[0].payload, change);
    });
}

/// Changes what endorsers signed and their signatures.
pub fn in_endorsed(
    envelope: &mut Envelope,
    change: impl FnOnce(&mut protos::ChaincodeEndorsedAction),
) {
    in_action(envelope, |action| change(action.action.as_mut().unwrap()));
}

/// Changes the outcome that endorsers signed; their signatures stay.
pub fn in_outcome(envelope: &mut Envelope, change: impl FnOnce(&mut protos::ChaincodeAction)) {
    in_endorsed(envelope, |endorsed| {
        edit(
            &mut endorsed.proposal_response_payload,
            |payload: &mut protos::ProposalResponsePayload| edit(&mut payload.extension, change),
        );
    });
}

/// Changes the first contract's read-write set; the endorsers' signatures stay.
pub fn in_rw_set(envelope: &mut Envelope, change: impl FnOnce(&mut kvrwset::KvrwSet)) {
    in_outcome(envelope, |action| {
        edit(&mut action.results, |set: &mut rwset::TxReadWriteSet| {
            edit(&mut set.ns_rwset[0].rwset, change);
        });
    });
}

/// The same signature in its other form: s becomes n - s, a low one high and the other way about.
pub fn high_s(signature: &[u8]) -> Bytes {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];
    let r_length = usize::from(signature[3]);
    let r = &signature[2..4 + r_length];
    let s = &signature[6 + r_length..];
    let mut wide = [0; 32];
    let s = &s[s.len().saturating_sub(32)..];
    wide[32 - s.len()..].copy_from_slice(s);
    let mut borrow = 0;
    for (digit, order) in wide.iter_mut().zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    // The shortest form, with a zero where the first bit would be taken for a sign.
    let zeros = wide.iter().take_while(|digit| **digit == 0).count();
    let wide = &wide[zeros..];
    let sign = wide[0] >= 0x80;
    let mut s = vec![0x02, u8::try_from(wide.len()).unwrap() + u8::from(sign)];
    s.extend(sign.then_some(0));
    s.extend(wide);
    let mut der = vec![0x30, u8::try_from(r.len() + s.len()).unwrap()];
    der.extend(r);
    der.extend(s);
    der.into()
}

/// A new identity of `msp_id`, issued by any authority, with what a physician or health centre has.
pub fn issue(
    authority: &CertificateAuthority,
    msp_id: &str,
    unit: Option<&str>,
    role: &str,
    validity: Validity,
) -> Signer {
    let key = SigningKey::generate().unwrap();
    let request = IssueRequest {
        common_name: "mallory".to_owned(),
        organization: None,
        organizational_unit: unit.map(str::to_owned),
        attributes: [("userRole".to_owned(), role.to_owned())].into(),
        validity,
    };
    let certificate = authority
        .issue(&request, &key.public_key().unwrap())
        .unwrap();
    let pem = certificate.to_pem().unwrap();
    Signer::new(msp_id.parse().unwrap(), &pem, key).unwrap()
}

/// From five minutes ago until in an hour.
pub fn valid_now() -> Validity {
    Validity {
        not_before: now() - 300,
        not_after: now() + 3600,
    }
}

/// What a seek envelope says; [`Seek::envelope`] signs it.
#[derive(Clone)]
pub struct Seek {
    /// The channel header's type.
    pub header_type: i32,
    /// The channel.
    pub channel: String,
    /// The client's time; `None` leaves it out.
    pub seconds: Option<i64>,
    /// From where to where, and how.
    pub info: SeekInfo,
}

impl Seek {
    /// Blocks of the channel, as they come.
    pub fn new(start: Option<SeekType>, stop: Option<SeekType>) -> Self {
        let position = |kind| SeekPosition { r#type: Some(kind) };
        Self {
            header_type: common::HeaderType::DeliverSeekInfo as i32,
            channel: CHANNEL.to_owned(),
            seconds: Some(now()),
            info: SeekInfo {
                start: start.map(position),
                stop: stop.map(position),
                ..SeekInfo::default()
            },
        }
    }

    /// The envelope, signed. Its nonce is empty, as the official client for Node leaves it.
    pub fn envelope(&self, signer: &Signer) -> Envelope {
        let timestamp = self
            .seconds
            .map(|seconds| prost_types::Timestamp { seconds, nanos: 0 });
        let header = common::Header {
            channel_header: encode(&common::ChannelHeader {
                r#type: self.header_type,
                timestamp,
                channel_id: self.channel.clone(),
                ..common::ChannelHeader::default()
            }),
            signature_header: encode(&common::SignatureHeader {
                creator: signer.serialized(),
                nonce: Bytes::new(),
            }),
        };
        let payload = encode(&common::Payload {
            header: Some(header),
            data: encode(&self.info),
        });
        let signature = signer.sign(&payload).unwrap();
        Envelope { payload, signature }
    }
}

/// The oldest block.
pub fn oldest() -> Option<SeekType> {
    Some(SeekType::Oldest(SeekOldest {}))
}

/// The newest block.
pub fn newest() -> Option<SeekType> {
    Some(SeekType::Newest(SeekNewest {}))
}

/// The block that is committed next.
pub fn next_commit() -> Option<SeekType> {
    Some(SeekType::NextCommit(SeekNextCommit {}))
}

/// The block of this number.
pub fn specified(number: u64) -> Option<SeekType> {
    Some(SeekType::Specified(SeekSpecified { number }))
}
