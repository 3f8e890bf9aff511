//! Reads records and parts of them, from any thread, while the journal grows.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::error::io_error;
use crate::format::{BadHeader, SEGMENT_HEADER_BYTES, Seal, segment_file};
use crate::{Damage, JournalError, Location, RECORD_HEADER_BYTES};

/// Segment files kept open; far below the usual limit of 1,024 per process.
const OPEN_FILES_MAX: usize = 64;

/// Access to the records of one journal. Clones share their open files.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    open: Mutex<OpenSegments>,
}

#[derive(Default)]
struct OpenSegments {
    segments: BTreeMap<u32, (Arc<Segment>, u64)>,
    clock: u64,
}

struct Segment {
    file: File,
    seal: Seal,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("dir", &self.shared.dir)
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader of the journal in `dir`. Takes no lock: records once written never change.
    pub fn new(dir: &Path) -> Self {
        Self {
            shared: Arc::new(Shared {
                dir: dir.to_owned(),
                open: Mutex::default(),
            }),
        }
    }

    /// The record at `location`, checked against its checksum.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when there is no such record or it is damaged;
    /// [`JournalError::Io`].
    pub fn read(&self, location: Location) -> Result<Bytes, JournalError> {
        let segment = self.segment(location.segment)?;
        let mut record = vec![0; RECORD_HEADER_BYTES as usize + location.len as usize];
        self.fill(
            &segment,
            location.segment,
            location.record_offset(),
            &mut record,
        )?;
        let (header, body) = record.split_at(RECORD_HEADER_BYTES as usize);
        if segment.seal.record_header(location.len, &[body]) != header {
            let damage = match segment.seal.parse_record_header(header) {
                Some((len, _)) if len == location.len => Damage::RecordBody,
                _ => Damage::RecordHeader,
            };
            return Err(self.damaged(location.segment, location.record_offset(), damage));
        }
        Ok(Bytes::from(record).slice(RECORD_HEADER_BYTES as usize..))
    }

    /// `len` bytes of segment `segment` from byte `offset` of its file, as they are: no checksum
    /// covers a part of a record, so callers keep their own.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when the file ends before; [`JournalError::Io`].
    pub fn read_slice(&self, segment: u32, offset: u64, len: u32) -> Result<Bytes, JournalError> {
        let handle = self.segment(segment)?;
        let mut bytes = vec![0; len as usize];
        self.fill(&handle, segment, offset, &mut bytes)?;
        Ok(bytes.into())
    }

    /// The file of segment `segment`, for messages.
    pub fn file(&self, segment: u32) -> PathBuf {
        segment_file(&self.shared.dir, segment)
    }

    fn fill(
        &self,
        segment: &Segment,
        number: u32,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), JournalError> {
        segment.file.read_exact_at(buffer, offset).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                self.damaged(number, offset, Damage::RecordIncomplete)
            } else {
                io_error("read", &self.file(number))(error)
            }
        })
    }

    fn segment(&self, number: u32) -> Result<Arc<Segment>, JournalError> {
        let mut open = self.shared.open.lock();
        open.clock += 1;
        let clock = open.clock;
        if let Some((segment, used)) = open.segments.get_mut(&number) {
            *used = clock;
            return Ok(segment.clone());
        }
        let segment = Arc::new(self.open_segment(number)?);
        if open.segments.len() >= OPEN_FILES_MAX {
            let oldest = open.segments.iter().min_by_key(|(_, (_, used))| *used);
            if let Some((&oldest, _)) = oldest {
                open.segments.remove(&oldest);
            }
        }
        open.segments.insert(number, (segment.clone(), clock));
        Ok(segment)
    }

    fn open_segment(&self, number: u32) -> Result<Segment, JournalError> {
        let path = self.file(number);
        let file = File::open(&path).map_err(io_error("open", &path))?;
        let mut header = [0; SEGMENT_HEADER_BYTES as usize];
        file.read_exact_at(&mut header, 0)
            .map_err(io_error("read", &path))?;
        match Seal::of_header(&header, number) {
            Ok((seal, _)) => Ok(Segment { file, seal }),
            Err(BadHeader::Version(version)) => Err(JournalError::UnknownVersion {
                file: path,
                version,
            }),
            Err(BadHeader::Damaged) => Err(self.damaged(number, 0, Damage::SegmentHeader)),
        }
    }

    fn damaged(&self, segment: u32, offset: u64, damage: Damage) -> JournalError {
        JournalError::Damaged {
            file: self.file(segment),
            offset,
            record: None,
            damage,
        }
    }
}
