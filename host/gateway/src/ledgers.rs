//! Other channels of this host, as contracts see them through `ledger-query`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_channel::Channel;
use cordon_execute::{HostError, Ledgers, OpenedLedger};
use cordon_types::{Caller, ChannelId, StateError};
use tokio::runtime::Handle;

use crate::height::catch_up;
use crate::host::Host;

/// What a contract can ask in the name of one proposal's creator.
pub(crate) struct CallerLedgers {
    host: Arc<Host>,
    creator: Bytes,
    /// When the proposal was signed, seconds since the Unix epoch.
    time: i64,
    /// Blocks that the host which sent the proposal has of other channels.
    heights: BTreeMap<ChannelId, u64>,
    runtime: Handle,
}

impl CallerLedgers {
    /// To be made within the network's runtime.
    pub(crate) fn new(
        host: &Arc<Host>,
        creator: Bytes,
        time: i64,
        heights: BTreeMap<ChannelId, u64>,
    ) -> Self {
        Self {
            host: Arc::clone(host),
            creator,
            time,
            heights,
            runtime: Handle::current(),
        }
    }

    /// The channel, if its members include both this host's organisation and the caller's, by the
    /// certificates that this channel knows.
    fn channel(&self, id: &str) -> Option<&Arc<Channel>> {
        let channel = self.host.channel(id)?;
        let identity = channel.membership().identity(&self.creator).ok()?;
        identity.check_validity(self.time).ok()?;
        Some(channel)
    }
}

impl Ledgers for CallerLedgers {
    fn open(
        &self,
        _: &Caller,
        channel: &str,
        contract: &str,
    ) -> Result<Option<OpenedLedger>, HostError> {
        let Some(channel) = self.channel(channel) else {
            return Ok(None);
        };
        if let Some(reason) = channel.stopped() {
            let text = format!(
                "channel {} has stopped on this host: {reason}",
                channel.id()
            );
            return Err(HostError::State(StateError(text)));
        }
        let Some(installed) = channel.contract(contract) else {
            return Ok(None);
        };
        if let Some(&height) = self.heights.get(channel.id()) {
            // This thread executes contracts, where waiting is allowed.
            self.runtime.block_on(catch_up(channel, height));
        }
        Ok(Some(OpenedLedger {
            channel: channel.id().clone(),
            contract: Arc::clone(&installed.code),
            snapshot: Box::new(channel.ledger().snapshot_beside()),
            access: Box::new(channel.access(installed.id(), self.creator.clone())),
        }))
    }
}
