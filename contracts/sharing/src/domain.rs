//! The rules of sharing: who makes which move of the [`machine`](crate::machine), and who reads what.
//!
//! Each rule checks its input, then the caller, and only then reads anything. Rules know nothing of WIT
//! or JSON and run on any [`World`]; errors name fields as clients write them. That the caller is a
//! clerk, physician or patient was decided by the channel's access policy before.
//!
//! The caller is always one of the three parties, so nobody can touch what is between others: the owner
//! is a clerk's or patient's organisation, the receiver is a physician's. Source: the SOUTHWORKS
//! sample's smart contracts `health-center`, `physician` and `patient`.

use cordon_sdk::{Timestamp, World, check_id};

use crate::error::SharingError;
use crate::keys::{self, Parties, SHARINGS};
use crate::machine::{Act, Approved, Move, Sharing, Version, next};
use crate::snapshot::{self, Emr};

/// What a rule gives: an answer or a refusal.
pub type Result<T> = std::result::Result<T, SharingError>;

/// The medical records of the caller's organisation: the contract `emr`.
pub trait Records {
    /// The record with this id, with all its notes. Asked in the caller's name, so that nobody gets
    /// another organisation's record.
    ///
    /// # Errors
    /// What the contract `emr` refused with.
    fn read_emr(&self, emr_id: &str) -> cordon_sdk::Result<Emr>;
}

/// An open request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The organisation that wants to read.
    pub receiver_org: String,
    /// The patient, as the physician named them.
    pub patient_id: String,
    /// Who asked, and when.
    pub requested: Act,
}

/// What a patient sees of a sharing.
#[derive(Clone, PartialEq, Eq)]
pub struct Overview {
    /// The organisation that reads, or might.
    pub receiver_org: String,
    /// Its open request.
    pub request: Option<Request>,
    /// The version that waits for approval.
    pub waiting: Option<Version>,
    /// The version that may be read now.
    pub readable: Option<Approved>,
}

/// What a receiver reads.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedEmr {
    /// The version, and when the patient approved it.
    pub approved: Approved,
    /// The copy.
    pub emr: Emr,
}

/// A caller who has a name.
struct Actor {
    organization: String,
    /// Enrollment id, never empty.
    name: String,
}

impl Actor {
    fn of(world: &impl World) -> Result<Self> {
        let caller = world.caller();
        caller.require_enrollment_id()?;
        Ok(Self {
            organization: caller.msp_id,
            name: caller.enrollment_id,
        })
    }

    fn require_other(&self, field: &'static str, organization: &str) -> Result<()> {
        if organization == self.organization {
            return Err(SharingError::OwnOrganization(field));
        }
        Ok(())
    }

    fn acts_at(self, at: Timestamp) -> Act {
        Act { by: self.name, at }
    }
}

// === Health centre ===

/// Copies the record as it is now, for this receiver to read if the patient approves, and emits
/// `EmrReadingAuthorized`.
///
/// Conflicts with a note that is added to this record at the same moment: then this is no copy of what
/// the record is when it is committed.
///
/// # Errors
/// [`SharingError`]: an unusable id, the own organisation as receiver, a caller without a name, or
/// whatever `records` refused with.
pub fn authorize_emr_reading(
    world: &mut impl World,
    records: &impl Records,
    receiver_org: &str,
    emr_id: &str,
) -> Result<Version> {
    check_id("receiverOrg", receiver_org)?;
    check_id("emrId", emr_id)?;
    let actor = Actor::of(world)?;
    actor.require_other("receiverOrg", receiver_org)?;

    let emr = records.read_emr(emr_id)?;
    let owner = actor.organization.clone();
    let parties = Parties {
        owner: &owner,
        patient: &emr.record.patient_id,
        receiver: receiver_org,
    };
    let note_count = u32::try_from(emr.notes.len()).expect("memory holds fewer notes");
    let step = Move::Authorize(actor.acts_at(world.timestamp()), note_count);
    let sharing = advance(world, &parties, step)?;
    let version = sharing.waiting().expect("what was authorised waits");
    snapshot::store(world, &parties, version.number, &emr)?;
    world.emit("EmrReadingAuthorized", receiver_org.as_bytes())?;
    Ok(version.clone())
}

/// The open requests for records of the caller's organisation.
///
/// # Errors
/// [`SharingError`]: a caller without a name.
pub fn requests_to_owner(world: &impl World) -> Result<Vec<Request>> {
    let actor = Actor::of(world)?;
    let found = overviews(world, &keys::owner(&actor.organization))?;
    Ok(found
        .into_iter()
        .filter_map(|found| found.request)
        .collect())
}

/// The owner's withdrawal. Emits `EmrSharingRemoved`.
///
/// # Errors
/// [`SharingError`]: an unusable id, a caller without a name, or nothing to withdraw.
pub fn remove_by_owner(world: &mut impl World, receiver_org: &str, patient_id: &str) -> Result<()> {
    check_id("receiverOrg", receiver_org)?;
    check_id("patientId", patient_id)?;
    let actor = Actor::of(world)?;
    let parties = Parties {
        owner: &actor.organization,
        patient: patient_id,
        receiver: receiver_org,
    };
    remove(world, &parties)
}

// === Patient ===

/// Approves the version authorised last, which must be this one if one is given, and emits
/// `EmrSharingApproved`.
///
/// # Errors
/// [`SharingError`]: an unusable id, a caller without a name, nothing authorised, nothing new, or
/// another version.
pub fn approve_emr_sharing(
    world: &mut impl World,
    receiver_org: &str,
    version: Option<u32>,
) -> Result<Approved> {
    check_id("receiverOrg", receiver_org)?;
    let actor = Actor::of(world)?;
    let parties = Parties {
        owner: &actor.organization,
        patient: &actor.name,
        receiver: receiver_org,
    };
    let step = Move::Approve(version, world.timestamp());
    let sharing = advance(world, &parties, step)?;
    world.emit("EmrSharingApproved", receiver_org.as_bytes())?;
    let readable = sharing.readable().expect("what was approved is readable");
    Ok(readable.clone())
}

/// The patient's withdrawal. Emits `EmrSharingRemoved`.
///
/// # Errors
/// [`SharingError`]: an unusable id, a caller without a name, or nothing to withdraw.
pub fn remove_by_patient(world: &mut impl World, receiver_org: &str) -> Result<()> {
    check_id("receiverOrg", receiver_org)?;
    let actor = Actor::of(world)?;
    let parties = Parties {
        owner: &actor.organization,
        patient: &actor.name,
        receiver: receiver_org,
    };
    remove(world, &parties)
}

/// The open requests for the caller's record.
///
/// # Errors
/// [`SharingError`]: a caller without a name.
pub fn requests_to_patient(world: &impl World) -> Result<Vec<Request>> {
    let found = own_sharings(world)?;
    Ok(found
        .into_iter()
        .filter_map(|found| found.request)
        .collect())
}

/// Everybody who may read the caller's record, or might.
///
/// # Errors
/// [`SharingError`]: a caller without a name.
pub fn own_sharings(world: &impl World) -> Result<Vec<Overview>> {
    let actor = Actor::of(world)?;
    overviews(world, &keys::patient(&actor.organization, &actor.name))
}

// === Physician ===

/// Asks for a record, and emits `EmrRequested`. Only the caller's own sharing is looked at, never
/// whether the patient exists.
///
/// # Errors
/// [`SharingError`]: an unusable id, the own organisation as owner, a caller without a name, or an open
/// request.
pub fn request_emr(world: &mut impl World, owner_org: &str, patient_id: &str) -> Result<Request> {
    check_id("ownerOrg", owner_org)?;
    check_id("patientId", patient_id)?;
    let actor = Actor::of(world)?;
    actor.require_other("ownerOrg", owner_org)?;

    let receiver_org = actor.organization.clone();
    let parties = Parties {
        owner: owner_org,
        patient: patient_id,
        receiver: &receiver_org,
    };
    let requested = actor.acts_at(world.timestamp());
    advance(world, &parties, Move::Request(requested.clone()))?;
    world.emit("EmrRequested", receiver_org.as_bytes())?;
    Ok(Request {
        receiver_org,
        patient_id: patient_id.to_owned(),
        requested,
    })
}

/// The version that the patient approved last for the caller's organisation.
///
/// # Errors
/// [`SharingError`]: an unusable id, a caller without a name, nothing authorised, or nothing approved.
pub fn shared_emr(world: &impl World, owner_org: &str, patient_id: &str) -> Result<SharedEmr> {
    check_id("ownerOrg", owner_org)?;
    check_id("patientId", patient_id)?;
    let actor = Actor::of(world)?;
    let parties = Parties {
        owner: owner_org,
        patient: patient_id,
        receiver: &actor.organization,
    };
    let sharing = SHARINGS
        .get(world, &keys::sharing(&parties))?
        .unwrap_or_default();
    let Some(approved) = sharing.readable() else {
        return Err(match sharing.waiting() {
            Some(_) => SharingError::NotApproved,
            None => SharingError::NotShared,
        });
    };
    Ok(SharedEmr {
        approved: approved.clone(),
        emr: snapshot::load(world, &parties, approved.version.number)?,
    })
}

// === Helpers ===

/// Makes a move, and deletes the copies that the sharing no longer keeps after it.
fn advance(world: &mut impl World, parties: &Parties<'_>, step: Move) -> Result<Sharing> {
    let key = keys::sharing(parties);
    let before = SHARINGS.get(world, &key)?.unwrap_or_default();
    let after = next(&before, step)?;
    for version in before.versions() {
        if !after.versions().any(|kept| kept.number == version.number) {
            snapshot::delete(world, parties, version)?;
        }
    }
    SHARINGS.put(world, &key, &after)?;
    Ok(after)
}

fn remove(world: &mut impl World, parties: &Parties<'_>) -> Result<()> {
    advance(world, parties, Move::Withdraw)?;
    world.emit("EmrSharingRemoved", parties.receiver.as_bytes())?;
    Ok(())
}

/// All sharings below these parts of the key that have not ended.
fn overviews(world: &impl World, leading: &[&str]) -> Result<Vec<Overview>> {
    let found = SHARINGS.scan(world, leading)?;
    let open = found.into_iter().filter(|record| !record.value.is_ended());
    Ok(open
        .map(|record| {
            let [_, patient_id, receiver_org] = <[String; 3]>::try_from(record.parts)
                .expect("the key of a sharing has three parts");
            let sharing = record.value;
            Overview {
                waiting: sharing.waiting().cloned(),
                readable: sharing.readable().cloned(),
                request: sharing.request.map(|requested| Request {
                    receiver_org: receiver_org.clone(),
                    patient_id,
                    requested,
                }),
                receiver_org,
            }
        })
        .collect())
}

#[cfg(test)]
mod tests;
