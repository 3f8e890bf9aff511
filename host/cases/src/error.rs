//! Why cases cannot run. What a contract answers, whatever it is, is no error.

use std::path::PathBuf;

use cordon_execute::{HostError, InstallError, LinkError};

/// Cases cannot run, or their records cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CasesError {
    /// A file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// A contract that the cases need is not there.
    #[error("the cases need contract {0}: say where its component is")]
    MissingContract(String),
    /// A component that the cases do not need.
    #[error("the cases have no contract {0}: see \"contracts\" in their setup.json")]
    UnknownContract(String),
    /// A component is not accepted.
    #[error("contract {contract}: {reason}")]
    Component {
        /// Its name.
        contract: String,
        /// Why not. Said in this error's own text, so not its source.
        reason: InstallError,
    },
    /// The contracts do not fit each other.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A case cannot come to its call.
    #[error("case {case}: {reason}")]
    Case {
        /// Its name.
        case: String,
        /// What stands in the way.
        reason: String,
    },
    /// This machine cannot execute.
    #[error(transparent)]
    Host(#[from] HostError),
}
