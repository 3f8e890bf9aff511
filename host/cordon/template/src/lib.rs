//! Appointments: the component's exports, mapped to the rules in [`domain`].
//!
//! Nothing is decided here. What the functions promise is said in `wit/visits.wit`.

pub mod domain;
pub mod keys;

cordon_sdk::bindings!("example:visits/contract", [".cordon/wit", "wit"]);

use cordon_sdk::Host;
use cordon_sdk::wit::types::Error;

use generated::exports::example::visits::appointments;

/// The component: every exported function runs its rule on the host's world.
struct Component;

impl appointments::Guest for Component {
    fn book(new: appointments::NewAppointment) -> Result<appointments::Appointment, Error> {
        let new = domain::NewAppointment {
            patient_id: new.patient_id,
            day: new.day,
            reason: new.reason,
        };
        Ok(domain::book(&mut Host, new)?.into())
    }

    fn cancel(
        patient_id: String,
        appointment_id: String,
    ) -> Result<appointments::Appointment, Error> {
        Ok(domain::cancel(&mut Host, &patient_id, &appointment_id)?.into())
    }

    fn list_appointments(patient_id: String) -> Result<Vec<appointments::Appointment>, Error> {
        let list = domain::list_appointments(&Host, &patient_id)?;
        Ok(list.into_iter().map(Into::into).collect())
    }

    fn get_history(
        patient_id: String,
        appointment_id: String,
    ) -> Result<Vec<appointments::Change>, Error> {
        let changes = domain::history(&Host, &patient_id, &appointment_id)?;
        Ok(changes.into_iter().map(Into::into).collect())
    }
}

impl From<domain::Appointment> for appointments::Appointment {
    fn from(appointment: domain::Appointment) -> Self {
        Self {
            appointment_id: appointment.appointment_id,
            patient_id: appointment.patient_id,
            day: appointment.day,
            reason: appointment.reason,
            booked_by: appointment.booked_by,
            cancelled: appointment.cancelled,
        }
    }
}

impl From<domain::Change> for appointments::Change {
    fn from(change: domain::Change) -> Self {
        Self {
            transaction_id: change.transaction_id,
            seconds: change.seconds,
            cancelled: change.cancelled,
        }
    }
}
