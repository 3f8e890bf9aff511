//! Replays of a channel that a test makes block by block.

use cordon_types::{
    ContractReadWriteSet, KeyRead, KeyWrite, Snapshot, StateError, ValidationCode, Version,
};
use cordon_wire::block::CommittedBlock;
use proptest::prelude::*;

use super::testing::{Code, Town, contract, id};
use super::*;

/// Every transaction of a town, with the component that its channel names or another one.
fn replay_with(town: &Town, component: Option<Vec<u8>>) -> (Vec<Replayed>, Vec<Skipped>) {
    let past = Past::new(&town.blocks[0], Code::new(component)).unwrap();
    let mut replay = Replay::new(past, Vec::new());
    let (mut replayed, mut skipped) = (Vec::new(), Vec::new());
    for block in &town.blocks[1..] {
        let (some, others) = replay.next(block, |_| true).unwrap();
        replayed.extend(some);
        skipped.extend(others);
    }
    (replayed, skipped)
}

fn replay(town: &Town) -> Vec<Replayed> {
    replay_with(town, Some(contract("one"))).0
}

/// What was found out about each: height, executions, outcome.
fn found(replayed: &[Replayed]) -> Vec<(u64, u32, &Outcome)> {
    let all = replayed.iter();
    all.map(|replayed| (replayed.height, replayed.tries, &replayed.outcome))
        .collect()
}

#[test]
fn what_was_endorsed_is_equal_on_the_state_of_then() {
    let mut town = Town::new("one");
    let (_, first) = town.endorse(&["put", "a"], &[]);
    let (_, racing) = town.endorse(&["put", "a"], &[]);
    let (_, late) = town.endorse(&["put", "a"], &[]);
    let (_, other) = town.endorse(&["put", "b"], &[]);
    let codes = town.commit(vec![first, racing]);
    assert_eq!(
        codes,
        [ValidationCode::Valid, ValidationCode::MvccReadConflict]
    );
    assert_eq!(town.commit(vec![other]), [ValidationCode::Valid]);
    let (_, second) = town.endorse(&["put", "a"], &[]);
    assert_eq!(town.commit(vec![second]), [ValidationCode::Valid]);
    assert_eq!(town.commit(vec![late]), [ValidationCode::MvccReadConflict]);
    let equal = &Outcome::Equal;
    assert_eq!(
        found(&replay(&town)),
        [
            (1, 1, equal),
            (1, 1, equal),
            (2, 1, equal),
            (3, 1, equal),
            // Endorsed before block 1, ordered in block 4: only there nobody has written it.
            (1, 1, equal),
        ]
    );
}

#[test]
fn a_history_is_looked_for_on_older_states() {
    let mut town = Town::new("one");
    for _ in 0..3 {
        let (_, put) = town.endorse(&["put", "a"], &[]);
        town.commit(vec![put]);
    }
    // Three changes, on the state of four blocks; a history is not among the reads.
    let (_, count) = town.endorse(&["count", "a"], &[]);
    for _ in 0..2 {
        let (_, put) = town.endorse(&["put", "a"], &[]);
        town.commit(vec![put]);
    }
    assert_eq!(town.commit(vec![count]), [ValidationCode::Valid]);
    let replayed = replay(&town);
    // On the states of 6, 5 and 4 blocks there are 5, 4 and 3 changes.
    assert_eq!(found(&replayed)[5], (4, 3, &Outcome::Equal));
}

#[test]
fn another_contract_shows_key_old_new_and_host_call() {
    let mut town = Town::new("one");
    let (_, put) = town.endorse(&["put", "a"], &[]);
    let (_, count) = town.endorse(&["count", "a"], &[]);
    town.commit(vec![put, count]);
    let texts = |component| -> Vec<String> {
        let (replayed, _) = replay_with(&town, Some(component));
        let outcomes = replayed
            .into_iter()
            .flat_map(|replayed| match replayed.outcome {
                Outcome::Different(differences) => differences,
                _ => Vec::new(),
            });
        outcomes.map(|difference| difference.to_string()).collect()
    };
    assert_eq!(texts(contract("one")), [""; 0]);
    assert_eq!(
        texts(contract("two")),
        ["write of contract c, key \"a\": old \"one\", new \"two\", host call 2: state.put"]
    );
    assert_eq!(
        texts(contract(&"x".repeat(300))),
        [format!(
            "write of contract c, key \"a\": old \"one\", new \"{}\"… (300 bytes), host call 2: state.put",
            "x".repeat(200)
        )]
    );
}

#[test]
fn what_no_contract_did_is_different_or_never_stood() {
    let mut town = Town::new("one");
    let (_, put) = town.endorse(&["put", "k"], &[]);
    town.commit(vec![put]);
    let set = |reads: &[(&str, Option<u64>)], writes: &[(&str, Option<&str>)]| ReadWriteSet {
        contracts: vec![ContractReadWriteSet {
            contract: id(),
            reads: reads
                .iter()
                .map(|(key, block)| KeyRead {
                    key: (*key).to_owned(),
                    version: block.map(|block| Version { block, tx: 0 }),
                })
                .collect(),
            range_reads: Vec::new(),
            writes: writes
                .iter()
                .map(|(key, value)| KeyWrite {
                    key: (*key).to_owned(),
                    value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
                })
                .collect(),
        }],
    };
    let invented = town.invent(&set(&[("z", None)], &[("k", None), ("l", Some("x"))]));
    assert_eq!(town.commit(vec![invented]), [ValidationCode::Valid]);
    // `k` is there from block 1 to block 2, and `z` never.
    let impossible = town.invent(&set(&[("k", Some(1)), ("z", Some(1))], &[]));
    let codes = town.commit(vec![impossible]);
    assert_eq!(codes, [ValidationCode::MvccReadConflict]);
    let replayed = replay(&town);
    let Outcome::Different(differences) = &replayed[1].outcome else {
        panic!("{replayed:?}");
    };
    let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "read of contract c, key \"k\": old not there, new of block 1, transaction 0, host call 1: state.get",
            "read of contract c, key \"z\": old absent, new not there, no host call",
            "write of contract c, key \"k\": old deleted, new \"one\", host call 2: state.put",
            "write of contract c, key \"l\": old \"x\", new not there, no host call",
        ]
    );
    assert_eq!(found(&replayed)[2], (3, 0, &Outcome::NeverStood));
}

#[test]
fn what_cannot_be_replayed_is_not_called_different() {
    let mut town = Town::new("one");
    let (_, told) = town.endorse(&["secret", "t"], &[("t", "a secret")]);
    let (_, untold) = town.endorse(&["secret", "t"], &[]);
    town.commit(vec![told]);
    town.commit(vec![untold]);
    let transient = Outcome::Unreplayable(Unreplayable::Transient);
    let (replayed, _) = replay_with(&town, Some(contract("one")));
    assert_eq!(
        found(&replayed),
        [(1, 1, &transient), (2, 1, &Outcome::Equal)]
    );

    let (replayed, _) = replay_with(&town, None);
    let Outcome::Unreplayable(reason) = &replayed[0].outcome else {
        panic!("{replayed:?}");
    };
    let sha256 = hex::encode(cordon_wire::sha256([contract("one").as_slice()]));
    assert_eq!(
        reason.to_string(),
        format!("there is no component with SHA-256 {sha256}, which the channel ran as contract c")
    );
}

#[test]
fn what_is_not_wanted_or_not_executed_is_left_out() {
    let mut town = Town::new("one");
    let (first, put) = town.endorse(&["put", "a"], &[]);
    let (second, other) = town.endorse(&["put", "b"], &[]);
    let codes = town.commit(vec![put.clone(), put, other, Bytes::new()]);
    assert_eq!(codes[1], ValidationCode::DuplicateTxid);
    let (replayed, skipped) = replay_with(&town, Some(contract("one")));
    let ids: Vec<TxId> = replayed.iter().map(|replayed| replayed.tx_id).collect();
    assert_eq!(ids, [first, second]);
    let codes: Vec<_> = skipped.iter().map(|skipped| skipped.code).collect();
    let (duplicate, empty) = (ValidationCode::DuplicateTxid, ValidationCode::NilEnvelope);
    assert_eq!(codes, [Some(duplicate), Some(empty)]);

    // The copy that does not take the id is not the transaction.
    for (wanted, tx) in [(first, 0), (second, 2)] {
        let past = Past::new(&town.blocks[0], Code::new(Some(contract("one")))).unwrap();
        let mut replay = Replay::new(past, Vec::new());
        let found = replay.next(&town.blocks[1], |id| id == Some(wanted));
        let (replayed, skipped) = found.unwrap();
        assert_eq!((replayed.len(), skipped.len()), (1, 0));
        assert_eq!(replayed[0].at, Version { block: 1, tx });
    }
}

#[test]
fn a_block_that_was_changed_is_not_replayed() {
    let mut town = Town::new("one");
    let (_, put) = town.endorse(&["put", "a"], &[]);
    town.commit(vec![put]);
    let place = |bytes: &[u8]| bytes.windows(3).position(|window| window == b"one");
    let mut bytes = town.blocks[1].to_vec();
    let at = place(&bytes).unwrap();
    bytes[at..at + 3].copy_from_slice(b"two");
    let error = |bytes: Vec<u8>| {
        let past = Past::new(&town.blocks[0], Code::new(Some(contract("two")))).unwrap();
        let mut replay = Replay::new(past, Vec::new());
        let error = replay.next(&bytes.into(), |_| true).unwrap_err();
        error.to_string()
    };
    assert!(
        error(bytes.clone()).contains("data hash"),
        "{}",
        error(bytes)
    );

    // Put together again, so that all hashes fit.
    let block = CommittedBlock::parse(&town.blocks[1]).unwrap();
    let mut data = block.data.clone();
    let mut envelope = data[0].to_vec();
    let at = place(&envelope).unwrap();
    envelope[at..at + 3].copy_from_slice(b"two");
    data[0] = envelope.into();
    let previous = block.header.previous_hash.clone();
    let place_in_log = block.consenter_metadata.clone();
    let mut again = cordon_wire::block::assemble(1, previous, data, 0, place_in_log);
    cordon_wire::block::set_verdicts(&mut again, &block.codes, block.commit_hash);
    let text = error(cordon_wire::encode(&again).to_vec());
    assert_eq!(
        text,
        "block 1, transaction 0: the block says VALID, the rules say BAD_CREATOR_SIGNATURE"
    );
}

/// Answers to every question that the properties ask.
fn answers(snapshot: &dyn Snapshot, blocks: u64) -> Vec<String> {
    const KEYS: [&str; 5] = ["", "a", "b", "c", "d"];
    fn text<T: std::fmt::Debug>(answer: Result<T, StateError>) -> String {
        answer.map_or("error".to_owned(), |answer| format!("{answer:?}"))
    }
    let contracts: [ContractId; 2] = [id(), "other".parse().unwrap()];
    let mut all = vec![snapshot.height().to_string()];
    for contract in &contracts {
        for start in KEYS {
            all.push(text(snapshot.get(contract, start)));
            for limit in [0, 1, 3] {
                for end in KEYS {
                    all.push(text(snapshot.scan(contract, start, end, limit)));
                }
                for block in 0..=blocks {
                    for tx in 0..3 {
                        let before = Some(Version { block, tx });
                        all.push(text(snapshot.history(contract, start, before, limit)));
                    }
                }
                all.push(text(snapshot.history(contract, start, None, limit)));
            }
        }
    }
    all.extend((0..=blocks).map(|number| text(snapshot.block_hash(number))));
    all
}

/// What a transaction writes: keys, with a value or to delete them.
type Writes = Vec<(u8, Option<u8>)>;

fn blocks() -> impl Strategy<Value = Vec<Vec<Writes>>> {
    let write = (0..4u8, proptest::option::weighted(0.7, any::<u8>()));
    let writes = proptest::collection::vec(write, 0..4);
    proptest::collection::vec(proptest::collection::vec(writes, 1..4), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A host's ledger at each height, asked when it was at that height, and the past at that height,
    /// asked when all blocks were there, answer the same.
    #[test]
    fn the_past_answers_as_the_ledger_did(blocks in blocks()) {
        let mut town = Town::new("one");
        let last = blocks.len() as u64 + 1;
        let mut expected = vec![answers(&town.ledger.snapshot(), last)];
        for transactions in blocks {
            let envelopes = transactions.into_iter().map(|writes| {
                let writes: BTreeMap<u8, Option<u8>> = writes.into_iter().collect();
                let writes = writes.into_iter().map(|(key, value)| KeyWrite {
                    key: ["a", "b", "c", "d"][usize::from(key)].to_owned(),
                    value: value.map(|value| vec![value].into()),
                });
                let set = ContractReadWriteSet {
                    contract: id(),
                    reads: Vec::new(),
                    range_reads: Vec::new(),
                    writes: writes.collect(),
                };
                town.invent(&ReadWriteSet { contracts: vec![set] })
            });
            let envelopes = envelopes.collect();
            town.commit(envelopes);
            expected.push(answers(&town.ledger.snapshot(), last));
        }
        let past = town.past(Code::new(None));
        for (height, expected) in (1..).zip(expected) {
            prop_assert_eq!(answers(&past.snapshot(height), last), expected, "height {}", height);
        }
    }
}
