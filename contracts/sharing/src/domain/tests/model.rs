//! Any calls by anybody, against a model that keeps stories instead of states.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const ORGANIZATIONS: [&str; 3] = ["HospitalMSP", "ClinicMSP", "LabMSP"];
const PATIENTS: [&str; 2] = ["alice", "bob"];

/// Something that somebody does. Organisations and patients by their indexes; the first is the caller's
/// organisation, the second the other one, which may be the same.
#[derive(Clone, Debug)]
enum Step {
    /// A physician of the organisation adds a note to the patient's record.
    Note(usize, usize),
    Request(usize, usize, usize),
    Authorize(usize, usize, usize),
    Approve(usize, usize, usize, Option<u32>),
    RemoveByOwner(usize, usize, usize),
    RemoveByPatient(usize, usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Most steps are between the same three, so that sharings get far.
    let parties = || {
        let own = prop_oneof![6 => Just(0usize), 1 => 0..3usize];
        let other = prop_oneof![6 => 1..3usize, 1 => 0..3usize];
        (own, other, 0..2usize)
    };
    let version = prop_oneof![Just(None), (0..5u32).prop_map(Some)];
    let step = prop_oneof![
        2 => (0..3usize, 0..2usize).prop_map(|(own, patient)| Step::Note(own, patient)),
        // Physicians ask from the other side.
        2 => parties().prop_map(|(own, other, patient)| Step::Request(other, own, patient)),
        3 => parties().prop_map(|(own, other, patient)| Step::Authorize(own, other, patient)),
        3 => (parties(), version)
            .prop_map(|((own, other, patient), version)| Step::Approve(own, other, patient, version)),
        1 => parties().prop_map(|(own, other, patient)| Step::RemoveByOwner(own, other, patient)),
        1 => parties().prop_map(|(own, other, patient)| Step::RemoveByPatient(own, other, patient)),
    ];
    proptest::collection::vec(step, 0..60)
}

/// What happened between an owner, a patient and a receiver since the last withdrawal.
#[derive(Clone, Default)]
struct Story {
    /// Versions ever authorised, withdrawn ones too.
    numbers: u32,
    asked: bool,
    /// Everything that the owner authorised, with its number.
    offers: Vec<(u32, Emr)>,
    /// The number that the patient approved last.
    word: Option<u32>,
}

/// Owner, patient, receiver.
type Names = (usize, usize, usize);

impl Story {
    fn last(&self) -> Option<u32> {
        self.offers.last().map(|(number, _)| *number)
    }

    /// Status of a step, 200 when it is done.
    fn tell(&mut self, (owner, _, receiver): Names, step: &Step, now: &Emr) -> u16 {
        let own = owner == receiver;
        match step {
            Step::Request(..) | Step::Authorize(..) if own => return 400,
            Step::Request(..) if self.asked => return 409,
            Step::Approve(..) if self.offers.is_empty() => return 404,
            Step::Approve(.., version)
                if self.word == self.last() || version.is_some() && *version != self.last() =>
            {
                return 409;
            }
            Step::RemoveByOwner(..) | Step::RemoveByPatient(..)
                if !self.asked && self.offers.is_empty() =>
            {
                return 404;
            }
            Step::Note(..) => {}
            Step::Request(..) => self.asked = true,
            Step::Authorize(..) => {
                self.asked = false;
                self.numbers += 1;
                self.offers.push((self.numbers, now.clone()));
            }
            Step::Approve(..) => self.word = self.last(),
            Step::RemoveByOwner(..) | Step::RemoveByPatient(..) => {
                *self = Self {
                    numbers: self.numbers,
                    ..Self::default()
                };
            }
        }
        200
    }

    fn read(&self) -> std::result::Result<&Emr, u16> {
        let offer = self
            .offers
            .iter()
            .find(|(number, _)| Some(*number) == self.word);
        match offer {
            Some((_, emr)) => Ok(emr),
            None if self.offers.is_empty() => Err(404),
            None => Err(403),
        }
    }

    /// Keys of copies: the version that is read, and the one authorised last.
    fn copied(&self) -> usize {
        let kept = self
            .offers
            .iter()
            .filter(|(number, _)| Some(*number) == self.word || Some(*number) == self.last());
        kept.map(|(_, emr)| 1 + emr.notes.len()).sum()
    }
}

fn status<T>(answer: &Result<T>) -> u16 {
    match answer.as_ref().map_err(|error| Error::from(error.clone())) {
        Ok(_) => 200,
        Err(Error::Invalid(_)) => 400,
        Err(Error::Forbidden(_)) => 403,
        Err(Error::NotFound(_)) => 404,
        Err(Error::Conflict(_)) => 409,
    }
}

/// Who keeps, whose it is, and who reads.
fn names(step: &Step) -> Names {
    match *step {
        Step::Note(owner, patient) => (owner, patient, owner),
        Step::Request(receiver, owner, patient)
        | Step::Authorize(owner, receiver, patient)
        | Step::Approve(owner, receiver, patient, _)
        | Step::RemoveByOwner(owner, receiver, patient)
        | Step::RemoveByPatient(owner, receiver, patient) => (owner, patient, receiver),
    }
}

/// Makes the call of a step by the rules, and says its status.
fn call(world: &mut TestWorld, records: &[Stub; 3], step: &Step) -> u16 {
    let (owner, patient, receiver) = names(step);
    let (owner_org, patient_id, receiver_org) = (
        ORGANIZATIONS[owner],
        PATIENTS[patient],
        ORGANIZATIONS[receiver],
    );
    let clerk = || caller(owner_org, "clara", &[]);
    let patient = || caller(owner_org, patient_id, &[]);
    match step {
        Step::Note(..) => 200,
        Step::Request(..) => {
            let physician = caller(receiver_org, "paula", &[]);
            status(&run(world, physician, |tx| {
                request_emr(tx, owner_org, patient_id)
            }))
        }
        Step::Authorize(..) => {
            let emr_id = format!("emr of {patient_id}");
            status(&run(world, clerk(), |tx| {
                authorize_emr_reading(tx, &records[owner], receiver_org, &emr_id)
            }))
        }
        Step::Approve(.., version) => status(&run(world, patient(), |tx| {
            approve_emr_sharing(tx, receiver_org, *version)
        })),
        Step::RemoveByOwner(..) => status(&run(world, clerk(), |tx| {
            remove_by_owner(tx, receiver_org, patient_id)
        })),
        Step::RemoveByPatient(..) => status(&run(world, patient(), |tx| {
            remove_by_patient(tx, receiver_org)
        })),
    }
}

/// Whether owner and patient agree now, said by what was done alone: after the last withdrawal the
/// owner authorised, and the patient approved after that.
fn both_agree(done: &[Step], parties: Names) -> bool {
    let about = done.iter().filter(|step| names(step) == parties);
    let since: Vec<_> = about
        .rev()
        .take_while(|step| !matches!(step, Step::RemoveByOwner(..) | Step::RemoveByPatient(..)))
        .collect();
    let approved = since
        .iter()
        .position(|step| matches!(step, Step::Approve(..)));
    let authorized = since
        .iter()
        .rposition(|step| matches!(step, Step::Authorize(..)));
    approved
        .zip(authorized)
        .is_some_and(|(approved, authorized)| authorized > approved)
}

proptest! {
    /// Goal: readers get what both agreed upon, nothing else and not longer. Method: any calls by any
    /// organisations, each answered by rules and model, and everything readable compared after each.
    #[test]
    fn what_is_read_is_what_both_agreed_upon(steps in steps()) {
        let mut world = TestWorld::new();
        let mut records = ORGANIZATIONS.map(|owner| Stub(PATIENTS.map(|id| emr(owner, id, 0)).into()));
        let mut stories: BTreeMap<Names, Story> = BTreeMap::new();
        let mut done = Vec::new();
        for step in steps {
            let parties = names(&step);
            let answered = call(&mut world, &records, &step);
            if let Step::Note(owner, patient) = step {
                let notes = &mut records[owner].0[patient].notes;
                notes.push(note(PATIENTS[patient], u32::try_from(notes.len()).unwrap()));
            } else {
                let now = &records[parties.0].0[parties.1];
                let told = stories.entry(parties).or_default().tell(parties, &step, now);
                prop_assert_eq!(answered, told, "{:?}", step);
            }
            if answered == 200 {
                done.push(step);
            }
            for (owner, patient, receiver) in every_parties() {
                let story = stories.entry((owner, patient, receiver)).or_default();
                let (owner_org, patient_id) = (ORGANIZATIONS[owner], PATIENTS[patient]);
                let reader = caller(ORGANIZATIONS[receiver], "paula", &[]);
                let read = run(&mut world, reader, |tx| shared_emr(tx, owner_org, patient_id));
                prop_assert_eq!(read.is_ok(), both_agree(&done, (owner, patient, receiver)));
                match (&read, story.read()) {
                    (Ok(shared), Ok(emr)) => prop_assert!(shared.emr == *emr),
                    (_, told) => prop_assert_eq!(status(&read), told.err().unwrap_or(200)),
                }
                let own = caller(owner_org, patient_id, &[]);
                let seen = run(&mut world, own, |tx| own_sharings(tx)).ok().unwrap();
                let seen = seen.iter().find(|one| one.receiver_org == ORGANIZATIONS[receiver]);
                let version = |shared: &Approved| shared.version.number;
                prop_assert_eq!(seen.is_some_and(|one| one.request.is_some()), story.asked);
                prop_assert_eq!(seen.and_then(|one| one.readable.as_ref().map(version)), story.word);
                let waiting = story.last().filter(|last| Some(*last) != story.word);
                prop_assert_eq!(seen.and_then(|one| one.waiting.as_ref()).map(|one| one.number), waiting);
            }
            for (owner, organization) in ORGANIZATIONS.into_iter().enumerate() {
                let clerk = caller(organization, "clara", &[]);
                let open = run(&mut world, clerk, |tx| requests_to_owner(tx)).ok().unwrap();
                let asked = stories.iter().filter(|((of, ..), story)| *of == owner && story.asked);
                prop_assert_eq!(open.len(), asked.count());
            }
            prop_assert_eq!(copied(&world), stories.values().map(Story::copied).sum::<usize>());
        }
    }
}

fn every_parties() -> impl Iterator<Item = Names> {
    (0..3).flat_map(|owner| {
        (0..2).flat_map(move |patient| (0..3).map(move |receiver| (owner, patient, receiver)))
    })
}
