//! What a school may be told about a child.

use cordon_sdk::{World, check_id};

use super::agreements::is_admitted;
use super::cards::entries;
use super::children::is_own_child;
use super::entries::{Assessment, CardEntry, Entry};
use super::{Actor, Result};
use crate::error::CardsError;

/// A child's report form: what the standing assessment says.
#[derive(Clone, PartialEq, Eq)]
pub struct ReportForm {
    /// The child.
    pub child_id: String,
    /// The assessment. Its id is the form's salt.
    pub assessment: Entry<Assessment>,
}

/// The child's report form, for the parent who registered the child and the pediatrician whom its
/// accepted agreement names. Nothing of the caller is in the answer: other contracts hash its
/// bytes.
///
/// # Errors
/// [`CardsError`]: an unusable id, another caller, or a card without assessment.
pub fn report_form(world: &impl World, child_id: &str) -> Result<ReportForm> {
    check_id("childId", child_id)?;
    let actor = Actor::of(world)?;
    if !is_own_child(world, &actor, child_id)? && !is_admitted(world, &actor, child_id)? {
        return Err(CardsError::NotReader);
    }
    let assessments = entries(world, child_id)?;
    let assessment = standing(assessments).ok_or(CardsError::NoAssessment)?;
    Ok(ReportForm {
        child_id: child_id.to_owned(),
        assessment,
    })
}

/// The newest of the assessments that correct none, or what corrects it in the end. `assessments`
/// are oldest first.
///
/// A correction counts where the entry counts that it corrects: were it as new as its own time
/// says, then a slip that is corrected in last year's assessment would revoke this year's.
fn standing(assessments: Vec<CardEntry<Assessment>>) -> Option<Entry<Assessment>> {
    let newest = assessments
        .iter()
        .rposition(|shown| shown.entry.corrects.is_none())?;
    let mut standing = newest;
    // Ends, since a correction is always committed after what it corrects, and corrects one entry.
    while let Some(by) = &assessments[standing].corrected_by {
        standing = assessments
            .iter()
            .position(|shown| shown.entry.entry_id == *by)?;
    }
    assessments
        .into_iter()
        .nth(standing)
        .map(|shown| shown.entry)
}
