//! WIT values as JSON text: one text per value.

use std::fmt;
use std::fmt::Write as _;

use base64::Engine as _;
use wasmtime::component::Val;

use super::BASE64;
use crate::shape::Shape;

/// Largest integer that every JSON reader keeps exact.
const EXACT_MAX: u64 = 1 << 53;

/// Writes a value as JSON text. `shape` must be the value's own.
pub fn write(shape: &Shape, value: &Val, out: &mut String) {
    match (shape, value) {
        (_, Val::Bool(value)) => display(out, value),
        (_, Val::S8(value)) => display(out, value),
        (_, Val::S16(value)) => display(out, value),
        (_, Val::S32(value)) => display(out, value),
        (_, Val::U8(value)) => display(out, value),
        (_, Val::U16(value)) => display(out, value),
        (_, Val::U32(value)) => display(out, value),
        (_, Val::S64(value)) => wide(out, value, value.unsigned_abs()),
        (_, Val::U64(value)) => wide(out, value, *value),
        (_, Val::Float32(value)) => write_float(out, f64::from(*value), || {
            serde_json::to_string(value).unwrap_or_default()
        }),
        (_, Val::Float64(value)) => {
            write_float(out, *value, || {
                serde_json::to_string(value).unwrap_or_default()
            });
        }
        (_, Val::Char(value)) => text(out, value.encode_utf8(&mut [0; 4])),
        (_, Val::String(value) | Val::Enum(value)) => text(out, value),
        (Shape::Bytes, Val::List(items)) => {
            let bytes: Vec<u8> = items
                .iter()
                .map(|item| if let Val::U8(byte) = item { *byte } else { 0 })
                .collect();
            text(out, &BASE64.encode(bytes));
        }
        (Shape::List(shape), Val::List(items)) => {
            sequence(out, items.iter().map(|item| (&**shape, item)));
        }
        (Shape::Tuple(shapes), Val::Tuple(items)) => sequence(out, shapes.iter().zip(items)),
        (Shape::Record(fields), Val::Record(values)) => {
            out.push('{');
            for (index, (field, (_, value))) in fields.iter().zip(values).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                text(out, &field.json_name);
                out.push(':');
                write(&field.shape, value, out);
            }
            out.push('}');
        }
        (Shape::Variant(cases), Val::Variant(name, payload)) => {
            let shape = cases
                .iter()
                .find(|(case, _)| case == name)
                .and_then(|(_, shape)| shape.as_ref());
            tagged(out, name, shape, payload.as_deref());
        }
        (Shape::Option(shape), Val::Option(Some(value))) => {
            if let Shape::Option(_) = **shape {
                tagged(out, "some", Some(shape), Some(value));
            } else {
                write(shape, value, out);
            }
        }
        (Shape::Result(shape, _), Val::Result(Ok(value))) => {
            tagged(out, "ok", shape.as_deref(), value.as_deref());
        }
        (Shape::Result(_, shape), Val::Result(Err(value))) => {
            tagged(out, "err", shape.as_deref(), value.as_deref());
        }
        (_, Val::Flags(names)) => {
            out.push('[');
            for (index, name) in names.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                text(out, name);
            }
            out.push(']');
        }
        // An absent option. The engine hands out values of the type it declared, so nothing else
        // comes here; null keeps the output well-formed.
        _ => out.push_str("null"),
    }
}

fn display(out: &mut String, value: &impl fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

fn wide(out: &mut String, value: &impl fmt::Display, magnitude: u64) {
    if magnitude <= EXACT_MAX {
        display(out, value);
    } else {
        let _ = write!(out, "\"{value}\"");
    }
}

fn write_float(out: &mut String, value: f64, finite: impl FnOnce() -> String) {
    if value.is_nan() {
        out.push_str("\"NaN\"");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 {
            "\"Infinity\""
        } else {
            "\"-Infinity\""
        });
    } else {
        out.push_str(&finite());
    }
}

fn text(out: &mut String, value: &str) {
    // Texts always serialize.
    out.push_str(&serde_json::to_string(value).unwrap_or_default());
}

fn sequence<'a>(out: &mut String, items: impl Iterator<Item = (&'a Shape, &'a Val)>) {
    out.push('[');
    for (index, (shape, item)) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(shape, item, out);
    }
    out.push(']');
}

fn tagged(out: &mut String, name: &str, shape: Option<&Shape>, payload: Option<&Val>) {
    out.push('{');
    text(out, name);
    out.push(':');
    match (shape, payload) {
        (Some(shape), Some(value)) => write(shape, value, out),
        _ => out.push_str("null"),
    }
    out.push('}');
}
