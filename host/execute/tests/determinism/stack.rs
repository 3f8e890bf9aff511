//! Stack exhaustion: how deep code may recurse depends on the engine, so it must end in one of two
//! ways: the answer that all others give, or the fault that is never endorsed.

use std::collections::BTreeMap;

use cordon_execute::GuestFault;

use crate::engines::{Everywhere, Proposal};
use crate::guest::{Guest, KEEP};
use crate::random::Tally;

/// Functions that call themselves `n` times and then the host, by what they are called. They differ in
/// what they hold meanwhile.
const RECURSIONS: [(&str, &str); 4] = [
    (
        "nothing",
        "(func $dig (param $n i32) (result i32)
            (if (i32.eqz (local.get $n)) (then (call $bottom) (return (i32.const 1))))
            (i32.add (i32.const 1) (call $dig (i32.sub (local.get $n) (i32.const 1)))))",
    ),
    (
        "eight numbers",
        "(func $dig (param $n i32) (result i32)
            (local $a i64) (local $b i64) (local $c i64) (local $d i64)
            (local $e f64) (local $f f64) (local $g f64) (local $r i32)
            (if (i32.eqz (local.get $n)) (then (call $bottom) (return (i32.const 1))))
            (local.set $a (i64.load (i32.const 0x100)))
            (local.set $b (i64.mul (local.get $a) (i64.extend_i32_u (local.get $n))))
            (local.set $c (i64.add (local.get $b) (i64.const 11)))
            (local.set $d (i64.xor (local.get $c) (local.get $b)))
            (local.set $e (f64.convert_i64_s (local.get $d)))
            (local.set $f (f64.sqrt (local.get $e)))
            (local.set $g (f64.div (local.get $e) (local.get $f)))
            (local.set $r (call $dig (i32.sub (local.get $n) (i32.const 1))))
            (i32.add (local.get $r) (i32.wrap_i64 (i64.add
                (i64.add (local.get $a) (local.get $b))
                (i64.add (i64.add (local.get $c) (local.get $d)) (i64.trunc_sat_f64_s
                    (f64.add (local.get $e) (f64.add (local.get $f) (local.get $g)))))))))",
    ),
    (
        "operands",
        "(func $dig (param $n i32) (result i32)
            (if (i32.eqz (local.get $n)) (then (call $bottom) (return (i32.const 1))))
            (i32.load offset=0x100 (i32.and (local.get $n) (i32.const 31)))
            (i32.load offset=0x104 (i32.and (local.get $n) (i32.const 63)))
            (i32.load offset=0x108 (i32.and (local.get $n) (i32.const 127)))
            (call $dig (i32.sub (local.get $n) (i32.const 1)))
            i32.add i32.add i32.add)",
    ),
    (
        "two functions through a table",
        "(type $digs (func (param i32) (result i32)))
        (table $t 2 funcref) (elem (table $t) (i32.const 0) func $dig $other)
        (func $dig (type $digs)
            (if (i32.eqz (local.get 0)) (then (call $bottom) (return (i32.const 1))))
            (i32.add (i32.const 3) (call_indirect $t (type $digs)
                (i32.sub (local.get 0) (i32.const 1)) (i32.and (local.get 0) (i32.const 1)))))
        (func $other (type $digs)
            (if (i32.eqz (local.get 0)) (then (call $bottom) (return (i32.const 2))))
            (i32.mul (i32.const 3) (call_indirect $t (type $digs)
                (i32.sub (local.get 0) (i32.const 1)) (i32.and (local.get 0) (i32.const 1)))))",
    ),
];

fn component(dig: &str) -> Vec<u8> {
    let core = format!(
        r#"{KEEP} {dig}
        (func $bottom (call $keep (i32.const 65) (i32.const 0) (i32.const 16)))
        (func (export "run") (param $n i32) (param i32 i32) (result i32) (local $result i32)
            (local.set $result (call $dig (local.get $n)))
            (i32.store (i32.const 0) (local.get $result))
            (call $keep (i32.const 66) (i32.const 0) (i32.const 4))
            (local.get $result))"#
    );
    Guest {
        core: &core,
        ..Guest::default()
    }
    .component()
}

/// Depths from what every engine can to what none can.
fn depths() -> impl Iterator<Item = u32> {
    std::iter::successors(Some(400), |depth| Some(depth + depth / 12))
        .take_while(|depth| *depth < 60_000)
}

#[test]
fn a_depth_gives_one_answer_or_the_fault() {
    for (holding, dig) in RECURSIONS {
        let everywhere = Everywhere::of(&component(dig));
        let mut reached = BTreeMap::<String, u32>::new();
        let mut split = 0;
        for depth in depths() {
            let proposal = Proposal::new(&["Run", &depth.to_string(), ""]);
            let what = format!("{depth} deep, holding {holding}");
            let all = everywhere.each(&proposal);
            // No two answers.
            crate::seen::compare(&all, &mut Tally::default(), &what);
            let mut answered = 0;
            for (compiler, seen) in &all {
                if seen.status == 200 {
                    answered += 1;
                    reached.insert(format!("{compiler:?}"), depth);
                } else {
                    assert!(
                        seen.is_fault(&GuestFault::StackExhausted),
                        "{what}, {compiler:?}: {seen:?}"
                    );
                    assert!(seen.rw_set.contracts.is_empty(), "{what}, {compiler:?}");
                }
            }
            split += usize::from(answered != 0 && answered != all.len());
        }
        println!("holding {holding}: about {reached:?}, {split} depths where engines differ");
        // Else this test would say nothing.
        assert_eq!(reached.len(), 4, "holding {holding}");
        assert!(split > 0, "holding {holding}");
    }
}
