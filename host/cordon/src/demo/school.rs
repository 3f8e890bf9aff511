//! "A child goes to school": the parent–hospital–school network, on two channels.

use anyhow::{Result, ensure};
use serde_json::json;

use super::story::{Stage, Step, Story, step};
use super::table;

pub(super) const CARDS: Stage = Stage {
    channel: "cards",
    contract: "cards",
};
pub(super) const REPORTS: Stage = Stage {
    channel: "reports",
    contract: "reports",
};

/// What stands on the card and is nobody's business but the parents' and the pediatrician's.
pub(super) const ALLERGY: &str = "peanuts, severe";
/// What the report says once the parent has approved it.
pub(super) const REPORT_NOTE: &str = "wears glasses for reading";

const PLACE: &[&str] = &["tom", "SchoolMSP", "northside"];

pub(super) async fn tell(story: &mut Story<'_>) -> Result<()> {
    story.title("A CHILD GOES TO SCHOOL: the medical card");
    card(story).await?;
    story.title("A CHILD GOES TO SCHOOL: the five steps");
    report(story).await
}

async fn card(story: &mut Story<'_>) -> Result<()> {
    let tom = json!({ "childId": "tom", "name": "Tom Miller", "birthdate": "2019-05-14" });
    let agreement = json!({ "childId": "tom", "hospital": "HospitalMSP", "pediatrician": "pd1" });
    let allergy = json!({ "childId": "tom", "substance": ALLERGY, "reaction": "hives" });
    let assessment = json!({
        "childId": "tom", "assessedOn": "2026-11-02", "fitForSchool": true,
        "vaccinationsComplete": true, "note": REPORT_NOTE,
    });
    let texts = [tom, agreement, allergy, assessment].map(|value| value.to_string());
    let [tom, agreement, allergy, assessment] = texts.each_ref().map(|text| [text.as_str()]);

    let register = step(
        "parents/parent1",
        "registers a child",
        "Parent:RegisterChild",
        &tom,
    );
    story.submits(CARDS, register).await?;
    let sign = step(
        "parents/parent1",
        "signs an agreement with the hospital",
        "Parent:SignAgreement",
        &agreement,
    );
    story.submits(CARDS, sign).await?;
    let early = step(
        "hospital/pd1",
        "writes on the card before the hospital has accepted",
        "Pediatrician:AddAllergy",
        &allergy,
    );
    story.refused(CARDS, early, 403).await?;
    let accept = step(
        "hospital/hc1",
        "accepts the agreement",
        "HealthCenter:AcceptAgreement",
        &["tom"],
    );
    story.submits(CARDS, accept).await?;
    let add = Step {
        what: "notes an allergy",
        ..early
    };
    story.submits(CARDS, add).await?;
    let assess = step(
        "hospital/pd1",
        "examines the child for school",
        "Pediatrician:AddAssessment",
        &assessment,
    );
    story.submits(CARDS, assess).await?;
    let other = step(
        "hospital/pd2",
        "(another pediatrician) opens the card",
        "Pediatrician:GetCard",
        &["tom"],
    );
    story.refused(CARDS, other, 403).await?;
    let history = step(
        "parents/parent1",
        "sees who changed what, and when",
        "Parent:GetCardHistory",
        &["tom"],
    );
    let changes = story.asks(CARDS, history).await?;
    ensure!(
        changes.as_array().is_some_and(|changes| changes.len() == 5),
        "a child, two changes of the agreement, two entries: {changes}"
    );
    Ok(())
}

async fn report(story: &mut Story<'_>) -> Result<()> {
    let application = json!({
        "childId": "tom", "childName": "Tom Miller", "schoolOrg": "SchoolMSP",
        "school": "northside", "hospital": "HospitalMSP", "pediatrician": "pd1",
    })
    .to_string();
    let application = [application.as_str()];
    let apply = step(
        "parents/parent1",
        "applies for a place at Northside",
        "Parent:ApplyForPlace",
        &application,
    );
    story.submits(REPORTS, apply).await?;
    let accept = step(
        "school/registrar1",
        "accepts",
        "Registrar:AcceptApplication",
        &["tom"],
    );
    story.submits(REPORTS, accept).await?;
    let request = step(
        "school/registrar1",
        "asks the pediatrician for a report",
        "Registrar:RequestReport",
        &["tom"],
    );
    story.submits(REPORTS, request).await?;
    let create = step(
        "hospital/pd1",
        "creates it from the card: its hash goes to the channel, not its text",
        "Pediatrician:CreateReport",
        PLACE,
    );
    story.submits(REPORTS, create).await?;
    let read = step(
        "school/registrar1",
        "reads the report",
        "Registrar:GetReport",
        &["tom"],
    );
    let early = Step {
        what: "tries to read it before the parent has approved",
        ..read
    };
    story.refused(REPORTS, early, 403).await?;
    ensure!(
        !table::holds(&story.dir, "school", REPORT_NOTE)?,
        "the report's text must not be on the School's disk yet"
    );
    story
        .output
        .note("    (searched every file of the School's host: the report's text is not there)");
    let review = step(
        "parents/parent1",
        "looks at what the report says, on the card",
        "Forms:GetReportForm",
        &["tom"],
    );
    story.asks(CARDS, review.aside()).await?;
    let approve = step(
        "parents/parent1",
        "approves it for Northside",
        "Parent:ApproveReport",
        PLACE,
    );
    story.submits(REPORTS, approve).await?;
    let report = story.asks(REPORTS, read.aside()).await?;
    ensure!(
        report["text"]["note"] == REPORT_NOTE,
        "the report must be the approved one"
    );
    let other = Step {
        who: "school/registrar2",
        what: "(of another school) asks for it",
        ..read
    };
    story.refused(REPORTS, other, 404).await
}
