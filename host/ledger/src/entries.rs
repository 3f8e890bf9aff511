//! Keys and values in sled. All integers big-endian, so that byte order is numeric order.
//!
//! | key | value |
//! | --- | --- |
//! | `s` contract 0x00 key | kind, version, then the value itself (up to 24 bytes) or where it is in its block |
//! | `h` contract 0x00 key-length key block tx | kind, where the envelope is in its block, where the value is in the envelope |
//! | `t` transaction id | block, index, validation code |
//! | `b` block hash | block |
//! | `m` | format, height, hash and commit hash of the last block, sum over all other entries |
//!
//! Contract ids hold no 0x00. Places are relative to the block, whose own place is known in memory,
//! and carry a CRC-32, as no checksum of the journal covers a part of a record.

use cordon_types::{ContractId, TxId, ValidationCode, Version};
use cordon_wire::sha256;

use crate::LedgerError;

/// Values up to this size stand in the state entry itself: a pointer is 12 bytes and a read.
pub(crate) const INLINE_BYTES_MAX: usize = 24;

/// Key of the meta entry.
pub(crate) const META: &[u8] = b"m";
const FORMAT: u8 = 1;

const INLINE: u8 = 0;
const POINTER: u8 = 1;
const DELETED: u8 = 2;

/// Where a transaction is, and its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxLocation {
    /// Number of the block.
    pub block: u64,
    /// Index in the block.
    pub index: u32,
    /// The verdict on it.
    pub code: ValidationCode,
}

/// A part of a larger piece of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

impl Part {
    /// The place of `inner` in `outer`, if it shares its memory.
    pub(crate) fn of(outer: &[u8], inner: &[u8]) -> Option<Self> {
        let len = u32::try_from(inner.len()).ok()?;
        if len == 0 {
            return Some(Self { offset: 0, len });
        }
        let offset = (inner.as_ptr() as usize).checked_sub(outer.as_ptr() as usize)?;
        (offset.checked_add(inner.len())? <= outer.len()).then_some(Self {
            offset: u32::try_from(offset).ok()?,
            len,
        })
    }

    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&self.len.to_be_bytes());
    }
}

/// A part with its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) part: Part,
    pub(crate) crc: u32,
}

impl Pointer {
    pub(crate) fn new(part: Part, bytes: &[u8]) -> Self {
        Self {
            part,
            crc: crc32fast::hash(bytes),
        }
    }

    pub(crate) fn fits(&self, bytes: &[u8]) -> bool {
        crc32fast::hash(bytes) == self.crc
    }

    fn encode(self, out: &mut Vec<u8>) {
        self.part.encode(out);
        out.extend_from_slice(&self.crc.to_be_bytes());
    }
}

/// Reads fixed-size fields from the front of an entry.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn version(&mut self) -> Option<Version> {
        Some(Version {
            block: self.u64()?,
            tx: self.u32()?,
        })
    }

    fn part(&mut self) -> Option<Part> {
        Some(Part {
            offset: self.u32()?,
            len: self.u32()?,
        })
    }

    fn pointer(&mut self) -> Option<Pointer> {
        Some(Pointer {
            part: self.part()?,
            crc: self.u32()?,
        })
    }

    fn rest(self) -> &'a [u8] {
        self.0
    }

    fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

fn damaged(what: &'static str) -> LedgerError {
    LedgerError::StateEntry { what }
}

// === state ===

/// The value of a key in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateValue<'a> {
    Inline(&'a [u8]),
    /// In the block of the version.
    Pointer(Pointer),
}

/// Key of a state entry.
pub(crate) fn state_key(contract: &ContractId, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(contract.as_str().len() + key.len() + 2);
    out.push(b's');
    out.extend_from_slice(contract.as_str().as_bytes());
    out.push(0);
    out.extend_from_slice(key);
    out
}

/// First key after all keys of `contract` in the state.
pub(crate) fn state_end(contract: &ContractId) -> Vec<u8> {
    let mut out = state_key(contract, &[]);
    out.pop();
    out.push(1);
    out
}

pub(crate) fn encode_state(version: Version, value: StateValue<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(13 + INLINE_BYTES_MAX);
    out.push(if matches!(value, StateValue::Inline(_)) {
        INLINE
    } else {
        POINTER
    });
    out.extend_from_slice(&version.block.to_be_bytes());
    out.extend_from_slice(&version.tx.to_be_bytes());
    match value {
        StateValue::Inline(bytes) => out.extend_from_slice(bytes),
        StateValue::Pointer(pointer) => pointer.encode(&mut out),
    }
    out
}

pub(crate) fn decode_state(entry: &[u8]) -> Result<(Version, StateValue<'_>), LedgerError> {
    let mut fields = Fields(entry);
    let mut decode = || Some((fields.u8()?, fields.version()?));
    let decoded = match decode() {
        Some((INLINE, version)) => Some((version, StateValue::Inline(fields.rest()))),
        Some((POINTER, version)) => fields
            .pointer()
            .and_then(|pointer| fields.end((version, StateValue::Pointer(pointer)))),
        _ => None,
    };
    decoded.ok_or(damaged("world state"))
}

// === history ===

/// One change of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// The transaction's envelope in its block.
    pub(crate) envelope: Pointer,
    /// The value in the envelope; `None` for a delete.
    pub(crate) value: Option<Part>,
}

/// What the keys of all changes of `key` begin with. The length comes before the key: keys may hold
/// any byte, so no separator would end them.
pub(crate) fn history_prefix(contract: &ContractId, key: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(contract.as_str().len() + key.len() + 16);
    out.push(b'h');
    out.extend_from_slice(contract.as_str().as_bytes());
    out.push(0);
    out.extend_from_slice(&(key.len() as u16).to_be_bytes());
    out.extend_from_slice(key.as_bytes());
    out
}

/// Key of the change of the key behind `prefix` at `version`.
pub(crate) fn history_key(mut prefix: Vec<u8>, version: Version) -> Vec<u8> {
    prefix.extend_from_slice(&version.block.to_be_bytes());
    prefix.extend_from_slice(&version.tx.to_be_bytes());
    prefix
}

/// The version at the end of a history key.
pub(crate) fn history_version(key: &[u8]) -> Result<Version, LedgerError> {
    key.split_last_chunk::<12>()
        .and_then(|(_, version)| Fields(version).version())
        .ok_or(damaged("history"))
}

pub(crate) fn encode_change(change: Change) -> Vec<u8> {
    let mut out = Vec::with_capacity(21);
    out.push(if change.value.is_some() {
        POINTER
    } else {
        DELETED
    });
    change.envelope.encode(&mut out);
    if let Some(part) = change.value {
        part.encode(&mut out);
    }
    out
}

pub(crate) fn decode_change(entry: &[u8]) -> Result<Change, LedgerError> {
    let mut fields = Fields(entry);
    let mut decode = || Some((fields.u8()?, fields.pointer()?));
    let decoded = match decode() {
        Some((DELETED, envelope)) => fields.end(Change {
            envelope,
            value: None,
        }),
        Some((POINTER, envelope)) => fields.part().and_then(|value| {
            fields.end(Change {
                envelope,
                value: Some(value),
            })
        }),
        _ => None,
    };
    decoded.ok_or(damaged("history"))
}

// === indexes ===

pub(crate) fn tx_key(tx_id: &TxId) -> [u8; 33] {
    prefixed(b't', tx_id.as_bytes())
}

pub(crate) fn encode_tx(location: TxLocation) -> Vec<u8> {
    let mut out = Vec::with_capacity(13);
    out.extend_from_slice(&location.block.to_be_bytes());
    out.extend_from_slice(&location.index.to_be_bytes());
    out.push(location.code as u8);
    out
}

pub(crate) fn decode_tx(entry: &[u8]) -> Result<TxLocation, LedgerError> {
    let mut fields = Fields(entry);
    let mut decode = || {
        let (block, index) = (fields.u64()?, fields.u32()?);
        Some(TxLocation {
            block,
            index,
            code: ValidationCode::from_number(fields.u8()?)?,
        })
    };
    decode()
        .and_then(|location| fields.end(location))
        .ok_or(damaged("transaction index"))
}

pub(crate) fn block_hash_key(hash: &[u8; 32]) -> [u8; 33] {
    prefixed(b'b', hash)
}

pub(crate) fn decode_block_number(entry: &[u8]) -> Result<u64, LedgerError> {
    let mut fields = Fields(entry);
    fields
        .u64()
        .and_then(|number| fields.end(number))
        .ok_or(damaged("block hash index"))
}

fn prefixed(prefix: u8, hash: &[u8; 32]) -> [u8; 33] {
    let mut key = [prefix; 33];
    key[1..].copy_from_slice(hash);
    key
}

// === meta ===

/// A checksum over a set of entries that does not depend on their order and can follow changes: the
/// sum of their SHA-256, as four 64-bit numbers that wrap. Guards against accidents, not attackers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum([u64; 4]);

impl Sum {
    /// Of no entries.
    pub(crate) const EMPTY: Self = Self([0; 4]);

    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        for (sum, part) in self.0.iter_mut().zip(parts(key, value)) {
            *sum = sum.wrapping_add(part);
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8], value: &[u8]) {
        for (sum, part) in self.0.iter_mut().zip(parts(key, value)) {
            *sum = sum.wrapping_sub(part);
        }
    }
}

fn parts(key: &[u8], value: &[u8]) -> [u64; 4] {
    let hash = sha256([&(key.len() as u32).to_be_bytes()[..], key, value]);
    let mut fields = Fields(&hash);
    std::array::from_fn(|_| fields.u64().unwrap_or_default())
}

/// What the state says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Number of blocks applied.
    pub(crate) height: u64,
    /// Hash of the last of them; zeros when there is none.
    pub(crate) block_hash: [u8; 32],
    /// Its commit hash.
    pub(crate) commit_hash: [u8; 32],
    /// Over all entries but this one.
    pub(crate) sum: Sum,
}

impl Meta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend_from_slice(&self.height.to_be_bytes());
        out.extend_from_slice(&self.block_hash);
        out.extend_from_slice(&self.commit_hash);
        for part in self.sum.0 {
            out.extend_from_slice(&part.to_be_bytes());
        }
        out
    }

    /// `None` when it is damaged or of another format.
    pub(crate) fn decode(entry: &[u8]) -> Option<Self> {
        let mut fields = Fields(entry);
        if fields.u8()? != FORMAT {
            return None;
        }
        let meta = Self {
            height: fields.u64()?,
            block_hash: fields.take()?,
            commit_hash: fields.take()?,
            sum: Sum([fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?]),
        };
        fields.end(meta)
    }
}
