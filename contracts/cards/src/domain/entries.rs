//! Entries of a card: six kinds of content, one way to add them.

use cordon_sdk::{Collection, Timestamp, World, check_id, check_text, optional_text};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::agreements::require_admitted;
use super::{Actor, Result};
use crate::date::check_date;
use crate::error::CardsError;
use crate::keys::{
    self, ALLERGIES, ASSESSMENTS, CONDITIONS, CORRECTIONS, GROWTH, VACCINATIONS, VISITS,
};

/// Kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// [`Growth`].
    Growth,
    /// [`Vaccination`].
    Vaccination,
    /// [`Allergy`].
    Allergy,
    /// [`Condition`].
    Condition,
    /// [`Visit`].
    Visit,
    /// [`Assessment`].
    Assessment,
}

impl EntryKind {
    /// Its name in keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Growth => "growth",
            Self::Vaccination => "vaccination",
            Self::Allergy => "allergy",
            Self::Condition => "condition",
            Self::Visit => "visit",
            Self::Assessment => "assessment",
        }
    }
}

/// What an entry of one kind says.
pub trait Content: Serialize + DeserializeOwned + 'static {
    /// The kind.
    const KIND: EntryKind;
    /// Where entries of the kind are kept.
    const ENTRIES: Collection<Entry<Self>>;

    /// The content as it is stored: a blank optional text becomes `None`.
    ///
    /// # Errors
    /// [`CardsError`], for the first field that is unusable.
    fn checked(self) -> Result<Self>;
}

/// What a pediatrician writes down.
#[derive(Clone, PartialEq, Eq)]
pub struct NewEntry<C> {
    /// The child whose card it is added to.
    pub child_id: String,
    /// The entry that it corrects, if any.
    pub corrects: Option<String>,
    /// What it says.
    pub content: C,
}

/// An entry as it is stored. Never changed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<C> {
    /// Id of the transaction that added it.
    pub entry_id: String,
    /// Enrollment id of who added it.
    pub author: String,
    /// That person's organisation.
    pub author_organization: String,
    /// When that person's client signed it.
    pub timestamp: Timestamp,
    /// The entry that it corrects.
    pub corrects: Option<String>,
    /// What it says.
    pub content: C,
}

/// An entry as it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct CardEntry<C> {
    /// The entry.
    pub entry: Entry<C>,
    /// The entry that corrects it; `None` when it stands as it is.
    pub corrected_by: Option<String>,
}

/// A measurement. Numbers are stored as they were sent; nothing is computed with them.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// The day it was measured.
    pub measured_on: String,
    /// Height in centimetres.
    pub height_cm: f64,
    /// Weight in kilograms.
    pub weight_kg: f64,
    /// Circumference of the head in centimetres.
    pub head_cm: Option<f64>,
}

/// A vaccination that was given.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vaccination {
    /// The vaccine.
    pub vaccine: String,
    /// The day it was given.
    pub given_on: String,
    /// Which dose.
    pub dose: Option<String>,
    /// The batch of the vaccine.
    pub batch: Option<String>,
}

/// An allergy.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allergy {
    /// What the child is allergic to.
    pub substance: String,
    /// What happens then.
    pub reaction: Option<String>,
    /// How severe it is.
    pub severity: Option<String>,
}

/// A condition that the child has or had.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The condition.
    pub condition: String,
    /// The day it began.
    pub since: Option<String>,
    /// How it is treated.
    pub treatment: Option<String>,
}

/// A visit to the pediatrician.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// The day of the visit.
    pub visited_on: String,
    /// Why the child came.
    pub reason: String,
    /// What was found.
    pub findings: Option<String>,
}

/// What a school may be told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// The day of the assessment.
    pub assessed_on: String,
    /// Whether the child is fit for school.
    pub fit_for_school: bool,
    /// Whether all vaccinations that schools ask for were given.
    pub vaccinations_complete: bool,
    /// What the child must not do.
    pub restrictions: Option<String>,
    /// Anything else that the school should know.
    pub note: Option<String>,
}

/// Adds an entry, and emits `CardEntryAdded` with its id.
///
/// Reads the child's agreement, which adding an entry does not write, and writes a key that nothing
/// reads before: so any number of entries can be added at the same moment, and all commit. A
/// correction also reads what it corrects and the key of that one's correction, which it then
/// writes: of two corrections of one entry at the same moment one commits.
///
/// # Errors
/// [`CardsError`]: an unusable field, a caller whom the child's agreement does not admit, or an entry
/// that cannot be corrected.
pub fn add_entry<C: Content>(world: &mut impl World, new: NewEntry<C>) -> Result<CardEntry<C>> {
    check_id("childId", &new.child_id)?;
    let content = new.content.checked()?;
    let corrects = optional_text("corrects", new.corrects)?;
    if let Some(corrects) = &corrects {
        check_id("corrects", corrects)?;
    }
    let actor = Actor::of(world)?;
    require_admitted(world, &actor, &new.child_id)?;

    let entry = Entry {
        entry_id: world.transaction_id(),
        author: actor.name,
        author_organization: actor.organization,
        timestamp: world.timestamp(),
        corrects,
        content,
    };
    if let Some(corrected) = &entry.corrects {
        mark_corrected::<C>(world, &new.child_id, corrected, &entry.entry_id)?;
    }
    C::ENTRIES.put(world, &keys::entry(&new.child_id, &entry.entry_id), &entry)?;
    world.emit("CardEntryAdded", entry.entry_id.as_bytes())?;
    Ok(CardEntry {
        entry,
        corrected_by: None,
    })
}

// === Helpers ===

fn mark_corrected<C: Content>(
    world: &mut impl World,
    child_id: &str,
    corrected: &str,
    by: &String,
) -> Result<()> {
    let key = keys::entry(child_id, corrected);
    if !C::ENTRIES.contains(world, &key)? {
        let of_another_kind = GROWTH.contains(world, &key)?
            || VACCINATIONS.contains(world, &key)?
            || ALLERGIES.contains(world, &key)?
            || CONDITIONS.contains(world, &key)?
            || VISITS.contains(world, &key)?
            || ASSESSMENTS.contains(world, &key)?;
        return Err(if of_another_kind {
            CardsError::OtherKind
        } else {
            CardsError::UnknownEntry
        });
    }
    let mark = keys::correction(child_id, C::KIND, corrected);
    if CORRECTIONS.contains(world, &mark)? {
        return Err(CardsError::CorrectedAlready);
    }
    Ok(CORRECTIONS.put(world, &mark, by)?)
}

/// A number that a child can have. The bounds are wide, and meant to catch a wrong unit or a
/// slipped point: no child is 1.2 cm tall or weighs 3,500 kg.
struct Bounds {
    min: f64,
    max: f64,
    words: &'static str,
}

const HEIGHT_CM: Bounds = Bounds {
    min: 10.0,
    max: 300.0,
    words: "10 to 300",
};
const WEIGHT_KG: Bounds = Bounds {
    min: 0.1,
    max: 500.0,
    words: "0.1 to 500",
};
const HEAD_CM: Bounds = Bounds {
    min: 10.0,
    max: 100.0,
    words: "10 to 100",
};

impl Bounds {
    fn check(&self, field: &'static str, number: f64) -> Result<()> {
        // NaN and the infinities are in no range.
        if (self.min..=self.max).contains(&number) {
            return Ok(());
        }
        Err(CardsError::OutOfRange {
            field,
            range: self.words,
        })
    }
}

// === impl Content ===

impl Content for Growth {
    const KIND: EntryKind = EntryKind::Growth;
    const ENTRIES: Collection<Entry<Self>> = GROWTH;

    fn checked(self) -> Result<Self> {
        check_date("measuredOn", &self.measured_on)?;
        HEIGHT_CM.check("heightCm", self.height_cm)?;
        WEIGHT_KG.check("weightKg", self.weight_kg)?;
        if let Some(head_cm) = self.head_cm {
            HEAD_CM.check("headCm", head_cm)?;
        }
        Ok(self)
    }
}

impl Content for Vaccination {
    const KIND: EntryKind = EntryKind::Vaccination;
    const ENTRIES: Collection<Entry<Self>> = VACCINATIONS;

    fn checked(self) -> Result<Self> {
        check_text("vaccine", &self.vaccine)?;
        check_date("givenOn", &self.given_on)?;
        Ok(Self {
            dose: optional_text("dose", self.dose)?,
            batch: optional_text("batch", self.batch)?,
            ..self
        })
    }
}

impl Content for Allergy {
    const KIND: EntryKind = EntryKind::Allergy;
    const ENTRIES: Collection<Entry<Self>> = ALLERGIES;

    fn checked(self) -> Result<Self> {
        check_text("substance", &self.substance)?;
        Ok(Self {
            reaction: optional_text("reaction", self.reaction)?,
            severity: optional_text("severity", self.severity)?,
            ..self
        })
    }
}

impl Content for Condition {
    const KIND: EntryKind = EntryKind::Condition;
    const ENTRIES: Collection<Entry<Self>> = CONDITIONS;

    fn checked(self) -> Result<Self> {
        check_text("condition", &self.condition)?;
        let since = optional_text("since", self.since)?;
        if let Some(since) = &since {
            check_date("since", since)?;
        }
        Ok(Self {
            since,
            treatment: optional_text("treatment", self.treatment)?,
            ..self
        })
    }
}

impl Content for Visit {
    const KIND: EntryKind = EntryKind::Visit;
    const ENTRIES: Collection<Entry<Self>> = VISITS;

    fn checked(self) -> Result<Self> {
        check_date("visitedOn", &self.visited_on)?;
        check_text("reason", &self.reason)?;
        Ok(Self {
            findings: optional_text("findings", self.findings)?,
            ..self
        })
    }
}

impl Content for Assessment {
    const KIND: EntryKind = EntryKind::Assessment;
    const ENTRIES: Collection<Entry<Self>> = ASSESSMENTS;

    fn checked(self) -> Result<Self> {
        check_date("assessedOn", &self.assessed_on)?;
        Ok(Self {
            restrictions: optional_text("restrictions", self.restrictions)?,
            note: optional_text("note", self.note)?,
            ..self
        })
    }
}
