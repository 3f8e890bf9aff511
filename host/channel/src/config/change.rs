//! What may follow a configuration, and what may not be in any.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use cordon_identity::SignatureCache;
use cordon_policy::{
    ACCESS_TEXT_BYTES_MAX, AccessPolicyFile, EndorsementPolicy, Signer, SignerRole,
};
use cordon_types::MspId;
use cordon_wire::sha256;

use super::{ChannelConfig, ConfigError, OrganizationConfig};

/// Longest address: a name of DNS, and a port.
const ADDRESS_BYTES_MAX: usize = 260;

impl ChannelConfig {
    /// The configuration that `document` makes, if it can follow this one. Whether access policies
    /// compile is not asked, as that takes the contracts' code; hosts on which they do not permit
    /// nothing.
    ///
    /// # Errors
    /// A sentence that says why it cannot.
    pub fn followed_by(&self, document: &[u8]) -> Result<Self, String> {
        let next: Self = serde_json::from_slice(document)
            .map_err(|_| "the document is no channel configuration".to_owned())?;
        if next.to_document() != document {
            return Err("the document is not in its one encoding".to_owned());
        }
        self.check_next(&next)?;
        Ok(next)
    }

    /// Whether `next` can follow this configuration.
    ///
    /// # Errors
    /// A sentence that says why it cannot.
    pub fn check_next(&self, next: &Self) -> Result<(), String> {
        if next == self {
            return Err("it is the one in force".to_owned());
        }
        if (&next.channel, &next.created) != (&self.channel, &self.created) {
            return Err("a channel keeps its name and the time when it was made".to_owned());
        }
        self.check_contracts(next)?;
        next.check().map_err(|error| error.to_string())
    }

    /// Code is changed by `_lifecycle` alone, where members say that they have it.
    fn check_contracts(&self, next: &Self) -> Result<(), String> {
        let names = |config: &Self| -> Vec<String> {
            let contracts = config.contracts.iter();
            contracts.map(|contract| contract.name.clone()).collect()
        };
        if names(self) != names(next) {
            return Err(
                "contracts are added by approving and committing them (cordon contract approve), not here"
                    .to_owned(),
            );
        }
        for (now, next) in self.contracts.iter().zip(&next.contracts) {
            let name = &now.name;
            if (&now.version, &now.sha256) != (&next.version, &next.sha256) {
                return Err(format!(
                    "contract {name}: another version or component is approved and committed (cordon contract approve), not put here"
                ));
            }
            let due = now.sequence + u64::from(now.endorsement_policy != next.endorsement_policy);
            if next.sequence != due {
                return Err(format!(
                    "contract {name}: its sequence must be {due}, as its definition {}",
                    if due == now.sequence {
                        "does not change"
                    } else {
                        "changes"
                    }
                ));
            }
        }
        Ok(())
    }

    /// Everything about a configuration that follows from itself.
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing that cannot be.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.id()?;
        self.limits()?;
        let rules = self.rules()?;
        self.definitions()?;
        let pairs = self.contracts.windows(2);
        if let Some(pair) = pairs.into_iter().find(|pair| pair[0].name >= pair[1].name) {
            return Err(ConfigError::ContractOrder {
                contract: pair[1].name.clone(),
            });
        }
        self.membership(Arc::new(SignatureCache::default()))?;
        self.check_addresses()?;
        self.check_access_policies()?;
        // Whoever could change this again must exist: there is no way around it.
        let with_admins: BTreeSet<MspId> = self
            .organizations
            .iter()
            .filter(|organization| organization.can_have_admins())
            .map(|organization| organization.msp.msp_id.clone())
            .collect();
        for (what, policy, able) in [
            ("governance policy", &rules.governance, &with_admins),
            ("lifecycle policy", &rules.lifecycle, &rules.members),
        ] {
            satisfiable(policy, able).map_err(|cause| ConfigError::Unsatisfiable {
                what: what.to_owned(),
                cause,
            })?;
        }
        Ok(())
    }

    fn check_addresses(&self) -> Result<(), ConfigError> {
        let mut addresses = BTreeSet::new();
        for address in self.organizations.iter().flat_map(|o| &o.hosts) {
            if !is_address(address) {
                let address = address.chars().take(64).collect();
                return Err(ConfigError::Address { address });
            }
            if !addresses.insert(address) {
                return Err(ConfigError::Twice {
                    kind: "host",
                    name: address.clone(),
                });
            }
        }
        let address = &self.ordering.address;
        if !addresses.contains(address) {
            let address = address.chars().take(64).collect();
            return Err(ConfigError::OrderingAddress { address });
        }
        Ok(())
    }

    fn check_access_policies(&self) -> Result<(), ConfigError> {
        let mut names = BTreeSet::new();
        for AccessPolicyFile { contract, text } in &self.access_policies {
            let refuse = |cause: String| ConfigError::AccessPolicies {
                contract: contract.chars().take(64).collect(),
                cause,
            };
            if !self.contracts.iter().any(|known| known.name == *contract) {
                return Err(refuse("there is no such contract".to_owned()));
            }
            if !names.insert(contract) {
                return Err(refuse("they are there twice".to_owned()));
            }
            if text.len() > ACCESS_TEXT_BYTES_MAX {
                return Err(refuse(format!(
                    "they have more than {ACCESS_TEXT_BYTES_MAX} bytes"
                )));
            }
        }
        Ok(())
    }
}

impl OrganizationConfig {
    /// Without roles by unit, and without certificates named, nobody is an admin.
    fn can_have_admins(&self) -> bool {
        self.msp.node_ous.enabled || !self.msp.admins.is_empty()
    }
}

/// `host:port`, the host as an IPv4 address, an IPv6 address in brackets or a name of DNS: what every
/// host can connect to and find in a certificate.
fn is_address(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else {
        return false;
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let ipv6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let good = if let Some(ipv6) = ipv6 {
        ipv6.parse::<Ipv6Addr>().is_ok()
    } else {
        // A name whose last label is a number is an address that is none.
        let last = host.rsplit('.').next().unwrap_or_default();
        let numeric = last.bytes().all(|b| b.is_ascii_digit());
        host.parse::<Ipv4Addr>().is_ok() || (!numeric && host.split('.').all(label))
    };
    good && address.len() <= ADDRESS_BYTES_MAX && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Whether all that these organisations could sign would do.
fn satisfiable(policy: &EndorsementPolicy, able: &BTreeSet<MspId>) -> Result<(), String> {
    let principals = policy.principals().into_iter().enumerate();
    let signers: Vec<Signer> = principals
        .filter(|(_, principal)| able.contains(&principal.msp_id))
        .flat_map(|(index, principal)| {
            let roles = [SignerRole::Admin, SignerRole::Peer, SignerRole::Client];
            roles.map(|role| Signer {
                identity_key: sha256([&index.to_be_bytes()[..], &[role as u8]]),
                msp_id: principal.msp_id.clone(),
                role,
            })
        })
        .collect();
    policy
        .evaluate(&signers)
        .map_err(|refusal| refusal.to_string())
}

#[cfg(test)]
mod tests;
