//! Who may execute a contract, and when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Contract calls at once. More wait their turn, and one caller has at most half of the turns: whoever
/// asks for a thousand calls that never end waits for his own, and others do not. Shared by hosts of
/// one process.
pub struct Executions {
    all: Arc<Semaphore>,
    each: usize,
    /// Of those who execute or wait, by their serialized identity.
    callers: Mutex<BTreeMap<Vec<u8>, Weak<Semaphore>>>,
}

/// A turn, until it is dropped.
pub(crate) struct Turn {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Executions {
    /// As many turns, at least one.
    pub fn new(turns: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(turns.max(1))),
            each: (turns / 2).max(1),
            callers: Mutex::default(),
        }
    }

    /// Waits for a turn of `creator`; `None` when there will be none any more. Whoever stops waiting
    /// has never been in the queue.
    pub(crate) async fn turn(&self, creator: &[u8]) -> Option<Turn> {
        // The own one first: waiting for it takes no turn from others.
        let own = self.of(creator).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn {
            _all: all,
            _own: own,
        })
    }

    fn of(&self, creator: &[u8]) -> Arc<Semaphore> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = callers.get(creator).and_then(Weak::upgrade) {
            return known;
        }
        callers.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(self.each));
        callers.insert(creator.to_vec(), Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_caller_has_half_of_the_turns_and_leaves_nothing_behind() {
        let executions = Executions::new(4);
        let turn = |creator: &[u8]| executions.turn(creator).now_or_never().flatten();
        let held = [turn(b"greedy").unwrap(), turn(b"greedy").unwrap()];
        assert!(turn(b"greedy").is_none());
        let mut waiting = Box::pin(executions.turn(b"greedy"));
        assert!(waiting.as_mut().now_or_never().is_none());
        let others = [turn(b"other").unwrap(), turn(b"other").unwrap()];
        assert!(turn(b"other").is_none());
        // All are taken now, and a third caller waits for whoever ends first.
        assert!(turn(b"third").is_none());
        drop(held);
        assert!(turn(b"third").is_some());
        assert!(waiting.as_mut().now_or_never().flatten().is_some());
        drop((waiting, others));
        assert!(turn(b"third").is_some());
        assert_eq!(executions.callers.lock().unwrap().len(), 1);
    }
}
