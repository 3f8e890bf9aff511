//! What a contract says of itself: `org.hyperledger.fabric:GetMetadata`, in the form of Fabric's
//! contract metadata, derived from the component's types and the doc comments of its WIT.

use serde_json::{Map, Value, json};

use crate::contract::Function;
use crate::shape::Shape;

/// The function's name, Fabric's.
pub(crate) const GET_METADATA: &str = "org.hyperledger.fabric:GetMetadata";

/// Where our build tool puts the doc comments of WIT, as JSON: package → interface → function and
/// type. Other tools' components have none.
const DOCS_SECTION: &str = "cordon:package-docs";

/// The metadata of a component's functions, as JSON text.
pub(crate) fn metadata(functions: &[Function], component: &[u8]) -> String {
    let docs: Value = custom_section(component, DOCS_SECTION)
        .and_then(|bytes| serde_json::from_slice(bytes).ok())
        .unwrap_or_default();
    let mut contracts = Map::new();
    for function in functions {
        let (contract, name) = function
            .name
            .split_once(':')
            .unwrap_or(("", &function.name));
        let docs = InterfaceDocs::of(&docs, &function.export);
        let parameters: Vec<Value> = function
            .parameters
            .iter()
            .map(|(name, shape)| {
                json!({ "name": crate::shape::camel_case(name), "schema": schema(shape, &docs) })
            })
            .collect();
        let mut transaction = json!({ "name": name, "parameters": parameters });
        if let Some(answer) = &function.answer {
            transaction["returns"] = schema(answer, &docs);
        }
        if let Some(text) = docs.function() {
            transaction["description"] = json!(text);
        }
        let entry = contracts
            .entry(contract)
            .or_insert_with(|| json!({ "name": contract, "transactions": [] }));
        if let Some(text) = docs.interface["docs"].as_str() {
            entry["info"] = json!({ "title": contract, "description": text });
        }
        if let Some(transactions) = entry["transactions"].as_array_mut() {
            transactions.push(transaction);
        }
    }
    json!({ "contracts": contracts, "components": {} }).to_string()
}

/// The docs of one function's interface.
struct InterfaceDocs<'a> {
    /// Docs of all interfaces of the packages, for types that are defined in another one.
    all: &'a Value,
    interface: &'a Value,
    function: &'a str,
}

impl<'a> InterfaceDocs<'a> {
    /// Of `function` in the interface with this full name, `cordon:emr/physician@1.0.0`: its docs are
    /// with the package `cordon:emr@1.0.0`, as others may have an interface of the same name.
    fn of(all: &'a Value, (full_name, function): &'a (String, String)) -> Self {
        let (package, rest) = full_name.split_once('/').unwrap_or((full_name, ""));
        let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
        let package = match version {
            "" => package.to_owned(),
            version => format!("{package}@{version}"),
        };
        Self {
            all,
            interface: &all[&package]["interfaces"][interface],
            function,
        }
    }

    fn function(&self) -> Option<&'a str> {
        self.interface["funcs"][self.function]["docs"].as_str()
    }

    /// Docs of a record's field. A record is known by its fields' names, because a component's types
    /// have no names of their own.
    fn field(&self, fields: &[crate::shape::Field], name: &str) -> Option<&'a str> {
        let types = |interface: &'a Value| interface["types"].as_object().into_iter().flatten();
        let packages = self
            .all
            .as_object()
            .into_iter()
            .flat_map(|packages| packages.values());
        let interfaces = packages.flat_map(|p| {
            p["interfaces"]
                .as_object()
                .into_iter()
                .flat_map(|i| i.values())
        });
        std::iter::once(self.interface)
            .chain(interfaces)
            .flat_map(types)
            .map(|(_, ty)| &ty["items"])
            .filter(|items| {
                items
                    .as_object()
                    .is_some_and(|items| items.len() == fields.len())
            })
            .find(|items| fields.iter().all(|field| items.get(&field.name).is_some()))
            .and_then(|items| items[name].as_str())
    }
}

/// JSON schema of a type, for the JSON that is accepted and answered.
fn schema(shape: &Shape, docs: &InterfaceDocs<'_>) -> Value {
    let of = |shape: &Shape| schema(shape, docs);
    let nothing = || json!({ "type": "null" });
    let payload = |shape: Option<&Shape>| shape.map_or_else(nothing, of);
    let tagged = |name: &str, schema: Value| {
        json!({
            "type": "object", "properties": { name: schema },
            "required": [name], "additionalProperties": false,
        })
    };
    match shape {
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Signed(64) | Shape::Unsigned(64) => json!({ "type": ["integer", "string"] }),
        Shape::Signed(bits) => {
            let max = (1i64 << (bits - 1)) - 1;
            json!({ "type": "integer", "minimum": -max - 1, "maximum": max })
        }
        Shape::Unsigned(bits) => {
            json!({ "type": "integer", "minimum": 0, "maximum": (1i64 << bits) - 1 })
        }
        Shape::Float32 | Shape::Float64 => json!({
            "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }],
        }),
        Shape::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        Shape::String => json!({ "type": "string" }),
        Shape::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Shape::List(item) => json!({ "type": "array", "items": of(item) }),
        Shape::Tuple(items) => json!({
            "type": "array", "prefixItems": items.iter().map(of).collect::<Vec<_>>(),
            "minItems": items.len(), "maxItems": items.len(),
        }),
        Shape::Record(fields) => {
            let mut properties = Map::new();
            for field in fields {
                let mut schema = of(&field.shape);
                if let Some(text) = docs.field(fields, &field.name) {
                    schema["description"] = json!(text);
                }
                properties.insert(field.json_name.clone(), schema);
            }
            let required: Vec<&str> = fields
                .iter()
                .filter(|field| !matches!(field.shape, Shape::Option(_)))
                .map(|field| field.json_name.as_str())
                .collect();
            json!({
                "type": "object", "properties": properties,
                "required": required, "additionalProperties": false,
            })
        }
        Shape::Variant(cases) => json!({
            "oneOf": cases
                .iter()
                .map(|(name, shape)| tagged(name, payload(shape.as_ref())))
                .collect::<Vec<_>>(),
        }),
        Shape::Enum(names) => json!({ "enum": names }),
        Shape::Option(some) => {
            let some_schema = of(some);
            let some_schema = match **some {
                Shape::Option(_) => tagged("some", some_schema),
                _ => some_schema,
            };
            json!({ "anyOf": [some_schema, { "type": "null" }] })
        }
        Shape::Result(ok, err) => json!({
            "oneOf": [
                tagged("ok", payload(ok.as_deref())), tagged("err", payload(err.as_deref())),
            ],
        }),
        Shape::Flags(names) => {
            json!({ "type": "array", "items": { "enum": names }, "uniqueItems": true })
        }
    }
}

/// The content of a custom section at the top level of a WebAssembly binary. Whatever does not
/// parse ends the search: docs are a courtesy.
fn custom_section<'a>(binary: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let mut rest = binary.get(8..)?;
    while let Some((&id, after)) = rest.split_first() {
        let (size, after) = leb128(after)?;
        let (section, next) = after.split_at_checked(size)?;
        rest = next;
        if id == 0 {
            let (length, content) = leb128(section)?;
            let (name, content) = content.split_at_checked(length)?;
            if name == wanted.as_bytes() {
                return Some(content);
            }
        }
    }
    None
}

/// An unsigned number of at most 32 bits in WebAssembly's encoding, and what follows it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0usize;
    for (index, &byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_custom_section_is_found_behind_others() {
        let mut binary = b"\0asm\x0d\0\x01\0".to_vec();
        binary.extend([1, 2, 9, 9]);
        binary.extend([0, 3, 1, b'a', 7]);
        binary.extend([0, 5, 2, b'b', b'c', 8, 9]);
        assert_eq!(custom_section(&binary, "bc"), Some(&[8, 9][..]));
        assert_eq!(custom_section(&binary, "a"), Some(&[7][..]));
        assert_eq!(custom_section(&binary, "x"), None);
    }

    proptest! {
        #[test]
        fn hostile_binaries_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = custom_section(&bytes, "a");
        }
    }
}
