//! Agreements between parents and hospitals, and whom they admit. Which moves there are is told by
//! [`machine`].

use cordon_sdk::{Timestamp, World, check_id, check_text};
use serde::{Deserialize, Serialize};

use super::children::{Child, load_all, own_child};
use super::{Actor, Result};
use crate::error::CardsError;
use crate::keys::{self, AGREEMENTS, AGREEMENTS_OF_HOSPITALS, PATIENTS};
use crate::machine::{self, Move, MoveError, Side, Status};

/// What a parent signs.
#[derive(Clone, PartialEq, Eq)]
pub struct NewAgreement {
    /// The child.
    pub child_id: String,
    /// The hospital's MSP id.
    pub hospital: String,
    /// Enrollment id of the pediatrician there.
    pub pediatrician: String,
}

/// An agreement in one of its states.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Id of the transaction that signed it.
    pub agreement_id: String,
    /// The child.
    pub child_id: String,
    /// Enrollment id of the parent who signed it.
    pub parent: String,
    /// That parent's organisation.
    pub parent_organization: String,
    /// The hospital's MSP id.
    pub hospital: String,
    /// Enrollment id of the pediatrician there.
    pub pediatrician: String,
    /// Its state.
    pub status: Status,
    /// Why the hospital refused or ended it; `None` in every other case.
    pub reason: Option<String>,
    /// Enrollment id of who brought it into this state.
    pub changed_by: String,
    /// That person's organisation.
    pub changed_by_organization: String,
    /// When that person's client signed the change.
    pub timestamp: Timestamp,
}

impl Agreement {
    fn admits(&self, actor: &Actor) -> bool {
        self.status == Status::Accepted && actor.is(&self.hospital, &self.pediatrician)
    }
}

// === Parent ===

/// Signs an agreement about one of the caller's children, and emits `AgreementSigned` with its id.
///
/// # Errors
/// [`CardsError`]: an unusable field, a child that the caller did not register, or one that has an
/// agreement already.
pub fn sign(world: &mut impl World, new: NewAgreement) -> Result<Agreement> {
    check_id("childId", &new.child_id)?;
    check_id("hospital", &new.hospital)?;
    check_id("pediatrician", &new.pediatrician)?;
    let actor = Actor::of(world)?;
    own_child(world, &actor, &new.child_id)?;

    let before = AGREEMENTS.get(world, &keys::child(&new.child_id))?;
    let status = machine::next(before.map(|before| before.status), Side::Parent, Move::Sign)?;
    let agreement = Agreement {
        agreement_id: world.transaction_id(),
        child_id: new.child_id,
        parent: actor.name.clone(),
        parent_organization: actor.organization.clone(),
        hospital: new.hospital,
        pediatrician: new.pediatrician,
        status,
        reason: None,
        changed_by: actor.name,
        changed_by_organization: actor.organization,
        timestamp: world.timestamp(),
    };
    store(world, agreement)
}

/// Ends the agreement of one of the caller's children, and emits `AgreementEnded` with its id.
///
/// # Errors
/// [`CardsError`]: an unusable id, a child that the caller did not register, or nothing to end.
pub fn end_by_parent(world: &mut impl World, child_id: &str) -> Result<Agreement> {
    check_id("childId", child_id)?;
    let actor = Actor::of(world)?;
    own_child(world, &actor, child_id)?;
    let before = AGREEMENTS.get(world, &keys::child(child_id))?;
    advance(world, before, (Side::Parent, actor), Move::End, None)
}

/// The newest agreement of one of the caller's children.
///
/// # Errors
/// [`CardsError`]: an unusable id, a child that the caller did not register, or one that never had
/// an agreement.
pub fn agreement(world: &impl World, child_id: &str) -> Result<Agreement> {
    check_id("childId", child_id)?;
    own_child(world, &Actor::of(world)?, child_id)?;
    let agreement = AGREEMENTS.get(world, &keys::child(child_id))?;
    agreement.ok_or(MoveError::NoAgreement.into())
}

// === Hospital ===

/// The newest agreement of each child that ever had one with the caller's organisation, in the
/// order of the children's ids.
///
/// # Errors
/// [`CardsError`]: a caller without a name.
pub fn agreements(world: &impl World) -> Result<Vec<Agreement>> {
    let actor = Actor::of(world)?;
    let index = keys::agreements_of_hospital(&actor.organization);
    Ok(AGREEMENTS_OF_HOSPITALS.values(world, &index)?)
}

/// Accepts the child's agreement with the caller's organisation, and emits `AgreementAccepted` with
/// the child's id.
///
/// # Errors
/// [`CardsError`]: an unusable id, no such agreement, or one that does not wait for an answer.
pub fn accept(world: &mut impl World, child_id: &str) -> Result<Agreement> {
    check_id("childId", child_id)?;
    advance_by_hospital(world, child_id, Move::Accept, None)
}

/// Refuses the child's agreement with the caller's organisation, and emits `AgreementRefused` with
/// the child's id.
///
/// # Errors
/// [`CardsError`]: an unusable field, no such agreement, or one that does not wait for an answer.
pub fn refuse(world: &mut impl World, child_id: &str, reason: String) -> Result<Agreement> {
    check_id("childId", child_id)?;
    check_text("reason", &reason)?;
    advance_by_hospital(world, child_id, Move::Refuse, Some(reason))
}

/// Ends the child's agreement with the caller's organisation, and emits `AgreementEnded` with the
/// child's id.
///
/// # Errors
/// [`CardsError`]: an unusable field, no such agreement, or one that is not accepted.
pub fn end_by_hospital(
    world: &mut impl World,
    child_id: &str,
    reason: String,
) -> Result<Agreement> {
    check_id("childId", child_id)?;
    check_text("reason", &reason)?;
    advance_by_hospital(world, child_id, Move::End, Some(reason))
}

/// Reads what the hospital sees. While that is signed or accepted it is also the child's newest
/// agreement, since the parent has to end it before signing another; in every other state no move
/// of a hospital is possible. So a hospital that a parent left is told of its own agreement only.
fn advance_by_hospital(
    world: &mut impl World,
    child_id: &str,
    made: Move,
    reason: Option<String>,
) -> Result<Agreement> {
    let actor = Actor::of(world)?;
    let key = keys::agreement_of_hospital(&actor.organization, child_id);
    let before = AGREEMENTS_OF_HOSPITALS.get(world, &key)?;
    advance(world, before, (Side::Hospital, actor), made, reason)
}

// === Pediatrician ===

/// The children whose accepted agreements name the caller, in the order of their ids.
///
/// # Errors
/// [`CardsError`]: a caller without a name.
pub fn patients(world: &impl World) -> Result<Vec<Child>> {
    let actor = Actor::of(world)?;
    let index = keys::patients(&actor.organization, &actor.name);
    load_all(world, &PATIENTS.values(world, &index)?)
}

/// Goes on only if the child's accepted agreement names the actor. Whether there is such a child is
/// not told: the refusal is the same.
pub(super) fn require_admitted(world: &impl World, actor: &Actor, child_id: &str) -> Result<()> {
    if is_admitted(world, actor, child_id)? {
        return Ok(());
    }
    Err(CardsError::NotAdmitted)
}

/// Whether the child's accepted agreement names the actor.
pub(super) fn is_admitted(world: &impl World, actor: &Actor, child_id: &str) -> Result<bool> {
    let agreement = AGREEMENTS.get(world, &keys::child(child_id))?;
    Ok(agreement.is_some_and(|agreement| agreement.admits(actor)))
}

// === Helpers ===

/// Moves an existing agreement.
fn advance(
    world: &mut impl World,
    before: Option<Agreement>,
    (side, actor): (Side, Actor),
    made: Move,
    reason: Option<String>,
) -> Result<Agreement> {
    let before = before.ok_or(MoveError::NoAgreement)?;
    let status = machine::next(Some(before.status), side, made)?;
    let after = Agreement {
        status,
        reason,
        changed_by: actor.name,
        changed_by_organization: actor.organization,
        timestamp: world.timestamp(),
        ..before
    };
    store(world, after)
}

/// Writes an agreement in its new state wherever it is found, and emits what happened. The
/// patient's key is there exactly while the agreement is accepted.
fn store(world: &mut impl World, agreement: Agreement) -> Result<Agreement> {
    let Agreement {
        child_id,
        hospital,
        pediatrician,
        ..
    } = &agreement;
    AGREEMENTS.put(world, &keys::child(child_id), &agreement)?;
    let copy = keys::agreement_of_hospital(hospital, child_id);
    AGREEMENTS_OF_HOSPITALS.put(world, &copy, &agreement)?;
    let patient = keys::patient(hospital, pediatrician, child_id);
    if agreement.status == Status::Accepted {
        PATIENTS.put(world, &patient, child_id)?;
    } else {
        PATIENTS.delete(world, &patient)?;
    }
    let event = match agreement.status {
        Status::Signed => "AgreementSigned",
        Status::Accepted => "AgreementAccepted",
        Status::Refused => "AgreementRefused",
        Status::Ended => "AgreementEnded",
    };
    world.emit(event, child_id.as_bytes())?;
    Ok(agreement)
}
