//! `peer lifecycle chaincode`: its commands with the messages that they send.

use bytes::Bytes;
use cordon_types::TxId;
use cordon_wire::proto::common::HeaderType;
use cordon_wire::proto::protos::ProposalResponse;
use cordon_wire::{Message, encode};

use super::{Broadcast, PeerCli, Result};

const LIFECYCLE: &str = "_lifecycle";
const TRANSACTION: HeaderType = HeaderType::EndorserTransaction;

impl PeerCli {
    fn lifecycle_args(function: &str, argument: &impl Message) -> Vec<Bytes> {
        vec![Bytes::from(function.to_owned()), encode(argument)]
    }

    /// `install`, `queryinstalled`, `getinstalledpackage` (without a channel), `checkcommitreadiness`,
    /// `querycommitted` and `queryapproved`: the first of `--peerAddresses` is asked, and its answer must
    /// have status 200. Nobody looks for an endorsement.
    ///
    /// # Errors
    /// What the command prints.
    pub async fn lifecycle_query<M: Message + Default>(
        &self,
        channel: &str,
        function: &str,
        argument: &impl Message,
    ) -> Result<M> {
        let args = Self::lifecycle_args(function, argument);
        let (signed, _) = self.proposal_of(TRANSACTION, channel, LIFECYCLE, args, false);
        let reply = Self::process(&self.peers[0], &signed).await?;
        let response = accepted(&reply)?;
        M::decode(response).map_err(|error| error.to_string())
    }

    /// `approveformyorg` and `commit`, without `-o`, with `--waitForEvent` as it is by default: every one
    /// of `--peerAddresses` has to answer the same. The transaction's id, once all of them have it as
    /// valid.
    ///
    /// # Errors
    /// What the command prints.
    pub async fn lifecycle_submit(
        &self,
        channel: &str,
        function: &str,
        argument: &impl Message,
    ) -> Result<TxId> {
        let orderer = self.orderer_of(channel).await?;
        let mut broadcast = Broadcast::open(&self.addresses[&orderer]).await?;
        let args = Self::lifecycle_args(function, argument);
        let (signed, id) = self.proposal_of(TRANSACTION, channel, LIFECYCLE, args, false);
        let responses = self.endorse(&signed).await?;
        let first = responses.first().ok_or("no proposal responses received")?;
        accepted(first)?;
        let envelope = self.transaction(&signed, &responses)?;
        self.order(&mut broadcast, channel, &id, envelope, true)
            .await?;
        Ok(id)
    }
}

fn accepted(reply: &ProposalResponse) -> Result<Bytes> {
    let response = reply.response.as_ref();
    let response = response.ok_or("received proposal response with nil response")?;
    match response.status {
        200 => Ok(response.payload.clone()),
        status => Err(format!(
            "proposal failed with status: {status} - {}",
            response.message
        )),
    }
}
