//! Where each transaction is: an extendible hash file (Fagin, Nievergelt, Pippenger and Strong,
//! 1979), beside the state and derived as that is.
//!
//! The hash of an id says which page its entry is on: pages hold the entries whose hashes begin
//! with the same bits, and a full one splits by the next bit. The first page has the salt of the
//! hash. Memory holds the directory alone, a page number for each beginning, which is 0.2 bytes per
//! transaction; pages are cached by the kernel. In sled the same entries took 50 bytes of memory
//! each, for ever. A million of them, 500 at a time: 11 µs of processor time each in sled, 2.4 here.
//!
//! A kill between two writes, or a loss of power, leaves it ahead of the state, torn, or with old
//! pages. [`TxIndex::open`] finds all of that out, and answers an index that fits or an error.

mod page;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use cordon_types::TxId;
use parking_lot::RwLock;

use self::page::{Entry, Header, PAGE_BYTES, PAGE_ENTRIES_MAX, Page, PageBytes, Prefix, slot};
use crate::LedgerError;
use crate::entries::{Sum, TX_INDEX, TxLocation, damaged, decode_tx};
use crate::recover::io_error;

/// What a test makes smaller, so that few entries split pages.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Entries of a full page.
    page_entries: usize,
    /// Bits that pages may differ in. Memory for the directory is 4 bytes times 2 to the power of
    /// it.
    depth_max: u8,
}

/// The directory ends at 1 GiB, with some 4 billion transactions.
const SHAPE: Shape = Shape {
    page_entries: PAGE_ENTRIES_MAX,
    depth_max: 28,
};

/// The index of transactions, open. One process at a time.
pub(crate) struct TxIndex {
    file: File,
    path: PathBuf,
    shape: Shape,
    header: Header,
    /// Held while a page is read or written, too: nobody sees one half written.
    directory: RwLock<Directory>,
}

/// Which page has the hashes that begin with which bits.
struct Directory {
    /// Bits that the pages differ in at most.
    depth: u8,
    /// A page number for each beginning of `depth` bits.
    slots: Vec<u32>,
    /// Number of pages, the header included; the next page's number.
    pages: u32,
}

// === impl TxIndex ===

impl TxIndex {
    /// Makes an empty index at `path`, in place of what is there.
    pub(crate) fn create(path: &Path) -> Result<Self, LedgerError> {
        Self::create_as(path, SHAPE, Header::new())
    }

    fn create_as(
        path: &Path,
        shape: Shape,
        (header, bytes): (Header, PageBytes),
    ) -> Result<Self, LedgerError> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(path).map_err(io_error("create", path))?;
        file.write_all_at(&bytes, 0)
            .map_err(io_error("write", path))?;
        let index = Self {
            file,
            path: path.to_owned(),
            shape,
            header,
            directory: RwLock::new(Directory {
                depth: 0,
                slots: vec![1],
                pages: 2,
            }),
        };
        let page = Page {
            prefix: Prefix::NONE,
            entries: Vec::new(),
        };
        index.write(1, &page)?;
        Ok(index)
    }

    /// Opens the index at `path` for a state of `height` blocks, whose transactions have `sum`. What
    /// it holds of later blocks is removed. Reads and checks all of it, after an orderly stop too:
    /// to read the pages' headers alone would bring in the same pages (82 ms for a million
    /// transactions in the kernel's cache), and the block files, which are a hundred times as much,
    /// are read on every opening anyway.
    ///
    /// # Errors
    /// [`LedgerError::Io`], also when there is none; [`LedgerError::StateEntry`] when it is not
    /// whole, or not the one of that state.
    pub(crate) fn open(path: &Path, height: u64, sum: Sum) -> Result<Self, LedgerError> {
        Self::open_as(path, SHAPE, height, sum)
    }

    fn open_as(path: &Path, shape: Shape, height: u64, sum: Sum) -> Result<Self, LedgerError> {
        let mut options = File::options();
        let opened = options.read(true).write(true).open(path);
        let file = opened.map_err(io_error("open", path))?;
        let len = file.metadata().map_err(io_error("read", path))?.len();
        let pages = u32::try_from(len / PAGE_BYTES as u64).map_err(|_| damaged(TX_INDEX))?;
        if !len.is_multiple_of(PAGE_BYTES as u64) {
            return Err(damaged(TX_INDEX));
        }
        let mut bytes = [0; PAGE_BYTES];
        file.read_exact_at(&mut bytes, 0)
            .map_err(io_error("read", path))?;
        let mut index = Self {
            file,
            path: path.to_owned(),
            shape,
            header: Header::parse(&bytes).ok_or(damaged(TX_INDEX))?,
            directory: RwLock::new(Directory {
                depth: 0,
                slots: Vec::new(),
                pages,
            }),
        };
        let mut found = Sum::EMPTY;
        let mut prefixes = Vec::with_capacity(pages as usize);
        for number in 1..pages {
            prefixes.push(index.load(number, height, &mut found)?);
        }
        let directory = Directory::of(&prefixes).ok_or(damaged(TX_INDEX))?;
        index.directory = RwLock::new(directory);
        if found == sum {
            Ok(index)
        } else {
            Err(damaged(TX_INDEX))
        }
    }

    /// Checks page `number`, removes what it holds of blocks from `height` on, and adds the rest to
    /// `sum`.
    fn load(&self, number: u32, height: u64, sum: &mut Sum) -> Result<Prefix, LedgerError> {
        let mut page = self.read(number)?;
        let held = page.entries.len();
        for entry in std::mem::take(&mut page.entries) {
            if decode_tx(entry.location())?.block < height {
                sum.add(entry.id(), entry.location());
                page.entries.push(entry);
            }
        }
        if page.entries.len() < held {
            self.write(number, &page)?;
        }
        Ok(page.prefix)
    }

    /// Where the transaction is that was the first to be inserted with this id.
    ///
    /// # Errors
    /// [`LedgerError::Io`], [`LedgerError::StateEntry`] when its page is damaged.
    pub(crate) fn get(&self, id: &TxId) -> Result<Option<TxLocation>, LedgerError> {
        let hash = self.header.hash(id.as_bytes());
        let page = {
            let directory = self.directory.read();
            self.read_for(directory.page(hash), hash)?
        };
        let entry = page.find(id.as_bytes());
        entry.map(|entry| decode_tx(entry.location())).transpose()
    }

    /// Inserts transactions in order. An id that is there keeps its place; what is not is added to
    /// `sum`. Cost: each page concerned is read and written once.
    ///
    /// # Errors
    /// [`LedgerError::Io`], [`LedgerError::StateEntry`] when a page is damaged,
    /// [`LedgerError::TransactionIndexFull`]. Some of the transactions may be there then, and the
    /// index is not to be used any more.
    pub(crate) fn insert(
        &self,
        transactions: &[(TxId, TxLocation)],
        sum: &mut Sum,
    ) -> Result<(), LedgerError> {
        let entry = |(id, location): &(TxId, TxLocation)| {
            (self.header.hash(id.as_bytes()), Entry::new(id, *location))
        };
        let mut entries: Vec<(u64, Entry)> = transactions.iter().map(entry).collect();
        // Those of one page are neighbours now, and those of one id still in order.
        entries.sort_by_key(|(hash, _)| *hash);
        let mut left = &entries[..];
        while let Some(&(hash, _)) = left.first() {
            // One page at a time, so that readers wait for no more than that.
            let mut directory = self.directory.write();
            let number = directory.page(hash);
            let mut page = self.read_for(number, hash)?;
            let count = left.partition_point(|(hash, _)| page.prefix.covers(*hash));
            let (here, others) = left.split_at(count);
            let held = page.entries.len();
            for (_, entry) in here {
                if page.find(entry.id()).is_none() {
                    sum.add(entry.id(), entry.location());
                    page.entries.push(*entry);
                }
            }
            if page.entries.len() > self.shape.page_entries {
                self.split(&mut directory, number, page)?;
            } else if page.entries.len() > held {
                self.write(number, &page)?;
            }
            left = others;
        }
        Ok(())
    }

    /// Writes `page`, which was page `number` and has too many entries now, as several.
    fn split(&self, directory: &mut Directory, number: u32, page: Page) -> Result<(), LedgerError> {
        let (mut waiting, mut fitting) = (vec![page], Vec::new());
        while let Some(page) = waiting.pop() {
            if page.entries.len() <= self.shape.page_entries {
                fitting.push(page);
            } else if page.prefix.depth < self.shape.depth_max {
                waiting.extend(page.split(&self.header));
            } else {
                let depth = page.prefix.depth;
                return Err(LedgerError::TransactionIndexFull { depth });
            }
        }
        let numbered: Vec<(u32, Page)> = (directory.pages..).zip(fitting.drain(1..)).collect();
        for (number, page) in &numbered {
            self.write(*number, page)?;
        }
        // The old page goes last: until then the new ones are too many, which opening notices, and
        // no entry is lost.
        self.write(number, &fitting[0])?;
        directory.put(number, fitting[0].prefix);
        for (number, page) in numbered {
            directory.put(number, page.prefix);
        }
        Ok(())
    }

    /// Makes all that was inserted durable.
    pub(crate) fn sync(&self) -> Result<(), LedgerError> {
        let synced = self.file.sync_all();
        synced.map_err(io_error("make durable", &self.path))
    }

    /// Page `number`, which the directory has for `hash`.
    fn read_for(&self, number: u32, hash: u64) -> Result<Page, LedgerError> {
        let page = self.read(number)?;
        if page.prefix.covers(hash) {
            Ok(page)
        } else {
            Err(damaged(TX_INDEX))
        }
    }

    fn read(&self, number: u32) -> Result<Page, LedgerError> {
        let mut bytes = [0; PAGE_BYTES];
        match self.file.read_exact_at(&mut bytes, offset(number)) {
            // The file was cut under a running process.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged(TX_INDEX));
            }
            read => read.map_err(io_error("read", &self.path))?,
        }
        let page = Page::decode(&bytes, &self.header, number);
        page.filter(|page| page.prefix.depth <= self.shape.depth_max)
            .ok_or(damaged(TX_INDEX))
    }

    fn write(&self, number: u32, page: &Page) -> Result<(), LedgerError> {
        let bytes = page.encode(&self.header, number);
        self.file
            .write_all_at(&bytes, offset(number))
            .map_err(io_error("write", &self.path))
    }
}

fn offset(number: u32) -> u64 {
    u64::from(number) * PAGE_BYTES as u64
}

// === impl Directory ===

impl Directory {
    /// Of pages with these prefixes, from page 1 on; `None` unless each hash has exactly one page.
    fn of(prefixes: &[Prefix]) -> Option<Self> {
        let depth = prefixes.iter().map(|prefix| prefix.depth).max()?;
        let mut slots = vec![0; 1 << depth];
        for (number, prefix) in (1u32..).zip(prefixes) {
            let own = slots.get_mut(prefix.slots(depth))?;
            if own.iter().any(|&taken| taken != 0) {
                return None;
            }
            own.fill(number);
        }
        (!slots.contains(&0)).then_some(Self {
            depth,
            slots,
            pages: prefixes.len() as u32 + 1,
        })
    }

    fn page(&self, hash: u64) -> u32 {
        self.slots[slot(hash, self.depth)]
    }

    /// Makes `number` the page for `prefix`.
    fn put(&mut self, number: u32, prefix: Prefix) {
        if prefix.depth > self.depth {
            let times = 1 << (prefix.depth - self.depth);
            let mut slots = Vec::with_capacity(self.slots.len() * times);
            for &page in &self.slots {
                slots.extend(std::iter::repeat_n(page, times));
            }
            (self.depth, self.slots) = (prefix.depth, slots);
        }
        self.slots[prefix.slots(self.depth)].fill(number);
        self.pages = self.pages.max(number + 1);
    }
}
