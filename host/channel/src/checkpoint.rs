//! Where a copy of a channel's blocks ends, as the host that made it has signed it.
//!
//! A text of one JSON object, `checkpoint.json` in a snapshot. The signature covers every field, each
//! in its one encoding; so a checkpoint that reads back as it was written is the one that was signed.

use std::sync::Arc;

use bytes::Bytes;
use cordon_identity::{Identity, IdentityError, Membership, Role, Signer};
use cordon_types::ChannelId;
use serde::{Deserialize, Serialize};

/// Longest text that is read: a certificate chain fits many times.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// The form; another one is not read.
const FORMAT: u32 = 1;

/// What a host says of its copy of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The channel.
    pub channel: ChannelId,
    /// Number of blocks, at least 1.
    pub height: u64,
    /// Header hash of the last one.
    pub block_hash: [u8; 32],
    /// State digest after the last one: equal on all hosts that agree.
    pub state_digest: [u8; 32],
    /// Where in the ordering log the last one ends: whoever goes on from it reads on from there.
    pub log_position: Bytes,
    /// When it was signed, seconds since the Unix epoch, by that host's clock.
    pub time: i64,
    /// Serialized identity of the host.
    pub creator: Bytes,
    /// Its signature over everything above.
    pub signature: Bytes,
}

/// Why a checkpoint is none, or is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The text.
    #[error("the checkpoint cannot be read: {0}")]
    Unreadable(String),
    /// Whoever signed it, or the signature.
    #[error("the checkpoint is not signed by a host of a member: {0}")]
    Signature(#[from] IdentityError),
    /// A member signed it who is no host.
    #[error("the checkpoint is signed by {subject} of {msp_id}, which is no host")]
    NotHost {
        /// The organisation.
        msp_id: String,
        /// The certificate's subject.
        subject: String,
    },
}

/// The JSON. Fields in the order in which they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    format: u32,
    channel: String,
    height: u64,
    block_hash: String,
    state_digest: String,
    log_position: String,
    time: i64,
    creator: String,
    signature: String,
}

// === impl Checkpoint ===

impl Checkpoint {
    /// Signs that `channel` has these blocks.
    ///
    /// # Errors
    /// [`IdentityError`] when the key cannot sign.
    pub fn sign(
        signer: &Signer,
        channel: ChannelId,
        height: u64,
        block_hash: [u8; 32],
        state_digest: [u8; 32],
        log_position: Bytes,
        time: i64,
    ) -> Result<Self, IdentityError> {
        let mut checkpoint = Self {
            channel,
            height,
            block_hash,
            state_digest,
            log_position,
            time,
            creator: signer.serialized(),
            signature: Bytes::new(),
        };
        checkpoint.signature = signer.sign(&checkpoint.signed_bytes())?;
        Ok(checkpoint)
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = b"cordon checkpoint 1".to_vec();
        for part in [
            self.channel.as_str().as_bytes(),
            &self.creator,
            &self.log_position,
        ] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&self.height.to_be_bytes());
        bytes.extend_from_slice(&self.block_hash);
        bytes.extend_from_slice(&self.state_digest);
        bytes.extend_from_slice(&self.time.to_be_bytes());
        bytes
    }

    /// The text, with a newline at its end.
    pub fn to_text(&self) -> String {
        let document = Document {
            format: FORMAT,
            channel: self.channel.to_string(),
            height: self.height,
            block_hash: hex::encode(self.block_hash),
            state_digest: hex::encode(self.state_digest),
            log_position: hex::encode(&self.log_position),
            time: self.time,
            creator: hex::encode(&self.creator),
            signature: hex::encode(&self.signature),
        };
        // Texts and integers always serialize.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }

    /// Reads [`Checkpoint::to_text`] and nothing else: there is one text for each checkpoint. Who
    /// signed it is not looked at.
    ///
    /// # Errors
    /// [`CheckpointError::Unreadable`].
    pub fn parse(text: &[u8]) -> Result<Self, CheckpointError> {
        let unreadable = |reason: String| CheckpointError::Unreadable(reason);
        if text.len() > TEXT_BYTES_MAX {
            let text = format!("it has more than {TEXT_BYTES_MAX} bytes");
            return Err(unreadable(text));
        }
        let document: Document =
            serde_json::from_slice(text).map_err(|error| unreadable(error.to_string()))?;
        if document.format != FORMAT {
            let format = document.format;
            let text = format!("it has format {format}, this program reads format {FORMAT}");
            return Err(unreadable(text));
        }
        if document.height == 0 {
            return Err(unreadable("its height is 0".to_owned()));
        }
        let bytes = |name: &str, text: &str| {
            hex::decode(text).map_err(|_| unreadable(format!("its {name} is not hex")))
        };
        let hash = |name: &str, text: &str| -> Result<[u8; 32], CheckpointError> {
            let bytes = bytes(name, text)?;
            let length = || unreadable(format!("its {name} has not 32 bytes"));
            bytes.try_into().map_err(|_| length())
        };
        let checkpoint = Self {
            channel: document
                .channel
                .parse()
                .map_err(|error| unreadable(format!("{error}")))?,
            height: document.height,
            block_hash: hash("blockHash", &document.block_hash)?,
            state_digest: hash("stateDigest", &document.state_digest)?,
            log_position: bytes("logPosition", &document.log_position)?.into(),
            time: document.time,
            creator: bytes("creator", &document.creator)?.into(),
            signature: bytes("signature", &document.signature)?.into(),
        };
        if checkpoint.to_text().as_bytes() != text {
            return Err(unreadable("it is not in its one encoding".to_owned()));
        }
        Ok(checkpoint)
    }

    /// The host that signed it, one of `members`; its certificate is judged at the checkpoint's time.
    ///
    /// # Errors
    /// [`CheckpointError::Signature`], [`CheckpointError::NotHost`].
    pub fn verify(&self, members: &Membership) -> Result<Arc<Identity>, CheckpointError> {
        let signed = self.signed_bytes();
        let identity = members.verify(&self.creator, &[&signed], &self.signature)?;
        identity.check_validity(self.time)?;
        if [Role::Peer, Role::Orderer]
            .iter()
            .any(|role| identity.has_role(*role))
        {
            return Ok(identity);
        }
        Err(CheckpointError::NotHost {
            msp_id: identity.msp_id().to_string(),
            subject: identity.certificate().subject().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_checkpoint() -> impl Strategy<Value = Checkpoint> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
        (
            "[a-z][a-z0-9.-]{0,8}",
            1..u64::MAX,
            any::<[u8; 32]>(),
            any::<[u8; 32]>(),
            bytes(),
            any::<i64>(),
            bytes(),
            bytes(),
        )
            .prop_filter_map("a channel", |parts| {
                let (
                    channel,
                    height,
                    block_hash,
                    state_digest,
                    log_position,
                    time,
                    creator,
                    signature,
                ) = parts;
                Some(Checkpoint {
                    channel: channel.parse().ok()?,
                    height,
                    block_hash,
                    state_digest,
                    log_position,
                    time,
                    creator,
                    signature,
                })
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn a_checkpoint_reads_back(checkpoint in any_checkpoint()) {
            let text = checkpoint.to_text();
            prop_assert_eq!(Checkpoint::parse(text.as_bytes()).unwrap(), checkpoint);
        }

        #[test]
        fn a_changed_text_is_refused_or_says_something_else(
            checkpoint in any_checkpoint(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut text = checkpoint.to_text().into_bytes();
            let at = at.index(text.len());
            prop_assume!(text[at] != byte);
            text[at] = byte;
            if let Ok(read) = Checkpoint::parse(&text) {
                prop_assert_ne!(&read, &checkpoint);
                let signed = |checkpoint: &Checkpoint| {
                    (checkpoint.signed_bytes(), checkpoint.signature.clone())
                };
                prop_assert_ne!(signed(&read), signed(&checkpoint));
            }
        }

        #[test]
        fn different_checkpoints_sign_different_bytes(a in any_checkpoint(), b in any_checkpoint()) {
            let unsigned = |checkpoint: &Checkpoint| Checkpoint {
                signature: Bytes::new(),
                ..checkpoint.clone()
            };
            prop_assert_eq!(a.signed_bytes() == b.signed_bytes(), unsigned(&a) == unsigned(&b));
        }

        #[test]
        fn no_bytes_break_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Checkpoint::parse(&bytes).is_err());
        }
    }
}
