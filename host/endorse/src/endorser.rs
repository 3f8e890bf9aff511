//! Executes checked proposals, and signs.

use std::sync::{Arc, PoisonError, RwLock};

use cordon_execute::{Access, Call, Contract, HostError, Ledgers, Outcome};
use cordon_identity::{IdentityError, Signer};
use cordon_types::{ChannelId, ContractId, Snapshot, TxId, status};
use cordon_wire::proposal::Proposal;
use cordon_wire::proto::protos;
use cordon_wire::rw_set::encode_rw_set;
use cordon_wire::transaction::{encode_events, response_payload};

use crate::check::CheckedProposal;

/// A contract as it is deployed on a channel, with the code that this host has for it.
#[derive(Clone)]
pub struct Installed {
    /// The committed version.
    pub version: String,
    /// The code.
    pub code: Arc<Contract>,
}

impl Installed {
    /// Its name on the channel.
    pub fn id(&self) -> &ContractId {
        self.code.id()
    }
}

/// An executed proposal.
pub struct Execution {
    /// What the contract answered, and would write.
    pub outcome: Outcome,
    /// The bytes that endorsers sign; the same on every host that came to the same outcome. Only of
    /// meaning when the contract accepted.
    pub payload: bytes::Bytes,
    /// Number of blocks in the state that it ran on.
    pub height: u64,
}

impl Execution {
    /// Runs `proposal` on `snapshot`, if `access` permits the call; the contract can ask `ledgers`.
    ///
    /// # Errors
    /// [`HostError`] when this host cannot execute.
    pub fn run(
        proposal: &Proposal,
        checked: &CheckedProposal,
        channel: &ChannelId,
        installed: &Installed,
        snapshot: Box<dyn Snapshot>,
        ledgers: Arc<dyn Ledgers>,
        access: &dyn Access,
    ) -> Result<Self, HostError> {
        let height = snapshot.height();
        let denied = tracing::info_span!("access", tx_id = %checked.tx_id)
            .in_scope(|| denial(proposal, checked, installed, access));
        if let Some(text) = denied {
            return Ok(Self {
                outcome: Outcome::refused(status::FORBIDDEN, text),
                payload: bytes::Bytes::new(),
                height,
            });
        }
        let outcome = installed.code.call(Call {
            channel: channel.clone(),
            tx_id: checked.tx_id,
            timestamp: checked.timestamp,
            caller: Arc::clone(checked.identity.caller()),
            transient: proposal.transient.clone(),
            args: &proposal.args,
            snapshot,
            ledgers,
        })?;
        let (contract, version) = (installed.id(), &installed.version);
        let tx_id = &checked.tx_id;
        Ok(Self::new(
            proposal, tx_id, outcome, contract, version, height,
        ))
    }

    /// What came of `proposal`, by `version` of `contract`, on the state of `height` blocks.
    pub fn new(
        proposal: &Proposal,
        tx_id: &TxId,
        outcome: Outcome,
        contract: &ContractId,
        version: &str,
        height: u64,
    ) -> Self {
        let payload = response_payload(
            proposal.hash(),
            encode_rw_set(&outcome.rw_set),
            encode_events(contract, tx_id, &outcome.events),
            to_proto(&outcome),
            contract,
            version,
        );
        Self {
            outcome,
            payload,
            height,
        }
    }

    /// Whether the contract accepted, so that the outcome can be endorsed.
    pub fn accepted(&self) -> bool {
        self.outcome.response.status == status::OK
    }

    /// The contract's answer as a message.
    pub fn response(&self) -> protos::Response {
        to_proto(&self.outcome)
    }
}

/// Why the caller may not call the function. A name that means none is the contract's to refuse.
fn denial(
    proposal: &Proposal,
    checked: &CheckedProposal,
    installed: &Installed,
    access: &dyn Access,
) -> Option<String> {
    let name = std::str::from_utf8(proposal.args.first()?).ok()?;
    let function = installed.code.function(name).ok()?;
    let caller = checked.identity.caller();
    access.authorize(caller, &function.name).err()
}

fn to_proto(outcome: &Outcome) -> protos::Response {
    let response = &outcome.response;
    protos::Response {
        status: response.status,
        message: response.message.clone(),
        payload: response.payload.clone(),
    }
}

/// Signs in this host's name. Clones share the identity, which can be replaced.
#[derive(Clone)]
pub struct Endorser {
    signer: Arc<RwLock<Arc<Signer>>>,
}

impl Endorser {
    /// An endorser with the host's identity.
    pub fn new(signer: Arc<Signer>) -> Self {
        Self {
            signer: Arc::new(RwLock::new(signer)),
        }
    }

    /// The host's identity, as of now.
    pub fn signer(&self) -> Arc<Signer> {
        Arc::clone(&self.signer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Signs with another identity from now on. What was signed before stays what it is.
    pub fn replace(&self, signer: Arc<Signer>) {
        *self.signer.write().unwrap_or_else(PoisonError::into_inner) = signer;
    }

    /// Whether an endorsement of a transaction of this time (Unix seconds, the proposal's) would count:
    /// validation judges certificates at that moment.
    ///
    /// # Errors
    /// [`IdentityError::Expired`], [`IdentityError::NotYetValid`].
    pub fn check_validity(&self, at_unix_seconds: i64) -> Result<(), IdentityError> {
        self.signer().certificate().check_validity(at_unix_seconds)
    }

    /// Signs the payload of an accepted execution.
    ///
    /// # Errors
    /// [`IdentityError`] when the key cannot sign.
    pub fn endorse(&self, payload: &[u8]) -> Result<protos::Endorsement, IdentityError> {
        let signer = self.signer();
        let endorser = signer.serialized();
        let signature = signer.sign(&[payload, &endorser].concat())?;
        Ok(protos::Endorsement {
            endorser,
            signature,
        })
    }
}
