//! "Managing an EMR", the first story of the reference network.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::story::{Stage, Step, Story, step, text_of};

pub(super) const CHANNEL: &str = "providers";

pub(super) const EMR: Stage = Stage {
    channel: CHANNEL,
    contract: "emr",
};

/// What is written into the record, to be looked for later.
pub(super) const DIAGNOSIS: &str = "Arrhythmia";

/// Tells the story; the id of the record.
pub(super) async fn tell(story: &mut Story<'_>) -> Result<String> {
    story.title("MANAGING AN EMR");
    let ann = json!({
        "patientId": "pa1", "patientName": "Ann Miller", "patientBirthdate": "10-03",
    })
    .to_string();
    let ann = [ann.as_str()];
    let create = step(
        "hospital/hc1",
        "registers a patient",
        "HealthCenter:CreateEmr",
        &ann,
    );
    let emr = story.submits(EMR, create).await?;
    let emr_id = text_of(&emr, "emrId")?;
    let again = Step {
        what: "registers her a second time",
        ..create
    };
    story.refused(EMR, again, 409).await?;
    let registered = step(
        "hospital/hc1",
        "asks whether she is registered",
        "HealthCenter:CheckIsPatientRegistered",
        &["pa1"],
    );
    let registered = story.asks(EMR, registered).await?;
    ensure!(registered == json!(true), "she must be registered");
    let id = [emr_id.as_str()];
    let read = step("hospital/py1", "reads the record", "Physician:ReadEmr", &id);
    let read = story.asks(EMR, read).await?;
    ensure!(
        text_of(&read, "patientName")? == "Ann Miller",
        "the record must be hers"
    );
    for (area, diagnosis) in [("Cardiology", DIAGNOSIS), ("Dermatology", "Eczema")] {
        let note = json!({
            "patientId": "pa1", "area": area, "vitalSigns": "120/80, 36.6 °C",
            "diagnosis": diagnosis, "medication": "as prescribed",
        })
        .to_string();
        let what = format!("adds a note ({area})");
        let args = [note.as_str()];
        let add = step("hospital/py1", &what, "Physician:AddEmrNote", &args);
        story.submits(EMR, add).await?;
    }
    let own = step(
        "hospital/pa1",
        "reads her own record",
        "Patient:GetOwnEmr",
        &[],
    );
    let own = story.asks(EMR, own).await?;
    let notes = own["notes"].as_array().context("a record has notes")?;
    ensure!(notes.len() == 2, "both notes must be in it");
    let count = step(
        "hospital/pa1",
        "counts her visits",
        "Patient:GetMedicalVisitsCount",
        &[],
    );
    ensure!(story.asks(EMR, count).await? == json!(2), "two visits");

    story.output.note("  What is refused, and why:");
    let note = json!({ "patientId": "pa1", "area": "Self-help" }).to_string();
    let nameless = json!({ "patientId": "pa9", "patientBirthdate": "01-01" }).to_string();
    let (note, nameless) = ([note.as_str()], [nameless.as_str()]);
    let refusals = [
        (
            "clinic/py2",
            "looks for her record",
            "Physician:GetEmrByPatientId",
            &["pa1"],
            404,
        ),
        (
            "clinic/py2",
            "tries the record's id",
            "Physician:ReadEmr",
            &id,
            404,
        ),
        (
            "hospital/pa1",
            "writes a note herself",
            "Physician:AddEmrNote",
            &note,
            403,
        ),
        (
            "hospital/pa1",
            "asks for another's record",
            "Patient:GetEmrByPatientId",
            &["pa9"],
            403,
        ),
        (
            "hospital/hc1",
            "leaves out the name",
            "HealthCenter:CreateEmr",
            &nameless,
            400,
        ),
    ];
    for (who, what, function, args, status) in refusals {
        story
            .refused(EMR, step(who, what, function, args), status)
            .await?;
    }
    Ok(emr_id)
}
