//! Hosts commit the same blocks, but not at the same moment. A client that was told that its
//! transaction is committed goes on at once, and another organisation's host must not execute what
//! comes next on older state. So hosts tell each other how many blocks they have: a request asks
//! for at least as many, and a reply says on how many it ran.

use std::time::Duration;

use cordon_channel::Channel;
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

/// Waits until this host has that many blocks, or has waited long enough: whoever asked may be
/// wrong.
pub(crate) async fn catch_up(channel: &Channel, height: u64) {
    let mut here = channel.commits().height();
    let reached = here.wait_for(|here| *here >= height);
    // Too late is no failure: what is executed on older state is seen to differ.
    let _ = tokio::time::timeout(CATCH_UP_MAX, reached).await;
}
