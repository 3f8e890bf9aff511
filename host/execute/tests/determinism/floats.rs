//! Every operation on floats, over the values that matter, with the bits that come out in the state.

mod operations;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cordon_execute::{Compiler, Profile, Runtime, fingerprint};

use crate::engines::{COMPILERS, Everywhere, Proposal, link, profile_of};
use crate::guest::{Guest, KEEP};
use crate::random::Tally;
use crate::seen::Seen;
use operations::{ARITHMETIC, F32, OTHERS, Operation, bytes_of, code, f64_values, values};

/// Not operations: ways that a float goes through code, on which its bits must stay.
const WAYS: [(&str, &str); 4] = [
    ("local", "(local.set $x) (local.get $x)"),
    ("global", "(global.set $g) (global.get $g)"),
    ("call", "(call $same)"),
    (
        "select",
        "(local.tee $x) (local.get $x) (i32.const 1) (select)",
    ),
];

/// Where the values lie, by 4 bytes and by 8.
const F32_AT: usize = 0x100;
const F64_AT: usize = 0x800;
/// Where results are collected.
const RESULTS: usize = 0x1000;

fn data() -> String {
    let text = |bytes: Vec<u8>| {
        bytes
            .iter()
            .fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"))
    };
    let f32s = text(F32.iter().flat_map(|bits| bits.to_le_bytes()).collect());
    let f64s = text(
        f64_values()
            .iter()
            .flat_map(|bits| bits.to_le_bytes())
            .collect(),
    );
    format!(r#"(data (i32.const {F32_AT}) "{f32s}") (data (i32.const {F64_AT}) "{f64s}")"#)
}

/// Loads the operand whose address is in a local.
fn load(ty: &str, local: &str) -> String {
    format!("({ty}.load (local.get {local}))")
}

/// `for local in addresses of the values { body }`
fn each(ty: &str, local: &str, body: &str) -> String {
    let start = if bytes_of(ty) == 4 { F32_AT } else { F64_AT };
    let end = start + values(ty).len() * bytes_of(ty);
    let step = bytes_of(ty);
    format!(
        "(local.set {local} (i32.const {start}))
        (loop {body}
            (local.set {local} (i32.add (local.get {local}) (i32.const {step})))
            (br_if 0 (i32.lt_u (local.get {local}) (i32.const {end}))))"
    )
}

/// A function that collects what `code` leaves for all operands, under a key of one letter.
fn function(index: usize, operands: &[&str], result: &str, code: &str) -> String {
    let store = |value: String| {
        let step = bytes_of(result);
        format!(
            "({result}.store (local.get $out) {value})
            (local.set $out (i32.add (local.get $out) (i32.const {step})))"
        )
    };
    let (first, x) = (operands[0], operands[0]);
    let value = match operands {
        [_] => format!("{} {code}", load(first, "$i")),
        _ => format!("{} {} {code}", load(first, "$i"), load(first, "$j")),
    };
    // Folded and flat code do not mix in an operand: a block stands around it.
    let body = store(format!("(block (result {result}) {value})"));
    let body = match operands {
        [_] => each(first, "$i", &body),
        _ => each(first, "$i", &each(first, "$j", &body)),
    };
    format!(
        "(func $o{index} (local $i i32) (local $j i32) (local $out i32) (local $x {x})
            (local.set $out (i32.const {RESULTS}))
            {body}
            (call $keep (i32.const {index}) (i32.const {RESULTS})
                (i32.sub (local.get $out) (i32.const {RESULTS}))))"
    )
}

/// A constant with these bits.
fn constant(ty: &str, bits: u64) -> String {
    match ty {
        "f32" => format!("(f32.reinterpret_i32 (i32.const {}))", bits as u32),
        "f64" => format!("(f64.reinterpret_i64 (i64.const {bits}))"),
        "i32" => format!("(i32.const {})", bits as u32),
        _ => format!("(i64.const {bits})"),
    }
}

/// The same with constants, on which a compiler may compute itself: every operand with itself, its
/// neighbour and one.
fn folded(index: usize, operation: &Operation) -> String {
    let Operation {
        operands, result, ..
    } = operation;
    let (code, x) = (code(operation), operands[0]);
    let values = values(operands[0]);
    let mut stores = String::new();
    let mut at = RESULTS;
    for (place, bits) in values.iter().enumerate() {
        let others: &[u64] = match operands {
            [_] => &[0],
            _ => &[*bits, values[(place + 1) % values.len()], values[2]],
        };
        for other in others {
            let first = constant(operands[0], *bits);
            let second = match operands {
                [_] => String::new(),
                _ => constant(operands[0], *other),
            };
            let value = format!("(block (result {result}) {first} {second} {code})");
            write!(stores, "({result}.store (i32.const {at}) {value})").unwrap();
            at += bytes_of(result);
        }
    }
    let len = at - RESULTS;
    format!(
        "(func $o{index} (local $x {x}) {stores} (call $keep (i32.const {index}) (i32.const {RESULTS}) (i32.const {len})))"
    )
}

fn guest(functions: Vec<String>) -> Vec<u8> {
    let calls = (0..functions.len()).fold(String::new(), |calls, index| {
        calls + &format!("(call $o{index})")
    });
    let core = format!(
        r#"{KEEP} {data} {functions}
        (func (export "run") (param i32 i32 i32) (result i32) {calls} (i32.const 0))"#,
        data = data(),
        functions = functions.concat(),
    );
    Guest {
        core: &core,
        ..Guest::default()
    }
    .component()
}

fn operations() -> impl Iterator<Item = (usize, Operation)> {
    ARITHMETIC.into_iter().chain(OTHERS).enumerate()
}

fn computed() -> Vec<u8> {
    let function = |(index, operation): (usize, Operation)| {
        let Operation {
            operands, result, ..
        } = operation;
        function(index, operands, result, &code(&operation))
    };
    guest(operations().map(function).collect())
}

fn known() -> Vec<u8> {
    guest(
        operations()
            .map(|(index, operation)| folded(index, &operation))
            .collect(),
    )
}

fn ways(ty: &str) -> Vec<u8> {
    let mut functions: Vec<String> = WAYS
        .iter()
        .enumerate()
        .map(|(index, (_, code))| function(index, &[ty], ty, code))
        .collect();
    // Fields, which need no call.
    functions[0] += &format!(
        "(global $g (mut {ty}) ({ty}.const 0)) (func $same (param {ty}) (result {ty}) (local.get 0))"
    );
    guest(functions)
}

fn proposal() -> Proposal {
    Proposal::new(&["Run", "0", ""])
}

/// What was written, by the index of what wrote it.
fn written(seen: &Seen) -> BTreeMap<usize, Vec<u64>> {
    assert_eq!(seen.status, 200, "{seen:?}");
    let writes = &seen.rw_set.contracts[0].writes;
    let result = |index: usize| operations().nth(index).unwrap().1.result;
    let numbers = writes.iter().map(|write| {
        let index = usize::from(write.key.as_bytes()[0]);
        let value = write.value.as_ref().unwrap();
        let numbers = value.chunks(bytes_of(result(index))).map(|chunk| {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(bytes)
        });
        (index, numbers.collect())
    });
    numbers.collect()
}

fn is_nan(ty: &str, bits: u64) -> bool {
    match ty {
        "f32" => f32::from_bits(bits as u32).is_nan(),
        "f64" => f64::from_bits(bits).is_nan(),
        _ => false,
    }
}

fn canonical(ty: &str) -> u64 {
    match ty {
        "f32" => 0x7fc0_0000,
        _ => 0x7ff8_0000_0000_0000,
    }
}

#[test]
fn every_operation_on_floats_gives_the_same_bits_on_every_engine() {
    for (what, component) in [("computed", computed()), ("constant", known())] {
        let everywhere = Everywhere::of(&component);
        let seen = everywhere.see(&proposal(), &mut Tally::default(), &what);
        let written = written(&seen);
        assert_eq!(written.len(), ARITHMETIC.len() + OTHERS.len());
        let mut nans = 0;
        for (index, operation) in ARITHMETIC.iter().enumerate() {
            for bits in &written[&index] {
                if is_nan(operation.result, *bits) {
                    nans += 1;
                    let name = operation.name;
                    assert_eq!(
                        *bits,
                        canonical(operation.result),
                        "{what} {name}: {bits:x}"
                    );
                }
            }
        }
        let results: usize = written.values().map(Vec::len).sum();
        println!("{what}: {results} results, {nans} NaNs made");
        assert!(nans > 200, "{what}: {nans}");
    }
}

/// Where nothing is computed, a NaN keeps its payload, on its way into the state too.
#[test]
fn a_nan_that_is_only_moved_keeps_its_bits() {
    for ty in ["f32", "f64"] {
        let everywhere = Everywhere::of(&ways(ty));
        let seen = everywhere.see(&proposal(), &mut Tally::default(), &ty);
        assert_eq!(seen.status, 200, "{seen:?}");
        let expected: Vec<u8> = values(ty)
            .iter()
            .flat_map(|bits| bits.to_le_bytes()[..bytes_of(ty)].to_vec())
            .collect();
        let writes = &seen.rw_set.contracts[0].writes;
        assert_eq!(writes.len(), WAYS.len());
        for (write, (way, _)) in writes.iter().zip(WAYS) {
            assert!(*write.value.as_ref().unwrap() == expected, "{ty} {way}");
        }
    }
}

/// The setting is needed, and hosts without it are others.
#[test]
fn without_canonical_nans_engines_differ() {
    let without = |compiler| Profile {
        nan_canonical: false,
        ..profile_of(compiler)
    };
    let print = |profile: Profile| fingerprint(&profile.settings());
    assert_ne!(
        print(without(Compiler::Cranelift)),
        print(profile_of(Compiler::Cranelift))
    );
    let mut all = Vec::new();
    for compiler in COMPILERS {
        let runtime = Runtime::new(without(compiler)).unwrap();
        for component in [computed(), known()] {
            let channels = link(&runtime, |_| (), &[("here", "c", &component)]).unwrap();
            all.push((compiler, written(&proposal().run(&channels))));
        }
    }
    let kinds = ["computed", "constant"];
    let mut differ = 0;
    for (kind, what) in kinds.iter().enumerate() {
        let of_kind = |at: usize| &all[2 * at + kind];
        for at in 1..COMPILERS.len() {
            let ((_, first), (compiler, found)) = (of_kind(0), of_kind(at));
            let names: Vec<&str> = operations()
                .filter(|(index, _)| first[index] != found[index])
                .map(|(_, operation)| operation.name)
                .collect();
            println!("{what}: Cranelift and {compiler:?} differ in {names:?}");
            differ += names.len();
        }
    }
    assert!(differ > 0);
}
