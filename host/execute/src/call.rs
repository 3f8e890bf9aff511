//! One execution of a function.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_types::{Caller, ChannelId, Event, ReadWriteSet, Response, Snapshot, TxId, status};
use parking_lot::Mutex;
use wasmtime::component::Val;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};

use crate::contract::{Contract, Function};
use crate::diagnosis::{Diagnosis, Diagnostics, Trace};
use crate::error::{GuestFault, HostError, LimitKind};
use crate::host::{CallState, Execution, Work};
use crate::json;
use crate::ledger_query::Ledgers;
use crate::metadata::GET_METADATA;
use crate::observe::{Observed, Observer};
use crate::profile::Profile;
use crate::shape::camel_case;
use crate::simulation::Simulation;

/// What is to be executed, for whom, on which state.
pub struct Call<'a> {
    /// Channel.
    pub channel: ChannelId,
    /// The transaction.
    pub tx_id: TxId,
    /// The client's time: seconds since the Unix epoch, nanoseconds.
    pub timestamp: (i64, u32),
    /// Who calls.
    pub caller: Arc<Caller>,
    /// Values for the contract only.
    pub transient: BTreeMap<String, Bytes>,
    /// Function name, then arguments.
    pub args: &'a [Bytes],
    /// Committed state.
    pub snapshot: Box<dyn Snapshot>,
    /// The other channels that contracts may ask.
    pub ledgers: Arc<dyn Ledgers>,
}

/// What an execution gave.
#[derive(Debug)]
pub struct Outcome {
    /// The answer. Unless its status is 200, `rw_set` and `events` are empty.
    pub response: Response,
    /// Reads and writes.
    pub rw_set: ReadWriteSet,
    /// Events, in the order they were emitted.
    pub events: Vec<Event>,
    /// Fuel used; 0 when the contract did not run, all of it when it was at fault, because what a
    /// trapping engine has counted by then is not the same everywhere.
    pub fuel: u64,
}

impl Outcome {
    /// A call that is refused before anything runs.
    pub fn refused(status: i32, message: String) -> Self {
        Self::without_effect(status, message, 0)
    }

    fn without_effect(status: i32, message: String, fuel: u64) -> Self {
        Self {
            response: Response {
                status,
                message,
                payload: Bytes::new(),
            },
            rw_set: ReadWriteSet::default(),
            events: Vec::new(),
            fuel,
        }
    }
}

/// Steps of a call, in order, as an observer of [`Contract::call_observed`] is told of their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Function found, JSON read into values.
    Arguments,
    /// Instance made.
    Instantiate,
    /// Values lowered, function run, values lifted.
    Guest,
    /// Values written as JSON, read-write set made, instance dropped.
    Result,
}

/// Why there is no result.
pub(crate) enum Stop {
    Refused(i32, String),
    Fault(GuestFault),
    Host(HostError),
}

impl From<HostError> for Stop {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

/// What stops a contract stops the one that called it.
impl From<Stop> for wasmtime::Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Fault(fault) => fault.into(),
            Stop::Host(error) => error.into(),
            // Refusals before a contract runs are answers, not stops.
            Stop::Refused(..) => GuestFault::Trapped.into(),
        }
    }
}

impl Contract {
    /// Executes a call. What the contract refuses or does wrong is an [`Outcome`] too.
    ///
    /// # Errors
    /// [`HostError`] when this host cannot execute; nothing may be said of the contract then.
    pub fn call(&self, call: Call<'_>) -> Result<Outcome, HostError> {
        self.call_observed(call, |_| {})
    }

    /// The same; `observe` is told when each phase has ended.
    ///
    /// # Errors
    /// As [`Contract::call`].
    pub fn call_observed(
        &self,
        call: Call<'_>,
        observe: impl FnMut(Phase),
    ) -> Result<Outcome, HostError> {
        self.execute(call, None, observe)
            .map(|(outcome, _)| outcome)
    }

    /// The same, with every call into the host.
    ///
    /// # Errors
    /// As [`Contract::call`].
    pub fn observe(&self, call: Call<'_>) -> Result<Observed, HostError> {
        let observer = Arc::<Observer>::default();
        let (outcome, diagnosis) = self.execute(call, Some(Arc::clone(&observer)), |_| {})?;
        Ok(observer.observed(outcome, diagnosis))
    }

    /// Runs what the contract exports to be run when it takes the place of another version of itself
    /// (`cordon:contract/upgrade`), under the same limits as any call; `None` when it exports no such
    /// thing. No client reaches it. The name and arguments in `call` are not looked at.
    ///
    /// # Errors
    /// As [`Contract::call`].
    pub fn upgrade(
        &self,
        from_version: &str,
        call: Call<'_>,
    ) -> Result<Option<Outcome>, HostError> {
        let Some(function) = self.upgrade_function() else {
            return Ok(None);
        };
        let values = [Val::String(from_version.to_owned())];
        let (channel, tx_id) = (call.channel.clone(), call.tx_id);
        let ran = self.diagnosed(false, &channel, tx_id, |diagnostics| {
            self.perform(function, &values, call, None, diagnostics, |_| {})
        });
        ran.map(|(outcome, _)| Some(outcome))
    }

    fn execute(
        &self,
        call: Call<'_>,
        observer: Option<Arc<Observer>>,
        observe: impl FnMut(Phase),
    ) -> Result<(Outcome, Option<Diagnosis>), HostError> {
        let wanted = observer.is_some();
        let (channel, tx_id) = (call.channel.clone(), call.tx_id);
        self.diagnosed(wanted, &channel, tx_id, |diagnostics| {
            self.run(call, observer, diagnostics, observe)
        })
    }

    /// What a run comes to: all but a broken host's is an outcome, and a fault has its diagnosis, if it is
    /// `wanted` or logged.
    fn diagnosed(
        &self,
        wanted: bool,
        channel: &ChannelId,
        tx_id: TxId,
        run: impl FnOnce(&Arc<Diagnostics>) -> Result<Outcome, Stop>,
    ) -> Result<(Outcome, Option<Diagnosis>), HostError> {
        let wanted = wanted || tracing::enabled!(tracing::Level::DEBUG);
        let diagnostics = Arc::new(Diagnostics::new(wanted));
        let fault = match run(&diagnostics) {
            Ok(outcome) => return Ok((outcome, None)),
            Err(Stop::Refused(status, message)) => {
                return Ok((Outcome::refused(status, message), None));
            }
            Err(Stop::Host(error)) => return Err(error),
            Err(Stop::Fault(fault)) => fault,
        };
        let diagnosis = diagnostics.take();
        if let Some(diagnosis) = &diagnosis {
            // Texts are shown quoted, so that none can look like a line of the log.
            tracing::debug!(%channel, %tx_id, contract = %diagnosis.contract,
                function = %diagnosis.function, %fault, panics = ?diagnosis.panics,
                trap = diagnosis.trap, memory_refused = diagnosis.memory_refused,
                backtrace = ?diagnosis.backtrace, "a contract was at fault");
        }
        let (text, fuel) = (fault.to_string(), self.profile.fuel_max);
        Ok((
            Outcome::without_effect(status::FAULT, text, fuel),
            diagnosis,
        ))
    }

    fn run(
        &self,
        call: Call<'_>,
        observer: Option<Arc<Observer>>,
        diagnostics: &Arc<Diagnostics>,
        mut observe: impl FnMut(Phase),
    ) -> Result<Outcome, Stop> {
        if call.args.first().is_some_and(|name| name == GET_METADATA) {
            return Ok(self.describe());
        }
        let refuse = |message: String| Stop::Refused(status::INVALID, message);
        let (name, args) = call
            .args
            .split_first()
            .ok_or_else(|| refuse("the first argument must name a function".to_owned()))?;
        let name = std::str::from_utf8(name)
            .map_err(|_| refuse("the function's name is not UTF-8 text".to_owned()))?;
        let transient_bytes = call.transient.values().map(Bytes::len).sum();
        let (function, values) = self.prepare(name, args, transient_bytes)?;
        observe(Phase::Arguments);
        self.perform(function, &values, call, observer, diagnostics, observe)
    }

    /// Runs a function on a fresh instance, and gathers what it did.
    fn perform(
        &self,
        function: &Function,
        values: &[Val],
        call: Call<'_>,
        observer: Option<Arc<Observer>>,
        diagnostics: &Arc<Diagnostics>,
        mut observe: impl FnMut(Phase),
    ) -> Result<Outcome, Stop> {
        let execution = Arc::new(Execution {
            profile: Arc::clone(&self.profile),
            channel: call.channel,
            tx_id: call.tx_id,
            timestamp: call.timestamp,
            caller: call.caller,
            transient: call.transient,
            ledgers: call.ledgers,
            observer,
            diagnostics: Arc::clone(diagnostics),
            work: Mutex::new(Work {
                simulation: Simulation::new(call.snapshot),
                host_bytes: 0,
                write_bytes: 0,
            }),
        });
        let fuel_max = self.profile.fuel_max;
        let frame = CallState::new(&execution, self.id().clone(), None, 1);
        let (result, left) = self.enter(function, values, frame, fuel_max, &mut observe)?;
        let fuel = fuel_max - left;
        let payload = match answer(function, result, &self.profile) {
            Ok(payload) => payload,
            Err(Stop::Refused(status, message)) => {
                observe(Phase::Result);
                return Ok(Outcome::without_effect(status, message, fuel));
            }
            Err(stop) => {
                if let Stop::Fault(fault) = &stop {
                    let name = &function.wit_name;
                    diagnostics.fault(self.id(), name, fault, Trace::default(), None);
                }
                return Err(stop);
            }
        };
        let work = Arc::into_inner(execution)
            .ok_or_else(|| HostError::Engine("an instance outlived its call".to_owned()))?;
        let (rw_set, events) = work.work.into_inner().simulation.finish();
        observe(Phase::Result);
        let response = Response {
            status: status::OK,
            message: String::new(),
            payload,
        };
        Ok(Outcome {
            response,
            rw_set,
            events,
            fuel,
        })
    }

    /// The answer to [`GET_METADATA`]; nothing runs.
    fn describe(&self) -> Outcome {
        let payload = Bytes::copy_from_slice(self.metadata().as_bytes());
        Outcome {
            response: Response {
                status: status::OK,
                message: String::new(),
                payload,
            },
            rw_set: ReadWriteSet::default(),
            events: Vec::new(),
            fuel: 0,
        }
    }

    /// Runs one function on an instance of its own, with so much fuel. What it answered, and the
    /// fuel that is left.
    pub(crate) fn enter(
        &self,
        function: &Function,
        values: &[Val],
        frame: CallState,
        fuel: u64,
        mut observe: impl FnMut(Phase),
    ) -> Result<(Val, u64), Stop> {
        let engine_error = |error: wasmtime::Error| HostError::Engine(error.to_string());
        let mut store = Store::new(self.instance.engine(), frame);
        if self.profile.memory_bounded {
            store.limiter(CallState::limiter);
            // What the canonical ABI may allocate on the host for one call into it, as the engine counts.
            store.set_hostcall_fuel(self.profile.host_bytes_max / function.lift_cost);
        }
        let metered = self.profile.fuel_metered;
        if metered {
            store.set_fuel(fuel).map_err(engine_error)?;
        }
        let stopped = |store: &Store<CallState>, error| {
            let diagnostics = &store.data().execution.diagnostics;
            let trace = diagnostics.trace(&error);
            let stop = stopped(error);
            if let Stop::Fault(fault) = &stop {
                let (name, refused) = (&function.wit_name, store.data().memory_refused());
                diagnostics.fault(self.id(), name, fault, trace, refused);
            }
            stop
        };
        let instance = self.instance.instantiate(&mut store);
        let instance = instance.map_err(|error| stopped(&store, error))?;
        let func = instance
            .get_func(&mut store, function.index)
            .ok_or_else(|| HostError::Engine(format!("{} is gone", function.wit_name)))?;
        observe(Phase::Instantiate);

        let mut results = [Val::Bool(false)];
        let has_result = usize::from(function.refuses || function.answer.is_some());
        let called = func.call(&mut store, values, &mut results[..has_result]);
        store.data().note_use();
        called.map_err(|error| stopped(&store, error))?;
        let left = if metered {
            store.get_fuel().map_err(engine_error)?
        } else {
            fuel
        };
        observe(Phase::Guest);
        let [result] = results;
        Ok((result, left))
    }

    /// Finds the function and reads its arguments; nothing runs before both are right.
    pub(crate) fn prepare(
        &self,
        name: &str,
        args: &[Bytes],
        transient_bytes: usize,
    ) -> Result<(&Function, Vec<Val>), Stop> {
        let refuse = |message: String| Stop::Refused(status::INVALID, message);
        let bytes = args.iter().map(Bytes::len).sum::<usize>() + transient_bytes;
        let max = self.profile.argument_bytes_max;
        if bytes > max {
            return Err(refuse(format!(
                "the arguments have {bytes} bytes; at most {max} are allowed"
            )));
        }
        let function = self
            .function(name)
            .map_err(|text| Stop::Refused(status::NOT_FOUND, text))?;
        let expected = function.parameters.len();
        let arity = || {
            let names: Vec<String> = function
                .parameters
                .iter()
                .map(|(name, _)| camel_case(name))
                .collect();
            let found = args.len();
            refuse(format!(
                "{} takes {expected} argument(s) ({}), not {found}",
                function.name,
                names.join(", ")
            ))
        };
        if args.len() > expected {
            return Err(arity());
        }
        let mut values = Vec::with_capacity(expected);
        for (index, (name, shape)) in function.parameters.iter().enumerate() {
            values.push(match args.get(index) {
                Some(arg) => json::parse(shape, &camel_case(name), arg)
                    .map_err(|error| refuse(error.to_string()))?,
                None => json::absent(shape).ok_or_else(arity)?,
            });
        }
        Ok((function, values))
    }
}

/// Sorts an engine's error into the three classes. The engine's own text goes no further.
fn stopped(error: wasmtime::Error) -> Stop {
    if error.is::<PoolConcurrencyLimitError>() {
        return Stop::Host(HostError::Busy);
    }
    let error = match error.downcast::<HostError>() {
        Ok(error) => return Stop::Host(error),
        Err(error) => error,
    };
    if let Some(fault) = error.downcast_ref::<GuestFault>() {
        return Stop::Fault(fault.clone());
    }
    Stop::Fault(match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => GuestFault::OutOfFuel,
        Some(Trap::StackOverflow) => GuestFault::StackExhausted,
        _ => GuestFault::Trapped,
    })
}

/// The payload of a result.
///
/// # Errors
/// The refusal in it, or the fault that either is too long.
pub(crate) fn answer(function: &Function, result: Val, profile: &Profile) -> Result<Bytes, Stop> {
    let max = profile.result_bytes_max;
    let too_long = || Stop::Fault(GuestFault::LimitExceeded(LimitKind::ResultBytes));
    let value = match (function.refuses, result) {
        (true, Val::Result(Ok(value))) => value.map(|value| *value),
        (true, Val::Result(Err(error))) => {
            let (status, text) = refusal(error.map(|error| *error));
            return Err(if text.len() > max {
                too_long()
            } else {
                Stop::Refused(status, text)
            });
        }
        (_, value) => function.answer.is_some().then_some(value),
    };
    let text = match (&function.answer, value) {
        (Some(_), Some(Val::String(text))) => Some(text),
        (Some(shape), Some(value)) => json::write(shape, &value, max),
        _ => Some(String::new()),
    };
    text.filter(|text| text.len() <= max)
        .map(Bytes::from)
        .ok_or_else(too_long)
}

fn refusal(error: Option<Val>) -> (i32, String) {
    let Some(Val::Variant(case, Some(text))) = error else {
        return (status::FAULT, GuestFault::Trapped.to_string());
    };
    let status = match case.as_str() {
        "invalid" => status::INVALID,
        "forbidden" => status::FORBIDDEN,
        "not-found" => status::NOT_FOUND,
        "conflict" => status::CONFLICT,
        _ => status::FAULT,
    };
    match *text {
        Val::String(text) => (status, text),
        _ => (status, String::new()),
    }
}
