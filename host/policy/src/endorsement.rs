//! The endorsement policy as a tree of gates, and its canonical text.

use std::fmt;

use crate::limits::{CONTESTED_MAX, DEPTH_MAX, PRINCIPALS_MAX, TEXT_BYTES_MAX};
use crate::{PolicyError, Principal};

/// Which endorsements a transaction needs: a gate over principals and further gates.
///
/// `Display` gives the canonical text (`OR` for one, `AND` for all, `OutOf` between), which parses
/// to the same endorsement policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndorsementPolicy {
    /// A gate.
    pub(crate) root: Rule,
    /// Indices, in text order of mentions, of those that compete with another one for the same
    /// endorsement. At most [`CONTESTED_MAX`].
    pub(crate) contested: Vec<usize>,
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    SignedBy(Principal),
    /// At least `n` of `rules`. 0 is always satisfied, one above their number never.
    OutOf {
        n: u16,
        rules: Vec<Rule>,
    },
}

// === impl EndorsementPolicy ===

impl EndorsementPolicy {
    /// Checks the limits. The caller has checked that `root` is a gate and every `n` in range.
    pub(crate) fn new(root: Rule) -> Result<Self, PolicyError> {
        if root.depth() > DEPTH_MAX {
            return Err(PolicyError::TooDeep);
        }
        let mut principals = Vec::new();
        root.principals(&mut principals);
        if principals.len() > PRINCIPALS_MAX {
            return Err(PolicyError::TooManyPrincipals);
        }
        let mut competes = vec![false; principals.len()];
        root.mark_contested(&principals, 0, &mut competes);
        let contested: Vec<usize> = (0..competes.len()).filter(|&leaf| competes[leaf]).collect();
        if contested.len() > CONTESTED_MAX {
            return Err(PolicyError::TooContested {
                contested: contested.len(),
            });
        }
        let policy = Self { root, contested };
        // What came as a message is written into documents as text, and has to read back.
        let bytes = policy.to_string().len();
        if bytes > TEXT_BYTES_MAX {
            return Err(PolicyError::TooLong { bytes });
        }
        Ok(policy)
    }

    /// Every mention of a principal, in text order, repeated as often as it is mentioned.
    pub fn principals(&self) -> Vec<&Principal> {
        let mut principals = Vec::new();
        self.root.principals(&mut principals);
        principals
    }
}

impl fmt::Display for EndorsementPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

// === impl Rule ===

impl Rule {
    fn depth(&self) -> usize {
        match self {
            Self::SignedBy(_) => 0,
            Self::OutOf { rules, .. } => 1 + rules.iter().map(Self::depth).max().unwrap_or(0),
        }
    }

    fn principals<'a>(&'a self, out: &mut Vec<&'a Principal>) {
        match self {
            Self::SignedBy(principal) => out.push(principal),
            Self::OutOf { rules, .. } => rules.iter().for_each(|rule| rule.principals(out)),
        }
    }

    /// Marks the mentions below this node, whose first one has index `first`, that compete; answers
    /// how many mentions there are.
    ///
    /// Two mentions compete if one identity fits both and a smallest way to satisfy the endorsement
    /// policy may need both: it takes `n` children of each gate it uses, so the gate at which the
    /// two part must ask for two or more.
    fn mark_contested(&self, all: &[&Principal], first: usize, competes: &mut [bool]) -> usize {
        let Self::OutOf { n, rules } = self else {
            return 1;
        };
        let mut at = first;
        for rule in rules {
            let count = rule.mark_contested(all, at, competes);
            if *n >= 2 {
                for left in first..at {
                    for right in at..at + count {
                        if all[left].overlaps(all[right]) {
                            competes[left] = true;
                            competes[right] = true;
                        }
                    }
                }
            }
            at += count;
        }
        at - first
    }

    /// Whether the tree holds when exactly the mentions in `truth` do. `next` counts mentions as
    /// the tree is walked; pass 0.
    pub(crate) fn holds(&self, truth: &[bool], next: &mut usize) -> bool {
        match self {
            Self::SignedBy(_) => {
                *next += 1;
                truth[*next - 1]
            }
            // Every child is walked, also when enough hold: the count of mentions must go on.
            Self::OutOf { n, rules } => {
                rules.iter().filter(|rule| rule.holds(truth, next)).count() >= usize::from(*n)
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, rules) = match self {
            Self::SignedBy(principal) => return write!(f, "'{principal}'"),
            Self::OutOf { n, rules } => (*n, rules),
        };
        let mut separator = match usize::from(n) {
            1 => "OR(",
            all if all == rules.len() => "AND(",
            _ => {
                write!(f, "OutOf({n}")?;
                ", "
            }
        };
        for rule in rules {
            write!(f, "{separator}{rule}")?;
            separator = ", ";
        }
        f.write_str(")")
    }
}
