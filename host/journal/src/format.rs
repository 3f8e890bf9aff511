//! The bytes of segments and records, as described at the crate.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

/// Longest record: the largest block is far below, and a damaged length cannot ask for more memory.
pub const RECORD_BYTES_MAX: usize = 128 << 20;
/// Bytes before a record's content.
pub const RECORD_HEADER_BYTES: u64 = 12;
/// Largest segment; offsets fit 32 bits with room for one more record.
pub const SEGMENT_BYTES_MAX: u64 = 2 << 30;

pub(crate) const SEGMENT_HEADER_BYTES: u64 = 36;
/// The header without its own checksum.
const SEALED_BYTES: usize = SEGMENT_HEADER_BYTES as usize - 4;
const MAGIC: [u8; 8] = *b"CRDNJRNL";
const VERSION: u32 = 1;
const _: () = assert!(SEGMENT_BYTES_MAX + RECORD_BYTES_MAX as u64 <= u32::MAX as u64);

/// Where a record's content is. Ordered as the records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Number of the segment, from 0.
    pub segment: u32,
    /// Bytes from the start of the segment's file to the record's content.
    pub offset: u64,
    /// Length of the content.
    pub len: u32,
}

impl Location {
    /// Where the record itself begins, its header included.
    pub const fn record_offset(&self) -> u64 {
        self.offset - RECORD_HEADER_BYTES
    }

    /// Where the next record of the segment begins.
    pub(crate) const fn end(&self) -> u64 {
        self.offset + self.len as u64
    }
}

/// The file of segment `segment` in `dir`.
pub(crate) fn segment_file(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:08}.seg"))
}

/// A segment's header, encoded.
pub(crate) type SegmentHeader = [u8; SEGMENT_HEADER_BYTES as usize];

/// Why bytes are not the header of a segment.
pub(crate) enum BadHeader {
    Damaged,
    Version(u32),
}

/// The checksum that those of a segment's records continue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seal(u32);

impl Seal {
    /// A header for a new segment, with a salt of its own. `first_record` is the index of the
    /// record that comes first in it: how records missing at the end of a segment are noticed.
    pub(crate) fn new_header(segment: u32, first_record: u64) -> (SegmentHeader, Self) {
        // The standard library's hash keys come from the operating system's random source; a salt
        // that contracts cannot guess is all that is needed here.
        let salt = RandomState::new().build_hasher().finish();
        let mut header = [0; SEGMENT_HEADER_BYTES as usize];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_be_bytes());
        header[12..16].copy_from_slice(&segment.to_be_bytes());
        header[16..24].copy_from_slice(&first_record.to_be_bytes());
        header[24..SEALED_BYTES].copy_from_slice(&salt.to_be_bytes());
        let check = crc32fast::hash(&header[..SEALED_BYTES]);
        header[SEALED_BYTES..].copy_from_slice(&check.to_be_bytes());
        (header, Self(check))
    }

    /// Checks the header of segment `segment`; also the index of its first record.
    pub(crate) fn of_header(
        header: &SegmentHeader,
        segment: u32,
    ) -> Result<(Self, u64), BadHeader> {
        let word = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let check = word(SEALED_BYTES);
        let intact = header[..8] == MAGIC
            && crc32fast::hash(&header[..SEALED_BYTES]) == check
            && word(12) == segment;
        if !intact {
            return Err(BadHeader::Damaged);
        }
        if word(8) != VERSION {
            return Err(BadHeader::Version(word(8)));
        }
        Ok((Self(check), u64::from(word(16)) << 32 | u64::from(word(20))))
    }

    /// The header of a record whose content is `parts`, `len` bytes together.
    pub(crate) fn record_header(self, len: u32, parts: &[&[u8]]) -> [u8; 12] {
        let mut body = self.body(len);
        for part in parts {
            body.update(part);
        }
        let mut header = [0; 12];
        header[..4].copy_from_slice(&len.to_be_bytes());
        header[4..8].copy_from_slice(&self.length_check(len).to_be_bytes());
        header[8..].copy_from_slice(&body.finalize().to_be_bytes());
        header
    }

    /// The length and the content's checksum in a record's header, if the header is intact.
    pub(crate) fn parse_record_header(self, header: &[u8]) -> Option<(u32, u32)> {
        let mut words = header
            .chunks_exact(4)
            .map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]]));
        let (len, length_check, body_check) = (words.next()?, words.next()?, words.next()?);
        (len as usize <= RECORD_BYTES_MAX && self.length_check(len) == length_check)
            .then_some((len, body_check))
    }

    /// The checksum of a record's content, to be continued with the content.
    pub(crate) fn body(self, len: u32) -> crc32fast::Hasher {
        crc32fast::Hasher::new_with_initial(self.length_check(len))
    }

    fn length_check(self, len: u32) -> u32 {
        let mut check = crc32fast::Hasher::new_with_initial(self.0);
        check.update(&len.to_be_bytes());
        check.finalize()
    }
}
