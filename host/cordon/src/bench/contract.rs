//! What calls of a contract cost, alone: µs per step, and what each protection adds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use cordon_execute::{Call as ContractCall, Contract, NoLedgers, Phase, Profile, Runtime};
use cordon_types::{
    Caller, ContractId, HistoryEntry, Snapshot, StateError, TxId, Version, VersionedValue,
};
use serde_json::{Value, json};

use super::{CHANNEL, round};
use crate::load;

/// A contract that is called again and again, on a state without records.
struct Measured {
    contract: Arc<Contract>,
    caller: Arc<Caller>,
    args: Vec<Bytes>,
}

impl Measured {
    fn new(component: &[u8], args: Vec<Bytes>, profile: Profile) -> Result<Self> {
        let runtime = Runtime::new(profile)?;
        let compiled = runtime.compile(component)?;
        let linked = runtime.link(runtime.profile(), [("emr".parse()?, compiled)].into())?;
        Ok(Self {
            contract: linked.into_values().next().context("one was linked")?,
            caller: Arc::new(Caller {
                msp_id: "HospitalMSP".parse()?,
                subject: "CN=hc1,OU=client".to_owned(),
                unique_id: "eDUwOTo6Q049aGMx".to_owned(),
                enrollment_id: "hc1".to_owned(),
                attributes: BTreeMap::from([("userRole".to_owned(), "healthcenter".to_owned())]),
            }),
            args,
        })
    }

    fn call(&self, observe: impl FnMut(Phase)) -> Result<()> {
        let call = ContractCall {
            channel: CHANNEL.parse()?,
            tx_id: TxId::from_bytes([1; 32]),
            timestamp: (1_700_000_000, 0),
            caller: Arc::clone(&self.caller),
            transient: BTreeMap::new(),
            args: &self.args,
            snapshot: Box::new(NoRecords),
            ledgers: Arc::new(NoLedgers),
        };
        let response = self.contract.call_observed(call, observe)?.response;
        ensure!(
            response.status == 200,
            "the call was refused: {}",
            response.message
        );
        Ok(())
    }
}

/// Calls of the contract alone, on a state without records.
pub(super) fn calls(component: &[u8]) -> Result<Value> {
    const CALLS: u32 = 5_000;
    let args = load::create_emr("bench", 1).args;
    let measured = Measured::new(component, args, Profile::default())?;
    let mut phases: BTreeMap<Phase, Duration> = BTreeMap::new();
    let mut total = Duration::ZERO;
    for round in 0..2 * CALLS {
        let started = Instant::now();
        let mut last = started;
        measured.call(|phase| {
            let now = Instant::now();
            // The first half warms caches and the instance pool.
            if round >= CALLS {
                *phases.entry(phase).or_default() += now - last;
            }
            last = now;
        })?;
        if round >= CALLS {
            total += started.elapsed();
        }
    }
    let micros = |time: Duration| round(time.as_secs_f64() * 1e6 / f64::from(CALLS));
    let of = |phase| micros(phases.get(&phase).copied().unwrap_or_default());
    Ok(json!({
        "total": micros(total),
        "arguments": of(Phase::Arguments),
        "instantiate": of(Phase::Instantiate),
        "guest": of(Phase::Guest),
        "result": of(Phase::Result),
    }))
}

/// The same calls with all protections and without each: µs per call, each the best of many short
/// rounds that take turns, because neighbours on the machine slow rounds and never quicken them. For the
/// contract, and for 10,000 steps of floating point.
pub(super) fn protections(component: &[u8]) -> Result<Value> {
    const STEPS: &[u8] = include_bytes!("steps.wasm");
    let create = load::create_emr("bench", 1).args;
    let steps = vec![Bytes::from_static(b"Run"), Bytes::from_static(b"10000")];
    Ok(json!({
        "create_us": compare(component, &create, 400)?,
        "float_steps_us": compare(STEPS, &steps, 40)?,
    }))
}

fn compare(component: &[u8], args: &[Bytes], calls: u32) -> Result<Value> {
    const ROUNDS: usize = 30;
    let all = Profile::default();
    let variants = [
        ("all", all.clone()),
        (
            "without_fuel",
            Profile {
                fuel_metered: false,
                ..all.clone()
            },
        ),
        (
            "without_canonical_nan",
            Profile {
                nan_canonical: false,
                ..all.clone()
            },
        ),
        (
            "without_memory_limits",
            Profile {
                memory_bounded: false,
                ..all.clone()
            },
        ),
        (
            "without_any",
            Profile {
                fuel_metered: false,
                nan_canonical: false,
                memory_bounded: false,
                ..all
            },
        ),
    ];
    let measured = variants
        .into_iter()
        .map(|(name, profile)| Ok((name, Measured::new(component, args.to_vec(), profile)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut best = vec![Duration::MAX; measured.len()];
    for _ in 0..ROUNDS {
        for ((_, measured), best) in measured.iter().zip(&mut best) {
            let started = Instant::now();
            for _ in 0..calls {
                measured.call(|_| {})?;
            }
            *best = (*best).min(started.elapsed());
        }
    }
    let micros = |time: Duration| round(time.as_secs_f64() * 1e6 / f64::from(calls));
    let named = measured.iter().zip(best);
    Ok(named
        .map(|((name, _), best)| ((*name).to_owned(), json!(micros(best))))
        .collect::<serde_json::Map<_, _>>()
        .into())
}

/// A state without records.
struct NoRecords;

impl Snapshot for NoRecords {
    fn block_hash(&self, _: u64) -> Result<[u8; 32], StateError> {
        Err(StateError("there are no blocks".to_owned()))
    }

    fn height(&self) -> u64 {
        1
    }

    fn get(&self, _: &ContractId, _: &str) -> Result<Option<VersionedValue>, StateError> {
        Ok(None)
    }

    fn scan(
        &self,
        _: &ContractId,
        _: &str,
        _: &str,
        _: usize,
    ) -> Result<Vec<(String, VersionedValue)>, StateError> {
        Ok(Vec::new())
    }

    fn history(
        &self,
        _: &ContractId,
        _: &str,
        _: Option<Version>,
        _: usize,
    ) -> Result<Vec<HistoryEntry>, StateError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_binary_is_that_of_the_text() {
        let text = include_str!("steps.wat");
        assert!(wat::parse_str(text).unwrap() == include_bytes!("steps.wasm"));
    }
}
