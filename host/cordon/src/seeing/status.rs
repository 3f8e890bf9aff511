//! What `cordon status` shows of a host.

use anyhow::Result;
use cordon_channel::Channel;
use cordon_wire::block::CommittedBlock;
use cordon_wire::transaction::Envelope;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::peers::PeerSeen;
use super::{Watched, disk};
use crate::certificates::{certificates, days_left, state};
use crate::logging;
use crate::material::now;

impl Watched {
    /// Everything, as JSON. Asks the other hosts first.
    pub(crate) async fn status(self: std::sync::Arc<Self>) -> Result<Value> {
        let peers = self.look().await;
        // It looks at files.
        Ok(tokio::task::spawn_blocking(move || self.shown(&peers)).await?)
    }

    fn shown(&self, peers: &[PeerSeen]) -> Value {
        let channels: Vec<Value> = self.channels.iter().map(|c| self.channel(c)).collect();
        let peers: Vec<Value> = peers
            .iter()
            .map(|peer| {
                json!({
                    "mspId": peer.msp_id,
                    "address": peer.address,
                    "reachable": peer.unreachable.is_none(),
                    "reason": peer.unreachable,
                    "heights": peer.heights.iter()
                        .map(|(channel, height)| (channel.to_string(), json!(height)))
                        .collect::<serde_json::Map<_, _>>(),
                })
            })
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "mspId": self.config.msp_id,
            "address": self.config.address,
            "operations": self.operations().map(|address| address.to_string()),
            "uptimeSeconds": self.started.elapsed().as_secs(),
            "logLevel": logging::level(),
            "channels": channels,
            "peers": peers,
            "certificates": self.certificates(),
            "disk": {
                "ledgerBytes": disk::used(&self.config.data.join("channels")),
                "orderingBytes": disk::used(&self.config.data.join("ordering")),
                "compiledBytes": disk::used(&self.compiled),
                "freeBytes": disk::room(&self.config.data).ok().map(|room| room.free_bytes),
            },
        })
    }

    fn channel(&self, channel: &Channel) -> Value {
        let lag = self.lag(channel);
        let (state, reason) = if let Some(reason) = channel.stopped_because() {
            ("stopped", Some(reason))
        } else if lag > 0 {
            ("catching up", None)
        } else if let Err(reason) = channel.current().executes() {
            ("does not execute", Some(reason))
        } else {
            ("following", None)
        };
        let lost = channel.measures().ordering_lost();
        let info = channel.ledger().info();
        json!({
            "channel": channel.id().to_string(),
            "height": info.height,
            "lastBlock": {
                "hash": hex::encode(&info.current_hash),
                "time": last_time(channel).unwrap_or_else(|| channel.config().created.clone()),
            },
            "state": state,
            "reason": reason,
            "lag": lag,
            "ordering": {
                "reachable": lost.is_none(),
                "reason": lost.map(|lost| lost.reason),
            },
        })
    }

    fn certificates(&self) -> Vec<Value> {
        let shown = certificates(&self.config).into_iter().map(|shown| {
            let days = days_left(shown.not_after, now());
            json!({
                "certificate": shown.what,
                "subject": shown.subject,
                "notAfter": rfc3339(shown.not_after),
                "daysLeft": days,
                "state": state(days),
            })
        });
        shown.collect()
    }
}

/// When the last transaction of the last block was proposed: blocks have no time of their own. `None`
/// for the channel's first block.
fn last_time(channel: &Channel) -> Option<String> {
    let number = channel.ledger().height().checked_sub(1)?;
    let bytes = channel.ledger().block(number).ok()??;
    let block = CommittedBlock::parse(&bytes).ok()?;
    let envelope = Envelope::parse(block.data.last()?).ok()?;
    rfc3339(envelope.header.channel_header.timestamp?.seconds)
}

fn rfc3339(unix_seconds: i64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(unix_seconds).ok()?;
    time.format(&Rfc3339).ok()
}
