//! What a contract's developer is told of a fault, and that nobody else is told more than before.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which lints do not take for tests"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_execute::{Call, Contract, Diagnosis, NoLedgers, Observed, Outcome, Profile, Runtime};
use cordon_types::{Caller, ContractId, TxId};

mod empty;

use empty::Empty;

/// A component whose function `run` can say, with `$panicked`, what lies in its memory: 64 KiB of `a`
/// behind `the record of Ann` at 0.
fn says(core: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "cordon:contract/diagnostics@1.0.0" (instance $diagnostics
                (export "panicked" (func (param "message" string)))))
            (core module $memory
                (memory (export "memory") 3)
                (data (i32.const 0) "the record of Ann{}"))
            (core instance $memory (instantiate $memory))
            (alias core export $memory "memory" (core memory $m))
            (core func $panicked (canon lower (func $diagnostics "panicked") (memory $m)))
            (core module $main
                (import "host" "panicked" (func $panicked (param i32 i32)))
                {core})
            (core instance $i (instantiate $main
                (with "memory" (instance $memory))
                (with "host" (instance (export "panicked" (func $panicked))))))
            (func $run (canon lift (core func $i "run")))
            (instance $api (export "run" (func $run)))
            (export "t:callee/api@1.0.0" (instance $api)))"#,
        "a".repeat(64 << 10)
    );
    wat::parse_str(text).unwrap()
}

fn link(contracts: &[(&str, Vec<u8>)]) -> BTreeMap<ContractId, Arc<Contract>> {
    let runtime = Runtime::new(Profile::default()).unwrap();
    let compiled = contracts
        .iter()
        .map(|(id, bytes)| (id.parse().unwrap(), runtime.compile(bytes).unwrap()))
        .collect();
    runtime.link(runtime.profile(), compiled).unwrap()
}

fn call<T>(contract: &Contract, run: impl FnOnce(&Contract, Call<'_>) -> T) -> T {
    let args = [Bytes::from_static(b"Run")];
    run(
        contract,
        Call {
            channel: "providers".parse().unwrap(),
            tx_id: TxId::from_bytes([7; 32]),
            timestamp: (1_700_000_000, 5),
            caller: Arc::new(Caller {
                msp_id: "HospitalMSP".parse().unwrap(),
                subject: "CN=u".to_owned(),
                unique_id: "id".to_owned(),
                enrollment_id: "u".to_owned(),
                attributes: BTreeMap::new(),
            }),
            transient: BTreeMap::new(),
            args: &args,
            snapshot: Box::new(Empty),
            ledgers: Arc::new(NoLedgers),
        },
    )
}

fn observe(contract: &Contract) -> Observed {
    call(contract, Contract::observe).unwrap()
}

fn outcome(contract: &Contract) -> Outcome {
    call(contract, Contract::call).unwrap()
}

fn only(core: &str) -> Arc<Contract> {
    let linked = link(&[("callee", says(core))]);
    Arc::clone(linked.values().next().unwrap())
}

fn diagnosis(core: &str) -> Diagnosis {
    observe(&only(core)).diagnosis.unwrap()
}

const PANICS: &str = r#"
    (func $check_name (call $panicked (i32.const 0) (i32.const 17)) unreachable)
    (func $run (export "run") (call $check_name))"#;

#[test]
fn a_panic_is_told_to_the_developer_and_to_nobody_else() {
    let contract = only(PANICS);
    let observed = observe(&contract);
    let found = observed.diagnosis.unwrap();
    assert_eq!(found.panics, ["the record of Ann"]);
    assert_eq!(found.backtrace, ["check_name", "run"]);
    assert_eq!(
        (found.contract.as_str(), found.function.as_str()),
        ("callee", "api:run")
    );
    assert!(found.to_string().contains("the record of Ann\n"), "{found}");

    // What clients get and hosts sign is as it was, whether somebody looks or not.
    for outcome in [observed.outcome, outcome(&contract)] {
        assert_eq!(outcome.response.message, "the contract trapped");
        assert!(outcome.response.payload.is_empty());
        assert_eq!(outcome.fuel, Profile::default().fuel_max);
        assert!(!format!("{outcome:?}").contains("Ann"));
    }
    let observed = observe(&contract);
    assert!(!format!("{observed:?}").contains("Ann"));
}

/// Names of functions in Rust are in its component as its linker writes them.
#[test]
fn names_are_shown_as_their_language_writes_them() {
    let core = PANICS.replace(
        "$check_name",
        "$_ZN3emr6domain10create_emr17h0123456789abcdefE",
    );
    assert_eq!(
        diagnosis(&core).backtrace,
        ["emr::domain::create_emr", "run"]
    );
    let long = format!("${}", "n".repeat(10_000));
    let shown = &diagnosis(&PANICS.replace("$check_name", &long)).backtrace[0];
    assert!((500..600).contains(&shown.len()), "{}", shown.len());
}

#[test]
fn a_limit_or_an_instruction_is_told_with_the_function_that_met_it() {
    for (core, fault, told) in [
        (
            r#"(func $spin (loop (br 0))) (func $run (export "run") (call $spin))"#,
            "the contract ran out of fuel",
            &["in spin", "in run"][..],
        ),
        (
            r#"(func $dig (export "run") (call $dig))"#,
            "the contract exhausted its call stack",
            &["in dig"],
        ),
        (
            r#"(func $halve (export "run") (drop (i32.div_s (i32.const 1) (i32.const 0))))"#,
            "the contract trapped",
            &["integer divide by zero", "in halve"],
        ),
        (
            r#"(import "memory" "memory" (memory 3)) (func $grow (export "run") (drop (memory.grow (i32.const 1000))) unreachable)"#,
            "the contract trapped",
            &[
                "memory of 65732608 bytes was refused (memory_bytes_max)",
                "unreachable",
                "in grow",
            ],
        ),
        (
            // More than 64 MiB between contract and host.
            r#"(func $talk (export "run")
                (loop (call $panicked (i32.const 0) (i32.const 65536)) (br 0)))"#,
            "the contract exceeded its limit of bytes exchanged with the host",
            &["in talk"],
        ),
    ] {
        let found = diagnosis(core);
        assert_eq!(found.fault.to_string(), fault);
        let text = found.to_string();
        for told in told {
            assert!(text.contains(told), "{told:?} is not in: {text}");
        }
    }
}

#[test]
fn what_a_contract_says_is_bounded() {
    let core = r#"(func (export "run") (local $n i32)
        (loop
            (call $panicked (local.get $n) (i32.const 65536))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $n) (i32.const 20))))
        unreachable)"#;
    let panics = diagnosis(core).panics;
    assert_eq!(panics.len(), 8);
    for text in &panics {
        assert_eq!(text.chars().count(), 4097);
        assert!(text.ends_with('…'));
    }
    // The last ones: the last call began behind the record.
    assert!(panics[7].starts_with("aaa"), "{}", &panics[7][..20]);
    assert!(panics[0].starts_with("f Ann"), "{}", &panics[0][..20]);
}

#[test]
fn what_a_contract_says_changes_nothing_and_is_charged_by_its_length() {
    let of = |bytes: u32| {
        let core =
            format!(r#"(func (export "run") (call $panicked (i32.const 0) (i32.const {bytes})))"#);
        let observed = observe(&only(&core));
        assert_eq!(observed.outcome.response.status, 200);
        assert!(observed.diagnosis.is_none());
        assert!(observed.outcome.rw_set.contracts.is_empty());
        let calls: Vec<_> = observed
            .host_calls
            .iter()
            .map(|call| (call.function.as_str(), call.subject.clone()))
            .collect();
        assert_eq!(calls, [("diagnostics.panicked", None)]);
        assert_eq!(observed.used.host_bytes, bytes as usize);
        observed.outcome.fuel
    };
    let profile = Profile::default();
    assert_eq!(of(50_000) - of(0), 50_000 * profile.host_byte_fuel);
    assert!(of(0) >= profile.host_call_fuel);
}

#[test]
fn of_contracts_that_call_each_other_the_one_at_fault_is_named() {
    let caller = r#"(component
        (import "t:callee/api@1.0.0" (instance $callee (export "run" (func))))
        (core func $callee (canon lower (func $callee "run")))
        (core module $m (import "h" "callee" (func $callee))
            (func $waits (export "run") (call $callee)))
        (core instance $i (instantiate $m
            (with "h" (instance (export "callee" (func $callee))))))
        (func $run (canon lift (core func $i "run")))
        (instance $api (export "run" (func $run)))
        (export "t:caller/api@1.0.0" (instance $api)))"#;
    let linked = link(&[
        ("callee", says(PANICS)),
        ("caller", wat::parse_str(caller).unwrap()),
    ]);
    let caller: ContractId = "caller".parse().unwrap();
    let found = observe(&linked[&caller]).diagnosis.unwrap();
    assert_eq!(found.contract.as_str(), "callee");
    assert_eq!(found.panics, ["the record of Ann"]);
    assert_eq!(found.backtrace, ["check_name", "run"]);
}
