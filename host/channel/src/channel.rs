//! A channel as the services of a host see it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cordon_compile::read_component;
use cordon_endorse::Installed;
use cordon_execute::{Compiled, Profile, Runtime};
use cordon_identity::{Identity, Membership, Msp, Role, SignatureCache};
use cordon_ledger::{CommitBlock, Ledger, LedgerError, OpenReport};
use cordon_order::OrderingLog;
use cordon_policy::{EndorsementPolicy, Signer};
use cordon_types::{ChannelId, ContractId, ValidationCode};
use cordon_validate::{ChannelRules, ContractRules, check, prepare};
use cordon_wire::block::CommittedBlock;
use cordon_wire::config::ConfigTransaction;
use cordon_wire::proposal::CONFIG;
use cordon_wire::transaction::Envelope;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::access::{ChannelAccess, ContractAccess};
use crate::commits::Commits;
use crate::config::{BlockReaders, ChannelConfig};
use crate::error::ChannelError;
use crate::verifier::{self, Verifier};

/// Memory for each channel's state cache. sled takes about twice that; larger caches measured no
/// faster on records that fit the system's own file cache.
pub const STATE_CACHE_BYTES: u64 = 64 << 20;

/// The code of contracts.
pub trait Components: Send + Sync {
    /// The engine that all of them are compiled by.
    fn runtime(&self) -> &Runtime;

    /// The component with that SHA-256, in hex, which a channel runs as `contract`. Compiles.
    ///
    /// # Errors
    /// [`ChannelError`] when there is none, or it cannot be used.
    fn load(&self, contract: &ContractId, sha256: &str) -> Result<Arc<Compiled>, ChannelError>;
}

/// The components that a host has: files named by their SHA-256 in one folder.
#[derive(Clone)]
pub struct ComponentStore {
    dir: PathBuf,
    runtime: Runtime,
}

impl ComponentStore {
    /// Components in `dir`, compiled by `runtime`.
    pub fn new(dir: PathBuf, runtime: Runtime) -> Self {
        Self { dir, runtime }
    }
}

impl Components for ComponentStore {
    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn load(&self, contract: &ContractId, sha256: &str) -> Result<Arc<Compiled>, ChannelError> {
        let missing = || ChannelError::NoComponent {
            contract: contract.clone(),
            sha256: sha256.to_owned(),
        };
        if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(missing());
        }
        let path = self.dir.join(format!("{sha256}.wasm"));
        let bytes = read_component(&path, self.runtime.profile()).map_err(|_| missing())?;
        // The file's name says what it should be; only its bytes say what it is.
        if hex::encode(cordon_wire::sha256([bytes.as_slice()])) != sha256 {
            return Err(ChannelError::OtherComponent {
                contract: contract.clone(),
                sha256: sha256.to_owned(),
            });
        }
        self.runtime
            .compile(&bytes)
            .map_err(|reason| ChannelError::Component {
                contract: contract.clone(),
                reason,
            })
    }
}

/// One channel on this host.
pub struct Channel {
    pub(crate) id: ChannelId,
    /// Changes with a configuration on the ledger.
    pub(crate) current: RwLock<Arc<Current>>,
    pub(crate) rules: ChannelRules,
    pub(crate) membership: Membership,
    pub(crate) ledger: Ledger,
    pub(crate) log: OrderingLog,
    pub(crate) commits: Commits,
    pub(crate) stopped: watch::Sender<Option<String>>,
    contracts: BTreeMap<ContractId, Installed>,
    executes: Result<(), String>,
}

/// The configuration in force.
pub(crate) struct Current {
    pub(crate) sequence: u64,
    pub(crate) config: Arc<ChannelConfig>,
    access: Arc<ChannelAccess>,
}

impl Current {
    fn new(
        channel: &ChannelId,
        sequence: u64,
        config: ChannelConfig,
        contracts: &BTreeMap<ContractId, Installed>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sequence,
            access: Arc::new(ChannelAccess::new(channel, &config, contracts)),
            config: Arc::new(config),
        })
    }
}

impl Channel {
    /// Opens the channel's ledger in `dir`; a new one begins with `genesis`, block 0. Blocking.
    ///
    /// # Errors
    /// [`ChannelError`] when the configuration, the ledger or a contract cannot be used.
    pub fn open(
        dir: &Path,
        genesis: &Bytes,
        log: OrderingLog,
        components: &ComponentStore,
        signatures: Arc<SignatureCache>,
    ) -> Result<(Self, OpenReport), ChannelError> {
        let config = ChannelConfig::from_genesis(genesis)?;
        let options = cordon_ledger::Options {
            cache_bytes: STATE_CACHE_BYTES,
            ..Default::default()
        };
        let (ledger, report) = open_ledger(dir, options)?;
        match ledger.block(0)? {
            None => ledger.commit(&CommitBlock::parse(genesis.clone())?)?,
            Some(first) if first == *genesis => {}
            Some(_) => return Err(ChannelError::OtherGenesis),
        }
        let msps = config
            .organizations
            .iter()
            .map(Msp::new)
            .collect::<Result<Vec<_>, _>>()
            .map_err(crate::config::ConfigError::from)?;
        let rules = config.rules()?;
        config.limits()?;
        let executes = profile_of(&config, components).map_err(|mismatches| {
            format!(
                "this host does not execute contracts of channel {}, because its engine does not match: {mismatches}",
                config.channel
            )
        });
        let profile = executes.as_ref().unwrap_or(components.runtime.profile());
        let (contracts, executes) = match install(&config, components, profile) {
            Ok(contracts) => (contracts, executes),
            // What others compile and this host cannot stops neither its other channels nor this ledger.
            Err(error @ ChannelError::Component { .. }) => {
                let text = format!(
                    "this host does not execute contracts of channel {}: {error}",
                    config.channel
                );
                (BTreeMap::new(), executes.and(Err(text)))
            }
            Err(error) => return Err(error),
        };
        if let Err(text) = &executes {
            tracing::error!("{text}");
        }
        let id = config.id()?;
        let (sequence, config) = last_config(&ledger, config)?;
        let current = RwLock::new(Current::new(&id, sequence, config, &contracts));
        let channel = Self {
            id,
            current,
            executes: executes.map(drop),
            membership: Membership::with_signature_cache(msps, signatures),
            rules,
            commits: Commits::new(ledger.height()),
            ledger,
            log,
            contracts,
            stopped: watch::Sender::new(None),
        };
        Ok((channel, report))
    }

    /// The channel's id.
    pub fn id(&self) -> &ChannelId {
        &self.id
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<ChannelConfig> {
        Arc::clone(&self.current.read().config)
    }

    /// Whether a configuration could take effect now.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn check_config(&self, envelope: &Bytes) -> Result<(), String> {
        let checked = check(prepare(envelope, &self.id), &self.verifier(), &self.rules);
        match checked.refusal() {
            Some(verdict) => Err(verdict.to_string()),
            None => Ok(()),
        }
    }

    /// Puts a configuration in force that a block holds as valid.
    pub(crate) fn configure(&self, sequence: u64, document: &[u8]) -> Result<(), ChannelError> {
        let config = self
            .config()
            .followed_by(document)
            .map_err(ChannelError::Internal)?;
        tracing::info!(channel = %self.id, sequence, "a new configuration is in force");
        *self.current.write() = Current::new(&self.id, sequence, config, &self.contracts);
        Ok(())
    }

    pub(crate) fn verifier(&self) -> Verifier<'_> {
        let current = Arc::clone(&self.current.read());
        Verifier {
            membership: &self.membership,
            sequence: current.sequence,
            config: Arc::clone(&current.config),
        }
    }

    /// The members.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The ordering log.
    pub fn log(&self) -> &OrderingLog {
        &self.log
    }

    /// News of commits.
    pub fn commits(&self) -> &Commits {
        &self.commits
    }

    /// Whether a member may read whole blocks.
    pub fn may_read_blocks(&self, identity: &Identity) -> bool {
        match self.config().block_readers {
            BlockReaders::Members => true,
            BlockReaders::Admins => [Role::Admin, Role::Peer, Role::Orderer]
                .iter()
                .any(|role| identity.has_role(*role)),
        }
    }

    /// Whether this host says what contracts of the channel do: its engine has to match the channel's
    /// execution profile. Blocks it validates and commits in any case.
    ///
    /// # Errors
    /// A sentence that names every setting that differs.
    pub fn executes(&self) -> Result<(), String> {
        self.executes.clone()
    }

    /// The contract of that name, if it is deployed.
    pub fn contract(&self, name: &str) -> Option<&Installed> {
        self.contracts.get(&name.parse::<ContractId>().ok()?)
    }

    /// What the caller with this serialized identity may do with a contract.
    pub fn access(&self, contract: &ContractId, creator: Bytes) -> ContractAccess {
        ContractAccess {
            access: Arc::clone(&self.current.read().access),
            contract: contract.clone(),
            creator,
        }
    }

    /// The contracts whose state a call of `contract` may write: itself, and those that it can call.
    /// The endorsement policy of each that is written must be satisfied.
    pub fn endorsement_policies(&self, contract: &ContractId) -> Vec<&EndorsementPolicy> {
        let callees = self
            .contracts
            .get(contract)
            .map(|found| found.code.callees());
        std::iter::once(contract)
            .chain(callees.into_iter().flatten())
            .filter_map(|contract| self.endorsement_policy(contract))
            .collect()
    }

    fn endorsement_policy(&self, contract: &ContractId) -> Option<&EndorsementPolicy> {
        match self.rules.contracts.get(contract)? {
            ContractRules::Deployed {
                endorsement_policy, ..
            } => Some(endorsement_policy),
            ContractRules::Removed => None,
        }
    }

    /// An identity as endorsement policies know it.
    pub fn signer(identity: &cordon_identity::Identity) -> Signer {
        verifier::signer(identity)
    }

    /// Why this host has stopped following the channel; `None` while it follows it.
    pub fn stopped(&self) -> Option<String> {
        self.stopped.borrow().clone()
    }

    /// Resolves when this host stops following the channel, with the reason.
    pub fn stopping(&self) -> impl Future<Output = String> + Send + 'static {
        let mut stopped = self.stopped.subscribe();
        async move {
            match stopped.wait_for(Option::is_some).await {
                Ok(reason) => reason.clone().unwrap_or_default(),
                Err(_) => "the host is shutting down".to_owned(),
            }
        }
    }
}

/// The last configuration on the ledger, `first` being block 0's, with its number.
fn last_config(
    ledger: &Ledger,
    first: ChannelConfig,
) -> Result<(u64, ChannelConfig), ChannelError> {
    let number = ledger.info().last_config;
    if number == 0 {
        return Ok((0, first));
    }
    let missing = ChannelError::NoConfig { number };
    let Some(bytes) = ledger.block(number)? else {
        return Err(missing);
    };
    let found = valid_config(&bytes);
    found.map_or(Err(missing), |(config, read)| Ok((config.sequence, read)))
}

/// The configuration that took effect with an encoded block, if one did: as its transaction holds it,
/// and read.
pub fn valid_config(block: &Bytes) -> Option<(ConfigTransaction, ChannelConfig)> {
    let block = CommittedBlock::parse(block).ok()?;
    let valid = block
        .data
        .iter()
        .zip(&block.codes)
        .filter(|(_, code)| **code == ValidationCode::Valid);
    let mut configs = valid.filter_map(|(envelope, _)| {
        let envelope = Envelope::parse(envelope).ok()?;
        let is_config = envelope.header.channel_header.r#type == CONFIG;
        let config = ConfigTransaction::parse(envelope)
            .ok()
            .filter(|_| is_config)?;
        let read = serde_json::from_slice(&config.document).ok()?;
        Some((config, read))
    });
    configs.next()
}

/// The profile of a channel on this engine.
///
/// # Errors
/// Every setting that differs where it must not.
pub(crate) fn profile_of(
    config: &ChannelConfig,
    components: &dyn Components,
) -> Result<Arc<Profile>, String> {
    let profile = components.runtime().profile().of_channel(&config.execution);
    profile.map(Arc::new).map_err(|mismatches| {
        let texts: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
        texts.join("; ")
    })
}

/// Compiles the contracts of a channel and links them.
fn install(
    config: &ChannelConfig,
    components: &ComponentStore,
    profile: &Arc<Profile>,
) -> Result<BTreeMap<ContractId, Installed>, ChannelError> {
    let mut compiled = BTreeMap::new();
    let mut versions = BTreeMap::new();
    for contract in &config.contracts {
        let id: ContractId = contract
            .name
            .parse()
            .map_err(crate::config::ConfigError::from)?;
        compiled.insert(id.clone(), components.load(&id, &contract.sha256)?);
        versions.insert(id, contract.version.clone());
    }
    let linked = components.runtime.link(profile, compiled)?;
    let contracts = linked.into_iter().map(|(id, code)| {
        let version = versions.remove(&id).unwrap_or_default();
        (id, Installed { version, code })
    });
    Ok(contracts.collect())
}

/// Opens a ledger. Damaged blocks, and those after them, are moved out of the way: they come again
/// from the ordering log, whose hash chain the last good block knows, and make the same blocks.
fn open_ledger(
    dir: &Path,
    options: cordon_ledger::Options,
) -> Result<(Ledger, OpenReport), ChannelError> {
    match Ledger::open(dir, options) {
        Err(error @ LedgerError::DamagedBlock { number, .. }) => {
            tracing::error!(%error, "a block is damaged");
            let aside = cordon_ledger::set_aside_from(dir, number)?;
            tracing::warn!(
                block = number,
                aside = %aside.display(),
                "blocks were set aside; they are cut again from the ordering log"
            );
            Ok(Ledger::open(dir, options)?)
        }
        opened => Ok(opened?),
    }
}
