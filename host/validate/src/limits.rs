//! What bounds the work that one transaction causes.

/// Endorsements on one transaction. An endorsement policy cannot ask for more; each one costs a
/// signature check on every host.
pub const ENDORSEMENTS_MAX: usize = cordon_policy::PRINCIPALS_MAX;
