//! Distinguished names as text, byte for byte as Go's `cid.GetID` writes them.
//!
//! Go does not print the certificate's own sequence: it sorts what it knows into fields
//! (`pkix.Name.FillFromRDNSequence`), writes the fields in a fixed order (`ToRDNSequence`: C ST L
//! STREET POSTALCODE O OU CN SERIALNUMBER), and `getDN` reverses that. Several values of one field
//! are joined by `+`, attributes of other types are dropped, of several common names or serial
//! numbers the last counts. For certificates written by Fabric's own tools this is the
//! certificate's order reversed.
//!
//! Source: fabric-chaincode-go pkg/cid/cid.go `getDN`; Go crypto/x509/pkix.

use x509_parser::asn1_rs::Tag;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::IdentityError;

/// The last arc of an X.520 attribute `2.5.4.x` and its name, in Go's order of writing.
const FIELDS: [(u64, &str); 9] = [
    (6, "C"),
    (8, "ST"),
    (7, "L"),
    (9, "STREET"),
    (17, "POSTALCODE"),
    (10, "O"),
    (ORGANIZATIONAL_UNIT, "OU"),
    (COMMON_NAME, "CN"),
    (SERIAL_NUMBER, "SERIALNUMBER"),
];
const COMMON_NAME: u64 = 3;
const SERIAL_NUMBER: u64 = 5;
const ORGANIZATIONAL_UNIT: u64 = 11;

/// What is read from a distinguished name.
pub(crate) struct Name {
    /// RFC 2253 text.
    pub(crate) text: String,
    /// The last common name; `None` when there is none or it is empty.
    pub(crate) common_name: Option<String>,
    /// Organisational units in the certificate's order.
    pub(crate) organizational_units: Vec<String>,
}

impl Name {
    pub(crate) fn parse(name: &X509Name<'_>) -> Result<Self, IdentityError> {
        let mut values: Vec<(u64, String)> = Vec::new();
        for attribute in name.iter_attributes() {
            let Some(mut arcs) = attribute.attr_type().iter() else {
                continue;
            };
            let arcs = [
                arcs.next(),
                arcs.next(),
                arcs.next(),
                arcs.next(),
                arcs.next(),
            ];
            if let [Some(2), Some(5), Some(4), Some(arc), None] = arcs {
                values.push((arc, text_of(attribute)?));
            }
        }
        let all = |field: u64| -> Vec<&str> {
            values
                .iter()
                .filter(|(arc, _)| *arc == field)
                .map(|(_, v)| v.as_str())
                .collect()
        };
        let last = |field: u64| all(field).last().copied().filter(|value| !value.is_empty());
        let mut names = Vec::new();
        for (arc, label) in FIELDS.iter().rev() {
            let of_field = match *arc {
                COMMON_NAME | SERIAL_NUMBER => last(*arc).into_iter().collect(),
                arc => all(arc),
            };
            if !of_field.is_empty() {
                let parts: Vec<String> = of_field
                    .iter()
                    .map(|value| format!("{label}={}", escape(value)))
                    .collect();
                names.push(parts.join("+"));
            }
        }
        Ok(Self {
            text: names.join(","),
            common_name: last(COMMON_NAME).map(str::to_owned),
            organizational_units: all(ORGANIZATIONAL_UNIT)
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// The value as text. Teletex is taken when it is ASCII, where all readings of it agree.
fn text_of(attribute: &AttributeTypeAndValue<'_>) -> Result<String, IdentityError> {
    let error = || IdentityError::malformed("certificate", "a name holds a value that is no text");
    let bytes = attribute.attr_value().data;
    match attribute.attr_value().tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            str::from_utf8(bytes)
                .map(str::to_owned)
                .map_err(|_| error())
        }
        Tag::TeletexString if bytes.is_ascii() => str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| error()),
        Tag::BmpString if bytes.len().is_multiple_of(2) => {
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect();
            String::from_utf16(&units).map_err(|_| error())
        }
        _ => Err(error()),
    }
}

fn escape(value: &str) -> String {
    let last = value.len().saturating_sub(1);
    let mut escaped = String::with_capacity(value.len());
    for (index, c) in value.char_indices() {
        let at_edge = (index == 0 && matches!(c, ' ' | '#')) || (index == last && c == ' ');
        if at_edge || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn escapes_are_those_of_go() {
        for (plain, escaped) in [
            ("", ""),
            (" ", "\\ "),
            (" a ", "\\ a\\ "),
            ("#a#", "\\#a#"),
            ("a,b+c\"d\\e<f>g;h", "a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h"),
            ("Müller, Ö", "Müller\\, Ö"),
        ] {
            assert_eq!(escape(plain), escaped);
        }
    }
}
