//! Ids as newtypes: each is parsed and checked in one place, so that a value of the type is valid.

use std::fmt;
use std::str::FromStr;

/// Why a text is not the id it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {rule}")]
pub struct IdError {
    /// What the text should have been.
    pub kind: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
    /// The text, cut to 64 characters.
    pub text: String,
}

impl IdError {
    fn new(kind: &'static str, rule: &'static str, text: &str) -> Self {
        Self {
            kind,
            rule,
            text: text.chars().take(64).collect(),
        }
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(IdError::new($kind, $rule, text))
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// A channel: a ledger with its members, the scope of all state.
    ///
    /// 1..=249 of `a-z 0-9 . -`, starting with a letter (Fabric's rule for channel names).
    ChannelId,
    "channel id",
    "1..=249 lower-case letters, digits, '.' or '-', starting with a letter",
    |s| {
        s.len() <= 249
            && s.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && s.bytes().all(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-'
            })
    }
);

id!(
    /// A deployed contract on a channel; Fabric's chaincode name, and the namespace of its state.
    ///
    /// 1..=64 letters and digits, in groups joined by single `-` or `_`.
    ContractId,
    "contract id",
    "1..=64 letters and digits, in groups joined by single '-' or '_'",
    |s| {
        s.len() <= 64
            && s.split(['-', '_']).all(|part| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric())
            })
    }
);

/// The reserved name of the contract that keeps contracts' definitions.
const LIFECYCLE: &str = "_lifecycle";

impl ContractId {
    /// The contract that keeps what the members agreed on for each contract: Fabric's `_lifecycle`.
    /// Every host answers it itself; the name is outside the grammar, so that nothing parsed from a
    /// text can be deployed or called as it.
    pub fn lifecycle() -> Self {
        Self(LIFECYCLE.to_owned())
    }

    /// Whether this is [`ContractId::lifecycle`].
    pub fn is_lifecycle(&self) -> bool {
        self.0 == LIFECYCLE
    }

    /// The contract whose namespace has this name: of a deployed contract, or of
    /// [`ContractId::lifecycle`]. For transactions, which can concern both; the name of a contract to
    /// deploy or to call is parsed ([`FromStr`]).
    ///
    /// # Errors
    /// As parsing.
    pub fn of_namespace(name: &str) -> Result<Self, IdError> {
        if name == LIFECYCLE {
            return Ok(Self::lifecycle());
        }
        name.parse()
    }
}

id!(
    /// An organisation as issuer of identities (membership service provider).
    ///
    /// 1..=64 letters, digits, `.` or `-` (what endorsement policy text can name).
    MspId,
    "MSP id",
    "1..=64 letters, digits, '.' or '-'",
    |s| {
        (1..=64).contains(&s.len())
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
    }
);

/// A transaction id: SHA-256 of nonce and creator, 32 bytes, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxId([u8; 32]);

impl TxId {
    /// The id whose hash is `bytes`.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for TxId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError::new("transaction id", "64 lower-case hex digits", text);
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(error());
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| error())?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TxId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_fabrics_rules() {
        for good in ["providers", "a", "a.b-9"] {
            assert_eq!(good.parse::<ChannelId>().unwrap().as_str(), good);
        }
        for bad in ["", "A", "9a", "a_b", "a/b", "a b", &"a".repeat(250)] {
            assert!(bad.parse::<ChannelId>().is_err(), "{bad}");
        }
        for good in ["emr", "Emr2", "a-b_c"] {
            assert!(good.parse::<ContractId>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a--b", "a.b", "ä"] {
            assert!(bad.parse::<ContractId>().is_err(), "{bad}");
        }
        assert!("_lifecycle".parse::<ContractId>().is_err());
        let reserved = ContractId::of_namespace("_lifecycle").unwrap();
        assert!(reserved.is_lifecycle() && reserved == ContractId::lifecycle());
        assert!(!ContractId::of_namespace("emr").unwrap().is_lifecycle());
        assert!(ContractId::of_namespace("_x").is_err());
        assert!("Org1.MSP-x".parse::<MspId>().is_ok());
        for bad in ["", "Org_1", "a b"] {
            assert!(bad.parse::<MspId>().is_err(), "{bad}");
        }
        let hex = "ab".repeat(32);
        assert_eq!(hex.parse::<TxId>().unwrap().to_string(), hex);
        assert!(hex.to_uppercase().parse::<TxId>().is_err());
        assert!("ab".parse::<TxId>().is_err());
    }
}
