//! Transactions: an endorsed proposal in the envelope that is ordered (section 5).

use bytes::Bytes;
use cordon_types::{ChannelId, ContractId, Event, ReadWriteSet, TxId, ValidationCode};

use crate::proposal::{ENDORSER_TRANSACTION, Header, Invocation, Proposal, proposal_hash};
use crate::proto::{common, protos};
use crate::rw_set::decode_rw_set;
use crate::{WireError, decode, encode};

/// What endorsers sign: the proposal's hash and the outcome of its execution. Equal outcomes give
/// equal bytes.
pub fn response_payload(
    proposal_hash: [u8; 32],
    results: Bytes,
    events: Bytes,
    response: protos::Response,
    contract: &ContractId,
    version: &str,
) -> Bytes {
    let action = protos::ChaincodeAction {
        results,
        events,
        response: Some(response),
        chaincode_id: Some(protos::ChaincodeId {
            path: String::new(),
            name: contract.to_string(),
            version: version.to_owned(),
        }),
    };
    encode(&protos::ProposalResponsePayload {
        proposal_hash: Bytes::copy_from_slice(&proposal_hash),
        extension: encode(&action),
    })
}

/// The events of one transaction as endorsers sign them; empty when there are none. The last one is
/// the event that Fabric's clients see when they read blocks themselves.
pub fn encode_events(contract: &ContractId, tx_id: &TxId, events: &[Event]) -> Bytes {
    let to_proto = |event: &Event| protos::ChaincodeEvent {
        chaincode_id: contract.to_string(),
        tx_id: tx_id.to_string(),
        event_name: event.name.clone(),
        payload: event.payload.clone(),
        earlier: Vec::new(),
    };
    let Some((last, earlier)) = events.split_last() else {
        return Bytes::new();
    };
    let mut message = to_proto(last);
    message.earlier = earlier.iter().map(to_proto).collect();
    encode(&message)
}

/// The unsigned envelope payload for a proposal and its endorsements.
pub fn envelope_payload(
    proposal: &Proposal,
    response_payload: Bytes,
    endorsements: Vec<protos::Endorsement>,
) -> Bytes {
    let action = protos::ChaincodeActionPayload {
        chaincode_proposal_payload: proposal.public_payload.clone(),
        action: Some(protos::ChaincodeEndorsedAction {
            proposal_response_payload: response_payload,
            endorsements,
        }),
    };
    let transaction = protos::Transaction {
        actions: vec![protos::TransactionAction {
            header: proposal.header.signature_header_bytes.clone(),
            payload: encode(&action),
        }],
    };
    encode(&common::Payload {
        header: Some(proposal.header.to_proto()),
        data: encode(&transaction),
    })
}

/// Why an envelope is no transaction: the verdict it gets, and the part at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {cause}")]
pub struct TransactionError {
    /// The verdict.
    pub code: ValidationCode,
    /// The part.
    pub cause: WireError,
}

fn bad(code: ValidationCode) -> impl FnOnce(WireError) -> TransactionError {
    move |cause| TransactionError { code, cause }
}

/// The header of an envelope, and what is in it, not looked at yet.
pub struct Envelope {
    /// The bytes that the creator's signature covers.
    pub payload: Bytes,
    /// That signature.
    pub signature: Bytes,
    /// The header.
    pub header: Header,
    /// The content, whose kind the header's type tells.
    pub data: Bytes,
}

/// The type that an encoded envelope's header states; `None` when it cannot be read. Nothing else of
/// the envelope is looked at.
pub fn header_type(envelope: &Bytes) -> Option<i32> {
    let envelope: common::Envelope = decode(envelope, "envelope").ok()?;
    let payload: common::Payload = decode(&envelope.payload, "payload").ok()?;
    let header: common::ChannelHeader =
        decode(&payload.header?.channel_header, "channel header").ok()?;
    Some(header.r#type)
}

impl Envelope {
    /// Decodes an encoded envelope as far as its header.
    ///
    /// # Errors
    /// [`TransactionError`] with the verdict that such an envelope gets in a block.
    pub fn parse(bytes: &Bytes) -> Result<Self, TransactionError> {
        if bytes.is_empty() {
            return Err(bad(ValidationCode::NilEnvelope)(WireError::missing(
                "envelope",
            )));
        }
        let envelope: common::Envelope =
            decode(bytes, "envelope").map_err(bad(ValidationCode::InvalidOtherReason))?;
        Self::from_proto(envelope)
    }

    /// The same for an envelope that is decoded already.
    ///
    /// # Errors
    /// As [`Envelope::parse`].
    pub fn from_proto(envelope: common::Envelope) -> Result<Self, TransactionError> {
        if envelope.payload.is_empty() {
            return Err(bad(ValidationCode::BadPayload)(WireError::missing(
                "payload",
            )));
        }
        let payload: common::Payload =
            decode(&envelope.payload, "payload").map_err(bad(ValidationCode::BadPayload))?;
        let header = payload
            .header
            .ok_or(WireError::missing("header"))
            .map_err(bad(ValidationCode::BadCommonHeader))?;
        if header.channel_header.is_empty() {
            let cause = WireError::missing("channel header");
            return Err(bad(ValidationCode::BadChannelHeader)(cause));
        }
        let header = Header::parse(header).map_err(|cause| {
            let code = match cause {
                WireError::Undecodable {
                    what: "channel header",
                } => ValidationCode::BadChannelHeader,
                _ => ValidationCode::BadCommonHeader,
            };
            TransactionError { code, cause }
        })?;
        Ok(Self {
            payload: envelope.payload,
            signature: envelope.signature,
            header,
            data: payload.data,
        })
    }
}

/// An endorsed transaction, taken apart; nothing about it is verified yet but that its parts fit
/// each other (id, proposal hash, one action, names).
pub struct Transaction {
    /// The bytes that the creator's signature covers.
    pub payload: Bytes,
    /// That signature.
    pub signature: Bytes,
    /// The header.
    pub header: Header,
    /// Channel named in the header.
    pub channel: ChannelId,
    /// The id; it is the hash of nonce and creator.
    pub tx_id: TxId,
    /// The contract called.
    pub contract: ContractId,
    /// Version of the contract that the endorsers ran.
    pub contract_version: String,
    /// Function name and arguments.
    pub args: Vec<Bytes>,
    /// What endorsers signed.
    pub response_payload: Bytes,
    /// Their identities and signatures.
    pub endorsements: Vec<protos::Endorsement>,
    /// Reads and writes. Values share the bytes that were parsed.
    pub rw_set: ReadWriteSet,
    /// The contract's events, in the order they were emitted; each without `earlier`.
    pub events: Vec<protos::ChaincodeEvent>,
    /// The contract's answer.
    pub response: protos::Response,
}

impl Transaction {
    /// Whether a transaction of the right shape with this verdict takes its id, so that no later one
    /// can have it.
    ///
    /// Only a transaction whose creator's signature holds does, whatever else is wrong with it. (In
    /// Fabric every envelope in a block does, so whoever sees a transaction on its way can have its
    /// id used up by a copy without a valid signature.) The other channel's and the one without a
    /// time are found wrong before their signature is looked at.
    pub fn takes_id(code: ValidationCode) -> bool {
        !matches!(
            code,
            ValidationCode::BadCreatorSignature
                | ValidationCode::DuplicateTxid
                | ValidationCode::TargetChainNotFound
                | ValidationCode::BadChannelHeader
        )
    }

    /// Takes an endorsed transaction apart.
    ///
    /// # Errors
    /// [`TransactionError`] with the verdict that it gets in a block. The order of checks is fixed:
    /// every host gives the same verdict.
    pub fn parse(envelope: Envelope) -> Result<Self, TransactionError> {
        use ValidationCode as Code;
        let Envelope {
            payload,
            signature,
            header,
            data,
        } = envelope;
        let channel_header = &header.channel_header;
        if channel_header.r#type != ENDORSER_TRANSACTION {
            return Err(bad(Code::UnknownTxType)(WireError::invalid(
                "header type",
                "3",
            )));
        }
        if channel_header.epoch != 0 {
            return Err(bad(Code::BadCommonHeader)(WireError::invalid("epoch", "0")));
        }
        if header.creator.is_empty() {
            return Err(bad(Code::BadCommonHeader)(WireError::missing("creator")));
        }
        if header.nonce.is_empty() {
            return Err(bad(Code::BadCommonHeader)(WireError::missing("nonce")));
        }
        let channel = channel_header.channel_id.parse().map_err(|_| {
            bad(Code::TargetChainNotFound)(WireError::invalid("channel id", "a channel id"))
        })?;
        let tx_id = crate::proposal::tx_id(&header.nonce, &header.creator);
        if channel_header.tx_id != tx_id.to_string() {
            let cause = WireError::invalid("transaction id", "hash of nonce and creator");
            return Err(bad(Code::BadProposalTxid)(cause));
        }
        let extension: protos::ChaincodeHeaderExtension =
            decode(&channel_header.extension, "chaincode header extension")
                .map_err(bad(Code::BadHeaderExtension))?;
        let named = extension
            .chaincode_id
            .ok_or(WireError::missing("chaincode id in the header extension"))
            .map_err(bad(Code::BadHeaderExtension))?
            .name;

        let action = single_action(&data, &header)?;
        let invocation = invocation(&action.chaincode_proposal_payload)?;
        let action_hash = proposal_hash(&header, &action.chaincode_proposal_payload);
        let endorsed = action
            .action
            .ok_or(WireError::missing("endorsed action"))
            .map_err(bad(Code::NilTxaction))?;
        let response_payload: protos::ProposalResponsePayload = decode(
            &endorsed.proposal_response_payload,
            "proposal response payload",
        )
        .map_err(bad(Code::BadResponsePayload))?;
        if response_payload.proposal_hash != action_hash.as_slice() {
            let cause = WireError::invalid("proposal hash", "hash of this very proposal");
            return Err(bad(Code::InvalidEndorserTransaction)(cause));
        }
        let action: protos::ChaincodeAction =
            decode(&response_payload.extension, "chaincode action")
                .map_err(bad(Code::BadResponsePayload))?;
        let ran = action
            .chaincode_id
            .ok_or(WireError::missing("chaincode id in the action"))
            .map_err(bad(Code::BadResponsePayload))?;
        if ran.name != named || invocation.contract != named {
            let cause = WireError::invalid("chaincode id", "the same in header, input and action");
            return Err(bad(Code::InvalidChaincode)(cause));
        }
        let contract = ContractId::of_namespace(&named).map_err(|_| {
            bad(Code::InvalidChaincode)(WireError::invalid("chaincode name", "a contract id"))
        })?;
        let rw_set = decode_rw_set(&action.results).map_err(|cause| {
            let code = match cause {
                // A set that decodes, but whose writes no host can apply.
                WireError::Invalid {
                    what: "write key" | "write",
                    ..
                } => Code::InvalidWriteset,
                _ => Code::BadRwset,
            };
            TransactionError { code, cause }
        })?;
        let events = parse_events(&action.events, &contract, &tx_id)?;
        Ok(Self {
            channel,
            tx_id,
            contract,
            contract_version: ran.version,
            args: invocation.args,
            response_payload: endorsed.proposal_response_payload,
            endorsements: endorsed.endorsements,
            rw_set,
            events,
            response: action.response.unwrap_or_default(),
            payload,
            signature,
            header,
        })
    }
}

fn single_action(
    data: &Bytes,
    header: &Header,
) -> Result<protos::ChaincodeActionPayload, TransactionError> {
    use ValidationCode as Code;
    let transaction: protos::Transaction =
        decode(data, "transaction").map_err(bad(Code::BadPayload))?;
    let mut actions = transaction.actions.into_iter();
    let (Some(action), None) = (actions.next(), actions.next()) else {
        return Err(bad(Code::NilTxaction)(WireError::invalid(
            "transaction",
            "exactly one action",
        )));
    };
    if action.header != header.signature_header_bytes {
        let cause = WireError::invalid("action header", "the envelope's signature header");
        return Err(bad(Code::InvalidEndorserTransaction)(cause));
    }
    decode(&action.payload, "chaincode action payload").map_err(bad(Code::BadPayload))
}

fn invocation(public_payload: &Bytes) -> Result<Invocation, TransactionError> {
    let payload: protos::ChaincodeProposalPayload =
        decode(public_payload, "chaincode proposal payload")
            .map_err(bad(ValidationCode::BadPayload))?;
    if !payload.transient_map.is_empty() {
        let cause = WireError::invalid("chaincode proposal payload", "no transient data");
        return Err(bad(ValidationCode::InvalidEndorserTransaction)(cause));
    }
    Invocation::parse(&payload.input).map_err(bad(ValidationCode::InvalidEndorserTransaction))
}

fn parse_events(
    bytes: &Bytes,
    contract: &ContractId,
    tx_id: &TxId,
) -> Result<Vec<protos::ChaincodeEvent>, TransactionError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut last: protos::ChaincodeEvent =
        decode(bytes, "chaincode event").map_err(bad(ValidationCode::BadResponsePayload))?;
    let mut events = std::mem::take(&mut last.earlier);
    events.push(last);
    let tx_id = tx_id.to_string();
    let of_this_call = |event: &protos::ChaincodeEvent| {
        event.chaincode_id == contract.as_str() && event.tx_id == tx_id && event.earlier.is_empty()
    };
    if !events.iter().all(of_this_call) {
        let cause = WireError::invalid("chaincode event", "of this contract and transaction");
        return Err(bad(ValidationCode::InvalidOtherReason)(cause));
    }
    Ok(events)
}
