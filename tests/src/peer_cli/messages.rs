//! The messages of the command line, signed.

use bytes::Bytes;
use cordon_types::TxId;
use cordon_wire::proposal::tx_id;
use cordon_wire::proto::common::{self, Envelope, HeaderType};
use cordon_wire::proto::orderer::{SeekInfo, SeekPosition, seek_position};
use cordon_wire::proto::protos::{self, ProposalResponse, SignedProposal};
use cordon_wire::{Message as _, encode};

use super::{PeerCli, Result};
use crate::craft::{nonce, now};

/// `ChaincodeSpec.Type` of `--lang golang`, which is the default.
const GOLANG: i32 = 1;

impl PeerCli {
    fn signature_header(&self, nonce: [u8; 24]) -> Bytes {
        encode(&common::SignatureHeader {
            creator: self.creator.clone(),
            nonce: Bytes::copy_from_slice(&nonce),
        })
    }

    /// A proposal with this header type, which is signed; its id.
    pub fn proposal(
        &self,
        header_type: HeaderType,
        channel: &str,
        contract: &str,
        args: &[&str],
        is_init: bool,
    ) -> (SignedProposal, TxId) {
        let args = args.iter().map(|arg| Bytes::from((*arg).to_owned()));
        self.proposal_of(header_type, channel, contract, args.collect(), is_init)
    }

    /// The same with arguments that are no text.
    pub(super) fn proposal_of(
        &self,
        header_type: HeaderType,
        channel: &str,
        contract: &str,
        args: Vec<Bytes>,
        is_init: bool,
    ) -> (SignedProposal, TxId) {
        let nonce = nonce();
        let id = tx_id(&nonce, &self.creator);
        let chaincode_id = Some(protos::ChaincodeId {
            name: contract.to_owned(),
            ..Default::default()
        });
        let channel_header = common::ChannelHeader {
            r#type: header_type as i32,
            timestamp: Some(timestamp()),
            channel_id: channel.to_owned(),
            tx_id: id.to_string(),
            extension: encode(&protos::ChaincodeHeaderExtension {
                chaincode_id: chaincode_id.clone(),
            }),
            ..Default::default()
        };
        let spec = protos::ChaincodeSpec {
            r#type: GOLANG,
            chaincode_id,
            input: Some(protos::ChaincodeInput {
                args,
                is_init,
                ..Default::default()
            }),
            ..Default::default()
        };
        let input = encode(&protos::ChaincodeInvocationSpec {
            chaincode_spec: Some(spec),
        });
        let proposal_bytes = encode(&protos::Proposal {
            header: encode(&common::Header {
                channel_header: encode(&channel_header),
                signature_header: self.signature_header(nonce),
            }),
            payload: encode(&protos::ChaincodeProposalPayload {
                input,
                ..Default::default()
            }),
            extension: Bytes::new(),
        });
        let signature = self.signer.sign(&proposal_bytes).unwrap();
        let signed = SignedProposal {
            proposal_bytes,
            signature,
        };
        (signed, id)
    }

    pub(super) fn seek(
        &self,
        channel: &str,
        from: seek_position::Type,
        to: seek_position::Type,
    ) -> Envelope {
        let position = |r#type| {
            Some(SeekPosition {
                r#type: Some(r#type),
            })
        };
        let header = common::Header {
            channel_header: encode(&common::ChannelHeader {
                r#type: HeaderType::DeliverSeekInfo as i32,
                timestamp: Some(timestamp()),
                channel_id: channel.to_owned(),
                ..Default::default()
            }),
            signature_header: self.signature_header(nonce()),
        };
        let payload = encode(&common::Payload {
            header: Some(header),
            data: encode(&SeekInfo {
                start: position(from),
                stop: position(to),
                ..Default::default()
            }),
        });
        let signature = self.signer.sign(&payload).unwrap();
        Envelope { payload, signature }
    }

    /// `protoutil.CreateSignedTx`: the transaction, if all endorsers answered the same.
    ///
    /// # Errors
    /// What the command prints.
    pub fn transaction(
        &self,
        signed: &SignedProposal,
        responses: &[ProposalResponse],
    ) -> Result<Envelope> {
        let proposal = protos::Proposal::decode(signed.proposal_bytes.clone()).unwrap();
        let header = common::Header::decode(proposal.header.clone()).unwrap();
        let mut endorsements = Vec::new();
        let first = responses
            .first()
            .ok_or("at least one proposal response is required")?;
        for response in responses {
            let status = response.response.clone().unwrap_or_default().status;
            if !(200..400).contains(&status) {
                return Err(format!(
                    "proposal response was not successful, error code {status}"
                ));
            }
            if response.payload != first.payload {
                return Err("ProposalResponsePayloads do not match".to_owned());
            }
            endorsements.extend(response.endorsement.clone());
        }
        // What was proposed has no transient data, so that it stands in the transaction as it is.
        let action = protos::ChaincodeActionPayload {
            chaincode_proposal_payload: proposal.payload,
            action: Some(protos::ChaincodeEndorsedAction {
                proposal_response_payload: first.payload.clone(),
                endorsements,
            }),
        };
        let transaction = protos::Transaction {
            actions: vec![protos::TransactionAction {
                header: header.signature_header.clone(),
                payload: encode(&action),
            }],
        };
        let payload = encode(&common::Payload {
            header: Some(header),
            data: encode(&transaction),
        });
        let signature = self.signer.sign(&payload).unwrap();
        Ok(Envelope { payload, signature })
    }
}

fn timestamp() -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: now(),
        nanos: 0,
    }
}
