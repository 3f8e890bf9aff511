//! Fuel: what engines count alike, and that running out of it is decided alike.

use cordon_execute::{Compiler, Profile};

use crate::engines::{COMPILERS, Everywhere, Proposal, runtime};
use crate::generated;
use crate::guest::{Guest, KEEP};
use crate::random::{Random, Tally, seeds};

/// Engines that count alike.
const ALIKE: [Compiler; 3] = [
    Compiler::Cranelift,
    Compiler::CraneliftUnoptimised,
    Compiler::Pulley,
];

/// Instructions that do much at once, with their count as `$n`.
const BULK: [(&str, &str); 6] = [
    (
        "memory.fill",
        "(memory.fill (i32.const 0) (i32.const 7) (local.get $n))",
    ),
    (
        "memory.copy",
        "(memory.copy (i32.const 0x2000) (i32.const 0) (local.get $n))",
    ),
    (
        "memory.init",
        "(memory.init $data (i32.const 0) (i32.const 0) (local.get $n))",
    ),
    (
        "table.fill",
        "(table.fill $t (i32.const 0) (ref.null func) (local.get $n))",
    ),
    (
        "table.copy",
        "(table.copy $t $t (i32.const 5) (i32.const 0) (local.get $n))",
    ),
    (
        "table.init",
        "(table.init $t $elements (i32.const 0) (i32.const 0) (local.get $n))",
    ),
];

fn bulk(code: &str) -> Vec<u8> {
    let bytes = "a".repeat(4096);
    let elements = "$f ".repeat(4096);
    let core = format!(
        r#"(data $data "{bytes}") (table $t 9000 funcref) (elem $elements func {elements})
        (func $f)
        (func (export "run") (param $n i32) (param i32 i32) (result i32) {code} (i32.const 0))"#
    );
    Guest {
        core: &core,
        ..Guest::default()
    }
    .component()
}

fn run(n: u32) -> Proposal {
    Proposal::new(&["Run", &n.to_string(), ""])
}

/// One per byte and element, on all engines but Winch, which charges the instruction alone: a host that
/// ran it could be kept busy for hours.
#[test]
fn what_does_much_at_once_is_charged_by_how_much() {
    for (name, code) in BULK {
        let everywhere = Everywhere::of(&bulk(code));
        let fuel = |compiler: Compiler, n: u32| {
            let seen = run(n).run(everywhere.on(compiler));
            assert_eq!(seen.status, 200, "{name} {compiler:?}: {seen:?}");
            seen.fuel
        };
        for compiler in ALIKE {
            let (one, many) = (fuel(compiler, 1), fuel(compiler, 4001));
            assert_eq!(many - one, 4000, "{name} {compiler:?}");
        }
        let winch = Compiler::Winch;
        assert_eq!(fuel(winch, 4001), fuel(winch, 1), "{name}");
    }
}

#[test]
fn an_endless_fill_runs_out_of_fuel() {
    let code = "(loop (memory.fill (i32.const 0) (i32.const 0) (local.get $n)) (br 0))";
    let component = bulk(code);
    for compiler in ALIKE {
        let runtime = runtime(compiler);
        let channels =
            crate::engines::link(&runtime, |_| (), &[("here", "c", &component)]).unwrap();
        let seen = run(0x50000).run(&channels);
        assert_eq!(seen.message, "the contract ran out of fuel", "{compiler:?}");
    }
}

/// Engines look at the fuel now and then, not after every instruction: they must look at the same
/// places, or one would answer where another does not.
#[test]
fn running_out_of_fuel_is_decided_alike() {
    let mut kinds = Tally::default();
    let mut engines = Tally::default();
    for seed in seeds("", 5) {
        let component = generated::component(seed);
        let components = [("here", "c", &component[..])];
        let everywhere = Everywhere::link(generated::limits, &components).unwrap();
        let mut random = Random::new(seed);
        for proposal in generated::proposals(seed) {
            let plenty = everywhere.see(&proposal, &mut engines, &seed);
            // At fault, what was used by then is where the last call into the host left it.
            let last = plenty.host_calls.last().map_or(0, |call| call.fuel_left);
            let used = if plenty.status == 500 {
                1_500_000 - last + 2_000
            } else {
                plenty.fuel
            };
            let around = (0..4).map(|less| used.saturating_sub(less));
            let below: Vec<u64> = (0..8).map(|_| random.number() % used.max(1)).collect();
            for fuel_max in around.chain(below) {
                let limits = |profile: &mut Profile| profile.fuel_max = fuel_max;
                let everywhere = Everywhere::link(limits, &components).unwrap();
                let what = format!("generated component, seed {seed}, fuel {fuel_max}");
                kinds.count(everywhere.see(&proposal, &mut engines, &what).kind());
            }
        }
    }
    println!("calls with little fuel:{engines}\noutcomes:{kinds}");
    assert!(kinds.of("out of fuel") * 4 > kinds.total());
    assert!(kinds.of("ok") > 0);
}

/// What a contract did before its fuel ran out is nowhere.
#[test]
fn each_call_into_the_host_is_charged_alike() {
    let code = "(call $keep (i32.const 65) (i32.const 0) (local.get $n))";
    let core = format!(
        r#"{KEEP} (func (export "run") (param $n i32) (param i32 i32) (result i32) {code} (i32.const 0))"#
    );
    let component = Guest {
        core: &core,
        ..Guest::default()
    }
    .component();
    let everywhere = Everywhere::of(&component);
    for compiler in COMPILERS {
        let fuel = |n| run(n).run(everywhere.on(compiler)).fuel;
        assert_eq!(fuel(5000) - fuel(0), 5000, "{compiler:?}");
    }
}
