//! Keys and values in sled. All integers big-endian, so that byte order is numeric order.
//!
//! | key | value |
//! | --- | --- |
//! | `s` contract 0x00 key | kind, last change, then the value itself (up to 24 bytes), where it is in its block, or nothing (deleted) |
//! | `p` block tx position | runs of changes of the block, from this one on, each with the change of its key before it |
//! | `b` block hash | block |
//! | `m` | format, height, hash and commit hash of the last block, sum over all other entries, sum over the transaction index |
//!
//! A change is named by block, transaction, and position among all writes of the transaction. What
//! changed is in its envelope alone; so the history of a key is a list that begins at the state
//! entry, of a deleted key too, and goes on from block to block. One entry per change would be
//! easier to read, but sled's memory and time go by the number of entries: a block's changes share
//! a few.
//!
//! Contract ids hold no 0x00. Places are relative to the block, whose own place is known in memory,
//! and carry a CRC-32, as no checksum of the journal covers a part of a record.
//!
//! Where a transaction is, is not in sled but in [`TxIndex`](crate::tx_index::TxIndex).

use std::ops::Range;

use cordon_types::{ContractId, ValidationCode, Version};
use cordon_wire::sha256;

use crate::LedgerError;

/// Values up to this size stand in the state entry itself: a pointer is 12 bytes and a read.
pub(crate) const INLINE_BYTES_MAX: usize = 24;

/// Size of an entry with changes. A leaf of sled has up to 17 entries, and one of more than 128 KiB
/// would become a file of its own.
const CHANGES_BYTES_MAX: usize = 6 << 10;

/// Key of the meta entry.
pub(crate) const META: &[u8] = b"m";
const FORMAT: u8 = 3;

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

/// One change of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChangeId {
    /// Of the transaction.
    pub(crate) version: Version,
    /// Among all writes of the transaction, those of all contracts counted on.
    pub(crate) position: u32,
}

impl ChangeId {
    const BYTES: usize = 16;

    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.block.to_be_bytes());
        out.extend_from_slice(&self.version.tx.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
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

    fn change(&mut self) -> Option<ChangeId> {
        Some(ChangeId {
            version: self.version()?,
            position: self.u32()?,
        })
    }

    fn sum(&mut self) -> Option<Sum> {
        Some(Sum([self.u64()?, self.u64()?, self.u64()?, self.u64()?]))
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(first)
    }

    fn rest(self) -> &'a [u8] {
        self.0
    }

    fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

pub(crate) fn damaged(what: &'static str) -> LedgerError {
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

/// `change` is the last one of the key; without a value it deleted the key.
pub(crate) fn encode_state(change: ChangeId, value: Option<StateValue<'_>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + ChangeId::BYTES + INLINE_BYTES_MAX);
    out.push(match value {
        Some(StateValue::Inline(_)) => INLINE,
        Some(StateValue::Pointer(_)) => POINTER,
        None => DELETED,
    });
    change.encode(&mut out);
    match value {
        Some(StateValue::Inline(bytes)) => out.extend_from_slice(bytes),
        Some(StateValue::Pointer(pointer)) => pointer.encode(&mut out),
        None => {}
    }
    out
}

/// The last change of a key, and its value unless that deleted it.
pub(crate) fn decode_state(
    entry: &[u8],
) -> Result<(ChangeId, Option<StateValue<'_>>), LedgerError> {
    let mut fields = Fields(entry);
    let mut decode = || Some((fields.u8()?, fields.change()?));
    let decoded = match decode() {
        Some((INLINE, change)) => Some((change, Some(StateValue::Inline(fields.rest())))),
        Some((POINTER, change)) => fields
            .pointer()
            .and_then(|pointer| fields.end((change, Some(StateValue::Pointer(pointer))))),
        Some((DELETED, change)) => fields.end((change, None)),
        _ => None,
    };
    decoded.ok_or(damaged("world state"))
}

// === changes ===

/// What is kept of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// The transaction's envelope in its block.
    pub(crate) envelope: Pointer,
    /// The change of the same key before this one.
    pub(crate) previous: Option<ChangeId>,
}

/// Instead of a previous change. No block has this number: its hash could not be named by a next
/// one.
const NONE: ChangeId = ChangeId {
    version: Version {
        block: u64::MAX,
        tx: u32::MAX,
    },
    position: u32::MAX,
};

/// Makes the entries with the changes of one block. Each is a sequence of runs: transaction, first
/// position, count, place of the envelope, and for each change the previous one.
#[derive(Default)]
pub(crate) struct ChangesEncoder {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
}

impl ChangesEncoder {
    const RUN_BYTES: usize = 24;

    /// Appends all changes of one transaction, each as the one before it. Transactions come in
    /// order.
    pub(crate) fn transaction(
        &mut self,
        version: Version,
        envelope: Pointer,
        mut previous: &[Option<ChangeId>],
    ) {
        let mut position = 0;
        while !previous.is_empty() {
            let used = self
                .entries
                .last()
                .map_or(CHANGES_BYTES_MAX, |(_, value)| value.len());
            let room = CHANGES_BYTES_MAX.saturating_sub(used + Self::RUN_BYTES) / ChangeId::BYTES;
            if room == 0 {
                let key = changes_key(ChangeId { version, position });
                self.entries.push((key, Vec::new()));
                continue;
            }
            let (run, rest) = previous.split_at(room.min(previous.len()));
            if let Some((_, out)) = self.entries.last_mut() {
                out.extend_from_slice(&version.tx.to_be_bytes());
                out.extend_from_slice(&position.to_be_bytes());
                out.extend_from_slice(&(run.len() as u32).to_be_bytes());
                envelope.encode(out);
                for previous in run {
                    previous.unwrap_or(NONE).encode(out);
                }
            }
            position += run.len() as u32;
            previous = rest;
        }
    }

    /// Keys and values.
    pub(crate) fn finish(self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.entries
    }
}

/// Key of the entry with changes that begins with `change`.
fn changes_key(change: ChangeId) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + ChangeId::BYTES);
    out.push(b'p');
    change.encode(&mut out);
    out
}

/// The last key of this range, if there is one, is that of the only entry that may hold `change`.
pub(crate) fn changes_range(change: ChangeId) -> Range<Vec<u8>> {
    let first = ChangeId {
        version: Version {
            tx: 0,
            ..change.version
        },
        position: 0,
    };
    let mut end = changes_key(change);
    // The first key after a key is that key with a zero byte.
    end.push(0);
    changes_key(first)..end
}

/// What `entry` keeps of `change`; `None` when it does not hold it.
pub(crate) fn decode_change(entry: &[u8], change: ChangeId) -> Result<Option<Change>, LedgerError> {
    let mut fields = Fields(entry);
    while !fields.0.is_empty() {
        let mut decode = || {
            let (tx, first, count) = (fields.u32()?, fields.u32()?, fields.u32()? as usize);
            let envelope = fields.pointer()?;
            let run = fields.bytes(count.checked_mul(ChangeId::BYTES)?)?;
            Some((tx, first, envelope, run))
        };
        let (tx, first, envelope, run) = decode().ok_or(damaged("history"))?;
        let Some(index) = change.position.checked_sub(first) else {
            continue;
        };
        let mut run = run.chunks_exact(ChangeId::BYTES);
        if tx == change.version.tx
            && let Some(previous) = run.nth(index as usize)
        {
            let previous = Fields(previous).change().filter(|found| *found != NONE);
            return Ok(Some(Change { envelope, previous }));
        }
    }
    Ok(None)
}

// === indexes ===

/// What errors call the index of transactions.
pub(crate) const TX_INDEX: &str = "transaction index";

/// Size of an encoded [`TxLocation`].
pub(crate) const TX_LOCATION_BYTES: usize = 13;

pub(crate) fn encode_tx(location: TxLocation) -> [u8; TX_LOCATION_BYTES] {
    let mut out = [0; TX_LOCATION_BYTES];
    out[..8].copy_from_slice(&location.block.to_be_bytes());
    out[8..12].copy_from_slice(&location.index.to_be_bytes());
    out[12] = location.code as u8;
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
        .ok_or(damaged(TX_INDEX))
}

pub(crate) fn block_hash_key(hash: &[u8; 32]) -> [u8; 33] {
    let mut key = [b'b'; 33];
    key[1..].copy_from_slice(hash);
    key
}

pub(crate) fn decode_block_number(entry: &[u8]) -> Result<u64, LedgerError> {
    let mut fields = Fields(entry);
    fields
        .u64()
        .and_then(|number| fields.end(number))
        .ok_or(damaged("block hash index"))
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

    fn encode(self, out: &mut Vec<u8>) {
        for part in self.0 {
            out.extend_from_slice(&part.to_be_bytes());
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
    /// Over the transaction index, which is in a file of its own.
    pub(crate) tx_sum: Sum,
}

impl Meta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend_from_slice(&self.height.to_be_bytes());
        out.extend_from_slice(&self.block_hash);
        out.extend_from_slice(&self.commit_hash);
        self.sum.encode(&mut out);
        self.tx_sum.encode(&mut out);
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
            sum: fields.sum()?,
            tx_sum: fields.sum()?,
        };
        fields.end(meta)
    }
}
