//! The read-write set on the wire (section 8): one encoding per set, range summaries included.

use bytes::Bytes;
use cordon_types::{
    ContractId, ContractReadWriteSet, KeyRead, KeyWrite, RangeRead, RangeResults, ReadWriteSet,
    Version,
};

use crate::proto::{kvrwset, rwset};
use crate::{WireError, decode, encode, sha256};

/// Results of one range scan that are listed in full; more are summarised. Also the fan-out of the
/// summary's tree.
pub const RANGE_DEGREE: usize = 50;

/// Encodes a set. Raw range results above [`RANGE_DEGREE`] are summarised on the way.
pub fn encode_rw_set(set: &ReadWriteSet) -> Bytes {
    let ns_rwset = set
        .contracts
        .iter()
        .map(|contract| rwset::NsReadWriteSet {
            namespace: contract.contract.to_string(),
            rwset: encode(&kvrwset::KvrwSet {
                reads: contract.reads.iter().map(read_to_wire).collect(),
                range_queries_info: contract.range_reads.iter().map(range_to_wire).collect(),
                writes: contract.writes.iter().map(write_to_wire).collect(),
                metadata_writes: Vec::new(),
            }),
            collection_hashed_rwset: Vec::new(),
        })
        .collect();
    encode(&rwset::TxReadWriteSet {
        data_model: 0,
        ns_rwset,
    })
}

/// Decodes a set. Values share `bytes`, so their place in a block can be told.
///
/// # Errors
/// [`WireError`] when it is not a set in canonical form: namespaces, reads and writes sorted and
/// unique, only what this version supports (no metadata writes, no collections).
pub fn decode_rw_set(bytes: &Bytes) -> Result<ReadWriteSet, WireError> {
    let set: rwset::TxReadWriteSet = decode(bytes, "read-write set")?;
    if set.data_model != 0 {
        return Err(WireError::invalid(
            "read-write set",
            "the data model is key-value",
        ));
    }
    let contracts = set
        .ns_rwset
        .into_iter()
        .map(contract_from_wire)
        .collect::<Result<Vec<_>, _>>()?;
    if !strictly_sorted(contracts.iter().map(|c| c.contract.as_str())) {
        return Err(WireError::invalid("namespaces", "sorted, each once"));
    }
    Ok(ReadWriteSet { contracts })
}

fn contract_from_wire(ns: rwset::NsReadWriteSet) -> Result<ContractReadWriteSet, WireError> {
    if !ns.collection_hashed_rwset.is_empty() {
        return Err(WireError::invalid(
            "read-write set",
            "collections are not supported",
        ));
    }
    let kv: kvrwset::KvrwSet = decode(&ns.rwset, "read-write set of a namespace")?;
    if !kv.metadata_writes.is_empty() {
        return Err(WireError::invalid(
            "read-write set",
            "metadata writes are not supported",
        ));
    }
    let set = ContractReadWriteSet {
        contract: ContractId::of_namespace(&ns.namespace)
            .map_err(|_| WireError::invalid("namespace", "a contract id or _lifecycle"))?,
        reads: kv
            .reads
            .into_iter()
            .map(read_from_wire)
            .collect::<Result<_, _>>()?,
        range_reads: kv
            .range_queries_info
            .into_iter()
            .map(range_from_wire)
            .collect::<Result<_, _>>()?,
        writes: kv
            .writes
            .into_iter()
            .map(write_from_wire)
            .collect::<Result<_, _>>()?,
    };
    if !strictly_sorted(set.reads.iter().map(|r| r.key.as_str())) {
        return Err(WireError::invalid("reads", "sorted by key, each once"));
    }
    if !strictly_sorted(set.writes.iter().map(|w| w.key.as_str())) {
        return Err(WireError::invalid("writes", "sorted by key, each once"));
    }
    Ok(set)
}

fn strictly_sorted<'a>(mut keys: impl Iterator<Item = &'a str>) -> bool {
    let Some(mut previous) = keys.next() else {
        return true;
    };
    keys.all(|key| {
        let ascending = previous.as_bytes() < key.as_bytes();
        previous = key;
        ascending
    })
}

/// The results of a scan as a transaction reports them: in full up to [`RANGE_DEGREE`], else as
/// the Merkle summary.
pub fn range_results(reads: Vec<KeyRead>) -> RangeResults {
    if reads.len() <= RANGE_DEGREE {
        return RangeResults::Raw(reads);
    }
    // levels[0] holds hashes of batches of reads; a level that outgrows the degree is hashed into
    // one entry of the level above.
    let mut levels: Vec<Vec<[u8; 32]>> = vec![Vec::new()];
    for batch in reads.chunks(RANGE_DEGREE + 1) {
        let kv_reads = batch.iter().map(read_to_wire).collect();
        levels[0].push(sha256([encode(&kvrwset::QueryReads { kv_reads }).as_ref()]));
        let mut level = 0;
        while levels[level].len() > RANGE_DEGREE {
            let hash = sha256(levels[level].iter().map(<[u8; 32]>::as_slice));
            levels[level].clear();
            level += 1;
            if levels.len() == level {
                levels.push(Vec::new());
            }
            levels[level].push(hash);
        }
    }
    let top = levels.len() - 1;
    for level in 0..top {
        let hashes = std::mem::take(&mut levels[level]);
        match hashes.as_slice() {
            [] => {}
            [one] => levels[level + 1].push(*one),
            many => {
                let hash = sha256(many.iter().map(<[u8; 32]>::as_slice));
                levels[level + 1].push(hash);
            }
        }
    }
    RangeResults::Merkle {
        max_degree: RANGE_DEGREE as u32,
        max_level: levels.len() as u32,
        hashes: levels[top]
            .iter()
            .map(|hash| Bytes::copy_from_slice(hash))
            .collect(),
    }
}

fn read_to_wire(read: &KeyRead) -> kvrwset::KvRead {
    kvrwset::KvRead {
        key: read.key.clone(),
        version: read.version.map(|v| kvrwset::Version {
            block_num: v.block,
            tx_num: u64::from(v.tx),
        }),
    }
}

fn read_from_wire(read: kvrwset::KvRead) -> Result<KeyRead, WireError> {
    let version = read
        .version
        .map(|v| {
            u32::try_from(v.tx_num)
                .map(|tx| Version {
                    block: v.block_num,
                    tx,
                })
                .map_err(|_| WireError::invalid("read version", "transaction index below 2^32"))
        })
        .transpose()?;
    Ok(KeyRead {
        key: read.key,
        version,
    })
}

fn write_to_wire(write: &KeyWrite) -> kvrwset::KvWrite {
    kvrwset::KvWrite {
        key: write.key.clone(),
        is_delete: write.value.is_none(),
        value: write.value.clone().unwrap_or_default(),
    }
}

fn write_from_wire(write: kvrwset::KvWrite) -> Result<KeyWrite, WireError> {
    if !cordon_types::check_key(&write.key) {
        return Err(WireError::invalid("write key", "1..=1024 bytes"));
    }
    if write.is_delete && !write.value.is_empty() {
        return Err(WireError::invalid("write", "a delete has no value"));
    }
    Ok(KeyWrite {
        key: write.key,
        value: (!write.is_delete).then_some(write.value),
    })
}

fn range_to_wire(range: &RangeRead) -> kvrwset::RangeQueryInfo {
    use kvrwset::range_query_info::ReadsInfo;
    let summarised;
    let results = match &range.results {
        RangeResults::Raw(reads) if reads.len() > RANGE_DEGREE => {
            summarised = range_results(reads.clone());
            &summarised
        }
        results => results,
    };
    let reads_info = match results {
        RangeResults::Raw(reads) => ReadsInfo::RawReads(kvrwset::QueryReads {
            kv_reads: reads.iter().map(read_to_wire).collect(),
        }),
        RangeResults::Merkle {
            max_degree,
            max_level,
            hashes,
        } => ReadsInfo::ReadsMerkleHashes(kvrwset::QueryReadsMerkleSummary {
            max_degree: *max_degree,
            max_level: *max_level,
            max_level_hashes: hashes.clone(),
        }),
    };
    kvrwset::RangeQueryInfo {
        start_key: range.start.clone(),
        end_key: range.end.clone(),
        itr_exhausted: range.exhausted,
        reads_info: Some(reads_info),
    }
}

fn range_from_wire(range: kvrwset::RangeQueryInfo) -> Result<RangeRead, WireError> {
    use kvrwset::range_query_info::ReadsInfo;
    let results = match range
        .reads_info
        .ok_or(WireError::missing("results of a range scan"))?
    {
        ReadsInfo::RawReads(reads) => RangeResults::Raw(
            reads
                .kv_reads
                .into_iter()
                .map(read_from_wire)
                .collect::<Result<_, _>>()?,
        ),
        ReadsInfo::ReadsMerkleHashes(summary) => RangeResults::Merkle {
            max_degree: summary.max_degree,
            max_level: summary.max_level,
            hashes: summary.max_level_hashes,
        },
    };
    Ok(RangeRead {
        start: range.start_key,
        end: range.end_key,
        exhausted: range.itr_exhausted,
        results,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reads(count: usize) -> Vec<KeyRead> {
        (0..count)
            .map(|i| KeyRead {
                key: format!("k{i:05}"),
                version: Some(Version { block: 1, tx: 2 }),
            })
            .collect()
    }

    /// Vectors printed by Fabric's own code (section 20).
    #[test]
    fn summaries_are_fabrics() {
        for (count, level, hash) in [
            (
                51,
                1,
                "68d90cbfb4cce673458421537173d6117845706a10fa8302b8114118772eb6d1",
            ),
            (
                2601,
                2,
                "95dad74dc0815c0db29bd0b730953373250637a640e0eec94ea1a1a744c11b16",
            ),
        ] {
            let RangeResults::Merkle {
                max_degree,
                max_level,
                hashes,
            } = range_results(reads(count))
            else {
                panic!("{count} results are summarised");
            };
            assert_eq!((max_degree, max_level, hashes.len()), (50, level, 1));
            assert_eq!(hex::encode(&hashes[0]), hash);
        }
        assert!(matches!(range_results(reads(50)), RangeResults::Raw(_)));
    }

    #[test]
    fn absent_and_version_zero_differ_on_the_wire() {
        let read = |version| {
            encode(&read_to_wire(&KeyRead {
                key: "k".into(),
                version,
            }))
        };
        assert_eq!(hex::encode(read(None)), "0a016b");
        assert_eq!(
            hex::encode(read(Some(Version { block: 0, tx: 0 }))),
            "0a016b1200"
        );
    }

    fn any_version() -> impl Strategy<Value = Option<Version>> {
        proptest::option::of(
            (any::<u64>(), any::<u32>()).prop_map(|(block, tx)| Version { block, tx }),
        )
    }

    fn any_set() -> impl Strategy<Value = ReadWriteSet> {
        let contract = (
            proptest::collection::btree_map("[a-z\u{0}é]{1,8}", any_version(), 0..5),
            proptest::collection::vec(
                ("[a-z]{0,3}", "[a-z]{0,3}", any::<bool>(), 0..120usize),
                0..3,
            ),
            proptest::collection::btree_map(
                "[a-z]{1,8}",
                proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
                0..5,
            ),
        );
        proptest::collection::btree_map("[a-z]{1,6}", contract, 0..3).prop_map(|contracts| {
            ReadWriteSet {
                contracts: contracts
                    .into_iter()
                    .map(|(name, (point, ranges, writes))| ContractReadWriteSet {
                        contract: name.parse().expect("generated to fit"),
                        reads: point
                            .into_iter()
                            .map(|(key, version)| KeyRead { key, version })
                            .collect(),
                        range_reads: ranges
                            .into_iter()
                            .map(|(start, end, exhausted, count)| RangeRead {
                                start,
                                end,
                                exhausted,
                                results: range_results(reads(count)),
                            })
                            .collect(),
                        writes: writes
                            .into_iter()
                            .map(|(key, value)| KeyWrite {
                                key,
                                value: value.map(Bytes::from),
                            })
                            .collect(),
                    })
                    .collect(),
            }
        })
    }

    #[test]
    fn the_namespace_of_definitions_is_carried_and_no_other_reserved_one() {
        let mut set = ReadWriteSet {
            contracts: vec![ContractReadWriteSet {
                contract: ContractId::lifecycle(),
                reads: reads(1),
                range_reads: Vec::new(),
                writes: Vec::new(),
            }],
        };
        let bytes = encode_rw_set(&set);
        assert_eq!(decode_rw_set(&bytes).unwrap(), set);
        set.contracts[0].contract = "emr".parse().unwrap();
        let named = |name: &str| {
            let mut set: rwset::TxReadWriteSet = decode(&encode_rw_set(&set), "set").unwrap();
            set.ns_rwset[0].namespace = name.to_owned();
            decode_rw_set(&encode(&set))
        };
        assert!(named("emr").is_ok());
        for name in ["_lifecyclex", "_Lifecycle", "_x", "lscc/", ""] {
            assert!(named(name).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn decode_is_the_inverse_of_encode(set in any_set()) {
            let bytes = encode_rw_set(&set);
            prop_assert_eq!(decode_rw_set(&bytes).unwrap(), set);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_rw_set(&Bytes::from(bytes));
        }
    }
}
