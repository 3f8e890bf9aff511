//! Recorded cases of contracts: files that say what is called on which state and what is answered, and
//! beside each a record of all that the call did: reads, writes, events, calls into the host, fuel.
//!
//! - [`Suite`]: the cases of one contract, read from a folder.
//! - [`Town`]: the contracts that they run on, in the host's own execution, on channels in memory.
//! - [`Report`]: what differs from what is recorded, and renewing it.
//!
//! The folder's format is told in `contracts/README.md`. The same files run natively too
//! (`contracts/cases`), on the contracts' Rust without WebAssembly; what is given by rule must be the
//! same there: transaction ids, block hashes and times ([`Step`]).

mod case;
mod difference;
mod error;
mod folder;
mod record;
mod report;
mod state;
mod town;

pub use case::{Answer, Case, Person, Setup, Step};
pub use difference::Difference;
pub use error::CasesError;
pub use folder::Suite;
pub use record::{Line, Record};
pub use report::{Comparison, Ran, Report, Verdict};
pub use town::Town;
