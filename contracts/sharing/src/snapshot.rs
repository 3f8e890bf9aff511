//! Copies of records, as they were when the owner authorised reading them.
//!
//! A copy is a key for the record and one for each note, because a value has at most 1 MiB. It is
//! written once and deleted whole; the sharing knows how many notes it has, so deleting scans nothing.

use cordon_sdk::World;
use serde::{Deserialize, Serialize};

use crate::domain::Result;
use crate::keys::{self, Parties, SNAPSHOT_NOTES, SNAPSHOTS};
use crate::machine::Version;

/// A record without its notes, as the contract `emr` gave it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmrRecord {
    /// Its id.
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

/// A note, as the contract `emr` gave it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its id.
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
    /// When that person's client signed it, RFC 3339.
    pub timestamp: String,
}

/// A record with all its notes, oldest first.
#[derive(Clone, PartialEq, Eq)]
pub struct Emr {
    /// The record.
    pub record: EmrRecord,
    /// Its notes.
    pub notes: Vec<Note>,
}

/// Writes the copy of a version.
pub(crate) fn store(
    world: &mut impl World,
    parties: &Parties<'_>,
    version: u32,
    emr: &Emr,
) -> Result<()> {
    SNAPSHOTS.put(world, &keys::snapshot(parties, version), &emr.record)?;
    for (place, note) in (0..).zip(&emr.notes) {
        let key = keys::snapshot_note(parties, version, place);
        SNAPSHOT_NOTES.put(world, &key, note)?;
    }
    Ok(())
}

/// The copy of a version that is kept.
pub(crate) fn load(world: &impl World, parties: &Parties<'_>, version: u32) -> Result<Emr> {
    let key = keys::snapshot(parties, version);
    let record = SNAPSHOTS
        .get(world, &key)?
        .expect("a version is kept with its copy, and deleted with it");
    let notes = SNAPSHOT_NOTES.values(world, &key)?;
    Ok(Emr { record, notes })
}

/// Deletes the copy of a version.
pub(crate) fn delete(
    world: &mut impl World,
    parties: &Parties<'_>,
    version: &Version,
) -> Result<()> {
    SNAPSHOTS.delete(world, &keys::snapshot(parties, version.number))?;
    for place in 0..version.note_count {
        let key = keys::snapshot_note(parties, version.number, place);
        SNAPSHOT_NOTES.delete(world, &key)?;
    }
    Ok(())
}
