//! One X.509 certificate, read once and completely; nothing here says whether it is trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::oid;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry as registry;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Version};

use crate::name::Name;
use crate::{IdentityError, KeyAlgorithm, PublicKey, attributes, pem};

/// A parsed certificate.
///
/// Its `Debug` shows the length only: subjects and attributes name people.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    signed_part: std::ops::Range<usize>,
    subject: String,
    issuer: String,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    unique_id: String,
    common_name: Option<String>,
    organizational_units: Vec<String>,
    attributes: BTreeMap<String, String>,
    not_before: i64,
    not_after: i64,
    serial: Vec<u8>,
    public_key: PublicKey,
    is_ca: bool,
    key_usage: Option<KeyUsage>,
}

/// The key usages this crate asks about; only when the extension is present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KeyUsage {
    digital_signature: bool,
    key_cert_sign: bool,
    crl_sign: bool,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("bytes", &self.der.len())
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads the first PEM block of `text`, which must be a certificate.
    ///
    /// Text before the block, CRLF, blank lines, a missing last newline and anything after the
    /// block are accepted. At most [`PEM_BYTES_MAX`](crate::limits::PEM_BYTES_MAX) bytes.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`], [`IdentityError::UnsupportedKey`],
    /// [`IdentityError::BadAttributes`].
    pub fn from_pem(text: &[u8]) -> Result<Self, IdentityError> {
        Self::from_der(&pem::first_certificate(text)?)
    }

    /// Reads a certificate from exactly its DER bytes.
    ///
    /// # Errors
    /// As [`Certificate::from_pem`].
    pub fn from_der(der: &[u8]) -> Result<Self, IdentityError> {
        let malformed = |rule| IdentityError::malformed("certificate", rule);
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|_| malformed("it is not X.509"))?;
        if !rest.is_empty() {
            return Err(malformed("bytes follow it"));
        }
        if parsed.version() != X509Version::V3 {
            return Err(malformed("it is not version 3"));
        }
        let subject = Name::parse(parsed.subject())?;
        let issuer = Name::parse(parsed.issuer())?;
        let constraints = parsed
            .basic_constraints()
            .map_err(|_| malformed("basic constraints are unreadable or twice"))?;
        let key_usage = parsed
            .key_usage()
            .map_err(|_| malformed("key usage is unreadable or twice"))?;
        let attributes = parsed
            .get_extension_unique(&oid!(1.2.3.4.5.6.7.8.1))
            .map_err(|_| IdentityError::BadAttributes)?
            .map_or_else(
                || Ok(BTreeMap::new()),
                |extension| attributes::parse(extension.value),
            )?;
        let id = format!("x509::{}::{}", subject.text, issuer.text);
        Ok(Self {
            signed_part: signed_part(der, parsed.tbs_certificate.as_ref())
                .ok_or_else(|| malformed("its signed part is not found"))?,
            der: der.to_vec(),
            subject: subject.text,
            issuer: issuer.text,
            subject_der: parsed.subject().as_raw().to_vec(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            unique_id: STANDARD.encode(id),
            common_name: subject.common_name,
            organizational_units: subject.organizational_units,
            attributes,
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            serial: parsed.raw_serial().to_vec(),
            public_key: public_key(parsed.public_key())?,
            is_ca: constraints.is_some_and(|extension| extension.value.ca),
            key_usage: key_usage.map(|extension| KeyUsage {
                digital_signature: extension.value.digital_signature(),
                key_cert_sign: extension.value.key_cert_sign(),
                crl_sign: extension.value.crl_sign(),
            }),
        })
    }

    /// Reads every certificate in `text`, in order; blocks of other kinds are skipped. Of a host's
    /// certificate that is its own and then the authorities between it and a root.
    ///
    /// # Errors
    /// As [`Certificate::from_pem`]; [`IdentityError::Malformed`] when there is none.
    pub fn all_from_pem(text: &[u8]) -> Result<Vec<Self>, IdentityError> {
        let all = pem::certificates(text)?;
        if all.is_empty() {
            return Err(IdentityError::malformed(
                "certificate",
                "there is no complete PEM block",
            ));
        }
        all.iter().map(|der| Self::from_der(der)).collect()
    }

    /// The DER bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate as PEM text, lines of 64, LF.
    ///
    /// # Errors
    /// [`IdentityError::Crypto`] when the encoder fails, which it does not.
    pub fn to_pem(&self) -> Result<String, IdentityError> {
        pem::encode(pem::CERTIFICATE, &self.der)
    }

    /// The subject as RFC 2253 text, as Go's `cid` writes it. Empty when the name is.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer in the same form.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Base64 of `x509::<subject>::<issuer>`. Stays the same when a certificate is renewed.
    ///
    /// Source: Fabric `GetID` (fabric-chaincode-go, pkg/cid/cid.go).
    pub fn unique_id(&self) -> &str {
        &self.unique_id
    }

    /// The subject's last common name; `None` when it has none.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The subject's organisational units, in the certificate's order, repetitions included.
    pub fn organizational_units(&self) -> &[String] {
        &self.organizational_units
    }

    /// Fabric CA's attributes; empty when the extension is absent.
    pub fn attributes(&self) -> &BTreeMap<String, String> {
        &self.attributes
    }

    /// First valid second, Unix time.
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// Last valid second, Unix time; the certificate is valid in it.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Whether it is valid at `at_unix_seconds`, both bounds inclusive.
    ///
    /// # Errors
    /// [`IdentityError::Expired`], [`IdentityError::NotYetValid`].
    pub fn check_validity(&self, at_unix_seconds: i64) -> Result<(), IdentityError> {
        let (not_before, not_after, at) = (self.not_before, self.not_after, at_unix_seconds);
        if at > not_after {
            return Err(IdentityError::Expired { not_after, at });
        }
        if at < not_before {
            return Err(IdentityError::NotYetValid { not_before, at });
        }
        Ok(())
    }

    /// The DNS names and addresses that it stands for as a TLS server, as text; other kinds of names
    /// are left out. Read from the bytes at each call.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`] when the extension cannot be read.
    pub fn tls_names(&self) -> Result<BTreeSet<String>, IdentityError> {
        let malformed = || IdentityError::malformed("certificate", "its names are unreadable");
        let (_, parsed) = X509Certificate::from_der(&self.der).map_err(|_| malformed())?;
        let extension = parsed.subject_alternative_name().map_err(|_| malformed())?;
        let names = extension.iter().flat_map(|e| &e.value.general_names);
        let text = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => Some((*name).to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
                .ok()
                .map(|address| address.to_string()),
            _ => None,
        };
        Ok(names.filter_map(text).collect())
    }

    /// The serial number: content bytes of the DER integer, sign byte included.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The subject's key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Whether basic constraints make it an authority.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Whether it may sign messages: key usage is absent or allows it.
    pub(crate) fn may_sign_messages(&self) -> bool {
        self.key_usage.is_none_or(|usage| usage.digital_signature)
    }

    /// Whether it may issue certificates: an authority whose key usage is absent or allows it.
    pub(crate) fn may_issue(&self) -> bool {
        self.is_ca && self.key_usage.is_none_or(|usage| usage.key_cert_sign)
    }

    /// Whether it may sign revocation lists.
    pub(crate) fn may_revoke(&self) -> bool {
        self.is_ca && self.key_usage.is_none_or(|usage| usage.crl_sign)
    }

    pub(crate) fn subject_der(&self) -> &[u8] {
        &self.subject_der
    }

    pub(crate) fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    /// Whether both are one certificate, up to the issuer's signature.
    ///
    /// Fabric's command line rewrites a high-S issuer signature to its low-S form, so the bytes of
    /// one certificate differ between clients (WIRE.md §7); the signed part does not.
    pub fn is_same(&self, other: &Self) -> bool {
        self.signed_bytes() == other.signed_bytes()
    }

    fn signed_bytes(&self) -> &[u8] {
        self.der.get(self.signed_part.clone()).unwrap_or(&self.der)
    }
}

/// Where `part`, a slice of `der`, stands in it.
fn signed_part(der: &[u8], part: &[u8]) -> Option<std::ops::Range<usize>> {
    // Behind the outer sequence's header: 2 to 6 bytes, by the length it states.
    let start = (2..=6).find(|at| der.get(*at..).is_some_and(|rest| rest.starts_with(part)))?;
    Some(start..start + part.len())
}

fn public_key(info: &SubjectPublicKeyInfo<'_>) -> Result<PublicKey, IdentityError> {
    let unsupported = || IdentityError::UnsupportedKey {
        what: "certificate",
    };
    let algorithm = if info.algorithm.algorithm == registry::OID_SIG_ED25519 {
        KeyAlgorithm::Ed25519
    } else if info.algorithm.algorithm == registry::OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = info
            .algorithm
            .parameters
            .as_ref()
            .and_then(|any| any.as_oid().ok());
        match curve.ok_or_else(unsupported)? {
            curve if curve == registry::OID_EC_P256 => KeyAlgorithm::P256,
            curve if curve == registry::OID_NIST_EC_P384 => KeyAlgorithm::P384,
            _ => return Err(unsupported()),
        }
    } else {
        return Err(unsupported());
    };
    if info.subject_public_key.unused_bits != 0 {
        return Err(IdentityError::malformed(
            "public key",
            "it is not whole bytes",
        ));
    }
    PublicKey::from_bytes(algorithm, &info.subject_public_key.data)
}
