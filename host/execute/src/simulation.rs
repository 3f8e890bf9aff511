//! What a transaction reads and would write while it is executed: a snapshot of committed state
//! under the transaction's own writes, and the record of both, for each contract that takes part.

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

/// One transaction's view of the state of a channel's contracts.
pub(crate) struct Simulation {
    snapshot: Box<dyn Snapshot>,
    contracts: BTreeMap<ContractId, Namespace>,
    /// Entries that scans and histories have handed out, and one for each page: what they cost the
    /// host.
    visited: usize,
    /// Keys read or written, each once for each contract.
    touched: usize,
    /// The newest block that wrote something that was read.
    newest_read: Option<u64>,
    pub(crate) events: Vec<Event>,
    /// What writes replaced, oldest first; kept while a contract runs that was called by another.
    undo: Vec<Replaced>,
    checkpoints: usize,
}

/// One contract's part.
#[derive(Default)]
struct Namespace {
    reads: BTreeMap<String, Option<Version>>,
    range_reads: Vec<RangeRead>,
    writes: BTreeMap<String, Option<Bytes>>,
}

/// What a write of the transaction replaced.
struct Replaced {
    contract: ContractId,
    key: String,
    before: Before,
}

enum Before {
    NotWritten,
    Written(Option<Bytes>),
}

/// The writes up to a moment.
pub(crate) struct Checkpoint(usize);

impl Simulation {
    pub(crate) fn new(snapshot: Box<dyn Snapshot>) -> Self {
        Self {
            snapshot,
            contracts: BTreeMap::new(),
            visited: 0,
            touched: 0,
            newest_read: None,
            events: Vec::new(),
            undo: Vec::new(),
            checkpoints: 0,
        }
    }

    /// Own writes first, then committed state; only the latter is recorded as read.
    pub(crate) fn get(
        &mut self,
        contract: &ContractId,
        key: String,
    ) -> Result<Option<Bytes>, StateError> {
        let own = namespace(&mut self.contracts, contract);
        if let Some(written) = own.writes.get(&key) {
            return Ok(written.clone());
        }
        let found = self.snapshot.get(contract, &key)?;
        let version = found.as_ref().map(|found| found.version);
        self.newest_read = self.newest_read.max(version.map(|version| version.block));
        if own.reads.insert(key, version).is_none() {
            self.touched += 1;
        }
        Ok(found.map(|found| found.value))
    }

    /// Returns the change in bytes that the transaction writes.
    pub(crate) fn write(
        &mut self,
        contract: &ContractId,
        key: String,
        value: Option<Bytes>,
    ) -> isize {
        let size = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len).cast_signed();
        let added = size(&value);
        let logged = (self.checkpoints > 0).then(|| key.clone());
        let own = namespace(&mut self.contracts, contract);
        let (before, change) = match own.writes.entry(key) {
            Entry::Occupied(mut entry) => {
                let before = entry.insert(value);
                let change = added - size(&before);
                (Before::Written(before), change)
            }
            Entry::Vacant(entry) => {
                let key_bytes = entry.key().len().cast_signed();
                entry.insert(value);
                self.touched += 1;
                (Before::NotWritten, added + key_bytes)
            }
        };
        if let Some(key) = logged {
            self.undo.push(Replaced {
                contract: contract.clone(),
                key,
                before,
            });
        }
        change
    }

    /// Begins what can be taken back.
    pub(crate) fn checkpoint(&mut self) -> Checkpoint {
        self.checkpoints += 1;
        Checkpoint(self.undo.len())
    }

    /// Ends what `checkpoint` began: the writes since stay, or are as if they had never been. Reads stay recorded, because what the caller does next depends on them.
    pub(crate) fn end(&mut self, checkpoint: &Checkpoint, keep: bool) {
        self.checkpoints -= 1;
        if !keep {
            for replaced in self.undo.drain(checkpoint.0..).rev() {
                let own = namespace(&mut self.contracts, &replaced.contract);
                match replaced.before {
                    Before::Written(before) => own.writes.insert(replaced.key, before),
                    Before::NotWritten => own.writes.remove(&replaced.key),
                };
            }
        }
        if self.checkpoints == 0 {
            self.undo.clear();
        }
    }

    /// A page of `range`: committed entries merged with own writes, at most `limit`. Records every
    /// committed entry between the start and the last key handed out (or the end).
    ///
    /// Gives up (`None`) when the entries have more than `bytes_max` bytes: the host holds no more
    /// than that and one chunk.
    pub(crate) fn scan(
        &mut self,
        contract: &ContractId,
        range: &KeyRange,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Option<Page>, StateError> {
        let namespace = namespace(&mut self.contracts, contract);
        let mut own = namespace
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
                    .scan(contract, &from.start, &from.end, wanted)?
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
                self.newest_read = self.newest_read.max(Some(found.version.block));
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
        namespace.range_reads.push(RangeRead {
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
        contract: &ContractId,
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
            let chunk = self.snapshot.history(contract, key, before, wanted)?;
            let last_chunk = chunk.len() < wanted;
            self.visited += chunk.len();
            let newest = chunk.iter().map(|change| change.version.block).max();
            self.newest_read = self.newest_read.max(newest);
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
        self.touched + self.visited
    }

    /// Whether something was written or emitted.
    pub(crate) fn has_effects(&self) -> bool {
        !self.events.is_empty()
            || self
                .contracts
                .values()
                .any(|contract| !contract.writes.is_empty())
    }

    /// Number and hash of the newest block that wrote one of the entries read so far.
    pub(crate) fn newest_block_read(&self) -> Result<Option<(u64, [u8; 32])>, StateError> {
        self.newest_read
            .map(|number| Ok((number, self.snapshot.block_hash(number)?)))
            .transpose()
    }

    /// The record, and the events.
    pub(crate) fn finish(self) -> (ReadWriteSet, Vec<Event>) {
        let sets = self
            .contracts
            .into_iter()
            .map(|(contract, own)| ContractReadWriteSet {
                contract,
                reads: own
                    .reads
                    .into_iter()
                    .map(|(key, version)| KeyRead { key, version })
                    .collect(),
                range_reads: own.range_reads,
                writes: own
                    .writes
                    .into_iter()
                    .map(|(key, value)| KeyWrite { key, value })
                    .collect(),
            });
        let touched = |set: &ContractReadWriteSet| {
            !(set.reads.is_empty() && set.range_reads.is_empty() && set.writes.is_empty())
        };
        let contracts = sets.filter(touched).collect();
        (ReadWriteSet { contracts }, self.events)
    }
}

fn namespace<'a>(
    contracts: &'a mut BTreeMap<ContractId, Namespace>,
    contract: &ContractId,
) -> &'a mut Namespace {
    contracts.entry(contract.clone()).or_default()
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

        fn block_hash(&self, number: u64) -> Result<[u8; 32], StateError> {
            Ok([number as u8; 32])
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
            let mut simulation = Simulation::new(Box::new(Committed(committed.clone())));
            for (key, value) in &writes {
                simulation.write(&id, key.clone(), value.clone());
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
                let found = simulation.scan(&id, &page, limit, usize::MAX).unwrap().unwrap();
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
        let mut simulation = Simulation::new(Box::new(Committed(committed)));
        assert_eq!(simulation.get(&id, "a".into()).unwrap().unwrap(), "1");
        assert_eq!(simulation.get(&id, "b".into()).unwrap(), None);
        simulation.write(&id, "b".into(), Some(Bytes::from_static(b"2")));
        simulation.write(&id, "c".into(), None);
        assert_eq!(simulation.get(&id, "b".into()).unwrap().unwrap(), "2");
        assert_eq!(simulation.get(&id, "c".into()).unwrap(), None);
        let (set, _) = simulation.finish();
        let reads: Vec<_> = set.contracts[0]
            .reads
            .iter()
            .map(|r| (r.key.as_str(), r.version))
            .collect();
        assert_eq!(reads, [("a", Some(AT)), ("b", None)]);
    }

    proptest! {
        /// Nested checkpoints against copies of everything: what is taken back was never there.
        #[test]
        fn what_is_taken_back_was_never_written(
            steps in proptest::collection::vec((0u8..4, "[ab]", any::<bool>(), any::<bool>()), 0..40),
        ) {
            let ids: [ContractId; 2] = ["a".parse().unwrap(), "b".parse().unwrap()];
            let mut simulation = Simulation::new(Box::new(Committed(Keys::new())));
            let mut model = BTreeMap::new();
            let mut open = Vec::new();
            for (step, key, first, flag) in steps {
                let id = &ids[usize::from(first)];
                match step {
                    0 => open.push((simulation.checkpoint(), model.clone())),
                    1 => if let Some((checkpoint, before)) = open.pop() {
                        simulation.end(&checkpoint, flag);
                        if !flag {
                            model = before;
                        }
                    },
                    _ => {
                        let value = flag.then(|| Bytes::from(format!("{}", model.len())));
                        simulation.write(id, key.clone(), value.clone());
                        model.insert((id.clone(), key), value);
                    }
                }
            }
            let (set, _) = simulation.finish();
            let written: BTreeMap<_, _> = set.contracts.into_iter().flat_map(|set| {
                let id = set.contract;
                set.writes.into_iter().map(move |write| ((id.clone(), write.key), write.value))
            }).collect();
            prop_assert_eq!(written, model);
        }
    }

    #[test]
    fn the_newest_block_read_is_that_of_the_records() {
        let id: ContractId = "c".parse().unwrap();
        let committed = Keys::from([("a".to_owned(), Bytes::new())]);
        let mut simulation = Simulation::new(Box::new(Committed(committed)));
        simulation.get(&id, "b".into()).unwrap();
        assert_eq!(simulation.newest_block_read().unwrap(), None);
        simulation.get(&id, "a".into()).unwrap();
        assert_eq!(simulation.newest_block_read().unwrap(), Some((3, [3; 32])));
    }
}
