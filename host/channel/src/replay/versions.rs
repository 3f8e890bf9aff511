//! Every version of every key of a channel, so that its world state can be seen as it was at any
//! height.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cordon_types::{
    ContractId, HistoryEntry, KeyRead, RangeRead, RangeResults, ReadWriteSet, Snapshot, StateError,
    TxId, Version, VersionedValue,
};
use cordon_validate::StateRange;
use cordon_wire::rw_set::range_results;
use parking_lot::RwLock;

/// One change of a key.
pub(crate) struct Change {
    pub(crate) version: Version,
    pub(crate) tx_id: TxId,
    /// The client's time: seconds since the Unix epoch, nanoseconds.
    pub(crate) timestamp: (i64, i32),
    /// `None`: the key was deleted.
    pub(crate) value: Option<Bytes>,
}

/// All changes of all keys. Memory: every value ever written.
#[derive(Default)]
pub(crate) struct Versions {
    /// Of each key the oldest first.
    contracts: BTreeMap<ContractId, BTreeMap<String, Vec<Change>>>,
    /// Header hashes, by number of the block.
    hashes: Vec<[u8; 32]>,
}

impl Versions {
    /// Adds a block; its changes follow with [`Versions::change`], in the order they were made.
    pub(crate) fn block(&mut self, hash: [u8; 32]) {
        self.hashes.push(hash);
    }

    /// Adds a change that the last block made.
    pub(crate) fn change(&mut self, contract: &ContractId, key: &str, change: Change) {
        let keys = self.contracts.entry(contract.clone()).or_default();
        match keys.get_mut(key) {
            Some(changes) => changes.push(change),
            None => drop(keys.insert(key.to_owned(), vec![change])),
        }
    }

    /// The changes of a key in blocks below `height`.
    fn changes(&self, contract: &ContractId, key: &str, height: u64) -> &[Change] {
        let keys = self.contracts.get(contract);
        keys.and_then(|keys| keys.get(key))
            .map_or(&[], |changes| below(changes, height))
    }

    /// The keys of `contract` from `start` on that were written below `height`, each with its changes.
    fn from<'a>(
        &'a self,
        contract: &ContractId,
        start: &'a str,
        height: u64,
    ) -> impl Iterator<Item = (&'a str, &'a [Change])> {
        let start = (Bound::Included(start), Bound::Unbounded);
        let keys = self.contracts.get(contract);
        keys.into_iter()
            .flat_map(move |keys| keys.range::<str, _>(start))
            .map(move |(key, changes)| (key.as_str(), below(changes, height)))
            .filter(|(_, changes)| !changes.is_empty())
    }

    /// Whether the reads of `set` are what a transaction reads at `height`.
    ///
    /// # Errors
    /// The next lower height at which a read that is not would give something else; `None` when it
    /// is the same at all of them.
    pub(crate) fn hold(&self, set: &ReadWriteSet, height: u64) -> Result<(), Option<u64>> {
        for set in &set.contracts {
            for read in &set.reads {
                let last = self.changes(&set.contract, &read.key, height).last();
                let found = last.filter(|change| change.value.is_some());
                if found.map(|change| change.version) != read.version {
                    return Err(last.map(|change| change.version.block));
                }
            }
            for read in &set.range_reads {
                self.range_holds(&set.contract, read, height)?;
            }
        }
        Ok(())
    }

    fn range_holds(
        &self,
        contract: &ContractId,
        read: &RangeRead,
        height: u64,
    ) -> Result<(), Option<u64>> {
        let range = StateRange::of(contract, read);
        let mut newest = None;
        let mut found = Vec::new();
        if !range.is_empty() {
            let keys = self.from(contract, &range.start, height);
            for (key, changes) in keys.take_while(|(key, _)| range.contains(key)) {
                let last = changes.last();
                newest = newest.max(last.map(|change| change.version.block));
                found.extend(
                    last.filter(|change| change.value.is_some())
                        .map(|change| KeyRead {
                            key: key.to_owned(),
                            version: Some(change.version),
                        }),
                );
            }
        }
        let same = match &read.results {
            RangeResults::Raw(reads) => *reads == found,
            summary @ RangeResults::Merkle { .. } => *summary == range_results(found),
        };
        if same { Ok(()) } else { Err(newest) }
    }
}

/// The changes in blocks below `height`.
fn below(changes: &[Change], height: u64) -> &[Change] {
    let end = changes.partition_point(|change| change.version.block < height);
    &changes[..end]
}

/// The world state at one height.
pub(crate) struct PastSnapshot {
    versions: Arc<RwLock<Versions>>,
    height: u64,
    older: Arc<AtomicU64>,
}

impl PastSnapshot {
    /// The state that `height` blocks make; at `below` the contracts or their access policies may be
    /// others.
    pub(crate) fn new(versions: &Arc<RwLock<Versions>>, height: u64, below: u64) -> Self {
        Self {
            versions: Arc::clone(versions),
            height,
            older: Arc::new(AtomicU64::new(below)),
        }
    }

    /// The next lower height at which something that was read here, recorded or not, is something
    /// else, or the configuration is; 0 when there is none. It is read when the snapshot has gone.
    pub(crate) fn older(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.older)
    }

    fn note(&self, changes: &[Change]) {
        let newest = changes.last().map_or(0, |change| change.version.block);
        self.older.fetch_max(newest, Ordering::Relaxed);
    }
}

fn present(changes: &[Change]) -> Option<VersionedValue> {
    let last = changes.last()?;
    Some(VersionedValue {
        version: last.version,
        value: last.value.clone()?,
    })
}

impl Snapshot for PastSnapshot {
    fn height(&self) -> u64 {
        self.height
    }

    fn get(&self, contract: &ContractId, key: &str) -> Result<Option<VersionedValue>, StateError> {
        let versions = self.versions.read();
        let changes = versions.changes(contract, key, self.height);
        self.note(changes);
        Ok(present(changes))
    }

    fn scan(
        &self,
        contract: &ContractId,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, VersionedValue)>, StateError> {
        let versions = self.versions.read();
        let keys = versions.from(contract, start, self.height);
        let found = keys
            .take_while(|(key, _)| end.is_empty() || *key < end)
            .filter_map(|(key, changes)| {
                self.note(changes);
                Some((key.to_owned(), present(changes)?))
            });
        Ok(found.take(limit).collect())
    }

    fn history(
        &self,
        contract: &ContractId,
        key: &str,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, StateError> {
        let versions = self.versions.read();
        let changes = versions.changes(contract, key, self.height);
        self.note(changes);
        let older = changes.iter().rev();
        let older = older.filter(|change| before.is_none_or(|before| change.version < before));
        let entries = older.take(limit).map(|change| HistoryEntry {
            version: change.version,
            tx_id: change.tx_id,
            timestamp_seconds: change.timestamp.0,
            timestamp_nanos: change.timestamp.1,
            value: change.value.clone(),
        });
        Ok(entries.collect())
    }

    fn block_hash(&self, number: u64) -> Result<[u8; 32], StateError> {
        let versions = self.versions.read();
        let index = usize::try_from(number)
            .ok()
            .filter(|_| number < self.height);
        let hash = index.and_then(|index| versions.hashes.get(index));
        hash.copied()
            .ok_or_else(|| StateError(format!("there is no block {number}")))
    }
}
