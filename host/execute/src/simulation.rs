//! What a transaction reads and would write while it is executed: a snapshot of committed state
//! under the transaction's own writes, and the record of both.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;
use cordon_types::{
    ContractId, ContractReadWriteSet, Event, HistoryEntry, KeyRead, KeyWrite, RangeRead,
    RangeResults, ReadWriteSet, Snapshot, StateError, Version,
};

/// Entries that are read at once: what a page of the largest values makes the host hold.
const CHUNK: usize = 32;

/// A half-open range of keys; an empty `end` means no bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub(crate) start: String,
    pub(crate) end: String,
}

impl KeyRange {
    /// The keys that begin with `prefix`.
    pub(crate) fn prefix(prefix: &str) -> Self {
        Self {
            start: prefix.to_owned(),
            end: after_prefix(prefix),
        }
    }

    /// The part of the range that lies after `key`.
    pub(crate) fn after(mut self, key: &str) -> Self {
        // U+0000 is the smallest character: nothing lies between `key` and this.
        let next = format!("{key}\0");
        if next.as_bytes() > self.start.as_bytes() {
            self.start = next;
        }
        self
    }

    fn contains(&self, key: &str) -> bool {
        key.as_bytes() >= self.start.as_bytes() && self.ends_after(key)
    }

    fn ends_after(&self, key: &str) -> bool {
        self.end.is_empty() || key.as_bytes() < self.end.as_bytes()
    }
}

/// The smallest text above all that begin with `prefix`; empty when there is none.
fn after_prefix(prefix: &str) -> String {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // Characters order as their UTF-8 does; the step over the surrogates is the only gap.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            _ => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            text.push(next);
            return text;
        }
    }
    text
}

/// A page of a scan.
pub(crate) struct Page {
    pub(crate) entries: Vec<(String, Bytes)>,
    pub(crate) next: Option<String>,
}

/// One transaction's view of one contract's state.
pub(crate) struct Simulation {
    contract: ContractId,
    snapshot: Box<dyn Snapshot>,
    reads: BTreeMap<String, Option<Version>>,
    range_reads: Vec<RangeRead>,
    writes: BTreeMap<String, Option<Bytes>>,
    /// Entries that scans and histories have handed out, and one for each page: what they cost the
    /// host.
    visited: usize,
    pub(crate) events: Vec<Event>,
}

impl Simulation {
    pub(crate) fn new(contract: ContractId, snapshot: Box<dyn Snapshot>) -> Self {
        Self {
            contract,
            snapshot,
            reads: BTreeMap::new(),
            range_reads: Vec::new(),
            writes: BTreeMap::new(),
            visited: 0,
            events: Vec::new(),
        }
    }

    /// Own writes first, then committed state; only the latter is recorded as read.
    pub(crate) fn get(&mut self, key: String) -> Result<Option<Bytes>, StateError> {
        if let Some(written) = self.writes.get(&key) {
            return Ok(written.clone());
        }
        let found = self.snapshot.get(&self.contract, &key)?;
        let version = found.as_ref().map(|found| found.version);
        self.reads.insert(key, version);
        Ok(found.map(|found| found.value))
    }

    /// Returns the change in bytes that the transaction writes.
    pub(crate) fn write(&mut self, key: String, value: Option<Bytes>) -> isize {
        let size = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len).cast_signed();
        let added = size(&value);
        match self.writes.entry(key) {
            Entry::Occupied(mut entry) => added - size(&entry.insert(value)),
            Entry::Vacant(entry) => {
                let key_bytes = entry.key().len().cast_signed();
                entry.insert(value);
                added + key_bytes
            }
        }
    }

    /// A page of `range`: committed entries merged with own writes, at most `limit`. Records every
    /// committed entry between the start and the last key handed out (or the end).
    ///
    /// Gives up (`None`) when the entries have more than `bytes_max` bytes: the host holds no more
    /// than that and one chunk.
    pub(crate) fn scan(
        &mut self,
        range: &KeyRange,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Option<Page>, StateError> {
        let mut own = self
            .writes
            .range::<str, _>((
                std::ops::Bound::Included(range.start.as_str()),
                std::ops::Bound::Unbounded,
            ))
            .take_while(|(key, _)| range.contains(key))
            .peekable();
        let mut seen = Vec::new();
        let mut entries: Vec<(String, Bytes)> = Vec::new();
        let mut from = range.clone();
        let mut bytes = 0usize;
        let mut visited = 1;
        'chunks: loop {
            // Own deletes can hide committed entries, so a page may need more than one chunk.
            let chunk = if range.start.as_bytes() >= range.end.as_bytes() && !range.end.is_empty() {
                Vec::new()
            } else {
                let wanted = limit.min(CHUNK);
                self.snapshot
                    .scan(&self.contract, &from.start, &from.end, wanted)?
            };
            let last_chunk = chunk.len() < limit.min(CHUNK);
            visited += chunk.len();
            bytes += chunk
                .iter()
                .map(|(_, found)| found.value.len())
                .sum::<usize>();
            if bytes > bytes_max {
                return Ok(None);
            }
            if let Some((key, _)) = chunk.last() {
                from = from.after(key);
            }
            for (key, found) in chunk {
                while let Some((own_key, value)) =
                    own.next_if(|(own_key, _)| own_key.as_bytes() < key.as_bytes())
                {
                    entries.extend(value.clone().map(|value| (own_key.clone(), value)));
                    if entries.len() == limit {
                        break 'chunks;
                    }
                }
                seen.push(KeyRead {
                    key: key.clone(),
                    version: Some(found.version),
                });
                match own.next_if(|(own_key, _)| **own_key == key) {
                    Some((_, value)) => entries.extend(value.clone().map(|value| (key, value))),
                    None => entries.push((key, found.value)),
                }
                if entries.len() == limit {
                    break 'chunks;
                }
            }
            if last_chunk {
                for (own_key, value) in own.by_ref() {
                    entries.extend(value.clone().map(|value| (own_key.clone(), value)));
                    if entries.len() == limit {
                        break 'chunks;
                    }
                }
                break;
            }
        }
        let next = if entries.len() == limit {
            entries.last().map(|(key, _)| key.clone())
        } else {
            None
        };
        self.visited += visited;
        self.range_reads.push(RangeRead {
            start: range.start.clone(),
            end: next.clone().unwrap_or_else(|| range.end.clone()),
            exhausted: next.is_none(),
            results: RangeResults::Raw(seen),
        });
        Ok(Some(Page { entries, next }))
    }

    /// Committed changes of a key, newest first; not recorded. Gives up (`None`) as a scan does.
    pub(crate) fn history(
        &mut self,
        key: &str,
        mut before: Option<Version>,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Option<Vec<HistoryEntry>>, StateError> {
        let mut changes: Vec<HistoryEntry> = Vec::new();
        let mut bytes = 0usize;
        self.visited += 1;
        while changes.len() < limit {
            let wanted = CHUNK.min(limit - changes.len());
            let chunk = self.snapshot.history(&self.contract, key, before, wanted)?;
            let last_chunk = chunk.len() < wanted;
            self.visited += chunk.len();
            bytes += chunk
                .iter()
                .filter_map(|c| c.value.as_ref())
                .map(Bytes::len)
                .sum::<usize>();
            if bytes > bytes_max {
                return Ok(None);
            }
            before = chunk.last().map(|change| change.version);
            changes.extend(chunk);
            if last_chunk {
                break;
            }
        }
        Ok(Some(changes))
    }

    /// Keys that the transaction has read or written so far, those seen in scans and histories
    /// included; a page counts as one at least.
    pub(crate) fn keys(&self) -> usize {
        self.reads.len() + self.writes.len() + self.visited
    }

    /// The record, and the events.
    pub(crate) fn finish(self) -> (ReadWriteSet, Vec<Event>) {
        let set = ContractReadWriteSet {
            contract: self.contract,
            reads: self
                .reads
                .into_iter()
                .map(|(key, version)| KeyRead { key, version })
                .collect(),
            range_reads: self.range_reads,
            writes: self
                .writes
                .into_iter()
                .map(|(key, value)| KeyWrite { key, value })
                .collect(),
        };
        let untouched = set.reads.is_empty() && set.range_reads.is_empty() && set.writes.is_empty();
        let contracts = if untouched { Vec::new() } else { vec![set] };
        (ReadWriteSet { contracts }, self.events)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Keys = BTreeMap<String, Bytes>;

    struct Committed(Keys);

    const AT: Version = Version { block: 3, tx: 1 };

    impl Snapshot for Committed {
        fn height(&self) -> u64 {
            4
        }

        fn get(
            &self,
            _: &ContractId,
            key: &str,
        ) -> Result<Option<cordon_types::VersionedValue>, StateError> {
            let value = self.0.get(key).cloned();
            Ok(value.map(|value| cordon_types::VersionedValue { version: AT, value }))
        }

        fn scan(
            &self,
            _: &ContractId,
            start: &str,
            end: &str,
            limit: usize,
        ) -> Result<Vec<(String, cordon_types::VersionedValue)>, StateError> {
            let within = |key: &str| key >= start && (end.is_empty() || key < end);
            let found = self.0.iter().filter(|(key, _)| within(key)).take(limit);
            Ok(found
                .map(|(key, value)| {
                    let value = value.clone();
                    (
                        key.clone(),
                        cordon_types::VersionedValue { version: AT, value },
                    )
                })
                .collect())
        }

        fn history(
            &self,
            _: &ContractId,
            _: &str,
            _: Option<Version>,
            _: usize,
        ) -> Result<Vec<HistoryEntry>, StateError> {
            Ok(Vec::new())
        }
    }

    fn any_keys() -> impl Strategy<Value = Keys> {
        let value = proptest::collection::vec(any::<u8>(), 0..3).prop_map(Bytes::from);
        proptest::collection::btree_map("[ab\u{0}\u{10FFFF}]{1,3}", value, 0..12)
    }

    fn any_writes() -> impl Strategy<Value = BTreeMap<String, Option<Bytes>>> {
        let value = proptest::option::of(Just(Bytes::from_static(b"own")));
        proptest::collection::btree_map("[ab\u{0}\u{10FFFF}]{1,3}", value, 0..8)
    }

    proptest! {
        /// Pages put together are the merged state within the range; what is recorded is exactly
        /// the committed keys between each page's bounds.
        #[test]
        fn a_paged_scan_sees_the_merged_state_and_records_the_committed_one(
            committed in any_keys(),
            writes in any_writes(),
            prefix in "[ab\u{0}\u{10FFFF}]{0,2}",
            limit in 1usize..5,
        ) {
            let mut merged = committed.clone();
            let id: ContractId = "c".parse().unwrap();
            let mut simulation = Simulation::new(id, Box::new(Committed(committed.clone())));
            for (key, value) in &writes {
                simulation.write(key.clone(), value.clone());
                match value {
                    Some(value) => drop(merged.insert(key.clone(), value.clone())),
                    None => drop(merged.remove(key)),
                }
            }
            let range = KeyRange::prefix(&prefix);
            let mut seen = Vec::new();
            let mut after: Option<String> = None;
            loop {
                let page = match &after {
                    Some(key) => range.clone().after(key),
                    None => range.clone(),
                };
                let found = simulation.scan(&page, limit, usize::MAX).unwrap().unwrap();
                prop_assert!(found.entries.len() <= limit);
                seen.extend(found.entries);
                let Some(next) = found.next else { break };
                after = Some(next);
            }
            let expected: Vec<(String, Bytes)> =
                merged.into_iter().filter(|(key, _)| key.starts_with(&prefix)).collect();
            prop_assert_eq!(seen, expected);

            let (set, _) = simulation.finish();
            let mut recorded = Vec::new();
            for read in set.contracts.iter().flat_map(|set| &set.range_reads) {
                let RangeResults::Raw(reads) = &read.results else { panic!("raw") };
                for key in committed.keys() {
                    let before_end = if read.exhausted {
                        read.end.is_empty() || *key < read.end
                    } else {
                        *key <= read.end
                    };
                    let within = *key >= read.start && before_end;
                    prop_assert_eq!(within, reads.iter().any(|read| read.key == *key));
                }
                recorded.extend(reads.iter().map(|read| read.key.clone()));
            }
            let all: Vec<String> =
                committed.into_keys().filter(|key| key.starts_with(&prefix)).collect();
            prop_assert_eq!(recorded, all);
        }
    }

    #[test]
    fn reads_see_own_writes_and_record_only_committed_state() {
        let id: ContractId = "c".parse().unwrap();
        let committed = Keys::from([("a".to_owned(), Bytes::from_static(b"1"))]);
        let mut simulation = Simulation::new(id, Box::new(Committed(committed)));
        assert_eq!(simulation.get("a".into()).unwrap().unwrap(), "1");
        assert_eq!(simulation.get("b".into()).unwrap(), None);
        simulation.write("b".into(), Some(Bytes::from_static(b"2")));
        simulation.write("c".into(), None);
        assert_eq!(simulation.get("b".into()).unwrap().unwrap(), "2");
        assert_eq!(simulation.get("c".into()).unwrap(), None);
        let (set, _) = simulation.finish();
        let reads: Vec<_> = set.contracts[0]
            .reads
            .iter()
            .map(|r| (r.key.as_str(), r.version))
            .collect();
        assert_eq!(reads, [("a", Some(AT)), ("b", None)]);
    }
}
