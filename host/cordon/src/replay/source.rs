//! Where the blocks of a replay come from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use cordon_channel::ChannelConfig;
use cordon_client::{Client, ClientError};
use cordon_ledger::BlockFiles;

use crate::host::HostConfig;
use crate::ledger;
use crate::store::{self, CallerArgs};

/// How deep below a folder block files are looked for: a network's folder holds them in
/// hosts/HOST/data/channels/CHANNEL/blocks.
const DEPTH_MAX: u32 = 6;
/// How far above them a folder of components is looked for.
const ABOVE_MAX: usize = 5;

/// A host, or files.
pub(super) enum Source {
    /// By channel, where its block files are.
    Files(BTreeMap<String, PathBuf>),
    /// A user of a host, and the channels of that host as far as they are known here.
    Host {
        caller: CallerArgs,
        channels: Vec<String>,
    },
}

/// The blocks of one channel, as many as there are now.
pub(super) enum Blocks {
    Files(BlockFiles),
    Host {
        client: Client,
        channel: String,
        height: u64,
    },
}

// === impl Source ===

impl Source {
    /// The block files in `dir` or below, and the folder of components that goes with them. The one
    /// of `channel` must be there, and no two of a channel.
    pub(super) fn files(dir: &Path, channel: &str) -> Result<(Self, Option<PathBuf>)> {
        let dir =
            fs::canonicalize(dir).with_context(|| format!("cannot look into {}", dir.display()))?;
        let mut found = BTreeMap::new();
        find(&dir, DEPTH_MAX, &mut found)?;
        let Some(blocks) = found.get(channel) else {
            let known: Vec<&str> = found.keys().map(String::as_str).collect();
            bail!(
                "{} holds no block files of channel {channel}{}",
                dir.display(),
                if known.is_empty() {
                    String::new()
                } else {
                    format!("; it has those of {}", known.join(", "))
                }
            );
        };
        let above = blocks.ancestors().take(ABOVE_MAX);
        let mut components = above.map(|folder| folder.join("components"));
        let components = components.find(|folder| folder.is_dir());
        Ok((Self::Files(found), components))
    }

    /// The host of a user's organisation, and that host's folder of components, if it is on this
    /// machine.
    pub(super) fn host(caller: &CallerArgs) -> Result<(Self, Option<PathBuf>)> {
        let (organization, _) = caller.names()?;
        let path = caller
            .dir
            .join("hosts")
            .join(organization)
            .join("host.toml");
        let mut channels = Vec::new();
        let mut components = None;
        if path.is_file() {
            let config = HostConfig::read(&path)?;
            for section in &config.channels {
                let genesis = fs::read(&section.genesis)
                    .with_context(|| format!("cannot read {}", section.genesis.display()))?;
                channels.push(ChannelConfig::from_genesis(&Bytes::from(genesis))?.channel);
            }
            components = Some(config.components);
        }
        let caller = caller.clone();
        Ok((Self::Host { caller, channels }, components))
    }

    /// Channels beside `channel` whose blocks may be had.
    pub(super) fn other_channels(&self, channel: &str) -> Vec<String> {
        let all: Vec<&String> = match self {
            Self::Files(found) => found.keys().collect(),
            Self::Host { channels, .. } => channels.iter().collect(),
        };
        let others = all.into_iter().filter(|other| *other != channel);
        others.cloned().collect()
    }

    /// A channel's blocks; `None` when there are none, or it is not the channel that is replayed and
    /// the user may not read it.
    pub(super) async fn open(&self, channel: &str) -> Result<Option<Blocks>> {
        match self {
            Self::Files(found) => {
                let files = found.get(channel).map(|dir| BlockFiles::open(dir));
                Ok(files.transpose()?.map(Blocks::Files))
            }
            Self::Host { caller, .. } => {
                let (organization, user) = caller.names()?;
                let client = store::client(&caller.dir, organization, user, channel)?;
                let readable = match ledger::block_bytes(&client, channel, 0).await {
                    Ok(_) => true,
                    Err(error) if channel != caller.channel && is_refusal(&error) => false,
                    Err(error) => return Err(error),
                };
                if !readable {
                    return Ok(None);
                }
                let height = ledger::height(&client, channel).await?;
                Ok(Some(Blocks::Host {
                    client,
                    channel: channel.to_owned(),
                    height,
                }))
            }
        }
    }
}

/// Whether the host has answered, and said no.
fn is_refusal(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<ClientError>();
    error.is_some_and(|error| error.contract_refusal().is_some())
}

/// Adds every folder of block files in `dir` and below.
fn find(dir: &Path, depth: u32, found: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let cannot = || format!("cannot look into {}", dir.display());
    if let Some(channel) = channel_of(dir)? {
        if let Some(other) = found.insert(channel.clone(), dir.to_owned()) {
            bail!(
                "{} and {} both hold blocks of channel {channel}: name one of them (--blocks)",
                other.display(),
                dir.display()
            );
        }
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    for entry in fs::read_dir(dir).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Logs are of the same form and hold no blocks; what was set aside is damaged.
        let passed_over = name == "ordering" || name.starts_with("damaged-");
        if !passed_over && entry.file_type().with_context(cannot)?.is_dir() {
            find(&entry.path(), depth - 1, found)?;
        }
    }
    Ok(())
}

/// The channel whose block files are in `dir` itself.
fn channel_of(dir: &Path) -> Result<Option<String>> {
    if !dir.join("00000000.seg").is_file() {
        return Ok(None);
    }
    let files = BlockFiles::open(dir)?;
    if files.height() == 0 {
        return Ok(None);
    }
    let config = ChannelConfig::from_genesis(&files.block(0)?);
    let config = config.with_context(|| format!("{} holds no block files", dir.display()))?;
    Ok(Some(config.channel))
}

// === impl Blocks ===

impl Blocks {
    /// Number of blocks; at least one.
    /// Bytes behind the last whole block; of a host there are none.
    pub(super) fn unfinished_bytes(&self) -> u64 {
        match self {
            Self::Files(files) => files.unfinished_bytes(),
            Self::Host { .. } => 0,
        }
    }

    pub(super) fn height(&self) -> u64 {
        match self {
            Self::Files(files) => files.height(),
            Self::Host { height, .. } => *height,
        }
    }

    /// One encoded block.
    pub(super) async fn get(&self, number: u64) -> Result<Bytes> {
        match self {
            Self::Files(files) => Ok(files.block(number)?),
            Self::Host {
                client, channel, ..
            } => ledger::block_bytes(client, channel, number).await,
        }
    }
}
