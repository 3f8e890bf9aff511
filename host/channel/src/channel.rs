//! A channel as the services of a host see it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cordon_compile::read_component;
use cordon_endorse::Installed;
use cordon_execute::{Compiled, Profile, Runtime};
use cordon_identity::{Identity, Membership, Role, SignatureCache};
use cordon_ledger::{CommitBlock, Ledger, LedgerError, OpenReport};
use cordon_lifecycle::Entry;
use cordon_order::{OrderingLog, Position};
use cordon_policy::{EndorsementPolicy, Signer};
use cordon_types::{ChannelId, ContractId, MspId, Snapshot as _, ValidationCode};
use cordon_validate::{ChannelRules, ContractRules, check, prepare};
use cordon_wire::block::CommittedBlock;
use cordon_wire::config::ConfigTransaction;
use cordon_wire::proposal::CONFIG;
use cordon_wire::transaction::Envelope;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::access::{ChannelAccess, ContractAccess};
use crate::commits::Commits;
use crate::config::{BlockReaders, ChannelConfig};
use crate::error::ChannelError;
use crate::measures::ChannelMeasures;
use crate::verifier::{self, Verifier};

/// Memory for each channel's state cache. sled takes about twice that; larger caches measured no
/// faster on records that fit the system's own file cache.
pub const STATE_CACHE_BYTES: u64 = 64 << 20;

/// Definitions read at once.
const DEFINITIONS_PAGE: usize = 256;

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
    /// The organisation of this host.
    organization: MspId,
    current: RwLock<Arc<Current>>,
    /// Tells who waits for it that there is another one.
    changed: watch::Sender<u64>,
    components: ComponentStore,
    signatures: Arc<SignatureCache>,
    /// Held while another one is made and put in force.
    changing: Mutex<()>,
    pub(crate) ledger: Ledger,
    log: RwLock<OrderingLog>,
    /// Grows when the log is replaced.
    pub(crate) log_changed: watch::Sender<u64>,
    pub(crate) commits: Commits,
    pub(crate) stopped: watch::Sender<Option<String>>,
    /// Why, for the operator.
    pub(crate) cause: Mutex<Option<String>>,
    pub(crate) measures: ChannelMeasures,
}

/// What follows from the configuration in force. Immutable: another configuration makes another one,
/// and whoever has begun with one ends with it.
pub struct Current {
    pub(crate) sequence: u64,
    pub(crate) config: Arc<ChannelConfig>,
    pub(crate) rules: ChannelRules,
    pub(crate) membership: Membership,
    pub(crate) contracts: BTreeMap<ContractId, Installed>,
    /// Contracts of the channel that this host cannot execute, with the reason.
    missing: BTreeMap<ContractId, String>,
    executes: Result<(), String>,
    access: Arc<ChannelAccess>,
}

impl Current {
    fn new(
        channel: &ChannelId,
        sequence: u64,
        config: ChannelConfig,
        components: &ComponentStore,
        signatures: Arc<SignatureCache>,
    ) -> Result<Arc<Self>, ChannelError> {
        let executes = profile_of(&config, components).map_err(|mismatches| {
            format!(
                "this host does not execute contracts of channel {channel}, because its engine does not match: {mismatches}"
            )
        });
        let profile = executes.as_ref().unwrap_or(components.runtime.profile());
        let (contracts, missing) = install(&config, components, profile)?;
        if let Err(text) = &executes {
            tracing::error!("{text}");
        }
        for text in missing.values() {
            tracing::error!(%channel, "{text}");
        }
        Ok(Arc::new(Self {
            sequence,
            rules: config.rules()?,
            membership: config.membership(signatures)?,
            access: Arc::new(ChannelAccess::new(channel, &config, &contracts)),
            contracts,
            missing,
            executes: executes.map(drop),
            config: Arc::new(config),
        }))
    }

    /// The document.
    pub fn config(&self) -> &Arc<ChannelConfig> {
        &self.config
    }

    /// Number of the document: 0 is block 0's. Commits of contracts do not count.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The members.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Whether a member may read whole blocks.
    pub fn may_read_blocks(&self, identity: &Identity) -> bool {
        match self.config.block_readers {
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

    /// The contract of that name; `None` when none is deployed.
    ///
    /// # Errors
    /// A sentence that says why this host cannot execute it.
    pub fn contract(&self, name: &str) -> Result<Option<&Installed>, String> {
        let Ok(id) = name.parse::<ContractId>() else {
            return Ok(None);
        };
        match self.missing.get(&id) {
            Some(reason) => Err(reason.clone()),
            None => Ok(self.contracts.get(&id)),
        }
    }

    /// What the caller with this serialized identity may do with a contract.
    pub fn access(&self, contract: &ContractId, creator: Bytes) -> ContractAccess {
        ContractAccess {
            access: Arc::clone(&self.access),
            contract: contract.clone(),
            creator,
        }
    }

    /// Whose hosts must endorse the commit of a contract.
    pub fn lifecycle_policy(&self) -> &EndorsementPolicy {
        &self.rules.lifecycle
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
}

impl Channel {
    /// Opens the channel's ledger in `dir` for a host of `organization`; a new one begins with
    /// `genesis`, block 0. Blocking.
    ///
    /// # Errors
    /// [`ChannelError`] when the configuration, the ledger or a contract cannot be used.
    pub fn open(
        dir: &Path,
        genesis: &Bytes,
        organization: MspId,
        components: &ComponentStore,
        signatures: Arc<SignatureCache>,
        log: impl FnOnce(&ChannelConfig) -> Result<OrderingLog, ChannelError>,
    ) -> Result<(Self, OpenReport), ChannelError> {
        let config = ChannelConfig::from_genesis(genesis)?;
        config.check()?;
        let options = cordon_ledger::Options {
            cache_bytes: STATE_CACHE_BYTES,
            ..Default::default()
        };
        let (ledger, report) = open_ledger(dir, options)?;
        match ledger.block(0)? {
            None => drop(ledger.commit(&CommitBlock::parse(genesis.clone())?)?),
            Some(first) if first == *genesis => {}
            Some(_) => return Err(ChannelError::OtherGenesis),
        }
        let id = config.id()?;
        let (sequence, config) = last_config(&ledger, config)?;
        let current = Current::new(&id, sequence, config, components, Arc::clone(&signatures))?;
        let log = log(&current.config)?;
        let channel = Self {
            id,
            organization,
            current: RwLock::new(current),
            changed: watch::Sender::new(0),
            components: components.clone(),
            signatures,
            changing: Mutex::new(()),
            commits: Commits::new(ledger.height()),
            ledger,
            log: RwLock::new(log),
            log_changed: watch::Sender::new(0),
            stopped: watch::Sender::new(None),
            cause: Mutex::default(),
            measures: ChannelMeasures::default(),
        };
        channel.resume_log()?;
        if !channel.is_member() && channel.was_member()? {
            let text = channel.no_member().to_string();
            channel.stopped.send_replace(Some(text));
        }
        Ok((channel, report))
    }

    /// The channel's id.
    pub fn id(&self) -> &ChannelId {
        &self.id
    }

    /// What is in force now.
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read())
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<ChannelConfig> {
        Arc::clone(&self.current.read().config)
    }

    /// Grows whenever something else is in force.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether a configuration could take effect now.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn check_config(&self, envelope: &Bytes) -> Result<(), String> {
        let current = self.current();
        let verifier = Verifier::new(&current);
        let checked = check(prepare(envelope, &self.id), &verifier, &current.rules);
        match checked.refusal() {
            Some(verdict) => Err(verdict.to_string()),
            None => Ok(()),
        }
    }

    /// Puts in force what a block has changed.
    pub(crate) fn configure(
        &self,
        sequence: u64,
        config: ChannelConfig,
    ) -> Result<(), ChannelError> {
        let _one = self.changing.lock();
        let before = self.current();
        let signatures = Arc::clone(&self.signatures);
        let current = Current::new(&self.id, sequence, config, &self.components, signatures)?;
        tracing::info!(channel = %self.id, sequence, "a new configuration is in force");
        *self.current.write() = current;
        if before.config.batch != self.config().batch {
            self.resume_log()?;
        }
        self.changed.send_modify(|changes| *changes += 1);
        // A host that catches up may come to blocks from before it was a member.
        if self.is_member() || !before.rules.members.contains(&self.organization) {
            return Ok(());
        }
        Err(self.no_member())
    }

    /// Looks again for components that this host did not have.
    ///
    /// # Errors
    /// As [`Channel::open`].
    pub fn reload_components(&self) -> Result<(), ChannelError> {
        let _one = self.changing.lock();
        let current = self.current();
        let signatures = Arc::clone(&self.signatures);
        let config = (*current.config).clone();
        let next = Current::new(
            &self.id,
            current.sequence,
            config,
            &self.components,
            signatures,
        )?;
        *self.current.write() = next;
        self.changed.send_modify(|changes| *changes += 1);
        Ok(())
    }

    pub(crate) fn components(&self) -> &ComponentStore {
        &self.components
    }

    fn is_member(&self) -> bool {
        self.current().rules.members.contains(&self.organization)
    }

    /// Whether an earlier configuration on the ledger names this host's organisation.
    fn was_member(&self) -> Result<bool, ChannelError> {
        let mut number = self.ledger.info().last_config;
        loop {
            let Some(bytes) = self.ledger.block(number)? else {
                return Err(ChannelError::NoConfig { number });
            };
            let config = if number == 0 {
                Some(ChannelConfig::from_genesis(&bytes)?)
            } else {
                valid_config(&bytes).map(|(_, config)| config)
            };
            let config = config.ok_or(ChannelError::NoConfig { number })?;
            if config.members().any(|member| *member == self.organization) {
                return Ok(true);
            }
            let Some(before) = number.checked_sub(1) else {
                return Ok(false);
            };
            let before = self.ledger.block(before)?;
            let before = before.and_then(|bytes| CommittedBlock::parse(&bytes).ok());
            number = before.ok_or(ChannelError::NoConfig { number })?.last_config;
        }
    }

    fn no_member(&self) -> ChannelError {
        ChannelError::NotMember {
            channel: self.id.clone(),
            organization: self.organization.clone(),
        }
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What this host counted and timed on the channel.
    pub fn measures(&self) -> &ChannelMeasures {
        &self.measures
    }

    /// The ordering log.
    pub fn log(&self) -> OrderingLog {
        self.log.read().clone()
    }

    /// Follows another ordering log from here on: the same records, at another place.
    ///
    /// # Errors
    /// [`ChannelError`] when it cannot be this channel's.
    pub fn replace_log(&self, log: OrderingLog) -> Result<(), ChannelError> {
        *self.log.write() = log;
        self.resume_log()?;
        self.log_changed.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// A log that is kept here cuts from where the ledger is, by the limits in force.
    fn resume_log(&self) -> Result<(), ChannelError> {
        if let OrderingLog::Embedded(log) = self.log() {
            let (height, position) = self.position()?;
            log.resume(self.config().limits()?, height, position);
        }
        Ok(())
    }

    /// The number of blocks, and where in the ordering log the last one ends.
    pub(crate) fn position(&self) -> Result<(u64, Position), ChannelError> {
        let info = self.ledger.info();
        let number = info.height - 1;
        let position = Position::from_bytes(&info.consenter_metadata);
        let position = position.ok_or(ChannelError::NoPosition { number })?;
        Ok((info.height, position))
    }

    /// News of commits.
    pub fn commits(&self) -> &Commits {
        &self.commits
    }

    /// An identity as endorsement policies know it.
    pub fn signer(identity: &cordon_identity::Identity) -> Signer {
        verifier::signer(identity)
    }

    /// Why this host has stopped following the channel, as anybody may be told; `None` while it follows
    /// it. The cause itself may name files, and is for the operator.
    pub fn stopped(&self) -> Option<String> {
        self.stopped.borrow().clone()
    }

    /// The same for the host's own operator, with the cause.
    pub fn stopped_because(&self) -> Option<String> {
        let told = self.stopped()?;
        Some(self.cause.lock().clone().unwrap_or(told))
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
    let (sequence, mut config) = if number == 0 {
        (0, first)
    } else {
        let missing = ChannelError::NoConfig { number };
        let Some(bytes) = ledger.block(number)? else {
            return Err(missing);
        };
        let found = valid_config(&bytes);
        let (transaction, read) = found.ok_or(missing)?;
        (transaction.sequence, read)
    };
    // Contracts that were committed since.
    let lifecycle = ContractId::lifecycle();
    let snapshot = ledger.snapshot();
    let (mut start, end) = ("definitions/".to_owned(), "definitions0");
    loop {
        let found = snapshot.scan(&lifecycle, &start, end, DEFINITIONS_PAGE)?;
        let more = found.len() == DEFINITIONS_PAGE;
        for (key, value) in found {
            let entry = Entry::read(&key, &value.value);
            let entry = entry.map_err(|error| ChannelError::Internal(error.to_string()))?;
            if let Entry::Definition {
                contract,
                definition,
            } = entry
            {
                config.define(&contract, &definition);
            }
            start = key + "\0";
        }
        if !more {
            return Ok((sequence, config));
        }
    }
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

type Contracts = (
    BTreeMap<ContractId, Installed>,
    BTreeMap<ContractId, String>,
);

/// Compiles the contracts of a channel and links them: those that this host can execute, and why it
/// cannot execute the others. These stop neither the rest nor the ledger.
pub(crate) fn install(
    config: &ChannelConfig,
    components: &ComponentStore,
    profile: &Arc<Profile>,
) -> Result<Contracts, ChannelError> {
    let mut compiled = BTreeMap::new();
    let mut versions = BTreeMap::new();
    let mut missing = BTreeMap::new();
    for contract in &config.contracts {
        let id: ContractId = contract
            .name
            .parse()
            .map_err(crate::config::ConfigError::from)?;
        match components.load(&id, &contract.sha256) {
            Ok(code) => {
                compiled.insert(id.clone(), code);
                versions.insert(id, contract.version.clone());
            }
            Err(error) => {
                missing.insert(id, error.to_string());
            }
        }
    }
    // One that lacks what it calls is left out, until the rest fits.
    let linked = loop {
        match components.runtime.link(profile, compiled.clone()) {
            Ok(linked) => break linked,
            Err(error) => {
                compiled.remove(&error.contract);
                missing.insert(error.contract.clone(), error.to_string());
            }
        }
    };
    let contracts = linked.into_iter().map(|(id, code)| {
        let version = versions.remove(&id).unwrap_or_default();
        (id, Installed { version, code })
    });
    Ok((contracts.collect(), missing))
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
