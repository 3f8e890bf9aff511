//! Whom to ask for endorsements.

use cordon_types::MspId;

use crate::endorsement::Rule;
use crate::limits::{PLAN_WORK_MAX, PLANS_MAX};
use crate::{EndorsementPolicy, Principal, SignerRole};

impl EndorsementPolicy {
    /// Sets of organisations whose hosts' endorsements satisfy this endorsement policy, none of
    /// them larger than it must be: smallest first, and among equals those that use earlier entries
    /// of `available` first. Put the local organisation first to prefer it.
    ///
    /// `available` has one entry per host that can be asked, so an organisation with two hosts
    /// stands in it twice; a set names an organisation twice when it takes two of its hosts. Each
    /// set is in the order of `available`. Empty when nothing satisfies; a single empty set when
    /// nothing is needed. At most [`PLANS_MAX`] sets: an endorsement policy with very many ways has
    /// some of them left out.
    pub fn minimal_sets(&self, available: &[MspId]) -> Vec<Vec<MspId>> {
        let principals = self.principals();
        let hosts: Vec<&MspId> = available
            .iter()
            .filter(|msp_id| {
                principals
                    .iter()
                    .any(|p| p.includes(msp_id, SignerRole::Peer))
            })
            .collect();
        let mut planner = Planner {
            policy: self,
            principals,
            hosts,
            size: 0,
            chosen: Vec::new(),
            work: 0,
            found: Vec::new(),
        };
        // An endorsement stands for one mention, so a set is as large as the mentions it satisfies.
        let Some(least) = planner.least_more(0) else {
            return Vec::new();
        };
        let most = most_mentions(&self.root).min(planner.hosts.len());
        for size in least..=most {
            planner.size = size;
            planner.search(0);
        }
        let to_set = |set: &Vec<usize>| set.iter().map(|&i| planner.hosts[i].clone()).collect();
        planner.found.iter().map(to_set).collect()
    }
}

/// The smallest set of organisations whose hosts satisfy every one of `policies`, in the order of
/// `available`: a host endorses a transaction once, for all of them. Of equally small ones, the one
/// that uses earlier entries. `None` when nothing satisfies all, or, for very contested endorsement
/// policies, when none of the [`PLANS_MAX`] smallest ways of one fits the others.
pub fn smallest_set(policies: &[&EndorsementPolicy], available: &[MspId]) -> Option<Vec<MspId>> {
    let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
    for (index, policy) in policies.iter().enumerate() {
        if policies[..index].contains(policy) {
            continue;
        }
        let ways = policy.minimal_sets(available);
        let ways: Vec<_> = ways.iter().map(|way| places(way, available)).collect();
        sets = sets
            .iter()
            .flat_map(|set| ways.iter().map(move |way| union(set, way)))
            .collect();
        sets.sort_by_key(|set| (set.len(), set.clone()));
        sets.dedup();
        sets.truncate(PLANS_MAX);
    }
    let smallest = sets.first()?;
    Some(
        smallest
            .iter()
            .map(|&place| available[place].clone())
            .collect(),
    )
}

/// Where the entries of `set` stand in `available`: an organisation's hosts are alike, so the first
/// ones are taken.
fn places(set: &[MspId], available: &[MspId]) -> Vec<usize> {
    let mut left = set.to_vec();
    let taken = |(_, msp_id): &(usize, &MspId)| match left.iter().position(|l| l == *msp_id) {
        Some(found) => {
            left.swap_remove(found);
            true
        }
        None => false,
    };
    let found = available.iter().enumerate().filter(taken);
    found.map(|(place, _)| place).collect()
}

fn union(left: &[usize], right: &[usize]) -> Vec<usize> {
    let mut union = [left, right].concat();
    union.sort_unstable();
    union.dedup();
    union
}

/// Mentions in the largest set that satisfies `rule` and needs every one of them.
fn most_mentions(rule: &Rule) -> usize {
    match rule {
        Rule::SignedBy(_) => 1,
        Rule::OutOf { n, rules } => {
            let mut counts: Vec<usize> = rules.iter().map(most_mentions).collect();
            counts.sort_unstable_by(|a, b| b.cmp(a));
            counts.iter().take(usize::from(*n)).sum()
        }
    }
}

struct Planner<'a> {
    policy: &'a EndorsementPolicy,
    principals: Vec<&'a Principal>,
    /// Hosts that some mention fits.
    hosts: Vec<&'a MspId>,
    /// Size of the sets looked for.
    size: usize,
    /// Indices into `hosts`, ascending.
    chosen: Vec<usize>,
    work: usize,
    found: Vec<Vec<usize>>,
}

impl Planner<'_> {
    /// Completes `chosen` with hosts from index `next` on.
    fn search(&mut self, next: usize) {
        self.work += self.principals.len() * self.hosts.len();
        if self.work > PLAN_WORK_MAX || self.found.len() == PLANS_MAX {
            return;
        }
        if self.chosen.len() == self.size {
            if self.satisfied(None) && self.chosen.iter().all(|&i| !self.satisfied(Some(i))) {
                self.found.push(self.chosen.clone());
            }
            return;
        }
        // Without this bound, sets that mix two alternatives would be walked one by one.
        match self.least_more(next) {
            Some(more) if self.chosen.len() + more <= self.size => {}
            _ => return,
        }
        let Some(host) = self.hosts.get(next) else {
            return;
        };
        // Hosts of one organisation are the same to the endorsement policy: take the first ones.
        let skipped = (0..next).any(|i| self.hosts[i] == *host && !self.chosen.contains(&i));
        if !skipped {
            self.chosen.push(next);
            self.search(next + 1);
            self.chosen.pop();
        }
        self.search(next + 1);
    }

    fn satisfied(&self, without: Option<usize>) -> bool {
        let people: Vec<_> = self
            .chosen
            .iter()
            .filter(|&&i| Some(i) != without)
            .map(|&i| (self.hosts[i], SignerRole::Peer))
            .collect();
        self.policy.decide(&people).is_ok()
    }

    /// A number of hosts from index `next` on below which `chosen` cannot be completed; `None` when
    /// it cannot be completed at all.
    fn least_more(&self, next: usize) -> Option<usize> {
        let costs: Vec<Option<usize>> = self
            .principals
            .iter()
            .map(|principal| {
                let fits = |&i: &usize| principal.includes(self.hosts[i], SignerRole::Peer);
                if self.chosen.iter().any(fits) {
                    Some(0)
                } else {
                    (next..self.hosts.len()).any(|i| fits(&i)).then_some(1)
                }
            })
            .collect();
        least_cost(&self.policy.root, &costs, &mut 0)
    }
}

fn least_cost(rule: &Rule, costs: &[Option<usize>], next: &mut usize) -> Option<usize> {
    match rule {
        Rule::SignedBy(_) => {
            *next += 1;
            costs[*next - 1]
        }
        Rule::OutOf { n, rules } => {
            let mut inner: Vec<usize> = rules
                .iter()
                .filter_map(|rule| least_cost(rule, costs, next))
                .collect();
            inner.sort_unstable();
            let n = usize::from(*n);
            (inner.len() >= n).then(|| inner[..n].iter().sum())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::any_policy;
    use proptest::prelude::*;

    fn sets(policy: &str, available: &str) -> Vec<String> {
        let available: Vec<MspId> = available.split(' ').map(|m| m.parse().unwrap()).collect();
        let sets = EndorsementPolicy::parse(policy)
            .unwrap()
            .minimal_sets(&available);
        sets.iter()
            .map(|set| set.iter().map(MspId::as_str).collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn small_sets_and_the_local_organisation_come_first() {
        assert_eq!(sets("OR('A.peer','B.peer')", "B A"), ["B", "A"]);
        assert_eq!(
            sets("OutOf(2,'A.peer','B.peer','C.peer')", "C A B"),
            ["C A", "C B", "A B"]
        );
        assert_eq!(
            sets("OR(AND('A.peer','B.peer'),'C.member')", "A B C"),
            ["C", "A B"]
        );
        assert_eq!(sets("AND('A.peer','B.peer')", "A"), [""; 0]);
        assert_eq!(sets("OR('A.client','B.admin')", "A B"), [""; 0]);
        assert_eq!(sets("OutOf(0,'A.peer')", "A"), [""]);
        assert_eq!(sets("AND('A.peer','A.peer')", "A"), [""; 0]);
        assert_eq!(sets("AND('A.peer','A.peer')", "A B A A"), ["A A"]);
    }

    #[test]
    fn one_set_serves_several_policies() {
        let smallest = |policies: &[&str], available: &str| {
            let policies: Vec<_> = policies
                .iter()
                .map(|policy| EndorsementPolicy::parse(policy).unwrap())
                .collect();
            let available: Vec<MspId> = available.split(' ').map(|m| m.parse().unwrap()).collect();
            let set = smallest_set(&policies.iter().collect::<Vec<_>>(), &available)?;
            Some(set.iter().map(MspId::as_str).collect::<Vec<_>>().join(" "))
        };
        let both = "AND('A.peer','B.peer')";
        assert_eq!(smallest(&[both, both], "A B").unwrap(), "A B");
        assert_eq!(smallest(&["OR('C.peer')", both], "B A C").unwrap(), "B A C");
        let either = "OR('A.peer','C.peer')";
        assert_eq!(smallest(&[either, "OR('C.peer')"], "A B C").unwrap(), "C");
        assert_eq!(
            smallest(&["AND('A.peer','A.peer')", either], "A B A").unwrap(),
            "A A"
        );
        assert_eq!(smallest(&[both, "OR('D.peer')"], "A B"), None);
        assert_eq!(smallest(&["OutOf(0,'A.peer')"], "A").unwrap(), "");
    }

    #[test]
    fn many_organisations_are_planned_within_bounds() {
        let names: Vec<String> = (0..40).map(|i| format!("O{i}")).collect();
        let quoted = |names: &[String]| {
            names
                .iter()
                .map(|n| format!("'{n}.peer'"))
                .collect::<Vec<_>>()
                .join(",")
        };
        let most = sets(&format!("OutOf(21,{})", quoted(&names)), &names.join(" "));
        assert_eq!(most.len(), PLANS_MAX);
        assert_eq!(most[0], names[..21].join(" "));
        let (even, odd): (Vec<_>, Vec<_>) = names
            .iter()
            .cloned()
            .enumerate()
            .partition(|(i, _)| i % 2 == 0);
        let [even, odd] = [even, odd].map(|v| v.into_iter().map(|(_, n)| n).collect::<Vec<_>>());
        let either = format!("OR(AND({}),AND({}))", quoted(&even), quoted(&odd));
        assert_eq!(
            sets(&either, &names.join(" ")),
            [even.join(" "), odd.join(" ")]
        );
    }

    proptest! {
        /// Against all subsets of hosts, by brute force.
        #[test]
        fn sets_are_exactly_the_minimal_ones(
            policy in any_policy(),
            available in proptest::collection::vec("[ABC]", 0..6),
        ) {
            let available: Vec<MspId> = available.iter().map(|m| m.parse().unwrap()).collect();
            let satisfied = |mask: u32| {
                let people: Vec<_> = (0..available.len())
                    .filter(|i| mask >> i & 1 == 1)
                    .map(|i| (&available[i], SignerRole::Peer))
                    .collect();
                policy.decide(&people).is_ok()
            };
            let mut expected: Vec<Vec<MspId>> = (0..1u32 << available.len())
                .filter(|&mask| {
                    let smaller = (0..6).filter(|i| mask >> i & 1 == 1).map(|i| mask & !(1 << i));
                    satisfied(mask) && smaller.into_iter().all(|mask| !satisfied(mask))
                })
                .map(|mask| {
                    let chosen = (0..available.len()).filter(|i| mask >> i & 1 == 1);
                    let mut set: Vec<_> = chosen.map(|i| available[i].clone()).collect();
                    set.sort();
                    set
                })
                .collect();
            let found = policy.minimal_sets(&available);
            prop_assert!(found.is_sorted_by_key(Vec::len));
            let mut found: Vec<Vec<MspId>> =
                found.into_iter().map(|mut set| { set.sort(); set }).collect();
            found.sort();
            expected.sort();
            expected.dedup();
            prop_assert_eq!(found, expected);
        }
    }
}
