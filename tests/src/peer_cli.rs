//! Fabric's own command line, `peer`, message by message: for each of its commands the calls that it
//! makes, in its order, and the checks that it makes of the answers (`WIRE.md` section 19).

mod lifecycle;
mod messages;
mod streams;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_identity::Signer;
use cordon_types::TxId;
use cordon_wire::Message as _;
use cordon_wire::proto::common::{self, Block, BlockchainInfo, HeaderType};
use cordon_wire::proto::orderer::seek_position;
use cordon_wire::proto::protos::endorser_client::EndorserClient;
use cordon_wire::proto::protos::{self, ProposalResponse, SignedProposal};
use tonic::Status;
use tonic::transport::Channel;

use crate::craft::{newest, oldest, specified};
use crate::fabric_config::Bundle;
use crate::network::{CLINIC, HOSPITAL, Network};
use crate::raw::within;
use crate::town::{PARENTS, SCHOOL};

use self::streams::Blocks;
pub use self::streams::Broadcast;

const MESSAGE_BYTES_MAX: usize = 100 << 20;

/// A user of an organisation at a terminal. What goes wrong is told as the command tells it.
pub struct PeerCli {
    creator: Bytes,
    signer: Arc<Signer>,
    /// `--peerAddresses`, the first of which is `CORE_PEER_ADDRESS`; a connection for each.
    peers: Vec<Channel>,
    /// Every host by its address: whose `--cafile` is whose is not the test's matter.
    addresses: BTreeMap<String, Channel>,
}

/// `peer chaincode invoke`, with its flags.
#[derive(Debug, Clone, Copy)]
pub struct Invoke<'a> {
    /// `-C`.
    pub channel: &'a str,
    /// `-n`.
    pub contract: &'a str,
    /// `-c`.
    pub args: &'a [&'a str],
    /// `-o`, an address.
    pub orderer: Option<&'a str>,
    /// `--waitForEvent`.
    pub waits: bool,
    /// `--isInit`.
    pub is_init: bool,
}

/// What `peer channel fetch` asks for.
#[derive(Debug, Clone, Copy)]
pub enum Fetch {
    /// `newest`.
    Newest,
    /// `oldest`.
    Oldest,
    /// `config`.
    Config,
    /// A number.
    Number(u64),
}

type Result<T> = std::result::Result<T, String>;

fn rpc_error(status: Status) -> String {
    format!(
        "rpc error: code = {:?} desc = {}",
        status.code(),
        status.message()
    )
}

impl PeerCli {
    /// `organisation/user`, whose commands go to the hosts of these organisations.
    pub fn new(network: &Network, caller: &str, peers: &[&str]) -> Self {
        let signer = network.signer(caller);
        let all = [HOSPITAL, CLINIC, PARENTS, SCHOOL];
        let address = |name: &str| (network.address(name), network.connection(name));
        Self {
            creator: signer.serialized(),
            signer,
            peers: peers.iter().map(|name| network.connection(name)).collect(),
            addresses: all.into_iter().map(address).collect(),
        }
    }

    /// The same person with another form of the certificate.
    #[must_use]
    pub fn known_as(mut self, creator: Bytes) -> Self {
        self.creator = creator;
        self
    }

    /// Somebody else at the same terminal.
    #[must_use]
    pub fn signing_as(mut self, signer: Signer) -> Self {
        self.creator = signer.serialized();
        self.signer = Arc::new(signer);
        self
    }

    // === calls ===

    async fn process(peer: &Channel, signed: &SignedProposal) -> Result<ProposalResponse> {
        let mut client =
            EndorserClient::new(peer.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let reply = within(client.process_proposal(signed.clone())).await;
        Ok(reply.map_err(rpc_error)?.into_inner())
    }

    /// Asks every one of `--peerAddresses`.
    ///
    /// # Errors
    /// What the command prints.
    pub async fn endorse(&self, signed: &SignedProposal) -> Result<Vec<ProposalResponse>> {
        let asked = self.peers.iter().map(|peer| Self::process(peer, signed));
        let answers = futures::future::join_all(asked).await;
        let answers: Result<Vec<_>> = answers.into_iter().collect();
        answers.map_err(|error| format!("error endorsing invoke: {error}"))
    }

    /// A query of a system contract without a channel, as `peer channel` makes it.
    ///
    /// # Errors
    /// What the command prints.
    pub async fn system(
        &self,
        header_type: HeaderType,
        contract: &str,
        args: &[&str],
    ) -> Result<Bytes> {
        let (signed, _) = self.proposal(header_type, "", contract, args, false);
        let reply = Self::process(&self.peers[0], &signed).await?;
        let response = reply.response.ok_or("received nil proposal response")?;
        match response.status {
            200 => Ok(response.payload),
            status => Err(format!(
                "received bad response, status {status}: {}",
                response.message
            )),
        }
    }

    // === commands ===

    /// `peer channel list`.
    ///
    /// # Errors
    /// What the command prints.
    pub async fn channel_list(&self) -> Result<Vec<String>> {
        let kind = HeaderType::EndorserTransaction;
        let payload = self.system(kind, "cscc", &["GetChannels"]).await?;
        let answer = protos::ChannelQueryResponse::decode(payload).map_err(|e| e.to_string())?;
        Ok(answer
            .channels
            .into_iter()
            .map(|channel| channel.channel_id)
            .collect())
    }

    /// `peer channel getinfo`.
    ///
    /// # Errors
    /// What the command prints.
    pub async fn channel_getinfo(&self, channel: &str) -> Result<BlockchainInfo> {
        let kind = HeaderType::EndorserTransaction;
        let payload = self
            .system(kind, "qscc", &["GetChainInfo", channel])
            .await?;
        BlockchainInfo::decode(payload).map_err(|error| error.to_string())
    }

    /// `peer channel fetch`, with `-o` when an orderer's address is given.
    ///
    /// # Errors
    /// What the command prints.
    pub async fn channel_fetch(
        &self,
        channel: &str,
        what: Fetch,
        orderer: Option<&str>,
    ) -> Result<Block> {
        let mut stream = match orderer {
            Some(address) => Blocks::of_orderer(&self.addresses[address]).await?,
            None => Blocks::of_peer(&self.peers[0]).await?,
        };
        let mut one = async |position: Option<seek_position::Type>| {
            let position = position.unwrap();
            stream.ask(self.seek(channel, position, position)).await?;
            stream.one().await
        };
        match what {
            Fetch::Newest => one(newest()).await,
            Fetch::Oldest => one(oldest()).await,
            Fetch::Number(number) => one(specified(number)).await,
            Fetch::Config => {
                let newest = one(newest()).await?;
                one(specified(last_config(&newest)?)).await
            }
        }
    }

    /// `peer chaincode query`.
    ///
    /// # Errors
    /// What the command prints.
    pub async fn query(&self, channel: &str, contract: &str, args: &[&str]) -> Result<Bytes> {
        let kind = HeaderType::EndorserTransaction;
        let (signed, _) = self.proposal(kind, channel, contract, args, false);
        let reply = Self::process(&self.peers[0], &signed).await;
        let reply = reply.map_err(|error| format!("error endorsing query: {error}"))?;
        let response = reply.response.ok_or("received nil proposal response")?;
        if reply.endorsement.is_none() {
            return Err(format!(
                "endorsement failure during query. response: status:{} message:{:?}",
                response.status, response.message
            ));
        }
        Ok(response.payload)
    }

    /// What `-o` is when it is not given.
    ///
    /// # Errors
    /// What the command prints, and what Fabric's parser would.
    pub async fn orderer_of(&self, channel: &str) -> Result<String> {
        let bytes = self.channel_config(channel).await?;
        let mut bundle = Bundle::parse(channel, &bytes)
            .map_err(|error| format!("error loading channel config: {error}"))?;
        Ok(bundle.orderers.remove(0))
    }

    /// The answer of `GetChannelConfig`, which is asked for with another header type than all else.
    ///
    /// # Errors
    /// What the command prints.
    pub async fn channel_config(&self, channel: &str) -> Result<Bytes> {
        let args = ["GetChannelConfig", channel];
        self.system(HeaderType::Config, "cscc", &args).await
    }

    /// `peer chaincode invoke`; the contract's answer and the transaction's id.
    ///
    /// # Errors
    /// What the command prints.
    pub async fn invoke(&self, invoke: Invoke<'_>) -> Result<(protos::Response, TxId)> {
        let Invoke {
            channel,
            contract,
            args,
            ..
        } = invoke;
        let orderer = match invoke.orderer {
            Some(address) => address.to_owned(),
            None => self.orderer_of(channel).await?,
        };
        // Before anything is proposed.
        let mut broadcast = Broadcast::open(&self.addresses[&orderer]).await?;
        let kind = HeaderType::EndorserTransaction;
        let (signed, id) = self.proposal(kind, channel, contract, args, invoke.is_init);
        let responses = self.endorse(&signed).await?;
        let first = &responses[0];
        let response = first.response.clone().unwrap_or_default();
        if response.status >= 400 {
            return Err(format!(
                "endorsement failure during invoke. response: status:{} message:{:?}",
                response.status, response.message
            ));
        }
        let envelope = self.transaction(&signed, &responses)?;
        self.order(&mut broadcast, channel, &id, envelope, invoke.waits)
            .await?;
        if first.endorsement.is_none() {
            return Err("endorsement failure during invoke".to_owned());
        }
        let payload = protos::ProposalResponsePayload::decode(first.payload.clone());
        let action = payload.map_err(|error| error.to_string())?.extension;
        let action = protos::ChaincodeAction::decode(action).map_err(|error| error.to_string())?;
        Ok((action.response.ok_or("no response in the payload")?, id))
    }

    /// Sends a transaction to an orderer; with `--waitForEvent` it has to be valid on every one of
    /// `--peerAddresses`.
    async fn order(
        &self,
        broadcast: &mut Broadcast,
        channel: &str,
        id: &TxId,
        envelope: common::Envelope,
        waits: bool,
    ) -> Result<()> {
        let mut events = Vec::new();
        if waits {
            for peer in &self.peers {
                let seek = self.seek(channel, newest().unwrap(), specified(u64::MAX).unwrap());
                events.push(Blocks::filtered(peer, seek).await?);
            }
        }
        let acknowledged = broadcast.send(envelope).await?;
        if acknowledged.status != common::Status::Success as i32 {
            let status = common::Status::try_from(acknowledged.status);
            let name = status.map_or("?", |status| status.as_str_name());
            return Err(format!(
                "got unexpected status: {name} -- {}",
                acknowledged.info
            ));
        }
        for mut events in events {
            events.until(id).await?;
        }
        broadcast.close();
        Ok(())
    }
}

/// `protoutil.GetLastConfigIndexFromBlock`.
fn last_config(block: &Block) -> Result<u64> {
    let slots = block.metadata.clone().unwrap_or_default().metadata;
    let slot = slots.first().ok_or("no metadata in block")?;
    let metadata = common::Metadata::decode(slot.clone()).map_err(|error| error.to_string())?;
    let orderer = common::OrdererBlockMetadata::decode(metadata.value);
    let orderer = orderer.map_err(|error| error.to_string())?;
    Ok(orderer.last_config.ok_or("no last config")?.index)
}
