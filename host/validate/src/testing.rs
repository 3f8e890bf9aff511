//! Real envelopes, built with `wire` as a client and its endorsers build them, ways to spoil them,
//! and a verifier that needs no certificates.

use bytes::Bytes;
use cordon_policy::{EndorsementPolicy, Signer, SignerRole};
use cordon_types::{
    ChannelId, ContractId, ContractReadWriteSet, Event, KeyRead, KeyWrite, RangeRead, RangeResults,
    ReadWriteSet, Version,
};
use cordon_wire::config::{config_payload, config_update};
use cordon_wire::proposal::{Header, NewProposal, Proposal, proposal_hash};
use cordon_wire::proto::{common, msp, protos};
use cordon_wire::rw_set::encode_rw_set;
use cordon_wire::transaction::{encode_events, envelope_payload, response_payload};
use cordon_wire::{Message, encode, sha256};

use crate::{
    ChannelRules, Checked, ConfigVerifier, ContractRules, IdentityRefusal, IdentityVerifier, check,
    prepare,
};

/// The client's time in every envelope of [`Draft`].
pub(crate) const TIME: i64 = 1_700_000_000;

pub(crate) fn channel() -> ChannelId {
    "providers".parse().unwrap()
}

/// Contract `emr` version 1 asks for a host of both organisations, `notes` for one of `B`; `old` was
/// removed.
pub(crate) fn rules() -> ChannelRules {
    let deployed = |policy| ContractRules::Deployed {
        sequence: 1,
        version: "1".into(),
        endorsement_policy: EndorsementPolicy::parse(policy).unwrap(),
    };
    ChannelRules {
        governance: EndorsementPolicy::parse("AND('A.admin','B.admin')").unwrap(),
        lifecycle: EndorsementPolicy::parse("AND('A.peer','B.peer')").unwrap(),
        members: ["A", "B"].map(|msp_id| msp_id.parse().unwrap()).into(),
        contracts: [
            ("emr", deployed("AND('A.peer','B.peer')")),
            ("notes", deployed("AND('B.peer')")),
            ("old", ContractRules::Removed),
        ]
        .map(|(name, rules)| (name.parse().unwrap(), rules))
        .into(),
    }
}

/// A serialized identity. The "certificate" is its role and a name; one that says `expired` was
/// valid until [`TIME`], exclusive.
pub(crate) fn identity(msp_id: &str, certificate: &str) -> Bytes {
    encode(&msp::SerializedIdentity {
        mspid: msp_id.into(),
        id_bytes: Bytes::copy_from_slice(certificate.as_bytes()),
    })
}

pub(crate) fn sign(identity: &[u8], message: &[&[u8]]) -> Bytes {
    let parts = [b"signed by".as_slice(), identity]
        .into_iter()
        .chain(message.iter().copied());
    Bytes::copy_from_slice(&sha256(parts))
}

pub(crate) struct FakeVerifier;

impl IdentityVerifier for FakeVerifier {
    fn verify(
        &self,
        identity: &[u8],
        message: &[&[u8]],
        signature: &[u8],
        at_seconds: i64,
    ) -> Result<Signer, IdentityRefusal> {
        let parts =
            msp::SerializedIdentity::decode(identity).map_err(|_| IdentityRefusal::Undecodable)?;
        let certificate =
            std::str::from_utf8(&parts.id_bytes).map_err(|_| IdentityRefusal::Undecodable)?;
        let role = match certificate.split_whitespace().next() {
            Some("peer") => SignerRole::Peer,
            Some("client") => SignerRole::Client,
            Some("admin") => SignerRole::Admin,
            _ => return Err(IdentityRefusal::NotTrusted),
        };
        if certificate.contains("expired") && at_seconds >= TIME {
            return Err(IdentityRefusal::OutsideValidity);
        }
        if sign(identity, message) != signature {
            return Err(IdentityRefusal::WrongSignature);
        }
        let msp_id = parts
            .mspid
            .parse()
            .map_err(|_| IdentityRefusal::Undecodable)?;
        Ok(Signer {
            identity_key: sha256([identity]),
            msp_id,
            role,
        })
    }
}

/// Configuration 1 is next, and its document is `next`.
impl ConfigVerifier for FakeVerifier {
    fn verify_config(&self, sequence: u64, document: &[u8]) -> Result<(), String> {
        if (sequence, document) == (1, b"next") {
            return Ok(());
        }
        Err("it is not the next one".to_owned())
    }
}

/// A configuration that these have approved.
pub(crate) fn config(sequence: u64, nonce: u8, admins: &[&Bytes]) -> Bytes {
    let document = Bytes::from_static(b"next");
    let update = config_update("providers", sequence, &document);
    let approvals = admins.iter().map(|admin| {
        let signature_header = encode(&common::SignatureHeader {
            creator: (*admin).clone(),
            nonce: Bytes::from_static(b"n"),
        });
        common::ConfigSignature {
            signature: sign(admin, &[&signature_header, &update]),
            signature_header,
        }
    });
    let creator = identity("A", "client alice");
    let (payload, _) = config_payload(
        "providers",
        sequence,
        &document,
        approvals.collect(),
        creator.clone(),
        [nonce; 24],
        (TIME, 0),
    );
    encode(&common::Envelope {
        signature: sign(&creator, &[&payload]),
        payload,
    })
}

/// What goes into an envelope; the default is a valid transaction.
pub(crate) struct Draft {
    pub(crate) contract: &'static str,
    pub(crate) version: &'static str,
    pub(crate) status: i32,
    pub(crate) creator: Bytes,
    pub(crate) endorsers: Vec<Bytes>,
    pub(crate) nonce: u8,
    pub(crate) sets: Vec<ContractReadWriteSet>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            contract: "emr",
            version: "1",
            status: 200,
            creator: identity("A", "client alice"),
            endorsers: vec![identity("A", "peer a"), identity("B", "peer b")],
            nonce: 7,
            sets: vec![set("emr").write("k", Some("v"))],
        }
    }
}

impl Draft {
    pub(crate) fn build(self) -> Bytes {
        let creator = self.creator.clone();
        let (proposal_bytes, tx_id) = NewProposal {
            channel: "providers",
            contract: self.contract,
            args: vec![Bytes::from_static(b"CreateEmr")],
            transient: [("secret".to_owned(), Bytes::from_static(b"t"))].into(),
            creator: creator.clone(),
            nonce: [self.nonce; 24],
            timestamp: (TIME, 0),
        }
        .build();
        let signed = protos::SignedProposal {
            proposal_bytes,
            signature: Bytes::new(),
        };
        let proposal = Proposal::parse(&signed).unwrap();
        let contract: ContractId = self.contract.parse().unwrap();
        let event = Event {
            name: "Created".into(),
            payload: Bytes::new(),
        };
        let response = protos::Response {
            status: self.status,
            ..Default::default()
        };
        let response = response_payload(
            proposal.hash(),
            encode_rw_set(&ReadWriteSet {
                contracts: self.sets,
            }),
            encode_events(&contract, &tx_id, &[event]),
            response,
            &contract,
            self.version,
        );
        let endorsements = self
            .endorsers
            .into_iter()
            .map(|endorser| protos::Endorsement {
                signature: sign(&endorser, &[&response, &endorser]),
                endorser,
            })
            .collect();
        let payload = envelope_payload(&proposal, response, endorsements);
        encode(&common::Envelope {
            signature: sign(&creator, &[&payload]),
            payload,
        })
    }

    /// The envelope after both steps that look at it alone.
    pub(crate) fn checked(self) -> Checked {
        check(prepare(&self.build(), &channel()), &FakeVerifier, &rules())
    }
}

// === read-write sets ===

pub(crate) fn set(contract: &str) -> ContractReadWriteSet {
    ContractReadWriteSet {
        contract: contract.parse().unwrap(),
        reads: Vec::new(),
        range_reads: Vec::new(),
        writes: Vec::new(),
    }
}

pub(crate) fn at(block: u64, tx: u32) -> Version {
    Version { block, tx }
}

pub(crate) trait SetExt {
    fn read(self, key: &str, version: Option<Version>) -> Self;
    fn write(self, key: &str, value: Option<&str>) -> Self;
    fn scan(self, start: &str, end: &str, exhausted: bool, results: RangeResults) -> Self;
}

impl SetExt for ContractReadWriteSet {
    fn read(mut self, key: &str, version: Option<Version>) -> Self {
        self.reads.push(KeyRead {
            key: key.into(),
            version,
        });
        self
    }

    fn write(mut self, key: &str, value: Option<&str>) -> Self {
        let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
        self.writes.push(KeyWrite {
            key: key.into(),
            value,
        });
        self
    }

    fn scan(mut self, start: &str, end: &str, exhausted: bool, results: RangeResults) -> Self {
        self.range_reads.push(RangeRead {
            start: start.into(),
            end: end.into(),
            exhausted,
            results,
        });
        self
    }
}

// === spoiling ===

/// Decodes `bytes`, changes the message, encodes it again.
pub(crate) fn edit<M: Message + Default>(bytes: &mut Bytes, change: impl FnOnce(&mut M)) {
    let mut message = M::decode(bytes.clone()).unwrap();
    change(&mut message);
    *bytes = encode(&message);
}

pub(crate) fn edit_payload(envelope: &mut Bytes, change: impl FnOnce(&mut common::Payload)) {
    edit(envelope, |e: &mut common::Envelope| {
        edit(&mut e.payload, change);
    });
}

pub(crate) fn edit_header(envelope: &mut Bytes, change: impl FnOnce(&mut common::Header)) {
    edit_payload(envelope, |payload| change(payload.header.as_mut().unwrap()));
}

pub(crate) fn edit_channel(envelope: &mut Bytes, change: impl FnOnce(&mut common::ChannelHeader)) {
    edit_header(envelope, |header| edit(&mut header.channel_header, change));
}

pub(crate) fn edit_signature(
    envelope: &mut Bytes,
    change: impl FnOnce(&mut common::SignatureHeader),
) {
    edit_header(envelope, |header| {
        edit(&mut header.signature_header, change);
    });
}

pub(crate) fn edit_transaction(
    envelope: &mut Bytes,
    change: impl FnOnce(&mut protos::Transaction),
) {
    edit_payload(envelope, |payload| edit(&mut payload.data, change));
}

pub(crate) fn edit_action_payload(
    envelope: &mut Bytes,
    change: impl FnOnce(&mut protos::ChaincodeActionPayload),
) {
    edit_transaction(envelope, |transaction| {
        edit(&mut transaction.actions[0].payload, change);
    });
}

pub(crate) fn edit_endorsed(
    envelope: &mut Bytes,
    change: impl FnOnce(&mut protos::ChaincodeEndorsedAction),
) {
    edit_action_payload(envelope, |payload| change(payload.action.as_mut().unwrap()));
}

pub(crate) fn edit_response_payload(
    envelope: &mut Bytes,
    change: impl FnOnce(&mut protos::ProposalResponsePayload),
) {
    edit_endorsed(envelope, |endorsed| {
        edit(&mut endorsed.proposal_response_payload, change);
    });
}

pub(crate) fn edit_action(envelope: &mut Bytes, change: impl FnOnce(&mut protos::ChaincodeAction)) {
    edit_response_payload(envelope, |payload| edit(&mut payload.extension, change));
}

pub(crate) fn edit_proposal_payload(
    envelope: &mut Bytes,
    change: impl FnOnce(&mut protos::ChaincodeProposalPayload),
) {
    edit_action_payload(envelope, |payload| {
        edit(&mut payload.chaincode_proposal_payload, change);
    });
}

pub(crate) fn edit_spec(
    envelope: &mut Bytes,
    change: impl FnOnce(&mut protos::ChaincodeInvocationSpec),
) {
    edit_proposal_payload(envelope, |payload| edit(&mut payload.input, change));
}

/// Makes the proposal hash and every signature fit what the envelope holds now, as a dishonest
/// client and dishonest endorsers would.
pub(crate) fn sign_again(envelope: &mut Bytes) {
    let (mut header, mut creator) = (None, Bytes::new());
    edit_payload(envelope, |payload| {
        let parsed = Header::parse(payload.header.clone().unwrap()).unwrap();
        creator = parsed.creator.clone();
        header = Some(parsed);
    });
    edit_action_payload(envelope, |payload| {
        let hash = proposal_hash(&header.unwrap(), &payload.chaincode_proposal_payload);
        let Some(endorsed) = &mut payload.action else {
            return;
        };
        edit(
            &mut endorsed.proposal_response_payload,
            |p: &mut protos::ProposalResponsePayload| {
                p.proposal_hash = Bytes::copy_from_slice(&hash);
            },
        );
        let response = &endorsed.proposal_response_payload;
        for endorsement in &mut endorsed.endorsements {
            let endorser = &endorsement.endorser;
            endorsement.signature = sign(endorser, &[response, endorser]);
        }
    });
    edit(envelope, |e: &mut common::Envelope| {
        e.signature = sign(&creator, &[&e.payload]);
    });
}
