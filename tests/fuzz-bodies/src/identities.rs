//! Certificates, revocation lists, keys and signatures. The property over all of them: what nobody
//! signed is never trusted.

use cordon_identity::{Certificate, IdentityError, Msp, MspConfig, PublicKey, SigningKey};
use cordon_wire::proposal::serialized_identity;
use cordon_wire::proto::msp::SerializedIdentity;
use cordon_wire::{Message as _, encode};

use crate::choices::Choices;
use crate::people::{MEMBERSHIP, MSP_ID, fixture, msp_config};

/// What every signature of the fixtures is over.
const MESSAGE: &[u8] = b"message";

/// Certificates that the organisation's root, or an authority below it, has issued.
const ISSUED: [&str; 11] = [
    fixture!("user1.pem"),
    fixture!("peer0.pem"),
    fixture!("admin.pem"),
    fixture!("physician.pem"),
    fixture!("expired.pem"),
    fixture!("revoked.pem"),
    fixture!("p384.pem"),
    fixture!("ed25519.pem"),
    fixture!("odd-names.pem"),
    fixture!("no-ou.pem"),
    fixture!("below-user.pem"),
];

/// The first byte says what the others are.
pub fn certificate(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let kind = choices.byte();
    let rest = choices.rest();
    match kind {
        0 => read(Certificate::from_pem(rest)),
        1 => read(Certificate::from_der(rest)),
        2 => revocation_list(rest),
        3 => configuration(rest),
        4 => creator(rest),
        5 => signature(rest),
        _ => key(rest),
    }
}

fn read(certificate: Result<Certificate, IdentityError>) {
    let Ok(certificate) = certificate else {
        return;
    };
    let text = certificate.to_pem().expect("what was read can be written");
    let again = Certificate::from_pem(text.as_bytes()).expect("what we write we read");
    assert_eq!(again.der(), certificate.der());
    let msp = Msp::new(&msp_config()).unwrap();
    if let Ok(identity) = msp.verify(&certificate) {
        assert!(
            issued(&certificate),
            "a certificate that nobody issued is trusted"
        );
        let _ = identity.check_validity(certificate.not_before());
    }
}

fn issued(certificate: &Certificate) -> bool {
    ISSUED.iter().any(|pem| {
        let known = Certificate::from_pem(pem.as_bytes()).unwrap();
        certificate.is_same(&known)
    })
}

/// A list that is accepted is one that an authority signed: who is on it is refused.
fn revocation_list(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let mut config = msp_config();
    config.intermediate_certs = vec![fixture!("org1-ica.pem").to_owned()];
    config.revocation_list = vec![text.to_owned()];
    let Ok(msp) = Msp::new(&config) else {
        return;
    };
    // The root's two lists: one has a user on it, the other the authority of another user.
    let refused = [fixture!("revoked.pem"), fixture!("below-user.pem")].map(|pem| {
        let certificate = Certificate::from_pem(pem.as_bytes()).unwrap();
        msp.verify(&certificate).is_err()
    });
    assert!(
        refused.contains(&true),
        "a list that nobody signed is accepted"
    );
}

/// What a channel's configuration says of an organisation.
fn configuration(text: &[u8]) {
    let Ok(config) = serde_json::from_slice::<MspConfig>(text) else {
        return;
    };
    let text = serde_json::to_string(&config).unwrap();
    let again: MspConfig = serde_json::from_str(&text).unwrap();
    assert_eq!(again, config);
    if let Ok(msp) = Msp::new(&config) {
        for pem in ISSUED {
            let _ = msp.verify(&Certificate::from_pem(pem.as_bytes()).unwrap());
        }
    }
}

/// What stands as creator in a message.
fn creator(bytes: &[u8]) {
    let _ = MEMBERSHIP.names_member(bytes);
    let Ok(identity) = MEMBERSHIP.identity(bytes) else {
        return;
    };
    assert!(
        issued(identity.certificate()),
        "somebody is a member whom nobody knows"
    );
    assert_eq!(identity.msp_id().as_str(), MSP_ID);
    let named = SerializedIdentity::decode(bytes).expect("it was read");
    let again = MEMBERSHIP
        .identity(&encode(&named))
        .expect("the same, encoded again");
    assert_eq!(again.caller(), identity.caller(), "one creator is two");
    let _ = MEMBERSHIP.verify(bytes, &[b"message"], b"signature");
    let pem = identity.certificate().to_pem().unwrap();
    let plain = serialized_identity(MSP_ID, &pem);
    let again = MEMBERSHIP
        .identity(&plain)
        .expect("the same without anything around it");
    assert_eq!(
        again.caller(),
        identity.caller(),
        "one certificate is two people"
    );
}

/// The one signature that we have of each key is the only one that is good: nobody makes another of it.
fn signature(bytes: &[u8]) {
    let known: [(&str, &[u8]); 3] = [
        (
            fixture!("user1.pem"),
            include_bytes!("../../../host/identity/tests/fixtures/user1.sig"),
        ),
        (
            fixture!("p384.pem"),
            include_bytes!("../../../host/identity/tests/fixtures/p384.sig"),
        ),
        (
            fixture!("ed25519.pem"),
            include_bytes!("../../../host/identity/tests/fixtures/ed25519.sig"),
        ),
    ];
    for (pem, signature) in known {
        let certificate = Certificate::from_pem(pem.as_bytes()).unwrap();
        let key: &PublicKey = certificate.public_key();
        key.verify(MESSAGE, signature)
            .expect("the fixture's own signature");
        let good = key.verify(MESSAGE, bytes).is_ok();
        assert_eq!(good, bytes == signature, "a signature has a second form");
        let in_parts = key.verify_parts(&[&MESSAGE[..1], &MESSAGE[1..]], bytes);
        assert_eq!(in_parts.is_ok(), good);
        let _ = PublicKey::from_bytes(key.algorithm(), bytes);
    }
}

fn key(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let Ok(key) = SigningKey::from_pem(text) else {
        return;
    };
    let message = b"message";
    let signature = key.sign(message).expect("a key that is read signs");
    let public = key.public_key().unwrap();
    public
        .verify(message, &signature)
        .expect("our own signature");
    let written = key.to_pkcs8_pem().unwrap();
    let again = SigningKey::from_pem(&written).expect("what we write we read");
    assert_eq!(again.public_key().unwrap().as_bytes(), public.as_bytes());
}
