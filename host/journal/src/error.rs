//! What can go wrong with a journal.

use std::io;
use std::path::{Path, PathBuf};

/// How a segment or a record is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A segment between others is not there.
    #[error("the segment is missing")]
    SegmentMissing,
    /// The segment before this one has lost records at its end.
    #[error("records before the segment are missing")]
    RecordsMissing,
    /// The segment does not begin as it must.
    #[error("the segment's header is damaged")]
    SegmentHeader,
    /// The file ends within a record.
    #[error("the record is incomplete")]
    RecordIncomplete,
    /// The record's length does not fit its checksum, or is not the expected one.
    #[error("the record's header is damaged")]
    RecordHeader,
    /// The record's content does not fit its checksum.
    #[error("the record's content is damaged")]
    RecordBody,
}

/// Why a journal cannot be opened, read or extended. Never holds a record's content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", file.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process, or another part of this one, has the journal open.
    #[error("{} is in use by another process", dir.display())]
    Locked {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// The files do not hold what was written.
    #[error(
        "{} is damaged at byte {offset}{}: {damage}",
        file.display(),
        record.map(|index| format!(" (record {index})")).unwrap_or_default()
    )]
    Damaged {
        /// The segment's file.
        file: PathBuf,
        /// Where the damaged part begins.
        offset: u64,
        /// Index of the damaged record, from 0; `None` when it was read by its location.
        record: Option<u64>,
        /// What is wrong.
        damage: Damage,
    },
    /// Written by another version of this program.
    #[error("{} has format version {version}, this program reads version 1", file.display())]
    UnknownVersion {
        /// The segment's file.
        file: PathBuf,
        /// The version found.
        version: u32,
    },
    /// A record above [`RECORD_BYTES_MAX`](crate::RECORD_BYTES_MAX). Nothing was written.
    #[error("a record of {bytes} bytes is too long (at most {max})")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// An earlier write or fsync failed, so what is on disk is not known until the journal is
    /// opened again.
    #[error("{} takes no more records since a write failed; open it again", dir.display())]
    Poisoned {
        /// The journal's directory.
        dir: PathBuf,
    },
}

/// Adds to an I/O error what was tried, and on which file.
pub(crate) fn io_error(
    action: &'static str,
    file: &Path,
) -> impl FnOnce(io::Error) -> JournalError {
    move |source| JournalError::Io {
        action,
        file: file.to_owned(),
        source,
    }
}
