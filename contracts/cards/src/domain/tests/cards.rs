//! Cards: entries, corrections, and what their history tells.

use super::*;
use crate::domain::cards::ChangeKind;

fn tims_card(world: &mut TestWorld) -> Card {
    ok(run(world, mother(), |tx| card_for_parent(tx, "tim")))
}

fn reasons(card: &Card) -> Vec<&str> {
    card.visits
        .iter()
        .map(|shown| shown.entry.content.reason.as_str())
        .collect()
}

#[test]
fn an_entry_of_each_kind_is_returned_announced_and_shown_to_both_sides() {
    let mut world = town();
    let before = world.events().len();
    let ids = [
        add(&mut world, growth()).entry.entry_id,
        add(&mut world, vaccination()).entry.entry_id,
        add(&mut world, allergy("nuts")).entry.entry_id,
        add(&mut world, condition()).entry.entry_id,
        add(&mut world, visit("cough")).entry.entry_id,
        add(&mut world, assessment("well")).entry.entry_id,
    ];
    let announced: Vec<_> = ids
        .iter()
        .map(|id| ("CardEntryAdded", id.as_str()))
        .collect();
    assert_eq!(events(&world)[before..], announced);

    let card = tims_card(&mut world);
    assert!(
        card == ok(run(&mut world, dora(), |tx| card_for_pediatrician(
            tx, "tim"
        )))
    );
    assert_eq!(card.child.child_id, "tim");
    assert!(card.growth[0].entry.content == growth());
    assert!(card.vaccinations[0].entry.content == vaccination());
    assert!(card.allergies[0].entry.content == allergy("nuts"));
    assert!(card.conditions[0].entry.content == condition());
    assert!(card.visits[0].entry.content == visit("cough"));
    assert!(card.assessments[0].entry.content == assessment("well"));
    let shown = &card.growth[0];
    assert_eq!(shown.entry.entry_id, ids[0]);
    assert_eq!(shown.entry.author, "dora");
    assert_eq!(shown.entry.author_organization, "HospitalMSP");
    assert_eq!(shown.entry.timestamp.to_rfc3339(), "2026-01-01T00:00:00Z");
    assert_eq!((&shown.entry.corrects, &shown.corrected_by), (&None, &None));

    let other = ok(run(&mut world, mother(), |tx| card_for_parent(tx, "ida")));
    assert!(other.growth.is_empty() && other.assessments.is_empty());
}

/// Goal: who is not named by an accepted agreement learns nothing, not even whether there is a
/// child.
#[test]
fn nobody_but_the_named_pediatrician_reads_or_adds() {
    type Call = fn(&mut TestTransaction<'_>, &str) -> Option<CardsError>;
    let functions: [Call; 7] = [
        |tx, id| card_for_pediatrician(tx, id).err(),
        |tx, id| add_entry(tx, entry(id, growth())).err(),
        |tx, id| add_entry(tx, entry(id, vaccination())).err(),
        |tx, id| add_entry(tx, entry(id, allergy("nuts"))).err(),
        |tx, id| add_entry(tx, entry(id, condition())).err(),
        |tx, id| add_entry(tx, entry(id, visit("cough"))).err(),
        |tx, id| add_entry(tx, correction(id, "unknown", assessment("well"))).err(),
    ];
    let mut world = town();
    let others = [
        emil(),
        clerk(),
        mother(),
        caller("ClinicMSP", "dora", &[]),
        caller("HospitalMSP", "Dora", &[]),
    ];
    let calls = others
        .into_iter()
        .map(|who| (who, vec!["tim", "ida", "nobody"]))
        .chain([(dora(), vec!["ida", "nobody"])]);
    for (who, ids) in calls {
        for id in ids {
            for function in functions {
                let answer = run(&mut world, who.clone(), |tx| {
                    function(tx, id).map_or(Ok(()), Err)
                });
                let text = "Only the pediatrician whom the child's accepted agreement names may do \
                            this.";
                assert_eq!(refusal(answer), Error::Forbidden(text.to_owned()));
            }
        }
    }
}

/// The refusal of an entry in tim's card that says this.
fn refused<C: Content>(world: &mut TestWorld, content: C) -> Error {
    refusal(run(world, dora(), |tx| {
        add_entry(tx, entry("tim", content))
    }))
}

#[test]
fn unusable_fields_of_entries_are_refused_by_name() {
    let mut world = town();
    let world = &mut world;
    let soon = || "soon".to_owned();
    let date = |field: &str| {
        Error::Invalid(format!(
            "{field} must be a day of the calendar, written as YYYY-MM-DD."
        ))
    };
    let empty = |field: &str| Error::Invalid(format!("{field} must not be empty."));
    let unusable = Growth {
        measured_on: soon(),
        ..growth()
    };
    assert_eq!(refused(world, unusable), date("measuredOn"));
    let unusable = Vaccination {
        given_on: soon(),
        ..vaccination()
    };
    assert_eq!(refused(world, unusable), date("givenOn"));
    let unusable = Condition {
        since: Some(soon()),
        ..condition()
    };
    assert_eq!(refused(world, unusable), date("since"));
    let unusable = Visit {
        visited_on: soon(),
        ..visit("cough")
    };
    assert_eq!(refused(world, unusable), date("visitedOn"));
    let unusable = Assessment {
        assessed_on: soon(),
        ..assessment("well")
    };
    assert_eq!(refused(world, unusable), date("assessedOn"));

    let unusable = Vaccination {
        vaccine: " ".to_owned(),
        ..vaccination()
    };
    assert_eq!(refused(world, unusable), empty("vaccine"));
    assert_eq!(refused(world, allergy("")), empty("substance"));
    let unusable = Condition {
        condition: "\t".to_owned(),
        ..condition()
    };
    assert_eq!(refused(world, unusable), empty("condition"));
    assert_eq!(refused(world, visit("\n")), empty("reason"));

    let unusable = correction("tim", "a\0", growth());
    assert_eq!(
        refusal(run(world, dora(), |tx| add_entry(tx, unusable))),
        Error::Invalid("corrects must not contain the characters U+0000 and U+10FFFF.".to_owned())
    );
    let unusable = entry("", growth());
    assert_eq!(
        refusal(run(world, dora(), |tx| add_entry(tx, unusable))),
        empty("childId")
    );
}

#[test]
fn optional_texts_that_are_too_long_are_refused_by_name() {
    let mut world = town();
    let world = &mut world;
    let long = || Some("x".repeat(TEXT_BYTES_MAX + 1));
    let too_long =
        |field: &str| Error::Invalid(format!("{field} is too long: it has at most 65536 bytes."));

    let unusable = Vaccination {
        dose: long(),
        ..vaccination()
    };
    assert_eq!(refused(world, unusable), too_long("dose"));
    let unusable = Vaccination {
        batch: long(),
        ..vaccination()
    };
    assert_eq!(refused(world, unusable), too_long("batch"));
    let unusable = Allergy {
        reaction: long(),
        ..allergy("nuts")
    };
    assert_eq!(refused(world, unusable), too_long("reaction"));
    let unusable = Allergy {
        severity: long(),
        ..allergy("nuts")
    };
    assert_eq!(refused(world, unusable), too_long("severity"));
    let unusable = Condition {
        treatment: long(),
        ..condition()
    };
    assert_eq!(refused(world, unusable), too_long("treatment"));
    let unusable = Visit {
        findings: long(),
        ..visit("cough")
    };
    assert_eq!(refused(world, unusable), too_long("findings"));
    let unusable = Assessment {
        restrictions: long(),
        ..assessment("well")
    };
    assert_eq!(refused(world, unusable), too_long("restrictions"));
    let unusable = Assessment {
        note: long(),
        ..assessment("well")
    };
    assert_eq!(refused(world, unusable), too_long("note"));
}

#[test]
fn a_measurement_must_be_one_that_a_child_can_have() {
    type Measure = fn(f64) -> Growth;
    let mut world = town();
    let mut answer = |measured: Growth| {
        run(&mut world, dora(), |tx| {
            add_entry(tx, entry("tim", measured))
        })
        .err()
    };
    let never = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        0.0,
        -104.5,
    ];
    let fields: [(&str, [f64; 2], Measure); 3] = [
        (
            "heightCm must be a number from 10 to 300.",
            [10.0, 300.0],
            |number| Growth {
                height_cm: number,
                ..growth()
            },
        ),
        (
            "weightKg must be a number from 0.1 to 500.",
            [0.1, 500.0],
            |number| Growth {
                weight_kg: number,
                ..growth()
            },
        ),
        (
            "headCm must be a number from 10 to 100.",
            [10.0, 100.0],
            |number| Growth {
                head_cm: Some(number),
                ..growth()
            },
        ),
    ];
    for (text, [min, max], measured) in fields {
        for number in never.into_iter().chain([min - 0.01, max + 0.01]) {
            let refused = answer(measured(number)).map(Error::from);
            assert_eq!(refused, Some(Error::Invalid(text.to_owned())), "{number}");
        }
        for number in [min, max] {
            assert_eq!(answer(measured(number)), None, "{number}");
        }
    }
}

#[test]
fn blank_optional_texts_count_as_absent() {
    let mut world = town();
    let blank = || Some(" \n".to_owned());
    let new = NewEntry {
        corrects: blank(),
        ..entry(
            "tim",
            Condition {
                since: blank(),
                treatment: Some(String::new()),
                ..condition()
            },
        )
    };
    let added = ok(run(&mut world, dora(), |tx| add_entry(tx, new)));
    assert_eq!(added.entry.corrects, None);
    assert!(added.entry.content == condition());
    let blanks = Assessment {
        restrictions: blank(),
        note: blank(),
        ..assessment("")
    };
    let content = add(&mut world, blanks).entry.content;
    assert_eq!((content.restrictions, content.note), (None, None));
}

#[test]
fn a_correction_stands_beside_what_it_corrects() {
    let mut world = town();
    let first = add(&mut world, visit("cough")).entry.entry_id;
    set_second(&mut world, 1);
    let second = correct(&mut world, &first, visit("asthma")).entry.entry_id;
    let card = tims_card(&mut world);
    assert_eq!(reasons(&card), ["cough", "asthma"]);
    assert_eq!(card.visits[0].corrected_by.as_deref(), Some(&*second));
    assert_eq!(card.visits[0].entry.corrects, None);
    assert_eq!(card.visits[1].entry.corrects.as_deref(), Some(&*first));
    assert_eq!(card.visits[1].corrected_by, None);

    // Also by the next pediatrician, and a correction can be corrected itself.
    ok(run(&mut world, mother(), |tx| end_by_parent(tx, "tim")));
    admit(&mut world, "tim", "emil");
    set_second(&mut world, 2);
    let new = correction("tim", &second, visit("allergy"));
    let third = ok(run(&mut world, emil(), |tx| add_entry(tx, new)));
    assert_eq!(third.entry.author, "emil");
    let card = tims_card(&mut world);
    assert_eq!(
        card.visits[1].corrected_by.as_ref(),
        Some(&third.entry.entry_id)
    );
}

#[test]
fn what_cannot_be_corrected_is_refused() {
    let mut world = town();
    admit(&mut world, "ida", "dora");
    let cough = add(&mut world, visit("cough")).entry.entry_id;
    let nuts = add(&mut world, allergy("nuts")).entry.entry_id;
    let mut answer = |child_id: &str, corrects: &str| {
        let new = correction(child_id, corrects, visit("asthma"));
        run(&mut world, dora(), |tx| add_entry(tx, new)).map(|added| added.entry.entry_id)
    };
    let unknown = "corrects must be the entryId of an entry in this child's card.";
    // An entry of another child is unknown in this one's card.
    for (child_id, corrects) in [("tim", "unknown"), ("ida", cough.as_str())] {
        let refused = refusal(answer(child_id, corrects));
        assert_eq!(refused, Error::NotFound(unknown.to_owned()));
    }
    assert_eq!(
        refusal(answer("tim", &nuts)),
        Error::Invalid("corrects must be the entryId of an entry of the same kind.".to_owned())
    );
    assert!(answer("tim", &cough).is_ok());
    let text = "The entry that corrects names is corrected already: correct its correction.";
    assert_eq!(
        refusal(answer("tim", &cough)),
        Error::Conflict(text.to_owned())
    );
}

/// Goal: an entry meets no other. Method: entries of one kind, of another, and a correction,
/// executed on the same state, commit in the reverse order.
#[test]
fn entries_of_the_same_moment_all_commit_in_an_order_that_does_not_depend_on_them() {
    let mut world = town();
    let corrected = add(&mut world, visit("cough")).entry.entry_id;
    set_second(&mut world, 1);
    world.act_as(dora());
    let first = ok(world.simulate(|tx| add_entry(tx, entry("tim", visit("first")))));
    let second = ok(world.simulate(|tx| add_entry(tx, entry("tim", visit("second")))));
    let other = ok(world.simulate(|tx| add_entry(tx, entry("tim", allergy("nuts")))));
    let new = correction("tim", &corrected, visit("corrected"));
    let correction = ok(world.simulate(|tx| add_entry(tx, new)));
    let mut ids = [&first, &second, &correction].map(|one| one.answer().entry.entry_id.clone());
    ids.sort();
    assert!(world.commit(correction).is_ok());
    assert!(world.commit(other).is_ok());
    assert!(world.commit(second).is_ok());
    assert!(world.commit(first).is_ok());
    let card = tims_card(&mut world);
    let found: Vec<_> = card.visits[1..]
        .iter()
        .map(|shown| &shown.entry.entry_id)
        .collect();
    assert_eq!(found, ids.iter().collect::<Vec<_>>());
    assert_eq!(card.allergies.len(), 1);
}

#[test]
fn of_two_corrections_of_an_entry_at_the_same_moment_one_commits() {
    let mut world = town();
    let corrected = add(&mut world, visit("cough")).entry.entry_id;
    world.act_as(dora());
    let mut correct = |reason| {
        let new = correction("tim", &corrected, visit(reason));
        ok(world.simulate(|tx| add_entry(tx, new)))
    };
    let (first, second) = (correct("first"), correct("second"));
    assert!(world.commit(second).is_ok());
    assert!(world.commit(first).is_err());
    assert_eq!(tims_card(&mut world).visits.len(), 2);
}

#[test]
fn entries_are_shown_in_the_order_of_time() {
    let mut world = town();
    for (second, reason) in [(3, "c"), (1, "a"), (-5, "before"), (2, "b")] {
        set_second(&mut world, second);
        add(&mut world, visit(reason));
    }
    assert_eq!(reasons(&tims_card(&mut world)), ["before", "a", "b", "c"]);
}

#[test]
fn all_of_many_entries_are_read_and_a_childs_id_is_no_prefix_of_anothers() {
    let mut world = town();
    ok(run(&mut world, mother(), |tx| {
        register_child(tx, new_child("tim2"))
    }));
    for number in 0..1001 {
        set_second(&mut world, number);
        add(&mut world, visit(&number.to_string()));
    }
    let expected: Vec<_> = (0..1001).map(|number| number.to_string()).collect();
    assert_eq!(reasons(&tims_card(&mut world)), expected);
    let other = ok(run(&mut world, mother(), |tx| card_for_parent(tx, "tim2")));
    assert!(other.visits.is_empty());
}

#[test]
fn the_history_tells_every_change_newest_first_in_the_order_of_the_ledger() {
    let mut world = town();
    // Clocks that go backwards do not change the order.
    set_second(&mut world, -1);
    let cough = add(&mut world, visit("cough")).entry.entry_id;
    set_second(&mut world, -2);
    let asthma = correct(&mut world, &cough, visit("asthma")).entry.entry_id;
    set_second(&mut world, -3);
    add(&mut world, growth());
    ok(run(&mut world, clerk(), |tx| {
        end_by_hospital(tx, "tim", "moved".to_owned())
    }));
    ok(run(&mut world, mother(), |tx| {
        sign(tx, new_agreement("tim", "emil"))
    }));

    let changes = ok(run(&mut world, mother(), |tx| history(tx, "tim")));
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change.kind, change.author.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (ChangeKind::Agreement(Status::Signed), "mia"),
            (ChangeKind::Agreement(Status::Ended), "clara"),
            (ChangeKind::EntryAdded(EntryKind::Growth), "dora"),
            (ChangeKind::EntryCorrected(EntryKind::Visit), "dora"),
            (ChangeKind::EntryAdded(EntryKind::Visit), "dora"),
            (ChangeKind::Agreement(Status::Accepted), "clara"),
            (ChangeKind::Agreement(Status::Signed), "mia"),
            (ChangeKind::ChildRegistered, "mia"),
        ]
    );
    assert!(changes.is_sorted_by(|newer, older| newer.position > older.position));
    let corrected = &changes[3];
    assert_eq!(
        (&corrected.id, &corrected.corrects),
        (&asthma, &Some(cough))
    );
    assert_eq!(corrected.transaction_id, asthma);
    assert_eq!(corrected.author_organization, "HospitalMSP");
    assert_eq!(corrected.timestamp.to_rfc3339(), "2025-12-31T23:59:58Z");
    assert_eq!(changes[5].id, changes[6].id);
    assert!(changes[0].id != changes[1].id);
    assert_eq!(changes[6].transaction_id, changes[6].id);
    assert_eq!(changes[7].id, "tim");
}

#[test]
fn no_refusal_tells_what_a_record_holds() {
    let mut world = town();
    let cough = add(&mut world, visit("whooping")).entry.entry_id;
    correct(&mut world, &cough, visit("whooping"));
    let again = NewChild {
        name: "Mallory".to_owned(),
        birthdate: "2000-01-01".to_owned(),
        ..new_child("tim")
    };
    let new = correction("tim", &cough, visit("asthma"));
    let texts = [
        refusal(run(&mut world, stranger(), |tx| register_child(tx, again))),
        refusal(run(&mut world, stranger(), |tx| child(tx, "tim"))),
        refusal(run(&mut world, emil(), |tx| {
            card_for_pediatrician(tx, "tim")
        })),
        refusal(run(&mut world, dora(), |tx| add_entry(tx, new))),
        refusal(run(&mut world, mother(), |tx| {
            sign(tx, new_agreement("tim", "emil"))
        })),
    ];
    for text in texts {
        for held in ["Tim", "2019", "whooping", "dora", "mia", cough.as_str()] {
            assert!(!text.to_string().contains(held), "{text}");
        }
    }
}
