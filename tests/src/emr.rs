//! Short words for the `emr` contract.

use cordon_client::{Call, Client, ClientError, Receipt};
use serde_json::{Value, json};

/// Submits a call and waits until it is committed.
///
/// # Errors
/// The client's.
pub async fn submit(
    client: &Client,
    function: &str,
    args: &[&str],
) -> Result<Receipt, ClientError> {
    client.transact(&Call::new("emr", function, args)).await
}

/// Evaluates a call; its JSON answer.
///
/// # Errors
/// The client's.
pub async fn evaluate(
    client: &Client,
    function: &str,
    args: &[&str],
) -> Result<Value, ClientError> {
    let answer = client.evaluate(&Call::new("emr", function, args)).await?;
    Ok(as_json(&answer))
}

/// An answer as JSON.
pub fn as_json(answer: &[u8]) -> Value {
    serde_json::from_slice(answer).unwrap()
}

/// Argument of `HealthCenter:CreateEmr`.
pub fn emr_of(patient: &str) -> String {
    json!({ "patientId": patient, "patientName": "Ann", "patientBirthdate": "10-03" }).to_string()
}

/// Argument of `Physician:AddEmrNote`.
pub fn note(patient: &str, diagnosis: &str) -> String {
    json!({ "patientId": patient, "area": "cardiology", "diagnosis": diagnosis }).to_string()
}

/// Opens a record.
///
/// # Errors
/// The client's.
pub async fn create_emr(client: &Client, patient: &str) -> Result<Receipt, ClientError> {
    submit(client, "HealthCenter:CreateEmr", &[&emr_of(patient)]).await
}
