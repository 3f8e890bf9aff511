//! Access policies: who may call which function of a contract. Cedar, one file per contract,
//! compiled once; [`AccessPolicies::authorize`] then decides each call.
//!
//! Principal is the caller, action the exported function, resource the contract. The schema that
//! files are held to is in `schema`, what is wrong with a file in `error`, why a call is refused in
//! `denial`. What only data can decide (this patient, this consent) is the contracts' matter.

mod compile;
mod denial;
mod error;
#[cfg(test)]
mod measure;
mod scan;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, EntityUid, PolicyId, PolicySet,
    Request,
};
use cordon_types::{Caller, ChannelId, ContractId};
use serde::{Deserialize, Serialize};

pub use denial::{Denial, PolicyName};
pub use error::{AccessFinding, AccessPolicyError, AccessProblem};

/// One file, as it stands on the channel's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessPolicyFile {
    /// The contract that it is for, and the only one it applies to. The file's name is this and
    /// `.cedar`.
    pub contract: String,
    /// Cedar text, at most [`ACCESS_TEXT_BYTES_MAX`](crate::ACCESS_TEXT_BYTES_MAX) bytes. May be
    /// empty: then nobody may call anything.
    pub text: String,
}

/// All access policies of a channel, compiled.
#[derive(Clone)]
pub struct AccessPolicies {
    contracts: BTreeMap<ContractId, Compiled>,
}

/// A contract that has a file.
#[derive(Clone)]
struct Compiled {
    principal: EntityUid,
    resource: EntityUid,
    functions: BTreeMap<String, Function>,
    policies: PolicySet,
    names: BTreeMap<PolicyId, PolicyName>,
}

/// What a call of one function brings along, the caller aside.
#[derive(Clone)]
struct Function {
    action: EntityUid,
    /// The action with the group it is in, and the contract.
    entities: Entities,
}

// === impl AccessPolicies ===

impl AccessPolicies {
    /// Compiles the files of `channel` and checks each against its contract's functions.
    ///
    /// `functions` has every contract of the channel with its canonical function names
    /// (`HealthCenter:CreateEmr`, or `CreateEmr` when exported outside an interface). The order of
    /// `files` and of names does not matter.
    ///
    /// # Errors
    /// [`AccessPolicyError`] with everything that is wrong, in order of files and places.
    pub fn new(
        channel: &ChannelId,
        files: &[AccessPolicyFile],
        functions: &BTreeMap<ContractId, Vec<String>>,
    ) -> Result<Self, AccessPolicyError> {
        compile::compile(channel, files, functions)
            .map(|contracts| Self { contracts })
            .map_err(AccessPolicyError::new)
    }

    /// No policies: nobody may call anything.
    pub fn none() -> Self {
        Self {
            contracts: BTreeMap::new(),
        }
    }

    /// Whether `caller` may call `function` of `contract`.
    ///
    /// The default is to deny: without a file, or a policy that permits, nothing is permitted. A
    /// policy that forbids outweighs all that permit. A policy that fails to evaluate denies too:
    /// Cedar passes over it, and so would let pass what it was to forbid.
    ///
    /// Cost: tens of microseconds with ten policies (`measure`), growing with their number.
    ///
    /// # Errors
    /// [`Denial`], which says who decided and nothing about the caller but the organisation.
    pub fn authorize(
        &self,
        caller: &Caller,
        contract: &ContractId,
        function: &str,
    ) -> Result<(), Denial> {
        let not_permitted = || Denial::not_permitted(contract, function, &caller.msp_id);
        let compiled = self.contracts.get(contract).ok_or_else(not_permitted)?;
        // A function that the contract does not have is no action; Cedar itself would apply
        // policies for all actions to it.
        let called = compiled.functions.get(function).ok_or_else(not_permitted)?;
        let failed = |policies| Denial::Failed {
            contract: contract.clone(),
            function: function.to_owned(),
            policies,
        };
        let Some((request, entities)) = compiled.question(called, caller) else {
            return Err(failed(Vec::new()));
        };
        let response = Authorizer::new().is_authorized(&request, &compiled.policies, &entities);

        let diagnostics = response.diagnostics();
        let mut errors = diagnostics
            .errors()
            .map(|AuthorizationError::PolicyEvaluationError(error)| error.policy_id())
            .peekable();
        if errors.peek().is_some() {
            return Err(failed(compiled.named(errors)));
        }
        match response.decision() {
            Decision::Allow => Ok(()),
            Decision::Deny => match compiled.named(diagnostics.reason()) {
                none if none.is_empty() => Err(not_permitted()),
                policies => Err(Denial::Forbidden {
                    function: function.to_owned(),
                    policies,
                }),
            },
        }
    }
}

impl fmt::Debug for AccessPolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.contracts.iter().map(|(id, it)| (id, it.names.len())))
            .finish()
    }
}

// === impl Compiled ===

impl Compiled {
    /// What Cedar is asked. `None` never comes of strings and checked names; it denies.
    fn question(&self, called: &Function, caller: &Caller) -> Option<(Request, Entities)> {
        let caller = schema::caller(&self.principal, caller)?;
        let request = Request::new(
            self.principal.clone(),
            called.action.clone(),
            self.resource.clone(),
            Context::empty(),
            None,
        );
        let entities = called.entities.clone().add_entities([caller], None);
        Some((request.ok()?, entities.ok()?))
    }

    /// The names of these policies, in order of their lines.
    fn named<'a>(&self, ids: impl Iterator<Item = &'a PolicyId>) -> Vec<PolicyName> {
        let mut names: Vec<_> = ids.filter_map(|id| self.names.get(id).cloned()).collect();
        names.sort();
        names
    }
}
