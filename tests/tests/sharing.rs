//! Sharing a record between two organisations: who must agree, what is read then, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use cordon_client::Call;
use cordon_tests::{
    CHANNEL, CLINIC, HOSPITAL, Network, NetworkFile, Stage, Table, at_once, create_emr, emr_of,
    note, refusal_of, town_text,
};
use cordon_types::ValidationCode;
use serde_json::{Value, json};

const HC1: &str = "hospital/hc1";
const PY1: &str = "hospital/py1";
const PA1: &str = "hospital/pa1";
const PA3: &str = "hospital/pa3";
const HC2: &str = "clinic/hc2";
const PY2: &str = "clinic/py2";
const PA2: &str = "clinic/pa2";
const EVERYBODY: &[&str] = &[HC1, PY1, PA1, PA3, HC2, PY2, PA2, "hospital/admin"];

const AUTHORIZE: &str = "HealthCenter:AuthorizeEmrReading";
const DECLINE: &str = "HealthCenter:RemoveEmrSharing";
const APPROVE: &str = "Patient:ApproveEmrSharing";
const WITHDRAW: &str = "Patient:RemoveEmrSharing";
const REQUEST: &str = "Physician:RequestEmr";
const READ: &str = "Physician:GetSharedEmr";
/// What the clinic reads.
const ANN: &[&str] = &["HospitalMSP", "pa1"];

const NOT_SHARED: &str = "404: No record of this patient is shared with your organisation.";
const NOT_APPROVED: &str =
    "403: The patient has not approved that your organisation reads this record.";
const NOTHING_AUTHORIZED: &str =
    "404: Your organisation has authorised nothing for this one to read.";
const NOTHING_TO_REMOVE: &str =
    "404: Nothing is shared with this organisation, and it has no open request.";
const NOTHING_NEW: &str =
    "409: There is nothing new to approve: you have approved what was authorised last.";
const ANOTHER_VERSION: &str =
    "409: This is not the version that was authorised last. See your sharings for the one that is.";
const ASKED_ALREADY: &str =
    "409: Your organisation has asked for this record already, and the request is still open.";
const UNKNOWN_EMR: &str = "404: Your organisation keeps no medical record with this emrId.";

fn denied(function: &str, msp_id: &str) -> String {
    format!("403: no access policy of contract sharing permits {function} to a caller of {msp_id}")
}

/// Both contracts of the channel, and the record that is shared.
struct Town {
    network: Network,
    emr: Stage,
    sharing: Stage,
    emr_id: String,
}

impl Town {
    async fn start() -> Self {
        Self::of(Network::start().await).await
    }

    async fn of(network: Network) -> Self {
        let emr = Stage::new(&network, CHANNEL, "emr", EVERYBODY);
        let sharing = Stage::new(&network, CHANNEL, "sharing", EVERYBODY);
        let created = emr
            .submits(HC1, "HealthCenter:CreateEmr", &[&emr_of("pa1")])
            .await;
        Self {
            network,
            emr,
            sharing,
            emr_id: created["emrId"].as_str().unwrap().to_owned(),
        }
    }

    async fn note(&self, diagnosis: &str) {
        let note = note("pa1", diagnosis);
        self.emr
            .submits(PY1, "Physician:AddEmrNote", &[&note])
            .await;
    }

    /// The owner authorises Ann's record as it is now; the version.
    async fn authorize(&self) -> Value {
        let args = ["ClinicMSP", &self.emr_id];
        self.sharing.submits(HC1, AUTHORIZE, &args).await["version"].clone()
    }

    /// Ann approves.
    async fn approve(&self, args: &[&str]) -> Value {
        self.sharing.submits(PA1, APPROVE, args).await["version"].clone()
    }

    /// Version and diagnoses that the clinic reads, or why it reads none.
    async fn read(&self) -> Result<(Value, Vec<String>), String> {
        let call = self.sharing.call(READ, ANN);
        let Ok(answer) = self.sharing.client(PY2).evaluate(&call).await else {
            return Err(self.sharing.refusal(PY2, READ, ANN).await);
        };
        let shared: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(shared["emr"]["emrId"], self.emr_id);
        assert_eq!(shared["emr"]["patientId"], "pa1");
        let notes = shared["emr"]["notes"].as_array().unwrap().iter();
        let mut diagnoses: Vec<_> = notes
            .map(|note| note["diagnosis"].as_str().unwrap().to_owned())
            .collect();
        diagnoses.sort_unstable();
        Ok((shared["version"].clone(), diagnoses))
    }

    /// Each refused with exactly this, and all hosts are afterwards where they were.
    async fn refuses(&self, cases: &[(&str, &str, &[&str], &str)]) {
        let before = self.network.settled().await;
        let mut table = Table::new();
        for (who, function, args, expected) in cases {
            let found = self.sharing.refusal(who, function, args).await;
            table.equal(
                &format!("{who} {function} {args:?}"),
                found.as_str(),
                *expected,
            );
        }
        table.equal("nothing has changed", self.network.settled().await, before);
    }
}

fn readable(version: u32, diagnoses: &[&str]) -> (Value, Vec<String>) {
    let diagnoses = diagnoses.iter().map(|text| (*text).to_owned()).collect();
    (json!(version), diagnoses)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_read_while_both_agree() {
    let town = Town::start().await;
    town.note("a").await;
    nothing_is_shared(&town).await;
    asking_and_agreeing(&town).await;

    // Withdrawn by the patient. Nothing of it is left, to nobody.
    town.sharing.submits(PA1, WITHDRAW, &["ClinicMSP"]).await;
    assert_eq!(town.read().await.unwrap_err(), NOT_SHARED);
    nothing_revives(&town).await;

    // From the beginning, under a new number; this time the owner withdraws.
    town.sharing.submits(PY2, REQUEST, ANN).await;
    assert_eq!(town.read().await.unwrap_err(), NOT_SHARED);
    assert_eq!(town.authorize().await, 2);
    assert_eq!(town.read().await.unwrap_err(), NOT_APPROVED);
    assert_eq!(town.approve(&["ClinicMSP", "2"]).await, 2);
    assert_eq!(town.read().await.unwrap(), readable(2, &["a", "b"]));
    town.sharing
        .submits(HC1, DECLINE, &["ClinicMSP", "pa1"])
        .await;
    assert_eq!(town.read().await.unwrap_err(), NOT_SHARED);
    nothing_revives(&town).await;

    // What only waits can be withdrawn as well, and an open request be declined by either side.
    assert_eq!(town.authorize().await, 3);
    town.sharing
        .submits(HC1, DECLINE, &["ClinicMSP", "pa1"])
        .await;
    nothing_revives(&town).await;
    for (who, function, args) in [
        (PA1, WITHDRAW, &["ClinicMSP"][..]),
        (HC1, DECLINE, &["ClinicMSP", "pa1"]),
    ] {
        town.sharing.submits(PY2, REQUEST, ANN).await;
        town.sharing.submits(who, function, args).await;
        nothing_revives(&town).await;
    }
}

async fn nothing_is_shared(town: &Town) {
    let long = "p".repeat(257);
    let (emr_id, reserved) = (town.emr_id.as_str(), "pa\u{10FFFF}");
    let long_id = "400: patientId is too long: it has at most 256 bytes.";
    let bad_id = "400: patientId must not contain the characters U+0000 and U+10FFFF.";
    let own = "must be another organisation than your own.";
    let (own_owner, own_receiver) = (
        format!("400: ownerOrg {own}"),
        format!("400: receiverOrg {own}"),
    );
    town.refuses(&[
        (
            PY2,
            REQUEST,
            &["", "pa1"],
            "400: ownerOrg must not be empty.",
        ),
        (
            PY2,
            REQUEST,
            &["HospitalMSP", " "],
            "400: patientId must not be empty.",
        ),
        (PY2, REQUEST, &["HospitalMSP", &long], long_id),
        (PY2, REQUEST, &["HospitalMSP", reserved], bad_id),
        (PY2, REQUEST, &["ClinicMSP", "pa2"], &own_owner),
        (
            PY2,
            READ,
            &["HospitalMSP", ""],
            "400: patientId must not be empty.",
        ),
        (
            HC1,
            AUTHORIZE,
            &["", emr_id],
            "400: receiverOrg must not be empty.",
        ),
        (
            HC1,
            AUTHORIZE,
            &["ClinicMSP", ""],
            "400: emrId must not be empty.",
        ),
        (HC1, AUTHORIZE, &["HospitalMSP", emr_id], &own_receiver),
        (PA1, APPROVE, &[""], "400: receiverOrg must not be empty."),
        (PA1, WITHDRAW, &[""], "400: receiverOrg must not be empty."),
        // Who may not even ask.
        (
            PY2,
            AUTHORIZE,
            &["ClinicMSP", emr_id],
            &denied(AUTHORIZE, "ClinicMSP"),
        ),
        (
            PA1,
            AUTHORIZE,
            &["ClinicMSP", emr_id],
            &denied(AUTHORIZE, "HospitalMSP"),
        ),
        (
            HC1,
            APPROVE,
            &["ClinicMSP"],
            &denied(APPROVE, "HospitalMSP"),
        ),
        (
            PY1,
            APPROVE,
            &["ClinicMSP"],
            &denied(APPROVE, "HospitalMSP"),
        ),
        (HC2, READ, ANN, &denied(READ, "ClinicMSP")),
        (PA2, READ, ANN, &denied(READ, "ClinicMSP")),
        (
            "hospital/admin",
            REQUEST,
            &["ClinicMSP", "pa2"],
            &denied(REQUEST, "HospitalMSP"),
        ),
        // What is not there. Who is no patient of the owner is not told apart.
        (PY2, READ, ANN, NOT_SHARED),
        (PY2, READ, &["HospitalMSP", "pa9"], NOT_SHARED),
        (PY2, READ, &["SchoolMSP", "pa1"], NOT_SHARED),
        (PY2, READ, &["ClinicMSP", "pa1"], NOT_SHARED),
        (HC1, AUTHORIZE, &["ClinicMSP", &"0".repeat(64)], UNKNOWN_EMR),
        // The id of another organisation's record.
        (HC2, AUTHORIZE, &["HospitalMSP", emr_id], UNKNOWN_EMR),
        (PA1, APPROVE, &["ClinicMSP"], NOTHING_AUTHORIZED),
        (PA1, WITHDRAW, &["ClinicMSP"], NOTHING_TO_REMOVE),
        (HC1, DECLINE, &["ClinicMSP", "pa1"], NOTHING_TO_REMOVE),
    ])
    .await;
}

async fn asking_and_agreeing(town: &Town) {
    let Town { sharing, .. } = town;
    let request = sharing.submits(PY2, REQUEST, ANN).await;
    assert_eq!(request["receiverOrg"], "ClinicMSP");
    assert_eq!(request["patientId"], "pa1");
    assert_eq!(request["requestedBy"], "py2");
    for (who, function, expected) in [
        (HC1, "HealthCenter:GetEmrRequests", json!([request])),
        (PA1, "Patient:GetEmrRequests", json!([request])),
        (HC2, "HealthCenter:GetEmrRequests", json!([])),
        (PA3, "Patient:GetEmrRequests", json!([])),
        (PA2, "Patient:GetEmrRequests", json!([])),
    ] {
        assert_eq!(sharing.asks(who, function, &[]).await, expected, "{who}");
    }
    town.refuses(&[
        (PY2, REQUEST, ANN, ASKED_ALREADY),
        (PY2, READ, ANN, NOT_SHARED),
        (PA1, APPROVE, &["ClinicMSP"], NOTHING_AUTHORIZED),
    ])
    .await;

    assert_eq!(town.authorize().await, 1);
    town.note("b").await;
    town.refuses(&[
        (PY2, READ, ANN, NOT_APPROVED),
        (PA1, APPROVE, &["ClinicMSP", "2"], ANOTHER_VERSION),
        (PA1, APPROVE, &["ClinicMSP", "0"], ANOTHER_VERSION),
        (PA1, APPROVE, &["SchoolMSP"], NOTHING_AUTHORIZED),
        // It is nobody else's to approve or withdraw, here or of the same name elsewhere.
        (PA3, APPROVE, &["ClinicMSP"], NOTHING_AUTHORIZED),
        (PA3, WITHDRAW, &["ClinicMSP"], NOTHING_TO_REMOVE),
        (PA2, APPROVE, &["HospitalMSP"], NOTHING_AUTHORIZED),
        (HC2, DECLINE, &["ClinicMSP", "pa1"], NOTHING_TO_REMOVE),
        (HC2, DECLINE, &["HospitalMSP", "pa1"], NOTHING_TO_REMOVE),
    ])
    .await;
    let [sharings, none] = [PA1, PA3].map(|who| sharing.asks(who, "Patient:GetSharings", &[]));
    let sharings = sharings.await;
    assert_eq!(none.await, json!([]));
    assert_eq!(sharings.as_array().unwrap().len(), 1);
    assert_eq!(sharings[0]["receiverOrg"], "ClinicMSP");
    assert_eq!(sharings[0]["request"], Value::Null, "it is answered");
    assert_eq!(sharings[0]["waiting"]["version"], 1);
    assert_eq!(sharings[0]["waiting"]["authorizedBy"], "hc1");
    assert_eq!(sharings[0]["readable"], Value::Null);

    assert_eq!(town.approve(&["ClinicMSP"]).await, 1);
    assert_eq!(
        town.read().await.unwrap(),
        readable(1, &["a"]),
        "as it was then"
    );
    town.refuses(&[
        (PA1, APPROVE, &["ClinicMSP"], NOTHING_NEW),
        (PA1, APPROVE, &["ClinicMSP", "1"], NOTHING_NEW),
        // A record that is shared is still nobody's but the clinic's physicians'.
        (PY2, READ, &["HospitalMSP", "pa3"], NOT_SHARED),
        (PY1, READ, &["HospitalMSP", "pa1"], NOT_SHARED),
    ])
    .await;
    let found = town
        .emr
        .refusal(PY2, "Physician:ReadEmr", &[&town.emr_id])
        .await;
    assert_eq!(found, UNKNOWN_EMR, "sharing gives a copy, not the record");
}

/// Neither side has anything, and no old agreement is of use.
async fn nothing_revives(town: &Town) {
    town.refuses(&[
        (PY2, READ, ANN, NOT_SHARED),
        (PA1, APPROVE, &["ClinicMSP"], NOTHING_AUTHORIZED),
        (PA1, APPROVE, &["ClinicMSP", "1"], NOTHING_AUTHORIZED),
        (PA1, WITHDRAW, &["ClinicMSP"], NOTHING_TO_REMOVE),
        (HC1, DECLINE, &["ClinicMSP", "pa1"], NOTHING_TO_REMOVE),
    ])
    .await;
    for (who, function) in [
        (PA1, "Patient:GetSharings"),
        (PA1, "Patient:GetEmrRequests"),
        (HC1, "HealthCenter:GetEmrRequests"),
    ] {
        let found = town.sharing.asks(who, function, &[]).await;
        assert_eq!(found, json!([]), "{function}");
    }
}

/// A reader has what the patient approved, and later notes only when both have agreed on them again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_read_only_when_both_agreed_on_it() {
    let town = Town::start().await;
    town.note("a").await;
    assert_eq!(town.authorize().await, 1, "without being asked");
    assert_eq!(town.approve(&["ClinicMSP", "1"]).await, 1);

    town.note("b").await;
    assert_eq!(
        town.read().await.unwrap(),
        readable(1, &["a"]),
        "a later note"
    );
    assert_eq!(town.authorize().await, 2);
    assert_eq!(
        town.read().await.unwrap(),
        readable(1, &["a"]),
        "a version that Ann has not approved"
    );
    let sharings = town.sharing.asks(PA1, "Patient:GetSharings", &[]).await;
    assert_eq!(sharings[0]["readable"]["version"], 1);
    assert_eq!(sharings[0]["waiting"]["version"], 2);
    town.refuses(&[(PA1, APPROVE, &["ClinicMSP", "1"], ANOTHER_VERSION)])
        .await;
    assert_eq!(town.read().await.unwrap(), readable(1, &["a"]));

    // A version that was never approved and is superseded is gone.
    town.note("c").await;
    assert_eq!(town.authorize().await, 3);
    town.refuses(&[(PA1, APPROVE, &["ClinicMSP", "2"], ANOTHER_VERSION)])
        .await;
    assert_eq!(town.approve(&["ClinicMSP", "3"]).await, 3);
    assert_eq!(town.read().await.unwrap(), readable(3, &["a", "b", "c"]));

    // An approval that was endorsed before a newer version was authorised, and arrives after it,
    // approves neither: not even when it names no version.
    town.note("d").await;
    assert_eq!(town.authorize().await, 4);
    let ann = town.sharing.client(PA1);
    for (args, version) in [
        (&["ClinicMSP"][..], 5),
        (&["ClinicMSP", "5"], 6),
        (&["ClinicMSP"], 7),
    ] {
        let call = town.sharing.call(APPROVE, args);
        let late = ann.endorse(ann.propose(&call).unwrap()).await.unwrap();
        town.note(&format!("before {version}")).await;
        assert_eq!(town.authorize().await, version);
        ann.submit(&late).await.unwrap();
        let (code, _) = ann.commit_status(late.tx_id).await.unwrap();
        assert_eq!(code, ValidationCode::MvccReadConflict, "{args:?}");
        town.network.settled().await;
        assert_eq!(town.read().await.unwrap(), readable(3, &["a", "b", "c"]));
    }
    // So with a withdrawal in between: what was on its way does not bring it back.
    let call = town.sharing.call(APPROVE, &["ClinicMSP"]);
    let late = ann.endorse(ann.propose(&call).unwrap()).await.unwrap();
    town.sharing.submits(PA1, WITHDRAW, &["ClinicMSP"]).await;
    ann.submit(&late).await.unwrap();
    let (code, _) = ann.commit_status(late.tx_id).await.unwrap();
    assert_eq!(code, ValidationCode::MvccReadConflict);
    town.network.settled().await;
    assert_eq!(town.read().await.unwrap_err(), NOT_SHARED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_patients_share_at_the_same_moment() {
    let town = Town::start().await;
    let Town { emr, sharing, .. } = &town;
    let other = emr
        .submits(HC1, "HealthCenter:CreateEmr", &[&emr_of("pa3")])
        .await;
    let other = other["emrId"].as_str().unwrap().to_owned();
    let valid = vec![ValidationCode::Valid; 2];
    let call = |function: &str, args: &[&str]| sharing.call(function, args);
    let (py2, hc1) = (sharing.client(PY2), sharing.client(HC1));
    let (pa1, pa3) = (sharing.client(PA1), sharing.client(PA3));

    let steps = [
        (
            "request",
            [
                (py2, call(REQUEST, ANN)),
                (py2, call(REQUEST, &["HospitalMSP", "pa3"])),
            ],
        ),
        (
            "authorise",
            [
                (hc1, call(AUTHORIZE, &["ClinicMSP", &town.emr_id])),
                (hc1, call(AUTHORIZE, &["ClinicMSP", &other])),
            ],
        ),
        (
            "approve",
            [
                (pa1, call(APPROVE, &["ClinicMSP"])),
                (pa3, call(APPROVE, &["ClinicMSP"])),
            ],
        ),
    ];
    for (step, calls) in steps {
        assert_eq!(at_once(&calls).await, valid, "{step}");
        town.network.settled().await;
    }
    for (patient, emr_id) in [("pa1", &town.emr_id), ("pa3", &other)] {
        let shared = sharing.asks(PY2, READ, &["HospitalMSP", patient]).await;
        assert_eq!(shared["version"], 1, "{patient}");
        assert_eq!(shared["emr"]["patientId"], patient);
        assert_eq!(&shared["emr"]["emrId"], emr_id);
    }
    // One's withdrawal and the other's new version do not meet either.
    let calls = [
        (pa1, call(WITHDRAW, &["ClinicMSP"])),
        (hc1, call(AUTHORIZE, &["ClinicMSP", &other])),
    ];
    assert_eq!(at_once(&calls).await, valid);
    town.network.settled().await;
    assert_eq!(town.read().await.unwrap_err(), NOT_SHARED);
    let shared = sharing.asks(PY2, READ, &["HospitalMSP", "pa3"]).await;
    assert_eq!(shared["version"], 1, "theirs is not touched");
    // But both sides of one sharing do: one of them has to look again.
    let calls = [
        (pa3, call(APPROVE, &["ClinicMSP"])),
        (hc1, call(DECLINE, &["ClinicMSP", "pa3"])),
    ];
    let mut codes = at_once(&calls).await;
    codes.sort_unstable_by_key(|code| *code as u8);
    assert_eq!(
        codes,
        [ValidationCode::Valid, ValidationCode::MvccReadConflict]
    );
    town.network.settled().await;
}

/// The way that contract `sharing` takes to a record is closed to clients, by the access policy and,
/// where that lets everybody pass, by the contract itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_for_contracts_only() {
    const RECORDS: &str = "Records:GetEmr";
    let town = Town::start().await;
    let before = town.network.settled().await;
    let mut table = Table::new();
    for (who, msp_id) in [
        (HC1, "HospitalMSP"),
        (PY1, "HospitalMSP"),
        (PA1, "HospitalMSP"),
        ("hospital/admin", "HospitalMSP"),
        (PY2, "ClinicMSP"),
        (HC2, "ClinicMSP"),
    ] {
        let expected = format!(
            "403: no access policy of contract emr permits {RECORDS} to a caller of {msp_id}"
        );
        let found = town.emr.refusal(who, RECORDS, &[&town.emr_id]).await;
        table.equal(who, found, expected.clone());
        let found = town.emr.refusal(who, RECORDS, &["no such record"]).await;
        table.equal(&format!("{who}, of none"), found, expected);
    }
    table.equal("nothing has changed", town.network.settled().await, before);
    drop(table);

    let policies = tempfile::tempdir().unwrap();
    for contract in ["emr", "sharing"] {
        let path = policies.path().join(format!("{contract}.cedar"));
        std::fs::write(path, "permit (principal, action, resource);").unwrap();
    }
    let text = town_text();
    let from = text.lines().find(|line| line.contains("access_policies"));
    let to = format!("access_policies = \"{}\"", policies.path().display());
    let text = text.replacen(from.unwrap(), &to, 1);
    let mut network = Network::provision_from(NetworkFile::Text(text), "warn");
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    network.settled().await;
    let town = Town::of(network).await;
    let before = town.network.settled().await;
    let mut table = Table::new();
    for who in EVERYBODY {
        let client = town.network.client(who);
        for emr_id in [&town.emr_id, "no such record"] {
            let call = Call::new("emr", RECORDS, &[emr_id]);
            let expected = "403: Only the contract \"sharing\" of this channel may ask for this.";
            table.equal(who, refusal_of(&client, &call).await.as_str(), expected);
        }
    }
    table.equal("nothing has changed", town.network.settled().await, before);
    // That contract may, in the name of whom it serves: here, of anybody in the organisation.
    assert_eq!(town.authorize().await, 1);
    table.equal(
        "for the own organisation only",
        town.sharing
            .refusal(PY2, AUTHORIZE, &["HospitalMSP", &town.emr_id])
            .await
            .as_str(),
        UNKNOWN_EMR,
    );
    let honest = create_emr(&town.network.client(HC1), "pa9").await;
    assert!(honest.is_ok(), "the hosts are well");
}
