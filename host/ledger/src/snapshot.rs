//! The world state and the history of keys, read at one height.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use cordon_journal::Location;
use cordon_types::{
    ContractId, HistoryEntry, KeyWrite, Snapshot, StateError, Version, VersionedValue,
};
use cordon_wire::transaction::{Envelope, Transaction};
use parking_lot::{ArcRwLockReadGuard, RawRwLock};

use crate::LedgerError;
use crate::chain::{of_block, read_block};
use crate::entries::{
    Change, ChangeId, Pointer, StateValue, changes_range, decode_change, decode_state, state_end,
    state_key,
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
        let Some(entry) = entry else { return Ok(None) };
        let (change, value) = decode_state(&entry)?;
        let value = value.map(|value| self.value(change.version, value));
        Ok(value.transpose()?)
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
            |key, version, value| {
                found.push((key, self.value(version, value)?));
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
        let entry = self
            .shared
            .store
            .get(&state_key(contract, key.as_bytes()))?;
        let Some(entry) = entry else {
            return Ok(found);
        };
        let last = decode_state(&entry)?.0;
        let mut next = match before {
            None => Some(last),
            Some(before) => self.last_before(contract, key, last, before)?,
        };
        while let Some(id) = next {
            let change = self.change(id)?;
            found.push(self.history_entry(contract, key, id, &change)?);
            if found.len() == limit {
                break;
            }
            next = change.previous;
        }
        Ok(found)
    }

    fn block_hash(&self, number: u64) -> Result<[u8; 32], StateError> {
        let location = location(&self.view.locations, number);
        let location = location.ok_or(LedgerError::StateEntry { what: "a block" })?;
        let (_, block) = read_block(&self.shared.reader, number, location)?;
        Ok(block.hash())
    }
}

impl LedgerSnapshot {
    /// The value behind a state entry.
    fn value(
        &self,
        version: Version,
        value: StateValue<'_>,
    ) -> Result<VersionedValue, LedgerError> {
        let value = match value {
            StateValue::Inline(bytes) => Bytes::copy_from_slice(bytes),
            StateValue::Pointer(pointer) => self.part(version.block, pointer, "world state")?,
        };
        Ok(VersionedValue { version, value })
    }

    /// The last change of `key` older than `before`, found from `last`, its last change of all.
    /// Cost: constant when `before` is the version of a change of `key`, as it is when pages are
    /// read one after the other; else an entry of the state for each change on the way.
    fn last_before(
        &self,
        contract: &ContractId,
        key: &str,
        last: ChangeId,
        before: Version,
    ) -> Result<Option<ChangeId>, LedgerError> {
        if before < last.version
            && let Some(id) = self.change_at(contract, key, before)?
        {
            return Ok(self.change(id)?.previous);
        }
        let mut next = Some(last);
        while let Some(id) = next
            && id.version >= before
        {
            next = self.change(id)?.previous;
        }
        Ok(next)
    }

    /// The change of `key` at `version`, if there is one.
    fn change_at(
        &self,
        contract: &ContractId,
        key: &str,
        version: Version,
    ) -> Result<Option<ChangeId>, LedgerError> {
        let first = ChangeId {
            version,
            position: 0,
        };
        let Some(change) = self.find_change(first)? else {
            return Ok(None);
        };
        let transaction = self.transaction(version, &change)?;
        let position = writes(&transaction).position(|(id, write)| is(contract, key, id, write));
        let position = position.and_then(|position| u32::try_from(position).ok());
        Ok(position.map(|position| ChangeId { version, position }))
    }

    /// What the state keeps of a change that something leads to.
    fn change(&self, id: ChangeId) -> Result<Change, LedgerError> {
        // Whatever is damaged, a walk ends.
        self.find_change(id)?
            .filter(|change| {
                change
                    .previous
                    .is_none_or(|previous| previous.version < id.version)
            })
            .ok_or(DAMAGED_HISTORY)
    }

    fn find_change(&self, id: ChangeId) -> Result<Option<Change>, LedgerError> {
        let mut found = None;
        let store = &self.shared.store;
        store.visit(changes_range(id), true, |_, entry| {
            found = decode_change(entry, id)?;
            Ok(false)
        })?;
        Ok(found)
    }

    /// The transaction that made a change.
    fn transaction(&self, version: Version, change: &Change) -> Result<Transaction, LedgerError> {
        let bytes = self.part(version.block, change.envelope, "history")?;
        Envelope::parse(&bytes)
            .and_then(Transaction::parse)
            .map_err(|_| DAMAGED_HISTORY)
    }

    fn history_entry(
        &self,
        contract: &ContractId,
        key: &str,
        id: ChangeId,
        change: &Change,
    ) -> Result<HistoryEntry, LedgerError> {
        let transaction = self.transaction(id.version, change)?;
        let write = writes(&transaction)
            .nth(id.position as usize)
            .filter(|(other, write)| is(contract, key, other, write));
        let Some((_, write)) = write else {
            return Err(DAMAGED_HISTORY);
        };
        let timestamp = transaction
            .header
            .channel_header
            .timestamp
            .unwrap_or_default();
        Ok(HistoryEntry {
            version: id.version,
            tx_id: transaction.tx_id,
            timestamp_seconds: timestamp.seconds,
            timestamp_nanos: timestamp.nanos,
            value: write.value.clone(),
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

const DAMAGED_HISTORY: LedgerError = LedgerError::StateEntry { what: "history" };

/// The writes of `transaction`, in the order in which the positions of changes count them.
fn writes(transaction: &Transaction) -> impl Iterator<Item = (&ContractId, &KeyWrite)> {
    transaction.rw_set.contracts.iter().flat_map(|contract| {
        let writes = contract.writes.iter();
        writes.map(|write| (&contract.contract, write))
    })
}

/// Whether `write`, of the contract `id`, is one of `key` of `contract`.
fn is(contract: &ContractId, key: &str, id: &ContractId, write: &KeyWrite) -> bool {
    id == contract && write.key == key
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

/// Hands the keys of `contract` in `range` to `visit`, with version and value, until it answers
/// `false`. Deleted keys are passed over.
pub(crate) fn visit_state(
    store: &Store,
    contract: &ContractId,
    range: Range<Vec<u8>>,
    mut visit: impl FnMut(String, Version, StateValue<'_>) -> Result<bool, LedgerError>,
) -> Result<(), LedgerError> {
    let prefix_bytes = contract.as_str().len() + 2;
    store.visit(range, false, |key, entry| {
        let (change, Some(value)) = decode_state(entry)? else {
            return Ok(true);
        };
        let key = key
            .get(prefix_bytes..)
            .and_then(|key| std::str::from_utf8(key).ok());
        let key = key.ok_or(LedgerError::StateEntry {
            what: "world state",
        })?;
        visit(key.to_owned(), change.version, value)
    })
}
