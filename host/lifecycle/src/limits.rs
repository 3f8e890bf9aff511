//! What bounds packages and definitions.

/// Bytes of a package, and of the component in it: eight times the largest component that hosts run
/// by default. Unpacking holds each once.
pub const PACKAGE_BYTES_MAX: usize = 32 << 20;

/// Bytes of `metadata.json`: a type, a path and a label.
pub const METADATA_BYTES_MAX: usize = 16 << 10;

/// Bytes of a tar with one file of [`PACKAGE_BYTES_MAX`], and of one with `metadata.json` beside it:
/// headers, padding and the end take less than the rest.
pub(crate) const TAR_BYTES_MAX: usize = PACKAGE_BYTES_MAX + (64 << 10);

/// Bytes of a label: a file's name has room for it beside the hash.
pub const LABEL_BYTES_MAX: usize = 128;

/// Bytes of a contract's version.
pub const VERSION_BYTES_MAX: usize = 64;

/// Keys read at a time when all definitions or approvals are listed.
pub(crate) const PAGE: usize = 1000;

// A file system's name has 255 bytes: label, hash, `.` and `.tar.gz`.
const _: () = assert!(LABEL_BYTES_MAX + 64 + 8 <= 255);
const _: () = assert!(TAR_BYTES_MAX >= PACKAGE_BYTES_MAX + METADATA_BYTES_MAX + 8 * 512);
