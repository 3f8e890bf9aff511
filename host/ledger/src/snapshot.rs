//! The world state and the history of keys, read at one height.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use cordon_journal::Location;
use cordon_types::{ContractId, HistoryEntry, Snapshot, StateError, Version, VersionedValue};
use cordon_wire::transaction::Envelope;
use parking_lot::{ArcRwLockReadGuard, RawRwLock};

use crate::LedgerError;
use crate::chain::of_block;
use crate::entries::{
    Pointer, StateValue, decode_change, decode_state, history_key, history_prefix, history_version,
    state_end, state_key,
};
use crate::ledger::{Shared, View};
use crate::store::Store;

/// A [`Snapshot`] of a ledger. Commits wait until it is dropped, so it should live for one call of
/// a contract and not longer; and whoever holds one must not ask the same ledger for another on the
/// same thread, as that would wait for a waiting commit.
#[must_use]
pub struct LedgerSnapshot {
    pub(crate) view: ArcRwLockReadGuard<RawRwLock, View>,
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for LedgerSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerSnapshot")
            .field("height", &self.height())
            .finish_non_exhaustive()
    }
}

impl Snapshot for LedgerSnapshot {
    fn height(&self) -> u64 {
        self.view.info.height
    }

    fn get(&self, contract: &ContractId, key: &str) -> Result<Option<VersionedValue>, StateError> {
        let entry = self
            .shared
            .store
            .get(&state_key(contract, key.as_bytes()))?;
        Ok(entry.map(|entry| self.value(&entry)).transpose()?)
    }

    fn scan(
        &self,
        contract: &ContractId,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, VersionedValue)>, StateError> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        visit_state(
            &self.shared.store,
            contract,
            state_range(contract, start, end, false),
            |key, entry| {
                found.push((key, self.value(entry)?));
                Ok(found.len() < limit)
            },
        )?;
        Ok(found)
    }

    fn history(
        &self,
        contract: &ContractId,
        key: &str,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, StateError> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        let prefix = history_prefix(contract, key);
        // No block has this number: its hash could not be named by a next one.
        let before = before.unwrap_or(Version {
            block: u64::MAX,
            tx: u32::MAX,
        });
        let range = prefix.clone()..history_key(prefix, before);
        self.shared.store.visit(range, true, |key, entry| {
            found.push(self.change(history_version(key)?, entry)?);
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }
}

impl LedgerSnapshot {
    /// The value behind a state entry.
    fn value(&self, entry: &[u8]) -> Result<VersionedValue, LedgerError> {
        let (version, value) = decode_state(entry)?;
        let value = match value {
            StateValue::Inline(bytes) => Bytes::copy_from_slice(bytes),
            StateValue::Pointer(pointer) => self.part(version.block, pointer, "world state")?,
        };
        Ok(VersionedValue { version, value })
    }

    /// The change behind a history entry.
    fn change(&self, version: Version, entry: &[u8]) -> Result<HistoryEntry, LedgerError> {
        let damaged = LedgerError::StateEntry { what: "history" };
        let change = decode_change(entry)?;
        let bytes = self.part(version.block, change.envelope, "history")?;
        let value = match change.value {
            None => None,
            Some(part) => {
                let (start, end) = (
                    part.offset as usize,
                    part.offset as usize + part.len as usize,
                );
                if end > bytes.len() {
                    return Err(damaged);
                }
                Some(bytes.slice(start..end))
            }
        };
        let Ok(envelope) = Envelope::parse(&bytes) else {
            return Err(damaged);
        };
        let header = envelope.header.channel_header;
        let Ok(tx_id) = header.tx_id.parse() else {
            return Err(damaged);
        };
        let timestamp = header.timestamp.unwrap_or_default();
        Ok(HistoryEntry {
            version,
            tx_id,
            timestamp_seconds: timestamp.seconds,
            timestamp_nanos: timestamp.nanos,
            value,
        })
    }

    /// A part of block `number`, checked.
    fn part(
        &self,
        number: u64,
        pointer: Pointer,
        what: &'static str,
    ) -> Result<Bytes, LedgerError> {
        let damaged = LedgerError::StateEntry { what };
        let part = pointer.part;
        let Some(block) = location(&self.view.locations, number) else {
            return Err(damaged);
        };
        if part
            .offset
            .checked_add(part.len)
            .is_none_or(|end| end > block.len)
        {
            return Err(damaged);
        }
        let offset = block.offset + u64::from(part.offset);
        let bytes = self
            .shared
            .reader
            .read_slice(block.segment, offset, part.len)
            .map_err(|error| of_block(error, number))?;
        if pointer.fits(&bytes) {
            Ok(bytes)
        } else {
            Err(damaged)
        }
    }
}

/// Where block `number` is.
pub(crate) fn location(locations: &[Location], number: u64) -> Option<Location> {
    usize::try_from(number)
        .ok()
        .and_then(|index| locations.get(index))
        .copied()
}

/// The state keys from `start` to `end`; an empty `end` is no bound.
pub(crate) fn state_range(
    contract: &ContractId,
    start: &str,
    end: &str,
    end_inclusive: bool,
) -> Range<Vec<u8>> {
    let start = state_key(contract, start.as_bytes());
    if end.is_empty() {
        return start..state_end(contract);
    }
    let mut end = state_key(contract, end.as_bytes());
    if end_inclusive {
        // The first key after a key is that key with a zero byte.
        end.push(0);
    }
    start..end
}

/// Hands keys and state entries of `contract` in `range` to `visit`, until it answers `false`.
pub(crate) fn visit_state(
    store: &Store,
    contract: &ContractId,
    range: Range<Vec<u8>>,
    mut visit: impl FnMut(String, &[u8]) -> Result<bool, LedgerError>,
) -> Result<(), LedgerError> {
    let prefix_bytes = contract.as_str().len() + 2;
    store.visit(range, false, |key, entry| {
        let key = key
            .get(prefix_bytes..)
            .and_then(|key| std::str::from_utf8(key).ok());
        let key = key.ok_or(LedgerError::StateEntry {
            what: "world state",
        })?;
        visit(key.to_owned(), entry)
    })
}
