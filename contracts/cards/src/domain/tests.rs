//! The rules, natively: each refusal, and that it changes nothing.

mod agreements;
mod cards;
mod forms;
mod model;

use cordon_sdk::testing::{TestTransaction, TestWorld, caller};
use cordon_sdk::{Caller, Error, ID_BYTES_MAX, TEXT_BYTES_MAX, Timestamp};

use super::Result;
use super::agreements::{Agreement, NewAgreement, accept, end_by_hospital, end_by_parent, sign};
use super::cards::{Card, card_for_parent, card_for_pediatrician, history};
use super::children::{NewChild, child, children, register_child};
use super::entries::{
    Allergy, Assessment, CardEntry, Condition, Content, EntryKind, Growth, NewEntry, Vaccination,
    Visit, add_entry,
};
use super::forms::report_form;
use crate::error::CardsError;
use crate::machine::{MoveError, Status};

/// 2026-01-01T00:00:00Z, where a test world's clients begin.
const NEW_YEAR: i64 = 1_767_225_600;

fn mother() -> Caller {
    caller("ParentsMSP", "mia", &[])
}

fn stranger() -> Caller {
    caller("ParentsMSP", "sam", &[])
}

fn clerk() -> Caller {
    caller("HospitalMSP", "clara", &[])
}

fn dora() -> Caller {
    caller("HospitalMSP", "dora", &[])
}

fn emil() -> Caller {
    caller("HospitalMSP", "emil", &[])
}

/// Executes and commits a call of this caller. A refused one must leave everything as it was.
fn run<T>(
    world: &mut TestWorld,
    who: Caller,
    rule: impl FnOnce(&mut TestTransaction<'_>) -> Result<T>,
) -> Result<T> {
    world.act_as(who);
    let before = (world.state(), world.events().to_vec());
    let answer = world.call(rule);
    if answer.is_err() {
        assert!(
            before == (world.state(), world.events().to_vec()),
            "a refusal changed the world"
        );
    }
    answer
}

/// What was refused, in the words that the client gets.
fn refusal<T>(answer: Result<T>) -> Error {
    answer.err().expect("the call is refused").into()
}

/// An answer whose type shows nothing of a record when the test fails.
fn ok<T>(answer: Result<T>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(error) => panic!("refused: {error}"),
    }
}

fn set_second(world: &mut TestWorld, second: i64) {
    world.set_time(Timestamp {
        seconds: NEW_YEAR + second,
        nanoseconds: 0,
    });
}

fn new_child(child_id: &str) -> NewChild {
    NewChild {
        child_id: child_id.to_owned(),
        name: "Tim Example".to_owned(),
        birthdate: "2019-05-04".to_owned(),
    }
}

fn new_agreement(child_id: &str, pediatrician: &str) -> NewAgreement {
    NewAgreement {
        child_id: child_id.to_owned(),
        hospital: "HospitalMSP".to_owned(),
        pediatrician: pediatrician.to_owned(),
    }
}

fn entry<C>(child_id: &str, content: C) -> NewEntry<C> {
    NewEntry {
        child_id: child_id.to_owned(),
        corrects: None,
        content,
    }
}

fn correction<C>(child_id: &str, corrects: &str, content: C) -> NewEntry<C> {
    NewEntry {
        corrects: Some(corrects.to_owned()),
        ..entry(child_id, content)
    }
}

fn visit(reason: &str) -> Visit {
    Visit {
        visited_on: "2026-01-01".to_owned(),
        reason: reason.to_owned(),
        findings: None,
    }
}

fn allergy(substance: &str) -> Allergy {
    Allergy {
        substance: substance.to_owned(),
        reaction: None,
        severity: None,
    }
}

fn growth() -> Growth {
    Growth {
        measured_on: "2026-01-01".to_owned(),
        height_cm: 104.5,
        weight_kg: 17.25,
        head_cm: None,
    }
}

fn vaccination() -> Vaccination {
    Vaccination {
        vaccine: "MMR".to_owned(),
        given_on: "2026-01-01".to_owned(),
        dose: None,
        batch: None,
    }
}

fn condition() -> Condition {
    Condition {
        condition: "asthma".to_owned(),
        since: None,
        treatment: None,
    }
}

fn assessment(note: &str) -> Assessment {
    Assessment {
        assessed_on: "2026-01-01".to_owned(),
        fit_for_school: true,
        vaccinations_complete: false,
        restrictions: None,
        note: Some(note.to_owned()),
    }
}

/// A channel with mia's children `tim` and `ida`; dora is admitted to tim's card.
fn town() -> TestWorld {
    let mut world = TestWorld::new();
    for id in ["tim", "ida"] {
        ok(run(&mut world, mother(), |tx| {
            register_child(tx, new_child(id))
        }));
    }
    admit(&mut world, "tim", "dora");
    world
}

fn admit(world: &mut TestWorld, child_id: &str, pediatrician: &str) {
    ok(run(world, mother(), |tx| {
        sign(tx, new_agreement(child_id, pediatrician))
    }));
    ok(run(world, clerk(), |tx| accept(tx, child_id)));
}

/// Adds an entry to tim's card.
fn add<C: Content>(world: &mut TestWorld, content: C) -> CardEntry<C> {
    ok(run(world, dora(), |tx| {
        add_entry(tx, entry("tim", content))
    }))
}

fn correct<C: Content>(world: &mut TestWorld, corrects: &str, content: C) -> CardEntry<C> {
    let new = correction("tim", corrects, content);
    ok(run(world, dora(), |tx| add_entry(tx, new)))
}

fn events(world: &TestWorld) -> Vec<(&str, &str)> {
    let text = |event| std::str::from_utf8(event).unwrap();
    world
        .events()
        .iter()
        .map(|event| (event.name.as_str(), text(&event.payload)))
        .collect()
}

// === Children ===

#[test]
fn a_registered_child_is_returned_announced_and_found() {
    let mut world = TestWorld::new();
    let tim = ok(run(&mut world, mother(), |tx| {
        register_child(tx, new_child("tim"))
    }));
    assert_eq!(
        (tim.name.as_str(), tim.parent.as_str()),
        ("Tim Example", "mia")
    );
    assert_eq!(tim.birthdate, "2019-05-04");
    assert_eq!(tim.parent_organization, "ParentsMSP");
    assert_eq!(tim.timestamp.to_rfc3339(), "2026-01-01T00:00:00Z");
    assert_eq!(events(&world), [("ChildRegistered", "tim")]);
    assert!(ok(run(&mut world, mother(), |tx| child(tx, "tim"))) == tim);
    assert!(ok(run(&mut world, mother(), |tx| children(tx))) == [tim]);
}

#[test]
fn a_child_id_is_taken_by_whoever_came_first() {
    let mut world = town();
    let elsewhere = caller("OtherParentsMSP", "mia", &[]);
    for who in [mother(), stranger(), elsewhere] {
        let again = run(&mut world, who, |tx| register_child(tx, new_child("tim")));
        assert_eq!(
            refusal(again),
            Error::Conflict("This childId is taken: choose another one.".to_owned())
        );
    }
}

#[test]
fn of_two_registrations_of_an_id_at_the_same_moment_one_commits() {
    let mut world = TestWorld::new();
    let mut register = |who| {
        world.act_as(who);
        ok(world.simulate(|tx| register_child(tx, new_child("tim"))))
    };
    let (first, second) = (register(mother()), register(stranger()));
    assert!(world.commit(first).is_ok());
    assert!(world.commit(second).is_err());
}

#[test]
fn two_children_of_a_parent_are_registered_at_the_same_moment() {
    let mut world = TestWorld::new();
    world.act_as(mother());
    let mut register = |id| ok(world.simulate(|tx| register_child(tx, new_child(id))));
    let (first, second) = (register("tim"), register("ida"));
    assert!(world.commit(first).is_ok());
    assert!(world.commit(second).is_ok());
    let ids: Vec<_> = ok(run(&mut world, mother(), |tx| children(tx)))
        .into_iter()
        .map(|child| child.child_id)
        .collect();
    assert_eq!(ids, ["ida", "tim"]);
}

/// Goal: to everybody but the parent a child is unknown. Method: every function of parents, for a
/// child of somebody else and for one that there is not, gives the same refusal.
#[test]
fn somebody_elses_child_is_as_unknown_as_one_that_is_not_registered() {
    type Call = fn(&mut TestTransaction<'_>, &str) -> Option<CardsError>;
    let functions: [Call; 6] = [
        |tx, id| child(tx, id).err(),
        |tx, id| sign(tx, new_agreement(id, "dora")).err(),
        |tx, id| end_by_parent(tx, id).err(),
        |tx, id| super::agreements::agreement(tx, id).err(),
        |tx, id| card_for_parent(tx, id).err(),
        |tx, id| history(tx, id).err(),
    ];
    let mut world = town();
    let others = [
        stranger(),
        dora(),
        clerk(),
        caller("OtherParentsMSP", "mia", &[]),
    ];
    for who in others {
        for function in functions {
            for id in ["tim", "nobody"] {
                let answer = run(&mut world, who.clone(), |tx| {
                    function(tx, id).map_or(Ok(()), Err)
                });
                assert_eq!(
                    refusal(answer),
                    Error::NotFound("You have registered no child with this childId.".to_owned())
                );
            }
        }
        assert!(ok(run(&mut world, who, |tx| children(tx))).is_empty());
    }
}

#[test]
fn a_certificate_that_names_nobody_is_forbidden_everywhere() {
    type Call = fn(&mut TestTransaction<'_>) -> Option<CardsError>;
    let functions: [Call; 17] = [
        |tx| register_child(tx, new_child("new")).err(),
        |tx| children(tx).err(),
        |tx| child(tx, "tim").err(),
        |tx| sign(tx, new_agreement("ida", "dora")).err(),
        |tx| end_by_parent(tx, "tim").err(),
        |tx| super::agreements::agreement(tx, "tim").err(),
        |tx| card_for_parent(tx, "tim").err(),
        |tx| history(tx, "tim").err(),
        |tx| super::agreements::agreements(tx).err(),
        |tx| accept(tx, "tim").err(),
        |tx| super::agreements::refuse(tx, "tim", "full".to_owned()).err(),
        |tx| end_by_hospital(tx, "tim", "moved".to_owned()).err(),
        |tx| super::agreements::patients(tx).err(),
        |tx| card_for_pediatrician(tx, "tim").err(),
        |tx| add_entry(tx, entry("tim", visit("cough"))).err(),
        |tx| add_entry(tx, correction("tim", "x", growth())).err(),
        |tx| report_form(tx, "tim").err(),
    ];
    let mut world = town();
    for function in functions {
        for organization in ["ParentsMSP", "HospitalMSP"] {
            let nobody = caller(organization, "", &[]);
            let answer = run(&mut world, nobody, |tx| function(tx).map_or(Ok(()), Err));
            let text = "Your certificate does not say who you are: it has no enrollment id.";
            assert_eq!(refusal(answer), Error::Forbidden(text.to_owned()));
        }
    }
}

/// What a call with unusable arguments was refused with, by the fields of the arguments.
fn assert_named(world: &mut TestWorld, cases: Vec<(Option<CardsError>, &str)>) {
    for (refused, text) in cases {
        let answer = run(world, mother(), |_| refused.map_or(Ok(()), Err));
        assert_eq!(refusal(answer), Error::Invalid(text.to_owned()));
    }
}

#[test]
fn unusable_fields_of_children_and_agreements_are_refused_by_name() {
    let mut world = town();
    let blank = || " \t".to_owned();
    let long = "x".repeat(ID_BYTES_MAX + 1);
    let mut registration = |new| run(&mut world, mother(), |tx| register_child(tx, new)).err();
    let mut cases = vec![
        (registration(new_child("")), "childId must not be empty."),
        (
            registration(new_child(&long)),
            "childId is too long: it has at most 256 bytes.",
        ),
        (
            registration(new_child("a\0")),
            "childId must not contain the characters U+0000 and U+10FFFF.",
        ),
        (
            registration(NewChild {
                name: blank(),
                ..new_child("new")
            }),
            "name must not be empty.",
        ),
        (
            registration(NewChild {
                birthdate: "2019-02-29".to_owned(),
                ..new_child("new")
            }),
            "birthdate must be a day of the calendar, written as YYYY-MM-DD.",
        ),
    ];
    let mut signature = |new| run(&mut world, mother(), |tx| sign(tx, new)).err();
    cases.extend([
        (
            signature(new_agreement(" ", "dora")),
            "childId must not be empty.",
        ),
        (
            signature(new_agreement("ida", "")),
            "pediatrician must not be empty.",
        ),
        (
            signature(NewAgreement {
                hospital: blank(),
                ..new_agreement("ida", "dora")
            }),
            "hospital must not be empty.",
        ),
    ]);
    let mut hospital =
        |reason: &str, rule: fn(&mut TestTransaction<'_>, String) -> Option<CardsError>| {
            run(&mut world, clerk(), |tx| {
                rule(tx, reason.to_owned()).map_or(Ok(()), Err)
            })
            .err()
        };
    cases.extend([
        (
            hospital("", |tx, reason| {
                super::agreements::refuse(tx, "tim", reason).err()
            }),
            "reason must not be empty.",
        ),
        (
            hospital("\n", |tx, reason| end_by_hospital(tx, "tim", reason).err()),
            "reason must not be empty.",
        ),
        (
            hospital("", |tx, id| accept(tx, &id).err()),
            "childId must not be empty.",
        ),
        (
            hospital("", |tx, id| card_for_pediatrician(tx, &id).err()),
            "childId must not be empty.",
        ),
        (
            hospital("", |tx, id| card_for_parent(tx, &id).err()),
            "childId must not be empty.",
        ),
        (
            hospital("", |tx, id| history(tx, &id).err()),
            "childId must not be empty.",
        ),
        (
            hospital("", |tx, id| report_form(tx, &id).err()),
            "childId must not be empty.",
        ),
    ]);
    assert_named(&mut world, cases);
}

#[test]
fn the_largest_texts_that_are_accepted_can_be_stored() {
    let mut world = TestWorld::new();
    let id = "x".repeat(ID_BYTES_MAX);
    let text = || "x".repeat(TEXT_BYTES_MAX);
    let new = NewChild {
        name: text(),
        ..new_child(&id)
    };
    let doctor = "d".repeat(ID_BYTES_MAX);
    ok(run(&mut world, mother(), |tx| register_child(tx, new)));
    admit(&mut world, &id, &doctor);
    let content = Vaccination {
        vaccine: text(),
        given_on: "2026-01-01".to_owned(),
        dose: Some(text()),
        batch: Some(text()),
    };
    let doctor = caller("HospitalMSP", &doctor, &[]);
    let first = ok(run(&mut world, doctor.clone(), |tx| {
        add_entry(tx, entry(&id, content.clone()))
    }));
    let new = correction(&id, &first.entry.entry_id, content);
    ok(run(&mut world, doctor, |tx| add_entry(tx, new)));
    ok(run(&mut world, clerk(), |tx| {
        end_by_hospital(tx, &id, text())
    }));
}
