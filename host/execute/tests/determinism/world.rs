//! Committed state in memory: the contracts of several channels, with versions and histories.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_types::{
    ContractId, HistoryEntry, ReadWriteSet, Snapshot, StateError, TxId, Version, VersionedValue,
};

/// One channel's state at one height.
#[derive(Clone, Default)]
pub(crate) struct State {
    height: u64,
    values: Arc<BTreeMap<(ContractId, String), VersionedValue>>,
    /// Oldest first.
    changes: Arc<BTreeMap<(ContractId, String), Vec<HistoryEntry>>>,
}

impl State {
    /// Where a transaction is committed that is a block of its own.
    pub(crate) fn next(&self) -> Version {
        Version {
            block: self.height,
            tx: 0,
        }
    }

    /// Commits a transaction.
    pub(crate) fn commit(
        &mut self,
        version: Version,
        tx_id: TxId,
        seconds: i64,
        set: &ReadWriteSet,
    ) {
        self.height = version.block + 1;
        let values = Arc::make_mut(&mut self.values);
        let changes = Arc::make_mut(&mut self.changes);
        for contract in &set.contracts {
            for write in &contract.writes {
                let place = (contract.contract.clone(), write.key.clone());
                changes
                    .entry(place.clone())
                    .or_default()
                    .push(HistoryEntry {
                        version,
                        tx_id,
                        timestamp_seconds: seconds,
                        timestamp_nanos: 0,
                        value: write.value.clone(),
                    });
                match write.value.clone() {
                    Some(value) => drop(values.insert(place, VersionedValue { version, value })),
                    None => drop(values.remove(&place)),
                }
            }
        }
    }

    /// Commits values of one contract.
    pub(crate) fn with(values: &[(&str, &str, &[u8])]) -> Self {
        let mut state = Self::default();
        for (index, (contract, key, value)) in values.iter().enumerate() {
            let write = cordon_types::KeyWrite {
                key: (*key).to_owned(),
                value: Some(Bytes::copy_from_slice(value)),
            };
            let set = cordon_types::ContractReadWriteSet {
                contract: contract.parse().unwrap(),
                reads: Vec::new(),
                range_reads: Vec::new(),
                writes: vec![write],
            };
            let contracts = vec![set];
            let tx_id = TxId::from_bytes([index as u8; 32]);
            state.commit(state.next(), tx_id, 0, &ReadWriteSet { contracts });
        }
        state
    }
}

impl Snapshot for State {
    fn height(&self) -> u64 {
        self.height
    }

    fn get(&self, contract: &ContractId, key: &str) -> Result<Option<VersionedValue>, StateError> {
        let place = (contract.clone(), key.to_owned());
        Ok(self.values.get(&place).cloned())
    }

    fn scan(
        &self,
        contract: &ContractId,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, VersionedValue)>, StateError> {
        let from = (contract.clone(), start.to_owned());
        let within = |id: &ContractId, key: &str| id == contract && (end.is_empty() || key < end);
        let found = self.values.range(from..);
        let found = found.take_while(|((id, key), _)| within(id, key));
        Ok(found
            .take(limit)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect())
    }

    fn history(
        &self,
        contract: &ContractId,
        key: &str,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, StateError> {
        let place = (contract.clone(), key.to_owned());
        let changes = self.changes.get(&place).map_or(&[][..], Vec::as_slice);
        let older = |change: &&HistoryEntry| before.is_none_or(|before| change.version < before);
        let older = changes.iter().rev().filter(older);
        Ok(older.take(limit).cloned().collect())
    }

    fn block_hash(&self, number: u64) -> Result<[u8; 32], StateError> {
        Ok([number as u8; 32])
    }
}
