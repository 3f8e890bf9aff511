//! The rules, natively: each refusal, and that it changes nothing.

use cordon_sdk::testing::{TestEvent, TestTransaction, TestWorld, caller};
use cordon_sdk::{Caller, Error, ID_BYTES_MAX, TEXT_BYTES_MAX};
use proptest::prelude::*;

use super::*;

fn person(organization: &str, name: &str) -> Caller {
    caller(organization, name, &[])
}

fn invalid(text: String) -> EmrError {
    EmrError::Sdk(Error::Invalid(text))
}

fn clerk() -> Caller {
    person("HospitalMSP", "clara")
}

fn doctor() -> Caller {
    person("HospitalMSP", "drew")
}

fn alice() -> Caller {
    person("HospitalMSP", "alice")
}

fn new_emr(patient_id: &str) -> NewEmr {
    NewEmr {
        patient_id: patient_id.to_owned(),
        patient_name: "Alice Example".to_owned(),
        patient_birthdate: "10-03".to_owned(),
    }
}

fn new_note(patient_id: &str) -> NewNote {
    NewNote {
        patient_id: patient_id.to_owned(),
        area: "cardiology".to_owned(),
        vital_signs: Some("120/80".to_owned()),
        diagnosis: None,
        medication: None,
        progress: None,
        test_result: None,
    }
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

/// A hospital with a record of `alice`, and its id.
fn hospital() -> (TestWorld, String) {
    let mut world = TestWorld::new();
    let emr = run(&mut world, clerk(), |tx| create_emr(tx, new_emr("alice")))
        .ok()
        .unwrap();
    (world, emr.record.emr_id)
}

fn add_note(world: &mut TestWorld, area: &str) -> Note {
    let note = NewNote {
        area: area.to_owned(),
        ..new_note("alice")
    };
    run(world, doctor(), |tx| add_emr_note(tx, note))
        .ok()
        .unwrap()
}

fn areas(emr: &Emr) -> Vec<&str> {
    emr.notes.iter().map(|note| note.area.as_str()).collect()
}

#[test]
fn a_created_record_is_returned_announced_and_found() {
    let mut world = TestWorld::new();
    let registered = |world: &mut TestWorld| {
        run(world, clerk(), |tx| {
            check_is_patient_registered(tx, "alice")
        })
    };
    assert_eq!(registered(&mut world), Ok(false));
    let emr = run(&mut world, clerk(), |tx| create_emr(tx, new_emr("alice")))
        .ok()
        .unwrap();
    assert_eq!(registered(&mut world), Ok(true));

    assert_eq!(emr.record.emr_id.len(), 64);
    assert_eq!(emr.record.organization, "HospitalMSP");
    assert_eq!(emr.record.patient_birthdate, "10-03");
    assert_eq!(emr.record.created_by, "clara");
    assert!(emr.notes.is_empty());
    let payload = emr.record.emr_id.clone().into_bytes();
    assert_eq!(
        world.events(),
        [TestEvent {
            name: "EmrCreated".to_owned(),
            payload
        }]
    );

    let emr_id = emr.record.emr_id.clone();
    let by_id = run(&mut world, doctor(), |tx| read_emr(tx, &emr_id))
        .ok()
        .unwrap();
    let by_patient = run(&mut world, doctor(), |tx| emr_for_physician(tx, "alice"))
        .ok()
        .unwrap();
    let own = run(&mut world, alice(), |tx| own_emr(tx)).ok().unwrap();
    let own_by_id = run(&mut world, alice(), |tx| emr_for_patient(tx, "alice"))
        .ok()
        .unwrap();
    assert!(
        [by_id, by_patient, own, own_by_id]
            .iter()
            .all(|found| *found == emr)
    );
}

#[test]
fn a_note_holds_what_was_written_and_who_wrote_it() {
    let (mut world, _) = hospital();
    let note = run(&mut world, doctor(), |tx| {
        add_emr_note(tx, new_note("alice"))
    })
    .ok()
    .unwrap();
    assert_eq!(note.physician, "drew");
    assert_eq!(note.timestamp.to_rfc3339(), "2026-01-01T00:00:00Z");
    assert_eq!(note.vital_signs.as_deref(), Some("120/80"));
    assert_eq!(note.diagnosis, None);
    let payload = note.note_id.clone().into_bytes();
    assert_eq!(
        world.events()[1],
        TestEvent {
            name: "EmrNoteAdded".to_owned(),
            payload
        }
    );
    let emr = run(&mut world, alice(), |tx| own_emr(tx)).ok().unwrap();
    assert!(emr.notes == [note]);
    assert_eq!(
        run(&mut world, alice(), |tx| medical_visits_count(tx)),
        Ok(1)
    );
}

#[test]
fn a_blank_optional_text_counts_as_absent() {
    let (mut world, _) = hospital();
    let note = NewNote {
        progress: Some(" \n".to_owned()),
        test_result: Some(String::new()),
        ..new_note("alice")
    };
    let note = run(&mut world, doctor(), |tx| add_emr_note(tx, note))
        .ok()
        .unwrap();
    assert_eq!((note.progress, note.test_result), (None, None));
}

#[test]
fn a_second_record_of_a_patient_is_a_conflict() {
    let (mut world, _) = hospital();
    let again = run(&mut world, clerk(), |tx| create_emr(tx, new_emr("alice")));
    assert_eq!(
        refusal(again),
        Error::Conflict(
            "This patient already has a medical record in your organisation.".to_owned()
        )
    );
}

#[test]
fn of_two_records_created_at_the_same_moment_one_commits() {
    let mut world = TestWorld::new();
    world.act_as(clerk());
    let first = world
        .simulate(|tx| create_emr(tx, new_emr("alice")))
        .ok()
        .unwrap();
    let second = world
        .simulate(|tx| create_emr(tx, new_emr("alice")))
        .ok()
        .unwrap();
    assert!(world.commit(first).is_ok());
    assert!(world.commit(second).is_err());
}

#[test]
fn every_required_field_is_checked_and_named() {
    let (mut world, _) = hospital();
    for blank in ["", " ", "\t\n\u{3000}"] {
        let blank = || blank.to_owned();
        let emrs = [
            (
                "patientId",
                NewEmr {
                    patient_id: blank(),
                    ..new_emr("bob")
                },
            ),
            (
                "patientName",
                NewEmr {
                    patient_name: blank(),
                    ..new_emr("bob")
                },
            ),
            (
                "patientBirthdate",
                NewEmr {
                    patient_birthdate: blank(),
                    ..new_emr("bob")
                },
            ),
        ];
        for (field, emr) in emrs {
            let answer = run(&mut world, clerk(), |tx| create_emr(tx, emr));
            assert_eq!(
                refusal(answer),
                Error::Invalid(format!("{field} must not be empty."))
            );
        }
        let notes = [
            (
                "patientId",
                NewNote {
                    patient_id: blank(),
                    ..new_note("alice")
                },
            ),
            (
                "area",
                NewNote {
                    area: blank(),
                    ..new_note("alice")
                },
            ),
        ];
        for (field, note) in notes {
            let answer = run(&mut world, doctor(), |tx| add_emr_note(tx, note));
            assert_eq!(
                refusal(answer),
                Error::Invalid(format!("{field} must not be empty."))
            );
        }
        let empty = |field| Some(invalid(format!("{field} must not be empty.")));
        let id = blank();
        let answer = run(&mut world, clerk(), |tx| {
            check_is_patient_registered(tx, &id)
        });
        assert_eq!(answer.err(), empty("patientId"));
        assert_eq!(
            run(&mut world, doctor(), |tx| read_emr(tx, &id)).err(),
            empty("emrId")
        );
        let answer = run(&mut world, doctor(), |tx| emr_for_physician(tx, &id));
        assert_eq!(answer.err(), empty("patientId"));
        let answer = run(&mut world, alice(), |tx| emr_for_patient(tx, &id));
        assert_eq!(answer.err(), empty("patientId"));
    }
}

#[test]
fn unusable_texts_are_refused_by_name() {
    let (mut world, _) = hospital();
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let note = NewNote {
        test_result: Some(long.clone()),
        ..new_note("alice")
    };
    assert_eq!(
        run(&mut world, doctor(), |tx| add_emr_note(tx, note)).err(),
        Some(invalid(format!(
            "testResult is too long: it has at most {TEXT_BYTES_MAX} bytes."
        )))
    );
    let emr = NewEmr {
        patient_name: long,
        ..new_emr("bob")
    };
    assert_eq!(
        run(&mut world, clerk(), |tx| create_emr(tx, emr)).err(),
        Some(invalid(format!(
            "patientName is too long: it has at most {TEXT_BYTES_MAX} bytes."
        )))
    );
    let emr = new_emr(&"x".repeat(ID_BYTES_MAX + 1));
    assert_eq!(
        run(&mut world, clerk(), |tx| create_emr(tx, emr)).err(),
        Some(invalid(format!(
            "patientId is too long: it has at most {ID_BYTES_MAX} bytes."
        )))
    );
    for id in ["bob\0", "\u{10FFFF}"] {
        assert_eq!(
            run(&mut world, clerk(), |tx| create_emr(tx, new_emr(id))).err(),
            Some(invalid(
                "patientId must not contain the characters U+0000 and U+10FFFF.".to_owned()
            ))
        );
    }
}

#[test]
fn the_largest_texts_that_are_accepted_can_be_stored() {
    let mut world = TestWorld::new();
    let patient_id = "x".repeat(ID_BYTES_MAX);
    let text = || "x".repeat(TEXT_BYTES_MAX);
    let emr = NewEmr {
        patient_name: text(),
        patient_birthdate: text(),
        ..new_emr(&patient_id)
    };
    assert!(run(&mut world, clerk(), |tx| create_emr(tx, emr)).is_ok());
    let note = NewNote {
        patient_id,
        area: text(),
        vital_signs: Some(text()),
        diagnosis: Some(text()),
        medication: Some(text()),
        progress: Some(text()),
        test_result: Some(text()),
    };
    assert!(run(&mut world, doctor(), |tx| add_emr_note(tx, note)).is_ok());
}

/// Goal: nobody is matched with nobody. Method: every function, called by a certificate without a name.
#[test]
fn a_certificate_that_names_nobody_is_forbidden_everywhere() {
    type Call = fn(&mut TestTransaction<'_>, &str) -> Option<EmrError>;
    let functions: [Call; 9] = [
        |tx, id| create_emr(tx, new_emr(id)).err(),
        |tx, id| check_is_patient_registered(tx, id).err(),
        |tx, id| read_emr(tx, id).err(),
        |tx, id| emr_for_physician(tx, id).err(),
        |tx, id| add_emr_note(tx, new_note(id)).err(),
        |tx, _| own_emr(tx).err(),
        |tx, id| emr_for_patient(tx, id).err(),
        |tx, _| medical_visits_count(tx).err(),
        |tx, id| emr_for_contract(tx, id).err(),
    ];
    let (mut world, emr_id) = hospital();
    world.set_calling_contract(Some("sharing"));
    for function in functions {
        for id in ["alice", "nobody", &emr_id] {
            let answer = run(&mut world, person("HospitalMSP", ""), |tx| {
                function(tx, id).map_or(Ok(()), Err)
            });
            let text = "Your certificate does not say who you are: it has no enrollment id.";
            assert_eq!(refusal(answer), Error::Forbidden(text.to_owned()));
        }
    }
}

#[test]
fn other_contracts_read_through_sharing_only() {
    let (mut world, emr_id) = hospital();
    add_note(&mut world, "cardiology");
    for calling in [None, Some("cards"), Some("emr"), Some("Sharing"), Some("")] {
        world.set_calling_contract(calling);
        for id in [emr_id.as_str(), "unknown"] {
            let answer = run(&mut world, clerk(), |tx| emr_for_contract(tx, id));
            let text = "Only the contract \"sharing\" of this channel may ask for this.";
            assert_eq!(refusal(answer), Error::Forbidden(text.to_owned()));
        }
    }
    world.set_calling_contract(Some("sharing"));
    let emr = run(&mut world, clerk(), |tx| emr_for_contract(tx, &emr_id))
        .ok()
        .unwrap();
    assert_eq!(emr.record.patient_id, "alice");
    assert_eq!(areas(&emr), ["cardiology"]);
    // The caller's organisation bounds what is read, through a contract as directly.
    for (who, id) in [
        (person("ClinicMSP", "clara"), emr_id.as_str()),
        (clerk(), "alice"),
    ] {
        let answer = run(&mut world, who, |tx| emr_for_contract(tx, id));
        assert_eq!(answer.err(), Some(EmrError::UnknownEmr));
    }
    let blank = run(&mut world, clerk(), |tx| emr_for_contract(tx, " "));
    assert_eq!(
        blank.err(),
        Some(invalid("emrId must not be empty.".to_owned()))
    );
}

#[test]
fn unknown_patients_and_records_are_not_found() {
    let (mut world, _) = hospital();
    let bob = || person("HospitalMSP", "bob");
    let unknown = Some(EmrError::UnknownPatient);
    let read = run(&mut world, doctor(), |tx| read_emr(tx, "alice"));
    assert!(matches!(refusal(read), Error::NotFound(_)));
    assert_eq!(
        run(&mut world, doctor(), |tx| emr_for_physician(tx, "bob")).err(),
        unknown
    );
    assert_eq!(
        run(&mut world, doctor(), |tx| add_emr_note(tx, new_note("bob"))).err(),
        unknown
    );
    assert_eq!(run(&mut world, bob(), |tx| own_emr(tx)).err(), unknown);
    assert_eq!(
        run(&mut world, bob(), |tx| emr_for_patient(tx, "bob")).err(),
        unknown
    );
    let count = run(&mut world, bob(), |tx| medical_visits_count(tx));
    assert!(matches!(refusal(count), Error::NotFound(_)));
}

#[test]
fn a_patient_reads_nobody_elses_record_and_is_not_told_whether_it_exists() {
    let (mut world, _) = hospital();
    let bob = || person("HospitalMSP", "bob");
    let existing = run(&mut world, bob(), |tx| emr_for_patient(tx, "alice"));
    let absent = run(&mut world, bob(), |tx| emr_for_patient(tx, "nobody"));
    let text = "Patients may read their own record only.".to_owned();
    assert_eq!(refusal(existing), Error::Forbidden(text.clone()));
    assert_eq!(refusal(absent), Error::Forbidden(text));
}

#[test]
fn organisations_do_not_meet() {
    let (mut world, emr_id) = hospital();
    add_note(&mut world, "hospital");
    let clinic = || person("ClinicMSP", "alice");
    let read = run(&mut world, clinic(), |tx| read_emr(tx, &emr_id));
    assert_eq!(read.err(), Some(EmrError::UnknownEmr));
    let note = run(&mut world, clinic(), |tx| {
        add_emr_note(tx, new_note("alice"))
    });
    assert_eq!(note.err(), Some(EmrError::UnknownPatient));
    let own = run(&mut world, clinic(), |tx| own_emr(tx));
    assert_eq!(own.err(), Some(EmrError::UnknownPatient));
    let registered = run(&mut world, clinic(), |tx| {
        check_is_patient_registered(tx, "alice")
    });
    assert_eq!(registered, Ok(false));

    let other = run(&mut world, clinic(), |tx| create_emr(tx, new_emr("alice")));
    assert!(other.ok().unwrap().record.emr_id != emr_id);
    let own = run(&mut world, clinic(), |tx| own_emr(tx)).ok().unwrap();
    assert_eq!(own.record.organization, "ClinicMSP");
    assert!(own.notes.is_empty());
    let own = run(&mut world, alice(), |tx| own_emr(tx)).ok().unwrap();
    assert_eq!(areas(&own), ["hospital"]);
}

#[test]
fn notes_added_at_the_same_moment_all_commit_in_an_order_that_does_not_depend_on_them() {
    let (mut world, _) = hospital();
    world.act_as(doctor());
    let add = |world: &mut TestWorld, area: &str| {
        let note = NewNote {
            area: area.to_owned(),
            ..new_note("alice")
        };
        world.simulate(|tx| add_emr_note(tx, note)).ok().unwrap()
    };
    let (first, second) = (add(&mut world, "first"), add(&mut world, "second"));
    let mut ids = [
        first.answer().note_id.clone(),
        second.answer().note_id.clone(),
    ];
    ids.sort();
    // Committed in the other order than they were executed.
    assert!(world.commit(second).is_ok());
    assert!(world.commit(first).is_ok());
    let emr = run(&mut world, alice(), |tx| own_emr(tx)).ok().unwrap();
    let found: Vec<_> = emr.notes.iter().map(|note| note.note_id.clone()).collect();
    assert_eq!(found, ids);
}

#[test]
fn all_of_many_notes_are_read() {
    let (mut world, _) = hospital();
    for number in 0..1001 {
        world.set_time(Timestamp {
            seconds: 1_767_225_600 + number,
            nanoseconds: 0,
        });
        add_note(&mut world, &number.to_string());
    }
    let emr = run(&mut world, doctor(), |tx| emr_for_physician(tx, "alice"))
        .ok()
        .unwrap();
    let expected: Vec<_> = (0..1001).map(|number| number.to_string()).collect();
    assert_eq!(areas(&emr), expected);
    assert_eq!(
        run(&mut world, alice(), |tx| medical_visits_count(tx)),
        Ok(1001)
    );
}

#[test]
fn patients_whose_ids_begin_alike_do_not_share_notes() {
    let (mut world, _) = hospital();
    run(&mut world, clerk(), |tx| create_emr(tx, new_emr("alice2")))
        .ok()
        .unwrap();
    add_note(&mut world, "only hers");
    let other = run(&mut world, doctor(), |tx| emr_for_physician(tx, "alice2"))
        .ok()
        .unwrap();
    assert!(other.notes.is_empty());
}

#[test]
fn no_refusal_tells_what_a_record_holds() {
    let (mut world, _) = hospital();
    let again = NewEmr {
        patient_name: "Mallory".to_owned(),
        ..new_emr("alice")
    };
    let texts = [
        refusal(run(&mut world, clerk(), |tx| create_emr(tx, again))),
        refusal(run(&mut world, alice(), |tx| emr_for_patient(tx, "bob"))),
    ];
    for text in texts {
        assert!(!text.to_string().contains("Alice") && !text.to_string().contains("10-03"));
    }
}

proptest! {
    /// Goal: notes come in the order of their times, whatever the order in which they were added.
    #[test]
    fn notes_are_in_the_order_of_time(times in proptest::collection::vec(
        (-3i64..3, prop_oneof![Just(0u32), Just(1), Just(999_999_999)]), 0..8,
    )) {
        let (mut world, _) = hospital();
        for (seconds, nanoseconds) in &times {
            world.set_time(Timestamp { seconds: *seconds, nanoseconds: *nanoseconds });
            add_note(&mut world, "area");
        }
        let emr = run(&mut world, alice(), |tx| own_emr(tx)).ok().unwrap();
        let found: Vec<_> =
            emr.notes.iter().map(|note| (note.timestamp, note.note_id.clone())).collect();
        prop_assert_eq!(found.len(), times.len());
        prop_assert!(found.is_sorted());
    }
}
