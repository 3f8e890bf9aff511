//! Why a request about sharing is refused, in sentences for the person who made it.

/// A refusal. Its text never holds data of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SharingError {
    /// The argument of this name is the caller's own organisation.
    #[error("{0} must be another organisation than your own.")]
    OwnOrganization(&'static str),
    /// The receiver's earlier request is still open.
    #[error("Your organisation has asked for this record already, and the request is still open.")]
    AlreadyRequested,
    /// There is neither an authorised version nor a request to withdraw.
    #[error("Nothing is shared with this organisation, and it has no open request.")]
    NothingToRemove,
    /// The patient approves what nobody authorised.
    #[error("Your organisation has authorised nothing for this one to read.")]
    NothingAuthorized,
    /// The patient has approved the version authorised last already.
    #[error("There is nothing new to approve: you have approved what was authorised last.")]
    NothingNew,
    /// The patient named another version than the one authorised last.
    #[error(
        "This is not the version that was authorised last. See your sharings for the one that is."
    )]
    AnotherVersion,
    /// The owner authorises nothing, or there is no such owner or patient.
    #[error("No record of this patient is shared with your organisation.")]
    NotShared,
    /// The owner has authorised reading, the patient has not approved it.
    #[error("The patient has not approved that your organisation reads this record.")]
    NotApproved,
    /// What the SDK or the contract `emr` refused.
    #[error(transparent)]
    Sdk(#[from] cordon_sdk::Error),
}

impl From<SharingError> for cordon_sdk::Error {
    fn from(error: SharingError) -> Self {
        let text = error.to_string();
        match error {
            SharingError::OwnOrganization(_) => Self::Invalid(text),
            SharingError::NotApproved => Self::Forbidden(text),
            SharingError::NothingToRemove
            | SharingError::NothingAuthorized
            | SharingError::NotShared => Self::NotFound(text),
            SharingError::AlreadyRequested
            | SharingError::NothingNew
            | SharingError::AnotherVersion => Self::Conflict(text),
            SharingError::Sdk(error) => error,
        }
    }
}
