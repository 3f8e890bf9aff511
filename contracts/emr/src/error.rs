//! Why a request about medical records is refused, in sentences for the person who made it.

/// A refusal. Its text never holds data of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmrError {
    /// A patient asked for somebody else's record.
    #[error("Patients may read their own record only.")]
    NotYourRecord,
    /// Something else than the contract that may ask did.
    #[error("Only the contract \"sharing\" of this channel may ask for this.")]
    NotSharing,
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
            EmrError::NotYourRecord | EmrError::NotSharing => Self::Forbidden(text),
            EmrError::UnknownPatient | EmrError::UnknownEmr => Self::NotFound(text),
            EmrError::AlreadyRegistered => Self::Conflict(text),
            EmrError::Sdk(error) => error,
        }
    }
}
