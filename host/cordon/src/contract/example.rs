//! Examples of a function's arguments and answer, made of the JSON schemas in a contract's metadata.
//!
//! A text is what the documentation says ``for example `…` `` of, else what its name suggests. Nothing
//! here is checked by a contract's rules: an example shows the form.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// 64 digits, as ids of transactions have.
const TRANSACTION_ID: &str = "0f1e2d3c4b5a69780f1e2d3c4b5a69780f1e2d3c4b5a69780f1e2d3c4b5a6978";

/// What the documentation of a contract gives as examples, by the JSON name of field.
pub(super) struct Examples(BTreeMap<String, String>);

impl Examples {
    /// Of all types in a contract's metadata.
    pub(super) fn of(metadata: &Value) -> Self {
        let mut found = BTreeMap::new();
        collect(metadata, &mut found);
        Self(found)
    }

    /// A value of this schema, for an argument or field of this name.
    pub(super) fn value(&self, name: &str, schema: &Value) -> Value {
        if let Some(properties) = schema["properties"].as_object() {
            let fields = properties
                .iter()
                .map(|(name, schema)| (name.clone(), self.value(name, schema)));
            return Value::Object(fields.collect::<Map<_, _>>());
        }
        if let Some(items) = schema["prefixItems"].as_array() {
            return items.iter().map(|item| self.value(name, item)).collect();
        }
        if let Some(item) = schema.get("items") {
            let one = name.strip_suffix('s').unwrap_or(name);
            return json!([self.value(one, item)]);
        }
        if let Some(choices) = schema["enum"].as_array() {
            return choices.first().cloned().unwrap_or_default();
        }
        for several in ["anyOf", "oneOf"] {
            if let Some(first) = schema[several].as_array().and_then(|all| all.first()) {
                // The documentation is the field's, beside the choices.
                let mut first = first.clone();
                if let (Some(text), Some(first)) =
                    (schema.get("description"), first.as_object_mut())
                {
                    first.entry("description").or_insert(text.clone());
                }
                return self.value(name, &first);
            }
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.first().and_then(Value::as_str),
            kind => kind.as_str(),
        };
        match kind {
            Some("boolean") => json!(true),
            Some("integer") => json!(1),
            Some("number") => json!(1.5),
            Some("string") => self.text(name, schema).into(),
            _ => Value::Null,
        }
    }

    fn text(&self, name: &str, schema: &Value) -> String {
        if schema.get("contentEncoding").is_some() {
            return "AQID".to_owned();
        }
        if schema.get("maxLength") == Some(&json!(1)) {
            return "a".to_owned();
        }
        let description = schema["description"].as_str().unwrap_or_default();
        documented(description)
            .or_else(|| self.0.get(name).cloned())
            .unwrap_or_else(|| by_name(name))
    }
}

/// Walks through schemas, and keeps the first example of each field's name.
fn collect(value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => {
            let properties = fields.get("properties").and_then(Value::as_object);
            for (name, schema) in properties.into_iter().flatten() {
                let description = schema["description"].as_str().unwrap_or_default();
                if let Some(text) = documented(description) {
                    found.entry(name.clone()).or_insert(text);
                }
            }
            fields.values().for_each(|item| collect(item, found));
        }
        _ => {}
    }
}

/// What the documentation of a text says that it is like.
fn documented(description: &str) -> Option<String> {
    if let Some(told) = told(description) {
        return Some(told.to_owned());
    }
    // Lines of documentation end anywhere.
    let words: Vec<&str> = description.split_whitespace().collect();
    let is_id = words.join(" ").contains("64 lower-case hex digits");
    is_id.then(|| TRANSACTION_ID.to_owned())
}

/// `X` of "for example `X`".
fn told(description: &str) -> Option<&str> {
    let (_, after) = description.split_once("for example")?;
    let (example, _) = after.trim_start().strip_prefix('`')?.split_once('`')?;
    // It is the component's own text, and a terminal obeys control characters.
    (!example.chars().any(char::is_control)).then_some(example)
}

/// What a name suggests: `patientId` is `patient-1`.
fn by_name(name: &str) -> String {
    let words = words(name);
    let has = |word: &str| words.iter().any(|known| known == word);
    match words.as_slice() {
        [whose @ .., last] if last == "id" && !whose.is_empty() => format!("{}-1", whose.join("-")),
        _ if has("timestamp") || has("time") || has("at") => "2026-01-31T09:30:00Z".to_owned(),
        _ if has("date") || has("day") || has("on") || has("birthdate") => "2026-01-31".to_owned(),
        _ if has("msp") || has("organization") => "HospitalMSP".to_owned(),
        _ if has("name") => "Ann Example".to_owned(),
        _ => words.join(" "),
    }
}

/// `vitalSigns` is "vital" and "signs".
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for char in name.chars().filter(char::is_ascii_alphanumeric) {
        if char.is_ascii_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(char.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(name: &str, schema: &Value) -> Value {
        Examples::of(schema).value(name, schema)
    }

    #[test]
    fn documentation_says_what_a_text_is_like() {
        let text = |description: &str| json!({ "type": "string", "description": description });
        let record = json!({ "type": "object", "properties": {
            "area": text("The medical area, for example `cardiology`. Never empty."),
            "noteId": text("The transaction's id, 64 lower-case\nhex digits."),
            "vitalSigns": text("Vital signs."),
        }});
        assert_eq!(
            example("note", &record),
            json!({ "area": "cardiology", "noteId": TRANSACTION_ID, "vitalSigns": "vital signs" })
        );
        // An argument has no documentation of its own: it is that of the field with its name.
        let examples = Examples::of(&record);
        let text = json!({ "type": "string" });
        assert_eq!(examples.value("area", &text), json!("cardiology"));
        assert_eq!(examples.value("noteId", &text), json!(TRANSACTION_ID));
        assert_eq!(told("for example `a\u{1b}[2J`"), None);
    }

    #[test]
    fn names_suggest_texts() {
        for (name, text) in [
            ("patientId", "patient-1"),
            ("patientName", "Ann Example"),
            ("givenOn", "2026-01-31"),
            ("timestamp", "2026-01-31T09:30:00Z"),
            ("organization", "HospitalMSP"),
            ("id", "id"),
            ("", ""),
        ] {
            assert_eq!(by_name(name), text, "{name}");
        }
    }

    #[test]
    fn every_schema_has_a_value() {
        for (schema, value) in [
            (json!({ "type": "boolean" }), json!(true)),
            (json!({ "type": ["integer", "string"] }), json!(1)),
            (
                json!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN"] }] }),
                json!(1.5),
            ),
            (
                json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
                json!("a"),
            ),
            (
                json!({ "type": "string", "contentEncoding": "base64" }),
                json!("AQID"),
            ),
            (
                json!({ "type": "array", "items": { "enum": ["read", "write"] } }),
                json!(["read"]),
            ),
            (
                json!({ "type": "array", "prefixItems": [{ "type": "boolean" }, { "type": "integer" }] }),
                json!([true, 1]),
            ),
            (
                json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }),
                json!("area"),
            ),
            (json!({ "type": "null" }), Value::Null),
        ] {
            assert_eq!(example("area", &schema), value, "{schema}");
        }
    }
}
