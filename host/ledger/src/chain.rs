//! The blocks as files: reading them, and checking that they are a chain.

use bytes::Bytes;
use cordon_journal::{JournalError, Location, Reader};
use cordon_wire::block::CommittedBlock;

use crate::{BlockDamage, LedgerError};

/// Reads block `number` from `location`. Its record, its encoding, its data hash and its number are
/// checked.
pub(crate) fn read_block(
    reader: &Reader,
    number: u64,
    location: Location,
) -> Result<(Bytes, CommittedBlock), LedgerError> {
    let bytes = read_bytes(reader, number, location)?;
    let damaged = |damage| damaged_block(reader, number, location, damage);
    let block =
        CommittedBlock::parse(&bytes).map_err(|source| damaged(BlockDamage::Content(source)))?;
    if block.header.number != number {
        return Err(damaged(BlockDamage::Number(block.header.number)));
    }
    Ok((bytes, block))
}

/// Reads the bytes of block `number`; only its record is checked.
pub(crate) fn read_bytes(
    reader: &Reader,
    number: u64,
    location: Location,
) -> Result<Bytes, LedgerError> {
    reader
        .read(location)
        .map_err(|error| of_block(error, number))
}

/// Names the block in an error about a record.
pub(crate) fn of_block(error: JournalError, number: u64) -> LedgerError {
    match error {
        JournalError::Damaged {
            file,
            offset,
            damage,
            ..
        } => LedgerError::DamagedBlock {
            number,
            file,
            offset,
            damage: BlockDamage::Record(damage),
        },
        other => other.into(),
    }
}

/// The error for block `number`, whose record is intact.
pub(crate) fn damaged_block(
    reader: &Reader,
    number: u64,
    location: Location,
    damage: BlockDamage,
) -> LedgerError {
    LedgerError::DamagedBlock {
        number,
        file: reader.file(location.segment),
        offset: location.record_offset(),
        damage,
    }
}

/// Walks the blocks at `locations` and checks that each continues the one before. Hash of the last
/// one; `None` when there is none.
pub(crate) fn verify_blocks(
    reader: &Reader,
    locations: &[Location],
    mut progress: impl FnMut(u64, u64),
) -> Result<Option<[u8; 32]>, LedgerError> {
    let total = locations.len() as u64;
    let mut last: Option<[u8; 32]> = None;
    for (number, &location) in (0u64..).zip(locations) {
        let (_, block) = read_block(reader, number, location)?;
        let expected = last.as_ref().map_or(&[][..], |hash| hash);
        if block.header.previous_hash != expected {
            return Err(damaged_block(
                reader,
                number,
                location,
                BlockDamage::PreviousHash,
            ));
        }
        last = Some(block.hash());
        progress(number + 1, total);
    }
    Ok(last)
}
