//! Validation's view of the members.

use std::sync::Arc;

use cordon_identity::{Identity, IdentityError, Membership, Role};
use cordon_policy::{Signer, SignerRole};
use cordon_validate::{ConfigVerifier, IdentityRefusal, IdentityVerifier};
use cordon_wire::sha256;

use crate::channel::Current;
use crate::config::ChannelConfig;

/// Judges by the channel's membership and the configuration in force.
pub(crate) struct Verifier<'a> {
    pub(crate) membership: &'a Membership,
    pub(crate) sequence: u64,
    pub(crate) config: Arc<ChannelConfig>,
}

impl<'a> Verifier<'a> {
    pub(crate) fn new(current: &'a Current) -> Self {
        Self {
            membership: &current.membership,
            sequence: current.sequence,
            config: Arc::clone(&current.config),
        }
    }
}

impl ConfigVerifier for Verifier<'_> {
    fn verify_config(&self, sequence: u64, document: &[u8]) -> Result<(), String> {
        let next = self.sequence + 1;
        if sequence != next {
            return Err(format!("its number is {sequence}, and the next is {next}"));
        }
        self.config.followed_by(document).map(drop)
    }
}

impl IdentityVerifier for Verifier<'_> {
    fn verify(
        &self,
        identity: &[u8],
        message: &[&[u8]],
        signature: &[u8],
        at_seconds: i64,
    ) -> Result<Signer, IdentityRefusal> {
        let identity = self
            .membership
            .verify(identity, message, signature)
            .map_err(|e| refusal(&e))?;
        identity
            .check_validity(at_seconds)
            .map_err(|e| refusal(&e))?;
        Ok(signer(&identity))
    }
}

/// An identity as endorsement policies know it.
pub(crate) fn signer(identity: &Identity) -> Signer {
    let role = if identity.has_role(Role::Admin) {
        SignerRole::Admin
    } else {
        match identity.role() {
            Role::Peer => SignerRole::Peer,
            Role::Client => SignerRole::Client,
            Role::Orderer => SignerRole::Orderer,
            Role::Admin => SignerRole::Admin,
            Role::Member => SignerRole::Member,
        }
    };
    // By key, not by certificate: one person's certificate has several encodings.
    let key = identity.certificate().public_key();
    let identity_key = sha256([identity.msp_id().as_str().as_bytes(), &[0], key.as_bytes()]);
    Signer {
        identity_key,
        msp_id: identity.msp_id().clone(),
        role,
    }
}

fn refusal(error: &IdentityError) -> IdentityRefusal {
    match error {
        IdentityError::UnknownOrganization { .. } => IdentityRefusal::NotMember,
        IdentityError::Expired { .. } | IdentityError::NotYetValid { .. } => {
            IdentityRefusal::OutsideValidity
        }
        IdentityError::Revoked { .. } => IdentityRefusal::Revoked,
        IdentityError::Malformed {
            what: "creator", ..
        } => IdentityRefusal::Undecodable,
        IdentityError::HighS
        | IdentityError::BadSignature
        | IdentityError::Malformed {
            what: "signature", ..
        } => IdentityRefusal::WrongSignature,
        _ => IdentityRefusal::NotTrusted,
    }
}
