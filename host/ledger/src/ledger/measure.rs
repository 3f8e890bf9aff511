//! Figures, not tests of behaviour: `cargo test --release -p cordon-ledger -- --ignored --nocapture`.

use std::fs;

use super::*;
use crate::testing::{Tx, build, files};
use cordon_types::{Snapshot, ValidationCode};

/// Nanoseconds of CPU that all threads of this process used.
fn cpu_ns() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let of = |path: std::path::PathBuf| -> Option<u64> {
        fs::read_to_string(path.join("schedstat"))
            .ok()?
            .split(' ')
            .next()?
            .parse()
            .ok()
    };
    tasks.filter_map(|task| of(task.unwrap().path())).sum()
}

fn resident_mb() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096 / 1_000_000
}

fn disk_bytes(dir: &Path) -> u64 {
    files(dir)
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum()
}

struct Chain {
    ledger: Ledger,
    number: u64,
    previous: Vec<u8>,
    next_nonce: u64,
    cpu_ns: u64,
    block_bytes: u64,
}

impl Chain {
    fn new(dir: &Path, options: Options) -> Self {
        let (ledger, _) = Ledger::open(dir, options).unwrap();
        Self {
            ledger,
            number: 0,
            previous: Vec::new(),
            next_nonce: 0,
            cpu_ns: 0,
            block_bytes: 0,
        }
    }

    /// Commits blocks of transactions that each write 400 bytes to the key `key` answers.
    fn commit(&mut self, blocks: u64, count: u64, key: impl Fn(u64) -> String) {
        let blocks: Vec<CommitBlock> = (0..blocks).map(|_| self.next(count, &key)).collect();
        let before = cpu_ns();
        for block in &blocks {
            self.ledger.commit(block).unwrap();
        }
        self.cpu_ns += cpu_ns() - before;
    }

    fn next(&mut self, count: u64, key: impl Fn(u64) -> String) -> CommitBlock {
        let txs: Vec<Tx> = (0..count)
            .map(|_| {
                self.next_nonce += 1;
                let value = vec![self.next_nonce as u8; 400];
                Tx {
                    nonce: self.next_nonce,
                    code: ValidationCode::Valid,
                    writes: vec![("emr", key(self.next_nonce), Some(value))],
                }
            })
            .collect();
        let (bytes, hash) = build(self.number, &self.previous, &txs);
        self.block_bytes += bytes.len() as u64;
        (self.number, self.previous) = (self.number + 1, hash.to_vec());
        CommitBlock::parse(bytes).unwrap()
    }
}

fn scrambled(n: u64) -> String {
    format!("patient-{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[test]
#[ignore = "measures for a minute"]
fn cost_per_transaction() {
    for (per_block, blocks) in [(500, 400), (50, 1000), (1, 4000)] {
        let dir = tempfile::TempDir::new().unwrap();
        let mut chain = Chain::new(dir.path(), Options::default());
        let start = std::time::Instant::now();
        let at_once = (2000 / per_block).max(1);
        for _ in 0..blocks / at_once {
            chain.commit(at_once, per_block, scrambled);
        }
        let wall = start.elapsed();
        let count = chain.next_nonce;
        chain.ledger.close().unwrap();
        println!(
            "{per_block}/block: {} ns CPU/tx; disk per tx: blocks {} (content {}), state {}; {} MB resident; {wall:.1?} in all",
            chain.cpu_ns / count,
            disk_bytes(&dir.path().join("blocks")) / count,
            chain.block_bytes / count,
            disk_bytes(&dir.path().join("state")) / count,
            resident_mb(),
        );
        drop(chain);
        let start = std::time::Instant::now();
        fs::remove_file(dir.path().join("clean")).unwrap();
        let (ledger, report) = Ledger::open(dir.path(), Options::default()).unwrap();
        assert_eq!(report.rebuilt, None);
        println!("  open with full check: {:.2?}", start.elapsed());
        let snapshot = ledger.snapshot();
        let start = std::time::Instant::now();
        for n in 1..=count {
            assert!(
                snapshot
                    .get(&"emr".parse().unwrap(), &scrambled(n))
                    .unwrap()
                    .is_some()
            );
        }
        println!(
            "  get: {} ns",
            start.elapsed().as_nanos() / u128::from(count)
        );
        drop((ledger, snapshot));
        fs::remove_dir_all(dir.path().join("state")).unwrap();
        let start = std::time::Instant::now();
        Ledger::open(dir.path(), Options::default()).unwrap();
        println!("  rebuild: {:.1?}", start.elapsed());
    }
}

#[test]
#[ignore = "measures for minutes"]
fn epoch_collection_keeps_memory_flat() {
    let dir = tempfile::TempDir::new().unwrap();
    // A cache that is full soon: its filling must not be mistaken for a leak, nor hide one.
    let options = Options {
        cache_bytes: 32 << 20,
        ..Options::default()
    };
    let mut chain = Chain::new(dir.path(), options);
    let blocks: u64 = std::env::var("BLOCKS").map_or(3000, |n| n.parse().unwrap());
    let mut resident = Vec::new();
    for n in 1..=blocks {
        chain.commit(1, 500, |nonce| {
            format!("patient-{}", nonce.wrapping_mul(7919) % 10_000)
        });
        if n % 250 == 0 {
            resident.push(resident_mb());
            println!(
                "{n} blocks: {} MB resident, {} ns CPU/tx, state {} MB",
                resident_mb(),
                chain.cpu_ns / (n * 500),
                disk_bytes(&dir.path().join("state")) / 1_000_000
            );
        }
    }
}
