//! What calls of a contract cost, alone: µs per step.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use cordon_execute::{Call as ContractCall, NoLedgers, Phase, Profile, Runtime};
use cordon_types::{
    Caller, ContractId, HistoryEntry, Snapshot, StateError, TxId, Version, VersionedValue,
};
use serde_json::{Value, json};

use super::{CHANNEL, round};
use crate::load;

/// Calls of the contract alone, on a state without records.
pub(super) fn calls(component: &Path) -> Result<Value> {
    const CALLS: u32 = 5_000;
    let bytes = std::fs::read(component).with_context(|| {
        format!(
            "cannot read {}: build it with `make contracts`",
            component.display()
        )
    })?;
    let runtime = Runtime::new(Profile::default())?;
    let contract = runtime.link(
        runtime.profile(),
        [("emr".parse()?, runtime.compile(&bytes)?)].into(),
    )?;
    let contract = contract.values().next().context("one was linked")?;
    let caller = Arc::new(Caller {
        msp_id: "HospitalMSP".parse()?,
        subject: "CN=hc1,OU=client".to_owned(),
        unique_id: "eDUwOTo6Q049aGMx".to_owned(),
        enrollment_id: "hc1".to_owned(),
        attributes: BTreeMap::from([("userRole".to_owned(), "healthcenter".to_owned())]),
    });
    let args = load::create_emr("bench", 1).args;
    let mut phases: BTreeMap<Phase, Duration> = BTreeMap::new();
    let mut total = Duration::ZERO;
    for round in 0..2 * CALLS {
        let call = ContractCall {
            channel: CHANNEL.parse()?,
            tx_id: TxId::from_bytes([1; 32]),
            timestamp: (1_700_000_000, 0),
            caller: Arc::clone(&caller),
            transient: BTreeMap::new(),
            args: &args,
            snapshot: Box::new(NoRecords),
            ledgers: Arc::new(NoLedgers),
        };
        let started = Instant::now();
        let mut last = started;
        let outcome = contract.call_observed(call, |phase| {
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
        ensure!(
            outcome.response.status == 200,
            "the call was refused: {:?}",
            outcome.response
        );
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
