//! The host's side of `wit/`: what happens when a contract calls `context`, `state` or `events`.
//!
//! Every call is charged to the contract's fuel: by call, by byte and by entry. Not charged is what a
//! call only steps over: deleted keys in a scan, and the way to a position in a key's history.

use std::sync::Arc;

use bytes::Bytes;
use cordon_types::{Caller, ChannelId, Event, KEY_BYTES_MAX, TxId, Version, check_key};
use wasmtime::component::Linker;
use wasmtime::{ResourceLimiter, Result, StoreContextMut, StoreLimits};

use crate::bindings::cordon::contract::{context, state, types};
use crate::error::{GuestFault, HostError, LimitKind};
use crate::profile::Profile;
use crate::simulation::{KeyRange, Simulation};

/// What one call carries through the store.
pub(crate) struct CallState {
    pub(crate) profile: Arc<Profile>,
    pub(crate) limits: StoreLimits,
    pub(crate) channel: ChannelId,
    pub(crate) tx_id: TxId,
    pub(crate) timestamp: (i64, u32),
    pub(crate) caller: Arc<Caller>,
    pub(crate) transient: std::collections::BTreeMap<String, Bytes>,
    pub(crate) simulation: Simulation,
    pub(crate) host_bytes: usize,
    pub(crate) write_bytes: isize,
}

impl CallState {
    pub(crate) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.limits
    }
}

type Host<'a> = StoreContextMut<'a, CallState>;
/// What a function answers: a fault stops the contract, a refusal is handed to it.
type Answer<T> = Result<(std::result::Result<T, types::Error>,)>;

/// Charges a call that moves `bytes`, and hands out the state.
fn charge<'a>(host: &'a mut Host<'_>, bytes: usize) -> Result<&'a mut CallState> {
    let state = host.data_mut();
    state.host_bytes = state.host_bytes.saturating_add(bytes);
    if state.host_bytes > state.profile.host_bytes_max {
        return Err(GuestFault::LimitExceeded(LimitKind::HostBytes).into());
    }
    let cost = state
        .profile
        .host_byte_fuel
        .saturating_mul(bytes as u64)
        .saturating_add(state.profile.host_call_fuel);
    let left = host
        .get_fuel()?
        .checked_sub(cost)
        .ok_or(GuestFault::OutOfFuel)?;
    host.set_fuel(left)?;
    Ok(host.data_mut())
}

/// Charges what reading that many entries costs, beside their bytes.
fn charge_entries(host: &mut Host<'_>, entries: usize) -> Result<()> {
    let cost = host
        .data()
        .profile
        .host_call_fuel
        .saturating_mul(entries as u64);
    let left = host
        .get_fuel()?
        .checked_sub(cost)
        .ok_or(GuestFault::OutOfFuel)?;
    host.set_fuel(left)
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

impl CallState {
    fn host_bytes_left(&self) -> usize {
        self.profile.host_bytes_max.saturating_sub(self.host_bytes)
    }

    fn check_keys(&self) -> Result<()> {
        if self.simulation.keys() > self.profile.keys_max {
            return Err(GuestFault::LimitExceeded(LimitKind::Keys).into());
        }
        Ok(())
    }

    fn write(&mut self, key: String, value: Option<Bytes>) -> Result<()> {
        self.write_bytes += self.simulation.write(key, value);
        if self.write_bytes > self.profile.write_bytes_max.cast_signed() {
            return Err(GuestFault::LimitExceeded(LimitKind::WriteBytes).into());
        }
        self.check_keys()
    }

    fn page_rule(&self, limit: u32) -> Option<String> {
        let max = self.profile.page_entries_max;
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
    let mut instance = linker.instance("cordon:contract/state@1.0.0")?;
    instance.func_wrap("get", get)?;
    instance.func_wrap("put", put)?;
    instance.func_wrap("delete", delete)?;
    instance.func_wrap("scan", scan)?;
    instance.func_wrap("history", history)?;
    let mut instance = linker.instance("cordon:contract/events@1.0.0")?;
    instance.func_wrap("emit", emit)
}

fn channel(mut host: Host<'_>, (): ()) -> Result<(String,)> {
    let state = charge(&mut host, 0)?;
    Ok((state.channel.to_string(),))
}

fn transaction_id(mut host: Host<'_>, (): ()) -> Result<(String,)> {
    let state = charge(&mut host, 64)?;
    Ok((state.tx_id.to_string(),))
}

fn timestamp(mut host: Host<'_>, (): ()) -> Result<(context::Moment,)> {
    let (seconds, nanoseconds) = charge(&mut host, 12)?.timestamp;
    Ok((context::Moment {
        seconds,
        nanoseconds,
    },))
}

fn caller(mut host: Host<'_>, (): ()) -> Result<(context::Identity,)> {
    let caller = Arc::clone(&charge(&mut host, 0)?.caller);
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
    let state = charge(&mut host, name.len())?;
    Ok((state.caller.attributes.get(&name).cloned(),))
}

fn transient(mut host: Host<'_>, (name,): (String,)) -> Result<(Option<Vec<u8>>,)> {
    let value = charge(&mut host, name.len())?.transient.get(&name).cloned();
    charge(&mut host, value.as_ref().map_or(0, Bytes::len))?;
    Ok((value.map(Vec::from),))
}

fn get(mut host: Host<'_>, (key,): (String,)) -> Answer<Option<Vec<u8>>> {
    let state = charge(&mut host, key.len())?;
    if !check_key(&key) {
        return invalid(key_rule(&key));
    }
    let value = state.simulation.get(key).map_err(HostError::from)?;
    state.check_keys()?;
    charge(&mut host, value.as_ref().map_or(0, Bytes::len))?;
    Ok((Ok(value.map(Vec::from)),))
}

fn put(mut host: Host<'_>, (key, value): (String, Vec<u8>)) -> Answer<()> {
    let state = charge(&mut host, key.len() + value.len())?;
    if !check_key(&key) {
        return invalid(key_rule(&key));
    }
    let max = state.profile.value_bytes_max;
    if value.len() > max {
        return invalid(format!(
            "a value of {} bytes cannot be: values have at most {max}",
            value.len()
        ));
    }
    state.write(key, Some(value.into()))?;
    Ok((Ok(()),))
}

fn delete(mut host: Host<'_>, (key,): (String,)) -> Answer<()> {
    let state = charge(&mut host, key.len())?;
    if !check_key(&key) {
        return invalid(key_rule(&key));
    }
    state.write(key, None)?;
    Ok((Ok(()),))
}

fn scan(
    mut host: Host<'_>,
    (range, limit, after): (state::KeyRange, u32, Option<String>),
) -> Answer<state::Page> {
    let after_bytes = after.as_ref().map_or(0, String::len);
    let (range, bytes) = match range {
        state::KeyRange::Prefix(prefix) => (KeyRange::prefix(&prefix), prefix.len()),
        state::KeyRange::Between((start, end)) => {
            let bytes = start.len() + end.len();
            (KeyRange { start, end }, bytes)
        }
    };
    let state = charge(&mut host, bytes + after_bytes)?;
    if let Some(rule) = state.page_rule(limit) {
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
    let left = state.host_bytes_left();
    let page = state
        .simulation
        .scan(&range, limit as usize, left)
        .map_err(HostError::from)?;
    let page = page.ok_or(GuestFault::LimitExceeded(LimitKind::HostBytes))?;
    state.check_keys()?;
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
    let state = charge(&mut host, key.len())?;
    if !check_key(&key) {
        return invalid(key_rule(&key));
    }
    if let Some(rule) = state.page_rule(limit) {
        return invalid(rule);
    }
    let before = before.map(|position| Version {
        block: position.block,
        tx: position.index,
    });
    let left = state.host_bytes_left();
    let changes = state.simulation.history(&key, before, limit as usize, left);
    let changes = changes.map_err(HostError::from)?;
    let changes = changes.ok_or(GuestFault::LimitExceeded(LimitKind::HostBytes))?;
    state.check_keys()?;
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
    let state = charge(&mut host, name.len() + payload.len())?;
    let profile = &state.profile;
    if !(1..=profile.event_name_bytes_max).contains(&name.len()) {
        let max = profile.event_name_bytes_max;
        return invalid(format!("the name of an event has 1 to {max} bytes"));
    }
    if payload.len() > profile.event_payload_bytes_max {
        let max = profile.event_payload_bytes_max;
        return invalid(format!("the payload of an event has at most {max} bytes"));
    }
    if state.simulation.events.len() >= profile.events_max {
        return invalid(format!(
            "a transaction emits at most {} events",
            profile.events_max
        ));
    }
    state.simulation.events.push(Event {
        name,
        payload: payload.into(),
    });
    Ok((Ok(()),))
}
