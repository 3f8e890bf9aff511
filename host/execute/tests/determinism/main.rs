//! Same inputs, same bytes: whatever compiles a component, however often its slot was used, however
//! many threads run it and whatever is logged, a call gives the same answer, read-write set, events,
//! calls into the host and fuel.
//!
//! - [`seen`]: what two executions must have in common, and the rules for where engines differ.
//! - [`engines`]: contracts on every backend at once; proposals.
//! - [`world`]: committed state of several channels, in memory.
//! - [`guest`]: small contracts in text.
//! - [`random`]: repeatable choices; which seeds run, and how many ran.
//!
//! `CORDON_DETERMINISM_CASES` says how many generated components run, and in proportion sequences of
//! calls; `CORDON_DETERMINISM_FROM` is the first seed. What a test did is in its output. A thousand at
//! once are about what nextest's patience allows. A seed that fails belongs into `seeds/`, whose seeds
//! run first, always.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which lints do not take for tests"
)]

mod engines;
mod faults;
mod floats;
mod fuel;
mod generated;
mod guest;
mod own;
mod random;
mod reuse;
mod seen;
mod stack;
mod world;
