//! One record of an ordering log.

use bytes::Bytes;
use cordon_wire::sha256;

use crate::error::OrderError;

/// Largest envelope that ordering takes: what a contract may write twice over (arguments and write
/// set), with room for certificates.
pub const ENVELOPE_BYTES_MAX: usize = 12 << 20;

const KIND_ENVELOPE: u8 = 1;
const KIND_CUT: u8 = 2;
const CHAIN_BYTES: usize = 32;

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An encoded envelope.
    Envelope(Bytes),
    /// Closes the block of this number, if it is the open one and not empty.
    Cut(u64),
}

/// A record with its place and the hash of everything up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Index in the log, from 0.
    pub position: u64,
    /// SHA-256 over the previous record's chain and this record; all zeroes before the first.
    pub chain: [u8; CHAIN_BYTES],
    /// Content.
    pub content: Content,
}

/// A point in a log: how many records lie before it, and the hash of them all. Two logs that agree
/// on a position with its chain agree on every record before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Number of records before this point.
    pub next: u64,
    /// The last of these records' chain.
    pub chain: [u8; CHAIN_BYTES],
}

impl Position {
    /// The form in which a block states where it ends: 8 bytes big-endian, then the chain.
    pub fn to_bytes(self) -> Bytes {
        let mut bytes = Vec::with_capacity(8 + CHAIN_BYTES);
        bytes.extend_from_slice(&self.next.to_be_bytes());
        bytes.extend_from_slice(&self.chain);
        bytes.into()
    }

    /// Reads [`Position::to_bytes`]; `None` when it is something else. Empty bytes are the start.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let (next, chain) = bytes.split_first_chunk()?;
        Some(Self {
            next: u64::from_be_bytes(*next),
            chain: chain.try_into().ok()?,
        })
    }
}

/// Follows a log and makes sure that it is one log: no gap, no other history.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chain {
    position: Position,
}

impl Chain {
    /// Continues after `position`.
    pub fn after(position: Position) -> Self {
        Self { position }
    }

    /// The point after the last record.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next record for this content.
    pub fn extend(&mut self, content: Content) -> Record {
        let (kind, cut);
        let bytes: &[u8] = match &content {
            Content::Envelope(envelope) => {
                kind = KIND_ENVELOPE;
                envelope
            }
            Content::Cut(block) => {
                kind = KIND_CUT;
                cut = block.to_be_bytes();
                &cut
            }
        };
        let chain = sha256([&self.position.chain[..], &[kind], bytes]);
        let record = Record {
            position: self.position.next,
            chain,
            content,
        };
        self.position = Position {
            next: self.position.next + 1,
            chain,
        };
        record
    }

    /// Accepts a record that was read.
    ///
    /// # Errors
    /// [`OrderError::Forked`] when it is not the next record of this log.
    pub fn check(&mut self, record: &Record) -> Result<(), OrderError> {
        let expected = self.position.next;
        if record.position != expected {
            let found = record.position;
            return Err(OrderError::Forked(format!(
                "record {found} where {expected} should be"
            )));
        }
        if self.extend(record.content.clone()).chain != record.chain {
            return Err(OrderError::Forked(format!(
                "the hash of record {expected} does not continue the chain"
            )));
        }
        Ok(())
    }
}

impl Record {
    /// Head of the record as it stands in a file; the envelope follows.
    pub(crate) fn file_parts(&self) -> (Vec<u8>, Bytes) {
        let mut head = Vec::with_capacity(CHAIN_BYTES + 9);
        head.extend_from_slice(&self.chain);
        match &self.content {
            Content::Envelope(envelope) => {
                head.push(KIND_ENVELOPE);
                (head, envelope.clone())
            }
            Content::Cut(block) => {
                head.push(KIND_CUT);
                head.extend_from_slice(&block.to_be_bytes());
                (head, Bytes::new())
            }
        }
    }

    /// Reads a record as it stands in a file.
    pub(crate) fn from_file(position: u64, bytes: &Bytes) -> Option<Self> {
        let (chain, rest) = bytes.split_first_chunk::<CHAIN_BYTES>()?;
        let (&kind, body) = rest.split_first()?;
        let content = match kind {
            KIND_ENVELOPE => Content::Envelope(bytes.slice(CHAIN_BYTES + 1..)),
            KIND_CUT => Content::Cut(u64::from_be_bytes(body.try_into().ok()?)),
            _ => return None,
        };
        Some(Self {
            position,
            chain: *chain,
            content,
        })
    }
}
