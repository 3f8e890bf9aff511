//! How a contract comes onto a channel: Fabric's `_lifecycle` (`WIRE.md` section 17). Pure: no I/O,
//! no clock, no certificates; packages are bytes in memory.
//!
//! An organisation installs a package on its host, each organisation approves the definition that it
//! agrees to, and once enough have ([`View::lifecycle_policy`]), anybody commits it. Unlike in Fabric,
//! members agree on the code too: an approval names the component's hash, and only approvals of the
//! same component count together.
//!
//! - [`Package`]: the package as a file.
//! - [`Definition`], [`Approval`]: what is agreed on, and by whom; [`Entry`] is how the ledger keeps
//!   them, in a namespace that only these functions write.
//! - [`call`]: the functions on a channel, as functions of a snapshot; [`committed_definitions`] is what
//!   a channel opens with.
//! - [`call_host`]: the functions about a host's packages, over a [`PackageStore`].

mod approve;
mod call;
mod commit;
mod definition;
mod entries;
mod install;
mod limits;
mod names;
mod package;
mod query;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use call::{Function, Outcome, Packages, Request, View, call};
pub use definition::{CHANNEL_DEFAULT, Definition, EndorsementRule};
pub use entries::{Approval, Entry, EntryError, Key};
pub use install::{PackageStore, StoreError, Uses, call_host};
pub use limits::{LABEL_BYTES_MAX, METADATA_BYTES_MAX, PACKAGE_BYTES_MAX, VERSION_BYTES_MAX};
pub use names::{Label, NameError, PackageId, check_version};
pub use package::{Package, PackageError};
pub use query::committed_definitions;
