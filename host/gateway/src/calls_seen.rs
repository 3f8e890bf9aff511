//! The calls of contracts that a host has executed last, for developers who watch their contract: when,
//! who, which function, and what came of it. Never an argument, a key, a value or a text of the answer.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use cordon_types::{ChannelId, ContractId, MspId, TxId};
use parking_lot::Mutex;

/// How many calls are kept; older ones are forgotten.
const CALLS_MAX: usize = 512;

/// What a call was executed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An answer alone.
    Evaluate,
    /// An endorsement, so that it can be submitted.
    Endorse,
}

/// One execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSeen {
    /// When it had ended.
    pub time: SystemTime,
    /// Channel.
    pub channel: ChannelId,
    /// The contract that was called.
    pub contract: ContractId,
    /// One of the contract's functions; `None` when it has none of that name, which a client chose.
    pub function: Option<String>,
    /// The caller's organisation.
    pub msp_id: MspId,
    /// The transaction.
    pub tx_id: TxId,
    /// What it was executed for.
    pub purpose: Purpose,
    /// Status of the answer.
    pub status: i32,
    /// Fuel used.
    pub fuel: u64,
    /// How long it took.
    pub duration: Duration,
}

/// One host's. Calls are numbered from 1 since the host was started.
#[derive(Default)]
pub struct CallsSeen(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    calls: VecDeque<CallSeen>,
    /// Number of the last one; 0 before the first.
    last: u64,
}

impl CallsSeen {
    pub(crate) fn push(&self, call: CallSeen) {
        let mut ring = self.0.lock();
        if ring.calls.len() == CALLS_MAX {
            ring.calls.pop_front();
        }
        ring.calls.push_back(call);
        ring.last += 1;
    }

    /// Number of the last call; 0 before the first.
    pub fn last(&self) -> u64 {
        self.0.lock().last
    }

    /// Calls with a greater number than `after`, oldest first, of those that are kept; and the number
    /// of the last one. A number that there was not yet is from before the host was started: everything
    /// that is kept is newer.
    pub fn after(&self, after: u64) -> (Vec<CallSeen>, u64) {
        let ring = self.0.lock();
        let after = if after > ring.last { 0 } else { after };
        let newer = usize::try_from(ring.last - after).unwrap_or(usize::MAX);
        let skipped = ring.calls.len().saturating_sub(newer);
        (
            ring.calls.iter().skip(skipped).cloned().collect(),
            ring.last,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(fuel: u64) -> CallSeen {
        CallSeen {
            time: SystemTime::UNIX_EPOCH,
            channel: "providers".parse().unwrap(),
            contract: "visits".parse().unwrap(),
            function: None,
            msp_id: "HospitalMSP".parse().unwrap(),
            tx_id: TxId::from_bytes([0; 32]),
            purpose: Purpose::Evaluate,
            status: 200,
            fuel,
            duration: Duration::ZERO,
        }
    }

    fn after(seen: &CallsSeen, number: u64) -> (Vec<u64>, u64) {
        let (calls, last) = seen.after(number);
        (calls.iter().map(|call| call.fuel).collect(), last)
    }

    #[test]
    fn calls_are_told_once_and_in_their_order() {
        let seen = CallsSeen::default();
        assert_eq!(after(&seen, 0), (vec![], 0));
        for number in 1..=3 {
            seen.push(call(number));
        }
        assert_eq!(after(&seen, 0), (vec![1, 2, 3], 3));
        assert_eq!(after(&seen, 2), (vec![3], 3));
        assert_eq!(after(&seen, 3), (vec![], 3));
        assert_eq!(seen.last(), 3);
    }

    #[test]
    fn the_oldest_calls_are_forgotten() {
        let seen = CallsSeen::default();
        let most = CALLS_MAX as u64;
        for number in 1..=most + 2 {
            seen.push(call(number));
        }
        let (calls, last) = after(&seen, 0);
        assert_eq!((calls.len(), calls[0], last), (CALLS_MAX, 3, most + 2));
        assert_eq!(after(&seen, most + 1), (vec![most + 2], most + 2));
    }

    #[test]
    fn a_number_from_before_the_host_was_started_hides_nothing() {
        let seen = CallsSeen::default();
        seen.push(call(1));
        assert_eq!(after(&seen, 7), (vec![1], 1));
    }
}
