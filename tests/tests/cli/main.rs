//! The command line: help, answers for people and programs, exit codes, and what it says when it
//! cannot do what it was asked.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod access;
mod commands;
mod networks;
mod packages;
mod provisioning;
