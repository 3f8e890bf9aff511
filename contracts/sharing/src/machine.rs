//! How a sharing goes from one state to the next. Pure: no world, no keys, no callers; who may make
//! which move is decided in [`domain`](crate::domain).

use cordon_sdk::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::SharingError;

/// Who did something, and when.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Enrollment id.
    pub by: String,
    /// When that person's client signed it.
    pub at: Timestamp,
}

/// A version that the owner authorised.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// From 1.
    pub number: u32,
    /// How many notes its copy has.
    pub note_count: u32,
    /// The owner's word.
    pub authorized: Act,
}

/// A version that the patient approved.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The version.
    pub version: Version,
    /// When the patient's client signed it.
    pub at: Timestamp,
}

/// What owner and patient have agreed upon.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Agreement {
    /// Nothing: it was withdrawn, or there was never anything.
    #[default]
    Ended,
    /// The owner has authorised a version, and the patient has approved none.
    Authorized(Version),
    /// The patient has approved the version authorised last.
    Approved(Approved),
    /// The patient has approved a version, and the owner has authorised a newer one since.
    Renewed {
        /// What the receiver may read.
        readable: Approved,
        /// What waits for the patient.
        waiting: Version,
    },
}

/// A sharing as it is stored. The default is what a sharing is before anything happened.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// Number of the version authorised last, in this agreement or one that has ended; 0 before the
    /// first. Only grows.
    pub last_version: u32,
    /// The receiver's open request.
    pub request: Option<Act>,
    /// What is agreed upon.
    pub agreement: Agreement,
}

/// What somebody does about a sharing.
pub enum Move {
    /// The receiver asks.
    Request(Act),
    /// The owner authorises a new version, whose copy has so many notes.
    Authorize(Act, u32),
    /// The patient approves the version authorised last, which must have this number if there is one.
    Approve(Option<u32>, Timestamp),
    /// Owner or patient withdraws.
    Withdraw,
}

/// The sharing after this move.
///
/// # Errors
/// [`SharingError`] when the move does not apply.
pub fn next(sharing: &Sharing, step: Move) -> Result<Sharing, SharingError> {
    let mut next = sharing.clone();
    match step {
        Move::Request(act) => {
            if next.request.is_some() {
                return Err(SharingError::AlreadyRequested);
            }
            next.request = Some(act);
        }
        Move::Authorize(authorized, note_count) => {
            next.request = None;
            // Overflow traps (see the profile in Cargo.toml), so that no number comes back.
            next.last_version += 1;
            let number = next.last_version;
            let waiting = Version {
                number,
                note_count,
                authorized,
            };
            next.agreement = match next.agreement {
                Agreement::Ended | Agreement::Authorized(_) => Agreement::Authorized(waiting),
                Agreement::Approved(readable) | Agreement::Renewed { readable, .. } => {
                    Agreement::Renewed { readable, waiting }
                }
            };
        }
        Move::Approve(number, at) => {
            let waiting = match next.agreement {
                Agreement::Ended => return Err(SharingError::NothingAuthorized),
                Agreement::Approved(_) => return Err(SharingError::NothingNew),
                Agreement::Authorized(waiting) | Agreement::Renewed { waiting, .. } => waiting,
            };
            if number.is_some_and(|number| number != waiting.number) {
                return Err(SharingError::AnotherVersion);
            }
            let version = waiting;
            next.agreement = Agreement::Approved(Approved { version, at });
        }
        Move::Withdraw => {
            if next.is_ended() {
                return Err(SharingError::NothingToRemove);
            }
            next.request = None;
            next.agreement = Agreement::Ended;
        }
    }
    Ok(next)
}

impl Sharing {
    /// Whether nobody may read, nor has asked to.
    pub fn is_ended(&self) -> bool {
        self.request.is_none() && self.agreement == Agreement::Ended
    }

    /// What the receiver may read.
    pub fn readable(&self) -> Option<&Approved> {
        match &self.agreement {
            Agreement::Ended | Agreement::Authorized(_) => None,
            Agreement::Approved(readable) | Agreement::Renewed { readable, .. } => Some(readable),
        }
    }

    /// What waits for the patient's approval.
    pub fn waiting(&self) -> Option<&Version> {
        match &self.agreement {
            Agreement::Ended | Agreement::Approved(_) => None,
            Agreement::Authorized(waiting) | Agreement::Renewed { waiting, .. } => Some(waiting),
        }
    }

    /// The versions whose copies are kept: at most two.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        let readable = self.readable().map(|readable| &readable.version);
        readable.into_iter().chain(self.waiting())
    }
}
