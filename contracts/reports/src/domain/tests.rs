//! The rules, natively, with a stub of channel `cards`: each refusal, and that it changes nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use cordon_sdk::testing::{TestEvent, TestTransaction, TestWorld, caller};
use cordon_sdk::{Answer, Caller, Error, ID_BYTES_MAX, Query, TEXT_BYTES_MAX};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::*;

mod sequences;

/// A rule of a parent or of a registrar that makes a move.
type OnPlace = fn(&mut TestTransaction<'_>, &Place) -> Result<Application>;
type OnChild = fn(&mut TestTransaction<'_>, &str) -> Result<Application>;

const WITHDRAW_APPLICATION: OnPlace = |tx, place| withdraw_application(tx, place);
const DECLINE_REPORT: OnPlace = |tx, place| decline_report(tx, place);
const WITHDRAW_REPORT: OnPlace = |tx, place| withdraw_report(tx, place);
const ACCEPT_APPLICATION: OnChild = |tx, child_id| accept_application(tx, child_id);
const DECLINE_APPLICATION: OnChild = |tx, child_id| decline_application(tx, child_id);
const REQUEST_REPORT: OnChild = |tx, child_id| request_report(tx, child_id);

const NOTHING_THERE: &str = "There is no such child, or nothing is known of it.";

/// A child's card on channel `cards`, as far as this contract can notice it.
#[derive(Clone, Copy)]
struct Card {
    parent: &'static str,
    /// The pediatrician of the current agreement.
    pediatrician: &'static str,
    /// Which of several assessments is the current one; `None` before the first.
    version: Option<u8>,
}

/// All cards. Shared, so that a test can change them while its world asks.
#[derive(Clone, Default)]
struct Cards(Rc<RefCell<BTreeMap<&'static str, Card>>>);

/// What must not be where it should not: part of every text of this version of a form.
fn marker(child_id: &str, version: u8) -> String {
    format!("[{child_id}'s secret {version}]")
}

/// The salt of this version of a form, which is as secret as its text.
fn salt(child_id: &str, version: u8) -> String {
    form::hex(&form::digest(&marker(child_id, version)))
}

/// The form as a host gives it, with characters that JSON escapes, and a field that is not known here.
fn form_text(child_id: &str, version: u8) -> String {
    let marker = marker(child_id, version);
    json!({
        "childId": child_id,
        "fitForSchool": version != 0,
        "vaccinationsComplete": true,
        "restrictions": format!("no nuts, \"none\"\n{marker}"),
        "note": (version > 0).then(|| format!("é {marker}")),
        "assessedOn": "2026-01-01",
        "pediatrician": "pd1",
        "salt": salt(child_id, version),
        "later": 1,
    })
    .to_string()
}

fn origin(version: u8) -> Block {
    Block {
        number: 40 + u64::from(version),
        hash: [version; 32],
    }
}

// === impl Cards ===

impl Cards {
    fn set(&self, child_id: &'static str, card: Card) {
        self.0.borrow_mut().insert(child_id, card);
    }

    /// Another assessment.
    fn assess(&self, child_id: &'static str, version: Option<u8>) {
        self.0.borrow_mut().get_mut(child_id).unwrap().version = version;
    }

    fn answer(&self, who: &Caller, query: &Query<'_>) -> cordon_sdk::Result<Answer> {
        assert_eq!((query.channel, query.contract), ("cards", "cards"));
        let [child_id] = query.arguments else {
            panic!("both functions take one argument");
        };
        let nothing = || Error::NotFound(NOTHING_THERE.to_owned());
        let cards = self.0.borrow();
        let card = cards.get(child_id).ok_or_else(nothing)?;
        let person = (who.msp_id.as_str(), who.enrollment_id.as_str());
        let is_parent = person == ("ParentsMSP", card.parent);
        match query.function {
            "Parent:GetChild" if is_parent => Ok(Answer {
                payload: br#"{"name":"[copied from the card]"}"#.to_vec(),
                origin: Some(origin(0)),
            }),
            "Parent:GetChild" => Err(nothing()),
            "Forms:GetReportForm" => {
                if !is_parent && person != ("HospitalMSP", card.pediatrician) {
                    return Err(Error::Forbidden("You have no agreement.".to_owned()));
                }
                let version = card.version.ok_or_else(nothing)?;
                Ok(Answer {
                    payload: form_text(child_id, version).into_bytes(),
                    origin: Some(origin(version)),
                })
            }
            function => panic!("the contract asks {function}"),
        }
    }
}

fn parent(name: &str) -> Caller {
    caller("ParentsMSP", name, &[])
}

fn pediatrician(name: &str) -> Caller {
    caller("HospitalMSP", name, &[])
}

fn registrar(organization: &str, school: &str) -> Caller {
    caller(organization, "registrar", &[(SCHOOL_ATTRIBUTE, school)])
}

fn north() -> Caller {
    registrar("SchoolMSP", "northside")
}

fn south() -> Caller {
    registrar("SchoolMSP", "southside")
}

/// Another organisation's school of the same name.
fn foreign() -> Caller {
    registrar("OtherMSP", "northside")
}

fn at(school: &str, child_id: &str) -> Place {
    Place {
        school_org: "SchoolMSP".to_owned(),
        school: school.to_owned(),
        child_id: child_id.to_owned(),
    }
}

fn northside() -> Place {
    at("northside", "kim")
}

fn new_application(place: Place) -> NewApplication {
    NewApplication {
        place,
        child_name: "Kim Example".to_owned(),
        pediatrician: Person {
            organization: "HospitalMSP".to_owned(),
            name: "pd1".to_owned(),
        },
        message: None,
    }
}

/// A channel where nobody has applied, and cards: `kim` is parent1's, `lou` parent2's.
fn town() -> (TestWorld, Cards) {
    let cards = Cards::default();
    for (child_id, parent) in [("kim", "parent1"), ("lou", "parent2")] {
        cards.set(
            child_id,
            Card {
                parent,
                pediatrician: "pd1",
                version: Some(1),
            },
        );
    }
    let mut world = TestWorld::new();
    let stub = cards.clone();
    world.answer_queries(move |who, query| stub.answer(who, query));
    (world, cards)
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

fn apply(world: &mut TestWorld, place: &Place) -> Result<Application> {
    let new = new_application(place.clone());
    run(world, parent("parent1"), |tx| apply_for_place(tx, new))
}

fn create(world: &mut TestWorld, place: &Place) -> Result<CreatedReport> {
    run(world, pediatrician("pd1"), |tx| create_report(tx, place))
}

fn approve(world: &mut TestWorld, place: &Place) -> Result<Application> {
    run(world, parent("parent1"), |tx| {
        approve_report(tx, place, None)
    })
}

/// What parent1 gives as digest after reading the child's form on channel `cards`.
fn reviewed(cards: &Cards, child_id: &str) -> String {
    let query = Query {
        channel: "cards",
        contract: "cards",
        function: "Forms:GetReportForm",
        arguments: &[child_id],
    };
    let answer = cards.answer(&parent("parent1"), &query).unwrap();
    form::hex(&Sha256::digest(answer.payload).into())
}

fn read(world: &mut TestWorld, who: Caller) -> Result<ApprovedReport> {
    run(world, who, |tx| approved_report(tx, "kim"))
}

fn clerk_of(place: &Place) -> Caller {
    registrar(&place.school_org, &place.school)
}

/// Brings the application for `kim` at this school to a report that is requested.
fn request(world: &mut TestWorld, place: &Place) {
    apply(world, place).ok().unwrap();
    for rule in [ACCEPT_APPLICATION, REQUEST_REPORT] {
        run(world, clerk_of(place), |tx| rule(tx, &place.child_id))
            .ok()
            .unwrap();
    }
}

/// ... to one that is ready.
fn ready() -> (TestWorld, Cards) {
    let (mut world, cards) = town();
    request(&mut world, &northside());
    create(&mut world, &northside()).ok().unwrap();
    (world, cards)
}

/// ... to one that is approved.
fn approved() -> (TestWorld, Cards) {
    let (mut world, cards) = ready();
    approve(&mut world, &northside()).ok().unwrap();
    (world, cards)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}

/// How many committed values hold this text. Keys and events must never.
fn values_with(world: &TestWorld, text: &str) -> usize {
    for event in world.events() {
        assert!(!holds(&event.payload, text) && !event.name.contains(text));
    }
    let state = world.state();
    assert!(state.keys().all(|key| !key.contains(text)));
    state.values().filter(|value| holds(value, text)).count()
}

// === What happens when nothing is wrong ===

#[test]
fn a_school_reads_what_the_parent_approved_with_its_proof() {
    let (mut world, _) = approved();
    let found = read(&mut world, north()).ok().unwrap();
    let text = form_text("kim", 1);
    assert_eq!(found.text.bytes, text);
    assert!(Some(found.text.form) == form::parse(&text));
    assert_eq!(found.report.digest, form::digest(&text));
    assert_eq!(found.report.origin.block, 41);
    assert_eq!(found.report.origin.hash, [1; 32]);
    assert_eq!(found.application.parent.name, "parent1");
    assert_eq!(found.application.child_name, "Kim Example");
}

#[test]
fn every_move_is_announced_by_the_childs_id() {
    let (mut world, _) = approved();
    let place = northside();
    let withdrawn = run(&mut world, parent("parent1"), |tx| {
        withdraw_report(tx, &place)
    });
    assert!(withdrawn.is_ok());
    run(&mut world, north(), |tx| request_report(tx, "kim"))
        .ok()
        .unwrap();
    create(&mut world, &place).ok().unwrap();
    for rule in [DECLINE_REPORT, WITHDRAW_APPLICATION] {
        run(&mut world, parent("parent1"), |tx| rule(tx, &place))
            .ok()
            .unwrap();
    }
    apply(&mut world, &place).ok().unwrap();
    run(&mut world, north(), |tx| decline_application(tx, "kim"))
        .ok()
        .unwrap();
    let names = [
        "ApplicationMade",
        "ApplicationAccepted",
        "ReportRequested",
        "ReportReady",
        "ReportApproved",
        "ReportWithdrawn",
        "ReportRequested",
        "ReportReady",
        "ReportDeclined",
        "ApplicationWithdrawn",
        "ApplicationMade",
        "ApplicationDeclined",
    ];
    let expected = names.map(|name| TestEvent {
        name: name.to_owned(),
        payload: b"kim".to_vec(),
    });
    assert_eq!(world.events(), expected);
}

#[test]
fn an_application_holds_what_the_parent_said_and_nothing_of_the_card() {
    let (mut world, _) = town();
    world.set_time(Timestamp {
        seconds: 7,
        nanoseconds: 0,
    });
    let new = NewApplication {
        message: Some("Kim likes drawing.".to_owned()),
        ..new_application(northside())
    };
    let made = run(&mut world, parent("parent1"), |tx| apply_for_place(tx, new))
        .ok()
        .unwrap();
    assert_eq!(made.application_id.len(), 64);
    assert!(made.place == northside());
    assert_eq!(made.child_name, "Kim Example");
    assert_eq!(made.message.as_deref(), Some("Kim likes drawing."));
    assert_eq!(made.pediatrician.name, "pd1");
    assert_eq!(
        (made.applied_at, made.changed_at),
        (world_time(7), world_time(7))
    );
    assert_eq!(values_with(&world, "[copied"), 0);

    world.set_time(world_time(8));
    let accepted = run(&mut world, north(), |tx| accept_application(tx, "kim"))
        .ok()
        .unwrap();
    assert_eq!(
        (accepted.applied_at, accepted.changed_at),
        (world_time(7), world_time(8))
    );
    assert_eq!(accepted.status, Status::Accepted(None));
}

fn world_time(seconds: i64) -> Timestamp {
    Timestamp {
        seconds,
        nanoseconds: 0,
    }
}

#[test]
fn a_blank_message_counts_as_absent() {
    let (mut world, _) = town();
    let new = NewApplication {
        message: Some(" \n".to_owned()),
        ..new_application(northside())
    };
    let made = run(&mut world, parent("parent1"), |tx| apply_for_place(tx, new));
    assert_eq!(made.ok().unwrap().message, None);
}

#[test]
fn everybody_lists_the_own_and_nothing_else() {
    let (mut world, _) = town();
    for school in ["southside", "northside"] {
        request(&mut world, &at(school, "kim"));
    }
    let new = new_application(at("northside", "lou"));
    run(&mut world, parent("parent2"), |tx| apply_for_place(tx, new))
        .ok()
        .unwrap();

    let names = |found: Vec<Application>| -> Vec<String> {
        let name = |found: Application| format!("{}/{}", found.place.school, found.place.child_id);
        found.into_iter().map(name).collect()
    };
    let mut of_parent = |who| {
        run(&mut world, who, |tx| applications_of_parent(tx))
            .map(names)
            .ok()
    };
    let both = vec!["northside/kim".to_owned(), "southside/kim".to_owned()];
    assert_eq!(of_parent(parent("parent1")), Some(both.clone()));
    assert_eq!(
        of_parent(parent("parent2")),
        Some(vec!["northside/lou".to_owned()])
    );
    assert_eq!(of_parent(caller("OtherMSP", "parent1", &[])), Some(vec![]));

    let mut of_school = |who| {
        run(&mut world, who, |tx| applications_of_school(tx))
            .map(names)
            .ok()
    };
    assert_eq!(
        of_school(north()),
        Some(vec!["northside/kim".to_owned(), "northside/lou".to_owned()])
    );
    assert_eq!(of_school(south()), Some(vec!["southside/kim".to_owned()]));
    assert_eq!(of_school(foreign()), Some(vec![]));

    let requests = |world: &mut TestWorld, who| {
        run(world, who, |tx| report_requests(tx))
            .map(names)
            .ok()
            .unwrap()
    };
    assert_eq!(requests(&mut world, pediatrician("pd1")), both);
    assert!(requests(&mut world, pediatrician("pd2")).is_empty());
    assert!(requests(&mut world, caller("OtherMSP", "pd1", &[])).is_empty());
    create(&mut world, &northside()).ok().unwrap();
    assert_eq!(requests(&mut world, pediatrician("pd1")), ["southside/kim"]);
    run(&mut world, parent("parent1"), |tx| {
        withdraw_application(tx, &at("southside", "kim"))
    })
    .ok()
    .unwrap();
    assert!(requests(&mut world, pediatrician("pd1")).is_empty());
}

#[test]
fn a_report_can_be_made_anew_while_it_is_ready() {
    let (mut world, cards) = ready();
    cards.assess("kim", Some(2));
    let again = create(&mut world, &northside()).ok().unwrap();
    assert_eq!(again.report.digest, form::digest(&form_text("kim", 2)));
    assert_eq!(again.report.origin.block, 42);
    assert!(approve(&mut world, &northside()).is_ok());
    let found = read(&mut world, north()).ok().unwrap();
    assert_eq!(found.text.bytes, form_text("kim", 2));
}

#[test]
fn an_approved_report_stays_as_approved_when_the_card_changes() {
    let (mut world, cards) = approved();
    cards.assess("kim", Some(2));
    let found = read(&mut world, north()).ok().unwrap();
    assert_eq!(found.text.bytes, form_text("kim", 1));
}

#[test]
fn an_application_that_is_over_starts_over_with_nothing_of_the_last() {
    let (mut world, _) = approved();
    let first = run(&mut world, parent("parent1"), |tx| {
        withdraw_application(tx, &northside())
    });
    let again = apply(&mut world, &northside()).ok().unwrap();
    assert!(again.application_id != first.ok().unwrap().application_id);
    assert_eq!(again.status, Status::Applied);
    assert!(again.report.is_none());
    let own = run(&mut world, parent("parent1"), |tx| {
        applications_of_parent(tx)
    });
    assert!(own.ok().unwrap() == [again]);
    // The application and the index to it: nothing else is left.
    assert_eq!(world.state().len(), 2);
}

// === Where the text is ===

#[test]
fn there_is_no_text_before_the_approval_and_none_after_it() {
    let secrets = [marker("kim", 1), salt("kim", 1)];
    let count = |world: &TestWorld| [0, 1].map(|secret| values_with(world, &secrets[secret]));
    let (world, _) = ready();
    assert_eq!(count(&world), [0, 0]);
    for end in [WITHDRAW_REPORT, WITHDRAW_APPLICATION] {
        let (mut world, _) = approved();
        assert_eq!(count(&world), [1, 1]);
        run(&mut world, parent("parent1"), |tx| end(tx, &northside()))
            .ok()
            .unwrap();
        assert_eq!(count(&world), [0, 0]);
    }
}

#[test]
fn withdrawing_does_not_ask_the_card() {
    for end in [WITHDRAW_REPORT, WITHDRAW_APPLICATION] {
        let (mut world, _) = approved();
        world.answer_queries(|_, _| panic!("the card is asked"));
        assert!(run(&mut world, parent("parent1"), |tx| end(tx, &northside())).is_ok());
    }
}

// === Refusals ===

#[test]
fn only_an_own_child_can_be_applied_for() {
    let (mut world, _) = town();
    let not_found = Error::NotFound(NOTHING_THERE.to_owned());
    for child_id in ["lou", "nobody"] {
        let answer = apply(&mut world, &at("northside", child_id));
        assert_eq!(refusal(answer), not_found);
    }
    // A host that does not know channel `cards`, such as the school's.
    let mut world = TestWorld::new();
    assert_eq!(
        refusal(apply(&mut world, &northside())),
        Error::NotFound("There is no such channel.".to_owned())
    );
}

#[test]
fn a_child_has_one_open_application_at_a_school() {
    let (mut world, cards) = town();
    apply(&mut world, &northside()).ok().unwrap();
    assert_eq!(
        refusal(apply(&mut world, &northside())),
        Error::Conflict(
            "This cannot be done now: the application waits for the school's decision.".to_owned()
        )
    );
    // Were the card to say that the child is somebody else's now:
    cards.set(
        "kim",
        Card {
            parent: "parent2",
            pediatrician: "pd1",
            version: None,
        },
    );
    let other = |world: &mut TestWorld| {
        let new = new_application(northside());
        run(world, parent("parent2"), |tx| apply_for_place(tx, new))
    };
    assert_eq!(
        refusal(other(&mut world)),
        Error::Conflict(
            "Somebody else has applied for this child at this school already.".to_owned()
        )
    );
    run(&mut world, north(), |tx| decline_application(tx, "kim"))
        .ok()
        .unwrap();
    assert!(other(&mut world).is_ok());
    let left = run(&mut world, parent("parent1"), |tx| {
        applications_of_parent(tx)
    });
    assert!(left.ok().unwrap().is_empty());
}

#[test]
fn only_the_parent_who_applied_sees_or_moves_the_application() {
    type Rule = fn(&mut TestTransaction<'_>, &Place) -> Option<ReportsError>;
    let rules: [Rule; 4] = [
        |tx, place| withdraw_application(tx, place).err(),
        |tx, place| approve_report(tx, place, None).err(),
        |tx, place| decline_report(tx, place).err(),
        |tx, place| withdraw_report(tx, place).err(),
    ];
    let unknown =
        Error::NotFound("You have made no application for this child at this school.".to_owned());
    let (mut world, cards) = ready();
    // Even a parent whose child the card says it is.
    cards.0.borrow_mut().get_mut("kim").unwrap().parent = "parent2";
    let others = [
        parent("parent2"),
        caller("OtherMSP", "parent1", &[]),
        pediatrician("pd1"),
        north(),
    ];
    for rule in rules {
        let mut call = |who: Caller, place: &Place| {
            refusal(run(&mut world, who, |tx| match rule(tx, place) {
                Some(error) => Err(error),
                None => Ok(()),
            }))
        };
        for who in others.clone() {
            assert_eq!(call(who, &northside()), unknown);
        }
        let elsewhere = [
            at("southside", "kim"),
            at("northside", "lou"),
            Place {
                school_org: "OtherMSP".to_owned(),
                ..northside()
            },
        ];
        for place in elsewhere {
            assert_eq!(call(parent("parent1"), &place), unknown);
        }
    }
}

#[test]
fn another_schools_registrar_is_told_what_an_unknown_application_is_told() {
    type Rule = fn(&mut TestTransaction<'_>, &str) -> Option<ReportsError>;
    let rules: [Rule; 4] = [
        |tx, child_id| accept_application(tx, child_id).err(),
        |tx, child_id| decline_application(tx, child_id).err(),
        |tx, child_id| request_report(tx, child_id).err(),
        |tx, child_id| approved_report(tx, child_id).err(),
    ];
    let (mut world, _) = approved();
    let unknown = Error::NotFound("Nobody has applied for this child at your school.".to_owned());
    for rule in rules {
        for (who, child_id) in [
            (south(), "kim"),
            (foreign(), "kim"),
            (north(), "lou"),
            (north(), "nobody"),
        ] {
            let answer = run(&mut world, who, |tx| match rule(tx, child_id) {
                Some(error) => Err(error),
                None => Ok(()),
            });
            assert_eq!(refusal(answer), unknown);
        }
    }
}

#[test]
fn a_registrar_without_a_school_is_forbidden() {
    let (mut world, _) = approved();
    let text = "Your certificate does not say which school you belong to: it has no attribute \
                school.";
    let forbidden = Error::Forbidden(text.to_owned());
    for who in [
        caller("SchoolMSP", "registrar", &[]),
        registrar("SchoolMSP", ""),
        registrar("SchoolMSP", " "),
    ] {
        assert_eq!(refusal(read(&mut world, who.clone())), forbidden);
        let list = run(&mut world, who.clone(), |tx| applications_of_school(tx));
        assert_eq!(refusal(list), forbidden);
        for rule in [ACCEPT_APPLICATION, DECLINE_APPLICATION, REQUEST_REPORT] {
            let answer = run(&mut world, who.clone(), |tx| rule(tx, "kim"));
            assert_eq!(refusal(answer), forbidden);
        }
    }
}

#[test]
fn a_report_that_is_not_approved_is_forbidden() {
    let forbidden = Error::Forbidden(
        "There is no report on this child that the parent has approved for your school.".to_owned(),
    );
    let (mut world, _) = town();
    let place = northside();
    apply(&mut world, &place).ok().unwrap();
    assert_eq!(refusal(read(&mut world, north())), forbidden);
    for rule in [ACCEPT_APPLICATION, REQUEST_REPORT] {
        run(&mut world, north(), |tx| rule(tx, "kim")).ok().unwrap();
        assert_eq!(refusal(read(&mut world, north())), forbidden);
    }
    create(&mut world, &place).ok().unwrap();
    assert_eq!(refusal(read(&mut world, north())), forbidden);
    approve(&mut world, &place).ok().unwrap();
    assert!(read(&mut world, north()).is_ok());
    for rule in [WITHDRAW_REPORT, WITHDRAW_APPLICATION] {
        run(&mut world, parent("parent1"), |tx| rule(tx, &place))
            .ok()
            .unwrap();
        assert_eq!(refusal(read(&mut world, north())), forbidden);
    }
}

#[test]
fn a_report_that_one_school_may_read_is_closed_to_the_childs_other_school() {
    let (mut world, _) = approved();
    let southside = at("southside", "kim");
    request(&mut world, &southside);
    create(&mut world, &southside).ok().unwrap();
    assert_eq!(
        read(&mut world, south()).err(),
        Some(ReportsError::NotApproved)
    );
}

#[test]
fn only_the_pediatrician_whom_the_parent_named_makes_the_report() {
    let (mut world, cards) = town();
    request(&mut world, &northside());
    // The card's own pediatrician is another one now, whom the application does not name.
    cards.0.borrow_mut().get_mut("kim").unwrap().pediatrician = "pd2";
    let unknown = Error::NotFound(
        "No application for this child at this school names you as the pediatrician.".to_owned(),
    );
    for who in [
        pediatrician("pd2"),
        caller("OtherMSP", "pd1", &[]),
        parent("parent1"),
        north(),
    ] {
        let answer = run(&mut world, who, |tx| create_report(tx, &northside()));
        assert_eq!(refusal(answer), unknown);
    }
    let elsewhere = create(&mut world, &at("southside", "kim"));
    assert_eq!(refusal(elsewhere), unknown);
    // And whom the application names is refused by the card.
    assert_eq!(
        refusal(create(&mut world, &northside())),
        Error::Forbidden("You have no agreement.".to_owned())
    );
}

#[test]
fn there_is_no_report_without_an_assessment() {
    let (mut world, cards) = town();
    request(&mut world, &northside());
    cards.assess("kim", None);
    assert_eq!(
        refusal(create(&mut world, &northside())),
        Error::NotFound(NOTHING_THERE.to_owned())
    );
}

#[test]
fn a_report_of_a_card_that_has_changed_is_not_approved() {
    let (mut world, cards) = ready();
    cards.assess("kim", Some(2));
    assert_eq!(
        refusal(approve(&mut world, &northside())),
        Error::Conflict(
            "The card has changed since the report was made: the pediatrician must make it anew \
             before it can be approved."
                .to_owned()
        )
    );
    // Who has reviewed the changed card is told the same: the report is what is old.
    let digest = reviewed(&cards, "kim");
    let answer = run(&mut world, parent("parent1"), |tx| {
        approve_report(tx, &northside(), Some(&digest))
    });
    assert_eq!(answer.err(), Some(ReportsError::CardChanged));
    cards.assess("kim", Some(1));
    assert!(approve(&mut world, &northside()).is_ok());
}

#[test]
fn what_was_not_reviewed_is_not_approved() {
    let (mut world, cards) = ready();
    cards.assess("kim", Some(2));
    create(&mut world, &northside()).ok().unwrap();
    let mut approve = |digest: &str| {
        run(&mut world, parent("parent1"), |tx| {
            approve_report(tx, &northside(), Some(digest))
        })
    };
    let current = reviewed(&cards, "kim");
    let other = form::hex(&form::digest(&form_text("kim", 1)));
    for digest in [&other, "", &current[1..], &current.to_uppercase()] {
        assert_eq!(
            refusal(approve(digest)),
            Error::Conflict(
                "This is not the report that you reviewed: the digest is not that of the card's \
                 report form. Review the form again."
                    .to_owned()
            )
        );
    }
    assert!(approve(&current).is_ok());
}

#[test]
fn a_form_that_cannot_be_read_makes_no_report() {
    let answer = |text: String, origin: Option<Block>| Answer {
        payload: text.into_bytes(),
        origin,
    };
    let good = form_text("kim", 1);
    let unsalted = good.replace(&salt("kim", 1), "");
    let answers = [
        answer(good.clone(), None),
        answer(form_text("lou", 1), Some(origin(1))),
        answer(unsalted, Some(origin(1))),
        answer(good.replace("assessedOn", "else"), Some(origin(1))),
        Answer {
            payload: vec![0xFF],
            origin: Some(origin(1)),
        },
    ];
    for answer in answers {
        let (mut world, _) = town();
        request(&mut world, &northside());
        world.answer_queries(move |_, _| Ok(answer.clone()));
        assert_eq!(
            refusal(create(&mut world, &northside())),
            Error::Conflict(
                "The card's report form is not in a form that this contract can read.".to_owned()
            )
        );
    }
}

/// Goal: what the machine refuses, every rule refuses, with the status it is about. Method: each rule
/// in a status where it is not allowed; the machine's own tests know all of them.
#[test]
fn a_move_at_the_wrong_time_is_a_conflict_that_says_the_status() {
    fn conflict<T>(answer: Result<T>, status: &str) {
        let text = format!("This cannot be done now: {status}.");
        assert_eq!(refusal(answer), Error::Conflict(text));
    }
    let place = &northside();
    let mine = || parent("parent1");
    let waits = "the application waits for the school's decision";
    let (mut world, _) = town();
    apply(&mut world, place).ok().unwrap();
    conflict(create(&mut world, place), waits);
    conflict(approve(&mut world, place), waits);
    conflict(
        run(&mut world, mine(), |tx| decline_report(tx, place)),
        waits,
    );
    conflict(
        run(&mut world, mine(), |tx| withdraw_report(tx, place)),
        waits,
    );
    conflict(
        run(&mut world, north(), |tx| request_report(tx, "kim")),
        waits,
    );

    let (mut world, _) = approved();
    let accepted = "the school has accepted the application";
    let has_approved = "the parent has approved the report";
    conflict(
        run(&mut world, north(), |tx| accept_application(tx, "kim")),
        accepted,
    );
    conflict(
        run(&mut world, north(), |tx| decline_application(tx, "kim")),
        accepted,
    );
    conflict(
        run(&mut world, north(), |tx| request_report(tx, "kim")),
        has_approved,
    );
    conflict(create(&mut world, place), has_approved);
    conflict(approve(&mut world, place), has_approved);
    conflict(
        run(&mut world, mine(), |tx| decline_report(tx, place)),
        has_approved,
    );
    run(&mut world, mine(), |tx| withdraw_application(tx, place))
        .ok()
        .unwrap();
    let again = run(&mut world, mine(), |tx| withdraw_application(tx, place));
    conflict(again, "the parent has withdrawn the application");
}

#[test]
fn every_field_is_checked_and_named() {
    type Field = (&'static str, fn(&mut NewApplication) -> &mut String);
    let (mut world, _) = approved();
    let mut refused = |new: NewApplication| {
        refusal(run(&mut world, parent("parent1"), |tx| {
            apply_for_place(tx, new)
        }))
    };
    let new = || new_application(northside());
    let (long, long_id) = ("x".repeat(TEXT_BYTES_MAX + 1), "x".repeat(ID_BYTES_MAX + 1));
    let ids: [Field; 5] = [
        ("childId", |new| &mut new.place.child_id),
        ("schoolOrg", |new| &mut new.place.school_org),
        ("school", |new| &mut new.place.school),
        ("hospital", |new| &mut new.pediatrician.organization),
        ("pediatrician", |new| &mut new.pediatrician.name),
    ];
    let name: [Field; 1] = [("childName", |new| &mut new.child_name)];
    for (field, part) in ids.into_iter().chain(name) {
        for blank in ["", " \t\u{3000}"] {
            let mut bad = new();
            blank.clone_into(part(&mut bad));
            let text = format!("{field} must not be empty.");
            assert_eq!(refused(bad), Error::Invalid(text));
        }
    }
    for (field, part) in ids {
        let mut bad = new();
        part(&mut bad).clone_from(&long_id);
        let text = format!("{field} is too long: it has at most {ID_BYTES_MAX} bytes.");
        assert_eq!(refused(bad), Error::Invalid(text));
        let mut bad = new();
        part(&mut bad).push('\0');
        let text = format!("{field} must not contain the characters U+0000 and U+10FFFF.");
        assert_eq!(refused(bad), Error::Invalid(text));
    }
    let mut bad = new();
    bad.message = Some(long.clone());
    let text = format!("message is too long: it has at most {TEXT_BYTES_MAX} bytes.");
    assert_eq!(refused(bad), Error::Invalid(text));
    let mut bad = new();
    bad.child_name = long;
    let text = format!("childName is too long: it has at most {TEXT_BYTES_MAX} bytes.");
    assert_eq!(refused(bad), Error::Invalid(text));
}

#[test]
fn every_function_checks_its_ids() {
    let (mut world, _) = approved();
    let empty = |field| Error::Invalid(format!("{field} must not be empty."));
    for (field, place) in [
        ("childId", at("northside", "")),
        ("school", at(" ", "kim")),
        (
            "schoolOrg",
            Place {
                school_org: String::new(),
                ..northside()
            },
        ),
    ] {
        for rule in [WITHDRAW_APPLICATION, DECLINE_REPORT, WITHDRAW_REPORT] {
            let answer = run(&mut world, parent("parent1"), |tx| rule(tx, &place));
            assert_eq!(refusal(answer), empty(field));
        }
        assert_eq!(refusal(approve(&mut world, &place)), empty(field));
        assert_eq!(refusal(create(&mut world, &place)), empty(field));
    }
    for rule in [ACCEPT_APPLICATION, DECLINE_APPLICATION, REQUEST_REPORT] {
        let answer = run(&mut world, north(), |tx| rule(tx, ""));
        assert_eq!(refusal(answer), empty("childId"));
    }
    let report = run(&mut world, north(), |tx| approved_report(tx, ""));
    assert_eq!(refusal(report), empty("childId"));
}

#[test]
fn a_certificate_that_names_nobody_is_forbidden() {
    type Rule = fn(&mut TestTransaction<'_>) -> Option<ReportsError>;
    let rules: [Rule; 8] = [
        |tx| apply_for_place(tx, new_application(northside())).err(),
        |tx| withdraw_application(tx, &northside()).err(),
        |tx| applications_of_parent(tx).err(),
        |tx| approve_report(tx, &northside(), None).err(),
        |tx| decline_report(tx, &northside()).err(),
        |tx| withdraw_report(tx, &northside()).err(),
        |tx| report_requests(tx).err(),
        |tx| create_report(tx, &northside()).err(),
    ];
    let (mut world, _) = approved();
    for rule in rules {
        let answer = run(&mut world, parent(""), |tx| match rule(tx) {
            Some(error) => Err(error),
            None => Ok(()),
        });
        let text = "Your certificate does not say who you are: it has no enrollment id.";
        assert_eq!(refusal(answer), Error::Forbidden(text.to_owned()));
    }
}

#[test]
fn the_largest_ids_and_texts_that_are_accepted_can_be_stored() {
    let (mut world, _) = town();
    world.answer_queries(|_, query| {
        Ok(Answer {
            payload: form_text(query.arguments[0], 1).into_bytes(),
            origin: Some(origin(1)),
        })
    });
    let id = || "x".repeat(ID_BYTES_MAX);
    let place = Place {
        school_org: id(),
        school: id(),
        child_id: id(),
    };
    let new = NewApplication {
        place: place.clone(),
        child_name: "x".repeat(TEXT_BYTES_MAX),
        pediatrician: Person {
            organization: id(),
            name: id(),
        },
        message: Some("x".repeat(TEXT_BYTES_MAX)),
    };
    let long_parent = || caller(&id(), &id(), &[]);
    run(&mut world, long_parent(), |tx| apply_for_place(tx, new))
        .ok()
        .unwrap();
    for rule in [ACCEPT_APPLICATION, REQUEST_REPORT] {
        run(&mut world, clerk_of(&place), |tx| rule(tx, &id()))
            .ok()
            .unwrap();
    }
    run(&mut world, long_parent(), |tx| create_report(tx, &place))
        .ok()
        .unwrap();
    let approved = run(&mut world, long_parent(), |tx| {
        approve_report(tx, &place, None)
    });
    assert!(approved.is_ok());
}

// === Transactions of the same moment ===

#[test]
fn applications_at_the_same_moment_commit_unless_they_are_for_the_same_place() {
    let (mut world, _) = town();
    let simulate = |world: &mut TestWorld, name: &str, place: Place| {
        world.act_as(parent(name));
        world
            .simulate(|tx| apply_for_place(tx, new_application(place)))
            .ok()
            .unwrap()
    };
    let first = simulate(&mut world, "parent1", northside());
    let second = simulate(&mut world, "parent1", northside());
    let elsewhere = simulate(&mut world, "parent1", at("southside", "kim"));
    let other = simulate(&mut world, "parent2", at("northside", "lou"));
    assert!(world.commit(first).is_ok());
    assert!(world.commit(second).is_err());
    assert!(world.commit(elsewhere).is_ok());
    assert!(world.commit(other).is_ok());
}

#[test]
fn reports_at_two_schools_at_the_same_moment_all_commit() {
    let (mut world, _) = ready();
    let southside = at("southside", "kim");
    request(&mut world, &southside);
    world.act_as(pediatrician("pd1"));
    let made = world
        .simulate(|tx| create_report(tx, &southside))
        .ok()
        .unwrap();
    world.act_as(parent("parent1"));
    let approved = world
        .simulate(|tx| approve_report(tx, &northside(), None))
        .ok()
        .unwrap();
    assert!(world.commit(approved).is_ok());
    assert!(world.commit(made).is_ok());
}

#[test]
fn a_report_that_is_made_anew_at_the_moment_of_its_approval_is_not_approved() {
    let (mut world, _) = ready();
    world.act_as(parent("parent1"));
    let approval = world
        .simulate(|tx| approve_report(tx, &northside(), None))
        .ok()
        .unwrap();
    create(&mut world, &northside()).ok().unwrap();
    assert!(world.commit(approval).is_err());
    assert_eq!(values_with(&world, "secret"), 0);
}
