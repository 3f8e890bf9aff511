//! The contracts that cases run on, and running one case.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use cordon_execute::{
    Access, Call, Contract, HostError, Ledgers, Observed, OpenedLedger, Profile, Runtime, Shape,
    thread_stack_bytes,
};
use cordon_types::{Caller, ChannelId, ContractId, TxId, status};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::case::{Case, Person, Setup, Step, put_tx_ids};
use crate::error::CasesError;
use crate::record::{Record, name_tx_ids, tx_id};
use crate::report::{Ran, Verdict};
use crate::state::ChannelState;

/// 2026-01-01T00:00:00Z, where the first step's minute begins.
const NEW_YEAR: i64 = 1_767_225_600;

/// Contracts on channels in memory. No access policies and no endorsement: what is recorded is what
/// contracts do.
pub struct Town {
    setup: Setup,
    profile: Arc<Profile>,
    contracts: Arc<BTreeMap<ContractId, Placed>>,
    /// SHA-256 of the components, by contract.
    hashes: BTreeMap<String, String>,
}

struct Placed {
    channel: ChannelId,
    contract: Arc<Contract>,
}

type Channels = BTreeMap<ChannelId, ChannelState>;

impl Town {
    /// Links the contracts of a setup, each on its channel.
    ///
    /// # Errors
    /// [`CasesError`]: a component that is missing, not needed, not accepted, or does not fit another.
    pub fn new(
        runtime: &Runtime,
        setup: &Setup,
        components: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, CasesError> {
        if let Some(name) = components
            .keys()
            .find(|name| !setup.contracts.contains_key(*name))
        {
            return Err(CasesError::UnknownContract(name.clone()));
        }
        let invalid = |reason: cordon_types::IdError| CasesError::Malformed {
            path: "setup.json".into(),
            reason: reason.to_string(),
        };
        let mut channels: BTreeMap<ChannelId, BTreeMap<ContractId, _>> = BTreeMap::new();
        let mut hashes = BTreeMap::new();
        for (name, channel) in &setup.contracts {
            let bytes = components
                .get(name)
                .ok_or_else(|| CasesError::MissingContract(name.clone()))?;
            let compiled = runtime
                .compile(bytes)
                .map_err(|reason| CasesError::Component {
                    contract: name.clone(),
                    reason,
                })?;
            hashes.insert(name.clone(), hex::encode(compiled.hash()));
            let channel = channels
                .entry(channel.parse().map_err(invalid)?)
                .or_default();
            channel.insert(name.parse().map_err(invalid)?, compiled);
        }
        let mut contracts = BTreeMap::new();
        for (channel, compiled) in channels {
            for (id, contract) in runtime.link(runtime.profile(), compiled)? {
                let channel = channel.clone();
                contracts.insert(id, Placed { channel, contract });
            }
        }
        Ok(Self {
            setup: setup.clone(),
            profile: Arc::clone(runtime.profile()),
            contracts: Arc::new(contracts),
            hashes,
        })
    }

    /// Contract and name of every function that is exported.
    pub fn functions(&self) -> BTreeSet<(String, String)> {
        let contracts = self.contracts.iter();
        let of = |(id, placed): (&ContractId, &Placed)| {
            let functions = placed.contract.functions().iter();
            let names = functions.map(|function| (id.to_string(), function.name.clone()));
            names.collect::<Vec<_>>()
        };
        contracts.flat_map(of).collect()
    }

    pub(crate) fn hashes(&self) -> &BTreeMap<String, String> {
        &self.hashes
    }

    /// Runs cases, each on channels of its own.
    ///
    /// # Errors
    /// [`CasesError`] when a case cannot come to its call.
    pub(crate) fn run(&self, cases: &BTreeMap<String, Case>) -> Result<Vec<Ran>, CasesError> {
        // Contracts that call each other run one on top of the other.
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .stack_size(thread_stack_bytes(&self.profile))
                .spawn_scoped(scope, || {
                    cases
                        .iter()
                        .map(|(name, case)| self.run_case(name, case))
                        .collect()
                })
                .map_err(|error| HostError::Engine(error.to_string()))?
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn run_case(&self, name: &str, case: &Case) -> Result<Ran, CasesError> {
        let failed = |reason: String| CasesError::Case {
            case: name.to_owned(),
            reason,
        };
        let steps = self.setup.steps(case).map_err(failed)?;
        let last = steps.len();
        let mut channels = Channels::new();
        for (index, step) in steps.iter().enumerate() {
            let number = index + 1;
            let in_step = |reason: String| {
                let function = &step.function;
                failed(format!("step {number} ({function}): {reason}"))
            };
            let id = step.contract.as_ref().unwrap_or(&self.setup.contract);
            let placed = id
                .parse()
                .ok()
                .and_then(|id: ContractId| self.contracts.get(&id));
            let placed = placed.ok_or_else(|| in_step(format!("there is no contract {id}")))?;
            let time = time_of(step, number).map_err(in_step)?;
            let args = arguments(&placed.contract, step);
            let call = Call {
                channel: placed.channel.clone(),
                tx_id: TxId::from_bytes(tx_id(number)),
                timestamp: time,
                caller: Arc::new(self.caller(&step.by).map_err(in_step)?),
                transient: step
                    .transient
                    .iter()
                    .map(|(name, value)| (name.clone(), Bytes::from(value.clone())))
                    .collect(),
                args: &args,
                snapshot: Box::new(channels.get(&placed.channel).cloned().unwrap_or_default()),
                ledgers: Arc::new(Others {
                    contracts: Arc::clone(&self.contracts),
                    channels: channels.clone(),
                }),
            };
            let observed = placed.contract.observe(call)?;
            if number == last {
                return Ok(self.ran(name, case, &placed.contract, &args, &observed, last));
            }
            let diagnosis = observed.diagnosis;
            let mut response = observed.outcome.response;
            if response.status != status::OK {
                name_tx_ids(&mut response.message, last);
                let (status, message) = (response.status, response.message);
                let why = diagnosis.map_or(String::new(), |why| format!("\n{why}"));
                return Err(in_step(format!(
                    "must be accepted, but: {status} {message}{why}"
                )));
            }
            let channel = channels.entry(placed.channel.clone()).or_default();
            channel.commit(
                observed.outcome.rw_set,
                TxId::from_bytes(tx_id(number)),
                time,
            );
        }
        // The case's own call is the last step.
        Err(failed("it calls nothing".to_owned()))
    }

    fn caller(&self, name: &str) -> Result<Caller, String> {
        let Person {
            msp_id,
            enrollment_id,
            attributes,
        } = self
            .setup
            .callers
            .get(name)
            .ok_or_else(|| format!("\"callers\" has nobody by the name {name:?}"))?;
        let enrollment_id = enrollment_id.as_deref().unwrap_or(name);
        Ok(Caller {
            msp_id: msp_id.parse().map_err(|error| format!("{error}"))?,
            subject: format!("CN={enrollment_id}"),
            unique_id: format!("test:{msp_id}:{enrollment_id}"),
            enrollment_id: enrollment_id.to_owned(),
            attributes: attributes.clone(),
        })
    }

    /// What became of a case's own call.
    fn ran(
        &self,
        name: &str,
        case: &Case,
        contract: &Contract,
        args: &[Bytes],
        observed: &Observed,
        last: usize,
    ) -> Ran {
        let outcome = &observed.outcome;
        let response = &outcome.response;
        let function = match contract.function(&case.call.function) {
            Ok(function) => function.name.clone(),
            Err(_) => case.call.function.clone(),
        };
        let mut reached = BTreeSet::from([(contract.id().to_string(), function.clone())]);
        reached.extend(observed.host_calls.iter().filter_map(|call| {
            let id: ContractId = call.subject.as_ref()?.parse().ok()?;
            let called = self.contracts.get(&id)?.contract.function(&call.function);
            Some((id.to_string(), called.ok()?.name.clone()))
        }));
        let writes = outcome.rw_set.contracts.iter().flat_map(|set| &set.writes);
        let values = writes.filter_map(|write| write.value.as_ref());
        let argument_bytes: usize = args[1..].iter().map(Bytes::len).sum();
        let used = [
            ("argument_bytes_max", argument_bytes),
            ("events_max", outcome.events.len()),
            ("host_bytes_max", observed.used.host_bytes),
            ("keys_max", observed.used.keys),
            ("memory_bytes_max", observed.used.memory_bytes),
            ("result_bytes_max", response.payload.len()),
            (
                "value_bytes_max",
                values.map(Bytes::len).max().unwrap_or_default(),
            ),
            ("write_bytes_max", observed.used.write_bytes),
        ];
        let used = used.map(|(setting, used)| (setting, used as u64));
        Ran {
            name: name.to_owned(),
            contract: contract.id().to_string(),
            function,
            status: response.status,
            reached,
            diagnosis: observed.diagnosis.clone(),
            wrong: wrong(case, observed, last),
            used: used
                .into_iter()
                .chain([("fuel_max", outcome.fuel)])
                .collect(),
            record: Record::of(observed, self.profile.fuel_max, last),
            verdict: Verdict::Unrecorded,
        }
    }
}

fn time_of(step: &Step, number: usize) -> Result<(i64, u32), String> {
    match &step.time {
        None => Ok((NEW_YEAR + 60 * (number as u64).cast_signed(), 0)),
        Some(text) => OffsetDateTime::parse(text, &Rfc3339)
            .map(|time| (time.unix_timestamp(), time.nanosecond()))
            .map_err(|error| format!("time {text:?}: {error}")),
    }
}

/// Function name and arguments as clients send them.
fn arguments(contract: &Contract, step: &Step) -> Vec<Bytes> {
    let function = contract.function(&step.function).ok();
    let mut args = vec![Bytes::from(step.function.clone())];
    for (index, value) in step.arguments.iter().enumerate() {
        let parameter = function.and_then(|function| function.parameters.get(index));
        args.push(match (value, parameter) {
            (Value::String(text), Some((_, Shape::String)) | None) => text.clone().into(),
            (value, _) => value.to_string().into(),
        });
    }
    args
}

/// What the call answers otherwise than its case says.
fn wrong(case: &Case, observed: &Observed, last: usize) -> Vec<String> {
    let response = &observed.outcome.response;
    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: Value, found: Value| {
        if expected != found {
            let mut text =
                format!("answer.{what}\n         should be {expected}\n         found     {found}");
            name_tx_ids(&mut text, last);
            wrong.push(text);
        }
    };
    compare("status", case.answer.status.into(), response.status.into());
    let mut message = Value::from(case.answer.message.clone());
    put_tx_ids(&mut message, last);
    compare("message", message, response.message.clone().into());
    let mut payload = case.answer.payload.clone().unwrap_or_default();
    put_tx_ids(&mut payload, last);
    let found = match serde_json::from_slice(&response.payload) {
        Ok(value) => value,
        Err(_) if response.payload.is_empty() => Value::Null,
        Err(_) => String::from_utf8_lossy(&response.payload).into(),
    };
    compare("payload", payload, found);
    wrong
}

/// All channels, for contracts that ask other ones: everybody is a member and may ask everything.
struct Others {
    contracts: Arc<BTreeMap<ContractId, Placed>>,
    channels: Channels,
}

impl Ledgers for Others {
    fn open(&self, channel: &str, contract: &str) -> Result<Option<OpenedLedger>, HostError> {
        let id = contract.parse().ok();
        let placed = id.and_then(|id: ContractId| self.contracts.get(&id));
        let placed = placed.filter(|placed| placed.channel.as_str() == channel);
        Ok(placed.map(|placed| OpenedLedger {
            channel: placed.channel.clone(),
            contract: Arc::clone(&placed.contract),
            snapshot: Box::new(
                self.channels
                    .get(&placed.channel)
                    .cloned()
                    .unwrap_or_default(),
            ),
            access: Box::new(Anybody),
        }))
    }
}

struct Anybody;

impl Access for Anybody {
    fn authorize(&self, _: &Caller, _: &str) -> Result<(), String> {
        Ok(())
    }
}
