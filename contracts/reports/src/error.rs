//! Why a request about places and reports is refused, in sentences for the person who made it.

use crate::machine::Refused;

/// A refusal. Its text never holds data of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportsError {
    /// The caller has made no such application; somebody else may have.
    #[error("You have made no application for this child at this school.")]
    UnknownToParent,
    /// Nobody has applied for the child at the caller's school; perhaps at another one.
    #[error("Nobody has applied for this child at your school.")]
    UnknownToSchool,
    /// No such application names the caller; it may name somebody else.
    #[error("No application for this child at this school names you as the pediatrician.")]
    UnknownToPediatrician,
    /// The caller's certificate names no school.
    #[error(
        "Your certificate does not say which school you belong to: it has no attribute school."
    )]
    NoSchool,
    /// Another parent's application is still open.
    #[error("Somebody else has applied for this child at this school already.")]
    Taken,
    /// The school asks for a report that the parent does not approve, or not any more.
    #[error("There is no report on this child that the parent has approved for your school.")]
    NotApproved,
    /// The card's form is not what the report was made of.
    #[error(
        "The card has changed since the report was made: the pediatrician must make it anew before \
         it can be approved."
    )]
    CardChanged,
    /// The parent reviewed another form than that of the current report.
    #[error(
        "This is not the report that you reviewed: the digest is not that of the card's report form. \
         Review the form again."
    )]
    NotReviewed,
    /// Channel `cards` gave something that is no report form.
    #[error("The card's report form is not in a form that this contract can read.")]
    UnreadableForm,
    /// The present status does not allow it.
    #[error(transparent)]
    Status(#[from] Refused),
    /// What the SDK refused, or channel `cards`.
    #[error(transparent)]
    Sdk(#[from] cordon_sdk::Error),
}

impl From<ReportsError> for cordon_sdk::Error {
    fn from(error: ReportsError) -> Self {
        let text = error.to_string();
        match error {
            ReportsError::NoSchool | ReportsError::NotApproved => Self::Forbidden(text),
            ReportsError::UnknownToParent
            | ReportsError::UnknownToSchool
            | ReportsError::UnknownToPediatrician => Self::NotFound(text),
            ReportsError::Taken
            | ReportsError::CardChanged
            | ReportsError::NotReviewed
            | ReportsError::UnreadableForm
            | ReportsError::Status(_) => Self::Conflict(text),
            ReportsError::Sdk(error) => error,
        }
    }
}
