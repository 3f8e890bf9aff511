//! Certificates as Fabric's tools make them (fixtures/generate.sh), from text to identity.
#![allow(
    clippy::unwrap_used,
    reason = "a test; clippy exempts only its #[test] functions"
)]

use std::sync::Arc;

use cordon_identity::{
    Certificate, IdentityError, KeyAlgorithm, Membership, Msp, MspConfig, Role, SignatureCache,
    Signer, SigningKey,
};
use cordon_wire::proposal::serialized_identity;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name))
    };
}

macro_rules! signature {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/", $name))
    };
}

/// 2026-01-01.
const NOW: i64 = 1_767_225_600;

fn parse(pem: &str) -> Certificate {
    Certificate::from_pem(pem.as_bytes()).unwrap()
}

fn config() -> MspConfig {
    let mut config = MspConfig::new(
        "Org1MSP".parse().unwrap(),
        fixture!("org1-ca.pem").to_owned(),
        fixture!("org1-ca.pem").to_owned(),
    );
    config.revocation_list = vec![fixture!("org1-crl.pem").to_owned()];
    config
}

fn msp() -> Msp {
    Msp::new(&config()).unwrap()
}

fn refusal(pem: &str) -> IdentityError {
    msp().verify(&parse(pem)).unwrap_err()
}

#[test]
fn a_cryptogen_user_is_a_client() {
    let identity = msp().verify(&parse(fixture!("user1.pem"))).unwrap();
    assert_eq!(identity.role(), Role::Client);
    assert!(identity.has_role(Role::Member) && !identity.has_role(Role::Admin));
    identity.check_validity(NOW).unwrap();
    let caller = identity.caller();
    assert_eq!(
        caller.subject,
        "CN=User1@org1.example.com,OU=client,L=San Francisco,ST=California,C=US"
    );
    // base64 of x509::<the text above>::CN=ca.org1.example.com,O=org1.example.com,L=San Francisco,
    // ST=California,C=US; the form of the ids that public Fabric projects print for such users.
    assert_eq!(
        caller.unique_id,
        "eDUwOTo6Q049VXNlcjFAb3JnMS5leGFtcGxlLmNvbSxPVT1jbGllbnQsTD1TYW4gRnJhbmNpc2NvLFNUPUNhbGlm\
         b3JuaWEsQz1VUzo6Q049Y2Eub3JnMS5leGFtcGxlLmNvbSxPPW9yZzEuZXhhbXBsZS5jb20sTD1TYW4gRnJhbmNp\
         c2NvLFNUPUNhbGlmb3JuaWEsQz1VUw=="
    );
    assert_eq!(caller.enrollment_id, "User1@org1.example.com");
    assert!(caller.attributes.is_empty());
    assert_eq!(
        msp().verify(&parse(fixture!("peer0.pem"))).unwrap().role(),
        Role::Peer
    );
    assert!(
        msp()
            .verify(&parse(fixture!("admin.pem")))
            .unwrap()
            .has_role(Role::Admin)
    );
}

#[test]
fn fabric_ca_attributes_reach_the_caller() {
    let identity = msp().verify(&parse(fixture!("physician.pem"))).unwrap();
    let caller = identity.caller();
    assert_eq!(caller.enrollment_id, "user1");
    assert_eq!(caller.attributes["userRole"], "physician");
    assert_eq!(caller.attributes["hf.Affiliation"], "");
    assert_eq!(caller.attributes.len(), 4);
    // Several values of one type are one RDN; the affiliation's units are no roles.
    let units = identity.certificate().organizational_units().join("+OU=");
    assert_eq!(
        caller.subject,
        format!("CN=user1,OU={units},O=Hyperledger,ST=North Carolina,C=US")
    );
    assert_eq!(identity.certificate().organizational_units().len(), 3);
    assert_eq!(
        Certificate::from_pem(fixture!("bad-attributes.pem").as_bytes()),
        Err(IdentityError::BadAttributes)
    );
}

#[test]
fn odd_names_are_written_as_go_writes_them() {
    let certificate = parse(fixture!("odd-names.pem"));
    assert_eq!(
        certificate.subject(),
        "CN=\\ #last\\ ,OU=client,O=A\\, \\\"B\\\" \\+ C,L=Zürich"
    );
    assert_eq!(certificate.common_name(), Some(" #last "));
}

#[test]
fn text_as_clients_send_it_is_one_certificate() {
    let plain = fixture!("user1.pem");
    let expected = parse(plain);
    for text in [
        plain.trim_end().to_owned(),
        plain.replace('\n', "\r\n"),
        format!("Certificate:\n    Version: 3\n\n{plain}\n\n"),
        format!("{plain}{}", fixture!("org1-ca.pem")),
    ] {
        assert_eq!(parse(&text), expected);
    }
    assert!(Certificate::from_pem(&expected.der()[..100]).is_err());
    let mut longer = expected.der().to_vec();
    longer.push(0);
    assert!(Certificate::from_der(&longer).is_err());
}

#[test]
fn every_refusal_has_its_own_error() {
    let untrusted = |pem, text: &str| {
        let error = refusal(pem);
        assert!(
            matches!(error, IdentityError::Untrusted { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(text), "{error}");
    };
    // Same subject, same issuer name, another key.
    untrusted(fixture!("foreign-user1.pem"), "did not sign");
    untrusted(fixture!("below-user.pem"), "none of the authorities");
    untrusted(fixture!("org1-ca.pem"), "authority itself");
    untrusted(fixture!("org1-ica.pem"), "authority itself");
    untrusted(fixture!("no-signing.pem"), "key usage");
    untrusted(fixture!("critical.pem"), "critical");
    assert!(matches!(
        refusal(fixture!("revoked.pem")),
        IdentityError::Revoked { .. }
    ));
    for (pem, count) in [(fixture!("two-ous.pem"), 2), (fixture!("no-ou.pem"), 0)] {
        let IdentityError::BadOrganizationalUnits { found, .. } = refusal(pem) else {
            panic!("{pem}")
        };
        assert_eq!(found, count);
    }
}

#[test]
fn expiry_is_judged_apart_from_trust() {
    let identity = msp().verify(&parse(fixture!("expired.pem"))).unwrap();
    let (from, until) = (
        identity.certificate().not_before(),
        identity.certificate().not_after(),
    );
    assert_eq!((from, until), (1_706_745_600, 1_709_251_200));
    identity.check_validity(from).unwrap();
    identity.check_validity(until).unwrap();
    assert_eq!(
        identity.check_validity(until + 1),
        Err(IdentityError::Expired {
            not_after: until,
            at: until + 1
        })
    );
    assert_eq!(
        identity.check_validity(from - 1),
        Err(IdentityError::NotYetValid {
            not_before: from,
            at: from - 1
        })
    );
}

#[test]
fn an_intermediate_authority_is_followed_until_revoked() {
    let mut config = config();
    config.intermediate_certs = vec![fixture!("org1-ica.pem").to_owned()];
    let user = parse(fixture!("below-user.pem"));
    let identity = Msp::new(&config).unwrap().verify(&user).unwrap();
    assert!(identity.certificate().issuer().starts_with("CN=ica.org1"));
    config.revocation_list = vec![fixture!("org1-crl-ica.pem").to_owned()];
    let error = Msp::new(&config).unwrap().verify(&user).unwrap_err();
    assert!(matches!(error, IdentityError::Revoked { .. }), "{error:?}");
}

#[test]
fn the_issuers_signature_may_be_high_s_and_rewritten() {
    let (low, high) = (
        parse(fixture!("user1.pem")),
        parse(fixture!("user1-high-s-issuer.pem")),
    );
    assert_ne!(low.der(), high.der());
    assert!(low.is_same(&high));
    let mut config = config();
    config.admins = vec![fixture!("user1-high-s-issuer.pem").to_owned()];
    let msp = Msp::new(&config).unwrap();
    for certificate in [&low, &high] {
        let identity = msp.verify(certificate).unwrap();
        assert!(identity.has_role(Role::Admin) && identity.has_role(Role::Client));
        assert_eq!(identity.caller().unique_id, low.unique_id());
    }
    assert!(
        !msp.verify(&parse(fixture!("peer0.pem")))
            .unwrap()
            .has_role(Role::Admin)
    );
}

#[test]
fn signatures_of_all_three_algorithms_verify() {
    let none: &[u8] = &[];
    let cases: [(_, _, &[u8], &[u8]); 3] = [
        (
            fixture!("user1.pem"),
            KeyAlgorithm::P256,
            signature!("user1.sig"),
            signature!("user1-high-s.sig"),
        ),
        (
            fixture!("p384.pem"),
            KeyAlgorithm::P384,
            signature!("p384.sig"),
            signature!("p384-high-s.sig"),
        ),
        (
            fixture!("ed25519.pem"),
            KeyAlgorithm::Ed25519,
            signature!("ed25519.sig"),
            none,
        ),
    ];
    for (pem, algorithm, signature, high) in cases {
        let identity = msp().verify(&parse(pem)).unwrap();
        assert_eq!(identity.certificate().public_key().algorithm(), algorithm);
        identity.verify(b"message", signature).unwrap();
        let parts: [&[u8]; 2] = [b"mess", b"age"];
        identity
            .certificate()
            .public_key()
            .verify_parts(&parts, signature)
            .unwrap();
        assert_eq!(
            identity.verify(b"other", signature),
            Err(IdentityError::BadSignature)
        );
        if !high.is_empty() {
            assert_eq!(identity.verify(b"message", high), Err(IdentityError::HighS));
        }
    }
}

#[test]
fn keys_are_read_as_openssl_writes_them_and_never_printed() {
    for pem in [fixture!("user1.key"), fixture!("user1-sec1.key")] {
        let key = SigningKey::from_pem(pem).unwrap();
        let again = SigningKey::from_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
        assert_eq!(key.public_key().unwrap(), again.public_key().unwrap());
        assert_eq!(format!("{key:?}"), "SigningKey { algorithm: P256, .. }");
        let id = "Org1MSP".parse().unwrap();
        let signer = Signer::new(id, fixture!("user1.pem"), key).unwrap();
        assert_eq!(
            format!("{signer:?}"),
            "Signer { msp_id: MspId(\"Org1MSP\"), .. }"
        );
        let identity = Membership::new([msp()])
            .verify(&signer.serialized(), &[b"m"], &signer.sign(b"m").unwrap())
            .unwrap();
        assert_eq!(identity.certificate(), signer.certificate());
    }
    let key = SigningKey::from_pem(fixture!("ed25519.key")).unwrap();
    let again = SigningKey::from_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
    let signature = again.sign(b"m").unwrap();
    parse(fixture!("ed25519.pem"))
        .public_key()
        .verify(b"m", &signature)
        .unwrap();
    let id = "Org1MSP".parse().unwrap();
    assert_eq!(
        Signer::new(id, fixture!("user1.pem"), key).unwrap_err(),
        IdentityError::KeyMismatch
    );
}

#[test]
fn a_configuration_that_cannot_hold_is_refused() {
    let broken = |change: &dyn Fn(&mut MspConfig)| {
        let mut config = config();
        change(&mut config);
        Msp::new(&config).unwrap_err()
    };
    let is_configuration = |error: IdentityError| {
        assert!(
            matches!(error, IdentityError::Configuration { .. }),
            "{error:?}"
        );
    };
    is_configuration(broken(&|c| c.root_certs.clear()));
    is_configuration(broken(&|c| {
        c.root_certs = vec![fixture!("user1.pem").to_owned()];
    }));
    is_configuration(broken(&|c| {
        c.intermediate_certs = vec![fixture!("user1.pem").to_owned()];
    }));
    // Signed by the authority of the same name with another key.
    is_configuration(broken(&|c| {
        c.revocation_list = vec![fixture!("foreign-crl.pem").to_owned()];
    }));
    is_configuration(broken(&|c| c.node_ous.peer = "client".to_owned()));
    let admin = broken(&|c| {
        c.admins = vec![fixture!("revoked.pem").to_owned()];
    });
    assert!(matches!(admin, IdentityError::Revoked { .. }), "{admin:?}");
}

#[test]
fn without_role_units_everyone_is_a_member_only() {
    let mut config = config();
    config.node_ous.enabled = false;
    let identity = Msp::new(&config)
        .unwrap()
        .verify(&parse(fixture!("no-ou.pem")))
        .unwrap();
    assert_eq!(identity.role(), Role::Member);
    assert!(!identity.has_role(Role::Client) && !identity.has_role(Role::Admin));
}

#[test]
fn creators_are_told_apart_and_cached() {
    let membership = Membership::new([msp()]);
    let creator = serialized_identity("Org1MSP", fixture!("user1.pem"));
    let first = membership.identity(&creator).unwrap();
    assert!(Arc::ptr_eq(&first, &membership.identity(&creator).unwrap()));
    for (creator, expected) in [
        (
            serialized_identity("Org2MSP", fixture!("user1.pem")),
            "not a member",
        ),
        (
            serialized_identity("", fixture!("user1.pem")),
            "not a member",
        ),
        (serialized_identity("Org1MSP", "nonsense"), "malformed"),
        (b"\xff\xff".to_vec().into(), "malformed"),
        (vec![0; 40_000].into(), "too long"),
        (
            serialized_identity("Org1MSP", fixture!("foreign-user1.pem")),
            "not trusted",
        ),
        (
            serialized_identity("Org1MSP", fixture!("revoked.pem")),
            "revoked",
        ),
        (
            serialized_identity("Org1MSP", fixture!("two-ous.pem")),
            "role units",
        ),
        (
            serialized_identity("Org1MSP", fixture!("bad-attributes.pem")),
            "attributes",
        ),
    ] {
        for _ in 0..2 {
            let error = membership.identity(&creator).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

/// Goal: a cached signature is believed for exactly its bytes and a valid identity, nothing else.
/// Method: remember a signature that does not verify, so that only the cache can accept it.
#[test]
fn the_signature_cache_is_asked_and_never_replaces_the_identity() {
    let cache = Arc::new(SignatureCache::default());
    let membership = Membership::with_signature_cache([msp()], Arc::clone(&cache));
    let creator = serialized_identity("Org1MSP", fixture!("user1.pem"));
    let verify = |creator: &[u8], message: &[u8]| membership.verify(creator, &[message], b"sig");
    assert!(verify(&creator, b"m").is_err());
    assert!(
        verify(&creator, b"m").is_err(),
        "a failure is not remembered"
    );
    cache.remember(&creator, &[b"m"], b"sig");
    verify(&creator, b"m").unwrap();
    assert!(verify(&creator, b"n").is_err());
    assert!(verify(&serialized_identity("Org1MSP", fixture!("peer0.pem")), b"m").is_err());
    let revoked = serialized_identity("Org1MSP", fixture!("revoked.pem"));
    cache.remember(&revoked, &[b"m"], b"sig");
    assert!(matches!(
        verify(&revoked, b"m"),
        Err(IdentityError::Revoked { .. })
    ));
    // A verified signature is remembered.
    membership
        .verify(&creator, &[b"message"], signature!("user1.sig"))
        .unwrap();
    assert!(cache.contains(&creator, &[b"mes", b"sage"], signature!("user1.sig")));
    let high: &[u8] = signature!("user1-high-s.sig");
    assert_eq!(
        membership
            .verify(&creator, &[b"message"], high)
            .unwrap_err(),
        IdentityError::HighS
    );
}
