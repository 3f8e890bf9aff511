//! Runs a contract: component + snapshot + call → response, events, read-write set. The only crate
//! with wasmtime.
//!
//! - [`Runtime`]: the engine and its settings, one per process; compiles components.
//! - [`Contract`]: a compiled component with its functions, callable by name with JSON arguments.
//! - [`Call`], [`Outcome`]: one execution. A fresh instance per call, nothing survives it.
//! - [`Profile`]: every limit.
//!
//! Three things can go wrong and are never merged: the contract *refuses* (a [`Response`] with
//! status 400..409), the contract is *at fault* ([`GuestFault`], status 500), or this *host* is
//! broken ([`HostError`]) and must not answer for the contract.
//!
//! [`Response`]: cordon_types::Response

mod bindings;
mod call;
mod contract;
mod error;
mod host;
mod json;
mod metadata;
mod profile;
mod runtime;
mod shape;
mod simulation;

pub use call::{Call, Outcome, Phase};
pub use contract::{Contract, Function};
pub use error::{GuestFault, HostError, InstallError, LimitKind};
pub use json::JsonError;
pub use profile::{INSTANCES_MAX, Profile};
pub use runtime::Runtime;
pub use shape::{Field, Shape};
