//! Changes of a configuration that options name, so that nobody has to edit certificates into JSON.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use cordon_channel::{ChannelConfig, OrganizationConfig};

use crate::material::read;

/// What to change. `X=Y` is given as two parts of one argument.
#[derive(Args, Clone)]
pub(crate) struct ChangeArgs {
    /// Add the organisation in this file (`cordon channel organization`).
    #[arg(long, value_name = "FILE")]
    add_organization: Vec<PathBuf>,
    /// Remove an organisation, by MSP id.
    #[arg(long, value_name = "MSPID")]
    remove_organization: Vec<String>,
    /// The addresses of an organisation's hosts: ClinicMSP=clinic.example:7051,clinic2.example:7051
    #[arg(long, value_name = "MSPID=ADDRESS,…")]
    hosts: Vec<String>,
    /// Trust one more authority of an organisation: ClinicMSP=ca-cert.pem
    #[arg(long, value_name = "MSPID=FILE")]
    add_ca: Vec<String>,
    /// No longer trust an authority of an organisation: ClinicMSP=old-ca-cert.pem
    #[arg(long, value_name = "MSPID=FILE")]
    remove_ca: Vec<String>,
    /// Trust one more authority for an organisation's TLS certificates: ClinicMSP=tlsca-cert.pem
    #[arg(long, value_name = "MSPID=FILE")]
    add_tls_ca: Vec<String>,
    /// No longer trust an authority for an organisation's TLS certificates.
    #[arg(long, value_name = "MSPID=FILE")]
    remove_tls_ca: Vec<String>,
    /// Replace an organisation's revocation list (`cordon ca revoke` writes one): ClinicMSP=crl.pem
    #[arg(long, value_name = "MSPID=FILE")]
    revoke: Vec<String>,
    /// Replace a contract's endorsement policy: emr=AND('HospitalMSP.peer','ClinicMSP.peer'); empty: the
    /// channel's.
    #[arg(long, value_name = "CONTRACT=POLICY")]
    endorsement_policy: Vec<String>,
    /// Replace the endorsement policy of contracts that have none of their own.
    #[arg(long, value_name = "POLICY")]
    default_endorsement_policy: Option<String>,
    /// Replace the policy by which this configuration is changed.
    #[arg(long, value_name = "POLICY")]
    governance_policy: Option<String>,
    /// Replace the policy by which contracts are committed.
    #[arg(long, value_name = "POLICY")]
    lifecycle_policy: Option<String>,
    /// Where the ordering log is from then on: the address of a member's host.
    #[arg(long, value_name = "ADDRESS")]
    ordering: Option<String>,
    /// Most transactions in a block.
    #[arg(long, value_name = "N")]
    block_transactions_max: Option<usize>,
    /// Most bytes in a block.
    #[arg(long, value_name = "N")]
    block_bytes_max: Option<usize>,
    /// A limit of the execution profile: fuel_max=1000000
    #[arg(long, value_name = "LIMIT=VALUE")]
    limit: Vec<String>,
}

impl ChangeArgs {
    /// The configuration after the changes, of `document` if there is one, else of the one in force.
    pub(super) fn apply(
        &self,
        now: &ChannelConfig,
        document: Option<&Path>,
    ) -> Result<ChannelConfig> {
        let mut next = match document {
            Some(path) => serde_json::from_str(&read(path)?)
                .with_context(|| format!("{} is not a channel's configuration", path.display()))?,
            None => now.clone(),
        };
        self.organizations(&mut next)?;
        self.certificates(&mut next)?;
        self.policies(&mut next)?;
        let batch = &mut next.batch;
        batch.transactions_max = self
            .block_transactions_max
            .unwrap_or(batch.transactions_max);
        batch.bytes_max = self.block_bytes_max.unwrap_or(batch.bytes_max);
        for limit in &self.limit {
            let (name, value) = halves(limit)?;
            let value = serde_json::from_str(value)
                .with_context(|| format!("{value:?} is no value of limit {name}"))?;
            ensure!(
                next.execution.contains_key(name),
                "there is no limit {name}; there are {}",
                next.execution
                    .keys()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ")
            );
            next.execution.insert(name.to_owned(), value);
        }
        // A definition that changes has the next number; nobody has to count.
        for contract in &mut next.contracts {
            let before = now.contracts.iter().find(|now| now.name == contract.name);
            if let Some(before) = before
                && before.endorsement_policy != contract.endorsement_policy
            {
                contract.sequence = before.sequence + 1;
            }
        }
        Ok(next)
    }

    fn organizations(&self, next: &mut ChannelConfig) -> Result<()> {
        for path in &self.add_organization {
            let added: OrganizationConfig = serde_json::from_str(&read(path)?)
                .with_context(|| format!("{} is not an organisation", path.display()))?;
            next.organizations.push(added);
        }
        for msp_id in &self.remove_organization {
            organization(next, msp_id)?;
            next.organizations
                .retain(|o| o.msp.msp_id.as_str() != msp_id);
        }
        for hosts in &self.hosts {
            let (msp_id, addresses) = halves(hosts)?;
            let addresses = addresses.split(',').filter(|address| !address.is_empty());
            organization(next, msp_id)?.hosts = addresses.map(str::to_owned).collect();
        }
        if let Some(address) = &self.ordering {
            next.ordering.address.clone_from(address);
        }
        Ok(())
    }

    fn certificates(&self, next: &mut ChannelConfig) -> Result<()> {
        for (arguments, tls, add) in [
            (&self.add_ca, false, true),
            (&self.remove_ca, false, false),
            (&self.add_tls_ca, true, true),
            (&self.remove_tls_ca, true, false),
        ] {
            for argument in arguments {
                let (msp_id, path) = halves(argument)?;
                let certificate = read(Path::new(path))?;
                let msp = &mut organization(next, msp_id)?.msp;
                let trusted = if tls {
                    &mut msp.tls_root_certs
                } else {
                    &mut msp.root_certs
                };
                let known = trusted
                    .iter()
                    .position(|known| known.trim() == certificate.trim());
                match (known, add) {
                    (None, true) => trusted.push(certificate),
                    (Some(index), false) => drop(trusted.remove(index)),
                    (Some(_), true) => bail!("{msp_id} has the certificate in {path} already"),
                    (None, false) => bail!("{msp_id} does not have the certificate in {path}"),
                }
            }
        }
        for argument in &self.revoke {
            let (msp_id, path) = halves(argument)?;
            let list = read(Path::new(path))?;
            organization(next, msp_id)?.msp.revocation_list = vec![list];
        }
        Ok(())
    }

    fn policies(&self, next: &mut ChannelConfig) -> Result<()> {
        for argument in &self.endorsement_policy {
            let (name, policy) = halves(argument)?;
            let contract = next.contracts.iter_mut().find(|known| known.name == name);
            let contract = contract.with_context(|| format!("there is no contract {name}"))?;
            contract.endorsement_policy = (!policy.is_empty()).then(|| policy.to_owned());
        }
        for (argument, policy) in [
            (
                &self.default_endorsement_policy,
                &mut next.endorsement_policy,
            ),
            (&self.governance_policy, &mut next.governance_policy),
            (&self.lifecycle_policy, &mut next.lifecycle_policy),
        ] {
            if let Some(argument) = argument {
                policy.clone_from(argument);
            }
        }
        Ok(())
    }
}

fn halves(argument: &str) -> Result<(&str, &str)> {
    argument
        .split_once('=')
        .with_context(|| format!("{argument:?} has no '=' between what is changed and its value"))
}

fn organization<'a>(
    config: &'a mut ChannelConfig,
    msp_id: &str,
) -> Result<&'a mut OrganizationConfig> {
    let known: Vec<String> = config.members().map(ToString::to_string).collect();
    let mut organizations = config.organizations.iter_mut();
    let found = organizations.find(|organization| organization.msp.msp_id.as_str() == msp_id);
    found.with_context(|| format!("{msp_id} is no member; members are {}", known.join(", ")))
}
