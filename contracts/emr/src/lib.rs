//! Electronic medical records: the component's exports, mapped to the rules in [`domain`].
//!
//! Nothing is decided here. What the functions promise is said in `wit/emr.wit`.

pub mod domain;
pub mod error;
pub mod keys;

cordon_sdk::bindings!("cordon:emr/emr", ["../../wit", "wit"]);

use cordon_sdk::Host;
use cordon_sdk::wit::types::Error;

use generated::exports::cordon::emr::{health_center, patient, physician, records};

/// The component: every exported function runs its rule on the host's world.
struct Component;

/// Says a rule's answer in the words of the exports.
fn answer<T, W>(result: domain::Result<T>, words: impl FnOnce(T) -> W) -> Result<W, Error> {
    result
        .map(words)
        .map_err(|error| cordon_sdk::Error::from(error).into())
}

impl health_center::Guest for Component {
    fn create_emr(emr: health_center::NewEmr) -> Result<health_center::Emr, Error> {
        let emr = domain::NewEmr {
            patient_id: emr.patient_id,
            patient_name: emr.patient_name,
            patient_birthdate: emr.patient_birthdate,
        };
        answer(domain::create_emr(&mut Host, emr), Into::into)
    }

    fn check_is_patient_registered(patient_id: String) -> Result<bool, Error> {
        answer(
            domain::check_is_patient_registered(&Host, &patient_id),
            |registered| registered,
        )
    }
}

impl physician::Guest for Component {
    fn read_emr(emr_id: String) -> Result<health_center::Emr, Error> {
        answer(domain::read_emr(&Host, &emr_id), Into::into)
    }

    fn get_emr_by_patient_id(patient_id: String) -> Result<health_center::Emr, Error> {
        answer(domain::emr_for_physician(&Host, &patient_id), Into::into)
    }

    fn add_emr_note(note: physician::NewNote) -> Result<health_center::Note, Error> {
        let note = domain::NewNote {
            patient_id: note.patient_id,
            area: note.area,
            vital_signs: note.vital_signs,
            diagnosis: note.diagnosis,
            medication: note.medication,
            progress: note.progress,
            test_result: note.test_result,
        };
        answer(domain::add_emr_note(&mut Host, note), Into::into)
    }
}

impl patient::Guest for Component {
    fn get_own_emr() -> Result<health_center::Emr, Error> {
        answer(domain::own_emr(&Host), Into::into)
    }

    fn get_emr_by_patient_id(patient_id: String) -> Result<health_center::Emr, Error> {
        answer(domain::emr_for_patient(&Host, &patient_id), Into::into)
    }

    fn get_medical_visits_count() -> Result<u32, Error> {
        answer(domain::medical_visits_count(&Host), |count| count)
    }
}

impl records::Guest for Component {
    fn get_emr(emr_id: String) -> Result<health_center::Emr, Error> {
        answer(domain::emr_for_contract(&Host, &emr_id), Into::into)
    }
}

impl From<domain::Note> for health_center::Note {
    fn from(note: domain::Note) -> Self {
        Self {
            note_id: note.note_id,
            patient_id: note.patient_id,
            area: note.area,
            vital_signs: note.vital_signs,
            diagnosis: note.diagnosis,
            medication: note.medication,
            progress: note.progress,
            test_result: note.test_result,
            physician: note.physician,
            timestamp: note.timestamp.to_rfc3339(),
        }
    }
}

impl From<domain::Emr> for health_center::Emr {
    fn from(emr: domain::Emr) -> Self {
        let domain::Emr { record, notes } = emr;
        Self {
            emr_id: record.emr_id,
            organization: record.organization,
            patient_id: record.patient_id,
            patient_name: record.patient_name,
            patient_birthdate: record.patient_birthdate,
            created_by: record.created_by,
            notes: notes.into_iter().map(Into::into).collect(),
        }
    }
}

cordon_sdk::exported! {
    health_center { create_emr, check_is_patient_registered }
    physician { read_emr, get_emr_by_patient_id, add_emr_note }
    patient { get_own_emr, get_emr_by_patient_id, get_medical_visits_count }
    records { get_emr }
}
