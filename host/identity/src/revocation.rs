//! Which certificates an organisation has revoked.
//!
//! Lists are verified once, when the configuration is read, and reduced to (issuer, serial). To let
//! webpki carry them instead would verify every list's signature for every identity, and let one
//! badly signed list refuse all of them. A list's `nextUpdate` is not judged: verdicts must not
//! change because time passed, and the list is replaced by a configuration update.

use std::collections::BTreeSet;

use cordon_types::MspId;
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::chain::SIGNATURE_ALGORITHMS;
use crate::{Certificate, IdentityError, pem};

/// (issuer name in DER, serial number without leading zeros).
#[derive(Clone, Default)]
pub(crate) struct Revoked(BTreeSet<(Vec<u8>, Vec<u8>)>);

impl Revoked {
    /// Reads `lists`, each of which one of `authorities` must have signed.
    pub(crate) fn read(
        msp_id: &MspId,
        lists: &[String],
        authorities: &[Certificate],
    ) -> Result<Self, IdentityError> {
        let refuse = |rule| IdentityError::Configuration {
            msp_id: msp_id.clone(),
            rule,
        };
        let mut revoked = BTreeSet::new();
        for text in lists {
            verified(text, authorities, refuse, |list| {
                let issuer = list.issuer().as_raw();
                revoked.extend(
                    list.iter_revoked_certificates()
                        .map(|entry| (issuer.to_vec(), trim(entry.raw_serial()).to_vec())),
                );
            })?;
        }
        Ok(Self(revoked))
    }

    /// Whether the certificate with this serial, by this issuer, is revoked.
    pub(crate) fn contains(&self, issuer_der: &[u8], serial: &[u8]) -> bool {
        !self.0.is_empty()
            && self
                .0
                .contains(&(issuer_der.to_vec(), trim(serial).to_vec()))
    }
}

/// Parses a list that one of `authorities` must have signed, and gives it to `read`; `refuse` makes
/// errors of the rules that it breaks.
pub(crate) fn verified<T>(
    text: &str,
    authorities: &[Certificate],
    refuse: impl Fn(&'static str) -> IdentityError,
    read: impl FnOnce(&CertificateRevocationList<'_>) -> T,
) -> Result<T, IdentityError> {
    let block = pem::first_of(text.as_bytes(), &[pem::REVOCATION_LIST], "revocation list")?;
    let (rest, list) = CertificateRevocationList::from_der(&block.der)
        .map_err(|_| IdentityError::malformed("revocation list", "it is not X.509"))?;
    if !rest.is_empty() {
        return Err(IdentityError::malformed(
            "revocation list",
            "bytes follow it",
        ));
    }
    // Critical extensions mean delta and indirect lists, whose entries say something else.
    let entries = list.iter_revoked_certificates();
    if list.extensions().iter().any(|extension| extension.critical)
        || entries
            .flat_map(|e| e.extensions())
            .any(|extension| extension.critical)
    {
        return Err(refuse("a revocation list has a critical extension"));
    }
    let issuer = list.issuer().as_raw();
    if !authorities.iter().any(|authority| {
        authority.subject_der() == issuer && authority.may_revoke() && signed(&list, authority)
    }) {
        return Err(refuse(
            "a revocation list is not signed by one of its authorities",
        ));
    }
    Ok(read(&list))
}

fn signed(list: &CertificateRevocationList<'_>, authority: &Certificate) -> bool {
    let der = CertificateDer::from(authority.der());
    let Ok(certificate) = EndEntityCert::try_from(&der) else {
        return false;
    };
    // The algorithm is whichever fits the authority's key; the signature decides.
    SIGNATURE_ALGORITHMS.iter().any(|algorithm| {
        certificate
            .verify_signature(
                *algorithm,
                list.tbs_cert_list.as_ref(),
                &list.signature_value.data,
            )
            .is_ok()
    })
}

pub(crate) fn trim(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    serial.get(zeros..).unwrap_or_default()
}
