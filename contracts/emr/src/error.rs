//! Why a request about medical records is refused, in sentences for the person who made it.

/// A refusal. Its text never holds data of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmrError {
    /// A text that must be given is empty or only white space.
    #[error("{field} must not be empty.")]
    Empty {
        /// The field as clients write it.
        field: &'static str,
    },
    /// A text is longer than it may be.
    #[error("{field} is too long: it has at most {bytes_max} bytes.")]
    TooLong {
        /// The field as clients write it.
        field: &'static str,
        /// The most bytes of UTF-8 it may have.
        bytes_max: usize,
    },
    /// An id contains a character that keys reserve.
    #[error("{field} must not contain the characters U+0000 and U+10FFFF.")]
    ReservedCharacter {
        /// The field as clients write it.
        field: &'static str,
    },
    /// A patient asked for somebody else's record.
    #[error("Patients may read their own record only.")]
    NotYourRecord,
    /// The patient has no record in the caller's organisation.
    #[error("This patient has no medical record in your organisation.")]
    UnknownPatient,
    /// There is no record of this id in the caller's organisation.
    #[error("Your organisation keeps no medical record with this emrId.")]
    UnknownEmr,
    /// The patient has a record already.
    #[error("This patient already has a medical record in your organisation.")]
    AlreadyRegistered,
    /// What the SDK refused: a wrong caller, or a key or value outside the host's bounds.
    #[error(transparent)]
    Sdk(#[from] cordon_sdk::Error),
}

impl From<EmrError> for cordon_sdk::Error {
    fn from(error: EmrError) -> Self {
        let text = error.to_string();
        match error {
            EmrError::Empty { .. }
            | EmrError::TooLong { .. }
            | EmrError::ReservedCharacter { .. } => Self::Invalid(text),
            EmrError::NotYourRecord => Self::Forbidden(text),
            EmrError::UnknownPatient | EmrError::UnknownEmr => Self::NotFound(text),
            EmrError::AlreadyRegistered => Self::Conflict(text),
            EmrError::Sdk(error) => error,
        }
    }
}
