//! Generators and the model that the properties are held against.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::endorsement::Rule;
use crate::{EndorsementPolicy, Principal, Role, Signer, SignerRole};

pub(crate) fn signer(key: u8, msp_id: &str, role: SignerRole) -> Signer {
    Signer {
        identity_key: [key; 32],
        msp_id: msp_id.parse().unwrap(),
        role,
    }
}

/// Few organisations, so that principals overlap; at most 12 mentions.
pub(crate) fn any_policy() -> impl Strategy<Value = EndorsementPolicy> {
    let principal =
        ("[ABC]", proptest::sample::select(&Role::ALL[..])).prop_map(|(msp_id, role)| {
            Rule::SignedBy(Principal {
                msp_id: msp_id.parse().unwrap(),
                role,
            })
        });
    let rule = principal.prop_recursive(3, 12, 4, gate);
    gate(rule.boxed())
        .prop_map(EndorsementPolicy::new)
        .prop_filter_map("within limits", Result::ok)
}

fn gate(rule: BoxedStrategy<Rule>) -> impl Strategy<Value = Rule> {
    (
        proptest::collection::vec(rule, 1..4),
        any::<proptest::sample::Index>(),
    )
        .prop_map(|(rules, n)| Rule::OutOf {
            n: u16::try_from(n.index(rules.len() + 2)).unwrap(),
            rules,
        })
}

/// Up to 6 signers, some with the same key.
pub(crate) fn any_signers() -> impl Strategy<Value = Vec<Signer>> {
    use SignerRole::{Admin, Client, Orderer, Peer};
    let role = proptest::sample::select(vec![Admin, Client, Peer, Peer, Orderer]);
    let one = (0..6u8, "[ABC]", role).prop_map(|(key, msp_id, role)| signer(key, &msp_id, role));
    // A key is one identity, which has one organisation and one role.
    proptest::collection::vec(one, 0..7).prop_map(|mut signers| {
        for i in 0..signers.len() {
            let first = signers
                .iter()
                .position(|s| s.identity_key == signers[i].identity_key);
            signers[i] = signers[first.unwrap_or(i)].clone();
        }
        signers
    })
}

/// The definition, by trying everything: some way to give each signer away at most once.
pub(crate) fn model_satisfied(policy: &EndorsementPolicy, signers: &[Signer]) -> bool {
    let people: BTreeSet<Signer> = signers.iter().cloned().collect();
    !left_over(&policy.root, people).is_empty()
}

/// Every set of signers that can be left after `rule` took what it needs.
fn left_over(rule: &Rule, people: BTreeSet<Signer>) -> BTreeSet<BTreeSet<Signer>> {
    match rule {
        Rule::SignedBy(principal) => {
            let fitting = people
                .iter()
                .filter(|s| principal.includes(&s.msp_id, s.role));
            fitting
                .map(|s| people.iter().filter(|o| *o != s).cloned().collect())
                .collect()
        }
        Rule::OutOf { n, rules } => {
            let mut ways = BTreeSet::from([(0, people)]);
            for rule in rules {
                for (satisfied, people) in ways.clone() {
                    let rest = left_over(rule, people).into_iter();
                    ways.extend(rest.map(|people| (satisfied + 1, people)));
                }
            }
            ways.into_iter()
                .filter(|(satisfied, _)| satisfied >= n)
                .map(|(_, left)| left)
                .collect()
        }
    }
}
