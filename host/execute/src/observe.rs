//! What an observer sees of an execution, beside its outcome: every call into the host, and what was
//! used of each limit. For replays, recorded cases and developers; endorsing needs none of it.

use std::fmt;
use std::sync::Arc;

use cordon_types::ContractId;
use parking_lot::Mutex;

use crate::call::Outcome;
use crate::diagnosis::Diagnosis;

/// A call of a contract into its host.
#[derive(Clone, PartialEq, Eq)]
pub struct HostCall {
    /// Who calls.
    pub contract: ContractId,
    /// Interface and function: `state.put`. A call of another contract is its WIT name.
    pub function: String,
    /// The key, attribute, event or prefix that it is about.
    pub subject: Option<String>,
    /// Fuel left when it began.
    pub fuel_left: u64,
}

/// Without the subject, which may be a key.
impl fmt::Debug for HostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostCall")
            .field("contract", &self.contract)
            .field("function", &self.function)
            .field("fuel_left", &self.fuel_left)
            .finish_non_exhaustive()
    }
}

/// What an execution used of its limits; a setting of the [`Profile`](crate::Profile) bounds each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Bytes that calls into the host moved (`host_bytes_max`).
    pub host_bytes: usize,
    /// Bytes written, keys and values (`write_bytes_max`).
    pub write_bytes: usize,
    /// Keys read, seen in scans and written (`keys_max`).
    pub keys: usize,
    /// Linear memory of the largest instance, bytes (`memory_bytes_max`).
    pub memory_bytes: usize,
}

/// An execution as it was observed. Of one at fault, what had happened by then.
#[derive(Debug)]
pub struct Observed {
    /// What it gave.
    pub outcome: Outcome,
    /// Calls into the host, in order.
    pub host_calls: Vec<HostCall>,
    /// What it used. Calls of contracts on other channels count with their bytes only.
    pub used: Used,
    /// Why it was at fault, if it was.
    pub diagnosis: Option<Diagnosis>,
}

/// Collects what happens.
#[derive(Default)]
pub(crate) struct Observer {
    pub(crate) host_calls: Mutex<Vec<HostCall>>,
    pub(crate) used: Mutex<Used>,
}

impl Observer {
    pub(crate) fn observed(
        self: Arc<Self>,
        outcome: Outcome,
        diagnosis: Option<Diagnosis>,
    ) -> Observed {
        Observed {
            outcome,
            host_calls: std::mem::take(&mut *self.host_calls.lock()),
            used: *self.used.lock(),
            diagnosis,
        }
    }
}
