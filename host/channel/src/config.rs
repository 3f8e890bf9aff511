//! The channel's configuration: one readable document, in block 0 and in later configurations.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cordon_execute::Settings;
use cordon_identity::{IdentityError, MspConfig};
use cordon_order::{BatchLimits, Position};
use cordon_policy::{ACCESS_TEXT_BYTES_MAX, AccessPolicyFile, EndorsementPolicy, PolicyError};
use cordon_types::{ChannelId, ContractId, IdError, MspId, ValidationCode};
use cordon_validate::{ChannelRules, ContractRules, commit_hash};
use cordon_wire::config::{first_config, first_document};
use cordon_wire::proposal::CONFIG;
use cordon_wire::proto::common;
use cordon_wire::transaction::Envelope;
use cordon_wire::{block, encode, sha256};
use serde::{Deserialize, Serialize};

/// Everything that all hosts of a channel agree on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelConfig {
    /// The channel's id.
    pub channel: String,
    /// When the channel was made, RFC 3339, as whoever made it says.
    pub created: String,
    /// Member organisations and whom they trust.
    pub organizations: Vec<MspConfig>,
    /// Contracts deployed.
    pub contracts: Vec<ContractConfig>,
    /// Who may call what.
    pub access_policies: Vec<AccessPolicyFile>,
    /// Who may read whole blocks, and so everything on the channel, whatever contracts and access
    /// policies say.
    pub block_readers: BlockReaders,
    /// How contracts are executed: the engine and every limit.
    pub execution: Settings,
    /// When a block is full.
    pub batch: BatchConfig,
}

/// Who may read whole blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockReaders {
    /// Everybody with a certificate of a member, as in Fabric.
    #[default]
    Members,
    /// Admins and hosts of members. Others have contracts, events, verdicts and filtered blocks.
    Admins,
}

/// A contract on the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractConfig {
    /// Its name on the channel, the namespace of its state.
    pub name: String,
    /// Version, free text.
    pub version: String,
    /// SHA-256 of the component, hex: all hosts run identical code.
    pub sha256: String,
    /// Who must endorse, in Fabric's syntax.
    pub endorsement_policy: String,
}

/// When a block is full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchConfig {
    /// Most transactions in a block.
    pub transactions_max: usize,
    /// Most bytes of envelopes in a block, unless a single one is larger.
    pub bytes_max: usize,
}

impl Default for BatchConfig {
    fn default() -> Self {
        // As Fabric's defaults, with as many transactions as its tuned configurations use.
        Self {
            transactions_max: 500,
            bytes_max: 2 << 20,
        }
    }
}

impl ContractConfig {
    /// Who must endorse, on a channel with these members.
    ///
    /// # Errors
    /// [`ConfigError`] when the policy cannot be read, or asks for somebody who is no member.
    pub fn endorsement_policy(
        &self,
        members: &BTreeSet<MspId>,
    ) -> Result<EndorsementPolicy, ConfigError> {
        let contract: ContractId = self.name.parse()?;
        let policy = EndorsementPolicy::parse(&self.endorsement_policy).map_err(|source| {
            ConfigError::EndorsementPolicy {
                contract: contract.clone(),
                source,
            }
        })?;
        let stranger = policy
            .principals()
            .into_iter()
            .find(|p| !members.contains(&p.msp_id));
        if let Some(stranger) = stranger {
            return Err(ConfigError::NotMember {
                contract,
                msp_id: stranger.msp_id.clone(),
            });
        }
        Ok(policy)
    }
}

impl BatchConfig {
    /// The same, checked.
    ///
    /// # Errors
    /// [`ConfigError::Zero`].
    pub fn limits(&self) -> Result<BatchLimits, ConfigError> {
        let Self {
            transactions_max,
            bytes_max,
        } = *self;
        for (field, value) in [
            ("transactions_max", transactions_max),
            ("bytes_max", bytes_max),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero { field });
            }
        }
        Ok(BatchLimits {
            count_max: transactions_max,
            bytes_max,
        })
    }
}

/// What is wrong with a channel's configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A name is not one.
    #[error(transparent)]
    Id(#[from] IdError),
    /// An organisation.
    #[error(transparent)]
    Organization(#[from] IdentityError),
    /// An endorsement policy.
    #[error("endorsement policy of contract {contract}: {source}")]
    EndorsementPolicy {
        /// The contract.
        contract: ContractId,
        /// Why.
        source: PolicyError,
    },
    /// An endorsement policy asks for an organisation that is no member, so it could not be met.
    #[error("endorsement policy of contract {contract}: {msp_id} is no member of the channel")]
    NotMember {
        /// The contract.
        contract: ContractId,
        /// The organisation.
        msp_id: MspId,
    },
    /// Two of a kind have one name.
    #[error("{kind} {name} is there twice")]
    Twice {
        /// Organisation or contract.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A number that cannot be.
    #[error("{field} must be at least 1")]
    Zero {
        /// The field.
        field: &'static str,
    },
    /// The block is not a channel's first block.
    #[error("block 0 holds no channel configuration: {0}")]
    NoGenesis(String),
}

impl ChannelConfig {
    /// Reads the configuration in an encoded block 0.
    ///
    /// # Errors
    /// [`ConfigError::NoGenesis`] when it is no such block.
    pub fn from_genesis(bytes: &Bytes) -> Result<Self, ConfigError> {
        let no_genesis = |error: &dyn std::fmt::Display| ConfigError::NoGenesis(error.to_string());
        let block = block::CommittedBlock::parse(bytes).map_err(|error| no_genesis(&error))?;
        let [envelope] = block.data.as_slice() else {
            return Err(no_genesis(&"it has more than one entry"));
        };
        let envelope = Envelope::parse(envelope).map_err(|error| no_genesis(&error))?;
        let document = first_document(&envelope.data)
            .map_err(|error| no_genesis(&error))?
            .ok_or_else(|| no_genesis(&"it is of another kind"))?;
        let config: Self = serde_json::from_slice(&document).map_err(|error| no_genesis(&error))?;
        if block.header.number != 0
            || envelope.header.channel_header.channel_id != config.channel
            || genesis_block(&config) != *bytes
        {
            return Err(no_genesis(&"it does not agree with itself"));
        }
        Ok(config)
    }

    /// The document: one encoding per configuration.
    pub fn to_document(&self) -> Bytes {
        // Every type in the document serializes: maps have text keys and numbers are integers.
        Bytes::from(serde_json::to_vec(self).unwrap_or_default())
    }

    /// The configuration that `document` makes, if it can follow this one: today that is one with
    /// other access policies. Whether these compile is not asked, as that takes the contracts' code;
    /// hosts on which they do not permit nothing.
    ///
    /// # Errors
    /// A sentence that says why it cannot.
    pub fn followed_by(&self, document: &[u8]) -> Result<Self, String> {
        let next: Self = serde_json::from_slice(document)
            .map_err(|_| "the document is no channel configuration".to_owned())?;
        if next.to_document() != document {
            return Err("the document is not in its one encoding".to_owned());
        }
        let but_for_policies = Self {
            access_policies: next.access_policies.clone(),
            ..self.clone()
        };
        if next != but_for_policies {
            return Err("only access policies can be changed".to_owned());
        }
        if next == *self {
            return Err("it is the one in force".to_owned());
        }
        let mut names = BTreeSet::new();
        for AccessPolicyFile { contract, text } in &next.access_policies {
            let shown: String = contract.chars().take(64).collect();
            if !self.contracts.iter().any(|known| known.name == *contract) {
                return Err(format!(
                    "there is no contract {shown} for its access policies"
                ));
            }
            if !names.insert(contract) {
                return Err(format!(
                    "access policies of contract {shown} are there twice"
                ));
            }
            if text.len() > ACCESS_TEXT_BYTES_MAX {
                return Err(format!(
                    "access policies of contract {shown} have more than {ACCESS_TEXT_BYTES_MAX} bytes"
                ));
            }
        }
        Ok(next)
    }

    /// The channel's id.
    ///
    /// # Errors
    /// [`ConfigError::Id`] when it is not one.
    pub fn id(&self) -> Result<ChannelId, ConfigError> {
        Ok(self.channel.parse()?)
    }

    /// When blocks are full.
    ///
    /// # Errors
    /// [`ConfigError::Zero`].
    pub fn limits(&self) -> Result<BatchLimits, ConfigError> {
        self.batch.limits()
    }

    /// What validation goes by.
    ///
    /// # Errors
    /// [`ConfigError`] for the first name or endorsement policy that is not one.
    pub fn rules(&self) -> Result<ChannelRules, ConfigError> {
        let mut rules = ChannelRules::default();
        for organization in &self.organizations {
            if !rules.members.insert(organization.msp_id.clone()) {
                let name = organization.msp_id.to_string();
                return Err(ConfigError::Twice {
                    kind: "organisation",
                    name,
                });
            }
        }
        let mut contracts = BTreeMap::new();
        for config in &self.contracts {
            let contract: ContractId = config.name.parse()?;
            let endorsement_policy = config.endorsement_policy(&rules.members)?;
            let version = config.version.clone();
            let deployed = ContractRules::Deployed {
                version,
                endorsement_policy,
            };
            if contracts.insert(contract, deployed).is_some() {
                let name = config.name.clone();
                return Err(ConfigError::Twice {
                    kind: "contract",
                    name,
                });
            }
        }
        rules.contracts = contracts;
        Ok(rules)
    }

    /// The member organisations.
    pub fn members(&self) -> impl Iterator<Item = &MspId> {
        self.organizations
            .iter()
            .map(|organization| &organization.msp_id)
    }
}

/// Block 0 of a channel: one encoding per configuration, so that every host begins with the same
/// block, wherever it was made.
pub fn genesis_block(config: &ChannelConfig) -> Bytes {
    let document = config.to_document();
    let nonce = Bytes::copy_from_slice(&sha256([document.as_ref()])[..24]);
    let payload = common::Payload {
        header: Some(common::Header {
            channel_header: encode(&common::ChannelHeader {
                r#type: CONFIG,
                channel_id: config.channel.clone(),
                ..Default::default()
            }),
            signature_header: encode(&common::SignatureHeader {
                creator: Bytes::new(),
                nonce,
            }),
        }),
        data: first_config(&document),
    };
    let envelope = encode(&common::Envelope {
        payload: encode(&payload),
        signature: Bytes::new(),
    });
    // The log begins after block 0.
    let start = Position::default().to_bytes();
    let mut block = block::assemble(0, Bytes::new(), vec![envelope], 0, start);
    let header_hash = block::header_hash(&block.header.clone().unwrap_or_default());
    let codes = [ValidationCode::Valid];
    block::set_verdicts(
        &mut block,
        &codes,
        commit_hash([0; 32], header_hash, &codes, []),
    );
    encode(&block)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ChannelConfig {
        ChannelConfig {
            channel: "providers".to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            organizations: vec![MspConfig::new(
                "HospitalMSP".parse().unwrap(),
                "root".to_owned(),
                "tls".to_owned(),
            )],
            contracts: vec![ContractConfig {
                name: "emr".to_owned(),
                version: "1.0.0".to_owned(),
                sha256: "00".repeat(32),
                endorsement_policy: "AND('HospitalMSP.peer')".to_owned(),
            }],
            access_policies: vec![AccessPolicyFile {
                contract: "emr".to_owned(),
                text: "permit (principal, action, resource);".to_owned(),
            }],
            block_readers: BlockReaders::Members,
            execution: Settings::new(),
            batch: BatchConfig::default(),
        }
    }

    #[test]
    fn block_0_holds_the_configuration_and_nothing_else() {
        let block = genesis_block(&config());
        assert_eq!(ChannelConfig::from_genesis(&block).unwrap(), config());
        assert_eq!(genesis_block(&config()), block);
        let mut bytes = block.to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert!(ChannelConfig::from_genesis(&bytes.into()).is_err());
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let error = |change: fn(&mut ChannelConfig)| {
            let mut config = config();
            change(&mut config);
            config
                .rules()
                .map(drop)
                .and_then(|()| config.limits().map(drop))
                .unwrap_err()
                .to_string()
        };
        assert!(
            error(|c| c.contracts[0].endorsement_policy = "HospitalMSP".into()).contains("emr")
        );
        assert!(error(|c| c.contracts.push(c.contracts[0].clone())).contains("emr is there twice"));
        assert!(error(|c| c.organizations.push(c.organizations[0].clone())).contains("twice"));
        assert!(error(|c| c.batch.bytes_max = 0).contains("bytes_max"));
    }

    #[test]
    fn access_policies_can_be_changed_and_nothing_else() {
        let now = config();
        let follow = |change: &dyn Fn(&mut ChannelConfig)| {
            let mut next = config();
            change(&mut next);
            now.followed_by(&next.to_document())
        };
        let policy = |contract: &str, text: &str| AccessPolicyFile {
            contract: contract.to_owned(),
            text: text.to_owned(),
        };
        let next = follow(&|c| c.access_policies = vec![policy("emr", "// nobody")]).unwrap();
        assert_eq!(next.access_policies[0].text, "// nobody");
        assert!(follow(&|c| c.access_policies.clear()).is_ok());
        let refused = |change: &dyn Fn(&mut ChannelConfig)| follow(change).unwrap_err();
        assert_eq!(
            refused(&|c| c.batch.bytes_max += 1),
            "only access policies can be changed"
        );
        assert_eq!(
            refused(&|c| c.access_policies = vec![policy("cards", "")]),
            "there is no contract cards for its access policies"
        );
        assert!(
            refused(&|c| c.access_policies = vec![policy("emr", ""), policy("emr", "")])
                .contains("twice")
        );
        let long = "/".repeat(ACCESS_TEXT_BYTES_MAX + 1);
        assert!(refused(&|c| c.access_policies = vec![policy("emr", &long)]).contains("more than"));
        let mut spaced = now.to_document().to_vec();
        spaced.push(b' ');
        assert!(
            now.followed_by(&spaced)
                .unwrap_err()
                .contains("one encoding")
        );
        assert!(
            now.followed_by(b"{}")
                .unwrap_err()
                .contains("no channel configuration")
        );
    }
}
