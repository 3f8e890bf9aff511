//! `cordon policy`: the access policies of a channel, as they stand on its ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use cordon_channel::ChannelConfig;
use cordon_policy::AccessPolicyFile;
use serde_json::json;

use crate::governance::{InForce, Proposal, check_access_policies, versions};
use crate::network::access_policies_of;
use crate::output::Output;
use crate::store::{self, CallerArgs};

/// What to do with access policies.
#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Print the access policies in force.
    ///
    /// Example: cordon policy show --as hospital/admin --channel providers
    Show(ShowArgs),
    /// Every version of the access policies: who changed them, when, and for which contracts.
    ///
    /// Example: cordon policy history --as hospital/admin --channel providers
    History(ShowArgs),
    /// Replace the access policies by the files of a folder, one <contract>.cedar for each contract of
    /// the channel. They are checked against the contracts' functions first. Admins of more than half of the channel's organisations have to
    /// approve: name one of each with --as.
    ///
    /// Example: cordon policy set --channel providers --as hospital/admin --as clinic/admin
    /// policies/providers
    #[command(verbatim_doc_comment)]
    Set(SetArgs),
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    caller: CallerArgs,
}

#[derive(Args)]
pub(crate) struct SetArgs {
    /// The network's folder.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: PathBuf,
    /// Who approves: organisation/user, for example hospital/admin; the first one submits.
    #[arg(long = "as", value_name = "ORG/USER", required = true)]
    admins: Vec<String>,
    /// The channel.
    #[arg(long, default_value = "providers")]
    channel: String,
    /// The folder with the files.
    folder: PathBuf,
}

pub(crate) async fn run(command: PolicyCommand, output: &Output) -> Result<()> {
    match command {
        PolicyCommand::Show(args) => {
            let shown = show(&args.caller, output).await;
            shown.map_err(|error| args.caller.explain(error))
        }
        PolicyCommand::History(args) => {
            let shown = history(&args.caller, output).await;
            shown.map_err(|error| args.caller.explain(error))
        }
        PolicyCommand::Set(args) => {
            let caller = CallerArgs {
                dir: args.dir.clone(),
                caller: args.admins.first().cloned().unwrap_or_default(),
                channel: args.channel.clone(),
            };
            let done = set(&args, &caller, output).await;
            done.map_err(|error| caller.explain(error))
        }
    }
}

async fn show(caller: &CallerArgs, output: &Output) -> Result<()> {
    let found = InForce::ask(&caller.client()?, &caller.channel).await?;
    let policies = &found.config.access_policies;
    let texts: Vec<String> = policies
        .iter()
        .map(|file| format!("// === {}.cedar ===\n{}", file.contract, file.text))
        .collect();
    let value = json!({
        "channel": caller.channel,
        "version": found.sequence,
        "accessPolicies": policies,
    });
    output.result(texts.join("\n").trim_end(), &value);
    Ok(())
}

/// The versions of the configuration that change access policies.
async fn history(caller: &CallerArgs, output: &Output) -> Result<()> {
    let channel = &caller.channel;
    let versions = versions(&caller.client()?, channel).await?;
    let mut lines = vec![format!("access policies of channel {channel}")];
    let mut values = Vec::new();
    let mut before: &[AccessPolicyFile] = &[];
    for version in &versions {
        let policies = &version.config.access_policies;
        let changed = changed(before, policies);
        before = policies;
        if changed.is_empty() && version.block > 0 {
            continue;
        }
        lines.push(format!(
            "version {}  block {}  {}  {}\n  changed: {}",
            version.sequence,
            version.block,
            version.time,
            version.who(),
            if changed.is_empty() {
                "nothing".to_owned()
            } else {
                changed.join(", ")
            }
        ));
        let mut value = version.to_json(&changed);
        value["accessPolicies"] = json!(policies);
        values.push(value);
    }
    let value = json!({ "channel": channel, "versions": values });
    output.result(&lines.join("\n"), &value);
    Ok(())
}

/// The contracts whose access policies differ.
fn changed(before: &[AccessPolicyFile], after: &[AccessPolicyFile]) -> Vec<String> {
    let by_contract = |files: &[AccessPolicyFile]| -> BTreeMap<String, String> {
        let files = files.iter();
        files
            .map(|file| (file.contract.clone(), file.text.clone()))
            .collect()
    };
    let (before, after) = (by_contract(before), by_contract(after));
    let contracts: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    contracts
        .into_iter()
        .filter(|contract| before.get(*contract) != after.get(*contract))
        .cloned()
        .collect()
}

async fn set(args: &SetArgs, caller: &CallerArgs, output: &Output) -> Result<()> {
    let channel = &args.channel;
    let client = caller.client()?;
    let now = InForce::ask(&client, channel).await?;
    let contracts = now.config.contracts.iter();
    let files = access_policies_of(&args.folder, contracts.map(|known| known.name.as_str()))?;
    let changed = changed(&now.config.access_policies, &files);
    ensure!(
        !changed.is_empty(),
        "the files in {} are the access policies in force: there is nothing to change",
        args.folder.display()
    );
    let next = ChannelConfig {
        access_policies: files,
        ..now.config.clone()
    };
    check_access_policies(&client, &next)
        .await
        .with_context(|| format!("access policies in {}", args.folder.display()))?;
    let mut proposal = Proposal::new(&now, next)?;
    for admin in &args.admins {
        let (organization, user) = admin
            .split_once('/')
            .with_context(|| format!("{admin:?} is not organisation/user"))?;
        proposal.sign(&store::client(&args.dir, organization, user, channel)?)?;
    }
    let receipt = proposal.submit(&client).await?;
    let sequence = proposal.version;
    let text = format!(
        "version {sequence} of the configuration of channel {channel} is in force since block {}: access policies of {} changed",
        receipt.block,
        changed.join(", ")
    );
    let value = json!({
        "channel": channel,
        "version": sequence,
        "block": receipt.block,
        "transaction": receipt.tx_id.to_string(),
        "changed": changed,
    });
    output.result(&text, &value);
    Ok(())
}
