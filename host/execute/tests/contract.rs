//! Components through the whole of `execute`: what is refused at install, by name, and what calls
//! give. The emr component must be built (`make contracts`).

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which lints do not take for tests"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_execute::{Call, Contract, InstallError, NoLedgers, Outcome, Profile, Runtime};
use cordon_types::{
    Caller, ContractId, HistoryEntry, ReadWriteSet, Snapshot, StateError, TxId, Version,
    VersionedValue,
};

/// Committed state in memory.
#[derive(Clone, Default)]
struct State(BTreeMap<String, VersionedValue>);

impl Snapshot for State {
    fn block_hash(&self, number: u64) -> Result<[u8; 32], StateError> {
        Ok([number as u8; 32])
    }

    fn height(&self) -> u64 {
        1
    }

    fn get(&self, _: &ContractId, key: &str) -> Result<Option<VersionedValue>, StateError> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(
        &self,
        _: &ContractId,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, VersionedValue)>, StateError> {
        let entries = self
            .0
            .iter()
            .filter(|(key, _)| key.as_str() >= start && (end.is_empty() || key.as_str() < end));
        Ok(entries
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
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

impl State {
    fn apply(&mut self, block: u64, set: &ReadWriteSet) {
        for write in set.contracts.iter().flat_map(|contract| &contract.writes) {
            match &write.value {
                None => drop(self.0.remove(&write.key)),
                Some(value) => {
                    let version = Version { block, tx: 0 };
                    let value = VersionedValue {
                        version,
                        value: value.clone(),
                    };
                    self.0.insert(write.key.clone(), value);
                }
            }
        }
    }
}

fn runtime() -> Runtime {
    Runtime::new(Profile::default()).unwrap()
}

/// The only contract of its channel.
fn install(bytes: &[u8]) -> Arc<Contract> {
    let runtime = runtime();
    let compiled = runtime.compile(bytes).unwrap();
    let linked = runtime.link(
        runtime.profile(),
        [("emr".parse().unwrap(), compiled)].into(),
    );
    Arc::clone(linked.unwrap().values().next().unwrap())
}

fn emr() -> Arc<Contract> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/contracts/emr.wasm"
    );
    let bytes = std::fs::read(path).expect("build the contracts first: make contracts");
    install(&bytes)
}

fn call(contract: &Contract, role: &str, user: &str, state: &State, args: &[&str]) -> Outcome {
    contract
        .call(prepared(role, user, state, &bytes(args)))
        .unwrap()
}

fn bytes(args: &[&str]) -> Vec<Bytes> {
    args.iter()
        .map(|arg| Bytes::copy_from_slice(arg.as_bytes()))
        .collect()
}

fn prepared<'a>(role: &str, user: &str, state: &State, args: &'a [Bytes]) -> Call<'a> {
    Call {
        channel: "providers".parse().unwrap(),
        tx_id: TxId::from_bytes([7; 32]),
        timestamp: (1_700_000_000, 5),
        caller: Arc::new(Caller {
            msp_id: "HospitalMSP".parse().unwrap(),
            subject: format!("CN={user}"),
            unique_id: "id".to_owned(),
            enrollment_id: user.to_owned(),
            attributes: BTreeMap::from([("userRole".to_owned(), role.to_owned())]),
        }),
        transient: BTreeMap::new(),
        args,
        snapshot: Box::new(state.clone()),
        ledgers: Arc::new(NoLedgers),
    }
}

const ANN: &str = r#"{"patientId":"p1","patientName":"Ann","patientBirthdate":"10-03"}"#;

#[test]
fn a_call_gives_an_answer_a_read_write_set_and_events() {
    let contract = emr();
    let mut state = State::default();
    let outcome = call(
        &contract,
        "healthcenter",
        "hc1",
        &state,
        &["HealthCenter:CreateEmr", ANN],
    );
    assert_eq!(outcome.response.status, 200, "{}", outcome.response.message);
    let answer: serde_json::Value = serde_json::from_slice(&outcome.response.payload).unwrap();
    assert_eq!(answer["patientName"], "Ann");
    assert_eq!(answer["organization"], "HospitalMSP");
    assert_eq!(outcome.events.len(), 1);
    assert_eq!(outcome.events[0].name, "EmrCreated");
    let set = &outcome.rw_set.contracts[0];
    assert!(set.reads.iter().all(|read| read.version.is_none()));
    assert_eq!(set.writes.len(), 2);
    state.apply(1, &outcome.rw_set);

    // The same function by every name that means it.
    for name in [
        "HealthCenter:CheckIsPatientRegistered",
        "health-center:check-is-patient-registered",
        "CheckIsPatientRegistered",
    ] {
        let outcome = call(&contract, "healthcenter", "hc1", &state, &[name, "p1"]);
        assert_eq!(outcome.response.payload, "true", "{name}");
        assert!(outcome.rw_set.contracts[0].writes.is_empty());
    }
    let outcome = call(
        &contract,
        "patient",
        "p1",
        &state,
        &["GetMedicalVisitsCount"],
    );
    assert_eq!(outcome.response.payload, "0");
}

#[test]
fn an_observer_sees_every_call_into_the_host_and_what_was_used() {
    let contract = emr();
    let state = State::default();
    let args = bytes(&["HealthCenter:CreateEmr", ANN]);
    let seen = contract
        .observe(prepared("healthcenter", "hc1", &state, &args))
        .unwrap();
    let unseen = contract
        .call(prepared("healthcenter", "hc1", &state, &args))
        .unwrap();
    assert_eq!(seen.outcome.rw_set, unseen.rw_set);
    assert_eq!(
        seen.outcome.fuel, unseen.fuel,
        "being watched costs nothing"
    );

    let set = &seen.outcome.rw_set.contracts[0];
    let subjects = |function: &str| -> Vec<&str> {
        let calls = seen.host_calls.iter();
        let named = calls.filter(|call| call.function == function);
        named.filter_map(|call| call.subject.as_deref()).collect()
    };
    let mut put = subjects("state.put");
    put.sort_unstable();
    let written: Vec<&str> = set.writes.iter().map(|write| write.key.as_str()).collect();
    assert_eq!(put, written);
    assert_eq!(subjects("events.emit"), ["EmrCreated"]);
    let fuel: Vec<u64> = seen.host_calls.iter().map(|call| call.fuel_left).collect();
    assert!(
        fuel.is_sorted_by(|before, after| before > after),
        "{fuel:?}"
    );

    let size = |key: &str, value: &Option<Bytes>| key.len() + value.as_ref().map_or(0, Bytes::len);
    let writes = set
        .writes
        .iter()
        .map(|write| size(&write.key, &write.value));
    assert_eq!(seen.used.write_bytes, writes.sum::<usize>());
    assert!(seen.used.keys >= 2 && seen.used.host_bytes > seen.used.write_bytes);
    assert!(seen.used.memory_bytes >= 64 << 10);
    // What happened before a fault is seen too.
    let trapping = install(&component(r#"(func (export "run") unreachable)"#, ""));
    let args = bytes(&["Run"]);
    let seen = trapping.observe(prepared("r", "u", &state, &args)).unwrap();
    assert_eq!(seen.outcome.response.status, 500);
    assert!(seen.host_calls.is_empty());
}

#[test]
fn the_same_call_gives_the_same_bytes_and_fuel() {
    let (contract, again) = (emr(), emr());
    let state = State::default();
    let args = ["HealthCenter:CreateEmr", ANN];
    let first = call(&contract, "healthcenter", "hc1", &state, &args);
    let threads: Vec<_> = std::thread::scope(|scope| {
        let run = |contract: &'_ Arc<Contract>| {
            let contract = Arc::clone(contract);
            let state = &state;
            scope.spawn(move || {
                (0..20)
                    .map(|_| call(&contract, "healthcenter", "hc1", state, &args))
                    .collect::<Vec<_>>()
            })
        };
        let handles: Vec<_> = [&contract, &contract, &again]
            .map(run)
            .into_iter()
            .collect();
        handles
            .into_iter()
            .flat_map(|handle| handle.join().unwrap())
            .collect()
    });
    assert_eq!(threads.len(), 60);
    for outcome in threads {
        assert_eq!(outcome.response, first.response);
        assert_eq!(outcome.rw_set, first.rw_set);
        assert_eq!(outcome.events, first.events);
        assert_eq!(outcome.fuel, first.fuel);
    }
    assert!(first.fuel > 1_000, "fuel is counted");
}

#[test]
fn refusals_have_their_status_and_change_nothing() {
    let contract = emr();
    let mut state = State::default();
    let created = call(
        &contract,
        "healthcenter",
        "hc1",
        &state,
        &["HealthCenter:CreateEmr", ANN],
    );
    state.apply(1, &created.rw_set);
    let big = format!(
        r#"{{"patientId":"p2","patientName":"{}","patientBirthdate":"x"}}"#,
        "x".repeat(1 << 20)
    );
    for (role, args, status, fragment) in [
        (
            "healthcenter",
            vec!["HealthCenter:CreateEmr", ANN],
            409,
            "already",
        ),
        // Roles are the access policies' business; whose record it is, and who asks, the contract's.
        (
            "patient",
            vec!["Patient:GetEmrByPatientId", "p1"],
            403,
            "Patients may read their own record only.",
        ),
        (
            "healthcenter",
            vec!["Records:GetEmr", "p1"],
            403,
            "Only the contract \"sharing\" of this channel may ask for this.",
        ),
        (
            "physician",
            vec!["Physician:GetEmrByPatientId", "p9"],
            404,
            "",
        ),
        (
            "healthcenter",
            vec!["HealthCenter:DeleteEmr", "p1"],
            404,
            "there is no function HealthCenter:DeleteEmr; there are HealthCenter:CheckIsPatientRegistered",
        ),
        (
            "physician",
            vec!["GetEmrByPatientId", "p1"],
            404,
            "several interfaces",
        ),
        (
            "healthcenter",
            vec!["HealthCenter:CreateEmr"],
            400,
            "takes 1 argument(s) (emr), not 0",
        ),
        (
            "healthcenter",
            vec!["HealthCenter:CreateEmr", ANN, "x"],
            400,
            "takes 1 argument(s) (emr), not 2",
        ),
        (
            "healthcenter",
            vec!["HealthCenter:CreateEmr", "{"],
            400,
            "emr: malformed JSON at line 1 column 1",
        ),
        (
            "healthcenter",
            vec!["HealthCenter:CreateEmr", r#"{"patientId":"p2"}"#],
            400,
            "emr.patientName: missing field",
        ),
        (
            "healthcenter",
            vec!["HealthCenter:CreateEmr", r#"{"patientId":2}"#],
            400,
            "emr.patientId: expected a text, found a number",
        ),
        (
            "healthcenter",
            vec!["HealthCenter:CreateEmr", r#"{"patient":"2"}"#],
            400,
            "emr.patient: unknown field",
        ),
        (
            "healthcenter",
            vec!["HealthCenter:CreateEmr", &big],
            400,
            "at most 524288 are allowed",
        ),
        ("healthcenter", vec![], 400, "must name a function"),
    ] {
        let outcome = call(&contract, role, "x", &state, &args);
        let message = &outcome.response.message;
        assert_eq!(outcome.response.status, status, "{message}");
        assert!(message.contains(fragment), "{message}");
        assert!(outcome.rw_set.contracts.is_empty() && outcome.events.is_empty());
        assert!(outcome.response.payload.is_empty());
    }
}

#[test]
fn a_contract_describes_itself_with_the_docs_of_its_wit() {
    let contract = emr();
    let outcome = call(
        &contract,
        "nobody",
        "x",
        &State::default(),
        &["org.hyperledger.fabric:GetMetadata"],
    );
    let metadata: serde_json::Value = serde_json::from_slice(&outcome.response.payload).unwrap();
    let transactions = metadata["contracts"]["HealthCenter"]["transactions"]
        .as_array()
        .unwrap();
    let create = transactions
        .iter()
        .find(|t| t["name"] == "CreateEmr")
        .unwrap();
    assert!(
        create["description"].as_str().unwrap().contains("record"),
        "{create}"
    );
    let schema = &create["parameters"][0]["schema"];
    assert_eq!(
        schema["required"],
        serde_json::json!(["patientId", "patientName", "patientBirthdate"])
    );
    assert_eq!(schema["additionalProperties"], false);
    assert!(
        schema["properties"]["patientId"]["description"].is_string(),
        "{schema}"
    );
    assert_eq!(create["returns"]["properties"]["notes"]["type"], "array");
    let note = &metadata["contracts"]["Physician"]["transactions"];
    assert_eq!(note.as_array().unwrap().len(), 3);
}

/// A component with one core function under the exported name `run`.
fn component(core: &str, imports: &str) -> Vec<u8> {
    let text = format!(
        r#"(component {imports}
            (core module $m {core})
            (core instance $i (instantiate $m))
            (func $run (canon lift (core func $i "run")))
            (export "run" (func $run)))"#
    );
    wat::parse_str(text).unwrap()
}

fn fault(core: &str) -> String {
    let contract = install(&component(core, ""));
    let outcome = call(&contract, "r", "u", &State::default(), &["Run"]);
    assert_eq!(outcome.response.status, 500);
    assert!(outcome.rw_set.contracts.is_empty());
    outcome.response.message
}

#[test]
fn faults_have_one_name_each() {
    for (core, expected) in [
        (
            r#"(func (export "run") (loop (br 0)))"#,
            "the contract ran out of fuel",
        ),
        (
            r#"(func (export "run") unreachable)"#,
            "the contract trapped",
        ),
        (
            r#"(func $f (export "run") (call $f))"#,
            "the contract exhausted its call stack",
        ),
        (
            r#"(func (export "run") (drop (i32.div_s (i32.const 1) (i32.const 0))))"#,
            "the contract trapped",
        ),
        (
            r#"(memory 1) (func (export "run") (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable)"#,
            "the contract trapped",
        ),
        // A start function is part of the call.
        (
            r#"(func $start (loop (br 0))) (start $start) (func (export "run"))"#,
            "the contract ran out of fuel",
        ),
        (
            r#"(func $start unreachable) (start $start) (func (export "run"))"#,
            "the contract trapped",
        ),
    ] {
        assert_eq!(fault(core), expected, "{core}");
    }
}

#[test]
fn a_module_may_have_as_many_tables_as_the_profile_says() {
    let tables = |count: u32| {
        let tables = "(table 1 funcref)".repeat(count as usize);
        component(&format!(r#"{tables} (func (export "run"))"#), "")
    };
    let max = Profile::default().tables_max;
    install(&tables(max));
    assert!(runtime().compile(&tables(max + 1)).is_err());
}

#[test]
fn install_refuses_by_name() {
    let run = r#"(func (export "run"))"#;
    let wasi = r#"(import "wasi:clocks/monotonic-clock@0.2.0" (instance (export "now" (func (result u64)))))"#;
    let other = r#"(import "cordon:contract/state@2.0.0" (instance))"#;
    for (bytes, expected) in [
        (
            component(run, wasi),
            "imports wasi:clocks/monotonic-clock@0.2.0",
        ),
        (component(run, other), "imports cordon:contract/state@2.0.0"),
        (
            wat::parse_str("(component)").unwrap(),
            "exports no function",
        ),
        (
            wat::parse_str("(module)").unwrap(),
            "not an acceptable component",
        ),
        (b"\0asm junk".to_vec(), "not an acceptable component"),
        (vec![0; (4 << 20) + 1], "at most 4194304 are allowed"),
    ] {
        let error: InstallError = runtime().compile(&bytes).err().expect("must be refused");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let result = r#"(component
        (core module $m (func (export "run") (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (export "run" (func $run)))"#;
    let error = runtime().compile(&wat::parse_str(result).unwrap()).err();
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(
        text.contains("run cannot be called: a result's error must be"),
        "{text}"
    );
}

/// `sharing` and `emr` both have an interface `health-center`, and `sharing` carries both packages'
/// documentation.
#[test]
fn documentation_is_that_of_the_contracts_own_interfaces() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/contracts/sharing.wasm"
    );
    let bytes = std::fs::read(path).expect("build the contracts first: make contracts");
    let compiled = runtime().compile(&bytes).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(compiled.metadata()).unwrap();
    for (interface, described) in metadata["contracts"].as_object().unwrap() {
        let info = described["info"]["description"].as_str().unwrap();
        assert!(!info.contains("who open records"), "{interface}: {info}");
        for function in described["transactions"].as_array().unwrap() {
            let text = function["description"].as_str();
            assert!(text.is_some_and(|text| !text.is_empty()), "{function}");
        }
    }
    assert!(
        compiled
            .imports()
            .contains(&"cordon:emr/records@1.0.0".to_owned())
    );
}
