//! Other channels as contracts met them: the same doors as on a host (`gateway/src/ledgers.rs`), on
//! chosen heights.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cordon_execute::{HostError, Ledgers, OpenedLedger};
use parking_lot::Mutex;

use super::Unreplayable;
use super::past::Past;
use crate::access::ContractAccess;

/// The other channels whose blocks are there, by id.
pub(super) type Others = Arc<BTreeMap<String, Past>>;

/// On which heights of other channels an execution is tried. Channels not in it are at the newest
/// height that the transaction can have met.
pub(super) type Heights = BTreeMap<String, u64>;

/// What one execution can ask of other channels.
pub(super) struct PastLedgers {
    others: Others,
    heights: Heights,
    creator: Bytes,
    /// When the proposal was signed, seconds since the Unix epoch.
    time: i64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Why a question could not be answered as it was then.
    unanswered: Option<Unreplayable>,
    /// The channels that answered, in the order in which they were asked first, each with the next
    /// lower heights at which what was read there is something else.
    asked: Vec<(String, Vec<Arc<AtomicU64>>)>,
}

impl PastLedgers {
    pub(super) fn new(others: &Others, heights: Heights, creator: Bytes, time: i64) -> Self {
        Self {
            others: Arc::clone(others),
            heights,
            creator,
            time,
            seen: Mutex::default(),
        }
    }

    /// Why a question could not be answered, if one could not.
    pub(super) fn unanswered(&self) -> Option<Unreplayable> {
        self.seen.lock().unanswered.clone()
    }

    /// The channels that answered.
    pub(super) fn asked(&self) -> Vec<String> {
        let seen = self.seen.lock();
        seen.asked
            .iter()
            .map(|(channel, _)| channel.clone())
            .collect()
    }

    /// The heights to try next: the channel asked last goes down to where its answer can be another
    /// one; when it has been at all of them it begins again, and the one before it goes down. `None`
    /// when there is nothing left to try.
    pub(super) fn next(&self) -> Option<Heights> {
        let mut heights = self.heights.clone();
        for (channel, olders) in self.seen.lock().asked.iter().rev() {
            let older = olders
                .iter()
                .map(|older| older.load(Ordering::Relaxed))
                .max();
            if let Some(older) = older.filter(|older| *older > 0) {
                heights.insert(channel.clone(), older);
                return Some(heights);
            }
            heights.remove(channel);
        }
        None
    }

    fn refuse(&self, reason: Unreplayable) {
        self.seen.lock().unanswered.get_or_insert(reason);
    }
}

impl Ledgers for PastLedgers {
    fn open(&self, channel: &str, contract: &str) -> Result<Option<OpenedLedger>, HostError> {
        let Some(past) = self.others.get(channel) else {
            // On the hosts of then there may have been such a channel or not.
            self.refuse(Unreplayable::NoBlocks {
                channel: channel.to_owned(),
            });
            return Ok(None);
        };
        let identity = past.last_identity(&self.creator);
        if identity.is_none_or(|identity| identity.check_validity(self.time).is_err()) {
            return Ok(None);
        }
        let height = self.heights.get(channel).copied();
        let height = height.unwrap_or_else(|| past.plausible(self.time));
        let deployed = past.deployed(height).and_then(|deployed| {
            // Its access policies cannot be used unless all its contracts are there.
            let missing = deployed.missing.values().next().cloned();
            missing.map_or(Ok(deployed), Err)
        });
        let deployed = match deployed {
            Ok(deployed) => deployed,
            Err(reason) => {
                self.refuse(reason);
                return Ok(None);
            }
        };
        let id = contract.parse().ok();
        let Some(installed) = id.and_then(|id| deployed.contracts.get(&id)) else {
            return Ok(None);
        };
        let snapshot = past.snapshot(height);
        {
            let asked = &mut self.seen.lock().asked;
            match asked.iter_mut().find(|(known, _)| known == channel) {
                Some((_, olders)) => olders.push(snapshot.older()),
                None => asked.push((channel.to_owned(), vec![snapshot.older()])),
            }
        }
        Ok(Some(OpenedLedger {
            channel: past.id().clone(),
            contract: Arc::clone(&installed.code),
            access: Box::new(ContractAccess {
                access: Arc::clone(&deployed.access),
                contract: installed.id().clone(),
                creator: self.creator.clone(),
            }),
            snapshot: Box::new(snapshot),
        }))
    }
}
