//! What the authority asks of rcgen: parameters, names, and our keys in its terms.

use aws_lc_rs::rand;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, KeyUsagePurpose,
    PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use time::OffsetDateTime;

use super::Validity;
use crate::{IdentityError, KeyAlgorithm, PublicKey, SigningKey};

/// Bytes of a random serial number; RFC 5280 allows 20.
const SERIAL_BYTES: usize = 16;

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        library_algorithm(PublicKey::algorithm(self))
    }
}

impl PublicKeyData for SigningKey {
    fn der_bytes(&self) -> &[u8] {
        self.public_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        library_algorithm(SigningKey::algorithm(self))
    }
}

impl rcgen::SigningKey for SigningKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        SigningKey::sign(self, message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

fn library_algorithm(algorithm: KeyAlgorithm) -> &'static SignatureAlgorithm {
    match algorithm {
        KeyAlgorithm::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        KeyAlgorithm::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        KeyAlgorithm::Ed25519 => &rcgen::PKCS_ED25519,
    }
}

pub(crate) fn refused(what: &'static str) -> IdentityError {
    IdentityError::Issue {
        what,
        rule: "the library refuses its parameters",
    }
}

pub(crate) fn moment(
    what: &'static str,
    unix_seconds: i64,
) -> Result<OffsetDateTime, IdentityError> {
    let rule = "a time is not within the years 1950 to 9999";
    OffsetDateTime::from_unix_timestamp(unix_seconds)
        .ok()
        .filter(|time| (1950..=9999).contains(&time.year()))
        .ok_or(IdentityError::Issue { what, rule })
}

/// Parameters with a random serial and no names. Left to itself the library derives the serial from
/// the key, and a renewed certificate would be revoked with the one before it.
pub(super) fn parameters(
    what: &'static str,
    validity: Validity,
) -> Result<CertificateParams, IdentityError> {
    if validity.not_after < validity.not_before {
        return Err(IdentityError::Issue {
            what,
            rule: "its validity ends before it begins",
        });
    }
    let mut serial = [0; SERIAL_BYTES];
    rand::fill(&mut serial).map_err(|_| IdentityError::Crypto {
        what: "draw a serial",
    })?;
    // Positive and of full length whatever was drawn.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
    parameters.not_before = moment(what, validity.not_before)?;
    parameters.not_after = moment(what, validity.not_after)?;
    Ok(parameters)
}

pub(super) fn authority_of(
    parameters: &mut CertificateParams,
    common_name: &str,
    organization: &str,
) -> Result<(), IdentityError> {
    parameters.distinguished_name = name(
        "authority certificate",
        Some(organization),
        None,
        common_name,
    )?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(())
}

pub(super) fn end_entity(parameters: &mut CertificateParams) {
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.use_authority_key_identifier_extension = true;
}

pub(super) fn name(
    what: &'static str,
    organization: Option<&str>,
    organizational_unit: Option<&str>,
    common_name: &str,
) -> Result<DistinguishedName, IdentityError> {
    let mut name = DistinguishedName::new();
    for (kind, value) in [
        (DnType::OrganizationName, organization),
        (DnType::OrganizationalUnitName, organizational_unit),
        (DnType::CommonName, Some(common_name)),
    ] {
        let Some(value) = value else { continue };
        if value.is_empty() {
            return Err(IdentityError::Issue {
                what,
                rule: "a name is empty",
            });
        }
        name.push(kind, DnValue::Utf8String(value.to_owned()));
    }
    Ok(name)
}
