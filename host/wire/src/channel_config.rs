//! What Fabric's tools are told of a channel: its configuration in the shape that their parser asks for
//! (section 18), made of what the channel's own document says. It is computed for whoever asks and
//! stands in no block.
//!
//! Policies are those of Fabric's usual `configtx.yaml`. They tell tools what the channel is like; what
//! decides here is the document.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::encode;
use crate::proto::common::implicit_meta_policy::Rule as MetaRule;
use crate::proto::common::msp_principal::Classification;
use crate::proto::common::msp_role::MspRoleType as Role;
use crate::proto::common::{self, ConfigGroup, ConfigPolicy, ConfigValue};
use crate::proto::{msp, orderer};

/// Capabilities that every version of Fabric from 2.0 on knows.
const CAPABILITY: &str = "V2_0";
/// The only width that Fabric takes: all data of a block are hashed at once.
const HASHING_WIDTH: u32 = u32::MAX;
const SIGNATURE: i32 = 1;
const IMPLICIT_META: i32 = 3;
/// Who would have to sign a change, by the name of a policy.
const ADMINS: &str = "Admins";
const ORDERER_ADMINS: &str = "/Channel/Orderer/Admins";

/// What a channel is like.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelProfile {
    /// Number of the configuration.
    pub sequence: u64,
    /// The member organisations; their names are their MSP ids.
    pub members: Vec<msp::FabricMspConfig>,
    /// Where the ordering log is.
    pub ordering: Ordering,
}

/// Where the ordering log is, and when it closes blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordering {
    /// MSP id of the member that keeps it.
    pub msp_id: String,
    /// `host:port`.
    pub address: String,
    /// Most transactions in a block, at least 1.
    pub transactions_max: u32,
    /// Most bytes of envelopes in a block, unless a single one is larger; at least 1.
    pub block_bytes_max: u32,
    /// Most bytes of one envelope.
    pub envelope_bytes_max: u32,
    /// Longest that a block stays open, as Go's `time.ParseDuration` reads it.
    pub timeout: String,
}

/// The four roles' units in an organisation's certificates, in Fabric's form. No certificate is named:
/// every authority of the organisation gives them.
pub fn node_ous(
    client: &str,
    peer: &str,
    admin: &str,
    orderer: &str,
) -> Option<msp::FabricNodeOUs> {
    let unit = |name: &str| {
        Some(msp::FabricOuIdentifier {
            certificate: Bytes::new(),
            organizational_unit_identifier: name.to_owned(),
        })
    };
    Some(msp::FabricNodeOUs {
        enable: true,
        client_ou_identifier: unit(client),
        peer_ou_identifier: unit(peer),
        admin_ou_identifier: unit(admin),
        orderer_ou_identifier: unit(orderer),
    })
}

/// The hash functions of every organisation; Fabric has no others.
pub fn crypto_config() -> Option<msp::FabricCryptoConfig> {
    Some(msp::FabricCryptoConfig {
        signature_hash_family: "SHA2".to_owned(),
        identity_identifier_hash_function: "SHA256".to_owned(),
    })
}

/// The configuration. The same profile gives the same bytes: maps encode in the order of their keys.
pub fn channel_config(profile: &ChannelProfile) -> common::Config {
    let ChannelProfile {
        sequence,
        members,
        ordering,
    } = profile;
    let address = encode(&common::OrdererAddresses {
        addresses: vec![ordering.address.clone()],
    });
    let group = ConfigGroup {
        groups: named([
            ("Orderer", orderer_group(ordering, members, &address)),
            ("Application", application_group(members)),
        ]),
        values: named([
            (
                "HashingAlgorithm",
                value(encode(&common::HashingAlgorithm {
                    name: "SHA256".to_owned(),
                })),
            ),
            (
                "BlockDataHashingStructure",
                value(encode(&common::BlockDataHashingStructure {
                    width: HASHING_WIDTH,
                })),
            ),
            (
                "OrdererAddresses",
                ConfigValue {
                    mod_policy: ORDERER_ADMINS.to_owned(),
                    ..value(address)
                },
            ),
            ("Capabilities", capabilities()),
        ]),
        policies: named(usual_policies()),
        ..owned()
    };
    common::Config {
        sequence: *sequence,
        channel_group: Some(group),
    }
}

fn application_group(members: &[msp::FabricMspConfig]) -> ConfigGroup {
    let groups = members.iter().map(|member| {
        let group = organization_group(member, member_policies(member), []);
        (member.name.clone(), group)
    });
    let [readers, writers, admins] = usual_policies();
    ConfigGroup {
        groups: groups.collect(),
        values: named([("Capabilities", capabilities())]),
        policies: named([
            readers,
            writers,
            admins,
            ("Endorsement", meta(MetaRule::Majority, "Endorsement")),
            (
                "LifecycleEndorsement",
                meta(MetaRule::Majority, "Endorsement"),
            ),
        ]),
        ..owned()
    }
}

fn orderer_group(
    ordering: &Ordering,
    members: &[msp::FabricMspConfig],
    address: &Bytes,
) -> ConfigGroup {
    let keepers = members
        .iter()
        .filter(|member| member.name == ordering.msp_id);
    let groups = keepers.map(|member| {
        let endpoints = [("Endpoints", value(address.clone()))];
        let group = organization_group(member, keeper_policies(member), endpoints);
        (member.name.clone(), group)
    });
    let [readers, writers, admins] = usual_policies();
    let preferred = ordering.block_bytes_max;
    ConfigGroup {
        groups: groups.collect(),
        values: named([
            (
                "ConsensusType",
                // Fabric's orderers would look for what follows their own; its clients do not.
                value(encode(&orderer::ConsensusType {
                    r#type: "cordon".to_owned(),
                    metadata: Bytes::new(),
                    state: 0,
                })),
            ),
            (
                "BatchSize",
                value(encode(&orderer::BatchSize {
                    max_message_count: ordering.transactions_max,
                    // Fabric takes no block that may be larger than what it may hold.
                    absolute_max_bytes: ordering.envelope_bytes_max.max(preferred),
                    preferred_max_bytes: preferred,
                })),
            ),
            (
                "BatchTimeout",
                value(encode(&orderer::BatchTimeout {
                    timeout: ordering.timeout.clone(),
                })),
            ),
            (
                "ChannelRestrictions",
                value(encode(&orderer::ChannelRestrictions::default())),
            ),
            ("Capabilities", capabilities()),
        ]),
        policies: named([
            readers,
            writers,
            admins,
            ("BlockValidation", meta(MetaRule::Any, "Writers")),
        ]),
        ..owned()
    }
}

fn organization_group<const N: usize>(
    organization: &msp::FabricMspConfig,
    policies: Vec<(&'static str, ConfigPolicy)>,
    values: [(&'static str, ConfigValue); N],
) -> ConfigGroup {
    let msp = value(encode(&msp::MspConfig {
        r#type: 0,
        config: encode(organization),
    }));
    ConfigGroup {
        values: named(values.into_iter().chain([("MSP", msp)])),
        policies: named(policies),
        ..owned()
    }
}

/// As `configtx.yaml` has them for a member. Where units give no roles there are none to ask for.
fn member_policies(member: &msp::FabricMspConfig) -> Vec<(&'static str, ConfigPolicy)> {
    let with_roles: [(&str, &[Role]); 4] = [
        ("Readers", &[Role::Admin, Role::Peer, Role::Client]),
        ("Writers", &[Role::Admin, Role::Client]),
        (ADMINS, &[Role::Admin]),
        ("Endorsement", &[Role::Peer]),
    ];
    let without: [(&str, &[Role]); 4] = [
        ("Readers", &[Role::Member]),
        ("Writers", &[Role::Member]),
        (ADMINS, &[Role::Admin]),
        ("Endorsement", &[Role::Member]),
    ];
    let roles = member
        .fabric_node_ous
        .as_ref()
        .is_some_and(|units| units.enable);
    let policies = if roles { with_roles } else { without };
    let policies = policies.into_iter();
    policies
        .map(|(name, roles)| (name, any_of(&member.name, roles)))
        .collect()
}

fn keeper_policies(keeper: &msp::FabricMspConfig) -> Vec<(&'static str, ConfigPolicy)> {
    let policies: [(&str, &[Role]); 3] = [
        ("Readers", &[Role::Member]),
        ("Writers", &[Role::Member]),
        (ADMINS, &[Role::Admin]),
    ];
    let policies = policies.into_iter();
    policies
        .map(|(name, roles)| (name, any_of(&keeper.name, roles)))
        .collect()
}

/// Those of every group with organisations below it.
fn usual_policies() -> [(&'static str, ConfigPolicy); 3] {
    [
        ("Readers", meta(MetaRule::Any, "Readers")),
        ("Writers", meta(MetaRule::Any, "Writers")),
        (ADMINS, meta(MetaRule::Majority, ADMINS)),
    ]
}

fn meta(rule: MetaRule, sub_policy: &str) -> ConfigPolicy {
    let value = encode(&common::ImplicitMetaPolicy {
        sub_policy: sub_policy.to_owned(),
        rule: rule as i32,
    });
    policy(IMPLICIT_META, value)
}

/// `OR` of an organisation's roles, as section 14 encodes it.
fn any_of(msp_id: &str, roles: &[Role]) -> ConfigPolicy {
    use common::signature_policy::{NOutOf, Type};
    let signed_by = (0..)
        .take(roles.len())
        .map(|index| common::SignaturePolicy {
            r#type: Some(Type::SignedBy(index)),
        });
    let rule = common::SignaturePolicy {
        r#type: Some(Type::NOutOf(NOutOf {
            n: 1,
            rules: signed_by.collect(),
        })),
    };
    let principal = |role: &Role| common::MspPrincipal {
        principal_classification: Classification::Role as i32,
        principal: encode(&common::MspRole {
            msp_identifier: msp_id.to_owned(),
            role: *role as i32,
        }),
    };
    let envelope = common::SignaturePolicyEnvelope {
        version: 0,
        rule: Some(rule),
        identities: roles.iter().map(principal).collect(),
    };
    policy(SIGNATURE, encode(&envelope))
}

fn policy(r#type: i32, value: Bytes) -> ConfigPolicy {
    ConfigPolicy {
        version: 0,
        policy: Some(common::Policy { r#type, value }),
        mod_policy: ADMINS.to_owned(),
    }
}

fn capabilities() -> ConfigValue {
    value(encode(&common::Capabilities {
        capabilities: [(CAPABILITY.to_owned(), common::Capability {})].into(),
    }))
}

fn value(bytes: Bytes) -> ConfigValue {
    ConfigValue {
        version: 0,
        value: bytes,
        mod_policy: ADMINS.to_owned(),
    }
}

/// An empty group that admins would change.
fn owned() -> ConfigGroup {
    ConfigGroup {
        mod_policy: ADMINS.to_owned(),
        ..ConfigGroup::default()
    }
}

fn named<T>(entries: impl IntoIterator<Item = (&'static str, T)>) -> BTreeMap<String, T> {
    let entries = entries.into_iter();
    entries.map(|(name, it)| (name.to_owned(), it)).collect()
}

#[cfg(test)]
mod tests;
