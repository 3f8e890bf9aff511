//! What a transaction read and what it would write: the outcome of an execution that is endorsed,
//! ordered and then validated.

use bytes::Bytes;

use crate::{ContractId, Version};

/// Reads and writes of one transaction, one entry per contract, sorted by contract.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadWriteSet {
    /// One entry per namespace that was read or written; none is empty in a set made by a host.
    pub contracts: Vec<ContractReadWriteSet>,
}

/// Reads and writes in one contract's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractReadWriteSet {
    /// The namespace.
    pub contract: ContractId,
    /// Point reads of committed state, sorted by key, each key once.
    pub reads: Vec<KeyRead>,
    /// Range scans, in the order they ran.
    pub range_reads: Vec<RangeRead>,
    /// Writes, sorted by key, each key once (the last one wins).
    pub writes: Vec<KeyWrite>,
}

/// A key that was read, with the version found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRead {
    /// The key.
    pub key: String,
    /// `None`: the key was absent, which is not the same as version (0, 0).
    pub version: Option<Version>,
}

/// A key to write.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyWrite {
    /// The key.
    pub key: String,
    /// The new value, possibly empty; `None` deletes the key.
    pub value: Option<Bytes>,
}

impl std::fmt::Debug for KeyWrite {
    // Record data never reaches a log: lengths only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyWrite")
            .field("key_bytes", &self.key.len())
            .field("value_bytes", &self.value.as_ref().map(Bytes::len))
            .finish()
    }
}

/// A range scan and what it found in committed state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeRead {
    /// First key asked for (inclusive).
    pub start: String,
    /// When `exhausted`, the end asked for (exclusive; empty = no bound); else the last key handed
    /// out (inclusive).
    pub end: String,
    /// Whether the scan ran to its end.
    pub exhausted: bool,
    /// The committed keys found, or their summary.
    pub results: RangeResults,
}

/// What a range scan found: in full, or as Fabric's Merkle summary when there is much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeResults {
    /// Every key found with its version, in key order. Each version is present.
    Raw(Vec<KeyRead>),
    /// The summary of more than 50 results (`WIRE.md` section 8).
    Merkle {
        /// Results per hash; 50.
        max_degree: u32,
        /// The level of `hashes` in the tree, from 1.
        max_level: u32,
        /// The hashes at that level, in order.
        hashes: Vec<Bytes>,
    },
}
