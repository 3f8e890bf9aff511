//! Runs a contract: component + snapshot + call → response, events, read-write set. The only crate
//! with wasmtime.
//!
//! - [`Runtime`]: the engine and its settings, one per process; compiles components.
//! - [`Contract`]: a compiled component among the others of its channel, whose functions are callable
//!   by name with JSON arguments, and by the contracts that import them.
//! - [`Ledgers`]: the other channels that contracts can ask.
//! - [`Call`], [`Outcome`]: one execution. A fresh instance per call, nothing survives it.
//! - [`Observed`]: an execution with every call into the host.
//! - [`Diagnosis`]: why a contract was at fault, for its developer only.
//! - [`Profile`]: every limit.
//!
//! Three things can go wrong and are never merged: the contract *refuses* (a [`Response`] with
//! status 400..409), the contract is *at fault* ([`GuestFault`], status 500), or this *host* is
//! broken ([`HostError`]) and must not answer for the contract.
//!
//! [`Response`]: cordon_types::Response

mod bindings;
mod call;
mod code;
mod contract;
mod diagnosis;
mod error;
mod host;
mod install;
mod json;
mod ledger_query;
mod link;
mod metadata;
mod observe;
mod profile;
mod runtime;
mod shape;
mod simulation;

pub use call::{Call, Outcome, Phase};
pub use code::{Code, CodeKey, CodeMaker, compile_code};
pub use contract::{Compiled, Contract, Function};
pub use diagnosis::Diagnosis;
pub use error::{GuestFault, HostError, InstallError, LimitKind, LinkError};
pub use json::JsonError;
pub use ledger_query::{Access, Ledgers, NoLedgers, OpenedLedger};
pub use observe::{HostCall, Observed, Used};
pub use profile::{
    CALLS_MAX, Compiler, Mismatch, Profile, Settings, fingerprint, thread_stack_bytes,
};
pub use runtime::Runtime;
pub use shape::{Field, Shape};

/// What a call does with its arguments and its answer, for the fuzz targets.
#[doc(hidden)]
pub mod json_values {
    pub use wasmtime::component::Val;

    pub use crate::json::{parse, write};
}
