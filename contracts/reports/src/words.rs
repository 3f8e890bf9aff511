//! The rules' answers in the words of the exports, and arguments in those of the rules.

use cordon_sdk::wit::types::Error;

use crate::domain::{self, Person, Place};
use crate::form::hex;
use crate::generated::exports::cordon::reports::{parent, pediatrician, registrar};
use crate::machine::{ReportStatus, Status};

/// Says a rule's answer in the words of the exports.
pub(crate) fn answer<T, W: From<T>>(result: domain::Result<T>) -> Result<W, Error> {
    result
        .map(W::from)
        .map_err(|error| cordon_sdk::Error::from(error).into())
}

/// Says all of a rule's answers in the words of the exports.
pub(crate) fn all<T, W: From<T>>(result: domain::Result<Vec<T>>) -> Result<Vec<W>, Error> {
    let each = |answers: Vec<T>| answers.into_iter().map(W::from).collect();
    result
        .map(each)
        .map_err(|error| cordon_sdk::Error::from(error).into())
}

/// The place that three arguments name.
pub(crate) fn place(child_id: String, school_org: String, school: String) -> Place {
    Place {
        school_org,
        school,
        child_id,
    }
}

impl From<parent::NewApplication> for domain::NewApplication {
    fn from(new: parent::NewApplication) -> Self {
        Self {
            place: place(new.child_id, new.school_org, new.school),
            child_name: new.child_name,
            pediatrician: Person {
                organization: new.hospital,
                name: new.pediatrician,
            },
            message: new.message,
        }
    }
}

impl From<Status> for parent::ApplicationStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Applied => Self::Applied,
            Status::Accepted(_) => Self::Accepted,
            Status::Declined => Self::Declined,
            Status::Withdrawn => Self::Withdrawn,
        }
    }
}

impl From<ReportStatus> for parent::ReportStatus {
    fn from(status: ReportStatus) -> Self {
        match status {
            ReportStatus::Requested => Self::Requested,
            ReportStatus::Ready => Self::Ready,
            ReportStatus::Approved => Self::Approved,
            ReportStatus::Declined => Self::Declined,
            ReportStatus::Withdrawn => Self::Withdrawn,
        }
    }
}

impl From<domain::Application> for parent::Application {
    fn from(application: domain::Application) -> Self {
        Self {
            application_id: application.application_id,
            child_id: application.place.child_id,
            child_name: application.child_name,
            school_org: application.place.school_org,
            school: application.place.school,
            parents_org: application.parent.organization,
            parent: application.parent.name,
            hospital: application.pediatrician.organization,
            pediatrician: application.pediatrician.name,
            message: application.message,
            status: application.status.into(),
            report_status: application.status.report().map(Into::into),
            applied_at: application.applied_at.to_rfc3339(),
            changed_at: application.changed_at.to_rfc3339(),
        }
    }
}

impl From<domain::Origin> for parent::Origin {
    fn from(origin: domain::Origin) -> Self {
        Self {
            block: origin.block,
            hash: hex(&origin.hash),
        }
    }
}

impl From<domain::ReportText> for registrar::ReportText {
    fn from(text: domain::ReportText) -> Self {
        let domain::ReportText { form, bytes } = text;
        Self {
            fit_for_school: form.fit_for_school,
            vaccinations_complete: form.vaccinations_complete,
            restrictions: form.restrictions,
            note: form.note,
            assessed_on: form.assessed_on,
            pediatrician: form.pediatrician,
            salt: form.salt,
            form: bytes,
        }
    }
}

impl From<domain::ApprovedReport> for registrar::Report {
    fn from(approved: domain::ApprovedReport) -> Self {
        let domain::ApprovedReport {
            application,
            text,
            report,
        } = approved;
        Self {
            child_id: application.place.child_id,
            child_name: application.child_name,
            text: text.into(),
            digest: hex(&report.digest),
            origin: report.origin.into(),
            hospital: application.pediatrician.organization,
            created_by: application.pediatrician.name,
            created_at: report.created_at.to_rfc3339(),
            parents_org: application.parent.organization,
            approved_by: application.parent.name,
            approved_at: application.changed_at.to_rfc3339(),
        }
    }
}

impl From<domain::Application> for pediatrician::ReportRequest {
    fn from(application: domain::Application) -> Self {
        Self {
            child_id: application.place.child_id,
            school_org: application.place.school_org,
            school: application.place.school,
            parents_org: application.parent.organization,
            parent: application.parent.name,
            // Nothing has changed since: the request is what waits.
            requested_at: application.changed_at.to_rfc3339(),
        }
    }
}

impl From<domain::CreatedReport> for pediatrician::CreatedReport {
    fn from(created: domain::CreatedReport) -> Self {
        Self {
            child_id: created.place.child_id,
            school_org: created.place.school_org,
            school: created.place.school,
            status: parent::ReportStatus::Ready,
            digest: hex(&created.report.digest),
            origin: created.report.origin.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Application, ApprovedReport, Origin, Report, ReportText};
    use crate::form;
    use cordon_sdk::Timestamp;

    const FORM: &str = r#"{"childId":"kim","fitForSchool":true,"vaccinationsComplete":false,
        "restrictions":"r","note":null,"assessedOn":"d","pediatrician":"assessor",
        "salt":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}"#;

    fn at(seconds: i64) -> Timestamp {
        Timestamp {
            seconds,
            nanoseconds: 0,
        }
    }

    fn report() -> Report {
        Report {
            digest: [0xAB; 32],
            origin: Origin {
                block: 7,
                hash: [0xCD; 32],
            },
            created_at: at(2),
        }
    }

    fn application() -> Application {
        let person = |organization: &str, name: &str| Person {
            organization: organization.to_owned(),
            name: name.to_owned(),
        };
        Application {
            application_id: "id".to_owned(),
            place: place("kim".to_owned(), "SchoolMSP".to_owned(), "north".to_owned()),
            child_name: "Kim".to_owned(),
            parent: person("ParentsMSP", "parent1"),
            pediatrician: person("HospitalMSP", "pd1"),
            message: None,
            status: Status::Accepted(Some(ReportStatus::Approved)),
            applied_at: at(1),
            changed_at: at(3),
            report: Some(report()),
        }
    }

    fn text() -> ReportText {
        ReportText {
            form: form::parse(FORM).unwrap(),
            bytes: FORM.to_owned(),
        }
    }

    #[test]
    fn an_application_says_who_where_and_when() {
        let said = parent::Application::from(application());
        let school = (said.school_org, said.school, said.child_id, said.child_name);
        let [org, north, kim, name] = ["SchoolMSP", "north", "kim", "Kim"].map(str::to_owned);
        assert_eq!(school, (org, north, kim, name));
        assert_eq!(
            (said.parents_org, said.parent),
            ("ParentsMSP".to_owned(), "parent1".to_owned())
        );
        assert_eq!(
            (said.hospital, said.pediatrician),
            ("HospitalMSP".to_owned(), "pd1".to_owned())
        );
        assert_eq!(said.status, parent::ApplicationStatus::Accepted);
        assert_eq!(said.report_status, Some(parent::ReportStatus::Approved));
        assert_eq!(said.applied_at, "1970-01-01T00:00:01Z");
        assert_eq!(said.changed_at, "1970-01-01T00:00:03Z");
    }

    #[test]
    fn a_report_says_its_text_and_its_proof() {
        let said = registrar::Report::from(ApprovedReport {
            application: application(),
            text: text(),
            report: report(),
        });
        assert!(said.text.fit_for_school && !said.text.vaccinations_complete);
        assert_eq!(said.text.restrictions.as_deref(), Some("r"));
        assert_eq!(said.text.note, None);
        assert_eq!(said.text.salt, text().form.salt);
        assert_eq!(said.text.pediatrician, "assessor");
        assert_eq!(said.text.form, FORM);
        assert_eq!(said.digest, "ab".repeat(32));
        assert_eq!(said.origin.block, 7);
        assert_eq!(said.origin.hash, "cd".repeat(32));
        assert_eq!(
            (said.hospital, said.created_by),
            ("HospitalMSP".to_owned(), "pd1".to_owned())
        );
        assert_eq!(said.created_at, "1970-01-01T00:00:02Z");
        assert_eq!(
            (said.parents_org, said.approved_by),
            ("ParentsMSP".to_owned(), "parent1".to_owned())
        );
        assert_eq!(said.approved_at, "1970-01-01T00:00:03Z");
    }

    #[test]
    fn what_a_pediatrician_is_told_holds_no_text() {
        let created = domain::CreatedReport {
            place: application().place,
            report: report(),
        };
        let said = pediatrician::CreatedReport::from(created);
        assert_eq!(said.status, parent::ReportStatus::Ready);
        assert_eq!((said.digest, said.origin.block), ("ab".repeat(32), 7));
        let asked = pediatrician::ReportRequest::from(application());
        assert_eq!(
            (asked.child_id, asked.parent),
            ("kim".to_owned(), "parent1".to_owned())
        );
        assert_eq!(asked.requested_at, "1970-01-01T00:00:03Z");
    }
}
