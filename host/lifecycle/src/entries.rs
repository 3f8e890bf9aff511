//! Keys and values of the namespace `_lifecycle` (`ContractId::lifecycle`):
//!
//! | key | value |
//! | --- | --- |
//! | `definitions/<name>` | the committed [`Definition`] |
//! | `approvals/<name>/<sequence>/<msp>` | what an organisation approved, an [`Approval`] |
//!
//! The sequence has 19 digits, so that byte order is numeric order. Each value has one encoding
//! (`lifecycle_state.proto`): what does not encode to the very bytes it came from is refused, so that
//! nothing can stand in a value that readers pass over.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use cordon_types::{ContractId, KeyWrite, MspId};
use cordon_wire::proto::cordon::lifecycle::v1 as proto;
use cordon_wire::{decode, encode};

use crate::definition::{Definition, EndorsementRule, contract_name};
use crate::names::{PackageId, check_version};

pub(crate) const DEFINITIONS: &str = "definitions/";
pub(crate) const APPROVALS: &str = "approvals/";
const SEQUENCE_DIGITS: usize = 19;

/// A key of the namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Of a committed definition.
    Definition(ContractId),
    /// Of an approval.
    Approval {
        /// The contract.
        contract: ContractId,
        /// The sequence approved, from 1.
        sequence: i64,
        /// Whose approval it is.
        msp_id: MspId,
    },
}

/// What an organisation approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The definition.
    pub definition: Definition,
    /// The package that it has the component from; other organisations may have other packages with
    /// the same component.
    pub package_id: PackageId,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A committed definition.
    Definition {
        /// The contract.
        contract: ContractId,
        /// Its definition.
        definition: Definition,
    },
    /// An approval.
    Approval {
        /// The contract.
        contract: ContractId,
        /// Whose approval it is.
        msp_id: MspId,
        /// What it approves.
        approval: Approval,
    },
}

/// A key or value that no host writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} of _lifecycle is not what it must be: {reason}")]
pub struct EntryError {
    /// The part.
    pub what: &'static str,
    /// What is wrong.
    pub reason: String,
}

fn wrong(what: &'static str, reason: impl ToString) -> EntryError {
    EntryError {
        what,
        reason: reason.to_string(),
    }
}

// === impl Key ===

impl Key {
    /// What all keys of approvals of a contract's sequence begin with, or of all its sequences.
    pub(crate) fn approvals(contract: &ContractId) -> String {
        format!("{APPROVALS}{contract}/")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Definition(contract) => write!(f, "{DEFINITIONS}{contract}"),
            Self::Approval {
                contract,
                sequence,
                msp_id,
            } => {
                let width = SEQUENCE_DIGITS;
                write!(f, "{APPROVALS}{contract}/{sequence:0width$}/{msp_id}")
            }
        }
    }
}

impl FromStr for Key {
    type Err = EntryError;

    fn from_str(key: &str) -> Result<Self, EntryError> {
        let wrong = |reason: String| wrong("a key", reason);
        if let Some(name) = key.strip_prefix(DEFINITIONS) {
            return Ok(Self::Definition(contract_name(name).map_err(wrong)?));
        }
        let parts: Option<Vec<&str>> = key
            .strip_prefix(APPROVALS)
            .map(|rest| rest.split('/').collect());
        let Some([name, sequence, msp_id]) = parts.as_deref() else {
            return Err(wrong(
                "it is neither definitions/<name> nor approvals/<name>/<sequence>/<msp>".to_owned(),
            ));
        };
        let digits =
            sequence.len() == SEQUENCE_DIGITS && sequence.bytes().all(|b| b.is_ascii_digit());
        let number = sequence.parse().ok().filter(|&s: &i64| digits && s >= 1);
        Ok(Self::Approval {
            contract: contract_name(name).map_err(wrong)?,
            sequence: number
                .ok_or_else(|| wrong("a sequence is 19 digits, 1 or more".to_owned()))?,
            msp_id: msp_id
                .parse()
                .map_err(|error: cordon_types::IdError| wrong(error.to_string()))?,
        })
    }
}

// === impl Definition ===

impl Definition {
    /// The value.
    pub fn encode(&self) -> Bytes {
        encode(&self.to_proto())
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`EntryError`] for anything that [`Definition::encode`] does not give.
    pub fn decode(bytes: &Bytes) -> Result<Self, EntryError> {
        let message = decode(bytes, "definition").map_err(|e| wrong(DEFINITION, e))?;
        let definition = Self::from_proto(&message)?;
        one_encoding(DEFINITION, &definition.encode(), bytes)?;
        Ok(definition)
    }

    fn to_proto(&self) -> proto::Definition {
        proto::Definition {
            sequence: self.sequence,
            version: self.version.clone(),
            component_sha256: Bytes::copy_from_slice(&self.component_sha256),
            endorsement_policy: Some(self.endorsement.to_proto()),
        }
    }

    fn from_proto(message: &proto::Definition) -> Result<Self, EntryError> {
        if message.sequence < 1 {
            return Err(wrong(DEFINITION, "a sequence is 1 or more"));
        }
        check_version(&message.version).map_err(|e| wrong(DEFINITION, e))?;
        let component_sha256 = message.component_sha256.as_ref().try_into();
        let policy = message.endorsement_policy.as_ref();
        let policy = policy.ok_or_else(|| wrong(DEFINITION, "it has no endorsement policy"))?;
        Ok(Self {
            sequence: message.sequence,
            version: message.version.clone(),
            component_sha256: component_sha256
                .map_err(|_| wrong(DEFINITION, "a component's SHA-256 has 32 bytes"))?,
            endorsement: EndorsementRule::from_proto(policy).map_err(|e| wrong(DEFINITION, e))?,
        })
    }
}

const DEFINITION: &str = "a definition";
const APPROVAL: &str = "an approval";

fn one_encoding(what: &'static str, ours: &Bytes, given: &Bytes) -> Result<(), EntryError> {
    if ours != given {
        return Err(wrong(what, "it has one encoding, and this is another"));
    }
    Ok(())
}

// === impl Approval ===

impl Approval {
    /// The value.
    pub fn encode(&self) -> Bytes {
        encode(&proto::Approval {
            definition: Some(self.definition.to_proto()),
            package_id: self.package_id.to_string(),
        })
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`EntryError`] for anything that [`Approval::encode`] does not give.
    pub fn decode(bytes: &Bytes) -> Result<Self, EntryError> {
        let message: proto::Approval = decode(bytes, "approval").map_err(|e| wrong(APPROVAL, e))?;
        let definition = message.definition.as_ref();
        let definition = definition.ok_or_else(|| wrong(APPROVAL, "it has no definition"))?;
        let approval = Self {
            definition: Definition::from_proto(definition)?,
            package_id: message.package_id.parse().map_err(|e| wrong(APPROVAL, e))?,
        };
        one_encoding(APPROVAL, &approval.encode(), bytes)?;
        Ok(approval)
    }
}

// === impl Entry ===

impl Entry {
    /// Reads a key with its value. The sequence of an approval is the key's.
    ///
    /// # Errors
    /// [`EntryError`] when either is not one that hosts write.
    pub fn read(key: &str, value: &Bytes) -> Result<Self, EntryError> {
        match key.parse()? {
            Key::Definition(contract) => Ok(Self::Definition {
                contract,
                definition: Definition::decode(value)?,
            }),
            Key::Approval {
                contract,
                sequence,
                msp_id,
            } => {
                let approval = Approval::decode(value)?;
                if approval.definition.sequence != sequence {
                    return Err(wrong(APPROVAL, "it has another sequence than its key"));
                }
                Ok(Self::Approval {
                    contract,
                    msp_id,
                    approval,
                })
            }
        }
    }

    /// Reads what a transaction would write. Nothing here is ever deleted.
    ///
    /// # Errors
    /// As [`Entry::read`], and when it deletes.
    pub fn of_write(write: &KeyWrite) -> Result<Self, EntryError> {
        let value = write.value.as_ref();
        let value = value.ok_or_else(|| wrong("a write", "definitions and approvals stay"))?;
        Self::read(&write.key, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{any_definition, definition, package_id};
    use proptest::prelude::*;

    #[test]
    fn keys_are_in_order_of_sequence() {
        let key = |sequence| {
            Key::Approval {
                contract: "emr".parse().unwrap(),
                sequence,
                msp_id: "A".parse().unwrap(),
            }
            .to_string()
        };
        assert_eq!(key(2), "approvals/emr/0000000000000000002/A");
        assert!(key(2) < key(10) && key(10) < key(i64::MAX));
        assert_eq!(key(i64::MAX).len(), key(1).len());
        for good in [key(1), key(i64::MAX), "definitions/emr".to_owned()] {
            assert_eq!(good.parse::<Key>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "definitions",
            "definitions/",
            "definitions/a/b",
            "definitions/_lifecycle",
            "definitions/qscc",
            "Definitions/emr",
            "approvals/emr/0000000000000000000/A",
            "approvals/emr/-000000000000000001/A",
            "approvals/emr/+000000000000000001/A",
            "approvals/emr/9999999999999999999/A",
            "approvals/emr/1/A",
            "approvals/emr/0000000000000000001",
            "approvals/emr/0000000000000000001/A/",
            "approvals/emr/0000000000000000001/A_B",
            "approvals//0000000000000000001/A",
        ] {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }

    /// `WIRE.md` section 20.
    #[test]
    fn the_default_policy_is_fabrics_reference() {
        assert_eq!(
            hex::encode(EndorsementRule::ChannelDefault.encode()),
            "12202f4368616e6e656c2f4170706c69636174696f6e2f456e646f7273656d656e74"
        );
    }

    #[test]
    fn a_value_has_one_encoding() {
        let good = definition(3).encode();
        assert_eq!(Definition::decode(&good).unwrap(), definition(3));
        // An unknown field, a field twice, a default written out.
        for more in [
            &b"\x78\x01"[..],
            b"\x08\x03",
            b"\x08\x00",
            b"x",
            b"\x22\x00",
        ] {
            let bytes = Bytes::from([good.as_ref(), more].concat());
            assert!(Definition::decode(&bytes).is_err(), "{more:?}");
        }
        assert!(Definition::decode(&Bytes::new()).is_err());
        let approval = Approval {
            definition: definition(3),
            package_id: package_id(1),
        };
        let bytes = Bytes::from([approval.encode().as_ref(), b"\x78\x01"].concat());
        assert!(Approval::decode(&bytes).is_err());
    }

    #[test]
    fn writes_are_read_strictly() {
        let approval = Approval {
            definition: definition(3),
            package_id: package_id(1),
        };
        let write = |key: &str, value: Option<Bytes>| {
            let key = key.to_owned();
            Entry::of_write(&KeyWrite { key, value })
        };
        let key = "approvals/emr/0000000000000000003/A";
        assert!(write(key, Some(approval.encode())).is_ok());
        assert!(write(key, None).is_err());
        assert!(write(key, Some(definition(3).encode())).is_err());
        let other = key.replace('3', "4");
        assert!(write(&other, Some(approval.encode())).is_err());
        assert!(write("definitions/emr", Some(definition(3).encode())).is_ok());
        assert!(write("definitions/emr", Some(approval.encode())).is_err());
        assert!(write("definitions/emr", Some(Bytes::new())).is_err());
    }

    proptest! {
        #[test]
        fn decoding_is_the_inverse_of_encoding(
            definition in any_definition(),
            package in 0..9u8,
        ) {
            prop_assert_eq!(&Definition::decode(&definition.encode()).unwrap(), &definition);
            let approval = Approval { definition, package_id: package_id(package) };
            prop_assert_eq!(Approval::decode(&approval.encode()).unwrap(), approval);
        }

        /// What decodes is what its bytes say and nothing else.
        #[test]
        fn bent_values_are_refused_or_whole(
            definition in any_definition(),
            at in any::<proptest::sample::Index>(),
            value: u8,
        ) {
            let approval = Approval { definition, package_id: package_id(1) };
            let mut bytes = approval.encode().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = value;
            let bytes = Bytes::from(bytes);
            if let Ok(read) = Approval::decode(&bytes) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }

        #[test]
        fn hostile_writes_never_panic(
            key in "(definitions|approvals)?[/a-z0-9_]{0,40}",
            value in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let _ = Entry::read(&key, &Bytes::from(value));
        }
    }
}
