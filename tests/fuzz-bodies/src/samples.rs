//! Real messages and blocks: what seeds are made of, and what structural mutation bends.

use std::collections::BTreeMap;

use bytes::Bytes;
use cordon_types::{
    ContractReadWriteSet, Event, KeyRead, KeyWrite, RangeRead, ReadWriteSet, ValidationCode,
    Version,
};
use cordon_wire::block::{CommittedBlock, assemble, header_hash, set_verdicts};
use cordon_wire::config::{config_payload, config_update};
use cordon_wire::proposal::{NewProposal, Proposal};
use cordon_wire::proto::{common, orderer, protos};
use cordon_wire::rw_set::{encode_rw_set, range_results};
use cordon_wire::transaction::{encode_events, envelope_payload, response_payload};
use cordon_wire::{decode, encode, sha256};

use crate::people::{CHANNEL, CONTRACT, sign, user};

/// Within the validity of all certificates.
pub const TIME: i64 = 1_750_000_000;

/// A signed proposal with transient data. `nonce` tells proposals apart.
pub fn proposal(nonce: u8) -> protos::SignedProposal {
    let (proposal_bytes, _) = NewProposal {
        channel: CHANNEL,
        contract: CONTRACT,
        args: ["HealthCenter:CreateEmr", r#"{"patientId":"p1"}"#]
            .map(|arg| Bytes::from_static(arg.as_bytes()))
            .to_vec(),
        transient: BTreeMap::from([("salt".to_owned(), Bytes::from_static(b"t"))]),
        creator: user().serialized(),
        nonce: [nonce; 24],
        timestamp: (TIME, 5),
    }
    .build();
    protos::SignedProposal {
        signature: sign(&proposal_bytes),
        proposal_bytes,
    }
}

fn read(key: &str, version: Option<u64>) -> KeyRead {
    KeyRead {
        key: key.to_owned(),
        version: version.map(|block| Version { block, tx: 1 }),
    }
}

/// Results of a scan, too many to be told in full.
pub(crate) fn many() -> Vec<KeyRead> {
    (0..60)
        .map(|i| read(&format!("k{i:02}"), Some(3)))
        .collect()
}

/// What a transaction may do: read, scan (in full and summarised), write, delete.
pub fn rw_set() -> ReadWriteSet {
    let scan = |end: &str, exhausted, reads| RangeRead {
        start: "k".to_owned(),
        end: end.to_owned(),
        exhausted,
        results: range_results(reads),
    };
    let write = |key: &str, value: Option<&'static [u8]>| KeyWrite {
        key: key.to_owned(),
        value: value.map(Bytes::from_static),
    };
    ReadWriteSet {
        contracts: vec![ContractReadWriteSet {
            contract: CONTRACT.parse().unwrap(),
            reads: vec![read("a", None), read("b", Some(2))],
            range_reads: vec![
                scan("l", true, vec![read("k1", Some(0))]),
                scan("k59", false, many()),
            ],
            writes: vec![write("a", Some(b"value")), write("b", None)],
        }],
    }
}

/// An endorsed transaction with two events, signed.
pub fn transaction(nonce: u8) -> common::Envelope {
    let proposal = Proposal::parse(&proposal(nonce)).unwrap();
    let contract = CONTRACT.parse().unwrap();
    let id = proposal.header.channel_header.tx_id.parse().unwrap();
    let event = |name: &str| Event {
        name: name.to_owned(),
        payload: Bytes::from_static(b"payload"),
    };
    let outcome = response_payload(
        proposal.hash(),
        encode_rw_set(&rw_set()),
        encode_events(&contract, &id, &[event("Created"), event("Noted")]),
        protos::Response {
            status: 200,
            message: String::new(),
            payload: Bytes::from_static(b"{}"),
        },
        &contract,
        "1",
    );
    let endorser = user().serialized();
    let endorsement = protos::Endorsement {
        signature: sign(&[outcome.as_ref(), &endorser].concat()),
        endorser,
    };
    let payload = envelope_payload(&proposal, outcome, vec![endorsement]);
    common::Envelope {
        signature: sign(&payload),
        payload,
    }
}

/// A configuration that the one member approves.
pub fn configuration(nonce: u8) -> common::Envelope {
    let document = Bytes::from_static(b"{}");
    let update = config_update(CHANNEL, 1, &document);
    let signature_header = encode(&common::SignatureHeader {
        creator: user().serialized(),
        nonce: Bytes::from_static(b"n"),
    });
    let approval = common::ConfigSignature {
        signature: sign(&[signature_header.as_ref(), &update].concat()),
        signature_header,
    };
    let (payload, _) = config_payload(
        CHANNEL,
        1,
        &document,
        vec![approval],
        user().serialized(),
        [nonce; 24],
        (TIME, 0),
    );
    common::Envelope {
        signature: sign(&payload),
        payload,
    }
}

/// What a client asks for blocks with.
pub fn seek() -> common::Envelope {
    use orderer::seek_position::Type;
    let position = |kind| Some(orderer::SeekPosition { r#type: Some(kind) });
    let info = orderer::SeekInfo {
        start: position(Type::Oldest(orderer::SeekOldest {})),
        stop: position(Type::Specified(orderer::SeekSpecified { number: 3 })),
        ..Default::default()
    };
    let header = common::Header {
        channel_header: encode(&common::ChannelHeader {
            r#type: common::HeaderType::DeliverSeekInfo as i32,
            timestamp: Some(prost_types::Timestamp {
                seconds: TIME,
                nanos: 0,
            }),
            channel_id: CHANNEL.to_owned(),
            ..Default::default()
        }),
        signature_header: encode(&common::SignatureHeader {
            creator: user().serialized(),
            nonce: Bytes::new(),
        }),
    };
    let payload = encode(&common::Payload {
        header: Some(header),
        data: encode(&info),
    });
    common::Envelope {
        signature: sign(&payload),
        payload,
    }
}

/// A block as hosts keep it, with a transaction and a configuration.
pub fn block() -> common::Block {
    let data = vec![encode(&transaction(1)), encode(&configuration(2))];
    let previous = Bytes::from_static(&[7; 32]);
    let mut block = assemble(3, previous, data, 0, Bytes::from_static(b"position"));
    let codes = [
        ValidationCode::Valid,
        ValidationCode::InvalidConfigTransaction,
    ];
    set_verdicts(&mut block, &codes, [9; 32]);
    block
}

/// Blocks in the fixture.
pub const BLOCKS: u64 = 7;

/// Block `number` of the chain after `previous`; block 2 has a transaction in it, the others have
/// envelopes that are none.
pub fn chained_block(number: u64, previous: Option<&Bytes>) -> Bytes {
    let previous = previous.map_or_else(Bytes::new, |block| {
        let block: common::Block = decode(block, "block").unwrap();
        Bytes::copy_from_slice(&header_hash(&block.header.unwrap()))
    });
    let mut data = vec![Bytes::from(format!("envelope of block {number}")); 3];
    let mut codes = vec![ValidationCode::BadPayload; 3];
    if number == 2 {
        data.push(encode(&transaction(1)));
        codes.push(ValidationCode::Valid);
    }
    let position = Bytes::copy_from_slice(&number.to_be_bytes());
    let mut block = assemble(number, previous, data, 0, position);
    set_verdicts(&mut block, &codes, sha256([&number.to_be_bytes()[..]]));
    let bytes = encode(&block);
    CommittedBlock::parse(&bytes).expect("assembled to fit");
    bytes
}
