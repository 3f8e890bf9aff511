//! What faults, and where.

use cordon_execute::GuestFault;

/// Core code that faults, by what it is called. It stands in functions without operands or results.
pub(super) const FAULTS: [(&str, &str, GuestFault); 33] = {
    use GuestFault::{OutOfFuel, StackExhausted, Trapped};
    [
        ("unreachable", "unreachable", Trapped),
        (
            "divide by zero",
            "(drop (i32.div_s (i32.const 1) (i32.load (i32.const 64))))",
            Trapped,
        ),
        (
            "divide a constant by zero",
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            Trapped,
        ),
        (
            "remainder by zero",
            "(drop (i64.rem_u (i64.const 1) (i64.load (i32.const 64))))",
            Trapped,
        ),
        (
            "remainder of a constant",
            "(drop (i32.rem_s (i32.const 1) (i32.const 0)))",
            Trapped,
        ),
        (
            "quotient too large",
            "(drop (i32.div_s (i32.const 0x80000000) (i32.sub (i32.load (i32.const 64)) (i32.const 1))))",
            Trapped,
        ),
        (
            "wide quotient too large",
            "(drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1)))",
            Trapped,
        ),
        (
            "not a number to integer",
            "(drop (i32.trunc_f32_s (f32.const nan)))",
            Trapped,
        ),
        (
            "not a number to wide integer",
            "(drop (i64.trunc_f64_u (f64.div (f64.load (i32.const 64)) (f64.load (i32.const 64)))))",
            Trapped,
        ),
        (
            "float too large",
            "(drop (i32.trunc_f64_u (f64.const 4294967296)))",
            Trapped,
        ),
        (
            "float too small",
            "(drop (i64.trunc_f32_s (f32.const -1e30)))",
            Trapped,
        ),
        (
            "load beyond memory",
            "(drop (i32.load (i32.const 0x7fffd)))",
            Trapped,
        ),
        (
            "load far beyond memory",
            "(drop (i64.load offset=0xfffffff0 (i32.const -1)))",
            Trapped,
        ),
        (
            "load whose value is not used",
            "(drop (i32.load8_u (i32.const 0x80000)))",
            Trapped,
        ),
        (
            "store beyond memory",
            "(i64.store (i32.const 0x7fff9) (i64.const -1))",
            Trapped,
        ),
        (
            "fill beyond memory",
            "(memory.fill (i32.const 0x70000) (i32.const 1) (i32.const 0x10001))",
            Trapped,
        ),
        (
            "copy beyond memory",
            "(memory.copy (i32.const 0) (i32.const 0x7ffff) (i32.const 2))",
            Trapped,
        ),
        (
            "copy nothing beyond memory",
            "(memory.copy (i32.const 0x80001) (i32.const 0) (i32.const 0))",
            Trapped,
        ),
        (
            "data beyond its end",
            "(memory.init $data (i32.const 0) (i32.const 3) (i32.const 2))",
            Trapped,
        ),
        (
            "data that was dropped",
            "(data.drop $data) (memory.init $data (i32.const 0) (i32.const 0) (i32.const 1))",
            Trapped,
        ),
        (
            "element beyond the table",
            "(drop (table.get $t (i32.const 4)))",
            Trapped,
        ),
        (
            "set beyond the table",
            "(table.set $t (i32.const -1) (ref.null func))",
            Trapped,
        ),
        (
            "fill beyond the table",
            "(table.fill $t (i32.const 3) (ref.null func) (i32.const 2))",
            Trapped,
        ),
        (
            "copy beyond the table",
            "(table.copy $t $t (i32.const 3) (i32.const 0) (i32.const 2))",
            Trapped,
        ),
        (
            "elements beyond their end",
            "(table.init $t $elements (i32.const 0) (i32.const 1) (i32.const 2))",
            Trapped,
        ),
        (
            "call beyond the table",
            "(call_indirect $t (i32.const 4))",
            Trapped,
        ),
        (
            "call of nothing",
            "(call_indirect $t (i32.const 3))",
            Trapped,
        ),
        (
            "call of another type",
            "(call_indirect $t (param i32) (i32.const 1) (i32.const 0))",
            Trapped,
        ),
        ("endless loop", "(loop (br 0))", OutOfFuel),
        ("endless recursion", "(call $deeper)", StackExhausted),
        (
            "endless recursion with much on the stack",
            "(drop (call $wide (i64.const 1)))",
            StackExhausted,
        ),
        (
            "endless recursion through the table",
            "(call_indirect $t (i32.const 2))",
            StackExhausted,
        ),
        (
            "memory that cannot grow",
            "(drop (i32.div_u (i32.const 1) (i32.add (memory.grow (i32.const 0x8000)) (i32.const 1))))",
            Trapped,
        ),
    ]
};

/// What the code of faults uses.
pub(super) const FIELDS: &str = r#"
    (data $data "\01\02\03\04")
    (table $t 4 funcref)
    (elem $elements func $nothing)
    (elem (table $t) (i32.const 0) func $nothing $nothing $itself)
    (func $nothing)
    (func $itself (call_indirect $t (i32.const 2)))
    (func $deeper (call $deeper))
    (func $wide (param $n i64) (result i64) (local $a i64) (local $b i64)
        (local.set $a (call $wide (i64.add (local.get $n) (i64.const 1))))
        (local.set $b (call $wide (i64.mul (local.get $n) (local.get $a))))
        (i64.add (i64.add (local.get $a) (local.get $b)) (local.get $n)))
    (func $work (local $i i32)
        (loop
            (i32.store offset=128 (i32.mul (local.get $i) (i32.const 4)) (local.get $i))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $i) (i32.const 1000)))))"#;

/// Ways to the fault, by what they are called: what a function does, and further functions.
pub(super) const WAYS: [(&str, &str, &str); 5] = [
    ("at once", "FAULT", ""),
    ("after work", "(call $work) FAULT", ""),
    (
        "after calls into the host",
        "(call $keep (i32.const 65) (i32.const 0) (i32.const 900))
         (call $keep (i32.const 66) (i32.const 0) (i32.const 900)) FAULT",
        "",
    ),
    (
        "in a loop that has something to do",
        "(local $i i32)
         (loop
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (if (i32.eq (local.get $i) (i32.const 777)) (then FAULT))
            (br_if 0 (i32.lt_u (local.get $i) (i32.const 1000))))",
        "",
    ),
    (
        "in a function called by others",
        "(call $aINDEX (i32.const 40))",
        "(func $aINDEX (param $n i32)
            (if (local.get $n)
                (then (call $aINDEX (i32.sub (local.get $n) (i32.const 1))))
                (else (call $bINDEX))))
         (func $bINDEX FAULT)",
    ),
];
