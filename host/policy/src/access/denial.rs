//! Why a call is refused, in words for the client. Never an attribute's value nor an enrollment id.

use std::fmt;

use cordon_types::{ContractId, MspId};

use crate::limits::ACCESS_NAMED_MAX;

/// The access policies of a contract do not let a caller call a function.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// Policies forbid it.
    Forbidden {
        /// What was called.
        function: String,
        /// Those that forbid, by line. Never empty.
        policies: Vec<PolicyName>,
    },
    /// None forbids it and none permits it; also when there is no file or no such function.
    NotPermitted {
        /// Whose policies.
        contract: ContractId,
        /// What was called, cut to 128 characters.
        function: String,
        /// The caller's organisation.
        msp_id: MspId,
    },
    /// Policies could not be evaluated, so what they would say is unknown.
    Failed {
        /// Whose policies.
        contract: ContractId,
        /// What was called.
        function: String,
        /// Those that failed, by line. Empty when none got as far.
        policies: Vec<PolicyName>,
    },
}

/// Which policy: its `@id` if it has one, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyName {
    /// `<contract>.cedar`.
    pub file: String,
    /// Line on which the policy begins, annotations included, from 1.
    pub line: u32,
    /// Its `@id` annotation.
    pub id: Option<String>,
}

// === impl Denial ===

impl Denial {
    pub(super) fn not_permitted(contract: &ContractId, function: &str, msp_id: &MspId) -> Self {
        Self::NotPermitted {
            contract: contract.clone(),
            // The client's own text when there is no such function.
            function: function.chars().take(128).collect(),
            msp_id: msp_id.clone(),
        }
    }
}

impl std::error::Error for Denial {}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden { function, policies } => {
                let verb = if policies.len() == 1 {
                    "denies"
                } else {
                    "deny"
                };
                write!(f, "{} {verb} {}", Names(policies), function.escape_debug())
            }
            Self::NotPermitted {
                contract,
                function,
                msp_id,
            } => write!(
                f,
                "no access policy of contract {contract} permits {} to a caller of {msp_id}",
                function.escape_debug()
            ),
            Self::Failed {
                contract,
                function,
                policies,
            } => {
                if policies.is_empty() {
                    write!(f, "the access policies of contract {contract}")?;
                } else {
                    write!(f, "{}", Names(policies))?;
                }
                let function = function.escape_debug();
                write!(f, " could not be evaluated, which denies {function}")
            }
        }
    }
}

struct Names<'a>(&'a [PolicyName]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "y" } else { "ies" };
        write!(f, "access polic{plural} ")?;
        let shown = &self.0[..self.0.len().min(ACCESS_NAMED_MAX)];
        for (index, name) in shown.iter().enumerate() {
            let separator = match index {
                0 => "",
                _ if index + 1 == self.0.len() => " and ",
                _ => ", ",
            };
            write!(f, "{separator}{name}")?;
        }
        match self.0.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, id } = self;
        match id {
            Some(id) => write!(f, "\"{}\" ({file}:{line})", id.escape_debug()),
            None => write!(f, "{file}:{line}"),
        }
    }
}
