//! A channel in memory: every call that was committed is a block of its own. Block 0, the channel's
//! configuration, holds no call.

use std::collections::BTreeMap;

use cordon_types::{
    ContractId, HistoryEntry, ReadWriteSet, Snapshot, StateError, TxId, Version, VersionedValue,
};

/// Committed state with its whole history.
#[derive(Clone, Default)]
pub(crate) struct ChannelState {
    /// Calls committed.
    calls: u64,
    /// Changes of every key, oldest first.
    changes: BTreeMap<ContractId, BTreeMap<String, Vec<HistoryEntry>>>,
}

impl ChannelState {
    /// Commits a call as the next block.
    pub(crate) fn commit(
        &mut self,
        rw_set: ReadWriteSet,
        tx_id: TxId,
        (seconds, nanos): (i64, u32),
    ) {
        self.calls += 1;
        let version = Version {
            block: self.calls,
            tx: 0,
        };
        for set in rw_set.contracts {
            let keys = self.changes.entry(set.contract).or_default();
            for write in set.writes {
                keys.entry(write.key).or_default().push(HistoryEntry {
                    version,
                    tx_id,
                    timestamp_seconds: seconds,
                    timestamp_nanos: nanos.cast_signed(),
                    value: write.value,
                });
            }
        }
    }

    fn keys(&self, contract: &ContractId) -> impl Iterator<Item = (&String, &Vec<HistoryEntry>)> {
        self.changes.get(contract).into_iter().flatten()
    }
}

/// The newest value of a key.
fn newest(changes: &[HistoryEntry]) -> Option<VersionedValue> {
    let change = changes.last()?;
    let value = change.value.clone()?;
    Some(VersionedValue {
        version: change.version,
        value,
    })
}

impl Snapshot for ChannelState {
    fn height(&self) -> u64 {
        self.calls + 1
    }

    fn get(&self, contract: &ContractId, key: &str) -> Result<Option<VersionedValue>, StateError> {
        let changes = self.changes.get(contract).and_then(|keys| keys.get(key));
        Ok(changes.and_then(|changes| newest(changes)))
    }

    fn scan(
        &self,
        contract: &ContractId,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, VersionedValue)>, StateError> {
        let within = |key: &str| key >= start && (end.is_empty() || key < end);
        let present = self.keys(contract).filter(|(key, _)| within(key));
        let present = present.filter_map(|(key, changes)| Some((key.clone(), newest(changes)?)));
        Ok(present.take(limit).collect())
    }

    fn history(
        &self,
        contract: &ContractId,
        key: &str,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, StateError> {
        let changes = self.changes.get(contract).and_then(|keys| keys.get(key));
        let older = changes.into_iter().flatten().rev();
        let older = older.filter(|change| before.is_none_or(|before| change.version < before));
        Ok(older.take(limit).cloned().collect())
    }

    /// By rule: 32 times the number's last byte.
    fn block_hash(&self, number: u64) -> Result<[u8; 32], StateError> {
        Ok([number.to_le_bytes()[0]; 32])
    }
}
