//! Labels, ids of packages, and versions: each is parsed and checked here.

use std::fmt;
use std::str::FromStr;

use crate::limits::{LABEL_BYTES_MAX, VERSION_BYTES_MAX};

/// The name that whoever made a package gave it: 1..=[`LABEL_BYTES_MAX`] of `A-Z a-z 0-9 _ . + -`,
/// beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

/// A package: its label and the SHA-256 of its bytes. `Display` gives `<label>:<lower-case hex>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId {
    /// The label that the package itself has.
    pub label: Label,
    /// SHA-256 of the package.
    pub sha256: [u8; 32],
}

/// Why a text is not the name it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {rule}")]
pub struct NameError {
    /// What the text should have been.
    pub kind: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
    /// The text, cut to 64 characters.
    pub text: String,
}

fn refused(kind: &'static str, rule: &'static str, text: &str) -> NameError {
    NameError {
        kind,
        rule,
        text: text.chars().take(64).collect(),
    }
}

fn of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-')
}

/// Checks a contract's version: 1..=[`VERSION_BYTES_MAX`] of `A-Z a-z 0-9 _ . + -`.
///
/// # Errors
/// [`NameError`] with the rule.
pub fn check_version(text: &str) -> Result<(), NameError> {
    if (1..=VERSION_BYTES_MAX).contains(&text.len()) && text.bytes().all(of_name) {
        return Ok(());
    }
    let rule = "1..=64 letters, digits, '_', '.', '+' or '-'";
    Err(refused("version", rule, text))
}

// === impl Label ===

impl Label {
    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let begins = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
        if begins && text.len() <= LABEL_BYTES_MAX && text.bytes().all(of_name) {
            return Ok(Self(text.to_owned()));
        }
        let rule =
            "1..=128 letters, digits, '_', '.', '+' or '-', beginning with a letter or digit";
        Err(refused("label", rule, text))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl PackageId ===

impl FromStr for PackageId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let rule = "a label, ':' and the SHA-256 of the package in 64 lower-case hex digits";
        let error = || refused("package id", rule, text);
        let (label, hash) = text.split_once(':').ok_or_else(error)?;
        if hash.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(error());
        }
        let mut sha256 = [0; 32];
        hex::decode_to_slice(hash, &mut sha256).map_err(|_| error())?;
        let label = label.parse().map_err(|_| error())?;
        Ok(Self { label, sha256 })
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.label, hex::encode(self.sha256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_fabrics_rules() {
        for good in ["emr", "emr_1.0", "1+x-y", &"a".repeat(128)] {
            assert_eq!(good.parse::<Label>().unwrap().as_str(), good);
        }
        for bad in ["", "_a", ".a", "a b", "a:b", "a/b", "é", &"a".repeat(129)] {
            assert!(bad.parse::<Label>().is_err(), "{bad}");
        }
        for good in ["1.0", "_x", "+", &"1".repeat(64)] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in ["", "1 0", "1/0", "1:0", &"1".repeat(65)] {
            assert!(check_version(bad).is_err(), "{bad}");
        }
        let text = format!("emr_1:{}", "ab".repeat(32));
        assert_eq!(text.parse::<PackageId>().unwrap().to_string(), text);
        for bad in [
            text.to_uppercase(),
            text.replace(':', "_"),
            text.replace("emr", "_"),
            text.replace("ab", "a"),
            format!("{text}:"),
            format!("../{text}"),
        ] {
            assert!(bad.parse::<PackageId>().is_err(), "{bad}");
        }
    }
}
