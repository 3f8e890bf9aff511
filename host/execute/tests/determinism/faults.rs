//! A contract at fault: the same status, text and fuel on every engine, wherever it happens.

mod kinds;

use cordon_execute::{GuestFault, LimitKind, Profile};

use crate::engines::{Everywhere, Proposal};
use crate::guest::{Guest, KEEP};
use crate::random::Tally;
use crate::seen::compare;
use kinds::{FAULTS, FIELDS, WAYS};

/// Limits that small contracts reach.
fn limits(profile: &mut Profile) {
    profile.fuel_max = 20_000_000;
    profile.keys_max = 50;
    profile.write_bytes_max = 40_000;
    profile.host_bytes_max = 400_000;
}

fn core(imports: &str, body: &str, fields: &str) -> String {
    format!(
        r#"{imports} {KEEP} {fields} {FIELDS}
        (func (export "run") (param $which i32) (param i32 i32) (result i32) {body} (i32.const 7))"#
    )
}

/// A core module that comes to each fault in the same way; the first argument says to which.
fn each_fault(way: &str, more: &str) -> String {
    let (mut body, mut fields) = (String::new(), String::new());
    for (index, (_, code, _)) in FAULTS.iter().enumerate() {
        let fill = |text: &str| {
            text.replace("FAULT", code)
                .replace("INDEX", &index.to_string())
        };
        body += &format!(
            "(if (i32.eq (local.get $which) (i32.const {index})) (then (call $way{index})))"
        );
        fields += &format!("(func $way{index} {}) {}", fill(way), fill(more));
    }
    core("", &body, &fields)
}

fn proposal(which: usize) -> Proposal {
    let which = which.to_string();
    Proposal::new(&["Run", &which, "a text for which room is needed"])
}

fn everywhere(component: &[u8]) -> Everywhere {
    Everywhere::link(limits, &[("here", "c", component)]).unwrap()
}

/// The fault on every engine, with all of its fuel and nothing else.
fn must_be(everywhere: &Everywhere, proposal: &Proposal, what: &str, fault: &GuestFault) {
    let mut profile = Profile::default();
    limits(&mut profile);
    let all = everywhere.each(proposal);
    for (compiler, seen) in &all {
        let kind = (seen.status, seen.message.as_str(), seen.fuel);
        let expected = fault.to_string();
        assert_eq!(
            kind,
            (500, expected.as_str(), profile.fuel_max),
            "{what}, {compiler:?}"
        );
        assert!(seen.payload.is_empty(), "{what}, {compiler:?}");
        assert!(seen.rw_set.contracts.is_empty(), "{what}, {compiler:?}");
        assert!(seen.events.is_empty(), "{what}, {compiler:?}");
    }
    // And all that led to it, with the fuel that was left then.
    compare(&all, &mut Tally::default(), &what);
}

#[test]
fn a_fault_is_the_same_and_costs_the_same_wherever_it_happens() {
    for (place, way, more) in WAYS {
        let core = each_fault(way, more);
        let component = Guest {
            core: &core,
            ..Guest::default()
        };
        let everywhere = everywhere(&component.component());
        for (index, (name, _, fault)) in FAULTS.iter().enumerate() {
            must_be(
                &everywhere,
                &proposal(index),
                &format!("{name}, {place}"),
                fault,
            );
        }
        // The way itself is none.
        assert_eq!(everywhere.each(&proposal(FAULTS.len()))[0].1.status, 200);
    }
    println!("{} faults in {} places", FAULTS.len(), WAYS.len());
}

#[test]
fn a_fault_is_the_same_as_the_module_starts() {
    for (name, code, fault) in FAULTS.into_iter().step_by(4) {
        let core = core("", "", &format!("(func $start {code}) (start $start)"));
        let component = Guest {
            core: &core,
            ..Guest::default()
        };
        let everywhere = everywhere(&component.component());
        must_be(&everywhere, &proposal(0), name, &fault);
    }
}

/// `realloc` runs while arguments go in, or in the middle of a call into the host, and `post-return`
/// after the answer was taken.
#[test]
fn a_fault_is_the_same_where_the_engine_calls_the_contract() {
    let text = r#"(import "l" "channel" (func $channel (param i32)))"#;
    let asks = core(text, "(call $channel (i32.const 0))", "");
    let idle = core("", "", "");
    // Only what needs nothing of the main module.
    let faults = [
        ("unreachable", "unreachable", GuestFault::Trapped),
        (
            "load beyond memory",
            "(drop (i32.load (i32.const -4)))",
            GuestFault::Trapped,
        ),
        ("endless loop", "(loop (br 0))", GuestFault::OutOfFuel),
        (
            "a place beyond memory",
            "(return (i32.const -1))",
            GuestFault::Trapped,
        ),
    ];
    // The room for the text of the arguments is asked for first, that for the channel's name then.
    let second = |code: &str| {
        format!("(if (i32.gt_u (global.get $next) (i32.const 0x60000)) (then {code}))")
    };
    for (name, code, fault) in faults {
        let realloc = Guest {
            core: &idle,
            realloc: code,
            ..Guest::default()
        };
        let place = everywhere(&realloc.component());
        must_be(
            &place,
            &proposal(0),
            &format!("{name} for arguments"),
            &fault,
        );
        let code_then = second(code);
        let realloc = Guest {
            core: &asks,
            realloc: &code_then,
            ..Guest::default()
        };
        let place = everywhere(&realloc.component());
        must_be(
            &place,
            &proposal(0),
            &format!("{name} for an answer"),
            &fault,
        );
        if !code.contains("return") {
            let after = Guest {
                core: &idle,
                post_return: code,
                ..Guest::default()
            };
            let place = everywhere(&after.component());
            must_be(
                &place,
                &proposal(0),
                &format!("{name} after the answer"),
                &fault,
            );
        }
    }
}

#[test]
fn a_callees_fault_is_the_same() {
    let calls = core(
        r#"(import "d" "run" (func $d (param i32 i32 i32) (result i32)))"#,
        "(drop (call $d (local.get $which) (i32.const 0) (i32.const 0)))",
        "",
    );
    let caller = Guest {
        core: &calls,
        calls: true,
        ..Guest::default()
    }
    .component();
    let core = each_fault("(call $work) FAULT", "");
    let callee = Guest {
        core: &core,
        name: "d",
        ..Guest::default()
    }
    .component();
    let both = [("here", "c", &caller[..]), ("here", "d", &callee[..])];
    let everywhere = Everywhere::link(limits, &both).unwrap();
    for (index, (name, _, fault)) in FAULTS.iter().enumerate() {
        must_be(
            &everywhere,
            &proposal(index),
            &format!("{name}, in a callee"),
            fault,
        );
    }
}

/// Limits that the host keeps to.
#[test]
fn a_limit_of_the_host_is_the_same_fault() {
    let endless = |call: &str| {
        format!(
            "(local $i i32)
            (loop
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (i32.store (i32.const 0x100) (i32.or (i32.const 0x20202020) (local.get $i)))
                {call}
                (br 0))"
        )
    };
    let put = "(call $put (i32.const 0x100) (i32.const 4) (i32.const 0) (i32.const LEN) (i32.const 0x5ff10))";
    let get = "(call $get (i32.const 0x100) (i32.const LEN) (i32.const 0x5ff10))";
    let import_get = r#"(import "l" "get" (func $get (param i32 i32 i32)))"#;
    let kind = GuestFault::LimitExceeded;
    for (name, call, len, fault) in [
        ("keys written", put, "0", kind(LimitKind::Keys)),
        ("keys read", get, "4", kind(LimitKind::Keys)),
        ("bytes written", put, "3000", kind(LimitKind::WriteBytes)),
        ("too long a key", get, "60000", kind(LimitKind::HostBytes)),
    ] {
        let call = call.replace("LEN", len);
        let core = core(import_get, &endless(&call), "");
        let component = Guest {
            core: &core,
            ..Guest::default()
        }
        .component();
        must_be(&everywhere(&component), &proposal(0), name, &fault);
    }
}

/// Refusals of the host are handed to the contract, which goes on: no faults.
#[test]
fn what_the_host_refuses_a_contract_is_the_same() {
    let emit = "(local $i i32)
        (loop
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (call $emit (i32.const 0) (local.get $i) (i32.const 0) (local.get $i) (i32.const 0x200))
            (call $keep (i32.add (i32.const 1) (i32.and (local.get $i) (i32.const 31)))
                (i32.const 0x200) (i32.const 64))
            (br_if 0 (i32.lt_u (local.get $i) (i32.const 140))))";
    let import = r#"(import "l" "emit" (func $emit (param i32 i32 i32 i32 i32)))"#;
    let core = core(import, emit, "");
    let component = Guest {
        core: &core,
        ..Guest::default()
    }
    .component();
    let everywhere = Everywhere::of(&component);
    let seen = everywhere.see(&proposal(0), &mut Tally::default(), &"events");
    assert_eq!((seen.status, seen.events.len()), (200, 64));
}

/// Growing ends at the same size, which is an answer and no fault.
#[test]
fn memory_and_tables_grow_equally_far() {
    let grow = "(local $i i32) (local $j i32)
        (loop
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if 0 (i32.ne (memory.grow (i32.const 3)) (i32.const -1))))
        (loop
            (local.set $j (i32.add (local.get $j) (i32.const 1)))
            (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 7)) (i32.const -1))))
        (i32.store (i32.const 0) (memory.size))
        (i32.store (i32.const 4) (table.size $t))
        (i32.store (i32.const 8) (local.get $i))
        (i32.store (i32.const 12) (local.get $j))
        (call $keep (i32.const 65) (i32.const 0) (i32.const 16))";
    let core = core("", grow, "");
    let component = Guest {
        core: &core,
        ..Guest::default()
    }
    .component();
    let everywhere = Everywhere::of(&component);
    let seen = everywhere.see(&proposal(0), &mut Tally::default(), &"growth");
    assert_eq!(seen.status, 200, "{seen:?}");
    let value = seen.rw_set.contracts[0].writes[0].value.clone().unwrap();
    let number = |at: usize| u32::from_le_bytes(value[at..at + 4].try_into().unwrap());
    assert!(number(0) <= 256 && number(0) > 253, "{} pages", number(0));
    assert!(
        number(4) <= 10_000 && number(4) > 9_993,
        "{} elements",
        number(4)
    );
}
