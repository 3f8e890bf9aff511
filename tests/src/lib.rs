//! The whole system from outside: a network of real processes, and what tests need to talk to them.
//!
//! - [`Network`]: a provisioned folder and one process per host, which can be killed, stopped and
//!   started again.
//! - [`Client`](cordon_client::Client)s and [`Raw`] gRPC stubs for its users.
//! - [`craft`]: proposals and transactions, changed in one place and signed again or not.
//! - [`PeerCli`]: Fabric's command line, message by message; [`Bundle`]: its parser of configurations.
//! - [`Load`]: clients that do not stop.
//! - [`Members`]: changes of a channel's configuration.
//! - [`document`]: documents whose commands are run as they stand.
//! - [`Table`]: cases that all run before the first failure is told.
//! - [`Standing`]: where a host is on the channel, for "nothing has changed".
//!
//! The binary under test is `CORDON_BIN`, or else `target/debug/cordon`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod cli;
pub mod craft;
mod deploy;
mod developer;
pub mod document;
mod emr;
mod fabric_config;
mod http;
mod ledger;
mod load;
mod members;
mod network;
mod peer_cli;
mod process;
mod raw;
mod shortage;
mod table;
mod town;

pub use cli::{Cli, cordon};
pub use cordon_fuzz_bodies::Random;
pub use deploy::{Deployed, town_with};
pub use developer::{change, commands, root, run};
pub use emr::{as_json, create_emr, emr_of, evaluate, note, submit};
pub use fabric_config::Bundle;
pub use http::get;
pub use ledger::{Standing, blocks, blocks_on, chain_info, standing_on, state_of};
pub use load::{Load, Loaded, may_be_tried_again};
pub use members::Members;
pub use network::{CHANNEL, CLINIC, HOSPITAL, Network, NetworkFile};
pub use peer_cli::{Broadcast, Fetch, Invoke, PeerCli};
pub use process::{HostProcess, PATIENCE, binary, eventually, eventually_async};
pub use raw::{Answer, Raw, answer_of, within};
pub use shortage::{SmallDisk, limit, open_files};
pub use table::Table;
pub use town::{CARDS, CHANNELS, PARENTS, REPORTS, SCHOOL, Stage, at_once, refusal_of, town_text};
