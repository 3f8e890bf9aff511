use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use cordon_types::{Snapshot, ValidationCode};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::entries::{META, Sum, TX_INDEX};
use crate::store::wait_until_unlocked;
use crate::testing::{Model, ModelChange, Tx, contract, files, memory_dir};
use crate::{BlockDamage, set_aside_from, verify};

const CONTRACTS: [&str; 3] = ["c", "c1", "d"];

fn keys() -> Vec<String> {
    ["a", "a\0", "a\0b", "ab", "b", "é"]
        .into_iter()
        .map(str::to_owned)
        .chain(["k".repeat(1024)])
        .collect()
}

const SMALL: Options = Options {
    cache_bytes: 1 << 20,
    segment_bytes: 8 << 10,
};

fn open(dir: &Path) -> Result<(Ledger, OpenReport), LedgerError> {
    Ledger::open(dir, SMALL)
}

fn commit(ledger: &Ledger, model: &mut Model, blocks: &[Vec<Tx>]) {
    let blocks: Vec<CommitBlock> = blocks
        .iter()
        .map(|txs| CommitBlock::parse(model.apply(txs)).unwrap())
        .collect();
    ledger.commit_all(&blocks).unwrap();
}

/// Drops a ledger, as a killed process would; its files stay as they are from here on.
fn close_files(ledger: Ledger, dir: &Path) {
    drop(ledger);
    assert!(wait_until_unlocked(&dir.join("state")));
}

/// Everything the ledger answers is what the model says.
fn compare(ledger: &Ledger, model: &Model) {
    let info = ledger.info();
    assert_eq!(info.height, model.blocks.len() as u64);
    assert_eq!(info.current_hash, model.last_hash());
    for (number, (bytes, hash)) in (0u64..).zip(&model.blocks) {
        assert_eq!(ledger.block(number).unwrap().as_ref(), Some(bytes));
        assert_eq!(ledger.block_number_by_hash(hash).unwrap(), Some(number));
    }
    assert_eq!(ledger.block(info.height).unwrap(), None);
    for (tx_id, location) in &model.txs {
        assert_eq!(ledger.transaction(tx_id).unwrap().as_ref(), Some(location));
        assert!(ledger.contains_transaction(tx_id).unwrap());
    }
    let unknown = tx(u64::MAX, &[]).id();
    assert_eq!(ledger.transaction(&unknown).unwrap(), None);
    assert!(!ledger.contains_transaction(&unknown).unwrap());
    let snapshot = ledger.snapshot();
    for name in CONTRACTS {
        let id = contract(name);
        let expected: Vec<(String, Version, Vec<u8>)> = model
            .state
            .iter()
            .filter(|((contract, _), _)| *contract == name)
            .map(|((_, key), (version, value))| (key.clone(), *version, value.clone()))
            .collect();
        for limit in [1, 2, 100] {
            assert_eq!(scan_paged(&snapshot, name, limit), expected);
        }
        let mut keys = keys();
        keys.sort_unstable();
        for key in &keys {
            let entry = model.state.get(&(name, key.clone()));
            let got = snapshot.get(&id, key).unwrap();
            assert_eq!(
                got.map(|got| (got.version, got.value.to_vec())),
                entry.map(|(version, value)| (*version, value.clone()))
            );
            let version = ledger.versions(&[(id.clone(), key.clone())]).unwrap();
            assert_eq!(version, [entry.map(|(version, _)| *version)]);
            let changes = model
                .history
                .get(&(name, key.clone()))
                .cloned()
                .unwrap_or_default();
            for limit in [1, 3, 100] {
                compare_history(&snapshot, name, key, limit, &changes);
            }
            compare_history_before(&snapshot, name, key, &changes);
        }
        for (start, end) in keys.iter().zip(keys.iter().skip(2)) {
            for inclusive in [false, true] {
                let got = ledger.range_versions(&id, start, end, inclusive).unwrap();
                let expected: Vec<_> = expected
                    .iter()
                    .filter(|(key, ..)| key >= start && (key < end || (inclusive && key == end)))
                    .map(|(key, version, _)| (key.clone(), *version))
                    .collect();
                assert_eq!(got, expected);
                assert!(
                    ledger
                        .range_versions(&id, end, start, inclusive)
                        .unwrap()
                        .is_empty()
                );
            }
        }
    }
}

fn scan_paged(
    snapshot: &LedgerSnapshot,
    name: &str,
    limit: usize,
) -> Vec<(String, Version, Vec<u8>)> {
    let (mut found, mut start) = (Vec::new(), String::new());
    loop {
        let page = snapshot.scan(&contract(name), &start, "", limit).unwrap();
        assert!(page.len() <= limit);
        let Some((last, _)) = page.last() else {
            return found;
        };
        start = format!("{last}\0");
        found.extend(
            page.into_iter()
                .map(|(key, got)| (key, got.version, got.value.to_vec())),
        );
    }
}

fn compare_history(
    snapshot: &LedgerSnapshot,
    name: &str,
    key: &str,
    limit: usize,
    changes: &[ModelChange],
) {
    let mut found: Vec<ModelChange> = Vec::new();
    loop {
        let before = found.last().map(|(version, ..)| *version);
        let page = snapshot
            .history(&contract(name), key, before, limit)
            .unwrap();
        assert!(page.len() <= limit);
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(|entry| {
            assert_eq!(entry.timestamp_nanos, 7);
            let value = entry.value.map(|value| value.to_vec());
            (
                entry.version,
                entry.tx_id,
                entry.timestamp_seconds.cast_unsigned(),
                value,
            )
        }));
    }
    found.reverse();
    assert_eq!(found, changes);
}

/// `before` may be any version, of a change of the key or not.
fn compare_history_before(
    snapshot: &LedgerSnapshot,
    name: &str,
    key: &str,
    changes: &[ModelChange],
) {
    for block in (0..=snapshot.height()).chain([u64::MAX]) {
        for tx in (0..6).chain([u32::MAX]) {
            let before = Version { block, tx };
            let page = snapshot.history(&contract(name), key, Some(before), 1);
            let found = page.unwrap().first().map(|entry| entry.version);
            let older = changes.iter().rfind(|(version, ..)| *version < before);
            assert_eq!(found, older.map(|(version, ..)| *version));
        }
    }
}

fn any_tx() -> impl Strategy<Value = Tx> {
    let value = prop_oneof![
        Just(None),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(Some),
        prop::collection::vec(any::<u8>(), 20..30).prop_map(Some),
    ];
    let write = ((0..CONTRACTS.len()), (0..keys().len()), value);
    // Few nonces: ids come again.
    (0..60u64, 0..4u8, prop::collection::vec(write, 0..5)).prop_map(|(nonce, code, writes)| {
        let code = if code == 0 {
            ValidationCode::MvccReadConflict
        } else {
            ValidationCode::Valid
        };
        let unique: std::collections::BTreeMap<_, _> = writes
            .into_iter()
            .map(|(contract, key, value)| ((CONTRACTS[contract], keys()[key].clone()), value))
            .collect();
        let writes = unique
            .into_iter()
            .map(|((c, key), value)| (c, key, value))
            .collect();
        Tx {
            nonce,
            code,
            writes,
        }
    })
}

fn any_blocks(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<Tx>>> {
    prop::collection::vec(prop::collection::vec(any_tx(), 0..5), count)
}

/// What happens to the files of a ledger that is not open.
#[derive(Debug, Clone)]
enum Harm {
    Nothing,
    DeleteState,
    /// Of one of sled's files: a bit turns, the end is cut off, or zeroed.
    FlipState(Index, Index, u8),
    CutState(Index, Index),
    ZeroState(Index, Index),
    /// The same to the transaction index.
    DeleteIndex,
    FlipIndex(Index, u8),
    CutIndex(Index),
    ZeroIndex(Index),
    FlipBlocks(Index, Index, u8),
    CutBlocks(Index),
}

fn any_harm() -> impl Strategy<Value = Harm> {
    let (file, at) = (any::<Index>, any::<Index>);
    prop_oneof![
        2 => Just(Harm::Nothing),
        1 => Just(Harm::DeleteState),
        2 => (file(), at(), 1..=255u8).prop_map(|(f, a, b)| Harm::FlipState(f, a, b)),
        2 => (file(), at()).prop_map(|(f, a)| Harm::CutState(f, a)),
        2 => (file(), at()).prop_map(|(f, a)| Harm::ZeroState(f, a)),
        1 => Just(Harm::DeleteIndex),
        1 => (at(), 1..=255u8).prop_map(|(a, b)| Harm::FlipIndex(a, b)),
        1 => at().prop_map(Harm::CutIndex),
        1 => at().prop_map(Harm::ZeroIndex),
        3 => (file(), at(), 1..=255u8).prop_map(|(f, a, b)| Harm::FlipBlocks(f, a, b)),
        2 => at().prop_map(Harm::CutBlocks),
    ]
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    if !bytes.is_empty() {
        change(&mut bytes);
        fs::write(file, bytes).unwrap();
    }
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut files = files(&dir.join("blocks"));
    files.retain(|file| file.extension().is_some_and(|extension| extension == "seg"));
    files
}

fn index_file(dir: &Path) -> PathBuf {
    dir.join("transactions")
}

fn pick(file: Index, files: &[PathBuf]) -> &Path {
    &files[file.index(files.len())]
}

/// Does the harm; whether it is to the blocks.
fn harm(dir: &Path, harm: &Harm) -> bool {
    let state = files(&dir.join("state"));
    match harm {
        Harm::Nothing => {}
        Harm::DeleteState => fs::remove_dir_all(dir.join("state")).unwrap(),
        Harm::FlipState(file, at, bits) => change(pick(*file, &state), |bytes| {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }),
        Harm::CutState(file, at) => {
            change(pick(*file, &state), |bytes| {
                bytes.truncate(at.index(bytes.len()));
            });
        }
        Harm::ZeroState(file, at) => change(pick(*file, &state), |bytes| {
            let at = at.index(bytes.len());
            bytes[at..].fill(0);
        }),
        Harm::DeleteIndex => fs::remove_file(index_file(dir)).unwrap(),
        Harm::FlipIndex(at, bits) => change(&index_file(dir), |bytes| {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }),
        Harm::CutIndex(at) => {
            change(&index_file(dir), |bytes| {
                bytes.truncate(at.index(bytes.len()));
            });
        }
        Harm::ZeroIndex(at) => change(&index_file(dir), |bytes| {
            let at = at.index(bytes.len());
            bytes[at..].fill(0);
        }),
        Harm::FlipBlocks(file, at, bits) => {
            change(pick(*file, &segments(dir)), |bytes| {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            });
            return true;
        }
        Harm::CutBlocks(at) => {
            let last = segments(dir).pop().unwrap();
            change(&last, |bytes| bytes.truncate(at.index(bytes.len())));
            return true;
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Goal: whatever is committed and whatever happens to the files between two runs, the ledger
    /// answers as the model does, or refuses to open, naming the first block that is lost; and goes
    /// on from there. Method: the model is made anew from the blocks that are left.
    #[test]
    fn a_ledger_answers_as_its_model_whatever_happens(
        rounds in prop::collection::vec((any_blocks(0..4), any::<bool>(), any_harm()), 1..5),
    ) {
        let dir = memory_dir();
        let mut history: Vec<Vec<Tx>> = Vec::new();
        let (mut ledger, mut model) = (open(dir.path()).unwrap().0, Model::default());
        for (blocks, clean, what) in rounds {
            commit(&ledger, &mut model, &blocks);
            history.extend(blocks);
            compare(&ledger, &model);
            // After an orderly close bit rot in sled's files is not looked for.
            let clean = clean && !matches!(
                what, Harm::FlipState(..) | Harm::CutState(..) | Harm::ZeroState(..));
            if clean {
                ledger.close().unwrap();
            }
            close_files(ledger, dir.path());
            let blocks_harmed = harm(dir.path(), &what);
            let height = history.len() as u64;
            let (reopened, report) = match open(dir.path()) {
                Err(LedgerError::DamagedBlock { number, .. }) => {
                    prop_assert!(blocks_harmed && number <= height);
                    let Err(LedgerError::DamagedBlock { number: found, .. }) =
                        verify(dir.path(), |_, _| {})
                    else {
                        panic!("the damage is found without opening, too");
                    };
                    prop_assert_eq!(found, number);
                    set_aside_from(dir.path(), number).unwrap();
                    history.truncate(number as usize);
                    open(dir.path()).unwrap()
                }
                other => other.unwrap(),
            };
            ledger = reopened;
            let left = ledger.height();
            if !blocks_harmed {
                prop_assert_eq!(left, height);
            }
            if clean && !blocks_harmed && matches!(what, Harm::Nothing) {
                prop_assert_eq!((report.rebuilt, report.replayed_blocks), (None, 0));
            }
            match what {
                Harm::DeleteIndex | Harm::FlipIndex(..) | Harm::CutIndex(_) => {
                    let rebuilt = (report.rebuilt, report.rebuilt_index);
                    prop_assert_eq!(rebuilt, (None, height > 0));
                }
                Harm::ZeroIndex(_) => prop_assert_eq!(report.rebuilt, None),
                _ => prop_assert!(!report.rebuilt_index),
            }
            history.truncate(left as usize);
            model = Model::of(&history);
            compare(&ledger, &model);
            prop_assert_eq!(ledger.verify(|_, _| {}).unwrap().blocks, left);
        }
    }
}

fn tx(nonce: u64, writes: &[(&'static str, &str, Option<&[u8]>)]) -> Tx {
    let writes = writes
        .iter()
        .map(|(c, key, v)| (*c, (*key).to_owned(), v.map(<[u8]>::to_vec)))
        .collect();
    Tx {
        nonce,
        code: ValidationCode::Valid,
        writes,
    }
}

fn three_blocks() -> Vec<Vec<Tx>> {
    (0..3)
        .map(|n| vec![tx(n, &[("c", "k", Some(&[n as u8; 100]))])])
        .collect()
}

#[test]
fn a_snapshot_keeps_its_height_while_a_commit_waits() {
    let dir = memory_dir();
    let ledger = open(dir.path()).unwrap().0;
    let mut model = Model::default();
    let blocks = three_blocks();
    commit(&ledger, &mut model, &blocks[..1]);
    let snapshot = ledger.snapshot();
    let next = CommitBlock::parse(model.apply(&blocks[1])).unwrap();
    let next_id = blocks[1][0].id();
    let (done, committed) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            ledger.commit(&next).unwrap();
            done.send(()).unwrap();
        });
        // The block becomes durable while the snapshot lives, but is not applied.
        let stored = || {
            fs::metadata(segments(dir.path()).pop().unwrap())
                .unwrap()
                .len()
        };
        while stored() < 2 * next.bytes.len() as u64 {
            std::thread::yield_now();
        }
        let (hold, held) = mpsc::channel();
        let elsewhere = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            held.recv().unwrap();
            assert_eq!(snapshot.height(), 1);
            let found = snapshot.get(&contract("c"), "k").unwrap().unwrap();
            assert_eq!((found.version.block, found.value[0]), (0, 0));
        });
        assert!(committed.try_recv().is_err());
        // Reads that are no snapshot do not wait for the waiting commit.
        assert_eq!(ledger.height(), 1);
        // The index has its transactions already, but they are not answered.
        while ledger.shared.tx_index.get(&next_id).unwrap().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(ledger.transaction(&next_id).unwrap(), None);
        assert!(!ledger.contains_transaction(&next_id).unwrap());
        hold.send(()).unwrap();
        elsewhere.join().unwrap();
        committed.recv().unwrap();
        assert_eq!(
            ledger
                .transaction(&next_id)
                .unwrap()
                .map(|found| found.block),
            Some(1)
        );
    });
    assert_eq!(
        ledger
            .snapshot()
            .get(&contract("c"), "k")
            .unwrap()
            .unwrap()
            .version
            .block,
        1
    );
}

#[test]
fn only_the_next_block_of_the_chain_is_taken() {
    let dir = memory_dir();
    let ledger = open(dir.path()).unwrap().0;
    let mut model = Model::default();
    let blocks = three_blocks();
    commit(&ledger, &mut model, &blocks[..2]);
    let size = || {
        segments(dir.path())
            .iter()
            .map(|f| fs::metadata(f).unwrap().len())
            .sum::<u64>()
    };
    let before = size();
    let offer = |number, previous: &[u8]| {
        let (bytes, _) = crate::testing::build(number, previous, &blocks[2]);
        ledger.commit(&CommitBlock::parse(bytes).unwrap())
    };
    let hash = model.last_hash().to_vec();
    assert!(matches!(
        offer(3, &hash),
        Err(LedgerError::NotNext {
            number: 3,
            expected: 2
        })
    ));
    assert!(matches!(
        offer(1, &hash),
        Err(LedgerError::NotNext {
            number: 1,
            expected: 2
        })
    ));
    assert!(matches!(
        offer(2, &[1; 32]),
        Err(LedgerError::BrokenChain { number: 2 })
    ));
    let good = CommitBlock::parse(Model::of(&blocks).blocks[2].0.clone()).unwrap();
    let mut other = good.clone();
    other.transactions[0].code = ValidationCode::MvccReadConflict;
    assert!(matches!(
        ledger.commit(&other),
        Err(LedgerError::Contradiction { .. })
    ));
    other = good.clone();
    other.transactions.clear();
    assert!(matches!(
        ledger.commit(&other),
        Err(LedgerError::Contradiction { .. })
    ));
    let twice = [good.clone(), good.clone()];
    assert!(matches!(
        ledger.commit_all(&twice),
        Err(LedgerError::NotNext { .. })
    ));
    assert_eq!(size(), before);
    compare(&ledger, &model);

    ledger.commit(&good).unwrap();
    ledger.close().unwrap();
    assert!(matches!(ledger.commit(&good), Err(LedgerError::Closed)));
}

#[test]
fn the_transactions_may_come_from_another_copy_of_the_block() {
    let dir = memory_dir();
    let ledger = open(dir.path()).unwrap().0;
    let mut model = Model::default();
    let parsed = CommitBlock::parse(model.apply(&three_blocks()[0])).unwrap();
    let copy = Bytes::copy_from_slice(&parsed.bytes);
    ledger
        .commit(&CommitBlock::new(copy, parsed.transactions))
        .unwrap();
    compare(&ledger, &model);
}

#[test]
fn only_what_its_creator_signed_takes_its_id() {
    let bytes = Model::of(&three_blocks()).blocks[0].0.clone();
    let envelope = CommitBlock::parse(bytes)
        .unwrap()
        .transactions
        .remove(0)
        .envelope;
    let parse = |code| CommitTransaction::parse(envelope.clone(), code).unwrap();
    let conflicting = parse(ValidationCode::MvccReadConflict);
    assert!(conflicting.tx_id.is_some() && conflicting.writes.is_empty());
    assert_eq!(parse(ValidationCode::BadCreatorSignature).tx_id, None);
    let mut claim = envelope.to_vec();
    let nonce = claim.windows(24).position(|w| w == [0; 24]).unwrap();
    claim[nonce] = 1;
    let claim = CommitTransaction::parse(claim.into(), ValidationCode::BadProposalTxid).unwrap();
    assert_eq!(claim.tx_id, None);
}

#[test]
fn a_state_that_lags_is_replayed_and_one_that_is_ahead_is_rebuilt() {
    let dir = memory_dir();
    let (state, old) = (dir.path().join("state"), dir.path().join("old"));
    let mut model = Model::default();
    let blocks = three_blocks();
    let ledger = open(dir.path()).unwrap().0;
    commit(&ledger, &mut model, &blocks[..1]);
    close_files(ledger, dir.path());
    fs::create_dir(&old).unwrap();
    for file in files(&state) {
        fs::copy(&file, old.join(file.file_name().unwrap())).unwrap();
    }
    let (ledger, _) = open(dir.path()).unwrap();
    commit(&ledger, &mut model, &blocks[1..]);
    close_files(ledger, dir.path());
    fs::remove_dir_all(&state).unwrap();
    fs::rename(&old, &state).unwrap();
    let (ledger, report) = open(dir.path()).unwrap();
    assert_eq!((report.rebuilt, report.replayed_blocks), (None, 2));
    compare(&ledger, &model);
    drop(ledger);

    let last = segments(dir.path()).pop().unwrap();
    change(&last, |bytes| {
        bytes.pop();
    });
    let (ledger, report) = open(dir.path()).unwrap();
    assert_eq!(
        (report.rebuilt, report.replayed_blocks),
        (Some(RebuildReason::Ahead), 2)
    );
    assert!(report.cut.is_some());
    compare(&ledger, &Model::of(&blocks[..2]));
}

#[test]
fn a_wrong_entry_is_found_after_an_unclean_stop() {
    let dir = memory_dir();
    let mut model = Model::default();
    let ledger = open(dir.path()).unwrap().0;
    commit(&ledger, &mut model, &three_blocks());
    close_files(ledger, dir.path());
    let db = sled::open(dir.path().join("state")).unwrap();
    db.remove(state_key(&contract("c"), b"k")).unwrap();
    db.flush().unwrap();
    drop(db);
    assert!(wait_until_unlocked(&dir.path().join("state")));
    let (ledger, report) = open(dir.path()).unwrap();
    assert_eq!(report.rebuilt, Some(RebuildReason::ChecksumMismatch));
    compare(&ledger, &model);
}

#[test]
fn a_state_of_another_format_is_rebuilt() {
    let dir = memory_dir();
    let mut model = Model::default();
    let ledger = open(dir.path()).unwrap().0;
    commit(&ledger, &mut model, &three_blocks());
    close_files(ledger, dir.path());
    let db = sled::open(dir.path().join("state")).unwrap();
    let mut meta = db.get(META).unwrap().unwrap().to_vec();
    meta[0] = 1;
    db.insert(META, meta).unwrap();
    db.flush().unwrap();
    drop(db);
    assert!(wait_until_unlocked(&dir.path().join("state")));
    let (ledger, report) = open(dir.path()).unwrap();
    assert_eq!(report.rebuilt, Some(RebuildReason::UnknownFormat));
    compare(&ledger, &model);
}

/// Blocks with so many transactions together that the index has several pages; some of the last
/// take ids that are taken.
fn blocks_that_split_pages() -> Vec<Vec<Tx>> {
    let ids = [(0..90).collect(), vec![90], (80..280).collect::<Vec<u64>>()];
    let block = |ids: Vec<u64>| ids.into_iter().map(|nonce| tx(nonce, &[])).collect();
    ids.into_iter().map(block).collect()
}

#[test]
fn an_index_that_is_ahead_of_the_state_is_taken_back() {
    let dir = memory_dir();
    let (state, old) = (dir.path().join("state"), dir.path().join("old"));
    let mut model = Model::default();
    let blocks = blocks_that_split_pages();
    let ledger = open(dir.path()).unwrap().0;
    commit(&ledger, &mut model, &blocks[..1]);
    close_files(ledger, dir.path());
    fs::create_dir(&old).unwrap();
    for file in files(&state) {
        fs::copy(&file, old.join(file.file_name().unwrap())).unwrap();
    }
    let (ledger, _) = open(dir.path()).unwrap();
    commit(&ledger, &mut model, &blocks[1..]);
    close_files(ledger, dir.path());
    // As after kill -9: sled had not handed its last batches to the system.
    fs::remove_dir_all(&state).unwrap();
    fs::rename(&old, &state).unwrap();
    let (ledger, report) = open(dir.path()).unwrap();
    let rebuilt = (report.rebuilt, report.rebuilt_index);
    assert_eq!((rebuilt, report.replayed_blocks), ((None, false), 2));
    compare(&ledger, &model);
    // The sum is that of what is there.
    close_files(ledger, dir.path());
    let (ledger, report) = open(dir.path()).unwrap();
    assert!(!report.rebuilt_index && report.rebuilt.is_none());
    compare(&ledger, &model);
}

/// Goal: whatever the file is, after an orderly stop or not, the index alone is made anew.
#[test]
fn an_index_that_does_not_fit_is_made_anew_alone() {
    const PAGE: usize = 4096;
    let dir = memory_dir();
    let file = index_file(dir.path());
    let mut model = Model::default();
    let blocks = blocks_that_split_pages();
    let ledger = open(dir.path()).unwrap().0;
    commit(&ledger, &mut model, &blocks[..1]);
    let before = fs::read(&file).unwrap();
    commit(&ledger, &mut model, &blocks[1..2]);
    let split = fs::read(&file).unwrap();
    commit(&ledger, &mut model, &blocks[2..]);
    ledger.close().unwrap();
    close_files(ledger, dir.path());
    let whole = fs::read(&file).unwrap();
    assert!(before.len() == 2 * PAGE && split.len() == 3 * PAGE && whole.len() > 4 * PAGE);

    let mut harmed: Vec<Option<Vec<u8>>> = vec![None, Some(b"garbage".to_vec())];
    let cuts = (0..whole.len()).filter(|len| len % 1999 == 0 || len % PAGE == 0);
    harmed.extend(cuts.map(|len| Some(whole[..len].to_vec())));
    for at in (0..whole.len()).step_by(3001) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        harmed.push(Some(flipped));
    }
    // A split with the new page written, but not the old; and whole files of other heights.
    let mut torn = split.clone();
    torn[..2 * PAGE].copy_from_slice(&before);
    harmed.extend([Some(torn), Some(before), Some(split)]);
    for (n, bytes) in harmed.into_iter().enumerate() {
        match bytes {
            None => fs::remove_file(&file).unwrap(),
            Some(bytes) => fs::write(&file, bytes).unwrap(),
        }
        let (ledger, report) = open(dir.path()).unwrap();
        let rebuilt = (report.rebuilt, report.rebuilt_index);
        assert_eq!(rebuilt, (None, true), "harm {n}");
        assert_eq!(report.replayed_blocks, 0);
        for (id, location) in &model.txs {
            assert_eq!(ledger.transaction(id).unwrap().as_ref(), Some(location));
        }
        if n % 2 == 0 {
            ledger.close().unwrap();
        }
        close_files(ledger, dir.path());
    }
    let (ledger, report) = open(dir.path()).unwrap();
    assert!(!report.rebuilt_index);
    compare(&ledger, &model);
}

#[test]
fn an_index_that_rots_under_a_running_ledger_ends_its_use() {
    let dir = memory_dir();
    let file = index_file(dir.path());
    let mut model = Model::default();
    let blocks = three_blocks();
    let rot = || change(&file, |bytes| bytes[4096 + 20] ^= 1);
    let damaged = |error| matches!(error, LedgerError::StateEntry { what: TX_INDEX });

    let ledger = open(dir.path()).unwrap().0;
    commit(&ledger, &mut model, &blocks[..1]);
    rot();
    let id = blocks[0][0].id();
    assert!(damaged(ledger.transaction(&id).unwrap_err()));
    assert!(matches!(
        ledger.contains_transaction(&id),
        Err(LedgerError::StateBroken)
    ));
    // No orderly stop says that all is well.
    assert!(matches!(ledger.close(), Err(LedgerError::StateBroken)));
    close_files(ledger, dir.path());
    let (ledger, report) = open(dir.path()).unwrap();
    assert!(report.rebuilt_index);
    compare(&ledger, &model);

    rot();
    let next = CommitBlock::parse(model.apply(&blocks[1])).unwrap();
    assert!(damaged(ledger.commit(&next).unwrap_err()));
    assert!(matches!(
        ledger.commit(&next),
        Err(LedgerError::StateBroken)
    ));
    close_files(ledger, dir.path());
    // The block was on disk before.
    let (ledger, report) = open(dir.path()).unwrap();
    assert_eq!((report.rebuilt_index, report.replayed_blocks), (true, 1));
    compare(&ledger, &model);
}

#[test]
fn a_state_whose_transactions_are_not_those_of_the_blocks_is_rebuilt() {
    let dir = memory_dir();
    let mut model = Model::default();
    let ledger = open(dir.path()).unwrap().0;
    commit(&ledger, &mut model, &three_blocks());
    let wrong = Meta {
        tx_sum: Sum::EMPTY,
        ..ledger.shared.writer.lock().meta
    };
    close_files(ledger, dir.path());
    let db = sled::open(dir.path().join("state")).unwrap();
    db.insert(META, wrong.encode()).unwrap();
    db.flush().unwrap();
    drop(db);
    assert!(wait_until_unlocked(&dir.path().join("state")));
    let (ledger, report) = open(dir.path()).unwrap();
    assert_eq!(report.rebuilt, Some(RebuildReason::ChecksumMismatch));
    assert!(!report.rebuilt_index);
    compare(&ledger, &model);
}

/// Goal: the changes of a block find each other however many entries they take.
#[test]
fn blocks_with_many_writes_keep_their_history() {
    let dir = memory_dir();
    let mut model = Model::default();
    let ledger = open(dir.path()).unwrap().0;
    let many: Vec<String> = (0..1000).map(|n| format!("many-{n:04}")).collect();
    // Larger than an entry, smaller, of two contracts, none, and all of it twice.
    let block = |nonce: u64| {
        let tx = |n: u64, names: &[&'static str], keys: &[String]| {
            let write = |name, key: &String| (name, key.clone(), Some(vec![n as u8; 30]));
            let writes = names
                .iter()
                .flat_map(|&name| keys.iter().map(move |key| write(name, key)))
                .collect();
            Tx {
                nonce: nonce + n,
                code: ValidationCode::Valid,
                writes,
            }
        };
        let mut txs = vec![
            tx(0, &["c"], &many),
            tx(1, &["c", "d"], &many[300..500]),
            tx(2, &["c"], &[]),
        ];
        txs.extend((3..600).map(|n| tx(n, &["d"], &many[n as usize..][..1])));
        txs
    };
    commit(&ledger, &mut model, &[block(0), block(1000)]);
    let snapshot = ledger.snapshot();
    for ((name, key), changes) in &model.history {
        for limit in [1, 100] {
            compare_history(&snapshot, name, key, limit, changes);
        }
        compare_history_before(&snapshot, name, key, changes);
    }
}

#[test]
fn a_history_that_leads_nowhere_is_an_error() {
    let dir = memory_dir();
    let mut model = Model::default();
    let ledger = open(dir.path()).unwrap().0;
    commit(&ledger, &mut model, &three_blocks());
    ledger.close().unwrap();
    close_files(ledger, dir.path());
    let db = sled::open(dir.path().join("state")).unwrap();
    // Block 1 is lost, and the change in block 2 names itself as the one before.
    let (lost, _) = db.scan_prefix(b"p").map(Result::unwrap).nth(1).unwrap();
    let (last, value) = db.scan_prefix(b"p").map(Result::unwrap).last().unwrap();
    db.remove(lost).unwrap();
    let mut looped = value.to_vec();
    let at = looped.len() - 16;
    looped[at..].copy_from_slice(&last[1..]);
    db.insert(&last, looped).unwrap();
    db.flush().unwrap();
    drop(db);
    assert!(wait_until_unlocked(&dir.path().join("state")));
    let (ledger, report) = open(dir.path()).unwrap();
    assert_eq!(report.rebuilt, None);
    let snapshot = ledger.snapshot();
    let id = contract("c");
    assert!(snapshot.history(&id, "k", None, 1).is_err());
    let version = |block| Some(Version { block, tx: 0 });
    assert!(snapshot.history(&id, "k", version(2), 9).is_err());
    assert!(snapshot.history(&id, "k", version(1), 9).is_err());
}

#[test]
fn a_second_opener_is_refused_while_a_snapshot_lives() {
    let dir = memory_dir();
    let ledger = open(dir.path()).unwrap().0;
    let snapshot = ledger.snapshot();
    drop(ledger);
    let locked = |result: Result<(), LedgerError>| {
        matches!(
            result,
            Err(LedgerError::Journal(
                cordon_journal::JournalError::Locked { .. }
            ))
        )
    };
    assert!(locked(open(dir.path()).map(drop)));
    assert!(locked(set_aside_from(dir.path(), 0).map(drop)) || snapshot.height() == 0);
    drop(snapshot);
    open(dir.path()).unwrap();
}

#[test]
fn a_damaged_block_is_named_set_aside_and_fetched_again() {
    let dir = memory_dir();
    let blocks = three_blocks();
    let mut model = Model::default();
    let ledger = open(dir.path()).unwrap().0;
    commit(&ledger, &mut model, &blocks);
    drop(ledger);
    let file = segments(dir.path()).remove(0);
    let second = model.blocks[1].0.clone();
    change(&file, |bytes| {
        let at = bytes
            .windows(second.len())
            .position(|w| w == second)
            .unwrap();
        bytes[at + 200] ^= 1;
    });
    let Err(LedgerError::DamagedBlock {
        number: 1,
        file: named,
        damage,
        ..
    }) = open(dir.path())
    else {
        panic!("block 1 is damaged");
    };
    assert_eq!(named, file);
    assert_eq!(
        damage,
        BlockDamage::Record(cordon_journal::Damage::RecordBody)
    );
    assert!(matches!(
        set_aside_from(dir.path(), 2),
        Err(LedgerError::DamagedBlock { number: 1, .. })
    ));
    let aside = set_aside_from(dir.path(), 1).unwrap();
    assert!(aside.ends_with("damaged-1") && !files(&aside).is_empty());
    assert!(!index_file(dir.path()).exists());
    let (ledger, report) = open(dir.path()).unwrap();
    assert_eq!(
        (ledger.height(), report.rebuilt),
        (1, Some(RebuildReason::Missing))
    );
    for (bytes, _) in &model.blocks[1..] {
        ledger
            .commit(&CommitBlock::parse(bytes.clone()).unwrap())
            .unwrap();
    }
    compare(&ledger, &model);
    drop(ledger);
    assert!(matches!(
        set_aside_from(dir.path(), 3),
        Err(LedgerError::NoSuchBlock {
            number: 3,
            height: 3
        })
    ));
}

#[test]
fn a_value_that_rots_under_a_running_ledger_is_an_error() {
    let dir = memory_dir();
    let mut model = Model::default();
    let ledger = open(dir.path()).unwrap().0;
    commit(&ledger, &mut model, &three_blocks());
    let file = segments(dir.path()).pop().unwrap();
    change(&file, |bytes| {
        let at = bytes.windows(100).rposition(|w| w == [2; 100]).unwrap();
        bytes[at + 50] ^= 1;
    });
    let snapshot = ledger.snapshot();
    assert!(snapshot.get(&contract("c"), "k").is_err());
    assert!(snapshot.history(&contract("c"), "k", None, 1).is_err());
    assert!(matches!(
        ledger.block(2),
        Err(LedgerError::DamagedBlock { number: 2, .. })
    ));
    assert!(matches!(
        ledger.verify(|_, _| {}),
        Err(LedgerError::DamagedBlock { number: 2, .. })
    ));
}
