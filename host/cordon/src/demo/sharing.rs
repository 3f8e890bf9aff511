//! "Sharing an EMR", the second story of the reference network, in its seven steps.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::emr::{CHANNEL, EMR};
use super::story::{Stage, Step, Story, step};

pub(super) const SHARING: Stage = Stage {
    channel: CHANNEL,
    contract: "sharing",
};

/// The other organisation's physician reads the shared copy.
pub(super) const READ: Step<'static> = step(
    "clinic/py2",
    "reads the shared record",
    "Physician:GetSharedEmr",
    &["HospitalMSP", "pa1"],
);

pub(super) async fn tell(story: &mut Story<'_>, emr_id: &str) -> Result<()> {
    story.title("SHARING AN EMR");
    let notes = |shared: &Value| shared["emr"]["notes"].as_array().map(Vec::len);

    let request = step(
        "clinic/py2",
        "asks the hospital for Ann's record",
        "Physician:RequestEmr",
        &["HospitalMSP", "pa1"],
    );
    story.submits(SHARING, request).await?;
    let requests = step(
        "hospital/hc1",
        "sees the request",
        "HealthCenter:GetEmrRequests",
        &[],
    );
    let requests = story.asks(SHARING, requests).await?;
    ensure!(
        requests[0]["receiverOrg"] == "ClinicMSP",
        "it must be listed"
    );
    let args = ["ClinicMSP", emr_id];
    let authorize = step(
        "hospital/hc1",
        "authorises a copy of the record as it is now",
        "HealthCenter:AuthorizeEmrReading",
        &args,
    );
    story.submits(SHARING, authorize).await?;
    let early = Step {
        what: "tries to read before Ann has agreed",
        ..READ
    };
    story.refused(SHARING, early, 403).await?;
    let sharings = step(
        "hospital/pa1",
        "sees who wants to read her record",
        "Patient:GetSharings",
        &[],
    );
    story.asks(SHARING, sharings).await?;
    let approve = step(
        "hospital/pa1",
        "agrees",
        "Patient:ApproveEmrSharing",
        &["ClinicMSP"],
    );
    story.submits(SHARING, approve).await?;
    let shared = story.asks(SHARING, READ).await?;
    ensure!(notes(&shared) == Some(2), "two notes were shared");

    let note = json!({ "patientId": "pa1", "area": "Neurology", "diagnosis": "Migraine" });
    let note = note.to_string();
    let args = [note.as_str()];
    let later = step(
        "hospital/py1",
        "adds a note afterwards",
        "Physician:AddEmrNote",
        &args,
    );
    story.submits(EMR, later.aside()).await?;
    let unchanged = Step {
        what: "still reads what was agreed on, without the new note",
        ..READ
    };
    let shared = story.asks(SHARING, unchanged.aside()).await?;
    let copied = notes(&shared).context("a record has notes")?;
    ensure!(copied == 2, "a later note must not be shared");

    let remove = step(
        "hospital/pa1",
        "withdraws her consent",
        "Patient:RemoveEmrSharing",
        &["ClinicMSP"],
    );
    story.submits(SHARING, remove).await?;
    let late = Step {
        what: "tries again",
        ..READ
    };
    story.refused(SHARING, late, 404).await
}
