//! Copies of a host's data, through real processes: further hosts, snapshots, joining, backups and
//! restoring, and everything that is refused on the way.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod backups;
mod damaged;
mod files;
mod further;
mod joining;
