//! The export `cordon:contract/upgrade`: run by the host, reached by nobody else.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which lints do not take for tests"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_execute::{Call, Contract, NoLedgers, Outcome, Profile, Runtime};
use cordon_types::{Caller, TxId, status};

mod empty;

use empty::Empty;

/// Writes the version under key `from`; refuses version `x…`, spins on version `s…`. Beside it, `run`.
const CONTRACT: &str = r#"(component
    (import "cordon:contract/types@1.0.0" (instance $types
        (type $cases (variant (case "invalid" string) (case "forbidden" string)
            (case "not-found" string) (case "conflict" string)))
        (export "error" (type (eq $cases)))))
    (alias export $types "error" (type $error))
    (import "cordon:contract/state@1.0.0" (instance $state
        (export "error" (type $e (eq $error)))
        (export "put" (func (param "key" string) (param "value" (list u8))
            (result (result (error $e)))))))
    (core module $memory
        (memory (export "memory") 1)
        (data (i32.const 0) "from")
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
    (core instance $mem (instantiate $memory))
    (core func $put (canon lower (func $state "put")
        (memory (core memory $mem "memory")) (realloc (core func $mem "realloc"))))
    (core module $m
        (import "h" "memory" (memory 1))
        (import "h" "put" (func $put (param i32 i32 i32 i32 i32)))
        (func (export "run"))
        (func (export "upgrade") (param $at i32) (param $length i32) (result i32)
            (block $spins
                (br_if $spins (i32.ne (i32.load8_u (local.get $at)) (i32.const 115)))
                (loop (br 0)))
            (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 120)) (then
                (i32.store8 (i32.const 64) (i32.const 1))
                (i32.store8 (i32.const 68) (i32.const 3))
                (i32.store (i32.const 72) (local.get $at))
                (i32.store (i32.const 76) (local.get $length))
                (return (i32.const 64))))
            (call $put (i32.const 0) (i32.const 4) (local.get $at) (local.get $length) (i32.const 64))
            (i32.const 64)))
    (core instance $i (instantiate $m (with "h" (instance
        (export "memory" (memory $mem "memory")) (export "put" (func $put))))))
    (func $run (canon lift (core func $i "run")))
    (func $upgrade (param "from-version" string) (result (result (error $error)))
        (canon lift (core func $i "upgrade")
            (memory (core memory $mem "memory")) (realloc (core func $mem "realloc"))))
    (instance $api (export "run" (func $run)))
    (export "t:a/api@1.0.0" (instance $api))
    (instance $up (export "upgrade" (func $upgrade)))
    (export "cordon:contract/upgrade@1.0.0" (instance $up)))"#;

fn contract(text: &str) -> Result<Arc<Contract>, String> {
    let runtime = Runtime::new(Profile::default()).unwrap();
    let compiled = runtime.compile(&wat::parse_str(text).unwrap());
    let compiled = compiled.map_err(|error| error.to_string())?;
    let contracts = BTreeMap::from([("a".parse().unwrap(), compiled)]);
    let linked = runtime.link(runtime.profile(), contracts).unwrap();
    Ok(linked.into_values().next().unwrap())
}

fn call(args: &[Bytes]) -> Call<'_> {
    Call {
        channel: "here".parse().unwrap(),
        tx_id: TxId::from_bytes([7; 32]),
        timestamp: (1_700_000_000, 5),
        caller: Arc::new(Caller {
            msp_id: "HospitalMSP".parse().unwrap(),
            subject: String::new(),
            unique_id: String::new(),
            enrollment_id: String::new(),
            attributes: BTreeMap::new(),
        }),
        transient: BTreeMap::new(),
        args,
        snapshot: Box::new(Empty),
        ledgers: Arc::new(NoLedgers),
    }
}

fn upgrade(contract: &Contract, from: &str) -> Outcome {
    contract.upgrade(from, call(&[])).unwrap().unwrap()
}

#[test]
fn an_upgrade_runs_with_the_version_before() {
    let contract = contract(CONTRACT).unwrap();
    let outcome = upgrade(&contract, "1.0");
    assert_eq!(outcome.response.status, status::OK);
    assert!(outcome.response.payload.is_empty());
    assert!(outcome.fuel > 0);
    let writes = &outcome.rw_set.contracts[0].writes;
    assert_eq!(writes[0].key, "from");
    assert_eq!(writes[0].value.as_ref().unwrap(), "1.0");
}

#[test]
fn a_refused_or_endless_upgrade_writes_nothing() {
    let contract = contract(CONTRACT).unwrap();
    let refused = upgrade(&contract, "x1");
    assert_eq!(refused.response.status, status::CONFLICT);
    assert_eq!(refused.response.message, "x1");
    let endless = upgrade(&contract, "s1");
    assert_eq!(endless.response.status, status::FAULT);
    for outcome in [refused, endless] {
        assert!(outcome.rw_set.contracts.is_empty() && outcome.events.is_empty());
    }
}

#[test]
fn no_client_reaches_an_upgrade() {
    let contract = contract(CONTRACT).unwrap();
    let names: Vec<&str> = contract
        .functions()
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(names, ["Api:Run"]);
    assert!(!contract.metadata().to_lowercase().contains("upgrade"));
    for name in ["Upgrade:Upgrade", "upgrade:upgrade", "Upgrade", "upgrade"] {
        let args = [
            Bytes::from_static(name.as_bytes()),
            Bytes::from_static(b"1.0"),
        ];
        let outcome = contract.call(call(&args)).unwrap();
        assert_eq!(outcome.response.status, status::NOT_FOUND, "{name}");
    }
}

#[test]
fn a_contract_without_one_has_none() {
    let from = CONTRACT.find("(instance $up").unwrap();
    let without = contract(&format!("{})", &CONTRACT[..from])).unwrap();
    assert!(without.upgrade("1.0", call(&[])).unwrap().is_none());
}

#[test]
fn an_upgrade_that_is_not_as_declared_is_refused() {
    let bent = |from: &str, to: &str| {
        assert!(CONTRACT.contains(from), "{from}");
        contract(&CONTRACT.replace(from, to)).err().unwrap()
    };
    for refused in [
        bent("contract/upgrade@1.0.0", "contract/upgrade@2.0.0"),
        bent("contract/upgrade@1.0.0", "contract/upgrade"),
        bent(
            "(instance $up (export \"upgrade\"",
            "(instance $up (export \"migrate\"",
        ),
        bent(
            "(export \"upgrade\" (func $upgrade))",
            "(export \"upgrade\" (func $run))",
        ),
    ] {
        assert!(
            refused.contains("upgrade: func(from-version: string)"),
            "{refused}"
        );
    }
    // It alone is no contract.
    let alone = CONTRACT.replace("(export \"t:a/api@1.0.0\" (instance $api))", "");
    assert!(contract(&alone).err().unwrap().contains("function"));
}
