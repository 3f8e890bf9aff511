//! Hosts commit the same blocks, but not at the same moment. A client that was told that its
//! transaction is committed goes on at once, and another organisation's host must not execute what
//! comes next on older state. So hosts tell each other how many blocks they have: a request asks
//! for at least as many, and a reply says on how many it ran.

use std::collections::BTreeMap;
use std::time::Duration;

use cordon_channel::Channel;
use cordon_types::ChannelId;
use tonic::metadata::MetadataMap;

/// gRPC metadata with a number of blocks. Other clients do not send it.
const NAME: &str = "cordon-height";

/// Longest wait for blocks that another host has: they are on their way, or the ordering is not
/// reachable from here and waiting would not help.
const CATCH_UP_MAX: Duration = Duration::from_secs(2);

/// The height in a request or reply.
pub(crate) fn of(metadata: &MetadataMap) -> Option<u64> {
    metadata.get(NAME)?.to_str().ok()?.parse().ok()
}

/// Puts a height into a request or reply.
pub(crate) fn put(metadata: &mut MetadataMap, height: u64) {
    metadata.insert(NAME, height.into());
}

/// gRPC metadata with the numbers of blocks of other channels, which the contract may ask:
/// `cards=12,reports=7`.
const OTHERS: &str = "cordon-other-heights";

/// More entries are not read.
const OTHERS_MAX: usize = 64;

/// The heights of other channels in a request.
pub(crate) fn others(metadata: &MetadataMap) -> BTreeMap<ChannelId, u64> {
    let text = metadata.get(OTHERS).and_then(|value| value.to_str().ok());
    let entry = |entry: &str| {
        let (channel, height) = entry.split_once('=')?;
        Some((channel.parse().ok()?, height.parse().ok()?))
    };
    let entries = text.unwrap_or_default().split(',').take(OTHERS_MAX);
    entries.filter_map(entry).collect()
}

/// Puts heights of other channels into a request. Replies hold none: whoever passes on another's
/// proposal must not learn of channels.
pub(crate) fn put_others(metadata: &mut MetadataMap, heights: &BTreeMap<ChannelId, u64>) {
    let entries: Vec<String> = heights
        .iter()
        .map(|(channel, height)| format!("{channel}={height}"))
        .collect();
    // Channel ids are ASCII.
    if !entries.is_empty()
        && let Ok(value) = entries.join(",").parse()
    {
        metadata.insert(OTHERS, value);
    }
}

/// Waits until this host has that many blocks, or has waited long enough: whoever asked may be
/// wrong.
pub(crate) async fn catch_up(channel: &Channel, height: u64) {
    let mut here = channel.commits().height();
    let reached = here.wait_for(|here| *here >= height);
    // Too late is no failure: what is executed on older state is seen to differ.
    let _ = tokio::time::timeout(CATCH_UP_MAX, reached).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_of_other_channels_travel() {
        let heights: BTreeMap<ChannelId, u64> = [("cards", 12), ("a.b-9", u64::MAX)]
            .map(|(channel, height)| (channel.parse().unwrap(), height))
            .into();
        let mut metadata = MetadataMap::new();
        put_others(&mut metadata, &heights);
        assert_eq!(others(&metadata), heights);
        assert_eq!(others(&MetadataMap::new()), BTreeMap::new());
        metadata.insert(OTHERS, "cards,=3,cards=x,b=1".parse().unwrap());
        assert_eq!(others(&metadata), [("b".parse().unwrap(), 1)].into());
    }
}
