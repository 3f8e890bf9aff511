//! An authority's revocation list as it is written and read again: what Fabric and openssl know as a
//! CRL, PEM `X509 CRL`.

use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason as LibraryReason,
    RevokedCertParams, SerialNumber,
};
use x509_parser::num_bigint::BigUint;
use x509_parser::revocation_list::RevokedCertificate;

use crate::authority::{moment, refused};
use crate::{Certificate, CertificateAuthority, IdentityError, pem, revocation};

/// Why a certificate was revoked: the codes of RFC 5280, 5.3.1, but for the two of delta lists and
/// removed holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationReason {
    /// Nobody said. Not written, as RFC 5280 asks.
    Unspecified,
    /// Somebody else has, or may have, the key.
    KeyCompromise,
    /// Somebody else has, or may have, an authority's key.
    CaCompromise,
    /// The person or host has left, or has another part.
    AffiliationChanged,
    /// Another certificate replaces it.
    Superseded,
    /// It is not needed any more.
    CessationOfOperation,
    /// For a while.
    CertificateHold,
    /// What it allowed was taken back.
    PrivilegeWithdrawn,
}

/// Every reason with its code, the library's name and the one for people.
const REASONS: [(RevocationReason, u8, LibraryReason, &str); 8] = {
    use {LibraryReason as L, RevocationReason as R};
    [
        (R::Unspecified, 0, L::Unspecified, "unspecified"),
        (R::KeyCompromise, 1, L::KeyCompromise, "key-compromise"),
        (R::CaCompromise, 2, L::CaCompromise, "ca-compromise"),
        (
            R::AffiliationChanged,
            3,
            L::AffiliationChanged,
            "affiliation-changed",
        ),
        (R::Superseded, 4, L::Superseded, "superseded"),
        (
            R::CessationOfOperation,
            5,
            L::CessationOfOperation,
            "cessation-of-operation",
        ),
        (
            R::CertificateHold,
            6,
            L::CertificateHold,
            "certificate-hold",
        ),
        (
            R::PrivilegeWithdrawn,
            9,
            L::PrivilegeWithdrawn,
            "privilege-withdrawn",
        ),
    ]
};

impl RevocationReason {
    /// The names of all, in the order of their codes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        REASONS.iter().map(|(.., name)| *name)
    }

    /// Its name, for example `key-compromise`.
    pub fn name(self) -> &'static str {
        let found = REASONS.iter().find(|(reason, ..)| *reason == self);
        found.map_or("", |(.., name)| name)
    }

    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        let found = REASONS.iter().find(|(.., known)| *known == name);
        found.map(|(reason, ..)| *reason)
    }

    fn library(self) -> Option<LibraryReason> {
        let found = REASONS.iter().find(|(reason, ..)| *reason == self);
        found.map(|(_, _, library, _)| *library)
    }
}

/// A certificate on a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// As [`Certificate::serial`](crate::Certificate::serial).
    pub serial: Vec<u8>,
    /// When it was revoked, Unix seconds.
    pub at: i64,
    /// Why; a list that does not say, or says it in a code that is not among them, is read as
    /// [`RevocationReason::Unspecified`].
    pub reason: RevocationReason,
}

/// What a revocation list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    /// Grows from list to list; 0 when the list has none.
    pub number: u64,
    /// When it was made, Unix seconds.
    pub this_update: i64,
    /// When the next one is promised, Unix seconds. A channel does not judge it.
    pub next_update: i64,
    /// All that are revoked, in the list's order.
    pub revoked: Vec<Revocation>,
}

impl RevocationList {
    /// Reads a list that one of `authorities` must have signed.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`] when it is no list, or none of theirs.
    pub fn from_pem(text: &str, authorities: &[Certificate]) -> Result<Self, IdentityError> {
        let refuse = |rule| IdentityError::malformed("revocation list", rule);
        revocation::verified(text, authorities, refuse, |list| {
            let number = list.crl_number().map(BigUint::to_u64_digits);
            Self {
                number: number.and_then(|n| n.first().copied()).unwrap_or_default(),
                this_update: list.last_update().timestamp(),
                next_update: list.next_update().map_or(0, |time| time.timestamp()),
                revoked: list.iter_revoked_certificates().map(entry).collect(),
            }
        })
    }

    /// Whether it holds a certificate with this serial.
    pub fn contains(&self, serial: &[u8]) -> bool {
        let serial = revocation::trim(serial);
        let mut revoked = self.revoked.iter();
        revoked.any(|revocation| revocation::trim(&revocation.serial) == serial)
    }
}

impl CertificateAuthority {
    /// Signs a revocation list; PEM.
    ///
    /// # Errors
    /// [`IdentityError::Issue`] when a time cannot be written or `next_update` is not after
    /// `this_update`.
    pub fn revocation_list(&self, list: &RevocationList) -> Result<String, IdentityError> {
        let what = "revocation list";
        let revoked_certs = list
            .revoked
            .iter()
            .map(|revocation| {
                Ok(RevokedCertParams {
                    serial_number: SerialNumber::from_slice(&revocation.serial),
                    revocation_time: moment(what, revocation.at)?,
                    reason_code: revocation.reason.library(),
                    invalidity_date: None,
                })
            })
            .collect::<Result<_, IdentityError>>()?;
        let parameters = CertificateRevocationListParams {
            this_update: moment(what, list.this_update)?,
            next_update: moment(what, list.next_update)?,
            crl_number: SerialNumber::from(list.number),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: self
                .key_identifier()
                .map_or(KeyIdMethod::Sha256, KeyIdMethod::PreSpecified),
        };
        let list = parameters
            .signed_by(self.issuer())
            .map_err(|_| refused(what))?;
        pem::encode(pem::REVOCATION_LIST, list.der())
    }
}

fn entry(entry: &RevokedCertificate<'_>) -> Revocation {
    let code = entry.reason_code().map(|(_, code)| code.0);
    let reason = REASONS.iter().find(|(_, known, ..)| Some(*known) == code);
    Revocation {
        serial: entry.raw_serial().to_vec(),
        at: entry.revocation_date.timestamp(),
        reason: reason.map_or(RevocationReason::Unspecified, |(reason, ..)| *reason),
    }
}
