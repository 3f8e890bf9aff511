//! WIT values as JSON text: one text per value.

use std::fmt;
use std::fmt::Write as _;

use base64::Engine as _;
use wasmtime::component::Val;

use super::BASE64;
use crate::shape::Shape;

/// Largest integer that every JSON reader keeps exact.
const EXACT_MAX: u64 = 1 << 53;

/// A value as JSON text; `None` when that has more than `bytes_max` bytes. `shape` must be the value's
/// own.
///
/// What the guest holds once, it can name a thousand times, and a control character becomes six: so
/// the host stops where the limit is, and does not look at the length afterwards.
pub fn write(shape: &Shape, value: &Val, bytes_max: usize) -> Option<String> {
    let mut out = Out {
        text: String::new(),
        bytes_max,
    };
    put(shape, value, &mut out).ok().map(|()| out.text)
}

/// A text that grows to its limit.
struct Out {
    text: String,
    bytes_max: usize,
}

impl fmt::Write for Out {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if part.len() > self.bytes_max - self.text.len() {
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

fn put(shape: &Shape, value: &Val, out: &mut Out) -> fmt::Result {
    match (shape, value) {
        (_, Val::Bool(value)) => write!(out, "{value}"),
        (_, Val::S8(value)) => write!(out, "{value}"),
        (_, Val::S16(value)) => write!(out, "{value}"),
        (_, Val::S32(value)) => write!(out, "{value}"),
        (_, Val::U8(value)) => write!(out, "{value}"),
        (_, Val::U16(value)) => write!(out, "{value}"),
        (_, Val::U32(value)) => write!(out, "{value}"),
        (_, Val::S64(value)) => wide(out, value, value.unsigned_abs()),
        (_, Val::U64(value)) => wide(out, value, *value),
        (_, Val::Float32(value)) => write_float(out, f64::from(*value), || {
            serde_json::to_string(value).unwrap_or_default()
        }),
        (_, Val::Float64(value)) => write_float(out, *value, || {
            serde_json::to_string(value).unwrap_or_default()
        }),
        (_, Val::Char(value)) => text(out, value.encode_utf8(&mut [0; 4])),
        (_, Val::String(value) | Val::Enum(value)) => text(out, value),
        (Shape::Bytes, Val::List(items)) => {
            let bytes: Vec<u8> = items
                .iter()
                .map(|item| if let Val::U8(byte) = item { *byte } else { 0 })
                .collect();
            text(out, &BASE64.encode(bytes))
        }
        (Shape::List(shape), Val::List(items)) => {
            sequence(out, items.iter().map(|item| (&**shape, item)))
        }
        (Shape::Tuple(shapes), Val::Tuple(items)) => sequence(out, shapes.iter().zip(items)),
        (Shape::Record(fields), Val::Record(values)) => {
            out.write_char('{')?;
            for (index, (field, (_, value))) in fields.iter().zip(values).enumerate() {
                if index > 0 {
                    out.write_char(',')?;
                }
                text(out, &field.json_name)?;
                out.write_char(':')?;
                put(&field.shape, value, out)?;
            }
            out.write_char('}')
        }
        (Shape::Variant(cases), Val::Variant(name, payload)) => {
            let shape = cases
                .iter()
                .find(|(case, _)| case == name)
                .and_then(|(_, shape)| shape.as_ref());
            tagged(out, name, shape, payload.as_deref())
        }
        (Shape::Option(shape), Val::Option(Some(value))) => {
            if let Shape::Option(_) = **shape {
                tagged(out, "some", Some(shape), Some(value))
            } else {
                put(shape, value, out)
            }
        }
        (Shape::Result(shape, _), Val::Result(Ok(value))) => {
            tagged(out, "ok", shape.as_deref(), value.as_deref())
        }
        (Shape::Result(_, shape), Val::Result(Err(value))) => {
            tagged(out, "err", shape.as_deref(), value.as_deref())
        }
        (_, Val::Flags(names)) => {
            out.write_char('[')?;
            for (index, name) in names.iter().enumerate() {
                if index > 0 {
                    out.write_char(',')?;
                }
                text(out, name)?;
            }
            out.write_char(']')
        }
        // An absent option. The engine hands out values of the type it declared, so nothing else
        // comes here; null keeps the output well-formed.
        _ => out.write_str("null"),
    }
}

fn wide(out: &mut Out, value: &impl fmt::Display, magnitude: u64) -> fmt::Result {
    if magnitude <= EXACT_MAX {
        write!(out, "{value}")
    } else {
        write!(out, "\"{value}\"")
    }
}

fn write_float(out: &mut Out, value: f64, finite: impl FnOnce() -> String) -> fmt::Result {
    if value.is_nan() {
        out.write_str("\"NaN\"")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 {
            "\"Infinity\""
        } else {
            "\"-Infinity\""
        })
    } else {
        out.write_str(&finite())
    }
}

fn text(out: &mut Out, value: &str) -> fmt::Result {
    // Nothing gets shorter; what is too long already is not copied first.
    if value.len() > out.bytes_max - out.text.len() {
        return Err(fmt::Error);
    }
    // Texts always serialize.
    out.write_str(&serde_json::to_string(value).unwrap_or_default())
}

fn sequence<'a>(out: &mut Out, items: impl Iterator<Item = (&'a Shape, &'a Val)>) -> fmt::Result {
    out.write_char('[')?;
    for (index, (shape, item)) in items.enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        put(shape, item, out)?;
    }
    out.write_char(']')
}

fn tagged(out: &mut Out, name: &str, shape: Option<&Shape>, payload: Option<&Val>) -> fmt::Result {
    out.write_char('{')?;
    text(out, name)?;
    out.write_char(':')?;
    match (shape, payload) {
        (Some(shape), Some(value)) => put(shape, value, out)?,
        _ => out.write_str("null")?,
    }
    out.write_char('}')
}
