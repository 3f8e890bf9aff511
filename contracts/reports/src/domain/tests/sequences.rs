//! Arbitrary sequences of calls by arbitrary callers, on cards that change, against a model. Every call
//! counts as submitted, those that only read too: whatever it gives is in a block.

use std::collections::BTreeSet;
use std::fmt::Debug;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;
use crate::generated::exports::cordon::reports::{parent as parents, pediatrician, registrar};

/// Everybody: two parents, three registrars, of whom two have the same `school` in other
/// organisations, and two pediatricians.
const ACTORS: usize = 7;
const CHILDREN: [&str; 2] = ["kim", "lou"];
const PARENTS: [&str; 2] = ["parent1", "parent2"];
const PEDIATRICIANS: [&str; 2] = ["pd1", "pd2"];
const VERSIONS: u8 = 3;

fn actor(number: usize) -> Caller {
    match number {
        0 | 1 => parent(PARENTS[number]),
        2 => north(),
        3 => south(),
        4 => foreign(),
        _ => pediatrician(PEDIATRICIANS[number - 5]),
    }
}

/// The school of registrar 2 + `school`.
fn place(child: usize, school: usize) -> Place {
    Place {
        school_org: ["SchoolMSP", "SchoolMSP", "OtherMSP"][school].to_owned(),
        ..at(
            ["northside", "southside", "northside"][school],
            CHILDREN[child],
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Do {
    Apply {
        pediatrician: usize,
    },
    Accept,
    Decline,
    Withdraw,
    Request,
    Create,
    Approve {
        /// The version of the form that the parent has reviewed, if its digest is given.
        reviewed: Option<u8>,
    },
    Refuse,
    Revoke,
    Read,
    ListOwn,
    ListSchool,
    ListRequests,
    /// Not a call: channel `cards` changes.
    Card {
        parent: usize,
        pediatrician: usize,
        version: Option<u8>,
    },
}

#[derive(Clone, Copy, Debug)]
struct Step {
    actor: usize,
    child: usize,
    /// For registrars: their own, whatever stands here.
    school: usize,
    action: Do,
}

fn action() -> impl Strategy<Value = Do> {
    let version = prop_oneof![1 => Just(None), 5 => (0..VERSIONS).prop_map(Some)];
    prop_oneof![
        2 => (0..2usize).prop_map(|pediatrician| Do::Apply { pediatrician }),
        1 => Just(Do::Accept),
        1 => Just(Do::Decline),
        1 => Just(Do::Withdraw),
        2 => Just(Do::Request),
        2 => Just(Do::Create),
        3 => proptest::option::of(0..VERSIONS).prop_map(|reviewed| Do::Approve { reviewed }),
        1 => Just(Do::Refuse),
        1 => Just(Do::Revoke),
        3 => Just(Do::Read),
        1 => Just(Do::ListOwn),
        1 => Just(Do::ListSchool),
        1 => Just(Do::ListRequests),
        2 => (0..2usize, 0..2usize, version).prop_map(|(parent, pediatrician, version)| {
            Do::Card { parent, pediatrician, version }
        }),
    ]
}

/// Who would do that if all were well.
fn usual_actor(action: Do, child: usize, school: usize) -> usize {
    match action {
        Do::Accept | Do::Decline | Do::Request | Do::Read | Do::ListSchool => 2 + school,
        Do::Create | Do::ListRequests => 5,
        _ => child,
    }
}

/// One child and school more often than the others, so that steps meet.
fn places() -> impl Strategy<Value = (usize, usize)> {
    prop_oneof![3 => Just((0, 0)), 2 => (0..2usize, 0..3usize)]
}

/// The way of an application through most of what can be, twice approved.
const WAY: [Do; 16] = [
    Do::Apply { pediatrician: 0 },
    Do::Accept,
    Do::Request,
    Do::ListRequests,
    Do::Create,
    Do::ListOwn,
    Do::ListSchool,
    Do::Approve { reviewed: None },
    Do::Read,
    Do::Revoke,
    Do::Read,
    Do::Request,
    Do::Create,
    Do::Approve { reviewed: Some(1) },
    Do::Read,
    Do::Withdraw,
];

/// Pieces, each either one step by anybody, or a part of the usual way: by chance alone few sequences
/// would come far.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let single = (0..ACTORS, any::<bool>(), places(), action()).prop_map(
        |(actor, usual, (child, school), action)| {
            let usual_actor = usual_actor(action, child, school);
            let actor = if usual { usual_actor } else { actor };
            vec![Step {
                actor,
                child,
                school,
                action,
            }]
        },
    );
    let from = prop_oneof![Just(0), 0..WAY.len()];
    // Somewhere on it, the card of the child changes, mostly to another assessment.
    let change = proptest::option::of((0..WAY.len(), 0..VERSIONS));
    let way = (places(), from, 0..WAY.len(), change).prop_map(
        |((child, school), from, length, change)| {
            let mut way: Vec<Do> = WAY.into_iter().skip(from).take(length).collect();
            if let Some((at, version)) = change {
                let card = Do::Card {
                    parent: child,
                    pediatrician: 0,
                    version: Some(version),
                };
                way.insert(at.min(way.len()), card);
            }
            let step = |action| Step {
                actor: usual_actor(action, child, school),
                child,
                school,
                action,
            };
            way.into_iter().map(step).collect()
        },
    );
    let piece = prop_oneof![2 => single, 1 => way];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

// === The model ===

/// An application in the model: who, and where it stands, in one word.
struct Slot {
    parent: usize,
    pediatrician: usize,
    stage: &'static str,
    version: u8,
}

/// What may follow what. Everything else is refused.
const MOVES: &str = "
    apply: over=applied   accept: applied=accepted   decline: applied=over
    withdraw: applied=over accepted=over requested=over ready=over approved=over closed=over
    request: accepted=requested closed=requested   create: requested=ready ready=ready
    approve: ready=approved   refuse: ready=closed   revoke: approved=closed";

fn follows(verb: &str, stage: &str) -> Option<&'static str> {
    let mut current = "";
    MOVES.split_whitespace().find_map(|word| {
        current = word.strip_suffix(':').unwrap_or(current);
        let (from, to) = word.split_once('=')?;
        (current == verb && from == stage).then_some(to)
    })
}

#[derive(Default)]
struct Model {
    slots: BTreeMap<(usize, usize), Slot>,
    /// Parent, pediatrician and version of each child's card.
    cards: [(usize, usize, Option<u8>); 2],
}

impl Model {
    /// The form that the card gives to this actor, or the status of the refusal.
    fn form(&self, child: usize, actor: usize) -> std::result::Result<u8, u16> {
        let (parent, pediatrician, version) = self.cards[child];
        if actor != parent && actor != 5 + pediatrician {
            return Err(403);
        }
        version.ok_or(404)
    }

    /// What the step should give: the version that is shown, if any, or the status of the refusal.
    fn step(&mut self, step: Step) -> std::result::Result<Option<u8>, u16> {
        let Step {
            actor,
            child,
            school,
            action,
        } = step;
        let verb = match action {
            Do::Card {
                parent,
                pediatrician,
                version,
            } => {
                self.cards[child] = (parent, pediatrician, version);
                return Ok(None);
            }
            Do::Apply { pediatrician } => {
                if self.cards[child].0 != actor {
                    return Err(404);
                }
                let slot = Slot {
                    parent: actor,
                    pediatrician,
                    stage: "applied",
                    version: 0,
                };
                let before = self.slots.get(&(school, child));
                if before.is_some_and(|before| follows("apply", before.stage).is_none()) {
                    return Err(409);
                }
                self.slots.insert((school, child), slot);
                return Ok(None);
            }
            Do::Accept => "accept",
            Do::Decline => "decline",
            Do::Withdraw => "withdraw",
            Do::Request => "request",
            Do::Create => "create",
            Do::Approve { .. } => "approve",
            Do::Refuse => "refuse",
            Do::Revoke => "revoke",
            Do::Read => "read",
            Do::ListSchool if !(2..5).contains(&actor) => return Err(403),
            // What is in them, the end of the test compares.
            Do::ListOwn | Do::ListSchool | Do::ListRequests => return Ok(None),
        };
        let registrars = ["accept", "decline", "request", "read"].contains(&verb);
        if registrars && !(2..5).contains(&actor) {
            return Err(403);
        }
        let school = if registrars { actor - 2 } else { school };
        let slot = self.slots.get(&(school, child)).ok_or(404u16)?;
        let theirs = match verb {
            "create" => actor == 5 + slot.pediatrician,
            _ => registrars || actor == slot.parent,
        };
        if !theirs {
            return Err(404);
        }
        let (stage, made) = (slot.stage, slot.version);
        let reviewed = match action {
            Do::Approve { reviewed } => reviewed.unwrap_or(made),
            _ => made,
        };
        match verb {
            "read" if stage == "approved" => return Ok(Some(made)),
            "read" => return Err(403),
            _ => {}
        }
        let stage = follows(verb, stage).ok_or(409u16)?;
        let version = match verb {
            "create" => self.form(child, actor)?,
            "approve" if self.form(child, actor)? != made || reviewed != made => return Err(409),
            _ => made,
        };
        let slot = self
            .slots
            .get_mut(&(school, child))
            .expect("it was found above");
        (slot.stage, slot.version) = (stage, version);
        Ok(None)
    }
}

// === The real rules ===

/// What the client would get, in the words of the exports, as Rust shows it.
fn told<W: From<T> + Debug, T>(answer: T) -> String {
    format!("{:?}", W::from(answer))
}

fn all_told<W: From<T> + Debug, T>(answers: Vec<T>) -> String {
    answers.into_iter().map(told::<W, T>).collect()
}

/// The function that a step calls, as the WIT names it; `None` for a step that is no call.
fn function(action: Do) -> Option<&'static str> {
    Some(match action {
        Do::Apply { .. } => "parent/apply-for-place",
        Do::Withdraw => "parent/withdraw-application",
        Do::ListOwn => "parent/get-applications",
        Do::Approve { .. } => "parent/approve-report",
        Do::Refuse => "parent/decline-report",
        Do::Revoke => "parent/withdraw-report",
        Do::ListSchool => "registrar/get-applications",
        Do::Accept => "registrar/accept-application",
        Do::Decline => "registrar/decline-application",
        Do::Request => "registrar/request-report",
        Do::Read => "registrar/get-report",
        Do::ListRequests => "pediatrician/get-report-requests",
        Do::Create => "pediatrician/create-report",
        Do::Card { .. } => return None,
    })
}

/// All functions that the WIT exports, named in the same way.
fn exported() -> BTreeSet<String> {
    let mut interface = "";
    let line = |line: &'static str| {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("interface ") {
            interface = name.trim_end_matches(" {");
        }
        let (name, _) = line.split_once(": func(")?;
        Some(format!("{interface}/{name}"))
    };
    let wit = include_str!("../../../wit/reports.wit");
    wit.lines().filter_map(line).collect()
}

/// Makes a step, and gives what its call answers.
fn execute(world: &mut TestWorld, cards: &Cards, step: Step) -> Result<String> {
    type Said = parents::Application;
    let (child_id, place) = (CHILDREN[step.child], place(step.child, step.school));
    if let Do::Card {
        parent,
        pediatrician,
        version,
    } = step.action
    {
        cards.set(
            child_id,
            Card {
                parent: PARENTS[parent],
                pediatrician: PEDIATRICIANS[pediatrician],
                version,
            },
        );
        return Ok(String::new());
    }
    run(world, actor(step.actor), |tx| match step.action {
        Do::Apply { pediatrician } => {
            let mut new = new_application(place);
            PEDIATRICIANS[pediatrician].clone_into(&mut new.pediatrician.name);
            apply_for_place(tx, new).map(told::<Said, _>)
        }
        Do::Accept => accept_application(tx, child_id).map(told::<Said, _>),
        Do::Decline => decline_application(tx, child_id).map(told::<Said, _>),
        Do::Withdraw => withdraw_application(tx, &place).map(told::<Said, _>),
        Do::Request => request_report(tx, child_id).map(told::<Said, _>),
        Do::Create => create_report(tx, &place).map(told::<pediatrician::CreatedReport, _>),
        Do::Approve { reviewed } => {
            let form = reviewed.map(|version| form_text(child_id, version));
            let digest = form.map(|form| form::hex(&form::digest(&form)));
            approve_report(tx, &place, digest.as_deref()).map(told::<Said, _>)
        }
        Do::Refuse => decline_report(tx, &place).map(told::<Said, _>),
        Do::Revoke => withdraw_report(tx, &place).map(told::<Said, _>),
        Do::Read => approved_report(tx, child_id).map(told::<registrar::Report, _>),
        Do::ListOwn => applications_of_parent(tx).map(all_told::<Said, _>),
        Do::ListSchool => applications_of_school(tx).map(all_told::<Said, _>),
        Do::ListRequests => report_requests(tx).map(all_told::<pediatrician::ReportRequest, _>),
        Do::Card { .. } => unreachable!("handled above"),
    })
}

fn status(error: &Error) -> u16 {
    match error {
        Error::Invalid(_) => 400,
        Error::Forbidden(_) => 403,
        Error::NotFound(_) => 404,
        Error::Conflict(_) => 409,
    }
}

/// A place and where its application stands, in the model's words.
fn stage(application: &Application) -> (Place, &'static str) {
    use ReportStatus::{Approved, Ready, Requested};
    let stage = match application.status {
        Status::Applied => "applied",
        Status::Accepted(None) => "accepted",
        Status::Accepted(Some(Requested)) => "requested",
        Status::Accepted(Some(Ready)) => "ready",
        Status::Accepted(Some(Approved)) => "approved",
        Status::Accepted(Some(_)) => "closed",
        Status::Declined | Status::Withdrawn => "over",
    };
    (application.place.clone(), stage)
}

/// How often something happened that the sequences are for.
#[derive(Debug, Default)]
struct Seen {
    reads: u32,
    reads_refused: u32,
    stale_approvals: u32,
    not_reviewed: u32,
    revoked: u32,
    /// The functions that gave an answer and no refusal.
    answered: BTreeSet<String>,
}

/// Runs a sequence, and compares every step, and all lists after the last.
fn check(steps: &[Step]) -> Seen {
    let (mut world, cards) = town();
    let mut model = Model {
        cards: [(0, 0, Some(1)), (1, 0, Some(1))],
        ..Model::default()
    };
    let mut seen = Seen::default();
    // Child and version of every form that was approved at some time: they are on the channel for ever.
    let mut entered = BTreeSet::new();
    for step in steps {
        let card_before = model.cards[step.child];
        let expected = model.step(*step);
        let given = execute(&mut world, &cards, *step);
        seen.reads += u32::from(step.action == Do::Read && expected.is_ok());
        seen.reads_refused += u32::from(step.action == Do::Read && expected == Err(403));
        seen.revoked += u32::from(step.action == Do::Revoke && expected.is_ok());
        seen.not_reviewed += u32::from(given.as_ref().err() == Some(&ReportsError::NotReviewed));
        seen.stale_approvals += u32::from(matches!(
            given,
            Err(ReportsError::CardChanged) if card_before.2.is_some()
        ));
        if let (Do::Approve { .. }, Ok(_)) = (step.action, &given) {
            let (_, _, version) = model.cards[step.child];
            entered.insert((step.child, version.expect("the card gave it")));
        }
        if given.is_ok() {
            seen.answered
                .extend(function(step.action).map(str::to_owned));
        }
        let (told, shown) = match (given, expected) {
            (Ok(told), Ok(version)) => (told, version),
            (Err(error), Err(expected)) => {
                let error = Error::from(error);
                assert_eq!(status(&error), expected, "{step:?}");
                (error.to_string(), None)
            }
            (given, expected) => {
                let given = given.map(|_| ()).map_err(Error::from);
                panic!("{step:?}: expected {expected:?}, given {given:?}");
            }
        };
        for (child, version, secret) in secrets() {
            // An answer that shows a form is the answer to this registrar's read of this child.
            let due = child == step.child && shown == Some(version);
            assert_eq!(told.contains(&secret), due, "{step:?}");
            // The state holds text and salt where they are approved, and nowhere else.
            let approved = model.slots.iter().filter(|((_, of), slot)| {
                *of == child && slot.stage == "approved" && slot.version == version
            });
            let stored = values_with(&world, &secret);
            assert_eq!(stored, approved.count(), "{step:?}");
            // Whatever the model thinks: no answer and no record before the parent's approval.
            let in_block = stored > 0 || told.contains(&secret);
            assert!(!in_block || entered.contains(&(child, version)), "{step:?}");
        }
    }
    compare_lists(&mut world, &model);
    seen
}

/// What must be nowhere but in approved texts: child, version, and a part of the text.
fn secrets() -> impl Iterator<Item = (usize, u8, String)> {
    (0..CHILDREN.len()).flat_map(|child| {
        (0..VERSIONS).flat_map(move |version| {
            let of = [marker, salt].map(|secret| secret(CHILDREN[child], version));
            of.map(|secret| (child, version, secret))
        })
    })
}

fn compare_lists(world: &mut TestWorld, model: &Model) {
    type List = fn(&mut TestTransaction<'_>) -> Result<Vec<Application>>;
    type Theirs<'a> = &'a dyn Fn(usize, &Slot) -> bool;
    for number in 0..ACTORS {
        let (list, theirs): (List, Theirs<'_>) = match number {
            0 | 1 => (|tx| applications_of_parent(tx), &|_, slot| {
                slot.parent == number
            }),
            2..=4 => (|tx| applications_of_school(tx), &|school, _| {
                school + 2 == number
            }),
            _ => (|tx| report_requests(tx), &|_, slot| {
                slot.stage == "requested" && slot.pediatrician + 5 == number
            }),
        };
        let found = run(world, actor(number), list).ok().unwrap();
        let found: Vec<_> = found.iter().map(stage).collect();
        let expected = model
            .slots
            .iter()
            .filter(|((school, _), slot)| theirs(*school, slot));
        let mut expected: Vec<_> = expected
            .map(|((school, child), slot)| (place(*child, *school), slot.stage))
            .collect();
        expected.sort();
        assert!(found == expected, "the list of actor {number}");
    }
    // Nothing else is left behind: application and index each, request and text where they are due.
    let due = model.slots.values().map(|slot| match slot.stage {
        "requested" | "approved" => 3,
        _ => 2,
    });
    assert_eq!(world.state().len(), due.sum::<usize>());
}

proptest! {
    /// Goal: no sequence of calls reaches a read without the parent's current approval of the current
    /// report for that very school, and no text is in the channel before, whatever is submitted. Method:
    /// arbitrary calls of all functions by arbitrary callers, with markers in the form, which are
    /// looked for in all answers and refusals, records and events; against the model.
    #[test]
    fn only_what_is_approved_is_read_and_only_where(steps in steps()) {
        check(&steps);
    }
}

/// Goal: the sequences above come to what they are for, and call every function that the WIT exports,
/// one that is added later too. Method: count in a fixed sample.
#[test]
fn the_sequences_reach_reads_refusals_and_changed_cards() {
    let mut runner = TestRunner::deterministic();
    let mut all = Seen::default();
    for _ in 0..100 {
        let sequence = steps().new_tree(&mut runner).unwrap().current();
        let seen = check(&sequence);
        all.reads += seen.reads;
        all.reads_refused += seen.reads_refused;
        all.stale_approvals += seen.stale_approvals;
        all.not_reviewed += seen.not_reviewed;
        all.revoked += seen.revoked;
        all.answered.extend(seen.answered);
    }
    assert_eq!(all.answered, exported());
    assert!(
        all.reads > 50
            && all.reads_refused > 50
            && all.stale_approvals > 5
            && all.not_reviewed > 5
            && all.revoked > 20,
        "{all:?}"
    );
}
