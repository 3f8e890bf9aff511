//! Whatever bytes arrive, the parsers answer; they never panic, and errors hold nothing of them.
#![allow(
    clippy::unwrap_used,
    reason = "a test; clippy exempts only its #[test] functions"
)]

use cordon_identity::{Certificate, Membership, Msp, MspConfig};
use cordon_wire::proposal::serialized_identity;
use proptest::prelude::*;

const PHYSICIAN: &str = include_str!("fixtures/physician.pem");
const ROOT: &str = include_str!("fixtures/org1-ca.pem");
const LIST: &str = include_str!("fixtures/org1-crl.pem");

fn config() -> MspConfig {
    MspConfig::new("Org1MSP".parse().unwrap(), ROOT.to_owned(), ROOT.to_owned())
}

/// `bytes` with some of them changed, removed or doubled.
fn mutated(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6);
    edits.prop_map(move |edits| {
        let mut bytes = bytes.clone();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => {
                    bytes.remove(at);
                }
            }
        }
        bytes
    })
}

fn der() -> Vec<u8> {
    Certificate::from_pem(PHYSICIAN.as_bytes())
        .unwrap()
        .der()
        .to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_mutated_certificate_is_never_trusted(bytes in mutated(der())) {
        prop_assume!(bytes != der());
        if let Ok(certificate) = Certificate::from_der(&bytes) {
            prop_assert!(Msp::new(&config()).unwrap().verify(&certificate).is_err());
        }
    }

    #[test]
    fn a_mutated_text_never_panics(text in mutated(PHYSICIAN.as_bytes().to_vec())) {
        if let Err(error) = Certificate::from_pem(&text) {
            prop_assert!(!error.to_string().contains("physician"));
        }
    }

    #[test]
    fn a_mutated_creator_never_panics(
        creator in mutated(serialized_identity("Org1MSP", PHYSICIAN).to_vec())
    ) {
        let membership = Membership::new([Msp::new(&config()).unwrap()]);
        let _ = membership.verify(&creator, &[b"m"], b"s");
        let _ = membership.tls_organization(&creator, &[&creator], 0);
    }

    #[test]
    fn a_mutated_configuration_never_panics(
        root in mutated(ROOT.as_bytes().to_vec()), list in mutated(LIST.as_bytes().to_vec())
    ) {
        let mut config = config();
        config.revocation_list = vec![String::from_utf8_lossy(&list).into_owned()];
        let _ = Msp::new(&config);
        config.tls_root_certs = vec![String::from_utf8_lossy(&root).into_owned()];
        config.root_certs = config.tls_root_certs.clone();
        let _ = Msp::new(&config);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Certificate::from_der(&bytes).is_err());
        prop_assert!(Certificate::from_pem(&bytes).is_err());
    }
}
