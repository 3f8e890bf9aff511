//! Who may call which function, by the access policies of the channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use cordon_endorse::Installed;
use cordon_execute::Access;
use cordon_policy::{AccessPolicies, AccessPolicyFile, Denial};
use cordon_types::{Caller, ChannelId, ContractId};
use cordon_wire::sha256;
use quick_cache::sync::Cache;

use crate::config::ChannelConfig;

/// Decisions kept. One is some hundred bytes, and takes Cedar ten to twenty microseconds.
const DECISIONS_MAX: usize = 10_000;

/// The access policies in force, with what they decided.
pub(crate) struct ChannelAccess {
    policies: AccessPolicies,
    /// By hash of creator, contract and function: a decision follows from these alone.
    decisions: Cache<[u8; 32], Result<(), Arc<Denial>>>,
}

impl ChannelAccess {
    /// The policies of a configuration. Those that do not fit the contracts' functions permit nothing;
    /// whoever proposes a configuration is told before.
    pub(crate) fn new(
        channel: &ChannelId,
        config: &ChannelConfig,
        contracts: &BTreeMap<ContractId, Installed>,
    ) -> Self {
        let functions = contracts
            .iter()
            .map(|(id, installed)| {
                let functions = installed.code.functions();
                let names = functions.iter().map(|function| function.name.clone());
                (id.clone(), names.collect())
            })
            .collect();
        let policies = AccessPolicies::new(channel, &config.access_policies, &functions);
        let policies = policies.unwrap_or_else(|_| {
            // One file that does not fit its contract takes nobody's access to the others.
            let fits = |file: &&AccessPolicyFile| {
                let alone = AccessPolicies::new(channel, &[(*file).clone()], &functions);
                if let Err(error) = &alone {
                    tracing::error!(%channel, contract = %file.contract, %error, "access policies cannot be used: nothing is permitted on the contract");
                }
                alone.is_ok()
            };
            let files: Vec<_> = config.access_policies.iter().filter(fits).cloned().collect();
            let fitting = AccessPolicies::new(channel, &files, &functions);
            fitting.unwrap_or_else(|_| AccessPolicies::none())
        });
        Self {
            policies,
            decisions: Cache::new(DECISIONS_MAX),
        }
    }
}

/// What one caller may do with one contract.
pub struct ContractAccess {
    pub(crate) access: Arc<ChannelAccess>,
    pub(crate) contract: ContractId,
    /// The caller's serialized identity.
    pub(crate) creator: bytes::Bytes,
}

impl Access for ContractAccess {
    fn authorize(&self, caller: &Caller, function: &str) -> Result<(), String> {
        let ChannelAccess {
            policies,
            decisions,
        } = &*self.access;
        let contract = self.contract.as_str();
        let key = sha256([
            &(contract.len() as u64).to_be_bytes()[..],
            contract.as_bytes(),
            &(function.len() as u64).to_be_bytes(),
            function.as_bytes(),
            &self.creator,
        ]);
        let decision = decisions.get(&key).unwrap_or_else(|| {
            let decision = policies.authorize(caller, &self.contract, function);
            let decision = decision.map_err(Arc::new);
            decisions.insert(key, decision.clone());
            decision
        });
        decision.map_err(|denial| denial.to_string())
    }
}
