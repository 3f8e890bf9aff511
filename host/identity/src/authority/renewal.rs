//! Certificates that say again what one before them said: the same subject, attributes, names and
//! uses, with a serial and a validity of their own.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa,
};
use rcgen::{DnValue, KeyUsagePurpose};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::der_parser::{Oid, oid};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{RelativeDistinguishedName, X509Name};

use super::parameters::{end_entity, parameters, refused};
use super::{CertificateAuthority, Validity};
use crate::{Certificate, IdentityError, PublicKey, SigningKey};

/// What is written anew for every certificate: it depends on keys, not on what is said.
const OWN_EXTENSIONS: [Oid<'static>; 3] = [
    oid!(2.5.29.14), // subject key identifier
    oid!(2.5.29.19), // basic constraints
    oid!(2.5.29.35), // authority key identifier
];

impl CertificateAuthority {
    /// Issues a certificate of this authority once more, for `public_key`, which may be the old one's.
    /// Subject and extensions are the same to the byte; the serial is new.
    ///
    /// # Errors
    /// [`IdentityError::Issue`] when another authority issued it, it is an authority's itself, its
    /// subject is one that the library cannot repeat, or the validity cannot be written.
    pub fn renew(
        &self,
        certificate: &Certificate,
        public_key: &PublicKey,
        validity: Validity,
    ) -> Result<Certificate, IdentityError> {
        let what = "renewed certificate";
        let refuse = |rule| Err(IdentityError::Issue { what, rule });
        if certificate.is_ca() {
            return refuse("it is an authority's");
        }
        if certificate.issuer_der() != self.certificate.subject_der() {
            return refuse("another authority issued it");
        }
        let mut parameters = parameters(what, validity)?;
        end_entity(&mut parameters);
        repeat(&mut parameters, certificate, what)?;
        same_subject(self.sign(parameters, public_key, what)?, certificate, what)
    }

    /// This authority with another certificate, self-signed as the old one: of the same name, for the
    /// same key or a new P-256 one. What the old one issued with the same key chains to the new one
    /// too.
    ///
    /// # Errors
    /// [`IdentityError::Issue`] when an authority above issued this one, its name is one that the
    /// library cannot repeat, or the validity cannot be written; [`IdentityError::Crypto`].
    pub fn renewed(&self, new_key: bool, validity: Validity) -> Result<Self, IdentityError> {
        let what = "renewed authority";
        let old = &self.certificate;
        if old.issuer_der() != old.subject_der() {
            let rule = "the authority above it has to renew it";
            return Err(IdentityError::Issue { what, rule });
        }
        let key = if new_key {
            SigningKey::generate()?
        } else {
            SigningKey::from_pem(&self.key().to_pkcs8_pem()?)?
        };
        let mut parameters = parameters(what, validity)?;
        repeat(&mut parameters, old, what)?;
        parameters.is_ca = IsCa::Ca(path_length(old).map_or(
            BasicConstraints::Unconstrained,
            BasicConstraints::Constrained,
        ));
        let issued = parameters.self_signed(&key).map_err(|_| refused(what))?;
        let certificate = same_subject(Certificate::from_der(issued.der())?, old, what)?;
        Self::new(certificate, key)
    }

    /// The certificate's key identifier, by which tools find who signed a revocation list; `None` when
    /// it has none.
    pub(crate) fn key_identifier(&self) -> Option<Vec<u8>> {
        use x509_parser::extensions::ParsedExtension;
        let (_, parsed) = X509Certificate::from_der(self.certificate.der()).ok()?;
        parsed
            .extensions()
            .iter()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0.to_vec()),
                _ => None,
            })
    }
}

/// Copies the subject and all extensions but [`OWN_EXTENSIONS`].
fn repeat(
    parameters: &mut CertificateParams,
    certificate: &Certificate,
    what: &'static str,
) -> Result<(), IdentityError> {
    let (_, old) = X509Certificate::from_der(certificate.der()).map_err(|_| refused(what))?;
    parameters.distinguished_name = same_name(old.subject(), what)?;
    // Among the extensions that are copied, when there are any.
    parameters.key_usages = Vec::<KeyUsagePurpose>::new();
    let kept = old.extensions().iter();
    for extension in kept.filter(|extension| !OWN_EXTENSIONS.contains(&extension.oid)) {
        let oid: Vec<u64> = extension.oid.iter().ok_or_else(|| refused(what))?.collect();
        let mut copy = CustomExtension::from_oid_content(&oid, extension.value.to_vec());
        copy.set_criticality(extension.critical);
        parameters.custom_extensions.push(copy);
    }
    Ok(())
}

fn same_name(name: &X509Name<'_>, what: &'static str) -> Result<DistinguishedName, IdentityError> {
    let mut same = DistinguishedName::new();
    for attribute in name.iter().flat_map(RelativeDistinguishedName::iter) {
        let oid = attribute.attr_type().iter().ok_or_else(|| refused(what))?;
        let kind = DnType::from_oid(&oid.collect::<Vec<_>>());
        let value = attribute.attr_value();
        let text = std::str::from_utf8(value.data).map_err(|_| refused(what))?;
        let value = match value.header.tag() {
            Tag::Utf8String => DnValue::Utf8String(text.to_owned()),
            Tag::PrintableString => {
                DnValue::PrintableString(text.try_into().map_err(|_| refused(what))?)
            }
            Tag::Ia5String => DnValue::Ia5String(text.try_into().map_err(|_| refused(what))?),
            _ => return Err(refused(what)),
        };
        same.push(kind, value);
    }
    Ok(same)
}

/// The library keeps one value per kind, and each in a set of its own. A subject that is not the same
/// would be another identity to every contract, with fewer units.
fn same_subject(
    renewed: Certificate,
    old: &Certificate,
    what: &'static str,
) -> Result<Certificate, IdentityError> {
    if renewed.subject_der() != old.subject_der() {
        let rule = "its subject cannot be repeated exactly; enrol it anew where it came from";
        return Err(IdentityError::Issue { what, rule });
    }
    Ok(renewed)
}

fn path_length(certificate: &Certificate) -> Option<u8> {
    let (_, parsed) = X509Certificate::from_der(certificate.der()).ok()?;
    let constraints = parsed.basic_constraints().ok()??;
    constraints
        .value
        .path_len_constraint
        .and_then(|length| u8::try_from(length).ok())
}
