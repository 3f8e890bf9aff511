//! The rules' types in the words of the exports, and the words of `emr` in the rules' types.

use crate::domain::{Overview, Request, SharedEmr};
use crate::generated::cordon::emr::health_center as emr;
use crate::generated::exports::cordon::sharing::{health_center, patient, physician};
use crate::machine::{Approved, Version};
use crate::snapshot::{Emr, EmrRecord, Note};

impl From<Request> for health_center::Request {
    fn from(request: Request) -> Self {
        Self {
            receiver_org: request.receiver_org,
            patient_id: request.patient_id,
            requested_by: request.requested.by,
            requested_at: request.requested.at.to_rfc3339(),
        }
    }
}

impl From<Version> for health_center::Agreement {
    fn from(version: Version) -> Self {
        Self {
            version: version.number,
            authorized_by: version.authorized.by,
            authorized_at: version.authorized.at.to_rfc3339(),
            approved_at: None,
        }
    }
}

impl From<Approved> for health_center::Agreement {
    fn from(approved: Approved) -> Self {
        Self {
            approved_at: Some(approved.at.to_rfc3339()),
            ..approved.version.into()
        }
    }
}

impl From<Overview> for patient::Sharing {
    fn from(overview: Overview) -> Self {
        Self {
            receiver_org: overview.receiver_org,
            request: overview.request.map(Into::into),
            waiting: overview.waiting.map(Into::into),
            readable: overview.readable.map(Into::into),
        }
    }
}

impl From<SharedEmr> for physician::SharedEmr {
    fn from(shared: SharedEmr) -> Self {
        let SharedEmr { approved, emr } = shared;
        Self {
            version: approved.version.number,
            authorized_at: approved.version.authorized.at.to_rfc3339(),
            approved_at: approved.at.to_rfc3339(),
            emr: emr.into(),
        }
    }
}

impl From<Emr> for emr::Emr {
    fn from(emr: Emr) -> Self {
        let Emr { record, notes } = emr;
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

impl From<Note> for emr::Note {
    fn from(note: Note) -> Self {
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
            timestamp: note.timestamp,
        }
    }
}

impl From<emr::Emr> for Emr {
    fn from(emr: emr::Emr) -> Self {
        Self {
            record: EmrRecord {
                emr_id: emr.emr_id,
                organization: emr.organization,
                patient_id: emr.patient_id,
                patient_name: emr.patient_name,
                patient_birthdate: emr.patient_birthdate,
                created_by: emr.created_by,
            },
            notes: emr.notes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<emr::Note> for Note {
    fn from(note: emr::Note) -> Self {
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
            timestamp: note.timestamp,
        }
    }
}
