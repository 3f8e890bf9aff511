//! What the services of a host share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cordon_channel::{Channel, Current, FilePackages};
use cordon_endorse::Endorser;
use cordon_identity::Membership;
use cordon_order::EmbeddedLog;
use cordon_types::{ChannelId, MspId};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::executions::Executions;
use crate::measures::Measures;
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
    /// Contract calls that run at once.
    pub executions: Arc<Executions>,
    /// The organisation as its own host knows it, channels or none; it may change.
    pub local: watch::Receiver<Arc<Membership>>,
    /// What admins of the organisation can ask for.
    pub administration: Arc<dyn Administration>,
    /// Packages of contracts.
    pub packages: Arc<FilePackages>,
    /// Where what happens is counted.
    pub measures: Arc<Measures>,
}

/// What a host has to do with others, as its channels' configurations have it.
#[derive(Default)]
pub struct Neighbours {
    /// The other hosts of the channels' organisations, of its own too.
    pub peers: Vec<Peer>,
    /// Ordering logs that this process keeps and serves.
    pub ordering_logs: BTreeMap<ChannelId, EmbeddedLog>,
}

/// One organisation's host.
pub struct Host {
    pub(crate) msp_id: MspId,
    pub(crate) address: String,
    pub(crate) endorser: Endorser,
    pub(crate) channels: BTreeMap<ChannelId, Arc<Channel>>,
    neighbours: RwLock<Arc<Neighbours>>,
    pub(crate) executions: Arc<Executions>,
    pub(crate) local: watch::Receiver<Arc<Membership>>,
    pub(crate) administration: Arc<dyn Administration>,
    pub(crate) packages: Arc<FilePackages>,
    pub(crate) measures: Arc<Measures>,
    /// The organisations of all channels.
    everyone: RwLock<Arc<Membership>>,
    shutdown: watch::Sender<bool>,
}

impl Host {
    /// A host; [`Host::reconfigure`] tells it who else there is, [`serve`](crate::serve) makes it answer.
    pub fn new(options: HostOptions) -> Arc<Self> {
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
            neighbours: RwLock::default(),
            executions: options.executions,
            local: options.local,
            administration: options.administration,
            packages: options.packages,
            measures: options.measures,
            everyone: RwLock::new(Arc::new(Membership::new([]))),
            shutdown: watch::Sender::new(false),
        })
    }

    /// To be called before the host serves, and when what is in force on a channel has changed.
    pub fn reconfigure(&self, neighbours: Neighbours) {
        let in_force: Vec<_> = self.channels.values().map(|c| c.current()).collect();
        let memberships = in_force.iter().map(|current| current.membership());
        *self.everyone.write() = Arc::new(Membership::of_all(memberships));
        *self.neighbours.write() = Arc::new(neighbours);
    }

    /// Who else there is.
    pub(crate) fn neighbours(&self) -> Arc<Neighbours> {
        Arc::clone(&self.neighbours.read())
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
    pub(crate) fn door<'a>(&self, id: &'a str, creator: &[u8]) -> Door<'a> {
        let found = self.channel(id).map(|channel| {
            let current = channel.current();
            (Arc::clone(channel), current)
        });
        Door {
            id,
            everyone: Arc::clone(&self.everyone.read()),
            found: found.filter(|(_, current)| current.membership().names_member(creator)),
        }
    }
}

/// A channel is known to its members only. Whoever belongs to none of its organisations is told what
/// is said of a channel that does not exist, and is told it after the same checks: who somebody is can
/// be decided without the channel.
pub(crate) struct Door<'a> {
    id: &'a str,
    everyone: Arc<Membership>,
    found: Option<(Arc<Channel>, Arc<Current>)>,
}

impl Door<'_> {
    /// By whom identities are to be checked before anything else is said.
    pub(crate) fn membership(&self) -> &Membership {
        match &self.found {
            Some((_, current)) => current.membership(),
            None => &self.everyone,
        }
    }

    /// The channel, and what was in force on it when the door was opened. To be asked for once the
    /// caller's identity and signature are checked.
    ///
    /// # Errors
    /// [`Failure::ChannelUnknown`] for others than members.
    pub(crate) fn channel(&self) -> Result<&(Arc<Channel>, Arc<Current>), Failure> {
        self.found
            .as_ref()
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
