//! Arguments for any function, by the names and types of its parameters: mostly such as the town's
//! people would give, now and then others.

use std::collections::BTreeMap;

use cordon_execute::Shape;
use serde_json::{Map, Value, json};

use crate::random::Random;

/// What arguments are made of.
#[derive(Default)]
pub(super) struct Ids {
    /// Ids that answers have shown, by the name of the field; the newest last.
    known: BTreeMap<String, Vec<String>>,
    /// Whether now and then something is given that nobody would.
    pub(super) odd: bool,
}

impl Ids {
    /// Keeps what an answer shows.
    pub(super) fn learn(&mut self, answer: &Value) {
        match answer {
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.strip_suffix("Id"), value) {
                        (Some("emr" | "entry"), Value::String(id)) => {
                            let ids = self.known.entry(name.clone()).or_default();
                            ids.retain(|known| known != id);
                            ids.push(id.clone());
                        }
                        _ => self.learn(value),
                    }
                }
            }
            _ => {}
        }
    }

    fn choose(&self, name: &str, random: &mut Random) -> Option<String> {
        let ids = self.known.get(name)?;
        let last = ids.last().cloned();
        if self.odd && random.once_in(10) {
            return Some(random.choose(ids).clone());
        }
        last
    }
}

/// What people write, the usual first.
fn words(name: &str) -> &'static [&'static str] {
    match name {
        "patientId" => &["pa1", "pa3", "pa2"],
        "childId" => &["c1", "c2", "c1/2"],
        "patientName" | "name" | "childName" => &["Ann Miller", "Zoë Ö", "\u{1d11e} \"x\"\n"],
        "birthdate" => &["2019-05-14", "2018-02-28", "2019-02-30"],
        "patientBirthdate" => &["10-03", "1970-10-03", "soon"],
        "measuredOn" | "givenOn" | "visitedOn" | "assessedOn" => {
            &["2023-10-01", "2022-03-31", "2019-05-13", "1-1-1"]
        }
        "hospital" | "ownerOrg" => &["HospitalMSP", "ClinicMSP"],
        "receiverOrg" => &["ClinicMSP", "HospitalMSP", "SchoolMSP"],
        "schoolOrg" => &["SchoolMSP", "ClinicMSP"],
        "school" => &["northside", "southside"],
        "pediatrician" => &["pd1", "pd2"],
        _ => &[
            "penicillin",
            "cardiology",
            "a note, \u{2028}of two lines",
            " ",
        ],
    }
}

/// A value of this type for the field or parameter of that name.
pub(super) fn value(name: &str, shape: &Shape, ids: &Ids, random: &mut Random) -> Value {
    if ids.odd && random.once_in(100) {
        return match random.below(5) {
            0 => Value::Null,
            1 => json!([name]),
            2 => json!(random.number()),
            3 => json!("x".repeat(random.below(20_000))),
            _ => json!({ "NaN": "NaN" }),
        };
    }
    match shape {
        Shape::Bool => json!(!random.once_in(3)),
        Shape::Signed(_) | Shape::Unsigned(_) => json!(random.below(4)),
        Shape::Float32 | Shape::Float64 => match random.below(20) {
            0 if ids.odd => json!("NaN"),
            1 if ids.odd => json!(-0.0),
            2 if ids.odd => json!(1e300),
            _ => json!(20.0 + random.below(1000) as f64 / 8.0 / 3.0),
        },
        Shape::String => {
            let known = match name {
                "corrects" => ids.choose("entryId", random),
                _ => ids.choose(name, random),
            };
            let words = words(name);
            json!(known.unwrap_or_else(|| match random.below(12) {
                0 if ids.odd => (*random.choose(words)).to_owned(),
                _ => words[0].to_owned(),
            }))
        }
        Shape::Record(fields) => {
            let fields = fields.iter().map(|field| {
                let value = value(&field.json_name, &field.shape, ids, random);
                (field.json_name.clone(), value)
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        // What corrects something is about one entry; most are not.
        Shape::Option(_) if !ids.odd || !random.once_in(6) => Value::Null,
        Shape::Option(inner) => value(name, inner, ids, random),
        Shape::List(inner) => json!([value(name, inner, ids, random)]),
        Shape::Enum(cases) => json!(random.choose(cases)),
        other => panic!("no contract of this repository takes {other:?}"),
    }
}

/// As clients send it: a text stands for itself.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
