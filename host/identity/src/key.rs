//! Private keys, and signing in an organisation's name.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use bytes::Bytes;
use cordon_types::MspId;

use crate::signature::low_s_der;
use crate::{Certificate, IdentityError, KeyAlgorithm, PublicKey, pem};

const PKCS8: &str = "PRIVATE KEY";
const SEC1: &str = "EC PRIVATE KEY";

/// A private key: P-256 or Ed25519. Never printed; text of it leaves only through
/// [`SigningKey::to_pkcs8_pem`].
pub struct SigningKey {
    key: Key,
    public: Vec<u8>,
}

enum Key {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new random P-256 key.
    ///
    /// # Errors
    /// [`IdentityError::Crypto`] when there is no randomness.
    pub fn generate() -> Result<Self, IdentityError> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map(Self::p256)
            .map_err(|_| IdentityError::Crypto {
                what: "generate a key",
            })
    }

    /// Reads the first `PRIVATE KEY` (PKCS#8) or `EC PRIVATE KEY` (SEC1) block.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`] when there is no such block,
    /// [`IdentityError::UnsupportedKey`] when it holds neither P-256 nor Ed25519. P-384 keys
    /// verify but do not sign here: the library has no fixed-size P-384 signature over SHA-256.
    pub fn from_pem(text: &str) -> Result<Self, IdentityError> {
        let block = pem::first_of(text.as_bytes(), &[PKCS8, SEC1], "private key")?;
        let ecdsa = if block.label == SEC1 {
            EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &block.der)
        } else {
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &block.der)
        };
        if let Ok(pair) = ecdsa {
            return Ok(Self::p256(pair));
        }
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&block.der)
            .map(|pair| Self {
                public: pair.public_key().as_ref().to_vec(),
                key: Key::Ed25519(pair),
            })
            .map_err(|_| IdentityError::UnsupportedKey {
                what: "private key",
            })
    }

    fn p256(pair: EcdsaKeyPair) -> Self {
        Self {
            public: pair.public_key().as_ref().to_vec(),
            key: Key::P256(pair),
        }
    }

    /// The key as PKCS#8 PEM, to be written to a file of mode 0600 and nowhere else.
    ///
    /// # Errors
    /// [`IdentityError::Crypto`] when the library cannot encode it.
    pub fn to_pkcs8_pem(&self) -> Result<String, IdentityError> {
        let document = match &self.key {
            Key::P256(pair) => pair.to_pkcs8v1(),
            Key::Ed25519(pair) => pair.to_pkcs8v1(),
        };
        let document = document.map_err(|_| IdentityError::Crypto {
            what: "encode a key",
        })?;
        pem::encode(PKCS8, document.as_ref())
    }

    /// The kind of the key.
    pub fn algorithm(&self) -> KeyAlgorithm {
        match self.key {
            Key::P256(_) => KeyAlgorithm::P256,
            Key::Ed25519(_) => KeyAlgorithm::Ed25519,
        }
    }

    /// The public half, ready to verify with.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`], which would be a fault of the library.
    pub fn public_key(&self) -> Result<PublicKey, IdentityError> {
        PublicKey::from_bytes(self.algorithm(), &self.public)
    }

    pub(crate) fn public_bytes(&self) -> &[u8] {
        &self.public
    }

    /// Signs `message`: low-S DER over SHA-256 for P-256, 64 bytes over the message for Ed25519.
    ///
    /// Cost: about 12 µs for P-256 (MEASURED.md).
    ///
    /// # Errors
    /// [`IdentityError::Crypto`] when the library fails, e.g. for want of randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, IdentityError> {
        let error = || IdentityError::Crypto { what: "sign" };
        match &self.key {
            Key::P256(pair) => {
                let fixed = pair
                    .sign(&SystemRandom::new(), message)
                    .map_err(|_| error())?;
                low_s_der(fixed.as_ref()).ok_or_else(error)
            }
            Key::Ed25519(pair) => pair
                .try_sign(message)
                .map(|s| s.as_ref().to_vec())
                .map_err(|_| error()),
        }
    }
}

/// An identity that this process can sign as.
pub struct Signer {
    msp_id: MspId,
    certificate: Certificate,
    serialized: Bytes,
    key: SigningKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("msp_id", &self.msp_id)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// Joins a certificate, as PEM text, with its private key.
    ///
    /// Only the first block of the text goes into [`Signer::serialized`], re-encoded, so that one
    /// certificate has one creator however its file is written. Trust is not checked here.
    ///
    /// # Errors
    /// The certificate's, and [`IdentityError::KeyMismatch`] when `key` is another's.
    pub fn new(
        msp_id: MspId,
        certificate_pem: &str,
        key: SigningKey,
    ) -> Result<Self, IdentityError> {
        let certificate = Certificate::from_pem(certificate_pem.as_bytes())?;
        let public = certificate.public_key();
        if public.algorithm() != key.algorithm() || public.as_bytes() != key.public_bytes() {
            return Err(IdentityError::KeyMismatch);
        }
        let pem = certificate.to_pem()?;
        let serialized = cordon_wire::proposal::serialized_identity(msp_id.as_str(), &pem);
        Ok(Self {
            msp_id,
            certificate,
            serialized,
            key,
        })
    }

    /// The organisation.
    pub fn msp_id(&self) -> &MspId {
        &self.msp_id
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The creator bytes: `SerializedIdentity{msp id, PEM}`. Cheap to clone.
    pub fn serialized(&self) -> Bytes {
        self.serialized.clone()
    }

    /// Signs `message`; see [`SigningKey::sign`].
    ///
    /// # Errors
    /// [`IdentityError::Crypto`] when the library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Bytes, IdentityError> {
        self.key.sign(message).map(Bytes::from)
    }
}
