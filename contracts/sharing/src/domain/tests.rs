//! The rules, natively: each refusal, and that it changes nothing; then any calls at all, against a
//! model.

mod model;

use cordon_sdk::testing::{TestEvent, TestTransaction, TestWorld, caller};
use cordon_sdk::{Caller, Error, ID_BYTES_MAX, TEXT_BYTES_MAX};

use super::*;
use crate::snapshot::{EmrRecord, Note};

/// The contract `emr` as one organisation sees it: the records that it keeps.
#[derive(Clone, Default)]
struct Stub(Vec<Emr>);

impl Records for Stub {
    fn read_emr(&self, emr_id: &str) -> cordon_sdk::Result<Emr> {
        let found = self.0.iter().find(|emr| emr.record.emr_id == emr_id);
        found.cloned().ok_or_else(unknown_emr)
    }
}

fn unknown_emr() -> Error {
    Error::NotFound("Your organisation keeps no medical record with this emrId.".to_owned())
}

fn emr(organization: &str, patient_id: &str, notes: u32) -> Emr {
    Emr {
        record: EmrRecord {
            emr_id: format!("emr of {patient_id}"),
            organization: organization.to_owned(),
            patient_id: patient_id.to_owned(),
            patient_name: format!("{patient_id} Example"),
            patient_birthdate: "10-03".to_owned(),
            created_by: "clara".to_owned(),
        },
        notes: (0..notes).map(|number| note(patient_id, number)).collect(),
    }
}

fn note(patient_id: &str, number: u32) -> Note {
    Note {
        note_id: format!("note {number}"),
        patient_id: patient_id.to_owned(),
        area: "cardiology".to_owned(),
        vital_signs: None,
        diagnosis: Some(format!("diagnosis {number}")),
        medication: None,
        progress: None,
        test_result: None,
        physician: "drew".to_owned(),
        timestamp: "2026-01-01T00:00:00Z".to_owned(),
    }
}

/// A hospital that keeps records of `alice` and `bob`, with so many notes each.
fn hospital(notes: u32) -> Stub {
    Stub(
        ["alice", "bob"]
            .map(|id| emr("HospitalMSP", id, notes))
            .into(),
    )
}

fn clerk() -> Caller {
    caller("HospitalMSP", "clara", &[])
}

fn alice() -> Caller {
    caller("HospitalMSP", "alice", &[])
}

/// A physician of the clinic.
fn paula() -> Caller {
    caller("ClinicMSP", "paula", &[])
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

/// The hospital authorises the clinic to read the record of this patient, which has so many notes.
fn authorize(world: &mut TestWorld, patient: &str, notes: u32) -> Version {
    let emr_id = format!("emr of {patient}");
    run(world, clerk(), |tx| {
        authorize_emr_reading(tx, &hospital(notes), "ClinicMSP", &emr_id)
    })
    .ok()
    .unwrap()
}

fn approve(world: &mut TestWorld, version: Option<u32>) -> Result<Approved> {
    run(world, alice(), |tx| {
        approve_emr_sharing(tx, "ClinicMSP", version)
    })
}

fn ask(world: &mut TestWorld) -> Result<Request> {
    run(world, paula(), |tx| request_emr(tx, "HospitalMSP", "alice"))
}

/// What the clinic reads of alice.
fn read(world: &mut TestWorld) -> Result<SharedEmr> {
    run(world, paula(), |tx| shared_emr(tx, "HospitalMSP", "alice"))
}

/// How many notes the clinic reads of alice, and which version.
fn read_size(world: &mut TestWorld) -> (u32, usize) {
    let shared = read(world).ok().unwrap();
    (shared.approved.version.number, shared.emr.notes.len())
}

/// Keys other than those of sharings: what is copied.
fn copied(world: &TestWorld) -> usize {
    let state = world.state();
    let copied = state.keys().filter(|key| key.contains("snapshot"));
    copied.count()
}

fn event(name: &str) -> TestEvent {
    TestEvent {
        name: name.to_owned(),
        payload: b"ClinicMSP".to_vec(),
    }
}

const NOT_SHARED: &str = "No record of this patient is shared with your organisation.";
const NOT_APPROVED: &str = "The patient has not approved that your organisation reads this record.";
const NOTHING_TO_REMOVE: &str =
    "Nothing is shared with this organisation, and it has no open request.";

// === The way it is meant ===

#[test]
fn a_record_is_read_once_both_agree_and_no_longer_than_that() {
    let mut world = TestWorld::new();
    let not_shared = Error::NotFound(NOT_SHARED.to_owned());
    assert_eq!(refusal(read(&mut world)), not_shared);
    assert!(ask(&mut world).is_ok());
    assert_eq!(refusal(read(&mut world)), not_shared);
    let version = authorize(&mut world, "alice", 2);
    assert_eq!(version.number, 1);
    assert_eq!(version.authorized.by, "clara");
    assert_eq!(
        refusal(read(&mut world)),
        Error::Forbidden(NOT_APPROVED.to_owned())
    );
    let approved = approve(&mut world, None).ok().unwrap();
    assert!(approved.version == version);

    let shared = read(&mut world).ok().unwrap();
    assert!(shared.approved == approved);
    assert!(shared.emr == emr("HospitalMSP", "alice", 2));

    let removed = run(&mut world, alice(), |tx| remove_by_patient(tx, "ClinicMSP"));
    assert_eq!(removed, Ok(()));
    assert_eq!(refusal(read(&mut world)), not_shared);
    assert_eq!(copied(&world), 0);
    assert_eq!(
        world.events(),
        [
            event("EmrRequested"),
            event("EmrReadingAuthorized"),
            event("EmrSharingApproved"),
            event("EmrSharingRemoved"),
        ]
    );
}

#[test]
fn later_notes_stay_unseen_until_both_agree_again() {
    let mut world = TestWorld::new();
    authorize(&mut world, "alice", 1);
    approve(&mut world, Some(1)).ok().unwrap();
    assert_eq!(read_size(&mut world), (1, 1));
    // Two newer versions, of which the first is never approved.
    assert_eq!(authorize(&mut world, "alice", 5).number, 2);
    assert_eq!(copied(&world), 2 + 6);
    assert_eq!(authorize(&mut world, "alice", 3).number, 3);
    assert_eq!(copied(&world), 2 + 4);
    assert_eq!(read_size(&mut world), (1, 1));
    approve(&mut world, Some(3)).ok().unwrap();
    assert_eq!(read_size(&mut world), (3, 3));
    assert_eq!(copied(&world), 4);
}

#[test]
fn after_a_withdrawal_everything_starts_over_but_the_numbers_go_on() {
    for by_owner in [true, false] {
        let mut world = TestWorld::new();
        authorize(&mut world, "alice", 1);
        approve(&mut world, None).ok().unwrap();
        authorize(&mut world, "alice", 2);
        let removed = if by_owner {
            run(&mut world, clerk(), |tx| {
                remove_by_owner(tx, "ClinicMSP", "alice")
            })
        } else {
            run(&mut world, alice(), |tx| remove_by_patient(tx, "ClinicMSP"))
        };
        assert_eq!(removed, Ok(()));
        assert_eq!(copied(&world), 0);
        let sharings = run(&mut world, alice(), |tx| own_sharings(tx));
        assert!(sharings.ok().unwrap().is_empty());

        // The old authorisation does not serve a new approval, nor the old approval a new authorisation.
        assert!(ask(&mut world).is_ok());
        assert_eq!(
            approve(&mut world, None).err(),
            Some(SharingError::NothingAuthorized)
        );
        assert_eq!(authorize(&mut world, "alice", 2).number, 3);
        assert_eq!(read(&mut world).err(), Some(SharingError::NotApproved));
        approve(&mut world, Some(3)).ok().unwrap();
        assert_eq!(read_size(&mut world), (3, 2));
    }
}

#[test]
fn a_request_is_open_until_it_is_answered() {
    let mut world = TestWorld::new();
    let request = ask(&mut world).ok().unwrap();
    assert_eq!(request.receiver_org, "ClinicMSP");
    assert_eq!(request.patient_id, "alice");
    assert_eq!(request.requested.by, "paula");
    assert_eq!(
        refusal(ask(&mut world)),
        Error::Conflict(
            "Your organisation has asked for this record already, and the request is still open."
                .to_owned()
        )
    );
    let lists = |world: &mut TestWorld| {
        let owner = run(world, clerk(), |tx| requests_to_owner(tx))
            .ok()
            .unwrap();
        let patient = run(world, alice(), |tx| requests_to_patient(tx))
            .ok()
            .unwrap();
        assert!(owner == patient);
        owner
    };
    assert!(lists(&mut world) == [request]);
    authorize(&mut world, "alice", 0);
    assert!(lists(&mut world).is_empty());
    // Who may read already may ask for a newer version.
    approve(&mut world, None).ok().unwrap();
    assert!(ask(&mut world).is_ok());
    assert_eq!(read_size(&mut world), (1, 0));
    assert_eq!(lists(&mut world).len(), 1);
    run(&mut world, clerk(), |tx| {
        remove_by_owner(tx, "ClinicMSP", "alice")
    })
    .ok()
    .unwrap();
    assert!(lists(&mut world).is_empty());
    assert!(ask(&mut world).is_ok());
}

#[test]
fn a_patient_sees_everybody_who_may_read_or_might() {
    let mut world = TestWorld::new();
    let overview = |world: &mut TestWorld| {
        let mut found = run(world, alice(), |tx| own_sharings(tx)).ok().unwrap();
        assert_eq!(found.len(), 1);
        found.remove(0)
    };
    let request = ask(&mut world).ok().unwrap();
    let seen = overview(&mut world);
    assert_eq!(seen.receiver_org, "ClinicMSP");
    assert!(seen.request == Some(request));
    assert!(seen.waiting.is_none() && seen.readable.is_none());

    let first = authorize(&mut world, "alice", 1);
    world.set_time(Timestamp {
        seconds: 1_800_000_000,
        nanoseconds: 0,
    });
    let approved = approve(&mut world, None).ok().unwrap();
    assert_eq!(approved.at.seconds, 1_800_000_000);
    assert!(approved.version == first);
    let second = authorize(&mut world, "alice", 1);
    let seen = overview(&mut world);
    assert!(seen.request.is_none());
    assert!(seen.readable == Some(approved));
    assert!(seen.waiting == Some(second));
    // Others' sharings are not among them.
    let bob = caller("HospitalMSP", "bob", &[]);
    assert!(
        run(&mut world, bob, |tx| own_sharings(tx))
            .ok()
            .unwrap()
            .is_empty()
    );
    let other = caller("ClinicMSP", "alice", &[]);
    assert!(
        run(&mut world, other, |tx| own_sharings(tx))
            .ok()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn lists_hold_all_sharings_of_their_owner_in_order() {
    let mut world = TestWorld::new();
    for (receiver, patient) in [
        ("LabMSP", "bob"),
        ("LabMSP", "alice"),
        ("ClinicMSP", "alice"),
    ] {
        let who = caller(receiver, "paula", &[]);
        run(&mut world, who, |tx| {
            request_emr(tx, "HospitalMSP", patient)
        })
        .ok()
        .unwrap();
    }
    // An owner whose name begins alike.
    run(&mut world, paula(), |tx| {
        request_emr(tx, "HospitalMSP2", "alice")
    })
    .ok()
    .unwrap();
    let names = |requests: Vec<Request>| -> Vec<_> {
        let names = requests
            .into_iter()
            .map(|one| (one.patient_id, one.receiver_org));
        names
            .map(|(patient, receiver)| format!("{patient} {receiver}"))
            .collect()
    };
    let owner = run(&mut world, clerk(), |tx| requests_to_owner(tx))
        .ok()
        .unwrap();
    assert_eq!(
        names(owner),
        ["alice ClinicMSP", "alice LabMSP", "bob LabMSP"]
    );
    let patient = run(&mut world, alice(), |tx| requests_to_patient(tx))
        .ok()
        .unwrap();
    assert_eq!(names(patient), ["alice ClinicMSP", "alice LabMSP"]);
}

// === Refusals ===

#[test]
fn approving_needs_the_version_authorised_last() {
    let mut world = TestWorld::new();
    let nothing = Error::NotFound(
        "Your organisation has authorised nothing for this one to read.".to_owned(),
    );
    let another = Error::Conflict(
        "This is not the version that was authorised last. See your sharings for the one that is."
            .to_owned(),
    );
    let old = Error::Conflict(
        "There is nothing new to approve: you have approved what was authorised last.".to_owned(),
    );
    for version in [None, Some(0), Some(1)] {
        assert_eq!(refusal(approve(&mut world, version)), nothing);
    }
    ask(&mut world).ok().unwrap();
    assert_eq!(refusal(approve(&mut world, None)), nothing);
    authorize(&mut world, "alice", 0);
    authorize(&mut world, "alice", 0);
    for version in [0, 1, 3, u32::MAX] {
        assert_eq!(refusal(approve(&mut world, Some(version))), another);
    }
    assert!(approve(&mut world, Some(2)).is_ok());
    for version in [None, Some(1), Some(2), Some(3)] {
        assert_eq!(refusal(approve(&mut world, version)), old);
    }
}

#[test]
fn there_must_be_something_to_withdraw() {
    let mut world = TestWorld::new();
    let remove = |world: &mut TestWorld, by_owner: bool| {
        let who = if by_owner { clerk() } else { alice() };
        run(world, who, |tx| {
            if by_owner {
                remove_by_owner(tx, "ClinicMSP", "alice")
            } else {
                remove_by_patient(tx, "ClinicMSP")
            }
        })
    };
    for by_owner in [true, false] {
        let nothing = Error::NotFound(NOTHING_TO_REMOVE.to_owned());
        assert_eq!(refusal(remove(&mut world, by_owner)), nothing);
        // A request alone can be declined.
        ask(&mut world).ok().unwrap();
        assert_eq!(remove(&mut world, by_owner), Ok(()));
        authorize(&mut world, "alice", 1);
        assert_eq!(remove(&mut world, by_owner), Ok(()));
        assert_eq!(refusal(remove(&mut world, by_owner)), nothing);
    }
}

#[test]
fn nobody_shares_with_the_own_organisation() {
    let mut world = TestWorld::new();
    let authorized = run(&mut world, clerk(), |tx| {
        authorize_emr_reading(tx, &hospital(0), "HospitalMSP", "emr of alice")
    });
    assert_eq!(
        refusal(authorized),
        Error::Invalid("receiverOrg must be another organisation than your own.".to_owned())
    );
    let asked = run(&mut world, paula(), |tx| {
        request_emr(tx, "ClinicMSP", "alice")
    });
    assert_eq!(
        refusal(asked),
        Error::Invalid("ownerOrg must be another organisation than your own.".to_owned())
    );
}

#[test]
fn what_the_contract_emr_refuses_is_passed_on_as_it_is() {
    struct Refusing(Error);
    impl Records for Refusing {
        fn read_emr(&self, _: &str) -> cordon_sdk::Result<Emr> {
            Err(self.0.clone())
        }
    }
    let mut world = TestWorld::new();
    for error in [
        unknown_emr(),
        Error::Invalid("a".to_owned()),
        Error::Forbidden("b".to_owned()),
        Error::Conflict("c".to_owned()),
    ] {
        let answer = run(&mut world, clerk(), |tx| {
            authorize_emr_reading(tx, &Refusing(error.clone()), "ClinicMSP", "emr of alice")
        });
        assert_eq!(refusal(answer), error);
    }
}

type Call = fn(&mut TestTransaction<'_>, &str, &str) -> Option<SharingError>;

/// Every function that is given an organisation and, the second of each, an id as well; and the names
/// of these fields.
const CALLS: [(&str, Option<&str>, Call); 6] = [
    ("receiverOrg", Some("emrId"), |tx, org, id| {
        authorize_emr_reading(tx, &hospital(0), org, id).err()
    }),
    ("receiverOrg", Some("patientId"), |tx, org, id| {
        remove_by_owner(tx, org, id).err()
    }),
    ("receiverOrg", None, |tx, org, _| {
        approve_emr_sharing(tx, org, None).err()
    }),
    ("receiverOrg", None, |tx, org, _| {
        remove_by_patient(tx, org).err()
    }),
    ("ownerOrg", Some("patientId"), |tx, org, id| {
        request_emr(tx, org, id).err()
    }),
    ("ownerOrg", Some("patientId"), |tx, org, id| {
        shared_emr(tx, org, id).err()
    }),
];

#[test]
fn every_id_is_checked_and_named() {
    let mut world = TestWorld::new();
    let long = "x".repeat(ID_BYTES_MAX + 1);
    let texts = [
        ("", "must not be empty.".to_owned()),
        (" \n\u{3000}", "must not be empty.".to_owned()),
        (
            &long,
            format!("is too long: it has at most {ID_BYTES_MAX} bytes."),
        ),
        (
            "a\0",
            "must not contain the characters U+0000 and U+10FFFF.".to_owned(),
        ),
        (
            "\u{10FFFF}",
            "must not contain the characters U+0000 and U+10FFFF.".to_owned(),
        ),
    ];
    for (org, id, call) in CALLS {
        for (text, sentence) in &texts {
            let mut refused = |org: &str, id: &str| {
                refusal(run(&mut world, clerk(), |tx| {
                    call(tx, org, id).map_or(Ok(()), Err)
                }))
            };
            assert_eq!(
                refused(text, "alice"),
                Error::Invalid(format!("{org} {sentence}"))
            );
            if let Some(id) = id {
                assert_eq!(
                    refused("ClinicMSP", text),
                    Error::Invalid(format!("{id} {sentence}"))
                );
            }
        }
    }
}

#[test]
fn a_certificate_that_names_nobody_is_forbidden_everywhere() {
    let mut world = TestWorld::new();
    authorize(&mut world, "alice", 1);
    let mut calls: Vec<Call> = CALLS.iter().map(|(_, _, call)| *call).collect();
    calls.push(|tx, _, _| requests_to_owner(tx).err());
    calls.push(|tx, _, _| requests_to_patient(tx).err());
    calls.push(|tx, _, _| own_sharings(tx).err());
    for organization in ["HospitalMSP", "ClinicMSP", "LabMSP"] {
        for call in &calls {
            let nobody = caller(organization, "", &[("userRole", "physician")]);
            let answer = run(&mut world, nobody, |tx| {
                call(tx, "ClinicMSP", "alice").map_or(Ok(()), Err)
            });
            let text = "Your certificate does not say who you are: it has no enrollment id.";
            assert_eq!(refusal(answer), Error::Forbidden(text.to_owned()));
        }
    }
}

/// Goal: a receiver learns nothing about patients from what is refused, and nothing from asking.
#[test]
fn whether_a_patient_exists_is_not_told() {
    let mut world = TestWorld::new();
    // The hospital keeps a record of bob, and shares alice's with somebody else.
    let authorized = run(&mut world, clerk(), |tx| {
        authorize_emr_reading(tx, &hospital(1), "LabMSP", "emr of alice")
    });
    assert!(authorized.is_ok());
    for patient in ["alice", "bob", "nobody"] {
        let mut read = || {
            run(&mut world, paula(), |tx| {
                shared_emr(tx, "HospitalMSP", patient)
            })
        };
        assert_eq!(refusal(read()), Error::NotFound(NOT_SHARED.to_owned()));
    }
    for patient in ["alice", "bob", "nobody"] {
        let asked = run(&mut world, paula(), |tx| {
            request_emr(tx, "HospitalMSP", patient)
        });
        assert!(asked.ok().unwrap().patient_id == patient);
    }
}

#[test]
fn only_the_receiver_reads() {
    let mut world = TestWorld::new();
    authorize(&mut world, "alice", 1);
    approve(&mut world, None).ok().unwrap();
    for who in [caller("LabMSP", "paula", &[]), clerk(), alice()] {
        let answer = run(&mut world, who, |tx| shared_emr(tx, "HospitalMSP", "alice"));
        assert_eq!(answer.err(), Some(SharingError::NotShared));
    }
    let other = run(&mut world, paula(), |tx| {
        shared_emr(tx, "HospitalMSP", "bob")
    });
    assert_eq!(other.err(), Some(SharingError::NotShared));
}

#[test]
fn people_of_the_same_name_elsewhere_have_no_say() {
    let mut world = TestWorld::new();
    authorize(&mut world, "alice", 1);
    let namesake = || caller("LabMSP", "alice", &[]);
    let approved = run(&mut world, namesake(), |tx| {
        approve_emr_sharing(tx, "ClinicMSP", None)
    });
    assert_eq!(approved.err(), Some(SharingError::NothingAuthorized));
    let removed = run(&mut world, namesake(), |tx| {
        remove_by_patient(tx, "ClinicMSP")
    });
    assert_eq!(removed, Err(SharingError::NothingToRemove));
    let removed = run(&mut world, namesake(), |tx| {
        remove_by_owner(tx, "ClinicMSP", "alice")
    });
    assert_eq!(removed, Err(SharingError::NothingToRemove));
}

// === Storage ===

#[test]
fn the_largest_ids_and_notes_can_be_stored() {
    let id = "x".repeat(ID_BYTES_MAX);
    let text = || "x".repeat(TEXT_BYTES_MAX);
    let mut record = emr(&id, &id, 1);
    record.record.emr_id.clone_from(&id);
    record.record.patient_name = text();
    record.record.patient_birthdate = text();
    record.notes[0] = Note {
        area: text(),
        vital_signs: Some(text()),
        diagnosis: Some(text()),
        medication: Some(text()),
        progress: Some(text()),
        test_result: Some(text()),
        ..note(&id, 0)
    };
    let receiver = "y".repeat(ID_BYTES_MAX);
    let mut world = TestWorld::new();
    let authorized = run(&mut world, caller(&id, "clara", &[]), |tx| {
        authorize_emr_reading(tx, &Stub(vec![record.clone()]), &receiver, &id)
    });
    assert!(authorized.is_ok());
    let approved = run(&mut world, caller(&id, &id, &[]), |tx| {
        approve_emr_sharing(tx, &receiver, None)
    });
    assert!(approved.is_ok());
    let shared = run(&mut world, caller(&receiver, "paula", &[]), |tx| {
        shared_emr(tx, &id, &id)
    });
    assert!(shared.ok().unwrap().emr == record);
}

#[test]
fn many_notes_come_back_in_their_order_and_go_all() {
    let mut world = TestWorld::new();
    authorize(&mut world, "alice", 1001);
    approve(&mut world, None).ok().unwrap();
    assert!(read(&mut world).ok().unwrap().emr == emr("HospitalMSP", "alice", 1001));
    // Version 1 and versions whose numbers begin alike are kept apart.
    for _ in 2..=10 {
        authorize(&mut world, "alice", 3);
    }
    assert_eq!(read_size(&mut world), (1, 1001));
    assert_eq!(copied(&world), 1002 + 4);
    let removed = run(&mut world, alice(), |tx| remove_by_patient(tx, "ClinicMSP"));
    assert_eq!(removed, Ok(()));
    assert_eq!(copied(&world), 0);
}

#[test]
fn different_sharings_do_not_meet() {
    let mut world = TestWorld::new();
    authorize(&mut world, "alice", 2);
    // Executed on the same state: all moves about other parties commit.
    world.act_as(clerk());
    let bob = world
        .simulate(|tx| authorize_emr_reading(tx, &hospital(2), "ClinicMSP", "emr of bob"))
        .ok()
        .unwrap();
    let lab = world
        .simulate(|tx| authorize_emr_reading(tx, &hospital(2), "LabMSP", "emr of alice"))
        .ok()
        .unwrap();
    world.act_as(alice());
    let clinic = world
        .simulate(|tx| approve_emr_sharing(tx, "ClinicMSP", None))
        .ok()
        .unwrap();
    world.act_as(paula());
    let asked = world
        .simulate(|tx| request_emr(tx, "HospitalMSP", "carol"))
        .ok()
        .unwrap();
    assert!(world.commit(bob).is_ok());
    assert!(world.commit(lab).is_ok());
    assert!(world.commit(clinic).is_ok());
    assert!(world.commit(asked).is_ok());
}

/// Goal: a patient never approves another version than the one that was there when they signed.
#[test]
fn of_two_moves_about_one_sharing_at_the_same_moment_one_commits() {
    let mut world = TestWorld::new();
    authorize(&mut world, "alice", 1);
    world.act_as(alice());
    let approved = world
        .simulate(|tx| approve_emr_sharing(tx, "ClinicMSP", None))
        .ok()
        .unwrap();
    authorize(&mut world, "alice", 2);
    assert!(world.commit(approved).is_err());
    assert_eq!(read(&mut world).err(), Some(SharingError::NotApproved));
}

#[test]
fn no_refusal_tells_what_a_record_holds() {
    let mut world = TestWorld::new();
    authorize(&mut world, "alice", 1);
    for (_, _, call) in CALLS {
        for who in [clerk(), paula(), caller("LabMSP", "bob", &[])] {
            let answer = run(&mut world, who, |tx| {
                call(tx, "HospitalMSP", "alice").map_or(Ok(()), Err)
            });
            if let Err(error) = answer {
                let text = error.to_string();
                assert!(
                    !["Example", "10-03", "diagnosis", "clara"]
                        .iter()
                        .any(|data| text.contains(data))
                );
            }
        }
    }
}
