//! What our own authority issues is what our own membership, and openssl's rules, accept.
#![allow(
    clippy::unwrap_used,
    reason = "a test; clippy exempts only its #[test] functions"
)]

use cordon_identity::{
    Certificate, CertificateAuthority, IdentityError, IssueRequest, KeyAlgorithm, Membership, Msp,
    MspConfig, PublicKey, Revocation, RevocationList, RevocationReason, Role, Signer, SigningKey,
    TlsRequest, Validity,
};

const FROM: i64 = 1_760_000_000;
const VALIDITY: Validity = Validity {
    not_before: FROM,
    not_after: FROM + 86_400,
};

fn authority(name: &str) -> CertificateAuthority {
    CertificateAuthority::create(name, "hospital.example.com", VALIDITY).unwrap()
}

fn request(role: &str) -> IssueRequest {
    IssueRequest {
        common_name: "alice".to_owned(),
        organization: Some("hospital.example.com".to_owned()),
        organizational_unit: Some(role.to_owned()),
        attributes: [("role".to_owned(), "physician".to_owned())].into(),
        validity: VALIDITY,
    }
}

fn config(id: &str, root: &CertificateAuthority, tls: &CertificateAuthority) -> MspConfig {
    let pem = |ca: &CertificateAuthority| ca.certificate().to_pem().unwrap();
    MspConfig::new(id.parse().unwrap(), pem(root), pem(tls))
}

fn list(revoked: &[Revocation], number: u64) -> RevocationList {
    RevocationList {
        number,
        this_update: FROM,
        next_update: FROM + 60,
        revoked: revoked.to_vec(),
    }
}

#[test]
fn what_is_issued_is_an_identity_that_can_sign() {
    let (root, tls) = (authority("ca.hospital"), authority("tlsca.hospital"));
    assert_eq!(
        root.certificate().subject(),
        "CN=ca.hospital,O=hospital.example.com"
    );
    let key = SigningKey::generate().unwrap();
    let certificate = root
        .issue(&request("client"), &key.public_key().unwrap())
        .unwrap();
    assert_eq!(certificate.attributes()["role"], "physician");
    assert_eq!(
        (certificate.not_before(), certificate.not_after()),
        (FROM, FROM + 86_400)
    );
    let membership = Membership::new([Msp::new(&config("Hospital", &root, &tls)).unwrap()]);
    let id = "Hospital".parse().unwrap();
    let signer = Signer::new(id, &certificate.to_pem().unwrap(), key).unwrap();
    let signature = signer.sign(b"message").unwrap();
    let identity = membership
        .verify(&signer.serialized(), &[b"mes", b"sage"], &signature)
        .unwrap();
    assert_eq!(identity.role(), Role::Client);
    assert_eq!(
        identity.caller().subject,
        "CN=alice,OU=client,O=hospital.example.com"
    );
}

#[test]
fn the_form_is_fabrics() {
    let root = authority("ca.hospital");
    let key = SigningKey::generate().unwrap().public_key().unwrap();
    let issued = root.issue(&request("client"), &key).unwrap();
    let again = root.issue(&request("client"), &key).unwrap();
    assert_ne!(
        issued.serial(),
        again.serial(),
        "a renewal has its own serial"
    );
    let (_, parsed) = x509_parser::parse_x509_certificate(issued.der()).unwrap();
    assert!(
        parsed
            .basic_constraints()
            .unwrap()
            .is_some_and(|e| e.critical && !e.value.ca)
    );
    assert!(
        parsed
            .key_usage()
            .unwrap()
            .is_some_and(|e| e.critical && e.value.flags == 1),
        "digitalSignature alone"
    );
    let oids: Vec<_> = parsed
        .extensions()
        .iter()
        .map(|e| e.oid.to_id_string())
        .collect();
    for oid in ["2.5.29.14", "2.5.29.35", "1.2.3.4.5.6.7.8.1"] {
        assert!(
            oids.iter().any(|present| present == oid),
            "{oid} in {oids:?}"
        );
    }
    let mut plain = request("client");
    plain.attributes.clear();
    let plain = root.issue(&plain, &key).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(plain.der()).unwrap();
    assert!(
        parsed
            .extensions()
            .iter()
            .all(|e| e.oid.to_id_string() != "1.2.3.4.5.6.7.8.1")
    );
}

#[test]
fn the_authoritys_signatures_are_low_s() {
    let root = authority("ca.hospital");
    let key = SigningKey::generate().unwrap().public_key().unwrap();
    for _ in 0..32 {
        let issued = root.issue(&request("client"), &key).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(issued.der()).unwrap();
        let (signed, signature) = (
            parsed.tbs_certificate.as_ref(),
            &parsed.signature_value.data,
        );
        root.certificate()
            .public_key()
            .verify(signed, signature)
            .unwrap();
    }
}

#[test]
fn an_authority_survives_storage_and_is_checked_when_loaded() {
    let root = authority("ca.hospital");
    let (pem, key) = (
        root.certificate().to_pem().unwrap(),
        root.key().to_pkcs8_pem().unwrap(),
    );
    let loaded = CertificateAuthority::from_pem(&pem, &key).unwrap();
    let subject_key = SigningKey::generate().unwrap();
    let user = loaded
        .issue(&request("admin"), &subject_key.public_key().unwrap())
        .unwrap();
    let msp = Msp::new(&config("Hospital", &root, &root)).unwrap();
    assert_eq!(msp.verify(&user).unwrap().role(), Role::Admin);
    let other = SigningKey::generate().unwrap().to_pkcs8_pem().unwrap();
    assert_eq!(
        CertificateAuthority::from_pem(&pem, &other).unwrap_err(),
        IdentityError::KeyMismatch
    );
    let user = user.to_pem().unwrap();
    let key = subject_key.to_pkcs8_pem().unwrap();
    assert!(matches!(
        CertificateAuthority::from_pem(&user, &key),
        Err(IdentityError::Issue { .. })
    ));
    // A Fabric authority's key and certificate, by openssl.
    let fabric = CertificateAuthority::from_pem(
        include_str!("fixtures/org1-ca.pem"),
        include_str!("fixtures/org1-ca.key"),
    )
    .unwrap();
    let user = fabric
        .issue(&request("client"), &subject_key.public_key().unwrap())
        .unwrap();
    Msp::new(&config("Org1MSP", &fabric, &root))
        .unwrap()
        .verify(&user)
        .unwrap();
}

#[test]
fn intermediates_and_other_keys_are_issued() {
    let root = authority("ca.hospital");
    let below = root
        .create_intermediate("ica.hospital", "hospital.example.com", VALIDITY)
        .unwrap();
    let mut config = config("Hospital", &root, &root);
    config.intermediate_certs = vec![below.certificate().to_pem().unwrap()];
    let msp = Msp::new(&config).unwrap();
    let p384 = include_str!("fixtures/p384.pem");
    let p384 = Certificate::from_pem(p384.as_bytes())
        .unwrap()
        .public_key()
        .clone();
    let ed25519 = SigningKey::from_pem(include_str!("fixtures/ed25519.key")).unwrap();
    for key in [p384, ed25519.public_key().unwrap()] {
        let issued = below.issue(&request("peer"), &key).unwrap();
        assert_eq!(issued.public_key(), &key);
        msp.verify(&issued).unwrap();
    }
    assert!(PublicKey::from_bytes(KeyAlgorithm::P256, &[4; 65]).is_err());
    // Path length 0: nothing issued by an authority below it is trusted.
    let deep = below.create_intermediate("x", "y", VALIDITY).unwrap();
    config
        .intermediate_certs
        .push(deep.certificate().to_pem().unwrap());
    let key = SigningKey::generate().unwrap().public_key().unwrap();
    let user = deep.issue(&request("client"), &key).unwrap();
    assert!(Msp::new(&config).unwrap().verify(&user).is_err());
}

#[test]
fn revoked_serials_are_refused_and_others_are_not() {
    let root = authority("ca.hospital");
    let key = SigningKey::generate().unwrap().public_key().unwrap();
    let users = [0, 1].map(|_| root.issue(&request("client"), &key).unwrap());
    let revoked = [Revocation {
        serial: users[0].serial().to_vec(),
        at: FROM + 5,
        reason: RevocationReason::Unspecified,
    }];
    let mut config = config("Hospital", &root, &root);
    config.revocation_list = vec![root.revocation_list(&list(&revoked, 1)).unwrap()];
    let msp = Msp::new(&config).unwrap();
    assert!(matches!(
        msp.verify(&users[0]),
        Err(IdentityError::Revoked { .. })
    ));
    msp.verify(&users[1]).unwrap();
    config.revocation_list = vec![root.revocation_list(&list(&[], 2)).unwrap()];
    Msp::new(&config).unwrap().verify(&users[0]).unwrap();
    let other = authority("ca.hospital")
        .revocation_list(&list(&revoked, 1))
        .unwrap();
    config.revocation_list = vec![other];
    assert!(matches!(
        Msp::new(&config),
        Err(IdentityError::Configuration { .. })
    ));
}

#[test]
fn a_tls_certificate_names_its_organisation() {
    let [tls_a, tls_b, root] = ["tlsca.a", "tlsca.b", "ca"].map(authority);
    let msp = |id: &str, tls| Msp::new(&config(id, &root, tls)).unwrap();
    let membership = Membership::new([msp("A", &tls_a), msp("B", &tls_b)]);
    let request = TlsRequest {
        common_name: "host.a".to_owned(),
        organization: None,
        dns_names: vec!["host.a".to_owned(), "localhost".to_owned()],
        ip_addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        validity: VALIDITY,
    };
    let key = SigningKey::generate().unwrap().public_key().unwrap();
    let none: [&[u8]; 0] = [];
    let of = |membership: &Membership, certificate: &Certificate, at| {
        membership
            .tls_organization(certificate.der(), &none, at)
            .map(|id| id.to_string())
    };
    let host = tls_b.issue_tls(&request, &key).unwrap();
    assert_eq!(of(&membership, &host, FROM + 1).as_deref(), Some("B"));
    assert_eq!(of(&membership, &host, FROM + 90_000), None, "expired");
    assert_eq!(
        of(
            &membership,
            &root.issue_tls(&request, &key).unwrap(),
            FROM + 1
        ),
        None
    );
    let shared = Membership::new([msp("A", &tls_a), msp("B", &tls_a)]);
    let host = tls_a.issue_tls(&request, &key).unwrap();
    assert_eq!(of(&shared, &host, FROM + 1), None, "ambiguous");
    let below = tls_a.create_intermediate("x", "y", VALIDITY).unwrap();
    let host = below.issue_tls(&request, &key).unwrap();
    assert_eq!(of(&membership, &host, FROM + 1), None);
    let sent = [below.certificate().der()];
    let found = membership.tls_organization(host.der(), &sent, FROM + 1);
    assert_eq!(found.map(|id| id.to_string()).as_deref(), Some("A"));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let root = authority("ca.hospital");
    let key = SigningKey::generate().unwrap().public_key().unwrap();
    let mut empty = request("client");
    empty.common_name.clear();
    assert!(matches!(
        root.issue(&empty, &key),
        Err(IdentityError::Issue { .. })
    ));
    let mut backwards = request("client");
    backwards.validity = Validity {
        not_before: 2,
        not_after: 1,
    };
    assert!(matches!(
        root.issue(&backwards, &key),
        Err(IdentityError::Issue { .. })
    ));
    backwards.validity = Validity {
        not_before: 0,
        not_after: i64::MAX,
    };
    assert!(matches!(
        root.issue(&backwards, &key),
        Err(IdentityError::Issue { .. })
    ));
}

#[test]
fn a_revocation_list_is_read_as_it_was_written() {
    let root = authority("ca.hospital");
    let reasons = RevocationReason::names().filter_map(RevocationReason::from_name);
    let revoked: Vec<Revocation> = reasons
        .zip(1..)
        .map(|(reason, n)| Revocation {
            serial: vec![n, 0xff],
            at: FROM + i64::from(n),
            reason,
        })
        .collect();
    assert_eq!(revoked.len(), 8);
    let written = list(&revoked, 7);
    let text = root.revocation_list(&written).unwrap();
    let read = |text: &str, authority: &CertificateAuthority| {
        RevocationList::from_pem(text, &[authority.certificate().clone()])
    };
    assert_eq!(read(&text, &root).unwrap(), written);
    assert!(
        written.contains(&[0, 3, 0xff]),
        "zeros in front do not count"
    );
    assert!(!written.contains(&[0xff, 3]));
    // A list of another authority with the same name is not this one's.
    let other = authority("ca.hospital");
    assert!(read(&text, &other).is_err());
    assert!(read("nothing", &root).is_err());
}

#[test]
fn a_renewed_certificate_says_the_same_with_another_serial() {
    let root = authority("ca.hospital");
    let later = Validity {
        not_before: FROM + 10,
        not_after: FROM + 90_000,
    };
    let mut many = request("peer");
    many.attributes.insert("a \"b\"".to_owned(), "ü".to_owned());
    let key = SigningKey::generate().unwrap().public_key().unwrap();
    let old = root.issue(&many, &key).unwrap();
    let new_key = SigningKey::generate().unwrap().public_key().unwrap();
    for key in [&key, &new_key] {
        let new = root.renew(&old, key, later).unwrap();
        assert_eq!(new.unique_id(), old.unique_id());
        assert_eq!(new.subject(), old.subject());
        assert_eq!(new.attributes(), old.attributes());
        assert_eq!(new.organizational_units(), old.organizational_units());
        assert_eq!(new.public_key(), key);
        assert_eq!(
            (new.not_before(), new.not_after()),
            (FROM + 10, FROM + 90_000)
        );
        assert_ne!(new.serial(), old.serial());
        let msp = Msp::new(&config("Hospital", &root, &root)).unwrap();
        assert_eq!(msp.verify(&new).unwrap().role(), Role::Peer);
        // Renewals can be renewed.
        root.renew(&new, key, later).unwrap();
    }
    let tls = TlsRequest {
        common_name: "host.a".to_owned(),
        organization: None,
        dns_names: vec!["host.a".to_owned(), "localhost".to_owned()],
        ip_addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        validity: VALIDITY,
    };
    let old = root.issue_tls(&tls, &key).unwrap();
    let new = root.renew(&old, &key, later).unwrap();
    let names = ["127.0.0.1", "::1", "host.a", "localhost"].map(str::to_owned);
    assert_eq!(new.tls_names().unwrap(), names.into());
    let msp = Msp::new(&config("Hospital", &root, &root)).unwrap();
    let none: [&[u8]; 0] = [];
    msp.check_host_tls(&new, &none, FROM + 20).unwrap();
    for (at, expected) in [(FROM + 90_001, "expired"), (FROM, "valid from")] {
        let error = msp.check_host_tls(&new, &none, at).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let stranger = Msp::new(&config("Clinic", &root, &authority("tls"))).unwrap();
    let error = stranger.check_host_tls(&new, &none, FROM + 20).unwrap_err();
    assert!(matches!(error, IdentityError::Untrusted { .. }));

    let other = authority("ca.clinic");
    assert!(other.renew(&old, &key, later).is_err());
    assert!(root.renew(root.certificate(), &key, later).is_err());
}

#[test]
fn a_renewed_authority_is_trusted_beside_the_old_one() {
    let root = authority("ca.hospital");
    let later = Validity {
        not_before: FROM + 10,
        not_after: FROM + 900_000,
    };
    let key = SigningKey::generate().unwrap().public_key().unwrap();
    let of_old = root.issue(&request("client"), &key).unwrap();
    for new_key in [false, true] {
        let new = root.renewed(new_key, later).unwrap();
        assert_eq!(new.certificate().subject(), root.certificate().subject());
        assert_eq!(new.certificate().not_after(), FROM + 900_000);
        let same_key = new.certificate().public_key() == root.certificate().public_key();
        assert_eq!(same_key, !new_key);
        let of_new = new.issue(&request("client"), &key).unwrap();
        let mut both = config("Hospital", &root, &root);
        both.root_certs.push(new.certificate().to_pem().unwrap());
        // Lists of both count, for certificates of both: names are the same, serials are not.
        let revoked = [Revocation {
            serial: of_new.serial().to_vec(),
            at: FROM,
            reason: RevocationReason::KeyCompromise,
        }];
        both.revocation_list = vec![new.revocation_list(&list(&revoked, 1)).unwrap()];
        let msp = Msp::new(&both).unwrap();
        msp.verify(&of_old).unwrap();
        assert!(matches!(
            msp.verify(&of_new),
            Err(IdentityError::Revoked { .. })
        ));
        both.revocation_list.clear();
        Msp::new(&both).unwrap().verify(&of_new).unwrap();
        let new_alone = Msp::new(&config("Hospital", &new, &new)).unwrap();
        new_alone.verify(&of_new).unwrap();
        assert_eq!(new_alone.verify(&of_old).is_ok(), !new_key);
    }
    let below = root
        .create_intermediate("ica", "hospital", VALIDITY)
        .unwrap();
    assert!(below.renewed(false, later).is_err());
}
