//! Block files after accidents: cut off, bits flipped, sectors lost or written elsewhere, files lost or
//! swapped. The property over all of them: what a host still reads is a beginning of what was written.

use std::fs;
use std::path::Path;

use cordon_journal::{Journal, JournalError, Options, Reader, Scan, scan};
use cordon_ledger::{Ledger, LedgerError, set_aside_from, verify};
use cordon_wire::block::CommittedBlock;
use tempfile::TempDir;

use crate::choices::Choices;

/// Segments of a ledger of [`BLOCKS`](crate::samples::BLOCKS) blocks (`tests/seeds.rs` makes them).
const SEGMENTS: [&[u8]; 3] = [
    include_bytes!("../fixtures/blocks/00000000.seg"),
    include_bytes!("../fixtures/blocks/00000001.seg"),
    include_bytes!("../fixtures/blocks/00000002.seg"),
];

/// Accidents in a row. Checksums guard against accidents, not against somebody who computes them; some
/// dozens of chosen bit flips could do that.
const ACCIDENTS_MAX: usize = 6;

/// The first byte says what is done with the files; the others are accidents, or the content of one more
/// record whose checksum is right.
pub fn block_files(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let plan = choices.byte();
    let dir = memory_dir();
    let blocks = dir.path().join("blocks");
    fs::create_dir(&blocks).unwrap();
    write(&blocks, &SEGMENTS.map(<[u8]>::to_vec));
    let original = records(&blocks, &scan(&blocks).unwrap());
    if plan & 0x80 != 0 {
        return one_more(dir.path(), &original, choices.rest(), plan);
    }

    let mut segments = SEGMENTS.map(<[u8]>::to_vec).to_vec();
    for _ in 0..ACCIDENTS_MAX {
        if !choices.is_empty() {
            accident(&mut segments, &mut choices);
        }
    }
    write(&blocks, &segments);

    let found = scan(&blocks);
    if let Ok(found) = &found {
        assert!(found.torn.is_none() || found.damage.is_none());
        for record in records(&blocks, found) {
            assert!(original.contains(&record), "a record that nobody wrote");
        }
    }
    let verdict = verify(dir.path(), |done, all| assert!(done <= all));
    // A state costs milliseconds, so only some inputs make one.
    let with_state = plan.is_multiple_of(16);
    match plan >> 4 & 3 {
        0 => open_journal(&blocks, found),
        1 if with_state => open_ledger(dir.path(), &original),
        _ => repair(dir.path(), &original, verdict, with_state),
    }
}

fn open_journal(blocks: &Path, found: Result<Scan, JournalError>) {
    let Ok((mut journal, opened)) = Journal::open(blocks, Options::default()) else {
        return;
    };
    let found = found.expect("it was opened");
    assert!(found.damage.is_none(), "a damaged journal is opened");
    assert_eq!(opened.records, found.records);
    assert_eq!(opened.cut, found.torn);
    let appended = journal
        .append(&[b"one more"])
        .expect("what is open is written");
    journal.sync().unwrap();
    drop(journal);
    let again = scan(blocks).unwrap();
    assert!(again.torn.is_none() && again.damage.is_none());
    assert_eq!(again.records, [opened.records, appended].concat());
}

fn open_ledger(dir: &Path, original: &[Vec<u8>]) {
    match Ledger::open(dir, options()) {
        Ok((ledger, _)) => same_beginning(&ledger, original),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What an operator does: verify, and set aside from the damage on.
fn repair(
    dir: &Path,
    original: &[Vec<u8>],
    verdict: Result<cordon_ledger::Verified, LedgerError>,
    with_state: bool,
) {
    let height = match verdict {
        Ok(verified) => verified.blocks,
        Err(LedgerError::DamagedBlock { number, .. }) => {
            let files = bytes_below(dir);
            set_aside_from(dir, number).expect("what is damaged is set aside");
            assert_eq!(bytes_below(dir), files, "setting aside loses bytes");
            number
        }
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let verified = verify(dir, |_, _| ()).expect("what is left is good");
    assert_eq!(verified.blocks, height);
    let blocks = dir.join("blocks");
    let left = records(&blocks, &scan(&blocks).unwrap());
    assert!(
        original.starts_with(&left),
        "what is left is not the beginning"
    );
    if with_state {
        let (ledger, _) = Ledger::open(dir, options()).expect("what is good is opened");
        same_beginning(&ledger, original);
        assert_eq!(ledger.height(), height);
    }
}

fn same_beginning(ledger: &Ledger, original: &[Vec<u8>]) {
    for number in 0..ledger.height() {
        let block = ledger.block(number).unwrap().expect("below the height");
        let written = original.get(usize::try_from(number).unwrap());
        assert_eq!(
            written.map(Vec::as_slice),
            Some(&*block),
            "block {number} is another"
        );
    }
    ledger.close().unwrap();
}

/// A record that the journal has written itself: only what stands in it can be wrong.
fn one_more(dir: &Path, original: &[Vec<u8>], record: &[u8], plan: u8) {
    let blocks = dir.join("blocks");
    let (mut journal, _) = Journal::open(&blocks, Options::default()).unwrap();
    journal.append(&[record]).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let height = original.len() as u64;
    let block = CommittedBlock::parse(&record.to_vec().into());
    match verify(dir, |_, _| ()) {
        Ok(verified) => {
            assert_eq!(verified.blocks, height + 1);
            assert_eq!(block.expect("verified").header.number, height);
        }
        Err(LedgerError::DamagedBlock { number, .. }) => assert_eq!(number, height),
        Err(error) => panic!("a block is not told from a fault of the disk: {error}"),
    }
    if plan.is_multiple_of(16) {
        // Taken or refused, but not both.
        if let Ok((ledger, _)) = Ledger::open(dir, options()) {
            assert_eq!(ledger.height(), height + 1);
            assert_eq!(ledger.block(height).unwrap().unwrap(), record);
            ledger.close().unwrap();
        }
    }
}

fn options() -> cordon_ledger::Options {
    cordon_ledger::Options {
        cache_bytes: 1 << 20,
        segment_bytes: 4 << 10,
    }
}

// === accidents ===

fn accident(segments: &mut Vec<Vec<u8>>, choices: &mut Choices<'_>) {
    if segments.is_empty() {
        return;
    }
    let kind = choices.byte();
    let at = choices.below(segments.len());
    if kind % 8 == 6 {
        segments.remove(at);
        return;
    }
    if kind % 8 == 7 {
        let other = choices.below(segments.len());
        segments.swap(at, other);
        return;
    }
    let other = segments[choices.below(segments.len())].clone();
    let segment = &mut segments[at];
    if segment.is_empty() {
        return;
    }
    let offset = choices.below(segment.len() + 1);
    match kind % 8 {
        0 => segment.truncate(offset),
        1 => {
            if let Some(byte) = segment.get_mut(offset) {
                *byte ^= 1 << (kind >> 5);
            }
        }
        2 => {
            let end = segment.len().min(offset + choices.below(600));
            segment[offset..end].fill(if kind & 0x80 == 0 { 0 } else { 0xff });
        }
        // Bytes that belong elsewhere, in place of others or between them.
        3 | 4 => {
            let from = choices.below(other.len() + 1);
            let to = other.len().min(from + choices.number());
            let part = &other[from..to];
            let end = if kind % 8 == 3 {
                segment.len().min(offset + part.len())
            } else {
                offset
            };
            segment.splice(offset..end, part.iter().copied());
        }
        _ => {
            let end = segment.len().min(offset + choices.below(600));
            segment.drain(offset..end);
        }
    }
}

// === files ===

/// A directory where fsync costs nothing, if the machine has one.
fn memory_dir() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .unwrap()
}

/// Writes segments under the names that follow from their places.
fn write(blocks: &Path, segments: &[Vec<u8>]) {
    for entry in fs::read_dir(blocks).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for (number, bytes) in segments.iter().enumerate() {
        fs::write(blocks.join(format!("{number:08}.seg")), bytes).unwrap();
    }
}

fn records(blocks: &Path, found: &Scan) -> Vec<Vec<u8>> {
    let reader = Reader::new(blocks);
    let read = |location| reader.read(location).expect("found intact").to_vec();
    found.records.iter().copied().map(read).collect()
}

/// Of all segments and parts of segments.
fn bytes_below(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                bytes_below(&entry.path())
            } else if entry.file_name().to_string_lossy().contains(".seg") {
                metadata.len()
            } else {
                0
            }
        })
        .sum()
}
