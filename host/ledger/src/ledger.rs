//! A channel's ledger, open.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cordon_journal::{Journal, Location, Reader, TornTail};
use cordon_types::{ContractId, TxId, Version};
use cordon_wire::block::CommittedBlock;
use parking_lot::{Mutex, RwLock};

use crate::LedgerError;
use crate::block::{CommitBlock, CommitTransaction};
use crate::chain::{of_block, read_block, read_bytes, verify_blocks};
use crate::derive::derive;
use crate::entries::{
    Meta, TxLocation, block_hash_key, decode_block_number, decode_state, state_key,
};
use crate::files::BlockFiles;
use crate::recover::{RebuildReason, Recovered, StateFiles};
use crate::repair::{Verified, blocks_dir};
use crate::snapshot::{LedgerSnapshot, location, state_range, visit_state};
use crate::store::Store;
use crate::tx_index::TxIndex;

/// How a ledger is kept.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Memory that sled may use to cache the state, in bytes; it takes somewhat more.
    pub cache_bytes: u64,
    /// Size of the block files ([`cordon_journal::Options`]).
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            segment_bytes: 64 << 20,
        }
    }
}

/// What [`Ledger::open`] had to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// Why the state was made anew from all blocks, if it was. Never set for a ledger without
    /// blocks.
    pub rebuilt: Option<RebuildReason>,
    /// Whether the transaction index was made anew from blocks, the state being good.
    pub rebuilt_index: bool,
    /// Blocks that were applied to the state, on a rebuild all of them.
    pub replayed_blocks: u64,
    /// The unfinished block that was cut off the end of the block files, if there was one.
    pub cut: Option<TornTail>,
}

/// Where the chain stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainInfo {
    /// Number of blocks; the next block's number.
    pub height: u64,
    /// Header hash of the last block, the next block's previous hash; empty when there is none.
    pub current_hash: Bytes,
    /// Previous hash of the last block; empty when there are fewer than two.
    pub previous_hash: Bytes,
    /// The running digest of state after the last block; zeros when there is none.
    pub commit_hash: [u8; 32],
    /// What the ordering wrote into the last block (its position in the log).
    pub consenter_metadata: Bytes,
    /// Number of the last configuration block.
    pub last_config: u64,
}

impl ChainInfo {
    /// After `block`.
    fn after(block: &CommittedBlock) -> Self {
        // Copies: a slice would keep the whole block in memory.
        Self {
            height: block.header.number + 1,
            current_hash: Bytes::copy_from_slice(&block.hash()),
            previous_hash: Bytes::copy_from_slice(&block.header.previous_hash),
            commit_hash: block.commit_hash,
            consenter_metadata: Bytes::copy_from_slice(&block.consenter_metadata),
            last_config: block.last_config,
        }
    }
}

/// Longest wait for a snapshot beside another: a commit applies its changes within milliseconds.
const BESIDE_MAX: Duration = Duration::from_millis(250);

/// How long the steps of a commit took.
#[derive(Debug, Clone, Copy, Default)]
pub struct CommitTimes {
    /// Writing the blocks' bytes, the fsync included.
    pub write: Duration,
    /// Applying them to the state and the index of transactions.
    pub state: Duration,
}

/// What readers see; changes only together with the state.
pub(crate) struct View {
    pub(crate) info: ChainInfo,
    /// One per block.
    pub(crate) locations: Vec<Location>,
}

/// What only a commit touches.
struct Writer {
    journal: Journal,
    meta: Meta,
    closed: bool,
}

/// The ledger of one channel, open. Clones are the same ledger; it ends with the last of them and of
/// their snapshots. One process at a time.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
    view: Arc<RwLock<View>>,
}

/// What a snapshot keeps alive: while one can still be read, nobody else opens the files.
pub(crate) struct Shared {
    pub(crate) reader: Reader,
    pub(crate) store: Store,
    tx_index: TxIndex,
    files: StateFiles,
    writer: Mutex<Writer>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger")
            .field("blocks", &self.shared.reader)
            .finish_non_exhaustive()
    }
}

/// A block that fits the chain, ready to be written.
struct Checked<'a> {
    bytes: &'a Bytes,
    block: CommittedBlock,
    transactions: &'a [CommitTransaction],
}

// === impl Ledger ===

impl Ledger {
    /// Opens the ledger in `dir`, which is created if absent, and brings the state to the height of
    /// the blocks. Cost: reads all block files and the transaction index once; reads all of the
    /// state after a stop without [`Ledger::close`]; parses all blocks when the state or the index
    /// has to be rebuilt.
    ///
    /// # Errors
    /// [`LedgerError::DamagedBlock`] when blocks are damaged other than by a torn tail;
    /// [`LedgerError::Journal`] when another process has the ledger open, or the disk fails;
    /// [`LedgerError::State`] when even a new state cannot be written.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, OpenReport), LedgerError> {
        let journal_options = cordon_journal::Options {
            segment_bytes: options.segment_bytes,
            // The ordering log still has what the last block was made of.
            keep_full_length: false,
        };
        let (journal, opened) =
            Journal::open(&blocks_dir(dir), journal_options).map_err(|error| match &error {
                cordon_journal::JournalError::Damaged {
                    record: Some(number),
                    ..
                } => {
                    let number = *number;
                    of_block(error, number)
                }
                _ => error.into(),
            })?;
        let (reader, locations) = (journal.reader(), opened.records);
        let info = match locations.last() {
            None => ChainInfo::default(),
            Some(&last) => {
                ChainInfo::after(&read_block(&reader, locations.len() as u64 - 1, last)?.1)
            }
        };
        let files = StateFiles::of(dir);
        let Recovered {
            store,
            tx_index,
            meta,
            rebuilt,
            rebuilt_index,
            replayed_blocks,
        } = files.recover(options.cache_bytes, &reader, &locations)?;
        let writer = Mutex::new(Writer {
            journal,
            meta,
            closed: false,
        });
        let ledger = Self {
            shared: Arc::new(Shared {
                reader,
                store,
                tx_index,
                files,
                writer,
            }),
            view: Arc::new(RwLock::new(View { info, locations })),
        };
        Ok((
            ledger,
            OpenReport {
                rebuilt,
                rebuilt_index,
                replayed_blocks,
                cut: opened.cut,
            },
        ))
    }

    /// Ends writing and marks the state as complete, so that the next open need not check it. Reads
    /// still work. Closing twice does nothing.
    ///
    /// # Errors
    /// [`LedgerError::StateBroken`] when the state failed before, [`LedgerError::State`],
    /// [`LedgerError::Io`]. The blocks are safe in any case.
    pub fn close(&self) -> Result<(), LedgerError> {
        let mut writer = self.shared.writer.lock();
        if writer.closed {
            return Ok(());
        }
        writer.closed = true;
        let Shared {
            store,
            tx_index,
            files,
            ..
        } = &*self.shared;
        files.mark_clean(store, tx_index, &writer.meta)
    }

    /// Number of blocks.
    pub fn height(&self) -> u64 {
        self.view.read_recursive().info.height
    }

    /// Where the chain stands.
    pub fn info(&self) -> ChainInfo {
        self.view.read_recursive().info.clone()
    }

    /// The running digest of codes and state updates after the last block: equal on all hosts that
    /// agree. Zeros when there is no block.
    pub fn state_digest(&self) -> [u8; 32] {
        self.view.read_recursive().info.commit_hash
    }

    /// The committed state at the present height. Waits while a commit applies its changes.
    pub fn snapshot(&self) -> LedgerSnapshot {
        LedgerSnapshot {
            view: self.view.read_arc(),
            shared: self.shared.clone(),
        }
    }

    /// The same for a thread that may hold a snapshot of another ledger; `None` when a commit keeps it
    /// waiting for too long. Two threads that each hold what the other's commit waits for would else
    /// never go on; and if commits were passed by, questions could keep them waiting for ever.
    pub fn snapshot_beside(&self) -> Option<LedgerSnapshot> {
        Some(LedgerSnapshot {
            view: self.view.try_read_arc_for(BESIDE_MAX)?,
            shared: self.shared.clone(),
        })
    }

    /// Commits one block; see [`Ledger::commit_all`].
    ///
    /// # Errors
    /// As [`Ledger::commit_all`].
    pub fn commit(&self, block: &CommitBlock) -> Result<CommitTimes, LedgerError> {
        self.commit_all(std::slice::from_ref(block))
    }

    /// Commits blocks in order: all are checked, written and made durable by one fsync, then each is
    /// applied to the state at once. The effects of a block are visible together, to snapshots taken
    /// after. Waits for the snapshots there are. Returns how long it took.
    ///
    /// # Errors
    /// Nothing is written for [`LedgerError::NotNext`], [`LedgerError::BrokenChain`],
    /// [`LedgerError::BadBlock`], [`LedgerError::Contradiction`] (of verdicts or envelopes) and
    /// [`LedgerError::Closed`]. After any other error this value takes no more blocks; the blocks
    /// may or may not be on disk, and opening the ledger again tells.
    pub fn commit_all(&self, blocks: &[CommitBlock]) -> Result<CommitTimes, LedgerError> {
        let mut writer = self.shared.writer.lock();
        if writer.closed {
            return Err(LedgerError::Closed);
        }
        if self.shared.store.is_broken() {
            return Err(LedgerError::StateBroken);
        }
        let checked = self.check(blocks)?;
        let records: Vec<&[u8]> = blocks.iter().map(|block| block.bytes.as_ref()).collect();
        let started = Instant::now();
        let locations = writer.journal.append(&records)?;
        writer.journal.sync()?;
        let write = started.elapsed();
        for (checked, location) in checked.iter().zip(locations) {
            if let Err(error) = self.apply(&mut writer, checked, location) {
                // The blocks are on disk and the state lacks them.
                self.shared.store.set_broken();
                return Err(error);
            }
        }
        let state = started.elapsed().saturating_sub(write);
        Ok(CommitTimes { write, state })
    }

    /// Checks that `blocks` continue the chain, and that what was parsed of them fits.
    fn check<'a>(&self, blocks: &'a [CommitBlock]) -> Result<Vec<Checked<'a>>, LedgerError> {
        let ChainInfo {
            height,
            mut current_hash,
            ..
        } = self.info();
        (height..)
            .zip(blocks)
            .map(|(expected, offered)| {
                let block = CommittedBlock::parse(&offered.bytes)
                    .map_err(|source| LedgerError::BadBlock { source })?;
                let number = block.header.number;
                if number != expected {
                    return Err(LedgerError::NotNext { number, expected });
                }
                if block.header.previous_hash != current_hash {
                    return Err(LedgerError::BrokenChain { number });
                }
                let transactions = offered.transactions.as_slice();
                let differ = |what| Err(LedgerError::Contradiction { number, what });
                if !transactions.iter().map(|t| &t.envelope).eq(&block.data) {
                    return differ("envelopes");
                }
                if !transactions.iter().map(|t| &t.code).eq(&block.codes) {
                    return differ("validation codes");
                }
                current_hash = Bytes::copy_from_slice(&block.hash());
                Ok(Checked {
                    bytes: &offered.bytes,
                    block,
                    transactions,
                })
            })
            .collect()
    }

    fn apply(
        &self,
        writer: &mut Writer,
        checked: &Checked<'_>,
        location: Location,
    ) -> Result<(), LedgerError> {
        let Checked {
            bytes,
            block,
            transactions,
        } = checked;
        let Shared {
            store, tx_index, ..
        } = &*self.shared;
        let (batch, meta) = derive(store, tx_index, &writer.meta, bytes, block, transactions)?;
        let info = ChainInfo::after(block);
        {
            let mut view = self.view.write();
            store.apply(batch)?;
            view.info = info;
            view.locations.push(location);
        }
        writer.meta = meta;
        Store::collect_garbage();
        Ok(())
    }

    /// The encoded block `number`, verdicts included, checked against its checksum; `None` when
    /// there is no such block yet.
    ///
    /// # Errors
    /// [`LedgerError::DamagedBlock`], [`LedgerError::Journal`].
    pub fn block(&self, number: u64) -> Result<Option<Bytes>, LedgerError> {
        let found = location(&self.view.read_recursive().locations, number);
        found
            .map(|found| read_bytes(&self.shared.reader, number, found))
            .transpose()
    }

    /// The blocks there are now, to be read or copied beside what is committed meanwhile.
    pub fn block_files(&self) -> BlockFiles {
        let locations = self.view.read_recursive().locations.clone();
        BlockFiles::of(self.shared.reader.clone(), locations)
    }

    /// The number of the block whose header hash is `hash`.
    ///
    /// # Errors
    /// [`LedgerError::State`], [`LedgerError::StateEntry`].
    pub fn block_number_by_hash(&self, hash: &[u8]) -> Result<Option<u64>, LedgerError> {
        let Ok(hash) = hash.try_into() else {
            return Ok(None);
        };
        let entry = self.shared.store.get(&block_hash_key(hash))?;
        entry.map(|entry| decode_block_number(&entry)).transpose()
    }

    /// Where the first transaction with this id is, valid or not.
    ///
    /// # Errors
    /// [`LedgerError::StateBroken`], [`LedgerError::StateEntry`], [`LedgerError::Io`]. After the last
    /// two the state is not used any more: opening the ledger again makes the index anew.
    pub fn transaction(&self, tx_id: &TxId) -> Result<Option<TxLocation>, LedgerError> {
        let Shared {
            store, tx_index, ..
        } = &*self.shared;
        if store.is_broken() {
            return Err(LedgerError::StateBroken);
        }
        let found = tx_index.get(tx_id).inspect_err(|error| {
            store.set_broken();
            tracing::error!(%error, "the transaction index is not usable any more");
        })?;
        // The index has the transactions of a block before the block is applied.
        Ok(found.filter(|location| location.block < self.height()))
    }

    /// Whether a transaction with this id is on the ledger, valid or not.
    ///
    /// # Errors
    /// As [`Ledger::transaction`].
    pub fn contains_transaction(&self, tx_id: &TxId) -> Result<bool, LedgerError> {
        Ok(self.transaction(tx_id)?.is_some())
    }

    /// The committed version of each key, in the order asked; `None` for an absent key. Values are
    /// not read. For validation, which runs between commits: keys are read one by one.
    ///
    /// # Errors
    /// [`LedgerError::State`], [`LedgerError::StateEntry`].
    pub fn versions(
        &self,
        keys: &[(ContractId, String)],
    ) -> Result<Vec<Option<Version>>, LedgerError> {
        let _view = self.view.read_recursive();
        keys.iter()
            .map(|(contract, key)| {
                let entry = self
                    .shared
                    .store
                    .get(&state_key(contract, key.as_bytes()))?;
                let Some(entry) = entry else { return Ok(None) };
                let (change, value) = decode_state(&entry)?;
                Ok(value.map(|_| change.version))
            })
            .collect()
    }

    /// The committed keys of `contract` from `start` (inclusive) to `end` with their versions, in
    /// key order. An empty `end` is no bound, whatever `end_inclusive` says. Values are not read.
    ///
    /// # Errors
    /// [`LedgerError::State`], [`LedgerError::StateEntry`].
    pub fn range_versions(
        &self,
        contract: &ContractId,
        start: &str,
        end: &str,
        end_inclusive: bool,
    ) -> Result<Vec<(String, Version)>, LedgerError> {
        let _view = self.view.read_recursive();
        let range = state_range(contract, start, end, end_inclusive);
        let mut found = Vec::new();
        visit_state(&self.shared.store, contract, range, |key, version, _| {
            found.push((key, version));
            Ok(true)
        })?;
        Ok(found)
    }

    /// Checks every block: the record's checksum, the data hash, the number, the previous hash.
    /// `progress` is told how many blocks are done, and of how many. Blocks committed meanwhile are
    /// not looked at.
    ///
    /// # Errors
    /// [`LedgerError::DamagedBlock`] for the first damage; [`LedgerError::Journal`].
    pub fn verify(&self, progress: impl FnMut(u64, u64)) -> Result<Verified, LedgerError> {
        let locations = self.view.read_recursive().locations.clone();
        let last_hash = verify_blocks(&self.shared.reader, &locations, progress)?;
        Ok(Verified {
            blocks: locations.len() as u64,
            last_hash,
        })
    }
}

#[cfg(test)]
mod tests;
