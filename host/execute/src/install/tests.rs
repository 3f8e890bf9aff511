use proptest::prelude::*;

use super::*;

/// Limits so small that small components exceed them.
fn small() -> Profile {
    Profile {
        component_bytes_max: 20_000,
        parts_max: 2,
        types_max: 3,
        functions_max: 3,
        definitions_max: 6,
        segments_max: 2,
        custom_bytes_max: 10,
        function_bytes_max: 40,
        parameters_max: 3,
        locals_max: 4,
        nesting_max: 3,
        branch_targets_max: 4,
        ..Profile::default()
    }
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {text})")).unwrap()
}

fn module(text: &str) -> Vec<u8> {
    component(&format!("(core module {text})"))
}

fn refusal(bytes: &[u8], profile: &Profile) -> String {
    check(bytes, profile).unwrap_err().to_string()
}

#[test]
fn too_much_of_anything_is_refused_by_its_name() {
    let func = "(func)";
    for (bytes, expected) in [
        (vec![0; 20_001], "20001 bytes; at most 20000 are allowed"),
        (
            component("(core module) (core module) (core module)"),
            "3 modules and components inside; at most 2",
        ),
        (
            component("(component (component (core module)))"),
            "3 modules and components inside; at most 2",
        ),
        (
            module(
                "(type (func)) (type (func (param i32))) (type (func (param i64))) (type (func (param f32)))",
            ),
            "4 types; at most 3",
        ),
        (
            component("(type (list u8)) (type (list u16)) (type (list u32)) (type (list u64))"),
            "4 types; at most 3",
        ),
        (module(&func.repeat(4)), "4 functions; at most 3"),
        (
            module(r#"(import "a" "a" (func)) (import "a" "b" (func)) (func) (func)"#),
            "4 functions; at most 3",
        ),
        // In two modules together.
        (
            component(&format!(
                "(core module {0}) (core module {0})",
                func.repeat(2)
            )),
            "4 functions; at most 3",
        ),
        (
            module(&"(global i32 (i32.const 0))".repeat(7)),
            "7 imports, exports, instances, aliases, globals, tables and memories; at most 6",
        ),
        (
            module(
                &(0..7)
                    .map(|n| format!(r#"(export "{n}" (func $f))"#))
                    .chain(["(func $f)".to_owned()])
                    .collect::<String>(),
            ),
            "7 imports, exports, instances, aliases, globals, tables and memories; at most 6",
        ),
        (
            module(&format!(
                "(memory 1) {}",
                r#"(data (i32.const 0) "x")"#.repeat(3)
            )),
            "3 data and element segments; at most 2",
        ),
        (
            module(&format!("(table 1 funcref) {}", "(elem func)".repeat(3))),
            "3 data and element segments; at most 2",
        ),
        (
            module(r#"(@custom "note" "eleven bytes")"#),
            "12 bytes of custom sections; at most 10",
        ),
        (
            module("(func (param i32 i32) (result i32 i32) unreachable)"),
            "4 parameters and results of one function; at most 3",
        ),
        (
            module(&format!("(func {})", "nop ".repeat(60))),
            "bytes in one function; at most 40",
        ),
        // Six gigabytes of locals in ten bytes of code, as a tool would not write them.
        (
            locals(&[(800_000_000, 0x7e)]),
            "800000000 locals in one function; at most 4",
        ),
        (
            locals(&[(3, 0x7f), (3, 0x7e)]),
            "6 locals in one function; at most 4",
        ),
        (
            module("(func (block (loop (block (if (i32.const 1) (then))))))"),
            "4 blocks in one another; at most 3",
        ),
        (
            module("(func (block (br_table 0 0 0 0 0 0 (i32.const 1))))"),
            "5 targets of one branch table; at most 4",
        ),
    ] {
        let text = refusal(&bytes, &small());
        assert!(text.contains(expected), "{text} does not say {expected}");
    }
}

/// A module with a function that has so many locals of such types.
fn locals(groups: &[(u32, u8)]) -> Vec<u8> {
    let leb = |mut number: u32| {
        let mut bytes = Vec::new();
        loop {
            let low = (number & 0x7f) as u8;
            number >>= 7;
            if number == 0 {
                bytes.push(low);
                return bytes;
            }
            bytes.push(low | 0x80);
        }
    };
    let section =
        |id: u8, content: Vec<u8>| [vec![id], leb(content.len() as u32), content].concat();
    let mut body = leb(groups.len() as u32);
    for (count, ty) in groups {
        body.extend(leb(*count));
        body.push(*ty);
    }
    body.push(0x0b);
    let code = [vec![1], leb(body.len() as u32), body].concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, vec![1, 0x60, 0, 0]),
        section(3, vec![1, 0]),
        section(10, code),
    ]
    .concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module)].concat()
}

#[test]
fn what_a_profile_does_not_name_is_refused_as_what_it_is() {
    for (text, expected) in [
        ("(func (param v128))", "SIMD support is not enabled"),
        (
            "(func (result v128) (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))",
            "SIMD support is not enabled",
        ),
        ("(memory 1 1 shared)", "threads must be enabled"),
        (
            "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
            "threads support is not enabled",
        ),
        ("(memory i64 1)", "memory64 must be enabled"),
        ("(memory 1) (memory 1)", "multiple memories"),
        ("(func return_call 0)", "tail calls support is not enabled"),
        ("(type (struct))", "gc proposal not supported"),
        (
            "(type $f (func)) (func (param (ref $f)))",
            "function references required",
        ),
        ("(tag)", "exceptions proposal not enabled"),
        (
            "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
            "constant expression required",
        ),
        (
            "(memory 1 (pagesize 1))",
            "custom page sizes proposal must be enabled",
        ),
        (
            "(func (param i64 i64 i64 i64) (result i64 i64) (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))",
            "wide arithmetic support is not enabled",
        ),
    ] {
        let text = refusal(&module(text), &Profile::default());
        assert!(text.contains(expected), "{text} does not say {expected}");
    }
    for (text, expected) in [
        ("(type (stream u8))", "async"),
        ("(type (future u8))", "async"),
        ("(type (map string u8))", "map"),
    ] {
        let text = refusal(&component(text), &Profile::default());
        assert!(text.contains(expected), "{text} does not say {expected}");
    }
    let mut simd = Profile::default();
    simd.features.push("simd".to_owned());
    check(&module("(func (param v128))"), &simd).unwrap();
    simd.features.push("telepathy".to_owned());
    assert!(refusal(&module(""), &simd).contains("knows no feature telepathy"));
}

#[test]
fn an_import_that_nobody_offers_is_refused_before_anything_is_compiled() {
    for name in [
        "wasi:clocks/monotonic-clock@0.2.0",
        "wasi:io/poll@0.2.0",
        "cordon:contract/state@1.0.1",
        "cordon:contract/state@2.0.0",
        "cordon:contract/state",
        "cordon:contract/network@1.0.0",
    ] {
        let bytes = component(&format!(r#"(import "{name}" (instance))"#));
        let text = refusal(&bytes, &Profile::default());
        assert!(
            text.contains(&format!("imports {name}, which contracts cannot have")),
            "{text}"
        );
    }
    // What is inside is no import of the component.
    let inside = component(r#"(component (import "wasi:io/poll@0.2.0" (instance)))"#);
    check(&inside, &Profile::default()).unwrap();
}

#[test]
fn the_contracts_of_this_repository_are_far_from_every_limit() {
    let profile = Profile::default();
    let tenth = Profile {
        parts_max: profile.parts_max / 4,
        types_max: profile.types_max / 10,
        functions_max: profile.functions_max / 10,
        definitions_max: profile.definitions_max / 10,
        segments_max: profile.segments_max / 10,
        custom_bytes_max: profile.custom_bytes_max / 10,
        function_bytes_max: profile.function_bytes_max / 10,
        parameters_max: profile.parameters_max / 2,
        locals_max: profile.locals_max / 10,
        nesting_max: profile.nesting_max / 10,
        branch_targets_max: profile.branch_targets_max / 10,
        ..profile
    };
    for contract in ["emr", "sharing", "cards", "reports"] {
        let path = format!(
            "{}/../../target/contracts/{contract}.wasm",
            env!("CARGO_MANIFEST_DIR")
        );
        let bytes = std::fs::read(path).expect("build the contracts first: make contracts");
        check(&bytes, &tenth).unwrap_or_else(|error| panic!("{contract}: {error}"));
    }
}

proptest! {
    /// What comes out of damage is refused or is a component, and nothing panics.
    #[test]
    fn damaged_components_are_refused_or_accepted_but_never_a_panic(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = component(
            r#"(core module $m (memory (export "m") 1) (func (export "run") (param i32) (result i32)
                (local i64) (block (loop (br_table 0 1 (local.get 0)))) (local.get 0)))
               (core instance $i (instantiate $m))
               (func (export "run") (param "a" u32) (result u32) (canon lift (core func $i "run")))"#,
        );
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = check(&bytes, &Profile::default());
        bytes.truncate(cut.index(bytes.len()));
        let _ = check(&bytes, &Profile::default());
    }
}
