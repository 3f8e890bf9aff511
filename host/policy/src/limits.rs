//! What bounds an endorsement policy and the work it causes.

/// Gates inside gates. Parsing, encoding and evaluation recurse once per level, so this bounds the
/// stack; what people write has two or three.
pub const DEPTH_MAX: usize = 32;

/// Mentions of principals in one endorsement policy: ten for each of a hundred organisations.
pub const PRINCIPALS_MAX: usize = 1000;

/// Bytes of policy text: room for [`PRINCIPALS_MAX`] principals with the longest MSP ids.
pub const TEXT_BYTES_MAX: usize = 128 * 1024;

/// Mentions that compete for the same endorsement (see `evaluate`). Deciding exactly takes at most
/// 2 to the power of this many steps, so it is what keeps evaluation bounded. Without competition
/// an endorsement policy is limited by [`PRINCIPALS_MAX`] alone.
pub const CONTESTED_MAX: usize = 16;

/// Sets of organisations that `minimal_sets` answers at most; a gateway tries a few, not all.
pub const PLANS_MAX: usize = 32;

/// Work that `minimal_sets` does at most, over all sizes, counted as mentions times hosts per step:
/// thousands of steps for what people write, two hundred for the largest endorsement policy over a
/// hundred hosts.
pub(crate) const PLAN_WORK_MAX: usize = 20_000_000;

// Text that keeps the limit on principals is never refused for its length alone: 64 bytes of MSP
// id, the longest role, quotes and separator.
const _: () = assert!(TEXT_BYTES_MAX >= PRINCIPALS_MAX * (64 + ".orderer".len() + 4));
