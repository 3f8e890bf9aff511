//! The host's side of `wit/`: what happens when a contract calls `context`, `state` or `events`.
//!
//! Every call is charged to the contract's fuel: by call, by byte and by entry. Not charged is what a
//! call only steps over: deleted keys in a scan, and the way to a position in a key's history.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_types::{Caller, ChannelId, ContractId, Event, KEY_BYTES_MAX, TxId, Version, check_key};
use parking_lot::Mutex;
use wasmtime::component::Linker;
use wasmtime::{ResourceLimiter, Result, StoreContextMut};

use crate::bindings::cordon::contract::{context, state, types};
use crate::diagnosis::Diagnostics;
use crate::error::{GuestFault, HostError, LimitKind};
use crate::ledger_query::{Ledgers, query};
use crate::observe::{HostCall, Observer};
use crate::profile::Profile;
use crate::simulation::{KeyRange, Simulation};

/// What the whole of an execution shares, whichever contract runs.
pub(crate) struct Execution {
    pub(crate) profile: Arc<Profile>,
    pub(crate) channel: ChannelId,
    pub(crate) tx_id: TxId,
    pub(crate) timestamp: (i64, u32),
    pub(crate) caller: Arc<Caller>,
    pub(crate) transient: BTreeMap<String, Bytes>,
    pub(crate) ledgers: Arc<dyn Ledgers>,
    pub(crate) observer: Option<Arc<Observer>>,
    pub(crate) diagnostics: Arc<Diagnostics>,
    /// Locked by one contract at a time: whoever called another waits for it.
    pub(crate) work: Mutex<Work>,
}

/// What an execution has done so far, and what that has cost.
pub(crate) struct Work {
    pub(crate) simulation: Simulation,
    pub(crate) host_bytes: usize,
    pub(crate) write_bytes: isize,
}

/// What one instance's store carries.
pub(crate) struct CallState {
    pub(crate) execution: Arc<Execution>,
    /// Whose instance it is.
    pub(crate) contract: ContractId,
    /// The contract whose typed import led here.
    pub(crate) calling: Option<ContractId>,
    /// How many contracts are in the middle of a call, this one included.
    pub(crate) depth: u32,
    limits: Limits,
}

/// What an instance's memory and tables may grow to.
struct Limits {
    memory_bytes_max: usize,
    table_elements_max: usize,
    /// The most that a memory has had.
    memory_bytes: usize,
    /// What a memory was last refused to have.
    memory_refused: Option<usize>,
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let fits = desired <= self.memory_bytes_max;
        if fits {
            self.memory_bytes = self.memory_bytes.max(desired);
        } else {
            self.memory_refused = Some(desired);
        }
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(desired <= self.table_elements_max)
    }
}

impl CallState {
    /// Of a fresh instance of `contract`.
    pub(crate) fn new(
        execution: &Arc<Execution>,
        contract: ContractId,
        calling: Option<ContractId>,
        depth: u32,
    ) -> Self {
        let profile = &execution.profile;
        Self {
            limits: Limits {
                memory_bytes_max: profile.memory_bytes_max,
                table_elements_max: profile.table_elements_max,
                memory_bytes: 0,
                memory_refused: None,
            },
            execution: Arc::clone(execution),
            contract,
            calling,
            depth,
        }
    }

    /// The depth of a contract that this one calls or asks.
    pub(crate) fn deeper(&self) -> Result<u32> {
        if self.depth >= self.execution.profile.call_depth_max {
            return Err(GuestFault::CallDepth.into());
        }
        Ok(self.depth + 1)
    }

    pub(crate) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.limits
    }

    /// Bytes that a memory was last refused to have.
    pub(crate) fn memory_refused(&self) -> Option<usize> {
        self.limits.memory_refused
    }

    /// Tells an observer, if there is one, what has been used.
    pub(crate) fn note_use(&self) {
        if let Some(observer) = &self.execution.observer {
            let work = self.execution.work.lock();
            let mut used = observer.used.lock();
            used.host_bytes = work.host_bytes;
            used.write_bytes = usize::try_from(work.write_bytes).unwrap_or_default();
            used.keys = work.simulation.keys();
            used.memory_bytes = used.memory_bytes.max(self.limits.memory_bytes);
        }
    }
}

pub(crate) type Host<'a> = StoreContextMut<'a, CallState>;
/// What a function answers: a fault stops the contract, a refusal is handed to it.
pub(crate) type Answer<T> = Result<(std::result::Result<T, types::Error>,)>;

/// Tells an observer, if there is one, of a call into the host.
pub(crate) fn note(host: &Host<'_>, function: &str, subject: Option<&str>) {
    let state = host.data();
    if let Some(observer) = &state.execution.observer {
        observer.host_calls.lock().push(HostCall {
            contract: state.contract.clone(),
            function: function.to_owned(),
            subject: subject.map(str::to_owned),
            fuel_left: fuel_left(host),
        });
    }
}

/// Charges a call that moves `bytes`.
pub(crate) fn charge(host: &mut Host<'_>, bytes: usize) -> Result<()> {
    let profile = Arc::clone(&host.data().execution.profile);
    {
        let mut work = host.data().execution.work.lock();
        work.host_bytes = work.host_bytes.saturating_add(bytes);
        if work.host_bytes > profile.host_bytes_max {
            return Err(GuestFault::LimitExceeded(LimitKind::HostBytes).into());
        }
    }
    let cost = profile
        .host_byte_fuel
        .saturating_mul(bytes as u64)
        .saturating_add(profile.host_call_fuel);
    charge_fuel(host, cost)
}

pub(crate) fn charge_fuel(host: &mut Host<'_>, cost: u64) -> Result<()> {
    let left = fuel_left(host)
        .checked_sub(cost)
        .ok_or(GuestFault::OutOfFuel)?;
    set_fuel(host, left)
}

/// Fuel that is left; where none is counted, all of it.
pub(crate) fn fuel_left(host: &Host<'_>) -> u64 {
    let uncounted = host.data().execution.profile.fuel_max;
    host.get_fuel().unwrap_or(uncounted)
}

pub(crate) fn set_fuel(host: &mut Host<'_>, left: u64) -> Result<()> {
    if !host.data().execution.profile.fuel_metered {
        return Ok(());
    }
    host.set_fuel(left)
}

/// Charges what reading that many entries costs, beside their bytes.
fn charge_entries(host: &mut Host<'_>, entries: usize) -> Result<()> {
    let fuel = host.data().execution.profile.host_call_fuel;
    charge_fuel(host, fuel.saturating_mul(entries as u64))
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "every caller answers with this type"
)]
fn invalid<T>(text: String) -> Answer<T> {
    Ok((Err(types::Error::Invalid(text)),))
}

fn key_rule(key: &str) -> String {
    format!(
        "a key of {} bytes cannot be: keys have 1 to {KEY_BYTES_MAX} bytes",
        key.len()
    )
}

impl Work {
    fn check_keys(&self, profile: &Profile) -> Result<()> {
        if self.simulation.keys() > profile.keys_max {
            return Err(GuestFault::LimitExceeded(LimitKind::Keys).into());
        }
        Ok(())
    }
}

impl CallState {
    fn write(&self, key: String, value: Option<Bytes>) -> Result<()> {
        let profile = &self.execution.profile;
        let mut work = self.execution.work.lock();
        work.write_bytes += work.simulation.write(&self.contract, key, value);
        if work.write_bytes > profile.write_bytes_max.cast_signed() {
            return Err(GuestFault::LimitExceeded(LimitKind::WriteBytes).into());
        }
        work.check_keys(profile)
    }

    fn page_rule(&self, limit: u32) -> Option<String> {
        let max = self.execution.profile.page_entries_max;
        (!(1..=max).contains(&limit))
            .then(|| format!("a page of {limit} entries cannot be: pages have 1 to {max}"))
    }
}

/// Offers every function of `wit/` to contracts.
pub(crate) fn add_to_linker(linker: &mut Linker<CallState>) -> Result<()> {
    linker.instance("cordon:contract/types@1.0.0")?;
    let mut instance = linker.instance("cordon:contract/context@1.0.0")?;
    instance.func_wrap("channel", channel)?;
    instance.func_wrap("transaction-id", transaction_id)?;
    instance.func_wrap("timestamp", timestamp)?;
    instance.func_wrap("caller", caller)?;
    instance.func_wrap("attribute", attribute)?;
    instance.func_wrap("transient", transient)?;
    instance.func_wrap("calling-contract", calling_contract)?;
    let mut instance = linker.instance("cordon:contract/state@1.0.0")?;
    instance.func_wrap("get", get)?;
    instance.func_wrap("put", put)?;
    instance.func_wrap("delete", delete)?;
    instance.func_wrap("scan", scan)?;
    instance.func_wrap("history", history)?;
    let mut instance = linker.instance("cordon:contract/events@1.0.0")?;
    instance.func_wrap("emit", emit)?;
    let mut instance = linker.instance("cordon:contract/ledger-query@1.0.0")?;
    instance.func_wrap("query", query)?;
    let mut instance = linker.instance("cordon:contract/diagnostics@1.0.0")?;
    instance.func_wrap("panicked", panicked)
}

fn channel(mut host: Host<'_>, (): ()) -> Result<(String,)> {
    note(&host, "context.channel", None);
    charge(&mut host, 0)?;
    Ok((host.data().execution.channel.to_string(),))
}

fn transaction_id(mut host: Host<'_>, (): ()) -> Result<(String,)> {
    note(&host, "context.transaction-id", None);
    charge(&mut host, 64)?;
    Ok((host.data().execution.tx_id.to_string(),))
}

fn timestamp(mut host: Host<'_>, (): ()) -> Result<(context::Moment,)> {
    note(&host, "context.timestamp", None);
    charge(&mut host, 12)?;
    let (seconds, nanoseconds) = host.data().execution.timestamp;
    Ok((context::Moment {
        seconds,
        nanoseconds,
    },))
}

fn caller(mut host: Host<'_>, (): ()) -> Result<(context::Identity,)> {
    note(&host, "context.caller", None);
    charge(&mut host, 0)?;
    let caller = Arc::clone(&host.data().execution.caller);
    let attributes: Vec<(String, String)> = caller
        .attributes
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let bytes = caller.subject.len()
        + caller.unique_id.len()
        + caller.enrollment_id.len()
        + attributes
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>();
    charge(&mut host, bytes)?;
    let caller = context::Identity {
        msp_id: caller.msp_id.to_string(),
        subject: caller.subject.clone(),
        unique_id: caller.unique_id.clone(),
        enrollment_id: caller.enrollment_id.clone(),
        attributes,
    };
    Ok((caller,))
}

fn attribute(mut host: Host<'_>, (name,): (String,)) -> Result<(Option<String>,)> {
    note(&host, "context.attribute", Some(&name));
    charge(&mut host, name.len())?;
    let caller = &host.data().execution.caller;
    Ok((caller.attributes.get(&name).cloned(),))
}

fn transient(mut host: Host<'_>, (name,): (String,)) -> Result<(Option<Vec<u8>>,)> {
    note(&host, "context.transient", Some(&name));
    charge(&mut host, name.len())?;
    let value = host.data().execution.transient.get(&name).cloned();
    charge(&mut host, value.as_ref().map_or(0, Bytes::len))?;
    Ok((value.map(Vec::from),))
}

fn calling_contract(mut host: Host<'_>, (): ()) -> Result<(Option<String>,)> {
    note(&host, "context.calling-contract", None);
    charge(&mut host, 0)?;
    let calling = host.data().calling.as_ref();
    Ok((calling.map(ToString::to_string),))
}

fn get(mut host: Host<'_>, (key,): (String,)) -> Answer<Option<Vec<u8>>> {
    note(&host, "state.get", Some(&key));
    charge(&mut host, key.len())?;
    if !check_key(&key) {
        return invalid(key_rule(&key));
    }
    let value = {
        let state = host.data();
        let mut work = state.execution.work.lock();
        let value = work.simulation.get(&state.contract, key);
        work.check_keys(&state.execution.profile)?;
        value.map_err(HostError::from)?
    };
    charge(&mut host, value.as_ref().map_or(0, Bytes::len))?;
    Ok((Ok(value.map(Vec::from)),))
}

fn put(mut host: Host<'_>, (key, value): (String, Vec<u8>)) -> Answer<()> {
    note(&host, "state.put", Some(&key));
    charge(&mut host, key.len() + value.len())?;
    if !check_key(&key) {
        return invalid(key_rule(&key));
    }
    let max = host.data().execution.profile.value_bytes_max;
    if value.len() > max {
        return invalid(format!(
            "a value of {} bytes cannot be: values have at most {max}",
            value.len()
        ));
    }
    host.data().write(key, Some(value.into()))?;
    Ok((Ok(()),))
}

fn delete(mut host: Host<'_>, (key,): (String,)) -> Answer<()> {
    note(&host, "state.delete", Some(&key));
    charge(&mut host, key.len())?;
    if !check_key(&key) {
        return invalid(key_rule(&key));
    }
    host.data().write(key, None)?;
    Ok((Ok(()),))
}

fn scan(
    mut host: Host<'_>,
    (range, limit, after): (state::KeyRange, u32, Option<String>),
) -> Answer<state::Page> {
    let subject = match &range {
        state::KeyRange::Prefix(start) | state::KeyRange::Between((start, _)) => start,
    };
    note(&host, "state.scan", Some(subject));
    let after_bytes = after.as_ref().map_or(0, String::len);
    let (range, bytes) = match range {
        state::KeyRange::Prefix(prefix) => (KeyRange::prefix(&prefix), prefix.len()),
        state::KeyRange::Between((start, end)) => {
            let bytes = start.len() + end.len();
            (KeyRange { start, end }, bytes)
        }
    };
    charge(&mut host, bytes + after_bytes)?;
    if let Some(rule) = host.data().page_rule(limit) {
        return invalid(rule);
    }
    if [range.start.len(), range.end.len(), after_bytes]
        .iter()
        .any(|&len| len > KEY_BYTES_MAX)
    {
        return invalid(format!(
            "the bounds of a scan have at most {KEY_BYTES_MAX} bytes"
        ));
    }
    let range = match &after {
        Some(key) => range.after(key),
        None => range,
    };
    let page = {
        let state = host.data();
        let profile = &state.execution.profile;
        let mut work = state.execution.work.lock();
        let left = profile.host_bytes_max.saturating_sub(work.host_bytes);
        let page = work
            .simulation
            .scan(&state.contract, &range, limit as usize, left);
        let page = page.map_err(HostError::from)?;
        work.check_keys(profile)?;
        page.ok_or(GuestFault::LimitExceeded(LimitKind::HostBytes))?
    };
    charge_entries(&mut host, page.entries.len())?;
    let bytes = page
        .entries
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    charge(&mut host, bytes)?;
    let entries = page
        .entries
        .into_iter()
        .map(|(key, value)| state::Entry {
            key,
            value: value.into(),
        })
        .collect();
    Ok((Ok(state::Page {
        entries,
        next: page.next,
    }),))
}

fn history(
    mut host: Host<'_>,
    (key, limit, before): (String, u32, Option<state::Position>),
) -> Answer<state::HistoryPage> {
    note(&host, "state.history", Some(&key));
    charge(&mut host, key.len())?;
    if !check_key(&key) {
        return invalid(key_rule(&key));
    }
    if let Some(rule) = host.data().page_rule(limit) {
        return invalid(rule);
    }
    let before = before.map(|position| Version {
        block: position.block,
        tx: position.index,
    });
    let changes = {
        let state = host.data();
        let profile = &state.execution.profile;
        let mut work = state.execution.work.lock();
        let left = profile.host_bytes_max.saturating_sub(work.host_bytes);
        let changes = work
            .simulation
            .history(&state.contract, &key, before, limit as usize, left);
        let changes = changes.map_err(HostError::from)?;
        work.check_keys(profile)?;
        changes.ok_or(GuestFault::LimitExceeded(LimitKind::HostBytes))?
    };
    charge_entries(&mut host, changes.len())?;
    let bytes = changes
        .iter()
        .filter_map(|change| change.value.as_ref())
        .map(Bytes::len)
        .sum();
    charge(&mut host, bytes)?;
    let changes: Vec<state::Change> = changes
        .into_iter()
        .map(|change| state::Change {
            position: state::Position {
                block: change.version.block,
                index: change.version.tx,
            },
            transaction_id: change.tx_id.to_string(),
            timestamp_seconds: change.timestamp_seconds,
            value: change.value.map(Vec::from),
        })
        .collect();
    let full = changes.len() == limit as usize;
    let next = if full {
        changes.last().map(|change| change.position)
    } else {
        None
    };
    Ok((Ok(state::HistoryPage { changes, next }),))
}

fn emit(mut host: Host<'_>, (name, payload): (String, Vec<u8>)) -> Answer<()> {
    note(&host, "events.emit", Some(&name));
    charge(&mut host, name.len() + payload.len())?;
    let state = host.data();
    let profile = &state.execution.profile;
    if !(1..=profile.event_name_bytes_max).contains(&name.len()) {
        let max = profile.event_name_bytes_max;
        return invalid(format!("the name of an event has 1 to {max} bytes"));
    }
    if payload.len() > profile.event_payload_bytes_max {
        let max = profile.event_payload_bytes_max;
        return invalid(format!("the payload of an event has at most {max} bytes"));
    }
    // Heard is only the contract that the client called.
    if state.calling.is_some() {
        return Ok((Ok(()),));
    }
    let mut work = state.execution.work.lock();
    if work.simulation.events.len() >= profile.events_max {
        return invalid(format!(
            "a transaction emits at most {} events",
            profile.events_max
        ));
    }
    work.simulation.events.push(Event {
        name,
        payload: payload.into(),
    });
    Ok((Ok(()),))
}

fn panicked(mut host: Host<'_>, (message,): (String,)) -> Result<()> {
    note(&host, "diagnostics.panicked", None);
    let bytes = message.len();
    // Before it is charged: a contract that cannot pay stops here, and this is why.
    host.data().execution.diagnostics.panicked(message);
    charge(&mut host, bytes)
}
