//! A client of the Gateway protocol, as the command line, the demo, the benchmark and the tests use
//! it. It says on the wire what Fabric's own clients say.
//!
//! - [`Client`]: one identity on one host's connection.
//! - [`Proposal`], [`Prepared`]: a transaction on its way, step by step; [`Client::transact`] takes
//!   all steps.

mod client;
mod error;

pub use client::{Call, Client, Endpoint, Prepared, Proposal, Receipt, approve};
pub use error::{ClientError, Detail};
