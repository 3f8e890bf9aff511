use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use cordon_identity::{CertificateAuthority, MspConfig, Validity};
use cordon_policy::{ACCESS_TEXT_BYTES_MAX, AccessPolicyFile};
use proptest::prelude::*;

use super::super::tests::config as one_member;
use super::super::{ChannelConfig, ContractConfig, OrganizationConfig};
use super::is_address;

fn organization(name: &str, host: &str) -> OrganizationConfig {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = since.as_secs().cast_signed();
    let validity = Validity {
        not_before: now - 3600,
        not_after: now + 3600,
    };
    let authority = CertificateAuthority::create(name, name, validity).unwrap();
    let pem = authority.certificate().to_pem().unwrap();
    OrganizationConfig {
        msp: MspConfig::new(name.parse().unwrap(), pem.clone(), pem),
        hosts: vec![host.to_owned()],
    }
}

/// Two members and two contracts. Keys are made once: they cost most of these tests.
fn config() -> ChannelConfig {
    static CONFIG: LazyLock<ChannelConfig> = LazyLock::new(|| {
        let mut config = one_member();
        config.organizations = vec![
            organization("HospitalMSP", "hospital.example:7051"),
            organization("ClinicMSP", "clinic.example:7051"),
        ];
        config.contracts.push(ContractConfig {
            name: "sharing".to_owned(),
            sequence: 3,
            version: "2.0.0".to_owned(),
            sha256: "11".repeat(32),
            endorsement_policy: None,
        });
        config
    });
    CONFIG.clone()
}

fn refused(change: impl FnOnce(&mut ChannelConfig)) -> String {
    let now = config();
    let mut next = now.clone();
    change(&mut next);
    let error = now.check_next(&next).unwrap_err();
    // The document is refused with the same words.
    assert_eq!(now.followed_by(&next.to_document()).unwrap_err(), error);
    error
}

fn text(length: usize) -> AccessPolicyFile {
    AccessPolicyFile {
        contract: "sharing".to_owned(),
        text: " ".repeat(length),
    }
}

#[test]
fn code_is_not_changed_by_a_configuration() {
    let here =
        "contracts are added by approving and committing them (cordon contract approve), not here";
    assert_eq!(refused(|c| c.contracts.truncate(1)), here);
    assert_eq!(refused(|c| c.contracts.clear()), here);
    assert_eq!(
        refused(|c| c.contracts[1].name = "sharing2".to_owned()),
        here
    );
    assert_eq!(refused(|c| c.contracts.swap(0, 1)), here);
    assert_eq!(refused(|c| c.contracts.push(c.contracts[0].clone())), here);
    let component = "contract sharing: another version or component is approved and committed (cordon contract approve), not put here";
    assert_eq!(
        refused(|c| c.contracts[1].version = "3".to_owned()),
        component
    );
    assert_eq!(
        refused(|c| c.contracts[1].sha256 = "22".repeat(32)),
        component
    );
    let same = "contract sharing: its sequence must be 3, as its definition does not change";
    assert_eq!(refused(|c| c.contracts[1].sequence = 4), same);
    assert_eq!(refused(|c| c.contracts[1].sequence = 2), same);
    let policy = || Some("OR('ClinicMSP.peer')".to_owned());
    let next = "contract sharing: its sequence must be 4, as its definition changes";
    assert_eq!(
        refused(|c| c.contracts[1].endorsement_policy = policy()),
        next
    );
    let change = |c: &mut ChannelConfig| {
        c.contracts[1].endorsement_policy = policy();
        c.contracts[1].sequence = 5;
    };
    assert_eq!(refused(change), next);

    let now = config();
    let mut next = now.clone();
    next.contracts[1].endorsement_policy = policy();
    next.contracts[1].sequence = 4;
    assert_eq!(now.check_next(&next), Ok(()));
    // Of the same text in another place the names are in order, and nothing else is.
    let mut unsorted = now.clone();
    unsorted.contracts.swap(0, 1);
    let mut next = unsorted.clone();
    next.batch.bytes_max += 1;
    let error = "contracts must be in the order of their names; emr is not";
    assert_eq!(unsorted.check_next(&next).unwrap_err(), error);
}

#[test]
fn a_channel_stays_itself() {
    let keeps = "a channel keeps its name and the time when it was made";
    assert_eq!(refused(|_| {}), "it is the one in force");
    assert_eq!(refused(|c| c.channel = "cards".to_owned()), keeps);
    assert_eq!(refused(|c| c.created.push('Z')), keeps);
}

#[test]
fn what_names_nobody_or_one_twice_is_refused() {
    assert_eq!(
        refused(|c| c.organizations.push(c.organizations[0].clone())),
        "organisation HospitalMSP is there twice"
    );
    let host = |address: &str| {
        let address = address.to_owned();
        refused(move |c| c.organizations[1].hosts.push(address))
    };
    for twice in ["clinic.example:7051", "hospital.example:7051"] {
        assert_eq!(host(twice), format!("host {twice} is there twice"));
    }
    let long = "a".repeat(256) + ":7051";
    for none in [
        "",
        "clinic",
        ":7051",
        "clinic:",
        "clinic:0",
        "clinic:65536",
        "clinic:-1",
        "clinic:x",
        "clinic/x:7051",
        "cli nic:7051",
        "clinic\n:7051",
        "klinik\u{e9}:7051",
        &long,
    ] {
        let shown: String = none.chars().take(64).collect();
        let expected = format!("{shown:?} is not the address of a host, host:port");
        assert_eq!(host(none), expected);
    }
    assert_eq!(
        refused(|c| c.ordering.address = "log.example:7051".to_owned()),
        "the ordering log is at log.example:7051, which is no organisation's host: name it among the hosts of one"
    );
    // Nothing here needs the clinic, but the hospital keeps the log.
    let now = config();
    let mut next = now.clone();
    next.organizations.truncate(1);
    assert_eq!(now.check_next(&next), Ok(()));
    let told = refused(|c| drop(c.organizations.remove(0)));
    let needs = "HospitalMSP is no member of the channel";
    assert_eq!(told, format!("endorsement policy of contract emr: {needs}"));
}

#[test]
fn access_policies_are_of_contracts_that_are_there() {
    let stranger = || AccessPolicyFile {
        contract: "x".repeat(100),
        text: String::new(),
    };
    let expected = format!(
        "access policies of contract {}: there is no such contract",
        "x".repeat(64)
    );
    assert_eq!(refused(|c| c.access_policies.push(stranger())), expected);
    assert_eq!(
        refused(|c| c.access_policies.push(c.access_policies[0].clone())),
        "access policies of contract emr: they are there twice"
    );
    let now = config();
    let mut next = now.clone();
    next.access_policies.push(text(ACCESS_TEXT_BYTES_MAX));
    assert_eq!(now.check_next(&next), Ok(()));
    assert_eq!(
        refused(|c| c.access_policies.push(text(ACCESS_TEXT_BYTES_MAX + 1))),
        format!(
            "access policies of contract sharing: they have more than {ACCESS_TEXT_BYTES_MAX} bytes"
        )
    );
}

#[test]
fn what_nobody_could_satisfy_or_change_again_is_refused() {
    let governance = |policy: &str| {
        let policy = policy.to_owned();
        refused(move |c| c.governance_policy = policy)
    };
    let lifecycle = |policy: &str| {
        let policy = policy.to_owned();
        refused(move |c| c.lifecycle_policy = policy)
    };
    let stranger = "SchoolMSP is no member of the channel";
    let told = governance("OR('SchoolMSP.admin')");
    assert_eq!(told, format!("governance policy: {stranger}"));
    let told = lifecycle("OR('SchoolMSP.peer')");
    assert_eq!(told, format!("lifecycle policy: {stranger}"));
    let told = refused(|c| c.endorsement_policy = "OR('SchoolMSP.peer')".to_owned());
    assert_eq!(
        told,
        format!("endorsement policy of contract sharing: {stranger}")
    );
    let nobody = "nobody could ever satisfy it: ";
    for orderer in [
        governance("OR('ClinicMSP.orderer')"),
        lifecycle("OR('ClinicMSP.orderer')"),
    ] {
        assert!(orderer.contains(nobody), "{orderer}");
    }
    // Without units nobody has a role, and nobody is named.
    let no_units = |c: &mut ChannelConfig, of: &[usize]| {
        for index in of {
            c.organizations[*index].msp.node_ous.enabled = false;
        }
    };
    let told = refused(|c| no_units(c, &[0, 1]));
    let expected = format!("governance policy: {nobody}");
    assert!(told.starts_with(&expected), "{told}");
    let told = refused(|c| no_units(c, &[1]));
    assert!(told.starts_with(&expected), "{told}");
    let change = |c: &mut ChannelConfig| {
        no_units(c, &[1]);
        c.governance_policy = "ANY Admins".to_owned();
    };
    let now = config();
    let mut next = now.clone();
    change(&mut next);
    assert_eq!(now.check_next(&next), Ok(()));
    assert_eq!(
        refused(|c| c.batch.transactions_max = 0),
        "transactions_max must be at least 1"
    );
    assert_eq!(
        refused(|c| c.batch.bytes_max = 0),
        "bytes_max must be at least 1"
    );
}

#[test]
fn certificates_must_be_some() {
    let refuses = |msp_id: &str, rule: &str| {
        format!("the configuration of {msp_id} is not acceptable: {rule}")
    };
    assert_eq!(
        refused(|c| c.organizations[0].msp.root_certs.clear()),
        refuses("HospitalMSP", "it has no root certificate")
    );
    assert_eq!(
        refused(|c| c.organizations[1].msp.node_ous.client = "peer".to_owned()),
        refuses("ClinicMSP", "its role units are not four different names")
    );
    for list in [
        |c: &mut ChannelConfig| c.organizations[1].msp.root_certs.push("none".to_owned()),
        |c: &mut ChannelConfig| {
            c.organizations[1]
                .msp
                .tls_root_certs
                .push("none".to_owned());
        },
        |c: &mut ChannelConfig| c.organizations[1].msp.admins.push("none".to_owned()),
        |c: &mut ChannelConfig| {
            c.organizations[1]
                .msp
                .revocation_list
                .push("none".to_owned());
        },
    ] {
        let told = refused(list);
        let named = ["is malformed: ", "is not one certificate"];
        assert!(named.iter().any(|part| told.contains(part)), "{told}");
    }
}

#[test]
fn a_document_is_taken_in_its_one_encoding() {
    let now = config();
    let mut next = now.clone();
    next.batch.transactions_max = 7;
    let document = next.to_document();
    assert_eq!(now.followed_by(&document), Ok(next.clone()));
    let text = std::str::from_utf8(&document).unwrap();
    let other = "the document is not in its one encoding";
    for bent in [
        format!("{text} "),
        format!("\n{text}"),
        text.replacen("\"channel\":", "\"channel\": ", 1),
        text.replacen("providers", "provi\\u0064ers", 1),
        // A value that is left out when it is empty.
        text.replacen("\"node_ous\"", "\"admins\":[],\"node_ous\"", 1),
    ] {
        assert_ne!(bent, text);
        assert_eq!(
            now.followed_by(bent.as_bytes()).unwrap_err(),
            other,
            "{bent:.80}"
        );
    }
    let none = "the document is no channel configuration";
    for bent in [
        String::new(),
        "{}".to_owned(),
        format!("{text}{text}"),
        text.replacen("{\"channel\"", "{\"x\":1,\"channel\"", 1),
        text.replacen("{\"channel\"", "{\"channel\":\"providers\",\"channel\"", 1),
        text.replacen(":7,", ":7.0,", 1),
        text.replacen(":7,", ":-7,", 1),
    ] {
        assert_ne!(bent, text);
        assert_eq!(
            now.followed_by(bent.as_bytes()).unwrap_err(),
            none,
            "{bent:.80}"
        );
    }
}

proptest! {
    /// Whatever one byte becomes: the document is refused, or is another configuration's one encoding.
    #[test]
    fn no_two_documents_are_one_configuration(at in any::<prop::sample::Index>(), byte: u8) {
        let now = config();
        let mut next = now.clone();
        next.batch.transactions_max = 7;
        let good = next.to_document();
        let mut bytes = good.to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        match now.followed_by(&bytes) {
            Ok(found) => {
                prop_assert_eq!(found.to_document(), &bytes);
                prop_assert_eq!(found == next, bytes == good);
            }
            Err(text) => prop_assert!(!text.is_empty()),
        }
    }

    /// Numbers and lists of any kind, in both directions.
    #[test]
    fn a_configuration_that_can_follow_is_read_again(
        transactions_max in 1usize..1 << 40,
        bytes_max in 1usize..1 << 40,
        ports in prop::collection::btree_set(1u16.., 0..6),
        policy in prop::sample::select(vec!["ANY Admins", "ALL Admins", "OR('ClinicMSP.admin')"]),
    ) {
        let now = config();
        let mut next = now.clone();
        next.batch.transactions_max = transactions_max;
        next.batch.bytes_max = bytes_max;
        next.governance_policy = policy.to_owned();
        next.organizations[1].hosts = ports.iter().map(|port| format!("[::1]:{port}")).collect();
        prop_assert_eq!(now.followed_by(&next.to_document()), Ok(next));
    }
}

#[test]
fn an_address_is_what_every_host_can_connect_to() {
    for good in [
        "127.0.0.1:7051",
        "hospital.example:1",
        "a:65535",
        "[2001:db8::1]:7051",
        "h-1.a-b:80",
    ] {
        assert!(is_address(good), "{good}");
    }
    for bad in [
        "",
        ":7051",
        "hospital",
        "hospital:",
        "hospital:0",
        "hospital:65536",
        "2001:db8::1:7051",
        "[2001:db8::1:7051",
        "[hospital]:7051",
        "a..b:1",
        ".a:1",
        "a.:1",
        "-a:1",
        "a_b:1",
        "a b:1",
        "1.2.3:1",
        "1.2.3.256:1",
        "http://a:1",
    ] {
        assert!(!is_address(bad), "{bad}");
    }
    assert!(!is_address(&format!("{}.a:1", "a".repeat(64))));
}
