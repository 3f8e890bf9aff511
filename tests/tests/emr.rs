//! The story of "Managing an EMR" over two host processes: who can do what, and who cannot.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use cordon_client::{Call, Client};
use cordon_tests::{
    CLINIC, HOSPITAL, Network, Table, answer_of, create_emr, emr_of, evaluate, note, submit,
};
use cordon_types::ValidationCode;
use tonic::Code;

const UNKNOWN_PATIENT: &str =
    "chaincode response 404, This patient has no medical record in your organisation.";
/// Stands in arguments and records, and must stand in no log.
const SECRET: &str = "Annabelle-Unlogged";

/// What the access policy says to whom it does not permit `function`.
fn denied(function: &str) -> String {
    format!(
        "chaincode response 403, no access policy of contract emr permits {function} to a caller of HospitalMSP"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn managing_an_emr() {
    let mut network = Network::start_logging("debug").await;
    the_story(&network).await;
    roles_and_organizations_are_apart(&network).await;
    two_at_the_same_moment(&network).await;

    let end = network.settled().await;
    network.stop_all();
    for organization in [HOSPITAL, CLINIC] {
        let log = network.log(organization);
        assert!(!log.is_empty(), "debug logs are on");
        for secret in [SECRET, "arrhythmia", "cardiology", "10-03"] {
            assert!(!log.contains(secret), "{organization} logs {secret}");
        }
    }
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    assert_eq!(network.settled().await, end, "a restart changes nothing");
}

async fn the_story(network: &Network) {
    let hc1 = network.client("hospital/hc1");
    let py1 = network.client("hospital/py1");
    let pa1 = network.client("hospital/pa1");

    let registered = evaluate(&hc1, "HealthCenter:CheckIsPatientRegistered", &["pa1"]).await;
    assert_eq!(registered.unwrap(), false);
    let new = emr_of("pa1").replace("Ann", SECRET);
    let created = submit(&hc1, "HealthCenter:CreateEmr", &[&new])
        .await
        .unwrap();
    let emr = cordon_tests::as_json(&created.answer);
    assert_eq!(emr["emrId"], created.tx_id.to_string());
    assert_eq!(emr["organization"], "HospitalMSP");
    assert_eq!(emr["patientId"], "pa1");
    assert_eq!(emr["patientName"], SECRET);
    assert_eq!(emr["patientBirthdate"], "10-03");
    assert_eq!(emr["createdBy"], "hc1");
    assert_eq!(emr["notes"].as_array().unwrap().len(), 0);
    network.settled().await;

    let registered = evaluate(&hc1, "CheckIsPatientRegistered", &["pa1"]).await;
    assert_eq!(registered.unwrap(), true);
    let again = answer_of(create_emr(&hc1, "pa1").await);
    assert_eq!(again.code, Code::Aborted);
    let conflict =
        "chaincode response 409, This patient already has a medical record in your organisation.";
    let mut organizations: Vec<&str> = Vec::new();
    for (organization, message) in &again.details {
        assert_eq!(message, conflict);
        organizations.push(organization);
    }
    assert!(organizations.contains(&"HospitalMSP"), "{organizations:?}");

    let added = submit(&py1, "Physician:AddEmrNote", &[&note("pa1", "arrhythmia")]).await;
    let added = added.unwrap();
    let answer = cordon_tests::as_json(&added.answer);
    assert_eq!(answer["noteId"], added.tx_id.to_string());
    assert_eq!(answer["physician"], "py1");
    network.settled().await;

    for (client, function, args) in [
        (&py1, "Physician:GetEmrByPatientId", &["pa1"][..]),
        (&py1, "Physician:ReadEmr", &[&created.tx_id.to_string()]),
        (&pa1, "Patient:GetOwnEmr", &[]),
        (&pa1, "Patient:GetEmrByPatientId", &["pa1"]),
    ] {
        let emr = evaluate(client, function, args).await.unwrap();
        assert_eq!(emr["emrId"], created.tx_id.to_string(), "{function}");
        assert_eq!(emr["notes"][0]["diagnosis"], "arrhythmia", "{function}");
        assert_eq!(emr["notes"].as_array().unwrap().len(), 1, "{function}");
    }
    let visits = evaluate(&pa1, "Patient:GetMedicalVisitsCount", &[]).await;
    assert_eq!(visits.unwrap(), 1);
}

async fn roles_and_organizations_are_apart(network: &Network) {
    let before = network.settled().await;
    let user = |name: &str| network.client(name);
    let cases: &[(&str, Client, &str, &[&str], String)] = &[
        (
            "a physician opens no record",
            user("hospital/py1"),
            "HealthCenter:CreateEmr",
            &[&emr_of("pa9")],
            denied("HealthCenter:CreateEmr"),
        ),
        (
            "a patient opens no record",
            user("hospital/pa1"),
            "HealthCenter:CreateEmr",
            &[&emr_of("pa9")],
            denied("HealthCenter:CreateEmr"),
        ),
        (
            "an admin opens no record",
            user("hospital/admin"),
            "HealthCenter:CreateEmr",
            &[&emr_of("pa9")],
            denied("HealthCenter:CreateEmr"),
        ),
        (
            "a health centre adds no note",
            user("hospital/hc1"),
            "Physician:AddEmrNote",
            &[&note("pa1", "x")],
            denied("Physician:AddEmrNote"),
        ),
        (
            "a patient adds no note",
            user("hospital/pa1"),
            "Physician:AddEmrNote",
            &[&note("pa1", "x")],
            denied("Physician:AddEmrNote"),
        ),
        (
            "a health centre reads no record",
            user("hospital/hc1"),
            "Physician:GetEmrByPatientId",
            &["pa1"],
            denied("Physician:GetEmrByPatientId"),
        ),
        (
            "a physician has no own record",
            user("hospital/py1"),
            "Patient:GetOwnEmr",
            &[],
            denied("Patient:GetOwnEmr"),
        ),
        (
            "a physician asks for no record as its patient",
            user("hospital/py1"),
            "Patient:GetEmrByPatientId",
            &["pa1"],
            denied("Patient:GetEmrByPatientId"),
        ),
        (
            "a pediatrician reads no record",
            user("hospital/pd1"),
            "Physician:GetEmrByPatientId",
            &["pa1"],
            denied("Physician:GetEmrByPatientId"),
        ),
        (
            "nobody asks as a contract does",
            user("hospital/py1"),
            "Records:GetEmr",
            &["pa1"],
            denied("Records:GetEmr"),
        ),
        (
            "a patient reads nobody else's record",
            user("hospital/pa1"),
            "Patient:GetEmrByPatientId",
            &["pa2"],
            "chaincode response 403, Patients may read their own record only.".to_owned(),
        ),
        (
            "the clinic's physician does not read the hospital's record",
            user("clinic/py2"),
            "Physician:GetEmrByPatientId",
            &["pa1"],
            UNKNOWN_PATIENT.to_owned(),
        ),
        (
            "the clinic's physician adds nothing to the hospital's record",
            user("clinic/py2"),
            "Physician:AddEmrNote",
            &[&note("pa1", "x")],
            UNKNOWN_PATIENT.to_owned(),
        ),
        (
            "the clinic's patient has no record",
            user("clinic/pa2"),
            "Patient:GetOwnEmr",
            &[],
            UNKNOWN_PATIENT.to_owned(),
        ),
    ];
    let mut table = Table::new();
    for (case, client, function, args, refusal) in cases {
        let read = answer_of(evaluate(client, function, args).await);
        let expected = format!("evaluate call to endorser returned error: {refusal}");
        table.equal(case, (read.code, read.message), (Code::Unknown, expected));
        let written = answer_of(submit(client, function, args).await);
        let expected =
            format!("failed to endorse transaction, see attached details for more info: {refusal}");
        table.equal(
            case,
            (written.code, written.message),
            (Code::Aborted, expected),
        );
        table.holds(
            case,
            written.details.iter().all(|(_, text)| text == refusal),
        );
    }
    // The id of the hospital's record, which is no secret, is of no use to the clinic.
    let pa1 = network.client("hospital/pa1");
    let emr = evaluate(&pa1, "Patient:GetOwnEmr", &[]).await.unwrap();
    let py2 = network.client("clinic/py2");
    let read = evaluate(&py2, "Physician:ReadEmr", &[emr["emrId"].as_str().unwrap()]).await;
    let refusal =
        "chaincode response 404, Your organisation keeps no medical record with this emrId.";
    table.contains(
        "the clinic does not read by emrId",
        &answer_of(read).message,
        refusal,
    );
    table.equal("nothing has changed", network.settled().await, before);
    drop(table);

    // The same patient id at the clinic is another patient.
    let hc2 = network.client("clinic/hc2");
    let registered = evaluate(&hc2, "HealthCenter:CheckIsPatientRegistered", &["pa1"]).await;
    assert_eq!(registered.unwrap(), false);
    let created = create_emr(&hc2, "pa1").await.unwrap();
    network.settled().await;
    let at_clinic = evaluate(&py2, "Physician:GetEmrByPatientId", &["pa1"])
        .await
        .unwrap();
    assert_eq!(at_clinic["emrId"], created.tx_id.to_string());
    assert_eq!(at_clinic["organization"], "ClinicMSP");
    assert_eq!(at_clinic["notes"].as_array().unwrap().len(), 0);
    let at_hospital = evaluate(&pa1, "Patient:GetOwnEmr", &[]).await.unwrap();
    assert_eq!(at_hospital["emrId"], emr["emrId"]);
}

/// Endorses both before either is submitted, so that both have seen the same state.
async fn race(one: (&Client, Call), two: (&Client, Call)) -> [ValidationCode; 2] {
    let first = one.0.endorse(one.0.propose(&one.1).unwrap()).await.unwrap();
    let second = two.0.endorse(two.0.propose(&two.1).unwrap()).await.unwrap();
    let (a, b) = tokio::join!(one.0.submit(&first), two.0.submit(&second));
    a.unwrap();
    b.unwrap();
    let (a, b) = tokio::join!(
        one.0.commit_status(first.tx_id),
        two.0.commit_status(second.tx_id)
    );
    [a.unwrap().0, b.unwrap().0]
}

async fn two_at_the_same_moment(network: &Network) {
    let py1 = network.client("hospital/py1");
    let add = |text: &str| Call::new("emr", "Physician:AddEmrNote", &[&note("pa1", text)]);
    let codes = race((&py1, add("first")), (&py1, add("second"))).await;
    assert_eq!(
        codes,
        [ValidationCode::Valid; 2],
        "two notes do not disturb each other"
    );
    network.settled().await;
    let emr = evaluate(&py1, "Physician:GetEmrByPatientId", &["pa1"])
        .await
        .unwrap();
    let mut diagnoses: Vec<&str> = emr["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| note["diagnosis"].as_str().unwrap())
        .collect();
    diagnoses.sort_unstable();
    assert_eq!(diagnoses, ["arrhythmia", "first", "second"]);

    // Two records of one patient: one wins, and it is told which.
    let hc1 = network.client("hospital/hc1");
    let create = || Call::new("emr", "HealthCenter:CreateEmr", &[&emr_of("twin")]);
    let mut codes = race((&hc1, create()), (&hc1, create())).await;
    codes.sort_unstable_by_key(|code| *code as u8);
    assert_eq!(
        codes,
        [ValidationCode::Valid, ValidationCode::MvccReadConflict]
    );
}
