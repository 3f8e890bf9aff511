//! What bounds endorsement and access policies, and the work they cause.

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

/// Bytes of one access policy file: a thousand lines.
pub const ACCESS_TEXT_BYTES_MAX: usize = 64 * 1024;

/// Access policies in one file. Each is evaluated for each transaction.
pub const ACCESS_POLICIES_MAX: usize = 256;

/// Brackets inside brackets, and `if`s, in one access policy. Cedar's parser takes about 10 KiB of
/// stack for each and has no bound of its own: 200 overflow the 2 MiB of a runtime's thread, and an
/// overflow ends the process. What people write has four.
pub const ACCESS_NESTING_MAX: usize = 20;

/// Operators that make an expression deeper without a bracket (`&&`, `+`, `.` and so on), in one
/// access policy. Cedar's validator passes, without a word, what is too deep for the stack that is
/// left to it. A condition on an attribute has three.
pub const ACCESS_LINKS_MAX: usize = 256;

/// Bytes of an access policy's `@id`, which clients are told.
pub const ACCESS_ID_BYTES_MAX: usize = 64;

/// Access policies that a denial names at most.
pub(crate) const ACCESS_NAMED_MAX: usize = 8;
