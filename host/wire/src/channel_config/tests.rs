use proptest::prelude::*;

use super::*;
use crate::Message as _;

fn organization(name: &str, roles: bool) -> msp::FabricMspConfig {
    msp::FabricMspConfig {
        name: name.to_owned(),
        root_certs: vec![Bytes::from_static(b"root")],
        crypto_config: crypto_config(),
        fabric_node_ous: roles
            .then(|| node_ous("client", "peer", "admin", "orderer"))
            .flatten(),
        ..msp::FabricMspConfig::default()
    }
}

fn profile(members: Vec<msp::FabricMspConfig>) -> ChannelProfile {
    ChannelProfile {
        sequence: 3,
        ordering: Ordering {
            msp_id: members
                .first()
                .map_or(String::new(), |member| member.name.clone()),
            address: "127.0.0.1:7051".to_owned(),
            transactions_max: 500,
            block_bytes_max: 2 << 20,
            envelope_bytes_max: 1 << 20,
            timeout: "100ms".to_owned(),
        },
        members,
    }
}

fn decoded<M: crate::Message + Default>(bytes: &Bytes) -> M {
    M::decode(bytes.clone()).unwrap()
}

#[test]
fn a_channel_has_fabrics_groups_and_its_own_values() {
    let config = channel_config(&profile(vec![
        organization("HospitalMSP", true),
        organization("ClinicMSP", true),
    ]));
    assert_eq!(config.sequence, 3);
    let group = config.channel_group.unwrap();
    let names = |group: &ConfigGroup| group.groups.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&group), ["Application", "Orderer"]);
    assert_eq!(
        names(&group.groups["Application"]),
        ["ClinicMSP", "HospitalMSP"]
    );
    let orderer = &group.groups["Orderer"];
    assert_eq!(names(orderer), ["HospitalMSP"]);
    let endpoints = &orderer.groups["HospitalMSP"].values["Endpoints"].value;
    assert_eq!(*endpoints, group.values["OrdererAddresses"].value);
    let addresses: common::OrdererAddresses = decoded(endpoints);
    assert_eq!(addresses.addresses, ["127.0.0.1:7051"]);
    let batch: orderer::BatchSize = decoded(&orderer.values["BatchSize"].value);
    // Fabric refuses a preferred size above the absolute one.
    assert_eq!(batch.absolute_max_bytes, batch.preferred_max_bytes);
}

/// The bytes that Fabric's own parser of policy text makes of this (section 14).
#[test]
fn a_members_policies_are_those_of_fabrics_text() {
    let config = channel_config(&profile(vec![organization("Org1MSP", false)]));
    let group = &config.channel_group.unwrap().groups["Application"].groups["Org1MSP"];
    let readers = group.policies["Readers"].policy.as_ref().unwrap();
    assert_eq!(readers.r#type, SIGNATURE);
    assert_eq!(
        hex::encode(&readers.value),
        "120812060801120208001a0b12090a074f7267314d5350"
    );
}

#[test]
fn where_units_give_no_roles_none_is_asked_for() {
    let asked = |roles| {
        let config = channel_config(&profile(vec![organization("AMSP", roles)]));
        let group = &config.channel_group.unwrap().groups["Application"].groups["AMSP"];
        let endorsement = group.policies["Endorsement"].policy.clone().unwrap();
        let envelope: common::SignaturePolicyEnvelope = decoded(&endorsement.value);
        decoded::<common::MspRole>(&envelope.identities[0].principal).role
    };
    assert_eq!(asked(true), Role::Peer as i32);
    assert_eq!(asked(false), Role::Member as i32);
}

/// Every policy that a group names is there, and reads as what its type says.
fn hold(group: &ConfigGroup) {
    assert_eq!(group.mod_policy, ADMINS);
    assert!(group.policies.contains_key(ADMINS));
    for entry in group.policies.values() {
        let policy = entry.policy.as_ref().unwrap();
        assert_eq!(entry.mod_policy, ADMINS);
        match policy.r#type {
            SIGNATURE => {
                let envelope: common::SignaturePolicyEnvelope = decoded(&policy.value);
                assert!(!envelope.identities.is_empty());
            }
            IMPLICIT_META => {
                let meta: common::ImplicitMetaPolicy = decoded(&policy.value);
                let below = group.groups.values();
                // What is asked of the groups below is defined in each of them.
                assert!(
                    below
                        .clone()
                        .all(|group| group.policies.contains_key(&meta.sub_policy)),
                    "{}",
                    meta.sub_policy
                );
            }
            other => panic!("policy type {other}"),
        }
    }
    for below in group.groups.values() {
        hold(below);
    }
}

fn any_organization() -> impl Strategy<Value = msp::FabricMspConfig> {
    let bytes = || prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..3);
    ("[A-Za-z0-9.-]{1,12}", bytes(), bytes(), any::<bool>()).prop_map(
        |(name, roots, revoked, roles)| msp::FabricMspConfig {
            root_certs: roots.into_iter().map(Bytes::from).collect(),
            revocation_list: revoked.into_iter().map(Bytes::from).collect(),
            ..organization(&name, roles)
        },
    )
}

proptest! {
    #[test]
    fn any_channel_reads_back_as_one_encoding(
        members in prop::collection::vec(any_organization(), 0..5),
        sequence: u64,
        sizes: [u32; 3],
        address in "[a-z0-9.:-]{0,20}",
    ) {
        let mut profile = profile(members);
        profile.sequence = sequence;
        profile.ordering.address = address;
        profile.ordering.transactions_max = sizes[0];
        profile.ordering.block_bytes_max = sizes[1];
        profile.ordering.envelope_bytes_max = sizes[2];
        let config = channel_config(&profile);
        let bytes = encode(&config);
        let read = common::Config::decode(bytes.clone()).unwrap();
        prop_assert_eq!(&read, &config);
        prop_assert_eq!(encode(&read), bytes);
        // Members in another order are the same channel.
        let names: std::collections::BTreeSet<_> =
            profile.members.iter().map(|member| &member.name).collect();
        if names.len() == profile.members.len() {
            let mut turned = profile.clone();
            turned.members.reverse();
            prop_assert_eq!(channel_config(&turned), config.clone());
        }
        hold(config.channel_group.as_ref().unwrap());
    }
}
