//! A ledger with no state, for contracts that need none.

use cordon_types::{ContractId, HistoryEntry, Snapshot, StateError, Version, VersionedValue};

/// No state at all.
pub(crate) struct Empty;

impl Snapshot for Empty {
    fn height(&self) -> u64 {
        1
    }

    fn get(&self, _: &ContractId, _: &str) -> Result<Option<VersionedValue>, StateError> {
        Ok(None)
    }

    fn scan(
        &self,
        _: &ContractId,
        _: &str,
        _: &str,
        _: usize,
    ) -> Result<Vec<(String, VersionedValue)>, StateError> {
        Ok(Vec::new())
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

    fn block_hash(&self, _: u64) -> Result<[u8; 32], StateError> {
        Err(StateError("there are no blocks".to_owned()))
    }
}
