//! `cordon contract deploy`: everything that puts a contract in force, for every member at once. For a
//! network whose folder has the keys of all admins; elsewhere each organisation decides for itself
//! (`lifecycle`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use cordon_channel::{ChannelConfig, ContractConfig};
use cordon_client::{Client, Receipt};
use cordon_lifecycle::{Label, Package, check_version};
use cordon_policy::{AccessPolicies, AccessPolicyFile, EndorsementPolicy};
use cordon_types::ContractId;
use cordon_wire::proto::lifecycle as messages;
use serde_json::{Value, json};

use super::inspect::Component;
use super::lifecycle::{
    Readiness, host_client, parameter, send_approval, send_commit, send_package,
};
use super::package::read_either;
use crate::governance::{InForce, Proposal, functions};
use crate::output::Output;
use crate::store::{self, CallerArgs};
use crate::{compiler, material};

/// Hosts are milliseconds apart; one that takes longer has another problem.
const EVERYWHERE_MAX: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// Everything at once, for a network whose admins' keys are all here.
#[derive(Args)]
pub(crate) struct DeployArgs {
    /// The network's folder, with the keys of every member's admin.
    #[arg(long, default_value = "network", value_name = "DIR")]
    pub(super) dir: PathBuf,
    /// The channel.
    #[arg(long, default_value = "providers")]
    pub(super) channel: String,
    /// The component, or a package with it.
    pub(super) file: PathBuf,
    /// The contract's name on the channel; the component's, without .wasm, if left out.
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Its version; if left out, 0.1, 0.2 and so on with every deployment of another component.
    #[arg(long)]
    pub(super) version: Option<String>,
    /// Who must endorse, in Fabric's syntax; if left out, as before, and at first as the channel says.
    #[arg(long, value_name = "POLICY")]
    pub(super) endorsement_policy: Option<String>,
    /// Access policies to put in force for it, a file of Cedar; those in force stay if left out.
    #[arg(long, value_name = "FILE")]
    pub(super) access_policies: Option<PathBuf>,
}

pub(super) async fn deploy(args: &DeployArgs, output: &Output) -> Result<()> {
    let deployed = deploy_with(args, &|text| output.note(text)).await?;
    output.result(&deployed.text, &deployed.value);
    Ok(())
}

/// A contract that is in force.
pub(super) struct Deployed {
    pub(super) text: String,
    pub(super) value: Value,
}

/// An admin of a member.
struct Admin {
    caller: CallerArgs,
    client: Client,
}

impl Admin {
    fn new(args: &DeployArgs, (organization, user): (String, String)) -> Result<Self> {
        let caller = CallerArgs {
            dir: args.dir.clone(),
            caller: format!("{organization}/{user}"),
            channel: args.channel.clone(),
        };
        let client = caller.client()?;
        Ok(Self { caller, client })
    }

    /// Installs and approves in the name of the admin's organisation.
    async fn agree(
        &self,
        package: &Package,
        definition: &messages::DefinitionArgs,
        tell: &dyn Fn(&str),
    ) -> Result<()> {
        let name = &self.caller.caller;
        let agreeing = async {
            let host = host_client(&self.caller.dir, name)?;
            send_package(&host, package.bytes().clone()).await?;
            tell(&format!("{name}: installed {}", package.id()));
            send_approval(&self.client, definition.clone(), package.id()).await
        };
        agreeing.await.map_err(|error| self.caller.explain(error))?;
        tell(&format!(
            "{name}: approved {} {}, sequence {}",
            definition.name, definition.version, definition.sequence
        ));
        Ok(())
    }
}

/// What is to be deployed.
struct Wanted<'a> {
    args: &'a DeployArgs,
    name: ContractId,
    component: Vec<u8>,
    /// The package that was given, if one was.
    package: Option<Package>,
    sha256: String,
    functions: Vec<String>,
    endorsement_policy: Option<EndorsementPolicy>,
    access_policies: Option<AccessPolicyFile>,
}

impl<'a> Wanted<'a> {
    /// Everything that can be wrong without a network.
    fn read(args: &'a DeployArgs) -> Result<Self> {
        let file = &args.file;
        if file.is_dir() {
            let folder = file.display();
            bail!(
                "{folder} is a folder: build it (cordon contract build {folder}) and deploy the component, \
                 which is in target/contracts/ there; or have it built and deployed on every save \
                 (cordon contract dev {folder})"
            );
        }
        ensure!(
            file.exists(),
            "there is no component {}: cordon contract build makes it from a contract's folder",
            file.display()
        );
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let name = args.name.clone().unwrap_or_else(|| stem.replace('_', "-"));
        let name: ContractId = name
            .parse()
            .context("the contract's name on the channel; --name gives another one")?;
        if let Some(version) = &args.version {
            check_version(version)?;
        }
        let policy = args.endorsement_policy.as_deref();
        let endorsement_policy = policy
            .map(EndorsementPolicy::parse)
            .transpose()
            .context("--endorsement-policy")?;
        let path = args.access_policies.as_deref();
        let access_policies = path.map(|path| {
            material::read(path).map(|text| AccessPolicyFile {
                contract: name.to_string(),
                text,
            })
        });
        let runtime = compiler::runtime(None)?;
        let (component, package) = read_either(file, runtime.profile())?;
        let compiled = Component::read(&runtime, file)?;
        Ok(Self {
            args,
            component,
            package,
            sha256: compiled.sha256(),
            functions: compiled.functions()?,
            endorsement_policy,
            access_policies: access_policies.transpose()?,
            name,
        })
    }

    /// Whether the contract is in force as it is wanted, but for access policies.
    fn is(&self, before: &ContractConfig) -> bool {
        let version = self.args.version.as_ref();
        before.sha256 == self.sha256
            && version.is_none_or(|version| *version == before.version)
            && self.endorsement_policy.as_ref().is_none_or(|wanted| {
                let policy = before.endorsement_policy.as_deref();
                policy
                    .and_then(|policy| EndorsementPolicy::parse(policy).ok())
                    .as_ref()
                    == Some(wanted)
            })
    }

    fn package(&self, version: &str) -> Result<Package> {
        if let Some(package) = &self.package {
            return Ok(package.clone());
        }
        let label: Label = format!("{}_{version}", self.name).parse()?;
        Ok(Package::write(&label, "", &self.component)?)
    }

    /// The definition after `before`.
    fn definition(&self, before: Option<&ContractConfig>) -> Result<messages::DefinitionArgs> {
        let sequence = before.map_or(0, |known| known.sequence) + 1;
        let version = match (&self.args.version, before) {
            (Some(version), _) => version.clone(),
            // Another component needs another version, and the same one none.
            (None, Some(known)) if known.sha256 == self.sha256 => known.version.clone(),
            (None, Some(known)) if known.version == format!("0.{sequence}") => {
                format!("0.{sequence}.1")
            }
            (None, _) => format!("0.{sequence}"),
        };
        let policy = match (&self.endorsement_policy, before) {
            (Some(policy), _) => Some(policy.to_string()),
            (None, Some(before)) => before.endorsement_policy.clone(),
            (None, None) => None,
        };
        Ok(messages::DefinitionArgs {
            sequence: sequence.cast_signed(),
            name: self.name.to_string(),
            version,
            validation_parameter: parameter(policy.as_deref())?,
            ..Default::default()
        })
    }
}

/// Packages, installs, approves and commits for every member; tells each step.
pub(super) async fn deploy_with(args: &DeployArgs, tell: &dyn Fn(&str)) -> Result<Deployed> {
    let wanted = Wanted::read(args)?;
    let first = Admin::new(args, store::any_admin(&args.dir, &args.channel)?)?;
    let deployed = deploy_by(&first, &wanted, tell).await;
    deployed.map_err(|error| first.caller.explain(error))
}

async fn deploy_by(first: &Admin, wanted: &Wanted<'_>, tell: &dyn Fn(&str)) -> Result<Deployed> {
    let args = wanted.args;
    let client = &first.client;
    let config = InForce::ask(client, &args.channel).await?.config;
    let mut admins = Vec::new();
    for msp_id in config.members() {
        admins.push(Admin::new(args, store::admin_of(&args.dir, msp_id)?)?);
    }
    let name = wanted.name.as_str();
    let before = config.contracts.iter().find(|known| known.name == name);
    let governed = Governed {
        client,
        admins: &admins,
        wanted,
        tell,
    };
    governed.make_room(&config).await?;
    let (version, sequence) = match before {
        Some(before) if wanted.is(before) => {
            tell(&format!("contract {name} runs this component already"));
            (before.version.clone(), before.sequence.cast_signed())
        }
        _ => {
            let definition = wanted.definition(before)?;
            let package = wanted.package(&definition.version)?;
            for admin in &admins {
                admin.agree(&package, &definition, tell).await?;
            }
            let readiness = Readiness::ask(client, definition.clone()).await?;
            let receipt = send_commit(client, &readiness).await?;
            tell(&format!("committed in block {}", receipt.block));
            (definition.version, definition.sequence)
        }
    };
    // A host that does not have the contract yet refuses access policies for it.
    governed.everywhere(sequence, None).await?;
    governed.permit().await.with_context(|| {
        format!("contract {name} {version} is in force, but its access policies are not")
    })?;
    let policies = wanted.access_policies.as_ref();
    governed.everywhere(sequence, policies).await?;
    let text = format!(
        "contract {name} {version} is in force on channel {}",
        args.channel
    );
    let value = json!({
        "channel": args.channel,
        "name": name,
        "version": version,
        "sequence": sequence,
        "sha256": wanted.sha256,
    });
    Ok(Deployed { text, value })
}

/// The access policies of what is deployed.
struct Governed<'a> {
    client: &'a Client,
    admins: &'a [Admin],
    wanted: &'a Wanted<'a>,
    tell: &'a dyn Fn(&str),
}

impl Governed<'_> {
    /// Sees to it that access policies do not stand in the way of the component: hosts refuse one that
    /// lacks a function which they name. So those that no longer fit are taken away before, and others
    /// come into force after. Nothing is changed when the others do not fit.
    async fn make_room(&self, config: &ChannelConfig) -> Result<()> {
        let name = &self.wanted.name;
        let mut functions = functions(self.client, config).await?;
        functions.insert(name.clone(), self.wanted.functions.clone());
        let fits = |config: &ChannelConfig| check(config, &functions);
        let Some(file) = &self.wanted.access_policies else {
            if config
                .access_policies
                .iter()
                .any(|known| known.contract == name.as_str())
            {
                return fits(config).with_context(|| {
                    format!(
                        "the access policies in force do not fit this component: give such that do with --access-policies {name}.cedar"
                    )
                });
            }
            (self.tell)(&format!(
                "note: contract {name} has no access policies, so nobody may call it: give it some with --access-policies {name}.cedar"
            ));
            return Ok(());
        };
        let path = self.wanted.args.access_policies.as_deref();
        let path = path.unwrap_or(Path::new("")).display();
        fits(&with(config, name, Some(file))).with_context(|| {
            format!("access policies in {path} do not fit, and nothing was deployed")
        })?;
        if fits(config).is_ok() {
            return Ok(());
        }
        let receipt = self.put(None).await?;
        (self.tell)(&format!(
            "access policies that name other functions were taken away in block {}",
            receipt.block
        ));
        Ok(())
    }

    /// Puts the access policies in force, unless they are.
    async fn permit(&self) -> Result<()> {
        let Some(file) = &self.wanted.access_policies else {
            return Ok(());
        };
        let now = InForce::ask(self.client, self.client.channel()).await?;
        if now.config.access_policies.contains(file) {
            return Ok(());
        }
        let receipt = self.put(Some(file)).await?;
        (self.tell)(&format!(
            "access policies in force since block {}",
            receipt.block
        ));
        Ok(())
    }

    /// Waits until all members' hosts have it in force, with these access policies: a client may call
    /// any of them next.
    async fn everywhere(&self, sequence: i64, policies: Option<&AccessPolicyFile>) -> Result<()> {
        let name = self.wanted.name.as_str();
        let begun = Instant::now();
        for admin in self.admins {
            let is = async || -> Result<bool> {
                let config = InForce::ask(&admin.client, &admin.caller.channel)
                    .await?
                    .config;
                Ok(
                    policies.is_none_or(|file| config.access_policies.contains(file))
                        && config.contracts.iter().any(|known| {
                            known.name == name && known.sequence.cast_signed() >= sequence
                        }),
                )
            };
            while !is().await.map_err(|error| admin.caller.explain(error))? {
                ensure!(
                    begun.elapsed() < EVERYWHERE_MAX,
                    "contract {name} is committed, but not yet in force on the host of {}: see `cordon status --as {}`",
                    admin.caller.caller,
                    admin.caller.caller
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    async fn put(&self, file: Option<&AccessPolicyFile>) -> Result<Receipt> {
        let now = InForce::ask(self.client, self.client.channel()).await?;
        let next = with(&now.config, &self.wanted.name, file);
        let mut proposal = Proposal::new(&now, next)?;
        for admin in self.admins {
            proposal.sign(&admin.client)?;
        }
        proposal.submit(self.client).await
    }
}

/// A configuration with other access policies for a contract, or none.
fn with(
    config: &ChannelConfig,
    contract: &ContractId,
    file: Option<&AccessPolicyFile>,
) -> ChannelConfig {
    let mut next = config.clone();
    next.access_policies
        .retain(|known| known.contract != contract.as_str());
    next.access_policies.extend(file.cloned());
    next.access_policies
        .sort_by(|left, right| left.contract.cmp(&right.contract));
    next
}

fn check(config: &ChannelConfig, functions: &BTreeMap<ContractId, Vec<String>>) -> Result<()> {
    AccessPolicies::new(&config.channel.parse()?, &config.access_policies, functions)?;
    Ok(())
}
