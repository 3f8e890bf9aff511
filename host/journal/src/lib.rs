//! Append-only segment files with a checksum on every record: the one place that frames, checks and
//! fsyncs what must not be lost. The block files of a channel and the log of the embedded ordering
//! are both journals; what a record means is their matter.
//!
//! # On disk
//! A directory with `lock` and segments `00000000.seg`, `00000001.seg`, … All integers big-endian.
//! - Segment header, 36 bytes: magic `CRDNJRNL`, format version u32, segment number u32, index of
//!   its first record u64, random salt u64, CRC-32 of the 32 bytes before it.
//! - Record: length u32, CRC-32 of the length, CRC-32 of length and body, body. Both checksums
//!   continue the segment's: without its salt nobody can put bytes into a body that look like a
//!   record, which matters when damage is told from a torn tail.
//!
//! # Torn tails
//! A process or a machine that dies while it appends leaves an incomplete last record. On open, a
//! damaged record at the end of the last segment with no intact record after it is cut off and
//! reported; whether it had been acknowledged the journal cannot know, so owners compare with what
//! others have. Every other damage is an error that names file, offset and record.

mod error;
mod format;
mod journal;
mod reader;
mod repair;
mod scan;

pub use error::{Damage, JournalError};
pub use format::{Location, RECORD_BYTES_MAX, RECORD_HEADER_BYTES, SEGMENT_BYTES_MAX};
pub use journal::{Journal, Opened, Options};
pub use reader::Reader;
pub use repair::set_aside;
pub use scan::{DamagedAt, Scan, TornTail, scan};
