//! A call of `_lifecycle`: what it is given, what it answers, and who may make it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cordon_policy::MetaPolicy;
use cordon_types::{
    ContractId, ContractReadWriteSet, KeyRead, KeyWrite, MspId, ReadWriteSet, Response, Snapshot,
    StateError, Version, status,
};
use cordon_wire::{Message, decode, encode};

use crate::definition::Definition;
use crate::entries::{EntryError, Key};
use crate::names::PackageId;
use crate::{approve, commit, query};

/// The functions of `_lifecycle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// Puts a package on this host.
    InstallChaincode,
    /// One package of this host.
    QueryInstalledChaincode,
    /// All packages of this host.
    QueryInstalledChaincodes,
    /// The bytes of a package of this host.
    GetInstalledChaincodePackage,
    /// Submitted: an organisation agrees to a definition.
    ApproveChaincodeDefinitionForMyOrg,
    /// Who has approved a definition, and what differs.
    CheckCommitReadiness,
    /// Submitted: puts a definition in force that enough organisations approved.
    CommitChaincodeDefinition,
    /// What this host's organisation approved for a contract.
    QueryApprovedChaincodeDefinition,
    /// All that this host's organisation approved.
    QueryApprovedChaincodeDefinitions,
    /// A contract's committed definition.
    QueryChaincodeDefinition,
    /// All committed definitions.
    QueryChaincodeDefinitions,
}

/// Who calls which function, on whose host.
#[derive(Debug, Clone)]
pub struct Request {
    /// The function.
    pub function: Function,
    /// Its encoded argument; possibly empty.
    pub argument: Bytes,
    /// The caller's organisation.
    pub caller: MspId,
    /// Whether the caller has role admin there.
    pub caller_is_admin: bool,
    /// This host's organisation.
    pub host: MspId,
}

/// What holds on the channel at the snapshot.
#[derive(Debug, Clone)]
pub struct View {
    /// The organisations of the channel.
    pub members: BTreeSet<MspId>,
    /// The contracts in force, by the channel's configuration and the ledger. Where the snapshot has
    /// a later definition, that one counts.
    pub definitions: BTreeMap<ContractId, Definition>,
    /// Whose approvals a definition needs. An organisation that has approved counts as if one admin
    /// and one host of it had signed.
    pub lifecycle_policy: MetaPolicy,
}

/// The packages that are installed on this host.
pub trait Packages {
    /// SHA-256 of the component in a package; `None` when it is not installed here.
    fn component(&self, package_id: &PackageId) -> Option<[u8; 32]>;
}

/// What a call comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Status 200, or a refusal with a sentence saying what to do next.
    pub response: Response,
    /// Reads and writes in the namespace of [`ContractId::lifecycle`]; empty for queries and refusals.
    pub rw_set: ReadWriteSet,
}

/// Why a call ends without an answer of status 200.
#[derive(Debug)]
pub(crate) enum Stop {
    Refused(Response),
    State(StateError),
}

pub(crate) fn refusal(status: i32, message: impl Into<String>) -> Response {
    Response {
        status,
        message: message.into(),
        payload: Bytes::new(),
    }
}

pub(crate) fn refuse(status: i32, message: impl Into<String>) -> Stop {
    Stop::Refused(refusal(status, message))
}

pub(crate) fn answer(result: &impl Message) -> Response {
    Response {
        status: status::OK,
        message: String::new(),
        payload: encode(result),
    }
}

impl From<StateError> for Stop {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl From<EntryError> for Stop {
    fn from(error: EntryError) -> Self {
        Self::State(damaged(&error))
    }
}

/// No host writes it and validation refuses it: the state is not what this host put there.
pub(crate) fn damaged(error: &EntryError) -> StateError {
    StateError(error.to_string())
}

/// Answers a function that concerns a channel.
///
/// # Errors
/// [`StateError`] when the state cannot be read, or holds in this namespace what no host writes: this
/// host must not answer.
pub fn call(
    request: &Request,
    view: &View,
    snapshot: &dyn Snapshot,
    packages: &dyn Packages,
) -> Result<Outcome, StateError> {
    let mut state = State::new(snapshot);
    let response = if view.members.contains(&request.caller) {
        dispatch(request, view, &mut state, packages)
    } else {
        let text = format!("{} is no member of the channel", request.caller);
        Err(refuse(status::FORBIDDEN, text))
    };
    match response {
        Ok(response) => Ok(Outcome {
            response,
            rw_set: state.into_rw_set(),
        }),
        Err(Stop::Refused(response)) => Ok(Outcome {
            response,
            rw_set: ReadWriteSet::default(),
        }),
        Err(Stop::State(error)) => Err(error),
    }
}

fn dispatch(
    request: &Request,
    view: &View,
    state: &mut State<'_>,
    packages: &dyn Packages,
) -> Result<Response, Stop> {
    use Function as F;
    match request.function {
        F::ApproveChaincodeDefinitionForMyOrg => approve::approve(request, view, state, packages),
        F::CheckCommitReadiness => commit::readiness(request, view, state),
        F::CommitChaincodeDefinition => commit::commit(request, view, state),
        F::QueryApprovedChaincodeDefinition => query::approved(request, view, state),
        F::QueryApprovedChaincodeDefinitions => query::all_approved(request, state),
        F::QueryChaincodeDefinition => query::committed(request, view, state),
        F::QueryChaincodeDefinitions => query::all_committed(view, state),
        F::InstallChaincode
        | F::QueryInstalledChaincode
        | F::QueryInstalledChaincodes
        | F::GetInstalledChaincodePackage => Err(refuse(
            status::INVALID,
            format!(
                "{} concerns a host and no channel: call it without one",
                request.function.as_str()
            ),
        )),
    }
}

// === impl Function ===

impl Function {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::InstallChaincode,
        Self::QueryInstalledChaincode,
        Self::QueryInstalledChaincodes,
        Self::GetInstalledChaincodePackage,
        Self::ApproveChaincodeDefinitionForMyOrg,
        Self::CheckCommitReadiness,
        Self::CommitChaincodeDefinition,
        Self::QueryApprovedChaincodeDefinition,
        Self::QueryApprovedChaincodeDefinitions,
        Self::QueryChaincodeDefinition,
        Self::QueryChaincodeDefinitions,
    ];

    /// The name as it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InstallChaincode => "InstallChaincode",
            Self::QueryInstalledChaincode => "QueryInstalledChaincode",
            Self::QueryInstalledChaincodes => "QueryInstalledChaincodes",
            Self::GetInstalledChaincodePackage => "GetInstalledChaincodePackage",
            Self::ApproveChaincodeDefinitionForMyOrg => "ApproveChaincodeDefinitionForMyOrg",
            Self::CheckCommitReadiness => "CheckCommitReadiness",
            Self::CommitChaincodeDefinition => "CommitChaincodeDefinition",
            Self::QueryApprovedChaincodeDefinition => "QueryApprovedChaincodeDefinition",
            Self::QueryApprovedChaincodeDefinitions => "QueryApprovedChaincodeDefinitions",
            Self::QueryChaincodeDefinition => "QueryChaincodeDefinition",
            Self::QueryChaincodeDefinitions => "QueryChaincodeDefinitions",
        }
    }

    /// Whether it concerns a channel ([`call`]); else this host ([`crate::call_host`]).
    pub const fn needs_channel(self) -> bool {
        !matches!(
            self,
            Self::InstallChaincode
                | Self::QueryInstalledChaincode
                | Self::QueryInstalledChaincodes
                | Self::GetInstalledChaincodePackage
        )
    }

    /// Whether it writes, so that it must be ordered.
    pub const fn writes(self) -> bool {
        matches!(
            self,
            Self::ApproveChaincodeDefinitionForMyOrg | Self::CommitChaincodeDefinition
        )
    }
}

// === impl Request ===

impl Request {
    /// The request that a proposal's arguments are: the function's name, then its encoded argument,
    /// which may be absent.
    ///
    /// # Errors
    /// The answer to a call that is none.
    pub fn new(
        args: &[Bytes],
        caller: MspId,
        caller_is_admin: bool,
        host: MspId,
    ) -> Result<Self, Response> {
        let (name, argument) = match args {
            [name] => (name, Bytes::new()),
            [name, argument] => (name, argument.clone()),
            _ => {
                let text = "_lifecycle takes a function's name and one encoded argument";
                return Err(refusal(status::INVALID, text));
            }
        };
        let function = Function::ALL
            .into_iter()
            .find(|function| function.as_str().as_bytes() == name.as_ref());
        let function = function.ok_or_else(|| {
            let known = Function::ALL.map(Function::as_str).join(", ");
            let text = format!("_lifecycle has no such function; it has {known}");
            refusal(status::NOT_FOUND, text)
        })?;
        Ok(Self {
            function,
            argument,
            caller,
            caller_is_admin,
            host,
        })
    }

    pub(crate) fn argument<M: Message + Default>(&self) -> Result<M, Stop> {
        decode(&self.argument, "the argument")
            .map_err(|error| refuse(status::INVALID, error.to_string()))
    }

    /// Refuses whoever is no admin of this host's organisation.
    pub(crate) fn only_admins(&self) -> Result<(), Stop> {
        if self.caller_is_admin && self.caller == self.host {
            return Ok(());
        }
        Err(refuse(
            status::FORBIDDEN,
            format!(
                "{} on a host of {} is for admins of {} only",
                self.function.as_str(),
                self.host,
                self.host
            ),
        ))
    }
}

/// The namespace at the snapshot, and what a call read and wrote there.
pub(crate) struct State<'a> {
    snapshot: &'a dyn Snapshot,
    namespace: ContractId,
    reads: BTreeMap<String, Option<Version>>,
    writes: BTreeMap<String, Bytes>,
}

impl<'a> State<'a> {
    pub(crate) fn new(snapshot: &'a dyn Snapshot) -> Self {
        Self {
            snapshot,
            namespace: ContractId::lifecycle(),
            reads: BTreeMap::new(),
            writes: BTreeMap::new(),
        }
    }

    /// A value, with its version.
    pub(crate) fn get(&self, key: &Key) -> Result<(Option<Bytes>, Option<Version>), Stop> {
        let found = self.snapshot.get(&self.namespace, &key.to_string())?;
        let version = found.as_ref().map(|found| found.version);
        Ok((found.map(|found| found.value), version))
    }

    /// All present keys that begin with `prefix`, in order, with their values.
    pub(crate) fn all(&self, prefix: &str) -> Result<Vec<(String, Bytes)>, StateError> {
        let mut all = Vec::new();
        let mut start = prefix.to_owned();
        // Every prefix here ends in '/', which '0' follows.
        let end = format!("{}0", prefix.trim_end_matches('/'));
        loop {
            let page = crate::limits::PAGE;
            let found = self.snapshot.scan(&self.namespace, &start, &end, page)?;
            let more = found.len() == page;
            all.extend(found.into_iter().map(|(key, found)| (key, found.value)));
            match all.last() {
                Some((last, _)) if more => start = format!("{last}\0"),
                _ => return Ok(all),
            }
        }
    }

    /// Makes the call depend on what it found there.
    pub(crate) fn depend(&mut self, key: &Key, version: Option<Version>) {
        self.reads.insert(key.to_string(), version);
    }

    pub(crate) fn put(&mut self, key: &Key, value: Bytes) {
        self.writes.insert(key.to_string(), value);
    }

    /// The committed definition of a contract: the later of the ledger's and the view's. With the
    /// version of the ledger's entry.
    pub(crate) fn committed(
        &self,
        view: &View,
        contract: &ContractId,
    ) -> Result<(Option<Definition>, Option<Version>), Stop> {
        let (value, version) = self.get(&Key::Definition(contract.clone()))?;
        let ledgers = value.map(|value| Definition::decode(&value)).transpose()?;
        let views = view.definitions.get(contract).cloned();
        Ok((later(ledgers, views), version))
    }

    fn into_rw_set(self) -> ReadWriteSet {
        if self.reads.is_empty() && self.writes.is_empty() {
            return ReadWriteSet::default();
        }
        let reads = self.reads.into_iter();
        let writes = self.writes.into_iter();
        ReadWriteSet {
            contracts: vec![ContractReadWriteSet {
                contract: self.namespace,
                reads: reads
                    .map(|(key, version)| KeyRead { key, version })
                    .collect(),
                range_reads: Vec::new(),
                writes: writes
                    .map(|(key, value)| KeyWrite {
                        key,
                        value: Some(value),
                    })
                    .collect(),
            }],
        }
    }
}

/// The one with the higher sequence; of two with the same one the view's, which is in force.
pub(crate) fn later(ledgers: Option<Definition>, views: Option<Definition>) -> Option<Definition> {
    match (ledgers, views) {
        (Some(ledgers), Some(views)) if ledgers.sequence > views.sequence => Some(ledgers),
        (ledgers, views) => views.or(ledgers),
    }
}
