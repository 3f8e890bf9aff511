//! No contract can harm the host, another contract, another channel or another client. The contracts
//! that try lie in `tests/hostile`: those that are deployed in `guests`, each with the exact answer to
//! every call, and those that no network takes in `refused`, each with the reason.
//!
//! What contracts cannot do by asking other channels, and that such questions end, is in
//! `tests/isolation`; that contracts that call each other in a circle are refused, in
//! `host/execute/tests/calls.rs`.
//!
//! `CORDON_HOSTILE_ROUNDS=n` goes through the calls n times.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod answers;
mod asked;
mod canary;
mod crowd;
mod guests;
mod install;
mod together;
