//! What the services of a host share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cordon_channel::Channel;
use cordon_endorse::Endorser;
use cordon_identity::Membership;
use cordon_order::EmbeddedLog;
use cordon_types::{ChannelId, MspId};
use tokio::sync::watch;

use crate::executions::Executions;
use crate::peer::Peer;
use crate::status::Failure;
use crate::system::Administration;

/// What a host is made of.
pub struct HostOptions {
    /// The organisation.
    pub msp_id: MspId,
    /// Address that other parties know this host by; named in errors.
    pub address: String,
    /// The host's signing identity.
    pub endorser: Endorser,
    /// Channels this host is a member of.
    pub channels: Vec<Arc<Channel>>,
    /// Hosts of the channels' other organisations.
    pub peers: Vec<Peer>,
    /// Ordering logs that this process keeps and serves.
    pub ordering_logs: BTreeMap<ChannelId, EmbeddedLog>,
    /// Contract calls that run at once.
    pub executions: Arc<Executions>,
    /// The organisation as its own host knows it, channels or none.
    pub local: Membership,
    /// What admins of the organisation can ask for.
    pub administration: Arc<dyn Administration>,
}

/// One organisation's host.
pub struct Host {
    pub(crate) msp_id: MspId,
    pub(crate) address: String,
    pub(crate) endorser: Endorser,
    pub(crate) channels: BTreeMap<ChannelId, Arc<Channel>>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) ordering_logs: BTreeMap<ChannelId, EmbeddedLog>,
    pub(crate) executions: Arc<Executions>,
    pub(crate) local: Membership,
    pub(crate) administration: Arc<dyn Administration>,
    /// The organisations of all channels.
    everyone: Membership,
    shutdown: watch::Sender<bool>,
}

impl Host {
    /// A host; [`serve`](crate::serve) makes it answer.
    pub fn new(options: HostOptions) -> Arc<Self> {
        let memberships = options.channels.iter().map(|channel| channel.membership());
        let everyone = Membership::of_all(memberships);
        let channels = options
            .channels
            .into_iter()
            .map(|channel| (channel.id().clone(), channel))
            .collect();
        Arc::new(Self {
            msp_id: options.msp_id,
            address: options.address,
            endorser: options.endorser,
            channels,
            peers: options.peers,
            ordering_logs: options.ordering_logs,
            executions: options.executions,
            local: options.local,
            administration: options.administration,
            everyone,
            shutdown: watch::Sender::new(false),
        })
    }

    /// Ends every stream with an error, so that clients notice and connections can close.
    pub fn shut_down(&self) {
        self.shutdown.send_replace(true);
    }

    /// Resolves when the host shuts down.
    pub(crate) fn shutting_down(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut shutdown = self.shutdown.subscribe();
        async move {
            // The sender lives in the host; when it is gone, so is the host.
            let _ = shutdown.wait_for(|down| *down).await;
        }
    }

    /// The channel of that name, if this host is a member.
    pub(crate) fn channel(&self, id: &str) -> Option<&Arc<Channel>> {
        self.channels.get(&id.parse::<ChannelId>().ok()?)
    }

    /// What somebody meets who names a channel.
    pub(crate) fn door<'a>(&'a self, id: &'a str, creator: &[u8]) -> Door<'a> {
        let channel = self
            .channel(id)
            .filter(|channel| channel.membership().names_member(creator));
        Door {
            id,
            membership: channel.map_or(&self.everyone, |channel| channel.membership()),
            channel,
        }
    }
}

/// A channel is known to its members only. Whoever belongs to none of its organisations is told what
/// is said of a channel that does not exist, and is told it after the same checks: who somebody is can
/// be decided without the channel.
pub(crate) struct Door<'a> {
    id: &'a str,
    /// By whom identities are to be checked before anything else is said.
    pub(crate) membership: &'a Membership,
    channel: Option<&'a Arc<Channel>>,
}

impl<'a> Door<'a> {
    /// The channel. To be asked for once the caller's identity and signature are checked.
    ///
    /// # Errors
    /// [`Failure::ChannelUnknown`] for others than members.
    pub(crate) fn channel(&self) -> Result<&'a Arc<Channel>, Failure> {
        self.channel
            .ok_or_else(|| Failure::ChannelUnknown(self.id.to_owned()))
    }
}

/// This host's time, seconds since the Unix epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
