//! A certificate that an organisation vouches for.

use std::sync::Arc;

use cordon_types::{Caller, MspId};

use crate::{Certificate, IdentityError};

/// What an identity is within its organisation; the roles endorsement policies name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Any valid identity. The role of identities whose organisation does not tell roles apart.
    Member,
    /// A user or application.
    Client,
    /// A host that endorses.
    Peer,
    /// An administrator.
    Admin,
    /// A host that orders.
    Orderer,
}

/// A certificate that was verified against its organisation. Made only by
/// [`Msp::verify`](crate::Msp::verify); says nothing about expiry, which depends on the moment.
pub struct Identity {
    msp_id: MspId,
    role: Role,
    listed_admin: bool,
    certificate: Certificate,
    caller: Arc<Caller>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("msp_id", &self.msp_id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl Identity {
    pub(crate) fn new(
        msp_id: MspId,
        role: Role,
        listed_admin: bool,
        certificate: Certificate,
    ) -> Self {
        let attributes = certificate.attributes();
        let enrollment_id = attributes
            .get("hf.EnrollmentID")
            .map(String::as_str)
            .or(certificate.common_name())
            .unwrap_or_default();
        let caller = Arc::new(Caller {
            msp_id: msp_id.clone(),
            subject: certificate.subject().to_owned(),
            unique_id: certificate.unique_id().to_owned(),
            enrollment_id: enrollment_id.to_owned(),
            attributes: attributes.clone(),
        });
        Self {
            msp_id,
            role,
            listed_admin,
            certificate,
            caller,
        }
    }

    /// The organisation.
    pub fn msp_id(&self) -> &MspId {
        &self.msp_id
    }

    /// The role its organisational unit gives it. An administrator who is only listed keeps the
    /// role of the unit here; ask [`Identity::has_role`].
    pub fn role(&self) -> Role {
        self.role
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The identity as a contract sees it. Shared; cloning the `Arc` is cheap.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// Whether the identity satisfies `role`: any is a member, an administrator is one by unit or
    /// by list, the rest by unit.
    pub fn has_role(&self, role: Role) -> bool {
        role == Role::Member || role == self.role || (role == Role::Admin && self.listed_admin)
    }

    /// Whether the certificate is valid at `at_unix_seconds`, both bounds inclusive.
    ///
    /// # Errors
    /// [`IdentityError::Expired`], [`IdentityError::NotYetValid`].
    pub fn check_validity(&self, at_unix_seconds: i64) -> Result<(), IdentityError> {
        self.certificate.check_validity(at_unix_seconds)
    }

    /// Checks this identity's signature over `message`.
    ///
    /// # Errors
    /// As [`PublicKey::verify`](crate::PublicKey::verify).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), IdentityError> {
        self.certificate.public_key().verify(message, signature)
    }
}
