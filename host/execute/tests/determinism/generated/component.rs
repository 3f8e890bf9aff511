//! A component around a generated module: what the module may import of the host, who calls it, and
//! how everything that it leaves behind becomes visible.
//!
//! Core modules, in this order: `mem` (the only memory, and what allocates in it), `guard` (stands
//! between the generated code and the host), `gen`, and `main`, whose `run` calls all that `gen`
//! exports and then writes results, globals, the table and the whole memory into the state.

use std::fmt::Write as _;
use std::ops::Range;

use wasm_encoder::Encode as _;

use crate::guest::{WIT, lowered};
use crate::random::Random;

/// Where texts of keys lie; generated code may write there, so they are made before each use.
const KEYS: u32 = 0x1_0000;
/// Where the host puts its answers.
const ANSWERS: u32 = 0x1_0100;
/// Where `main` collects what it saw, 512 bytes.
const RESULTS: u32 = 0x1_0200;
const RESULTS_BYTES: u32 = 512;
/// Where answers of the host get room, to the end of the second page.
const ROOM: u32 = 0x1_1000;
/// Loops and functions that may begin in a call of an export; the code may change it on its way.
const LEFT: u32 = 300;

/// What stands at one or two places of a host function's core signature.
#[derive(Clone, Copy)]
enum Place {
    Key,
    Slice(u32),
    Number(u32),
    Wide,
    Answer,
}

use Place::{Answer, Key, Number, Slice, Wide};

/// The host's functions, and their core signatures.
const HOST: [(&str, &[Place]); 13] = [
    ("channel", &[Answer]),
    ("transaction-id", &[Answer]),
    ("timestamp", &[Answer]),
    ("caller", &[Answer]),
    ("attribute", &[Key, Answer]),
    ("transient", &[Key, Answer]),
    ("calling-contract", &[Answer]),
    ("get", &[Key, Answer]),
    ("put", &[Key, Slice(0xff), Answer]),
    ("delete", &[Key, Answer]),
    (
        "scan",
        &[Number(1), Key, Key, Number(15), Number(1), Key, Answer],
    ),
    (
        "history",
        &[Key, Number(15), Number(1), Wide, Number(3), Answer],
    ),
    ("emit", &[Key, Slice(0x3f), Answer]),
];

impl Place {
    fn types(self) -> &'static str {
        match self {
            Key | Slice(_) => "i32 i32 ",
            Number(_) | Answer => "i32 ",
            Wide => "i64 ",
        }
    }
}

fn signature(places: &[Place]) -> String {
    let types: String = places.iter().map(|place| place.types()).collect();
    format!("(param {types})")
}

/// The signature by which generated code sees a host function.
fn offered(places: &[Place], guarded: bool) -> String {
    if guarded {
        "(param i32)".to_owned()
    } else {
        signature(places)
    }
}

/// Parameters and results of the functions that generated modules export.
const EXPORTS: [(&[&str], &[&str]); 8] = [
    (&["i32"], &["i32"]),
    (&["i32", "i32"], &["i64"]),
    (&["f64"], &["f64"]),
    (&["f32", "f32"], &["f32"]),
    (&["i64", "f64", "i32"], &["f64", "i32"]),
    (&[], &["i32", "i64", "f32", "f64"]),
    (&["i32", "i32", "i32"], &[]),
    (&["f32"], &["f64", "f32"]),
];

const GLOBALS: [&str; 4] = ["i32", "i64", "f32", "f64"];

/// What a generated module imports and exports.
pub(super) struct Shape {
    /// Indices of [`HOST`].
    imports: Vec<usize>,
    /// Indices of [`EXPORTS`].
    exports: Vec<usize>,
    /// Whether a guard makes arguments that the host accepts; without, most calls into it trap.
    guarded: bool,
}

impl Shape {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            imports: (0..HOST.len()).filter(|_| random.once_in(2)).collect(),
            exports: (0..3 + random.below(3))
                .map(|_| random.below(EXPORTS.len()))
                .collect(),
            guarded: !random.once_in(8),
        }
    }

    /// The shape as a module that does nothing.
    pub(super) fn text(&self) -> String {
        let left = r#"(import "m" "left" (global (mut i32)))"#;
        let mut text = format!(r#"(module {left} (import "m" "memory" (memory 2 4))"#);
        for index in &self.imports {
            let (name, places) = HOST[*index];
            let signature = offered(places, self.guarded);
            write!(text, r#"(import "h" "{name}" (func {signature}))"#).unwrap();
        }
        for (index, export) in self.exports.iter().enumerate() {
            let (params, results) = EXPORTS[*export];
            let (params, results) = (params.join(" "), results.join(" "));
            write!(
                text,
                r#"(func (export "f{index}") (param {params}) (result {results}) unreachable)"#
            )
            .unwrap();
        }
        for (index, ty) in GLOBALS.iter().enumerate() {
            write!(
                text,
                r#"(global (export "g{index}") (mut {ty}) ({ty}.const 0))"#
            )
            .unwrap();
        }
        text + r#"(table (export "t") 6 20 funcref))"#
    }

    /// The component with `module` in it.
    pub(super) fn component(&self, module: &[u8], random: &mut Random) -> Vec<u8> {
        let answer = random.below(4);
        let lowered = lowered();
        let (result, lifted) = match answer {
            0 => ("f64", "f64"),
            1 => ("i64", "u64"),
            _ => ("i32", "(result (list u8) (error $error))"),
        };
        let text = format!(
            r#"(component
                {WIT}
                (core module $mem {MEM})
                (core module $guard {guard})
                (core module $gen {gen})
                (core module $main {main})
                (core instance $m (instantiate $mem))
                {lowered}
                (core instance $h (instantiate $guard
                    (with "m" (instance $m)) (with "l" (instance $l))))
                (core instance $g (instantiate $gen
                    (with "m" (instance $m)) (with "h" (instance $h))))
                (core instance $i (instantiate $main
                    (with "m" (instance $m)) (with "l" (instance $l)) (with "g" (instance $g))))
                (func $run (param "a" u32) (param "b" f64) (param "s" string) (result {lifted})
                    (canon lift (core func $i "run") (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))
                (export "run" (func $run)))"#,
            guard = guard(self.guarded),
            gen = inner(&self.text()),
            main = self.main(result),
        );
        splice(&wat::parse_str(&text).unwrap(), 2, module)
    }

    /// Calls every export twice, and then shows what is left.
    fn main(&self, result: &str) -> String {
        let mut imports = String::new();
        let mut locals = String::new();
        let mut body = String::new();
        let (mut taken, mut slot) = (0, 0);
        for round in 0..2 {
            for (index, export) in self.exports.iter().enumerate() {
                let (params, results) = EXPORTS[*export];
                if round == 0 {
                    let (params, results) = (params.join(" "), results.join(" "));
                    write!(
                        imports,
                        r#"(import "g" "f{index}" (func $f{index} (param {params}) (result {results})))"#
                    )
                    .unwrap();
                }
                for ty in params {
                    body += &argument(ty, taken);
                    taken += 1;
                }
                write!(
                    body,
                    "(global.set $left (i32.const {LEFT}))(call $f{index})"
                )
                .unwrap();
                for (place, ty) in results.iter().enumerate().rev() {
                    let local = format!("$r{round}_{index}_{place}");
                    write!(locals, "(local {local} {ty})").unwrap();
                    write!(body, "(local.set {local})").unwrap();
                }
                for (place, ty) in results.iter().enumerate() {
                    let at = RESULTS + 8 * slot;
                    slot += 1;
                    let local = format!("$r{round}_{index}_{place}");
                    write!(body, "({ty}.store (i32.const {at}) (local.get {local}))").unwrap();
                }
            }
        }
        assert!(8 * slot < 0x180, "results overlap");
        for (index, ty) in GLOBALS.iter().enumerate() {
            write!(
                imports,
                r#"(import "g" "g{index}" (global $g{index} (mut {ty})))"#
            )
            .unwrap();
            let at = RESULTS + 0x180 + 8 * index as u32;
            write!(body, "({ty}.store (i32.const {at}) (global.get $g{index}))").unwrap();
        }
        for index in 0..6 {
            let at = RESULTS + 0x1c0 + index;
            write!(
                body,
                "(i32.store8 (i32.const {at}) (ref.is_null (table.get $t (i32.const {index}))))"
            )
            .unwrap();
        }
        let at = RESULTS + 0x1d0;
        write!(body, "(i32.store (i32.const {at}) (table.size $t))").unwrap();
        body += &write_state("results", &format!("{RESULTS}"), RESULTS_BYTES);
        for page in 0..4 {
            let put = write_state(&format!("page{page}"), &format!("{}", page << 16), 1 << 16);
            write!(
                body,
                "(if (i32.gt_u (memory.size) (i32.const {page})) (then {put}))"
            )
            .unwrap();
        }
        let answer = match result {
            "i32" => answer(),
            ty => format!("({ty}.load (i32.const {RESULTS}))"),
        };
        format!(
            r#"(import "m" "memory" (memory 2 4))
            (import "m" "left" (global $left (mut i32)))
            (import "l" "put" (func $put (param i32 i32 i32 i32 i32)))
            {imports}
            (import "g" "t" (table $t 6 20 funcref))
            (func (export "run") (param $a i32) (param $b f64) (param $s i32) (param $l i32)
                (result {result}) {locals} {body} {answer})"#
        )
    }
}

/// One of the values that `run` has, as this type.
fn argument(ty: &str, taken: usize) -> String {
    let choices: &[&str] = match ty {
        "i32" => &[
            "(local.get $a)",
            "(local.get $s)",
            "(local.get $l)",
            "(i32.const 77)",
        ],
        "i64" => &[
            "(i64.reinterpret_f64 (local.get $b))",
            "(i64.mul (i64.extend_i32_u (local.get $a)) (i64.const 0x9e3779b97f4a7c15))",
        ],
        "f32" => &[
            "(f32.reinterpret_i32 (local.get $a))",
            "(f32.demote_f64 (local.get $b))",
        ],
        _ => &[
            "(local.get $b)",
            "(f64.promote_f32 (f32.reinterpret_i32 (local.get $a)))",
        ],
    };
    choices[taken % choices.len()].to_owned()
}

/// Puts bytes of the memory under a key of at most eight letters.
fn write_state(key: &str, from: &str, len: u32) -> String {
    let mut letters = [0; 8];
    letters[..key.len()].copy_from_slice(key.as_bytes());
    let letters = u64::from_le_bytes(letters);
    let key_len = key.len();
    format!(
        "(i64.store (i32.const {KEYS}) (i64.const {letters}))
        (call $put (i32.const {KEYS}) (i32.const {key_len}) (i32.const {from}) (i32.const {len})
            (i32.const {ANSWERS}))"
    )
}

/// The results, or by one in sixteen of them a refusal.
fn answer() -> String {
    let at = ANSWERS;
    format!(
        "(if (i32.eq (i32.and (i32.load (i32.const {RESULTS})) (i32.const 15)) (i32.const 1))
            (then
                (i32.store (i32.const {KEYS}) (i32.const 0x6f6e))
                (i64.store (i32.const {at}) (i64.const 0x0000000300000001))
                (i32.store (i32.const {at_8}) (i32.const {KEYS}))
                (i32.store (i32.const {at_12}) (i32.const 2)))
            (else
                (i64.store (i32.const {at}) (i64.extend_i32_u (i32.const 0)))
                (i32.store (i32.const {at_4}) (i32.const {RESULTS}))
                (i32.store (i32.const {at_8}) (i32.const {RESULTS_BYTES}))))
        (i32.const {at})",
        at_4 = at + 4,
        at_8 = at + 8,
        at_12 = at + 12,
    )
}

/// Offers the host's functions, by their own core signatures, or by one number of which arguments are
/// made that can be.
fn guard(guarded: bool) -> String {
    let mut imports = r#"(import "m" "memory" (memory 2 4))"#.to_owned();
    let mut functions = String::new();
    for (name, places) in HOST {
        let (lowered, offered) = (signature(places), offered(places, guarded));
        write!(imports, r#"(import "l" "{name}" (func ${name} {lowered}))"#).unwrap();
        let (mut before, mut arguments) = (String::new(), String::new());
        let mut key = KEYS;
        for (index, place) in places.iter().enumerate() {
            let number = format!("(i32.rotr (local.get 0) (i32.const {}))", 5 * index);
            arguments += &match place {
                Key => {
                    key += 8;
                    // `k0` to `k7`, and sometimes no key at all.
                    write!(
                        before,
                        "(i32.store16 (i32.const {key}) (i32.add (i32.const 0x306b)
                            (i32.shl (i32.and {number} (i32.const 7)) (i32.const 8))))"
                    )
                    .unwrap();
                    format!(
                        "(i32.const {key}) (select (i32.const 0) (i32.const 2)
                            (i32.eq (i32.and {number} (i32.const 31)) (i32.const 31)))"
                    )
                }
                Slice(max) => format!(
                    "(i32.and {number} (i32.const 0xffff))
                    (i32.and (i32.shr_u {number} (i32.const 9)) (i32.const {max}))"
                ),
                Number(max) => format!("(i32.and {number} (i32.const {max}))"),
                Wide => format!("(i64.extend_i32_u (i32.and {number} (i32.const 7)))"),
                Answer => format!(
                    "(i32.add (i32.const {ANSWERS})
                        (i32.shl (i32.and {number} (i32.const 3)) (i32.const 6)))"
                ),
            };
        }
        if !guarded {
            let types: String = places.iter().map(|place| place.types()).collect();
            let count = types.split_whitespace().count();
            let all = (0..count).map(|index| format!("(local.get {index})"));
            (before, arguments) = (String::new(), all.collect());
        }
        write!(
            functions,
            r#"(func (export "{name}") {offered} {before} (call ${name} {arguments}))"#
        )
        .unwrap();
    }
    imports + &functions
}

/// What stands between the brackets of `(module …)`.
fn inner(module: &str) -> &str {
    module
        .strip_prefix("(module ")
        .and_then(|text| text.strip_suffix(')'))
        .unwrap()
}

/// Puts `module` where the core module of that index stands.
fn splice(component: &[u8], index: usize, module: &[u8]) -> Vec<u8> {
    let ranges = wasmparser::Parser::new(0).parse_all(component);
    let mut ranges = ranges.filter_map(|payload| match payload.unwrap() {
        wasmparser::Payload::ModuleSection {
            unchecked_range, ..
        } => Some(unchecked_range),
        _ => None,
    });
    let Range { start, end } = ranges.nth(index).unwrap();
    let mut length = Vec::new();
    ((end - start) as u32).encode(&mut length);
    let mut out = component[..start - length.len()].to_vec();
    module.encode(&mut out);
    out.extend_from_slice(&component[end..]);
    out
}

/// The only memory, and what hands out room in it: when the room is used up, from its start again.
const MEM: &str = r#"
    (memory (export "memory") 2 4)
    (global (export "left") (mut i32) (i32.const 200))
    (global $next (mut i32) (i32.const 0x11000))
    (func (export "realloc") (param i32 i32 i32) (param $len i32) (result i32) (local $at i32)
        (if (i32.gt_u (local.get $len) (i32.const 0xe000)) (then unreachable))
        (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
        (if (i32.gt_u (i32.add (local.get $at) (local.get $len)) (i32.const 0x20000))
            (then (local.set $at (i32.const 0x11000))))
        (global.set $next (i32.add (local.get $at) (local.get $len)))
        (local.get $at))"#;
const _: () = assert!(ROOM == 0x11000);
