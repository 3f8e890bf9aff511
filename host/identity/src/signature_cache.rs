//! Signatures that were verified here, so that the very same bytes are not verified twice.
//!
//! A host that endorses, orders and commits meets one signature several times; each verification is
//! about 35 µs. Only exact repetitions count: the key is SHA-256 over creator, digest of the
//! message and signature, each with its length before it. Failures are not remembered.

use aws_lc_rs::digest::Digest;
use quick_cache::sync::Cache;

use crate::limits::SIGNATURE_CACHE_ENTRIES_MAX;
use crate::signature::digest;

/// A bounded set of verified signatures. It may be shared between channels: whether a signature
/// fits creator and message does not depend on who trusts the creator.
pub struct SignatureCache {
    verified: Cache<[u8; 32], ()>,
}

impl std::fmt::Debug for SignatureCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignatureCache")
            .field("entries", &self.verified.len())
            .finish()
    }
}

impl Default for SignatureCache {
    fn default() -> Self {
        Self::new(SIGNATURE_CACHE_ENTRIES_MAX)
    }
}

impl SignatureCache {
    /// A cache of at most `entries_max` signatures; 0 remembers nothing.
    pub fn new(entries_max: usize) -> Self {
        Self {
            verified: Cache::new(entries_max),
        }
    }

    /// Remembers a signature that this process made itself, or has verified by other means. Call
    /// it for nothing else: what is remembered here is believed.
    ///
    /// `creator` are the exact bytes the message names; the message is the concatenation of
    /// `message_parts`.
    pub fn remember(&self, creator: &[u8], message_parts: &[&[u8]], signature: &[u8]) {
        self.insert(key(creator, &digest(message_parts), signature));
    }

    /// Whether exactly this was remembered.
    pub fn contains(&self, creator: &[u8], message_parts: &[&[u8]], signature: &[u8]) -> bool {
        self.knows(&key(creator, &digest(message_parts), signature))
    }

    pub(crate) fn insert(&self, key: [u8; 32]) {
        self.verified.insert(key, ());
    }

    pub(crate) fn knows(&self, key: &[u8; 32]) -> bool {
        self.verified.get(key).is_some()
    }
}

/// Lengths before the parts keep bytes from moving between creator, digest and signature.
pub(crate) fn key(creator: &[u8], message: &Digest, signature: &[u8]) -> [u8; 32] {
    let length = |bytes: &[u8]| (bytes.len() as u64).to_be_bytes();
    let message = message.as_ref();
    cordon_wire::sha256([
        &length(creator)[..],
        creator,
        &length(message),
        message,
        &length(signature),
        signature,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_repetitions_are_known() {
        let cache = SignatureCache::new(100);
        cache.remember(b"ab", &[b"c", b"d"], b"ef");
        assert!(cache.contains(b"ab", &[b"cd"], b"ef"));
        assert!(!cache.contains(b"a", &[b"cd"], b"ef"));
        assert!(!cache.contains(b"ab", &[b"ce"], b"ef"));
        assert!(!cache.contains(b"ab", &[b"cd"], b"e"));
        let digest = digest(&[b"m"]);
        assert_ne!(key(b"ab", &digest, b"c"), key(b"a", &digest, b"bc"));
    }

    #[test]
    fn the_cache_is_bounded() {
        let cache = SignatureCache::new(10);
        for number in 0..1000_u32 {
            cache.remember(b"c", &[&number.to_be_bytes()], b"s");
        }
        assert!(cache.verified.len() <= 10);
    }
}
