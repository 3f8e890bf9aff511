//! `cordon contract install|approve|commit|status`: how a contract comes onto a channel, one organisation
//! at a time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use clap::Args;
use cordon_client::{Call, Client, ClientError, Receipt};
use cordon_lifecycle::{CHANNEL_DEFAULT, PackageId};
use cordon_policy::EndorsementPolicy;
use cordon_wire::proto::lifecycle as messages;
use cordon_wire::proto::protos::{ApplicationPolicy, application_policy};
use cordon_wire::{Message, decode, encode};
use messages::chaincode_source::{Local, Type};
use serde_json::{Value, json};

use super::package::read_package;
use crate::governance::InForce;
use crate::output::Output;
use crate::store::{self, CallerArgs};

const LIFECYCLE: &str = "_lifecycle";
const NOT_FOUND: i32 = 404;

/// Which package, on whose host.
#[derive(Args)]
pub(crate) struct InstallArgs {
    /// The network's folder.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: PathBuf,
    /// An admin of the host's organisation: organisation/user, for example hospital/admin.
    #[arg(long = "as", value_name = "ORG/USER")]
    admin: String,
    /// The package (`cordon contract package`); without one, what is installed is listed.
    package: Option<PathBuf>,
}

impl InstallArgs {
    /// Says which host could not be reached, if that is what happened.
    pub(super) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let caller = CallerArgs {
            dir: self.dir.clone(),
            caller: self.admin.clone(),
            channel: String::new(),
        };
        caller.explain(error)
    }
}

/// What an organisation agrees to.
#[derive(Args)]
pub(crate) struct ApproveArgs {
    #[command(flatten)]
    pub(super) caller: CallerArgs,
    /// The contract's name on the channel.
    name: String,
    /// The package, which must be installed on the organisation's host: its file, or its id.
    #[arg(long, value_name = "FILE|ID")]
    package: String,
    /// The contract's version. Another component needs another version.
    #[arg(long)]
    version: String,
    /// Number of the definition; the next one if left out.
    #[arg(long)]
    sequence: Option<i64>,
    /// Who must endorse, in Fabric's syntax; the channel's endorsement policy if left out.
    #[arg(long, value_name = "POLICY")]
    endorsement_policy: Option<String>,
}

/// Which contract.
#[derive(Args)]
pub(crate) struct NamedArgs {
    #[command(flatten)]
    pub(super) caller: CallerArgs,
    /// The contract's name on the channel.
    name: String,
}

/// What to show.
#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(super) caller: CallerArgs,
    /// The contract; all of the channel if left out.
    name: Option<String>,
}

/// A call of `_lifecycle`.
fn call(function: &str, argument: &impl Message) -> Call {
    let mut call = Call::new(LIFECYCLE, function, &[]);
    call.args.push(encode(argument));
    call
}

async fn query<M: Message + Default>(
    client: &Client,
    function: &str,
    argument: &impl Message,
) -> Result<M> {
    let answer = client.evaluate(&call(function, argument)).await?;
    Ok(decode(&answer, "answer")?)
}

/// A client that names no channel: what it asks concerns the host.
pub(super) fn host_client(dir: &Path, admin: &str) -> Result<Client> {
    let (organization, user) = admin
        .split_once('/')
        .with_context(|| format!("{admin:?} is not organisation/user"))?;
    store::client(dir, organization, user, "")
}

pub(super) async fn install(args: &InstallArgs, output: &Output) -> Result<()> {
    let client = host_client(&args.dir, &args.admin)?;
    let Some(path) = &args.package else {
        return installed(&client, output).await;
    };
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let package_id = send_package(&client, bytes.into()).await?;
    let text = format!(
        "installed {package_id}\nApprove it with `cordon contract approve NAME --package {package_id} --version V --as {}`.",
        args.admin
    );
    output.result(&text, &json!({ "packageId": package_id }));
    Ok(())
}

pub(super) async fn send_package(client: &Client, bytes: Bytes) -> Result<String> {
    let argument = messages::InstallChaincodeArgs {
        chaincode_install_package: bytes,
    };
    let answer: messages::InstallChaincodeResult =
        query(client, "InstallChaincode", &argument).await?;
    Ok(answer.package_id)
}

async fn installed(client: &Client, output: &Output) -> Result<()> {
    let found: messages::QueryInstalledChaincodesResult =
        query(client, "QueryInstalledChaincodes", &()).await?;
    let mut lines = Vec::new();
    let mut values = Vec::new();
    for package in found.installed_chaincodes {
        let mut used = Vec::new();
        for (channel, references) in &package.references {
            let contracts = references.chaincodes.iter();
            used.extend(contracts.map(|c| format!("{} {} on {channel}", c.name, c.version)));
        }
        let uses = if used.is_empty() {
            "not in use".to_owned()
        } else {
            used.join(", ")
        };
        lines.push(format!("{}  {uses}", package.package_id));
        values
            .push(json!({ "packageId": package.package_id, "label": package.label, "uses": used }));
    }
    if lines.is_empty() {
        lines.push("no packages are installed on this host".to_owned());
    }
    output.result(&lines.join("\n"), &json!({ "packages": values }));
    Ok(())
}

/// Endorsement policies as definitions carry them.
pub(super) fn parameter(policy: Option<&str>) -> Result<Bytes> {
    use application_policy::Type as Policy;
    let policy = match policy {
        None => Policy::ChannelConfigPolicyReference(CHANNEL_DEFAULT.to_owned()),
        Some(text) => Policy::SignaturePolicy(EndorsementPolicy::parse(text)?.to_proto()),
    };
    Ok(encode(&ApplicationPolicy {
        r#type: Some(policy),
    }))
}

fn policy_text(parameter: &Bytes) -> String {
    use application_policy::Type as Policy;
    let policy = decode::<ApplicationPolicy>(parameter, "policy").ok();
    match policy.and_then(|policy| policy.r#type) {
        Some(Policy::SignaturePolicy(policy)) => EndorsementPolicy::from_proto(&policy)
            .map_or_else(|error| error.to_string(), |policy| policy.to_string()),
        _ => "the channel's".to_owned(),
    }
}

/// A contract's committed definition, if there is one.
async fn committed(
    client: &Client,
    name: &str,
) -> Result<Option<messages::QueryChaincodeDefinitionResult>> {
    let argument = messages::QueryChaincodeDefinitionArgs {
        name: name.to_owned(),
    };
    match client
        .evaluate(&call("QueryChaincodeDefinition", &argument))
        .await
    {
        Ok(answer) => Ok(Some(decode(&answer, "answer")?)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_not_found(error: &ClientError) -> bool {
    error
        .contract_refusal()
        .is_some_and(|(status, _)| status == NOT_FOUND)
}

/// What the caller's organisation has approved last.
async fn approved(
    client: &Client,
    name: &str,
) -> Result<Option<messages::QueryApprovedChaincodeDefinitionResult>> {
    let argument = messages::QueryApprovedChaincodeDefinitionArgs {
        name: name.to_owned(),
        sequence: 0,
    };
    match client
        .evaluate(&call("QueryApprovedChaincodeDefinition", &argument))
        .await
    {
        Ok(answer) => Ok(Some(decode(&answer, "answer")?)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn approve(args: &ApproveArgs, output: &Output) -> Result<()> {
    let client = args.caller.client()?;
    let package_id = match args.package.parse::<PackageId>() {
        Ok(id) => id,
        Err(_) => read_package(Path::new(&args.package))?.id().clone(),
    };
    let sequence = match args.sequence {
        Some(sequence) => sequence,
        None => {
            committed(&client, &args.name)
                .await?
                .map_or(0, |d| d.sequence)
                + 1
        }
    };
    let definition = messages::DefinitionArgs {
        sequence,
        name: args.name.clone(),
        version: args.version.clone(),
        validation_parameter: parameter(args.endorsement_policy.as_deref())?,
        ..Default::default()
    };
    let receipt = send_approval(&client, definition.clone(), &package_id).await?;
    let readiness = Readiness::ask(&client, definition).await?;
    let text = format!(
        "approved in block {}: {} {} as sequence {sequence}\n{}",
        receipt.block,
        args.name,
        args.version,
        readiness.in_words(&client).await?
    );
    let mut value = readiness.to_json();
    value["block"] = json!(receipt.block);
    value["transaction"] = json!(receipt.tx_id.to_string());
    output.result(&text, &value);
    Ok(())
}

pub(super) async fn send_approval(
    client: &Client,
    definition: messages::DefinitionArgs,
    package_id: &PackageId,
) -> Result<Receipt> {
    let argument = messages::DefinitionArgs {
        source: Some(messages::ChaincodeSource {
            r#type: Some(Type::LocalPackage(Local {
                package_id: package_id.to_string(),
            })),
        }),
        ..definition
    };
    Ok(client
        .transact(&call("ApproveChaincodeDefinitionForMyOrg", &argument))
        .await?)
}

/// Who has approved a definition.
pub(super) struct Readiness {
    definition: messages::DefinitionArgs,
    result: messages::CheckCommitReadinessResult,
}

impl Readiness {
    pub(super) async fn ask(client: &Client, definition: messages::DefinitionArgs) -> Result<Self> {
        let result = query(client, "CheckCommitReadiness", &definition).await?;
        Ok(Self { definition, result })
    }

    fn approvers(&self) -> Vec<String> {
        let approvals = self.result.approvals.iter();
        let approvals = approvals.filter(|(_, approved)| **approved);
        approvals.map(|(msp_id, _)| msp_id.clone()).collect()
    }

    /// What a commit would come to now: hosts say who is missing, or what differs.
    async fn in_words(&self, client: &Client) -> Result<String> {
        let name = &self.definition.name;
        let commit = call("CommitChaincodeDefinition", &self.definition);
        match client.evaluate(&commit).await {
            Ok(_) => Ok(format!(
                "enough organisations have approved it: anybody runs `cordon contract commit {name}`"
            )),
            Err(error) => match error.contract_refusal() {
                Some((_, sentence)) => Ok(sentence.to_owned()),
                None => Err(error.into()),
            },
        }
    }

    fn to_json(&self) -> Value {
        let mismatches = self.result.mismatches.iter();
        let mismatches: serde_json::Map<_, _> = mismatches
            .map(|(msp_id, found)| (msp_id.clone(), json!(found.items)))
            .collect();
        json!({
            "name": self.definition.name,
            "version": self.definition.version,
            "sequence": self.definition.sequence,
            "endorsementPolicy": policy_text(&self.definition.validation_parameter),
            "approvals": self.result.approvals,
            "mismatches": mismatches,
        })
    }
}

/// What the caller's organisation has approved and is not committed yet.
async fn pending(client: &Client, name: &str) -> Result<Option<Readiness>> {
    let Some(approved) = approved(client, name).await? else {
        return Ok(None);
    };
    let committed = committed(client, name).await?.map_or(0, |d| d.sequence);
    if approved.sequence <= committed {
        return Ok(None);
    }
    let definition = messages::DefinitionArgs {
        sequence: approved.sequence,
        name: name.to_owned(),
        version: approved.version,
        endorsement_plugin: approved.endorsement_plugin,
        validation_plugin: approved.validation_plugin,
        validation_parameter: approved.validation_parameter,
        collections: approved.collections,
        init_required: approved.init_required,
        source: None,
    };
    Ok(Some(Readiness::ask(client, definition).await?))
}

pub(super) async fn commit(args: &NamedArgs, output: &Output) -> Result<()> {
    let client = args.caller.client()?;
    let name = &args.name;
    let Some(readiness) = pending(&client, name).await? else {
        bail!(
            "the organisation of {} has approved nothing of contract {name} that is not committed: cordon contract approve",
            args.caller.caller
        );
    };
    let receipt = send_commit(&client, &readiness).await?;
    let definition = &readiness.definition;
    let text = format!(
        "contract {name} {} (sequence {}) is in force on channel {} since block {}",
        definition.version, definition.sequence, args.caller.channel, receipt.block
    );
    let mut value = readiness.to_json();
    value["block"] = json!(receipt.block);
    value["transaction"] = json!(receipt.tx_id.to_string());
    output.result(&text, &value);
    Ok(())
}

/// Those who approved have the component, so they can endorse.
pub(super) async fn send_commit(client: &Client, readiness: &Readiness) -> Result<Receipt> {
    let mut call = call("CommitChaincodeDefinition", &readiness.definition);
    call.organizations = readiness.approvers();
    Ok(client.transact(&call).await?)
}

pub(super) async fn status(args: &StatusArgs, output: &Output) -> Result<()> {
    let client = args.caller.client()?;
    let config = InForce::ask(&client, &args.caller.channel).await?.config;
    let mut lines = Vec::new();
    let mut values = Vec::new();
    let mut names: Vec<String> = config.contracts.iter().map(|c| c.name.clone()).collect();
    let approvals: messages::QueryApprovedChaincodeDefinitionsResult =
        query(&client, "QueryApprovedChaincodeDefinitions", &())
            .await
            .unwrap_or_default();
    names.extend(
        approvals
            .approved_chaincode_definitions
            .into_iter()
            .map(|d| d.name),
    );
    names.sort();
    names.dedup();
    if let Some(name) = &args.name {
        names.retain(|known| known == name);
        ensure!(
            !names.is_empty(),
            "there is no contract {name} on channel {}, and the organisation of {} has approved none",
            config.channel,
            args.caller.caller
        );
    }
    for name in &names {
        let contract = config.contracts.iter().find(|known| known.name == *name);
        let policy = |text: &Option<String>| match text {
            Some(text) => text.clone(),
            None => format!("the channel's, {}", config.endorsement_policy),
        };
        let mut value = json!({ "name": name, "committed": contract });
        match contract {
            Some(contract) => lines.push(format!(
                "{name} {}  sequence {}  component {}…  endorsed by {}",
                contract.version,
                contract.sequence,
                contract.sha256.get(..16).unwrap_or_default(),
                policy(&contract.endorsement_policy)
            )),
            None => lines.push(format!("{name}  not committed")),
        }
        // Only members' admins see what is approved.
        if let Ok(Some(readiness)) = pending(&client, name).await {
            lines.push(format!(
                "  waiting: {} as sequence {}",
                readiness.definition.version, readiness.definition.sequence
            ));
            lines.push(format!("  {}", readiness.in_words(&client).await?));
            value["pending"] = readiness.to_json();
        }
        values.push(value);
    }
    let value = json!({ "channel": config.channel, "contracts": values });
    output.result(&lines.join("\n"), &value);
    Ok(())
}
