//! For ledgers that are not open: checking all blocks, and moving damaged ones out of the way.

use std::path::{Path, PathBuf};

use cordon_journal::{JournalError, Reader, scan, set_aside};

use crate::chain::{of_block, verify_blocks};
use crate::recover::StateFiles;
use crate::{BlockDamage, LedgerError};

/// The outcome of a verification that found no damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Number of blocks.
    pub blocks: u64,
    /// Header hash of the last one; `None` when there is none.
    pub last_hash: Option<[u8; 32]>,
}

/// Checks every block of the ledger in `dir`, which should not be open, and changes nothing: the
/// record's checksum, the data hash, the number, the previous hash. `progress` is told how many
/// blocks are done, and of how many. Signatures and policies are not looked at.
///
/// # Errors
/// [`LedgerError::DamagedBlock`] for the first damage, a torn tail included;
/// [`LedgerError::Journal`].
pub fn verify(dir: &Path, progress: impl FnMut(u64, u64)) -> Result<Verified, LedgerError> {
    let blocks = blocks_dir(dir);
    let found = scan(&blocks)?;
    let last_hash = verify_blocks(&Reader::new(&blocks), &found.records, progress)?;
    let number = found.records.len() as u64;
    if let Some(at) = found.damage {
        return Err(of_block(at.into(), number));
    }
    if let Some(tail) = found.torn {
        return Err(LedgerError::DamagedBlock {
            number,
            file: tail.file,
            offset: tail.offset,
            damage: BlockDamage::Record(cordon_journal::Damage::RecordIncomplete),
        });
    }
    Ok(Verified {
        blocks: number,
        last_hash,
    })
}

/// Moves block `number` of the ledger in `dir`, and everything after it, into a new directory
/// `damaged-<number>` beside the block files, and answers that directory. Nothing is lost. Blocks
/// before `number` stay; the state is rebuilt from them when the ledger is opened.
///
/// # Errors
/// [`LedgerError::DamagedBlock`] when a block before `number` is damaged,
/// [`LedgerError::NoSuchBlock`] when there is nothing at `number` to move;
/// [`LedgerError::Journal`] also when the ledger is open.
pub fn set_aside_from(dir: &Path, number: u64) -> Result<PathBuf, LedgerError> {
    let blocks = blocks_dir(dir);
    let found = scan(&blocks)?;
    let height = found.records.len() as u64;
    let record = usize::try_from(number)
        .ok()
        .and_then(|index| found.records.get(index));
    let (segment, offset) = match (record, found.damage, found.torn) {
        (Some(location), _, _) => (location.segment, location.record_offset()),
        (None, Some(at), _) if number == height => (at.segment, at.offset),
        (None, None, Some(tail)) if number == height => (found.segments - 1, tail.offset),
        (None, Some(at), _) => return Err(of_block(JournalError::from(at), height)),
        (None, None, _) => return Err(LedgerError::NoSuchBlock { number, height }),
    };
    let aside = unused_name(dir, number);
    set_aside(&blocks, segment, offset, &aside)?;
    StateFiles::of(dir).remove()?;
    tracing::warn!(block_number = number, aside = %aside.display(), "set blocks aside");
    Ok(aside)
}

/// `damaged-<number>`, with a suffix if it was used before.
fn unused_name(dir: &Path, number: u64) -> PathBuf {
    let mut path = dir.join(format!("damaged-{number}"));
    let mut again = 1;
    while path.exists() {
        again += 1;
        path = dir.join(format!("damaged-{number}-{again}"));
    }
    path
}

/// Where the block files of the ledger in `dir` are.
pub(crate) fn blocks_dir(dir: &Path) -> PathBuf {
    dir.join("blocks")
}
