//! The exports' records, said in the rules' types, and the other way.

use crate::domain::agreements::{Agreement, NewAgreement};
use crate::domain::cards::{Card, Change, ChangeKind};
use crate::domain::children::{Child, NewChild};
use crate::domain::entries::{
    Allergy, Assessment, CardEntry, Condition, EntryKind, Growth, NewEntry, Vaccination, Visit,
};
use crate::domain::forms::ReportForm;
use crate::generated::exports::cordon::cards::{forms, parent, pediatrician};
use crate::machine::Status;

/// Each item in the other words.
pub(crate) fn all<T, W: From<T>>(items: Vec<T>) -> Vec<W> {
    items.into_iter().map(Into::into).collect()
}

/// How an entry of a kind is said: the fields of the export's records that hold its content.
macro_rules! entry_words {
    ($content:ident, $new:ident, $shown:ident, $($field:ident),+) => {
        impl From<pediatrician::$new> for NewEntry<$content> {
            fn from(new: pediatrician::$new) -> Self {
                Self {
                    child_id: new.child_id,
                    corrects: new.corrects,
                    content: $content { $($field: new.$field),+ },
                }
            }
        }

        impl From<CardEntry<$content>> for parent::$shown {
            fn from(shown: CardEntry<$content>) -> Self {
                let CardEntry { entry, corrected_by } = shown;
                Self {
                    entry_id: entry.entry_id,
                    author: entry.author,
                    author_organization: entry.author_organization,
                    timestamp: entry.timestamp.to_rfc3339(),
                    corrects: entry.corrects,
                    corrected_by,
                    $($field: entry.content.$field),+
                }
            }
        }
    };
}

entry_words!(
    Growth,
    NewGrowth,
    GrowthEntry,
    measured_on,
    height_cm,
    weight_kg,
    head_cm
);
entry_words!(
    Vaccination,
    NewVaccination,
    VaccinationEntry,
    vaccine,
    given_on,
    dose,
    batch
);
entry_words!(
    Allergy,
    NewAllergy,
    AllergyEntry,
    substance,
    reaction,
    severity
);
entry_words!(
    Condition,
    NewCondition,
    ConditionEntry,
    condition,
    since,
    treatment
);
entry_words!(Visit, NewVisit, VisitEntry, visited_on, reason, findings);
entry_words!(
    Assessment,
    NewAssessment,
    AssessmentEntry,
    assessed_on,
    fit_for_school,
    vaccinations_complete,
    restrictions,
    note
);

impl From<parent::NewChild> for NewChild {
    fn from(new: parent::NewChild) -> Self {
        Self {
            child_id: new.child_id,
            name: new.name,
            birthdate: new.birthdate,
        }
    }
}

impl From<Child> for parent::Child {
    fn from(child: Child) -> Self {
        Self {
            child_id: child.child_id,
            name: child.name,
            birthdate: child.birthdate,
            parent: child.parent,
            parent_organization: child.parent_organization,
            timestamp: child.timestamp.to_rfc3339(),
        }
    }
}

impl From<parent::NewAgreement> for NewAgreement {
    fn from(new: parent::NewAgreement) -> Self {
        Self {
            child_id: new.child_id,
            hospital: new.hospital,
            pediatrician: new.pediatrician,
        }
    }
}

impl From<Agreement> for parent::Agreement {
    fn from(agreement: Agreement) -> Self {
        Self {
            agreement_id: agreement.agreement_id,
            child_id: agreement.child_id,
            parent: agreement.parent,
            parent_organization: agreement.parent_organization,
            hospital: agreement.hospital,
            pediatrician: agreement.pediatrician,
            status: match agreement.status {
                Status::Signed => parent::AgreementStatus::Signed,
                Status::Accepted => parent::AgreementStatus::Accepted,
                Status::Refused => parent::AgreementStatus::Refused,
                Status::Ended => parent::AgreementStatus::Ended,
            },
            reason: agreement.reason,
            changed_by: agreement.changed_by,
            changed_by_organization: agreement.changed_by_organization,
            timestamp: agreement.timestamp.to_rfc3339(),
        }
    }
}

impl From<Card> for parent::Card {
    fn from(card: Card) -> Self {
        Self {
            child: card.child.into(),
            growth: all(card.growth),
            vaccinations: all(card.vaccinations),
            allergies: all(card.allergies),
            conditions: all(card.conditions),
            visits: all(card.visits),
            assessments: all(card.assessments),
        }
    }
}

impl From<EntryKind> for parent::EntryKind {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Growth => Self::Growth,
            EntryKind::Vaccination => Self::Vaccination,
            EntryKind::Allergy => Self::Allergy,
            EntryKind::Condition => Self::Condition,
            EntryKind::Visit => Self::Visit,
            EntryKind::Assessment => Self::Assessment,
        }
    }
}

impl From<Change> for parent::Change {
    fn from(change: Change) -> Self {
        use parent::ChangeKind as Kind;
        let (kind, entry_kind) = match change.kind {
            ChangeKind::ChildRegistered => (Kind::ChildRegistered, None),
            ChangeKind::Agreement(Status::Signed) => (Kind::AgreementSigned, None),
            ChangeKind::Agreement(Status::Accepted) => (Kind::AgreementAccepted, None),
            ChangeKind::Agreement(Status::Refused) => (Kind::AgreementRefused, None),
            ChangeKind::Agreement(Status::Ended) => (Kind::AgreementEnded, None),
            ChangeKind::EntryAdded(kind) => (Kind::EntryAdded, Some(kind.into())),
            ChangeKind::EntryCorrected(kind) => (Kind::EntryCorrected, Some(kind.into())),
        };
        Self {
            kind,
            id: change.id,
            entry_kind,
            corrects: change.corrects,
            author: change.author,
            author_organization: change.author_organization,
            timestamp: change.timestamp.to_rfc3339(),
            transaction_id: change.transaction_id,
            block: change.position.block,
            index: change.position.index,
        }
    }
}

impl From<ReportForm> for forms::ReportForm {
    fn from(form: ReportForm) -> Self {
        let ReportForm {
            child_id,
            assessment,
        } = form;
        Self {
            child_id,
            fit_for_school: assessment.content.fit_for_school,
            vaccinations_complete: assessment.content.vaccinations_complete,
            restrictions: assessment.content.restrictions,
            note: assessment.content.note,
            assessed_on: assessment.content.assessed_on,
            pediatrician: assessment.author,
            salt: assessment.entry_id,
        }
    }
}
