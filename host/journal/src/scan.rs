//! Reads a whole journal and checks every record, without changing anything.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::io_error;
use crate::format::{BadHeader, SEGMENT_HEADER_BYTES, Seal, segment_file};
use crate::{Damage, JournalError, Location, RECORD_HEADER_BYTES};

const BUFFER_BYTES: usize = 1 << 20;

/// What is in a journal's directory.
#[derive(Debug)]
pub struct Scan {
    /// The intact records before the first damage, in order.
    pub records: Vec<Location>,
    /// Number of segments on disk.
    pub segments: u32,
    /// A tail that a writer did not finish, if there is one. Never together with `damage`.
    pub torn: Option<TornTail>,
    /// The first damage that is not a torn tail. Nothing after it was looked at.
    pub damage: Option<DamagedAt>,
}

/// An unfinished or damaged end of the last segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment's file.
    pub file: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// Whether the record is there in its full length, with content that does not fit: then it is
    /// rather damaged than unfinished, and may have been acknowledged.
    pub full_length: bool,
}

/// A damaged place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedAt {
    /// Number of the segment.
    pub segment: u32,
    /// The segment's file.
    pub file: PathBuf,
    /// Where the damaged record, or the damaged segment, begins.
    pub offset: u64,
    /// Index of the first record that cannot be read, from 0.
    pub record: u64,
    /// What is wrong.
    pub damage: Damage,
}

impl From<DamagedAt> for JournalError {
    fn from(at: DamagedAt) -> Self {
        Self::Damaged {
            file: at.file,
            offset: at.offset,
            record: Some(at.record),
            damage: at.damage,
        }
    }
}

/// Checks every record in `dir`. Takes no lock: while a journal is open for appending, its last
/// record may look torn. Cost: reads all segments once.
///
/// # Errors
/// [`JournalError::Io`] when a file cannot be read, [`JournalError::UnknownVersion`].
pub fn scan(dir: &Path) -> Result<Scan, JournalError> {
    let numbers = segment_numbers(dir)?;
    let mut found = Scan {
        records: Vec::new(),
        segments: u32::try_from(numbers.len()).unwrap_or(u32::MAX),
        torn: None,
        damage: None,
    };
    for (expected, &segment) in (0u32..).zip(&numbers) {
        let file = segment_file(dir, expected);
        if segment != expected {
            found.damage_at(expected, file, 0, Damage::SegmentMissing);
            break;
        }
        let last = numbers.last() == Some(&segment);
        scan_segment(file, segment, last, &mut found)?;
        if found.damage.is_some() {
            break;
        }
    }
    Ok(found)
}

/// The numbers of the segments in `dir`, ascending.
pub(crate) fn segment_numbers(dir: &Path) -> Result<Vec<u32>, JournalError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error("list", dir))? {
        let name = entry.map_err(io_error("list", dir))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".seg"));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

impl Scan {
    fn damage_at(&mut self, segment: u32, file: PathBuf, offset: u64, damage: Damage) {
        let record = self.records.len() as u64;
        self.damage = Some(DamagedAt {
            segment,
            file,
            offset,
            record,
            damage,
        });
    }
}

fn scan_segment(
    path: PathBuf,
    segment: u32,
    last: bool,
    found: &mut Scan,
) -> Result<(), JournalError> {
    let file = File::open(&path).map_err(io_error("open", &path))?;
    let file_bytes = file.metadata().map_err(io_error("measure", &path))?.len();
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, &file);

    let mut header = [0; SEGMENT_HEADER_BYTES as usize];
    let whole = read_whole(&mut reader, &mut header).map_err(io_error("read", &path))?;
    let seal = match Seal::of_header(&header, segment) {
        Ok((_, first)) if whole && first != found.records.len() as u64 => {
            found.damage_at(segment, path, 0, Damage::RecordsMissing);
            return Ok(());
        }
        Ok((seal, _)) if whole => seal,
        Err(BadHeader::Version(version)) if whole => {
            return Err(JournalError::UnknownVersion {
                file: path,
                version,
            });
        }
        // Records are only written once the header is on disk.
        _ if last && file_bytes <= SEGMENT_HEADER_BYTES => {
            found.torn = Some(TornTail {
                file: path,
                offset: 0,
                bytes: file_bytes,
                full_length: false,
            });
            return Ok(());
        }
        _ => {
            found.damage_at(segment, path, 0, Damage::SegmentHeader);
            return Ok(());
        }
    };

    let mut at = SEGMENT_HEADER_BYTES;
    while at < file_bytes {
        let record = next_record(&mut reader, seal, file_bytes - at);
        match record.map_err(io_error("read", &path))? {
            Ok(len) => {
                let location = Location {
                    segment,
                    offset: at + RECORD_HEADER_BYTES,
                    len,
                };
                at = location.end();
                found.records.push(location);
            }
            Err(damage) => {
                let torn = last
                    && !intact_record_after(&file, seal, at, file_bytes)
                        .map_err(io_error("read", &path))?;
                if torn {
                    let bytes = file_bytes - at;
                    let full_length = damage == Damage::RecordBody;
                    found.torn = Some(TornTail {
                        file: path,
                        offset: at,
                        bytes,
                        full_length,
                    });
                } else {
                    found.damage_at(segment, path, at, damage);
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Checks the record that begins here; its length, or what is wrong with it.
fn next_record(
    reader: &mut impl BufRead,
    seal: Seal,
    available: u64,
) -> std::io::Result<Result<u32, Damage>> {
    let mut header = [0; RECORD_HEADER_BYTES as usize];
    if !read_whole(reader, &mut header)? {
        return Ok(Err(Damage::RecordIncomplete));
    }
    let Some((len, expected)) = seal.parse_record_header(&header) else {
        return Ok(Err(Damage::RecordHeader));
    };
    if RECORD_HEADER_BYTES + u64::from(len) > available {
        return Ok(Err(Damage::RecordIncomplete));
    }
    let mut check = seal.body(len);
    let mut left = len as usize;
    while left > 0 {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(Err(Damage::RecordIncomplete));
        }
        let part = buffer.len().min(left);
        check.update(&buffer[..part]);
        reader.consume(part);
        left -= part;
    }
    Ok(if check.finalize() == expected {
        Ok(len)
    } else {
        Err(Damage::RecordBody)
    })
}

/// Whether an intact record begins anywhere after byte `from`. The length of the record at `from`
/// cannot be trusted, so every byte is tried; the length's own checksum keeps that linear.
fn intact_record_after(
    file: &File,
    seal: Seal,
    from: u64,
    file_bytes: u64,
) -> std::io::Result<bool> {
    let window_bytes = RECORD_HEADER_BYTES as usize;
    let mut chunk = vec![0; BUFFER_BYTES];
    let mut at = from + 1;
    while at + RECORD_HEADER_BYTES <= file_bytes {
        let bytes = usize::try_from(file_bytes - at).map_or(BUFFER_BYTES, |n| n.min(BUFFER_BYTES));
        file.read_exact_at(&mut chunk[..bytes], at)?;
        for (index, window) in (0u64..).zip(chunk[..bytes].windows(window_bytes)) {
            let Some((len, _)) = seal.parse_record_header(window) else {
                continue;
            };
            let start = at + index;
            if start + RECORD_HEADER_BYTES + u64::from(len) > file_bytes {
                continue;
            }
            let mut body = vec![0; len as usize];
            file.read_exact_at(&mut body, start + RECORD_HEADER_BYTES)?;
            if seal.record_header(len, &[&body]) == window {
                return Ok(true);
            }
        }
        at += (bytes - window_bytes + 1) as u64;
    }
    Ok(false)
}

/// Fills `buffer`; `false` when the file ends before.
fn read_whole(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
