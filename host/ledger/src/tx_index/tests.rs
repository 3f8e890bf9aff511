use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::ScopedJoinHandle;

use cordon_types::ValidationCode;
use proptest::prelude::*;

use super::*;
use crate::testing::memory_dir;

const SMALL: Shape = Shape {
    page_entries: 3,
    depth_max: 28,
};

/// Always the same pages for the same ids.
const SALT: [u8; 16] = [7; 16];

type Model = BTreeMap<TxId, TxLocation>;

fn create(path: &Path, shape: Shape) -> TxIndex {
    TxIndex::create_as(path, shape, Header::with_salt(SALT)).unwrap()
}

fn id(n: u64) -> TxId {
    TxId::from_bytes(cordon_wire::sha256([&n.to_be_bytes()[..]]))
}

fn at(block: u64, index: u32) -> TxLocation {
    TxLocation {
        block,
        index,
        code: ValidationCode::Valid,
    }
}

/// Block `number` with the transactions `ids`, in order.
fn block(number: u64, ids: impl IntoIterator<Item = u64>) -> Vec<(TxId, TxLocation)> {
    (0u32..)
        .zip(ids)
        .map(|(index, n)| (id(n), at(number, index)))
        .collect()
}

fn apply(model: &mut Model, block: &[(TxId, TxLocation)]) {
    for (id, location) in block {
        model.entry(*id).or_insert(*location);
    }
}

fn sum_of(model: &Model) -> Sum {
    let mut sum = Sum::EMPTY;
    for (id, location) in model {
        sum.add(id.as_bytes(), &crate::entries::encode_tx(*location));
    }
    sum
}

/// It has the ids `0..ids` that the model has, and no others of them.
fn compare(index: &TxIndex, model: &Model, ids: u64) {
    for n in 0..ids {
        assert_eq!(index.get(&id(n)).unwrap(), model.get(&id(n)).copied());
    }
}

fn is_damaged<T>(result: Result<T, LedgerError>) -> bool {
    matches!(result, Err(LedgerError::StateEntry { what: TX_INDEX }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Goal: whatever is inserted, in whatever batches, the first location of an id is answered,
    /// also after the file is opened again, at the height reached or at one before it.
    #[test]
    fn an_index_answers_as_its_model(
        blocks in prop::collection::vec(
            (prop::collection::vec(0..120u64, 0..40), any::<bool>(), 0..3u64), 1..12),
    ) {
        let dir = memory_dir();
        let path = dir.path().join("transactions");
        let mut index = create(&path, SMALL);
        let mut sums = vec![Sum::EMPTY];
        let mut models = vec![Model::new()];
        for (ids, reopen, lost) in blocks {
            let (mut model, mut sum) = (models[models.len() - 1].clone(), sums[sums.len() - 1]);
            let block = block(models.len() as u64 - 1, ids);
            index.insert(&block, &mut sum).unwrap();
            apply(&mut model, &block);
            prop_assert_eq!(sum, sum_of(&model));
            // Again changes nothing.
            index.insert(&block, &mut sum).unwrap();
            prop_assert_eq!(sum, sum_of(&model));
            models.push(model);
            sums.push(sum);
            if reopen {
                drop(index);
                // As if the state had lost the last blocks.
                let height = models.len().saturating_sub(lost as usize + 1);
                models.truncate(height + 1);
                sums.truncate(height + 1);
                index = TxIndex::open_as(&path, SMALL, height as u64, sums[height]).unwrap();
            }
            compare(&index, &models[models.len() - 1], 130);
        }
    }
}

/// A file with several pages and depths, and its bytes.
fn small_file(path: &Path) -> (Vec<u8>, Model, Sum) {
    let index = create(path, SMALL);
    let (mut model, mut sum) = (Model::new(), Sum::EMPTY);
    let block = block(0, 0..20);
    index.insert(&block, &mut sum).unwrap();
    apply(&mut model, &block);
    let bytes = fs::read(path).unwrap();
    assert!(bytes.len() > 7 * PAGE_BYTES);
    (bytes, model, sum)
}

#[test]
fn no_bit_of_the_file_may_be_another() {
    let dir = memory_dir();
    let path = dir.path().join("transactions");
    let (bytes, model, sum) = small_file(&path);
    for at in 0..bytes.len() {
        // All bits of the parts that are used, one of each byte elsewhere.
        let bits = if at % PAGE_BYTES < 32 { 0..8 } else { 3..4 };
        for bit in bits {
            let mut harmed = [bytes[at]];
            harmed[0] ^= 1 << bit;
            let file = File::options().write(true).open(&path).unwrap();
            file.write_all_at(&harmed, at as u64).unwrap();
            assert!(
                is_damaged(TxIndex::open_as(&path, SMALL, 1, sum)),
                "bit {bit} of byte {at}"
            );
            file.write_all_at(&bytes[at..=at], at as u64).unwrap();
        }
    }
    let index = TxIndex::open_as(&path, SMALL, 1, sum).unwrap();
    compare(&index, &model, 30);
}

#[test]
fn a_file_cut_or_extended_anywhere_is_refused() {
    let dir = memory_dir();
    let path = dir.path().join("transactions");
    let (bytes, _, sum) = small_file(&path);
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        TxIndex::open_as(&path, SMALL, 1, sum).is_err()
    };
    for len in (0..bytes.len()).filter(|len| len % 97 == 0 || len % PAGE_BYTES < 2) {
        assert!(refused(&bytes[..len]), "cut to {len} bytes");
    }
    for more in [1, PAGE_BYTES - 1, PAGE_BYTES] {
        let mut longer = bytes.clone();
        longer.resize(bytes.len() + more, 0);
        assert!(refused(&longer), "{more} zeros more");
    }
    // A page twice: at the end, or in place of another.
    let mut twice = bytes.clone();
    twice.extend_from_slice(&bytes[PAGE_BYTES..2 * PAGE_BYTES]);
    assert!(refused(&twice));
    let mut swapped = bytes.clone();
    swapped.copy_within(PAGE_BYTES..2 * PAGE_BYTES, 2 * PAGE_BYTES);
    assert!(refused(&swapped));
    assert!(refused(&[b'x'; 3 * PAGE_BYTES]));
    assert!(!refused(&bytes));
}

/// Goal: a page fits nowhere else, though its place is not in it and what it holds would add up.
#[test]
fn a_page_elsewhere_or_in_another_file_is_refused() {
    let dir = memory_dir();
    let path = dir.path().join("transactions");
    let other = dir.path().join("other");
    let (bytes, _, sum) = small_file(&path);
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        is_damaged(TxIndex::open_as(&path, SMALL, 1, sum))
    };
    let (first, second) = (PAGE_BYTES..2 * PAGE_BYTES, 2 * PAGE_BYTES..3 * PAGE_BYTES);
    let mut swapped = bytes.clone();
    swapped[first.clone()].copy_from_slice(&bytes[second.clone()]);
    swapped[second].copy_from_slice(&bytes[first]);
    assert!(refused(&swapped));
    // With another salt nothing would be found.
    TxIndex::create_as(&other, SMALL, Header::with_salt([8; 16])).unwrap();
    let mut salted = bytes;
    salted[..PAGE_BYTES].copy_from_slice(&fs::read(&other).unwrap()[..PAGE_BYTES]);
    assert!(refused(&salted));
}

#[test]
fn an_index_of_other_transactions_is_refused() {
    let dir = memory_dir();
    let path = dir.path().join("transactions");
    let (_, model, _) = small_file(&path);
    let mut more = model.clone();
    apply(&mut more, &block(0, 20..21));
    assert!(is_damaged(TxIndex::open_as(&path, SMALL, 1, sum_of(&more))));
    let mut less = model.clone();
    less.remove(&id(3));
    assert!(is_damaged(TxIndex::open_as(&path, SMALL, 1, sum_of(&less))));
    TxIndex::open_as(&path, SMALL, 1, sum_of(&model)).unwrap();
}

/// Goal: a split of which only a part came to disk is found out, whichever part. Method: from the
/// files before and after, make every one between.
#[test]
fn a_torn_split_is_refused() {
    let dir = memory_dir();
    let path = dir.path().join("transactions");
    let index = create(&path, SMALL);
    let mut sum = Sum::EMPTY;
    index.insert(&block(0, 0..3), &mut sum).unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(before.len(), 2 * PAGE_BYTES);
    let sum_before = sum;
    index.insert(&block(1, 3..9), &mut sum).unwrap();
    let after = fs::read(&path).unwrap();
    drop(index);
    let pages = after.len() / PAGE_BYTES - 1;
    assert!((3..8).contains(&pages));
    let opens = |written: u32| {
        let mut torn = before.clone();
        for number in (1..=pages).filter(|number| written >> (number - 1) & 1 == 1) {
            let page = number * PAGE_BYTES..(number + 1) * PAGE_BYTES;
            torn.resize(torn.len().max(page.end), 0);
            torn[page.clone()].copy_from_slice(&after[page]);
        }
        [(1, sum_before), (2, sum)].map(|(height, sum)| {
            fs::write(&path, &torn).unwrap();
            TxIndex::open_as(&path, SMALL, height, sum).is_ok()
        })
    };
    let all = (1 << pages) - 1;
    for written in 1..all {
        assert_eq!(opens(written), [false; 2], "pages {written:b} of {pages}");
    }
    assert_eq!(opens(0), [true, false]);
    assert_eq!(opens(all), [true; 2]);
}

#[test]
fn a_page_deeper_than_any_is_refused() {
    let dir = memory_dir();
    let path = dir.path().join("transactions");
    let index = create(&path, SMALL);
    let mut page = index.read(1).unwrap();
    for depth in [29, 64, 255] {
        page.prefix.depth = depth;
        index.write(1, &page).unwrap();
        assert!(is_damaged(TxIndex::open_as(&path, SMALL, 0, Sum::EMPTY)));
    }
}

#[test]
fn prefixes_that_overlap_or_leave_a_hole_are_no_directory() {
    let [zero, one] = split_prefix(Prefix::NONE);
    let [one_zero, one_one] = split_prefix(one);
    assert!(Directory::of(&[one_one, zero, one_zero]).is_some());
    assert!(Directory::of(&[Prefix::NONE]).is_some());
    assert!(Directory::of(&[]).is_none());
    assert!(Directory::of(&[zero, one_zero]).is_none());
    assert!(Directory::of(&[zero, one, one_one]).is_none());
    assert!(Directory::of(&[zero, zero]).is_none());
    let directory = Directory::of(&[one_one, zero, one_zero]).unwrap();
    assert_eq!((directory.depth, directory.pages), (2, 4));
    assert_eq!(directory.slots, [2, 2, 3, 1]);
}

fn split_prefix(prefix: Prefix) -> [Prefix; 2] {
    let page = Page {
        prefix,
        entries: Vec::new(),
    };
    page.split(&Header::with_salt(SALT).0)
        .map(|half| half.prefix)
}

#[test]
fn of_one_id_the_first_transaction_counts() {
    let dir = memory_dir();
    let index = create(&dir.path().join("transactions"), SMALL);
    let mut sum = Sum::EMPTY;
    // Twice in one block, and again in the next, between others that split pages.
    index
        .insert(&block(4, [1, 2, 1, 3, 4, 1, 5]), &mut sum)
        .unwrap();
    index.insert(&block(5, [6, 7, 1, 8, 9]), &mut sum).unwrap();
    assert_eq!(index.get(&id(1)).unwrap(), Some(at(4, 0)));
    assert_eq!(index.get(&id(8)).unwrap(), Some(at(5, 3)));
}

#[test]
fn a_page_that_rots_under_an_open_index_is_an_error_and_no_answer() {
    let dir = memory_dir();
    let path = dir.path().join("transactions");
    let (bytes, model, sum) = small_file(&path);
    let index = TxIndex::open_as(&path, SMALL, 1, sum).unwrap();
    let page = index
        .directory
        .read()
        .page(index.header.hash(id(0).as_bytes()));
    let at = offset(page) + 100;
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[!bytes[at as usize]], at).unwrap();
    let (mut wrong, mut right) = (0, 0);
    for n in 0..20 {
        match index.get(&id(n)) {
            Ok(found) => {
                assert_eq!(found, model.get(&id(n)).copied());
                right += 1;
            }
            error => {
                assert!(is_damaged(error));
                wrong += 1;
            }
        }
    }
    assert!((1..=3).contains(&wrong) && right + wrong == 20);
    assert!(is_damaged(
        index.insert(&block(1, [0]), &mut Sum::EMPTY.clone())
    ));
    // Cut under way.
    file.set_len(PAGE_BYTES as u64).unwrap();
    assert!(is_damaged(index.get(&id(0))));
}

#[test]
fn the_directory_has_an_end() {
    let dir = memory_dir();
    let shape = Shape {
        page_entries: 3,
        depth_max: 2,
    };
    let path = dir.path().join("transactions");
    let index = create(&path, shape);
    let mut sum = Sum::EMPTY;
    let full = (0..20).find_map(|n| index.insert(&block(n, [n]), &mut sum).err());
    assert!(matches!(
        full,
        Some(LedgerError::TransactionIndexFull { depth: 2 })
    ));
    assert!(fs::metadata(&path).unwrap().len() <= 5 * PAGE_BYTES as u64);
}

#[test]
fn new_indexes_hash_each_in_their_own_way() {
    let hash = || Header::new().0.hash(id(0).as_bytes());
    assert_ne!(hash(), hash());
    let fixed = |salt| Header::with_salt(salt).0.hash(id(0).as_bytes());
    // The whole salt counts.
    let mut other = SALT;
    other[15] ^= 1;
    assert_ne!(fixed(SALT), fixed(other));
}

#[test]
fn memory_is_a_fraction_of_a_byte_for_each_transaction() {
    const COUNT: u64 = 50_000;
    let dir = memory_dir();
    let path = dir.path().join("transactions");
    let index = create(&path, SHAPE);
    let mut sum = Sum::EMPTY;
    for number in 0..COUNT / 500 {
        let first = number * 500;
        index
            .insert(&block(number, first..first + 500), &mut sum)
            .unwrap();
    }
    let bytes = |index: &TxIndex| index.directory.read().slots.capacity() as u64 * 4;
    assert!(bytes(&index) * 2 <= COUNT, "{} bytes", bytes(&index));
    let disk = fs::metadata(&path).unwrap().len();
    assert!(disk / COUNT < 80, "{disk} bytes");
    let opened = TxIndex::open(&path, COUNT / 500, sum).unwrap();
    assert!(bytes(&opened) <= bytes(&index));
    for n in (0..COUNT + 10).step_by(97) {
        let location = at(n / 500, (n % 500) as u32);
        let expected = (n < COUNT).then_some(location);
        assert_eq!(opened.get(&id(n)).unwrap(), expected);
    }
}

/// Goal: readers never meet a page half written or half split. Method: small indexes, whose few
/// pages split often, and readers that ask for what is there without a pause.
#[test]
fn readers_see_every_transaction_while_others_are_inserted() {
    let dir = memory_dir();
    let path = dir.path().join("transactions");
    for _ in 0..100 {
        let index = create(&path, SMALL);
        let mut sum = Sum::EMPTY;
        index.insert(&block(0, 0..10), &mut sum).unwrap();
        let (reading, done) = (AtomicU32::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let read = || {
                for n in (0..10).cycle() {
                    assert_eq!(index.get(&id(n)).unwrap(), Some(at(0, n as u32)));
                    if n == 0 {
                        reading.fetch_add(1, Ordering::AcqRel);
                    }
                    if done.load(Ordering::Acquire) {
                        break;
                    }
                }
            };
            let readers = [scope.spawn(read), scope.spawn(read)];
            let failed = || readers.iter().any(ScopedJoinHandle::is_finished);
            while reading.load(Ordering::Acquire) < 2 && !failed() {
                std::thread::yield_now();
            }
            let inserted = (10..100).try_for_each(|n| index.insert(&block(n, [n]), &mut sum));
            done.store(true, Ordering::Release);
            inserted.unwrap();
        });
    }
}
