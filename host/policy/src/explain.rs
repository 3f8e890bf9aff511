//! Why endorsements do not satisfy an endorsement policy.

use std::fmt;

use crate::Principal;
use crate::endorsement::Rule;

/// The endorsements do not satisfy the endorsement policy; says which terms lack what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyRefusal {
    /// The gates that have too little of their own, outermost first. Never empty.
    pub terms: Vec<UnmetTerm>,
}

/// A gate that is not satisfied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmetTerm {
    /// The gate's canonical text.
    pub term: String,
    /// How many of its arguments hold.
    pub has: u16,
    /// How many must.
    pub needs: u16,
    /// The principals directly in it that no endorsement was counted for; any of them helps. Empty
    /// only when the gate asks for more than it has arguments.
    pub lacks: Vec<Principal>,
}

/// The terms of `root` that do not hold under `truth`, under which `root` does not hold.
pub(crate) fn unmet_terms(root: &Rule, truth: &[bool]) -> PolicyRefusal {
    let mut terms = Vec::new();
    walk(root, truth, &mut 0, &mut terms);
    PolicyRefusal { terms }
}

fn walk(rule: &Rule, truth: &[bool], next: &mut usize, terms: &mut Vec<UnmetTerm>) -> bool {
    let (n, rules) = match rule {
        Rule::SignedBy(_) => {
            *next += 1;
            return truth[*next - 1];
        }
        Rule::OutOf { n, rules } => (*n, rules),
    };
    let mut has = 0;
    let mut lacks = Vec::new();
    let mut inner = Vec::new();
    for rule in rules {
        match (walk(rule, truth, next, &mut inner), rule) {
            (true, _) => has += 1,
            (false, Rule::SignedBy(principal)) => lacks.push(principal.clone()),
            (false, Rule::OutOf { .. }) => {}
        }
    }
    if has >= n {
        // What is unmet inside a satisfied gate is nobody's fault.
        return true;
    }
    if !lacks.is_empty() || usize::from(n) > rules.len() {
        terms.push(UnmetTerm {
            term: rule.to_string(),
            has,
            needs: n,
            lacks,
        });
    }
    terms.append(&mut inner);
    false
}

impl fmt::Display for PolicyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("endorsements are missing: ")?;
        for (index, term) in self.terms.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{term}")?;
        }
        Ok(())
    }
}

impl fmt::Display for UnmetTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has {} of {}", self.term, self.has, self.needs)?;
        if self.lacks.is_empty() {
            return f.write_str(" and can never be satisfied");
        }
        let lacks: Vec<String> = self.lacks.iter().map(ToString::to_string).collect();
        write!(f, ", lacks {}", lacks.join(", "))
    }
}
