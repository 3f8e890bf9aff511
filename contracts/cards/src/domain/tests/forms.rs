//! The report form: who reads it, and which assessment it is made of.

use proptest::prelude::*;

use super::*;
use crate::domain::forms::ReportForm;

fn form(world: &mut TestWorld) -> ReportForm {
    ok(run(world, mother(), |tx| report_form(tx, "tim")))
}

fn note(world: &mut TestWorld) -> String {
    form(world).assessment.content.note.unwrap()
}

#[test]
fn a_form_is_the_same_for_the_parent_and_the_pediatrician() {
    let mut world = town();
    let added = add(&mut world, assessment("well"));
    let own = form(&mut world);
    assert_eq!(own.child_id, "tim");
    assert!(own.assessment == added.entry);
    assert!(own == ok(run(&mut world, dora(), |tx| report_form(tx, "tim"))));
    // Nothing but assessments counts.
    set_second(&mut world, 100);
    add(&mut world, visit("cough"));
    ok(run(&mut world, mother(), |tx| end_by_parent(tx, "tim")));
    assert!(own == form(&mut world));
}

#[test]
fn nobody_else_reads_a_form_or_learns_whether_there_is_a_child() {
    let mut world = town();
    add(&mut world, assessment("well"));
    let others = [
        stranger(),
        clerk(),
        emil(),
        caller("ClinicMSP", "dora", &[]),
        caller("OtherParentsMSP", "mia", &[]),
    ];
    let text = "Only the parent who registered the child, and the pediatrician whom the child's \
                accepted agreement names, may read the report form.";
    for who in others {
        for id in ["tim", "ida", "nobody"] {
            let answer = run(&mut world, who.clone(), |tx| report_form(tx, id));
            assert_eq!(refusal(answer), Error::Forbidden(text.to_owned()));
        }
    }
    ok(run(&mut world, mother(), |tx| end_by_parent(tx, "tim")));
    let answer = run(&mut world, dora(), |tx| report_form(tx, "tim"));
    assert_eq!(refusal(answer), Error::Forbidden(text.to_owned()));
}

#[test]
fn without_assessment_there_is_no_form() {
    let mut world = town();
    add(&mut world, visit("cough"));
    for who in [mother(), dora()] {
        let answer = run(&mut world, who, |tx| report_form(tx, "tim"));
        let text = "This child's card has no assessment yet.".to_owned();
        assert_eq!(refusal(answer), Error::NotFound(text));
    }
}

#[test]
fn a_correction_takes_the_place_of_what_it_corrects() {
    let mut world = town();
    let old = add(&mut world, assessment("old")).entry.entry_id;
    set_second(&mut world, 10);
    let new = add(&mut world, assessment("new")).entry.entry_id;
    assert_eq!(note(&mut world), "new");
    // Last year's slip does not revoke this year's assessment.
    set_second(&mut world, 20);
    correct(&mut world, &old, assessment("old, corrected"));
    assert_eq!(note(&mut world), "new");
    // Not even a clock that is late makes the corrected one stand.
    set_second(&mut world, 5);
    let corrected = correct(&mut world, &new, assessment("new, corrected"))
        .entry
        .entry_id;
    assert_eq!(note(&mut world), "new, corrected");
    assert_eq!(form(&mut world).assessment.entry_id, corrected);
    correct(&mut world, &corrected, assessment("new, corrected again"));
    assert_eq!(note(&mut world), "new, corrected again");
}

#[test]
fn of_assessments_of_one_moment_the_one_with_the_last_id_is_the_newest() {
    let mut world = town();
    let mut ids: Vec<_> = (0..5)
        .map(|_| add(&mut world, assessment("well")).entry.entry_id)
        .collect();
    ids.sort();
    assert_eq!(form(&mut world).assessment.entry_id, ids[4]);
}

proptest! {
    /// Goal: the standing assessment, whatever was added and corrected at whatever times. Method: a
    /// list of the assessments as they were meant, each replaced in its place by a correction.
    #[test]
    fn the_form_is_the_newest_assessment_as_it_was_last_corrected(
        steps in proptest::collection::vec((-3i64..3, any::<Option<prop::sample::Index>>()), 1..12),
    ) {
        let mut world = town();
        let mut meant: Vec<((i64, String), String)> = Vec::new();
        for (second, corrects) in steps {
            set_second(&mut world, second);
            match corrects {
                Some(index) if !meant.is_empty() => {
                    let place = index.index(meant.len());
                    let added = correct(&mut world, &meant[place].1, assessment("corrected"));
                    meant[place].1 = added.entry.entry_id;
                }
                _ => {
                    let id = add(&mut world, assessment("new")).entry.entry_id;
                    meant.push(((second, id.clone()), id));
                }
            }
        }
        let newest = meant.into_iter().max().expect("the first step adds one");
        prop_assert_eq!(form(&mut world).assessment.entry_id, newest.1);
    }
}
