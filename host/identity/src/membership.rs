//! The members of a channel: from the creator bytes of a message to an identity, and its signatures.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_types::MspId;
use cordon_wire::Message as _;
use cordon_wire::proto::msp::SerializedIdentity;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rustls_pki_types::CertificateDer;

use crate::limits::{CREATOR_BYTES_MAX, IDENTITY_CACHE_BYTES_MAX};
use crate::{
    Certificate, Identity, IdentityError, Msp, SignatureCache, signature, signature_cache,
};

/// The organisations of a channel.
///
/// Immutable: a configuration update makes a new one, and with it an empty cache of identities, so
/// that a revocation takes effect at once. The signature cache may be carried over.
pub struct Membership {
    msps: BTreeMap<MspId, Msp>,
    identities: Cache<Bytes, Arc<Identity>, ByBytes>,
    signatures: Arc<SignatureCache>,
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Membership")
            .field("organizations", &self.msps.len())
            .finish_non_exhaustive()
    }
}

/// An entry weighs its creator, once as key and about once more parsed.
#[derive(Clone)]
struct ByBytes;

impl Weighter<Bytes, Arc<Identity>> for ByBytes {
    fn weight(&self, creator: &Bytes, _: &Arc<Identity>) -> u64 {
        creator.len().max(1) as u64 * 2
    }
}

impl Membership {
    /// The channel with these members. Of two with the same id the last counts.
    pub fn new(msps: impl IntoIterator<Item = Msp>) -> Self {
        Self::with_signature_cache(msps, Arc::new(SignatureCache::default()))
    }

    /// As [`Membership::new`], sharing a cache of verified signatures with other channels.
    pub fn with_signature_cache(
        msps: impl IntoIterator<Item = Msp>,
        signatures: Arc<SignatureCache>,
    ) -> Self {
        // About 2 KiB per identity is the usual size; it only sizes the cache's tables.
        let expected = (IDENTITY_CACHE_BYTES_MAX / 2048) as usize;
        Self {
            msps: msps
                .into_iter()
                .map(|msp| (msp.id().clone(), msp))
                .collect(),
            identities: Cache::with_weighter(expected, IDENTITY_CACHE_BYTES_MAX, ByBytes),
            signatures,
        }
    }

    /// The organisations of several channels together. Of those that one channel knows differently
    /// than another, the first counts; signatures verified for one are known to all.
    pub fn of_all<'a>(memberships: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all: BTreeMap<MspId, Msp> = BTreeMap::new();
        let mut signatures = None;
        for membership in memberships {
            for (id, msp) in &membership.msps {
                all.entry(id.clone()).or_insert_with(|| msp.clone());
            }
            signatures.get_or_insert_with(|| Arc::clone(&membership.signatures));
        }
        Self::with_signature_cache(all.into_values(), signatures.unwrap_or_default())
    }

    /// Whether `creator` says that it belongs to a member; nothing of it is checked.
    pub fn names_member(&self, creator: &[u8]) -> bool {
        let serialized = SerializedIdentity::decode(creator).ok();
        let msp_id = serialized.and_then(|identity| identity.mspid.parse().ok());
        msp_id.is_some_and(|id: MspId| self.msps.contains_key(&id))
    }

    /// A member, or `None` when it is none.
    pub fn msp(&self, id: &MspId) -> Option<&Msp> {
        self.msps.get(id)
    }

    /// The members' ids, in order.
    pub fn organizations(&self) -> impl Iterator<Item = &MspId> {
        self.msps.keys()
    }

    /// The cache of verified signatures.
    pub fn signatures(&self) -> &Arc<SignatureCache> {
        &self.signatures
    }

    /// The identity that `creator`, an encoded `SerializedIdentity`, stands for.
    ///
    /// Expiry is not judged; ask [`Identity::check_validity`]. Cost: 0.3 µs when these exact bytes
    /// are cached, else a parse and one verification per certificate of the chain. Never key an
    /// account by `creator`: one person has several (WIRE.md §7).
    ///
    /// # Errors
    /// [`IdentityError::Malformed`], [`IdentityError::UnknownOrganization`], and those of
    /// [`Certificate::from_pem`] and [`Msp::verify`].
    pub fn identity(&self, creator: &[u8]) -> Result<Arc<Identity>, IdentityError> {
        let malformed = |rule| IdentityError::malformed("creator", rule);
        if creator.len() > CREATOR_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        if let Some(identity) = self.identities.get(creator) {
            return Ok(identity);
        }
        let serialized =
            SerializedIdentity::decode(creator).map_err(|_| malformed("it cannot be decoded"))?;
        let msp = serialized
            .mspid
            .parse()
            .ok()
            .and_then(|id: MspId| self.msps.get(&id));
        let Some(msp) = msp else {
            let msp_id = serialized.mspid.chars().take(64).collect();
            return Err(IdentityError::UnknownOrganization { msp_id });
        };
        let certificate = Certificate::from_pem(&serialized.id_bytes)?;
        let identity = Arc::new(msp.verify(&certificate)?);
        self.identities
            .insert(Bytes::copy_from_slice(creator), Arc::clone(&identity));
        Ok(identity)
    }

    /// Checks that `signature` is `creator`'s over the concatenation of `message_parts`.
    ///
    /// The identity is always judged; the signature is not verified again when these exact bytes
    /// were before, here or by [`SignatureCache::remember`]. Expiry is not judged.
    ///
    /// # Errors
    /// Those of [`Membership::identity`] and of [`PublicKey::verify`](crate::PublicKey::verify).
    pub fn verify(
        &self,
        creator: &[u8],
        message_parts: &[&[u8]],
        signature: &[u8],
    ) -> Result<Arc<Identity>, IdentityError> {
        let identity = self.identity(creator)?;
        let digest = signature::digest(message_parts);
        let key = signature_cache::key(creator, &digest, signature);
        if !self.signatures.knows(&key) {
            identity.certificate().public_key().verify_with_digest(
                message_parts,
                &digest,
                signature,
            )?;
            self.signatures.insert(key);
        }
        Ok(identity)
    }

    /// The member whose TLS authority issued a peer's client certificate.
    ///
    /// `intermediates` are the further certificates the peer sent, as DER; `at_unix_seconds` is
    /// now. `None` when no member issued it, it is expired, revoked or not for clients, or when
    /// more than one member names the authority, since then the certificate proves neither.
    pub fn tls_organization(
        &self,
        peer_certificate_der: &[u8],
        intermediates: &[impl AsRef<[u8]>],
        at_unix_seconds: i64,
    ) -> Option<MspId> {
        let intermediates: Vec<CertificateDer<'_>> = intermediates
            .iter()
            .map(|der| CertificateDer::from(der.as_ref()))
            .collect();
        let mut issuers = self
            .msps
            .values()
            .filter(|msp| msp.issued_tls(peer_certificate_der, &intermediates, at_unix_seconds));
        let issuer = issuers.next()?;
        issuers.next().is_none().then(|| issuer.id().clone())
    }
}
