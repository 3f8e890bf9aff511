//! What the command line is told of a channel's configuration.

use std::fs;

use bytes::Bytes;
use cordon_tests::{
    Bundle, CARDS, CHANNEL, CHANNELS, CLINIC, Fetch, HOSPITAL, Network, PeerCli, Table,
};
use cordon_wire::Message as _;
use cordon_wire::proto::common::{self, HeaderType};

/// The same bytes on every host, which are all that Fabric's parser asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fabrics_parser_takes_every_channel() {
    let network = Network::start_town().await;
    let mut table = Table::new();
    for (channel, members) in CHANNELS {
        let mut answers: Vec<Bytes> = Vec::new();
        for member in members {
            let admin = PeerCli::new(&network, &format!("{member}/admin"), &[member]);
            answers.push(admin.channel_config(channel).await.unwrap());
        }
        let all = answers.iter().all(|answer| *answer == answers[0]);
        table.holds(&format!("every host's {channel}"), all);
        let bundle = Bundle::parse(channel, &answers[0]);
        let mut ids: Vec<String> = members.iter().map(|name| network.msp_id(name)).collect();
        ids.sort();
        let address = vec![network.address(HOSPITAL)];
        let keeper = network.msp_id(HOSPITAL);
        let expected = Bundle {
            sequence: 0,
            orderers: address.clone(),
            endpoints: [(keeper, address)].into(),
            members: ids,
        };
        table.equal(channel, bundle, Ok(expected));
    }
    // Whoever may not read blocks can still be told how to invoke.
    let clerk = PeerCli::new(&network, "hospital/pd1", &[HOSPITAL]);
    table.holds("a client", clerk.orderer_of(CARDS).await.is_ok());
    let kind = HeaderType::Config;
    let block = clerk.system(kind, "cscc", &["GetConfigBlock", CARDS]).await;
    let expected = "received bad response, status 403: only admins of its members may read blocks";
    table.contains("a client's block", &block.unwrap_err(), expected);
    let block = clerk.channel_fetch(CARDS, Fetch::Config, None).await;
    let expected = "can't read the block: status:403";
    table.equal("a client's fetch", &*block.unwrap_err(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_configuration_is_the_one_in_force() {
    let network = Network::start().await;
    let cli = PeerCli::new(&network, "clinic/admin", &[CLINIC]);
    let sequence = async || {
        let bytes = cli.channel_config(CHANNEL).await.unwrap();
        Bundle::parse(CHANNEL, &bytes).unwrap().sequence
    };
    assert_eq!(sequence().await, 0);
    let folder = network.dir().join("nobody");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("emr.cedar"), "// nobody\n").unwrap();
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/providers");
    for entry in fs::read_dir(policies).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name != "emr.cedar" {
            fs::copy(&path, folder.join(name)).unwrap();
        }
    }
    let admins = ["--as", "hospital/admin", "--as", "clinic/admin"];
    let args = [&["policy", "set"], &admins[..], &[folder.to_str().unwrap()]].concat();
    let done = network.cli(&args);
    assert_eq!(done.code, 0, "{done:?}");
    let standing = network.settled().await;
    assert_eq!(sequence().await, 1);

    let mut table = Table::new();
    let kind = HeaderType::Config;
    let block = cli.system(kind, "cscc", &["GetConfigBlock", CHANNEL]).await;
    let block = common::Block::decode(block.unwrap()).unwrap();
    let number = |block: &common::Block| block.header.clone().unwrap().number;
    table.equal("GetConfigBlock", number(&block), standing.height - 1);
    for orderer in [None, Some(HOSPITAL), Some(CLINIC)] {
        let address = orderer.map(|orderer| network.address(orderer));
        let fetched = cli
            .channel_fetch(CHANNEL, Fetch::Config, address.as_deref())
            .await;
        table.equal(
            &format!("fetch config, {orderer:?}"),
            &fetched.unwrap(),
            &block,
        );
    }
}

type Change = fn(&mut common::ConfigGroup);

/// What the parser of the tests finds wrong: it can fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fabric_would_not_take_is_found() {
    let network = Network::start().await;
    let cli = PeerCli::new(&network, "clinic/hc2", &[CLINIC]);
    let bytes = cli.channel_config(CHANNEL).await.unwrap();
    let changes: [(&str, Change); 8] = [
        ("unexpected key Cordon", |root| {
            let value = root.values["Capabilities"].clone();
            root.values.insert("Cordon".to_owned(), value);
        }),
        ("no value Capabilities", |root| {
            root.values.remove("Capabilities");
        }),
        ("must set some OrdererAddresses", |root| {
            root.values.get_mut("OrdererAddresses").unwrap().value = Bytes::new();
        }),
        ("no policy Admins", |root| {
            let application = root.groups.get_mut("Application").unwrap();
            application.policies.remove("Admins");
        }),
        ("mod_policy \"\" is not there", |root| {
            let orderer = root.groups.get_mut("Orderer").unwrap();
            orderer
                .values
                .get_mut("BatchSize")
                .unwrap()
                .mod_policy
                .clear();
        }),
        ("ClinicMSP has no policy Endorsement", |root| {
            let application = root.groups.get_mut("Application").unwrap();
            let clinic = application.groups.get_mut("ClinicMSP").unwrap();
            clinic.policies.remove("Endorsement");
        }),
        ("two versions of one MSP", |root| {
            let application = root.groups.get_mut("Application").unwrap();
            let hospital = application.groups.get_mut("HospitalMSP").unwrap();
            let value = hospital.values.get_mut("MSP").unwrap();
            cordon_tests::craft::edit(
                &mut value.value,
                |msp: &mut cordon_wire::proto::msp::MspConfig| {
                    cordon_tests::craft::edit(
                        &mut msp.config,
                        |fabric: &mut cordon_wire::proto::msp::FabricMspConfig| {
                            fabric.tls_root_certs.clear();
                        },
                    );
                },
            );
        }),
        ("identity index out of range", |root| {
            let orderer = root.groups.get_mut("Orderer").unwrap();
            let hospital = orderer.groups.get_mut("HospitalMSP").unwrap();
            let readers = hospital.policies.get_mut("Readers").unwrap();
            let policy = readers.policy.as_mut().unwrap();
            cordon_tests::craft::edit(
                &mut policy.value,
                |envelope: &mut common::SignaturePolicyEnvelope| envelope.identities.clear(),
            );
        }),
    ];
    let mut table = Table::new();
    for (expected, change) in changes {
        let mut config = common::Config::decode(bytes.clone()).unwrap();
        change(config.channel_group.as_mut().unwrap());
        let found = Bundle::parse(CHANNEL, &config.encode_to_vec().into());
        table.contains(expected, &found.unwrap_err(), expected);
    }
}
