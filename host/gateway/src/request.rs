//! What Evaluate and Endorse requests have in common: a signed proposal, and hints beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cordon_channel::{Channel, Current};
use cordon_endorse::{CheckedProposal, Installed, check_proposal};
use cordon_lifecycle::Request;
use cordon_policy::EndorsementPolicy;
use cordon_types::{ChannelId, ContractId, MspId};
use cordon_wire::proposal::Proposal;
use cordon_wire::proto::protos;

use crate::host::{Host, now};
use crate::peer::Peer;
use crate::status::{Failure, chaincode_response};
use crate::system::lifecycle;

/// A proposal that is accepted, on its channel.
pub(crate) struct Accepted {
    pub(crate) channel: Arc<Channel>,
    /// What was in force when it was accepted.
    pub(crate) current: Arc<Current>,
    pub(crate) proposal: Proposal,
    pub(crate) checked: CheckedProposal,
    pub(crate) target: Target,
}

/// What a proposal on a channel calls.
pub(crate) enum Target {
    /// A contract that the channel runs.
    Contract(Installed),
    /// Definitions of contracts.
    Lifecycle(Request, ContractId),
}

impl Accepted {
    /// Whether what it was accepted by is still in force.
    pub(crate) fn is_current(&self) -> bool {
        Arc::ptr_eq(&self.current, &self.channel.current())
    }

    /// What is called.
    pub(crate) fn contract(&self) -> &ContractId {
        match &self.target {
            Target::Contract(installed) => installed.id(),
            Target::Lifecycle(_, contract) => contract,
        }
    }

    /// Whether the call may ask other channels.
    pub(crate) fn asks_other_channels(&self) -> bool {
        match &self.target {
            Target::Contract(installed) => installed.code.asks_other_channels(),
            Target::Lifecycle(..) => false,
        }
    }

    /// Whose endorsement the call needs.
    pub(crate) fn endorsement_policies(&self) -> Result<Vec<EndorsementPolicy>, Failure> {
        match &self.target {
            Target::Contract(installed) => {
                let policies = self.current.endorsement_policies(installed.id());
                Ok(policies.into_iter().cloned().collect())
            }
            Target::Lifecycle(request, _) => {
                Ok(vec![lifecycle::endorsement_policy(request, self)?])
            }
        }
    }
}

/// Takes the proposal of a request apart. The hints must not contradict what is signed.
pub(crate) fn parse(
    signed: Option<&protos::SignedProposal>,
    channel_hint: &str,
    tx_id_hint: &str,
) -> Result<Proposal, Failure> {
    let signed = signed
        .ok_or_else(|| Failure::Malformed("the request has no proposed transaction".to_owned()))?;
    let proposal = Proposal::parse(signed)?;
    agree(
        "channel_id",
        channel_hint,
        &proposal.header.channel_header.channel_id,
    )?;
    agree(
        "transaction_id",
        tx_id_hint,
        &proposal.header.channel_header.tx_id,
    )?;
    Ok(proposal)
}

/// A hint may be absent, but not different.
pub(crate) fn agree(field: &str, hint: &str, signed: &str) -> Result<(), Failure> {
    if hint.is_empty() || hint == signed {
        return Ok(());
    }
    Err(Failure::Malformed(format!(
        "{field} of the request is not the one that is signed"
    )))
}

/// Organisations named in a request.
pub(crate) fn organizations(names: &[String]) -> Result<Vec<MspId>, Failure> {
    names
        .iter()
        .map(|name| {
            name.parse()
                .map_err(|error| Failure::Malformed(format!("{error}")))
        })
        .collect()
}

impl Host {
    /// Checks everything about a proposal that comes before executing it.
    pub(crate) fn accept(&self, proposal: Proposal) -> Result<Accepted, Failure> {
        let _span = tracing::info_span!("check").entered();
        let id = proposal.channel.as_ref().map_or("", |id| id.as_str());
        let door = self.door(id, &proposal.header.creator);
        let checked = check_proposal(&proposal, door.membership(), now())
            .map_err(|error| Failure::Refused(self.detail(error.to_string())))?;
        let (channel, current) = door.channel()?;
        if let Some(reason) = channel.stopped() {
            let text = format!("channel {id} has stopped on this host: {reason}");
            return Err(Failure::Stopped(self.detail(text)));
        }
        if proposal.is_init {
            let text = format!(
                "contract {} does not require initialization but was called as init",
                proposal.contract
            );
            return Err(Failure::Refused(self.detail(text)));
        }
        let known = channel
            .ledger()
            .contains_transaction(&checked.tx_id)
            .map_err(|error| self.broken(&error))?;
        if known {
            let error = cordon_endorse::ProposalError::Duplicate(checked.tx_id);
            return Err(Failure::Refused(self.detail(error.to_string())));
        }
        let target = self.target(current, &proposal, &checked)?;
        Ok(Accepted {
            channel: Arc::clone(channel),
            current: Arc::clone(current),
            proposal,
            checked,
            target,
        })
    }

    fn target(
        &self,
        current: &Current,
        proposal: &Proposal,
        checked: &CheckedProposal,
    ) -> Result<Target, Failure> {
        if proposal.contract == lifecycle::NAME {
            let request = lifecycle::request(self, proposal, checked).map_err(|response| {
                let text = chaincode_response(response.status, &response.message);
                Failure::Contract(vec![self.detail(text)])
            })?;
            return Ok(Target::Lifecycle(request, ContractId::lifecycle()));
        }
        current
            .executes()
            .map_err(|text| Failure::Stopped(self.detail(text)))?;
        let installed = current
            .contract(&proposal.contract)
            .map_err(|text| Failure::Stopped(self.detail(text)))?
            .cloned()
            .ok_or_else(|| {
                Failure::ContractUnknown(format!(
                    "contract {} is not deployed on channel {}",
                    proposal.contract,
                    current.config().channel
                ))
            })?;
        Ok(Target::Contract(installed))
    }

    /// The channel's other hosts, in the order in which they are best asked: an organisation may have
    /// hosts that are on its other channels only, and some may not be there.
    pub(crate) fn others_of(&self, accepted: &Accepted) -> Vec<Peer> {
        let organizations = &accepted.current.config().organizations;
        let on_channel = |peer: &&Peer| {
            let mut same = organizations.iter();
            same.any(|o| o.msp.msp_id == peer.msp_id && o.hosts.contains(&peer.address))
        };
        let neighbours = self.neighbours();
        let mut peers: Vec<Peer> = neighbours
            .peers
            .iter()
            .filter(on_channel)
            .cloned()
            .collect();
        peers.sort_by_cached_key(Peer::lost);
        peers
    }

    /// The heights of the other channels that this host shares with an organisation, if the contract
    /// may ask them.
    pub(crate) fn other_heights(
        &self,
        accepted: &Accepted,
        msp_id: &MspId,
    ) -> BTreeMap<ChannelId, u64> {
        if !accepted.asks_other_channels() {
            return BTreeMap::new();
        }
        let shared = self.channels.iter().filter(|(id, channel)| {
            *id != accepted.channel.id() && channel.config().members().any(|m| m == msp_id)
        });
        shared
            .map(|(id, channel)| (id.clone(), channel.ledger().height()))
            .collect()
    }

    /// A fault of this host: the cause goes to its log, not to the client.
    pub(crate) fn broken(&self, error: &dyn std::error::Error) -> Failure {
        tracing::error!(%error, "this host cannot do its part");
        Failure::Host(self.detail("this host failed; its operator finds the cause in its log"))
    }
}
