//! Where records are kept. Keys are built here and nowhere else.
//!
//! An application is found by school and child. Two indices find those of a person; they name an
//! application by its id, so that their keys stay short whatever ids a parent gives, and hold its
//! [`Place`].

use cordon_sdk::Collection;

use crate::domain::{Application, Person, Place};

/// Applications with their reports, but without any text of a report, by [`place`].
pub const APPLICATIONS: Collection<Application> = Collection::new("application");

/// The forms of approved reports, as the card gave them, by [`place`]: there exactly while the report
/// is approved.
pub const TEXTS: Collection<String> = Collection::new("text");

/// A parent's applications, by [`of`].
pub const BY_PARENT: Collection<Place> = Collection::new("by-parent");

/// The requests that wait for a pediatrician, by [`of`]: there exactly while the report is requested.
pub const REQUESTS: Collection<Place> = Collection::new("request");

/// An application, and the text of its report. The first two parts alone are the school.
pub fn place(place: &Place) -> [&str; 3] {
    [&place.school_org, &place.school, &place.child_id]
}

/// An application of, or a request to, this person. The first two parts alone are the person.
pub fn of<'a>(person: &'a Person, application_id: &'a str) -> [&'a str; 3] {
    [&person.organization, &person.name, application_id]
}
