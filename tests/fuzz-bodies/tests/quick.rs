//! Every target without a fuzzer: its seeds, what once failed, and mutations of both. Repeatable;
//! `CORDON_FUZZ_ROUNDS` says how many mutations of each, for a longer look.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which lints do not take for tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

use cordon_fuzz_bodies::{Body, Random, TARGETS};

/// The folder with seeds and regressions.
fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// Inputs below `folder/name`, in order of name; none when there is no such folder.
fn inputs(folder: &str, name: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(fuzz_dir().join(folder).join(name)) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Says where the input is that a body failed on.
struct Tried<'a>(&'a str, &'a [u8]);

impl Drop for Tried<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("failed-{}", self.0));
            fs::write(&path, self.1).unwrap();
            eprintln!("the input is {}", path.display());
        }
    }
}

fn attempt(name: &str, body: Body, input: &[u8]) {
    let _tried = Tried(name, input);
    body(input);
}

/// `rounds` mutations of each seed take about two seconds in a debug build.
fn run(name: &str, rounds: u64) {
    let (_, body) = TARGETS
        .into_iter()
        .find(|(known, _)| *known == name)
        .unwrap();
    let seeds = inputs("corpus", name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let regressions = inputs("regressions", name);
    for input in seeds.iter().chain(&regressions) {
        attempt(name, body, input);
    }
    let given = std::env::var("CORDON_FUZZ_ROUNDS").ok();
    let rounds = given.map_or(rounds, |rounds| rounds.parse().unwrap());
    let mut random = Random::new(0x00c0_4d04);
    for input in seeds.iter().chain(&regressions) {
        for _ in 0..rounds {
            let other = &seeds[random.below(seeds.len() as u64) as usize];
            attempt(name, body, &mutated(input, other, &mut random));
        }
    }
}

/// `input` changed in one to four places.
fn mutated(input: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        let length = 1 + random.below(16) as usize;
        let end = bytes.len().min(at + length);
        match random.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.insert(at, random.number() as u8),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => {
                let from = random.below(other.len() as u64 + 1) as usize;
                let part = &other[from..other.len().min(from + length)];
                bytes.splice(at..end, part.iter().copied());
            }
            5 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff][random.below(5) as usize];
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes
}

macro_rules! targets {
    ($($name:ident $rounds:literal,)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name), $rounds);
        })*

        #[test]
        fn every_target_is_tried_here_and_fuzzed_there() {
            let here = [$(stringify!($name)),*];
            assert_eq!(here, TARGETS.map(|(name, _)| name));
            let manifest = fs::read_to_string(fuzz_dir().join("Cargo.toml")).unwrap();
            for name in here {
                assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
                let stub = fuzz_dir().join(format!("fuzz_targets/{name}.rs"));
                let stub = fs::read_to_string(stub).unwrap();
                assert!(stub.contains(&format!("cordon_fuzz_bodies::{name}(bytes)")), "{stub}");
            }
        }
    };
}

targets! {
    proposal 20000,
    envelope 4000,
    block 15000,
    certificate 400,
    json 20000,
    endorsement_policy 15000,
    access_policy 400,
    component 1500,
    package 2500,
    block_files 100,
}
