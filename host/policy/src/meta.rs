//! The policies that a channel's configuration names for its own affairs: who must sign a change of
//! it, who may define a contract, and which endorsements a contract needs that names no policy of
//! its own. Two forms:
//!
//! ```text
//! policy := rule kind | signature policy           e.g. MAJORITY Admins, OR('HospitalMSP.admin')
//! rule   := ANY | ALL | MAJORITY                   of the organisations of the channel
//! kind   := Admins | Endorsement | Writers | Readers
//! ```
//!
//! The first form is Fabric's implicit meta policy: it follows the channel's members when they
//! change. The second is an endorsement policy's text (`parse`), which names organisations itself.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use cordon_types::MspId;

use crate::endorsement::Rule;
use crate::{EndorsementPolicy, PolicyError, PolicyRefusal, Principal, Role, Signer};

/// Who of a channel's members must sign. `Display` gives the text that parses to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetaPolicy {
    /// So many of the channel's organisations, one signature each.
    Organisations {
        /// How many.
        rule: MetaRule,
        /// Whose signature stands for an organisation.
        kind: MetaKind,
    },
    /// What the text itself names.
    Signatures(EndorsementPolicy),
}

/// How many organisations must have signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaRule {
    /// One.
    Any,
    /// Every one.
    All,
    /// More than half.
    Majority,
}

/// Whose signature counts as its organisation's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaKind {
    /// An admin's.
    Admins,
    /// A host's (role peer).
    Endorsement,
    /// Any member's.
    Writers,
    /// Any member's.
    Readers,
}

/// Why a text is no policy of these forms, or cannot be made one of endorsements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetaPolicyError {
    /// Neither of the two forms.
    #[error(
        "{text:?} is no policy: write ANY, ALL or MAJORITY and then Admins, Endorsement, Writers or \
         Readers, as in 'MAJORITY Admins', or name organisations, as in OR('HospitalMSP.admin')"
    )]
    Unknown {
        /// The text, cut to 80 characters.
        text: String,
    },
    /// Of the second form, with a fault, or beyond a limit.
    #[error(transparent)]
    Signatures(#[from] PolicyError),
    /// A rule about organisations where there is none.
    #[error("{policy} has no organisation to count: the channel has no members")]
    NoMembers {
        /// The policy's text.
        policy: String,
    },
}

/// The signatures do not satisfy the policy; `Display` says who signed and what is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetaPolicyRefusal {
    /// Too few organisations.
    Organisations {
        /// How many must sign.
        rule: MetaRule,
        /// Whose signatures count.
        kind: MetaKind,
        /// The members that have signed, in order.
        signed: Vec<MspId>,
        /// How many must.
        needs: usize,
        /// The members that have not, in order.
        missing: Vec<MspId>,
    },
    /// What the signature policy lacks.
    Signatures(PolicyRefusal),
    /// No signatures whatever would satisfy it on this channel.
    Impossible {
        /// The policy's text.
        policy: String,
        /// Organisations that it names and that are no members, in order. Empty when it asks for
        /// more than it names.
        strangers: Vec<MspId>,
    },
}

// === impl MetaPolicy ===

impl MetaPolicy {
    /// Reads either form. Blanks around and between the words of the first form do not matter;
    /// upper and lower case do.
    ///
    /// # Errors
    /// [`MetaPolicyError`] saying what to write instead.
    pub fn parse(text: &str) -> Result<Self, MetaPolicyError> {
        if text.contains('(') {
            return Ok(Self::Signatures(EndorsementPolicy::parse(text)?));
        }
        let mut words = text.split_ascii_whitespace();
        let policy = match (words.next(), words.next(), words.next()) {
            (Some(rule), Some(kind), None) => MetaRule::named(rule).zip(MetaKind::named(kind)),
            _ => None,
        };
        let Some((rule, kind)) = policy else {
            return Err(MetaPolicyError::Unknown {
                text: text.chars().take(80).collect(),
            });
        };
        Ok(Self::Organisations { rule, kind })
    }

    /// Whether `signers`, in any order, satisfy this on a channel of `members`. Signers of other
    /// organisations count for nothing, in either form; several of one organisation count once in
    /// the first form, and as in an endorsement policy in the second.
    ///
    /// # Errors
    /// [`MetaPolicyRefusal`], [`MetaPolicyRefusal::Impossible`] if no signatures would do.
    pub fn evaluate(
        &self,
        signers: &[Signer],
        members: &BTreeSet<MspId>,
    ) -> Result<(), MetaPolicyRefusal> {
        self.could_be_met(members)?;
        match self {
            Self::Organisations { rule, kind } => {
                let has_signed = |msp_id: &MspId| {
                    let counts = |s: &Signer| s.msp_id == *msp_id && kind.role().includes(s.role);
                    signers.iter().any(counts)
                };
                let (signed, missing): (Vec<MspId>, Vec<MspId>) =
                    members.iter().cloned().partition(has_signed);
                let needs = rule.of(members.len());
                if signed.len() >= needs {
                    return Ok(());
                }
                Err(MetaPolicyRefusal::Organisations {
                    rule: *rule,
                    kind: *kind,
                    signed,
                    needs,
                    missing,
                })
            }
            Self::Signatures(policy) => {
                let signers: Vec<Signer> = signers
                    .iter()
                    .filter(|signer| members.contains(&signer.msp_id))
                    .cloned()
                    .collect();
                let verdict = policy.evaluate(&signers);
                verdict.map_err(MetaPolicyRefusal::Signatures)
            }
        }
    }

    /// Whether some signatures of `members` would satisfy this. A channel whose configuration nobody
    /// could change again must not come about.
    ///
    /// # Errors
    /// [`MetaPolicyRefusal::Impossible`].
    pub fn could_be_met(&self, members: &BTreeSet<MspId>) -> Result<(), MetaPolicyRefusal> {
        let (possible, strangers) = match self {
            Self::Organisations { .. } => (!members.is_empty(), BTreeSet::new()),
            Self::Signatures(policy) => {
                // An organisation can have as many identities of each role as it takes.
                let principals = policy.principals();
                let is_member = |p: &&Principal| members.contains(&p.msp_id);
                let truth: Vec<bool> = principals.iter().map(is_member).collect();
                let strangers = principals.into_iter().filter(|p| !is_member(p));
                (
                    policy.root.holds(&truth, &mut 0),
                    strangers.map(|p| p.msp_id.clone()).collect(),
                )
            }
        };
        if possible {
            return Ok(());
        }
        Err(MetaPolicyRefusal::Impossible {
            policy: self.to_string(),
            strangers: strangers.into_iter().collect(),
        })
    }

    /// The endorsement policy that says the same on a channel of `members`: `MAJORITY Endorsement`
    /// of three is `OutOf(2, 'A.peer', 'B.peer', 'C.peer')`, in the order of their ids.
    ///
    /// # Errors
    /// [`MetaPolicyError::NoMembers`]; [`MetaPolicyError::Signatures`] when the members are more
    /// than an endorsement policy can name ([`crate::PRINCIPALS_MAX`]).
    pub fn as_endorsement_policy(
        &self,
        members: &BTreeSet<MspId>,
    ) -> Result<EndorsementPolicy, MetaPolicyError> {
        let (rule, kind) = match self {
            Self::Organisations { rule, kind } => (*rule, *kind),
            Self::Signatures(policy) => return Ok(policy.clone()),
        };
        if members.is_empty() {
            return Err(MetaPolicyError::NoMembers {
                policy: self.to_string(),
            });
        }
        let n = u16::try_from(rule.of(members.len()));
        let n = n.map_err(|_| PolicyError::TooManyPrincipals)?;
        let one = |msp_id: &MspId| {
            Rule::SignedBy(Principal {
                msp_id: msp_id.clone(),
                role: kind.role(),
            })
        };
        let rules = members.iter().map(one).collect();
        Ok(EndorsementPolicy::new(Rule::OutOf { n, rules })?)
    }
}

impl FromStr for MetaPolicy {
    type Err = MetaPolicyError;

    fn from_str(text: &str) -> Result<Self, MetaPolicyError> {
        Self::parse(text)
    }
}

impl fmt::Display for MetaPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organisations { rule, kind } => {
                write!(f, "{} {}", rule.as_str(), kind.as_str())
            }
            Self::Signatures(policy) => policy.fmt(f),
        }
    }
}

// === impl MetaRule ===

impl MetaRule {
    const ALL: [Self; 3] = [Self::Any, Self::All, Self::Majority];

    fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == text)
    }

    /// The rule as policy text writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "ANY",
            Self::All => "ALL",
            Self::Majority => "MAJORITY",
        }
    }

    /// How many of `count` organisations it takes. Of none it takes one all the same: nobody's word
    /// is no consent. (Fabric takes none of none.)
    const fn of(self, count: usize) -> usize {
        match self {
            Self::Any => 1,
            Self::All if count == 0 => 1,
            Self::All => count,
            Self::Majority => count / 2 + 1,
        }
    }
}

// === impl MetaKind ===

impl MetaKind {
    const ALL: [Self; 4] = [
        Self::Admins,
        Self::Endorsement,
        Self::Writers,
        Self::Readers,
    ];

    fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The kind as policy text writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admins => "Admins",
            Self::Endorsement => "Endorsement",
            Self::Writers => "Writers",
            Self::Readers => "Readers",
        }
    }

    /// The role whose signature counts.
    pub const fn role(self) -> Role {
        match self {
            Self::Admins => Role::Admin,
            Self::Endorsement => Role::Peer,
            Self::Writers | Self::Readers => Role::Member,
        }
    }
}

// === impl MetaPolicyRefusal ===

impl std::error::Error for MetaPolicyRefusal {}

impl fmt::Display for MetaPolicyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organisations {
                rule,
                kind,
                signed,
                needs,
                missing,
            } => {
                let whose = match kind {
                    MetaKind::Admins => "an admin's signature",
                    MetaKind::Endorsement => "a host's signature",
                    MetaKind::Writers | MetaKind::Readers => "a signature",
                };
                let count = signed.len() + missing.len();
                let (rule, kind) = (rule.as_str(), kind.as_str());
                write!(
                    f,
                    "{rule} {kind} asks for {whose} from {needs} of {count} organisations; "
                )?;
                match signed.as_slice() {
                    [] => f.write_str("none has signed")?,
                    some => write!(f, "{} signed", names(some))?,
                }
                write!(
                    f,
                    ", {} more of {} must",
                    needs - signed.len(),
                    names(missing)
                )
            }
            Self::Signatures(refusal) => {
                let terms: Vec<String> = refusal.terms.iter().map(ToString::to_string).collect();
                write!(f, "signatures are missing: {}", terms.join("; "))
            }
            Self::Impossible { policy, strangers } => {
                write!(f, "{policy} can never be satisfied on this channel: ")?;
                match strangers.as_slice() {
                    [] if policy.contains('(') => f.write_str("it asks for more than it names"),
                    [] => f.write_str("the channel has no members"),
                    [one] => write!(f, "{one} is no member"),
                    many => write!(f, "{} are no members", names(many)),
                }
            }
        }
    }
}

fn names(msp_ids: &[MspId]) -> String {
    let names: Vec<&str> = msp_ids.iter().map(MspId::as_str).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smallest_set;
    use crate::testing::{any_policy, any_signers, signer};
    use crate::{PRINCIPALS_MAX, SignerRole};
    use proptest::prelude::*;

    fn members(names: &str) -> BTreeSet<MspId> {
        names
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect()
    }

    fn policy(text: &str) -> MetaPolicy {
        MetaPolicy::parse(text).unwrap()
    }

    fn refusal(text: &str, signers: &[Signer], of: &str) -> String {
        let refused = policy(text).evaluate(signers, &members(of));
        refused.unwrap_err().to_string()
    }

    #[test]
    fn both_forms_are_read_and_written() {
        for (text, canonical) in [
            ("MAJORITY Admins", "MAJORITY Admins"),
            ("  ANY\tAdmins\n", "ANY Admins"),
            ("ALL Endorsement", "ALL Endorsement"),
            ("ANY Writers", "ANY Writers"),
            ("ALL Readers", "ALL Readers"),
            ("OR( \"A.admin\" )", "OR('A.admin')"),
        ] {
            assert_eq!(policy(text).to_string(), canonical);
            assert_eq!(policy(canonical), policy(text));
        }
        for text in [
            "",
            "MAJORITY",
            "Admins",
            "majority Admins",
            "MAJORITY admins",
            "MAJORITY Admins now",
            "MAJORITYAdmins",
            "MOST Admins",
            "MAJORITY LifecycleEndorsement",
            "'A.admin'",
        ] {
            let refused = MetaPolicy::parse(text).unwrap_err();
            assert!(matches!(refused, MetaPolicyError::Unknown { .. }), "{text}");
            assert!(refused.to_string().contains("'MAJORITY Admins'"), "{text}");
        }
        let refused = MetaPolicy::parse("OR('A.boss')").unwrap_err();
        assert!(matches!(
            refused,
            MetaPolicyError::Signatures(PolicyError::Syntax { .. })
        ));
    }

    #[test]
    fn organisations_are_counted_once_and_by_the_right_role() {
        use SignerRole::{Admin, Client, Peer};
        let all = members("A B C");
        let two_admins_of_one = [signer(1, "A", Admin), signer(2, "A", Admin)];
        let majority = policy("MAJORITY Admins");
        assert!(majority.evaluate(&two_admins_of_one, &all).is_err());
        let two = [signer(1, "A", Admin), signer(2, "C", Admin)];
        assert!(majority.evaluate(&two, &all).is_ok());
        assert!(policy("ALL Admins").evaluate(&two, &all).is_err());
        assert!(policy("ALL Admins").evaluate(&two, &members("A C")).is_ok());
        for (kind, role, counts) in [
            ("Admins", Admin, true),
            ("Admins", Peer, false),
            ("Endorsement", Peer, true),
            ("Endorsement", Admin, false),
            ("Writers", Client, true),
            ("Readers", Peer, true),
        ] {
            let any = policy(&format!("ANY {kind}"));
            let verdict = any.evaluate(&[signer(1, "B", role)], &all);
            assert_eq!(verdict.is_ok(), counts, "{kind} {role:?}");
        }
    }

    #[test]
    fn half_is_no_majority() {
        let admins = [
            signer(1, "A", SignerRole::Admin),
            signer(2, "B", SignerRole::Admin),
        ];
        let majority = policy("MAJORITY Admins");
        for (of, satisfied) in [("A", true), ("A B", true), ("A B C", true)] {
            let verdict = majority.evaluate(&admins, &members(of));
            assert_eq!(verdict.is_ok(), satisfied, "{of}");
        }
        assert!(majority.evaluate(&admins, &members("A B C D")).is_err());
        assert!(majority.evaluate(&admins[..1], &members("A B")).is_err());
    }

    #[test]
    fn who_is_no_member_counts_for_nothing() {
        let stranger = [signer(1, "X", SignerRole::Admin)];
        assert!(
            policy("ANY Admins")
                .evaluate(&stranger, &members("A"))
                .is_err()
        );
        let named = policy("OR('A.admin', 'X.admin')");
        assert!(named.evaluate(&stranger, &members("A")).is_err());
        assert!(named.evaluate(&stranger, &members("A X")).is_ok());
    }

    #[test]
    fn a_refusal_says_who_signed_and_what_is_missing() {
        let one = [signer(1, "B", SignerRole::Admin)];
        assert_eq!(
            refusal("MAJORITY Admins", &one, "A B C"),
            "MAJORITY Admins asks for an admin's signature from 2 of 3 organisations; B signed, 1 \
             more of A, C must"
        );
        assert_eq!(
            refusal("ALL Endorsement", &one, "A B"),
            "ALL Endorsement asks for a host's signature from 2 of 2 organisations; none has \
             signed, 2 more of A, B must"
        );
        assert_eq!(
            refusal("AND('A.admin','B.admin')", &one, "A B"),
            "signatures are missing: AND('A.admin', 'B.admin') has 1 of 2, lacks A.admin"
        );
    }

    #[test]
    fn what_nobody_can_satisfy_is_recognised() {
        let here = members("A B");
        for possible in [
            "ANY Admins",
            "ALL Endorsement",
            "OR('A.admin','X.admin')",
            "AND('A.admin','A.admin')",
            "OutOf(0,'X.peer')",
        ] {
            assert!(policy(possible).could_be_met(&here).is_ok(), "{possible}");
        }
        for (text, of, says) in [
            ("OR('X.admin')", "A B", "X is no member"),
            (
                "AND('A.peer','X.peer','Y.peer')",
                "A B",
                "X, Y are no members",
            ),
            (
                "OutOf(3,'A.peer','B.peer')",
                "A B",
                "it asks for more than it names",
            ),
            ("MAJORITY Admins", "", "the channel has no members"),
        ] {
            let refused = policy(text).could_be_met(&members(of)).unwrap_err();
            assert!(refused.to_string().ends_with(says), "{refused}");
            assert_eq!(refusal(text, &[], of), refused.to_string());
        }
    }

    #[test]
    fn planning_works_on_the_same_policy() {
        let all = members("A B C D");
        let majority = policy("MAJORITY Endorsement");
        let endorsement = majority.as_endorsement_policy(&all).unwrap();
        assert_eq!(
            endorsement.to_string(),
            "OutOf(3, 'A.peer', 'B.peer', 'C.peer', 'D.peer')"
        );
        let available: Vec<MspId> = ["C", "A", "D"].map(|n| n.parse().unwrap()).to_vec();
        assert_eq!(
            smallest_set(&[&endorsement], &available),
            Some(available.clone())
        );
        let any = policy("ANY Admins").as_endorsement_policy(&all).unwrap();
        assert_eq!(
            any.to_string(),
            "OR('A.admin', 'B.admin', 'C.admin', 'D.admin')"
        );
        assert!(matches!(
            majority.as_endorsement_policy(&members("")),
            Err(MetaPolicyError::NoMembers { .. })
        ));
        let many = (0..=PRINCIPALS_MAX).map(|i| format!("O{i}").parse().unwrap());
        assert_eq!(
            majority.as_endorsement_policy(&many.collect()),
            Err(PolicyError::TooManyPrincipals.into())
        );
    }

    fn any_meta() -> impl Strategy<Value = MetaPolicy> {
        let organisations = (
            proptest::sample::select(&MetaRule::ALL[..]),
            proptest::sample::select(&MetaKind::ALL[..]),
        )
            .prop_map(|(rule, kind)| MetaPolicy::Organisations { rule, kind });
        prop_oneof![organisations, any_policy().prop_map(MetaPolicy::Signatures)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn text_parses_to_the_same_policy(policy in any_meta()) {
            prop_assert_eq!(MetaPolicy::parse(&policy.to_string()).unwrap(), policy);
        }

        #[test]
        fn hostile_text_never_panics(text in "[ANYLMJORITd(),'a-c.é ]{0,40}") {
            let _ = MetaPolicy::parse(&text);
        }

        #[test]
        fn the_endorsement_policy_says_the_same(
            policy in any_meta(),
            signers in any_signers(),
            members in proptest::collection::btree_set("[ABCD]", 1..5),
        ) {
            let members: BTreeSet<MspId> = members.iter().map(|m| m.parse().unwrap()).collect();
            let endorsement = policy.as_endorsement_policy(&members).unwrap();
            let counted: Vec<Signer> =
                signers.iter().filter(|s| members.contains(&s.msp_id)).cloned().collect();
            prop_assert_eq!(
                policy.evaluate(&signers, &members).is_ok(),
                endorsement.evaluate(&counted).is_ok()
            );
        }

        /// Against signatures of everyone in every role, twice.
        #[test]
        fn what_can_be_met_is_met_by_everyone(
            policy in any_meta(),
            members in proptest::collection::btree_set("[ABCD]", 0..5),
        ) {
            use SignerRole::{Admin, Client, Orderer, Peer};
            let members: BTreeSet<MspId> = members.iter().map(|m| m.parse().unwrap()).collect();
            let mut everyone = Vec::new();
            for msp_id in &members {
                for role in [Admin, Client, Orderer, Peer] {
                    for _ in 0..12 {
                        let key = u8::try_from(everyone.len()).unwrap();
                        everyone.push(signer(key, msp_id.as_str(), role));
                    }
                }
            }
            prop_assert_eq!(
                policy.could_be_met(&members).is_ok(),
                policy.evaluate(&everyone, &members).is_ok()
            );
        }
    }
}
