//! Verifying signatures as Fabric does.
//!
//! ECDSA over SHA-256 for both P-256 and P-384, strict DER, s at most half the group order; Ed25519
//! signs the message itself (WIRE.md §6). Low-S matters because otherwise anyone can turn a valid
//! signature into a second one, and so one transaction into two envelopes.

use aws_lc_rs::digest::{Context, Digest, SHA256};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ED25519, ParsedPublicKey,
};

use crate::IdentityError;

/// The order of P-256's group.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// Half of it, rounded down: the greatest s.
const P256_HALF: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];
/// The same for P-384.
const P384_HALF: [u8; 48] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xe3, 0xb1, 0xa6, 0xc0, 0xfa, 0x1b, 0x96, 0xef,
    0xac, 0x0d, 0x06, 0xd9, 0x24, 0x58, 0x53, 0xbd, 0x76, 0x76, 0x0c, 0xb5, 0x66, 0x62, 0x94, 0xb9,
];

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256, over SHA-256: what nearly every identity uses.
    P256,
    /// ECDSA on P-384, still over SHA-256.
    P384,
    /// Ed25519, over the message itself.
    Ed25519,
}

/// A public key, parsed once: parsing costs about half as much as a verification.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    key: ParsedPublicKey,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicKey")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Two keys are equal when algorithm and encoded point are.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PublicKey {}

impl PublicKey {
    /// A key from its point: uncompressed SEC1 for ECDSA, 32 bytes for Ed25519.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`] when `bytes` are no point of the curve.
    pub fn from_bytes(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Self, IdentityError> {
        let error = || IdentityError::malformed("public key", "it is no point of its curve");
        // The library would also take a whole SubjectPublicKeyInfo here; one spelling is enough.
        let key = match (algorithm, bytes.len()) {
            (KeyAlgorithm::P256, 65) => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bytes),
            (KeyAlgorithm::P384, 97) => ParsedPublicKey::new(&ECDSA_P384_SHA256_ASN1, bytes),
            (KeyAlgorithm::Ed25519, 32) => ParsedPublicKey::new(&ED25519, bytes),
            _ => return Err(error()),
        };
        Ok(Self {
            algorithm,
            key: key.map_err(|_| error())?,
        })
    }

    /// The kind of the key.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The point, in the encoding of [`PublicKey::from_bytes`].
    pub fn as_bytes(&self) -> &[u8] {
        self.key.as_ref()
    }

    /// Checks that `signature` is this key's over `message`.
    ///
    /// Cost: about 35 µs for P-256 (MEASURED.md).
    ///
    /// # Errors
    /// [`IdentityError::Malformed`] when an ECDSA signature is not strict DER,
    /// [`IdentityError::HighS`] when its s is above half the order,
    /// [`IdentityError::BadSignature`] when it does not fit.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), IdentityError> {
        self.verify_parts(&[message], signature)
    }

    /// As [`PublicKey::verify`], over the concatenation of `parts`.
    ///
    /// # Errors
    /// As [`PublicKey::verify`].
    pub fn verify_parts(&self, parts: &[&[u8]], signature: &[u8]) -> Result<(), IdentityError> {
        self.verify_with_digest(parts, &digest(parts), signature)
    }

    /// `digest` must be that of `parts`; it spares ECDSA a second pass over the message.
    pub(crate) fn verify_with_digest(
        &self,
        parts: &[&[u8]],
        digest: &Digest,
        signature: &[u8],
    ) -> Result<(), IdentityError> {
        let half: &[u8] = match self.algorithm {
            KeyAlgorithm::P256 => &P256_HALF,
            KeyAlgorithm::P384 => &P384_HALF,
            KeyAlgorithm::Ed25519 => {
                return match parts {
                    [message] => self.key.verify_sig(message, signature),
                    parts => self.key.verify_sig(&parts.concat(), signature),
                }
                .map_err(|_| IdentityError::BadSignature);
            }
        };
        if is_high(ecdsa_s(signature, half.len())?, half) {
            return Err(IdentityError::HighS);
        }
        self.key
            .verify_digest_sig(digest, signature)
            .map_err(|_| IdentityError::BadSignature)
    }
}

/// SHA-256 of the concatenation of `parts`.
pub(crate) fn digest(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish()
}

/// Takes `SEQUENCE { INTEGER r, INTEGER s }` apart, refusing every spelling but DER's, and gives s.
///
/// Both numbers are 1..2^(8·`size`); whether they are below the order is left to the library.
fn ecdsa_s(signature: &[u8], size: usize) -> Result<&[u8], IdentityError> {
    let error = || IdentityError::malformed("signature", "it is not DER of two positive integers");
    // Two integers of at most 1 + 48 bytes never need a long length.
    let [0x30, length, rest @ ..] = signature else {
        return Err(error());
    };
    if *length >= 0x80 || usize::from(*length) != rest.len() {
        return Err(error());
    }
    let (_, rest) = positive_integer(rest, size).ok_or_else(error)?;
    let (s, rest) = positive_integer(rest, size).ok_or_else(error)?;
    if rest.is_empty() { Ok(s) } else { Err(error()) }
}

/// A positive DER integer without its sign byte, and what follows it.
fn positive_integer(input: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let [0x02, length, rest @ ..] = input else {
        return None;
    };
    let (value, rest) = rest.split_at_checked(usize::from(*length))?;
    let magnitude = match value {
        [0, rest @ ..] if rest.first().is_some_and(|b| *b >= 0x80) => rest,
        [first, ..] if (1..0x80).contains(first) => value,
        _ => return None,
    };
    (magnitude.len() <= size).then_some((magnitude, rest))
}

/// Whether `s` (no leading zeros) is greater than `half`.
fn is_high(s: &[u8], half: &[u8]) -> bool {
    // `half` begins with a non-zero byte, so a shorter number is smaller.
    s.len() > half.len() || (s.len() == half.len() && s > half)
}

/// `r || s` of P-256, 64 bytes, as DER with s made low. `None` when it is not 64 bytes.
pub(crate) fn low_s_der(fixed: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = fixed.split_at_checked(32)?;
    let mut s: [u8; 32] = s.try_into().ok()?;
    if is_high(&s, &P256_HALF) {
        s = subtract(&P256_ORDER, &s);
    }
    let mut body = Vec::with_capacity(72);
    for number in [r, &s] {
        let zeros = number.iter().take_while(|b| **b == 0).count();
        let magnitude = number.get(zeros..)?;
        let sign = usize::from(*magnitude.first()? >= 0x80);
        body.extend([0x02, u8::try_from(magnitude.len() + sign).ok()?]);
        body.extend(std::iter::repeat_n(0, sign));
        body.extend(magnitude);
    }
    let mut der = vec![0x30, u8::try_from(body.len()).ok()?];
    der.extend(body);
    Some(der)
}

/// `a - b` of big-endian numbers with `a >= b`.
fn subtract(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let mut difference = [0; 32];
    let mut borrow = false;
    for ((out, a), b) in difference.iter_mut().zip(a).zip(b).rev() {
        let (value, under) = a.overflowing_sub(*b);
        let (value, under_again) = value.overflowing_sub(u8::from(borrow));
        *out = value;
        borrow = under || under_again;
    }
    difference
}

#[cfg(test)]
mod tests;
