//! The block files of a ledger, to be read and nothing else: where a ledger cannot or must not be
//! opened, as on an auditor's machine.

use std::io;
use std::path::Path;

use bytes::Bytes;
use cordon_journal::{Journal, Location, Options, Reader, scan};

use crate::LedgerError;
use crate::chain::{of_block, read_bytes};
use crate::recover::io_error;
use crate::snapshot::location;

/// The blocks in a folder of block files, as many as there were when it was opened. Writes nothing
/// and takes no lock: a host may have the same ledger open.
#[derive(Debug, Clone)]
pub struct BlockFiles {
    reader: Reader,
    locations: Vec<Location>,
    unfinished_bytes: u64,
}

impl BlockFiles {
    /// The blocks in `dir`, the folder `blocks` of a ledger or a copy of it. A last record that is
    /// not whole is left out: a host may be about to write it. Cost: reads all files once.
    ///
    /// # Errors
    /// [`LedgerError::DamagedBlock`] for the first block that is damaged; [`LedgerError::Journal`].
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        let found = scan(dir)?;
        if let Some(at) = found.damage {
            return Err(of_block(at.into(), found.records.len() as u64));
        }
        Ok(Self {
            reader: Reader::new(dir),
            locations: found.records,
            unfinished_bytes: found.torn.map_or(0, |torn| torn.bytes),
        })
    }

    /// Blocks that are known to be whole.
    pub(crate) fn of(reader: Reader, locations: Vec<Location>) -> Self {
        Self {
            reader,
            locations,
            unfinished_bytes: 0,
        }
    }

    /// Bytes behind the last whole block: of one that is being written, or of what was cut off or damaged.
    pub fn unfinished_bytes(&self) -> u64 {
        self.unfinished_bytes
    }

    /// Number of blocks.
    pub fn height(&self) -> u64 {
        self.locations.len() as u64
    }

    /// The encoded block `number`, its record checked against its checksum; what it says is not
    /// looked at.
    ///
    /// # Errors
    /// [`LedgerError::NoSuchBlock`], [`LedgerError::DamagedBlock`], [`LedgerError::Journal`].
    pub fn block(&self, number: u64) -> Result<Bytes, LedgerError> {
        let Some(location) = location(&self.locations, number) else {
            let height = self.height();
            return Err(LedgerError::NoSuchBlock { number, height });
        };
        read_bytes(&self.reader, number, location)
    }

    /// Writes the first `height` blocks into `dir`, a new folder of block files, durably. `each` sees
    /// every block before it is written, and ends the copying by an error; what is written by then
    /// stays.
    ///
    /// # Errors
    /// Those of `each`; [`LedgerError::NoSuchBlock`], [`LedgerError::DamagedBlock`],
    /// [`LedgerError::Journal`]; [`LedgerError::Io`] when the folder holds blocks already.
    pub fn copy<E: From<LedgerError>>(
        &self,
        height: u64,
        dir: &Path,
        mut each: impl FnMut(u64, &Bytes) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut journal, opened) =
            Journal::open(dir, Options::default()).map_err(LedgerError::from)?;
        if !opened.records.is_empty() {
            let there = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(io_error("copy blocks to", dir)(there).into());
        }
        for number in 0..height {
            let block = self.block(number)?;
            each(number, &block)?;
            journal.append(&[&block]).map_err(LedgerError::from)?;
        }
        journal
            .finish()
            .map_err(|error| LedgerError::from(error).into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cordon_types::ValidationCode;

    use super::*;
    use crate::testing::{Model, Tx, files, memory_dir};
    use crate::{CommitBlock, Ledger};

    #[test]
    fn blocks_are_read_beside_an_open_ledger_and_nothing_is_written() {
        let dir = memory_dir();
        let (ledger, _) = Ledger::open(dir.path(), crate::Options::default()).unwrap();
        let mut model = Model::default();
        for nonce in 0..3 {
            let code = ValidationCode::Valid;
            let writes = vec![("c", "key".to_owned(), Some(vec![7; 100]))];
            let bytes = model.apply(&[Tx {
                nonce,
                code,
                writes,
            }]);
            let block = CommitBlock::parse(bytes).unwrap();
            ledger.commit(&block).unwrap();
        }
        let blocks = dir.path().join("blocks");
        let before = files(&blocks);
        let read = BlockFiles::open(&blocks).unwrap();
        assert_eq!(read.height(), 3);
        for (number, (bytes, _)) in (0..).zip(&model.blocks) {
            assert_eq!(read.block(number).unwrap(), *bytes);
        }
        let text = read.block(3).unwrap_err().to_string();
        assert_eq!(text, ledger_error(3, 3));
        assert_eq!(files(&blocks), before);
        drop(ledger);

        // A copy of the first ones is a folder of block files of its own.
        let copy = dir.path().join("copy");
        let mut seen = Vec::new();
        let copied = read.copy(2, &copy, |number, block| {
            seen.push((number, block.clone()));
            Ok::<(), LedgerError>(())
        });
        copied.unwrap();
        let copied = BlockFiles::open(&copy).unwrap();
        assert_eq!(copied.height(), 2);
        for (number, (bytes, _)) in (0..2).zip(&model.blocks) {
            assert_eq!(seen[number as usize], (number, bytes.clone()));
            assert_eq!(copied.block(number).unwrap(), *bytes);
        }
        let all = |_, _: &Bytes| Ok::<(), LedgerError>(());
        assert!(matches!(
            read.copy(2, &copy, all),
            Err(LedgerError::Io { .. })
        ));
        let error = read.copy(4, &dir.path().join("more"), all).unwrap_err();
        assert_eq!(error.to_string(), ledger_error(3, 3));
        let stop = |_, _: &Bytes| Err(LedgerError::Closed);
        let stopped = read.copy(2, &dir.path().join("none"), stop);
        assert!(matches!(stopped, Err(LedgerError::Closed)));

        // A record that is not whole yet is left out, and stays.
        let path = blocks.join("00000000.seg");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 10]).unwrap();
        let cut = BlockFiles::open(&blocks).unwrap();
        assert_eq!(cut.height(), 2);
        let third = read.locations[2];
        assert_eq!(
            cut.unfinished_bytes(),
            whole.len() as u64 - 10 - third.record_offset()
        );
        assert_eq!(read.unfinished_bytes(), 0);
        assert_eq!(fs::read(&path).unwrap().len(), whole.len() - 10);
        // A damaged one is named.
        let mut damaged = whole;
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        fs::write(&path, damaged).unwrap();
        let text = BlockFiles::open(&blocks).unwrap_err().to_string();
        assert!(text.starts_with("block 1 is damaged ("), "{text}");
    }

    fn ledger_error(number: u64, height: u64) -> String {
        LedgerError::NoSuchBlock { number, height }.to_string()
    }
}
