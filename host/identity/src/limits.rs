//! Every bound of this crate, with its reason.

/// Most bytes of PEM text that are looked at. Fabric's certificates are about 1 KiB, a file with a
/// chain about 4 KiB; certificate text printed by openssl before the block may double that.
pub const PEM_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of a serialized identity (`creator`): it travels with every message, so it is held
/// tighter than a file.
pub const CREATOR_BYTES_MAX: usize = 32 * 1024;

/// Most certificates of each kind that an organisation names. One or two are usual.
pub const AUTHORITIES_MAX: usize = 32;

/// Most revocation lists of an organisation: one for each authority.
pub const REVOCATION_LISTS_MAX: usize = 32;

/// Bytes of creators that the cache of identities may hold per channel. Weighed by bytes, not
/// counted, because anyone can pad a valid certificate with text without signing anything.
pub const IDENTITY_CACHE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Signatures remembered as verified; 32 bytes each. Some ten blocks of transactions.
pub const SIGNATURE_CACHE_ENTRIES_MAX: usize = 65_536;

const _: () = assert!(CREATOR_BYTES_MAX <= PEM_BYTES_MAX);
