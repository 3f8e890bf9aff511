//! One call on a [`TestWorld`]: its view, and what it recorded.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{TestEvent, TestWorld, out_of_bounds};
use crate::caller::Caller;
use crate::error::Result;
use crate::key::KEY_BYTES_MAX;
use crate::timestamp::Timestamp;
use crate::world::{
    Answer, Entry, HistoryPage, Page, Position, Query, Range, SCAN_LIMIT_MAX, World,
};

const VALUE_BYTES_MAX: usize = 1024 * 1024;
const EVENT_COUNT_MAX: usize = 64;
const EVENT_NAME_BYTES_MAX: usize = 128;
const EVENT_PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// A call that is being executed: the [`World`] that rules under test are given.
pub struct TestTransaction<'a> {
    world: Cow<'a, TestWorld>,
    transaction_id: String,
    // Reads are recorded through `&self`, as a host does it.
    reads: RefCell<Reads>,
    writes: BTreeMap<String, Option<Vec<u8>>>,
    events: Vec<TestEvent>,
}

/// What a call read of committed state.
#[derive(Default)]
struct Reads {
    /// Keys, and where their values were committed; `None` for absent ones.
    keys: BTreeMap<String, Option<Position>>,
    /// Ranges: first key, its bound, and the keys and versions found.
    ranges: Vec<SeenRange>,
}

struct SeenRange {
    from: String,
    within: Within,
    found: Vec<(String, Position)>,
}

impl Reads {
    /// The newest block that wrote what was read.
    fn newest_block(&self) -> Option<u64> {
        let found = self.ranges.iter().flat_map(|range| &range.found);
        let positions = found.map(|(_, position)| position);
        let positions = positions.chain(self.keys.values().flatten());
        positions.map(|position| position.block).max()
    }
}

/// Where a seen range ends.
#[derive(Clone)]
enum Within {
    /// At the last key that begins with this text, or at the second text (inclusive) if earlier.
    Prefix(String, Option<String>),
    /// Before the first text unless it is empty, or at the second text (inclusive) if earlier.
    Below(String, Option<String>),
}

impl Within {
    fn contains(&self, key: &str) -> bool {
        match self {
            Self::Prefix(prefix, last) => {
                key.starts_with(prefix.as_str()) && last.as_deref().is_none_or(|last| key <= last)
            }
            Self::Below(end, last) => {
                (end.is_empty() || key < end.as_str())
                    && last.as_deref().is_none_or(|last| key <= last)
            }
        }
    }

    fn up_to(self, last: Option<String>) -> Self {
        match self {
            Self::Prefix(prefix, _) => Self::Prefix(prefix, last),
            Self::Below(end, _) => Self::Below(end, last),
        }
    }
}

/// A call that was executed but not committed: its answer, and what it read, wrote and emitted.
pub struct Simulated<T> {
    pub(super) answer: T,
    pub(super) transaction_id: String,
    pub(super) time: Timestamp,
    pub(super) writes: BTreeMap<String, Option<Vec<u8>>>,
    pub(super) events: Vec<TestEvent>,
    reads: Reads,
}

impl<T> Simulated<T> {
    /// The answer, which counts only once the call is committed.
    pub fn answer(&self) -> &T {
        &self.answer
    }

    /// The keys it writes, in order; `None` deletes one.
    pub fn writes(&self) -> &BTreeMap<String, Option<Vec<u8>>> {
        &self.writes
    }

    /// The events it emits.
    pub fn events(&self) -> &[TestEvent] {
        &self.events
    }

    /// The keys it writes or deletes.
    pub fn written_keys(&self) -> impl Iterator<Item = &str> {
        self.writes.keys().map(String::as_str)
    }

    /// The newest block that wrote something that it read.
    pub fn newest_block_read(&self) -> Option<u64> {
        self.reads.newest_block()
    }

    pub(super) fn reads_are_current(&self, world: &TestWorld) -> bool {
        let version = |key: &String| world.state.get(key).map(|(position, _)| *position);
        self.reads
            .keys
            .iter()
            .all(|(key, seen)| version(key) == *seen)
            && self.reads.ranges.iter().all(|range| {
                committed(world, &range.from, &range.within).eq(range.found.iter().cloned())
            })
    }
}

fn committed<'a>(
    world: &'a TestWorld,
    from: &str,
    within: &'a Within,
) -> impl Iterator<Item = (String, Position)> + 'a {
    world
        .state
        .range(from.to_owned()..)
        .take_while(|(key, _)| within.contains(key))
        .map(|(key, (position, _))| (key.clone(), *position))
}

impl<'a> TestTransaction<'a> {
    pub(super) fn new(world: Cow<'a, TestWorld>, transaction_id: String) -> Self {
        Self {
            world,
            transaction_id,
            reads: RefCell::default(),
            writes: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// Ends the call, which can then be committed.
    pub fn finish<T>(self, answer: T) -> Simulated<T> {
        Simulated {
            answer,
            transaction_id: self.transaction_id,
            time: self.world.time,
            writes: self.writes,
            events: self.events,
            reads: self.reads.into_inner(),
        }
    }
}

fn check_key(key: &str) -> Result<()> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(out_of_bounds("The key"));
    }
    Ok(())
}

fn check_limit(limit: u32) -> Result<usize> {
    if !(1..=SCAN_LIMIT_MAX).contains(&limit) {
        return Err(out_of_bounds("The limit"));
    }
    Ok(limit as usize)
}

impl World for TestTransaction<'_> {
    fn channel(&self) -> String {
        self.world.channel.clone()
    }

    fn transaction_id(&self) -> String {
        self.transaction_id.clone()
    }

    fn timestamp(&self) -> Timestamp {
        self.world.time
    }

    fn caller(&self) -> Caller {
        self.world.caller.clone()
    }

    fn transient(&self, name: &str) -> Option<Vec<u8>> {
        self.world.transient.get(name).cloned()
    }

    fn calling_contract(&self) -> Option<String> {
        self.world.calling_contract.clone()
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        check_key(key)?;
        if let Some(written) = self.writes.get(key) {
            return Ok(written.clone());
        }
        let found = self.world.state.get(key);
        let version = found.map(|(position, _)| *position);
        self.reads.borrow_mut().keys.insert(key.to_owned(), version);
        Ok(found.map(|(_, value)| value.clone()))
    }

    fn put(&mut self, key: &str, value: &[u8]) -> Result<()> {
        check_key(key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(out_of_bounds("The value"));
        }
        self.writes.insert(key.to_owned(), Some(value.to_vec()));
        Ok(())
    }

    fn delete(&mut self, key: &str) -> Result<()> {
        check_key(key)?;
        self.writes.insert(key.to_owned(), None);
        Ok(())
    }

    fn scan(&self, range: Range<'_>, limit: u32, after: Option<&str>) -> Result<Page> {
        let limit = check_limit(limit)?;
        let (mut from, within) = match range {
            Range::Prefix(prefix) => (prefix.to_owned(), Within::Prefix(prefix.to_owned(), None)),
            Range::Between(from, to) => (from.to_owned(), Within::Below(to.to_owned(), None)),
        };
        if let Some(after) = after {
            // The smallest text that is greater than `after`.
            from = from.max(format!("{after}\0"));
        }
        let mut view: BTreeMap<&String, Option<&Vec<u8>>> = BTreeMap::new();
        let in_range = |key: &&String| within.contains(key);
        for (key, (_, value)) in self.world.state.range(from.clone()..) {
            if !in_range(&key) {
                break;
            }
            view.insert(key, Some(value));
        }
        for (key, value) in self
            .writes
            .range(from.clone()..)
            .filter(|(key, _)| in_range(key))
        {
            view.insert(key, value.as_ref());
        }
        let present = view.into_iter().filter_map(|(key, value)| {
            Some(Entry {
                key: key.clone(),
                value: value?.clone(),
            })
        });
        let mut entries: Vec<Entry> = present.take(limit + 1).collect();
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries
            .last()
            .filter(|_| more)
            .map(|entry| entry.key.clone());
        let within = within.up_to(next.clone());
        let found = committed(&self.world, &from, &within).collect();
        self.reads.borrow_mut().ranges.push(SeenRange {
            from,
            within,
            found,
        });
        Ok(Page { entries, next })
    }

    fn history(&self, key: &str, limit: u32, before: Option<Position>) -> Result<HistoryPage> {
        check_key(key)?;
        let limit = check_limit(limit)?;
        let changes = self
            .world
            .changes
            .get(key)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let older = changes
            .iter()
            .rev()
            .filter(|change| before.is_none_or(|before| change.position < before));
        let mut changes: Vec<_> = older.take(limit + 1).cloned().collect();
        let more = changes.len() > limit;
        changes.truncate(limit);
        let next = changes
            .last()
            .filter(|_| more)
            .map(|change| change.position);
        Ok(HistoryPage { changes, next })
    }

    fn query(&self, query: &Query<'_>) -> Result<Answer> {
        (self.world.queries)(&self.world.caller, query)
    }

    fn emit(&mut self, name: &str, payload: &[u8]) -> Result<()> {
        if name.is_empty() || name.len() > EVENT_NAME_BYTES_MAX {
            return Err(out_of_bounds("The event's name"));
        }
        if payload.len() > EVENT_PAYLOAD_BYTES_MAX {
            return Err(out_of_bounds("The event's payload"));
        }
        if self.events.len() == EVENT_COUNT_MAX {
            return Err(out_of_bounds("The number of events"));
        }
        self.events.push(TestEvent {
            name: name.to_owned(),
            payload: payload.to_vec(),
        });
        Ok(())
    }
}
