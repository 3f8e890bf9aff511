use super::*;
use crate::{Damage, set_aside};
use proptest::prelude::*;
use tempfile::TempDir;

fn open(dir: &Path, segment_bytes: u64) -> Result<(Journal, Opened), JournalError> {
    Journal::open(
        dir,
        Options {
            segment_bytes,
            ..Options::default()
        },
    )
}

/// A journal holding `records`; the locations.
fn filled(dir: &Path, segment_bytes: u64, records: &[Vec<u8>]) -> Vec<Location> {
    let (mut journal, opened) = open(dir, segment_bytes).unwrap();
    assert!(opened.records.is_empty() && opened.cut.is_none());
    let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    let locations = journal.append(&slices).unwrap();
    journal.sync().unwrap();
    locations
}

/// A directory where fsync costs nothing, if the machine has one.
fn memory_dir() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .unwrap()
}

fn numbered(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|i| vec![i; 50]).collect()
}

#[test]
fn records_read_back_across_segments_and_reopening() {
    let dir = TempDir::new().unwrap();
    let mut records = numbered(20);
    let mut locations = filled(dir.path(), 200, &records);
    let (mut journal, opened) = open(dir.path(), 200).unwrap();
    assert_eq!(opened.records, locations);
    assert!(locations.last().unwrap().segment >= 9);
    locations.push(journal.append_parts(&[b"in ", b"", b"parts"]).unwrap());
    records.push(b"in parts".to_vec());
    let large = vec![7; GATHER_BYTES * 2];
    locations.push(journal.append_parts(&[b"x", &large, b"y"]).unwrap());
    records.push([b"x".as_slice(), &large, b"y"].concat());
    let reader = journal.reader();
    for (location, record) in locations.iter().zip(&records) {
        assert_eq!(reader.read(*location).unwrap(), record);
        let part = reader
            .read_slice(location.segment, location.offset + 1, 3)
            .unwrap();
        assert_eq!(part, record[1..4]);
    }
    drop(journal);
    assert_eq!(open(dir.path(), 200).unwrap().1.records, locations);
}

#[test]
fn more_segments_than_open_files() {
    let dir = TempDir::new().unwrap();
    let records = numbered(150);
    let locations = filled(dir.path(), 1, &records);
    assert_eq!(locations.last().unwrap().segment, 149);
    let reader = Reader::new(dir.path());
    for _ in 0..2 {
        for (location, record) in locations.iter().zip(&records) {
            assert_eq!(reader.read(*location).unwrap(), record);
        }
    }
}

#[test]
fn a_second_opener_is_refused() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path(), 1000).unwrap();
    assert!(matches!(
        open(dir.path(), 1000),
        Err(JournalError::Locked { .. })
    ));
    let aside = dir.path().join("aside");
    assert!(matches!(
        set_aside(dir.path(), 0, 36, &aside),
        Err(JournalError::Locked { .. })
    ));
    drop(first);
    assert!(open(dir.path(), 1000).is_ok());
}

#[test]
fn a_record_that_is_too_long_writes_nothing() {
    let dir = TempDir::new().unwrap();
    let (mut journal, _) = open(dir.path(), 1000).unwrap();
    let long = vec![0; RECORD_BYTES_MAX + 1];
    let result = journal.append(&[b"short", &long]);
    assert!(matches!(result, Err(JournalError::TooLong { bytes, .. }) if bytes == long.len()));
    assert_eq!(
        journal.append(&[b"next"]).unwrap()[0].record_offset(),
        SEGMENT_HEADER_BYTES
    );
}

#[test]
fn a_failed_write_ends_appending_until_reopened() {
    let dir = TempDir::new().unwrap();
    let (mut journal, _) = open(dir.path(), 1000).unwrap();
    journal.append(&[b"one"]).unwrap();
    // A handle that cannot write stands for a disk that refuses.
    journal.segment.file = File::open(&journal.segment.path).unwrap();
    assert!(matches!(
        journal.append(&[b"two"]),
        Err(JournalError::Io { .. })
    ));
    assert!(matches!(journal.sync(), Err(JournalError::Poisoned { .. })));
    assert!(matches!(
        journal.append(&[b"three"]),
        Err(JournalError::Poisoned { .. })
    ));
    drop(journal);
    let (mut journal, opened) = open(dir.path(), 1000).unwrap();
    assert_eq!(opened.records.len(), 1);
    journal.append(&[b"two"]).unwrap();
}

#[test]
fn records_missing_at_the_end_of_a_segment_are_noticed() {
    let dir = TempDir::new().unwrap();
    let locations = filled(dir.path(), 200, &numbered(6));
    let path = segment_file(dir.path(), 0);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(locations[1].record_offset()).unwrap();
    let Err(JournalError::Damaged { record, damage, .. }) = open(dir.path(), 200) else {
        panic!("lost records are damage");
    };
    assert_eq!((record, damage), (Some(1), Damage::RecordsMissing));
    set_aside(dir.path(), 1, 0, &dir.path().join("aside")).unwrap();
    assert_eq!(open(dir.path(), 200).unwrap().1.records, locations[..1]);
}

#[test]
fn a_missing_segment_and_an_unknown_version_are_named() {
    let dir = TempDir::new().unwrap();
    filled(dir.path(), 100, &numbered(5));
    fs::rename(segment_file(dir.path(), 2), dir.path().join("kept")).unwrap();
    let Err(JournalError::Damaged { record, damage, .. }) = open(dir.path(), 100) else {
        panic!("a gap is damage");
    };
    assert_eq!((record, damage), (Some(2), Damage::SegmentMissing));

    let dir = TempDir::new().unwrap();
    filled(dir.path(), 100, &numbered(1));
    let path = segment_file(dir.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[11] = 2;
    let check = crc32fast::hash(&bytes[..32]);
    bytes[32..36].copy_from_slice(&check.to_be_bytes());
    fs::write(&path, bytes).unwrap();
    assert!(matches!(
        open(dir.path(), 100),
        Err(JournalError::UnknownVersion { version: 2, .. })
    ));
}

/// A record within a record: what a contract writes can look like one, but not be sealed like one.
#[test]
fn content_that_imitates_a_record_does_not_hide_a_torn_tail() {
    let dir = TempDir::new().unwrap();
    let (_, other) = Seal::new_header(0, 0);
    let mut imitation = other.record_header(4, &[b"fake"]).to_vec();
    imitation.extend_from_slice(b"fake, and then more that will be torn off");
    filled(dir.path(), 1000, &[b"first".to_vec(), imitation]);
    let path = segment_file(dir.path(), 0);
    let bytes = fs::metadata(&path).unwrap().len();
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(bytes - 5)
        .unwrap();
    let (_, opened) = open(dir.path(), 1000).unwrap();
    assert_eq!(opened.records.len(), 1);
    assert!(!opened.cut.unwrap().full_length);
}

#[test]
fn what_is_set_aside_is_kept_and_the_rest_goes_on() {
    for at in 0..10usize {
        let dir = TempDir::new().unwrap();
        let journal_dir = dir.path().join("journal");
        let records = numbered(10);
        let locations = filled(&journal_dir, 200, &records);
        let before: u64 = sizes(&journal_dir);
        let aside = dir.path().join("aside");
        set_aside(
            &journal_dir,
            locations[at].segment,
            locations[at].record_offset(),
            &aside,
        )
        .unwrap();
        assert_eq!(sizes(&journal_dir) + sizes(&aside), before);
        let (mut journal, opened) = open(&journal_dir, 200).unwrap();
        assert_eq!(opened.records, locations[..at]);
        let next = journal.append(&[b"next"]).unwrap()[0];
        assert_eq!(journal.reader().read(next).unwrap(), "next");
    }
}

fn sizes(dir: &Path) -> u64 {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

/// What happens to the files between closing and opening.
#[derive(Debug, Clone)]
enum Harm {
    Flip { at: prop::sample::Index, bits: u8 },
    Truncate { at: prop::sample::Index },
    Zero { from: prop::sample::Index },
    Append { bytes: Vec<u8> },
}

fn any_harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        (any::<prop::sample::Index>(), 1..=255u8).prop_map(|(at, bits)| Harm::Flip { at, bits }),
        any::<prop::sample::Index>().prop_map(|at| Harm::Truncate { at }),
        any::<prop::sample::Index>().prop_map(|from| Harm::Zero { from }),
        prop::collection::vec(any::<u8>(), 1..60).prop_map(|bytes| Harm::Append { bytes }),
    ]
}

fn apply(harm: &Harm, bytes: &mut Vec<u8>) {
    match harm {
        Harm::Flip { at, bits } => {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        Harm::Truncate { at } => bytes.truncate(at.index(bytes.len())),
        Harm::Zero { from } => {
            let from = from.index(bytes.len());
            bytes[from..].fill(0);
        }
        Harm::Append { bytes: more } => bytes.extend_from_slice(more),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Goal: whatever happens to one segment, opening gives a prefix of what was written or names
    /// the first record that is lost. Method: the records before the harmed byte must be there, and
    /// only harm to the last segment may be cut off silently.
    #[test]
    fn harm_is_noticed_and_what_is_before_it_reads_back(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20),
        segment_bytes in 40..400u64,
        segment in any::<prop::sample::Index>(),
        harm in any_harm(),
    ) {
        let dir = memory_dir();
        let locations = filled(dir.path(), segment_bytes, &records);
        let last = locations.last().unwrap().segment;
        let segment = segment.index(last as usize + 1) as u32;
        let path = segment_file(dir.path(), segment);
        let before = fs::read(&path).unwrap();
        let mut after = before.clone();
        apply(&harm, &mut after);
        fs::write(&path, &after).unwrap();
        let harmed_at = before.iter().zip(&after).position(|(a, b)| a != b)
            .unwrap_or(before.len().min(after.len())) as u64;
        let intact = locations.iter()
            .filter(|l| l.segment < segment || (l.segment == segment && l.end() <= harmed_at))
            .count();

        match open(dir.path(), segment_bytes) {
            Ok((mut journal, opened)) => {
                let found = opened.records.len();
                prop_assert!(found >= intact);
                prop_assert_eq!(&opened.records[..], &locations[..found]);
                for (location, record) in opened.records.iter().zip(&records) {
                    prop_assert_eq!(&journal.reader().read(*location).unwrap(), record);
                }
                if before != after {
                    // Cut exactly where the harm is, or the end was lost at a record's border.
                    prop_assert!(segment == last || found == records.len(), "lost in the middle");
                    prop_assert_eq!(found, intact.min(records.len()));
                }
                let next = journal.append(&[b"next"]).unwrap()[0];
                drop(journal);
                let (_, again) = open(dir.path(), segment_bytes).unwrap();
                prop_assert!(again.cut.is_none());
                prop_assert_eq!(again.records.last(), Some(&next));
            }
            Err(JournalError::Damaged { record, file, damage, .. }) => {
                prop_assert_eq!(record, Some(intact as u64));
                // Records missing at a segment's end are noticed at the next one's start.
                let next = segment_file(dir.path(), segment + 1);
                prop_assert!(file == path || (damage == Damage::RecordsMissing && file == next));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

/// A full disk looks like this: a part of what was to be written is there, perhaps a segment begun.
#[test]
fn what_is_taken_back_was_never_appended() {
    let dir = TempDir::new().unwrap();
    let mut kept = filled(dir.path(), 400, &numbered(4));
    let (mut journal, _) = open(dir.path(), 400).unwrap();
    for round in 0..3u8 {
        // Over the end of a segment, and further.
        let lost: Vec<Vec<u8>> = (0..12).map(|i| vec![100 + i; 50]).collect();
        let slices: Vec<&[u8]> = lost.iter().map(Vec::as_slice).collect();
        let first = journal.append(&slices).unwrap()[0];
        assert!(journal.segment.number > first.segment);
        // The next one had got as far as its name.
        let next = segment_file(dir.path(), journal.segment.number + 1);
        fs::write(&next, b"half").unwrap();
        journal.poisoned = true;
        journal.take_back().unwrap();
        assert!(!next.exists());

        let again = journal.append(&[&[round; 50]]).unwrap();
        assert_eq!(again[0], first);
        journal.sync().unwrap();
        kept.extend(again);
    }
    drop(journal);
    let (journal, opened) = open(dir.path(), 400).unwrap();
    assert_eq!((opened.records, opened.cut), (kept.clone(), None));
    let read = |location| journal.reader().read(location).unwrap();
    assert_eq!(read(kept[3]), [3; 50].as_slice());
    assert_eq!(read(kept[6]), [2; 50].as_slice());
}

/// Too many open files, for example.
#[test]
fn what_cannot_be_taken_back_now_can_be_later() {
    let parent = TempDir::new().unwrap();
    let (dir, away) = (parent.path().join("here"), parent.path().join("away"));
    filled(&dir, 400, &numbered(1));
    let (mut journal, _) = open(&dir, 400).unwrap();
    journal.append(&[b"lost"]).unwrap();
    fs::rename(&dir, &away).unwrap();
    let error = journal.take_back().unwrap_err();
    assert!(matches!(error, JournalError::Io { .. }), "{error}");
    assert!(journal.append(&[b"x"]).is_err());
    fs::rename(&away, &dir).unwrap();
    journal.take_back().unwrap();
    journal.append(&[b"kept"]).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let (journal, opened) = open(&dir, 400).unwrap();
    assert_eq!(opened.records.len(), 2);
    assert_eq!(journal.reader().read(opened.records[1]).unwrap(), "kept");
}

#[test]
fn after_a_failed_fsync_nothing_is_taken_back() {
    let dir = TempDir::new().unwrap();
    filled(dir.path(), 400, &numbered(1));
    let (mut journal, _) = open(dir.path(), 400).unwrap();
    (journal.poisoned, journal.unknown) = (true, true);
    let error = journal.take_back().unwrap_err();
    assert!(matches!(error, JournalError::Poisoned { .. }), "{error}");
    assert!(journal.append(&[b"x"]).is_err());
}
