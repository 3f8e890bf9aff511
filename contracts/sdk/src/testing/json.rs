//! The types of a contract's bindings as JSON, as hosts write and read it; natively, for recorded
//! cases. Arguments and answers of the types that contracts of this repository have: no `list<u8>`, and
//! no enums and variants in arguments.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde::ser::{self, Impossible, Serialize, Serializer};
use serde_json::Value;

/// Largest integer that every JSON reader keeps exact; hosts write larger ones as text.
const EXACT_MAX: u64 = 1 << 53;

/// A value of JSON whose objects have camelCase names.
///
/// # Errors
/// A sentence, when it is no `T`.
pub fn from_json<T: DeserializeOwned>(mut value: Value) -> Result<T, String> {
    rename(&mut value);
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Gives all objects the names of Rust's fields.
fn rename(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(rename),
        Value::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(name, mut value)| {
                    rename(&mut value);
                    (parted(&name, '_'), value)
                })
                .collect();
        }
        _ => {}
    }
}

/// `childId` and `ChildId` with `_` → `child_id`.
fn parted(name: &str, by: char) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push(by);
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// `child_id` → `ChildId`.
pub(super) fn pascal_case(name: &str) -> String {
    let part = |part: &str| part[..1].to_ascii_uppercase() + &part[1..];
    name.split('_').map(part).collect()
}

/// The JSON text that a host writes for a value: fields in the order of the WIT, nothing for `()`.
///
/// # Panics
/// With a type that WIT does not have.
pub fn to_json<T: Serialize>(value: &T) -> String {
    let mut text = String::new();
    value
        .serialize(Writer(&mut text))
        .expect("bindings have types of WIT only");
    text
}

/// Writes a value.
struct Writer<'a>(&'a mut String);

/// Writes what has several parts.
struct Parts<'a> {
    text: &'a mut String,
    first: bool,
    end: char,
}

/// What no contract has.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unknown(String);

impl ser::Error for Unknown {
    fn custom<T: Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

fn unknown<T>(what: &str) -> Result<T, Unknown> {
    Err(Unknown(format!("{what} is not a type of WIT")))
}

impl<'a> Writer<'a> {
    fn plain<T: Serialize>(self, value: T) -> Result<(), Unknown> {
        *self.0 += &serde_json::to_string(&value).map_err(ser::Error::custom)?;
        Ok(())
    }

    fn parts(self, begin: char, end: char) -> Parts<'a> {
        self.0.push(begin);
        Parts {
            text: self.0,
            first: true,
            end,
        }
    }
}

impl Parts<'_> {
    fn part(
        &mut self,
        name: Option<&str>,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), Unknown> {
        if !std::mem::take(&mut self.first) {
            self.text.push(',');
        }
        if let Some(name) = name {
            Writer(self.text).plain(name)?;
            self.text.push(':');
        }
        value.serialize(Writer(self.text))
    }

    fn done(self) {
        self.text.push(self.end);
    }
}

macro_rules! plain {
    ($($method:ident($type:ty)),+) => {
        $(fn $method(self, value: $type) -> Result<(), Unknown> {
            self.plain(value)
        })+
    };
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Unknown;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeTupleStruct = Impossible<(), Unknown>;
    type SerializeTupleVariant = Impossible<(), Unknown>;
    type SerializeMap = Impossible<(), Unknown>;
    type SerializeStructVariant = Impossible<(), Unknown>;

    plain!(
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_char(char),
        serialize_str(&str)
    );

    fn serialize_i64(self, value: i64) -> Result<(), Unknown> {
        if value.unsigned_abs() > EXACT_MAX {
            return self.plain(value.to_string());
        }
        self.plain(value)
    }

    fn serialize_u64(self, value: u64) -> Result<(), Unknown> {
        if value > EXACT_MAX {
            return self.plain(value.to_string());
        }
        self.plain(value)
    }

    fn serialize_f32(self, value: f32) -> Result<(), Unknown> {
        match value {
            value if value.is_finite() => self.plain(value),
            _ => self.serialize_f64(value.into()),
        }
    }

    fn serialize_f64(self, value: f64) -> Result<(), Unknown> {
        match value {
            value if value.is_finite() => self.plain(value),
            value if value.is_nan() => self.plain("NaN"),
            value if value > 0.0 => self.plain("Infinity"),
            _ => self.plain("-Infinity"),
        }
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Unknown> {
        unknown("a slice of bytes")
    }

    fn serialize_none(self) -> Result<(), Unknown> {
        self.plain(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unknown> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unknown> {
        Ok(())
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Unknown> {
        unknown(name)
    }

    fn serialize_unit_variant(self, _: &str, _: u32, case: &'static str) -> Result<(), Unknown> {
        self.plain(parted(case, '-'))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: &T,
    ) -> Result<(), Unknown> {
        unknown(name)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &str,
        _: u32,
        case: &'static str,
        value: &T,
    ) -> Result<(), Unknown> {
        let mut parts = self.parts('{', '}');
        parts.part(Some(&parted(case, '-')), value)?;
        parts.done();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Unknown> {
        Ok(self.parts('[', ']'))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Unknown> {
        Ok(self.parts('[', ']'))
    }

    fn serialize_struct(self, _: &str, _: usize) -> Result<Parts<'a>, Unknown> {
        Ok(self.parts('{', '}'))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Impossible<(), Unknown>, Unknown> {
        unknown(name)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &str,
        _: usize,
    ) -> Result<Impossible<(), Unknown>, Unknown> {
        unknown(name)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Impossible<(), Unknown>, Unknown> {
        unknown("a map")
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &str,
        _: usize,
    ) -> Result<Impossible<(), Unknown>, Unknown> {
        unknown(name)
    }
}

impl ser::SerializeSeq for Parts<'_> {
    type Ok = ();
    type Error = Unknown;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unknown> {
        self.part(None, value)
    }

    fn end(self) -> Result<(), Unknown> {
        self.done();
        Ok(())
    }
}

impl ser::SerializeTuple for Parts<'_> {
    type Ok = ();
    type Error = Unknown;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unknown> {
        self.part(None, value)
    }

    fn end(self) -> Result<(), Unknown> {
        self.done();
        Ok(())
    }
}

impl ser::SerializeStruct for Parts<'_> {
    type Ok = ();
    type Error = Unknown;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unknown> {
        let name = pascal_case(name);
        let name = name[..1].to_ascii_lowercase() + &name[1..];
        self.part(Some(&name), value)
    }

    fn end(self) -> Result<(), Unknown> {
        self.done();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    enum Kind {
        NotFound,
        Some(u8),
    }

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Inner {
        height_cm: f64,
        fit_for_school: Option<bool>,
    }

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Outer {
        child_id: String,
        all: Vec<Inner>,
        block: u64,
    }

    #[test]
    fn values_are_written_as_hosts_write_them_and_read_again() {
        let inner = |fit_for_school| Inner {
            height_cm: 17.0,
            fit_for_school,
        };
        let outer = Outer {
            child_id: "a \"b\"\n".to_owned(),
            all: vec![inner(None), inner(Some(true))],
            block: 7,
        };
        let text = r#"{"childId":"a \"b\"\n","all":[{"heightCm":17.0,"fitForSchool":null},{"heightCm":17.0,"fitForSchool":true}],"block":7}"#;
        assert_eq!(to_json(&outer), text);
        assert_eq!(from_json(serde_json::from_str(text).unwrap()), Ok(outer));
        assert_eq!(to_json(&Kind::NotFound), "\"not-found\"");
        assert_eq!(to_json(&Kind::Some(1)), r#"{"some":1}"#);
        assert_eq!(
            to_json(&(1_u64 << 53, (1_u64 << 53) + 1)),
            r#"[9007199254740992,"9007199254740993"]"#
        );
        assert_eq!(to_json(&()), "");
    }
}
