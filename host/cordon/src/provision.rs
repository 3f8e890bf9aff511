//! From a network file to a folder with everything that its hosts and clients need. Done once;
//! keys, channels and state survive, addresses follow the network file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use cordon_channel::{ChannelConfig, OrderingConfig, OrganizationConfig, genesis_block};
use cordon_compile::read_component;
use cordon_execute::Contract;
use cordon_policy::{AccessPolicies, AccessPolicyFile};
use cordon_types::ContractId;
use serde::{Deserialize, Serialize};

use crate::compiler;
use crate::host::{ChannelSection, HostConfig};
use crate::material::{OrganizationDir, SERVER_NAME, read, write};
use crate::network::{ChannelEntry, Network, access_policies_of};
use crate::peer_cli;

/// A folder that is provisioned.
pub(crate) struct Provisioned {
    /// The hosts' configuration files, in the order of the network file.
    pub(crate) hosts: Vec<PathBuf>,
}

/// How a client finds its host: `connections/<organisation>.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connection {
    pub(crate) msp_id: String,
    pub(crate) endpoint: String,
    /// Relative to the network's folder.
    #[serde(rename = "tlsCACertPath")]
    pub(crate) tls_ca_cert_path: PathBuf,
    pub(crate) server_name: String,
    pub(crate) channels: Vec<String>,
}

impl Connection {
    pub(crate) fn read(dir: &Path, organization: &str) -> Result<Self> {
        let path = dir.join(format!("connections/{organization}.json"));
        if !path.exists() {
            let known = organizations(dir);
            let dir = dir.display();
            if known.is_empty() {
                bail!(
                    "there is no organization {organization} in {dir}: start a network there first (cordon up --dir {dir})"
                );
            }
            bail!(
                "there is no organization {organization} in {dir}; there are {}",
                known.join(", ")
            );
        }
        serde_json::from_str(&read(&path)?)
            .with_context(|| format!("{} is not a connection file", path.display()))
    }
}

/// Names of the organisations in a network's folder, sorted; none when there is no network.
pub(crate) fn organizations(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir.join("connections"))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            Some(
                entry
                    .file_name()
                    .to_str()?
                    .strip_suffix(".json")?
                    .to_owned(),
            )
        })
        .collect();
    names.sort();
    names
}

/// Makes `dir` ready for the network. What is there already is kept; a folder of another network is
/// refused.
pub(crate) fn provision(network: &Network, text: &str, dir: &Path) -> Result<Provisioned> {
    let marker = dir.join("network.toml");
    match fs::read_to_string(&marker) {
        Ok(found) if found == text => {}
        Ok(_) => bail!(
            "{} holds a network made from another network file: give another --dir, or delete that folder with all its data",
            dir.display()
        ),
        Err(_) => {
            create(network, dir)?;
            // Last, so that a folder left half-made is not taken for a whole one.
            write(&marker, text)?;
        }
    }
    let mut hosts = Vec::new();
    for organization in &network.organizations {
        let channels: Vec<&ChannelEntry> = network
            .channels
            .iter()
            .filter(|channel| channel.organizations.contains(&organization.name))
            .collect();
        write_connection(dir, &organization.name, organization, &channels)?;
        peer_cli::write(network, dir, organization, &channels)?;
        let path = host_dir(dir, &organization.name).join("host.toml");
        if !path.exists() {
            write_host(&path, network, organization, &channels)?;
        }
        hosts.push(path);
    }
    move_hosts(network, &hosts)?;
    Ok(Provisioned { hosts })
}

/// Hosts keep the addresses that channels know them by, wherever they listen now.
fn move_hosts(network: &Network, paths: &[PathBuf]) -> Result<()> {
    let mut configs = Vec::new();
    for path in paths {
        let text = read(path)?;
        let config: HostConfig = toml::from_str(&text)
            .with_context(|| format!("{} is not a host's configuration", path.display()))?;
        configs.push(config);
    }
    let moved =
        |config: &HostConfig, port: u16| (config.address != address(port)).then(|| address(port));
    let places: Vec<(String, Option<String>)> = configs
        .iter()
        .zip(&network.organizations)
        .map(|(config, organization)| (config.address.clone(), moved(config, organization.port)))
        .collect();
    for (index, config) in configs.iter_mut().enumerate() {
        let before = toml::to_string(config)?;
        for (other, (address, place)) in places.iter().enumerate() {
            match place {
                _ if other == index => config.listen.clone_from(place),
                Some(place) => {
                    config
                        .address_overrides
                        .insert(address.clone(), place.clone());
                }
                None => {
                    config.address_overrides.remove(address);
                }
            }
        }
        if before != toml::to_string(config)? {
            write_host_config(&paths[index], config)?;
        }
    }
    Ok(())
}

fn create(network: &Network, dir: &Path) -> Result<()> {
    let runtime = compiler::runtime(None)?;
    // Components first: a missing one is the likeliest mistake, and costs nothing yet.
    let mut channels = Vec::new();
    for channel in &network.channels {
        let mut contracts = Vec::new();
        let mut components = Vec::new();
        let mut compiled = BTreeMap::new();
        for contract in &channel.contracts {
            let path = &contract.component;
            let bytes = read_component(path, runtime.profile()).with_context(|| {
                format!(
                    "cannot read the component of contract {}, {}: build it with `make contracts`",
                    contract.name,
                    path.display()
                )
            })?;
            let code = runtime
                .compile(&bytes)
                .with_context(|| format!("contract {} ({})", contract.name, path.display()))?;
            let sha256 = hex::encode(code.hash());
            contracts.push(contract.config(sha256.clone()));
            components.push((sha256, bytes));
            compiled.insert(contract.name.parse()?, code);
        }
        let mut execution = runtime.profile().settings();
        execution.extend(channel.execution.clone());
        let profile = runtime
            .profile()
            .of_channel(&execution)
            .map_err(|mismatches| {
                let texts: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
                anyhow::anyhow!("channel {}, execution: {}", channel.name, texts.join("; "))
            })?;
        let linked = runtime
            .link(&Arc::new(profile), compiled)
            .with_context(|| format!("channel {}", channel.name))?;
        let access_policies = check_access_policies(channel, &linked)?;
        contracts.sort_by(|left, right| left.name.cmp(&right.name));
        channels.push((channel, contracts, components, access_policies, execution));
    }
    for organization in &network.organizations {
        let folder = OrganizationDir::new(dir, &organization.name);
        if folder.exists() {
            bail!(
                "{} holds key material but no finished network: delete it, or give another --dir",
                dir.display()
            );
        }
        folder.create(organization)?;
    }
    let created = time::OffsetDateTime::now_utc()
        .replace_nanosecond(0)?
        .format(&time::format_description::well_known::Rfc3339)?;
    for (channel, contracts, components, access_policies, execution) in channels {
        let mut organizations = Vec::new();
        for name in &channel.organizations {
            let organization = network
                .organization(name)
                .context("checked when the file was read")?;
            let folder = OrganizationDir::new(dir, name);
            organizations.push(OrganizationConfig {
                msp: folder.msp_config(organization.msp_id.parse()?)?,
                hosts: vec![address(organization.port)],
            });
            for (sha256, bytes) in &components {
                let path = host_dir(dir, name).join(format!("components/{sha256}.wasm"));
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                fs::write(&path, bytes)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        let config = ChannelConfig {
            channel: channel.name.clone(),
            created: created.clone(),
            organizations,
            ordering: OrderingConfig {
                address: address(
                    network
                        .organization(&channel.ordering)
                        .context("checked when the file was read")?
                        .port,
                ),
            },
            governance_policy: channel.governance_policy.clone(),
            lifecycle_policy: channel.lifecycle_policy.clone(),
            endorsement_policy: channel.endorsement_policy.clone(),
            contracts,
            access_policies,
            block_readers: channel.block_readers,
            execution,
            batch: channel.batch.clone(),
        };
        // With each member's host, and nowhere else: others are not to know that there is a channel.
        let block = genesis_block(&config);
        for name in &channel.organizations {
            let path = host_dir(dir, name).join(genesis_path(&channel.name));
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, &block).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// Reads the access policies of a channel and holds them to its contracts.
fn check_access_policies(
    channel: &ChannelEntry,
    contracts: &BTreeMap<ContractId, Arc<Contract>>,
) -> Result<Vec<AccessPolicyFile>> {
    let folder = &channel.access_policies;
    let names = channel.contracts.iter();
    let names = names.map(|contract| contract.name.as_str());
    let files =
        access_policies_of(folder, names).with_context(|| format!("channel {}", channel.name))?;
    let names = |contract: &Arc<Contract>| {
        let functions = contract.functions().iter();
        functions.map(|function| function.name.clone()).collect()
    };
    let functions = contracts
        .iter()
        .map(|(id, contract)| (id.clone(), names(contract)))
        .collect();
    AccessPolicies::new(&channel.name.parse()?, &files, &functions)
        .with_context(|| format!("access policies in {}", folder.display()))?;
    Ok(files)
}

/// The folder of a host.
pub(crate) fn host_dir(dir: &Path, organization: &str) -> PathBuf {
    dir.join("hosts").join(organization)
}

/// Block 0 of a channel in a host's folder.
fn genesis_path(channel: &str) -> PathBuf {
    PathBuf::from(format!("channels/{channel}.block"))
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// The port where a host's metrics and health are served: those after the last host's, in the order of
/// the network file, so that no two hosts of a network ever want the same one.
fn operations_port(network: &Network, name: &str) -> Option<u16> {
    let ports = network
        .organizations
        .iter()
        .map(|organization| organization.port);
    let index = network
        .organizations
        .iter()
        .position(|organization| organization.name == name)?;
    ports
        .max()?
        .checked_add(1)?
        .checked_add(u16::try_from(index).ok()?)
}

fn write_connection(
    dir: &Path,
    name: &str,
    organization: &crate::network::Organization,
    channels: &[&ChannelEntry],
) -> Result<()> {
    let connection = Connection {
        msp_id: organization.msp_id.clone(),
        endpoint: address(organization.port),
        tls_ca_cert_path: PathBuf::from(format!("organizations/{name}/tlsca/tlsca-cert.pem")),
        server_name: SERVER_NAME.to_owned(),
        channels: channels
            .iter()
            .map(|channel| channel.name.clone())
            .collect(),
    };
    let text = serde_json::to_string_pretty(&connection)? + "\n";
    write(&dir.join(format!("connections/{name}.json")), &text)
}

fn write_host(
    path: &Path,
    network: &Network,
    organization: &crate::network::Organization,
    channels: &[&ChannelEntry],
) -> Result<()> {
    let name = &organization.name;
    let material = PathBuf::from("../../organizations").join(name).join("host");
    let sections = channels.iter().map(|channel| ChannelSection {
        genesis: genesis_path(&channel.name),
    });
    let config = HostConfig {
        msp_id: organization.msp_id.clone(),
        address: address(organization.port),
        listen: None,
        operations: operations_port(network, name).map(address),
        msp: material.join("msp"),
        tls: material.join("tls"),
        data: PathBuf::from("data"),
        components: PathBuf::from("components"),
        channels: sections.collect(),
        address_overrides: BTreeMap::new(),
        telemetry: None,
    };
    write_host_config(path, &config)
}

fn write_host_config(path: &Path, config: &HostConfig) -> Result<()> {
    let text = format!(
        "# The host of {}. Paths are relative to this file. Start it with\n#   cordon host run --config host.toml\n\n{}",
        config.msp_id,
        toml::to_string(config)?
    );
    write(path, &text)
}
