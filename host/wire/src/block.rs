//! Blocks: assembling, hashing, metadata (section 11).

use bytes::Bytes;
use cordon_types::ValidationCode;

use crate::proto::common;
use crate::{WireError, decode, encode, sha256};

/// Metadata slot of the orderer's metadata and signatures.
pub const SLOT_SIGNATURES: usize = 0;
/// Metadata slot with one validation code per transaction.
pub const SLOT_TRANSACTIONS_FILTER: usize = 2;
/// Metadata slot of the running commit hash.
pub const SLOT_COMMIT_HASH: usize = 4;
const SLOTS: usize = 5;

/// Header hash: SHA-256 of DER `SEQUENCE { INTEGER number, OCTET STRING previous_hash, OCTET STRING data_hash }`.
pub fn header_hash(header: &common::BlockHeader) -> [u8; 32] {
    sha256([header_der(header).as_slice()])
}

/// The DER bytes that [`header_hash`] covers.
pub fn header_der(header: &common::BlockHeader) -> Vec<u8> {
    let number = header.number.to_be_bytes();
    let significant = number.iter().position(|&b| b != 0).unwrap_or(7);
    let mut integer = Vec::with_capacity(9);
    if number[significant] & 0x80 != 0 {
        integer.push(0);
    }
    integer.extend_from_slice(&number[significant..]);

    let mut body = Vec::with_capacity(96);
    der_element(&mut body, 0x02, &integer);
    der_element(&mut body, 0x04, &header.previous_hash);
    der_element(&mut body, 0x04, &header.data_hash);
    let mut der = Vec::with_capacity(body.len() + 4);
    der_element(&mut der, 0x30, &body);
    der
}

fn der_element(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let skip = bytes
            .iter()
            .position(|&b| b != 0)
            .unwrap_or(bytes.len() - 1);
        out.push(0x80 | (bytes.len() - skip) as u8);
        out.extend_from_slice(&bytes[skip..]);
    }
    out.extend_from_slice(content);
}

/// Data hash: SHA-256 of all entries concatenated.
pub fn data_hash(data: &[Bytes]) -> [u8; 32] {
    sha256(data.iter().map(AsRef::as_ref))
}

/// A block with its header computed and every metadata slot present. `consenter_metadata` says
/// which ordering record closed it.
pub fn assemble(
    number: u64,
    previous_hash: Bytes,
    data: Vec<Bytes>,
    last_config: u64,
    consenter_metadata: Bytes,
) -> common::Block {
    let header = common::BlockHeader {
        number,
        previous_hash,
        data_hash: Bytes::copy_from_slice(&data_hash(&data)),
    };
    let mut metadata = vec![Bytes::new(); SLOTS];
    metadata[SLOT_SIGNATURES] = encode(&common::Metadata {
        value: encode(&common::OrdererBlockMetadata {
            last_config: Some(common::LastConfig { index: last_config }),
            consenter_metadata,
        }),
        signatures: Vec::new(),
    });
    common::Block {
        header: Some(header),
        data: Some(common::BlockData { data }),
        metadata: Some(common::BlockMetadata { metadata }),
    }
}

/// Writes the verdicts and the commit hash into the metadata of `block`.
pub fn set_verdicts(block: &mut common::Block, codes: &[ValidationCode], commit_hash: [u8; 32]) {
    let metadata = &mut block.metadata.get_or_insert_default().metadata;
    metadata.resize(SLOTS, Bytes::new());
    metadata[SLOT_TRANSACTIONS_FILTER] = codes.iter().map(|&code| code as u8).collect();
    metadata[SLOT_COMMIT_HASH] = encode(&common::Metadata {
        value: Bytes::copy_from_slice(&commit_hash),
        signatures: Vec::new(),
    });
}

/// A committed block, taken apart.
#[derive(Debug, Clone)]
pub struct CommittedBlock {
    /// Number, previous hash and data hash.
    pub header: common::BlockHeader,
    /// Encoded envelopes, in order.
    pub data: Vec<Bytes>,
    /// One verdict per envelope.
    pub codes: Vec<ValidationCode>,
    /// The running commit hash after this block.
    pub commit_hash: [u8; 32],
    /// What the ordering wrote (its position in the log).
    pub consenter_metadata: Bytes,
    /// Number of the last configuration block, this one included.
    pub last_config: u64,
}

impl CommittedBlock {
    /// Takes an encoded block apart. The envelopes share `bytes`.
    ///
    /// # Errors
    /// [`WireError`] naming the part that is missing, cannot be decoded or does not fit: the data
    /// hash and the number of verdicts are checked here, the previous hash is the chain's matter.
    pub fn parse(bytes: &Bytes) -> Result<Self, WireError> {
        let block: common::Block = decode(bytes, "block")?;
        let header = block.header.ok_or(WireError::missing("block header"))?;
        let data = block.data.unwrap_or_default().data;
        if header.data_hash != data_hash(&data).as_slice() {
            return Err(WireError::invalid(
                "block data",
                "its hash must be the header's data hash",
            ));
        }
        let metadata = block.metadata.unwrap_or_default().metadata;
        if metadata.len() != SLOTS {
            return Err(WireError::invalid("block metadata", "there are five slots"));
        }
        let codes: Vec<ValidationCode> = metadata[SLOT_TRANSACTIONS_FILTER]
            .iter()
            .map(|&number| ValidationCode::from_number(number))
            .collect::<Option<_>>()
            .ok_or(WireError::invalid(
                "transactions filter",
                "a code is not known",
            ))?;
        if codes.len() != data.len() {
            return Err(WireError::invalid(
                "transactions filter",
                "one code per transaction",
            ));
        }
        let commit: common::Metadata = decode(&metadata[SLOT_COMMIT_HASH], "commit hash")?;
        let commit_hash = commit
            .value
            .as_ref()
            .try_into()
            .map_err(|_| WireError::invalid("commit hash", "32 bytes"))?;
        let signatures: common::Metadata = decode(&metadata[SLOT_SIGNATURES], "orderer metadata")?;
        let orderer: common::OrdererBlockMetadata = decode(&signatures.value, "orderer metadata")?;
        Ok(Self {
            header,
            data,
            codes,
            commit_hash,
            consenter_metadata: orderer.consenter_metadata,
            last_config: orderer.last_config.unwrap_or_default().index,
        })
    }

    /// Hash of the header.
    pub fn hash(&self) -> [u8; 32] {
        header_hash(&self.header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(number: u64, previous: &[u8]) -> common::BlockHeader {
        common::BlockHeader {
            number,
            previous_hash: Bytes::copy_from_slice(previous),
            data_hash: Bytes::from_static(&[2; 32]),
        }
    }

    /// Vectors printed by Fabric's own code (section 20).
    #[test]
    fn header_hash_is_fabrics() {
        for (number, previous, expected) in [
            (
                0,
                &[][..],
                "0a3e038c1e47233245443e7b5d6f0b9a22bbf19120874368460d2145368442e4",
            ),
            (
                128,
                &[1; 32],
                "c0ffbca2c19ee62fc3e76d183167f01a4de3f8f27c83daf84ee54d30774edb24",
            ),
            (
                u64::MAX,
                &[1; 32],
                "04ef0f8d995f7f46582885653b0c2a342bda707322a5e29aed1a267dea42711d",
            ),
        ] {
            assert_eq!(
                hex::encode(header_hash(&header(number, previous))),
                expected
            );
        }
        assert_eq!(
            hex::encode(&header_der(&header(128, &[1; 32]))[..8]),
            "3048020200800420"
        );
    }

    #[test]
    fn data_hash_is_fabrics() {
        let data = [Bytes::from_static(b"ab"), Bytes::from_static(b"c")];
        assert_eq!(
            hex::encode(data_hash(&data)),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_committed_block_reads_back() {
        let mut block = assemble(
            3,
            Bytes::from_static(&[7; 32]),
            vec![Bytes::from_static(b"e")],
            0,
            Bytes::new(),
        );
        set_verdicts(&mut block, &[ValidationCode::MvccReadConflict], [9; 32]);
        let bytes = encode(&block);
        let read = CommittedBlock::parse(&bytes).unwrap();
        assert_eq!(read.codes, [ValidationCode::MvccReadConflict]);
        assert_eq!(read.commit_hash, [9; 32]);
        assert_eq!(read.header.number, 3);

        block.data = Some(common::BlockData {
            data: vec![Bytes::from_static(b"f")],
        });
        assert!(CommittedBlock::parse(&encode(&block)).is_err());
    }
}
