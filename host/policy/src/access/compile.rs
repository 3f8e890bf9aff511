//! Files to compiled policies, or everything that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{EntityUid, PolicyId, PolicySet, ValidationError, ValidationMode, Validator};
use cordon_types::{ChannelId, ContractId};
use miette::Diagnostic;

use super::error::{AccessFinding, AccessProblem, Span};
use super::schema::{self, Model};
use super::{AccessPolicyFile, Compiled, PolicyName, scan};
use crate::limits::{ACCESS_ID_BYTES_MAX, ACCESS_POLICIES_MAX, ACCESS_TEXT_BYTES_MAX};

/// Every file compiled, or all findings, in no order.
pub(super) fn compile(
    channel: &ChannelId,
    files: &[AccessPolicyFile],
    functions: &BTreeMap<ContractId, Vec<String>>,
) -> Result<BTreeMap<ContractId, Compiled>, Vec<AccessFinding>> {
    let mut contracts = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for file in files {
        let mut check = Check::new(file);
        if !seen.insert(&file.contract) {
            check.file(AccessProblem::TwoFiles);
        } else if let Some((contract, names)) = file
            .contract
            .parse()
            .ok()
            .and_then(|id: ContractId| functions.get_key_value(&id))
        {
            if let Some(compiled) = check.compile(channel, contract, names) {
                contracts.insert(contract.clone(), compiled);
            }
        } else {
            check.file(AccessProblem::UnknownContract {
                contract: file.contract.chars().take(64).collect(),
                suggestion: similar(&file.contract, functions.keys().map(ContractId::as_str)),
            });
        }
        findings.append(&mut check.findings);
    }
    if findings.is_empty() {
        Ok(contracts)
    } else {
        Err(findings)
    }
}

/// One file on its way.
struct Check<'a> {
    name: String,
    text: &'a str,
    findings: Vec<AccessFinding>,
}

// === impl Check ===

impl<'a> Check<'a> {
    fn new(file: &'a AccessPolicyFile) -> Self {
        // A contract id has at most 64 characters; what is longer is no contract's file anyway.
        let contract: String = file.contract.chars().take(64).collect();
        Self {
            name: format!("{}.cedar", contract.escape_debug()),
            text: &file.text,
            findings: Vec::new(),
        }
    }

    /// `None` when something was found.
    fn compile(
        &mut self,
        channel: &ChannelId,
        contract: &ContractId,
        functions: &[String],
    ) -> Option<Compiled> {
        if self.text.len() > ACCESS_TEXT_BYTES_MAX {
            self.file(AccessProblem::TooManyBytes {
                bytes: self.text.len(),
            });
            return None;
        }
        if let Some((span, problem)) = scan::scan(self.text) {
            self.at(Some(span), true, problem);
            return None;
        }
        let policies: PolicySet = match self.text.parse() {
            Ok(policies) => policies,
            Err(errors) => {
                for error in errors.iter() {
                    self.at(span_of(error), true, cedar(error, ""));
                }
                return None;
            }
        };
        let model = match schema::model(channel, contract, functions) {
            Ok(model) => model,
            Err(says) => {
                self.file(AccessProblem::Cedar { says, help: None });
                return None;
            }
        };
        let names = self.names(&policies);
        if self.findings.is_empty() {
            self.validate(&policies, &model, contract, &names);
        }
        self.findings.is_empty().then(|| Compiled {
            principal: model.principal,
            resource: model.resource,
            functions: model.functions,
            policies,
            names: names
                .into_iter()
                .map(|(id, (_, name))| (id, name))
                .collect(),
        })
    }

    /// The policies' names and places, templates refused.
    fn names(&mut self, policies: &PolicySet) -> BTreeMap<PolicyId, (Option<Span>, PolicyName)> {
        let count = policies.policies().count() + policies.templates().count();
        if count > ACCESS_POLICIES_MAX {
            self.file(AccessProblem::TooManyPolicies { policies: count });
        }
        // Cedar's public interface has no way to ask for a policy's place but through the inner
        // type. Should that go away, this does not compile; nothing goes wrong silently.
        for template in policies.templates() {
            let span = template.as_ref().loc().map(|loc| Span::new(loc.start(), 1));
            self.at(span, false, AccessProblem::Template);
        }
        let mut placed: Vec<_> = policies
            .policies()
            .map(|policy| {
                let span = policy.as_ref().loc().map(|loc| Span::new(loc.start(), 1));
                (span.map_or(0, |span| span.start), span, policy)
            })
            .collect();
        placed.sort_by_key(|(start, ..)| *start);
        let mut first_lines = BTreeMap::new();
        let mut names = BTreeMap::new();
        for (_, span, policy) in placed {
            let line = self.place(span).0;
            let id = policy.annotation("id").map(str::to_owned);
            if let Some(id) = &id {
                if !(1..=ACCESS_ID_BYTES_MAX).contains(&id.len())
                    || id.chars().any(char::is_control)
                {
                    self.at(span, false, AccessProblem::BadId);
                } else if let Some(&first_line) = first_lines.get(id) {
                    let id = id.clone();
                    self.at(span, false, AccessProblem::DuplicateId { id, first_line });
                } else {
                    first_lines.insert(id.clone(), line);
                }
            }
            let file = self.name.clone();
            let name = PolicyName { file, line, id };
            names.insert(policy.id().clone(), (span, name));
        }
        names
    }

    /// Cedar's strict validation, its warnings taken as errors (they are about policies that can
    /// never apply and about texts that look like other texts), and what it cannot see.
    fn validate(
        &mut self,
        policies: &PolicySet,
        model: &Model,
        contract: &ContractId,
        names: &BTreeMap<PolicyId, (Option<Span>, PolicyName)>,
    ) {
        let span_of_policy = |id: &PolicyId| names.get(id).and_then(|(span, _)| *span);
        let mut wrong = BTreeSet::new();
        for policy in policies.policies() {
            let mut problems = BTreeSet::new();
            for literal in policy.entity_literals() {
                problems.extend(misused(&literal, model, contract));
            }
            for problem in problems {
                wrong.insert(policy.id().clone());
                self.at(span_of_policy(policy.id()), false, problem);
            }
        }
        let result =
            Validator::new(model.schema.clone()).validate(policies, ValidationMode::Strict);
        for error in result.validation_errors() {
            let span = span_of(error);
            let problem = self.problem_of(error, span, model, contract);
            wrong.insert(error.policy_id().clone());
            self.at(
                span.or(span_of_policy(error.policy_id())),
                span.is_some(),
                problem,
            );
        }
        for warning in result.validation_warnings() {
            // What is misspelt is impossible too; once is enough.
            if !wrong.contains(warning.policy_id()) {
                let problem = cedar(warning, warning.policy_id().as_ref());
                self.at(span_of_policy(warning.policy_id()), false, problem);
            }
        }
    }

    /// What the validator says, in words of contracts where Cedar's own would mislead: its
    /// suggestions depend on the order of a hash map, and measure names with `Action::""` around
    /// them.
    fn problem_of(
        &self,
        error: &ValidationError,
        span: Option<Span>,
        model: &Model,
        contract: &ContractId,
    ) -> AccessProblem {
        let mut problem = cedar(error, error.policy_id().as_ref());
        match (error, &mut problem) {
            (ValidationError::UnrecognizedActionId(_), _) => {
                let named = span
                    .and_then(|span| self.text.get(span.start..span.start + span.len))
                    .and_then(|text| text.parse::<EntityUid>().ok());
                if let Some(named) = named {
                    let name: String = named.id().unescaped().chars().take(128).collect();
                    let names = model.functions.keys().chain(&model.groups);
                    problem = AccessProblem::UnknownFunction {
                        contract: contract.to_string(),
                        suggestion: similar(&name, names.map(String::as_str)),
                        name,
                    };
                }
            }
            (ValidationError::UnrecognizedEntityType(_), AccessProblem::Cedar { help, .. }) => {
                *help = Some("the types are Action, Caller and Contract".to_owned());
            }
            _ => {}
        }
        problem
    }

    fn file(&mut self, problem: AccessProblem) {
        self.at(None, false, problem);
    }

    fn at(&mut self, span: Option<Span>, exactly: bool, problem: AccessProblem) {
        let (line, column) = self.place(span);
        self.findings.push(AccessFinding {
            file: self.name.clone(),
            line,
            column: (exactly && span.is_some()).then_some(column),
            problem,
        });
    }

    fn place(&self, span: Option<Span>) -> (u32, u32) {
        span.map_or((1, 1), |span| span.place(self.text))
    }
}

/// What is wrong with naming `literal`, apart from what the validator says of it.
fn misused(literal: &EntityUid, model: &Model, contract: &ContractId) -> Option<AccessProblem> {
    let name = literal.id().unescaped();
    match literal.type_name().to_string().as_str() {
        schema::CALLER => Some(AccessProblem::CallerById),
        schema::CONTRACT if name != contract.as_str() => Some(AccessProblem::OtherContract {
            contract: contract.to_string(),
        }),
        schema::ACTION if model.functions.contains_key(name) && model.groups.contains(name) => {
            Some(AccessProblem::AmbiguousFunction {
                contract: contract.to_string(),
                name: name.to_owned(),
            })
        }
        _ => None,
    }
}

fn span_of(error: &dyn Diagnostic) -> Option<Span> {
    let label = error.labels()?.next()?;
    Some(Span::new(label.offset(), label.len()))
}

/// Cedar's words without the number that it gives policies; lines say it better.
fn cedar(error: &dyn Diagnostic, policy: &str) -> AccessProblem {
    let plain = |text: String| {
        text.replace(&format!("for policy `{policy}`, "), "")
            .replace(&format!("for policy `{policy}`: "), "")
    };
    AccessProblem::Cedar {
        says: plain(error.to_string()),
        help: error.help().map(|help| plain(help.to_string())),
    }
}

/// The known name that `name` may be a misspelling of: the function of an interface when only the
/// interface is missing, else the nearest
/// with two thirds of it right. The first of equals.
fn similar<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let name: Vec<char> = name.chars().take(128).collect();
    known
        .map(|candidate| {
            let whole = distance(&name, candidate);
            let inner = candidate.split_once(':').map(|(_, function)| function);
            (
                inner.map_or(whole, |inner| whole.min(distance(&name, inner) + 1)),
                candidate,
            )
        })
        .filter(|(distance, candidate)| distance * 3 <= candidate.chars().count().max(3))
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Levenshtein's distance.
fn distance(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, other) in b.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, this) in a.iter().enumerate() {
            let replaced = diagonal + usize::from(*this != other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[a.len()]
}
