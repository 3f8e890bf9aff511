//! Step 4: the verdicts, transaction by transaction, on committed state plus what the valid ones
//! before it in the block wrote.

use std::collections::{BTreeMap, BTreeSet};

use cordon_types::{
    ContractId, KeyRead, RangeRead, RangeResults, ReadWriteSet, TxId, ValidationCode, Version,
};
use cordon_wire::rw_set::range_results;

use crate::lifecycle::defined;
use crate::{Checked, Committed, Conflict, NotLoaded, Reason, StateKey, StateRange, Verdict};

/// One verdict per envelope of block `block_number`, in order. `committed` must hold what
/// [`crate::needs`] asks for these envelopes.
///
/// # Errors
/// [`NotLoaded`] when `committed` lacks something; a mistake in this host, never of the block.
pub fn judge(
    block_number: u64,
    checked: &[Checked],
    committed: &Committed,
) -> Result<Vec<Verdict>, NotLoaded> {
    let mut block = Block {
        number: block_number,
        committed,
        ids: BTreeMap::new(),
        written: BTreeMap::new(),
        configured: false,
        redefined: BTreeSet::new(),
    };
    (0..)
        .zip(checked)
        .map(|(index, checked)| block.verdict(index, checked))
        .collect()
}

/// What the transactions judged so far amount to.
struct Block<'a> {
    number: u64,
    committed: &'a Committed,
    ids: BTreeMap<TxId, u32>,
    /// Last valid write of each key.
    written: BTreeMap<&'a ContractId, BTreeMap<&'a str, Written>>,
    /// A configuration of this block has been found valid.
    configured: bool,
    /// Contracts with another definition than the block's transactions were endorsed on.
    redefined: BTreeSet<ContractId>,
}

#[derive(Clone, Copy)]
struct Written {
    tx: u32,
    deleted: bool,
}

impl<'a> Block<'a> {
    fn verdict(&mut self, index: u32, checked: &'a Checked) -> Result<Verdict, NotLoaded> {
        use ValidationCode as Code;
        if let Some(tx_id) = checked.tx_id() {
            let earlier = self.ids.get(&tx_id).copied();
            if earlier.is_some() || self.committed.tx_ids.contains(&tx_id) {
                let reason = Reason::DuplicateTxId { earlier };
                return Ok(Verdict::refused(Code::DuplicateTxid, reason));
            }
            self.ids.insert(tx_id, index);
        }
        if let Some(verdict) = checked.refusal() {
            return Ok(verdict.clone());
        }
        if checked.is_first_config() && (self.number, index) != (0, 0) {
            return Ok(Verdict::refused(
                Code::InvalidConfigTransaction,
                Reason::MisplacedConfig,
            ));
        }
        // Both follow the same one.
        if checked.config().is_some() && std::mem::replace(&mut self.configured, true) {
            return Ok(Verdict::refused(
                Code::InvalidConfigTransaction,
                Reason::ConfigOvertaken,
            ));
        }
        let Some(transaction) = checked.candidate() else {
            return Ok(Verdict::VALID);
        };
        let namespaces = transaction.rw_set.contracts.iter().map(|set| &set.contract);
        let mut touched = namespaces.chain([&transaction.contract]);
        if let Some(contract) = touched.find(|contract| self.redefined.contains(*contract)) {
            let reason = Reason::ContractRedefined(contract.clone());
            return Ok(Verdict::refused(Code::ChaincodeVersionConflict, reason));
        }
        if let Some(verdict) = self.conflict(&transaction.rw_set)? {
            return Ok(verdict);
        }
        if let Some((contract, _)) = defined(transaction) {
            if self.redefined.contains(&contract) {
                let reason = Reason::ContractRedefined(contract);
                return Ok(Verdict::refused(Code::ChaincodeVersionConflict, reason));
            }
            self.redefined.insert(contract);
        }
        for set in &transaction.rw_set.contracts {
            let written = self.written.entry(&set.contract).or_default();
            written.extend(set.writes.iter().map(|write| {
                (
                    write.key.as_str(),
                    Written {
                        tx: index,
                        deleted: write.value.is_none(),
                    },
                )
            }));
        }
        Ok(Verdict::VALID)
    }

    fn conflict(&self, rw_set: &ReadWriteSet) -> Result<Option<Verdict>, NotLoaded> {
        for set in &rw_set.contracts {
            for read in &set.reads {
                if let Some(conflict) = self.read_conflict(&set.contract, read)? {
                    let code = ValidationCode::MvccReadConflict;
                    return Ok(Some(Verdict::refused(code, Reason::Read(conflict))));
                }
            }
            for read in &set.range_reads {
                if let Some(conflict) = self.range_conflict(&set.contract, read)? {
                    let code = ValidationCode::PhantomReadConflict;
                    return Ok(Some(Verdict::refused(code, Reason::Phantom(conflict))));
                }
            }
        }
        Ok(None)
    }

    fn read_conflict(
        &self,
        contract: &ContractId,
        read: &KeyRead,
    ) -> Result<Option<Conflict>, NotLoaded> {
        let (found, winner) = if let Some(written) = self.written_in_block(contract, &read.key) {
            let version = self.version(written);
            ((!written.deleted).then_some(version), Some(version))
        } else {
            let key = StateKey {
                contract: contract.clone(),
                key: read.key.clone(),
            };
            let Some(&committed) = self.committed.versions.get(&key) else {
                return Err(NotLoaded {
                    contract: contract.clone(),
                    what: "a key",
                });
            };
            (committed, committed)
        };
        Ok((found != read.version).then(|| Conflict {
            contract: contract.clone(),
            key: Some(read.key.clone()),
            read: read.version,
            winner,
        }))
    }

    fn range_conflict(
        &self,
        contract: &ContractId,
        read: &RangeRead,
    ) -> Result<Option<Conflict>, NotLoaded> {
        let range = StateRange::of(contract, read);
        let found = self.found_now(&range)?;
        // One comparison for both forms: results have one form per count (`range_results`), so
        // results reported in the other form are not what any honest host endorses.
        if range_results(found.clone()) == read.results {
            return Ok(None);
        }
        let mut conflict = Conflict {
            contract: contract.clone(),
            key: None,
            read: None,
            winner: None,
        };
        let changed = match &read.results {
            RangeResults::Raw(reported) => first_difference(reported, &found),
            RangeResults::Merkle { .. } => self.written_within(&range).next().map(|(key, _)| key),
        };
        if let Some(key) = changed {
            if let RangeResults::Raw(reported) = &read.results {
                conflict.read = version_of(reported, key);
            }
            conflict.winner = match self.written_in_block(contract, key) {
                Some(written) => Some(self.version(written)),
                None => version_of(&found, key),
            };
            conflict.key = Some(key.to_owned());
        }
        Ok(Some(conflict))
    }

    /// What the scan would find here and now.
    fn found_now(&self, range: &StateRange) -> Result<Vec<KeyRead>, NotLoaded> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let Some(committed) = self.committed.ranges.get(range) else {
            return Err(NotLoaded {
                contract: range.contract.clone(),
                what: "a range",
            });
        };
        let mut found: BTreeMap<&str, Version> = committed
            .iter()
            .map(|(key, version)| (key.as_str(), *version))
            .collect();
        for (key, written) in self.written_within(range) {
            if written.deleted {
                found.remove(key);
            } else {
                found.insert(key, self.version(written));
            }
        }
        let to_read = |(key, version): (&str, Version)| KeyRead {
            key: key.into(),
            version: Some(version),
        };
        Ok(found.into_iter().map(to_read).collect())
    }

    fn written_in_block(&self, contract: &ContractId, key: &str) -> Option<Written> {
        self.written.get(contract)?.get(key).copied()
    }

    /// Writes of this block within `range`, in key order.
    fn written_within<'r>(
        &'r self,
        range: &'r StateRange,
    ) -> impl Iterator<Item = (&'r str, Written)> {
        // From `start` on, with no upper bound: `BTreeMap::range` panics on bounds that cross.
        let from_start = self
            .written
            .get(&range.contract)
            .into_iter()
            .flat_map(|written| {
                written.range::<str, _>((
                    std::ops::Bound::Included(range.start.as_str()),
                    std::ops::Bound::Unbounded,
                ))
            });
        from_start
            .map(|(&key, &written)| (key, written))
            .take_while(|(key, _)| range.contains(key))
    }

    fn version(&self, written: Written) -> Version {
        Version {
            block: self.number,
            tx: written.tx,
        }
    }
}

/// The first key at which two lists, each meant to be in key order, differ.
fn first_difference<'r>(reported: &'r [KeyRead], found: &'r [KeyRead]) -> Option<&'r str> {
    let at = reported
        .iter()
        .zip(found)
        .take_while(|(left, right)| left == right)
        .count();
    // Of two different keys the smaller one is the one that the other list lacks.
    let keys = [reported.get(at), found.get(at)].into_iter().flatten();
    keys.map(|read| read.key.as_str()).min()
}

fn version_of(reads: &[KeyRead], key: &str) -> Option<Version> {
    reads.iter().find(|read| read.key == key)?.version
}

#[cfg(test)]
mod tests;
