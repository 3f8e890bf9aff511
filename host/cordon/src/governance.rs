//! Governance of a channel from the command line: its configuration, proposals to change it, their
//! approval, and every version there was.

mod change;
mod history;
mod proposal;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::{Args, Subcommand};
use cordon_channel::{ChannelConfig, OrganizationConfig};
use cordon_client::{Call, Client};
use serde::Deserialize;
use serde_json::json;

pub(crate) use history::versions;
pub(crate) use proposal::{Proposal, check_access_policies, functions};

use crate::governance::change::ChangeArgs;
use crate::material::OrganizationDir;
use crate::output::Output;
use crate::provision::Connection;
use crate::store::CallerArgs;

/// What to do with a channel's configuration.
#[derive(Subcommand)]
pub(crate) enum GovernanceCommand {
    /// Print the configuration in force: members and their certificates, revocation lists, policies,
    /// contracts, execution profile, ordering, limits.
    ///
    /// Example: cordon channel config --as hospital/admin --channel providers --out providers.json
    #[command(verbatim_doc_comment)]
    Config(ConfigArgs),
    /// Propose a change of the configuration, and approve it: shows the difference from today's,
    /// checks it, and writes a file for the other members to sign.
    ///
    /// The change is a whole document (from `cordon channel config`, edited), or made by options.
    ///
    /// Examples:
    ///   cordon channel propose providers.json --as hospital/admin --out change.json
    ///   cordon channel propose --as hospital/admin --out change.json --revoke ClinicMSP=clinic-crl.pem
    #[command(verbatim_doc_comment)]
    Propose(Box<ProposeArgs>),
    /// Approve a proposal: shows the difference from today's configuration, checks it, adds the
    /// signature to the file, and submits it once the channel's governance policy is met.
    ///
    /// Example: cordon channel sign change.json --as clinic/admin
    #[command(verbatim_doc_comment)]
    Sign(SignArgs),
    /// Every version of the configuration: who submitted and approved it, when, and what it changed.
    ///
    /// Example: cordon channel history --as hospital/admin --channel providers
    #[command(verbatim_doc_comment)]
    History(HistoryArgs),
    /// Print an organisation as channels' configurations name it: what another channel's members need
    /// to add it (cordon channel propose --add-organization FILE).
    ///
    /// Example: cordon channel organization school --dir network --out school.json
    #[command(verbatim_doc_comment)]
    Organization(OrganizationArgs),
}

#[derive(Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    caller: CallerArgs,
    /// Write it here instead.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ProposeArgs {
    #[command(flatten)]
    caller: CallerArgs,
    /// The whole document.
    document: Option<PathBuf>,
    #[command(flatten)]
    change: ChangeArgs,
    /// The proposal's file, for the other members.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
pub(crate) struct SignArgs {
    /// The network's folder.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: PathBuf,
    /// Who approves: organisation/user, for example clinic/admin.
    #[arg(long = "as", value_name = "ORG/USER")]
    caller: String,
    /// The proposal's file.
    proposal: PathBuf,
}

#[derive(Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    caller: CallerArgs,
    /// Show the difference that each version made.
    #[arg(long)]
    diff: bool,
}

#[derive(Args)]
pub(crate) struct OrganizationArgs {
    /// The network's folder.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: PathBuf,
    /// The organisation.
    organization: String,
    /// `host:port` of a host of it, any number; by default the one in its connection file.
    #[arg(long = "host", value_name = "ADDRESS")]
    hosts: Vec<String>,
    /// Write it here instead.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(command: GovernanceCommand, output: &Output) -> Result<()> {
    let caller = match &command {
        GovernanceCommand::Config(args) => args.caller.clone(),
        GovernanceCommand::Propose(args) => args.caller.clone(),
        GovernanceCommand::History(args) => args.caller.clone(),
        GovernanceCommand::Sign(args) => CallerArgs {
            dir: args.dir.clone(),
            caller: args.caller.clone(),
            channel: Proposal::read(&args.proposal)?.channel,
        },
        GovernanceCommand::Organization(args) => return organization(args, output),
    };
    let done = match &command {
        GovernanceCommand::Config(args) => config(args, output).await,
        GovernanceCommand::Propose(args) => propose(args, output).await,
        GovernanceCommand::Sign(args) => sign(args, &caller, output).await,
        GovernanceCommand::History(args) => history::history(&caller, args.diff, output).await,
        GovernanceCommand::Organization(_) => Ok(()),
    };
    done.map_err(|error| caller.explain(error))
}

/// What is in force on a channel.
#[derive(Deserialize)]
pub(crate) struct InForce {
    pub(crate) sequence: u64,
    /// The block that holds the last configuration.
    pub(crate) block: u64,
    pub(crate) config: ChannelConfig,
}

impl InForce {
    /// As the client's host has it.
    pub(crate) async fn ask(client: &Client, channel: &str) -> Result<Self> {
        let call = Call::new("cscc", "GetChannelDocument", &[channel]);
        serde_json::from_slice(&client.evaluate(&call).await?)
            .context("the host's answer is no channel configuration")
    }
}

/// A document as people read and edit it.
pub(crate) fn pretty(config: &ChannelConfig) -> Result<String> {
    Ok(serde_json::to_string_pretty(config)? + "\n")
}

async fn config(args: &ConfigArgs, output: &Output) -> Result<()> {
    let channel = &args.caller.channel;
    let found = InForce::ask(&args.caller.client()?, channel).await?;
    let text = pretty(&found.config)?;
    let value = json!({
        "channel": channel,
        "version": found.sequence,
        "block": found.block,
        "config": found.config,
    });
    match &args.out {
        Some(path) => {
            crate::material::write(path, &text)?;
            let text = format!(
                "version {} of the configuration of channel {channel}, of block {}, is in {}: edit it, then `cordon channel propose {}`",
                found.sequence,
                found.block,
                path.display(),
                path.display()
            );
            output.result(&text, &value);
        }
        None => output.result(text.trim_end(), &value),
    }
    Ok(())
}

async fn propose(args: &ProposeArgs, output: &Output) -> Result<()> {
    let client = args.caller.client()?;
    let now = InForce::ask(&client, &args.caller.channel).await?;
    let next = args.change.apply(&now.config, args.document.as_deref())?;
    let mut proposal = Proposal::new(&now, next)?;
    let difference = proposal.check(&client, &now).await?;
    output.note(&difference);
    proposal.sign(&client)?;
    proposal.write(&args.out)?;
    proposal.proceed(&client, &now, &args.out, output).await
}

async fn sign(args: &SignArgs, caller: &CallerArgs, output: &Output) -> Result<()> {
    let mut proposal = Proposal::read(&args.proposal)?;
    let client = caller.client()?;
    let now = InForce::ask(&client, &proposal.channel).await?;
    let difference = proposal.check(&client, &now).await?;
    output.note(&difference);
    proposal.sign(&client)?;
    proposal.write(&args.proposal)?;
    proposal
        .proceed(&client, &now, &args.proposal, output)
        .await
}

fn organization(args: &OrganizationArgs, output: &Output) -> Result<()> {
    let connection = Connection::read(&args.dir, &args.organization)?;
    let folder = OrganizationDir::new(&args.dir, &args.organization);
    let hosts = match args.hosts.as_slice() {
        [] => vec![connection.endpoint.clone()],
        hosts => hosts.to_vec(),
    };
    let organization = OrganizationConfig {
        msp: folder.msp_config(connection.msp_id.parse()?)?,
        hosts,
    };
    let text = serde_json::to_string_pretty(&organization)? + "\n";
    let value = serde_json::to_value(&organization)?;
    match &args.out {
        Some(path) => {
            crate::material::write(path, &text)?;
            let text = format!("{} is in {}", args.organization, path.display());
            output.result(&text, &value);
        }
        None => output.result(text.trim_end(), &value),
    }
    Ok(())
}

/// Bytes of a signature as files hold them.
pub(crate) fn from_base64(text: &str) -> Result<Bytes> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text);
    Ok(bytes.context("it is not base64")?.into())
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
