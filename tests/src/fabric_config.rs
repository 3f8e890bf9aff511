//! Fabric's parser of channel configurations, as strict as the one in its command line (its package
//! `channelconfig`): what it would refuse is an error here, and so is what it would take without a
//! word but warn of.

use std::collections::BTreeMap;

use bytes::Bytes;
use cordon_identity::Certificate;
use cordon_wire::proto::common::{self, ConfigGroup, ConfigPolicy, signature_policy};
use cordon_wire::proto::{msp, orderer};
use cordon_wire::{Message, encode};

/// What a tool learns of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Number of the configuration.
    pub sequence: u64,
    /// Orderers of the channel as a whole; the first is asked when no other is named.
    pub orderers: Vec<String>,
    /// Orderers by the organisation that runs them.
    pub endpoints: BTreeMap<String, Vec<String>>,
    /// MSP ids of the members.
    pub members: Vec<String>,
}

type Result<T> = std::result::Result<T, String>;

const CHANNEL_CAPABILITIES: [&str; 6] = ["V1_1", "V1_3", "V1_4_2", "V1_4_3", "V2_0", "V3_0"];
const ORDERER_CAPABILITIES: [&str; 3] = ["V1_1", "V1_4_2", "V2_0"];
const APPLICATION_CAPABILITIES: [&str; 6] = ["V1_1", "V1_2", "V1_3", "V1_4_2", "V2_0", "V2_5"];

impl Bundle {
    /// Reads an encoded `common.Config` of `channel`.
    ///
    /// # Errors
    /// What Fabric would not take, and where.
    pub fn parse(channel: &str, bytes: &Bytes) -> Result<Self> {
        let letters =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
        ensure(
            channel.len() <= 249
                && channel.starts_with(|c: char| c.is_ascii_lowercase())
                && channel.bytes().all(letters),
            || format!("channel id {channel:?}"),
        )?;
        let config: common::Config = strictly(bytes, "config")?;
        let root = config.channel_group.ok_or("no channel group")?;
        ids(&root, "/Channel")?;
        policies(&root, "/Channel", &root)?;
        only("/Channel", root.groups.keys(), &["Orderer", "Application"])?;
        let path = "/Channel";
        only(
            path,
            root.values.keys(),
            &[
                "HashingAlgorithm",
                "BlockDataHashingStructure",
                "OrdererAddresses",
                "Consortium",
                "Capabilities",
            ],
        )?;
        let hashing: common::HashingAlgorithm = value(&root, path, "HashingAlgorithm")?;
        ensure(
            ["SHA256", "SHA3_256"].contains(&hashing.name.as_str()),
            || format!("hashing algorithm {:?}", hashing.name),
        )?;
        let width: common::BlockDataHashingStructure =
            value(&root, path, "BlockDataHashingStructure")?;
        ensure(width.width == u32::MAX, || format!("width {}", width.width))?;
        let orderers: common::OrdererAddresses = value(&root, path, "OrdererAddresses")?;
        ensure(!orderers.addresses.is_empty(), || {
            "must set some OrdererAddresses".to_owned()
        })?;
        addresses(&orderers.addresses)?;
        capabilities(&root, path, &CHANNEL_CAPABILITIES)?;

        let mut msps = BTreeMap::new();
        let group = |name: &str| root.groups.get(name).ok_or(format!("no group {name}"));
        let endpoints = ordering(group("Orderer")?, &mut msps)?;
        let members = application(group("Application")?, &mut msps)?;
        Ok(Self {
            sequence: config.sequence,
            orderers: orderers.addresses,
            endpoints,
            members,
        })
    }
}

fn ordering(
    group: &ConfigGroup,
    msps: &mut BTreeMap<String, Bytes>,
) -> Result<BTreeMap<String, Vec<String>>> {
    let path = "/Channel/Orderer";
    only(
        path,
        group.values.keys(),
        &[
            "ConsensusType",
            "BatchSize",
            "BatchTimeout",
            "ChannelRestrictions",
            "Capabilities",
            "KafkaBrokers",
        ],
    )?;
    let kind: orderer::ConsensusType = value(group, path, "ConsensusType")?;
    ensure(!kind.r#type.is_empty() && kind.state == 0, || {
        format!("consensus {kind:?}")
    })?;
    let size: orderer::BatchSize = value(group, path, "BatchSize")?;
    ensure(
        size.max_message_count > 0
            && size.preferred_max_bytes > 0
            && size.preferred_max_bytes <= size.absolute_max_bytes,
        || format!("batch size {size:?}"),
    )?;
    let timeout: orderer::BatchTimeout = value(group, path, "BatchTimeout")?;
    // Of what `time.ParseDuration` takes, only what we write.
    let number = timeout.timeout.strip_suffix("ms");
    let number = number.or(timeout.timeout.strip_suffix('s'));
    ensure(
        number.is_some_and(|number| number.parse::<u32>().is_ok_and(|n| n > 0)),
        || format!("batch timeout {:?}", timeout.timeout),
    )?;
    let _: orderer::ChannelRestrictions = value(group, path, "ChannelRestrictions")?;
    capabilities(group, path, &ORDERER_CAPABILITIES)?;
    named(group, path, &["BlockValidation"])?;
    let mut endpoints = BTreeMap::new();
    for (name, organization) in &group.groups {
        let path = format!("{path}/{name}");
        organization_of(organization, &path, name, &["MSP", "Endpoints"], msps)?;
        let found: common::OrdererAddresses = value(organization, &path, "Endpoints")?;
        addresses(&found.addresses)?;
        endpoints.insert(name.clone(), found.addresses);
    }
    ensure(!endpoints.is_empty(), || {
        "no ordering organisation".to_owned()
    })?;
    Ok(endpoints)
}

fn application(group: &ConfigGroup, msps: &mut BTreeMap<String, Bytes>) -> Result<Vec<String>> {
    let path = "/Channel/Application";
    only(path, group.values.keys(), &["Capabilities", "ACLs"])?;
    capabilities(group, path, &APPLICATION_CAPABILITIES)?;
    named(group, path, &["Endorsement", "LifecycleEndorsement"])?;
    for (name, organization) in &group.groups {
        let path = format!("{path}/{name}");
        organization_of(organization, &path, name, &["MSP", "AnchorPeers"], msps)?;
        named(organization, &path, &["Endorsement"])?;
    }
    Ok(group.groups.keys().cloned().collect())
}

fn organization_of(
    group: &ConfigGroup,
    path: &str,
    name: &str,
    values: &[&str],
    msps: &mut BTreeMap<String, Bytes>,
) -> Result<()> {
    ensure(group.groups.is_empty(), || format!("{path} has sub-groups"))?;
    only(path, group.values.keys(), values)?;
    let config: msp::MspConfig = value(group, path, "MSP")?;
    ensure(config.r#type == 0, || {
        format!("{path}: MSP type {}", config.r#type)
    })?;
    let fabric: msp::FabricMspConfig = strictly(&config.config, path)?;
    membership(&fabric, path)?;
    ensure(fabric.name == name, || {
        format!("{path} is of MSP {:?}", fabric.name)
    })?;
    let first = msps.entry(fabric.name).or_insert(config.config.clone());
    ensure(*first == config.config, || {
        format!("{path}: two versions of one MSP")
    })
}

/// As `msp.Setup` from version 1.4.3 on.
fn membership(config: &msp::FabricMspConfig, path: &str) -> Result<()> {
    let crypto = config.crypto_config.clone().unwrap_or_default();
    ensure(
        crypto.signature_hash_family == "SHA2"
            && crypto.identity_identifier_hash_function == "SHA256",
        || format!("{path}: {crypto:?}"),
    )?;
    ensure(!config.root_certs.is_empty(), || {
        format!("{path}: expected at least one CA certificate")
    })?;
    let authorities = config.root_certs.iter().chain(&config.intermediate_certs);
    for authority in authorities.chain(&config.tls_root_certs) {
        let certificate = Certificate::from_pem(authority)
            .map_err(|error| format!("{path}: authority: {error}"))?;
        // The extension SubjectKeyIdentifier, without which Fabric takes no authority.
        let identifier = [0x06, 0x03, 0x55, 0x1d, 0x0e];
        let identified = certificate.der().windows(5).any(|part| part == identifier);
        ensure(certificate.is_ca() && identified, || {
            format!("{path}: no authority")
        })?;
    }
    for admin in &config.admins {
        Certificate::from_pem(admin).map_err(|error| format!("{path}: admin: {error}"))?;
    }
    let Some(units) = &config.fabric_node_ous else {
        return ensure(!config.admins.is_empty(), || {
            format!(
                "{path}: administrators must be declared when no admin ou classification is set"
            )
        });
    };
    let all = [
        &units.client_ou_identifier,
        &units.peer_ou_identifier,
        &units.admin_ou_identifier,
        &units.orderer_ou_identifier,
    ];
    for unit in all {
        let unit = unit.clone().unwrap_or_default();
        let known = config.root_certs.iter().chain(&config.intermediate_certs);
        ensure(
            units.enable
                && !unit.organizational_unit_identifier.is_empty()
                && (unit.certificate.is_empty()
                    || known.into_iter().any(|root| *root == unit.certificate)),
            || format!("{path}: node OU {unit:?}"),
        )?;
    }
    Ok(())
}

/// Every policy of a group and those below can be compiled, and whoever may change anything is named
/// by one that is there.
fn policies(group: &ConfigGroup, path: &str, root: &ConfigGroup) -> Result<()> {
    named(group, path, &["Readers", "Writers", "Admins"])?;
    owned(group, path, "the group", &group.mod_policy, root)?;
    for (name, value) in &group.values {
        owned(group, path, name, &value.mod_policy, root)?;
    }
    for (name, entry) in &group.policies {
        owned(group, path, name, &entry.mod_policy, root)?;
        compiles(entry, group).map_err(|error| format!("{path}, policy {name}: {error}"))?;
    }
    for (name, below) in &group.groups {
        policies(below, &format!("{path}/{name}"), root)?;
    }
    Ok(())
}

fn owned(
    group: &ConfigGroup,
    path: &str,
    what: &str,
    mod_policy: &str,
    root: &ConfigGroup,
) -> Result<()> {
    let mut place = group;
    let mut name = mod_policy;
    if let Some(absolute) = mod_policy.strip_prefix("/Channel/") {
        place = root;
        let mut steps: Vec<&str> = absolute.split('/').collect();
        name = steps.pop().unwrap_or_default();
        for step in steps {
            let next = place.groups.get(step);
            place = next.ok_or(format!("{path}, {what}: mod_policy {mod_policy}"))?;
        }
    }
    ensure(place.policies.contains_key(name), || {
        format!("{path}, {what}: mod_policy {mod_policy:?} is not there")
    })
}

fn compiles(entry: &ConfigPolicy, group: &ConfigGroup) -> Result<()> {
    let policy = entry.policy.as_ref().ok_or("it is nil")?;
    match policy.r#type {
        1 => {
            let envelope: common::SignaturePolicyEnvelope = strictly(&policy.value, "envelope")?;
            ensure(envelope.version == 0, || "version".to_owned())?;
            for identity in &envelope.identities {
                ensure(identity.principal_classification == 0, || {
                    "a principal that is no role".to_owned()
                })?;
                let role: common::MspRole = strictly(&identity.principal, "role")?;
                ensure(!role.msp_identifier.is_empty(), || "no MSP id".to_owned())?;
            }
            rule(envelope.rule.as_ref(), envelope.identities.len())
        }
        3 => {
            let meta: common::ImplicitMetaPolicy = strictly(&policy.value, "meta policy")?;
            common::implicit_meta_policy::Rule::try_from(meta.rule)
                .map_err(|error| error.to_string())?;
            let mut below = group.groups.iter();
            match below.find(|(_, below)| !below.policies.contains_key(&meta.sub_policy)) {
                Some((name, _)) => Err(format!("{name} has no policy {}", meta.sub_policy)),
                None => Ok(()),
            }
        }
        other => Err(format!("type {other}")),
    }
}

fn rule(policy: Option<&common::SignaturePolicy>, identities: usize) -> Result<()> {
    match policy.and_then(|policy| policy.r#type.as_ref()) {
        None => Err("empty policy element".to_owned()),
        Some(signature_policy::Type::SignedBy(index)) => ensure(
            usize::try_from(*index).is_ok_and(|index| index < identities),
            || format!("identity index out of range: {index}"),
        ),
        Some(signature_policy::Type::NOutOf(gate)) => {
            ensure(gate.n > 0 && !gate.rules.is_empty(), || {
                "empty gate".to_owned()
            })?;
            let mut rules = gate.rules.iter();
            rules.try_for_each(|inner| rule(Some(inner), identities))
        }
    }
}

fn capabilities(group: &ConfigGroup, path: &str, known: &[&str]) -> Result<()> {
    let found: common::Capabilities = value(group, path, "Capabilities")?;
    ensure(!found.capabilities.is_empty(), || {
        format!("{path}: no capabilities")
    })?;
    only(path, found.capabilities.keys(), known)
}

fn addresses(addresses: &[String]) -> Result<()> {
    let good = |address: &String| {
        let split = address.rsplit_once(':');
        split.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    let mut bad = addresses.iter().filter(|address| !good(address));
    bad.next()
        .map_or(Ok(()), |address| Err(format!("address {address:?}")))
}

fn value<M: Message + Default>(group: &ConfigGroup, path: &str, name: &str) -> Result<M> {
    let value = group.values.get(name);
    let value = value.ok_or(format!("{path} has no value {name}"))?;
    strictly(&value.value, name)
}

/// Decodes a message that must have no fields but those that it is known to have, in the one encoding.
fn strictly<M: Message + Default>(bytes: &Bytes, what: &str) -> Result<M> {
    let message = M::decode(bytes.clone()).map_err(|error| format!("{what}: {error}"))?;
    ensure(encode(&message) == *bytes, || {
        format!("{what} has two encodings")
    })?;
    Ok(message)
}

fn named(group: &ConfigGroup, path: &str, names: &[&str]) -> Result<()> {
    let mut missing = names
        .iter()
        .filter(|name| !group.policies.contains_key(**name));
    missing
        .next()
        .map_or(Ok(()), |name| Err(format!("{path} has no policy {name}")))
}

fn only<'a>(path: &str, found: impl Iterator<Item = &'a String>, known: &[&str]) -> Result<()> {
    let mut unknown = found.filter(|name| !known.contains(&name.as_str()));
    unknown
        .next()
        .map_or(Ok(()), |name| Err(format!("{path}: unexpected key {name}")))
}

/// Names of groups, values and policies, as `configtx` takes them.
fn ids(group: &ConfigGroup, path: &str) -> Result<()> {
    let good = |name: &str| {
        (1..=249).contains(&name.len())
            && ![".", ".."].contains(&name)
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
    };
    let names = group.groups.keys().chain(group.values.keys());
    for name in names.chain(group.policies.keys()) {
        ensure(good(name), || {
            format!("{path}: illegal characters in {name:?}")
        })?;
    }
    let mut below = group.groups.iter();
    below.try_for_each(|(name, below)| ids(below, &format!("{path}/{name}")))
}

fn ensure(holds: bool, error: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(error()) }
}
