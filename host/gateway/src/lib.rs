//! The gRPC services of a host. The only crate with tonic servers; one file per call.
//!
//! | service | file |
//! |---|---|
//! | `gateway.Gateway` | `evaluate`, `endorse`, `submit`, `commit_status`, `chaincode_events` |
//! | `protos.Endorser` | `process_proposal` |
//! | `protos.Deliver` | `deliver` |
//! | `orderer.AtomicBroadcast` | `broadcast`, with what `submit` and `deliver` have |
//! | `cordon.ordering.v1.OrderingLog` | `ordering_log` |
//!
//! [`Host`] is what they share; [`serve`] runs them on a TLS listener. What a failure becomes on the
//! wire is decided in `status` alone.

mod broadcast;
mod call;
mod calls_seen;
mod chaincode_events;
mod commit_status;
mod deliver;
mod endorse;
mod evaluate;
mod executions;
mod height;
mod host;
mod ledgers;
mod local;
mod measures;
mod ordering_log;
mod peer;
mod process_proposal;
mod reader;
mod request;
mod server;
mod status;
mod submit;
mod system;

pub use calls_seen::{CallSeen, CallsSeen, Purpose};
pub use executions::Executions;
pub use host::{Host, HostOptions, Neighbours};
pub use measures::{Calls, ContractMeasures, Measures, Method};
pub use peer::{Peer, PeerError};
pub use server::{ServeError, Tls, TlsOptions, serve};
pub use system::Administration;
