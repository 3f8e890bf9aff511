//! What two executions of the same call must have in common.

use std::fmt;

use bytes::Bytes;
use cordon_execute::{Compiler, GuestFault, HostCall, Observed};
use cordon_types::{Event, ReadWriteSet, status};
use sha2::{Digest, Sha256};

use crate::random::Tally;

/// Everything that an execution shows. Endorsed are status to events; fuel and calls into the host are
/// held to be the same as well, because they decide whether fuel is used up.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: i32,
    pub(crate) message: String,
    pub(crate) payload: Bytes,
    pub(crate) rw_set: ReadWriteSet,
    pub(crate) events: Vec<Event>,
    pub(crate) fuel: u64,
    pub(crate) host_calls: Vec<HostCall>,
}

impl From<Observed> for Seen {
    fn from(observed: Observed) -> Self {
        let outcome = observed.outcome;
        Self {
            status: outcome.response.status,
            message: outcome.response.message,
            payload: outcome.response.payload,
            rw_set: outcome.rw_set,
            events: outcome.events,
            fuel: outcome.fuel,
            host_calls: observed.host_calls,
        }
    }
}

/// Values by a hash: what differs is to be found with the seed, not in a wall of bytes.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = |bytes: &[u8]| hex::encode(&Sha256::digest(bytes)[..6]);
        let Self {
            status,
            message,
            payload,
            ..
        } = self;
        writeln!(f, "{status} {message:?} fuel {}", self.fuel)?;
        writeln!(f, "  payload {} bytes, {}", payload.len(), hash(payload))?;
        for set in &self.rw_set.contracts {
            let (reads, ranges) = (&set.reads, &set.range_reads);
            writeln!(f, "  {} reads {reads:?} ranges {ranges:?}", set.contract)?;
            for write in &set.writes {
                let value = write.value.as_deref();
                let (len, hash) = (value.map(<[u8]>::len), value.map(hash));
                writeln!(f, "    {:?} = {len:?} bytes, {hash:?}", write.key)?;
            }
        }
        for event in &self.events {
            writeln!(f, "  event {:?} {}", event.name, hash(&event.payload))?;
        }
        for call in &self.host_calls {
            let HostCall {
                function, subject, ..
            } = call;
            writeln!(f, "  call {function} {subject:?}, left {}", call.fuel_left)?;
        }
        Ok(())
    }
}

impl Seen {
    pub(crate) fn is_fault(&self, fault: &GuestFault) -> bool {
        self.status == status::FAULT && self.message == fault.to_string()
    }

    /// A word for counting.
    pub(crate) fn kind(&self) -> &'static str {
        match self.status {
            status::OK => "ok",
            status::FAULT if self.is_fault(&GuestFault::OutOfFuel) => "out of fuel",
            status::FAULT if self.is_fault(&GuestFault::StackExhausted) => "out of stack",
            status::FAULT if self.is_fault(&GuestFault::Trapped) => "trapped",
            status::FAULT => "over a limit",
            _ => "refused",
        }
    }

    /// Without what counts fuel.
    fn uncounted(&self) -> Self {
        let mut seen = self.clone();
        seen.fuel = 0;
        for call in &mut seen.host_calls {
            call.fuel_left = 0;
        }
        seen
    }
}

/// Whether the stack or, where one of the two counts on its own, the fuel decided: then engines
/// legitimately differ, and all that holds is that a fault is never endorsed.
fn undecided(a: &Seen, b: &Seen, counts_alike: bool) -> bool {
    let either = |fault| a.is_fault(&fault) || b.is_fault(&fault);
    either(GuestFault::StackExhausted) || (!counts_alike && either(GuestFault::OutOfFuel))
}

/// Goes on only if all are the same, as far as they must be. The first counts; each other one is
/// compared with it, and with those before it that ended otherwise than by its stack.
///
/// # Panics
/// With both, where two differ.
pub(crate) fn compare(all: &[(Compiler, Seen)], tally: &mut Tally, what: &dyn fmt::Display) {
    for (index, (compiler, seen)) in all.iter().enumerate() {
        let mut compared = index == 0;
        for (other, first) in &all[..index] {
            let counts_alike = ![compiler, other].contains(&&Compiler::Winch);
            if undecided(first, seen, counts_alike) {
                continue;
            }
            compared = true;
            let same = if counts_alike {
                first == seen
            } else {
                first.uncounted() == seen.uncounted()
            };
            assert!(
                same,
                "{what}: {other:?} and {compiler:?} differ\n{other:?}: {first:?}\n{compiler:?}: {seen:?}"
            );
        }
        let name = if compared { "" } else { " undecided" };
        tally.count(format!("{compiler:?}{name}"));
    }
}
