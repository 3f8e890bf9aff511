//! The channel's configuration: one readable document, in block 0 and in later configurations.
//!
//! The contracts in it are those in force: a contract that members have committed (`_lifecycle`)
//! stands in it as if it had been there from the start, so that there is one place to look.

mod change;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use cordon_execute::Settings;
use cordon_identity::{IdentityError, Membership, Msp, MspConfig, SignatureCache};
use cordon_lifecycle::{Definition, EndorsementRule};
use cordon_order::{BatchLimits, Position};
use cordon_policy::{AccessPolicyFile, EndorsementPolicy, MetaPolicy, MetaPolicyError};
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
    /// Member organisations: whom they trust, and where their hosts are.
    pub organizations: Vec<OrganizationConfig>,
    /// Where the ordering log is.
    pub ordering: OrderingConfig,
    /// Who must approve a change of this document: `MAJORITY Admins`, `ANY Admins`, `ALL Admins`, or
    /// an endorsement policy over admins.
    pub governance_policy: String,
    /// Whose hosts must endorse the commit of a contract: `MAJORITY Endorsement` and the like, or an
    /// endorsement policy.
    pub lifecycle_policy: String,
    /// Who must endorse calls of contracts that name no endorsement policy of their own.
    pub endorsement_policy: String,
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

/// A member organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationConfig {
    /// Its authorities, revocation lists and roles.
    pub msp: MspConfig,
    /// `host:port` of each of its hosts. Others ask whichever of them answers.
    pub hosts: Vec<String>,
}

/// Where the ordering log is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderingConfig {
    /// `host:port` of the member's host that keeps the log, one of the organisations' hosts.
    pub address: String,
}

/// Fabric's default of both policies of a channel.
pub const GOVERNANCE_DEFAULT: &str = "MAJORITY Admins";
/// Fabric's default for contracts.
pub const ENDORSEMENT_DEFAULT: &str = "MAJORITY Endorsement";

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
    /// How often its definition has changed; 1 is the first.
    pub sequence: u64,
    /// Version, free text. Another component has another version.
    pub version: String,
    /// SHA-256 of the component, hex: all hosts run identical code.
    pub sha256: String,
    /// Who must endorse, in Fabric's syntax; the channel's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endorsement_policy: Option<String>,
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

/// Reads an endorsement policy for a channel with these members: in Fabric's syntax, or for all of
/// them together (`MAJORITY Endorsement`). `what` names it in errors.
///
/// # Errors
/// [`ConfigError`] when it cannot be read, or asks for somebody who is no member.
pub fn endorsement_policy(
    what: &str,
    text: &str,
    members: &BTreeSet<MspId>,
) -> Result<EndorsementPolicy, ConfigError> {
    let policy = MetaPolicy::parse(text)
        .and_then(|policy| policy.as_endorsement_policy(members))
        .map_err(|source| ConfigError::Policy {
            what: what.to_owned(),
            source,
        })?;
    let stranger = policy
        .principals()
        .into_iter()
        .find(|p| !members.contains(&p.msp_id));
    match stranger {
        Some(stranger) => Err(ConfigError::NotMember {
            what: what.to_owned(),
            msp_id: stranger.msp_id.clone(),
        }),
        None => Ok(policy),
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
    /// A policy.
    #[error("{what}: {source}")]
    Policy {
        /// Which one.
        what: String,
        /// Why.
        source: MetaPolicyError,
    },
    /// A policy asks for an organisation that is no member, so it could not be met.
    #[error("{what}: {msp_id} is no member of the channel")]
    NotMember {
        /// Which one.
        what: String,
        /// The organisation.
        msp_id: MspId,
    },
    /// Nobody could ever satisfy a policy.
    #[error("{what}: nobody could ever satisfy it: {cause}")]
    Unsatisfiable {
        /// Which one.
        what: String,
        /// What would be missing.
        cause: String,
    },
    /// An address is none.
    #[error("{address:?} is not the address of a host, host:port")]
    Address {
        /// As it stands in the document.
        address: String,
    },
    /// The ordering log is at no member's host.
    #[error(
        "the ordering log is at {address}, which is no organisation's host: name it among the hosts of one"
    )]
    OrderingAddress {
        /// As it stands in the document.
        address: String,
    },
    /// The hash of a contract's component is none.
    #[error("contract {contract}: its sha256 is not 64 hex digits")]
    Hash {
        /// The contract.
        contract: String,
    },
    /// Contracts are not in the order of their names.
    #[error("contracts must be in the order of their names; {contract} is not")]
    ContractOrder {
        /// The first that is not.
        contract: String,
    },
    /// Access policies that cannot be.
    #[error("access policies of contract {contract}: {cause}")]
    AccessPolicies {
        /// The contract, shortened.
        contract: String,
        /// Why.
        cause: String,
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
    /// [`ConfigError`] for the first name or policy that is not one.
    pub fn rules(&self) -> Result<ChannelRules, ConfigError> {
        let mut members = BTreeSet::new();
        for msp_id in self.members() {
            if !members.insert(msp_id.clone()) {
                let name = msp_id.to_string();
                return Err(ConfigError::Twice {
                    kind: "organisation",
                    name,
                });
            }
        }
        let policy = |what: &str, text: &str| endorsement_policy(what, text, &members);
        let mut contracts = BTreeMap::new();
        for config in &self.contracts {
            let contract: ContractId = config.name.parse()?;
            let text = config.endorsement_policy.as_ref();
            let text = text.unwrap_or(&self.endorsement_policy);
            let what = format!("endorsement policy of contract {contract}");
            let deployed = ContractRules::Deployed {
                sequence: config.sequence,
                version: config.version.clone(),
                endorsement_policy: policy(&what, text)?,
            };
            if contracts.insert(contract, deployed).is_some() {
                let name = config.name.clone();
                return Err(ConfigError::Twice {
                    kind: "contract",
                    name,
                });
            }
        }
        policy("endorsement policy", &self.endorsement_policy)?;
        Ok(ChannelRules {
            governance: policy("governance policy", &self.governance_policy)?,
            lifecycle: policy("lifecycle policy", &self.lifecycle_policy)?,
            contracts,
            members,
        })
    }

    /// The members with all that they trust.
    ///
    /// # Errors
    /// [`ConfigError::Organization`] for the first whose certificates or lists cannot be used.
    pub fn membership(&self, signatures: Arc<SignatureCache>) -> Result<Membership, ConfigError> {
        let msps = self.organizations.iter();
        let msps = msps.map(|organization| Msp::new(&organization.msp));
        let msps = msps.collect::<Result<Vec<_>, _>>()?;
        Ok(Membership::with_signature_cache(msps, signatures))
    }

    /// Puts a definition that was committed in the place of the one before, unless this document is
    /// newer. Contracts are in the order of their names, whenever they came.
    pub(crate) fn define(&mut self, contract: &ContractId, definition: &Definition) {
        let next = ContractConfig {
            name: contract.to_string(),
            sequence: definition.sequence.unsigned_abs(),
            version: definition.version.clone(),
            sha256: hex::encode(definition.component_sha256),
            endorsement_policy: match &definition.endorsement {
                EndorsementRule::ChannelDefault => None,
                EndorsementRule::Policy(policy) => Some(policy.to_string()),
            },
        };
        let found = self
            .contracts
            .binary_search_by(|known| known.name.cmp(&next.name));
        match found {
            Ok(index) if self.contracts[index].sequence < next.sequence => {
                self.contracts[index] = next;
            }
            Ok(_) => {}
            Err(index) => self.contracts.insert(index, next),
        }
    }

    /// The definitions of the contracts in force.
    ///
    /// # Errors
    /// [`ConfigError`] for a name, hash or policy that is not one.
    pub fn definitions(&self) -> Result<BTreeMap<ContractId, Definition>, ConfigError> {
        let contracts = self.contracts.iter();
        let definitions = contracts.map(|config| {
            let mut component_sha256 = [0; 32];
            hex::decode_to_slice(&config.sha256, &mut component_sha256).map_err(|_| {
                ConfigError::Hash {
                    contract: config.name.clone(),
                }
            })?;
            let what = || format!("endorsement policy of contract {}", config.name);
            let endorsement = match &config.endorsement_policy {
                None => EndorsementRule::ChannelDefault,
                Some(text) => {
                    let members = self.members().cloned().collect();
                    EndorsementRule::Policy(endorsement_policy(&what(), text, &members)?)
                }
            };
            let definition = Definition {
                sequence: config.sequence.cast_signed(),
                version: config.version.clone(),
                component_sha256,
                endorsement,
            };
            Ok((config.name.parse()?, definition))
        });
        definitions.collect()
    }

    /// The member organisations.
    pub fn members(&self) -> impl Iterator<Item = &MspId> {
        self.organizations
            .iter()
            .map(|organization| &organization.msp.msp_id)
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

    pub(super) fn config() -> ChannelConfig {
        ChannelConfig {
            channel: "providers".to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            organizations: vec![OrganizationConfig {
                msp: MspConfig::new(
                    "HospitalMSP".parse().unwrap(),
                    "root".to_owned(),
                    "tls".to_owned(),
                ),
                hosts: vec!["hospital.example:7051".to_owned()],
            }],
            ordering: OrderingConfig {
                address: "hospital.example:7051".to_owned(),
            },
            governance_policy: GOVERNANCE_DEFAULT.to_owned(),
            lifecycle_policy: ENDORSEMENT_DEFAULT.to_owned(),
            endorsement_policy: ENDORSEMENT_DEFAULT.to_owned(),
            contracts: vec![ContractConfig {
                name: "emr".to_owned(),
                sequence: 1,
                version: "1.0.0".to_owned(),
                sha256: "00".repeat(32),
                endorsement_policy: Some("AND('HospitalMSP.peer')".to_owned()),
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
            error(|c| c.contracts[0].endorsement_policy = Some("HospitalMSP".into()))
                .contains("emr")
        );
        assert!(error(|c| c.contracts.push(c.contracts[0].clone())).contains("emr is there twice"));
        assert!(error(|c| c.organizations.push(c.organizations[0].clone())).contains("twice"));
        assert!(error(|c| c.batch.bytes_max = 0).contains("bytes_max"));
    }
}
