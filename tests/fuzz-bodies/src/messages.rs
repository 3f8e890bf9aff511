//! Proposals, envelopes and blocks at every door that takes them. The property over all of them: one
//! transaction has one id, whoever takes it apart, and takes it once.

use std::collections::BTreeSet;

use bytes::Bytes;
use cordon_endorse::check_proposal;
use cordon_ledger::{CommitBlock, CommitTransaction};
use cordon_types::{RangeResults, ReadWriteSet, TxId, ValidationCode};
use cordon_validate::{
    Checked, Committed, Prepared, StateKey, StateRange, check, claimed_tx_id, commit_hash, judge,
    needs, prepare, updates,
};
use cordon_wire::block::{CommittedBlock, SLOT_TRANSACTIONS_FILTER, data_hash, header_hash};
use cordon_wire::config::{ConfigTransaction, first_document};
use cordon_wire::proposal::{Proposal, proposal_hash, tx_id};
use cordon_wire::proto::{common, orderer, protos};
use cordon_wire::rw_set::{RANGE_DEGREE, decode_rw_set, encode_rw_set};
use cordon_wire::transaction::{
    Envelope, Transaction, encode_events, envelope_payload, response_payload,
};
use cordon_wire::{Message, encode};

use crate::people::{Gullible, MEMBERSHIP, RULES, channel, sign, user};
use crate::samples;

// === proposals ===

/// A signed proposal at the door of an endorsing host, as it came and signed again by a member. One that
/// is accepted becomes a transaction with the same id.
pub fn proposal(bytes: &[u8]) {
    let Some(mut signed) = one_reading::<protos::SignedProposal>(bytes) else {
        return;
    };
    let Ok(parsed) = Proposal::parse(&signed) else {
        return;
    };
    let again = Proposal::parse(&signed).unwrap();
    assert_eq!(parsed.hash(), again.hash(), "one proposal, two hashes");
    accept(&parsed);
    if parsed.header.creator == user().serialized() {
        signed.signature = sign(&signed.proposal_bytes);
        accept(&Proposal::parse(&signed).unwrap());
    }
}

/// The id that an endorsing host gives a proposal, if it accepts it.
pub fn id_at_endorser(signed: &protos::SignedProposal) -> Option<TxId> {
    accept(&Proposal::parse(signed).ok()?)
}

fn accept(proposal: &Proposal) -> Option<TxId> {
    let header = &proposal.header;
    // The host's clock says what the client's says.
    let now = header.channel_header.timestamp.map_or(0, |t| t.seconds);
    let checked = check_proposal(proposal, &MEMBERSHIP, now).ok()?;
    let id = checked.tx_id;
    assert_eq!(id, tx_id(&header.nonce, &header.creator));
    assert_eq!(id.to_string(), header.channel_header.tx_id, "the hint");
    let contract = proposal.contract.parse().ok();
    if let (Some(_), Some(contract)) = (&proposal.channel, contract) {
        let outcome = response_payload(
            proposal.hash(),
            encode_rw_set(&ReadWriteSet::default()),
            encode_events(&contract, &id, &[]),
            protos::Response {
                status: 200,
                ..Default::default()
            },
            &contract,
            "1",
        );
        let payload = envelope_payload(proposal, outcome, Vec::new());
        let envelope = encode(&common::Envelope {
            signature: sign(&payload),
            payload,
        });
        let parsed = Envelope::parse(&envelope).and_then(Transaction::parse);
        let transaction = parsed.expect("what is endorsed is a transaction");
        assert_eq!(transaction.tx_id, id, "endorsed and ordered under two ids");
        assert_eq!(transaction.args, proposal.args);
        assert_eq!(transaction.contract, contract);
    }
    Some(id)
}

// === envelopes ===

/// An envelope on its way through validation into the ledger's index, to those who follow blocks, and
/// as what a client seeks blocks with.
pub fn envelope(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let healed = heal(&bytes);
    in_one_block(&[bytes.clone(), healed.clone(), bytes.clone(), healed]);
    let Some(message) = one_reading::<common::Envelope>(&bytes) else {
        return;
    };
    // Submit puts an envelope into a message of its own; ordering gets it encoded again.
    let resent = encode(&message);
    let id = |bytes: &Bytes| Some(Envelope::parse(bytes).ok()?.header.channel_header.tx_id);
    assert_eq!(
        id(&resent),
        id(&bytes),
        "an id changes on the way to ordering"
    );
    if let Ok(parsed) = Envelope::from_proto(message) {
        let _ = orderer::SeekInfo::decode(parsed.data.clone());
        let _ = first_document(&parsed.data);
        let _ = ConfigTransaction::parse(parsed);
    }
}

/// Judges `envelopes` as one block and holds the outcome to what must be so for any. Answers verdicts
/// and the ids that are taken.
pub fn in_one_block(envelopes: &[Bytes]) -> Vec<(ValidationCode, Option<TxId>)> {
    let checked: Vec<Checked> = envelopes
        .iter()
        .map(|bytes| check(prepare(bytes, &channel()), &Gullible, &RULES))
        .collect();
    let committed = committed(&checked);
    let verdicts = judge(7, &checked, &committed).expect("all that is needed is there");
    let codes: Vec<ValidationCode> = verdicts.iter().map(|verdict| verdict.code).collect();
    let hash = commit_hash([0; 32], [1; 32], &codes, updates(7, &checked, &verdicts));
    assert_ne!(hash, [0; 32]);

    let mut taken = BTreeSet::new();
    let mut answer = Vec::new();
    for ((bytes, checked), code) in envelopes.iter().zip(&checked).zip(codes.iter().copied()) {
        let claimed = claimed_tx_id(checked.prepared(), code);
        if code != ValidationCode::DuplicateTxid {
            let authentic = checked.tx_id();
            assert_eq!(
                claimed, authentic,
                "taken in the block and after it: {code}"
            );
        }
        if let Some(id) = claimed {
            assert!(taken.insert(id), "one id is taken twice: {code}");
        }
        assert_eq!(indexed(bytes, code), shown(bytes, code, claimed), "{code}");
        if let Some(id) = checked.tx_id() {
            let header = Envelope::parse(bytes).unwrap().header;
            let followed = &header.channel_header.tx_id;
            assert_eq!(*followed, id.to_string(), "block readers see another id");
        }
        if let Prepared::Transaction(transaction) = checked.prepared() {
            hold(transaction);
        }
        answer.push((code, claimed));
    }
    answer
}

/// What the ledger puts into its index. It has no way to ask but `Debug`, which names id and code.
fn indexed(bytes: &Bytes, code: ValidationCode) -> String {
    let parsed = CommitTransaction::parse(bytes.clone(), code);
    let is_config = |envelope: Envelope| envelope.header.channel_header.r#type == 1;
    match parsed {
        Ok(transaction) => format!("{transaction:?}"),
        Err(error) => {
            let config = Envelope::parse(bytes).is_ok_and(is_config);
            panic!("valid, and the ledger cannot take it (configuration: {config}): {error}")
        }
    }
}

fn shown(bytes: &Bytes, code: ValidationCode, id: Option<TxId>) -> String {
    let transaction = CommitTransaction::new(bytes.clone(), code, id, Vec::new());
    format!("{transaction:?}")
}

/// What holds for every transaction of the right shape, whatever its verdict.
fn hold(transaction: &Transaction) {
    let id = transaction.tx_id.to_string();
    assert!(transaction.events.iter().all(|event| event.tx_id == id));
    hold_rw_set(&transaction.rw_set);
}

fn hold_rw_set(set: &ReadWriteSet) {
    let in_full = |read: &cordon_types::RangeRead| match &read.results {
        RangeResults::Raw(reads) => reads.len() <= RANGE_DEGREE,
        RangeResults::Merkle { .. } => true,
    };
    let written = encode_rw_set(set);
    let read = decode_rw_set(&written).expect("what we write we read");
    let mut contracts = set.contracts.iter();
    if contracts.all(|contract| contract.range_reads.iter().all(in_full)) {
        assert_eq!(read, *set, "a read-write set changes when it is written");
    }
}

/// A state in which everything is as the transactions have read it; the first of them, where they
/// differ.
fn committed(checked: &[Checked]) -> Committed {
    let mut committed = Committed::default();
    for set in checked
        .iter()
        .filter_map(Checked::transaction)
        .flat_map(|transaction| &transaction.rw_set.contracts)
    {
        for read in &set.reads {
            let key = StateKey {
                contract: set.contract.clone(),
                key: read.key.clone(),
            };
            committed.versions.entry(key).or_insert(read.version);
        }
        for read in &set.range_reads {
            let range = StateRange::of(&set.contract, read);
            let reads = match &read.results {
                RangeResults::Raw(reads) => reads.clone(),
                RangeResults::Merkle { .. } => samples::many(),
            };
            let found = reads
                .into_iter()
                .filter_map(|read| Some((read.key, read.version?)));
            committed
                .ranges
                .entry(range)
                .or_insert_with(|| found.collect());
        }
    }
    let needs = needs(checked);
    assert!(
        needs
            .keys
            .iter()
            .all(|key| committed.versions.contains_key(key))
    );
    assert!(
        needs
            .ranges
            .iter()
            .all(|range| committed.ranges.contains_key(range))
    );
    committed
}

/// A bent transaction with the id and the proposal hash that it ought to have, put in place of those
/// that it has: as a dishonest client would do it, who signs what it likes. Anything else as it is.
pub fn heal(envelope: &Bytes) -> Bytes {
    healed(envelope).unwrap_or_else(|| envelope.clone())
}

fn healed(bytes: &Bytes) -> Option<Bytes> {
    let header = Envelope::parse(bytes).ok()?.header;
    let id = tx_id(&header.nonce, &header.creator).to_string();
    let bytes = replace(bytes, header.channel_header.tx_id.as_bytes(), id.as_bytes());
    let parsed = Envelope::parse(&bytes).ok()?;
    let transaction = protos::Transaction::decode(parsed.data).ok()?;
    let action = transaction.actions.first()?;
    let payload = protos::ChaincodeActionPayload::decode(action.payload.clone()).ok()?;
    let hash = proposal_hash(&parsed.header, &payload.chaincode_proposal_payload);
    let endorsed = payload.action?.proposal_response_payload;
    let response = protos::ProposalResponsePayload::decode(endorsed).ok()?;
    Some(replace(&bytes, &response.proposal_hash, &hash))
}

/// Puts `new` wherever `old` is. Only for the same length, as lengths stand before both.
fn replace(bytes: &Bytes, old: &[u8], new: &[u8]) -> Bytes {
    if old.len() != new.len() || old.is_empty() {
        return bytes.clone();
    }
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while at + old.len() <= bytes.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + old.len()].copy_from_slice(new);
            at += old.len();
        } else {
            at += 1;
        }
    }
    bytes.into()
}

// === blocks ===

/// A block as a host reads it from its files, or another's. Also with a data hash and a number of
/// verdicts that fit.
pub fn block(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(set) = decode_rw_set(&bytes) {
        hold_rw_set(&set);
    }
    read_block(&bytes);
    let Some(mut message) = one_reading::<common::Block>(&bytes) else {
        return;
    };
    let data = message.data.clone().unwrap_or_default().data;
    let Some(header) = &mut message.header else {
        return;
    };
    header.data_hash = Bytes::copy_from_slice(&data_hash(&data));
    let hash = header_hash(header);
    let metadata = &mut message.metadata.get_or_insert_default().metadata;
    if let Some(codes) = metadata.get_mut(SLOT_TRANSACTIONS_FILTER) {
        let mut fitting = codes.to_vec();
        fitting.resize(data.len(), 0);
        *codes = fitting.into();
    }
    if let Some(read) = read_block(&encode(&message)) {
        assert_eq!(read.hash(), hash);
        assert_eq!(read.data, data);
    }
}

fn read_block(bytes: &Bytes) -> Option<CommittedBlock> {
    let block = CommittedBlock::parse(bytes).ok()?;
    assert_eq!(block.codes.len(), block.data.len());
    assert_eq!(block.header.data_hash, data_hash(&block.data).as_slice());
    let parsed = CommitBlock::parse(bytes.clone());
    // As those who follow blocks do: everything that can be taken apart is.
    for (envelope, &code) in block.data.iter().zip(&block.codes) {
        let transaction = Envelope::parse(envelope).and_then(Transaction::parse);
        if let Ok(transaction) = &transaction {
            hold(transaction);
        }
        let good = code != ValidationCode::Valid
            || CommitTransaction::parse(envelope.clone(), code).is_ok();
        assert!(
            good || parsed.is_err(),
            "a valid transaction that cannot be read"
        );
    }
    let _ = block.data.first().map(first_document);
    Some(block)
}

/// Decodes a message. What is encoded again reads the same, and has one encoding from then on.
fn one_reading<M: Message + Default + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    let encoded = message.encode_to_vec();
    let again = M::decode(&*encoded).expect("what we write we read");
    assert_eq!(
        again.encode_to_vec(),
        encoded,
        "a message has two encodings"
    );
    assert_eq!(again, message, "a message changes when it is written");
    Some(message)
}
