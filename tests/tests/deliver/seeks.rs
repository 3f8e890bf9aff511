//! Where a seek may begin and end, and what is answered when it may not.

use bytes::Bytes;
use cordon_identity::{CertificateAuthority, Validity};
use cordon_tests::craft::{
    self, Seek, high_s, issue, newest, next_commit, oldest, specified, valid_now,
};
use cordon_tests::{HOSPITAL, Network, Table, create_emr};
use cordon_wire::proto::common::{Envelope, Status};

use crate::{Delivery, Form, everything, seek};

const FOR_EVER: u64 = u64::MAX;
const FOR_EVER_NPM: u64 = (1 << 53) - 1;
const FAIL_IF_NOT_READY: i32 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions() {
    let network = Network::start().await;
    let raw = network.raw(HOSPITAL);
    let hc1 = network.signer("hospital/hc1");
    let client = network.client("hospital/hc1");
    for index in 0..4 {
        create_emr(&client, &format!("pa{index}")).await.unwrap();
    }
    let height = network.settled().await.height;
    assert_eq!(height, 5);
    let mut table = Table::new();
    let ok = Some(Status::Success);
    let all: Vec<u64> = (0..height).collect();
    for form in [Form::Whole, Form::Filtered, Form::WithPrivateData] {
        for (case, start, stop, expected) in [
            ("oldest to newest", oldest(), newest(), (all.clone(), ok)),
            ("oldest to oldest", oldest(), oldest(), (vec![0], ok)),
            ("newest to newest", newest(), newest(), (vec![4], ok)),
            ("1 to 3", specified(1), specified(3), (vec![1, 2, 3], ok)),
            ("2 to 2", specified(2), specified(2), (vec![2], ok)),
            ("3 to newest", specified(3), newest(), (vec![3, 4], ok)),
            (
                "3 to 2",
                specified(3),
                specified(2),
                (vec![], Some(Status::BadRequest)),
            ),
            (
                "newest to oldest",
                newest(),
                oldest(),
                (vec![], Some(Status::BadRequest)),
            ),
            (
                "beyond the next block",
                specified(height + 1),
                specified(FOR_EVER),
                (vec![], Some(Status::NotFound)),
            ),
            (
                "the last number there is",
                specified(FOR_EVER),
                specified(FOR_EVER),
                (vec![], Some(Status::NotFound)),
            ),
            (
                "no start",
                None,
                newest(),
                (vec![], Some(Status::BadRequest)),
            ),
            (
                "no stop",
                oldest(),
                None,
                (vec![], Some(Status::BadRequest)),
            ),
        ] {
            let found = seek(&raw, form, Seek::new(start, stop).envelope(&hc1)).await;
            table.equal(&format!("{form:?}, {case}"), found, expected);
        }
    }

    // What is not there yet is waited for, unless the client does not want to wait.
    let mut now_or_never = Seek::new(specified(height), specified(height));
    now_or_never.info.behavior = FAIL_IF_NOT_READY;
    let found = seek(&raw, Form::Whole, now_or_never.envelope(&hc1)).await;
    table.equal("not ready", found, (vec![], Some(Status::NotFound)));
    let mut now_or_never = everything();
    now_or_never.info.behavior = FAIL_IF_NOT_READY;
    let found = seek(&raw, Form::Whole, now_or_never.envelope(&hc1)).await;
    table.equal("ready", found, (all, ok));

    let mut waiting = Vec::new();
    for (case, start, stop) in [
        ("next commit, closed", next_commit(), specified(FOR_EVER)),
        ("the next block", specified(height), specified(height)),
        ("newest, for ever", newest(), specified(FOR_EVER)),
        (
            "oldest, for ever as npm says it",
            oldest(),
            specified(FOR_EVER_NPM),
        ),
    ] {
        let mut delivery = Delivery::open(&raw, Form::Whole).await;
        delivery.send(Seek::new(start, stop).envelope(&hc1)).await;
        // The command line closes its side right after the seek; blocks keep coming.
        if case.ends_with("closed") {
            delivery.half_close();
        }
        waiting.push((case, delivery));
    }
    for (case, delivery) in &mut waiting {
        for number in match *case {
            "newest, for ever" => 4..5,
            "oldest, for ever as npm says it" => 0..5,
            _ => 0..0,
        } {
            table.equal(case, delivery.block().await.header.unwrap().number, number);
        }
        table.holds(&format!("{case}: waits"), delivery.is_silent().await);
    }
    create_emr(&client, "the next").await.unwrap();
    for (case, delivery) in &mut waiting {
        table.equal(case, delivery.block().await.header.unwrap().number, height);
        if *case == "the next block" {
            table.equal(case, delivery.rest().await, (vec![], Some(Status::Success)));
        }
    }
    create_emr(&client, "the one after it").await.unwrap();
    for (case, delivery) in &mut waiting {
        if *case == "the next block" {
            table.holds(case, delivery.is_silent().await);
        } else {
            table.equal(
                case,
                delivery.block().await.header.unwrap().number,
                height + 1,
            );
        }
    }

    // Several seeks on one stream, one after the other.
    let mut delivery = Delivery::open(&raw, Form::Whole).await;
    delivery
        .send(Seek::new(newest(), newest()).envelope(&hc1))
        .await;
    table.equal("first seek", delivery.rest().await, (vec![6], ok));
    delivery
        .send(Seek::new(oldest(), specified(1)).envelope(&hc1))
        .await;
    table.equal("second seek", delivery.rest().await, (vec![0, 1], ok));
    delivery.send(Seek::new(None, None).envelope(&hc1)).await;
    table.equal(
        "a bad one",
        delivery.rest().await,
        (vec![], Some(Status::BadRequest)),
    );
    table.equal("ends the call", delivery.next().await, None);
    // Two at once are served in their order.
    let mut delivery = Delivery::open(&raw, Form::Whole).await;
    delivery
        .send(Seek::new(specified(2), specified(3)).envelope(&hc1))
        .await;
    delivery
        .send(Seek::new(specified(1), specified(1)).envelope(&hc1))
        .await;
    table.equal("both sent, first", delivery.rest().await, (vec![2, 3], ok));
    table.equal("both sent, second", delivery.rest().await, (vec![1], ok));

    // A client without anything to say is not told anything.
    let mut delivery = Delivery::open(&raw, Form::Whole).await;
    delivery.half_close();
    table.equal("no seek", delivery.next().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_and_what_is_refused() {
    let network = Network::start().await;
    let raw = network.raw(HOSPITAL);
    let hc1 = network.signer("hospital/hc1");
    let hospital = network.authority(HOSPITAL);
    let before = network.settled().await;
    let stranger = CertificateAuthority::create("ca.hospital", "hospital", valid_now()).unwrap();
    let foreign = issue(&stranger, "HospitalMSP", Some("client"), "x", valid_now());
    let outsider = issue(&stranger, "SchoolMSP", Some("client"), "x", valid_now());
    let past = Validity {
        not_before: craft::now() - 7_200,
        not_after: craft::now() - 3_600,
    };
    let expired = issue(&hospital, "HospitalMSP", Some("client"), "x", past);
    let mut table = Table::new();

    let at = |offset: i64| Seek {
        seconds: Some(craft::now() + offset),
        ..everything()
    };
    let whole = everything().envelope(&hc1);
    let with_signature = |signature: Bytes| Envelope {
        signature,
        ..whole.clone()
    };
    let mut no_creator = whole.clone();
    craft::in_payload(&mut no_creator, |payload| {
        let header = payload.header.as_mut().unwrap();
        craft::edit(
            &mut header.signature_header,
            |h: &mut cordon_wire::proto::common::SignatureHeader| {
                h.creator = Bytes::new();
                h.nonce = Bytes::from_static(b"n");
            },
        );
    });
    let no_creator = craft::sign_envelope(&hc1, no_creator);
    let in_payload = |change: &dyn Fn(&mut cordon_wire::proto::common::Payload)| {
        let mut envelope = whole.clone();
        craft::in_payload(&mut envelope, |payload| change(payload));
        craft::sign_envelope(&hc1, envelope)
    };
    let bad = Status::BadRequest;
    let cases: Vec<(&str, Envelope, Status)> = vec![
        ("nothing", Envelope::default(), bad),
        (
            "no payload",
            Envelope {
                payload: Bytes::new(),
                ..whole.clone()
            },
            bad,
        ),
        (
            "payload that is none",
            Envelope {
                payload: Bytes::from_static(b"\xff"),
                ..whole.clone()
            },
            bad,
        ),
        ("no header", in_payload(&|p| p.header = None), bad),
        (
            "no channel header",
            in_payload(&|p| p.header.as_mut().unwrap().channel_header = Bytes::new()),
            bad,
        ),
        (
            "no signature header",
            in_payload(&|p| p.header.as_mut().unwrap().signature_header = Bytes::new()),
            bad,
        ),
        ("no seek", in_payload(&|p| p.data = Bytes::new()), bad),
        (
            "seek that is none",
            in_payload(&|p| p.data = Bytes::from_static(b"\xff")),
            bad,
        ),
        (
            "another type",
            Seek {
                header_type: 3,
                ..everything()
            }
            .envelope(&hc1),
            bad,
        ),
        (
            "no time",
            Seek {
                seconds: None,
                ..everything()
            }
            .envelope(&hc1),
            bad,
        ),
        ("20 minutes ago", at(-1_200).envelope(&hc1), bad),
        ("20 minutes ahead", at(1_200).envelope(&hc1), bad),
        (
            "no channel",
            Seek {
                channel: String::new(),
                ..everything()
            }
            .envelope(&hc1),
            Status::NotFound,
        ),
        (
            "another channel",
            Seek {
                channel: "records".to_owned(),
                ..everything()
            }
            .envelope(&hc1),
            Status::NotFound,
        ),
        ("no creator", no_creator, Status::Forbidden),
        (
            "no signature",
            with_signature(Bytes::new()),
            Status::Forbidden,
        ),
        (
            "high-S signature",
            with_signature(high_s(&whole.signature)),
            Status::Forbidden,
        ),
        (
            "signature of another seek",
            with_signature(at(-1).envelope(&hc1).signature),
            Status::Forbidden,
        ),
        (
            "foreign certificate",
            everything().envelope(&foreign),
            Status::Forbidden,
        ),
        (
            "organisation that is no member",
            everything().envelope(&outsider),
            Status::Forbidden,
        ),
        (
            "expired certificate",
            everything().envelope(&expired),
            Status::Forbidden,
        ),
    ];
    for form in [Form::Whole, Form::Filtered, Form::WithPrivateData] {
        for (case, envelope, status) in &cases {
            let found = seek(&raw, form, envelope.clone()).await;
            table.equal(&format!("{form:?}, {case}"), found, (vec![], Some(*status)));
        }
    }
    // The controls: each of these is what the refused ones are not.
    let genuine = issue(&hospital, "HospitalMSP", Some("client"), "x", valid_now());
    let py2 = network.signer("clinic/py2");
    for (case, envelope) in [
        ("a member", whole.clone()),
        ("a new certificate", everything().envelope(&genuine)),
        ("the other organisation", everything().envelope(&py2)),
        ("14 minutes ahead", at(840).envelope(&hc1)),
        ("14 minutes ago", at(-840).envelope(&hc1)),
    ] {
        let (numbers, status) = seek(&raw, Form::Whole, envelope).await;
        table.equal(
            case,
            (numbers.len() as u64, status),
            (before.height, Some(Status::Success)),
        );
    }
    table.equal("nothing has changed", network.settled().await, before);
}
