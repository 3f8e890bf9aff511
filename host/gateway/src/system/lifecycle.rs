//! `_lifecycle`: packages of this host, and definitions of contracts on its channels.

use std::sync::Arc;

use cordon_channel::FilePackages;
use cordon_endorse::{CheckedProposal, Execution, check_creator};
use cordon_execute::{Call, HostError};
use cordon_identity::Role;
use cordon_lifecycle::{Function, Request, StoreError, Uses, call_host};
use cordon_policy::EndorsementPolicy;
use cordon_types::{ContractId, Response, Snapshot};
use cordon_wire::proposal::Proposal;
use cordon_wire::proto::protos;

use crate::host::{Host, now};
use crate::ledgers::CallerLedgers;
use crate::request::Accepted;
use crate::status::Failure;

pub(crate) const NAME: &str = "_lifecycle";
/// The request in a proposal of somebody.
///
/// # Errors
/// The answer to a call that is none.
pub(crate) fn request(
    host: &Host,
    proposal: &Proposal,
    checked: &CheckedProposal,
) -> Result<Request, Response> {
    let identity = &checked.identity;
    Request::new(
        &proposal.args,
        identity.msp_id().clone(),
        identity.has_role(Role::Admin),
        host.msp_id.clone(),
    )
}

/// Answers a function that concerns this host and no channel.
pub(super) async fn call(
    host: &Arc<Host>,
    proposal: &Proposal,
) -> Result<protos::Response, Failure> {
    let local = Arc::clone(&host.local.borrow());
    let checked = check_creator(
        &proposal.header,
        &proposal.signed_bytes,
        &proposal.signature,
        &local,
        now(),
    )
    .map_err(|error| Failure::Refused(host.detail(error.to_string())))?;
    let request = match request(host, proposal, &checked) {
        Ok(request) => request,
        Err(response) => return Ok(to_proto(response)),
    };
    let owner = Arc::clone(host);
    // Compiles and writes.
    let answer = tokio::task::spawn_blocking(move || {
        let uses = |component: &[u8; 32]| uses(&owner, component);
        let response = call_host(&request, &*owner.packages, &uses)?;
        if request.function == Function::InstallChaincode {
            for channel in owner.channels.values() {
                let reloaded = channel.reload_components();
                reloaded.map_err(|error| StoreError::Broken(error.to_string()))?;
            }
        }
        Ok::<_, StoreError>(response)
    });
    let answer = answer.await.map_err(|error| host.broken(&error))?;
    answer.map(to_proto).map_err(|error| host.broken(&error))
}

/// The contracts that a component runs as on this host's channels.
fn uses(host: &Host, component: &[u8; 32]) -> Uses {
    let sha256 = hex::encode(component);
    let mut uses = Uses::new();
    for (id, channel) in &host.channels {
        let config = channel.config();
        let contracts = config.contracts.iter();
        let used = contracts.filter(|contract| contract.sha256 == sha256);
        let used: Vec<_> = used
            .filter_map(|contract| Some((contract.name.parse().ok()?, contract.version.clone())))
            .collect();
        if !used.is_empty() {
            uses.insert(id.clone(), used);
        }
    }
    uses
}

/// Answers a function on a channel. Blocking.
pub(crate) fn execute(
    accepted: &Accepted,
    request: &Request,
    snapshot: Box<dyn Snapshot>,
    ledgers: Arc<CallerLedgers>,
    packages: &FilePackages,
) -> Result<Execution, HostError> {
    let Accepted {
        proposal, checked, ..
    } = accepted;
    let height = snapshot.height();
    let call = Call {
        channel: accepted.channel.id().clone(),
        tx_id: checked.tx_id,
        timestamp: checked.timestamp,
        caller: Arc::clone(checked.identity.caller()),
        transient: proposal.transient.clone(),
        args: &proposal.args,
        snapshot,
        ledgers,
    };
    let channel = &accepted.channel;
    let outcome = channel.lifecycle(&accepted.current, request, call, packages)?;
    let contract = ContractId::lifecycle();
    Ok(Execution::new(
        proposal,
        &checked.tx_id,
        outcome,
        &contract,
        super::VERSION,
        height,
    ))
}

/// Whose endorsement a function needs: an organisation approves for itself.
pub(crate) fn endorsement_policy(
    request: &Request,
    accepted: &Accepted,
) -> Result<EndorsementPolicy, Failure> {
    match request.function {
        Function::CommitChaincodeDefinition => Ok(accepted.current.lifecycle_policy().clone()),
        _ => EndorsementPolicy::parse(&format!("OR('{}.peer')", request.host))
            .map_err(|error| Failure::PolicyUnsatisfiable(error.to_string())),
    }
}

fn to_proto(response: Response) -> protos::Response {
    protos::Response {
        status: response.status,
        message: response.message,
        payload: response.payload,
    }
}
