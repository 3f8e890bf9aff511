//! What the members of a channel agree on for a contract, and how Fabric's messages name it.

use std::collections::BTreeSet;

use bytes::Bytes;
use cordon_policy::{EndorsementPolicy, MetaPolicy, MetaPolicyError};
use cordon_types::{ContractId, MspId};
use cordon_wire::proto::lifecycle::DefinitionArgs;
use cordon_wire::proto::protos::{ApplicationPolicy, application_policy};
use cordon_wire::{decode, encode};

use crate::names::check_version;

/// The reference by which a definition names the channel's default endorsement policy; the only one.
pub const CHANNEL_DEFAULT: &str = "/Channel/Application/Endorsement";

/// Fabric's names of the only way to endorse and to validate.
pub(crate) const ENDORSEMENT_PLUGIN: &str = "escc";
pub(crate) const VALIDATION_PLUGIN: &str = "vscc";

/// Contracts that hosts answer themselves, here and in Fabric.
const SYSTEM_NAMES: [&str; 6] = ["cordon", "cscc", "escc", "lscc", "qscc", "vscc"];

/// What the members of a channel agree on for one contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// From 1; each committed definition of the contract has the next one.
    pub sequence: i64,
    /// The text that endorsed transactions name; see [`crate::check_version`].
    pub version: String,
    /// SHA-256 of the component: all hosts run identical code.
    pub component_sha256: [u8; 32],
    /// Who must endorse.
    pub endorsement: EndorsementRule,
}

/// Who must endorse a contract's transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndorsementRule {
    /// What the channel's configuration says for contracts that say nothing.
    ChannelDefault,
    /// These.
    Policy(EndorsementPolicy),
}

/// A definition without its component, as messages name it: defaults are filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) name: ContractId,
    pub(crate) sequence: i64,
    pub(crate) version: String,
    pub(crate) endorsement: EndorsementRule,
}

// === impl Definition ===

impl Definition {
    pub(crate) fn new(parameters: &Parameters, component_sha256: [u8; 32]) -> Self {
        Self {
            sequence: parameters.sequence,
            version: parameters.version.clone(),
            component_sha256,
            endorsement: parameters.endorsement.clone(),
        }
    }
}

// === impl EndorsementRule ===

impl EndorsementRule {
    /// The endorsement policy on a channel of `members` whose default is `default`.
    ///
    /// # Errors
    /// [`MetaPolicyError`] when the default cannot be one of these members.
    pub fn resolve(
        &self,
        default: &MetaPolicy,
        members: &BTreeSet<MspId>,
    ) -> Result<EndorsementPolicy, MetaPolicyError> {
        match self {
            Self::ChannelDefault => default.as_endorsement_policy(members),
            Self::Policy(policy) => Ok(policy.clone()),
        }
    }

    /// The message that a definition carries it in.
    pub fn to_proto(&self) -> ApplicationPolicy {
        use application_policy::Type;
        ApplicationPolicy {
            r#type: Some(match self {
                Self::ChannelDefault => {
                    Type::ChannelConfigPolicyReference(CHANNEL_DEFAULT.to_owned())
                }
                Self::Policy(policy) => Type::SignaturePolicy(policy.to_proto()),
            }),
        }
    }

    /// Reads that message.
    ///
    /// # Errors
    /// A sentence saying what is wrong.
    pub fn from_proto(message: &ApplicationPolicy) -> Result<Self, String> {
        use application_policy::Type;
        match &message.r#type {
            Some(Type::SignaturePolicy(policy)) => EndorsementPolicy::from_proto(policy)
                .map(Self::Policy)
                .map_err(|error| error.to_string()),
            Some(Type::ChannelConfigPolicyReference(reference)) if reference == CHANNEL_DEFAULT => {
                Ok(Self::ChannelDefault)
            }
            Some(Type::ChannelConfigPolicyReference(_)) => Err(format!(
                "the only policy of the channel that a definition can refer to is \
                 {CHANNEL_DEFAULT}; give a signature policy instead"
            )),
            None => Err("it is neither a signature policy nor a reference".to_owned()),
        }
    }

    /// `validation_parameter` of Fabric's messages.
    pub(crate) fn encode(&self) -> Bytes {
        encode(&self.to_proto())
    }

    /// Whether the hosts of these members can satisfy it; else a sentence saying why not.
    fn check(&self, members: &BTreeSet<MspId>) -> Result<(), String> {
        let Self::Policy(policy) = self else {
            return Ok(());
        };
        if let Some(stranger) = policy
            .principals()
            .into_iter()
            .find(|p| !members.contains(&p.msp_id))
        {
            return Err(format!(
                "the endorsement policy asks for {stranger}, but {} is no member of the channel: \
                 leave it out, or make it a member first",
                stranger.msp_id
            ));
        }
        let possible = MetaPolicy::Signatures(policy.clone()).could_be_met(members);
        possible.map_err(|refusal| format!("the endorsement policy is no use: {refusal}"))
    }
}

// === impl Parameters ===

impl Parameters {
    /// Checks what an argument names, for a channel of `members`.
    ///
    /// # Errors
    /// A sentence saying what is wrong and what to do.
    pub(crate) fn read(args: &DefinitionArgs, members: &BTreeSet<MspId>) -> Result<Self, String> {
        let name = contract_name(&args.name)?;
        if args.sequence < 1 {
            return Err(format!(
                "sequence {} is not one: a contract's first definition has sequence 1",
                args.sequence
            ));
        }
        check_version(&args.version).map_err(|error| error.to_string())?;
        for (what, given, only) in [
            ("endorsement", &args.endorsement_plugin, ENDORSEMENT_PLUGIN),
            ("validation", &args.validation_plugin, VALIDATION_PLUGIN),
        ] {
            if !given.is_empty() && given != only {
                return Err(format!(
                    "there are no {what} plugins here: leave it empty, or say {only}"
                ));
            }
        }
        if args.init_required {
            return Err(
                "contracts here have no init function: leave init-required out; a contract that \
                 must change its state for a new version exports `upgrade`"
                    .to_owned(),
            );
        }
        if args
            .collections
            .as_ref()
            .is_some_and(|c| !c.config.is_empty())
        {
            return Err(
                "private data collections are not supported yet: leave them out".to_owned(),
            );
        }
        let endorsement = if args.validation_parameter.is_empty() {
            EndorsementRule::ChannelDefault
        } else {
            let what = "validation parameter (the endorsement policy)";
            let message = decode(&args.validation_parameter, what).map_err(|e| e.to_string())?;
            EndorsementRule::from_proto(&message).map_err(|e| format!("{what}: {e}"))?
        };
        endorsement.check(members)?;
        Ok(Self {
            name,
            sequence: args.sequence,
            version: args.version.clone(),
            endorsement,
        })
    }

    /// What a definition of the same sequence says otherwise, in Fabric's words; its component aside.
    pub(crate) fn differences(&self, other: &Definition) -> Vec<&'static str> {
        let mut items = Vec::new();
        if self.sequence != other.sequence {
            items.push(CHAINCODE_PARAMETERS);
        }
        if self.version != other.version {
            items.push(ENDORSEMENT_INFO);
        }
        if self.endorsement != other.endorsement {
            items.push(VALIDATION_INFO);
        }
        items
    }
}

/// Nothing of this name and sequence.
pub(crate) const CHAINCODE_PARAMETERS: &str = "ChaincodeParameters";
/// Another version (or init or endorsement plugin, which have one value here).
pub(crate) const ENDORSEMENT_INFO: &str = "EndorsementInfo";
/// Another endorsement policy (or validation plugin, which has one value here).
pub(crate) const VALIDATION_INFO: &str = "ValidationInfo";
/// Another component. Fabric's members agree on no code, so it has no word for this.
pub(crate) const PACKAGE: &str = "Package";

/// What such an item means, in words.
pub(crate) fn in_words(item: &str) -> &'static str {
    match item {
        ENDORSEMENT_INFO => "another version",
        VALIDATION_INFO => "another endorsement policy",
        PACKAGE => "another component",
        _ => "another sequence",
    }
}

/// The name of a contract that can be defined.
pub(crate) fn contract_name(name: &str) -> Result<ContractId, String> {
    if SYSTEM_NAMES.contains(&name) {
        return Err(format!(
            "{name} is a contract that hosts answer themselves: choose another name"
        ));
    }
    name.parse()
        .map_err(|error: cordon_types::IdError| error.to_string())
}
