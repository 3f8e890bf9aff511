//! Endorsement: check a proposal, execute it, sign the outcome.
//!
//! - [`check_proposal`]: is it from whom it says, for now, and well-formed ([`ProposalError`])?
//! - [`Endorser`]: executes a checked proposal and signs what came of it.
//!
//! Not here: which organisations have to endorse, and how they are asked (`cordon-gateway`).

mod check;
mod endorser;
mod error;

pub use check::{CLOCK_SKEW_SECONDS_MAX, CheckedProposal, check_creator, check_proposal};
pub use endorser::{Endorser, Execution, Installed};
pub use error::ProposalError;
