//! An organisation as issuer of identities: which certificates are its own, and in which role.
//!
//! Source: Fabric msp/mspimplvalidate.go, msp/mspimplsetup.go.

use cordon_types::MspId;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use webpki::EndEntityCert;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::chain::{self, Broken};
use crate::limits::{AUTHORITIES_MAX, REVOCATION_LISTS_MAX};
use crate::revocation::Revoked;
use crate::{Certificate, Identity, IdentityError, MspConfig, NodeOus, Role, pem};

/// A membership service provider: the checked form of an [`MspConfig`].
#[derive(Clone)]
pub struct Msp {
    id: MspId,
    roots: Vec<TrustAnchor<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
    revoked: Revoked,
    revoked_authorities: Vec<Vec<u8>>,
    admins: Vec<Certificate>,
    tls_roots: Vec<TrustAnchor<'static>>,
    node_ous: NodeOus,
}

impl std::fmt::Debug for Msp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Msp")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Msp {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`IdentityError::Configuration`] when there is no root, an authority may not issue, a
    /// revocation list is signed by none of the authorities, or the role units are not four
    /// different names; the errors of a listed administrator that is no valid identity; the errors
    /// of reading a certificate.
    pub fn new(config: &MspConfig) -> Result<Self, IdentityError> {
        let refuse = |rule| IdentityError::Configuration {
            msp_id: config.msp_id.clone(),
            rule,
        };
        if config.root_certs.is_empty() {
            return Err(refuse("it has no root certificate"));
        }
        let NodeOus {
            enabled,
            client,
            peer,
            admin,
            orderer,
        } = &config.node_ous;
        let mut units = [client, peer, admin, orderer];
        units.sort_unstable();
        if *enabled && (units[0].is_empty() || units.windows(2).any(|pair| pair[0] == pair[1])) {
            return Err(refuse("its role units are not four different names"));
        }
        for (texts, most) in [
            (&config.root_certs, AUTHORITIES_MAX),
            (&config.intermediate_certs, AUTHORITIES_MAX),
            (&config.tls_root_certs, AUTHORITIES_MAX),
            (&config.admins, AUTHORITIES_MAX),
            (&config.revocation_list, REVOCATION_LISTS_MAX),
        ] {
            if texts.len() > most {
                return Err(refuse(
                    "it has more than 32 certificates or lists of a kind",
                ));
            }
        }
        // TLS takes every certificate of a text, so there may be one: the one that is looked at here.
        let mut tls_roots = config.tls_root_certs.iter();
        if tls_roots.any(|text| text.matches("-----BEGIN").count() != 1) {
            return Err(refuse("a TLS root's text is not one certificate"));
        }
        let read = |texts: &[String]| -> Result<Vec<Certificate>, IdentityError> {
            texts
                .iter()
                .map(|text| Certificate::from_pem(text.as_bytes()))
                .collect()
        };
        let roots = read(&config.root_certs)?;
        let intermediates = read(&config.intermediate_certs)?;
        let mut authorities = roots.clone();
        authorities.extend(intermediates.iter().cloned());
        if !authorities.iter().all(Certificate::may_issue) {
            return Err(refuse(
                "a root or intermediate certificate may not issue certificates",
            ));
        }
        let revoked = Revoked::read(&config.msp_id, &config.revocation_list, &authorities)?;
        let tls_roots = config
            .tls_root_certs
            .iter()
            .map(|text| chain::anchor(&pem::first_certificate(text.as_bytes())?))
            .collect::<Result<_, _>>()?;
        let msp = Self {
            id: config.msp_id.clone(),
            roots: roots
                .iter()
                .map(|root| chain::anchor(root.der()))
                .collect::<Result<_, _>>()?,
            revoked_authorities: intermediates
                .iter()
                .filter(|c| revoked.contains(c.issuer_der(), c.serial()))
                .map(|c| c.der().to_vec())
                .collect(),
            intermediates: intermediates
                .iter()
                .map(|c| CertificateDer::from(c.der().to_vec()))
                .collect(),
            revoked,
            admins: read(&config.admins)?,
            tls_roots,
            node_ous: config.node_ous.clone(),
        };
        for admin in &msp.admins {
            msp.verify(admin)?;
        }
        Ok(msp)
    }

    /// The organisation.
    pub fn id(&self) -> &MspId {
        &self.id
    }

    /// Decides whether `certificate` is an identity of this organisation, and in which role.
    ///
    /// The chain is judged as of one second after the certificate's `notBefore`, so the verdict
    /// never changes; ask [`Identity::check_validity`] for a moment. Cost: about 40 µs per
    /// certificate of the chain.
    ///
    /// # Errors
    /// [`IdentityError::Untrusted`] when it does not chain to a root, is an authority or may not
    /// sign; [`IdentityError::Revoked`]; [`IdentityError::BadOrganizationalUnits`].
    pub fn verify(&self, certificate: &Certificate) -> Result<Identity, IdentityError> {
        let untrusted = |reason| IdentityError::Untrusted {
            msp_id: self.id.clone(),
            reason,
        };
        let revoked = || IdentityError::Revoked {
            msp_id: self.id.clone(),
        };
        if certificate.is_ca() {
            return Err(untrusted("it is an authority itself"));
        }
        if !certificate.may_sign_messages() {
            return Err(untrusted("its key usage does not allow signatures"));
        }
        chain::verify(
            certificate,
            &self.roots,
            &self.intermediates,
            &self.revoked_authorities,
        )
        .map_err(|broken| match broken {
            Broken::Revoked => revoked(),
            Broken::Untrusted(reason) => untrusted(reason),
        })?;
        // Only now, so that a forged certificate with a revoked one's serial learns nothing.
        if self
            .revoked
            .contains(certificate.issuer_der(), certificate.serial())
        {
            return Err(revoked());
        }
        let role = self.role(certificate)?;
        let listed_admin = self.admins.iter().any(|admin| admin.is_same(certificate));
        Ok(Identity::new(
            self.id.clone(),
            role,
            listed_admin,
            certificate.clone(),
        ))
    }

    fn role(&self, certificate: &Certificate) -> Result<Role, IdentityError> {
        let NodeOus {
            enabled,
            client,
            peer,
            admin,
            orderer,
        } = &self.node_ous;
        if !enabled {
            return Ok(Role::Member);
        }
        let names = [
            (client, Role::Client),
            (peer, Role::Peer),
            (admin, Role::Admin),
            (orderer, Role::Orderer),
        ];
        let roles: Vec<Role> = certificate
            .organizational_units()
            .iter()
            .filter_map(|unit| {
                names
                    .iter()
                    .find(|(name, _)| *name == unit)
                    .map(|(_, role)| *role)
            })
            .collect();
        match roles.as_slice() {
            [role] => Ok(*role),
            roles => Err(IdentityError::BadOrganizationalUnits {
                msp_id: self.id.clone(),
                found: roles.len(),
            }),
        }
    }

    /// Whether one of this organisation's TLS authorities issued a client certificate that is valid
    /// at `at_unix_seconds`. `intermediates` are those the peer sent.
    pub(crate) fn issued_tls(
        &self,
        certificate_der: &[u8],
        intermediates: &[CertificateDer<'_>],
        at_unix_seconds: i64,
    ) -> bool {
        let usage = webpki::KeyUsage::client_auth();
        self.tls_path(certificate_der, intermediates, at_unix_seconds, usage)
            .is_ok()
            && X509Certificate::from_der(certificate_der).is_ok_and(|(_, parsed)| {
                !self
                    .revoked
                    .contains(parsed.issuer().as_raw(), parsed.raw_serial())
            })
    }

    /// Whether a host of this organisation can show this TLS certificate, to clients and to other
    /// hosts, at `at_unix_seconds`. `intermediates` is what it would send with it, as DER.
    ///
    /// # Errors
    /// [`IdentityError::Expired`], [`IdentityError::NotYetValid`], [`IdentityError::Revoked`];
    /// [`IdentityError::Untrusted`] when none of the organisation's TLS authorities issued it, or not for servers and clients both.
    pub fn check_host_tls(
        &self,
        certificate: &Certificate,
        intermediates: &[impl AsRef<[u8]>],
        at_unix_seconds: i64,
    ) -> Result<(), IdentityError> {
        certificate.check_validity(at_unix_seconds)?;
        if self
            .revoked
            .contains(certificate.issuer_der(), certificate.serial())
        {
            return Err(IdentityError::Revoked {
                msp_id: self.id.clone(),
            });
        }
        let intermediates: Vec<CertificateDer<'_>> = intermediates
            .iter()
            .map(|der| CertificateDer::from(der.as_ref()))
            .collect();
        for usage in [
            webpki::KeyUsage::server_auth(),
            webpki::KeyUsage::client_auth(),
        ] {
            self.tls_path(certificate.der(), &intermediates, at_unix_seconds, usage)
                .map_err(|error| IdentityError::Untrusted {
                    msp_id: self.id.clone(),
                    reason: chain::reason(&error),
                })?;
        }
        Ok(())
    }

    fn tls_path(
        &self,
        certificate_der: &[u8],
        intermediates: &[CertificateDer<'_>],
        at_unix_seconds: i64,
        usage: webpki::KeyUsage,
    ) -> Result<(), webpki::Error> {
        let der = CertificateDer::from(certificate_der);
        let certificate = EndEntityCert::try_from(&der)?;
        let verified = certificate.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &self.tls_roots,
            intermediates,
            chain::time(at_unix_seconds),
            usage,
            None,
            None,
        );
        verified.map(drop)
    }
}
