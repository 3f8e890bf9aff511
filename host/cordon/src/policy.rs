//! `cordon policy`: the access policies of a channel, as they stand on its ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use cordon_channel::{ChannelConfig, valid_config};
use cordon_client::{Call, Client};
use cordon_identity::Certificate;
use cordon_policy::{AccessPolicies, AccessPolicyFile};
use cordon_types::ContractId;
use cordon_wire::block::CommittedBlock;
use cordon_wire::decode;
use cordon_wire::proto::msp::SerializedIdentity;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::ledger::block_bytes;
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

/// A configuration on the ledger.
struct Version {
    sequence: u64,
    block: u64,
    /// RFC 3339.
    time: String,
    /// Organisation and name of whoever submitted it; nobody for the channel's first.
    submitted_by: Option<String>,
    approved_by: Vec<String>,
    config: ChannelConfig,
}

impl Version {
    fn to_json(&self, changed: &[String]) -> Value {
        json!({
            "version": self.sequence,
            "block": self.block,
            "time": self.time,
            "submittedBy": self.submitted_by,
            "approvedBy": self.approved_by,
            "changed": changed,
            "accessPolicies": self.config.access_policies,
        })
    }
}

/// The configuration in force, and the block that holds it.
async fn current(client: &Client, channel: &str) -> Result<Version> {
    let last = CommittedBlock::parse(&block_bytes(client, channel, u64::MAX).await?)?;
    version(client, channel, last.last_config).await
}

/// The configuration in block `number`.
async fn version(client: &Client, channel: &str, number: u64) -> Result<Version> {
    let block = block_bytes(client, channel, number).await?;
    if number == 0 {
        let config = ChannelConfig::from_genesis(&block)?;
        return Ok(Version {
            sequence: 0,
            block: 0,
            time: config.created.clone(),
            submitted_by: None,
            approved_by: Vec::new(),
            config,
        });
    }
    let (transaction, config) = valid_config(&block)
        .with_context(|| format!("block {number} does not hold a configuration"))?;
    let time = transaction.header.channel_header.timestamp;
    let time = time.context("a configuration has a time")?;
    let approvals = transaction.approvals.iter();
    Ok(Version {
        sequence: transaction.sequence,
        block: number,
        time: OffsetDateTime::from_unix_timestamp(time.seconds)?.format(&Rfc3339)?,
        submitted_by: Some(name(&transaction.header.creator)),
        approved_by: approvals.map(|approval| name(&approval.creator)).collect(),
        config,
    })
}

/// Organisation and name of an identity.
fn name(creator: &bytes::Bytes) -> String {
    let Ok(identity) = decode::<SerializedIdentity>(creator, "identity") else {
        return "an identity that cannot be read".to_owned();
    };
    let certificate = Certificate::from_pem(&identity.id_bytes).ok();
    let name = certificate
        .as_ref()
        .and_then(|certificate| certificate.common_name())
        .unwrap_or_default();
    format!("{} {name}", identity.mspid)
}

async fn show(caller: &CallerArgs, output: &Output) -> Result<()> {
    let version = current(&caller.client()?, &caller.channel).await?;
    let files = version.config.access_policies.iter();
    let texts: Vec<String> = files
        .map(|file| format!("// === {}.cedar ===\n{}", file.contract, file.text))
        .collect();
    output.result(texts.join("\n").trim_end(), &version.to_json(&Vec::new()));
    Ok(())
}

async fn history(caller: &CallerArgs, output: &Output) -> Result<()> {
    let client = caller.client()?;
    let channel = &caller.channel;
    let mut versions = vec![current(&client, channel).await?];
    while let Some(oldest) = versions.last().filter(|version| version.block > 0) {
        let before = block_bytes(&client, channel, oldest.block - 1).await?;
        let number = CommittedBlock::parse(&before)?.last_config;
        versions.push(version(&client, channel, number).await?);
    }
    versions.reverse();
    let mut lines = vec![format!("access policies of channel {channel}")];
    let mut values = Vec::new();
    let mut before: &[AccessPolicyFile] = &[];
    for version in &versions {
        let changed = changed(before, &version.config.access_policies);
        before = &version.config.access_policies;
        let who = match &version.submitted_by {
            None => "with the channel, by whoever made it".to_owned(),
            Some(name) => format!("by {name}, approved by {}", version.approved_by.join(", ")),
        };
        lines.push(format!(
            "version {}  block {}  {}  {who}\n  changed: {}",
            version.sequence,
            version.block,
            version.time,
            if changed.is_empty() {
                "nothing".to_owned()
            } else {
                changed.join(", ")
            }
        ));
        values.push(version.to_json(&changed));
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
    let mut admins = Vec::new();
    for admin in &args.admins {
        let (organization, user) = admin
            .split_once('/')
            .with_context(|| format!("{admin:?} is not organisation/user"))?;
        admins.push(store::signer(&args.dir, organization, user)?);
    }
    let version = current(&client, channel).await?;
    let contracts = version.config.contracts.iter();
    let files = access_policies_of(&args.folder, contracts.map(|known| known.name.as_str()))?;
    check(&client, &version.config, &files, &args.folder).await?;
    let changed = changed(&version.config.access_policies, &files);
    ensure!(
        !changed.is_empty(),
        "the files in {} are the access policies in force: there is nothing to change",
        args.folder.display()
    );
    let config = ChannelConfig {
        access_policies: files,
        ..version.config
    };
    let sequence = version.sequence + 1;
    let document = config.to_document();
    let receipt = client.configure(sequence, &document, &admins).await?;
    let text = format!(
        "version {sequence} of the access policies of channel {channel} is in force since block {}: {} changed",
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

/// Holds files to the functions that the deployed contracts say they have.
async fn check(
    client: &Client,
    config: &ChannelConfig,
    files: &[AccessPolicyFile],
    folder: &Path,
) -> Result<()> {
    let mut functions: BTreeMap<ContractId, Vec<String>> = BTreeMap::new();
    for contract in &config.contracts {
        let call = Call::new(&contract.name, "org.hyperledger.fabric:GetMetadata", &[]);
        let metadata: Value = serde_json::from_slice(&client.evaluate(&call).await?)?;
        let interfaces = metadata["contracts"].as_object().into_iter().flatten();
        let names = interfaces.flat_map(|(interface, described)| {
            let transactions = described["transactions"].as_array().into_iter().flatten();
            transactions.filter_map(move |transaction| {
                let name = transaction["name"].as_str()?;
                Some(match interface.as_str() {
                    "" => name.to_owned(),
                    interface => format!("{interface}:{name}"),
                })
            })
        });
        functions.insert(contract.name.parse()?, names.collect());
    }
    AccessPolicies::new(&config.channel.parse()?, files, &functions)
        .with_context(|| format!("access policies in {}", folder.display()))?;
    Ok(())
}
