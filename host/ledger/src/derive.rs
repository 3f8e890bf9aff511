//! From a block to the changes of the derived state: one batch, the same whether the block is
//! committed now or replayed later.

use std::collections::{BTreeMap, BTreeSet};

use cordon_types::{ValidationCode, Version};
use cordon_wire::block::CommittedBlock;

use crate::entries::{
    Change, INLINE_BYTES_MAX, META, Meta, Part, Pointer, StateValue, TxLocation, block_hash_key,
    encode_change, encode_state, encode_tx, history_key, history_prefix, state_key, tx_key,
};
use crate::store::Store;
use crate::{CommitTransaction, LedgerError};

/// The changes that `block`, encoded as `bytes`, makes to a state that has the sum of `before`; and
/// the state's description of itself afterwards.
pub(crate) fn derive(
    store: &Store,
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
        tx_ids: BTreeSet::new(),
    };
    let envelopes = block.data.iter().zip(transactions);
    for (index, (envelope, transaction)) in (0u32..).zip(envelopes) {
        let version = Version {
            block: number,
            tx: index,
        };
        changes.index_transaction(version, transaction)?;
        if transaction.code == ValidationCode::Valid {
            changes.write(version, bytes, envelope, transaction)?;
        }
    }
    let hash = block.hash();
    changes.insert(&block_hash_key(&hash), number.to_be_bytes().to_vec());
    changes.finish(block, hash)
}

struct Changes<'a> {
    store: &'a Store,
    batch: sled::Batch,
    meta: Meta,
    /// The last write of each key; `None` deletes.
    state: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    tx_ids: BTreeSet<[u8; 33]>,
}

impl Changes<'_> {
    /// Inserts an entry that was not there before.
    fn insert(&mut self, key: &[u8], value: Vec<u8>) {
        self.meta.sum.add(key, &value);
        self.batch.insert(key, value);
    }

    /// The first transaction with an id keeps its place in the index.
    fn index_transaction(
        &mut self,
        version: Version,
        transaction: &CommitTransaction,
    ) -> Result<(), LedgerError> {
        let Some(tx_id) = &transaction.tx_id else {
            return Ok(());
        };
        let key = tx_key(tx_id);
        if self.store.contains(&key)? || !self.tx_ids.insert(key) {
            return Ok(());
        }
        let location = TxLocation {
            block: version.block,
            index: version.tx,
            code: transaction.code,
        };
        self.insert(&key, encode_tx(location));
        Ok(())
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
        for contract in &transaction.writes {
            for write in &contract.writes {
                // The envelope handed over may be another copy than the one in this block.
                let value = write
                    .value
                    .as_ref()
                    .map(|value| {
                        Part::of(&transaction.envelope, value)
                            .map(|part| (part, value))
                            .ok_or(outside("the place of a value"))
                    })
                    .transpose()?;
                let change = Change {
                    envelope: envelope_pointer,
                    value: value.as_ref().map(|(part, _)| *part),
                };
                let prefix = history_prefix(&contract.contract, &write.key);
                self.insert(&history_key(prefix, version), encode_change(change));

                let entry = value.map(|(part, value)| {
                    let value = if value.len() <= INLINE_BYTES_MAX {
                        StateValue::Inline(value)
                    } else {
                        let offset = envelope_part.offset + part.offset;
                        StateValue::Pointer(Pointer::new(Part { offset, ..part }, value))
                    };
                    encode_state(version, value)
                });
                self.state
                    .insert(state_key(&contract.contract, write.key.as_bytes()), entry);
            }
        }
        Ok(())
    }

    fn finish(
        mut self,
        block: &CommittedBlock,
        hash: [u8; 32],
    ) -> Result<(sled::Batch, Meta), LedgerError> {
        for (key, value) in std::mem::take(&mut self.state) {
            let old = self.store.get(&key)?;
            if let Some(old) = &old {
                self.meta.sum.remove(&key, old);
            }
            match value {
                Some(value) => self.insert(&key, value),
                None if old.is_some() => self.batch.remove(key),
                None => {}
            }
        }
        self.meta.height = block.header.number + 1;
        self.meta.block_hash = hash;
        self.meta.commit_hash = block.commit_hash;
        self.batch.insert(META, self.meta.encode());
        Ok((self.batch, self.meta))
    }
}
