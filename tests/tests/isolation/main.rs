//! What an organisation is no part of does not reach it: no byte of a channel comes to the hosts of
//! others, nobody else is told that the channel exists, and contracts only ask across channels.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod bytes;
mod capture;
mod questions;
mod search;
mod town;
mod unknown;
