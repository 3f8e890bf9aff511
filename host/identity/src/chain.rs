//! From a certificate up to a trusted root, by rustls-webpki.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::aws_lc_rs::{
    ECDSA_P256_SHA256, ECDSA_P256_SHA384, ECDSA_P384_SHA256, ECDSA_P384_SHA384, ED25519,
};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, VerifiedPath};

use crate::{Certificate, IdentityError};

/// What authorities may sign with. High-S is accepted here, as in Fabric: nobody names a
/// transaction by the issuer's signature.
pub(crate) static SIGNATURE_ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    ECDSA_P256_SHA256,
    ECDSA_P256_SHA384,
    ECDSA_P384_SHA256,
    ECDSA_P384_SHA384,
    ED25519,
];

/// Go's rule for the options Fabric passes: no extended key usage, or one that holds serverAuth or
/// any. cryptogen's and Fabric CA's identity certificates have none.
pub(crate) struct IdentityUsage;

impl ExtendedKeyUsageValidator for IdentityUsage {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        const SERVER_AUTH: [usize; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 1];
        const ANY: [usize; 5] = [2, 5, 29, 37, 0];
        let mut absent = true;
        for purpose in purposes {
            absent = false;
            let oid = purpose?.to_decoded_oid();
            if oid == SERVER_AUTH || oid == ANY {
                return Ok(());
            }
        }
        if absent {
            Ok(())
        } else {
            Err(Error::EmptyEkuExtension)
        }
    }
}

/// A certificate as a root of trust.
pub(crate) fn anchor(der: &[u8]) -> Result<TrustAnchor<'static>, IdentityError> {
    webpki::anchor_from_trusted_cert(&CertificateDer::from(der))
        .map(|anchor| anchor.to_owned())
        .map_err(|_| IdentityError::malformed("root certificate", "it cannot be a trust anchor"))
}

/// Seconds since the Unix epoch as webpki's time; moments before 1970 count as its start.
pub(crate) fn time(unix_seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(
        u64::try_from(unix_seconds).unwrap_or(0),
    ))
}

/// Verifies `certificate` as of one second after its validity begins, so that a verdict is the same
/// for ever and expiry is judged apart (WIRE.md §7). A path over one of `revoked_authorities`, given
/// as DER, does not count. Whether `certificate` itself is revoked is the caller's to ask.
pub(crate) fn verify(
    certificate: &Certificate,
    anchors: &[TrustAnchor<'_>],
    intermediates: &[CertificateDer<'_>],
    revoked_authorities: &[Vec<u8>],
) -> Result<(), Broken> {
    let der = CertificateDer::from(certificate.der());
    let end = EndEntityCert::try_from(&der).map_err(|error| Broken::Untrusted(reason(&error)))?;
    let check = |path: &VerifiedPath<'_>| -> Result<(), Error> {
        let is_revoked = |der: &[u8]| revoked_authorities.iter().any(|revoked| revoked == der);
        let mut above = path.intermediate_certificates();
        if above.any(|c| is_revoked(&c.der())) {
            Err(Error::CertRevoked)
        } else {
            Ok(())
        }
    };
    let verified = end.verify_for_usage(
        SIGNATURE_ALGORITHMS,
        anchors,
        intermediates,
        time(certificate.not_before().saturating_add(1)),
        IdentityUsage,
        None,
        Some(&check),
    );
    match verified {
        Ok(_) => Ok(()),
        Err(Error::CertRevoked) => Err(Broken::Revoked),
        Err(error) => Err(Broken::Untrusted(reason(&error))),
    }
}

/// Why a chain does not hold.
pub(crate) enum Broken {
    Revoked,
    Untrusted(&'static str),
}

/// A fixed text: webpki's own messages may hold parts of the certificate.
pub(crate) fn reason(error: &Error) -> &'static str {
    match error {
        Error::UnknownIssuer => "none of the authorities issued it",
        Error::InvalidSignatureForPublicKey => "the authority of that name did not sign it",
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => {
            "an authority was not valid when it was issued"
        }
        Error::CaUsedAsEndEntity => "it is an authority itself",
        Error::EndEntityUsedAsCa => "its issuer is no authority",
        Error::PathLenConstraintViolated => "the path is longer than an authority allows",
        Error::EmptyEkuExtension | Error::RequiredEkuNotFoundContext(_) => {
            "its extended key usage does not fit"
        }
        Error::UnsupportedCriticalExtension => "it has an unknown critical extension",
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "it is signed with an unsupported algorithm"
        }
        _ => "the chain is not acceptable",
    }
}
