//! Brings the derived state to the height of the blocks when a ledger is opened: as it is, by
//! replaying what is missing, or from nothing. The transaction index, if it alone is at fault, is
//! made anew alone.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use cordon_journal::{Location, Reader};

use crate::LedgerError;
use crate::block::parse_transactions;
use crate::chain::read_block;
use crate::derive::{derive, locate};
use crate::entries::{Meta, Sum};
use crate::store::{Store, wait_until_unlocked};
use crate::tx_index::TxIndex;

/// Why the state was made anew from blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildReason {
    /// It was not there.
    #[error("there was none")]
    Missing,
    /// sled could not open or read it.
    #[error("sled could not read it")]
    Unreadable,
    /// It does not describe itself, or in a format of another version.
    #[error("it was incomplete or of another format")]
    UnknownFormat,
    /// It had blocks that the block files do not have: blocks are lost, and have to be fetched
    /// again.
    #[error("it was ahead of the block files")]
    Ahead,
    /// It followed from other blocks.
    #[error("it followed from other blocks")]
    OtherChain,
    /// After a stop that was not orderly its entries did not fit their checksum.
    #[error("its entries did not fit their checksum")]
    ChecksumMismatch,
}

/// A state at the height of the blocks.
pub(crate) struct Recovered {
    pub(crate) store: Store,
    pub(crate) tx_index: TxIndex,
    pub(crate) meta: Meta,
    pub(crate) rebuilt: Option<RebuildReason>,
    pub(crate) rebuilt_index: bool,
    pub(crate) replayed_blocks: u64,
}

/// Where the derived state is.
pub(crate) struct StateFiles {
    state: PathBuf,
    transactions: PathBuf,
    marker: PathBuf,
}

const EMPTY: Meta = Meta {
    height: 0,
    block_hash: [0; 32],
    commit_hash: [0; 32],
    sum: Sum::EMPTY,
    tx_sum: Sum::EMPTY,
};

// === impl StateFiles ===

impl StateFiles {
    /// Of the ledger in `dir`.
    pub(crate) fn of(dir: &Path) -> Self {
        Self {
            state: dir.join("state"),
            transactions: dir.join("transactions"),
            marker: dir.join("clean"),
        }
    }

    /// Opens the state and brings it to the height of the blocks.
    pub(crate) fn recover(
        &self,
        cache_bytes: u64,
        reader: &Reader,
        blocks: &[Location],
    ) -> Result<Recovered, LedgerError> {
        let clean = self.take_marker()?;
        let reason = match self.reuse(cache_bytes, clean.as_deref(), reader, blocks)? {
            Ok(recovered) => return Ok(recovered),
            Err(reason) => reason,
        };
        self.remove()?;
        let store = Store::open(&self.state, cache_bytes)?;
        let tx_index = TxIndex::create(&self.transactions)?;
        let meta = replay(&store, &tx_index, EMPTY, reader, blocks)?;
        let rebuilt = (!blocks.is_empty()).then_some(reason);
        if rebuilt.is_some() {
            tracing::warn!(%reason, block_number = blocks.len(), "rebuilt the state from blocks");
        }
        Ok(Recovered {
            store,
            tx_index,
            meta,
            rebuilt,
            rebuilt_index: false,
            replayed_blocks: blocks.len() as u64,
        })
    }

    /// The state that is there, if it can be trusted. Errors of sled are reasons not to; errors of
    /// the block files are errors.
    fn reuse(
        &self,
        cache_bytes: u64,
        clean: Option<&[u8]>,
        reader: &Reader,
        blocks: &[Location],
    ) -> Result<Result<Recovered, RebuildReason>, LedgerError> {
        if !self.state.is_dir() {
            return Ok(Err(RebuildReason::Missing));
        }
        let opened =
            Store::open(&self.state, cache_bytes).and_then(|store| Ok((store.meta()?, store)));
        let (meta, store) = match opened {
            Ok((Some(meta), store)) => (meta, store),
            Ok((None, _)) => return Ok(Err(RebuildReason::UnknownFormat)),
            Err(error) => return Ok(Err(unreadable(&error))),
        };
        if meta.height > blocks.len() as u64 {
            return Ok(Err(RebuildReason::Ahead));
        }
        if let Some(last) = meta.height.checked_sub(1) {
            let (_, block) = read_block(reader, last, blocks[last as usize])?;
            if block.hash() != meta.block_hash || block.commit_hash != meta.commit_hash {
                return Ok(Err(RebuildReason::OtherChain));
            }
        }
        if clean != Some(&meta.encode()) {
            match store.sum() {
                Ok(sum) if sum == meta.sum => {}
                Ok(_) => return Ok(Err(RebuildReason::ChecksumMismatch)),
                Err(error) => return Ok(Err(unreadable(&error))),
            }
        }
        let Some((tx_index, rebuilt_index)) = self.open_index(&meta, reader, blocks)? else {
            return Ok(Err(RebuildReason::ChecksumMismatch));
        };
        let replayed_blocks = blocks.len() as u64 - meta.height;
        match replay(&store, &tx_index, meta, reader, blocks) {
            Ok(meta) => Ok(Ok(Recovered {
                store,
                tx_index,
                meta,
                rebuilt: None,
                rebuilt_index,
                replayed_blocks,
            })),
            Err(error) if store.is_broken() => Ok(Err(unreadable(&error))),
            Err(error) => Err(error),
        }
    }

    /// The transaction index as a state described by `meta` needs it, and whether it had to be made
    /// anew from blocks. `None` when even that does not have the state's sum: the state is at fault.
    fn open_index(
        &self,
        meta: &Meta,
        reader: &Reader,
        blocks: &[Location],
    ) -> Result<Option<(TxIndex, bool)>, LedgerError> {
        let error = match TxIndex::open(&self.transactions, meta.height, meta.tx_sum) {
            Ok(index) => return Ok(Some((index, false))),
            Err(error) => error,
        };
        let index = TxIndex::create(&self.transactions)?;
        let mut sum = Sum::EMPTY;
        for (number, &location) in (0..meta.height).zip(blocks) {
            let (_, block) = read_block(reader, number, location)?;
            let transactions = parse_transactions(&block)?;
            index.insert(&locate(number, &transactions), &mut sum)?;
        }
        let block_number = meta.height;
        tracing::warn!(%error, block_number, "rebuilt the transaction index from blocks");
        Ok((sum == meta.tx_sum).then_some((index, true)))
    }

    /// Says, durably, that `store` and `tx_index` are complete and that nobody writes to them any
    /// more.
    pub(crate) fn mark_clean(
        &self,
        store: &Store,
        tx_index: &TxIndex,
        meta: &Meta,
    ) -> Result<(), LedgerError> {
        store.flush()?;
        sync_tree(&self.state)?;
        tx_index.sync()?;
        fs::write(&self.marker, meta.encode()).map_err(io_error("write", &self.marker))?;
        sync(&self.marker)?;
        self.sync_parent()
    }

    /// The content of the clean marker, which is removed: from here on the state may be written.
    fn take_marker(&self) -> Result<Option<Vec<u8>>, LedgerError> {
        match fs::read(&self.marker) {
            Ok(content) => {
                fs::remove_file(&self.marker).map_err(io_error("remove", &self.marker))?;
                self.sync_parent()?;
                Ok(Some(content))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &self.marker)(error)),
        }
    }

    /// Removes the state and the transaction index, if there are any.
    pub(crate) fn remove(&self) -> Result<(), LedgerError> {
        self.take_marker()?;
        // sled writes some of its files by name; threads of the database that was found wanting
        // should not do that in the new one. Should they hang, the new one is still checked.
        let _ = wait_until_unlocked(&self.state);
        let unless_absent = |removed: io::Result<()>, path: &Path| match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("remove", path)(error))
            }
            _ => Ok(()),
        };
        unless_absent(fs::remove_dir_all(&self.state), &self.state)?;
        unless_absent(fs::remove_file(&self.transactions), &self.transactions)
    }

    fn sync_parent(&self) -> Result<(), LedgerError> {
        self.marker.parent().map_or(Ok(()), sync)
    }
}

fn unreadable(error: &LedgerError) -> RebuildReason {
    tracing::warn!(%error, "the state cannot be read");
    RebuildReason::Unreadable
}

/// Applies the blocks that a state described by `meta` lacks.
fn replay(
    store: &Store,
    tx_index: &TxIndex,
    mut meta: Meta,
    reader: &Reader,
    blocks: &[Location],
) -> Result<Meta, LedgerError> {
    for (number, &location) in (0u64..).zip(blocks).skip(meta.height as usize) {
        let (bytes, block) = read_block(reader, number, location)?;
        let transactions = parse_transactions(&block)?;
        let (batch, after) = derive(store, tx_index, &meta, &bytes, &block, &transactions)?;
        store.apply(batch)?;
        Store::collect_garbage();
        meta = after;
    }
    Ok(meta)
}

/// Makes every file below `dir` durable: sled's flush leaves that to the kernel.
fn sync_tree(dir: &Path) -> Result<(), LedgerError> {
    for entry in fs::read_dir(dir).map_err(io_error("list", dir))? {
        let path = entry.map_err(io_error("list", dir))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            sync(&path)?;
        }
    }
    sync(dir)
}

fn sync(path: &Path) -> Result<(), LedgerError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(io_error("make durable", path))
}

/// Adds to an I/O error what was tried, and on which file.
pub(crate) fn io_error(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    move |source| LedgerError::Io {
        action,
        file: file.to_owned(),
        source,
    }
}
