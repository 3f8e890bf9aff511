//! Calls that cannot be made, or that the contract refuses.

use bytes::Bytes;
use cordon_client::{Call, Client};
use cordon_tests::{Network, Table, answer_of, create_emr, emr_of, note};
use serde_json::json;
use tonic::Code;

use crate::{CREATE, ENDORSE, EVALUATE, refused};

/// The host reads arguments by the contract's own types, so most mistakes never reach the contract.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments() {
    let network = Network::start().await;
    let hc1 = network.client("hospital/hc1");
    let py1 = network.client("hospital/py1");
    create_emr(&hc1, "pa1").await.unwrap();
    let before = network.settled().await;

    let long_id = "p".repeat(2_000);
    let megabyte =
        json!({ "patientId": "pa2", "patientName": "x".repeat(1 << 20), "patientBirthdate": "1" })
            .to_string();
    let long_name =
        json!({ "patientId": "pa2", "patientName": "x".repeat(65_537), "patientBirthdate": "1" })
            .to_string();
    let reserved =
        json!({ "patientId": "pa\u{0}2", "patientName": "x", "patientBirthdate": "1" }).to_string();
    let cases: &[(&str, &Client, &[&str], i32, &str)] = &[
        (
            "unknown function",
            &hc1,
            &["HealthCenter:DeleteEmr", "pa1"],
            404,
            "there is no function HealthCenter:DeleteEmr; there are HealthCenter:CheckIsPatientRegistered, HealthCenter:CreateEmr, Patient:GetEmrByPatientId, Patient:GetMedicalVisitsCount, Patient:GetOwnEmr, Physician:AddEmrNote, Physician:GetEmrByPatientId, Physician:ReadEmr, Records:GetEmr",
        ),
        (
            "unknown interface",
            &hc1,
            &["Insurance:CreateEmr", "pa1"],
            404,
            "there is no function Insurance:CreateEmr; there are HealthCenter:CheckIsPatientRegistered, HealthCenter:CreateEmr, Patient:GetEmrByPatientId, Patient:GetMedicalVisitsCount, Patient:GetOwnEmr, Physician:AddEmrNote, Physician:GetEmrByPatientId, Physician:ReadEmr, Records:GetEmr",
        ),
        (
            "function of two interfaces",
            &py1,
            &["GetEmrByPatientId", "pa1"],
            404,
            "several interfaces have a function GetEmrByPatientId: say which, as Interface:GetEmrByPatientId",
        ),
        (
            "no function",
            &hc1,
            &[],
            400,
            "the first argument must name a function",
        ),
        (
            "empty function",
            &hc1,
            &[""],
            404,
            "there is no function ; there are HealthCenter:CheckIsPatientRegistered, HealthCenter:CreateEmr, Patient:GetEmrByPatientId, Patient:GetMedicalVisitsCount, Patient:GetOwnEmr, Physician:AddEmrNote, Physician:GetEmrByPatientId, Physician:ReadEmr, Records:GetEmr",
        ),
        (
            "no argument",
            &hc1,
            &[CREATE],
            400,
            "HealthCenter:CreateEmr takes 1 argument(s) (emr), not 0",
        ),
        (
            "two arguments",
            &hc1,
            &[CREATE, &emr_of("pa2"), "more"],
            400,
            "HealthCenter:CreateEmr takes 1 argument(s) (emr), not 2",
        ),
        (
            "no JSON",
            &hc1,
            &[CREATE, "pa2"],
            400,
            "emr: malformed JSON at line 1 column 1",
        ),
        (
            "unfinished JSON",
            &hc1,
            &[CREATE, r#"{"patientId":"pa2""#],
            400,
            "emr: malformed JSON at line 1 column 18",
        ),
        (
            "two JSON values",
            &hc1,
            &[CREATE, &format!("{} {{}}", emr_of("pa2"))],
            400,
            "emr: malformed JSON at line 1 column 68",
        ),
        (
            "empty argument",
            &hc1,
            &[CREATE, ""],
            400,
            "emr: malformed JSON at line 1 column 0",
        ),
        (
            "an array",
            &hc1,
            &[CREATE, "[]"],
            400,
            "emr: expected an object, found an array",
        ),
        (
            "null",
            &hc1,
            &[CREATE, "null"],
            400,
            "emr: expected an object, found null",
        ),
        (
            "missing field",
            &hc1,
            &[CREATE, r#"{"patientId":"pa2","patientName":"Ann"}"#],
            400,
            "emr.patientBirthdate: missing field",
        ),
        (
            "unknown field",
            &hc1,
            &[
                CREATE,
                r#"{"patientId":"pa2","patientName":"Ann","patientBirthdate":"1","patientAge":3}"#,
            ],
            400,
            "emr.patientAge: unknown field",
        ),
        (
            "field given twice",
            &hc1,
            &[
                CREATE,
                r#"{"patientId":"pa2","patientId":"pa3","patientName":"Ann","patientBirthdate":"1"}"#,
            ],
            400,
            "emr.patientId: field given twice",
        ),
        (
            "mistyped field",
            &hc1,
            &[
                CREATE,
                r#"{"patientId":7,"patientName":"Ann","patientBirthdate":"1"}"#,
            ],
            400,
            "emr.patientId: expected a text, found a number",
        ),
        (
            "null for a text",
            &hc1,
            &[
                CREATE,
                r#"{"patientId":"pa2","patientName":null,"patientBirthdate":"1"}"#,
            ],
            400,
            "emr.patientName: expected a text, found null",
        ),
        (
            "deeply nested JSON",
            &hc1,
            &[CREATE, &"[".repeat(100_000)],
            400,
            "emr: malformed JSON at line 1 column 128",
        ),
        (
            "empty id",
            &hc1,
            &[CREATE, &emr_of("")],
            400,
            "patientId must not be empty.",
        ),
        (
            "blank id",
            &hc1,
            &[CREATE, &emr_of(" \t")],
            400,
            "patientId must not be empty.",
        ),
        (
            "empty name",
            &hc1,
            &[CREATE, &emr_of("pa2").replace("Ann", "")],
            400,
            "patientName must not be empty.",
        ),
        (
            "id of 2,000 bytes",
            &hc1,
            &[CREATE, &emr_of(&long_id)],
            400,
            "patientId is too long: it has at most 256 bytes.",
        ),
        (
            "id of 2,000 bytes, asked for",
            &py1,
            &["Physician:GetEmrByPatientId", &long_id],
            400,
            "patientId is too long: it has at most 256 bytes.",
        ),
        (
            "name too long",
            &hc1,
            &[CREATE, &long_name],
            400,
            "patientName is too long: it has at most 65536 bytes.",
        ),
        (
            "reserved character",
            &hc1,
            &[CREATE, &reserved],
            400,
            "patientId must not contain the characters U+0000 and U+10FFFF.",
        ),
        (
            "a megabyte",
            &hc1,
            &[CREATE, &megabyte],
            400,
            "the arguments have 1048635 bytes; at most 524288 are allowed",
        ),
        (
            "note without area",
            &py1,
            &["Physician:AddEmrNote", r#"{"patientId":"pa1","area":""}"#],
            400,
            "area must not be empty.",
        ),
        (
            "note for nobody",
            &py1,
            &["Physician:AddEmrNote", &note("pa2", "x")],
            404,
            "This patient has no medical record in your organisation.",
        ),
        (
            "record of nobody",
            &py1,
            &["Physician:GetEmrByPatientId", "pa2"],
            404,
            "This patient has no medical record in your organisation.",
        ),
    ];
    let mut table = Table::new();
    for (case, client, args, status, sentence) in cases {
        let text = format!("chaincode response {status}, {sentence}");
        let call = Call {
            contract: "emr".to_owned(),
            args: args
                .iter()
                .map(|arg| Bytes::copy_from_slice(arg.as_bytes()))
                .collect(),
            transient: std::collections::BTreeMap::new(),
            organizations: Vec::new(),
        };
        let found = answer_of(client.evaluate(&call).await);
        table.equal(case, found, refused(Code::Unknown, EVALUATE, &text));
        let found = answer_of(client.transact(&call).await);
        table.equal(
            case,
            (found.code, found.message),
            (Code::Aborted, format!("{ENDORSE}{text}")),
        );
        let of_both = [
            ("ClinicMSP".to_owned(), text.clone()),
            ("HospitalMSP".to_owned(), text),
        ];
        let mut details = found.details;
        details.sort();
        table.holds(
            case,
            !details.is_empty() && details.iter().all(|d| of_both.contains(d)),
        );
    }
    let not_utf8 = Call {
        args: vec![
            Bytes::from_static(CREATE.as_bytes()),
            Bytes::from_static(b"\xff"),
        ],
        ..Call::new("emr", "", &[])
    };
    let found = answer_of(hc1.evaluate(&not_utf8).await);
    table.equal(
        "an argument that is no text",
        found,
        refused(
            Code::Unknown,
            EVALUATE,
            "chaincode response 400, emr: not UTF-8 text",
        ),
    );
    let unknown = Call::new("billing", "Pay", &[]);
    let text = "contract billing is not deployed on channel providers";
    table.equal(
        "unknown contract, evaluate",
        answer_of(hc1.evaluate(&unknown).await),
        refused(Code::FailedPrecondition, "", text),
    );
    table.equal(
        "unknown contract, endorse",
        answer_of(hc1.transact(&unknown).await),
        refused(Code::FailedPrecondition, "", text),
    );
    table.equal("nothing has changed", network.settled().await, before);
}
