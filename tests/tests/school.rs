//! A child goes to school: the medical card, and the report that a school may read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use cordon_client::Call;
use cordon_tests::{
    CARDS, HOSPITAL, Network, NetworkFile, PARENTS, REPORTS, SCHOOL, Stage, Table, answer_of,
    at_once, blocks_on, refusal_of, town_text,
};
use cordon_types::ValidationCode;
use serde_json::{Value, json};
use tonic::Code;

const PARENT1: &str = "parents/parent1";
const PARENT2: &str = "parents/parent2";
const HC1: &str = "hospital/hc1";
const PD1: &str = "hospital/pd1";
const PD2: &str = "hospital/pd2";
const REGISTRAR1: &str = "school/registrar1";
const REGISTRAR2: &str = "school/registrar2";

const ACCEPT: &str = "HealthCenter:AcceptAgreement";
const REFUSE: &str = "HealthCenter:RefuseAgreement";
const END: &str = "HealthCenter:EndAgreement";
const CARD: &str = "Pediatrician:GetCard";
const ALLERGY: &str = "Pediatrician:AddAllergy";
const GROWTH: &str = "Pediatrician:AddGrowth";
const ASSESS: &str = "Pediatrician:AddAssessment";
const FORM: &str = "Forms:GetReportForm";

const APPLY: &str = "Parent:ApplyForPlace";
const APPROVE: &str = "Parent:ApproveReport";
const DECLINE: &str = "Parent:DeclineReport";
const WITHDRAW: &str = "Parent:WithdrawReport";
const ADMIT: &str = "Registrar:AcceptApplication";
const REQUEST: &str = "Registrar:RequestReport";
const CREATE: &str = "Pediatrician:CreateReport";
const REPORT: &str = "Registrar:GetReport";

const NOT_ADMITTED: &str =
    "403: Only the pediatrician whom the child's accepted agreement names may do this.";
const NOT_READER: &str = "403: Only the parent who registered the child, and the pediatrician whom the child's accepted agreement names, may read the report form.";
const UNKNOWN_CHILD: &str = "404: You have registered no child with this childId.";
const NO_AGREEMENT: &str = "404: You have no agreement about this child.";
const HAS_AGREEMENT: &str =
    "409: This child has an agreement already: end it before you sign another one.";
const NOT_WAITING: &str = "409: This agreement is not waiting for an answer.";
const OVER: &str = "409: This agreement is refused or ended already.";

const NOT_YOURS: &str = "404: You have made no application for this child at this school.";
const NOT_AT_YOURS: &str = "404: Nobody has applied for this child at your school.";
const NOT_NAMED: &str =
    "404: No application for this child at this school names you as the pediatrician.";
const NOT_APPROVED: &str =
    "403: There is no report on this child that the parent has approved for your school.";
const CARD_CHANGED: &str = "409: The card has changed since the report was made: the pediatrician must make it anew before it can be approved.";
const NOT_REVIEWED: &str = "409: This is not the report that you reviewed: the digest is not that of the card's report form. Review the form again.";

/// A call that is refused: who, what, with which arguments, and how.
type Refusal<'a> = (&'a str, &'a str, &'a [&'a str], &'a str);

fn denied(contract: &str, function: &str, msp_id: &str) -> String {
    format!(
        "403: no access policy of contract {contract} permits {function} to a caller of {msp_id}"
    )
}

fn not_now(status: &str) -> String {
    format!("409: This cannot be done now: {status}.")
}

fn child(id: &str) -> String {
    json!({ "childId": id, "name": "Tom Miller", "birthdate": "2019-05-14" }).to_string()
}

fn agreement(id: &str, pediatrician: &str) -> String {
    json!({ "childId": id, "hospital": "HospitalMSP", "pediatrician": pediatrician }).to_string()
}

fn allergy(id: &str, substance: &str) -> String {
    json!({ "childId": id, "substance": substance }).to_string()
}

fn growth(id: &str, height: f64, corrects: Option<&str>) -> String {
    json!({
        "childId": id, "measuredOn": "2026-10-01", "heightCm": height, "weightKg": 21.5,
        "corrects": corrects,
    })
    .to_string()
}

fn assessment(id: &str, note: &str) -> String {
    json!({
        "childId": id, "assessedOn": "2026-11-02", "fitForSchool": true,
        "vaccinationsComplete": false, "note": note,
    })
    .to_string()
}

fn application(id: &str, school: &str, pediatrician: &str) -> String {
    json!({
        "childId": id, "childName": "Tom Miller", "schoolOrg": "SchoolMSP", "school": school,
        "hospital": "HospitalMSP", "pediatrician": pediatrician,
    })
    .to_string()
}

/// Both channels that the story is about.
struct Town {
    network: Network,
    cards: Stage,
    reports: Stage,
}

impl Town {
    async fn start() -> Self {
        Self::of(Network::start_town().await)
    }

    fn of(network: Network) -> Self {
        let of_cards = [
            PARENT1,
            PARENT2,
            HC1,
            PD1,
            PD2,
            "hospital/pa1",
            "parents/admin",
        ];
        let of_reports = [
            PARENT1,
            PARENT2,
            HC1,
            PD1,
            PD2,
            REGISTRAR1,
            REGISTRAR2,
            "school/admin",
        ];
        Self {
            cards: Stage::new(&network, CARDS, "cards", &of_cards),
            reports: Stage::new(&network, REPORTS, "reports", &of_reports),
            network,
        }
    }

    /// A child of parent1 whose card pd1 may write.
    async fn admitted(&self, id: &str) {
        let cards = &self.cards;
        cards
            .submits(PARENT1, "Parent:RegisterChild", &[&child(id)])
            .await;
        self.signs(id, "pd1").await;
        cards.submits(HC1, ACCEPT, &[id]).await;
    }

    async fn signs(&self, id: &str, pediatrician: &str) -> Value {
        let agreement = agreement(id, pediatrician);
        self.cards
            .submits(PARENT1, "Parent:SignAgreement", &[&agreement])
            .await
    }

    async fn assessed(&self, id: &str, note: &str) {
        self.cards
            .submits(PD1, ASSESS, &[&assessment(id, note)])
            .await;
    }

    /// An application at northside whose report is requested.
    async fn requested(&self, id: &str) {
        let reports = &self.reports;
        let application = application(id, "northside", "pd1");
        reports.submits(PARENT1, APPLY, &[&application]).await;
        reports.submits(REGISTRAR1, ADMIT, &[id]).await;
        reports.submits(REGISTRAR1, REQUEST, &[id]).await;
    }

    /// The hash of what the card's report form says to `who` now.
    async fn form_digest(&self, who: &str, id: &str) -> String {
        let call = self.cards.call(FORM, &[id]);
        let form = self.cards.client(who).evaluate(&call).await.unwrap();
        hex::encode(cordon_wire::sha256([&form[..]]))
    }

    /// Each refused with exactly this, and all hosts are afterwards where they were.
    async fn refuse(&self, stage: &Stage, cases: &[Refusal<'_>]) {
        let before = self.network.settled_everywhere().await;
        let mut table = Table::new();
        for (who, function, args, expected) in cases {
            let case = format!("{who} {function} {args:?}");
            let found = stage.refusal(who, function, args).await;
            table.equal(&case, found.as_str(), *expected);
        }
        let after = self.network.settled_everywhere().await;
        table.equal("nothing has changed", after, before);
    }

    async fn refuse_cards(&self, cases: &[Refusal<'_>]) {
        self.refuse(&self.cards, cases).await;
    }

    async fn refuse_reports(&self, cases: &[Refusal<'_>]) {
        self.refuse(&self.reports, cases).await;
    }
}

// === the card ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_is_for_whom_its_agreement_names() {
    let town = Town::start().await;
    let cards = &town.cards;
    without_an_agreement(&town).await;

    // Signed, and refused.
    let signed = town.signs("tom", "pd1").await;
    assert_eq!(signed["status"], "signed");
    assert_eq!(signed["changedBy"], "parent1");
    let again = agreement("tom", "pd2");
    let note = allergy("tom", "peanuts");
    town.refuse_cards(&[
        (PARENT1, "Parent:SignAgreement", &[&again], HAS_AGREEMENT),
        (PARENT2, "Parent:SignAgreement", &[&again], UNKNOWN_CHILD),
        (PARENT2, "Parent:EndAgreement", &["tom"], UNKNOWN_CHILD),
        (PD1, CARD, &["tom"], NOT_ADMITTED),
        (PD1, ALLERGY, &[&note], NOT_ADMITTED),
        (
            HC1,
            END,
            &["tom", "why"],
            "409: This agreement is not accepted yet: refuse it instead.",
        ),
        (HC1, REFUSE, &["tom", " "], "400: reason must not be empty."),
        (
            PD1,
            ACCEPT,
            &["tom"],
            &denied("cards", ACCEPT, "HospitalMSP"),
        ),
        (
            PARENT1,
            ACCEPT,
            &["tom"],
            &denied("cards", ACCEPT, "ParentsMSP"),
        ),
    ])
    .await;
    let refused = cards.submits(HC1, REFUSE, &["tom", "we are full"]).await;
    assert_eq!(refused["status"], "refused");
    assert_eq!(refused["reason"], "we are full");
    let seen = cards.asks(PARENT1, "Parent:GetAgreement", &["tom"]).await;
    assert_eq!(seen, refused);
    town.refuse_cards(&[
        (PD1, CARD, &["tom"], NOT_ADMITTED),
        (PD1, ALLERGY, &[&note], NOT_ADMITTED),
        (HC1, ACCEPT, &["tom"], NOT_WAITING),
        (HC1, REFUSE, &["tom", "again"], NOT_WAITING),
        (PARENT1, "Parent:EndAgreement", &["tom"], OVER),
    ])
    .await;

    // Signed again, and accepted.
    town.signs("tom", "pd1").await;
    let accepted = cards.submits(HC1, ACCEPT, &["tom"]).await;
    assert_eq!(accepted["status"], "accepted");
    assert_ne!(accepted["agreementId"], signed["agreementId"]);
    town.refuse_cards(&[
        (HC1, ACCEPT, &["tom"], NOT_WAITING),
        (HC1, REFUSE, &["tom", "too late"], NOT_WAITING),
        (PARENT1, "Parent:SignAgreement", &[&again], HAS_AGREEMENT),
        (PD2, CARD, &["tom"], NOT_ADMITTED),
        (PD2, ALLERGY, &[&note], NOT_ADMITTED),
        (PD2, FORM, &["tom"], NOT_READER),
        (
            PD1,
            FORM,
            &["tom"],
            "404: This child's card has no assessment yet.",
        ),
        (PARENT2, "Parent:GetCard", &["tom"], UNKNOWN_CHILD),
        (HC1, CARD, &["tom"], &denied("cards", CARD, "HospitalMSP")),
        (HC1, FORM, &["tom"], &denied("cards", FORM, "HospitalMSP")),
        (
            PARENT1,
            CARD,
            &["tom"],
            &denied("cards", CARD, "ParentsMSP"),
        ),
        (
            PARENT1,
            ALLERGY,
            &[&note],
            &denied("cards", ALLERGY, "ParentsMSP"),
        ),
    ])
    .await;
    cards.submits(PD1, ALLERGY, &[&note]).await;
    let patients = cards.asks(PD1, "Pediatrician:GetPatients", &[]).await;
    assert_eq!(patients[0]["childId"], "tom");
    assert_eq!(
        cards.asks(PD2, "Pediatrician:GetPatients", &[]).await,
        json!([])
    );
    for (who, function) in [(PD1, CARD), (PARENT1, "Parent:GetCard")] {
        let card = cards.asks(who, function, &["tom"]).await;
        assert_eq!(card["allergies"][0]["substance"], "peanuts");
        assert_eq!(card["allergies"][0]["author"], "pd1");
    }

    // Ended by the hospital: the next pediatrician goes on with the same card, the first is out.
    let ended = cards.submits(HC1, END, &["tom", "pd1 retires"]).await;
    assert_eq!(
        (&ended["status"], &ended["reason"]),
        (&json!("ended"), &json!("pd1 retires"))
    );
    town.refuse_cards(&[
        (PD1, CARD, &["tom"], NOT_ADMITTED),
        (PD1, ALLERGY, &[&note], NOT_ADMITTED),
        (PD1, FORM, &["tom"], NOT_READER),
        (
            HC1,
            END,
            &["tom", "again"],
            "409: This agreement is refused or ended already.",
        ),
    ])
    .await;
    assert_eq!(
        cards.asks(PD1, "Pediatrician:GetPatients", &[]).await,
        json!([])
    );
    town.signs("tom", "pd2").await;
    cards.submits(HC1, ACCEPT, &["tom"]).await;
    let card = cards.asks(PD2, CARD, &["tom"]).await;
    assert_eq!(card["allergies"][0]["author"], "pd1");
    // Ended by the parent.
    cards
        .submits(PARENT1, "Parent:EndAgreement", &["tom"])
        .await;
    town.refuse_cards(&[
        (PD1, CARD, &["tom"], NOT_ADMITTED),
        (PD2, CARD, &["tom"], NOT_ADMITTED),
        (PD2, ALLERGY, &[&note], NOT_ADMITTED),
    ])
    .await;
    let card = cards.asks(PARENT1, "Parent:GetCard", &["tom"]).await;
    assert_eq!(card["allergies"].as_array().unwrap().len(), 1);
}

async fn without_an_agreement(town: &Town) {
    let cards = &town.cards;
    let tom = child("tom");
    let registered = cards
        .submits(PARENT1, "Parent:RegisterChild", &[&tom])
        .await;
    assert_eq!(registered["parent"], "parent1");
    let date = "400: birthdate must be a day of the calendar, written as YYYY-MM-DD.";
    let never = child("x").replace("2019-05-14", "2019-02-29");
    let late = child("x").replace("2019-05-14", "tomorrow");
    let nobody = child("");
    let nameless = child("x").replace("Tom Miller", "");
    let register = "Parent:RegisterChild";
    town.refuse_cards(&[
        (PARENT1, register, &[&never], date),
        (PARENT1, register, &[&late], date),
        (
            PARENT1,
            register,
            &[&nobody],
            "400: childId must not be empty.",
        ),
        (
            PARENT1,
            register,
            &[&nameless],
            "400: name must not be empty.",
        ),
        (
            PARENT1,
            register,
            &[&tom],
            "409: This childId is taken: choose another one.",
        ),
        (
            PARENT2,
            register,
            &[&tom],
            "409: This childId is taken: choose another one.",
        ),
        (
            PD1,
            register,
            &[&tom],
            &denied("cards", register, "HospitalMSP"),
        ),
        (
            "parents/admin",
            register,
            &[&tom],
            &denied("cards", register, "ParentsMSP"),
        ),
        (
            "hospital/pa1",
            CARD,
            &["tom"],
            &denied("cards", CARD, "HospitalMSP"),
        ),
        (PARENT2, "Parent:GetChild", &["tom"], UNKNOWN_CHILD),
        (PARENT2, "Parent:GetCardHistory", &["tom"], UNKNOWN_CHILD),
        (PARENT1, "Parent:GetChild", &["nobody"], UNKNOWN_CHILD),
        (PARENT1, "Parent:GetAgreement", &["tom"], NO_AGREEMENT),
        (PARENT1, "Parent:EndAgreement", &["tom"], NO_AGREEMENT),
        // Whether there is such a child is not told.
        (PD1, CARD, &["tom"], NOT_ADMITTED),
        (PD1, CARD, &["nobody"], NOT_ADMITTED),
        (PD1, ALLERGY, &[&allergy("tom", "x")], NOT_ADMITTED),
        (PD1, ALLERGY, &[&allergy("nobody", "x")], NOT_ADMITTED),
        (HC1, ACCEPT, &["tom"], NO_AGREEMENT),
        (HC1, ACCEPT, &["nobody"], NO_AGREEMENT),
        (PARENT2, FORM, &["tom"], NOT_READER),
        (PARENT2, FORM, &["nobody"], NOT_READER),
        (
            PARENT1,
            FORM,
            &["tom"],
            "404: This child's card has no assessment yet.",
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_a_card_is_kept() {
    let town = Town::start().await;
    let cards = &town.cards;
    town.admitted("tom").await;
    town.admitted("eve").await;
    let first = cards
        .submits(PD1, GROWTH, &[&growth("tom", 190.0, None)])
        .await;
    let first = first["entryId"].as_str().unwrap();
    let other = cards
        .submits(PD1, ALLERGY, &[&allergy("tom", "pollen")])
        .await;
    let other = other["entryId"].as_str().unwrap();
    let eves = cards
        .submits(PD1, GROWTH, &[&growth("eve", 110.0, None)])
        .await;
    let eves = eves["entryId"].as_str().unwrap();

    let height = "400: heightCm must be a number from 10 to 300.";
    let unknown = "404: corrects must be the entryId of an entry in this child's card.";
    let of = |corrects: &str| growth("tom", 119.0, Some(corrects));
    let day = growth("tom", 119.0, None).replace("2026-10-01", "2026-13-01");
    town.refuse_cards(&[
        (PD1, GROWTH, &[&growth("tom", 9.9, None)], height),
        (PD1, GROWTH, &[&growth("tom", 300.1, None)], height),
        (
            PD1,
            GROWTH,
            &[&day],
            "400: measuredOn must be a day of the calendar, written as YYYY-MM-DD.",
        ),
        (
            PD1,
            ALLERGY,
            &[&allergy("tom", "")],
            "400: substance must not be empty.",
        ),
        (
            PD1,
            GROWTH,
            &[&of(other)],
            "400: corrects must be the entryId of an entry of the same kind.",
        ),
        (PD1, GROWTH, &[&of(&"0".repeat(64))], unknown),
        // Another child's entry, though of a card that pd1 may write.
        (PD1, GROWTH, &[&of(eves)], unknown),
        (PD2, GROWTH, &[&of(first)], NOT_ADMITTED),
    ])
    .await;
    let corrected = cards.submits(PD1, GROWTH, &[&of(first)]).await;
    let corrected = corrected["entryId"].as_str().unwrap();
    let already =
        "409: The entry that corrects names is corrected already: correct its correction.";
    town.refuse_cards(&[(PD1, GROWTH, &[&of(first)], already)])
        .await;
    let card = cards.asks(PARENT1, "Parent:GetCard", &["tom"]).await;
    let shown: Vec<_> = card["growth"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                &entry["entryId"],
                &entry["heightCm"],
                &entry["corrects"],
                &entry["correctedBy"],
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (
                &json!(first),
                &json!(190.0),
                &Value::Null,
                &json!(corrected)
            ),
            (
                &json!(corrected),
                &json!(119.0),
                &json!(first),
                &Value::Null
            ),
        ]
    );

    // Who, what, in which order; and where on the ledger, which every member can look up.
    let changes = cards.asks(PARENT1, "Parent:GetCardHistory", &["tom"]).await;
    let changes = changes.as_array().unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|change| {
            let text = |field: &str| change[field].as_str().unwrap_or("-").to_owned();
            [text("kind"), text("entryKind"), text("author")].join(" ")
        })
        .collect();
    assert_eq!(
        told,
        [
            "entry-corrected growth pd1",
            "entry-added allergy pd1",
            "entry-added growth pd1",
            "agreement-accepted - hc1",
            "agreement-signed - parent1",
            "child-registered - parent1",
        ]
    );
    assert_eq!(changes[0]["id"], corrected);
    assert_eq!(changes[0]["corrects"], first);
    let blocks = blocks_on(&town.network.client_on(CARDS, "parents/admin"), CARDS).await;
    for change in changes {
        let block = usize::try_from(change["block"].as_u64().unwrap()).unwrap();
        let found = cordon_tests::state_of(&blocks, change["transactionId"].as_str().unwrap());
        assert_eq!(found, [(block as u64, "VALID")], "{change}");
    }

    // At the same moment: two entries do not meet, two corrections of one entry do.
    let pd1 = cards.client(PD1);
    let call = |text: &str| cards.call(GROWTH, &[text]);
    let both = [
        (pd1, call(&growth("tom", 120.0, None))),
        (pd1, call(&growth("tom", 121.0, None))),
    ];
    assert_eq!(at_once(&both).await, [ValidationCode::Valid; 2]);
    let both = [(pd1, call(&of(corrected))), (pd1, call(&of(corrected)))];
    let mut codes = at_once(&both).await;
    codes.sort_unstable_by_key(|code| *code as u8);
    assert_eq!(
        codes,
        [ValidationCode::Valid, ValidationCode::MvccReadConflict]
    );
    town.network.settled_on(CARDS).await;
    // An entry that was on its way when the agreement ended does not reach the card.
    let late = pd1
        .endorse(pd1.propose(&call(&growth("tom", 122.0, None))).unwrap())
        .await
        .unwrap();
    cards
        .submits(PARENT1, "Parent:EndAgreement", &["tom"])
        .await;
    pd1.submit(&late).await.unwrap();
    let (code, _) = pd1.commit_status(late.tx_id).await.unwrap();
    assert_eq!(code, ValidationCode::MvccReadConflict);
    town.network.settled_on(CARDS).await;
    let card = cards.asks(PARENT1, "Parent:GetCard", &["tom"]).await;
    assert_eq!(card["growth"].as_array().unwrap().len(), 5);
}

// === the report ===

const NORTHSIDE: &[&str] = &["tom", "SchoolMSP", "northside"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_read_while_the_parent_approves() {
    let town = Town::start().await;
    let reports = &town.reports;
    town.admitted("tom").await;
    town.assessed("tom", "wears glasses").await;
    applying(&town).await;
    town.requested_after_refusals().await;

    // 4. The pediatrician makes it; no text enters the channel.
    let created = reports.submits(PD1, CREATE, NORTHSIDE).await;
    assert_eq!(created["status"], "ready");
    let digest = created["digest"].as_str().unwrap().to_owned();
    // 5. The parent looks at it on the card, and approves that.
    assert_eq!(digest, town.form_digest(PARENT1, "tom").await);
    let zeros = json!("0".repeat(64)).to_string();
    let place_with = |digest: &str| -> Vec<String> {
        let place = NORTHSIDE.iter().map(|part| (*part).to_owned());
        place.chain([digest.to_owned()]).collect()
    };
    let wrong = place_with(&zeros);
    let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
    let southside = &["tom", "SchoolMSP", "southside"];
    town.refuse_reports(&[
        (REGISTRAR1, REPORT, &["tom"], NOT_APPROVED),
        (REGISTRAR2, REPORT, &["tom"], NOT_AT_YOURS),
        (PARENT1, APPROVE, &wrong, NOT_REVIEWED),
        (PARENT1, APPROVE, southside, NOT_YOURS),
        (PARENT2, APPROVE, NORTHSIDE, NOT_YOURS),
        (PARENT2, DECLINE, NORTHSIDE, NOT_YOURS),
        (PARENT2, "Parent:WithdrawApplication", NORTHSIDE, NOT_YOURS),
        (
            PD1,
            APPROVE,
            NORTHSIDE,
            &denied("reports", APPROVE, "HospitalMSP"),
        ),
        (
            REGISTRAR1,
            APPROVE,
            NORTHSIDE,
            &denied("reports", APPROVE, "SchoolMSP"),
        ),
        (
            PARENT1,
            WITHDRAW,
            NORTHSIDE,
            &not_now("the report is ready, and waits for the parent's decision"),
        ),
        (
            REGISTRAR1,
            REQUEST,
            &["tom"],
            &not_now("the report is ready, and waits for the parent's decision"),
        ),
    ])
    .await;

    // The card changes before the parent has approved: what was reviewed is no longer so.
    town.assessed("tom", "wears no glasses").await;
    town.refuse_reports(&[
        (PARENT1, APPROVE, NORTHSIDE, CARD_CHANGED),
        (REGISTRAR1, REPORT, &["tom"], NOT_APPROVED),
        (PD2, CREATE, NORTHSIDE, NOT_NAMED),
    ])
    .await;
    let anew = reports.submits(PD1, CREATE, NORTHSIDE).await;
    assert_ne!(anew["digest"], digest);
    let old = place_with(&json!(digest).to_string());
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    town.refuse_reports(&[(PARENT1, APPROVE, &old, NOT_REVIEWED)])
        .await;
    let new = place_with(&anew["digest"].to_string());
    let new: Vec<&str> = new.iter().map(String::as_str).collect();
    let approved = reports.submits(PARENT1, APPROVE, &new).await;
    assert_eq!(approved["reportStatus"], "approved");
    the_report(&town, &anew).await;

    // Whatever happens to the card, the school has what was approved; until it is withdrawn.
    town.assessed("tom", "later").await;
    let report = reports.asks(REGISTRAR1, REPORT, &["tom"]).await;
    assert_eq!(report["text"]["note"], "wears no glasses");
    let approved = not_now("the parent has approved the report");
    town.refuse_reports(&[
        (PARENT1, APPROVE, NORTHSIDE, &approved),
        (PARENT1, DECLINE, NORTHSIDE, &approved),
        (PD1, CREATE, NORTHSIDE, &approved),
        (REGISTRAR1, REQUEST, &["tom"], &approved),
        (PARENT2, WITHDRAW, NORTHSIDE, NOT_YOURS),
        (REGISTRAR2, REPORT, &["tom"], NOT_AT_YOURS),
    ])
    .await;
    reports.submits(PARENT1, WITHDRAW, NORTHSIDE).await;
    ended_and_asked_again(&town).await;
}

impl Town {
    /// Steps 2 and 3.
    async fn requested_after_refusals(&self) {
        let reports = &self.reports;
        let accepted = reports.submits(REGISTRAR1, ADMIT, &["tom"]).await;
        assert_eq!(accepted["status"], "accepted");
        let no_report = not_now("the school has asked for no report");
        self.refuse_reports(&[
            (
                REGISTRAR1,
                ADMIT,
                &["tom"],
                &not_now("the school has accepted the application"),
            ),
            (
                REGISTRAR1,
                "Registrar:DeclineApplication",
                &["tom"],
                &not_now("the school has accepted the application"),
            ),
            (REGISTRAR2, REQUEST, &["tom"], NOT_AT_YOURS),
            (PD1, CREATE, NORTHSIDE, &no_report),
            (PARENT1, APPROVE, NORTHSIDE, &no_report),
            (REGISTRAR1, REPORT, &["tom"], NOT_APPROVED),
            (
                PD1,
                REQUEST,
                &["tom"],
                &denied("reports", REQUEST, "HospitalMSP"),
            ),
        ])
        .await;
        reports.submits(REGISTRAR1, REQUEST, &["tom"]).await;
        let waiting = reports
            .asks(PD1, "Pediatrician:GetReportRequests", &[])
            .await;
        assert_eq!(waiting.as_array().unwrap().len(), 1);
        assert_eq!(waiting[0]["childId"], "tom");
        assert_eq!(waiting[0]["school"], "northside");
        let none = reports
            .asks(PD2, "Pediatrician:GetReportRequests", &[])
            .await;
        assert_eq!(none, json!([]));
        let requested = not_now("the report is requested, and the pediatrician has not made it");
        self.refuse_reports(&[
            (REGISTRAR1, REQUEST, &["tom"], &requested),
            (PARENT1, APPROVE, NORTHSIDE, &requested),
            (PARENT1, DECLINE, NORTHSIDE, &requested),
            (PD2, CREATE, NORTHSIDE, NOT_NAMED),
            (PD1, CREATE, &["tom", "SchoolMSP", "southside"], NOT_NAMED),
            (PD1, CREATE, &["eve", "SchoolMSP", "northside"], NOT_NAMED),
        ])
        .await;
    }
}

/// Step 1.
async fn applying(town: &Town) {
    let reports = &town.reports;
    let tom = application("tom", "northside", "pd1");
    let [nameless, schoolless, unknown] = [
        tom.replace("Tom Miller", " "),
        application("tom", "", "pd1"),
        application("nobody", "northside", "pd1"),
    ];
    town.refuse_reports(&[
        (
            PARENT1,
            APPLY,
            &[&nameless],
            "400: childName must not be empty.",
        ),
        (
            PARENT1,
            APPLY,
            &[&schoolless],
            "400: school must not be empty.",
        ),
        // Asked on channel cards, in the caller's name.
        (PARENT1, APPLY, &[&unknown], UNKNOWN_CHILD),
        (PARENT2, APPLY, &[&tom], UNKNOWN_CHILD),
        (
            PD1,
            APPLY,
            &[&tom],
            &denied("reports", APPLY, "HospitalMSP"),
        ),
        (
            REGISTRAR1,
            APPLY,
            &[&tom],
            &denied("reports", APPLY, "SchoolMSP"),
        ),
        (REGISTRAR1, ADMIT, &["tom"], NOT_AT_YOURS),
        (REGISTRAR1, REPORT, &["tom"], NOT_AT_YOURS),
        (
            "school/admin",
            ADMIT,
            &["tom"],
            &denied("reports", ADMIT, "SchoolMSP"),
        ),
        (
            HC1,
            CREATE,
            NORTHSIDE,
            &denied("reports", CREATE, "HospitalMSP"),
        ),
        (PD1, CREATE, NORTHSIDE, NOT_NAMED),
        (PARENT1, APPROVE, NORTHSIDE, NOT_YOURS),
    ])
    .await;
    let applied = reports.submits(PARENT1, APPLY, &[&tom]).await;
    assert_eq!(applied["status"], "applied");
    assert_eq!(applied["reportStatus"], Value::Null);
    let waits = not_now("the application waits for the school's decision");
    town.refuse_reports(&[
        (PARENT1, APPLY, &[&tom], &waits),
        (REGISTRAR1, REQUEST, &["tom"], &waits),
        (PD1, CREATE, NORTHSIDE, &waits),
        (REGISTRAR2, ADMIT, &["tom"], NOT_AT_YOURS),
        (
            REGISTRAR2,
            "Registrar:DeclineApplication",
            &["tom"],
            NOT_AT_YOURS,
        ),
        (REGISTRAR1, REPORT, &["tom"], NOT_APPROVED),
    ])
    .await;
    for (who, function, count) in [
        (PARENT1, "Parent:GetApplications", 1),
        (PARENT2, "Parent:GetApplications", 0),
        (REGISTRAR1, "Registrar:GetApplications", 1),
        (REGISTRAR2, "Registrar:GetApplications", 0),
    ] {
        let found = reports.asks(who, function, &[]).await;
        assert_eq!(found.as_array().unwrap().len(), count, "{who}");
    }
}

/// What the school reads, and how it can be checked.
async fn the_report(town: &Town, created: &Value) {
    let report = town.reports.asks(REGISTRAR1, REPORT, &["tom"]).await;
    assert_eq!(report["childName"], "Tom Miller");
    assert_eq!(report["createdBy"], "pd1");
    assert_eq!(report["approvedBy"], "parent1");
    let text = &report["text"];
    assert_eq!(text["fitForSchool"], true);
    assert_eq!(text["vaccinationsComplete"], false);
    assert_eq!(text["note"], "wears no glasses");
    assert_eq!(text["pediatrician"], "pd1");
    let form = text["form"].as_str().unwrap();
    let digest = hex::encode(cordon_wire::sha256([form.as_bytes()]));
    assert_eq!(report["digest"], digest);
    assert_eq!(report["digest"], created["digest"]);
    assert_eq!(digest, town.form_digest(PD1, "tom").await);
    assert_eq!(report["origin"], created["origin"]);
    let number = usize::try_from(report["origin"]["block"].as_u64().unwrap()).unwrap();
    let blocks = blocks_on(&town.network.client_on(CARDS, "parents/admin"), CARDS).await;
    assert_eq!(report["origin"]["hash"], hex::encode(blocks[number].hash()));
}

async fn ended_and_asked_again(town: &Town) {
    let reports = &town.reports;
    let withdrawn = not_now("the parent has withdrawn the report");
    town.refuse_reports(&[
        (REGISTRAR1, REPORT, &["tom"], NOT_APPROVED),
        (PARENT1, APPROVE, NORTHSIDE, &withdrawn),
        (PARENT1, WITHDRAW, NORTHSIDE, &withdrawn),
        (PD1, CREATE, NORTHSIDE, &withdrawn),
    ])
    .await;
    // Asked again, and declined.
    reports.submits(REGISTRAR1, REQUEST, &["tom"]).await;
    reports.submits(PD1, CREATE, NORTHSIDE).await;
    let declined = reports.submits(PARENT1, DECLINE, NORTHSIDE).await;
    assert_eq!(declined["reportStatus"], "declined");
    let declined = not_now("the parent has declined the report");
    town.refuse_reports(&[
        (REGISTRAR1, REPORT, &["tom"], NOT_APPROVED),
        (PARENT1, APPROVE, NORTHSIDE, &declined),
        (PD1, CREATE, NORTHSIDE, &declined),
    ])
    .await;
    // And again, and approved; then the whole application is withdrawn.
    reports.submits(REGISTRAR1, REQUEST, &["tom"]).await;
    reports.submits(PD1, CREATE, NORTHSIDE).await;
    reports.submits(PARENT1, APPROVE, NORTHSIDE).await;
    let report = reports.asks(REGISTRAR1, REPORT, &["tom"]).await;
    assert_eq!(report["text"]["note"], "later");
    let over = reports.submits(PARENT1, "Parent:WithdrawApplication", NORTHSIDE);
    assert_eq!(over.await["status"], "withdrawn");
    let withdrawn = not_now("the parent has withdrawn the application");
    town.refuse_reports(&[
        (REGISTRAR1, REPORT, &["tom"], NOT_APPROVED),
        (REGISTRAR1, REQUEST, &["tom"], &withdrawn),
        (REGISTRAR1, ADMIT, &["tom"], &withdrawn),
        (PD1, CREATE, NORTHSIDE, &withdrawn),
        (PARENT1, APPROVE, NORTHSIDE, &withdrawn),
        (PARENT1, "Parent:WithdrawApplication", NORTHSIDE, &withdrawn),
    ])
    .await;
    // A new application has nothing of the old one, and can be declined.
    let tom = application("tom", "northside", "pd1");
    reports.submits(PARENT1, APPLY, &[&tom]).await;
    town.refuse_reports(&[(REGISTRAR1, REPORT, &["tom"], NOT_APPROVED)])
        .await;
    let over = reports.submits(REGISTRAR1, "Registrar:DeclineApplication", &["tom"]);
    assert_eq!(over.await["status"], "declined");
    let declined = not_now("the school has declined the application");
    town.refuse_reports(&[
        (REGISTRAR1, ADMIT, &["tom"], &declined),
        (PARENT1, "Parent:WithdrawApplication", NORTHSIDE, &declined),
    ])
    .await;
    // At another school everything is another matter.
    let south = application("tom", "southside", "pd1");
    reports.submits(PARENT1, APPLY, &[&south]).await;
    reports.submits(REGISTRAR2, ADMIT, &["tom"]).await;
    let found = reports
        .asks(REGISTRAR1, "Registrar:GetApplications", &[])
        .await;
    assert_eq!(found[0]["status"], "declined");
}

// === between the channels ===

/// How often a report is made, or approved, right after the card has changed.
const RACES: usize = 20;

/// The Parents' host learns of a card's entry a moment after the Hospital's, which answers the
/// pediatrician. Whatever is endorsed in that moment is endorsed on the same card by both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_made_at_once_is_made_of_the_newest_entry() {
    let town = Town::start().await;
    let Town {
        network,
        cards,
        reports,
    } = &town;
    town.admitted("tom").await;
    town.assessed("tom", "0").await;
    town.requested("tom").await;
    // The same pediatrician through the other host, which is the one that is behind.
    let at_parents = network.client_at(PARENTS, REPORTS, PD1);
    for race in 0..RACES {
        let assessed = assessment("tom", &format!("race {race}"));
        cards.commits(PD1, ASSESS, &[&assessed]).await;
        let client = if race % 2 == 0 {
            reports.client(PD1)
        } else {
            &at_parents
        };
        let created = client.transact(&reports.call(CREATE, NORTHSIDE)).await;
        let created = created.unwrap_or_else(|error| panic!("race {race}: {error}"));
        let answer: Value = serde_json::from_slice(&created.answer).unwrap();
        let digest = town.form_digest(PD1, "tom").await;
        assert_eq!(answer["digest"], digest, "race {race}");
        reports.seen(created.tx_id).await;
    }
    // The card changes under a report: at once, no host lets the parent approve it any more.
    for race in 0..RACES {
        let assessed = assessment("tom", &format!("late {race}"));
        cards.commits(PD1, ASSESS, &[&assessed]).await;
        let found = answer_of(
            reports
                .client(PARENT1)
                .transact(&reports.call(APPROVE, NORTHSIDE))
                .await,
        );
        assert_eq!(found.code, Code::Aborted, "race {race}: {found:?}");
        let expected = CARD_CHANGED.replacen("409: ", "chaincode response 409, ", 1);
        assert!(found.message.ends_with(&expected), "race {race}: {found:?}");
    }
    reports.submits(PD1, CREATE, NORTHSIDE).await;
    reports.submits(PARENT1, APPROVE, NORTHSIDE).await;
    let report = reports.asks(REGISTRAR1, REPORT, &["tom"]).await;
    assert_eq!(report["text"]["note"], format!("late {}", RACES - 1));
    network.settled_everywhere().await;
}

/// A registrar at the host of an organisation that has the cards gets nothing of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_school_at_another_host_gets_nothing_of_a_card() {
    let town = Town::start().await;
    town.admitted("tom").await;
    town.assessed("tom", "Unseen-Note").await;
    town.requested("tom").await;
    let before = town.network.settled_everywhere().await;
    let mut table = Table::new();
    let tom = application("tom", "northside", "pd1");
    for host in [HOSPITAL, PARENTS, SCHOOL] {
        let registrar = town.network.client_at(host, REPORTS, REGISTRAR1);
        for (function, args) in [
            (APPLY, &[tom.as_str()][..]),
            (APPROVE, NORTHSIDE),
            (CREATE, NORTHSIDE),
        ] {
            let call = Call::new("reports", function, args);
            let found = refusal_of(&registrar, &call).await;
            table.equal(
                &format!("{function} at {host}"),
                found,
                denied("reports", function, "SchoolMSP"),
            );
        }
        let call = Call::new("reports", REPORT, &["tom"]);
        table.equal(
            &format!("report at {host}"),
            refusal_of(&registrar, &call).await.as_str(),
            NOT_APPROVED,
        );

        // The channel itself is not there for a school, wherever it asks.
        let registrar = town.network.client_at(host, CARDS, REGISTRAR1);
        let nowhere = town.network.client_at(host, "nowhere", REGISTRAR1);
        for (function, args) in [
            (FORM, &["tom"][..]),
            ("Parent:GetCard", &["tom"]),
            (CARD, &["tom"]),
        ] {
            let call = Call::new("cards", function, args);
            for (way, found, expected) in [
                (
                    "asked",
                    answer_of(registrar.evaluate(&call).await),
                    answer_of(nowhere.evaluate(&call).await),
                ),
                (
                    "submitted",
                    answer_of(registrar.transact(&call).await),
                    answer_of(nowhere.transact(&call).await),
                ),
            ] {
                let case = format!("{function} at {host}, {way}");
                let expected = expected.message.replace("nowhere", CARDS);
                table.contains(&case, &expected, "not known to this host");
                table.equal(&case, found.message, expected);
            }
        }
    }
    let after = town.network.settled_everywhere().await;
    table.equal("nothing has changed", after, before);
}

/// The same where the access policies of `reports` let everybody call everything: then it is the other
/// channel that does not answer a school.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permissive_channel_gives_a_school_nothing_of_another() {
    let policies = tempfile::tempdir().unwrap();
    let permit = "permit (principal, action, resource);";
    std::fs::write(policies.path().join("reports.cedar"), permit).unwrap();
    let text = town_text();
    let from = text
        .lines()
        .find(|line| line.starts_with("access_policies") && line.ends_with("/reports\""));
    let to = format!("access_policies = \"{}\"", policies.path().display());
    let text = text.replacen(from.unwrap(), &to, 1);
    let town = Town::of(Network::start_all(NetworkFile::Text(text)).await);
    town.admitted("tom").await;
    town.assessed("tom", "Unseen-Note").await;
    town.requested("tom").await;
    // A parent who was talked into naming the registrar as the pediatrician.
    let named = application("tom", "southside", "registrar1").replace("HospitalMSP", "SchoolMSP");
    town.reports.submits(PARENT1, APPLY, &[&named]).await;
    town.reports.submits(REGISTRAR2, ADMIT, &["tom"]).await;
    town.reports.submits(REGISTRAR2, REQUEST, &["tom"]).await;
    let before = town.network.settled_everywhere().await;
    let mut table = Table::new();
    let unknown = "404: there is no contract cards on a channel cards here";
    for host in [HOSPITAL, PARENTS, SCHOOL] {
        let registrar = town.network.client_at(host, REPORTS, REGISTRAR1);
        for (function, id, expected) in [
            // Asks for the child.
            (APPLY, "tom", unknown),
            (APPLY, "nobody", unknown),
        ] {
            let call = Call::new("reports", function, &[&application(id, "northside", "pd1")]);
            let found = refusal_of(&registrar, &call).await;
            table.equal(
                &format!("{function} of {id} at {host}"),
                found.as_str(),
                expected,
            );
        }
        // Asks for the card's form.
        let southside = &["tom", "SchoolMSP", "southside"];
        for (function, place, expected) in [
            (CREATE, southside, unknown),
            (CREATE, &["tom", "SchoolMSP", "northside"], NOT_NAMED),
            (APPROVE, southside, NOT_YOURS),
        ] {
            let call = Call::new("reports", function, place);
            let found = refusal_of(&registrar, &call).await;
            table.equal(
                &format!("{function} {place:?} at {host}"),
                found.as_str(),
                expected,
            );
        }
    }
    // Whom `reports` lets ask is still asked by the policies of `cards`.
    let tom = application("tom", "southside", "pd1");
    let found = town.reports.refusal(HC1, APPLY, &[&tom]).await;
    table.equal(
        "another's role",
        found,
        denied("cards", "Parent:GetChild", "HospitalMSP"),
    );
    let after = town.network.settled_everywhere().await;
    table.equal("nothing has changed", after, before);
}
