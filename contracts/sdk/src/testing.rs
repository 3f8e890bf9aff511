//! A world to test a contract's rules in, natively and without a host.
//!
//! [`TestWorld`] behaves as `wit/contract.wit` says a host does: a refused call changes nothing, reads
//! see the call's own writes, scans and histories come in pages, bounds are checked, and two calls
//! that were executed on the same state conflict at commit exactly when one wrote what the other read.
//! Everything is deterministic.
//!
//! ```
//! use cordon_sdk::testing::{TestWorld, caller};
//! use cordon_sdk::World;
//!
//! let mut world = TestWorld::new();
//! world.act_as(caller("HospitalMSP", "alice", &[("userRole", "physician")]));
//! world.call(|tx| tx.put("key", b"value")).unwrap();
//! assert_eq!(world.call(|tx| tx.get("key")).unwrap(), Some(b"value".to_vec()));
//! ```

mod json;
mod native;
mod transaction;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::caller::Caller;
use crate::error::{Error, Result as SdkResult};
use crate::timestamp::Timestamp;
use crate::world::{Answer, Change, Position, Query};

pub use json::{from_json, to_json};
pub use native::{Exported, Function, Host, Imports, import, run_as_host};
pub use transaction::{Simulated, TestTransaction};

/// A caller with a certificate of this organisation, this enrollment id and these attributes.
pub fn caller(msp_id: &str, enrollment_id: &str, attributes: &[(&str, &str)]) -> Caller {
    let mut attributes: Vec<_> = attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    attributes.sort();
    Caller {
        msp_id: msp_id.to_owned(),
        subject: format!("CN={enrollment_id}"),
        unique_id: format!("test:{msp_id}:{enrollment_id}"),
        enrollment_id: enrollment_id.to_owned(),
        attributes,
    }
}

/// An event of a committed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestEvent {
    /// Its name.
    pub name: String,
    /// Its payload; may be empty.
    pub payload: Vec<u8>,
}

/// What happened to a call that could not commit: something that it read was changed by another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call read something that has changed since")]
pub struct ReadConflict;

/// Stands for the contracts on other channels.
type Queries = dyn Fn(&Caller, &Query<'_>) -> SdkResult<Answer>;

/// A channel of one contract: committed state, its history, and who calls next.
///
/// A new one is empty, on channel `test`, at 2026-01-01T00:00:00Z; its caller is `anonymous` of
/// `TestMSP`, without attributes. Every executed call gets another transaction id; time stands still
/// unless it is set.
#[derive(Clone)]
pub struct TestWorld {
    channel: String,
    caller: Caller,
    time: Timestamp,
    transient: BTreeMap<String, Vec<u8>>,
    calling_contract: Option<String>,
    queries: Rc<Queries>,
    transaction_count: u64,
    block_count: u64,
    /// Present keys: the value, and where it was committed.
    state: BTreeMap<String, (Position, Vec<u8>)>,
    /// Changes of every key that was ever written, oldest first.
    changes: BTreeMap<String, Vec<Change>>,
    events: Vec<TestEvent>,
}

impl Default for TestWorld {
    fn default() -> Self {
        Self::new()
    }
}

impl TestWorld {
    /// An empty channel.
    pub fn new() -> Self {
        Self {
            channel: "test".to_owned(),
            caller: caller("TestMSP", "anonymous", &[]),
            time: Timestamp {
                seconds: 1_767_225_600,
                nanoseconds: 0,
            },
            transient: BTreeMap::new(),
            calling_contract: None,
            queries: Rc::new(|_, _| Err(Error::NotFound("There is no such channel.".to_owned()))),
            transaction_count: 0,
            block_count: 0,
            state: BTreeMap::new(),
            changes: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// Makes it a channel of this name.
    pub fn set_channel(&mut self, channel: &str) {
        channel.clone_into(&mut self.channel);
    }

    /// Makes all later calls come from this caller.
    pub fn act_as(&mut self, caller: Caller) {
        self.caller = caller;
    }

    /// Makes all later calls state this time.
    pub fn set_time(&mut self, time: Timestamp) {
        self.time = time;
    }

    /// Gives all later calls this transient value.
    pub fn set_transient(&mut self, name: &str, value: &[u8]) {
        self.transient.insert(name.to_owned(), value.to_vec());
    }

    /// Makes all later calls come through this contract, or from a client again.
    pub fn set_calling_contract(&mut self, contract: Option<&str>) {
        self.calling_contract = contract.map(str::to_owned);
    }

    /// Makes this answer the questions that later calls ask on other channels; without it no channel
    /// is known.
    pub fn answer_queries(
        &mut self,
        answer: impl Fn(&Caller, &Query<'_>) -> SdkResult<Answer> + 'static,
    ) {
        self.queries = Rc::new(answer);
    }

    /// Executes a call and commits it, unless it refuses.
    ///
    /// # Errors
    /// What `rules` refused with; state and events are then as before.
    pub fn call<T, E>(
        &mut self,
        rules: impl FnOnce(&mut TestTransaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let simulated = self.simulate(rules)?;
        Ok(self
            .commit(simulated)
            .expect("nothing was committed since the call was executed"))
    }

    /// Executes a call on the committed state of this moment, without committing it: what endorsing
    /// hosts do. Several can be executed before the first is committed, which is how transactions of
    /// the same moment meet.
    ///
    /// # Errors
    /// What `rules` refused with.
    pub fn simulate<T, E>(
        &mut self,
        rules: impl FnOnce(&mut TestTransaction<'_>) -> Result<T, E>,
    ) -> Result<Simulated<T>, E> {
        let number = self.transaction_count;
        self.transaction_count += 1;
        let mut transaction = TestTransaction::new(Cow::Borrowed(self), transaction_id(number));
        let answer = rules(&mut transaction)?;
        Ok(transaction.finish(answer))
    }

    /// A call that begins on this world, as the transaction of this number: [`run_as_host`] runs a
    /// component's functions on it.
    pub fn begin(self, number: u64) -> TestTransaction<'static> {
        TestTransaction::new(Cow::Owned(self), transaction_id(number))
    }

    /// Commits an executed call as a block of its own.
    ///
    /// # Errors
    /// [`ReadConflict`] when a key or a range that it read is not as it was; nothing is changed then.
    pub fn commit<T>(&mut self, simulated: Simulated<T>) -> Result<T, ReadConflict> {
        if !simulated.reads_are_current(self) {
            return Err(ReadConflict);
        }
        let position = Position {
            block: self.block_count,
            index: 0,
        };
        self.block_count += 1;
        for (key, value) in simulated.writes {
            self.changes.entry(key.clone()).or_default().push(Change {
                position,
                transaction_id: simulated.transaction_id.clone(),
                timestamp_seconds: simulated.time.seconds,
                value: value.clone(),
            });
            match value {
                Some(value) => self.state.insert(key, (position, value)),
                None => self.state.remove(&key),
            };
        }
        self.events.extend(simulated.events);
        Ok(simulated.answer)
    }

    /// Everything that is committed, for comparing what was before a call with what is after it.
    pub fn state(&self) -> BTreeMap<String, Vec<u8>> {
        self.state
            .iter()
            .map(|(key, (_, value))| (key.clone(), value.clone()))
            .collect()
    }

    /// The events of all committed calls, in order.
    pub fn events(&self) -> &[TestEvent] {
        &self.events
    }
}

/// 64 hex digits that look as random as a hash, so that no test depends on their order by accident.
fn transaction_id(number: u64) -> String {
    // SplitMix64, one step per quarter.
    let quarter = |lane: u64| {
        let mut bits = (number * 4 + lane + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    };
    let [a, b, c, d] = [0, 1, 2, 3].map(quarter);
    format!("{a:016x}{b:016x}{c:016x}{d:016x}")
}

/// The refusal of a host when an argument is outside its bounds.
fn out_of_bounds(what: &str) -> Error {
    Error::Invalid(format!("{what} is outside its bounds."))
}

#[cfg(test)]
mod tests;
