//! Does a ledger's memory stay flat while the same keys are updated over and over?

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use cordon_channel::STATE_CACHE_BYTES;
use cordon_ledger::{CommitBlock, Ledger, Options};
use cordon_types::{ContractReadWriteSet, KeyWrite, ReadWriteSet, ValidationCode};
use cordon_wire::proposal::{NewProposal, Proposal};
use cordon_wire::proto::{common, protos};
use cordon_wire::rw_set::encode_rw_set;
use cordon_wire::transaction::{envelope_payload, response_payload};
use cordon_wire::{block, encode};
use serde_json::{Value, json};

use super::servers::{cpu_seconds, resident_bytes};
use crate::scratch::Scratch;

const UPDATES_PER_BLOCK: u64 = 500;
const KEYS: u64 = 10_000;
const VALUE_BYTES: usize = 400;
/// Sizes of what a real envelope mostly holds: certificates and signatures.
const IDENTITY: &[u8] = &[b'i'; 800];
const SIGNATURE: &[u8] = &[b's'; 70];

/// Commits `blocks` full blocks to a ledger of its own, and says what is resident on the way.
pub(super) fn run(blocks: u64) -> Result<Value> {
    let scratch = Scratch::new("memory")?;
    let options = Options {
        cache_bytes: STATE_CACHE_BYTES,
        ..Options::default()
    };
    let (ledger, _) = Ledger::open(&scratch.path().join("ledger"), options)?;
    let mut previous = Bytes::new();
    let mut resident = Vec::new();
    let mut commit_cpu = 0.0;
    let step = (blocks / 6).max(1);
    for number in 0..blocks {
        let bytes = update_block(number, previous)?;
        let commit = CommitBlock::parse(bytes)?;
        let before = cpu_seconds("self")?;
        ledger.commit(&commit)?;
        commit_cpu += cpu_seconds("self")? - before;
        previous = ledger.info().current_hash;
        if (number + 1) % step == 0 {
            let megabytes = resident_bytes("self")? as f64 / 1e6;
            resident.push(json!({ "blocks": number + 1, "resident_mb": megabytes.round() }));
        }
    }
    let updates = (blocks * UPDATES_PER_BLOCK) as f64;
    Ok(json!({
        "resident": resident,
        "commit_cpu_us_per_update": (commit_cpu * 1e7 / updates).round() / 10.0,
    }))
}

fn update_block(number: u64, previous: Bytes) -> Result<Bytes> {
    let envelopes = (0..UPDATES_PER_BLOCK)
        .map(|index| envelope(number * UPDATES_PER_BLOCK + index))
        .collect::<Result<Vec<_>>>()?;
    let codes = vec![ValidationCode::Valid; envelopes.len()];
    let mut block = block::assemble(number, previous, envelopes, 0, Bytes::new());
    block::set_verdicts(&mut block, &codes, [0; 32]);
    Ok(encode(&block))
}

fn envelope(n: u64) -> Result<Bytes> {
    let mut nonce = [0; 24];
    nonce[..8].copy_from_slice(&n.to_be_bytes());
    let (proposal_bytes, _) = NewProposal {
        channel: "bench",
        contract: "emr",
        args: vec![
            Bytes::from_static(b"update"),
            Bytes::from(vec![b'x'; VALUE_BYTES]),
        ],
        transient: BTreeMap::new(),
        creator: Bytes::from_static(IDENTITY),
        nonce,
        timestamp: (n.cast_signed(), 0),
    }
    .build();
    let signed = protos::SignedProposal {
        proposal_bytes,
        signature: Bytes::new(),
    };
    let proposal = Proposal::parse(&signed)?;
    // Every key comes up, in an order that no cache guesses.
    let key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % KEYS;
    let value = n.to_be_bytes().repeat(VALUE_BYTES / 8);
    let contract = "emr".parse()?;
    let set = ReadWriteSet {
        contracts: vec![ContractReadWriteSet {
            contract,
            reads: Vec::new(),
            range_reads: Vec::new(),
            writes: vec![KeyWrite {
                key: format!("patient-{key:08}"),
                value: Some(value.into()),
            }],
        }],
    };
    let response = protos::Response {
        status: 200,
        ..Default::default()
    };
    let payload = response_payload(
        proposal.hash(),
        encode_rw_set(&set),
        Bytes::new(),
        response,
        &"emr".parse().context("a contract id")?,
        "1",
    );
    let endorsement = protos::Endorsement {
        endorser: Bytes::from_static(IDENTITY),
        signature: Bytes::from_static(SIGNATURE),
    };
    Ok(encode(&common::Envelope {
        payload: envelope_payload(&proposal, payload, vec![endorsement; 2]),
        signature: Bytes::from_static(SIGNATURE),
    }))
}
