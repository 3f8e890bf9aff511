//! Agreements: who may make which move, and what each side is told.

use super::*;
use crate::domain::agreements::{agreement, agreements, patients, refuse};

fn other_clerk() -> Caller {
    caller("ClinicMSP", "carl", &[])
}

fn statuses(world: &mut TestWorld, who: Caller) -> Vec<(String, Status)> {
    ok(run(world, who, |tx| agreements(tx)))
        .into_iter()
        .map(|agreement| (agreement.child_id, agreement.status))
        .collect()
}

fn patient_ids(world: &mut TestWorld, who: Caller) -> Vec<String> {
    ok(run(world, who, |tx| patients(tx)))
        .into_iter()
        .map(|child| child.child_id)
        .collect()
}

fn refuse_it(tx: &mut TestTransaction<'_>, child_id: &str) -> Result<Agreement> {
    refuse(tx, child_id, "we are full".to_owned())
}

fn end_it(tx: &mut TestTransaction<'_>, child_id: &str) -> Result<Agreement> {
    end_by_hospital(tx, child_id, "we close".to_owned())
}

/// What a hospital can do to an agreement.
const ANSWERS: [fn(&mut TestTransaction<'_>, &str) -> Result<Agreement>; 3] = [
    |tx, id| accept(tx, id),
    |tx, id| refuse_it(tx, id),
    |tx, id| end_it(tx, id),
];

fn sign_ida(tx: &mut TestTransaction<'_>) -> Result<Agreement> {
    sign(tx, new_agreement("ida", "emil"))
}

#[test]
fn an_agreement_tells_who_brought_it_into_its_state_when_and_why() {
    let mut world = town();
    set_second(&mut world, 1);
    let signed = ok(run(&mut world, mother(), sign_ida));
    assert_eq!(signed.agreement_id.len(), 64);
    assert_eq!(signed.status, Status::Signed);
    assert_eq!(
        (signed.parent.as_str(), signed.changed_by.as_str()),
        ("mia", "mia")
    );
    assert_eq!(signed.parent_organization, "ParentsMSP");
    assert_eq!(
        (signed.hospital.as_str(), signed.pediatrician.as_str()),
        ("HospitalMSP", "emil")
    );
    set_second(&mut world, 2);
    let refused = ok(run(&mut world, clerk(), |tx| refuse_it(tx, "ida")));
    assert_eq!(refused.status, Status::Refused);
    assert_eq!(refused.agreement_id, signed.agreement_id);
    assert_eq!(refused.reason.as_deref(), Some("we are full"));
    assert_eq!(refused.changed_by, "clara");
    assert_eq!(refused.changed_by_organization, "HospitalMSP");
    assert_eq!(refused.timestamp.to_rfc3339(), "2026-01-01T00:00:02Z");
    assert!(ok(run(&mut world, mother(), |tx| agreement(tx, "ida"))) == refused);
    assert!(ok(run(&mut world, clerk(), |tx| agreements(tx)))[0] == refused);

    let again = ok(run(&mut world, mother(), sign_ida));
    assert!(again.agreement_id != signed.agreement_id);
    assert_eq!(again.reason, None);
}

#[test]
fn every_move_is_announced_by_the_childs_id() {
    let mut world = TestWorld::new();
    ok(run(&mut world, mother(), |tx| {
        register_child(tx, new_child("ida"))
    }));
    ok(run(&mut world, mother(), sign_ida));
    ok(run(&mut world, clerk(), |tx| refuse_it(tx, "ida")));
    ok(run(&mut world, mother(), sign_ida));
    ok(run(&mut world, clerk(), |tx| accept(tx, "ida")));
    ok(run(&mut world, clerk(), |tx| end_it(tx, "ida")));
    ok(run(&mut world, mother(), sign_ida));
    ok(run(&mut world, mother(), |tx| end_by_parent(tx, "ida")));
    let names: Vec<_> = events(&world)
        .into_iter()
        .map(|(name, payload)| {
            assert_eq!(payload, "ida");
            name
        })
        .collect();
    assert_eq!(
        names,
        [
            "ChildRegistered",
            "AgreementSigned",
            "AgreementRefused",
            "AgreementSigned",
            "AgreementAccepted",
            "AgreementEnded",
            "AgreementSigned",
            "AgreementEnded",
        ]
    );
}

#[test]
fn a_pediatrician_has_access_from_acceptance_to_the_end() {
    let mut world = town();
    let has_access = |world: &mut TestWorld| {
        let read = run(world, emil(), |tx| card_for_pediatrician(tx, "ida")).is_ok();
        let added = run(world, emil(), |tx| {
            add_entry(tx, entry("ida", visit("cough")))
        });
        assert_eq!(read, added.is_ok());
        assert_eq!(patient_ids(world, emil()) == ["ida"], read);
        read
    };
    assert!(!has_access(&mut world));
    ok(run(&mut world, mother(), sign_ida));
    assert!(!has_access(&mut world));
    ok(run(&mut world, clerk(), |tx| accept(tx, "ida")));
    assert!(has_access(&mut world));
    ok(run(&mut world, clerk(), |tx| end_it(tx, "ida")));
    assert!(!has_access(&mut world));
    ok(run(&mut world, mother(), sign_ida));
    assert!(!has_access(&mut world));
    ok(run(&mut world, clerk(), |tx| accept(tx, "ida")));
    assert!(has_access(&mut world));
    ok(run(&mut world, mother(), |tx| end_by_parent(tx, "ida")));
    assert!(!has_access(&mut world));
}

#[test]
fn a_new_agreement_may_name_another_pediatrician() {
    let mut world = town();
    assert_eq!(patient_ids(&mut world, dora()), ["tim"]);
    ok(run(&mut world, mother(), |tx| end_by_parent(tx, "tim")));
    admit(&mut world, "tim", "emil");
    assert_eq!(patient_ids(&mut world, emil()), ["tim"]);
    assert!(patient_ids(&mut world, dora()).is_empty());
    let read = run(&mut world, dora(), |tx| card_for_pediatrician(tx, "tim"));
    assert_eq!(read.err(), Some(CardsError::NotAdmitted));
}

#[test]
fn moves_that_the_state_does_not_allow_are_conflicts() {
    let mut world = town();
    let conflict = |answer: Result<Agreement>, text: &str| {
        assert_eq!(refusal(answer), Error::Conflict(text.to_owned()));
    };
    let running = "This child has an agreement already: end it before you sign another one.";
    let not_waiting = "This agreement is not waiting for an answer.";
    let over = "This agreement is refused or ended already.";
    let sign_tim = |tx: &mut TestTransaction<'_>| sign(tx, new_agreement("tim", "dora"));
    // Accepted.
    conflict(run(&mut world, mother(), sign_tim), running);
    conflict(
        run(&mut world, clerk(), |tx| accept(tx, "tim")),
        not_waiting,
    );
    conflict(
        run(&mut world, clerk(), |tx| refuse_it(tx, "tim")),
        not_waiting,
    );
    // Ended.
    ok(run(&mut world, mother(), |tx| end_by_parent(tx, "tim")));
    conflict(
        run(&mut world, mother(), |tx| end_by_parent(tx, "tim")),
        over,
    );
    conflict(run(&mut world, clerk(), |tx| end_it(tx, "tim")), over);
    conflict(
        run(&mut world, clerk(), |tx| accept(tx, "tim")),
        not_waiting,
    );
    // Signed.
    ok(run(&mut world, mother(), sign_tim));
    conflict(run(&mut world, mother(), sign_tim), running);
    conflict(
        run(&mut world, clerk(), |tx| end_it(tx, "tim")),
        "This agreement is not accepted yet: refuse it instead.",
    );
    // Refused.
    ok(run(&mut world, clerk(), |tx| refuse_it(tx, "tim")));
    conflict(
        run(&mut world, mother(), |tx| end_by_parent(tx, "tim")),
        over,
    );
    conflict(run(&mut world, clerk(), |tx| end_it(tx, "tim")), over);
    conflict(
        run(&mut world, clerk(), |tx| refuse_it(tx, "tim")),
        not_waiting,
    );
}

#[test]
fn a_child_without_agreement_has_none_to_read_end_or_answer() {
    let mut world = town();
    let none = || Error::NotFound("You have no agreement about this child.".to_owned());
    let read = run(&mut world, mother(), |tx| agreement(tx, "ida"));
    assert_eq!(refusal(read), none());
    let ended = run(&mut world, mother(), |tx| end_by_parent(tx, "ida"));
    assert_eq!(refusal(ended), none());
    for id in ["ida", "nobody"] {
        for made in ANSWERS {
            let answer = run(&mut world, clerk(), |tx| made(tx, id));
            assert_eq!(refusal(answer), none());
        }
    }
}

#[test]
fn a_hospital_answers_and_sees_its_own_agreements_only() {
    let mut world = town();
    ok(run(&mut world, mother(), sign_ida));
    for made in ANSWERS {
        for id in ["tim", "ida", "nobody"] {
            let answer = run(&mut world, other_clerk(), |tx| made(tx, id));
            assert_eq!(answer.err(), Some(MoveError::NoAgreement.into()));
        }
    }
    assert!(statuses(&mut world, other_clerk()).is_empty());
    assert_eq!(
        statuses(&mut world, clerk()),
        [
            ("ida".to_owned(), Status::Signed),
            ("tim".to_owned(), Status::Accepted)
        ]
    );
}

#[test]
fn a_hospital_that_a_parent_left_keeps_its_own_agreement_and_sees_no_other() {
    let mut world = town();
    ok(run(&mut world, mother(), |tx| end_by_parent(tx, "tim")));
    let elsewhere = NewAgreement {
        hospital: "ClinicMSP".to_owned(),
        ..new_agreement("tim", "dora")
    };
    ok(run(&mut world, mother(), |tx| sign(tx, elsewhere)));
    assert_eq!(
        statuses(&mut world, clerk()),
        [("tim".to_owned(), Status::Ended)]
    );
    let answer = run(&mut world, clerk(), |tx| accept(tx, "tim"));
    assert_eq!(answer.err(), Some(MoveError::NotWaiting.into()));

    ok(run(&mut world, other_clerk(), |tx| accept(tx, "tim")));
    let clinics = caller("ClinicMSP", "dora", &[]);
    assert!(run(&mut world, clinics, |tx| card_for_pediatrician(tx, "tim")).is_ok());
    // The same name at the hospital that was left is another person.
    let read = run(&mut world, dora(), |tx| card_for_pediatrician(tx, "tim"));
    assert_eq!(read.err(), Some(CardsError::NotAdmitted));
    let answer = run(&mut world, clerk(), |tx| end_it(tx, "tim"));
    assert_eq!(answer.err(), Some(MoveError::Over.into()));
    let current = ok(run(&mut world, mother(), |tx| agreement(tx, "tim")));
    assert_eq!(current.hospital, "ClinicMSP");
}

#[test]
fn of_two_moves_of_an_agreement_at_the_same_moment_one_commits() {
    let mut world = town();
    ok(run(&mut world, mother(), sign_ida));
    for parent_first in [true, false] {
        world.act_as(mother());
        let withdrawn = ok(world.simulate(|tx| end_by_parent(tx, "ida")));
        world.act_as(clerk());
        let accepted = ok(world.simulate(|tx| accept(tx, "ida")));
        let (first, second) = if parent_first {
            (withdrawn, accepted)
        } else {
            (accepted, withdrawn)
        };
        assert!(world.commit(first).is_ok());
        assert!(world.commit(second).is_err());
        if parent_first {
            ok(run(&mut world, mother(), sign_ida));
        }
    }
    assert_eq!(patient_ids(&mut world, emil()), ["ida"]);
}

#[test]
fn agreements_of_two_children_are_made_at_the_same_moment() {
    let mut world = town();
    ok(run(&mut world, mother(), |tx| end_by_parent(tx, "tim")));
    world.act_as(mother());
    let mut both = |id| ok(world.simulate(|tx| sign(tx, new_agreement(id, "dora"))));
    let (first, second) = (both("tim"), both("ida"));
    assert!(world.commit(first).is_ok());
    assert!(world.commit(second).is_ok());
    world.act_as(clerk());
    let mut both = |id| ok(world.simulate(|tx| accept(tx, id)));
    let (first, second) = (both("tim"), both("ida"));
    assert!(world.commit(first).is_ok());
    assert!(world.commit(second).is_ok());
    assert_eq!(patient_ids(&mut world, dora()), ["ida", "tim"]);
}

#[test]
fn an_entry_of_the_moment_in_which_the_agreement_ends_does_not_commit_after_it() {
    let mut world = town();
    world.act_as(dora());
    let added = ok(world.simulate(|tx| add_entry(tx, entry("tim", visit("cough")))));
    ok(run(&mut world, mother(), |tx| end_by_parent(tx, "tim")));
    assert!(world.commit(added).is_err());
}
