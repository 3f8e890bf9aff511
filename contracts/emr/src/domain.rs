//! The rules of medical records: who may do what, and what is refused.
//!
//! Each rule checks its input, then the caller, and only then reads a record. Rules know nothing of
//! WIT or JSON and run on any [`World`]; errors name fields as clients write them. That the caller is a
//! clerk, physician or patient was decided by the channel's access policy before.
//!
//! A patient's id is the enrollment id of the patient's own certificate. Source: the SOUTHWORKS
//! sample's smart contracts `health-center`, `physician` and `patient`.

use cordon_sdk::{Timestamp, World, check_id, check_text, optional_text};
use serde::{Deserialize, Serialize};

use crate::error::EmrError;
use crate::keys::{self, EMRS, NOTES, PATIENTS_BY_EMR_ID};

/// What a rule gives: an answer or a refusal.
pub type Result<T> = std::result::Result<T, EmrError>;

/// The contract of the channel that may read records through [`emr_for_contract`].
const SHARING_CONTRACT: &str = "sharing";

/// What is needed to open a record.
#[derive(Clone, PartialEq, Eq)]
pub struct NewEmr {
    /// The patient's id.
    pub patient_id: String,
    /// The patient's name.
    pub patient_name: String,
    /// The patient's date of birth, in any form.
    pub patient_birthdate: String,
}

/// A record as it is stored, without its notes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmrRecord {
    /// Id of the transaction that opened it.
    pub emr_id: String,
    /// The organisation that keeps it.
    pub organization: String,
    /// The patient's id.
    pub patient_id: String,
    /// The patient's name.
    pub patient_name: String,
    /// The patient's date of birth, as it was given.
    pub patient_birthdate: String,
    /// Enrollment id of who opened it.
    pub created_by: String,
}

/// A record with all its notes, oldest first.
#[derive(Clone, PartialEq, Eq)]
pub struct Emr {
    /// The record.
    pub record: EmrRecord,
    /// Its notes. Empty for a new record.
    pub notes: Vec<Note>,
}

/// What a physician writes down; `None`, like a blank text, where there is nothing to say.
#[derive(Clone, PartialEq, Eq)]
pub struct NewNote {
    /// The patient whose record the note is added to.
    pub patient_id: String,
    /// The medical area.
    pub area: String,
    /// Vital signs.
    pub vital_signs: Option<String>,
    /// Diagnosis.
    pub diagnosis: Option<String>,
    /// Medication.
    pub medication: Option<String>,
    /// Progress.
    pub progress: Option<String>,
    /// Result of a test.
    pub test_result: Option<String>,
}

/// A note as it is stored. Never changed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Id of the transaction that added it.
    pub note_id: String,
    /// The patient's id.
    pub patient_id: String,
    /// The medical area.
    pub area: String,
    /// Vital signs.
    pub vital_signs: Option<String>,
    /// Diagnosis.
    pub diagnosis: Option<String>,
    /// Medication.
    pub medication: Option<String>,
    /// Progress.
    pub progress: Option<String>,
    /// Result of a test.
    pub test_result: Option<String>,
    /// Enrollment id of who added it.
    pub physician: String,
    /// When that person's client signed it.
    pub timestamp: Timestamp,
}

/// A caller who has a name.
struct Actor {
    organization: String,
    /// Enrollment id, never empty.
    name: String,
}

impl Actor {
    fn of(world: &impl World) -> Result<Self> {
        let caller = world.caller();
        caller.require_enrollment_id()?;
        Ok(Self {
            organization: caller.msp_id,
            name: caller.enrollment_id,
        })
    }
}

// === Health centre ===

/// Opens a record, and emits `EmrCreated` with its id.
///
/// # Errors
/// [`EmrError`]: an unusable field, a caller without a name, or a patient who has a record already.
pub fn create_emr(world: &mut impl World, new: NewEmr) -> Result<Emr> {
    check_id("patientId", &new.patient_id)?;
    check_text("patientName", &new.patient_name)?;
    check_text("patientBirthdate", &new.patient_birthdate)?;
    let actor = Actor::of(world)?;

    let key = keys::emr(&actor.organization, &new.patient_id);
    if EMRS.contains(world, &key)? {
        return Err(EmrError::AlreadyRegistered);
    }
    let record = EmrRecord {
        emr_id: world.transaction_id(),
        organization: actor.organization.clone(),
        patient_id: new.patient_id.clone(),
        patient_name: new.patient_name,
        patient_birthdate: new.patient_birthdate,
        created_by: actor.name,
    };
    EMRS.put(world, &key, &record)?;
    let index = keys::emr_id(&actor.organization, &record.emr_id);
    PATIENTS_BY_EMR_ID.put(world, &index, &record.patient_id)?;
    world.emit("EmrCreated", record.emr_id.as_bytes())?;
    Ok(Emr {
        record,
        notes: Vec::new(),
    })
}

/// Whether the patient has a record in the caller's organisation.
///
/// # Errors
/// [`EmrError`]: an unusable id, or a caller without a name.
pub fn check_is_patient_registered(world: &impl World, patient_id: &str) -> Result<bool> {
    check_id("patientId", patient_id)?;
    let actor = Actor::of(world)?;
    Ok(EMRS.contains(world, &keys::emr(&actor.organization, patient_id))?)
}

// === Physician ===

/// The record with this id.
///
/// # Errors
/// [`EmrError`]: an unusable id, a caller without a name, or no such record.
pub fn read_emr(world: &impl World, emr_id: &str) -> Result<Emr> {
    check_id("emrId", emr_id)?;
    let actor = Actor::of(world)?;
    load_by_id(world, &actor.organization, emr_id)
}

/// The record of this patient.
///
/// # Errors
/// [`EmrError`]: an unusable id, a caller without a name, or an unknown patient.
pub fn emr_for_physician(world: &impl World, patient_id: &str) -> Result<Emr> {
    check_id("patientId", patient_id)?;
    let actor = Actor::of(world)?;
    load(world, &actor.organization, patient_id)
}

/// Adds a note, and emits `EmrNoteAdded` with its id.
///
/// Reads the patient's record, which adding a note does not write, and writes a key that nothing
/// reads before: so any number of notes can be added at the same moment, and all commit.
///
/// # Errors
/// [`EmrError`]: an unusable field, a caller without a name, or an unknown patient.
pub fn add_emr_note(world: &mut impl World, new: NewNote) -> Result<Note> {
    check_id("patientId", &new.patient_id)?;
    check_text("area", &new.area)?;
    let vital_signs = optional_text("vitalSigns", new.vital_signs)?;
    let diagnosis = optional_text("diagnosis", new.diagnosis)?;
    let medication = optional_text("medication", new.medication)?;
    let progress = optional_text("progress", new.progress)?;
    let test_result = optional_text("testResult", new.test_result)?;
    let actor = Actor::of(world)?;

    if !EMRS.contains(world, &keys::emr(&actor.organization, &new.patient_id))? {
        return Err(EmrError::UnknownPatient);
    }
    let note = Note {
        note_id: world.transaction_id(),
        patient_id: new.patient_id,
        area: new.area,
        vital_signs,
        diagnosis,
        medication,
        progress,
        test_result,
        physician: actor.name,
        timestamp: world.timestamp(),
    };
    NOTES.put(world, &keys::note(&note, &actor.organization), &note)?;
    world.emit("EmrNoteAdded", note.note_id.as_bytes())?;
    Ok(note)
}

// === Patient ===

/// The caller's own record.
///
/// # Errors
/// [`EmrError`]: a caller without a name, or without a record.
pub fn own_emr(world: &impl World) -> Result<Emr> {
    let actor = Actor::of(world)?;
    load(world, &actor.organization, &actor.name)
}

/// The record of this patient, who must be the caller. Whether somebody else has a record is not
/// told: the refusal is the same.
///
/// # Errors
/// [`EmrError`]: an unusable id, a caller without a name, somebody else's id, or a caller without a
/// record.
pub fn emr_for_patient(world: &impl World, patient_id: &str) -> Result<Emr> {
    check_id("patientId", patient_id)?;
    let actor = Actor::of(world)?;
    if patient_id != actor.name {
        return Err(EmrError::NotYourRecord);
    }
    load(world, &actor.organization, patient_id)
}

/// How many notes the caller's own record has.
///
/// # Errors
/// [`EmrError`]: a caller without a name, or without a record.
pub fn medical_visits_count(world: &impl World) -> Result<u32> {
    let actor = Actor::of(world)?;
    let key = keys::emr(&actor.organization, &actor.name);
    if !EMRS.contains(world, &key)? {
        return Err(EmrError::UnknownPatient);
    }
    Ok(NOTES.count(world, &key)?)
}

// === Other contracts ===

/// The record with this id, for the contract that shares records.
///
/// # Errors
/// [`EmrError`]: an unusable id, anybody but that contract, a caller without a name, or no such record.
pub fn emr_for_contract(world: &impl World, emr_id: &str) -> Result<Emr> {
    check_id("emrId", emr_id)?;
    if world.calling_contract().as_deref() != Some(SHARING_CONTRACT) {
        return Err(EmrError::NotSharing);
    }
    let actor = Actor::of(world)?;
    load_by_id(world, &actor.organization, emr_id)
}

// === Helpers ===

/// The record with this id, with all its notes.
fn load_by_id(world: &impl World, organization: &str, emr_id: &str) -> Result<Emr> {
    let index = keys::emr_id(organization, emr_id);
    let patient_id = PATIENTS_BY_EMR_ID
        .get(world, &index)?
        .ok_or(EmrError::UnknownEmr)?;
    load(world, organization, &patient_id)
}

/// A record with all its notes, however many pages they are.
fn load(world: &impl World, organization: &str, patient_id: &str) -> Result<Emr> {
    let key = keys::emr(organization, patient_id);
    let record = EMRS.get(world, &key)?.ok_or(EmrError::UnknownPatient)?;
    let notes = NOTES.values(world, &key)?;
    Ok(Emr { record, notes })
}

#[cfg(test)]
mod tests;
