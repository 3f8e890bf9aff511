//! The network file: organisations, users, channels and contracts as data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use cordon_channel::{
    BatchConfig, BlockReaders, ContractConfig, ENDORSEMENT_DEFAULT, GOVERNANCE_DEFAULT,
    endorsement_policy,
};
use cordon_execute::Settings;
use cordon_policy::AccessPolicyFile;
use cordon_types::{ChannelId, MspId};
use serde::Deserialize;

/// A network, read and checked as a whole.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Network {
    pub(crate) organizations: Vec<Organization>,
    pub(crate) channels: Vec<ChannelEntry>,
}

/// An organisation with its host and users.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Organization {
    /// Name of its folder; lower-case letters, digits and `-`.
    pub(crate) name: String,
    pub(crate) msp_id: String,
    /// Port of its host on this machine.
    pub(crate) port: u16,
    #[serde(default)]
    pub(crate) users: Vec<User>,
}

/// A person or program of an organisation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) name: String,
    /// `client` or `admin`.
    #[serde(default = "client")]
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
}

fn governance_default() -> String {
    GOVERNANCE_DEFAULT.to_owned()
}

fn endorsement_default() -> String {
    ENDORSEMENT_DEFAULT.to_owned()
}

fn client() -> String {
    "client".to_owned()
}

/// A channel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelEntry {
    pub(crate) name: String,
    /// Names of its member organisations.
    pub(crate) organizations: Vec<String>,
    /// The member whose host keeps the ordering log.
    pub(crate) ordering: String,
    #[serde(default)]
    pub(crate) batch: BatchConfig,
    /// Who must approve changes of the channel's configuration.
    #[serde(default = "governance_default")]
    pub(crate) governance_policy: String,
    /// Whose hosts must endorse the commit of a contract.
    #[serde(default = "endorsement_default")]
    pub(crate) lifecycle_policy: String,
    /// Who must endorse calls of contracts without an endorsement policy of their own.
    #[serde(default = "endorsement_default")]
    pub(crate) endorsement_policy: String,
    pub(crate) contracts: Vec<ContractEntry>,
    /// Folder with the access policies, `<contract>.cedar`, relative to the network file; by default
    /// it has the channel's name.
    #[serde(default)]
    pub(crate) access_policies: PathBuf,
    /// Who may read whole blocks: `members`, as in Fabric, or `admins`.
    #[serde(default)]
    pub(crate) block_readers: BlockReaders,
    /// Limits of the execution profile that are tighter than the usual ones.
    #[serde(default)]
    pub(crate) execution: Settings,
}

/// The access policies in a folder, one file `<contract>.cedar` for each of these contracts: whoever
/// wants that nobody calls a contract says so in its file.
pub(crate) fn access_policies_of<'a>(
    folder: &Path,
    contracts: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<AccessPolicyFile>> {
    let files = read_access_policies(folder)?;
    for contract in contracts {
        let file = files.iter().find(|file| file.contract == contract);
        let place = folder.join(format!("{contract}.cedar"));
        let Some(file) = file else {
            bail!(
                "there is no {}: without it nobody could call contract {contract}; if that is meant, make the file with a comment that says so",
                place.display()
            );
        };
        ensure!(
            !file.text.trim().is_empty(),
            "{} is empty: nobody could call contract {contract}; if that is meant, say so in a comment in it",
            place.display()
        );
    }
    Ok(files)
}

/// The access policies in a folder, in the order of their names.
pub(crate) fn read_access_policies(folder: &Path) -> Result<Vec<AccessPolicyFile>> {
    let entries = std::fs::read_dir(folder).with_context(|| {
        format!(
            "cannot read access policies in {}: without them nobody may call anything",
            folder.display()
        )
    })?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "cedar")
    });
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let contract = path.file_stem().and_then(|stem| stem.to_str());
            Ok(AccessPolicyFile {
                contract: contract.unwrap_or_default().to_owned(),
                text: std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?,
            })
        })
        .collect()
}

/// A contract on a channel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContractEntry {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The component, relative to the network file.
    pub(crate) component: PathBuf,
    /// Who must endorse; the channel's when absent.
    #[serde(default)]
    pub(crate) endorsement_policy: Option<String>,
}

impl ContractEntry {
    /// The contract as the channel's configuration names it, with its component's hash.
    pub(crate) fn config(&self, sha256: String) -> ContractConfig {
        ContractConfig {
            name: self.name.clone(),
            sequence: 1,
            version: self.version.clone(),
            sha256,
            endorsement_policy: self.endorsement_policy.clone(),
        }
    }
}

impl Network {
    /// Reads a network file. Paths in it become absolute or relative to the working directory.
    pub(crate) fn read(path: &Path) -> Result<(Self, String)> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the network file {}", path.display()))?;
        let mut network: Self = toml::from_str(&text)
            .with_context(|| format!("{} is not a network file", path.display()))?;
        let base = path.parent().unwrap_or(Path::new("."));
        for channel in &mut network.channels {
            if channel.access_policies.as_os_str().is_empty() {
                channel.access_policies = PathBuf::from(&channel.name);
            }
            channel.access_policies = base.join(&channel.access_policies);
            for contract in &mut channel.contracts {
                contract.component = base.join(&contract.component);
            }
        }
        network
            .check()
            .with_context(|| format!("in {}", path.display()))?;
        Ok((network, text))
    }

    /// Moves the hosts' ports: the first organisation's to `base`, the next to `base + 1`, …
    pub(crate) fn move_ports(&mut self, base: u16) -> Result<()> {
        for (organization, offset) in self.organizations.iter_mut().zip(0..) {
            organization.port = base
                .checked_add(offset)
                .with_context(|| format!("ports from {base} on do not fit below 65536"))?;
        }
        Ok(())
    }

    pub(crate) fn organization(&self, name: &str) -> Option<&Organization> {
        self.organizations
            .iter()
            .find(|organization| organization.name == name)
    }

    fn check(&self) -> Result<()> {
        ensure!(!self.organizations.is_empty(), "there are no organizations");
        let mut names = BTreeSet::new();
        let mut msps = BTreeSet::new();
        for organization in &self.organizations {
            let Organization {
                name,
                msp_id,
                users,
                ..
            } = organization;
            check_name("organization", name)?;
            ensure!(names.insert(name), "organization {name} is there twice");
            let _: MspId = msp_id.parse()?;
            ensure!(msps.insert(msp_id), "msp_id {msp_id} is there twice");
            let mut user_names = BTreeSet::new();
            for user in users {
                check_name("user", &user.name)?;
                ensure!(
                    user_names.insert(&user.name),
                    "user {name}/{} is there twice",
                    user.name
                );
                if !matches!(user.role.as_str(), "client" | "admin") {
                    bail!(
                        "role {:?} of user {name}/{}: client or admin",
                        user.role,
                        user.name
                    );
                }
            }
        }
        let mut channels = BTreeSet::new();
        for channel in &self.channels {
            let name = &channel.name;
            let _: ChannelId = name.parse()?;
            ensure!(channels.insert(name), "channel {name} is there twice");
            for member in &channel.organizations {
                ensure!(
                    names.contains(member),
                    "channel {name}: no organization {member}"
                );
            }
            ensure!(
                channel.organizations.contains(&channel.ordering),
                "channel {name}: {} keeps the ordering log but is no member",
                channel.ordering
            );
            let members = channel
                .organizations
                .iter()
                .filter_map(|name| self.organization(name))
                .map(|organization| Ok(organization.msp_id.parse()?))
                .collect::<Result<BTreeSet<MspId>>>()?;
            let error = || format!("channel {name}");
            channel.batch.limits().with_context(error)?;
            for (what, text) in [
                ("governance policy", &channel.governance_policy),
                ("lifecycle policy", &channel.lifecycle_policy),
                ("endorsement policy", &channel.endorsement_policy),
            ] {
                endorsement_policy(what, text, &members).with_context(error)?;
            }
            for contract in &channel.contracts {
                if let Some(text) = &contract.endorsement_policy {
                    let what = format!("endorsement policy of contract {}", contract.name);
                    endorsement_policy(&what, text, &members).with_context(error)?;
                }
            }
        }
        Ok(())
    }
}

/// Names become folders.
pub(crate) fn check_name(kind: &str, name: &str) -> Result<()> {
    let good = !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    ensure!(
        good,
        "{kind} name {name:?}: 1 to 64 letters, digits, '-' or '_'"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn town() -> String {
        include_str!("../../../policies/town.toml").to_owned()
    }

    fn error(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n.toml");
        std::fs::write(&path, text).unwrap();
        format!("{:#}", Network::read(&path).unwrap_err())
    }

    #[test]
    fn the_town_is_a_network() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("town.toml");
        std::fs::write(&path, town()).unwrap();
        let (mut network, _) = Network::read(&path).unwrap();
        assert_eq!(network.channels[0].contracts[0].name, "emr");
        network.move_ports(9000).unwrap();
        assert_eq!(network.organization("clinic").unwrap().port, 9001);
        assert!(network.move_ports(u16::MAX).is_err());
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (from, to, expected) in [
            (
                "name = \"clinic\"",
                "name = \"hospital\"",
                "hospital is there twice",
            ),
            ("\"ClinicMSP\"", "\"Clinic_MSP\"", "MSP id"),
            ("role = \"admin\"", "role = \"boss\"", "client or admin"),
            (
                "[\"hospital\", \"clinic\"]",
                "[\"hospital\", \"bank\"]",
                "no organization bank",
            ),
            (
                "ordering = \"hospital\"",
                "ordering = \"bank\"",
                "bank keeps the ordering log",
            ),
            ("name = \"hc1\"", "name = \"../hc1\"", "user name"),
            (
                "port = 7051",
                "port = 7051\nports = 1",
                "unknown field `ports`",
            ),
        ] {
            let text = town().replacen(from, to, 1);
            assert_ne!(text, town());
            let error = error(&text);
            assert!(error.contains(expected), "{error}");
        }
    }
}
