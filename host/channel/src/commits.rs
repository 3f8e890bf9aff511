//! Tells who waits that something was committed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cordon_types::{TxId, ValidationCode};
use tokio::sync::{oneshot, watch};

/// A transaction's fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The block it is in.
    pub block: u64,
    /// Its verdict.
    pub code: ValidationCode,
}

/// Those who wait for transactions or for blocks.
pub struct Commits {
    height: watch::Sender<u64>,
    waiting: Mutex<BTreeMap<TxId, Vec<oneshot::Sender<Committed>>>>,
}

impl Commits {
    pub(crate) fn new(height: u64) -> Self {
        Self {
            height: watch::Sender::new(height),
            waiting: Mutex::default(),
        }
    }

    /// The number of committed blocks, as it grows.
    pub fn height(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    /// Resolves when `tx_id` is committed after this call; look at the ledger for what was before,
    /// after this call.
    pub fn wait_for(&self, tx_id: TxId) -> oneshot::Receiver<Committed> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.locked();
        let senders = waiting.entry(tx_id).or_default();
        // Clients that have gone leave their place to the next one.
        senders.retain(|sender| !sender.is_closed());
        senders.push(sender);
        receiver
    }

    pub(crate) fn committed(
        &self,
        height: u64,
        transactions: impl Iterator<Item = (TxId, Committed)>,
    ) {
        {
            let mut waiting = self.locked();
            for (tx_id, committed) in transactions {
                for sender in waiting.remove(&tx_id).into_iter().flatten() {
                    let _ = sender.send(committed);
                }
            }
        }
        self.height.send_replace(height);
    }

    /// Forgets those who wait for ids and have gone; called once in a while.
    pub(crate) fn forget_gone(&self) {
        self.locked().retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<TxId, Vec<oneshot::Sender<Committed>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
