//! From a block to the changes of the derived state: one batch, the same whether the block is
//! committed now or replayed later.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use cordon_types::{TxId, ValidationCode, Version};
use cordon_wire::block::CommittedBlock;
use sled::IVec;

use crate::entries::{
    ChangeId, ChangesEncoder, INLINE_BYTES_MAX, META, Meta, Part, Pointer, StateValue, TxLocation,
    block_hash_key, decode_state, encode_state, state_key,
};
use crate::store::Store;
use crate::tx_index::TxIndex;
use crate::{CommitTransaction, LedgerError};

/// The changes that `block`, encoded as `bytes`, makes to a state that has the sum of `before`; and
/// the state's description of itself afterwards. The transactions are in `tx_index` when this
/// returns: it may be ahead of the state, never behind.
pub(crate) fn derive(
    store: &Store,
    tx_index: &TxIndex,
    before: &Meta,
    bytes: &[u8],
    block: &CommittedBlock,
    transactions: &[CommitTransaction],
) -> Result<(sled::Batch, Meta), LedgerError> {
    let number = block.header.number;
    let mut changes = Changes {
        store,
        batch: sled::Batch::default(),
        meta: *before,
        state: BTreeMap::new(),
        history: ChangesEncoder::default(),
    };
    tx_index.insert(&locate(number, transactions), &mut changes.meta.tx_sum)?;
    let envelopes = block.data.iter().zip(transactions);
    for (index, (envelope, transaction)) in (0u32..).zip(envelopes) {
        if transaction.code == ValidationCode::Valid {
            let version = Version {
                block: number,
                tx: index,
            };
            changes.write(version, bytes, envelope, transaction)?;
        }
    }
    let hash = block.hash();
    changes.insert(&block_hash_key(&hash), number.to_be_bytes().to_vec());
    Ok(changes.finish(block, hash))
}

/// Where the transactions of block `number` are that take their ids, in order.
pub(crate) fn locate(number: u64, transactions: &[CommitTransaction]) -> Vec<(TxId, TxLocation)> {
    let located = (0u32..)
        .zip(transactions)
        .filter_map(|(index, transaction)| {
            let location = TxLocation {
                block: number,
                index,
                code: transaction.code,
            };
            Some((transaction.tx_id?, location))
        });
    located.collect()
}

struct Changes<'a> {
    store: &'a Store,
    batch: sled::Batch,
    meta: Meta,
    state: BTreeMap<Vec<u8>, StateChange>,
    history: ChangesEncoder,
}

/// What a block does to a state entry.
struct StateChange {
    before: Option<IVec>,
    /// The last of the block.
    last: ChangeId,
    after: Vec<u8>,
}

// === impl Changes ===

impl Changes<'_> {
    /// Inserts an entry; the sum no longer holds what was there before.
    fn insert(&mut self, key: &[u8], value: Vec<u8>) {
        self.meta.sum.add(key, &value);
        self.batch.insert(key, value);
    }

    fn write(
        &mut self,
        version: Version,
        block: &[u8],
        envelope: &[u8],
        transaction: &CommitTransaction,
    ) -> Result<(), LedgerError> {
        if transaction
            .writes
            .iter()
            .all(|contract| contract.writes.is_empty())
        {
            return Ok(());
        }
        let outside = |what| LedgerError::Contradiction {
            number: version.block,
            what,
        };
        let envelope_part = Part::of(block, envelope).ok_or(outside("the place of an envelope"))?;
        let envelope_pointer = Pointer::new(envelope_part, envelope);
        let writes = transaction.writes.iter().flat_map(|contract| {
            let writes = contract.writes.iter();
            writes.map(|write| (&contract.contract, write))
        });
        let mut previous = Vec::new();
        for (position, (contract, write)) in (0u32..).zip(writes) {
            let value = match &write.value {
                None => None,
                Some(value) => {
                    // The envelope handed over may be another copy than the one in this block.
                    let part = Part::of(&transaction.envelope, value)
                        .ok_or(outside("the place of a value"))?;
                    Some(if value.len() <= INLINE_BYTES_MAX {
                        StateValue::Inline(value)
                    } else {
                        let offset = envelope_part.offset + part.offset;
                        StateValue::Pointer(Pointer::new(Part { offset, ..part }, value))
                    })
                }
            };
            let change = ChangeId { version, position };
            let key = state_key(contract, write.key.as_bytes());
            previous.push(self.set_state(key, change, encode_state(change, value))?);
        }
        self.history
            .transaction(version, envelope_pointer, &previous);
        Ok(())
    }

    /// Makes `entry`, for `change`, the state entry at `key`; the change of the key before.
    fn set_state(
        &mut self,
        key: Vec<u8>,
        change: ChangeId,
        entry: Vec<u8>,
    ) -> Result<Option<ChangeId>, LedgerError> {
        match self.state.entry(key) {
            Entry::Occupied(mut found) => {
                let found = found.get_mut();
                found.after = entry;
                Ok(Some(std::mem::replace(&mut found.last, change)))
            }
            Entry::Vacant(place) => {
                let before = self.store.get(place.key())?;
                let previous = before.as_deref().map(decode_state).transpose()?;
                let previous = previous.map(|(previous, _)| previous);
                place.insert(StateChange {
                    before,
                    last: change,
                    after: entry,
                });
                Ok(previous)
            }
        }
    }

    fn finish(mut self, block: &CommittedBlock, hash: [u8; 32]) -> (sled::Batch, Meta) {
        for (key, change) in std::mem::take(&mut self.state) {
            if let Some(before) = &change.before {
                self.meta.sum.remove(&key, before);
            }
            self.insert(&key, change.after);
        }
        for (key, value) in std::mem::take(&mut self.history).finish() {
            self.insert(&key, value);
        }
        self.meta.height = block.header.number + 1;
        self.meta.block_hash = hash;
        self.meta.commit_hash = block.commit_hash;
        self.batch.insert(META, self.meta.encode());
        (self.batch, self.meta)
    }
}
