//! How far the other hosts are: each is asked for its height, as any member's host may ask.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use cordon_channel::Channel;
use cordon_client::{Call, Client, ClientError};
use cordon_gateway::Peer;
use cordon_types::ChannelId;
use cordon_wire::decode;
use cordon_wire::proto::common::BlockchainInfo;
use futures::future::join_all;

use super::Watched;

/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Another organisation's host, as it was when it was looked at.
#[derive(Debug, Clone)]
pub(crate) struct PeerSeen {
    pub(crate) msp_id: String,
    pub(crate) address: String,
    /// Why it could not be reached; `None` when it answers.
    pub(crate) unreachable: Option<String>,
    /// On the channels that it shares with this host and tells of.
    pub(crate) heights: BTreeMap<ChannelId, u64>,
}

impl Watched {
    /// Asks every other host, and keeps what it says.
    pub(crate) async fn look(&self) -> Vec<PeerSeen> {
        let peers = self.wiring.peers();
        let seen = join_all(peers.iter().map(|peer| self.ask(peer))).await;
        let mut kept = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone_from(&seen);
        seen
    }

    /// What was seen last.
    pub(crate) fn seen(&self) -> Vec<PeerSeen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }

    /// Blocks that another host has and this one has not, as far as is known.
    pub(crate) fn lag(&self, channel: &Channel) -> u64 {
        let seen = self.seen();
        let heights = seen
            .iter()
            .filter_map(|peer| peer.heights.get(channel.id()));
        let highest = heights.max().copied().unwrap_or_default();
        highest.saturating_sub(channel.ledger().height())
    }

    async fn ask(&self, peer: &Peer) -> PeerSeen {
        let shared = self.channels.iter().filter(|channel| {
            let config = channel.config();
            config.members().any(|member| member == peer.msp_id())
        });
        let asked = shared.map(|channel| async {
            let id = channel.id().clone();
            let height = self.height_at(peer, &id).await;
            (id, height)
        });
        let mut seen = PeerSeen {
            msp_id: peer.msp_id().to_string(),
            address: peer.address().to_owned(),
            unreachable: None,
            heights: BTreeMap::new(),
        };
        for (channel, height) in join_all(asked).await {
            match height {
                Ok(Some(height)) => {
                    seen.heights.insert(channel, height);
                }
                // It answers, and does not know the channel or us.
                Ok(None) => {}
                Err(reason) => seen.unreachable = Some(reason),
            }
        }
        seen
    }

    /// The height that a host has on a channel; `None` when it does not tell, an error when it does not
    /// answer.
    async fn height_at(&self, peer: &Peer, channel: &ChannelId) -> Result<Option<u64>, String> {
        let id = channel.as_str();
        let client = Client::new(id, self.wiring.endorser().signer(), peer.connection());
        let call = Call::new("qscc", "GetChainInfo", &[id]);
        let answer = tokio::time::timeout(ANSWER_MAX, client.evaluate(&call)).await;
        match answer {
            Ok(Ok(bytes)) => {
                let info = decode::<BlockchainInfo>(&bytes, "chain info").ok();
                Ok(info.map(|info| info.height))
            }
            // What the other host says itself comes with details.
            Ok(Err(ClientError::Status { details, .. })) if !details.is_empty() => Ok(None),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }
}
