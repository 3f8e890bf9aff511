//! Proposals from whoever is not who they say, for another place or another time.

use bytes::Bytes;
use cordon_identity::{CertificateAuthority, Validity};
use cordon_tests::craft::{
    self, high_s, in_channel_header, in_invocation, in_signature_header, issue, proposal,
    proposal_at, sign_again, tx_id_of, valid_now,
};
use cordon_tests::{Answer, HOSPITAL, Network, Raw, Table, answer_of, emr_of, within};
use cordon_wire::proto::gateway::{EndorseRequest, EvaluateRequest};
use cordon_wire::proto::protos::SignedProposal;
use tonic::Code;

use crate::{CREATE, ENDORSE, EVALUATE, changed, plain, refused};

/// Sends a proposal that must be refused in these words to everything that takes proposals.
pub(crate) async fn refuse_proposal(
    table: &mut Table,
    raw: &Raw,
    case: &str,
    signed: &SignedProposal,
    text: &str,
) {
    let found = answer_of(raw.evaluate(signed.clone()).await);
    table.equal(
        &format!("{case}, evaluate"),
        found,
        refused(Code::FailedPrecondition, EVALUATE, text),
    );
    let found = answer_of(raw.endorse(signed.clone()).await);
    table.equal(
        &format!("{case}, endorse"),
        found,
        refused(Code::Aborted, ENDORSE, text),
    );
    let found = answer_of(raw.process_proposal(signed.clone()).await);
    table.equal(
        &format!("{case}, process"),
        found,
        refused(Code::Unknown, "", text),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proposals_of_whoever_is_not_who_they_say() {
    let network = Network::start().await;
    let raw = network.raw(HOSPITAL);
    let hc1 = network.signer("hospital/hc1");
    let hospital = network.authority(HOSPITAL);
    let call = [CREATE, &emr_of("mallory")];
    let health_center = |authority: &CertificateAuthority, msp: &str, unit, validity: Validity| {
        issue(authority, msp, unit, "healthcenter", validity)
    };
    let before = network.settled().await;
    let mut table = Table::new();

    // The control: whom the real authority names is accepted, so what follows is not refused for
    // some other reason.
    let genuine = health_center(&hospital, "HospitalMSP", Some("client"), valid_now());
    let accepted = raw.endorse(proposal(&genuine, &call)).await;
    table.equal(
        "a new certificate of the authority",
        answer_of(accepted).code,
        Code::Ok,
    );

    let stranger = CertificateAuthority::create("ca.hospital", "hospital", valid_now()).unwrap();
    let foreign = health_center(&stranger, "HospitalMSP", Some("client"), valid_now());
    let outsider = health_center(&stranger, "InsurerMSP", Some("client"), valid_now());
    // The hospital knows that organisation, from another channel.
    let elsewhere = health_center(&stranger, "SchoolMSP", Some("client"), valid_now());
    let at_clinic = health_center(&hospital, "ClinicMSP", Some("client"), valid_now());
    let no_unit = health_center(&hospital, "HospitalMSP", None, valid_now());
    let wrong_unit = health_center(&hospital, "HospitalMSP", Some("intern"), valid_now());
    let past = Validity {
        not_before: craft::now() - 7_200,
        not_after: craft::now() - 3_600,
    };
    let expired = health_center(&hospital, "HospitalMSP", Some("client"), past);
    let future = Validity {
        not_before: craft::now() + 3_600,
        not_after: craft::now() + 7_200,
    };
    let not_yet = health_center(&hospital, "HospitalMSP", Some("client"), future);

    let mut broken = proposal(&hc1, &call);
    let mut bytes = broken.signature.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    broken.signature = bytes.into();
    let mut high = proposal(&hc1, &call);
    high.signature = high_s(&high.signature);
    let mut unsigned = proposal(&hc1, &call);
    unsigned.signature = Bytes::new();
    let mut somebody_elses = proposal(&hc1, &call);
    somebody_elses.signature = network
        .signer("hospital/py1")
        .sign(&somebody_elses.proposal_bytes)
        .unwrap();
    let mut raw_signature = proposal(&hc1, &call);
    raw_signature.signature = Bytes::from_static(&[7; 64]);
    let mut changed_call = proposal(&hc1, &call);
    in_invocation(&mut changed_call, |invocation| {
        let input = invocation
            .chaincode_spec
            .as_mut()
            .unwrap()
            .input
            .as_mut()
            .unwrap();
        input.args[1] = Bytes::from(emr_of("another"));
    });

    let cases: &[(&str, SignedProposal, &str)] = &[
        (
            "foreign certificate",
            proposal(&foreign, &call),
            "creator is not accepted: the certificate is not trusted by HospitalMSP: the authority of that name did not sign it",
        ),
        (
            "organisation that is no member",
            proposal(&outsider, &call),
            "creator is not accepted: organisation \"InsurerMSP\" is not a member",
        ),
        (
            "as an organisation of another channel",
            proposal(&elsewhere, &call),
            "creator is not accepted: the certificate is not trusted by SchoolMSP: none of the authorities issued it",
        ),
        (
            "hospital's certificate as the clinic's",
            proposal(&at_clinic, &call),
            "creator is not accepted: the certificate is not trusted by ClinicMSP: none of the authorities issued it",
        ),
        (
            "certificate without role unit",
            proposal(&no_unit, &call),
            "creator is not accepted: the certificate holds 0 of HospitalMSP's role units instead of one",
        ),
        (
            "certificate of an unknown role unit",
            proposal(&wrong_unit, &call),
            "creator is not accepted: the certificate holds 0 of HospitalMSP's role units instead of one",
        ),
        (
            "bad signature",
            broken,
            "creator is not accepted: the signature does not verify",
        ),
        (
            "high-S signature",
            high,
            "creator is not accepted: the signature is high-S",
        ),
        (
            "no signature",
            unsigned,
            "creator is not accepted: signature is malformed: it is not DER of two positive integers",
        ),
        (
            "signature of somebody else",
            somebody_elses,
            "creator is not accepted: the signature does not verify",
        ),
        (
            "signature that is not DER",
            raw_signature,
            "creator is not accepted: signature is malformed: it is not DER of two positive integers",
        ),
        (
            "call changed after signing",
            changed_call,
            "creator is not accepted: the signature does not verify",
        ),
        (
            "no timestamp",
            changed(&hc1, &call, |p| {
                in_channel_header(p, |h| h.timestamp = None);
            }),
            "the proposal has no valid timestamp",
        ),
        (
            "epoch",
            changed(&hc1, &call, |p| in_channel_header(p, |h| h.epoch = 1)),
            "epoch is not 0",
        ),
        (
            "header type",
            changed(&hc1, &call, |p| in_channel_header(p, |h| h.r#type = 2)),
            "header type 2 is not a transaction's (3)",
        ),
        (
            "no creator",
            changed(&hc1, &call, |p| {
                in_signature_header(p, |h| h.creator = Bytes::new());
            }),
            "the proposal has no creator",
        ),
        (
            "no nonce",
            changed(&hc1, &call, |p| {
                in_signature_header(p, |h| h.nonce = Bytes::new());
            }),
            "the proposal has no nonce",
        ),
    ];
    for (case, signed, text) in cases {
        refuse_proposal(&mut table, &raw, case, signed, text).await;
    }

    // Texts with numbers in them.
    let expired_at = past.not_after;
    let now = craft::now();
    let signed = proposal_at(&expired, &call, now);
    let text =
        format!("creator is not accepted: the certificate expired at {expired_at}, before {now}");
    refuse_proposal(&mut table, &raw, "expired certificate", &signed, &text).await;
    // Its time says that the certificate was valid then, but then is too long ago.
    let signed = proposal_at(&expired, &call, expired_at - 10);
    let found = answer_of(raw.endorse(signed).await);
    table.contains(
        "expired certificate, signed back then",
        &found.message,
        "seconds from this host's; at most 900 are accepted: check the client's clock",
    );
    let from = future.not_before;
    let signed = proposal_at(&not_yet, &call, now);
    let text =
        format!("creator is not accepted: the certificate is valid from {from}, after {now}");
    refuse_proposal(&mut table, &raw, "certificate of tomorrow", &signed, &text).await;

    for (case, offset) in [("20 minutes ago", -1_200), ("20 minutes ahead", 1_200)] {
        let signed = proposal_at(&hc1, &call, craft::now() + offset);
        for found in [
            answer_of(raw.evaluate(signed.clone()).await),
            answer_of(raw.endorse(signed.clone()).await),
            answer_of(raw.process_proposal(signed).await),
        ] {
            table.contains(case, &found.message, "the proposal's time is 1");
            table.contains(
                case,
                &found.message,
                " seconds from this host's; at most 900 are accepted: check the client's clock",
            );
            table.holds(
                case,
                matches!(
                    found.code,
                    Code::FailedPrecondition | Code::Aborted | Code::Unknown
                ),
            );
        }
    }
    // Not as far back: its certificate is younger than that.
    for offset in [-240, 840] {
        let signed = proposal_at(&hc1, &call, craft::now() + offset);
        table.equal(
            "a few minutes off are accepted",
            answer_of(raw.endorse(signed).await).code,
            Code::Ok,
        );
    }

    let mut wrong_id = proposal(&hc1, &call);
    let right = tx_id_of(&wrong_id);
    in_channel_header(&mut wrong_id, |header| header.tx_id = "0".repeat(64));
    let wrong_id = sign_again(&hc1, wrong_id);
    let text =
        format!("the transaction id is not the SHA-256 of nonce and creator, which is {right}");
    refuse_proposal(&mut table, &raw, "wrong transaction id", &wrong_id, &text).await;

    for (case, channel, found_in) in [
        (
            "a channel that is not there",
            "records",
            "channel records is not known to this host",
        ),
        ("no channel", "", "channel  is not known to this host"),
    ] {
        let signed = changed(&hc1, &call, |p| {
            in_channel_header(p, |h| h.channel_id = channel.to_owned());
        });
        table.equal(
            case,
            answer_of(raw.evaluate(signed.clone()).await),
            refused(Code::FailedPrecondition, "", found_in),
        );
        table.equal(
            case,
            answer_of(raw.endorse(signed.clone()).await),
            refused(Code::FailedPrecondition, "", found_in),
        );
        table.equal(
            case,
            answer_of(raw.process_proposal(signed).await),
            refused(Code::Unknown, "", found_in),
        );
    }

    // Hints beside the proposal may be absent, but not different.
    let signed = proposal(&hc1, &call);
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
        let (channel_id, transaction_id) = (channel_id.to_owned(), transaction_id.to_owned());
        let request = EvaluateRequest {
            channel_id: channel_id.clone(),
            transaction_id: transaction_id.clone(),
            proposed_transaction: Some(signed.clone()),
            ..EvaluateRequest::default()
        };
        let found = answer_of(within(raw.gateway.clone().evaluate(request)).await);
        table.equal(case, found, plain(Code::InvalidArgument, text));
        let request = EndorseRequest {
            channel_id,
            transaction_id,
            proposed_transaction: Some(signed.clone()),
            ..EndorseRequest::default()
        };
        let found = answer_of(within(raw.gateway.clone().endorse(request)).await);
        table.equal(case, found, plain(Code::InvalidArgument, text));
    }

    // Organisations to ask.
    let name = "\"no such one\" is not a MSP id: 1..=64 letters, digits, '.' or '-'";
    let no_host = "no host of organisation SchoolMSP is known on channel providers";
    let no_target = "no host of the target organisations is known on this channel";
    let no_name = plain(Code::InvalidArgument, name);
    for (organization, endorsed, evaluated) in [
        ("no such one", no_name.clone(), no_name),
        (
            "SchoolMSP",
            // The detail is about the organisation that was asked for.
            Answer {
                details: vec![("SchoolMSP".to_owned(), no_host.to_owned())],
                ..plain(Code::Unavailable, no_host)
            },
            refused(Code::FailedPrecondition, "", no_target),
        ),
    ] {
        let request = EndorseRequest {
            proposed_transaction: Some(proposal(&hc1, &call)),
            endorsing_organizations: vec![organization.to_owned()],
            ..EndorseRequest::default()
        };
        let found = answer_of(within(raw.gateway.clone().endorse(request)).await);
        table.equal(&format!("{organization}, endorse"), found, endorsed);
        let request = EvaluateRequest {
            proposed_transaction: Some(proposal(&hc1, &call)),
            target_organizations: vec![organization.to_owned()],
            ..EvaluateRequest::default()
        };
        let found = answer_of(within(raw.gateway.clone().evaluate(request)).await);
        table.equal(&format!("{organization}, evaluate"), found, evaluated);
    }
    table.equal("nothing has changed", network.settled().await, before);
}
