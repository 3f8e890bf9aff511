//! `cordon channel`: a channel's configuration, and its blocks as files: fetch them, copy them, join from
//! copies.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::{Args, Subcommand};
use cordon_client::Call;
use cordon_wire::block::CommittedBlock;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::copies::{self, JoinArgs, Progress, verify_snapshot};
use crate::governance::{self, GovernanceCommand};
use crate::ledger::{block_bytes, progress_bar};
use crate::output::Output;
use crate::store::{AdminArgs, CallerArgs};

/// What to do.
#[derive(Subcommand)]
pub(crate) enum ChannelCommand {
    #[command(flatten)]
    Governance(GovernanceCommand),
    /// Save a channel's blocks on the machine of a running host, signed by that host.
    ///
    /// Example: cordon channel snapshot --as clinic/admin --channel providers --out /backup/providers
    #[command(verbatim_doc_comment)]
    Snapshot(SnapshotArgs),
    /// Save one block of a running host as a file. Block 0 is what others join the channel with.
    ///
    /// Example: cordon channel fetch --as clinic/admin --channel providers --block 0 --out providers.block
    #[command(verbatim_doc_comment)]
    Fetch(FetchArgs),
    /// Put a host that is not running on one more channel.
    ///
    /// Example: cordon channel join --config hosts/clinic/host.toml --genesis providers.block
    /// --snapshot /backup/providers
    #[command(verbatim_doc_comment)]
    Join(JoinArgs),
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct SnapshotArgs {
    #[command(subcommand)]
    command: Option<SnapshotCommand>,
    #[command(flatten)]
    admin: Option<AdminArgs>,
    /// The channel.
    #[arg(long, default_value = "providers")]
    channel: String,
    /// Number of blocks in it; all there are if left out.
    #[arg(long, value_name = "N")]
    height: Option<u64>,
    /// New folder on the host's machine.
    #[arg(long, value_name = "DIR", required = true)]
    out: Option<PathBuf>,
}

#[derive(Subcommand)]
enum SnapshotCommand {
    /// Verify a snapshot, without any host, and say who signed it.
    ///
    /// Example: cordon channel snapshot verify /backup/providers --genesis providers.block
    Verify {
        /// The snapshot.
        snapshot: PathBuf,
        /// Block 0 that it must begin with; else the snapshot's own is taken, and its hash told.
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
    },
}

#[derive(Args)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    caller: CallerArgs,
    /// Which one: a number, `newest`, or `config` for the one with the configuration in force.
    #[arg(long, default_value = "config", value_name = "N|config|newest", value_parser = which)]
    block: Which,
    /// The file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy)]
enum Which {
    Number(u64),
    Config,
    Newest,
}

fn which(text: &str) -> Result<Which, String> {
    match text {
        "config" => Ok(Which::Config),
        "newest" => Ok(Which::Newest),
        number => number
            .parse()
            .map(Which::Number)
            .map_err(|_| "a number, config or newest".to_owned()),
    }
}

pub(crate) async fn run(command: ChannelCommand, output: &Output) -> Result<()> {
    match command {
        ChannelCommand::Governance(command) => governance::run(command, output).await,
        ChannelCommand::Snapshot(args) => match args.command {
            Some(SnapshotCommand::Verify { snapshot, genesis }) => {
                verify(snapshot, genesis, output).await
            }
            None => snapshot(args, output).await,
        },
        ChannelCommand::Fetch(args) => {
            let fetched = fetch(&args, output).await;
            fetched.map_err(|error| args.caller.explain(error))
        }
        ChannelCommand::Join(args) => copies::join(args, output).await,
    }
}

async fn snapshot(args: SnapshotArgs, output: &Output) -> Result<()> {
    let missing = "clap asks for it";
    let (admin, out) = (args.admin.context(missing)?, args.out.context(missing)?);
    let out = std::path::absolute(out)?;
    let channel = &args.channel;
    let call = Call::new(
        "cordon",
        "Snapshot",
        &[
            &json!(channel).to_string(),
            &json!(args.height).to_string(),
            &json!(out).to_string(),
        ],
    );
    let value = admin.job(&call, &out).await?;
    let field = |name: &str| value[name].as_str().unwrap_or_default();
    let text = format!(
        "saved {} blocks of channel {channel} in {}\nlast block    {}\nstate digest  {}",
        value["height"],
        out.display(),
        field("blockHash"),
        field("stateDigest")
    );
    output.result(&text, &value);
    Ok(())
}

async fn verify(snapshot: PathBuf, genesis: Option<PathBuf>, output: &Output) -> Result<()> {
    let genesis = genesis
        .map(|path| std::fs::read(&path).with_context(|| format!("cannot read {}", path.display())))
        .transpose()?
        .map(Bytes::from);
    let output = output.clone();
    let verifying = move || -> Result<()> {
        let bar = progress_bar(0);
        let progress: Progress<'_> = &copies::on_bar(&bar);
        let verified = verify_snapshot(&snapshot, genesis.as_ref(), None, progress)?;
        bar.finish_and_clear();
        let checkpoint = &verified.checkpoint;
        let subject = verified.signer.certificate().subject();
        let msp_id = verified.signer.msp_id();
        let signed = OffsetDateTime::from_unix_timestamp(checkpoint.time)?.format(&Rfc3339)?;
        let (channel, height) = (&checkpoint.channel, checkpoint.height);
        let (first, last, digest) = (
            hex::encode(verified.genesis_hash),
            hex::encode(checkpoint.block_hash),
            hex::encode(checkpoint.state_digest),
        );
        let text = format!(
            "channel {channel}: {height} blocks, one chain\nblock 0       {first}\nlast block    {last}\nstate digest  {digest}\nsigned by     {msp_id}, {subject}\nat            {signed}"
        );
        let value = json!({
            "channel": channel.as_str(),
            "height": height,
            "genesisHash": first,
            "blockHash": last,
            "stateDigest": digest,
            "signedBy": { "mspId": msp_id.as_str(), "subject": subject },
            "time": signed,
        });
        output.result(&text, &value);
        Ok(())
    };
    tokio::task::spawn_blocking(verifying).await?
}

async fn fetch(args: &FetchArgs, output: &Output) -> Result<()> {
    let (client, channel) = (args.caller.client()?, &args.caller.channel);
    let mut bytes = match args.block {
        Which::Number(number) => block_bytes(&client, channel, number).await?,
        Which::Config | Which::Newest => block_bytes(&client, channel, u64::MAX).await?,
    };
    let mut block = CommittedBlock::parse(&bytes)?;
    if matches!(args.block, Which::Config) && block.last_config != block.header.number {
        bytes = block_bytes(&client, channel, block.last_config).await?;
        block = CommittedBlock::parse(&bytes)?;
    }
    let (shown, number) = (args.out.display(), block.header.number);
    std::fs::write(&args.out, &bytes).with_context(|| format!("cannot write {shown}"))?;
    let hash = hex::encode(block.hash());
    let text = format!("block {number} of channel {channel} is in {shown}\nhash          {hash}");
    let value = json!({ "channel": channel, "number": number, "blockHash": hash });
    output.result(&text, &value);
    Ok(())
}
