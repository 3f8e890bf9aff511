//! Whether endorsements satisfy an endorsement policy.
//!
//! The rule is Fabric's: each endorsement may stand for one mention of a principal only. Fabric
//! hands endorsements out greedily, in text order, and never takes one back; with mentions that
//! overlap (`A.member` and `A.peer`) its verdict then depends on the order of the endorsements, and
//! one more endorsement can turn "satisfied" into "not satisfied". Here the question is whether
//! *some* way to hand them out satisfies the endorsement policy. That answer depends on the set
//! alone and is monotone: what sufficed still suffices when there is more to choose from. Whatever
//! Fabric accepts is accepted.
//!
//! Choosing is only needed among mentions that compete (`Rule::mark_contested`). The others hold
//! exactly when someone fits: in a smallest way to satisfy the endorsement policy, nobody else asks
//! for the endorsement they take.

use std::collections::{BTreeMap, BTreeSet};

use cordon_types::MspId;

use crate::endorsement::Rule;
use crate::explain::unmet_terms;
use crate::{EndorsementPolicy, PolicyRefusal, Signer, SignerRole};

impl EndorsementPolicy {
    /// Whether `signers`, in any order, satisfy this endorsement policy. Signers with the same
    /// identity key count once (the first one).
    ///
    /// Cost: proportional to mentions times signers; with competing mentions up to 2 to the power
    /// of [`crate::CONTESTED_MAX`] times more, when the answer is no and not for want of people.
    ///
    /// # Errors
    /// [`PolicyRefusal`] saying which terms lack which organisations.
    pub fn evaluate(&self, signers: &[Signer]) -> Result<(), PolicyRefusal> {
        let mut seen = BTreeSet::new();
        let people: Vec<_> = signers
            .iter()
            .filter(|signer| seen.insert(signer.identity_key))
            .map(|signer| (&signer.msp_id, signer.role))
            .collect();
        self.decide(&people)
            .map_err(|truth| unmet_terms(&self.root, &truth))
    }

    /// Whether `people`, all different, satisfy this; if not, mentions that a largest number of
    /// them can stand for.
    pub(crate) fn decide(&self, people: &[(&MspId, SignerRole)]) -> Result<(), Vec<bool>> {
        let principals = self.principals();
        let fits = |leaf: usize, person: usize| {
            let (msp_id, role) = people[person];
            principals[leaf].includes(msp_id, role)
        };
        let mut truth: Vec<bool> = (0..principals.len())
            .map(|leaf| (0..people.len()).any(|person| fits(leaf, person)))
            .collect();
        if self.contested.is_empty() {
            return if self.root.holds(&truth, &mut 0) {
                Ok(())
            } else {
                Err(truth)
            };
        }
        // A mention that as many people fit as there are competitors finds one whatever the others
        // take, so nobody beyond those needs to be looked at.
        let candidates = self
            .contested
            .iter()
            .map(|&leaf| {
                let fitting = (0..people.len()).filter(|&person| fits(leaf, person));
                fitting.take(self.contested.len()).collect()
            })
            .collect();
        let mut matching = Matching {
            candidates,
            taken: BTreeMap::new(),
        };
        for (index, &leaf) in self.contested.iter().enumerate() {
            truth[leaf] = matching.place(index);
        }
        if self.root.holds(&truth, &mut 0) {
            return Ok(());
        }
        // That was one largest choice of mentions; another one may be the right one.
        matching.taken.clear();
        let mut search = Search {
            policy: self,
            matching,
            truth: truth.clone(),
        };
        if search.run(0) { Ok(()) } else { Err(truth) }
    }
}

/// People given to competing mentions, one each.
struct Matching {
    /// Per competing mention, who fits.
    candidates: Vec<Vec<usize>>,
    /// Person → mention.
    taken: BTreeMap<usize, usize>,
}

impl Matching {
    /// Finds somebody for `mention`, moving others if need be; those placed stay placed.
    fn place(&mut self, mention: usize) -> bool {
        self.place_avoiding(mention, &mut BTreeSet::new())
    }

    fn place_avoiding(&mut self, mention: usize, asked: &mut BTreeSet<usize>) -> bool {
        for index in 0..self.candidates[mention].len() {
            let person = self.candidates[mention][index];
            if !asked.insert(person) {
                continue;
            }
            let free = match self.taken.get(&person).copied() {
                None => true,
                Some(holder) => self.place_avoiding(holder, asked),
            };
            if free {
                self.taken.insert(person, mention);
                return true;
            }
        }
        false
    }
}

/// Tries every choice of competing mentions that people can be found for.
struct Search<'a> {
    policy: &'a EndorsementPolicy,
    matching: Matching,
    truth: Vec<bool>,
}

impl Search<'_> {
    /// Whether the first `decided` competing mentions, as chosen, can be completed to a choice that
    /// satisfies the endorsement policy.
    fn run(&mut self, decided: usize) -> bool {
        let Self {
            policy,
            matching,
            truth,
        } = self;
        let root: &Rule = &policy.root;
        for (index, &leaf) in policy.contested.iter().enumerate().skip(decided) {
            // At best everyone whom anybody fits gets somebody.
            truth[leaf] = !matching.candidates[index].is_empty();
        }
        if !root.holds(truth, &mut 0) {
            return false;
        }
        let Some(&leaf) = policy.contested.get(decided) else {
            return true;
        };
        let before = matching.taken.clone();
        if matching.place(decided) {
            truth[leaf] = true;
            if self.run(decided + 1) {
                return true;
            }
            self.matching.taken = before;
        }
        self.truth[leaf] = false;
        self.run(decided + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{any_policy, any_signers, model_satisfied, signer};
    use proptest::prelude::*;

    fn decide(policy: &str, signers: &[Signer]) -> Result<(), String> {
        EndorsementPolicy::parse(policy)
            .unwrap()
            .evaluate(signers)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn roles_are_told_apart_and_member_is_anyone() {
        use SignerRole::{Admin, Client, Orderer, Peer};
        for (role, name) in [
            (Admin, "admin"),
            (Client, "client"),
            (Peer, "peer"),
            (Orderer, "orderer"),
        ] {
            let signers = [signer(1, "A", role)];
            for asked in ["admin", "client", "peer", "orderer", "member"] {
                let satisfied = decide(&format!("OR('A.{asked}')"), &signers).is_ok();
                assert_eq!(
                    satisfied,
                    asked == name || asked == "member",
                    "{asked} {name}"
                );
            }
            assert!(decide("OR('B.member')", &signers).is_err());
        }
    }

    #[test]
    fn an_endorsement_counts_for_one_mention_and_an_endorser_once() {
        let twice = "AND('A.peer','A.peer')";
        let one = signer(1, "A", SignerRole::Peer);
        assert!(decide(twice, &[one.clone(), one.clone()]).is_err());
        assert!(decide(twice, &[one, signer(2, "A", SignerRole::Peer)]).is_ok());
    }

    /// Fabric's greedy hand-out gives the peer to `A.member` and then refuses.
    #[test]
    fn the_order_of_overlapping_terms_does_not_matter() {
        let peer = signer(1, "A", SignerRole::Peer);
        let client = signer(2, "A", SignerRole::Client);
        for policy in ["AND('A.member','A.peer')", "AND('A.peer','A.member')"] {
            assert!(decide(policy, &[peer.clone(), client.clone()]).is_ok());
            assert!(decide(policy, &[client.clone(), peer.clone()]).is_ok());
            assert!(decide(policy, std::slice::from_ref(&peer)).is_err());
        }
    }

    #[test]
    fn zero_is_always_satisfied_and_one_too_many_never() {
        assert!(decide("OutOf(0,'A.peer')", &[]).is_ok());
        let refusal = decide("OutOf(2,'A.peer')", &[signer(1, "A", SignerRole::Peer)]);
        assert_eq!(
            refusal.unwrap_err(),
            "endorsements are missing: OutOf(2, 'A.peer') has 1 of 2 and can never be satisfied"
        );
    }

    #[test]
    fn a_refusal_names_the_term_and_the_organisation() {
        let policy = "AND('A.peer', OR('B.peer','C.peer'), OR('D.peer','E.peer'))";
        let signers = [signer(1, "B", SignerRole::Peer)];
        let parsed = EndorsementPolicy::parse(policy).unwrap();
        let refusal = parsed.evaluate(&signers).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "endorsements are missing: AND('A.peer', OR('B.peer', 'C.peer'), OR('D.peer', \
             'E.peer')) has 1 of 3, lacks A.peer; OR('D.peer', 'E.peer') has 0 of 1, lacks \
             D.peer, E.peer"
        );
        assert_eq!(refusal.terms[0].lacks[0].msp_id.as_str(), "A");
    }

    /// The costliest shape: all competing mentions, one too few people.
    #[test]
    fn the_worst_case_stays_bounded() {
        let pairs: Vec<String> = (0..8)
            .map(|i| format!("'O{i}.member','O{i}.peer'"))
            .collect();
        let policy = format!("OutOf(9,{})", pairs.join(","));
        let signers: Vec<_> = (0..8)
            .map(|i| signer(i, &format!("O{i}"), SignerRole::Peer))
            .collect();
        assert!(decide(&policy, &signers).is_err());
        let more = [signers, vec![signer(9, "O3", SignerRole::Admin)]].concat();
        assert!(decide(&policy, &more).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn the_verdict_is_the_models(policy in any_policy(), signers in any_signers()) {
            let verdict = policy.evaluate(&signers);
            prop_assert_eq!(verdict.is_ok(), model_satisfied(&policy, &signers));
            if let Err(refusal) = verdict {
                prop_assert!(!refusal.terms.is_empty());
            }
        }

        #[test]
        fn more_endorsements_never_turn_satisfied_into_not(
            policy in any_policy(),
            signers in any_signers(),
            keep in any::<u8>(),
            turn in 0..6usize,
        ) {
            let kept = (0..signers.len()).filter(|i| keep >> i & 1 == 1);
            let mut fewer: Vec<_> = kept.map(|i| signers[i].clone()).collect();
            let before = policy.evaluate(&fewer);
            prop_assert!(before.is_err() || policy.evaluate(&signers).is_ok());
            if !fewer.is_empty() {
                let turn = turn % fewer.len();
                fewer.rotate_left(turn);
                prop_assert_eq!(before.is_ok(), policy.evaluate(&fewer).is_ok());
            }
        }
    }
}
