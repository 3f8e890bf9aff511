use super::*;
use crate::SigningKey;
use proptest::prelude::*;

/// The other signature with the same r: s replaced by n - s.
fn negate(der: &[u8]) -> Vec<u8> {
    let r_length = usize::from(der[3]);
    let s = ecdsa_s(der, 32).unwrap();
    let mut padded = [0; 32];
    padded[32 - s.len()..].copy_from_slice(s);
    let mut s = subtract(&P256_ORDER, &padded).to_vec();
    if s[0] >= 0x80 {
        s.insert(0, 0);
    }
    let mut body = der[2..4 + r_length].to_vec();
    body.extend([2, u8::try_from(s.len()).unwrap()]);
    body.extend(s);
    let mut out = vec![0x30, u8::try_from(body.len()).unwrap()];
    out.extend(body);
    out
}

#[test]
fn a_high_s_is_refused_though_it_verifies() {
    let key = SigningKey::generate().unwrap();
    let public = key.public_key().unwrap();
    for number in 0..64_u8 {
        let signature = key.sign(&[number]).unwrap();
        public.verify(&[number], &signature).unwrap();
        let high = negate(&signature);
        assert_eq!(public.verify(&[number], &high), Err(IdentityError::HighS));
        // The mathematics, and so a library without the rule, accepts it.
        public.key.verify_sig(&[number], &high).unwrap();
        assert_eq!(
            public.verify(b"other", &signature),
            Err(IdentityError::BadSignature)
        );
    }
}

#[test]
fn the_bound_itself_is_low() {
    assert!(!is_high(&P256_HALF, &P256_HALF));
    let mut above = P256_HALF;
    above[31] += 1;
    assert!(is_high(&above, &P256_HALF));
    assert!(!is_high(&[0xff; 31], &P256_HALF));
    assert_eq!(subtract(&P256_ORDER, &P256_HALF), above, "n is odd");
}

#[test]
fn signing_normalises_at_the_edges() {
    let number = |n: u8| {
        let mut bytes = [0; 32];
        bytes[31] = n;
        bytes
    };
    let signed = |r: [u8; 32], s: [u8; 32]| low_s_der(&[r, s].concat()).unwrap();
    assert_eq!(
        signed(number(1), number(0x7f)),
        [0x30, 6, 2, 1, 1, 2, 1, 0x7f]
    );
    assert_eq!(
        signed(number(0x80), number(0x80)),
        [0x30, 8, 2, 2, 0, 0x80, 2, 2, 0, 0x80]
    );
    let high = subtract(&P256_ORDER, &number(5));
    assert_eq!(signed(number(1), high), [0x30, 6, 2, 1, 1, 2, 1, 5]);
    assert_eq!(low_s_der(&[1; 63]), None);
}

#[test]
fn only_strict_der_is_read() {
    for good in [
        &[0x30, 6, 2, 1, 1, 2, 1, 1][..],
        &[0x30, 7, 2, 1, 1, 2, 2, 0, 0x80],
    ] {
        assert!(ecdsa_s(good, 32).is_ok());
    }
    for bad in [
        &[][..],
        &[0x30],
        &[0x30, 0],
        &[0x31, 6, 2, 1, 1, 2, 1, 1],
        &[0x30, 0x81, 6, 2, 1, 1, 2, 1, 1],
        &[0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0],
        &[0x30, 6, 2, 1, 1, 2, 1, 1, 0],
        &[0x30, 7, 2, 1, 1, 2, 1, 1, 0],
        &[0x30, 6, 2, 1, 0, 2, 1, 1],
        &[0x30, 6, 2, 1, 0x80, 2, 1, 1],
        &[0x30, 7, 2, 2, 0, 1, 2, 1, 1],
        &[0x30, 5, 2, 0, 2, 1, 1],
        &[0x30, 6, 2, 1, 1, 2, 2, 1],
        &[0x30, 6, 2, 1, 1, 3, 1, 1],
    ] {
        assert!(ecdsa_s(bad, 32).is_err(), "{bad:?}");
    }
}

#[test]
fn parts_are_concatenated() {
    let key = SigningKey::generate().unwrap();
    let public = key.public_key().unwrap();
    let signature = key.sign(b"abc").unwrap();
    public
        .verify_parts(&[b"a", b"", b"bc"], &signature)
        .unwrap();
    assert!(public.verify_parts(&[b"a", b"c"], &signature).is_err());
}

proptest! {
    #[test]
    fn hostile_signatures_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let key = SigningKey::generate().unwrap().public_key().unwrap();
        prop_assert!(key.verify(b"m", &bytes).is_err());
        let _ = ecdsa_s(&bytes, 48);
        let _ = low_s_der(&bytes);
    }

    #[test]
    fn a_changed_signature_never_verifies(at in 0..70_usize, bit in 0..8_u8) {
        let key = SigningKey::generate().unwrap();
        let mut signature = key.sign(b"m").unwrap();
        let at = at % signature.len();
        signature[at] ^= 1_u8 << bit;
        prop_assert!(key.public_key().unwrap().verify(b"m", &signature).is_err());
    }

    #[test]
    fn hostile_keys_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519] {
            let _ = PublicKey::from_bytes(algorithm, &bytes);
        }
    }
}
