//! Total order per channel. An ordering engine is a *log* and nothing more: append an envelope, read
//! records from a position. Blocks are cut from the log by one pure state machine, the same for
//! every engine and every host, so every host cuts identical blocks.
//!
//! - [`Cutter`]: log records → contents of blocks. Pure.
//! - [`Record`], [`Chain`]: one record of a log, and the hash chain that shows a log to be the same
//!   one that was read before.
//! - [`OrderingLog`]: the log of one channel, kept in this process ([`EmbeddedLog`]) or read from
//!   the host that keeps it ([`RemoteLog`]).

mod credentials;
mod cutter;
mod embedded;
mod error;
mod log;
mod record;
mod remote;

pub use credentials::HostCredentials;
pub use cutter::{Batch, BatchLimits, Cutter, is_config};
pub use embedded::{EmbeddedLog, OPEN_MAX};
pub use error::OrderError;
pub use log::{OrderingLog, RecordStream};
pub use record::{Chain, Content, ENVELOPE_BYTES_MAX, Position, Record};
pub use remote::RemoteLog;
