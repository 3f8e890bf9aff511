//! Other channels of this host, as contracts see them through `ledger-query`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_channel::Channel;
use cordon_execute::{HostError, Ledgers, OpenedLedger};
use cordon_types::{ChannelId, StateError};
use futures::future::join_all;

use crate::height::catch_up;
use crate::host::Host;

/// What a contract can ask in the name of one proposal's creator.
pub(crate) struct CallerLedgers {
    host: Arc<Host>,
    creator: Bytes,
    /// When the proposal was signed, seconds since the Unix epoch.
    time: i64,
}

impl CallerLedgers {
    pub(crate) fn new(host: &Arc<Host>, creator: Bytes, time: i64) -> Self {
        Self {
            host: Arc::clone(host),
            creator,
            time,
        }
    }

    /// Waits until this host has as many blocks of other channels as whoever sent the proposal, or has
    /// waited long enough. Before a contract runs: while one does, its own channel cannot commit.
    pub(crate) async fn catch_up(&self, heights: &BTreeMap<ChannelId, u64>) {
        let waits = heights.iter().filter_map(|(id, &height)| {
            let channel = self.channel(id.as_str())?;
            Some(catch_up(channel, height))
        });
        join_all(waits).await;
    }

    /// The channel, if its members include both this host's organisation and the caller's, by the
    /// certificates that this channel knows.
    fn channel(&self, id: &str) -> Option<&Arc<Channel>> {
        let channel = self.host.channel(id)?;
        let current = channel.current();
        let identity = current.membership().identity(&self.creator).ok()?;
        identity.check_validity(self.time).ok()?;
        Some(channel)
    }
}

impl Ledgers for CallerLedgers {
    fn open(&self, channel: &str, contract: &str) -> Result<Option<OpenedLedger>, HostError> {
        let Some(channel) = self.channel(channel) else {
            return Ok(None);
        };
        let current = channel.current();
        current
            .executes()
            .map_err(|text| HostError::State(StateError(text)))?;
        if let Some(reason) = channel.stopped() {
            let text = format!(
                "channel {} has stopped on this host: {reason}",
                channel.id()
            );
            return Err(HostError::State(StateError(text)));
        }
        let installed = current
            .contract(contract)
            .map_err(|text| HostError::State(StateError(text)))?;
        let Some(installed) = installed else {
            return Ok(None);
        };
        Ok(Some(OpenedLedger {
            channel: channel.id().clone(),
            contract: Arc::clone(&installed.code),
            snapshot: Box::new(channel.ledger().snapshot_beside().ok_or(HostError::Busy)?),
            access: Box::new(current.access(installed.id(), self.creator.clone())),
        }))
    }
}
