//! What operators see of hosts that run: status, health, metrics, logs and traces; and that nothing of a
//! record is in any of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod collector;
mod health;
mod metrics;
mod privacy;
#[path = "../isolation/search.rs"]
mod search;
mod status;
mod traces;
mod watched;
