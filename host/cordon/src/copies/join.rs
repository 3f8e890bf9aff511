//! A host that is not running becomes a host of one more channel.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use clap::Args;
use cordon_channel::{ChannelConfig, Checkpoint};
use cordon_ledger::{Ledger, Options};
use cordon_types::ChannelId;
use cordon_wire::block::CommittedBlock;
use serde_json::json;

use super::{Folder, Progress, on_bar, read_host_file, verify_snapshot, write_host_file};
use crate::host::{ChannelSection, HostConfig};
use crate::ledger::progress_bar;
use crate::output::Output;

#[derive(Args)]
pub(crate) struct JoinArgs {
    /// The host's configuration; the host must not be running.
    #[arg(long, value_name = "HOST.toml")]
    config: PathBuf,
    /// The channel's block 0.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// Begin with the blocks of this snapshot. Without one, every block comes from the ordering log and
    /// is validated again.
    #[arg(long, value_name = "DIR")]
    snapshot: Option<PathBuf>,
    /// Where the channel's ordering log is reached, host:port, when it is not where block 0 says.
    #[arg(long, value_name = "ADDRESS")]
    ordering: Option<String>,
}

/// The host that joins.
struct Joining {
    path: PathBuf,
    /// The folder that paths are relative to.
    base: PathBuf,
    comment: String,
    /// As the file says it.
    config: HostConfig,
}

pub(crate) async fn join(args: JoinArgs, output: &Output) -> Result<()> {
    let output = output.clone();
    tokio::task::spawn_blocking(move || join_blocking(&args, &output)).await?
}

fn join_blocking(args: &JoinArgs, output: &Output) -> Result<()> {
    let mut host = Joining::read(&args.config)?;
    let shown = args.genesis.display();
    let genesis = fs::read(&args.genesis).with_context(|| format!("cannot read {shown}"))?;
    let genesis = Bytes::from(genesis);
    let first = ChannelConfig::from_genesis(&genesis)
        .with_context(|| format!("{shown} is not a channel's block 0"))?;
    let id = first.id()?;
    host.check_absent(&id)?;
    let section = ChannelSection {
        genesis: PathBuf::from(format!("channels/{id}.block")),
    };

    let data = host.base.join(&host.config.data).join("channels");
    let ledger = data.join(id.as_str());
    ensure!(
        !ledger.exists(),
        "there is a ledger of channel {id} in {}: delete it, or join with another host",
        ledger.display()
    );
    let bar = progress_bar(0);
    let (folder, config, checkpoint) = match &args.snapshot {
        None => (None, first, None),
        Some(snapshot) => {
            let folder = Folder::begin(&ledger)?;
            let blocks = folder.path().join("blocks");
            let progress: Progress<'_> = &on_bar(&bar);
            let verified = verify_snapshot(snapshot, Some(&genesis), Some(&blocks), progress)?;
            let config = ChannelConfig::clone(&verified.config);
            ensure!(
                config
                    .members()
                    .any(|member| member.as_str() == host.config.msp_id),
                "{} is no member of channel {id} by the last configuration in the snapshot",
                host.config.msp_id
            );
            (Some(folder), config, Some(verified.checkpoint))
        }
    };
    bar.finish_and_clear();
    if let Some(folder) = folder {
        folder.finish()?;
        derive(&ledger)?;
    }
    let genesis_file = host.base.join(&section.genesis);
    if let Some(parent) = genesis_file.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&genesis_file, &genesis)
        .with_context(|| format!("cannot write {}", genesis_file.display()))?;
    super::folder::sync(&genesis_file)?;
    // Last: a host that is started after an interruption knows nothing of the channel.
    host.config.channels.push(section);
    if let Some(place) = &args.ordering {
        let address = config.ordering.address.clone();
        host.config.address_overrides.insert(address, place.clone());
    }
    write_host_file(&host.path, &host.comment, &host.config)?;
    tell(&host, &id, &genesis, &config, checkpoint.as_ref(), output)
}

impl Joining {
    fn read(path: &Path) -> Result<Self> {
        let (comment, config) = read_host_file(path)?;
        let address = config.listen.as_ref().unwrap_or(&config.address);
        // Whoever answers there uses these files, or will be in this host's way.
        std::net::TcpListener::bind(address).with_context(|| {
            format!("cannot listen on {address}: stop the host before it joins a channel")
        })?;
        Ok(Self {
            path: path.to_owned(),
            base: path.parent().unwrap_or(Path::new(".")).to_owned(),
            comment,
            config,
        })
    }

    fn check_absent(&self, id: &ChannelId) -> Result<()> {
        for section in &self.config.channels {
            let path = self.base.join(&section.genesis);
            let block =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let known = ChannelConfig::from_genesis(&block.into())
                .with_context(|| format!("cannot use {}", path.display()))?;
            if known.channel == id.as_str() {
                bail!("this host is on channel {id} already");
            }
        }
        Ok(())
    }
}

/// Derives the state from blocks that were just put there.
fn derive(ledger: &Path) -> Result<()> {
    let derived = Ledger::open(ledger, Options::default()).and_then(|(open, _)| open.close());
    derived.with_context(|| {
        format!(
            "the blocks are in {}, but their state cannot be derived: delete that folder and join again",
            ledger.display()
        )
    })
}

fn tell(
    host: &Joining,
    id: &ChannelId,
    genesis: &Bytes,
    config: &ChannelConfig,
    checkpoint: Option<&Checkpoint>,
    output: &Output,
) -> Result<()> {
    let components = host.base.join(&host.config.components);
    let missing: Vec<String> = config
        .contracts
        .iter()
        .filter(|contract| {
            !components
                .join(format!("{}.wasm", contract.sha256))
                .exists()
        })
        .map(|contract| format!("{}.wasm", contract.sha256))
        .collect();
    for file in &missing {
        output.note(&format!(
            "note: the channel's contracts need {}: put it there before the host is started",
            components.join(file).display()
        ));
    }
    if !config
        .members()
        .any(|member| member.as_str() == host.config.msp_id)
    {
        output.note(&format!(
            "note: {} is no member by block 0: the host gets blocks once a later configuration makes it one",
            host.config.msp_id
        ));
    }
    let hash = hex::encode(CommittedBlock::parse(genesis)?.hash());
    let from = match checkpoint {
        None => "it begins with block 0".to_owned(),
        Some(checkpoint) => format!(
            "it begins with the {} blocks of the snapshot, state digest {}",
            checkpoint.height,
            hex::encode(checkpoint.state_digest)
        ),
    };
    let text = format!(
        "joined channel {id}; {from}\nblock 0       {hash}\nCompare that hash with the other members, then start the host: cordon host run --config {}",
        host.path.display()
    );
    let value = json!({
        "channel": id.as_str(),
        "genesisHash": hash,
        "height": checkpoint.map_or(0, |checkpoint| checkpoint.height),
        "stateDigest": checkpoint.map(|checkpoint| hex::encode(checkpoint.state_digest)),
        "missingComponents": missing,
    });
    output.result(&text, &value);
    Ok(())
}
