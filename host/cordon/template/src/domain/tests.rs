//! The rules, natively, on the SDK's double of a host: no WebAssembly, no network.

use cordon_sdk::testing::{TestWorld, caller};

use super::*;

fn new(patient_id: &str, day: &str) -> NewAppointment {
    NewAppointment {
        patient_id: patient_id.to_owned(),
        day: day.to_owned(),
        reason: None,
    }
}

/// A hospital where `clara` calls.
fn hospital() -> TestWorld {
    let mut world = TestWorld::new();
    world.act_as(caller("HospitalMSP", "clara", &[]));
    world
}

/// An answer that must have been given.
fn accepted<T>(answer: Result<T>) -> T {
    answer.unwrap_or_else(|error| panic!("{error}"))
}

/// What was refused. It must leave everything as it was.
fn refused<T>(world: &mut TestWorld, rule: impl FnOnce(&mut TestWorld) -> Result<T>) -> Error {
    let before = (world.state(), world.events().to_vec());
    let error = rule(world).err().expect("the call is refused");
    assert!(before == (world.state(), world.events().to_vec()));
    error
}

#[test]
fn an_appointment_is_booked_listed_and_cancelled() {
    let mut world = hospital();
    let later = accepted(world.call(|tx| book(tx, new("alice", "2026-12-24"))));
    let first = accepted(world.call(|tx| book(tx, new("alice", "2026-12-01"))));
    let id = first.appointment_id.clone();
    let cancelled = accepted(world.call(|tx| cancel(tx, "alice", &id)));
    assert!(cancelled.cancelled && cancelled.booked_by == "clara");

    let list = accepted(world.call(|tx| list_appointments(tx, "alice")));
    assert!(list == [cancelled, later], "by day, as they are now");
    let names: Vec<&str> = world.events().iter().map(|event| &*event.name).collect();
    let (booked, cancelled) = ("AppointmentBooked", "AppointmentCancelled");
    assert_eq!(names, [booked, booked, cancelled]);

    let changes = accepted(world.call(|tx| history(tx, "alice", &id)));
    let cancelled: Vec<bool> = changes.iter().map(|change| change.cancelled).collect();
    assert_eq!(cancelled, [true, false], "newest first");
}

#[test]
fn a_day_can_be_booked_again_once_it_is_cancelled() {
    let mut world = hospital();
    let booked = accepted(world.call(|tx| book(tx, new("alice", "2026-12-01"))));
    let error = refused(&mut world, |world| {
        world.call(|tx| book(tx, new("alice", "2026-12-01")))
    });
    assert!(matches!(error, Error::Conflict(_)), "{error}");
    accepted(world.call(|tx| cancel(tx, "alice", &booked.appointment_id)));
    accepted(world.call(|tx| book(tx, new("alice", "2026-12-01"))));
}

#[test]
fn only_who_booked_it_cancels_it_and_only_once() {
    let mut world = hospital();
    let id = accepted(world.call(|tx| book(tx, new("alice", "2026-12-01")))).appointment_id;
    let cancelling = |world: &mut TestWorld| world.call(|tx| cancel(tx, "alice", &id));

    world.act_as(caller("HospitalMSP", "drew", &[]));
    let error = refused(&mut world, cancelling);
    assert!(matches!(error, Error::Forbidden(_)), "{error}");
    // Another organisation's clara has her own appointments only.
    world.act_as(caller("ClinicMSP", "clara", &[]));
    let error = refused(&mut world, cancelling);
    assert!(matches!(error, Error::NotFound(_)), "{error}");

    world.act_as(caller("HospitalMSP", "clara", &[]));
    accepted(cancelling(&mut world));
    let error = refused(&mut world, cancelling);
    assert!(matches!(error, Error::Conflict(_)), "{error}");
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let mut world = hospital();
    let error = refused(&mut world, |world| {
        world.call(|tx| book(tx, new(" ", "2026-12-01")))
    });
    assert_eq!(error.to_string(), "invalid: patientId must not be empty.");
    world.act_as(caller("HospitalMSP", "", &[]));
    let error = refused(&mut world, |world| {
        world.call(|tx| book(tx, new("alice", "2026-12-01")))
    });
    assert!(matches!(error, Error::Forbidden(_)), "{error}");
}

/// Two transactions of the same moment: the second one to be committed read what the first one wrote.
#[test]
fn of_two_bookings_for_one_patient_at_the_same_moment_one_is_committed() {
    let mut world = hospital();
    let one = accepted(world.simulate(|tx| book(tx, new("alice", "2026-12-01"))));
    let same = accepted(world.simulate(|tx| book(tx, new("alice", "2026-12-02"))));
    let other = accepted(world.simulate(|tx| book(tx, new("bob", "2026-12-01"))));
    assert!(world.commit(one).is_ok());
    assert!(world.commit(other).is_ok());
    assert!(world.commit(same).is_err());
}
