//! `ledger-query`: a contract asks a contract on another channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_types::{Caller, ChannelId, Snapshot, status};
use parking_lot::Mutex;

use crate::bindings::cordon::contract::{ledger_query, types};
use crate::call::{Stop, answer};
use crate::contract::Contract;
use crate::error::{GuestFault, HostError};
use crate::host::{
    Answer, CallState, Execution, Host, Work, charge, charge_fuel, fuel_left, note, set_fuel,
};
use crate::simulation::Simulation;

/// The channels that contracts of one execution can ask.
pub trait Ledgers: Send + Sync {
    /// The contract of that name on that channel; `None` when this host or the caller whose call this
    /// is is no member of the channel, or there is no such contract: all of them look the same to the
    /// contract that asks.
    ///
    /// # Errors
    /// [`HostError`] when this host cannot tell.
    fn open(&self, channel: &str, contract: &str) -> Result<Option<OpenedLedger>, HostError>;
}

/// A contract on another channel, and the state to run it on.
pub struct OpenedLedger {
    /// The channel.
    pub channel: ChannelId,
    /// The contract.
    pub contract: Arc<Contract>,
    /// Committed state.
    pub snapshot: Box<dyn Snapshot>,
    /// Says whether the caller may call a function.
    pub access: Box<dyn Access>,
}

/// Who may call what.
pub trait Access {
    /// # Errors
    /// A sentence for the caller: why it may not call the function of that name.
    fn authorize(&self, caller: &Caller, function: &str) -> Result<(), String>;
}

/// No other channels.
pub struct NoLedgers;

impl Ledgers for NoLedgers {
    fn open(&self, _: &str, _: &str) -> Result<Option<OpenedLedger>, HostError> {
        Ok(None)
    }
}

fn refused<T>(status: i32, text: String) -> Answer<T> {
    let error = match status {
        status::INVALID => types::Error::Invalid(text),
        status::FORBIDDEN => types::Error::Forbidden(text),
        status::NOT_FOUND => types::Error::NotFound(text),
        status::CONFLICT => types::Error::Conflict(text),
        _ => return Err(GuestFault::Trapped.into()),
    };
    Ok((Err(error),))
}

pub(crate) fn query(
    mut host: Host<'_>,
    (channel, contract, function, arguments): (String, String, String, Vec<Vec<u8>>),
) -> Answer<ledger_query::Answer> {
    let bytes = channel.len() + contract.len() + function.len();
    let bytes = bytes + arguments.iter().map(Vec::len).sum::<usize>();
    note(&host, "ledger-query.query", Some(&function));
    charge(&mut host, bytes)?;
    let state = host.data();
    let asking = Arc::clone(&state.execution);
    if channel == asking.channel.as_str() {
        let text = format!(
            "channel {channel} is this one: import the contract's interface, ledger-query asks other channels"
        );
        return refused(status::INVALID, text);
    }
    let depth = state.deeper()?;
    charge_fuel(&mut host, asking.profile.contract_call_fuel)?;
    let Some(opened) = asking.ledgers.open(&channel, &contract)? else {
        let text = format!("there is no contract {contract} on a channel {channel} here");
        return refused(status::NOT_FOUND, text);
    };
    let name = function;
    let arguments: Vec<Bytes> = arguments.into_iter().map(Bytes::from).collect();
    let (function, values) = match opened.contract.prepare(&name, &arguments, 0) {
        Ok(prepared) => prepared,
        Err(Stop::Refused(status, text)) => return refused(status, text),
        Err(stop) => return Err(stop.into()),
    };
    if let Err(text) = opened.access.authorize(&asking.caller, &function.name) {
        return refused(status::FORBIDDEN, text);
    }

    let asked = Arc::new(Execution {
        profile: Arc::clone(&asking.profile),
        channel: opened.channel,
        tx_id: asking.tx_id,
        timestamp: asking.timestamp,
        caller: Arc::clone(&asking.caller),
        transient: BTreeMap::new(),
        ledgers: Arc::clone(&asking.ledgers),
        // What happens on another channel is its own execution.
        observer: None,
        diagnostics: Arc::clone(&asking.diagnostics),
        work: Mutex::new(Work {
            simulation: Simulation::new(opened.snapshot),
            host_bytes: asking.work.lock().host_bytes,
            write_bytes: 0,
        }),
    });
    let frame = CallState::new(&asked, opened.contract.id().clone(), None, depth);
    let left = fuel_left(&host);
    let (result, left) = opened
        .contract
        .enter(function, &values, frame, left, |_| {})?;
    set_fuel(&mut host, left)?;

    let work = asked.work.lock();
    asking.work.lock().host_bytes = work.host_bytes;
    let payload = match answer(function, result, &asking.profile) {
        Ok(payload) => payload,
        Err(Stop::Refused(status, text)) => return refused(status, text),
        Err(stop) => return Err(stop.into()),
    };
    if work.simulation.has_effects() {
        let text = format!(
            "{} of contract {contract} on channel {channel} would write: across channels contracts only ask",
            function.name
        );
        return refused(status::FORBIDDEN, text);
    }
    let origin = work
        .simulation
        .newest_block_read()
        .map_err(HostError::from)?;
    drop(work);
    charge(&mut host, payload.len())?;
    Ok((Ok(ledger_query::Answer {
        payload: payload.into(),
        origin: origin.map(|(number, hash)| ledger_query::Block {
            number,
            hash: hash.to_vec(),
        }),
    }),))
}
