//! Children, and whose they are.

use cordon_sdk::{Timestamp, World, check_id, check_text};
use serde::{Deserialize, Serialize};

use super::{Actor, Result};
use crate::date::check_date;
use crate::error::CardsError;
use crate::keys::{self, CHILDREN, CHILDREN_OF_PARENTS};

/// What is needed to register a child.
#[derive(Clone, PartialEq, Eq)]
pub struct NewChild {
    /// The child's id, chosen by the parent.
    pub child_id: String,
    /// The child's name.
    pub name: String,
    /// The child's date of birth.
    pub birthdate: String,
}

/// A registered child. Never changed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// The child's id, unique on the channel.
    pub child_id: String,
    /// The child's name.
    pub name: String,
    /// The child's date of birth.
    pub birthdate: String,
    /// Enrollment id of the parent who registered the child.
    pub parent: String,
    /// That parent's organisation.
    pub parent_organization: String,
    /// When that parent's client signed the registration.
    pub timestamp: Timestamp,
}

/// Registers a child of the caller, and emits `ChildRegistered` with its id.
///
/// # Errors
/// [`CardsError`]: an unusable field, or an id that is taken.
pub fn register_child(world: &mut impl World, new: NewChild) -> Result<Child> {
    check_id("childId", &new.child_id)?;
    check_text("name", &new.name)?;
    check_date("birthdate", &new.birthdate)?;
    let actor = Actor::of(world)?;

    if CHILDREN.contains(world, &keys::child(&new.child_id))? {
        return Err(CardsError::ChildIdTaken);
    }
    let child = Child {
        child_id: new.child_id,
        name: new.name,
        birthdate: new.birthdate,
        parent: actor.name,
        parent_organization: actor.organization,
        timestamp: world.timestamp(),
    };
    CHILDREN.put(world, &keys::child(&child.child_id), &child)?;
    let index = keys::child_of_parent(&child.parent_organization, &child.parent, &child.child_id);
    CHILDREN_OF_PARENTS.put(world, &index, &child.child_id)?;
    world.emit("ChildRegistered", child.child_id.as_bytes())?;
    Ok(child)
}

/// The caller's children, in the order of their ids.
///
/// # Errors
/// [`CardsError`]: a caller without a name.
pub fn children(world: &impl World) -> Result<Vec<Child>> {
    let actor = Actor::of(world)?;
    let index = keys::children_of_parent(&actor.organization, &actor.name);
    load_all(world, &CHILDREN_OF_PARENTS.values(world, &index)?)
}

/// One of the caller's children. Whether somebody else registered such a child is not told: the
/// refusal is the same.
///
/// # Errors
/// [`CardsError`]: an unusable id, or a child that the caller did not register.
pub fn child(world: &impl World, child_id: &str) -> Result<Child> {
    check_id("childId", child_id)?;
    own_child(world, &Actor::of(world)?, child_id)
}

/// This child, which the actor must have registered.
pub(super) fn own_child(world: &impl World, actor: &Actor, child_id: &str) -> Result<Child> {
    find_own(world, actor, child_id)?.ok_or(CardsError::UnknownChild)
}

/// Whether the actor registered this child.
pub(super) fn is_own_child(world: &impl World, actor: &Actor, child_id: &str) -> Result<bool> {
    Ok(find_own(world, actor, child_id)?.is_some())
}

fn find_own(world: &impl World, actor: &Actor, child_id: &str) -> Result<Option<Child>> {
    let child = CHILDREN.get(world, &keys::child(child_id))?;
    Ok(child.filter(|child| actor.is(&child.parent_organization, &child.parent)))
}

/// These children. An index never names one that is not registered.
pub(super) fn load_all(world: &impl World, child_ids: &[String]) -> Result<Vec<Child>> {
    let mut children = Vec::with_capacity(child_ids.len());
    for child_id in child_ids {
        children.extend(CHILDREN.get(world, &keys::child(child_id))?);
    }
    Ok(children)
}
