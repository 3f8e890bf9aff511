//! Who may execute a contract, and when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cordon_types::{Caller, MspId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Contract calls at once. More wait their turn, and one caller has at most half of the turns (of a
/// single turn, all): whoever
/// asks for a thousand calls that never end waits for his own, and others do not. Shared by hosts of
/// one process.
pub struct Executions {
    all: Arc<Semaphore>,
    each: usize,
    /// Of those who execute or wait, by organisation and unique id: one certificate has many forms.
    callers: Mutex<BTreeMap<(MspId, String), Weak<Semaphore>>>,
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

    /// Waits for a turn of `caller`; `None` when there will be none any more. Whoever stops waiting
    /// has never been in the queue.
    pub(crate) async fn turn(&self, caller: &Caller) -> Option<Turn> {
        // The own one first: waiting for it takes no turn from others.
        let own = self.of(caller).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn {
            _all: all,
            _own: own,
        })
    }

    fn of(&self, caller: &Caller) -> Arc<Semaphore> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = (caller.msp_id.clone(), caller.unique_id.clone());
        if let Some(known) = callers.get(&caller).and_then(Weak::upgrade) {
            return known;
        }
        callers.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(self.each));
        callers.insert(caller, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn caller(name: &str) -> Caller {
        Caller {
            msp_id: "HospitalMSP".parse().unwrap(),
            subject: format!("CN={name}"),
            unique_id: name.to_owned(),
            enrollment_id: name.to_owned(),
            attributes: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn a_caller_has_half_of_the_turns_and_leaves_nothing_behind() {
        let executions = Executions::new(4);
        let (greedy, other, third) = (caller("greedy"), caller("other"), caller("third"));
        let turn = |caller: &Caller| executions.turn(caller).now_or_never().flatten();
        let held = [turn(&greedy).unwrap(), turn(&greedy).unwrap()];
        assert!(turn(&greedy).is_none());
        let mut waiting = Box::pin(executions.turn(&greedy));
        assert!(waiting.as_mut().now_or_never().is_none());
        let others = [turn(&other).unwrap(), turn(&other).unwrap()];
        assert!(turn(&other).is_none());
        // All are taken now, and a third caller waits for whoever ends first.
        assert!(turn(&third).is_none());
        drop(held);
        assert!(turn(&third).is_some());
        assert!(waiting.as_mut().now_or_never().flatten().is_some());
        drop((waiting, others));
        assert!(turn(&third).is_some());
        assert_eq!(executions.callers.lock().unwrap().len(), 1);
    }
}
