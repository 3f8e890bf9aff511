//! Pages of the transaction index, as bytes. All integers big-endian.
//!
//! | bytes | of the first page | of all others |
//! | --- | --- | --- |
//! | 0..4 | magic | CRC-32 of the page's number and of all that follows |
//! | 4.. | magic, version u32, salt of 16 bytes, zeros | depth u8, 0, number of entries u16, prefix u64, entries, zeros |
//! | last 4 | CRC-32 of all before | zeros |
//!
//! The checksums of all other pages continue the first one's, which covers the salt: no page fits
//! into another file, or elsewhere in its own.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use cordon_types::TxId;
use cordon_wire::sha256;

use crate::TxLocation;
use crate::entries::{TX_LOCATION_BYTES, encode_tx};

pub(super) const PAGE_BYTES: usize = 4096;
const PAGE_HEADER_BYTES: usize = 16;
const ID_BYTES: usize = 32;
const ENTRY_BYTES: usize = ID_BYTES + TX_LOCATION_BYTES;

/// Entries that fit into a page.
pub(super) const PAGE_ENTRIES_MAX: usize = (PAGE_BYTES - PAGE_HEADER_BYTES) / ENTRY_BYTES;

const MAGIC: [u8; 8] = *b"CRDNTXIX";
const VERSION: u32 = 1;
const SALT: Range<usize> = 12..28;
const SEALED_BYTES: usize = PAGE_BYTES - 4;

pub(super) type PageBytes = [u8; PAGE_BYTES];

/// What the first page says: how ids are hashed, and where the other pages' checksums begin.
pub(super) struct Header {
    salt: [u8; 16],
    seal: u32,
}

/// The hashes that begin with certain bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    /// How many bits.
    pub(super) depth: u8,
    /// They stand at the top; all others are zero.
    bits: u64,
}

/// A transaction id and its encoded location.
#[derive(Clone, Copy)]
pub(super) struct Entry([u8; ENTRY_BYTES]);

/// The entries whose ids' hashes have one prefix, in no order.
pub(super) struct Page {
    pub(super) prefix: Prefix,
    pub(super) entries: Vec<Entry>,
}

// === impl Header ===

impl Header {
    /// A new one, with a salt of its own.
    pub(super) fn new() -> (Self, PageBytes) {
        // The standard library's hash keys come from the operating system's random source; a salt
        // that nobody who makes ids can guess is all that is needed here.
        let keys = RandomState::new();
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&keys.hash_one(0u8).to_be_bytes());
        salt[8..].copy_from_slice(&keys.hash_one(1u8).to_be_bytes());
        Self::with_salt(salt)
    }

    pub(super) fn with_salt(salt: [u8; 16]) -> (Self, PageBytes) {
        let mut bytes = [0; PAGE_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_be_bytes());
        bytes[SALT].copy_from_slice(&salt);
        let seal = crc32fast::hash(&bytes[..SEALED_BYTES]);
        bytes[SEALED_BYTES..].copy_from_slice(&seal.to_be_bytes());
        (Self { salt, seal }, bytes)
    }

    /// `None` when `bytes` are not such a page, undamaged and of this version.
    pub(super) fn parse(bytes: &PageBytes) -> Option<Self> {
        let (header, expected) = Self::with_salt(bytes[SALT].try_into().ok()?);
        (*bytes == expected).then_some(header)
    }

    /// The hash that says which page `id` belongs to. Without the salt, who makes ids could choose
    /// them so that they all fall into one page.
    pub(super) fn hash(&self, id: &[u8; ID_BYTES]) -> u64 {
        let hash = sha256([&self.salt[..], id]);
        let first = hash[..8].iter();
        first.fold(0, |bits, &byte| bits << 8 | u64::from(byte))
    }
}

// === impl Prefix ===

impl Prefix {
    /// Of all hashes.
    pub(super) const NONE: Self = Self { depth: 0, bits: 0 };

    pub(super) fn covers(self, hash: u64) -> bool {
        let mask = u64::MAX.checked_shl(64 - u32::from(self.depth));
        hash & mask.unwrap_or(0) == self.bits
    }

    /// With one bit more: 0, and 1.
    fn halves(self) -> [Self; 2] {
        let depth = self.depth + 1;
        [0, 1 << (64 - depth)].map(|bit| Self {
            depth,
            bits: self.bits | bit,
        })
    }

    /// The slots it takes in a directory of `depth`, which is not less than its own.
    pub(super) fn slots(self, depth: u8) -> Range<usize> {
        let first = slot(self.bits, depth);
        first..first + (1 << (depth - self.depth))
    }
}

/// The slot of `hash` in a directory of `depth`: its top bits.
pub(super) fn slot(hash: u64, depth: u8) -> usize {
    hash.checked_shr(64 - u32::from(depth)).unwrap_or(0) as usize
}

// === impl Entry ===

impl Entry {
    pub(super) fn new(id: &TxId, location: TxLocation) -> Self {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..ID_BYTES].copy_from_slice(id.as_bytes());
        bytes[ID_BYTES..].copy_from_slice(&encode_tx(location));
        Self(bytes)
    }

    pub(super) fn id(&self) -> &[u8; ID_BYTES] {
        self.0.first_chunk().expect("an entry is longer than an id")
    }

    pub(super) fn location(&self) -> &[u8] {
        &self.0[ID_BYTES..]
    }
}

// === impl Page ===

impl Page {
    pub(super) fn find(&self, id: &[u8; ID_BYTES]) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id() == id)
    }

    /// Two pages with its entries, for the next bit 0 and 1.
    pub(super) fn split(self, header: &Header) -> [Self; 2] {
        let mut pages = self.prefix.halves().map(|prefix| Self {
            prefix,
            entries: Vec::new(),
        });
        for entry in self.entries {
            let upper = pages[1].prefix.covers(header.hash(entry.id()));
            pages[usize::from(upper)].entries.push(entry);
        }
        pages
    }

    /// As page `number` of the file with `header`; at most [`PAGE_ENTRIES_MAX`] entries.
    pub(super) fn encode(&self, header: &Header, number: u32) -> PageBytes {
        let mut bytes = [0; PAGE_BYTES];
        bytes[4] = self.prefix.depth;
        bytes[6..8].copy_from_slice(&(self.entries.len() as u16).to_be_bytes());
        bytes[8..PAGE_HEADER_BYTES].copy_from_slice(&self.prefix.bits.to_be_bytes());
        let places = bytes[PAGE_HEADER_BYTES..].chunks_exact_mut(ENTRY_BYTES);
        for (place, entry) in places.zip(&self.entries) {
            place.copy_from_slice(&entry.0);
        }
        let check = checksum(header, number, &bytes);
        bytes[..4].copy_from_slice(&check.to_be_bytes());
        bytes
    }

    /// `None` when `bytes` are not page `number` of the file with `header`.
    pub(super) fn decode(bytes: &PageBytes, header: &Header, number: u32) -> Option<Self> {
        if bytes[..4] != checksum(header, number, bytes).to_be_bytes() {
            return None;
        }
        let count = usize::from(u16::from_be_bytes(bytes[6..8].try_into().ok()?));
        let prefix = Prefix {
            depth: bytes[4],
            bits: u64::from_be_bytes(bytes[8..PAGE_HEADER_BYTES].try_into().ok()?),
        };
        let (entries, _) = bytes[PAGE_HEADER_BYTES..].as_chunks();
        let entries = entries.get(..count)?.iter().copied().map(Entry).collect();
        Some(Self { prefix, entries })
    }
}

fn checksum(header: &Header, number: u32, bytes: &PageBytes) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(header.seal);
    crc.update(&number.to_be_bytes());
    crc.update(&bytes[4..]);
    crc.finalize()
}
