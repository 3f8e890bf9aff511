//! Why a request about medical cards is refused, in sentences for the person who made it.

use crate::machine::MoveError;

/// A refusal. Its text never holds data of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardsError {
    /// A text that must be a date is none.
    #[error("{field} must be a day of the calendar, written as YYYY-MM-DD.")]
    NotADate {
        /// The field, as clients write it.
        field: &'static str,
    },
    /// A number that no child has.
    #[error("{field} must be a number from {range}.")]
    OutOfRange {
        /// The field, as clients write it.
        field: &'static str,
        /// What is accepted, such as `10 to 300`.
        range: &'static str,
    },
    /// The caller registered no such child.
    #[error("You have registered no child with this childId.")]
    UnknownChild,
    /// Somebody registered a child with this id.
    #[error("This childId is taken: choose another one.")]
    ChildIdTaken,
    /// The state of the agreement, or the caller's side of it, does not allow this.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The caller is not the pediatrician of an accepted agreement.
    #[error("Only the pediatrician whom the child's accepted agreement names may do this.")]
    NotAdmitted,
    /// The caller may not see what a school may be told.
    #[error(
        "Only the parent who registered the child, and the pediatrician whom the child's accepted \
         agreement names, may read the report form."
    )]
    NotReader,
    /// The card has no assessment.
    #[error("This child's card has no assessment yet.")]
    NoAssessment,
    /// What is to be corrected is not in the child's card.
    #[error("corrects must be the entryId of an entry in this child's card.")]
    UnknownEntry,
    /// What is to be corrected is an entry of another kind.
    #[error("corrects must be the entryId of an entry of the same kind.")]
    OtherKind,
    /// What is to be corrected was corrected before.
    #[error("The entry that corrects names is corrected already: correct its correction.")]
    CorrectedAlready,
    /// What the SDK refused: a wrong caller, or a key or value outside the host's bounds.
    #[error(transparent)]
    Sdk(#[from] cordon_sdk::Error),
}

impl From<CardsError> for cordon_sdk::Error {
    fn from(error: CardsError) -> Self {
        let text = error.to_string();
        match error {
            CardsError::NotADate { .. } | CardsError::OutOfRange { .. } | CardsError::OtherKind => {
                Self::Invalid(text)
            }
            CardsError::NotAdmitted
            | CardsError::NotReader
            | CardsError::Move(MoveError::OtherSide) => Self::Forbidden(text),
            CardsError::UnknownChild
            | CardsError::UnknownEntry
            | CardsError::NoAssessment
            | CardsError::Move(MoveError::NoAgreement) => Self::NotFound(text),
            CardsError::ChildIdTaken
            | CardsError::CorrectedAlready
            | CardsError::Move(
                MoveError::Running
                | MoveError::NotWaiting
                | MoveError::NotAccepted
                | MoveError::Over,
            ) => Self::Conflict(text),
            CardsError::Sdk(error) => error,
        }
    }
}
