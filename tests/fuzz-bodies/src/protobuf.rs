//! Messages by their wire format alone: every way to bend one that keeps it looking like protobuf,
//! and some that do not. Knows no message definitions, so nothing is left out that a definition
//! leaves out.

/// Deepest message inside a message that is bent; a transaction's have nine.
const DEPTH_MAX: usize = 16;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// One field as it stands in a message.
#[derive(Clone, Copy)]
struct Field<'a> {
    number: u64,
    wire_type: u64,
    /// Tag included.
    encoded: &'a [u8],
    /// Without tag and length.
    content: &'a [u8],
}

/// Calls `each` with every mutant of the message `bytes`, and what was done: each field of each
/// message in it removed, emptied, doubled, of another wire type, with tags, lengths and numbers longer
/// than they need be; each message reversed and with fields that nobody knows. Messages around a
/// change have their lengths put right.
pub fn each_mutant(bytes: &[u8], each: &mut dyn FnMut(&str, Vec<u8>)) {
    if let Some(fields) = fields(bytes) {
        bend(&fields, "message", 0, each);
    }
}

fn bend(fields: &[Field<'_>], path: &str, depth: usize, each: &mut dyn FnMut(&str, Vec<u8>)) {
    let whole: Vec<&[u8]> = fields.iter().map(|field| field.encoded).collect();
    let with = |at: usize, replacement: &[u8]| {
        let mut parts = whole.clone();
        parts[at] = replacement;
        parts.concat()
    };
    let and = |more: &[u8]| [&whole.concat(), more].concat();

    for (at, field) in fields.iter().enumerate() {
        let Field {
            number,
            wire_type,
            content,
            ..
        } = *field;
        let mut mutant = |what: &str, bytes| each(&format!("{path}.{number} {what}"), bytes);
        mutant("removed", with(at, &[]));
        mutant("doubled in place", with(at, &field.encoded.repeat(2)));
        mutant("doubled at the end", and(field.encoded));
        let tag = number << 3 | wire_type;
        let length = content.len() as u64;
        // 15 bits and more in a tag of 3 and 11 bytes; the latter is longer than any varint.
        for padding in [2, 10] {
            let start = padded(tag, padding);
            let rest = &field.encoded[varint(tag).len()..];
            let what = format!("has a tag {padding} bytes too long");
            mutant(&what, with(at, &[&start, rest].concat()));
            let content = match wire_type {
                BYTES => [&padded(length, padding), content].concat(),
                VARINT => padded(read_varint(content).map_or(0, |(value, _)| value), padding),
                _ => continue,
            };
            let what = format!("has a number {padding} bytes too long");
            mutant(&what, with(at, &[varint(tag), content].concat()));
        }
        for other in (0..8).filter(|other| *other != wire_type) {
            let start = varint(number << 3 | other);
            let rest = &field.encoded[varint(tag).len()..];
            let what = format!("is of wire type {other}");
            mutant(&what, with(at, &[&start, rest].concat()));
        }
        if wire_type == BYTES {
            mutant("emptied", with(at, &[varint(tag), vec![0]].concat()));
            for length in [length + 1, u64::from(u32::MAX), u64::MAX] {
                let start = [varint(tag), varint(length)].concat();
                let what = format!("says that it has {length} bytes");
                mutant(&what, with(at, &[&start, content].concat()));
            }
            let start = [varint(tag), varint(length.saturating_sub(1))].concat();
            mutant("says one byte less", with(at, &[&start, content].concat()));
        }
        // An empty one after it: merged into a message, taken instead of bytes.
        if wire_type == BYTES {
            mutant(
                "is followed by an empty one",
                and(&[varint(tag), vec![0]].concat()),
            );
        }
    }

    let mut mutant = |what: &str, bytes| each(&format!("{path} {what}"), bytes);
    mutant("emptied", Vec::new());
    if fields.len() > 1 {
        let reversed: Vec<&[u8]> = whole.iter().rev().copied().collect();
        mutant("reversed", reversed.concat());
        let rotated = [&whole[1..], &whole[..1]].concat();
        mutant("rotated", rotated.concat());
    }
    for (what, field) in UNKNOWN {
        mutant(&format!("with {what} at the end"), and(field));
        mutant(
            &format!("with {what} at the start"),
            [field, &*whole.concat()].concat(),
        );
    }

    for (at, field) in fields.iter().enumerate() {
        let inner = (field.wire_type == BYTES && depth < DEPTH_MAX)
            .then(|| self::fields(field.content))
            .flatten();
        if let Some(inner) = inner {
            let tag = varint(field.number << 3 | BYTES);
            let path = format!("{path}.{}", field.number);
            bend(&inner, &path, depth + 1, &mut |what, bytes| {
                let length = varint(bytes.len() as u64);
                each(what, with(at, &[&*tag, &length, &bytes].concat()));
            });
        }
    }
}

/// Fields that no definition has.
const UNKNOWN: [(&str, &[u8]); 7] = [
    ("an unknown number", &[0xf8, 0xff, 0x03, 0x07]),
    ("unknown bytes", &[0xfa, 0xff, 0x03, 0x02, 0x08, 0x01]),
    (
        "an unknown group",
        &[0xfb, 0xff, 0x03, 0x08, 0x01, 0xfc, 0xff, 0x03],
    ),
    ("a group that does not end", &[0xfb, 0xff, 0x03]),
    ("the end of no group", &[0xfc, 0xff, 0x03]),
    ("field 0", &[0x00, 0x01]),
    ("half a tag", &[0x80]),
];

/// The fields of a message in the one encoding that we write; `None` when it is empty or something
/// else.
fn fields(bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let (tag, length) = read_varint(&bytes[at..])?;
        at += length;
        let (number, wire_type) = (tag >> 3, tag & 7);
        let content_bytes = match wire_type {
            VARINT => read_varint(&bytes[at..])?.1,
            FIXED64 => 8,
            FIXED32 => 4,
            BYTES => {
                let (content_bytes, length) = read_varint(&bytes[at..])?;
                at += length;
                usize::try_from(content_bytes).ok()?
            }
            _ => return None,
        };
        let content = bytes.get(at..at.checked_add(content_bytes)?)?;
        at += content_bytes;
        if number == 0 || number >= 1 << 29 {
            return None;
        }
        fields.push(Field {
            number,
            wire_type,
            encoded: &bytes[start..at],
            content,
        });
    }
    (!fields.is_empty()).then_some(fields)
}

/// A number, and how many bytes it has; only the shortest form.
fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0)?;
    let mut value: u64 = 0;
    for byte in bytes[..=end].iter().rev() {
        value = value.checked_mul(1 << 7)? | u64::from(byte & 0x7f);
    }
    (varint(value).len() == end + 1).then_some((value, end + 1))
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A number in `padding` bytes more than it needs.
fn padded(value: u64, padding: usize) -> Vec<u8> {
    let mut out = varint(value);
    for _ in 0..padding {
        if let Some(last) = out.last_mut() {
            *last |= 0x80;
        }
        out.push(0);
    }
    out
}
