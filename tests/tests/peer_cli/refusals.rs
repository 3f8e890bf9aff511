//! What the command line is told when it asks for what is not there, or may not be had.

use std::fs;

use cordon_identity::{CertificateAuthority, SigningKey, TlsRequest};
use cordon_tests::craft::{issue, valid_now};
use cordon_tests::{Broadcast, CHANNEL, CLINIC, Fetch, HOSPITAL, Network, PeerCli, Table, emr_of};
use cordon_wire::proto::common::HeaderType;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::{CREATE, invoke};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_system_contracts_cannot_do_is_an_answer_with_a_sentence() {
    let network = Network::start().await;
    let cli = PeerCli::new(&network, "hospital/admin", &[HOSPITAL]);
    let before = network.settled().await;
    let mut table = Table::new();
    let transaction = HeaderType::EndorserTransaction;
    for (kind, contract, args, expected) in [
        (
            transaction,
            "lscc",
            &["GetChaincodes"][..],
            "status 500: there is no lscc here",
        ),
        (
            transaction,
            "lscc",
            &["getinstalledchaincodes"],
            "status 500: there is no lscc here",
        ),
        (
            transaction,
            "cscc",
            &["JoinChain", "x"],
            "status 500: cscc has no function JoinChain here",
        ),
        (
            transaction,
            "cscc",
            &[],
            "status 500: cscc has no function  here",
        ),
        (
            transaction,
            "cscc",
            &["GetConfigBlock", "records"],
            "code = Unknown desc = channel records is not known to this host",
        ),
        (
            HeaderType::Config,
            "cscc",
            &["GetChannelConfig"],
            "code = Unknown desc = channel  is not known to this host",
        ),
        (
            HeaderType::Config,
            "cscc",
            &["GetChannelConfig", "../x"],
            "code = Unknown desc = channel ../x is not known to this host",
        ),
        (
            HeaderType::ConfigUpdate,
            "cscc",
            &["GetChannelConfig", CHANNEL],
            "code = Unknown desc = header type 2 is not a transaction's (3)",
        ),
        (
            HeaderType::Config,
            "emr",
            &["Patient:GetOwnEmr"],
            "header type 1 is not a transaction's",
        ),
    ] {
        let found = cli.system(kind, contract, args).await;
        let case = format!("{contract} {args:?} as {kind:?}");
        table.contains(&case, &found.unwrap_err(), expected);
    }
    // With another header type and a channel the same questions are answered too.
    for kind in [transaction, HeaderType::Config] {
        let config = cli
            .system(kind, "cscc", &["GetChannelConfig", CHANNEL])
            .await;
        let channels = cli.system(kind, "cscc", &["GetChannels"]).await;
        table.holds(&format!("{kind:?}"), config.is_ok() && channels.is_ok());
    }
    let listed = cli.query(CHANNEL, "cscc", &["GetChannels"]).await;
    table.holds("a query on a channel is endorsed", listed.is_ok());
    table.equal("nothing has changed", network.settled().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_says_why() {
    let network = Network::start().await;
    let cli = PeerCli::new(&network, "hospital/hc1", &[HOSPITAL, CLINIC]);
    let before = network.settled().await;
    let emr = emr_of("one");
    let args = [CREATE, &*emr];
    let mut table = Table::new();
    let mut init = invoke(&args);
    init.is_init = true;
    let unknown = "channel records is not known to this host";
    let mut elsewhere = invoke(&args);
    elsewhere.channel = "records";
    let mut contract = invoke(&args);
    contract.contract = "nothing";
    for (case, invoke, expected) in [
        (
            "--isInit",
            init,
            "contract emr does not require initialization",
        ),
        ("another channel", elsewhere, unknown),
        (
            "another contract",
            contract,
            "contract nothing is not deployed on channel providers",
        ),
    ] {
        let found = cli.invoke(invoke).await.unwrap_err();
        table.contains(case, &found, "rpc error: code = Unknown desc = ");
        table.contains(case, &found, expected);
    }
    for orderer in [None, Some(network.address(CLINIC))] {
        let fetched = cli
            .channel_fetch("records", Fetch::Newest, orderer.as_deref())
            .await;
        let expected = "can't read the block: status:404";
        table.equal("fetch", &*fetched.unwrap_err(), expected);
    }
    // Somebody whom another authority of the same name has vouched for.
    let stranger = CertificateAuthority::create("ca.hospital", "hospital", valid_now()).unwrap();
    let stranger = issue(
        &stranger,
        "HospitalMSP",
        Some("admin"),
        "healthcenter",
        valid_now(),
    );
    let stranger = PeerCli::new(&network, "hospital/hc1", &[HOSPITAL, CLINIC]).signing_as(stranger);
    for (case, found) in [
        ("list", stranger.channel_list().await.unwrap_err()),
        ("invoke", stranger.invoke(invoke(&args)).await.unwrap_err()),
        (
            "query",
            stranger.query(CHANNEL, "emr", &args).await.unwrap_err(),
        ),
        (
            "getinfo",
            stranger
                .channel_getinfo(CHANNEL)
                .await
                .map(drop)
                .unwrap_err(),
        ),
    ] {
        table.contains(
            &format!("a stranger's {case}"),
            &found,
            "creator is not accepted",
        );
    }
    let fetched = stranger.channel_fetch(CHANNEL, Fetch::Newest, None).await;
    let expected = "can't read the block: status:403";
    table.equal("a stranger's fetch", &*fetched.unwrap_err(), expected);
    table.equal("nothing has changed", network.settled().await, before);
}

/// A TLS certificate of an authority that the host does not know is worse than none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_tls_certificate_is_not_taken() {
    let network = Network::start().await;
    let read = |path: &str| fs::read_to_string(network.dir().join(path)).unwrap();
    let root = read("organizations/hospital/tlsca/tlsca-cert.pem");
    let opens = async |certificate: String, key: String| {
        let config = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&root))
            .identity(Identity::from_pem(certificate, key))
            .domain_name("localhost");
        let address = format!("https://{}", network.address(HOSPITAL));
        let endpoint = Endpoint::from_shared(address).unwrap();
        let connection = endpoint.tls_config(config).unwrap().connect_lazy();
        Broadcast::open(&connection).await.is_ok()
    };
    let clinic = |file: &str| read(&format!("organizations/clinic/host/tls/{file}"));
    assert!(opens(clinic("server.crt"), clinic("server.key")).await);
    let stranger = CertificateAuthority::create("tlsca.clinic", "clinic", valid_now()).unwrap();
    let key = SigningKey::generate().unwrap();
    let request = TlsRequest {
        common_name: "host.clinic".to_owned(),
        organization: None,
        dns_names: vec!["localhost".to_owned()],
        ip_addresses: Vec::new(),
        validity: valid_now(),
    };
    let certificate = stranger
        .issue_tls(&request, &key.public_key().unwrap())
        .unwrap();
    let (certificate, key) = (certificate.to_pem().unwrap(), key.to_pkcs8_pem().unwrap());
    assert!(!opens(certificate, key).await);
}
