//! Where records are kept. Keys are built here and nowhere else.
//!
//! The organisation comes first in every key, and is always the caller's own: no argument of any
//! function can name a record of another organisation.

use cordon_sdk::Collection;

use crate::domain::Appointment;

/// Appointments, by [`appointment`]. A key each: bookings for different patients never meet.
pub const APPOINTMENTS: Collection<Appointment> = Collection::new("appointment");

/// All appointments of a patient: their keys begin with these parts.
pub fn patient<'a>(organization: &'a str, patient_id: &'a str) -> [&'a str; 2] {
    [organization, patient_id]
}

/// One appointment.
pub fn appointment<'a>(
    organization: &'a str,
    patient_id: &'a str,
    appointment_id: &'a str,
) -> [&'a str; 3] {
    [organization, patient_id, appointment_id]
}
