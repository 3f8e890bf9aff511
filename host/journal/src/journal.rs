//! The writing end: opens a directory, appends records, makes them durable.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::io_error;
use crate::format::{
    RECORD_BYTES_MAX, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES, Seal, segment_file,
};
use crate::scan::{TornTail, scan};
use crate::{Damage, JournalError, Location, RECORD_HEADER_BYTES, Reader};

/// Parts up to this size are gathered, so that a record of many parts is one write.
const GATHER_BYTES: usize = 256 << 10;

/// How a journal is kept.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// A segment that would grow beyond this many bytes is closed and the next one begun; a longer
    /// record has a segment of its own. At most [`SEGMENT_BYTES_MAX`], more is taken as that.
    pub segment_bytes: u64,
    /// Whether a last record that is there in its full length, but with content that does not fit,
    /// is an error. It is rather damaged than unfinished and may have been acknowledged; an owner
    /// that can get it again from elsewhere lets it be cut off.
    pub keep_full_length: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            keep_full_length: false,
        }
    }
}

/// What [`Journal::open`] found.
#[derive(Debug)]
pub struct Opened {
    /// Every record, in order; the index of a record is its position here.
    pub records: Vec<Location>,
    /// The tail that was cut off, if there was one.
    pub cut: Option<TornTail>,
}

/// A journal open for appending. One writer: the directory is locked while this value lives.
pub struct Journal {
    dir: PathBuf,
    segment_bytes: u64,
    segment: Writing,
    /// Records in the journal, appended ones included.
    records: u64,
    gather: Vec<u8>,
    poisoned: bool,
    /// What is known to be on disk: segment, its length, records in the journal.
    durable: Durable,
    /// Whether an fsync failed: then not even that is known.
    unknown: bool,
    reader: Reader,
    _lock: File,
}

/// How far the journal is on disk for sure.
#[derive(Clone, Copy)]
struct Durable {
    segment: u32,
    end: u64,
    records: u64,
}

/// The segment that is written to.
struct Writing {
    number: u32,
    path: PathBuf,
    file: File,
    seal: Seal,
    end: u64,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("dir", &self.dir)
            .field("segment", &self.segment.number)
            .field("end", &self.segment.end)
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}

// === impl Journal ===

impl Journal {
    /// Opens the journal in `dir`, which is created if absent, and checks every record. A torn tail
    /// is cut off. Cost: reads all segments once.
    ///
    /// # Errors
    /// [`JournalError::Locked`] when it is open elsewhere, [`JournalError::Damaged`] for damage that
    /// is not a torn tail (see also [`Options::keep_full_length`]), [`JournalError::UnknownVersion`], [`JournalError::Io`].
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Opened), JournalError> {
        create_dir(dir)?;
        let lock = lock(dir)?;
        let found = scan(dir)?;
        if let Some(at) = found.damage {
            return Err(at.into());
        }
        if let Some(tail) = &found.torn {
            if tail.full_length && options.keep_full_length {
                return Err(JournalError::Damaged {
                    file: tail.file.clone(),
                    offset: tail.offset,
                    record: Some(found.records.len() as u64),
                    damage: Damage::RecordBody,
                });
            }
            tracing::warn!(file = %tail.file.display(), offset = tail.offset, bytes = tail.bytes,
                full_length = tail.full_length, "cut off the torn tail of a journal");
        }
        let records = found.records.len() as u64;
        let segment = match found.segments.checked_sub(1) {
            None => Writing::create(dir, 0, 0)?,
            Some(last) => {
                let cut = found.torn.as_ref().map(|tail| tail.offset);
                Writing::resume(dir, last, cut, records)?
            }
        };
        let durable = Durable {
            segment: segment.number,
            end: segment.end,
            records,
        };
        let journal = Self {
            dir: dir.to_owned(),
            segment_bytes: options.segment_bytes.min(SEGMENT_BYTES_MAX),
            segment,
            records,
            gather: Vec::new(),
            poisoned: false,
            durable,
            unknown: false,
            reader: Reader::new(dir),
            _lock: lock,
        };
        Ok((
            journal,
            Opened {
                records: found.records,
                cut: found.torn,
            },
        ))
    }

    /// A reader of this journal; sees records as soon as they are appended.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Appends records in order and tells where each is. They are durable only after
    /// [`Journal::sync`].
    ///
    /// # Errors
    /// [`JournalError::TooLong`] when any record is, and then none is written;
    /// [`JournalError::Poisoned`]; [`JournalError::Io`], which poisons the journal.
    pub fn append(&mut self, records: &[&[u8]]) -> Result<Vec<Location>, JournalError> {
        self.check(records.iter().map(|record| record.len()))?;
        records
            .iter()
            .map(|record| self.append_checked(&[record]))
            .collect()
    }

    /// Appends one record that is the concatenation of `parts`.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn append_parts(&mut self, parts: &[&[u8]]) -> Result<Location, JournalError> {
        self.check([parts.iter().map(|part| part.len()).sum()])?;
        self.append_checked(parts)
    }

    /// Makes every appended record durable (fdatasync).
    ///
    /// # Errors
    /// [`JournalError::Poisoned`]; [`JournalError::Io`], which poisons the journal: after a failed
    /// fsync the kernel may have dropped the data, so a second attempt proves nothing.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.check([])?;
        let result = self
            .segment
            .file
            .sync_data()
            .map_err(io_error("make durable", &self.segment.path));
        if result.is_err() {
            (self.poisoned, self.unknown) = (true, true);
        } else {
            self.durable = Durable {
                segment: self.segment.number,
                end: self.segment.end,
                records: self.records,
            };
        }
        result
    }

    /// Takes back every record appended since the last [`Journal::sync`], durably, so that a journal
    /// whose write failed takes records again: a full disk may have room by now. For owners that let
    /// nobody see a record before it is durable.
    ///
    /// # Errors
    /// [`JournalError::Poisoned`] when it was an fsync that failed: only opening it again helps.
    /// [`JournalError::Io`] when that cannot be done now, and may be tried again; until then the
    /// journal takes no records.
    pub fn take_back(&mut self) -> Result<(), JournalError> {
        if self.unknown {
            self.check([])?;
        }
        self.poisoned = true;
        let Durable {
            segment,
            end,
            records,
        } = self.durable;
        // A segment begun since then, or not even begun in full, would seem to follow what is cut off.
        for number in (segment + 1..=self.segment.number + 1).rev() {
            let path = segment_file(&self.dir, number);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io_error("remove", &path)(error));
                }
                _ => {}
            }
        }
        sync_dir(&self.dir)?;
        self.segment = Writing::resume(&self.dir, segment, Some(end), records)?;
        (self.records, self.poisoned) = (records, false);
        Ok(())
    }

    /// Ends a journal that is a copy: all of it is durable, and its folder holds segments alone.
    ///
    /// # Errors
    /// As [`Journal::sync`].
    pub fn finish(mut self) -> Result<(), JournalError> {
        self.sync()?;
        let path = self.dir.join("lock");
        fs::remove_file(&path).map_err(io_error("remove", &path))?;
        sync_dir(&self.dir)
    }

    fn check(&self, lengths: impl IntoIterator<Item = usize>) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned {
                dir: self.dir.clone(),
            });
        }
        match lengths.into_iter().find(|&bytes| bytes > RECORD_BYTES_MAX) {
            Some(bytes) => Err(JournalError::TooLong {
                bytes,
                max: RECORD_BYTES_MAX,
            }),
            None => Ok(()),
        }
    }

    fn append_checked(&mut self, parts: &[&[u8]]) -> Result<Location, JournalError> {
        let result = self.try_append(parts);
        self.poisoned |= result.is_err();
        result
    }

    fn try_append(&mut self, parts: &[&[u8]]) -> Result<Location, JournalError> {
        let len = parts.iter().map(|part| part.len()).sum::<usize>() as u32;
        let record_bytes = RECORD_HEADER_BYTES + u64::from(len);
        let segment = &mut self.segment;
        if segment.end > SEGMENT_HEADER_BYTES && segment.end + record_bytes > self.segment_bytes {
            let synced = segment.file.sync_data();
            self.unknown |= synced.is_err();
            synced.map_err(io_error("make durable", &segment.path))?;
            *segment = Writing::create(&self.dir, segment.number + 1, self.records)?;
        }
        let location = Location {
            segment: segment.number,
            offset: segment.end + RECORD_HEADER_BYTES,
            len,
        };
        self.gather.clear();
        self.gather
            .extend_from_slice(&segment.seal.record_header(len, parts));
        let mut at = segment.end;
        for part in parts {
            if self.gather.len() + part.len() > GATHER_BYTES {
                at = segment.write(&self.gather, at)?;
                self.gather.clear();
            }
            if part.len() > GATHER_BYTES {
                at = segment.write(part, at)?;
            } else {
                self.gather.extend_from_slice(part);
            }
        }
        segment.end = segment.write(&self.gather, at)?;
        self.records += 1;
        Ok(location)
    }
}

// === impl Writing ===

impl Writing {
    /// Begins a segment; durable, header and name, before any record is written to it.
    fn create(dir: &Path, number: u32, first_record: u64) -> Result<Self, JournalError> {
        let path = segment_file(dir, number);
        let (header, seal) = Seal::new_header(number, first_record);
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path);
        let file = file.map_err(io_error("create", &path))?;
        file.write_all_at(&header, 0)
            .map_err(io_error("write", &path))?;
        file.sync_all().map_err(io_error("make durable", &path))?;
        sync_dir(dir)?;
        Ok(Self {
            number,
            path,
            file,
            seal,
            end: SEGMENT_HEADER_BYTES,
        })
    }

    /// Opens the last segment again, cutting it off at `cut` if given.
    fn resume(
        dir: &Path,
        number: u32,
        cut: Option<u64>,
        records: u64,
    ) -> Result<Self, JournalError> {
        if cut.is_some_and(|at| at < SEGMENT_HEADER_BYTES) {
            return Self::create(dir, number, records);
        }
        let path = segment_file(dir, number);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(io_error("open", &path))?;
        if let Some(at) = cut {
            file.set_len(at).map_err(io_error("cut", &path))?;
        }
        // Also without a cut: records that a killed process wrote but did not sync are taken for
        // good from here on, so they have to be durable.
        file.sync_all().map_err(io_error("make durable", &path))?;
        let end = file.metadata().map_err(io_error("measure", &path))?.len();
        let mut header = [0; SEGMENT_HEADER_BYTES as usize];
        file.read_exact_at(&mut header, 0)
            .map_err(io_error("read", &path))?;
        let (seal, _) = Seal::of_header(&header, number).map_err(|_| JournalError::Damaged {
            file: path.clone(),
            offset: 0,
            record: None,
            damage: crate::Damage::SegmentHeader,
        })?;
        Ok(Self {
            number,
            path,
            file,
            seal,
            end,
        })
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<u64, JournalError> {
        self.file
            .write_all_at(bytes, at)
            .map_err(io_error("write", &self.path))?;
        Ok(at + bytes.len() as u64)
    }
}

/// Creates `dir` with its parents, durably.
fn create_dir(dir: &Path) -> Result<(), JournalError> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().unwrap_or(Path::new(""));
    create_dir(parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(io_error("create", dir)(error))
        }
        _ => sync_dir(parent),
    }
}

/// Takes the lock of the journal in `dir`; it is held while the file lives, also against this
/// process, and falls with the process however that ends.
pub(crate) fn lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let file = file.map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
    }
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    // A relative path of one part has the empty path as parent.
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    File::open(dir)
        .and_then(|file| file.sync_all())
        .map_err(io_error("make durable", dir))
}

#[cfg(test)]
mod tests;
