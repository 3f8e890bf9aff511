//! A ledger that is updated over and over does not take more and more memory: sled leaks some five
//! megabytes per full block when its garbage is not collected.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::process::Command;

const BLOCKS: u64 = 240;
/// The cache, what sled keeps beside it, and as much again.
const RESIDENT_MB_MAX: f64 = 250.0;

#[test]
fn full_blocks_of_updates_leave_memory_bounded() {
    let output = Command::new(cordon_tests::binary())
        .args([
            "bench",
            "--memory-only",
            "--memory-blocks",
            &BLOCKS.to_string(),
        ])
        .output()
        .unwrap();
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let resident = figures["resident"].as_array().unwrap();
    let last = resident.last().unwrap();
    assert_eq!(last["blocks"], BLOCKS);
    let megabytes = last["resident_mb"].as_f64().unwrap();
    assert!(megabytes > 10.0 && megabytes < RESIDENT_MB_MAX, "{figures}");
}
