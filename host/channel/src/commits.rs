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
    /// after this call. Whoever stops waiting leaves nothing behind.
    pub fn wait_for(&self, tx_id: TxId) -> Waiting<'_> {
        let (sender, receiver) = oneshot::channel();
        self.locked().entry(tx_id).or_default().push(sender);
        Waiting {
            commits: self,
            tx_id,
            receiver,
        }
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

    fn locked(&self) -> MutexGuard<'_, BTreeMap<TxId, Vec<oneshot::Sender<Committed>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait for a transaction.
pub struct Waiting<'a> {
    commits: &'a Commits,
    tx_id: TxId,
    receiver: oneshot::Receiver<Committed>,
}

impl Waiting<'_> {
    /// The transaction's fate; `None` when the host stops before it is known.
    pub async fn committed(mut self) -> Option<Committed> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        let mut waiting = self.commits.locked();
        if let Some(senders) = waiting.get_mut(&self.tx_id) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(&self.tx_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_who_wait_are_told_and_those_who_leave_leave_nothing() {
        let commits = Commits::new(1);
        let tx_id = TxId::from_bytes([1; 32]);
        let (first, second) = (commits.wait_for(tx_id), commits.wait_for(tx_id));
        drop(commits.wait_for(TxId::from_bytes([2; 32])));
        drop(second);
        assert_eq!(commits.locked().len(), 1);
        let committed = Committed {
            block: 1,
            code: ValidationCode::Valid,
        };
        commits.committed(2, [(tx_id, committed)].into_iter());
        assert_eq!(first.committed().await, Some(committed));
        assert!(commits.locked().is_empty());
        assert_eq!(*commits.height().borrow(), 2);
    }
}
