//! Fabric's `_lifecycle` on a channel: definitions of contracts, agreed on by the members.

use std::sync::Arc;

use cordon_execute::{Call, Contract, HostError, Outcome};
use cordon_lifecycle::{Definition, Entry, Packages, Request, View};
use cordon_policy::{AccessPolicies, AccessPolicyFile, MetaPolicy};
use cordon_types::{ContractId, ReadWriteSet, StateError, status};

use crate::channel::{Channel, Current, install, profile_of};

impl Channel {
    /// Answers a function of `_lifecycle`: the request's, with what `call` says of the proposal. A
    /// commit is answered only where the contracts of the channel fit each other with the new one, and
    /// holds what the new version does to its state (`upgrade`).
    ///
    /// # Errors
    /// [`HostError`] when this host cannot answer.
    pub fn lifecycle(
        &self,
        current: &Current,
        request: &Request,
        call: Call<'_>,
        packages: &dyn Packages,
    ) -> Result<Outcome, HostError> {
        let broken = |text: String| HostError::State(StateError(text));
        let config = current.config();
        let view = View {
            members: config.members().cloned().collect(),
            definitions: config.definitions().map_err(|e| broken(e.to_string()))?,
            lifecycle_policy: MetaPolicy::parse(&config.lifecycle_policy)
                .map_err(|e| broken(e.to_string()))?,
        };
        let answered = cordon_lifecycle::call(request, &view, &*call.snapshot, packages)
            .map_err(HostError::State)?;
        let outcome = Outcome {
            response: answered.response,
            rw_set: answered.rw_set,
            events: Vec::new(),
            fuel: 0,
        };
        let Some((contract, definition)) = defined(&outcome.rw_set) else {
            return Ok(outcome);
        };
        let new = match self.with_definition(current, &contract, &definition) {
            Ok(new) => new,
            Err(text) => return Ok(Outcome::refused(status::CONFLICT, text)),
        };
        match view.definitions.get(&contract) {
            Some(old) if old.component_sha256 != definition.component_sha256 => {
                upgraded(&contract, &old.version, &new, call, outcome)
            }
            _ => Ok(outcome),
        }
    }

    /// The contract by this definition, linked with all others of the channel, if all of them and the
    /// access policies fit it.
    fn with_definition(
        &self,
        current: &Current,
        contract: &ContractId,
        definition: &Definition,
    ) -> Result<Arc<Contract>, String> {
        let components = self.components();
        let mut config = (**current.config()).clone();
        config.define(contract, definition);
        let profile = profile_of(&config, components)?;
        let (linked, mut missing) =
            install(&config, components, &profile).map_err(|error| error.to_string())?;
        // What this host does not have stands in nobody's way; what it had must go on.
        let mut needed = current.contracts.keys().chain([contract]);
        if let Some(lost) = needed.find(|id| !linked.contains_key(*id)) {
            let reason = missing.remove(lost).unwrap_or_default();
            if lost == contract {
                return Err(reason);
            }
            let version = &definition.version;
            return Err(format!(
                "contract {lost} does not fit version {version} of contract {contract}: {reason}"
            ));
        }
        let functions = linked.iter().map(|(id, installed)| {
            let names = installed.code.functions().iter();
            (
                id.clone(),
                names.map(|function| function.name.clone()).collect(),
            )
        });
        let known = |file: &&AccessPolicyFile| {
            let id = file.contract.parse::<ContractId>();
            id.is_ok_and(|id| linked.contains_key(&id))
        };
        let files: Vec<_> = config
            .access_policies
            .iter()
            .filter(known)
            .cloned()
            .collect();
        AccessPolicies::new(self.id(), &files, &functions.collect()).map_err(
            |error| {
                format!(
                    "the channel's access policies do not fit version {} of contract {contract}, change them first (cordon policy set): {error}",
                    definition.version
                )
            },
        )?;
        let linked = linked
            .get(contract)
            .map(|installed| Arc::clone(&installed.code));
        linked.ok_or_else(|| format!("contract {contract} cannot be linked"))
    }
}

/// The definition that is put in force by these writes.
fn defined(rw_set: &ReadWriteSet) -> Option<(ContractId, Definition)> {
    let writes = rw_set.contracts.iter().flat_map(|set| &set.writes);
    writes
        .into_iter()
        .find_map(|write| match Entry::of_write(write) {
            Ok(Entry::Definition {
                contract,
                definition,
            }) => Some((contract, definition)),
            _ => None,
        })
}

/// Lets the new version bring its state into order, in the transaction that puts it in force.
fn upgraded(
    contract: &ContractId,
    from_version: &str,
    new: &Contract,
    call: Call<'_>,
    mut outcome: Outcome,
) -> Result<Outcome, HostError> {
    let Some(upgrade) = new.upgrade(from_version, call)? else {
        return Ok(outcome);
    };
    let response = upgrade.response;
    if response.status != status::OK {
        let text = format!(
            "the upgrade of contract {contract} from version {from_version} did not succeed, so the version before stays: {}",
            response.message
        );
        return Ok(Outcome::refused(response.status, text));
    }
    let writes = |set: &&cordon_types::ContractReadWriteSet| !set.writes.is_empty();
    let mut written = upgrade.rw_set.contracts.iter().filter(writes);
    if let Some(other) = written.find(|set| set.contract != *contract) {
        let text = format!(
            "the upgrade of contract {contract} writes state of contract {}: it may write its own only",
            other.contract
        );
        return Ok(Outcome::refused(status::CONFLICT, text));
    }
    outcome.rw_set.contracts.extend(upgrade.rw_set.contracts);
    outcome
        .rw_set
        .contracts
        .sort_by(|left, right| left.contract.as_str().cmp(right.contract.as_str()));
    outcome.fuel = upgrade.fuel;
    Ok(outcome)
}
