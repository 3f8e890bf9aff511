//! What is wrong with a channel's access policy files, and where.

use std::fmt;

use crate::limits::{
    ACCESS_ID_BYTES_MAX, ACCESS_LINKS_MAX, ACCESS_NESTING_MAX, ACCESS_POLICIES_MAX,
    ACCESS_TEXT_BYTES_MAX,
};

/// The access policy files of a channel cannot be used. Displayed as a line per finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPolicyError {
    /// The first thing that is wrong at each place, by file and place. Never empty.
    pub findings: Vec<AccessFinding>,
}

/// One thing that is wrong. Displayed as `emr.cedar:12:5: what is wrong; did you mean this?`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessFinding {
    /// `<contract>.cedar`.
    pub file: String,
    /// From 1; 1 when the file as a whole is at fault.
    pub line: u32,
    /// In characters from 1; absent when a policy or the file as a whole is at fault.
    pub column: Option<u32>,
    /// What is wrong.
    pub problem: AccessProblem,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum AccessProblem {
    /// The file is for a contract that is not there.
    #[error("the channel has no contract \"{}\"{}", contract.escape_debug(), meant(suggestion.as_ref()))]
    UnknownContract {
        /// The file's contract, cut to 64 characters.
        contract: String,
        /// A contract with a similar name.
        suggestion: Option<String>,
    },
    /// Two files are for one contract.
    #[error("the channel has two access policy files for this contract")]
    TwoFiles,
    /// The text is longer than [`ACCESS_TEXT_BYTES_MAX`].
    #[error("the file has {bytes} bytes; at most {ACCESS_TEXT_BYTES_MAX} are allowed")]
    TooManyBytes {
        /// Its length.
        bytes: usize,
    },
    /// More than [`ACCESS_POLICIES_MAX`] policies.
    #[error("the file has {policies} policies; at most {ACCESS_POLICIES_MAX} are allowed")]
    TooManyPolicies {
        /// Their number.
        policies: usize,
    },
    /// Deeper than [`ACCESS_NESTING_MAX`].
    #[error("a policy has more than {ACCESS_NESTING_MAX} brackets inside each other, or ifs")]
    TooDeep,
    /// More operators than [`ACCESS_LINKS_MAX`].
    #[error("a policy has more than {ACCESS_LINKS_MAX} operators; make several policies of it")]
    TooLong,
    /// The policy has a slot.
    #[error("templates (?principal, ?resource) are not used here; write a policy without slots")]
    Template,
    /// The policy's `@id` is no name.
    #[error("@id must have a text of 1..={ACCESS_ID_BYTES_MAX} bytes without control characters")]
    BadId,
    /// Two policies have the same `@id`.
    #[error("@id(\"{}\") is that of the policy on line {first_line} already", id.escape_debug())]
    DuplicateId {
        /// The annotation.
        id: String,
        /// Where it stands first.
        first_line: u32,
    },
    /// The policy names a function or interface that the contract does not have.
    #[error(
        "contract {contract} has no function or interface \"{}\"{}",
        name.escape_debug(), meant(suggestion.as_ref())
    )]
    UnknownFunction {
        /// The contract.
        contract: String,
        /// What the policy says.
        name: String,
        /// A function or interface with a similar name.
        suggestion: Option<String>,
    },
    /// The policy names a function that is called as an interface is.
    #[error(
        "\"{}\" is both a function and an interface of contract {contract}, so no policy can name \
         it",
        name.escape_debug()
    )]
    AmbiguousFunction {
        /// The contract.
        contract: String,
        /// The name.
        name: String,
    },
    /// The policy names a contract that it does not apply to.
    #[error("the file applies to Contract::\"{contract}\" only; this policy names another one")]
    OtherContract {
        /// The file's contract.
        contract: String,
    },
    /// The policy names a caller by an id.
    #[error(
        "a caller has no id to name; say principal.organization, principal.enrollmentId or \
         principal.getTag(\"…\")"
    )]
    CallerById,
    /// What Cedar's parser or validator says.
    #[error("{says}{}", help.as_ref().map(|help| format!("; {help}")).unwrap_or_default())]
    Cedar {
        /// What is wrong.
        says: String,
        /// What may have been meant.
        help: Option<String>,
    },
}

fn meant(suggestion: Option<&String>) -> String {
    suggestion.map_or_else(String::new, |name| {
        format!("; did you mean \"{}\"?", name.escape_debug())
    })
}

/// Bytes of a file's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) len: usize,
}

// === impl Span ===

impl Span {
    pub(super) fn new(start: usize, len: usize) -> Self {
        Self { start, len }
    }

    /// Line and column where it begins, both from 1.
    pub(super) fn place(self, text: &str) -> (u32, u32) {
        let before = &text.as_bytes()[..self.start.min(text.len())];
        let line = before.split(|b| *b == b'\n').count();
        let line_start = before
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        // Characters, counted by the bytes that begin one.
        let column = before[line_start..]
            .iter()
            .filter(|b| **b & 0xc0 != 0x80)
            .count()
            + 1;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (number(line), number(column))
    }
}

// === impl AccessPolicyError ===

impl AccessPolicyError {
    pub(super) fn new(mut findings: Vec<AccessFinding>) -> Self {
        // One finding a place: the validator judges a policy once per function, and tells a mistake
        // as often.
        findings.sort();
        findings.dedup_by(|a, b| (&a.file, a.line, a.column) == (&b.file, b.line, b.column));
        Self { findings }
    }
}

impl std::error::Error for AccessPolicyError {}

impl fmt::Display for AccessPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for AccessFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        write!(f, ": {}", self.problem)
    }
}
