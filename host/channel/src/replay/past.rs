//! What a channel's blocks say of every height: the state, the configuration, the contracts.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cordon_endorse::{CLOCK_SKEW_SECONDS_MAX, Installed};
use cordon_identity::{Identity, IdentityError, Membership};
use cordon_types::{ChannelId, ContractId, ValidationCode, Version};
use cordon_validate::Prepared;
use parking_lot::RwLock;

use super::Unreplayable;
use super::versions::{Change, PastSnapshot, Versions};
use crate::access::ChannelAccess;
use crate::channel::{Components, profile_of};
use crate::config::ChannelConfig;
use crate::error::ChannelError;
use crate::verify::{ChainVerifier, VerifiedBlock, VerifyError};

/// A channel's past, from its blocks alone: each is verified as it is added
/// ([`ChainVerifier`]). Memory: every value that the channel has ever written.
pub struct Past {
    chain: ChainVerifier,
    versions: Arc<RwLock<Versions>>,
    eras: Vec<Era>,
    /// For each block the newest client's time in it and in those before, seconds since the Unix
    /// epoch.
    times: Vec<i64>,
    components: Arc<dyn Components>,
}

/// Since a configuration took effect.
struct Era {
    /// The first height with it.
    from: u64,
    config: Arc<ChannelConfig>,
    membership: Arc<Membership>,
    /// Made when it is first asked for: whoever replays one transaction needs one.
    deployed: OnceLock<Result<Arc<Deployed>, Unreplayable>>,
}

/// The contracts of a configuration.
pub(crate) struct Deployed {
    pub(crate) contracts: BTreeMap<ContractId, Installed>,
    /// Those whose code cannot be had, with the reason.
    pub(crate) missing: BTreeMap<ContractId, Unreplayable>,
    pub(crate) access: Arc<ChannelAccess>,
}

// === impl Past ===

impl Past {
    /// Begins with block 0, which is trusted as it is; code of contracts comes from `components`.
    ///
    /// # Errors
    /// As [`ChainVerifier::new`].
    pub fn new(genesis: &Bytes, components: Arc<dyn Components>) -> Result<Self, VerifyError> {
        let chain = ChainVerifier::new(genesis)?;
        let mut versions = Versions::default();
        versions.block(chain.hash());
        Ok(Self {
            versions: Arc::new(RwLock::new(versions)),
            eras: vec![Era::new(1, &chain)],
            times: vec![i64::MIN],
            components,
            chain,
        })
    }

    /// Verifies the next block and adds it.
    ///
    /// # Errors
    /// [`VerifyError`] for the first thing that is not as it must be.
    pub fn next(&mut self, bytes: &Bytes) -> Result<(), VerifyError> {
        self.next_block(bytes).map(drop)
    }

    pub(super) fn next_block(&mut self, bytes: &Bytes) -> Result<VerifiedBlock, VerifyError> {
        let before = Arc::clone(self.chain.config());
        let number = self.chain.height();
        let block = self.chain.next_block(bytes)?;
        if !Arc::ptr_eq(&before, self.chain.config()) {
            self.eras.push(Era::new(self.chain.height(), &self.chain));
        }
        let mut newest = self.times.last().copied().unwrap_or(i64::MIN);
        let mut versions = self.versions.write();
        versions.block(self.chain.hash());
        for (tx, (checked, code)) in (0..).zip(block.checked.iter().zip(&block.codes)) {
            let Prepared::Transaction(transaction) = checked.prepared() else {
                continue;
            };
            if *code != ValidationCode::Valid {
                continue;
            }
            let time = transaction.header.channel_header.timestamp;
            let time = time.unwrap_or_default();
            newest = newest.max(time.seconds);
            for set in &transaction.rw_set.contracts {
                for write in &set.writes {
                    let change = Change {
                        version: Version { block: number, tx },
                        tx_id: transaction.tx_id,
                        timestamp: (time.seconds, time.nanos),
                        // A copy: a slice would keep the whole block in memory.
                        value: write.value.as_deref().map(Bytes::copy_from_slice),
                    };
                    versions.change(&set.contract, &write.key, change);
                }
            }
        }
        drop(versions);
        self.times.push(newest);
        Ok(block)
    }

    /// What has been verified.
    pub fn chain(&self) -> &ChainVerifier {
        &self.chain
    }

    /// The channel's id.
    pub fn id(&self) -> &ChannelId {
        self.chain.id()
    }

    /// Whether a contract that was ever deployed may have asked other channels. Those whose code
    /// cannot be had do not count.
    pub fn asks_other_channels(&self) -> bool {
        self.eras.iter().any(|era| {
            let deployed = era.deployed(&*self.components);
            deployed.is_ok_and(|deployed| {
                let mut contracts = deployed.contracts.values();
                contracts.any(|installed| installed.code.asks_other_channels())
            })
        })
    }

    pub(super) fn versions(&self) -> &Arc<RwLock<Versions>> {
        &self.versions
    }

    pub(super) fn snapshot(&self, height: u64) -> PastSnapshot {
        PastSnapshot::new(&self.versions, height, self.era(height).from - 1)
    }

    /// Who somebody was on the state of `height` blocks.
    pub(super) fn identity(
        &self,
        creator: &[u8],
        height: u64,
    ) -> Result<Arc<Identity>, IdentityError> {
        self.era(height).membership.identity(creator)
    }

    /// The same, when they were known last.
    pub(super) fn last_identity(&self, creator: &[u8]) -> Option<Arc<Identity>> {
        let mut eras = self.eras.iter().rev();
        eras.find_map(|era| era.membership.identity(creator).ok())
    }

    /// The contracts that ran on the state of `height` blocks.
    pub(super) fn deployed(&self, height: u64) -> Result<Arc<Deployed>, Unreplayable> {
        self.era(height).deployed(&*self.components)
    }

    fn era(&self, height: u64) -> &Era {
        let after = self.eras.partition_point(|era| era.from <= height);
        // The first begins at 1, and no state has fewer blocks.
        &self.eras[after.saturating_sub(1)]
    }

    /// The newest height whose state a transaction that its client has signed at `time` can have
    /// met. A host endorses within [`CLOCK_SKEW_SECONDS_MAX`] of the client's time: so a block with
    /// a transaction that was signed more than twice that later came after.
    pub(super) fn plausible(&self, time: i64) -> u64 {
        let latest = time.saturating_add_unsigned(2 * CLOCK_SKEW_SECONDS_MAX);
        let height = self.times.partition_point(|newest| *newest <= latest);
        height as u64
    }
}

// === impl Era ===

impl Era {
    fn new(from: u64, chain: &ChainVerifier) -> Self {
        Self {
            from,
            config: Arc::clone(chain.config()),
            membership: Arc::clone(chain.membership()),
            deployed: OnceLock::new(),
        }
    }

    fn deployed(&self, components: &dyn Components) -> Result<Arc<Deployed>, Unreplayable> {
        let made = self
            .deployed
            .get_or_init(|| Deployed::new(&self.config, components).map(Arc::new));
        made.clone()
    }
}

// === impl Deployed ===

impl Deployed {
    /// Compiles and links what can be had.
    fn new(config: &ChannelConfig, components: &dyn Components) -> Result<Self, Unreplayable> {
        let other = |error: &dyn std::fmt::Display| Unreplayable::Code(error.to_string());
        let profile = profile_of(config, components).map_err(Unreplayable::Profile)?;
        let mut compiled = BTreeMap::new();
        let mut versions = BTreeMap::new();
        let mut missing = BTreeMap::new();
        for contract in &config.contracts {
            let id: ContractId = contract.name.parse().map_err(|error| other(&error))?;
            versions.insert(id.clone(), contract.version.clone());
            match components.load(&id, &contract.sha256) {
                Ok(code) => drop(compiled.insert(id, code)),
                Err(ChannelError::NoComponent { contract, sha256 }) => {
                    missing.insert(id, Unreplayable::NoComponent { contract, sha256 });
                }
                Err(error) => drop(missing.insert(id, other(&error))),
            }
        }
        // Whoever calls a contract that is missing is missing too.
        let linked = loop {
            match components.runtime().link(&profile, compiled.clone()) {
                Ok(linked) => break linked,
                Err(error) => {
                    if compiled.remove(&error.contract).is_none() {
                        return Err(other(&error));
                    }
                    let cause = missing.values().next().cloned();
                    let cause = cause.unwrap_or_else(|| other(&error));
                    missing.insert(error.contract, cause);
                }
            }
        };
        let contracts = linked.into_iter().map(|(id, code)| {
            let version = versions.remove(&id).unwrap_or_default();
            (id, Installed { version, code })
        });
        let contracts = contracts.collect();
        let id = config.id().map_err(|error| other(&error))?;
        let access = Arc::new(ChannelAccess::new(&id, config, &contracts));
        Ok(Self {
            contracts,
            missing,
            access,
        })
    }

    /// A contract's code.
    pub(crate) fn contract(&self, id: &ContractId) -> Result<&Installed, Unreplayable> {
        self.contracts.get(id).ok_or_else(|| {
            let reason = self.missing.get(id).cloned();
            reason.unwrap_or_else(|| Unreplayable::Code(format!("contract {id} was not deployed")))
        })
    }
}
