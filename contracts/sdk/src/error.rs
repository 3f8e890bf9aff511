//! The ways in which a contract refuses.

use crate::wit::types;

/// A refusal: what the caller is told, and with which status. Closed, as in `wit/contract.wit`; a call
/// that ends in one writes nothing and emits nothing.
///
/// The text is part of what hosts sign and clients show. Write a sentence that a person understands,
/// and put nothing into it that the caller did not send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The arguments are not acceptable; status 400.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The caller may not do this; status 403.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// What was asked for does not exist; status 404.
    #[error("not found: {0}")]
    NotFound(String),
    /// It contradicts what exists already; status 409.
    #[error("conflict: {0}")]
    Conflict(String),
}

/// What a contract's function gives: an answer or a refusal.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::Invalid(text) => Self::Invalid(text),
            types::Error::Forbidden(text) => Self::Forbidden(text),
            types::Error::NotFound(text) => Self::NotFound(text),
            types::Error::Conflict(text) => Self::Conflict(text),
        }
    }
}

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(text) => Self::Invalid(text),
            Error::Forbidden(text) => Self::Forbidden(text),
            Error::NotFound(text) => Self::NotFound(text),
            Error::Conflict(text) => Self::Conflict(text),
        }
    }
}
