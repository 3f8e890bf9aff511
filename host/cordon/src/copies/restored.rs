//! An ordering log that comes from a backup may be older than what other hosts have committed. To
//! take transactions on it would make another history: other hosts would refuse to follow it, and
//! whoever relies on this one alone would be told that what will be lost is committed. So a restored
//! log is marked, and its keeper starts only once every other host of the channel has shown that all
//! it has committed is on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cordon_channel::Channel;
use cordon_client::Client;
use cordon_gateway::Peer;
use cordon_identity::Signer;
use cordon_order::{EmbeddedLog, Position};
use cordon_types::ChannelId;
use cordon_wire::block::CommittedBlock;

use crate::ledger::block_bytes;
use crate::wiring::Wiring;

/// Longest wait for another host's newest block.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Not beside the log's files: whoever puts another copy of these there must not take it away.
fn marker(data: &Path, channel: &ChannelId) -> PathBuf {
    data.join("restored").join(channel.as_str())
}

/// Says that the log of a channel comes from a backup.
pub(super) fn mark_restored(data: &Path, channel: &ChannelId) -> Result<()> {
    let path = marker(data, channel);
    let text =
        "This log comes from a backup; the host compares it with others before it is used.\n";
    crate::material::write(&path, text)
}

/// Compares restored logs with what other hosts have committed. Does nothing for logs that are not
/// marked.
pub(crate) async fn check_restored_logs(
    data: &Path,
    wiring: &Wiring,
    channels: &[Arc<Channel>],
) -> Result<()> {
    let logs = wiring.kept_logs();
    for channel in channels {
        let id = channel.id();
        let path = marker(data, id);
        let Some(log) = logs.get(id).filter(|_| path.exists()) else {
            continue;
        };
        let config = channel.config();
        for peer in wiring.peers() {
            if config.members().any(|member| member == peer.msp_id()) {
                compare(id, log, &peer, &wiring.endorser().signer(), &path).await?;
            }
        }
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

async fn compare(
    id: &ChannelId,
    log: &EmbeddedLog,
    peer: &Peer,
    signer: &Arc<Signer>,
    marker: &Path,
) -> Result<()> {
    let (msp_id, address) = (peer.msp_id().as_str(), peer.address());
    let unknown = |reason: &str| {
        format!(
            "the ordering log of channel {id} comes from a backup, and {msp_id} at {address} cannot be asked whether it has committed more ({reason}): start that host first. If it is lost for good, delete {}: then nobody is asked",
            marker.display()
        )
    };
    let client = Client::new(id.as_str(), Arc::clone(signer), peer.connection());
    let asking = tokio::time::timeout(ANSWER_MAX, block_bytes(&client, id.as_str(), u64::MAX));
    let newest = match asking.await {
        Ok(Ok(block)) => CommittedBlock::parse(&block)?,
        Ok(Err(error)) => bail!(unknown(&error.to_string())),
        Err(_) => bail!(unknown("no answer in time")),
    };
    let position = Position::from_bytes(&newest.consenter_metadata)
        .with_context(|| format!("the newest block of {msp_id} at {address} has no position"))?;
    if log.holds(position)? {
        return Ok(());
    }
    bail!(
        "the ordering log of channel {id} comes from a backup and has {} records; {msp_id} at {address} has committed block {}, which was made of {} records. To go on with this log would fork the channel. Put a newer copy of the log in its place, or give up what is not on it with all members of the channel",
        log.length(),
        newest.header.number,
        position.next
    )
}
