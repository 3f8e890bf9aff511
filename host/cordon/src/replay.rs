//! `cordon ledger replay`: executes what is on a ledger again, and compares.

mod report;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use clap::Args;
use cordon_channel::{ComponentStore, Components, Past, Replay};
use cordon_types::TxId;

use crate::compiler;
use crate::ledger::progress_bar;
use crate::output::Output;
use crate::store::CallerArgs;

use self::report::Report;
use self::source::{Blocks, Source};

const EXAMPLES: &str = "\
Examples:
  cordon ledger replay --as hospital/admin --channel providers
  cordon ledger replay --blocks backup/channels/cards --components backup/components --channel cards
  cordon ledger replay --as hospital/admin --channel providers --tx 5c0f…

Exit codes:
  0  no difference was found; how many transactions could not be replayed is printed
  1  a difference was found, or the replay failed; stderr says which
  2  the command line is not right
  3  the host cannot be reached";

/// What is replayed, and from where.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// The channel.
    #[arg(long, default_value = "providers")]
    channel: String,
    /// Only the transaction with this id, 64 hex digits.
    #[arg(long, value_name = "ID", conflicts_with_all = ["from", "to"])]
    tx: Option<TxId>,
    /// The first block whose transactions are replayed; those before are verified.
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    from: u64,
    /// The last block, itself included; the last one there is if left out.
    #[arg(long, value_name = "BLOCK")]
    to: Option<u64>,
    /// Take the blocks from these files instead of a host: the block files of a channel, or a folder
    /// that holds them, as a host's data folder does. They are only read; a host may have them open.
    #[arg(long, value_name = "DIR")]
    blocks: Option<PathBuf>,
    /// Contracts' components, <sha256>.wasm. If left out, the folder components of the host, or the
    /// nearest one beside or above the block files.
    #[arg(long, value_name = "DIR")]
    components: Option<PathBuf>,
    /// The network's folder.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: PathBuf,
    /// Who asks a host for its blocks: organisation/user, for example hospital/admin.
    #[arg(
        long = "as",
        value_name = "ORG/USER",
        required_unless_present = "blocks",
        conflicts_with = "blocks"
    )]
    caller: Option<String>,
}

pub(crate) async fn run(args: &ReplayArgs, output: &Output) -> Result<()> {
    let caller = args.caller.clone().map(|caller| CallerArgs {
        dir: args.dir.clone(),
        caller,
        channel: args.channel.clone(),
    });
    let report = replay(args, caller.as_ref())
        .await
        .map_err(|error| match &caller {
            Some(caller) => caller.explain(error),
            None => error,
        })?;
    output.result(&report.text(), &report.to_json());
    let wrong = report.wrong();
    ensure!(
        wrong == 0,
        "{wrong} of {} transactions replayed differ from what is on the ledger",
        report.executed()
    );
    Ok(())
}

async fn replay(args: &ReplayArgs, caller: Option<&CallerArgs>) -> Result<Report> {
    let (source, components) = match (&args.blocks, caller) {
        (Some(dir), _) => Source::files(dir, &args.channel)?,
        (None, Some(caller)) => Source::host(caller)?,
        (None, None) => {
            bail!("say whose host is asked (--as), or where block files are (--blocks)")
        }
    };
    let Some(dir) = args.components.clone().or(components) else {
        bail!(
            "there is no folder components where contracts' components would be looked for: say where they are (--components)"
        );
    };
    ensure!(dir.is_dir(), "there is no folder {}", dir.display());
    let runtime = compiler::runtime(None)?;
    let components: Arc<dyn Components> = Arc::new(ComponentStore::new(dir, runtime));

    // Before those of other channels: whatever a contract was answered there was there already.
    let blocks = source.open(&args.channel).await?;
    let blocks =
        blocks.with_context(|| format!("there are no blocks of channel {}", args.channel))?;
    let height = blocks.height();
    if args.from >= height || args.to.is_some_and(|to| to >= height) {
        let last = height - 1;
        bail!(
            "channel {} has blocks 0 to {last}: --from and --to must be among them",
            args.channel
        );
    }
    if args.to.is_some_and(|to| to < args.from) {
        bail!(
            "--from {} comes after --to: there is nothing between them",
            args.from
        );
    }
    let past = Past::new(&blocks.get(0).await?, Arc::clone(&components))?;
    ensure!(
        past.id().as_str() == args.channel,
        "the blocks are of channel {}, not of {}",
        past.id(),
        args.channel
    );
    // Contracts are those of block 0: configurations change access policies only.
    let (past, asks) = blocking(move || {
        let asks = past.asks_other_channels();
        Ok((past, asks))
    })
    .await?;
    let mut others = Vec::new();
    if asks {
        for channel in source.other_channels(&args.channel) {
            if let Some(blocks) = source.open(&channel).await? {
                others.push(follow(&blocks, &components).await?);
            }
        }
    }

    let end = args.to.map_or(height, |to| to + 1);
    let progress = progress_bar(end);
    let mut replay = Replay::new(past, others);
    let mut report = Report::new(&args.channel, blocks.unfinished_bytes(), args.tx.is_some());
    for number in 1..end {
        let bytes = blocks.get(number).await?;
        let (from, tx) = (args.from, args.tx);
        let (next, (replayed, skipped)) = blocking(move || {
            let wanted = |id| tx.map_or(number >= from, |tx| id == Some(tx));
            let done = replay.next(&bytes, wanted)?;
            Ok((replay, done))
        })
        .await?;
        replay = next;
        report.add(replayed, skipped);
        progress.inc(1);
        if args.tx.is_some() && !report.is_empty() {
            break;
        }
    }
    progress.finish_and_clear();
    if let (Some(tx), true) = (args.tx, report.is_empty()) {
        bail!(
            "no block of channel {} holds transaction {tx}",
            args.channel
        );
    }
    report.end(replay.past().chain());
    Ok(report)
}

/// Verifies all blocks of a channel that contracts may have asked.
async fn follow(blocks: &Blocks, components: &Arc<dyn Components>) -> Result<Past> {
    let mut past = Past::new(&blocks.get(0).await?, Arc::clone(components))?;
    let progress = progress_bar(blocks.height());
    for number in 1..blocks.height() {
        let bytes: Bytes = blocks.get(number).await?;
        past = blocking(move || {
            past.next(&bytes)?;
            Ok(past)
        })
        .await?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(past)
}

/// Contracts run on threads with the stack that they need, and keep no other work waiting.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}
