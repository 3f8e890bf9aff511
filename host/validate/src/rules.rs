//! What a channel asks of a transaction, as committed before the block that is validated.

use std::collections::{BTreeMap, BTreeSet};

use cordon_policy::EndorsementPolicy;
use cordon_types::{ContractId, MspId};

/// The rules of a channel. A change takes effect with the block after the one that commits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRules {
    /// The organisations of the channel. Nobody else's signature counts, whoever trusts it.
    pub members: BTreeSet<MspId>,
    /// Who must approve a configuration.
    pub governance: EndorsementPolicy,
    /// Whose hosts must endorse the commit of a contract.
    pub lifecycle: EndorsementPolicy,
    /// Every contract that is or was deployed.
    pub contracts: BTreeMap<ContractId, ContractRules>,
}

/// The rules of one contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContractRules {
    /// It can be called.
    Deployed {
        /// How often its definition has changed; 1 is the first.
        sequence: u64,
        /// The committed version; a transaction must have been endorsed on this one.
        version: String,
        /// Who must endorse.
        endorsement_policy: EndorsementPolicy,
    },
    /// It was removed from the channel.
    Removed,
}
