//! Every operation on floats, and the values that it is tried on.

/// Zeros, ones, subnormals, extremes, edges of conversions, infinities; quiet and signalling NaNs of
/// either sign, with payloads.
pub(super) const F32: [u32; 30] = [
    0x0000_0000,
    0x8000_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x3fc0_0000,
    0x3f00_0000,
    0xbf00_0000,
    0x0000_0001,
    0x8000_0001,
    0x007f_ffff,
    0x0080_0000,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x4b00_0001,
    0x4eff_ffff,
    0x4f00_0000,
    0xcf00_0000,
    0x4f80_0000,
    0x5f00_0000,
    0xdf00_0001,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_0000,
    0x7fc1_2345,
    0xffff_ffff,
    0x7f80_0001,
    0xff80_0001,
    0x7fa5_5aa5,
    0xffbf_ffff,
];

pub(super) fn f64_values() -> Vec<u64> {
    let wide = F32.map(|bits| {
        let sign = u64::from(bits >> 31) << 63;
        let fraction = u64::from(bits & 0x7f_ffff);
        match (bits >> 23) & 0xff {
            // Subnormals and NaNs keep their place at the edge, which conversion would move.
            0 => sign | fraction,
            0xff => sign | (0x7ff << 52) | fraction << 29 | fraction & 1,
            _ => f64::from(f32::from_bits(bits)).to_bits(),
        }
    });
    let more = [
        i64::MAX as f64,
        i64::MIN as f64,
        4_294_967_295.5,
        -2_147_483_648.9,
        f64::MAX,
        1e-320,
        // Halves between two values of f32.
        1.000_000_059_604_644_8,
    ];
    wide.into_iter().chain(more.map(f64::to_bits)).collect()
}

/// An operation: its name, the types of its operands, the type of its result.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) operands: &'static [&'static str],
    pub(super) result: &'static str,
}

const fn op(
    name: &'static str,
    operands: &'static [&'static str],
    result: &'static str,
) -> Operation {
    Operation {
        name,
        operands,
        result,
    }
}

/// Those that canonicalize NaNs: a NaN that they make has one bit pattern.
pub(super) const ARITHMETIC: [Operation; 32] = [
    op("f32.add", &["f32", "f32"], "f32"),
    op("f32.sub", &["f32", "f32"], "f32"),
    op("f32.mul", &["f32", "f32"], "f32"),
    op("f32.div", &["f32", "f32"], "f32"),
    op("f32.min", &["f32", "f32"], "f32"),
    op("f32.max", &["f32", "f32"], "f32"),
    op("f32.sqrt", &["f32"], "f32"),
    op("f32.ceil", &["f32"], "f32"),
    op("f32.floor", &["f32"], "f32"),
    op("f32.trunc", &["f32"], "f32"),
    op("f32.nearest", &["f32"], "f32"),
    op("f64.promote_f32", &["f32"], "f64"),
    op("f64.add", &["f64", "f64"], "f64"),
    op("f64.sub", &["f64", "f64"], "f64"),
    op("f64.mul", &["f64", "f64"], "f64"),
    op("f64.div", &["f64", "f64"], "f64"),
    op("f64.min", &["f64", "f64"], "f64"),
    op("f64.max", &["f64", "f64"], "f64"),
    op("f64.sqrt", &["f64"], "f64"),
    op("f64.ceil", &["f64"], "f64"),
    op("f64.floor", &["f64"], "f64"),
    op("f64.trunc", &["f64"], "f64"),
    op("f64.nearest", &["f64"], "f64"),
    op("f32.demote_f64", &["f64"], "f32"),
    // Their operands are bits.
    op("f32.convert_i32_s", &["i32"], "f32"),
    op("f32.convert_i32_u", &["i32"], "f32"),
    op("f32.convert_i64_s", &["i64"], "f32"),
    op("f32.convert_i64_u", &["i64"], "f32"),
    op("f64.convert_i32_s", &["i32"], "f64"),
    op("f64.convert_i32_u", &["i32"], "f64"),
    op("f64.convert_i64_s", &["i64"], "f64"),
    op("f64.convert_i64_u", &["i64"], "f64"),
];

/// Those that leave NaNs as they are, and those that do not answer with a float.
pub(super) const OTHERS: [Operation; 38] = [
    op("f32.abs", &["f32"], "f32"),
    op("f32.neg", &["f32"], "f32"),
    op("f32.copysign", &["f32", "f32"], "f32"),
    op("f32.eq", &["f32", "f32"], "i32"),
    op("f32.ne", &["f32", "f32"], "i32"),
    op("f32.lt", &["f32", "f32"], "i32"),
    op("f32.gt", &["f32", "f32"], "i32"),
    op("f32.le", &["f32", "f32"], "i32"),
    op("f32.ge", &["f32", "f32"], "i32"),
    op("f32.reinterpret_i32", &["i32"], "f32"),
    op("i32.reinterpret_f32", &["f32"], "i32"),
    op("i32.trunc_sat_f32_s", &["f32"], "i32"),
    op("i32.trunc_sat_f32_u", &["f32"], "i32"),
    op("i64.trunc_sat_f32_s", &["f32"], "i64"),
    op("i64.trunc_sat_f32_u", &["f32"], "i64"),
    op("f64.abs", &["f64"], "f64"),
    op("f64.neg", &["f64"], "f64"),
    op("f64.copysign", &["f64", "f64"], "f64"),
    op("f64.eq", &["f64", "f64"], "i32"),
    op("f64.ne", &["f64", "f64"], "i32"),
    op("f64.lt", &["f64", "f64"], "i32"),
    op("f64.gt", &["f64", "f64"], "i32"),
    op("f64.le", &["f64", "f64"], "i32"),
    op("f64.ge", &["f64", "f64"], "i32"),
    op("f64.reinterpret_i64", &["i64"], "f64"),
    op("i64.reinterpret_f64", &["f64"], "i64"),
    op("i32.trunc_sat_f64_s", &["f64"], "i32"),
    op("i32.trunc_sat_f64_u", &["f64"], "i32"),
    op("i64.trunc_sat_f64_s", &["f64"], "i64"),
    op("i64.trunc_sat_f64_u", &["f64"], "i64"),
    op("i32.trunc_f32_s", &["f32"], "i32"),
    op("i32.trunc_f32_u", &["f32"], "i32"),
    op("i64.trunc_f32_s", &["f32"], "i64"),
    op("i64.trunc_f32_u", &["f32"], "i64"),
    op("i32.trunc_f64_s", &["f64"], "i32"),
    op("i32.trunc_f64_u", &["f64"], "i32"),
    op("i64.trunc_f64_s", &["f64"], "i64"),
    op("i64.trunc_f64_u", &["f64"], "i64"),
];

/// The operation on operands that lie on the stack; `$x` may be used.
pub(super) fn code(operation: &Operation) -> String {
    let Operation { name, operands, .. } = operation;
    if !name.contains(".trunc_f") {
        return format!("({name})");
    }
    // Truncation that traps, on what does not: neither a NaN nor too large.
    let (ty, max) = (
        operands[0],
        if name.starts_with("i32") {
            "2e9"
        } else {
            "9e18"
        },
    );
    let min = if name.ends_with('u') {
        "0".to_owned()
    } else {
        format!("-{max}")
    };
    format!(
        "(local.set $x)
        (local.set $x (select (local.get $x) ({ty}.const 0)
            ({ty}.eq (local.get $x) (local.get $x))))
        ({name} ({ty}.min ({ty}.const {max}) ({ty}.max ({ty}.const {min}) (local.get $x))))"
    )
}

/// Bits of the values that an operand of this type can be.
pub(super) fn values(ty: &str) -> Vec<u64> {
    match ty {
        "f32" | "i32" => F32.iter().map(|bits| u64::from(*bits)).collect(),
        _ => f64_values(),
    }
}

pub(super) fn bytes_of(ty: &str) -> usize {
    if ty.ends_with("32") { 4 } else { 8 }
}
