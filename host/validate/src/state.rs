//! Step 3: what has to be loaded from committed state, and the form in which it is handed over.
//! Keys are record data: `Debug` shows their lengths only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cordon_types::{ContractId, RangeRead, TxId, Version};

use crate::Checked;

/// A key of a contract's state.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateKey {
    /// The namespace.
    pub contract: ContractId,
    /// The key.
    pub key: String,
}

/// A range of keys of a contract's state.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateRange {
    /// The namespace.
    pub contract: ContractId,
    /// First key, inclusive.
    pub start: String,
    /// Last key when `inclusive_end`; else the key after the range, where the empty one means no
    /// bound.
    pub end: String,
    /// Whether `end` belongs to the range.
    pub inclusive_end: bool,
}

/// What [`crate::judge`] has to know of committed state, from before the block. Each list is sorted
/// and free of repetitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Ids of which it must be known whether they are taken.
    pub tx_ids: Vec<TxId>,
    /// Keys whose versions are needed.
    pub keys: Vec<StateKey>,
    /// Ranges whose keys and versions are needed. None is empty by its bounds.
    pub ranges: Vec<StateRange>,
}

/// Committed state before the block, as far as it is needed. More than that does no harm; less is
/// [`NotLoaded`], except for transaction ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Those of the ids needed that are taken ([`crate::claimed_tx_id`]).
    pub tx_ids: BTreeSet<TxId>,
    /// Version of every key needed; `None`: the key is absent.
    pub versions: BTreeMap<StateKey, Option<Version>>,
    /// For every range needed, all keys in it with their versions, in key order.
    pub ranges: BTreeMap<StateRange, Vec<(String, Version)>>,
}

/// The caller did not load what [`needs`] asked for. A mistake in this host: it must not commit the
/// block, since taking what is not loaded for absent could fork its ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("committed state of contract {contract} was needed and not loaded ({what})")]
pub struct NotLoaded {
    /// The namespace.
    pub contract: ContractId,
    /// A key or a range.
    pub what: &'static str,
}

/// What has to be loaded to judge these envelopes.
pub fn needs(checked: &[Checked]) -> Needs {
    let tx_ids: BTreeSet<TxId> = checked.iter().filter_map(Checked::tx_id).collect();
    let mut keys = BTreeSet::new();
    let mut ranges = BTreeSet::new();
    let candidates = checked.iter().filter_map(Checked::candidate);
    for set in candidates.flat_map(|transaction| &transaction.rw_set.contracts) {
        keys.extend(set.reads.iter().map(|read| StateKey {
            contract: set.contract.clone(),
            key: read.key.clone(),
        }));
        let scanned = set
            .range_reads
            .iter()
            .map(|read| StateRange::of(&set.contract, read));
        ranges.extend(scanned.filter(|range| !range.is_empty()));
    }
    Needs {
        tx_ids: tx_ids.into_iter().collect(),
        keys: keys.into_iter().collect(),
        ranges: ranges.into_iter().collect(),
    }
}

// === impl StateRange ===

impl StateRange {
    /// The keys that the scan `read` went over: up to its end when it ran to its end, else up to
    /// the last key handed out. What came after that key, the contract never saw.
    pub fn of(contract: &ContractId, read: &RangeRead) -> Self {
        Self {
            contract: contract.clone(),
            start: read.start.clone(),
            end: read.end.clone(),
            inclusive_end: !read.exhausted,
        }
    }

    /// Whether `key` is in the range.
    pub fn contains(&self, key: &str) -> bool {
        let (start, end) = (self.start.as_str(), self.end.as_str());
        let below_end = if self.inclusive_end {
            key <= end
        } else {
            end.is_empty() || key < end
        };
        key >= start && below_end
    }

    /// Whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        if self.inclusive_end {
            self.start > self.end
        } else {
            !self.end.is_empty() && self.start >= self.end
        }
    }

    /// The end as `Snapshot::scan` takes it: exclusive, empty for no bound. Of no meaning when the
    /// range [is empty](Self::is_empty).
    pub fn end_exclusive(&self) -> String {
        let mut end = self.end.clone();
        if self.inclusive_end {
            // The smallest text above `end`.
            end.push('\0');
        }
        end
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateKey")
            .field("contract", &self.contract)
            .field("key_bytes", &self.key.len())
            .finish()
    }
}

impl fmt::Debug for StateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateRange")
            .field("contract", &self.contract)
            .field("start_bytes", &self.start.len())
            .field("end_bytes", &self.end.len())
            .field("inclusive_end", &self.inclusive_end)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_scan() {
        let range = |start: &str, end: &str, inclusive_end| StateRange {
            contract: "emr".parse().unwrap(),
            start: start.into(),
            end: end.into(),
            inclusive_end,
        };
        for (range, inside, outside) in [
            (range("b", "d", false), "b c cz", "a az d"),
            (range("b", "d", true), "b c d", "a d0 e"),
            (range("b", "", false), "b z \u{10ffff}", "a"),
            (range("", "", false), "a", ""),
        ] {
            assert!(!range.is_empty());
            assert!(
                inside.split(' ').all(|key| range.contains(key)),
                "{range:?}"
            );
            assert!(
                outside
                    .split_terminator(' ')
                    .all(|key| !range.contains(key)),
                "{range:?}"
            );
        }
        assert!(range("d", "b", false).is_empty() && range("d", "d", false).is_empty());
        assert!(range("b", "", true).is_empty() && !range("d", "d", true).is_empty());
    }

    #[test]
    fn debug_output_holds_no_keys() {
        let contract: ContractId = "emr".parse().unwrap();
        let key = StateKey {
            contract: contract.clone(),
            key: "patient7".into(),
        };
        let range = StateRange {
            contract,
            start: "patient7".into(),
            end: "patient9".into(),
            inclusive_end: true,
        };
        assert!(!format!("{key:?} {range:?}").contains("patient"));
    }
}
