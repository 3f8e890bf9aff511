//! Who signs: an organisation with real certificates, and a verifier that finds every signature good.

use std::sync::LazyLock;

use bytes::Bytes;
use cordon_identity::{Membership, Msp, MspConfig, Signer, SigningKey};
use cordon_policy::{EndorsementPolicy, Signer as Endorser, SignerRole};
use cordon_types::ChannelId;
use cordon_validate::{
    ChannelRules, ConfigVerifier, ContractRules, IdentityRefusal, IdentityVerifier,
};
use cordon_wire::proto::msp::SerializedIdentity;
use cordon_wire::{Message as _, sha256};

/// The only organisation.
pub(crate) const MSP_ID: &str = "Org1MSP";
/// The only channel.
pub(crate) const CHANNEL: &str = "providers";
/// The only contract, version 1.
pub(crate) const CONTRACT: &str = "emr";

/// A file of the fixtures that `host/identity` made with openssl.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../host/identity/tests/fixtures/",
            $name
        ))
    };
}
pub(crate) use fixture;

pub(crate) static MEMBERSHIP: LazyLock<Membership> =
    LazyLock::new(|| Membership::new([Msp::new(&msp_config()).unwrap()]));

static USER: LazyLock<Signer> = LazyLock::new(|| {
    let key = SigningKey::from_pem(fixture!("user1.key")).unwrap();
    Signer::new(MSP_ID.parse().unwrap(), fixture!("user1.pem"), key).unwrap()
});

/// A client of the organisation.
pub(crate) fn user() -> &'static Signer {
    &USER
}

/// The organisation, nothing revoked.
pub(crate) fn msp_config() -> MspConfig {
    let root = fixture!("org1-ca.pem").to_owned();
    MspConfig::new(MSP_ID.parse().unwrap(), root.clone(), root)
}

pub(crate) fn channel() -> ChannelId {
    CHANNEL.parse().unwrap()
}

/// Anybody of the organisation endorses.
pub(crate) static RULES: LazyLock<ChannelRules> = LazyLock::new(|| {
    let policy = |role| EndorsementPolicy::parse(&format!("OR('{MSP_ID}.{role}')")).unwrap();
    let rules = ContractRules::Deployed {
        sequence: 1,
        version: "1".to_owned(),
        endorsement_policy: policy("member"),
    };
    ChannelRules {
        governance: policy("member"),
        lifecycle: policy("peer"),
        members: [MSP_ID.parse().unwrap()].into(),
        contracts: [(CONTRACT.parse().unwrap(), rules)].into(),
    }
});

/// Finds every signature good but the empty one, so that bent messages get past the signatures that
/// they no longer have. Everybody is an administrator.
pub(crate) struct Gullible;

impl IdentityVerifier for Gullible {
    fn verify(
        &self,
        identity: &[u8],
        _: &[&[u8]],
        signature: &[u8],
        _: i64,
    ) -> Result<Endorser, IdentityRefusal> {
        if signature.is_empty() {
            return Err(IdentityRefusal::WrongSignature);
        }
        let named = SerializedIdentity::decode(identity).ok();
        let msp_id = named.and_then(|named| named.mspid.parse().ok());
        Ok(Endorser {
            identity_key: sha256([identity]),
            msp_id: msp_id.ok_or(IdentityRefusal::Undecodable)?,
            role: SignerRole::Admin,
        })
    }
}

impl ConfigVerifier for Gullible {
    fn verify_config(&self, _: u64, document: &[u8]) -> Result<(), String> {
        if document.is_empty() {
            return Err("it is empty".to_owned());
        }
        Ok(())
    }
}

/// The client's signature.
pub fn sign(message: &[u8]) -> Bytes {
    user().sign(message).unwrap()
}
