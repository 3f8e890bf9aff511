//! Transactions that are not what was endorsed, and transactions that were there before.

use bytes::Bytes;
use cordon_identity::{CertificateAuthority, Signer, Validity};
use cordon_tests::craft::{
    self, edit, high_s, in_action, in_endorsed, in_envelope_channel_header, in_outcome, in_rw_set,
    in_transaction, issue, proposal, sign_envelope, tx_id_of, tx_id_of_envelope, valid_now,
};
use cordon_tests::{
    CLINIC, HOSPITAL, Network, Table, answer_of, blocks, emr_of, evaluate, eventually_async,
    state_of, within,
};
use cordon_types::ValidationCode;
use cordon_wire::proto::common::Envelope;
use cordon_wire::proto::gateway::SubmitRequest;
use cordon_wire::proto::protos;
use serde_json::json;
use tonic::Code;

use crate::proposals::refuse_proposal;
use crate::{CREATE, SUBMIT, endorsed, plain, refused};

/// Each is made from an honest transaction of its own, changed, and signed again by its creator.
type Change = Box<dyn FnOnce(&mut Envelope)>;

fn change(change: impl FnOnce(&mut Envelope) + 'static) -> Change {
    Box::new(change)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_are_not_what_was_endorsed() {
    let network = Network::start().await;
    let raw = network.raw(HOSPITAL);
    let client = network.client("hospital/hc1");
    let hc1 = network.signer("hospital/hc1");
    let mut table = Table::new();

    // What the envelope alone tells is refused at the door.
    let other = endorsed(&raw, &hc1, "other").await;
    let mut other_endorsed = protos::ChaincodeEndorsedAction::default();
    in_endorsed(&mut other.clone(), |endorsed| {
        other_endorsed = endorsed.clone();
    });
    let other_payload = other_endorsed.proposal_response_payload.clone();
    let cases: Vec<(&str, Change, &str)> = vec![
        (
            "outcome of another proposal",
            change(move |e| in_endorsed(e, |a| a.proposal_response_payload = other_payload)),
            "INVALID_ENDORSER_TRANSACTION: proposal hash is not what it must be: hash of this very proposal",
        ),
        (
            "arguments changed",
            change(|e| {
                in_action(e, |a| {
                    edit(
                        &mut a.chaincode_proposal_payload,
                        |p: &mut protos::ChaincodeProposalPayload| {
                            edit(&mut p.input, |i: &mut protos::ChaincodeInvocationSpec| {
                                i.chaincode_spec
                                    .as_mut()
                                    .unwrap()
                                    .input
                                    .as_mut()
                                    .unwrap()
                                    .args[1] = Bytes::from_static(b"{}");
                            });
                        },
                    );
                });
            }),
            "INVALID_ENDORSER_TRANSACTION: proposal hash is not what it must be: hash of this very proposal",
        ),
        (
            "transient data left in",
            change(|e| {
                in_action(e, |a| {
                    edit(
                        &mut a.chaincode_proposal_payload,
                        |p: &mut protos::ChaincodeProposalPayload| {
                            p.transient_map
                                .insert("secret".to_owned(), Bytes::from_static(b"x"));
                        },
                    );
                });
            }),
            "INVALID_ENDORSER_TRANSACTION: chaincode proposal payload is not what it must be: no transient data",
        ),
        (
            "time changed",
            change(|e| {
                in_envelope_channel_header(e, |h| h.timestamp.as_mut().unwrap().seconds += 1);
            }),
            "INVALID_ENDORSER_TRANSACTION: proposal hash is not what it must be: hash of this very proposal",
        ),
        (
            "transaction id changed",
            change(|e| in_envelope_channel_header(e, |h| h.tx_id = "0".repeat(64))),
            "BAD_PROPOSAL_TXID: transaction id is not what it must be: hash of nonce and creator",
        ),
        (
            "header type changed",
            change(|e| in_envelope_channel_header(e, |h| h.r#type = 4)),
            "UNKNOWN_TX_TYPE: header type is not what it must be: 3",
        ),
        (
            "header type changed to a configuration's",
            change(|e| in_envelope_channel_header(e, |h| h.r#type = 1)),
            "INVALID_CONFIG_TRANSACTION: configuration cannot be decoded",
        ),
        (
            "epoch changed",
            change(|e| in_envelope_channel_header(e, |h| h.epoch = 1)),
            "BAD_COMMON_HEADER: epoch is not what it must be: 0",
        ),
        (
            "two actions",
            change(|e| in_transaction(e, |t| t.actions.push(t.actions[0].clone()))),
            "NIL_TXACTION: transaction is not what it must be: exactly one action",
        ),
        (
            "no action",
            change(|e| in_transaction(e, |t| t.actions.clear())),
            "NIL_TXACTION: transaction is not what it must be: exactly one action",
        ),
        (
            "header of the action changed",
            change(|e| in_transaction(e, |t| t.actions[0].header = Bytes::from_static(b"x"))),
            "INVALID_ENDORSER_TRANSACTION: action header is not what it must be: the envelope's signature header",
        ),
        (
            "another contract",
            change(|e| {
                in_outcome(e, |a| {
                    a.chaincode_id.as_mut().unwrap().name = "billing".to_owned();
                });
            }),
            "INVALID_CHAINCODE: chaincode id is not what it must be: the same in header, input and action",
        ),
        (
            "key written twice",
            change(|e| in_rw_set(e, |s| s.writes.push(s.writes[0].clone()))),
            "BAD_RWSET: writes is not what it must be: sorted by key, each once",
        ),
        (
            "event of another transaction",
            change(|e| {
                in_outcome(e, |a| {
                    edit(&mut a.events, |v: &mut protos::ChaincodeEvent| {
                        v.tx_id = "0".repeat(64);
                    });
                });
            }),
            "INVALID_OTHER_REASON: chaincode event is not what it must be: of this contract and transaction",
        ),
    ];
    let before = network.settled().await;
    for (case, change, text) in cases {
        let mut envelope = endorsed(&raw, &hc1, "mallory").await;
        change(&mut envelope);
        let found = answer_of(raw.submit(sign_envelope(&hc1, envelope)).await);
        table.equal(case, found, refused(Code::Aborted, SUBMIT, text));
    }

    let flip = |e: &mut Envelope| {
        in_rw_set(e, |set| {
            let mut value = set.writes[0].value.to_vec();
            *value.last_mut().unwrap() ^= 1;
            set.writes[0].value = value.into();
        });
    };
    let not_accepted = "creator is not accepted: ";
    let bad = "creator is not accepted: the signature does not verify";
    let mut envelope = endorsed(&raw, &hc1, "mallory").await;
    flip(&mut envelope);
    table.equal(
        "write changed, not signed again",
        answer_of(raw.submit(envelope).await),
        refused(Code::Aborted, SUBMIT, bad),
    );
    let mut envelope = endorsed(&raw, &hc1, "mallory").await;
    envelope.signature = high_s(&envelope.signature);
    let text = format!("{not_accepted}the signature is high-S");
    table.equal(
        "high-S signature",
        answer_of(raw.submit(envelope).await),
        refused(Code::Aborted, SUBMIT, &text),
    );
    let envelope = endorsed(&raw, &hc1, "mallory").await;
    let py1 = network.signer("hospital/py1");
    let found = answer_of(raw.submit(sign_envelope(&py1, envelope)).await);
    table.equal(
        "signed by somebody else",
        found,
        refused(Code::Aborted, SUBMIT, bad),
    );
    let mut envelope = endorsed(&raw, &hc1, "mallory").await;
    in_envelope_channel_header(&mut envelope, |header| {
        header.channel_id = "records".to_owned();
    });
    let found = answer_of(raw.submit(sign_envelope(&hc1, envelope)).await);
    table.holds("another channel", found.code != Code::Ok);
    for (case, channel_id, transaction_id, text) in [
        (
            "channel hint",
            "records",
            "",
            "channel_id of the request is not the one that is signed",
        ),
        (
            "id hint",
            "",
            "00",
            "transaction_id of the request is not the one that is signed",
        ),
    ] {
        let request = SubmitRequest {
            channel_id: channel_id.to_owned(),
            transaction_id: transaction_id.to_owned(),
            prepared_transaction: Some(endorsed(&raw, &hc1, "mallory").await),
        };
        let found = answer_of(within(raw.gateway.clone().submit(request)).await);
        table.equal(case, found, plain(Code::InvalidArgument, text));
    }
    table.equal("nothing was ordered", network.settled().await, before);

    // What needs the channel's rules is ordered, and found invalid by every host.
    let clinic_ca = network.authority(CLINIC);
    let stranger = CertificateAuthority::create("ca.clinic", "clinic", valid_now()).unwrap();
    let forged = issue(&stranger, "ClinicMSP", Some("peer"), "x", valid_now());
    let client_of_clinic = issue(&clinic_ca, "ClinicMSP", Some("client"), "x", valid_now());
    let late = Validity {
        not_before: craft::now() - 7_200,
        not_after: craft::now() - 3_600,
    };
    let expired = issue(&clinic_ca, "ClinicMSP", Some("peer"), "x", late);
    let endorse_as = |signer: Signer| {
        change(move |e: &mut Envelope| {
            in_endorsed(e, |a| {
                a.endorsements
                    .retain(|endorsement| !is_of(endorsement, "ClinicMSP"));
                let endorser = signer.serialized();
                let message = [&a.proposal_response_payload[..], &endorser[..]].concat();
                let signature = signer.sign(&message).unwrap();
                a.endorsements.push(protos::Endorsement {
                    endorser,
                    signature,
                });
            });
        })
    };
    let others = other_endorsed.endorsements.clone();
    let cases: Vec<(&str, Change, ValidationCode)> = vec![
        (
            "write changed, signed again",
            change(flip),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "answer changed",
            change(|e| {
                in_outcome(e, |a| {
                    a.response.as_mut().unwrap().payload = Bytes::from_static(b"{}");
                });
            }),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "event taken away",
            change(|e| in_outcome(e, |a| a.events = Bytes::new())),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "reads taken away",
            change(|e| in_rw_set(e, |s| s.reads.clear())),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "endorsements of another transaction",
            change(move |e| in_endorsed(e, |a| a.endorsements = others)),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "only the hospital's endorsement",
            change(|e| in_endorsed(e, |a| a.endorsements.retain(|x| is_of(x, "HospitalMSP")))),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "only the clinic's endorsement",
            change(|e| in_endorsed(e, |a| a.endorsements.retain(|x| is_of(x, "ClinicMSP")))),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "one endorsement twice",
            change(|e| {
                in_endorsed(e, |a| {
                    a.endorsements.retain(|x| is_of(x, "HospitalMSP"));
                    a.endorsements.push(a.endorsements[0].clone());
                });
            }),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "no endorsement",
            change(|e| in_endorsed(e, |a| a.endorsements.clear())),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "endorsement with high-S signature",
            change(|e| {
                in_endorsed(e, |a| {
                    a.endorsements[0].signature = high_s(&a.endorsements[0].signature);
                });
            }),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "endorsement of a forged host",
            endorse_as(forged),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "endorsement of a client",
            endorse_as(client_of_clinic),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "endorsement of an expired host",
            endorse_as(expired),
            ValidationCode::EndorsementPolicyFailure,
        ),
        (
            "another version of the contract",
            change(|e| {
                in_outcome(e, |a| {
                    a.chaincode_id.as_mut().unwrap().version = "0.9.0".to_owned();
                });
            }),
            ValidationCode::ChaincodeVersionConflict,
        ),
        (
            "a refusal as outcome",
            change(|e| in_outcome(e, |a| a.response.as_mut().unwrap().status = 500)),
            ValidationCode::InvalidEndorserTransaction,
        ),
    ];
    let mut invalid = Vec::new();
    for (case, change, code) in cases {
        let mut envelope = endorsed(&raw, &hc1, "mallory").await;
        change(&mut envelope);
        let envelope = sign_envelope(&hc1, envelope);
        let tx_id = tx_id_of_envelope(&envelope);
        let submitted = answer_of(raw.submit(envelope).await);
        table.equal(case, submitted.code, Code::Ok);
        if submitted.code == Code::Ok {
            let (found, _) = client.commit_status(tx_id).await.unwrap();
            table.equal(case, found, code);
            invalid.push(tx_id);
        }
    }
    let registered = evaluate(
        &client,
        "HealthCenter:CheckIsPatientRegistered",
        &["mallory"],
    )
    .await;
    table.equal("no record came of it", registered.unwrap(), json!(false));

    // The control: the same transaction, unchanged.
    let envelope = endorsed(&raw, &hc1, "honest").await;
    let tx_id = tx_id_of_envelope(&envelope);
    let again = envelope.clone();
    raw.submit(envelope).await.unwrap();
    let (code, block) = client.commit_status(tx_id).await.unwrap();
    table.equal("unchanged", code, ValidationCode::Valid);

    // Once more, byte for byte: ordered, and without effect.
    raw.submit(again).await.unwrap();
    eventually_async("the copy is in a block", async || {
        let blocks = blocks(&client).await;
        (state_of(&blocks, &tx_id.to_string()).len() == 2).then_some(())
    })
    .await;
    let places = state_of(&blocks(&client).await, &tx_id.to_string());
    table.equal(
        "copy",
        places,
        vec![(block, "VALID"), (block + 1, "DUPLICATE_TXID")],
    );
    let told = client.commit_status(tx_id).await.unwrap();
    table.equal(
        "the id's verdict stays the first one",
        told,
        (ValidationCode::Valid, block),
    );

    // An id that an invalid transaction of its own creator has taken is gone as well.
    let taken = invalid[0];
    let settled = network.settled().await;
    let (there, here) = (network.client("clinic/hc2"), blocks(&client).await);
    let there = blocks(&there).await;
    table.equal(
        "both hosts have the same verdicts",
        here.iter().map(|b| b.codes.clone()).collect::<Vec<_>>(),
        there.iter().map(|b| b.codes.clone()).collect::<Vec<_>>(),
    );
    table.equal(
        "an invalid transaction stays in its block",
        state_of(&there, &taken.to_string()).len(),
        1,
    );
    table.equal("nothing else happened", network.settled().await, settled);
}

fn is_of(endorsement: &protos::Endorsement, msp_id: &str) -> bool {
    use cordon_wire::Message as _;
    let identity =
        cordon_wire::proto::msp::SerializedIdentity::decode(endorsement.endorser.clone()).unwrap();
    identity.mspid == msp_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_is_good_for_one_transaction() {
    let network = Network::start().await;
    let raw = network.raw(HOSPITAL);
    let client = network.client("hospital/hc1");
    let hc1 = network.signer("hospital/hc1");
    let signed = proposal(&hc1, &[CREATE, &emr_of("pa1")]);
    let tx_id = tx_id_of(&signed);
    // Before it is committed it may be endorsed as often as one likes.
    let one = raw.endorse(signed.clone()).await.unwrap();
    let two = raw.endorse(signed.clone()).await.unwrap();
    // Both endorsements of one outcome are the same transaction, with other signatures.
    let (one, two) = (sign_envelope(&hc1, one), sign_envelope(&hc1, two));
    raw.submit(one).await.unwrap();
    assert_eq!(
        client.commit_status(tx_id).await.unwrap().0,
        ValidationCode::Valid
    );
    let before = network.settled().await;

    let mut table = Table::new();
    let text =
        format!("transaction {tx_id} is on the ledger already; a new attempt needs a new proposal");
    refuse_proposal(&mut table, &raw, "replayed", &signed, &text).await;
    table.equal(
        "nothing has changed",
        network.settled().await,
        before.clone(),
    );

    raw.submit(two).await.unwrap();
    let after = eventually_async("the second is in a block", async || {
        let now = network.settled().await;
        (now.height > before.height).then_some(now)
    })
    .await;
    table.equal("one block more", after.height, before.height + 1);
    let places = state_of(&blocks(&client).await, &tx_id.to_string());
    table.equal(
        "verdicts",
        places.iter().map(|place| place.1).collect::<Vec<_>>(),
        vec!["VALID", "DUPLICATE_TXID"],
    );
    let py1 = network.client("hospital/py1");
    let emr = evaluate(&py1, "Physician:GetEmrByPatientId", &["pa1"])
        .await
        .unwrap();
    table.equal(
        "the record is the first one's",
        emr["emrId"].clone(),
        json!(tx_id.to_string()),
    );
}
