//! Components around generated code: whatever a contract may compute, every engine computes the same.

mod component;
mod module;

use cordon_execute::{Compiler, Profile};

use crate::engines::{Everywhere, Proposal, caller};
use crate::random::{Random, Tally, seeds};
use crate::world::State;

/// The component of a seed.
pub(crate) fn component(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let shape = component::Shape::new(&mut random);
    let module = module::generate(&shape.text(), &mut random);
    shape.component(&module, &mut random)
}

/// Generated code mostly does little or never ends: what ends does so within this.
pub(crate) fn limits(profile: &mut Profile) {
    profile.fuel_max = 1_500_000;
}

/// Calls of such a component, on a state that has what it may ask for.
pub(crate) fn proposals(seed: u64) -> Vec<Proposal> {
    let mut random = Random::new(!seed);
    let long = random.bytes(300);
    let state = State::with(&[
        ("c", "k0", b""),
        ("c", "k1", b"one"),
        ("c", "k2", &long),
        ("c", "k1", b"more"),
        ("other", "k3", b"not seen"),
        ("c", "k5", &f64::NAN.to_le_bytes()),
    ]);
    (0..3)
        .map(|_| {
            let a = match random.below(3) {
                0 => *random.choose(&[0, 1, 0x7fc0_0000, 0x7fa0_0001, 0xff80_0000, u32::MAX]),
                1 => random.number() as u32,
                _ => random.number() as u32 & 0xfff,
            };
            let known = ["\"NaN\"", "\"-Infinity\"", "-0.0", "5e-324", "1.5", "1e308"];
            let b = match random.below(2) {
                0 => (*random.choose(&known)).to_owned(),
                _ => format!("{:e}", random.number() as f64 / 1e9),
            };
            let len = random.below(40);
            let s: String = (0..len)
                .map(|_| *random.choose(&['k', '0', 'ä', '𝄞']))
                .collect();
            let mut proposal = Proposal::new(&["Run", &a.to_string(), &b, &s]);
            proposal.caller = caller("HospitalMSP", "hc1", &[("k0", ""), ("k1", "value")]);
            let transient = random.bytes(20).into();
            proposal.transient.insert("k2".to_owned(), transient);
            proposal.states.insert("here".to_owned(), state.clone());
            proposal
        })
        .collect()
}

#[test]
fn generated_code_gives_the_same_on_every_engine() {
    let mut engines = Tally::default();
    let mut kinds = Tally::default();
    let mut host_calls = Tally::default();
    let mut refused = Tally::default();
    for seed in seeds(include_str!("seeds/generated.txt"), 1) {
        let component = component(seed);
        let everywhere = match Everywhere::link(limits, &[("here", "c", &component)]) {
            Ok(everywhere) => everywhere,
            Err(error) => {
                refused.count(error);
                continue;
            }
        };
        for (index, proposal) in proposals(seed).iter().enumerate() {
            let what = format!("generated component, seed {seed}, call {index}");
            let seen = everywhere.see(proposal, &mut engines, &what);
            for call in &seen.host_calls {
                host_calls.count(&call.function);
            }
            kinds.count(seen.kind());
        }
    }
    println!(
        "calls of generated code:{engines}\noutcomes:{kinds}\nhost calls:{host_calls}\nrefused:{refused}"
    );
    // What traps at once compares nothing but a fault.
    let (all, ok) = (kinds.total(), kinds.of("ok"));
    assert!(ok * 100 > all * 40, "{ok} of {all} calls gave an answer");
    let compared = engines.of(&format!("{:?}", Compiler::Pulley));
    assert!(
        compared * 100 > all * 95,
        "{compared} of {all} calls compared"
    );
    assert_eq!(refused.total(), 0);
}

/// Else a kept seed would mean something else elsewhere.
#[test]
fn a_seed_means_one_component() {
    for seed in 0..10 {
        assert!(component(seed) == component(seed), "{seed}");
    }
}
