//! The types of a contract's functions, read from the component once at install.

use wasmtime::component::Type;
use wasmtime::component::types::Field as WitField;

/// A WIT type that has a JSON form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// `bool`.
    Bool,
    /// Signed integer of so many bits.
    Signed(u8),
    /// Unsigned integer of so many bits.
    Unsigned(u8),
    /// `f32`.
    Float32,
    /// `f64`.
    Float64,
    /// `char`.
    Char,
    /// `string`.
    String,
    /// `list<u8>`.
    Bytes,
    /// Any other list.
    List(Box<Shape>),
    /// Fields in order.
    Record(Vec<Field>),
    /// Elements in order.
    Tuple(Vec<Shape>),
    /// Cases by WIT name, with their payload.
    Variant(Vec<(String, Option<Shape>)>),
    /// Cases by WIT name.
    Enum(Vec<String>),
    /// A value or nothing.
    Option(Box<Shape>),
    /// `ok` or `err`, each with an optional payload.
    Result(Option<Box<Shape>>, Option<Box<Shape>>),
    /// Flags by WIT name.
    Flags(Vec<String>),
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// WIT name, kebab-case.
    pub name: String,
    /// JSON name, camelCase.
    pub json_name: String,
    /// Its type.
    pub shape: Shape,
}

/// Deepest nesting of types; JSON of deeper values would exhaust the parser's own limit.
const DEPTH_MAX: usize = 32;

impl Shape {
    /// The shape of a component's type.
    ///
    /// # Errors
    /// The reason, when the type has no JSON form (resources, streams, futures, maps).
    pub(crate) fn of(ty: &Type, depth: usize) -> Result<Self, String> {
        if depth > DEPTH_MAX {
            return Err(format!("its types nest deeper than {DEPTH_MAX}"));
        }
        let deeper = |ty: &Type| Self::of(ty, depth + 1);
        let boxed = |ty: Option<Type>| {
            ty.map(|ty| Self::of(&ty, depth + 1).map(Box::new))
                .transpose()
        };
        Ok(match ty {
            Type::Bool => Self::Bool,
            Type::S8 => Self::Signed(8),
            Type::S16 => Self::Signed(16),
            Type::S32 => Self::Signed(32),
            Type::S64 => Self::Signed(64),
            Type::U8 => Self::Unsigned(8),
            Type::U16 => Self::Unsigned(16),
            Type::U32 => Self::Unsigned(32),
            Type::U64 => Self::Unsigned(64),
            Type::Float32 => Self::Float32,
            Type::Float64 => Self::Float64,
            Type::Char => Self::Char,
            Type::String => Self::String,
            Type::List(list) => match list.ty() {
                Type::U8 => Self::Bytes,
                ty => Self::List(Box::new(deeper(&ty)?)),
            },
            Type::Record(record) => Self::Record(
                record
                    .fields()
                    .map(|field| Field::of(&field, depth))
                    .collect::<Result<_, _>>()?,
            ),
            Type::Tuple(tuple) => Self::Tuple(
                tuple
                    .types()
                    .map(|ty| deeper(&ty))
                    .collect::<Result<_, _>>()?,
            ),
            Type::Variant(variant) => Self::Variant(
                variant
                    .cases()
                    .map(|case| {
                        let payload = case.ty.as_ref().map(deeper).transpose()?;
                        Ok((case.name.to_owned(), payload))
                    })
                    .collect::<Result<_, String>>()?,
            ),
            Type::Enum(names) => Self::Enum(names.names().map(str::to_owned).collect()),
            Type::Option(option) => Self::Option(Box::new(deeper(&option.ty())?)),
            Type::Result(result) => Self::Result(boxed(result.ok())?, boxed(result.err())?),
            Type::Flags(flags) => Self::Flags(flags.names().map(str::to_owned).collect()),
            Type::Own(_) | Type::Borrow(_) => return Err("it uses a resource".to_owned()),
            _ => return Err("it uses a type that has no JSON form".to_owned()),
        })
    }
}

impl Shape {
    /// Whether flags are in it.
    pub(crate) fn has_flags(&self) -> bool {
        match self {
            Self::Flags(_) => true,
            Self::List(item) | Self::Option(item) => item.has_flags(),
            Self::Record(fields) => fields.iter().any(|field| field.shape.has_flags()),
            Self::Tuple(items) => items.iter().any(Self::has_flags),
            Self::Variant(cases) => cases.iter().any(|(_, shape)| any_flags(shape.as_ref())),
            Self::Result(ok, err) => any_flags(ok.as_deref()) || any_flags(err.as_deref()),
            _ => false,
        }
    }
}

fn any_flags(shape: Option<&Shape>) -> bool {
    shape.is_some_and(Shape::has_flags)
}

impl Field {
    fn of(field: &WitField<'_>, depth: usize) -> Result<Self, String> {
        Ok(Self {
            name: field.name.to_owned(),
            json_name: camel_case(field.name),
            shape: Shape::of(&field.ty, depth + 1)?,
        })
    }
}

/// `patient-id` → `patientId`.
pub(crate) fn camel_case(kebab: &str) -> String {
    let mut words = kebab.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + &capitalised(word))
}

/// `health-center` → `HealthCenter`.
pub(crate) fn pascal_case(kebab: &str) -> String {
    kebab.split('-').map(capitalised).collect()
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + chars.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_convention() {
        assert_eq!(camel_case("patient-id"), "patientId");
        assert_eq!(camel_case("area"), "area");
        assert_eq!(camel_case("get-URL-x1"), "getURLX1");
        assert_eq!(pascal_case("health-center"), "HealthCenter");
    }
}
