//! What a contract's rules can see and do.

use crate::caller::Caller;
use crate::error::Result;
use crate::timestamp::Timestamp;

/// The most entries that one page of a scan or a history can have.
pub const SCAN_LIMIT_MAX: u32 = 1000;

/// The world of one call: who calls, the contract's records, and the events it emits.
///
/// Rules take `&impl World` when they only read and `&mut impl World` when they write, so that a query
/// that writes does not compile. A call's rules run from beginning to end on one world; when they end
/// in an error, nothing they wrote or emitted happens.
///
/// The words are those of `wit/contract.wit`, where every detail is said; keys and values here are
/// raw, and [`Collection`](crate::Collection) is the comfortable way to them.
pub trait World {
    /// The channel's id.
    fn channel(&self) -> String;

    /// The transaction's id: 64 lower-case hex digits, different for every transaction, and the right
    /// source for ids of new records.
    fn transaction_id(&self) -> String;

    /// The client's time.
    fn timestamp(&self) -> Timestamp;

    /// Who calls.
    fn caller(&self) -> Caller;

    /// A transient value of the proposal, which appears in no block, hash or log. `None` when the
    /// client sent none of that name; may be empty.
    fn transient(&self, name: &str) -> Option<Vec<u8>>;

    /// The contract on this channel that called this one, by its name; `None` when a client did.
    fn calling_contract(&self) -> Option<String>;

    /// The value of `key`, this call's own writes included. `None` means absent; a present empty value
    /// is `Some(vec![])`.
    ///
    /// # Errors
    /// `Invalid` when the key is empty or longer than 1,024 bytes.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Writes `key`; the last write of a call counts.
    ///
    /// # Errors
    /// `Invalid` when the key is empty or longer than 1,024 bytes, or the value longer than 1 MiB.
    fn put(&mut self, key: &str, value: &[u8]) -> Result<()>;

    /// Deletes `key`; to delete an absent key is no error.
    ///
    /// # Errors
    /// `Invalid` when the key is empty or longer than 1,024 bytes.
    fn delete(&mut self, key: &str) -> Result<()>;

    /// A page of the present keys in `range`, this call's own writes included, in ascending order of
    /// key bytes, at most `limit` (1 to [`SCAN_LIMIT_MAX`]), beginning after the key `after`.
    ///
    /// # Errors
    /// `Invalid` when limit or keys are outside their bounds.
    fn scan(&self, range: Range<'_>, limit: u32, after: Option<&str>) -> Result<Page>;

    /// A page of the committed changes of `key`, newest first, at most `limit` (1 to
    /// [`SCAN_LIMIT_MAX`]), older than `before`. This call's own writes are not in it. Use it to answer,
    /// not to decide what to write: it is not checked again when the transaction commits.
    ///
    /// # Errors
    /// `Invalid` when limit or key are outside their bounds.
    fn history(&self, key: &str, limit: u32, before: Option<Position>) -> Result<HistoryPage>;

    /// Emits an event, which listeners get once the transaction is committed as valid. `name` has 1 to
    /// 128 bytes, `payload` 0 to 64 KiB. Events are seen by every member of the channel: put ids into
    /// them, not data.
    ///
    /// # Errors
    /// `Invalid` when name or payload are outside their bounds, or there are too many events.
    fn emit(&mut self, name: &str, payload: &[u8]) -> Result<()>;

    /// Asks a contract on another channel, in the name of the caller and on committed state there.
    /// Arguments and answer are as a client gives and gets them.
    ///
    /// # Errors
    /// `NotFound` when the channel is not known here or the caller's organisation is no member of it;
    /// `Forbidden` when the call is not permitted there or would write; else what the contract there
    /// refused with.
    fn query(&self, query: &Query<'_>) -> Result<Answer>;
}

/// A question to a contract on another channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// The channel's id.
    pub channel: &'a str,
    /// The contract's name there.
    pub contract: &'a str,
    /// Its function, as clients name it.
    pub function: &'a str,
    /// Texts as they are, everything else as JSON.
    pub arguments: &'a [&'a str],
}

/// What a contract on another channel answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// JSON; a text stands for itself.
    pub payload: Vec<u8>,
    /// The newest block there that wrote one of the records read for it; `None` when none was found.
    pub origin: Option<Block>,
}

/// A committed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Hash of its header.
    pub hash: [u8; 32],
}

/// Which keys a scan visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range<'a> {
    /// Keys that begin with this text; the empty text means all.
    Prefix(&'a str),
    /// Keys from the first (inclusive) to the second (exclusive); an empty second means no end.
    Between(&'a str, &'a str),
}

/// A present key with its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The whole key.
    pub key: String,
    /// Its value; may be empty.
    pub value: Vec<u8>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Lengths only: keys name people, and values are their records.
        write!(
            formatter,
            "Entry({} and {} bytes)",
            self.key.len(),
            self.value.len()
        )
    }
}

/// Part of a scan's results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In ascending order of key bytes.
    pub entries: Vec<Entry>,
    /// What to give as `after` for the next page; `None` when the range is exhausted.
    pub next: Option<String>,
}

/// Place of a change: the block, and the transaction's index in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of the block.
    pub block: u64,
    /// Index of the transaction in the block, from 0.
    pub index: u32,
}

/// One past change of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it was committed.
    pub position: Position,
    /// The transaction that made it, 64 hex digits.
    pub transaction_id: String,
    /// The time its client stated, seconds since 1970.
    pub timestamp_seconds: i64,
    /// The value written; `None` when the key was deleted.
    pub value: Option<Vec<u8>>,
}

/// Part of a history.
#[derive(Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// Newest first.
    pub changes: Vec<Change>,
    /// What to give as `before` for the next page; `None` at the end.
    pub next: Option<Position>,
}
