//! Where records are kept. Keys are built here and nowhere else.
//!
//! The organisation comes first in every key, and is always the caller's own: no argument of any
//! function can name a record of another organisation.

use cordon_sdk::Collection;

use crate::domain::{EmrRecord, Note};

/// Records without their notes, by [`emr`].
pub const EMRS: Collection<EmrRecord> = Collection::new("emr");

/// Patient ids, by [`emr_id`]: finds the record that has an `emrId`.
pub const PATIENTS_BY_EMR_ID: Collection<String> = Collection::new("emr-id");

/// Notes, by [`note`]. A key each: notes that are added at the same moment do not meet.
pub const NOTES: Collection<Note> = Collection::new("note");

/// A patient's record. The same parts begin the keys of the patient's notes.
pub fn emr<'a>(organization: &'a str, patient_id: &'a str) -> [&'a str; 2] {
    [organization, patient_id]
}

/// The index from `emrId` to patient.
pub fn emr_id<'a>(organization: &'a str, emr_id: &'a str) -> [&'a str; 2] {
    [organization, emr_id]
}

/// A note. In the order of these keys a patient's notes are in the order of time, and those of one
/// moment in the order of their ids, on every host.
pub fn note(note: &Note, organization: &str) -> [String; 4] {
    [
        organization.to_owned(),
        note.patient_id.clone(),
        note.timestamp.sort_key(),
        note.note_id.clone(),
    ]
}
