//! The rules of places and reports: who may do what, and what is refused.
//!
//! Each rule checks its input, then the caller, then reads the application as that caller may see it,
//! and asks [`machine`](crate::machine) whether the move is allowed. Roles are the access policy's
//! business; what is checked here is whose application it is. Rules know nothing of WIT, and errors
//! name fields as clients write them.
//!
//! No rule but [`approve_report`] ever puts text of a report into the state, and [`settle`] takes it
//! out again whenever the report is no longer approved. No rule but [`approved_report`] answers text,
//! not even those that only read: any call can be submitted, and its answer then stands in a block
//! that the school's host keeps. Source: the NIX network of parents, hospital and school.

use cordon_sdk::{Block, Timestamp, World, check_id, check_text, optional_text};
use serde::{Deserialize, Serialize};

use crate::error::ReportsError;
use crate::form::{self, Digest, Form};
use crate::keys::{self, APPLICATIONS, BY_PARENT, REQUESTS, TEXTS};
use crate::machine::{Move, ReportStatus, Status, next};

/// What a rule gives: an answer or a refusal.
pub type Result<T> = std::result::Result<T, ReportsError>;

/// The certificate's attribute that says which school of its organisation a registrar works for.
pub const SCHOOL_ATTRIBUTE: &str = "school";

/// A child's place at a school, which at most one application is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// MSP id of the school's organisation.
    pub school_org: String,
    /// The school within it.
    pub school: String,
    /// The child's id.
    pub child_id: String,
}

/// Somebody, by organisation and name within it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// MSP id.
    pub organization: String,
    /// Enrollment id, never empty.
    pub name: String,
}

/// What is needed to apply.
#[derive(Clone, PartialEq, Eq)]
pub struct NewApplication {
    /// The child and the school.
    pub place: Place,
    /// The child's name, as the school is to see it.
    pub child_name: String,
    /// Who can make the report.
    pub pediatrician: Person,
    /// What the parent tells the school; `None`, like a blank text, for nothing.
    pub message: Option<String>,
}

/// An application as it is stored, with all of its report but the text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Id of the transaction that made it.
    pub application_id: String,
    /// The child and the school.
    pub place: Place,
    /// The child's name, as the school is to see it.
    pub child_name: String,
    /// Who applied.
    pub parent: Person,
    /// Who can make the report.
    pub pediatrician: Person,
    /// What the parent tells the school.
    pub message: Option<String>,
    /// How far it is.
    pub status: Status,
    /// When the parent applied.
    pub applied_at: Timestamp,
    /// When the status changed last.
    pub changed_at: Timestamp,
    /// The report; there exactly while it is ready or approved.
    pub report: Option<Report>,
}

/// What is known of a report whose text is not here.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Hash of the form that it was made of.
    pub digest: Digest,
    /// Where the form comes from.
    pub origin: Origin,
    /// When the pediatrician made it.
    pub created_at: Timestamp,
}

/// The card's newest block when the report was made.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its number.
    pub block: u64,
    /// Hash of its header.
    pub hash: Digest,
}

/// What is told of a report that was made: no text.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct CreatedReport {
    /// The child and the school.
    pub place: Place,
    /// What was stored.
    pub report: Report,
}

/// The form of an approved report, and the bytes that it was read from.
#[derive(Clone, PartialEq, Eq)]
pub struct ReportText {
    /// Its fields.
    pub form: Form,
    /// Its bytes, which are JSON.
    pub bytes: String,
}

/// A report that the caller's school may read.
#[derive(Clone, PartialEq, Eq)]
pub struct ApprovedReport {
    /// What it belongs to; its status changed last when the parent approved.
    pub application: Application,
    /// What it says.
    pub text: ReportText,
    /// Where it comes from.
    pub report: Report,
}

// === impl Place ===

impl Place {
    /// Goes on only if all of it can be part of a key.
    fn check(&self) -> Result<()> {
        check_id("childId", &self.child_id)?;
        check_id("schoolOrg", &self.school_org)?;
        check_id("school", &self.school)?;
        Ok(())
    }
}

// === impl Person ===

impl Person {
    /// The caller, who must have a name.
    fn caller(world: &impl World) -> Result<Self> {
        let caller = world.caller();
        caller.require_enrollment_id()?;
        Ok(Self {
            organization: caller.msp_id,
            name: caller.enrollment_id,
        })
    }
}

impl From<Block> for Origin {
    fn from(block: Block) -> Self {
        Self {
            block: block.number,
            hash: block.hash,
        }
    }
}

// === Parent ===

/// Applies for a place, and emits `ApplicationMade`.
///
/// # Errors
/// [`ReportsError`]: an unusable field, a caller without a name, a child that is not the caller's own,
/// or an application that is not over.
pub fn apply_for_place(world: &mut impl World, new: NewApplication) -> Result<Application> {
    new.place.check()?;
    check_text("childName", &new.child_name)?;
    check_id("hospital", &new.pediatrician.organization)?;
    check_id("pediatrician", &new.pediatrician.name)?;
    let message = optional_text("message", new.message)?;
    let parent = Person::caller(world)?;
    form::require_own_child(world, &new.place.child_id)?;

    let before = APPLICATIONS.get(world, &keys::place(&new.place))?;
    if let Some(before) = &before {
        // Over, it does not keep out whom the card now calls the child's parent.
        if before.parent != parent && !before.status.is_over() {
            return Err(ReportsError::Taken);
        }
    }
    let status = next(before.as_ref().map(|before| before.status), Move::Apply)?;
    if let Some(before) = before {
        BY_PARENT.delete(world, &keys::of(&before.parent, &before.application_id))?;
    }
    let application = Application {
        application_id: world.transaction_id(),
        place: new.place,
        child_name: new.child_name,
        parent,
        pediatrician: new.pediatrician,
        message,
        status,
        applied_at: world.timestamp(),
        changed_at: world.timestamp(),
        report: None,
    };
    let index = keys::of(&application.parent, &application.application_id);
    BY_PARENT.put(world, &index, &application.place)?;
    settle(world, application, status, Move::Apply)
}

/// Withdraws an application with all of its report, and emits `ApplicationWithdrawn`.
///
/// # Errors
/// [`ReportsError`]: an unusable id, a caller without a name, an application that the caller has not
/// made, or that is over.
pub fn withdraw_application(world: &mut impl World, place: &Place) -> Result<Application> {
    let application = own(world, place)?;
    advance(world, application, Move::Withdraw)
}

/// The caller's own applications, in the order of their places.
///
/// # Errors
/// [`ReportsError`]: a caller without a name.
pub fn applications_of_parent(world: &impl World) -> Result<Vec<Application>> {
    let parent = Person::caller(world)?;
    let places = BY_PARENT.values(world, &[&parent.organization, &parent.name])?;
    load_all(world, places)
}

/// Approves a report for its school, and emits `ReportApproved`. The only rule that stores text.
///
/// `reviewed` is the digest of the form that the parent has read on channel `cards`, in hex digits, if
/// the parent says it.
///
/// # Errors
/// [`ReportsError`]: an unusable id, a caller without a name, an application that the caller has not
/// made, a report that is not ready, or was made of another form than the card gives now, or of another
/// one than reviewed, or what channel `cards` refuses with.
pub fn approve_report(
    world: &mut impl World,
    place: &Place,
    reviewed: Option<&str>,
) -> Result<Application> {
    let application = own(world, place)?;
    let status = next(Some(application.status), Move::ApproveReport)?;
    let digest = made_report(&application).digest;
    // The card first: who reviews a card that has changed has reviewed nothing wrong.
    let given = form::ask(world, &place.child_id)?;
    if given.digest != digest {
        return Err(ReportsError::CardChanged);
    }
    if reviewed.is_some_and(|reviewed| reviewed != form::hex(&digest)) {
        return Err(ReportsError::NotReviewed);
    }
    TEXTS.put(world, &keys::place(place), &given.text)?;
    settle(world, application, status, Move::ApproveReport)
}

/// Declines a report, and emits `ReportDeclined`.
///
/// # Errors
/// [`ReportsError`]: an unusable id, a caller without a name, an application that the caller has not
/// made, or a report that is not ready.
pub fn decline_report(world: &mut impl World, place: &Place) -> Result<Application> {
    let application = own(world, place)?;
    advance(world, application, Move::DeclineReport)
}

/// Withdraws an approval, and emits `ReportWithdrawn`. Does not ask the card: a parent can always take
/// back what was given.
///
/// # Errors
/// [`ReportsError`]: an unusable id, a caller without a name, an application that the caller has not
/// made, or a report that is not approved.
pub fn withdraw_report(world: &mut impl World, place: &Place) -> Result<Application> {
    let application = own(world, place)?;
    advance(world, application, Move::WithdrawReport)
}

// === Registrar ===

/// The applications at the caller's school, in the order of their children's ids.
///
/// # Errors
/// [`ReportsError`]: a caller without a school.
pub fn applications_of_school(world: &impl World) -> Result<Vec<Application>> {
    let (school_org, school) = callers_school(world)?;
    Ok(APPLICATIONS.values(world, &[school_org, school])?)
}

/// Accepts an application, and emits `ApplicationAccepted`.
///
/// # Errors
/// [`ReportsError`]: an unusable id, a caller without a school, an application that is unknown there,
/// or decided.
pub fn accept_application(world: &mut impl World, child_id: &str) -> Result<Application> {
    let application = at_callers_school(world, child_id)?;
    advance(world, application, Move::Accept)
}

/// Declines an application, and emits `ApplicationDeclined`.
///
/// # Errors
/// As for [`accept_application`].
pub fn decline_application(world: &mut impl World, child_id: &str) -> Result<Application> {
    let application = at_callers_school(world, child_id)?;
    advance(world, application, Move::Decline)
}

/// Asks for a report, and emits `ReportRequested`.
///
/// # Errors
/// [`ReportsError`]: an unusable id, a caller without a school, an application that is unknown there,
/// not accepted, or has a report that is on its way or approved.
pub fn request_report(world: &mut impl World, child_id: &str) -> Result<Application> {
    let application = at_callers_school(world, child_id)?;
    advance(world, application, Move::RequestReport)
}

/// The report, while the parent approves it for the caller's school.
///
/// # Errors
/// [`ReportsError`]: an unusable id, a caller without a school, an application that is unknown there,
/// or a report that is not approved.
pub fn approved_report(world: &impl World, child_id: &str) -> Result<ApprovedReport> {
    let application = at_callers_school(world, child_id)?;
    if application.status.report() != Some(ReportStatus::Approved) {
        return Err(ReportsError::NotApproved);
    }
    let report = made_report(&application).clone();
    let bytes = TEXTS
        .get(world, &keys::place(&application.place))?
        .expect("the text of an approved report is stored with the approval");
    // Checked when it was written, and again now: a text of another report must never be shown.
    assert!(
        form::digest(&bytes) == report.digest,
        "the stored text is that of the approved report"
    );
    let form = form::parse(&bytes).expect("only a form that could be read is stored");
    Ok(ApprovedReport {
        application,
        text: ReportText { form, bytes },
        report,
    })
}

// === Pediatrician ===

/// The applications whose reports wait for the caller, in the order of their places.
///
/// # Errors
/// [`ReportsError`]: a caller without a name.
pub fn report_requests(world: &impl World) -> Result<Vec<Application>> {
    let caller = Person::caller(world)?;
    let places = REQUESTS.values(world, &[&caller.organization, &caller.name])?;
    load_all(world, places)
}

/// Makes a report of the form as it is now, or makes it anew, and emits `ReportReady`. Nothing of the
/// form is stored nor answered but its hash and origin.
///
/// # Errors
/// [`ReportsError`]: an unusable id, a caller without a name, an application that does not name the
/// caller, a report that is neither requested nor ready, or what channel `cards` refuses with.
pub fn create_report(world: &mut impl World, place: &Place) -> Result<CreatedReport> {
    place.check()?;
    let caller = Person::caller(world)?;
    let mut application = APPLICATIONS
        .get(world, &keys::place(place))?
        .filter(|application| application.pediatrician == caller)
        .ok_or(ReportsError::UnknownToPediatrician)?;
    let status = next(Some(application.status), Move::CreateReport)?;
    let given = form::ask(world, &place.child_id)?;
    let report = Report {
        digest: given.digest,
        origin: given.origin.into(),
        created_at: world.timestamp(),
    };
    application.report = Some(report.clone());
    let application = settle(world, application, status, Move::CreateReport)?;
    Ok(CreatedReport {
        place: application.place,
        report,
    })
}

// === Helpers ===

/// The caller's own application. That somebody else has made one is not told.
fn own(world: &impl World, place: &Place) -> Result<Application> {
    place.check()?;
    let parent = Person::caller(world)?;
    APPLICATIONS
        .get(world, &keys::place(place))?
        .filter(|application| application.parent == parent)
        .ok_or(ReportsError::UnknownToParent)
}

/// Organisation and school of the caller. Nothing that a caller sends can name another one.
fn callers_school(world: &impl World) -> Result<(String, String)> {
    let caller = world.caller();
    match caller.attribute(SCHOOL_ATTRIBUTE) {
        Some(school) if !school.trim().is_empty() => {
            let school = school.to_owned();
            Ok((caller.msp_id, school))
        }
        _ => Err(ReportsError::NoSchool),
    }
}

/// The application for this child at the caller's school.
fn at_callers_school(world: &impl World, child_id: &str) -> Result<Application> {
    check_id("childId", child_id)?;
    let (school_org, school) = callers_school(world)?;
    let place = Place {
        school_org,
        school,
        child_id: child_id.to_owned(),
    };
    APPLICATIONS
        .get(world, &keys::place(&place))?
        .ok_or(ReportsError::UnknownToSchool)
}

/// The applications of an index, in the order of their places.
fn load_all(world: &impl World, mut places: Vec<Place>) -> Result<Vec<Application>> {
    places.sort();
    let load = |place: &Place| {
        let application = APPLICATIONS.get(world, &keys::place(place))?;
        Ok(application.expect("an index names applications that there are"))
    };
    places.iter().map(load).collect()
}

/// The report of an application whose status says that there is one.
fn made_report(application: &Application) -> &Report {
    application
        .report
        .as_ref()
        .expect("a report that is ready or approved is stored with its application")
}

/// Makes a move, if it is allowed.
fn advance(world: &mut impl World, application: Application, step: Move) -> Result<Application> {
    let status = next(Some(application.status), step)?;
    settle(world, application, status, step)
}

/// Writes an application in its new status, and emits the move's event. Whatever the move: there is a
/// text only while the report is approved, a report only while it is made, and a request only while
/// it waits.
fn settle(
    world: &mut impl World,
    mut application: Application,
    status: Status,
    step: Move,
) -> Result<Application> {
    let (was, is) = (application.status.report(), status.report());
    if was == Some(ReportStatus::Approved) && is != was {
        TEXTS.delete(world, &keys::place(&application.place))?;
    }
    if was != is {
        let request = keys::of(&application.pediatrician, &application.application_id);
        if is == Some(ReportStatus::Requested) {
            REQUESTS.put(world, &request, &application.place)?;
        } else if was == Some(ReportStatus::Requested) {
            REQUESTS.delete(world, &request)?;
        }
    }
    if !is.is_some_and(ReportStatus::is_made) {
        application.report = None;
    }
    application.status = status;
    application.changed_at = world.timestamp();
    APPLICATIONS.put(world, &keys::place(&application.place), &application)?;
    world.emit(step.event(), application.place.child_id.as_bytes())?;
    Ok(application)
}

#[cfg(test)]
mod tests;
