//! The only code that calls sled. Whatever it does, this process goes on: errors and panics become
//! [`LedgerError`]s, and after the first one the store answers nothing more.

use std::fs::{File, TryLockError};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordon_journal::JournalError;
use sled::IVec;

use crate::LedgerError;
use crate::entries::{META, Meta, Sum};

/// How often the epoch collector is driven after a batch. A thread that does nothing but
/// `apply_batch` retires memory faster than it is freed: 15 GB resident after 3,000 batches of 500,
/// measured on sled alone. In this crate that leak did not show even at 0, probably because every
/// write also reads, and each read pins. Resident after 3,000 blocks of 500 updates with a cache of
/// 32 MiB, when each change still had an entry of its own for history: 271 MB at 0, 258 at 10, 244
/// at 100, all still growing by 30 to 40 KB a block. Some stay as a safeguard; their cost is within
/// the noise of a block's.
const EPOCH_FLUSHES: usize = 10;

/// A sled database.
pub(crate) struct Store {
    db: sled::Db,
    broken: AtomicBool,
}

impl Store {
    /// Opens or creates the database in `dir`.
    pub(crate) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, LedgerError> {
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(cache_bytes)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(Some(500));
        if !wait_until_unlocked(dir) {
            return Err(JournalError::Locked {
                dir: dir.to_owned(),
            }
            .into());
        }
        let db = catch("open", || config.open())?;
        Ok(Self {
            db,
            broken: AtomicBool::new(false),
        })
    }

    fn call<T>(
        &self,
        action: &'static str,
        f: impl FnOnce() -> sled::Result<T>,
    ) -> Result<T, LedgerError> {
        if self.is_broken() {
            return Err(LedgerError::StateBroken);
        }
        let result = catch(action, f);
        if let Err(error) = &result {
            self.set_broken();
            tracing::error!(%error, "the state is not usable any more");
        }
        result
    }

    /// Whether sled failed or panicked since it was opened.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Ends the use of this store: it does not hold what it must.
    pub(crate) fn set_broken(&self) {
        self.broken.store(true, Ordering::Release);
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<IVec>, LedgerError> {
        self.call("read", || self.db.get(key))
    }

    /// Hands the entries of `range` to `visit`, in key order or backwards, until it answers `false`
    /// or fails.
    pub(crate) fn visit(
        &self,
        range: Range<Vec<u8>>,
        backwards: bool,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, LedgerError>,
    ) -> Result<(), LedgerError> {
        if range.start >= range.end {
            return Ok(());
        }
        let mut entries = self.call("scan", || Ok(self.db.range(range)))?;
        let mut next = || {
            self.call("scan", || {
                let next = if backwards {
                    entries.next_back()
                } else {
                    entries.next()
                };
                next.transpose()
            })
        };
        while let Some((key, value)) = next()? {
            if !visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    /// Applies `batch` as one.
    pub(crate) fn apply(&self, batch: sled::Batch) -> Result<(), LedgerError> {
        self.call("write", || self.db.apply_batch(batch))
    }

    /// Frees what earlier batches retired. Readers need not wait for it.
    pub(crate) fn collect_garbage() {
        for _ in 0..EPOCH_FLUSHES {
            crossbeam_epoch::pin().flush();
        }
    }

    /// Hands everything to the operating system (sled does not fsync here).
    pub(crate) fn flush(&self) -> Result<(), LedgerError> {
        self.call("flush", || self.db.flush()).map(drop)
    }

    /// The meta entry; `None` when there is none that can be read.
    pub(crate) fn meta(&self) -> Result<Option<Meta>, LedgerError> {
        Ok(self.get(META)?.and_then(|entry| Meta::decode(&entry)))
    }

    /// The sum over all entries but the meta entry. Cost: reads everything.
    pub(crate) fn sum(&self) -> Result<Sum, LedgerError> {
        let mut sum = Sum::EMPTY;
        self.visit(Vec::new()..vec![0xff], false, |key, value| {
            if key != META {
                sum.add(key, value);
            }
            Ok(true)
        })?;
        Ok(sum)
    }
}

/// Waits until nobody has the database in `dir` open; `false` when that takes too long. After a
/// database is dropped, sled's own threads hold its lock for some time yet, and must not be
/// mistaken for damage. Another ledger cannot hold it: the journal's lock is taken before.
pub(crate) fn wait_until_unlocked(dir: &Path) -> bool {
    const STEP: Duration = Duration::from_millis(5);
    const STEPS_MAX: u32 = 2000;
    let Ok(file) = File::open(dir.join("db")) else {
        return true;
    };
    for _ in 0..STEPS_MAX {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(STEP),
            // Freed again with the file; what else is wrong, sled will say.
            Ok(()) | Err(TryLockError::Error(_)) => return true,
        }
    }
    false
}

fn catch<T>(action: &'static str, f: impl FnOnce() -> sled::Result<T>) -> Result<T, LedgerError> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(|source| LedgerError::State { action, source }),
        Err(_) => Err(LedgerError::StatePanicked { action }),
    }
}
