//! This repository's contracts, which call and ask each other, on states that grew of such calls. They
//! must be built (`make contracts`).

mod arguments;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use cordon_execute::{Compiler, Profile};
use cordon_types::TxId;

use crate::engines::{Channels, Everywhere, Proposal, caller, link, runtime};
use crate::random::{Random, Tally, seeds};
use crate::seen::Seen;
use crate::world::State;
use arguments::{Ids, text, value};

/// Channel and contract.
const CONTRACTS: [(&str, &str); 4] = [
    ("providers", "emr"),
    ("providers", "sharing"),
    ("cards", "cards"),
    ("reports", "reports"),
];

/// Name, organisation, role. The registrar works at a school of that name.
const PEOPLE: [(&str, &str, &str); 12] = [
    ("hc1", "HospitalMSP", "healthcenter"),
    ("py1", "HospitalMSP", "physician"),
    ("pa1", "HospitalMSP", "patient"),
    ("pa3", "HospitalMSP", "patient"),
    ("pd1", "HospitalMSP", "pediatrician"),
    ("hc2", "ClinicMSP", "healthcenter"),
    ("py2", "ClinicMSP", "physician"),
    ("pa2", "ClinicMSP", "patient"),
    ("parent1", "ParentsMSP", "parent"),
    ("parent2", "ParentsMSP", "parent"),
    ("registrar1", "SchoolMSP", "registrar"),
    ("", "SchoolMSP", ""),
];

/// Who calls what, in an order in which most of it is accepted.
const STORY: [(&str, &str, &str); 40] = [
    ("emr", "hc1", "HealthCenter:CreateEmr"),
    ("emr", "hc1", "HealthCenter:CheckIsPatientRegistered"),
    ("emr", "py1", "Physician:AddEmrNote"),
    ("emr", "py1", "Physician:AddEmrNote"),
    ("emr", "py1", "Physician:GetEmrByPatientId"),
    ("emr", "pa1", "Patient:GetMedicalVisitsCount"),
    ("emr", "pa1", "Patient:GetOwnEmr"),
    ("sharing", "py2", "Physician:RequestEmr"),
    ("sharing", "hc1", "HealthCenter:GetEmrRequests"),
    ("sharing", "hc1", "HealthCenter:AuthorizeEmrReading"),
    ("sharing", "pa1", "Patient:GetSharings"),
    ("sharing", "pa1", "Patient:ApproveEmrSharing"),
    ("sharing", "py2", "Physician:GetSharedEmr"),
    ("emr", "hc2", "HealthCenter:CreateEmr"),
    ("cards", "parent1", "Parent:RegisterChild"),
    ("cards", "parent1", "Parent:SignAgreement"),
    ("cards", "hc1", "HealthCenter:GetAgreements"),
    ("cards", "hc1", "HealthCenter:AcceptAgreement"),
    ("cards", "pd1", "Pediatrician:AddGrowth"),
    ("cards", "pd1", "Pediatrician:AddGrowth"),
    ("cards", "pd1", "Pediatrician:AddVaccination"),
    ("cards", "pd1", "Pediatrician:AddAllergy"),
    ("cards", "pd1", "Pediatrician:AddCondition"),
    ("cards", "pd1", "Pediatrician:AddVisit"),
    ("cards", "pd1", "Pediatrician:AddAssessment"),
    ("cards", "pd1", "Pediatrician:GetCard"),
    ("cards", "parent1", "Parent:GetCard"),
    ("cards", "parent1", "Parent:GetCardHistory"),
    ("cards", "parent1", "Forms:GetReportForm"),
    ("reports", "parent1", "Parent:ApplyForPlace"),
    ("reports", "registrar1", "Registrar:GetApplications"),
    ("reports", "registrar1", "Registrar:AcceptApplication"),
    ("reports", "registrar1", "Registrar:RequestReport"),
    ("reports", "pd1", "Pediatrician:GetReportRequests"),
    ("reports", "pd1", "Pediatrician:CreateReport"),
    ("reports", "parent1", "Parent:ApproveReport"),
    ("reports", "parent1", "Parent:GetApplications"),
    ("reports", "registrar1", "Registrar:GetReport"),
    ("cards", "parent1", "Parent:EndAgreement"),
    ("sharing", "pa1", "Patient:RemoveEmrSharing"),
];

fn components() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/contracts");
    CONTRACTS
        .iter()
        .map(|(channel, name)| {
            let bytes = std::fs::read(root.join(format!("{name}.wasm")));
            let bytes = bytes.expect("build the contracts first: make contracts");
            (*channel, *name, bytes)
        })
        .collect()
}

/// A caller, sometimes with attributes that are not his.
fn person(name: &str, odd: bool, random: &mut Random) -> std::sync::Arc<cordon_types::Caller> {
    let (name, msp_id, role) = PEOPLE
        .into_iter()
        .find(|(known, ..)| *known == name)
        .unwrap();
    let role = if odd && random.once_in(50) {
        "other"
    } else {
        role
    };
    let mut attributes = vec![("userRole", role), ("hf.EnrollmentID", name)];
    if role == "registrar" {
        attributes.push(("school", "northside"));
    }
    caller(msp_id, name, &attributes)
}

/// A sequence of calls, each on the state that those before it left.
struct Sequence {
    random: Random,
    ids: Ids,
    states: BTreeMap<String, State>,
    seconds: i64,
}

impl Sequence {
    fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            ids: Ids::default(),
            states: BTreeMap::new(),
            seconds: 1_700_000_000,
        }
    }

    fn proposal(
        &mut self,
        channels: &Channels,
        contract: &str,
        who: &str,
        function: &str,
    ) -> Proposal {
        let channel = CONTRACTS
            .iter()
            .find(|(_, name)| *name == contract)
            .unwrap()
            .0;
        let id = contract.parse().unwrap();
        let found = channels[channel][&id].function(function).unwrap();
        let random = &mut self.random;
        let mut args = vec![function.to_owned()];
        for (name, shape) in &found.parameters {
            let name = camel_case(name);
            args.push(text(&value(&name, shape, &self.ids, random)));
        }
        match random.below(60) {
            _ if !self.ids.odd => {}
            0 => args.push("{".to_owned()),
            1 => drop(args.pop()),
            2 => args[0] += "s",
            3 => args.iter_mut().for_each(|arg| arg.push('"')),
            _ => {}
        }
        self.seconds += i64::try_from(random.below(4_000)).unwrap() - 100;
        let nanos = *random.choose(&[0, 1, 999_999_999]);
        let mut tx_id = [0; 32];
        tx_id.copy_from_slice(&random.bytes(32));
        let mut proposal = Proposal::new(&args.iter().map(String::as_str).collect::<Vec<_>>());
        channel.clone_into(&mut proposal.channel);
        contract.clone_into(&mut proposal.contract);
        proposal.tx_id = TxId::from_bytes(tx_id);
        proposal.timestamp = (self.seconds, nanos);
        proposal.caller = person(who, self.ids.odd, random);
        proposal.admitted = !self.ids.odd || !random.once_in(25);
        if random.once_in(10) {
            let value: Bytes = random.bytes(10).into();
            proposal.transient.insert("salt".to_owned(), value);
        }
        proposal.states = self.states.clone();
        proposal
    }

    /// A step of the story, or any other call.
    fn next(&mut self, channels: &Channels, step: Option<(&str, &str, &str)>) -> Proposal {
        if let Some((contract, who, function)) = step {
            return self.proposal(channels, contract, who, function);
        }
        let (channel, contract) = *self.random.choose(&CONTRACTS);
        let id = contract.parse().unwrap();
        let function = self.random.choose(channels[channel][&id].functions());
        let function = function.name.clone();
        let who = self.random.choose(&PEOPLE).0;
        self.proposal(channels, contract, who, &function)
    }

    fn commit(&mut self, proposal: &Proposal, seen: &Seen) {
        if seen.status != 200 {
            return;
        }
        if let Ok(answer) = serde_json::from_slice(&seen.payload) {
            self.ids.learn(&answer);
        }
        commit(&mut self.states, proposal, seen);
    }
}

fn commit(states: &mut BTreeMap<String, State>, proposal: &Proposal, seen: &Seen) {
    let state = states.entry(proposal.channel.clone()).or_default();
    state.commit(
        state.next(),
        proposal.tx_id,
        proposal.timestamp.0,
        &seen.rw_set,
    );
}

fn camel_case(wit: &str) -> String {
    let mut words = wit.split('-');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        name += &word[..1].to_uppercase();
        name += &word[1..];
    }
    name
}

/// Less fuel than many calls use.
fn starved(profile: &mut Profile) {
    profile.fuel_max = 30_000;
}

#[test]
fn the_towns_contracts_give_the_same_on_every_engine() {
    let built = components();
    let components: Vec<_> = built.iter().map(|(a, b, c)| (*a, *b, &c[..])).collect();
    let everywhere = Everywhere::link(|_| (), &components).unwrap();
    let starving = Everywhere::link(starved, &components).unwrap();
    let channels = everywhere.on(Compiler::Cranelift);
    let mut engines = Tally::default();
    let mut kinds = Tally::default();
    let mut functions = Tally::default();
    let mut history = Vec::new();
    for seed in seeds(include_str!("seeds/own.txt"), 15) {
        let mut sequence = Sequence::new(seed);
        history.clear();
        let calm = STORY.map(Some);
        let odd = STORY.iter().flat_map(|step| [Some(*step), None]);
        for (index, step) in calm.into_iter().chain(odd).enumerate() {
            sequence.ids.odd = index >= STORY.len();
            let proposal = sequence.next(channels, step);
            let name = proposal
                .args
                .first()
                .map(|name| String::from_utf8_lossy(name));
            let name = name.unwrap_or_default().into_owned();
            let what = format!("own contracts, seed {seed}, call {index}, {name}");
            let seen = everywhere.see(&proposal, &mut engines, &what);
            kinds.count(format!("{} {}", proposal.contract, seen.status));
            if seen.status == 200 {
                functions.count(format!("{} {name}", proposal.contract));
            }
            if sequence.random.once_in(8) {
                let starved = starving.see(&proposal, &mut engines, &what);
                kinds.count(format!("starved: {}", starved.kind()));
            }
            sequence.commit(&proposal, &seen);
            history.push((proposal, seen));
        }
    }
    println!("calls of own contracts:{engines}\noutcomes:{kinds}\nanswered:{functions}");
    for step in STORY {
        let (contract, _, function) = step;
        let name = format!("{contract} {function}");
        assert!(functions.of(&name) > 0, "{name} was never answered");
    }
    assert!(kinds.of("starved: out of fuel") > 0);
    replay(&history, &components);
}

/// The calls once more, in an engine that has run nothing else, on a state made of what they wrote.
fn replay(history: &[(Proposal, Seen)], components: &[(&str, &str, &[u8])]) {
    let engine = runtime(Compiler::Cranelift);
    let channels = link(&engine, |_| (), components).unwrap();
    let mut states = BTreeMap::new();
    for (proposal, seen) in history {
        let mut again = proposal.clone();
        again.states = states.clone();
        let found = again.run(&channels);
        assert!(found == *seen, "replayed: {seen:?}{found:?}");
        if seen.status == 200 {
            commit(&mut states, proposal, seen);
        }
    }
    println!("{} calls replayed", history.len());
}
