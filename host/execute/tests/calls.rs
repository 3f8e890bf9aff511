//! Contracts that call each other: what is refused when they are linked, and what they share.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which lints do not take for tests"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_execute::{
    Call, Contract, HostError, Ledgers, NoLedgers, OpenedLedger, Outcome, Profile, Runtime,
};
use cordon_types::{Caller, ContractId, TxId};

mod empty;

use empty::Empty;

/// A component that exports `run: func()` in the interface `t:NAME/api@1.0.0`; its core function can
/// call `$callee0`, `$callee1`, … of the interfaces that it imports.
fn component(name: &str, callees: &[&str], body: &str) -> Vec<u8> {
    let mut imports = String::new();
    let mut lowered = String::new();
    let mut core_imports = String::new();
    let mut with = String::new();
    for (index, callee) in callees.iter().enumerate() {
        imports += &format!(
            r#"(import "t:{callee}/api@1.0.0" (instance $i{index} (export "run" (func))))"#
        );
        lowered += &format!(r#"(core func $l{index} (canon lower (func $i{index} "run")))"#);
        core_imports += &format!(r#"(import "h" "f{index}" (func $callee{index}))"#);
        with += &format!(r#"(export "f{index}" (func $l{index}))"#);
    }
    let text = format!(
        r#"(component {imports} {lowered}
            (core module $m {core_imports} (func (export "run") {body}))
            (core instance $i (instantiate $m (with "h" (instance {with}))))
            (func $run (canon lift (core func $i "run")))
            (instance $api (export "run" (func $run)))
            (export "t:{name}/api@1.0.0" (instance $api)))"#
    );
    wat::parse_str(text).unwrap()
}

type Linked = BTreeMap<ContractId, Arc<Contract>>;

fn link(contracts: &[(&str, Vec<u8>)]) -> Result<Linked, String> {
    let runtime = Runtime::new(Profile::default()).unwrap();
    let compiled = contracts
        .iter()
        .map(|(id, bytes)| (id.parse().unwrap(), runtime.compile(bytes).unwrap()))
        .collect();
    runtime
        .link(runtime.profile(), compiled)
        .map_err(|error| error.to_string())
}

fn run(linked: &Linked, id: &str) -> Outcome {
    linked[&id.parse().unwrap()]
        .call(Call {
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
            args: &[Bytes::from_static(b"Run")],
            snapshot: Box::new(Empty),
            ledgers: Arc::new(NoLedgers),
        })
        .unwrap()
}

#[test]
fn what_does_not_fit_is_refused_by_the_interfaces_name() {
    let a = || ("a", component("a", &["b"], "(call $callee0)"));
    let b = || ("b", component("b", &[], ""));
    let error = |contracts: &[_]| link(contracts).err().expect("must be refused");
    assert_eq!(
        error(&[a()]),
        "contract a: the component calls t:b/api@1.0.0, which no contract on this channel exports"
    );
    let twin = ("b2", component("b", &[], ""));
    assert_eq!(
        error(&[a(), b(), twin]),
        "contract a: the component calls t:b/api@1.0.0, which several contracts on this channel export: b, b2"
    );
    let other = r#"(component
        (core module $m (func (export "run") (param i32)))
        (core instance $i (instantiate $m))
        (func $run (param "x" u32) (canon lift (core func $i "run")))
        (instance $api (export "run" (func $run)))
        (export "t:b/api@1.0.0" (instance $api)))"#;
    assert_eq!(
        error(&[a(), ("b", wat::parse_str(other).unwrap())]),
        "contract a: the component calls t:b/api@1.0.0.run, which contract b does not export with these types"
    );
    let back = ("b", component("b", &["a"], "(call $callee0)"));
    assert_eq!(
        error(&[a(), back]),
        "contract a: contracts call each other in a circle: a → b → a"
    );
    let itself = ("a", component("a", &["a"], "(call $callee0)"));
    assert_eq!(
        error(&[itself]),
        "contract a: contracts call each other in a circle: a → a"
    );
    let chain: Vec<_> = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")]
        .map(|(name, callee)| (name, component(name, &[callee], "(call $callee0)")))
        .into_iter()
        .chain([("e", component("e", &[], ""))])
        .collect();
    assert_eq!(
        error(&chain),
        "contract a: contracts call each other more than 4 deep"
    );
    // The names' order, in which contracts are linked, does not matter.
    let backwards: Vec<_> = [("e", "d"), ("d", "c"), ("c", "b"), ("b", "a")]
        .map(|(name, callee)| (name, component(name, &[callee], "(call $callee0)")))
        .into_iter()
        .chain([("a", component("a", &[], ""))])
        .collect();
    assert_eq!(
        error(&backwards),
        "contract e: contracts call each other more than 4 deep"
    );
    // One link less is allowed, and works.
    let linked = link(&chain[1..]).unwrap();
    assert_eq!(run(&linked, "b").response.status, 200);
    let reached: Vec<&str> = linked[&"b".parse().unwrap()]
        .callees()
        .iter()
        .map(ContractId::as_str)
        .collect();
    assert_eq!(reached, ["c", "d", "e"]);
}

#[test]
fn fuel_is_shared_and_a_callees_fault_is_the_callers() {
    let with = |callee: &str, caller: &str| {
        link(&[
            ("a", component("a", &["b"], caller)),
            ("b", component("b", &[], callee)),
        ])
        .unwrap()
    };
    let idle = with("", "");
    let once = with("", "(call $callee0)");
    let twice = with("", "(call $callee0) (call $callee0)");
    let fuel = |linked: &Linked| run(linked, "a").fuel;
    let one = fuel(&once) - fuel(&idle);
    assert!(one > 50_000, "a call of another contract costs {one}");
    assert_eq!(fuel(&twice) - fuel(&idle), 2 * one);
    // A callee that works makes its caller's call as dear as its own work.
    let busy = r"(local $n i32) (loop $l
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $n) (i32.const 100000))))";
    let working = with(busy, "(call $callee0)");
    assert_eq!(
        fuel(&working) - fuel(&once),
        run(&working, "b").fuel - run(&once, "b").fuel
    );

    for (callee, caller, expected) in [
        ("unreachable", "(call $callee0)", "the contract trapped"),
        (
            "(loop (br 0))",
            "(call $callee0)",
            "the contract ran out of fuel",
        ),
        (
            "",
            "(loop (call $callee0) (br 0))",
            "the contract ran out of fuel",
        ),
    ] {
        let outcome = run(&with(callee, caller), "a");
        assert_eq!(outcome.response.status, 500);
        assert_eq!(outcome.response.message, expected);
    }
}

/// Every contract in the middle of a call may use all of its stack.
#[test]
fn each_contract_has_a_stack_of_its_own() {
    // Most of a stack before the next one is called, and much of the thread's in all.
    let dig = |call: &str| {
        format!(
            r"(call $dig (i32.const 6000)))
            (func $dig (param $n i32) (if (local.get $n)
                (then (call $dig (i32.sub (local.get $n) (i32.const 1))))
                (else {call}))"
        )
    };
    let call = dig("(call $callee0)");
    let contracts = [
        ("a", component("a", &["b"], &call)),
        ("b", component("b", &["c"], &call)),
        ("c", component("c", &["d"], &call)),
        ("d", component("d", &[], &dig(""))),
    ];
    let linked = link(&contracts).unwrap();
    let worker = std::thread::Builder::new()
        .stack_size(cordon_execute::thread_stack_bytes(&Profile::default()))
        .spawn(move || run(&linked, "a").response.status);
    assert_eq!(worker.unwrap().join().unwrap(), 200);
}

#[test]
fn nobody_is_asked_where_there_are_no_other_channels() {
    let opened: Result<Option<OpenedLedger>, HostError> = NoLedgers.open("cards", "cards");
    assert!(matches!(opened, Ok(None)));
}
