//! Installing a component that anybody may have made, and calling what it then has.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use cordon_execute::{Call, Contract, HostError, NoLedgers, Profile, Runtime, Shape};
use cordon_types::{
    Caller, ContractId, HistoryEntry, Snapshot, StateError, TxId, Version, VersionedValue, status,
};

use crate::people::{CHANNEL, CONTRACT, MSP_ID};

/// Largest component that is tried; compiling takes long beyond.
const COMPONENT_BYTES_MAX: usize = 64 << 10;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let profile = Profile {
        fuel_max: 200_000,
        ..Profile::default()
    };
    Runtime::new(profile).unwrap()
});

/// A component: refused, or every function of it can be called, twice with the same outcome.
pub fn component(bytes: &[u8]) {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return;
    }
    let compiled = match RUNTIME.compile(bytes) {
        Ok(compiled) => compiled,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(
        !compiled.functions().is_empty(),
        "a contract without functions"
    );
    serde_json::from_str::<serde_json::Value>(compiled.metadata()).expect("metadata is JSON");
    let contracts = BTreeMap::from([(CONTRACT.parse().unwrap(), compiled)]);
    let Ok(linked) = RUNTIME.link(RUNTIME.profile(), contracts) else {
        return;
    };
    for contract in linked.values() {
        for function in contract.functions() {
            let arguments = function.parameters.iter().map(|(_, shape)| sample(shape));
            let args: Vec<Bytes> = std::iter::once(function.wit_name.clone())
                .chain(arguments)
                .map(Bytes::from)
                .collect();
            call_twice(contract, &args);
        }
    }
}

fn call_twice(contract: &Contract, args: &[Bytes]) {
    let outcome = call(contract, args);
    let again = call(contract, args);
    let (Ok(outcome), Ok(again)) = (&outcome, &again) else {
        return assert_eq!(outcome.is_ok(), again.is_ok(), "it runs only sometimes");
    };
    assert_eq!(outcome.response, again.response, "two answers to one call");
    assert_eq!(outcome.rw_set, again.rw_set);
    assert_eq!(outcome.events, again.events);
    assert_eq!(outcome.fuel, again.fuel);
    assert!(outcome.fuel <= RUNTIME.profile().fuel_max);
    let answered = outcome.response.status;
    let known = [
        status::OK,
        status::INVALID,
        status::FORBIDDEN,
        status::NOT_FOUND,
        status::CONFLICT,
        status::FAULT,
    ];
    assert!(known.contains(&answered), "status {answered}");
    let effect = !outcome.rw_set.contracts.is_empty() || !outcome.events.is_empty();
    assert!(
        answered == status::OK || !effect,
        "a call that failed has an effect"
    );
}

fn call(contract: &Contract, args: &[Bytes]) -> Result<cordon_execute::Outcome, HostError> {
    contract.call(Call {
        channel: CHANNEL.parse().unwrap(),
        tx_id: TxId::from_bytes([7; 32]),
        timestamp: (1_750_000_000, 5),
        caller: Arc::new(Caller {
            msp_id: MSP_ID.parse().unwrap(),
            subject: "CN=user".to_owned(),
            unique_id: "id".to_owned(),
            enrollment_id: "user".to_owned(),
            attributes: BTreeMap::new(),
        }),
        transient: BTreeMap::new(),
        args,
        snapshot: Box::new(Empty),
        ledgers: Arc::new(NoLedgers),
    })
}

/// A text that is read as a value of `shape`.
fn sample(shape: &Shape) -> String {
    match shape {
        Shape::String => "text".to_owned(),
        shape => value(shape).to_string(),
    }
}

fn value(shape: &Shape) -> serde_json::Value {
    use serde_json::json;
    let payload = |shape: Option<&Shape>| shape.map_or(json!(null), value);
    match shape {
        Shape::Bool => json!(true),
        Shape::Signed(_) => json!(-1),
        Shape::Unsigned(_) => json!(1),
        Shape::Float32 | Shape::Float64 => json!(0.5),
        Shape::Char => json!("c"),
        Shape::String => json!("text"),
        Shape::Bytes => json!("AAEC"),
        Shape::List(item) => json!([value(item), value(item)]),
        Shape::Record(fields) => fields
            .iter()
            .map(|field| (field.json_name.clone(), value(&field.shape)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Shape::Tuple(items) => items.iter().map(value).collect::<Vec<_>>().into(),
        Shape::Variant(cases) => match cases.first() {
            Some((name, shape)) => json!({ name: payload(shape.as_ref()) }),
            None => json!({}),
        },
        Shape::Enum(names) => json!(names.first()),
        Shape::Option(_) => json!(null),
        Shape::Result(ok, _) => json!({ "ok": payload(ok.as_deref()) }),
        Shape::Flags(names) => json!(names),
    }
}

/// A ledger without anything.
struct Empty;

impl Snapshot for Empty {
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

    fn block_hash(&self, _: u64) -> Result<[u8; 32], StateError> {
        Err(StateError("there are no blocks".to_owned()))
    }
}
