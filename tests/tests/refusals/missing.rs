//! Messages without one of their parts, one part at a time, for every call.

use bytes::Bytes;
use cordon_identity::Signer;
use cordon_tests::craft::{
    edit, in_action, in_channel_header, in_endorsed, in_envelope_channel_header, in_invocation,
    in_outcome, in_payload, in_proposal, in_transaction, sign_envelope,
};
use cordon_tests::{
    Answer, CHANNEL, HOSPITAL, Network, Raw, Table, answer_of, create_emr, emr_of, within,
};
use cordon_wire::encode;
use cordon_wire::proto::common::{self, Envelope};
use cordon_wire::proto::gateway::{
    ChaincodeEventsRequest, CommitStatusRequest, EndorseRequest, EvaluateRequest,
    SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest,
};
use cordon_wire::proto::protos::{self, SignedProposal};
use tonic::Code;

use crate::{CREATE, SUBMIT, changed, endorsed, plain, refused};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_part_that_is_missing() {
    let network = Network::start().await;
    let raw = network.raw(HOSPITAL);
    let hc1 = network.signer("hospital/hc1");
    let before = network.settled().await;
    let mut table = Table::new();
    missing_in_proposals(&mut table, &raw, &hc1).await;
    missing_in_transactions(&mut table, &raw, &hc1).await;
    missing_in_queries(&mut table, &raw, &hc1).await;
    table.equal("nothing has changed", network.settled().await, before);
    // And the hosts are well: an honest transaction goes through.
    let client = network.client("hospital/hc1");
    table.holds("an honest one", create_emr(&client, "pa1").await.is_ok());
}

async fn missing_in_proposals(table: &mut Table, raw: &Raw, hc1: &Signer) {
    let call = [CREATE, &emr_of("pa1")];
    let make = |change: &dyn Fn(&mut SignedProposal)| changed(hc1, &call, |p| change(p));
    let garbage = Bytes::from_static(b"\xff\xff\xff");
    let header = |change: &'static dyn Fn(&mut common::Header)| {
        make(&move |p| in_proposal(p, |p| edit(&mut p.header, |h| change(h))))
    };
    let payload = |change: &'static dyn Fn(&mut protos::ChaincodeProposalPayload)| {
        make(&move |p| in_proposal(p, |p| edit(&mut p.payload, |h| change(h))))
    };
    let spec = |change: &'static dyn Fn(&mut protos::ChaincodeSpec)| {
        make(&move |p| in_invocation(p, |i| change(i.chaincode_spec.as_mut().unwrap())))
    };
    let cases: Vec<(&str, SignedProposal, &str)> = vec![
        (
            "everything",
            SignedProposal::default(),
            "proposal is missing",
        ),
        (
            "proposal that is none",
            make(&|p| p.proposal_bytes = garbage.clone()),
            "proposal cannot be decoded",
        ),
        (
            "header",
            make(&|p| in_proposal(p, |p| p.header = Bytes::new())),
            "proposal header is missing",
        ),
        (
            "header that is none",
            make(&|p| in_proposal(p, |p| p.header = garbage.clone())),
            "proposal header cannot be decoded",
        ),
        (
            "payload",
            make(&|p| in_proposal(p, |p| p.payload = Bytes::new())),
            "proposal payload is missing",
        ),
        (
            "payload that is none",
            make(&|p| in_proposal(p, |p| p.payload = garbage.clone())),
            "chaincode proposal payload cannot be decoded",
        ),
        (
            "channel header",
            header(&|h| h.channel_header = Bytes::new()),
            "channel header is missing",
        ),
        (
            "channel header that is none",
            header(&|h| h.channel_header = Bytes::from_static(b"\xff")),
            "channel header cannot be decoded",
        ),
        (
            "signature header",
            header(&|h| h.signature_header = Bytes::new()),
            "signature header is missing",
        ),
        (
            "signature header that is none",
            header(&|h| h.signature_header = Bytes::from_static(b"\xff")),
            "signature header cannot be decoded",
        ),
        (
            "extension",
            make(&|p| in_channel_header(p, |h| h.extension = Bytes::new())),
            "chaincode id in the header extension is missing",
        ),
        (
            "extension that is none",
            make(&|p| in_channel_header(p, |h| h.extension = garbage.clone())),
            "chaincode header extension cannot be decoded",
        ),
        (
            "channel id that cannot be one",
            make(&|p| in_channel_header(p, |h| "../etc".clone_into(&mut h.channel_id))),
            "channel id is not what it must be: lower-case letters, digits, '.' or '-'",
        ),
        (
            "input",
            payload(&|p| {
                p.input = Bytes::new();
                p.transient_map.insert("x".to_owned(), Bytes::new());
            }),
            "chaincode invocation is missing",
        ),
        (
            "input that is none",
            payload(&|p| p.input = Bytes::from_static(b"\xff")),
            "chaincode invocation cannot be decoded",
        ),
        (
            "spec",
            payload(&|p| p.input = Bytes::from_static(b"\x12\x00")),
            "chaincode spec is missing",
        ),
        (
            "chaincode id",
            spec(&|s| s.chaincode_id = None),
            "chaincode id is missing",
        ),
        (
            "chaincode name",
            spec(&|s| s.chaincode_id.as_mut().unwrap().name.clear()),
            "chaincode name is missing",
        ),
        (
            "another chaincode name",
            spec(&|s| "qscc".clone_into(&mut s.chaincode_id.as_mut().unwrap().name)),
            "chaincode id is not what it must be: header extension and input name the same one",
        ),
        (
            "chaincode input",
            spec(&|s| s.input = None),
            "chaincode input is missing",
        ),
    ];
    for (case, signed, text) in cases {
        let expected = plain(Code::InvalidArgument, text);
        table.equal(
            &format!("{case}, evaluate"),
            answer_of(raw.evaluate(signed.clone()).await),
            expected.clone(),
        );
        table.equal(
            &format!("{case}, endorse"),
            answer_of(raw.endorse(signed.clone()).await),
            expected.clone(),
        );
        table.equal(
            &format!("{case}, process"),
            answer_of(raw.process_proposal(signed).await),
            expected,
        );
    }
    let expected = plain(
        Code::InvalidArgument,
        "the request has no proposed transaction",
    );
    let found = answer_of(within(raw.gateway.clone().evaluate(EvaluateRequest::default())).await);
    table.equal("proposal, evaluate", found, expected.clone());
    let found = answer_of(within(raw.gateway.clone().endorse(EndorseRequest::default())).await);
    table.equal("proposal, endorse", found, expected);
}

async fn missing_in_transactions(table: &mut Table, raw: &Raw, hc1: &Signer) {
    let honest = endorsed(raw, hc1, "pa1").await;
    let make = |change: &dyn Fn(&mut Envelope)| {
        let mut envelope = honest.clone();
        change(&mut envelope);
        sign_envelope(hc1, envelope)
    };
    let header = |change: &'static dyn Fn(&mut common::Header)| {
        make(&move |e| in_payload(e, |p| change(p.header.as_mut().unwrap())))
    };
    let signature_header = |change: &'static dyn Fn(&mut common::SignatureHeader)| {
        make(&move |e| {
            in_payload(e, |p| {
                edit(&mut p.header.as_mut().unwrap().signature_header, |h| {
                    change(h);
                });
            });
        })
    };
    let outcome = |change: &'static dyn Fn(&mut protos::ProposalResponsePayload)| {
        make(&move |e| in_endorsed(e, |a| edit(&mut a.proposal_response_payload, |p| change(p))))
    };
    // Empty when the request is not a transaction at all; else the verdict's words.
    let malformed: Vec<(&str, Envelope, &str)> = vec![
        (
            "payload",
            make(&|e| e.payload = Bytes::new()),
            "payload is missing",
        ),
        (
            "payload that is none",
            make(&|e| e.payload = Bytes::from_static(b"\xff")),
            "payload cannot be decoded",
        ),
        (
            "header",
            make(&|e| in_payload(e, |p| p.header = None)),
            "header is missing",
        ),
        (
            "channel header",
            header(&|h| h.channel_header = Bytes::new()),
            "channel header is missing",
        ),
        (
            "channel header that is none",
            header(&|h| h.channel_header = Bytes::from_static(b"\xff")),
            "channel header cannot be decoded",
        ),
        (
            "signature header",
            header(&|h| h.signature_header = Bytes::new()),
            "signature header is missing",
        ),
        (
            "signature header that is none",
            header(&|h| h.signature_header = Bytes::from_static(b"\xff")),
            "signature header cannot be decoded",
        ),
        (
            "creator",
            signature_header(&|h| h.creator = Bytes::new()),
            "creator is missing",
        ),
        (
            "nonce",
            signature_header(&|h| h.nonce = Bytes::new()),
            "nonce is missing",
        ),
        (
            "extension",
            make(&|e| in_envelope_channel_header(e, |h| h.extension = Bytes::new())),
            "chaincode id in the header extension is missing",
        ),
        (
            "data that is none",
            make(&|e| in_payload(e, |p| p.data = Bytes::from_static(b"\xff"))),
            "transaction cannot be decoded",
        ),
        (
            "action payload that is none",
            make(&|e| in_transaction(e, |t| t.actions[0].payload = Bytes::from_static(b"\xff"))),
            "chaincode action payload cannot be decoded",
        ),
        (
            "action payload",
            make(&|e| in_transaction(e, |t| t.actions[0].payload = Bytes::new())),
            "chaincode invocation is missing",
        ),
        (
            "proposal payload",
            make(&|e| in_action(e, |a| a.chaincode_proposal_payload = Bytes::new())),
            "chaincode invocation is missing",
        ),
        (
            "endorsed action",
            make(&|e| in_action(e, |a| a.action = None)),
            "endorsed action is missing",
        ),
        (
            "outcome that is none",
            make(&|e| {
                in_endorsed(e, |a| {
                    a.proposal_response_payload = Bytes::from_static(b"\xff");
                });
            }),
            "proposal response payload cannot be decoded",
        ),
        (
            "chaincode action that is none",
            outcome(&|p| p.extension = Bytes::from_static(b"\xff")),
            "chaincode action cannot be decoded",
        ),
        (
            "chaincode action",
            outcome(&|p| p.extension = Bytes::new()),
            "chaincode id in the action is missing",
        ),
        (
            "chaincode id in the action",
            make(&|e| in_outcome(e, |a| a.chaincode_id = None)),
            "chaincode id in the action is missing",
        ),
    ];
    for (case, envelope, text) in malformed {
        table.equal(
            &format!("{case}, submit"),
            answer_of(raw.submit(envelope).await),
            plain(Code::InvalidArgument, text),
        );
    }
    let contradicting: Vec<(&str, Envelope, &str)> = vec![
        (
            "data",
            make(&|e| in_payload(e, |p| p.data = Bytes::new())),
            "NIL_TXACTION: transaction is not what it must be: exactly one action",
        ),
        (
            "action header",
            make(&|e| in_transaction(e, |t| t.actions[0].header = Bytes::new())),
            "INVALID_ENDORSER_TRANSACTION: action header is not what it must be: the envelope's signature header",
        ),
        (
            "outcome",
            make(&|e| in_endorsed(e, |a| a.proposal_response_payload = Bytes::new())),
            "INVALID_ENDORSER_TRANSACTION: proposal hash is not what it must be: hash of this very proposal",
        ),
        (
            "proposal hash",
            outcome(&|p| p.proposal_hash = Bytes::new()),
            "INVALID_ENDORSER_TRANSACTION: proposal hash is not what it must be: hash of this very proposal",
        ),
        (
            "transaction id",
            make(&|e| in_envelope_channel_header(e, |h| h.tx_id.clear())),
            "BAD_PROPOSAL_TXID: transaction id is not what it must be: hash of nonce and creator",
        ),
        (
            "channel id",
            make(&|e| in_envelope_channel_header(e, |h| h.channel_id.clear())),
            "TARGET_CHAIN_NOT_FOUND: channel id is not what it must be: a channel id",
        ),
        (
            "timestamp",
            make(&|e| in_envelope_channel_header(e, |h| h.timestamp = None)),
            "INVALID_ENDORSER_TRANSACTION: proposal hash is not what it must be: hash of this very proposal",
        ),
    ];
    for (case, envelope, text) in contradicting {
        table.equal(
            &format!("{case}, submit"),
            answer_of(raw.submit(envelope).await),
            refused(Code::Aborted, SUBMIT, text),
        );
    }
    let unsigned = Envelope {
        signature: Bytes::new(),
        ..honest.clone()
    };
    table.equal(
        "signature, submit",
        answer_of(raw.submit(unsigned).await),
        plain(
            Code::InvalidArgument,
            "the prepared transaction is not signed",
        ),
    );
    let found = answer_of(within(raw.gateway.clone().submit(SubmitRequest::default())).await);
    table.equal(
        "envelope, submit",
        found,
        plain(
            Code::InvalidArgument,
            "the request has no prepared transaction",
        ),
    );
}

async fn missing_in_queries(table: &mut Table, raw: &Raw, hc1: &Signer) {
    let invalid = |text: &str| plain(Code::InvalidArgument, text);
    let denied = plain(Code::PermissionDenied, "access denied");
    let status = CommitStatusRequest {
        transaction_id: "0".repeat(64),
        channel_id: CHANNEL.to_owned(),
        identity: hc1.serialized(),
    };
    let events = ChaincodeEventsRequest {
        channel_id: CHANNEL.to_owned(),
        chaincode_id: "emr".to_owned(),
        identity: hc1.serialized(),
        start_position: None,
        after_transaction_id: String::new(),
    };
    let cases: Vec<(&str, Bytes, Answer)> = vec![
        ("request", Bytes::new(), invalid("the request is missing")),
        (
            "request that is none",
            Bytes::from_static(b"\xff"),
            invalid("commit status request cannot be decoded"),
        ),
        (
            "transaction id",
            encode(&CommitStatusRequest {
                transaction_id: String::new(),
                ..status.clone()
            }),
            invalid("\"\" is not a transaction id: 64 lower-case hex digits"),
        ),
        (
            "upper-case id",
            encode(&CommitStatusRequest {
                transaction_id: "A".repeat(64),
                ..status.clone()
            }),
            invalid(&format!(
                "\"{}\" is not a transaction id: 64 lower-case hex digits",
                "A".repeat(64)
            )),
        ),
        (
            "channel",
            encode(&CommitStatusRequest {
                channel_id: String::new(),
                ..status.clone()
            }),
            denied.clone(),
        ),
        (
            "unknown channel",
            encode(&CommitStatusRequest {
                channel_id: "records".to_owned(),
                ..status.clone()
            }),
            denied.clone(),
        ),
        (
            "identity",
            encode(&CommitStatusRequest {
                identity: Bytes::new(),
                ..status.clone()
            }),
            denied.clone(),
        ),
    ];
    for (case, request, expected) in cases {
        let signature = hc1.sign(&request).unwrap();
        let request = SignedCommitStatusRequest { request, signature };
        let found = answer_of(within(raw.gateway.clone().commit_status(request)).await);
        told(table, &format!("{case}, commit status"), found, expected);
    }
    let request = SignedCommitStatusRequest {
        request: encode(&status),
        signature: Bytes::new(),
    };
    let found = answer_of(within(raw.gateway.clone().commit_status(request)).await);
    told(table, "signature, commit status", found, denied.clone());

    let cases: Vec<(&str, Bytes, Answer)> = vec![
        ("request", Bytes::new(), invalid("the request is missing")),
        (
            "request that is none",
            Bytes::from_static(b"\xff"),
            invalid("chaincode events request cannot be decoded"),
        ),
        (
            "channel",
            encode(&ChaincodeEventsRequest {
                channel_id: String::new(),
                ..events.clone()
            }),
            denied.clone(),
        ),
        (
            "unknown channel",
            encode(&ChaincodeEventsRequest {
                channel_id: "records".to_owned(),
                ..events.clone()
            }),
            denied.clone(),
        ),
        (
            "chaincode",
            encode(&ChaincodeEventsRequest {
                chaincode_id: String::new(),
                ..events.clone()
            }),
            invalid("chaincode_id is missing"),
        ),
        (
            "identity",
            encode(&ChaincodeEventsRequest {
                identity: Bytes::new(),
                ..events.clone()
            }),
            denied.clone(),
        ),
        (
            "known id",
            encode(&ChaincodeEventsRequest {
                after_transaction_id: "x".to_owned(),
                ..events.clone()
            }),
            // An id that is none is one that is not known: the start position decides.
            plain(Code::Ok, ""),
        ),
    ];
    for (case, request, expected) in cases {
        let signature = hc1.sign(&request).unwrap();
        let request = SignedChaincodeEventsRequest { request, signature };
        let found = answer_of(within(raw.gateway.clone().chaincode_events(request)).await);
        told(table, &format!("{case}, events"), found, expected);
    }
    let request = SignedChaincodeEventsRequest {
        request: encode(&events),
        signature: Bytes::new(),
    };
    let found = answer_of(within(raw.gateway.clone().chaincode_events(request)).await);
    told(table, "signature, events", found, denied.clone());
}

/// Code and text; what the details may tell is `strangers`' matter.
fn told(table: &mut Table, case: &str, found: Answer, expected: Answer) {
    table.equal(
        case,
        (found.code, found.message),
        (expected.code, expected.message),
    );
}
