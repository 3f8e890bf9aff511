//! A certificate authority: it issues the certificates that [`Msp`](crate::Msp) accepts.
//!
//! What it writes looks like what Fabric CA and cryptogen write, so that Fabric's tools accept it.
//! Issuer signatures are low-S, because Fabric's command line rewrites others (WIRE.md §7).

use std::collections::BTreeMap;
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer,
    SanType,
};
use rustls_pki_types::CertificateDer;

use self::parameters::{authority_of, end_entity, name, parameters};
pub(crate) use self::parameters::{moment, refused};
use crate::attributes::{self, ATTRIBUTES_OID};
use crate::{Certificate, IdentityError, PublicKey, SigningKey};

mod parameters;
mod renewal;

/// When a certificate is valid: Unix seconds, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First valid second.
    pub not_before: i64,
    /// Last valid second.
    pub not_after: i64,
}

/// What an identity certificate shall say.
#[derive(Clone, PartialEq, Eq)]
pub struct IssueRequest {
    /// Subject's common name; not empty.
    pub common_name: String,
    /// Subject's organisation; `None` leaves it out.
    pub organization: Option<String>,
    /// Subject's organisational units: the role, by default one of client, peer, admin, orderer.
    /// At most one; the library writes no second.
    pub organizational_unit: Option<String>,
    /// Attributes for contracts; empty writes no extension.
    pub attributes: BTreeMap<String, String>,
    /// When it is valid.
    pub validity: Validity,
}

impl std::fmt::Debug for IssueRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssueRequest")
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

/// What a TLS certificate shall say; it serves both ends of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsRequest {
    /// Subject's common name; not empty.
    pub common_name: String,
    /// Subject's organisation; `None` leaves it out.
    pub organization: Option<String>,
    /// DNS names it stands for.
    pub dns_names: Vec<String>,
    /// Addresses it stands for.
    pub ip_addresses: Vec<IpAddr>,
    /// When it is valid.
    pub validity: Validity,
}

/// An authority: certificate and private key.
pub struct CertificateAuthority {
    certificate: Certificate,
    issuer: Issuer<'static, SigningKey>,
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority")
            .finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// A new self-signed root with a new P-256 key.
    ///
    /// # Errors
    /// [`IdentityError::Issue`] when the names or the validity cannot be written.
    pub fn create(
        common_name: &str,
        organization: &str,
        validity: Validity,
    ) -> Result<Self, IdentityError> {
        let key = SigningKey::generate()?;
        let mut parameters = parameters("root certificate", validity)?;
        authority_of(&mut parameters, common_name, organization)?;
        let issued = parameters
            .self_signed(&key)
            .map_err(|_| refused("root certificate"))?;
        Self::new(Certificate::from_der(issued.der())?, key)
    }

    /// A new authority below this one, with a new P-256 key; it issues no further authorities.
    ///
    /// # Errors
    /// As [`CertificateAuthority::create`].
    pub fn create_intermediate(
        &self,
        common_name: &str,
        organization: &str,
        validity: Validity,
    ) -> Result<Self, IdentityError> {
        let key = SigningKey::generate()?;
        let mut parameters = parameters("intermediate certificate", validity)?;
        authority_of(&mut parameters, common_name, organization)?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.use_authority_key_identifier_extension = true;
        let certificate = self.sign(parameters, &key.public_key()?, "intermediate certificate")?;
        Self::new(certificate, key)
    }

    /// An authority from PEM texts.
    ///
    /// # Errors
    /// Those of [`Certificate::from_pem`] and [`SigningKey::from_pem`];
    /// [`IdentityError::KeyMismatch`]; [`IdentityError::Issue`] when it may not issue or its name
    /// is one that the library cannot repeat.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, IdentityError> {
        Self::new(
            Certificate::from_pem(certificate_pem.as_bytes())?,
            SigningKey::from_pem(key_pem)?,
        )
    }

    fn new(certificate: Certificate, key: SigningKey) -> Result<Self, IdentityError> {
        if certificate.public_key() != &key.public_key()? {
            return Err(IdentityError::KeyMismatch);
        }
        let what = "certificate";
        if !certificate.may_issue() {
            return Err(IdentityError::Issue {
                what,
                rule: "the certificate is no authority's",
            });
        }
        let der = CertificateDer::from(certificate.der());
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|_| refused(what))?;
        Ok(Self {
            certificate,
            issuer,
        })
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    pub(crate) fn issuer(&self) -> &Issuer<'static, SigningKey> {
        &self.issuer
    }

    /// The authority's private key, to be stored.
    pub fn key(&self) -> &SigningKey {
        self.issuer.key()
    }

    /// Issues an identity certificate for `public_key`.
    ///
    /// Version 3, random serial, key usage digitalSignature (critical), no authority (critical),
    /// key identifiers of both; the subject is written O, OU, CN.
    ///
    /// # Errors
    /// [`IdentityError::Issue`] when a name is empty or the validity cannot be written.
    pub fn issue(
        &self,
        request: &IssueRequest,
        public_key: &PublicKey,
    ) -> Result<Certificate, IdentityError> {
        let what = "identity certificate";
        let mut parameters = parameters(what, request.validity)?;
        parameters.distinguished_name = name(
            what,
            request.organization.as_deref(),
            request.organizational_unit.as_deref(),
            &request.common_name,
        )?;
        end_entity(&mut parameters);
        if !request.attributes.is_empty() {
            let content = attributes::encode(&request.attributes)?;
            parameters
                .custom_extensions
                .push(CustomExtension::from_oid_content(&ATTRIBUTES_OID, content));
        }
        self.sign(parameters, public_key, what)
    }

    /// Issues a TLS certificate for `public_key`, for servers and clients.
    ///
    /// # Errors
    /// [`IdentityError::Issue`] when a name is empty or no DNS name, or the validity cannot be
    /// written.
    pub fn issue_tls(
        &self,
        request: &TlsRequest,
        public_key: &PublicKey,
    ) -> Result<Certificate, IdentityError> {
        let what = "TLS certificate";
        let mut parameters = parameters(what, request.validity)?;
        let organization = request.organization.as_deref();
        parameters.distinguished_name = name(what, organization, None, &request.common_name)?;
        end_entity(&mut parameters);
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        for dns_name in &request.dns_names {
            let dns_name = dns_name.as_str().try_into().map_err(|_| refused(what))?;
            parameters
                .subject_alt_names
                .push(SanType::DnsName(dns_name));
        }
        let addresses = request.ip_addresses.iter().copied().map(SanType::IpAddress);
        parameters.subject_alt_names.extend(addresses);
        self.sign(parameters, public_key, what)
    }

    fn sign(
        &self,
        parameters: CertificateParams,
        public_key: &PublicKey,
        what: &'static str,
    ) -> Result<Certificate, IdentityError> {
        let issued = parameters
            .signed_by(public_key, &self.issuer)
            .map_err(|_| refused(what))?;
        let certificate = Certificate::from_der(issued.der())?;
        // The library keeps one value per attribute type; an authority whose own name has two would
        // issue certificates that chain to nothing.
        if certificate.issuer_der() != self.certificate.subject_der() {
            let rule = "the authority's name cannot be repeated exactly";
            return Err(IdentityError::Issue { what, rule });
        }
        Ok(certificate)
    }
}
