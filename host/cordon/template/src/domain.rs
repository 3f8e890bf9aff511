//! The rules of appointments: who may do what, and what is refused.
//!
//! Each rule checks its input, then the caller, and only then reads a record. Rules know nothing of
//! WIT or JSON and run on any [`World`]: the host's in the component, a test's in `tests.rs`. A rule
//! that takes `&impl World` cannot write.

use cordon_sdk::{Error, Result, World, check_id, optional_text};
use serde::{Deserialize, Serialize};

use crate::keys::{self, APPOINTMENTS};

/// What is needed to book.
#[derive(Clone, PartialEq, Eq)]
pub struct NewAppointment {
    /// The patient's id.
    pub patient_id: String,
    /// The day, in any form.
    pub day: String,
    /// Why the patient comes; a blank text counts as absent.
    pub reason: Option<String>,
}

/// An appointment as it is stored. Its fields are kept in this order: a later version of the contract
/// that reads old records must not change it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appointment {
    /// Id of the transaction that booked it.
    pub appointment_id: String,
    /// The patient's id.
    pub patient_id: String,
    /// The day, as it was given.
    pub day: String,
    /// Why the patient comes.
    pub reason: Option<String>,
    /// Enrollment id of who booked it.
    pub booked_by: String,
    /// Whether it was cancelled.
    pub cancelled: bool,
}

/// One change of an appointment.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The transaction that made it.
    pub transaction_id: String,
    /// The time that its client stated, seconds since 1970.
    pub seconds: i64,
    /// Whether it cancelled the appointment.
    pub cancelled: bool,
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
}

/// Books an appointment, and emits `AppointmentBooked` with its id.
///
/// Reads all of the patient's appointments: of two bookings for one patient at the same moment, one is
/// committed and the other has to be tried again.
///
/// # Errors
/// An unusable field, a caller without a name, or a day that is taken.
pub fn book(world: &mut impl World, new: NewAppointment) -> Result<Appointment> {
    check_id("patientId", &new.patient_id)?;
    check_id("day", &new.day)?;
    let reason = optional_text("reason", new.reason)?;
    let actor = Actor::of(world)?;

    let patient = keys::patient(&actor.organization, &new.patient_id);
    let known = APPOINTMENTS.values(world, &patient)?;
    if known
        .iter()
        .any(|known| known.day == new.day && !known.cancelled)
    {
        return Err(Error::Conflict(
            "The patient has an appointment on this day already.".to_owned(),
        ));
    }
    let appointment = Appointment {
        appointment_id: world.transaction_id(),
        patient_id: new.patient_id,
        day: new.day,
        reason,
        booked_by: actor.name,
        cancelled: false,
    };
    put(world, &actor.organization, &appointment)?;
    world.emit("AppointmentBooked", appointment.appointment_id.as_bytes())?;
    Ok(appointment)
}

/// Cancels an appointment, and emits `AppointmentCancelled` with its id.
///
/// # Errors
/// An unusable id, a caller without a name or who did not book it, no such appointment, or one that is
/// cancelled.
pub fn cancel(
    world: &mut impl World,
    patient_id: &str,
    appointment_id: &str,
) -> Result<Appointment> {
    check_id("patientId", patient_id)?;
    check_id("appointmentId", appointment_id)?;
    let actor = Actor::of(world)?;

    let key = keys::appointment(&actor.organization, patient_id, appointment_id);
    let mut appointment = APPOINTMENTS.get(world, &key)?.ok_or_else(unknown)?;
    if appointment.booked_by != actor.name {
        return Err(Error::Forbidden(
            "Only who booked an appointment may cancel it.".to_owned(),
        ));
    }
    if appointment.cancelled {
        return Err(Error::Conflict(
            "This appointment is cancelled already.".to_owned(),
        ));
    }
    appointment.cancelled = true;
    put(world, &actor.organization, &appointment)?;
    world.emit("AppointmentCancelled", appointment_id.as_bytes())?;
    Ok(appointment)
}

/// The patient's appointments by day, those of one day in the order of their ids.
///
/// # Errors
/// An unusable id, or a caller without a name.
pub fn list_appointments(world: &impl World, patient_id: &str) -> Result<Vec<Appointment>> {
    check_id("patientId", patient_id)?;
    let actor = Actor::of(world)?;

    let patient = keys::patient(&actor.organization, patient_id);
    let mut list = APPOINTMENTS.values(world, &patient)?;
    // Read in the order of ids, which this sort keeps within a day.
    list.sort_by(|one, other| one.day.cmp(&other.day));
    Ok(list)
}

/// All changes of an appointment, newest first.
///
/// # Errors
/// An unusable id, a caller without a name, or no such appointment.
pub fn history(world: &impl World, patient_id: &str, appointment_id: &str) -> Result<Vec<Change>> {
    check_id("patientId", patient_id)?;
    check_id("appointmentId", appointment_id)?;
    let actor = Actor::of(world)?;

    let key = keys::appointment(&actor.organization, patient_id, appointment_id);
    let past = APPOINTMENTS.history(world, &key)?;
    if past.is_empty() {
        return Err(unknown());
    }
    let changes = past.into_iter().map(|past| Change {
        transaction_id: past.transaction_id,
        seconds: past.timestamp_seconds,
        cancelled: past.value.is_some_and(|appointment| appointment.cancelled),
    });
    Ok(changes.collect())
}

fn put(world: &mut impl World, organization: &str, appointment: &Appointment) -> Result<()> {
    let key = keys::appointment(
        organization,
        &appointment.patient_id,
        &appointment.appointment_id,
    );
    APPOINTMENTS.put(world, &key, appointment)
}

fn unknown() -> Error {
    Error::NotFound("The patient has no such appointment in your organisation.".to_owned())
}

#[cfg(test)]
mod tests;
