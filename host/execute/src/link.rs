//! Contracts of one channel are linked together: what one imports, another one exports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cordon_types::ContractId;
use wasmtime::component::{Linker, Val};

use crate::contract::{CalledInterface, Compiled, Contract};
use crate::error::{InstallError, LinkError};
use crate::host::{CallState, Host, charge, charge_fuel, fuel_left, note, set_fuel};
use crate::profile::Profile;

/// Links what is left of `compiled`, callees before those that call them.
pub(crate) struct Links<'a> {
    linker: &'a Linker<CallState>,
    profile: &'a Arc<Profile>,
    compiled: BTreeMap<ContractId, Arc<Compiled>>,
    linked: BTreeMap<ContractId, Arc<Contract>>,
    /// Every interface that contracts export, with its exporters.
    exporters: BTreeMap<String, Vec<ContractId>>,
    /// The contracts that wait for the one being linked.
    path: Vec<ContractId>,
}

impl<'a> Links<'a> {
    pub(crate) fn new(
        linker: &'a Linker<CallState>,
        profile: &'a Arc<Profile>,
        compiled: BTreeMap<ContractId, Arc<Compiled>>,
    ) -> Self {
        let mut exporters: BTreeMap<String, Vec<ContractId>> = BTreeMap::new();
        for (id, contract) in &compiled {
            let interfaces: BTreeSet<&String> = contract
                .functions
                .iter()
                .map(|function| &function.export.0)
                .collect();
            for interface in interfaces {
                exporters
                    .entry(interface.clone())
                    .or_default()
                    .push(id.clone());
            }
        }
        Self {
            linker,
            profile,
            compiled,
            linked: BTreeMap::new(),
            exporters,
            path: Vec::new(),
        }
    }

    pub(crate) fn all(mut self) -> Result<BTreeMap<ContractId, Arc<Contract>>, LinkError> {
        let ids: Vec<ContractId> = self.compiled.keys().cloned().collect();
        for id in ids {
            self.contract(&id).map_err(|reason| LinkError {
                contract: id,
                reason,
            })?;
        }
        Ok(self.linked)
    }

    fn contract(&mut self, id: &ContractId) -> Result<Arc<Contract>, InstallError> {
        if let Some(linked) = self.linked.get(id) {
            return Ok(Arc::clone(linked));
        }
        let Some(compiled) = self.compiled.remove(id) else {
            // Taken out already and not linked yet: it waits further up.
            self.path.push(id.clone());
            let path: Vec<&str> = self.path.iter().map(ContractId::as_str).collect();
            return Err(InstallError::CallCycle {
                path: path.join(" → "),
            });
        };
        self.path.push(id.clone());
        let mut linker = self.linker.clone();
        let mut callees = BTreeSet::new();
        for interface in &compiled.calls {
            self.interface(&mut linker, interface, &mut callees)?;
        }
        self.path.pop();
        // By what is linked already, whatever the order: a callee counts with all that it calls.
        let linked = |callee: &ContractId| self.linked.get(callee).map_or(0, |c| c.depth());
        let depth = 1 + callees.iter().map(linked).max().unwrap_or(0);
        if depth > self.profile.call_depth_max {
            return Err(InstallError::CallsTooDeep {
                max: self.profile.call_depth_max,
            });
        }
        let instance = linker
            .instantiate_pre(&compiled.component)
            .map_err(|error| InstallError::Invalid(format!("{error:#}")))?;
        let asks = compiled.asks
            || callees.iter().any(|callee| {
                let callee = self.linked.get(callee);
                callee.is_some_and(|callee| callee.asks_other_channels())
            });
        let contract = Contract::new(
            id.clone(),
            compiled,
            self.profile,
            instance,
            callees,
            depth,
            asks,
        );
        let contract = Arc::new(contract);
        self.linked.insert(id.clone(), Arc::clone(&contract));
        Ok(contract)
    }

    /// Offers `interface` to the contract that imports it.
    fn interface(
        &mut self,
        linker: &mut Linker<CallState>,
        interface: &CalledInterface,
        callees: &mut BTreeSet<ContractId>,
    ) -> Result<(), InstallError> {
        let invalid = |error: wasmtime::Error| InstallError::Invalid(format!("{error:#}"));
        let mut instance = linker.instance(&interface.name).map_err(invalid)?;
        if interface.functions.is_empty() {
            // Types alone need nobody who exports them.
            return Ok(());
        }
        let name = &interface.name;
        let exporters = self.exporters.get(name).map_or(&[][..], Vec::as_slice);
        let id = match exporters {
            [] => {
                return Err(InstallError::MissingCallee {
                    interface: name.clone(),
                });
            }
            [id] => id.clone(),
            several => {
                let names: Vec<&str> = several.iter().map(ContractId::as_str).collect();
                return Err(InstallError::AmbiguousCallee {
                    interface: name.clone(),
                    contracts: names.join(", "),
                });
            }
        };
        let callee = self.contract(&id)?;
        callees.extend(callee.callees().iter().cloned());
        for (function, signature) in &interface.functions {
            let exported = callee.functions().iter().position(|exported| {
                exported.export == (name.clone(), function.clone())
                    && exported.signature == *signature
            });
            let Some(index) = exported else {
                return Err(InstallError::CalleeDiffers {
                    contract: id,
                    function: format!("{name}.{function}"),
                });
            };
            let callee = Arc::clone(&callee);
            instance
                .func_new(function, move |host, _, values, results| {
                    call(host, &callee, index, values, results)
                })
                .map_err(invalid)?;
        }
        callees.insert(id);
        Ok(())
    }
}

/// One contract calls another: on the same state, with the same fuel, in the same transaction. When
/// the callee refuses, what it wrote is taken back and the caller gets the refusal; when it is at
/// fault, so is the whole execution.
fn call(
    mut host: Host<'_>,
    callee: &Contract,
    index: usize,
    values: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let function = &callee.functions()[index];
    note(&host, &function.wit_name, Some(callee.id().as_str()));
    charge(&mut host, values.iter().map(size).sum())?;
    let state = host.data();
    let execution = Arc::clone(&state.execution);
    let calling = Some(state.contract.clone());
    let frame = CallState::new(&execution, callee.id().clone(), calling, state.deeper()?);
    charge_fuel(&mut host, execution.profile.contract_call_fuel)?;
    let (checkpoint, write_bytes) = {
        let mut work = execution.work.lock();
        (work.simulation.checkpoint(), work.write_bytes)
    };
    let fuel = fuel_left(&host);
    let (result, left) = callee.enter(function, values, frame, fuel, |_| {})?;
    set_fuel(&mut host, left)?;
    let refused = function.refuses && matches!(result, Val::Result(Err(_)));
    {
        let mut work = execution.work.lock();
        work.simulation.end(&checkpoint, !refused);
        if refused {
            work.write_bytes = write_bytes;
        }
    }
    charge(&mut host, size(&result))?;
    if let Some(slot) = results.first_mut() {
        *slot = result;
    }
    Ok(())
}

/// About the bytes of a value, what the host moves for it.
fn size(value: &Val) -> usize {
    let all = |values: &[Val]| values.iter().map(size).sum::<usize>();
    match value {
        Val::String(text) => text.len() + 8,
        Val::List(values) | Val::Tuple(values) => 8 + all(values),
        Val::Record(fields) => fields.iter().map(|(_, value)| size(value)).sum(),
        Val::Variant(_, Some(value))
        | Val::Option(Some(value))
        | Val::Result(Ok(Some(value)) | Err(Some(value))) => 8 + size(value),
        Val::Flags(names) => 8 * names.len(),
        _ => 8,
    }
}
