//! Step 5: what the valid transactions change, and the hash by which hosts compare what they made
//! of a block.

use std::fmt;

use bytes::Bytes;
use cordon_types::{ContractId, ValidationCode, Version};
use sha2::{Digest, Sha256};

use crate::{Checked, Verdict};

/// A change of one key. Values share the block's bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StateUpdate<'a> {
    /// The namespace.
    pub contract: &'a ContractId,
    /// The key.
    pub key: &'a str,
    /// The new value, possibly empty; `None` deletes the key.
    pub value: Option<&'a Bytes>,
    /// The transaction that makes the change.
    pub version: Version,
}

impl fmt::Debug for StateUpdate<'_> {
    // Record data never reaches a log: lengths only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateUpdate")
            .field("contract", &self.contract)
            .field("key_bytes", &self.key.len())
            .field("value_bytes", &self.value.map(Bytes::len))
            .field("version", &self.version)
            .finish()
    }
}

/// Every write of the valid transactions of block `block_number`: in the order of the transactions,
/// then by contract, then by key. A key that several of them write comes several times; the last
/// one is the new state, all of them are its history.
pub fn updates<'a>(
    block_number: u64,
    checked: &'a [Checked],
    verdicts: &'a [Verdict],
) -> impl Iterator<Item = StateUpdate<'a>> + 'a {
    let valid = (0..)
        .zip(checked.iter().zip(verdicts))
        .filter(|(_, (_, verdict))| verdict.is_valid());
    valid.flat_map(move |(tx, (checked, _))| {
        let version = Version {
            block: block_number,
            tx,
        };
        let sets = checked
            .candidate()
            .into_iter()
            .flat_map(|t| &t.rw_set.contracts);
        sets.flat_map(move |set| {
            set.writes.iter().map(move |write| StateUpdate {
                contract: &set.contract,
                key: &write.key,
                value: write.value.as_ref(),
                version,
            })
        })
    })
}

/// The running commit hash after a block: SHA-256 over the one before (zeros at block 0), the hash
/// of the block's header, the validation codes and the updates, in an encoding in which no two
/// different inputs look the same.
///
/// ```text
/// "cordon commit 1"  previous: 32 bytes  header hash: 32 bytes
/// count of codes: u64  codes: one byte each
/// per update: 1  transaction index: u32  contract: text  key: text  (0 | 1 value: bytes)
/// 0
/// ```
///
/// Integers are big-endian; text and bytes have their length before them, as u64.
pub fn commit_hash<'a>(
    previous: [u8; 32],
    header_hash: [u8; 32],
    codes: &[ValidationCode],
    updates: impl IntoIterator<Item = StateUpdate<'a>>,
) -> [u8; 32] {
    let mut hasher = Sha256::new();
    write_commit(
        &mut |bytes| hasher.update(bytes),
        previous,
        header_hash,
        codes,
        updates,
    );
    hasher.finalize().into()
}

fn write_commit<'a>(
    out: &mut impl FnMut(&[u8]),
    previous: [u8; 32],
    header_hash: [u8; 32],
    codes: &[ValidationCode],
    updates: impl IntoIterator<Item = StateUpdate<'a>>,
) {
    out(b"cordon commit 1");
    out(&previous);
    out(&header_hash);
    out(&(codes.len() as u64).to_be_bytes());
    for &code in codes {
        out(&[code as u8]);
    }
    for update in updates {
        out(&[1]);
        out(&update.version.tx.to_be_bytes());
        write_bytes(out, update.contract.as_str().as_bytes());
        write_bytes(out, update.key.as_bytes());
        match update.value {
            None => out(&[0]),
            Some(value) => {
                out(&[1]);
                write_bytes(out, value);
            }
        }
    }
    out(&[0]);
}

fn write_bytes(out: &mut impl FnMut(&[u8]), bytes: &[u8]) {
    out(&(bytes.len() as u64).to_be_bytes());
    out(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Update = (u32, &'static str, String, Option<Vec<u8>>);

    fn encoded(codes: &[ValidationCode], changes: &[Update]) -> Vec<u8> {
        let owned: Vec<(ContractId, Option<Bytes>)> = changes
            .iter()
            .map(|(_, contract, _, value)| {
                (contract.parse().unwrap(), value.clone().map(Bytes::from))
            })
            .collect();
        let updates = changes
            .iter()
            .zip(&owned)
            .map(|((tx, _, key, _), (contract, value))| {
                let version = Version { block: 9, tx: *tx };
                StateUpdate {
                    contract,
                    key,
                    value: value.as_ref(),
                    version,
                }
            });
        let mut out = Vec::new();
        let mut sink = |bytes: &[u8]| out.extend_from_slice(bytes);
        write_commit(&mut sink, [0; 32], [0; 32], codes, updates);
        out
    }

    /// Another value here means that hosts of two releases disagree on every block.
    #[test]
    fn the_hash_does_not_change_between_releases() {
        let contract = "emr".parse().unwrap();
        let value = Bytes::from_static(b"v");
        let version = Version { block: 9, tx: 1 };
        let put = StateUpdate {
            contract: &contract,
            key: "k",
            value: Some(&value),
            version,
        };
        let delete = StateUpdate { value: None, ..put };
        let codes = [ValidationCode::MvccReadConflict, ValidationCode::Valid];
        let hash = commit_hash([1; 32], [2; 32], &codes, [put, delete]);
        assert_eq!(
            hex::encode(hash),
            "586618fd69f6f9dc6bbf5a3e540ad939c72ec13ca9e7dc1995c246055bf2b0ba"
        );
    }

    fn any_input() -> impl Strategy<Value = (Vec<ValidationCode>, Vec<Update>)> {
        let code = (0..=1u8).prop_filter_map("known", ValidationCode::from_number);
        let update = (
            0..2u32,
            proptest::sample::select(vec!["a", "aa"]),
            "[\u{0}\u{1}a]{0,2}",
            proptest::option::of(proptest::collection::vec(0..2u8, 0..2)),
        );
        (
            proptest::collection::vec(code, 0..3),
            proptest::collection::vec(update, 0..3),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn different_commits_have_different_encodings(left in any_input(), right in any_input()) {
            let same = encoded(&left.0, &left.1) == encoded(&right.0, &right.1);
            prop_assert_eq!(same, left == right);
        }
    }
}
