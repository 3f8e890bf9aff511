//! A snapshot of a channel: a folder with `checkpoint.json` and `blocks/`, block files as in a
//! ledger.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use cordon_channel::{ChannelConfig, Checkpoint, CopiedChain};
use cordon_identity::{Identity, Signer};
use cordon_ledger::{BlockFiles, Ledger};
use cordon_types::ChannelId;
use cordon_wire::block::CommittedBlock;

use super::{Folder, Progress};

const CHECKPOINT: &str = "checkpoint.json";
const BLOCKS: &str = "blocks";

/// Writes a snapshot of the first `height` blocks of a ledger, all there are if that is left out, into
/// the new folder `to`. Blocking.
pub(crate) fn write_snapshot(
    channel: &ChannelId,
    ledger: &Ledger,
    signer: &Signer,
    height: Option<u64>,
    to: &Path,
    progress: Progress<'_>,
) -> Result<Checkpoint> {
    let blocks = ledger.block_files();
    let now = blocks.height();
    let height = height.unwrap_or(now);
    ensure!(
        (1..=now).contains(&height),
        "channel {channel} has {now} blocks on this host: --height takes 1 to {now}, not {height}"
    );
    let folder = Folder::begin(to)?;
    let checkpoint = copy_blocks(
        channel,
        &blocks,
        signer,
        height,
        &folder.path().join(BLOCKS),
        progress,
    )?;
    let path = folder.path().join(CHECKPOINT);
    fs::write(&path, checkpoint.to_text())
        .with_context(|| format!("cannot write {}", path.display()))?;
    folder.finish()?;
    Ok(checkpoint)
}

/// Copies blocks, and signs where they end.
pub(super) fn copy_blocks(
    channel: &ChannelId,
    blocks: &BlockFiles,
    signer: &Signer,
    height: u64,
    to: &Path,
    progress: Progress<'_>,
) -> Result<Checkpoint> {
    let mut last = None;
    blocks.copy(height, to, |number, block| -> Result<()> {
        progress(number + 1, height)?;
        if number + 1 == height {
            last = Some(CommittedBlock::parse(block)?);
        }
        Ok(())
    })?;
    let last = last.context("there is at least block 0")?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(Checkpoint::sign(
        signer,
        channel.clone(),
        height,
        last.hash(),
        last.commit_hash,
        last.consenter_metadata.clone(),
        now.as_secs().cast_signed(),
    )?)
}

/// A snapshot that is as its signer says.
pub(crate) struct VerifiedSnapshot {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) signer: Arc<Identity>,
    /// The last configuration in it.
    pub(crate) config: Arc<ChannelConfig>,
    /// Header hash of block 0.
    pub(crate) genesis_hash: [u8; 32],
}

/// Verifies the snapshot in `dir`: its blocks are one chain from block 0 on, which must be `genesis` if
/// that is given, up to what the checkpoint says, and a host of a member signed that. With `copy_to`,
/// a new folder, the blocks are copied there as they were verified, each read once. Blocking.
pub(crate) fn verify_snapshot(
    dir: &Path,
    genesis: Option<&Bytes>,
    copy_to: Option<&Path>,
    progress: Progress<'_>,
) -> Result<VerifiedSnapshot> {
    verify(dir, genesis, copy_to, progress)
        .with_context(|| format!("the snapshot in {} cannot be used", dir.display()))
}

fn verify(
    dir: &Path,
    genesis: Option<&Bytes>,
    copy_to: Option<&Path>,
    progress: Progress<'_>,
) -> Result<VerifiedSnapshot> {
    let path = dir.join(CHECKPOINT);
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let checkpoint = Checkpoint::parse(&text)?;
    let blocks = BlockFiles::open(&dir.join(BLOCKS))?;
    let (stated, height) = (checkpoint.height, blocks.height());
    if blocks.unfinished_bytes() > 0 {
        bail!("block {height} is not whole");
    }
    ensure!(
        height == stated,
        "it has {height} blocks, and its checkpoint says {stated}"
    );
    let first = blocks.block(0)?;
    let mut chain = CopiedChain::new(&first)?;
    let (id, named) = (chain.id(), &checkpoint.channel);
    ensure!(
        id == named,
        "its blocks are of channel {id}, and its checkpoint is of channel {named}"
    );
    if let Some(genesis) = genesis
        && *genesis != first
    {
        let wanted = ChannelConfig::from_genesis(genesis)?.channel;
        if wanted == id.as_str() {
            bail!("it begins with another block 0 of channel {id} than the one given");
        }
        bail!("it is of channel {id}, and the block 0 given is channel {wanted}'s");
    }
    let genesis_hash = chain.hash();
    let mut follow = |number: u64, block: &Bytes| -> Result<()> {
        if number > 0 {
            chain.next(block)?;
        }
        progress(number + 1, height)
    };
    match copy_to {
        Some(to) => blocks.copy(height, to, follow)?,
        None => (0..height).try_for_each(|number| follow(number, &blocks.block(number)?))?,
    }
    let last = height - 1;
    ensure!(
        chain.hash() == checkpoint.block_hash,
        "its checkpoint names another hash of block {last}"
    );
    ensure!(
        chain.state_digest() == checkpoint.state_digest,
        "its checkpoint names another state digest after block {last}"
    );
    ensure!(
        chain.log_position() == checkpoint.log_position,
        "its checkpoint names another place in the ordering log after block {last}"
    );
    let signer = checkpoint.verify(chain.membership())?;
    Ok(VerifiedSnapshot {
        checkpoint,
        signer,
        config: Arc::clone(chain.config()),
        genesis_hash,
    })
}
