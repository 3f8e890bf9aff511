//! Reading a child's card, and everything that was ever changed about the child.

use std::collections::BTreeMap;

use cordon_sdk::{Position, Timestamp, World, check_id};

use super::agreements::require_admitted;
use super::children::{Child, own_child};
use super::entries::{
    Allergy, Assessment, CardEntry, Condition, Content, EntryKind, Growth, Vaccination, Visit,
};
use super::{Actor, Result};
use crate::error::CardsError;
use crate::keys::{self, AGREEMENTS, CHILDREN, CORRECTIONS};
use crate::machine::Status;

/// A child's card. Each kind oldest first, and those of one moment in the order of their ids.
#[derive(Clone, PartialEq)]
pub struct Card {
    /// The child.
    pub child: Child,
    /// Measurements.
    pub growth: Vec<CardEntry<Growth>>,
    /// Vaccinations.
    pub vaccinations: Vec<CardEntry<Vaccination>>,
    /// Allergies.
    pub allergies: Vec<CardEntry<Allergy>>,
    /// Conditions.
    pub conditions: Vec<CardEntry<Condition>>,
    /// Visits.
    pub visits: Vec<CardEntry<Visit>>,
    /// Assessments.
    pub assessments: Vec<CardEntry<Assessment>>,
}

/// Kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The child was registered.
    ChildRegistered,
    /// An agreement came into this state.
    Agreement(Status),
    /// An entry was added that corrects none.
    EntryAdded(EntryKind),
    /// An entry was added that corrects another.
    EntryCorrected(EntryKind),
}

/// Something that was changed about a child.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// Id of the child, the agreement or the new entry.
    pub id: String,
    /// The entry that was corrected, if any.
    pub corrects: Option<String>,
    /// Enrollment id of who changed it.
    pub author: String,
    /// That person's organisation.
    pub author_organization: String,
    /// When that person's client signed the change.
    pub timestamp: Timestamp,
    /// The transaction.
    pub transaction_id: String,
    /// Where it was committed.
    pub position: Position,
}

/// The card of one of the caller's children.
///
/// # Errors
/// [`CardsError`]: an unusable id, or a child that the caller did not register.
pub fn card_for_parent(world: &impl World, child_id: &str) -> Result<Card> {
    check_id("childId", child_id)?;
    let child = own_child(world, &Actor::of(world)?, child_id)?;
    load(world, child)
}

/// The card of a child whose accepted agreement names the caller.
///
/// # Errors
/// [`CardsError`]: an unusable id, or a caller whom the child's agreement does not admit.
pub fn card_for_pediatrician(world: &impl World, child_id: &str) -> Result<Card> {
    check_id("childId", child_id)?;
    require_admitted(world, &Actor::of(world)?, child_id)?;
    let child = CHILDREN.get(world, &keys::child(child_id))?;
    load(world, child.ok_or(CardsError::NotAdmitted)?)
}

/// All changes about one of the caller's children, newest first in the order of the ledger: the
/// clients' times would put a change elsewhere when a clock is wrong.
///
/// # Errors
/// [`CardsError`]: an unusable id, or a child that the caller did not register.
pub fn history(world: &impl World, child_id: &str) -> Result<Vec<Change>> {
    check_id("childId", child_id)?;
    own_child(world, &Actor::of(world)?, child_id)?;

    let key = keys::child(child_id);
    let mut changes = Vec::new();
    for past in CHILDREN.history(world, &key)? {
        changes.extend(past.value.map(|child| Change {
            kind: ChangeKind::ChildRegistered,
            id: child.child_id,
            corrects: None,
            author: child.parent,
            author_organization: child.parent_organization,
            timestamp: child.timestamp,
            transaction_id: past.transaction_id,
            position: past.position,
        }));
    }
    for past in AGREEMENTS.history(world, &key)? {
        changes.extend(past.value.map(|agreement| Change {
            kind: ChangeKind::Agreement(agreement.status),
            id: agreement.agreement_id,
            corrects: None,
            author: agreement.changed_by,
            author_organization: agreement.changed_by_organization,
            timestamp: agreement.timestamp,
            transaction_id: past.transaction_id,
            position: past.position,
        }));
    }
    entry_changes::<Growth>(world, child_id, &mut changes)?;
    entry_changes::<Vaccination>(world, child_id, &mut changes)?;
    entry_changes::<Allergy>(world, child_id, &mut changes)?;
    entry_changes::<Condition>(world, child_id, &mut changes)?;
    entry_changes::<Visit>(world, child_id, &mut changes)?;
    entry_changes::<Assessment>(world, child_id, &mut changes)?;
    // One transaction makes one change, so no two are at the same position.
    changes.sort_unstable_by_key(|change| std::cmp::Reverse(change.position));
    Ok(changes)
}

// === Helpers ===

fn load(world: &impl World, child: Child) -> Result<Card> {
    let id = child.child_id.as_str();
    Ok(Card {
        growth: entries(world, id)?,
        vaccinations: entries(world, id)?,
        allergies: entries(world, id)?,
        conditions: entries(world, id)?,
        visits: entries(world, id)?,
        assessments: entries(world, id)?,
        child,
    })
}

/// All entries of a kind, oldest first, each with what corrects it.
pub(super) fn entries<C: Content>(world: &impl World, child_id: &str) -> Result<Vec<CardEntry<C>>> {
    let corrections = CORRECTIONS.scan(world, &keys::corrections(child_id, C::KIND))?;
    let mut corrected_by: BTreeMap<String, String> = corrections
        .into_iter()
        .filter_map(|mut mark| Some((mark.parts.pop()?, mark.value)))
        .collect();
    let found = C::ENTRIES.values(world, &keys::entries(child_id))?;
    let mut entries: Vec<_> = found
        .into_iter()
        .map(|entry| CardEntry {
            corrected_by: corrected_by.remove(&entry.entry_id),
            entry,
        })
        .collect();
    // They come in the order of their ids, which a stable sort keeps for those of one moment.
    entries.sort_by_key(|shown| shown.entry.timestamp);
    Ok(entries)
}

/// An entry's key is written once, and its history tells where.
fn entry_changes<C: Content>(
    world: &impl World,
    child_id: &str,
    changes: &mut Vec<Change>,
) -> Result<()> {
    for CardEntry { entry, .. } in entries::<C>(world, child_id)? {
        let kind = match entry.corrects {
            None => ChangeKind::EntryAdded(C::KIND),
            Some(_) => ChangeKind::EntryCorrected(C::KIND),
        };
        let key = keys::entry(child_id, &entry.entry_id);
        for past in C::ENTRIES.history(world, &key)? {
            changes.push(Change {
                kind,
                id: entry.entry_id.clone(),
                corrects: entry.corrects.clone(),
                author: entry.author.clone(),
                author_organization: entry.author_organization.clone(),
                timestamp: entry.timestamp,
                transaction_id: past.transaction_id,
                position: past.position,
            });
        }
    }
    Ok(())
}
