//! Where records are kept. Keys are built here and nowhere else.
//!
//! A child's id is unique on the channel, so it is enough to name the child, and comes first in the
//! keys of everything that is kept about one. Indices begin with whom they serve.

use cordon_sdk::Collection;

use crate::domain::agreements::Agreement;
use crate::domain::children::Child;
use crate::domain::entries::{
    Allergy, Assessment, Condition, Entry, EntryKind, Growth, Vaccination, Visit,
};

/// Registered children, by [`child`].
pub const CHILDREN: Collection<Child> = Collection::new("child");

/// Child ids, by [`child_of_parent`]: the children of a parent.
pub const CHILDREN_OF_PARENTS: Collection<String> = Collection::new("parent-child");

/// The newest agreement of each child, by [`child`]. Every state that one was ever in is in the
/// history of its key.
pub const AGREEMENTS: Collection<Agreement> = Collection::new("agreement");

/// The newest agreement of each child with each hospital, by [`agreement_of_hospital`]: what a
/// hospital sees, and keeps seeing when the parent goes to another.
pub const AGREEMENTS_OF_HOSPITALS: Collection<Agreement> = Collection::new("hospital-agreement");

/// Child ids, by [`patient`]: the children to whose cards a pediatrician has access now.
pub const PATIENTS: Collection<String> = Collection::new("patient");

/// Measurements, by [`entry`], as all the following. A key each: entries that are added at the same
/// moment do not meet. A kind each: the report form reads assessments, and nothing else of a card.
pub const GROWTH: Collection<Entry<Growth>> = Collection::new("growth");

/// Vaccinations.
pub const VACCINATIONS: Collection<Entry<Vaccination>> = Collection::new("vaccination");

/// Allergies.
pub const ALLERGIES: Collection<Entry<Allergy>> = Collection::new("allergy");

/// Conditions.
pub const CONDITIONS: Collection<Entry<Condition>> = Collection::new("condition");

/// Visits.
pub const VISITS: Collection<Entry<Visit>> = Collection::new("visit");

/// Assessments.
pub const ASSESSMENTS: Collection<Entry<Assessment>> = Collection::new("assessment");

/// Ids of the entries that correct others, by [`correction`] of the corrected one. Beside the entry
/// and not in it, so that an entry is written once, and two corrections of one entry conflict.
pub const CORRECTIONS: Collection<String> = Collection::new("corrected-by");

/// A child, and its newest agreement.
pub fn child(child_id: &str) -> [&str; 1] {
    [child_id]
}

/// All children of a parent.
pub fn children_of_parent<'a>(organization: &'a str, parent: &'a str) -> [&'a str; 2] {
    [organization, parent]
}

/// One child of a parent.
pub fn child_of_parent<'a>(
    organization: &'a str,
    parent: &'a str,
    child_id: &'a str,
) -> [&'a str; 3] {
    [organization, parent, child_id]
}

/// All agreements of a hospital.
pub fn agreements_of_hospital(hospital: &str) -> [&str; 1] {
    [hospital]
}

/// The newest agreement of a child with a hospital.
pub fn agreement_of_hospital<'a>(hospital: &'a str, child_id: &'a str) -> [&'a str; 2] {
    [hospital, child_id]
}

/// All patients of a pediatrician.
pub fn patients<'a>(hospital: &'a str, pediatrician: &'a str) -> [&'a str; 2] {
    [hospital, pediatrician]
}

/// One patient of a pediatrician.
pub fn patient<'a>(hospital: &'a str, pediatrician: &'a str, child_id: &'a str) -> [&'a str; 3] {
    [hospital, pediatrician, child_id]
}

/// All entries of a kind in a child's card.
pub fn entries(child_id: &str) -> [&str; 1] {
    [child_id]
}

/// One entry of a kind in a child's card.
pub fn entry<'a>(child_id: &'a str, entry_id: &'a str) -> [&'a str; 2] {
    [child_id, entry_id]
}

/// All corrections of a kind in a child's card.
pub fn corrections(child_id: &str, kind: EntryKind) -> [&str; 2] {
    [child_id, kind.name()]
}

/// What corrects an entry.
pub fn correction<'a>(child_id: &'a str, kind: EntryKind, entry_id: &'a str) -> [&'a str; 3] {
    [child_id, kind.name(), entry_id]
}
