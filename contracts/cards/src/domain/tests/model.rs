//! Goal: a pediatrician reads a card and adds to it exactly while an accepted agreement names them,
//! and every call is answered as it should be. Method: arbitrary calls by two parents, two
//! pediatricians of each of two hospitals and the staff of both, against a model that has no
//! states: it only remembers who offered a child to whom, and who is admitted.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::domain::agreements::{patients, refuse};

const PARENTS: [&str; 2] = ["mia", "sam"];
const CHILDREN: [&str; 2] = ["ida", "tim"];
/// Both hospitals have pediatricians of the same names.
const HOSPITALS: [&str; 2] = ["ClinicMSP", "HospitalMSP"];
const PEDIATRICIANS: [&str; 2] = ["dora", "emil"];

type Name = &'static str;
type Pediatrician = (Name, Name);

#[derive(Clone, Copy, Debug)]
enum Call {
    Register(Name, Name),
    Sign(Name, Name, Pediatrician),
    Withdraw(Name, Name),
    Accept(Name, Name),
    Refuse(Name, Name),
    End(Name, Name),
    Add(Pediatrician, Name),
}

// === The model ===

#[derive(Default)]
struct Model {
    parent_of: BTreeMap<Name, Name>,
    offered: BTreeMap<Name, Pediatrician>,
    admitted: BTreeMap<Name, Pediatrician>,
    /// Hospitals that were ever offered a child.
    met: BTreeSet<(Name, Name)>,
    added: BTreeMap<Name, usize>,
}

impl Model {
    /// What the call does, and its status.
    fn call(&mut self, call: Call) -> u16 {
        let owns = |parent, child| self.parent_of.get(child) == Some(&parent);
        let taken_by = |who: &BTreeMap<Name, Pediatrician>, hospital, child| {
            who.get(child).is_some_and(|(at, _)| *at == hospital)
        };
        match call {
            Call::Register(_, child) if self.parent_of.contains_key(child) => return 409,
            Call::Register(parent, child) => _ = self.parent_of.insert(child, parent),

            Call::Sign(parent, child, _) | Call::Withdraw(parent, child)
                if !owns(parent, child) =>
            {
                return 404;
            }
            Call::Sign(_, child, doctor) => {
                if self.offered.contains_key(child) || self.admitted.contains_key(child) {
                    return 409;
                }
                self.offered.insert(child, doctor);
                self.met.insert((doctor.0, child));
            }
            Call::Withdraw(_, child) => {
                if !HOSPITALS
                    .iter()
                    .any(|hospital| self.met.contains(&(hospital, child)))
                {
                    return 404;
                }
                let offered = self.offered.remove(child);
                if offered.or_else(|| self.admitted.remove(child)).is_none() {
                    return 409;
                }
            }

            Call::Accept(hospital, child)
            | Call::Refuse(hospital, child)
            | Call::End(hospital, child)
                if !self.met.contains(&(hospital, child)) =>
            {
                return 404;
            }
            Call::Accept(hospital, child) if taken_by(&self.offered, hospital, child) => {
                let doctor = self.offered.remove(child);
                self.admitted.extend(doctor.map(|doctor| (child, doctor)));
            }
            Call::Refuse(hospital, child) if taken_by(&self.offered, hospital, child) => {
                self.offered.remove(child);
            }
            Call::End(hospital, child) if taken_by(&self.admitted, hospital, child) => {
                self.admitted.remove(child);
            }
            Call::Accept(..) | Call::Refuse(..) | Call::End(..) => return 409,

            Call::Add(doctor, child) if self.admitted.get(child) == Some(&doctor) => {
                *self.added.entry(child).or_default() += 1;
            }
            Call::Add(..) => return 403,
        }
        200
    }
}

// === The rules ===

fn status<T>(answer: Result<T>) -> u16 {
    match answer.map_err(Error::from) {
        Ok(_) => 200,
        Err(Error::Invalid(_)) => 400,
        Err(Error::Forbidden(_)) => 403,
        Err(Error::NotFound(_)) => 404,
        Err(Error::Conflict(_)) => 409,
    }
}

fn call_rules(world: &mut TestWorld, call: Call) -> u16 {
    let parent = |name| caller("ParentsMSP", name, &[]);
    let staff = |hospital| caller(hospital, "clara", &[]);
    match call {
        Call::Register(who, child) => status(run(world, parent(who), |tx| {
            register_child(tx, new_child(child))
        })),
        Call::Sign(who, child, (hospital, doctor)) => {
            let new = NewAgreement {
                hospital: hospital.to_owned(),
                ..new_agreement(child, doctor)
            };
            status(run(world, parent(who), |tx| sign(tx, new)))
        }
        Call::Withdraw(who, child) => {
            status(run(world, parent(who), |tx| end_by_parent(tx, child)))
        }
        Call::Accept(hospital, child) => {
            status(run(world, staff(hospital), |tx| accept(tx, child)))
        }
        Call::Refuse(hospital, child) => status(run(world, staff(hospital), |tx| {
            refuse(tx, child, "full".to_owned())
        })),
        Call::End(hospital, child) => status(run(world, staff(hospital), |tx| {
            end_by_hospital(tx, child, "moved".to_owned())
        })),
        Call::Add((hospital, doctor), child) => {
            status(run(world, caller(hospital, doctor, &[]), |tx| {
                add_entry(tx, entry(child, visit("cough")))
            }))
        }
    }
}

/// Every pediatrician reads exactly the cards that the model admits them to, finds in them what was
/// added, and has exactly these patients.
fn check_access(world: &mut TestWorld, model: &Model) {
    for hospital in HOSPITALS {
        for doctor in PEDIATRICIANS {
            let who = caller(hospital, doctor, &[]);
            let admitted: Vec<_> = CHILDREN
                .into_iter()
                .filter(|child| model.admitted.get(child) == Some(&(hospital, doctor)))
                .collect();
            let found: Vec<_> = ok(run(world, who.clone(), |tx| patients(tx)))
                .into_iter()
                .map(|child| child.child_id)
                .collect();
            assert_eq!(found, admitted);
            for child in CHILDREN {
                let read = run(world, who.clone(), |tx| card_for_pediatrician(tx, child));
                let visits = read.ok().map(|card| card.visits.len());
                let added = model.added.get(child).copied().unwrap_or(0);
                assert_eq!(visits, admitted.contains(&child).then_some(added));
            }
        }
    }
}

fn calls() -> impl Strategy<Value = Call> {
    let parent = || select(&PARENTS[..]);
    let child = || select(&CHILDREN[..]);
    let hospital = || select(&HOSPITALS[..]);
    let doctor = || (hospital(), select(&PEDIATRICIANS[..]));
    prop_oneof![
        1 => (parent(), child()).prop_map(|(who, child)| Call::Register(who, child)),
        4 => (parent(), child(), doctor())
            .prop_map(|(who, child, doctor)| Call::Sign(who, child, doctor)),
        2 => (parent(), child()).prop_map(|(who, child)| Call::Withdraw(who, child)),
        4 => (hospital(), child()).prop_map(|(at, child)| Call::Accept(at, child)),
        2 => (hospital(), child()).prop_map(|(at, child)| Call::Refuse(at, child)),
        2 => (hospital(), child()).prop_map(|(at, child)| Call::End(at, child)),
        4 => (doctor(), child()).prop_map(|(doctor, child)| Call::Add(doctor, child)),
    ]
}

proptest! {
    #[test]
    fn access_is_what_the_model_says(calls in proptest::collection::vec(calls(), 0..40)) {
        let (mut world, mut model) = (TestWorld::new(), Model::default());
        // One child is registered from the beginning, so that most sequences come far.
        for call in [Call::Register("mia", "tim")].into_iter().chain(calls) {
            let expected = model.call(call);
            prop_assert_eq!(call_rules(&mut world, call), expected, "{:?}", call);
            check_access(&mut world, &model);
        }
    }
}
