//! Blocks for tests, and a model of what a ledger answers about them.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use cordon_types::{
    ContractId, ContractReadWriteSet, KeyWrite, ReadWriteSet, TxId, ValidationCode, Version,
};
use cordon_wire::proposal::{NewProposal, Proposal};
use cordon_wire::proto::{common, protos};
use cordon_wire::rw_set::encode_rw_set;
use cordon_wire::transaction::{envelope_payload, response_payload};
use cordon_wire::{block, encode, sha256};
use tempfile::TempDir;

use crate::TxLocation;

/// A directory where fsync costs nothing, if the machine has one.
pub(crate) fn memory_dir() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a directory for the test")
}

/// Contract, key, value.
pub(crate) type Write = (&'static str, String, Option<Vec<u8>>);

/// A transaction to be.
#[derive(Debug, Clone)]
pub(crate) struct Tx {
    pub(crate) nonce: u64,
    pub(crate) code: ValidationCode,
    /// Each key once.
    pub(crate) writes: Vec<Write>,
}

impl Tx {
    fn nonce(&self) -> [u8; 24] {
        let mut nonce = [0; 24];
        nonce[..8].copy_from_slice(&self.nonce.to_be_bytes());
        nonce
    }

    pub(crate) fn id(&self) -> TxId {
        cordon_wire::proposal::tx_id(&self.nonce(), &[b'c'; 800])
    }

    fn rw_set(&self) -> ReadWriteSet {
        let mut contracts: BTreeMap<&str, BTreeMap<&str, Option<Bytes>>> = BTreeMap::new();
        for (contract, key, value) in &self.writes {
            let value = value.as_ref().map(|value| Bytes::copy_from_slice(value));
            contracts.entry(contract).or_default().insert(key, value);
        }
        let contracts = contracts
            .into_iter()
            .map(|(name, writes)| ContractReadWriteSet {
                contract: contract(name),
                reads: Vec::new(),
                range_reads: Vec::new(),
                writes: writes
                    .into_iter()
                    .map(|(key, value)| KeyWrite {
                        key: key.to_owned(),
                        value,
                    })
                    .collect(),
            });
        ReadWriteSet {
            contracts: contracts.collect(),
        }
    }

    fn envelope(&self) -> Bytes {
        let (proposal_bytes, _) = NewProposal {
            channel: "test",
            contract: "c",
            args: vec![Bytes::from_static(b"f")],
            transient: BTreeMap::new(),
            creator: Bytes::from_static(&[b'c'; 800]),
            nonce: self.nonce(),
            timestamp: (self.nonce.cast_signed(), 7),
        }
        .build();
        let signed = protos::SignedProposal {
            proposal_bytes,
            signature: Bytes::new(),
        };
        let proposal = Proposal::parse(&signed).expect("built to fit");
        let response = protos::Response {
            status: 200,
            ..Default::default()
        };
        let results = encode_rw_set(&self.rw_set());
        let payload = response_payload(
            proposal.hash(),
            results,
            Bytes::new(),
            response,
            &contract("c"),
            "1",
        );
        let endorsements = vec![
            protos::Endorsement {
                endorser: Bytes::from_static(&[b'e'; 800]),
                signature: Bytes::from_static(&[b's'; 70]),
            };
            2
        ];
        encode(&common::Envelope {
            payload: envelope_payload(&proposal, payload, endorsements),
            signature: Bytes::from_static(&[b's'; 70]),
        })
    }
}

pub(crate) fn contract(name: &str) -> ContractId {
    name.parse().expect("a contract id")
}

/// A committed block, encoded, and its hash.
pub(crate) fn build(number: u64, previous: &[u8], txs: &[Tx]) -> (Bytes, [u8; 32]) {
    let data = txs.iter().map(Tx::envelope).collect();
    let metadata = Bytes::copy_from_slice(&number.to_be_bytes());
    let mut block = block::assemble(number, Bytes::copy_from_slice(previous), data, 0, metadata);
    let codes: Vec<ValidationCode> = txs.iter().map(|tx| tx.code).collect();
    block::set_verdicts(&mut block, &codes, sha256([&number.to_be_bytes()[..]]));
    let hash = block::header_hash(block.header.as_ref().expect("assembled"));
    (encode(&block), hash)
}

/// What a change was: version, transaction, its nonce, value.
pub(crate) type ModelChange = (Version, TxId, u64, Option<Vec<u8>>);

/// What a ledger must answer.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) blocks: Vec<(Bytes, [u8; 32])>,
    pub(crate) state: BTreeMap<(&'static str, String), (Version, Vec<u8>)>,
    pub(crate) history: BTreeMap<(&'static str, String), Vec<ModelChange>>,
    pub(crate) txs: BTreeMap<TxId, TxLocation>,
}

impl Model {
    pub(crate) fn of(blocks: &[Vec<Tx>]) -> Self {
        let mut model = Self::default();
        for txs in blocks {
            model.apply(txs);
        }
        model
    }

    pub(crate) fn last_hash(&self) -> &[u8] {
        self.blocks.last().map_or(&[], |(_, hash)| hash)
    }

    /// Appends a block; its bytes.
    pub(crate) fn apply(&mut self, txs: &[Tx]) -> Bytes {
        let number = self.blocks.len() as u64;
        for (index, tx) in (0u32..).zip(txs) {
            let location = TxLocation {
                block: number,
                index,
                code: tx.code,
            };
            self.txs.entry(tx.id()).or_insert(location);
            if tx.code != ValidationCode::Valid {
                continue;
            }
            let version = Version {
                block: number,
                tx: index,
            };
            for (contract, key, value) in &tx.writes {
                let at = (*contract, key.clone());
                let change = (version, tx.id(), tx.nonce, value.clone());
                self.history.entry(at.clone()).or_default().push(change);
                match value {
                    Some(value) => self.state.insert(at, (version, value.clone())),
                    None => self.state.remove(&at),
                };
            }
        }
        let block = build(number, self.last_hash(), txs);
        self.blocks.push(block.clone());
        block.0
    }
}

/// Every file below `dir`, in order of name.
pub(crate) fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(dir) else {
        return found;
    };
    for path in entries.map(|entry| entry.expect("listed").path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
