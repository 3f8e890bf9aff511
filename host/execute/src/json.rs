//! JSON ↔ WIT values (DESIGN section 4). One JSON text per value on the way out; on the way in,
//! everything that is not exactly the type is refused with the path of the field.
//!
//! | WIT | JSON |
//! |---|---|
//! | record | object, camelCase names; absent `option` fields may be left out |
//! | enum | its case as string |
//! | variant | `{"case": payload}`, payload `null` when the case has none |
//! | option | value or `null`; an option in an option: `{"some": value}` or `null` |
//! | result | `{"ok": value}` or `{"err": value}` |
//! | list, tuple | array |
//! | `list<u8>` | base64 text |
//! | flags | array of names |
//! | 64-bit integer | number; text beyond 2^53 |
//! | float | number; `"NaN"`, `"Infinity"`, `"-Infinity"` as text |

use std::cell::Cell;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use wasmtime::component::Val;

use crate::shape::{Field, Shape};

mod write;

pub use write::write;

/// Fields that one argument may leave out, in all its records together. Nothing in the JSON stands for
/// them, and each costs the host 100 bytes: three bytes could be a thousand fields.
const ABSENT_MAX: usize = 200_000;

/// An argument that is not what the function takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct JsonError {
    /// Which part: parameter name, then fields and indices, for example `note.tests[2].name`.
    pub path: String,
    /// What is wrong with it. Never holds the value itself.
    pub problem: String,
}

/// JSON as it was written: duplicate names are kept, so that they can be refused.
#[derive(Debug)]
enum Json {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a text",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JsonVisitor;

        impl<'de> Visitor<'de> for JsonVisitor {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Bool(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Number(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Number(value.into()))
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
                Number::from_f64(value)
                    .map(Json::Number)
                    .ok_or_else(|| E::custom("not a number"))
            }

            fn visit_str<E>(self, value: &str) -> Result<Json, E> {
                Ok(Json::String(value.to_owned()))
            }

            fn visit_string<E>(self, value: String) -> Result<Json, E> {
                Ok(Json::String(value))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Json::Array(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Json::Object(fields))
            }
        }

        deserializer.deserialize_any(JsonVisitor)
    }
}

/// Where we are in an argument; printed only when something is wrong.
#[derive(Clone, Copy)]
enum Path<'a> {
    /// A parameter, and how many fields of it may be left out.
    Root(&'a str, &'a Cell<usize>),
    Field(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name, _) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl Path<'_> {
    fn error(&self, problem: impl Into<String>) -> JsonError {
        JsonError {
            path: self.to_string(),
            problem: problem.into(),
        }
    }

    /// Takes note of a field that was left out.
    fn left_out(&self) -> Result<(), JsonError> {
        match self {
            Self::Root(_, left) => {
                let fewer = left.get().checked_sub(1).ok_or_else(|| {
                    self.error(format!("more than {ABSENT_MAX} fields are left out"))
                })?;
                left.set(fewer);
                Ok(())
            }
            Self::Field(parent, _) | Self::Index(parent, _) => parent.left_out(),
        }
    }

    fn expected(&self, what: &str, found: &Json) -> JsonError {
        self.error(format!("expected {what}, found {}", found.kind()))
    }
}

/// Reads one argument. A `string` parameter takes the bytes as they are, every other type JSON; an
/// `option<string>` takes both: `null` and a text in quotes as JSON, anything else as it is.
///
/// # Errors
/// [`JsonError`] with the path of the first part that does not fit.
pub fn parse(shape: &Shape, parameter: &str, bytes: &[u8]) -> Result<Val, JsonError> {
    let left = Cell::new(ABSENT_MAX);
    let path = Path::Root(parameter, &left);
    let text = std::str::from_utf8(bytes).map_err(|_| path.error("not UTF-8 text"))?;
    if let Shape::String = shape {
        return Ok(Val::String(text.to_owned()));
    }
    let json = serde_json::from_str(text);
    if matches!(shape, Shape::Option(some) if **some == Shape::String)
        && !matches!(json, Ok(Json::String(_) | Json::Null))
    {
        return Ok(Val::Option(Some(Box::new(Val::String(text.to_owned())))));
    }
    let json = json.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        path.error(format!("malformed JSON at line {line} column {column}"))
    })?;
    value(shape, json, path)
}

/// The value of an argument that was left out, if it may be.
pub(crate) fn absent(shape: &Shape) -> Option<Val> {
    matches!(shape, Shape::Option(_)).then_some(Val::Option(None))
}

fn value(shape: &Shape, json: Json, path: Path<'_>) -> Result<Val, JsonError> {
    match (shape, json) {
        (Shape::Bool, Json::Bool(value)) => Ok(Val::Bool(value)),
        (Shape::Signed(bits), json) => signed(*bits, &json, path),
        (Shape::Unsigned(bits), json) => unsigned(*bits, &json, path),
        (Shape::Float32, json) => float32(&json, path).map(Val::Float32),
        (Shape::Float64, json) => float(&json, path).map(Val::Float64),
        (Shape::Char, Json::String(text)) => {
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(value), None) => Ok(Val::Char(value)),
                _ => Err(path.error("expected exactly one character")),
            }
        }
        (Shape::String, Json::String(text)) => Ok(Val::String(text)),
        (Shape::Bytes, Json::String(text)) => {
            let bytes = BASE64
                .decode(text)
                .map_err(|_| path.error("expected base64 text"))?;
            Ok(Val::List(bytes.into_iter().map(Val::U8).collect()))
        }
        (Shape::List(item), Json::Array(items)) => items
            .into_iter()
            .enumerate()
            .map(|(index, json)| value(item, json, Path::Index(&path, index)))
            .collect::<Result<_, _>>()
            .map(Val::List),
        (Shape::Record(fields), Json::Object(object)) => record(fields, object, path),
        (Shape::Tuple(shapes), Json::Array(items)) => {
            if items.len() != shapes.len() {
                let (expected, found) = (shapes.len(), items.len());
                return Err(path.error(format!("expected {expected} elements, found {found}")));
            }
            shapes
                .iter()
                .zip(items)
                .enumerate()
                .map(|(index, (shape, json))| value(shape, json, Path::Index(&path, index)))
                .collect::<Result<_, _>>()
                .map(Val::Tuple)
        }
        (Shape::Variant(cases), Json::Object(object)) => variant(cases, object, path),
        (Shape::Enum(names), Json::String(text)) => {
            one_of(names.iter(), &text, path)?;
            Ok(Val::Enum(text))
        }
        (Shape::Option(_), Json::Null) => Ok(Val::Option(None)),
        (Shape::Option(some), json) => {
            let inner = match (&**some, json) {
                (Shape::Option(_), Json::Object(object)) => {
                    let (_, json) = single(object, path)?
                        .filter_name("some")
                        .ok_or_else(|| path.error("expected {\"some\": value} or null"))?;
                    json
                }
                (Shape::Option(_), json) => return Err(path.expected("{\"some\": value}", &json)),
                (_, json) => json,
            };
            Ok(Val::Option(Some(Box::new(value(some, inner, path)?))))
        }
        (Shape::Result(ok, err), Json::Object(object)) => {
            let (name, json) = single(object, path)?.0;
            match name.as_str() {
                "ok" => payload(ok.as_deref(), json, path, "ok").map(|v| Val::Result(Ok(v))),
                "err" => payload(err.as_deref(), json, path, "err").map(|v| Val::Result(Err(v))),
                _ => Err(path.error("expected {\"ok\": value} or {\"err\": value}")),
            }
        }
        (Shape::Flags(names), Json::Array(items)) => flags(names, items, path),
        (shape, json) => Err(path.expected(describe(shape), &json)),
    }
}

fn describe(shape: &Shape) -> &'static str {
    match shape {
        Shape::Bool => "a boolean",
        Shape::Signed(_) | Shape::Unsigned(_) | Shape::Float32 | Shape::Float64 => "a number",
        Shape::Char | Shape::String | Shape::Enum(_) => "a text",
        Shape::Bytes => "a base64 text",
        Shape::List(_) | Shape::Tuple(_) | Shape::Flags(_) => "an array",
        Shape::Record(_) | Shape::Variant(_) | Shape::Result(..) => "an object",
        Shape::Option(_) => "a value or null",
    }
}

fn integer<T>(json: &Json, path: Path<'_>) -> Result<T, JsonError>
where
    T: std::str::FromStr + fmt::Display + TryFrom<i64> + TryFrom<u64>,
{
    let out_of_range = || path.error("number out of range");
    match json {
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(value), _) => T::try_from(value).map_err(|_| out_of_range()),
            (_, Some(value)) => T::try_from(value).map_err(|_| out_of_range()),
            _ => Err(path.error("expected a whole number in range")),
        },
        json => Err(path.expected("a whole number", json)),
    }
}

/// A 64-bit integer written as text, in the one form that we would write.
fn integer_text<T>(json: &Json, path: Path<'_>) -> Result<T, JsonError>
where
    T: std::str::FromStr + fmt::Display + TryFrom<i64> + TryFrom<u64>,
{
    let Json::String(text) = json else {
        return integer(json, path);
    };
    match text.parse::<T>() {
        Ok(value) if value.to_string() == *text => Ok(value),
        _ => Err(path.error("expected a whole number in range")),
    }
}

fn signed(bits: u8, json: &Json, path: Path<'_>) -> Result<Val, JsonError> {
    Ok(match bits {
        8 => Val::S8(integer(json, path)?),
        16 => Val::S16(integer(json, path)?),
        32 => Val::S32(integer(json, path)?),
        _ => Val::S64(integer_text(json, path)?),
    })
}

fn unsigned(bits: u8, json: &Json, path: Path<'_>) -> Result<Val, JsonError> {
    Ok(match bits {
        8 => Val::U8(integer(json, path)?),
        16 => Val::U16(integer(json, path)?),
        32 => Val::U32(integer(json, path)?),
        _ => Val::U64(integer_text(json, path)?),
    })
}

fn float(json: &Json, path: Path<'_>) -> Result<f64, JsonError> {
    match json {
        Json::Number(number) => number
            .as_f64()
            .ok_or_else(|| path.error("number out of range")),
        Json::String(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => Err(path.expected("a number", json)),
        },
        json => Err(path.expected("a number", json)),
    }
}

fn float32(json: &Json, path: Path<'_>) -> Result<f32, JsonError> {
    let wide = float(json, path)?;
    let value = wide as f32;
    // A number beyond the type's range would become infinite.
    if value.is_infinite() && wide.is_finite() {
        return Err(path.error("number out of range"));
    }
    Ok(value)
}

fn record(fields: &[Field], object: Vec<(String, Json)>, path: Path<'_>) -> Result<Val, JsonError> {
    let mut found: Vec<Option<Json>> = fields.iter().map(|_| None).collect();
    for (name, json) in object {
        let index = fields
            .iter()
            .position(|field| field.json_name == name)
            .ok_or_else(|| Path::Field(&path, &cut(&name)).error("unknown field"))?;
        if found[index].replace(json).is_some() {
            return Err(Path::Field(&path, &name).error("field given twice"));
        }
    }
    fields
        .iter()
        .zip(found)
        .map(|(field, json)| {
            let path = Path::Field(&path, &field.json_name);
            let value = if let Some(json) = json {
                value(&field.shape, json, path)?
            } else {
                path.left_out()?;
                absent(&field.shape).ok_or_else(|| path.error("missing field"))?
            };
            Ok((field.name.clone(), value))
        })
        .collect::<Result<_, _>>()
        .map(Val::Record)
}

/// A name from outside, short enough to be shown.
fn cut(name: &str) -> String {
    name.chars().take(64).collect()
}

struct Single((String, Json));

impl Single {
    fn filter_name(self, name: &str) -> Option<(String, Json)> {
        (self.0.0 == name).then_some(self.0)
    }
}

fn single(object: Vec<(String, Json)>, path: Path<'_>) -> Result<Single, JsonError> {
    let mut fields = object.into_iter();
    match (fields.next(), fields.next()) {
        (Some(field), None) => Ok(Single(field)),
        _ => Err(path.error("expected an object with exactly one field")),
    }
}

fn one_of<'a>(
    mut names: impl Iterator<Item = &'a String> + Clone,
    text: &str,
    path: Path<'_>,
) -> Result<(), JsonError> {
    if names.clone().any(|name| name == text) {
        return Ok(());
    }
    let first = names.next().cloned().unwrap_or_default();
    let known = names.fold(first, |text, name| text + ", " + name);
    Err(path.error(format!("expected one of: {known}")))
}

fn variant(
    cases: &[(String, Option<Shape>)],
    object: Vec<(String, Json)>,
    path: Path<'_>,
) -> Result<Val, JsonError> {
    let Single((name, json)) = single(object, path)?;
    one_of(cases.iter().map(|(name, _)| name), &name, path)?;
    let shape = cases
        .iter()
        .find(|(case, _)| *case == name)
        .and_then(|(_, shape)| shape.as_ref());
    let payload = payload(shape, json, path, &name)?;
    Ok(Val::Variant(name, payload))
}

fn payload(
    shape: Option<&Shape>,
    json: Json,
    path: Path<'_>,
    name: &str,
) -> Result<Option<Box<Val>>, JsonError> {
    let path = Path::Field(&path, name);
    match (shape, json) {
        (Some(shape), json) => Ok(Some(Box::new(value(shape, json, path)?))),
        (None, Json::Null) => Ok(None),
        (None, json) => Err(path.expected("null", &json)),
    }
}

fn flags(names: &[String], items: Vec<Json>, path: Path<'_>) -> Result<Val, JsonError> {
    let mut given = vec![false; names.len()];
    for (index, item) in items.into_iter().enumerate() {
        let path = Path::Index(&path, index);
        let Json::String(text) = item else {
            return Err(path.expected("a text", &item));
        };
        one_of(names.iter(), &text, path)?;
        let flag = names
            .iter()
            .position(|name| *name == text)
            .unwrap_or_default();
        if std::mem::replace(&mut given[flag], true) {
            return Err(path.error("flag given twice"));
        }
    }
    let set = names.iter().zip(given).filter(|(_, given)| *given);
    Ok(Val::Flags(set.map(|(name, _)| name.clone()).collect()))
}

#[cfg(test)]
mod tests;
