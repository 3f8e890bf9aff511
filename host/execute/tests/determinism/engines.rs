//! Contracts on every backend at once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cordon_execute::{
    Access, Call, Compiler, Contract, HostError, Ledgers, OpenedLedger, Profile, Runtime,
};
use cordon_types::{Caller, ContractId, TxId};

use crate::random::Tally;
use crate::seen::{Seen, compare};
use crate::world::State;

/// What hosts run first: the others are compared with it.
pub(crate) const COMPILERS: [Compiler; 4] = [
    Compiler::Cranelift,
    Compiler::CraneliftUnoptimised,
    Compiler::Pulley,
    Compiler::Winch,
];

/// The profile that `compiler` stands in.
pub(crate) fn profile_of(compiler: Compiler) -> Profile {
    Profile {
        compiler,
        ..Profile::default()
    }
}

/// A new engine.
pub(crate) fn runtime(compiler: Compiler) -> Runtime {
    Runtime::new(profile_of(compiler)).unwrap()
}

/// One engine of each kind for the whole process.
fn engines() -> &'static [(Compiler, Runtime)] {
    static ENGINES: OnceLock<Vec<(Compiler, Runtime)>> = OnceLock::new();
    ENGINES.get_or_init(|| {
        COMPILERS
            .map(|compiler| (compiler, runtime(compiler)))
            .into()
    })
}

/// Contracts by channel and name, linked on one engine.
pub(crate) type Channels = BTreeMap<String, BTreeMap<ContractId, Arc<Contract>>>;

/// Components by channel and name.
pub(crate) type Components<'a> = [(&'a str, &'a str, &'a [u8])];

/// Compiles and links components on one engine; a channel's limits are those of `profile`.
///
/// # Errors
/// Why the engine refuses one of them.
pub(crate) fn link(
    runtime: &Runtime,
    limits: impl Fn(&mut Profile),
    components: &Components<'_>,
) -> Result<Channels, String> {
    let mut profile = Profile::clone(runtime.profile());
    limits(&mut profile);
    let profile = Arc::new(profile);
    let mut compiled: BTreeMap<String, BTreeMap<_, _>> = BTreeMap::new();
    for (channel, id, bytes) in components {
        let component = runtime.compile(bytes).map_err(|error| error.to_string())?;
        let channel = compiled.entry((*channel).to_owned()).or_default();
        channel.insert(id.parse().unwrap(), component);
    }
    let mut channels = Channels::new();
    for (channel, contracts) in compiled {
        let linked = runtime.link(&profile, contracts);
        channels.insert(channel, linked.map_err(|error| error.to_string())?);
    }
    Ok(channels)
}

/// The same contracts on every engine.
pub(crate) struct Everywhere(Vec<(Compiler, Channels)>);

impl Everywhere {
    /// # Errors
    /// Why a component is refused; all engines refuse the same.
    pub(crate) fn link(
        limits: impl Fn(&mut Profile) + Copy,
        components: &Components<'_>,
    ) -> Result<Self, String> {
        let mut linked = Vec::new();
        let mut refused = Vec::new();
        for (compiler, runtime) in engines() {
            match link(runtime, limits, components) {
                Ok(channels) => linked.push((*compiler, channels)),
                Err(error) => refused.push((*compiler, error)),
            }
        }
        match refused.pop() {
            None => Ok(Self(linked)),
            Some((compiler, error)) => {
                assert!(linked.is_empty(), "{compiler:?} alone refuses: {error}");
                Err(error)
            }
        }
    }

    /// One contract in the default limits, alone on its channel.
    pub(crate) fn of(component: &[u8]) -> Self {
        Self::link(|_| (), &[("here", "c", component)]).unwrap()
    }

    pub(crate) fn on(&self, compiler: Compiler) -> &Channels {
        let found = self.0.iter().find(|(known, _)| *known == compiler);
        &found.unwrap().1
    }

    /// What a proposal gives on each engine.
    pub(crate) fn each(&self, proposal: &Proposal) -> Vec<(Compiler, Seen)> {
        let each = self.0.iter();
        each.map(|(compiler, channels)| (*compiler, proposal.run(channels)))
            .collect()
    }

    /// What it gives on the engine that hosts run, and on all others as far as they must agree.
    pub(crate) fn see(
        &self,
        proposal: &Proposal,
        tally: &mut Tally,
        what: &dyn fmt::Display,
    ) -> Seen {
        let mut all = self.each(proposal);
        compare(&all, tally, what);
        all.swap_remove(0).1
    }
}

/// A call that can be made any number of times, with the state that it meets.
#[derive(Clone)]
pub(crate) struct Proposal {
    pub(crate) channel: String,
    pub(crate) contract: String,
    pub(crate) tx_id: TxId,
    pub(crate) timestamp: (i64, u32),
    pub(crate) caller: Arc<Caller>,
    pub(crate) transient: BTreeMap<String, Bytes>,
    pub(crate) args: Vec<Bytes>,
    /// By channel.
    pub(crate) states: BTreeMap<String, State>,
    /// Whether other channels' access policies let the caller ask.
    pub(crate) admitted: bool,
}

impl Proposal {
    /// A call of the contract that [`Everywhere::of`] links.
    pub(crate) fn new(args: &[&str]) -> Self {
        Self {
            channel: "here".to_owned(),
            contract: "c".to_owned(),
            tx_id: TxId::from_bytes([7; 32]),
            timestamp: (1_700_000_000, 5),
            caller: caller("HospitalMSP", "hc1", &[("userRole", "healthcenter")]),
            transient: BTreeMap::new(),
            args: args
                .iter()
                .map(|arg| Bytes::copy_from_slice(arg.as_bytes()))
                .collect(),
            states: BTreeMap::new(),
            admitted: true,
        }
    }

    pub(crate) fn run(&self, channels: &Channels) -> Seen {
        let contract = &channels[&self.channel][&self.contract.parse().unwrap()];
        let state = self.states.get(&self.channel).cloned();
        let call = Call {
            channel: self.channel.parse().unwrap(),
            tx_id: self.tx_id,
            timestamp: self.timestamp,
            caller: Arc::clone(&self.caller),
            transient: self.transient.clone(),
            args: &self.args,
            snapshot: Box::new(state.unwrap_or_default()),
            ledgers: Arc::new(Others {
                channels: channels.clone(),
                states: self.states.clone(),
                admitted: self.admitted,
            }),
        };
        contract.observe(call).unwrap().into()
    }
}

pub(crate) fn caller(msp_id: &str, name: &str, attributes: &[(&str, &str)]) -> Arc<Caller> {
    let attributes = attributes.iter();
    Arc::new(Caller {
        msp_id: msp_id.parse().unwrap(),
        subject: format!("CN={name}"),
        unique_id: format!("id of {name}"),
        enrollment_id: name.to_owned(),
        attributes: attributes
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    })
}

/// All channels, for whoever asks.
struct Others {
    channels: Channels,
    states: BTreeMap<String, State>,
    admitted: bool,
}

impl Ledgers for Others {
    fn open(&self, channel: &str, contract: &str) -> Result<Option<OpenedLedger>, HostError> {
        let found = self.channels.get(channel).and_then(|contracts| {
            let id: ContractId = contract.parse().ok()?;
            contracts.get(&id)
        });
        Ok(found.map(|contract| OpenedLedger {
            channel: channel.parse().unwrap(),
            contract: Arc::clone(contract),
            snapshot: Box::new(self.states.get(channel).cloned().unwrap_or_default()),
            access: Box::new(Admission(self.admitted)),
        }))
    }
}

struct Admission(bool);

impl Access for Admission {
    fn authorize(&self, _: &Caller, function: &str) -> Result<(), String> {
        if self.0 {
            return Ok(());
        }
        Err(format!("nobody may call {function}"))
    }
}
