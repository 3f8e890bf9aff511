//! The attributes Fabric CA writes into a certificate.
//!
//! Extension `1.2.3.4.5.6.7.8.1`, not critical; its octet string holds JSON text directly, with no
//! ASN.1 string inside: `{"attrs":{"name":"value"}}` (WIRE.md §7).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::IdentityError;

/// The extension's object identifier.
pub(crate) const ATTRIBUTES_OID: [u64; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 1];

#[derive(Default, Serialize, Deserialize)]
struct Content {
    #[serde(default)]
    attrs: Option<BTreeMap<String, String>>,
}

/// Reads the extension's content. Other members beside `attrs` are ignored, as Fabric does.
pub(crate) fn parse(json: &[u8]) -> Result<BTreeMap<String, String>, IdentityError> {
    // Without this, serde would also take the members of an array for those of the object.
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(IdentityError::BadAttributes);
    }
    let content: Content =
        serde_json::from_slice(json).map_err(|_| IdentityError::BadAttributes)?;
    Ok(content.attrs.unwrap_or_default())
}

/// The extension's content for `attributes`: names in order, no white space.
pub(crate) fn encode(attributes: &BTreeMap<String, String>) -> Result<Vec<u8>, IdentityError> {
    serde_json::to_vec(&Content {
        attrs: Some(attributes.clone()),
    })
    .map_err(|_| IdentityError::BadAttributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fabrics_json_is_read() {
        assert_eq!(parse(br#"{"attrs":{"b":"2","a":""}}"#).unwrap().len(), 2);
        assert!(parse(b"{}").unwrap().is_empty());
        for bad in [
            "",
            "[]x",
            r#"[{"a":"b"}]"#,
            r#"{"attrs":{"a":1}}"#,
            r#"{"attrs":{"a":null}}"#,
            r#"{"attrs":[]}"#,
            "\x0c\x02{}",
        ] {
            assert_eq!(
                parse(bad.as_bytes()),
                Err(IdentityError::BadAttributes),
                "{bad}"
            );
        }
    }

    #[test]
    fn attributes_are_written_in_order() {
        let attributes = [("b", "2"), ("a", "\"")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let json = encode(&attributes.into()).unwrap();
        assert_eq!(json, br#"{"attrs":{"a":"\"","b":"2"}}"#);
        assert_eq!(parse(&json).unwrap().len(), 2);
    }
}
