//! Codes of the block: duplicates and conflicts, by example and against a model.

use std::collections::{BTreeMap, BTreeSet};

use cordon_types::ContractReadWriteSet;
use cordon_types::ValidationCode as Code;
use cordon_wire::transaction::{Envelope, Transaction};
use proptest::prelude::*;

use super::*;
use crate::testing::*;
use crate::{Prepared, check, needs, prepare, updates};

/// Committed state in the tests: contract and key → version.
type World = BTreeMap<(String, String), Version>;

fn world(entries: &[(&str, Version)]) -> World {
    let entry = |(key, version): &(&str, Version)| (("emr".into(), (*key).into()), *version);
    entries.iter().map(entry).collect()
}

/// Loads what is needed, and no more, as a ledger would.
fn load(checked: &[Checked], world: &World, taken: &BTreeSet<TxId>) -> Committed {
    let needs = needs(checked);
    let version_of = |key: &StateKey| {
        world
            .get(&(key.contract.to_string(), key.key.clone()))
            .copied()
    };
    let scan = |range: &StateRange| {
        let entries = world.iter().filter(|((contract, key), _)| {
            contract == range.contract.as_str() && range.contains(key)
        });
        entries
            .map(|((_, key), version)| (key.clone(), *version))
            .collect()
    };
    Committed {
        tx_ids: needs
            .tx_ids
            .into_iter()
            .filter(|id| taken.contains(id))
            .collect(),
        versions: needs
            .keys
            .into_iter()
            .map(|key| (key.clone(), version_of(&key)))
            .collect(),
        ranges: needs
            .ranges
            .into_iter()
            .map(|range| (range.clone(), scan(&range)))
            .collect(),
    }
}

/// Judges block 9 of transactions with these sets and different ids.
fn verdicts(world: &World, sets: Vec<ContractReadWriteSet>) -> Vec<Verdict> {
    let checked: Vec<Checked> = (0..)
        .zip(sets)
        .map(|(nonce, set)| {
            Draft {
                nonce,
                sets: vec![set],
                ..Draft::default()
            }
            .checked()
        })
        .collect();
    judge(9, &checked, &load(&checked, world, &BTreeSet::new())).unwrap()
}

fn codes(verdicts: &[Verdict]) -> Vec<Code> {
    verdicts.iter().map(|verdict| verdict.code).collect()
}

fn raw(found: &[(&str, Version)]) -> RangeResults {
    let read = |(key, version): &(&str, Version)| KeyRead {
        key: (*key).into(),
        version: Some(*version),
    };
    RangeResults::Raw(found.iter().map(read).collect())
}

#[test]
fn a_stale_read_names_the_key_and_the_winner_but_not_in_a_log() {
    let world = world(&[("patient7", at(3, 1))]);
    let verdicts = verdicts(
        &world,
        vec![
            set("emr").read("patient7", Some(at(2, 0))),
            set("emr")
                .read("patient7", Some(at(3, 1)))
                .write("patient7", Some("x")),
            set("emr")
                .read("patient7", Some(at(3, 1)))
                .write("patient7", Some("y")),
            set("emr").read("patient8", Some(at(1, 1))),
            set("emr").read("patient8", None),
            set("emr")
                .read("patient7", Some(at(9, 1)))
                .write("patient7", None),
            set("emr").read("patient7", None),
            set("emr").read("patient7", Some(at(9, 1))),
        ],
    );
    let conflict = Code::MvccReadConflict;
    let valid = Code::Valid;
    assert_eq!(
        codes(&verdicts),
        [
            conflict, valid, conflict, conflict, valid, valid, valid, conflict
        ]
    );
    let winner = |index: usize| {
        let conflict = verdicts[index].reason.as_ref().unwrap().conflict().unwrap();
        (conflict.key().unwrap(), conflict.read(), conflict.winner())
    };
    assert_eq!(winner(0), ("patient7", Some(at(2, 0)), Some(at(3, 1))));
    assert_eq!(winner(2), ("patient7", Some(at(3, 1)), Some(at(9, 1))));
    assert_eq!(winner(3), ("patient8", Some(at(1, 1)), None));
    assert_eq!(winner(7), ("patient7", Some(at(9, 1)), Some(at(9, 5))));
    assert!(!format!("{verdicts:?}").contains("patient"));
    assert_eq!(
        verdicts[2].to_string(),
        "MVCC_READ_CONFLICT: a key that was read has changed: contract emr, read at block 3 \
         transaction 1, changed by block 9 transaction 1"
    );
}

#[test]
fn absent_is_not_version_zero() {
    let read = |version| vec![set("emr").read("k", version)];
    assert_eq!(
        codes(&verdicts(&world(&[]), read(Some(at(0, 0))))),
        [Code::MvccReadConflict]
    );
    let genesis = world(&[("k", at(0, 0))]);
    assert_eq!(
        codes(&verdicts(&genesis, read(None))),
        [Code::MvccReadConflict]
    );
    assert_eq!(
        codes(&verdicts(&genesis, read(Some(at(0, 0))))),
        [Code::Valid]
    );
}

#[test]
fn a_range_is_scanned_again_within_its_bounds() {
    let state = world(&[("a", at(1, 0)), ("b", at(1, 1)), ("d", at(1, 2))]);
    let all = raw(&[("a", at(1, 0)), ("b", at(1, 1)), ("d", at(1, 2))]);
    let from_b = raw(&[("b", at(1, 1))]);
    let phantom = Code::PhantomReadConflict;
    for (name, scan, code) in [
        (
            "all",
            set("emr").scan("", "", true, all.clone()),
            Code::Valid,
        ),
        (
            "up to d, exclusive",
            set("emr").scan("b", "d", true, from_b.clone()),
            Code::Valid,
        ),
        (
            "up to d, inclusive",
            set("emr").scan("b", "d", false, from_b.clone()),
            phantom,
        ),
        (
            "stopped at b",
            set("emr").scan("b", "b", false, from_b),
            Code::Valid,
        ),
        (
            "something is gone",
            set("emr").scan("b", "c", true, raw(&[])),
            phantom,
        ),
        (
            "crossed bounds",
            set("emr").scan("d", "a", true, raw(&[])),
            Code::Valid,
        ),
        (
            "another namespace",
            set("sharing").scan("", "", true, raw(&[])),
            Code::Valid,
        ),
    ] {
        assert_eq!(codes(&verdicts(&state, vec![scan])), [code], "{name}");
    }
    // Writes of this block, in and out of the range; each alone before the same scan.
    for (key, value, code) in [
        ("c", Some("new"), phantom),
        ("b", Some("changed"), phantom),
        ("b", None, phantom),
        ("c", None, Code::Valid),
        ("d", Some("outside"), Code::Valid),
        ("a", None, Code::Valid),
    ] {
        let write = set("emr").write(key, value);
        let scan = set("emr").scan("b", "d", true, raw(&[("b", at(1, 1))]));
        let verdicts = verdicts(&state, vec![write, scan]);
        assert_eq!(codes(&verdicts), [Code::Valid, code], "{key}");
        if let Some(reason) = &verdicts[1].reason {
            let conflict = reason.conflict().unwrap();
            assert_eq!(
                (conflict.key(), conflict.winner()),
                (Some(key), Some(at(9, 0)))
            );
        }
    }
}

#[test]
fn a_summarised_scan_is_scanned_again() {
    let names: Vec<String> = (0..60).map(|i| format!("k{i:02}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), at(1, 0))).collect();
    let state = world(&entries);
    let RangeResults::Raw(reads) = raw(&entries) else {
        unreachable!()
    };
    let summary = range_results(reads.clone());
    assert!(matches!(summary, RangeResults::Merkle { .. }));
    let scan = |results| set("emr").scan("k", "l", true, results);
    assert_eq!(
        codes(&verdicts(&state, vec![scan(summary.clone())])),
        [Code::Valid]
    );

    let outside = set("emr").write("l", Some("x"));
    let later = verdicts(&state, vec![outside, scan(summary.clone())]);
    assert_eq!(codes(&later), [Code::Valid, Code::Valid]);

    let inside = set("emr").write("k30x", Some("x"));
    let later = verdicts(&state, vec![inside, scan(summary.clone())]);
    assert_eq!(codes(&later), [Code::Valid, Code::PhantomReadConflict]);
    let conflict = later[1].reason.as_ref().unwrap().conflict().unwrap();
    assert_eq!(
        (conflict.key(), conflict.winner()),
        (Some("k30x"), Some(at(9, 0)))
    );

    let before = world(&entries[1..]);
    let earlier = verdicts(&before, vec![scan(summary)]);
    assert_eq!(codes(&earlier), [Code::PhantomReadConflict]);
    assert_eq!(
        earlier[0]
            .reason
            .as_ref()
            .unwrap()
            .conflict()
            .unwrap()
            .key(),
        None
    );

    // Listing in full what has to be summarised is not the form that hosts endorse. (Encoding
    // would summarise it, so it is put in place after parsing.)
    let mut transaction = transaction();
    transaction.rw_set.contracts = vec![scan(RangeResults::Raw(reads))];
    let checked = [Checked::accepted(transaction)];
    let committed = load(&checked, &state, &BTreeSet::new());
    let verdicts = judge(9, &checked, &committed).unwrap();
    assert_eq!(codes(&verdicts), [Code::PhantomReadConflict]);
}

#[test]
fn an_id_is_taken_by_the_first_authentic_transaction_whatever_its_verdict() {
    let draft = |version| Draft {
        version,
        ..Draft::default()
    };
    let mut forged = Draft::default().build();
    edit(
        &mut forged,
        |e: &mut cordon_wire::proto::common::Envelope| e.signature.clear(),
    );
    let forged = || check(prepare(&forged, &channel()), &FakeVerifier, &rules());
    let judge_with = |checked: &[Checked], taken: &BTreeSet<TxId>| {
        judge(9, checked, &load(checked, &World::new(), taken)).unwrap()
    };

    let block = [
        forged(),
        draft("2").checked(),
        draft("1").checked(),
        draft("2").checked(),
    ];
    let verdicts = judge_with(&block, &BTreeSet::new());
    assert_eq!(
        codes(&verdicts),
        [
            Code::BadCreatorSignature,
            Code::ChaincodeVersionConflict,
            Code::DuplicateTxid,
            Code::DuplicateTxid
        ]
    );
    assert_eq!(
        verdicts[2].reason,
        Some(Reason::DuplicateTxId { earlier: Some(1) })
    );

    let id = block[1].tx_id().unwrap();
    let verdicts = judge_with(&[forged(), draft("1").checked()], &[id].into());
    assert_eq!(
        codes(&verdicts),
        [Code::BadCreatorSignature, Code::DuplicateTxid]
    );
    assert_eq!(
        verdicts[1].reason,
        Some(Reason::DuplicateTxId { earlier: None })
    );
}

#[test]
fn a_configuration_is_valid_at_the_beginning_only() {
    let config = || check(Prepared::FirstConfig, &FakeVerifier, &rules());
    let block = [config(), config()];
    let verdicts = |number| codes(&judge(number, &block, &Committed::default()).unwrap());
    let refused = Code::InvalidConfigTransaction;
    assert_eq!(verdicts(0), [Code::Valid, refused]);
    assert_eq!(verdicts(1), [refused, refused]);
    assert!(updates(0, &block, &[Verdict::VALID]).next().is_none());
}

#[test]
fn what_was_not_loaded_is_not_taken_for_absent() {
    let reading = [Draft {
        sets: vec![set("emr").read("k", None)],
        ..Draft::default()
    }
    .checked()];
    assert_eq!(
        judge(9, &reading, &Committed::default()).unwrap_err().what,
        "a key"
    );
    let scan = set("emr").scan("", "", true, raw(&[]));
    let scanning = [Draft {
        sets: vec![scan],
        ..Draft::default()
    }
    .checked()];
    assert_eq!(
        judge(9, &scanning, &Committed::default()).unwrap_err().what,
        "a range"
    );
}

#[test]
fn updates_are_the_writes_of_valid_transactions_in_order() {
    let checked: Vec<Checked> = [
        set("emr").write("a", Some("1")).write("b", Some("")),
        set("emr").read("a", None).write("c", Some("lost")),
        set("emr").write("a", None),
    ]
    .into_iter()
    .zip(0..)
    .map(|(set, nonce)| {
        Draft {
            nonce,
            sets: vec![set],
            ..Draft::default()
        }
        .checked()
    })
    .collect();
    let committed = load(&checked, &World::new(), &BTreeSet::new());
    let verdicts = judge(9, &checked, &committed).unwrap();
    let updates: Vec<_> = updates(9, &checked, &verdicts)
        .map(|update| (update.key, update.value.map(AsRef::as_ref), update.version))
        .collect();
    let expected: [(&str, Option<&[u8]>, Version); 3] = [
        ("a", Some(b"1"), at(9, 0)),
        ("b", Some(b""), at(9, 0)),
        ("a", None, at(9, 2)),
    ];
    assert_eq!(updates, expected);
}

// === against a model ===

/// A transaction as the model sees it.
#[derive(Debug, Clone)]
struct Model {
    id: u8,
    sets: Vec<ContractReadWriteSet>,
}

/// The definition: one transaction after the other on the whole world.
fn model_codes(mut world: World, mut taken: BTreeSet<TxId>, block: &[Model]) -> Vec<Code> {
    let mut codes = Vec::new();
    for (tx, transaction) in (0..).zip(block) {
        codes.push(model_code(&world, &mut taken, transaction));
        if codes.last() != Some(&Code::Valid) {
            continue;
        }
        for set in &transaction.sets {
            for write in &set.writes {
                let key = (set.contract.to_string(), write.key.clone());
                match write.value {
                    Some(_) => drop(world.insert(key, at(9, tx))),
                    None => drop(world.remove(&key)),
                }
            }
        }
    }
    codes
}

fn model_code(world: &World, taken: &mut BTreeSet<TxId>, transaction: &Model) -> Code {
    if !taken.insert(TxId::from_bytes([transaction.id; 32])) {
        return Code::DuplicateTxid;
    }
    for set in &transaction.sets {
        let here = |key: &String| world.get(&(set.contract.to_string(), key.clone())).copied();
        if set.reads.iter().any(|read| here(&read.key) != read.version) {
            return Code::MvccReadConflict;
        }
        for read in &set.range_reads {
            if scan_world(world, set.contract.as_str(), read) != read.results {
                return Code::PhantomReadConflict;
            }
        }
    }
    Code::Valid
}

fn scan_world(world: &World, contract: &str, read: &RangeRead) -> RangeResults {
    let before_end = |key: &str| match (read.exhausted, read.end.as_str()) {
        (true, "") => true,
        (true, end) => key < end,
        (false, end) => key <= end,
    };
    let found = world.iter().filter(|((namespace, key), _)| {
        namespace == contract && key.as_str() >= read.start.as_str() && before_end(key)
    });
    let to_read = |((_, key), version): (&(String, String), &Version)| KeyRead {
        key: key.clone(),
        version: Some(*version),
    };
    RangeResults::Raw(found.map(to_read).collect())
}

fn any_version() -> impl Strategy<Value = Version> {
    (0..2u64, 0..2u32).prop_map(|(block, tx)| at(block, tx))
}

/// Up to 5 keys in two namespaces.
fn any_world() -> impl Strategy<Value = World> {
    proptest::collection::btree_map(("[ab]", "[k-o]"), any_version(), 0..8)
}

/// Mostly what an honest endorser saw on `world`, sometimes not.
fn any_set(contract: &'static str, world: World) -> impl Strategy<Value = ContractReadWriteSet> {
    let seen = prop_oneof![9 => Just(None), 1 => any_version().prop_map(Some)];
    let bounds = ("[k-p]?", "[k-p]?", any::<bool>(), prop::bool::weighted(0.9));
    (
        proptest::collection::btree_map("[k-o]", seen, 0..3),
        proptest::collection::vec(bounds, 0..2),
        proptest::collection::btree_map("[k-o]", any::<bool>(), 0..3),
    )
        .prop_map(move |(reads, scans, writes)| {
            let mut out = set(contract);
            for (key, lie) in reads {
                let honest = world.get(&(contract.to_owned(), key.clone())).copied();
                out = out.read(&key, lie.or(honest));
            }
            for (start, end, exhausted, honest) in scans {
                let mut read = RangeRead {
                    start,
                    end,
                    exhausted,
                    results: raw(&[]),
                };
                if honest {
                    read.results = scan_world(&world, contract, &read);
                }
                out.range_reads.push(read);
            }
            for (key, delete) in writes {
                out = out.write(&key, (!delete).then_some("v"));
            }
            out
        })
}

fn any_block() -> impl Strategy<Value = (World, Vec<Model>)> {
    any_world().prop_flat_map(|world| {
        let sets = (any_set("a", world.clone()), any_set("b", world.clone()));
        let one = (0..12u8, sets).prop_map(|(id, (a, b))| Model {
            id,
            sets: vec![a, b],
        });
        (Just(world), proptest::collection::vec(one, 0..6))
    })
}

fn transaction() -> Transaction {
    Transaction::parse(Envelope::parse(&Draft::default().build()).unwrap()).unwrap()
}

fn checked(block: &[Model]) -> Vec<Checked> {
    block
        .iter()
        .map(|model| {
            let mut transaction = transaction();
            transaction.tx_id = TxId::from_bytes([model.id; 32]);
            transaction.rw_set.contracts.clone_from(&model.sets);
            Checked::accepted(transaction)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn verdicts_are_the_models_however_state_was_loaded((world, block) in any_block()) {
        let taken: BTreeSet<TxId> = [TxId::from_bytes([0; 32])].into();
        let checked = checked(&block);
        let expected = model_codes(world.clone(), taken.clone(), &block);
        let needed = load(&checked, &world, &taken);
        let verdicts = judge(9, &checked, &needed).unwrap();
        prop_assert_eq!(codes(&verdicts), expected);

        // More than needed: the whole world, and ids nobody asked for.
        let mut more = needed;
        more.tx_ids.extend([TxId::from_bytes([0; 32]), TxId::from_bytes([99; 32])]);
        for ((contract, key), version) in &world {
            let key = StateKey { contract: contract.parse().unwrap(), key: key.clone() };
            more.versions.insert(key, Some(*version));
        }
        prop_assert_eq!(judge(9, &checked, &more).unwrap(), verdicts.clone());

        // What takes effect is what the updates say.
        let writes: usize = checked
            .iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| verdict.is_valid())
            .flat_map(|(checked, _)| &checked.transaction().unwrap().rw_set.contracts)
            .map(|set| set.writes.len())
            .sum();
        prop_assert_eq!(updates(9, &checked, &verdicts).count(), writes);
    }

    #[test]
    fn of_two_that_read_and_write_a_key_at_one_version_at_most_one_is_valid(
        (mut world, mut block) in any_block(),
        version in any_version(),
        places in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        values in (proptest::option::of("v"), proptest::option::of("v")),
    ) {
        // A version, not absence: a key that is written and deleted again in between is absent as
        // before, and both may be valid.
        world.insert(("a".into(), "k".into()), version);
        let rival = |id, value: &Option<String>| Model {
            id,
            sets: vec![set("a").read("k", Some(version)).write("k", value.as_deref())],
        };
        let first = places.0.index(block.len() + 1);
        block.insert(first, rival(20, &values.0));
        let second = first + 1 + places.1.index(block.len() - first);
        block.insert(second, rival(21, &values.1));
        let checked = checked(&block);
        let committed = load(&checked, &world, &BTreeSet::new());
        let verdicts = judge(9, &checked, &committed).unwrap();
        prop_assert!(!(verdicts[first].is_valid() && verdicts[second].is_valid()));
    }
}

#[test]
fn of_two_configurations_in_a_block_the_first_takes_effect() {
    let (a, b) = (identity("A", "admin a"), identity("B", "admin b"));
    let checked = |nonce| {
        let envelope = config(1, nonce, &[&a, &b]);
        check(prepare(&envelope, &channel()), &FakeVerifier, &rules())
    };
    let block = [checked(1), checked(2), checked(1)];
    let verdicts = judge(3, &block, &Committed::default()).unwrap();
    assert_eq!(
        codes(&verdicts),
        [
            Code::Valid,
            Code::InvalidConfigTransaction,
            Code::DuplicateTxid
        ]
    );
    assert_eq!(verdicts[1].reason, Some(Reason::ConfigOvertaken));
    assert!(updates(3, &block, &verdicts).next().is_none());
}
