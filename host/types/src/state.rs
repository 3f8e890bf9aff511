//! The world state as a transaction sees it: one consistent snapshot, keys in byte order.

use bytes::Bytes;

use crate::{ContractId, TxId};

/// Longest key, in bytes. Fabric sets no limit; ours keeps index entries small and bounded.
pub const KEY_BYTES_MAX: usize = 1024;

/// When a value was written: block number, then index of the transaction in that block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Number of the block, from 0.
    pub block: u64,
    /// Index of the transaction in the block, from 0.
    pub tx: u32,
}

/// A present value with the version that wrote it. The value may be empty; absence is `None` around this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionedValue {
    /// The transaction that wrote the value.
    pub version: Version,
    /// The bytes written.
    pub value: Bytes,
}

/// One change of a key in the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The transaction that made the change.
    pub version: Version,
    /// Its id.
    pub tx_id: TxId,
    /// Seconds since the Unix epoch, as the client stated them in the transaction.
    pub timestamp_seconds: i64,
    /// Nanoseconds within that second.
    pub timestamp_nanos: i32,
    /// The value written; `None` when the key was deleted.
    pub value: Option<Bytes>,
}

/// The disk failed, or does not hold what it must; this host cannot answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("world state cannot be read: {0}")]
pub struct StateError(pub String);

/// The committed state at one height. Every call on one value sees the same height, whatever is
/// committed meanwhile. Keys are ordered by their UTF-8 bytes.
pub trait Snapshot: Send {
    /// Number of blocks this snapshot includes.
    fn height(&self) -> u64;

    /// The value of `key` in `contract`'s namespace; `None` when absent.
    ///
    /// # Errors
    /// [`StateError`] when the disk fails.
    fn get(&self, contract: &ContractId, key: &str) -> Result<Option<VersionedValue>, StateError>;

    /// Present keys from `start` (inclusive) to `end` (exclusive; empty = no upper bound), at most
    /// `limit`, in key order.
    ///
    /// # Errors
    /// [`StateError`] when the disk fails.
    fn scan(
        &self,
        contract: &ContractId,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, VersionedValue)>, StateError>;

    /// Changes of `key`, newest first, at most `limit`, only those older than `before` if given.
    ///
    /// # Errors
    /// [`StateError`] when the disk fails.
    fn history(
        &self,
        contract: &ContractId,
        key: &str,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, StateError>;

    /// Hash of the header of block `number`, which must be below [`Snapshot::height`].
    ///
    /// # Errors
    /// [`StateError`] when the disk fails, or there is no such block.
    fn block_hash(&self, number: u64) -> Result<[u8; 32], StateError>;
}

/// Whether `key` may name a value: 1..=[`KEY_BYTES_MAX`] bytes.
pub fn check_key(key: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&key.len())
}
