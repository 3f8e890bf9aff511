//! Commands that succeed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cordon_identity::Certificate;
use cordon_tests::craft::high_s;
use cordon_tests::{
    CARDS, CHANNEL, CLINIC, Fetch, HOSPITAL, Network, PARENTS, PeerCli, REPORTS, SCHOOL, Table,
    as_json, emr_of,
};
use cordon_types::ValidationCode;
use cordon_wire::block::header_hash;
use cordon_wire::proposal::serialized_identity;

use crate::{CREATE, invoke};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invocation_is_ordered_at_any_host_of_the_channel() {
    let network = Network::start().await;
    let cli = PeerCli::new(&network, "hospital/hc1", &[HOSPITAL, CLINIC]);
    let hospital = network.address(HOSPITAL);
    assert_eq!(cli.orderer_of(CHANNEL).await.unwrap(), hospital);
    let clinic = network.address(CLINIC);
    let witnesses = ["hospital/hc1", "clinic/hc2"].map(|caller| network.client(caller));
    let mut patients = Vec::new();
    for orderer in [None, Some(&*hospital), Some(&*clinic)] {
        for waits in [true, false] {
            let patient = format!("patient{}", patients.len());
            let emr = emr_of(&patient);
            patients.push(patient);
            let args = [CREATE, &*emr];
            let mut invoke = invoke(&args);
            (invoke.orderer, invoke.waits) = (orderer, waits);
            let (response, id) = cli.invoke(invoke).await.unwrap();
            assert_eq!(response.status, 200);
            if waits {
                // All of --peerAddresses have it when the command ends.
                let found = cli.channel_getinfo(CHANNEL).await.unwrap().height;
                let other = PeerCli::new(&network, "clinic/hc2", &[CLINIC]);
                let other = other.channel_getinfo(CHANNEL).await.unwrap().height;
                assert_eq!(found, other);
            }
            for witness in &witnesses {
                let (code, _) = witness.commit_status(id).await.unwrap();
                assert_eq!(code, ValidationCode::Valid);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_is_endorsed_and_a_refused_one_is_told() {
    let network = Network::start().await;
    let cli = PeerCli::new(&network, "hospital/hc1", &[HOSPITAL, CLINIC]);
    let emr = emr_of("pa1");
    let args = [CREATE, &*emr];
    let mut create = invoke(&args);
    create.waits = true;
    cli.invoke(create).await.unwrap();

    let patient = PeerCli::new(&network, "hospital/pa1", &[CLINIC]);
    let own = patient.query(CHANNEL, "emr", &["Patient:GetOwnEmr"]).await;
    assert_eq!(as_json(&own.unwrap())["patientId"], "pa1");
    let info = patient
        .query(CHANNEL, "qscc", &["GetChainInfo", CHANNEL])
        .await;
    assert!(!info.unwrap().is_empty());

    let mut table = Table::new();
    let error = patient.query(CHANNEL, "emr", &["Patient:Nothing"]).await;
    let expected = "endorsement failure during query. response: status:404";
    table.contains("no function", &error.unwrap_err(), expected);
    let error = patient.query(CHANNEL, "emr", &[CREATE, &emr]).await;
    let expected = "endorsement failure during query. response: status:403";
    table.contains("not permitted", &error.unwrap_err(), expected);
    let error = cli.invoke(create).await;
    let expected = "endorsement failure during invoke. response: status:409";
    table.contains("there already", &error.unwrap_err(), expected);
}

/// A certificate whose issuer's signature has the other s, as the command line and Fabric's peers
/// rewrite it.
fn rewritten(pem: &str) -> String {
    /// Where an element's content begins, and where it ends.
    fn element(der: &[u8]) -> (usize, usize) {
        let long = |bytes: &[u8]| bytes.iter().fold(0, |n, &b| n << 8 | usize::from(b));
        let start = match der[1] {
            length @ ..0x80 => return (2, 2 + usize::from(length)),
            length => 2 + usize::from(length & 0x7f),
        };
        (start, start + long(&der[2..start]))
    }
    let certificate = Certificate::from_pem(pem.as_bytes()).unwrap();
    let der = certificate.der();
    let (content, _) = element(der);
    let algorithm = content + element(&der[content..]).1;
    let bits = algorithm + element(&der[algorithm..]).1;
    let (signature, _) = element(&der[bits..]);
    // The first byte says how many bits are not used.
    let signature = high_s(&der[bits + signature + 1..]);
    let mut body = der[content..bits].to_vec();
    body.extend([3, u8::try_from(signature.len() + 1).unwrap(), 0]);
    body.extend(&signature);
    let mut der = vec![0x30, 0x82];
    der.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    der.extend(body);
    let text = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewritten_certificate_is_the_same_person() {
    let network = Network::start().await;
    let rewritten_of = |caller: &str| {
        let (organization, user) = caller.split_once('/').unwrap();
        let folder = format!("organizations/{organization}/users/{user}/msp/signcerts");
        let path = network.dir().join(folder).join(format!("{user}-cert.pem"));
        let pem = std::fs::read_to_string(path).unwrap();
        let creator = serialized_identity(&network.msp_id(organization), &rewritten(&pem));
        assert_ne!(creator, network.signer(caller).serialized());
        PeerCli::new(&network, caller, &[HOSPITAL, CLINIC]).known_as(creator)
    };
    let emr = emr_of("pa1");
    let args = [CREATE, &*emr];
    let mut create = invoke(&args);
    create.waits = true;
    rewritten_of("hospital/hc1").invoke(create).await.unwrap();
    let ask = ["Patient:GetOwnEmr"];
    let patient = PeerCli::new(&network, "hospital/pa1", &[HOSPITAL]);
    let own = patient.query(CHANNEL, "emr", &ask).await.unwrap();
    let same = rewritten_of("hospital/pa1")
        .query(CHANNEL, "emr", &ask)
        .await;
    assert_eq!(own, same.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_lists_the_channels_of_the_callers_organisation_and_no_others() {
    let network = Network::start_town().await;
    let mut table = Table::new();
    for (caller, host, expected) in [
        ("hospital/pd1", HOSPITAL, &[CARDS, CHANNEL, REPORTS][..]),
        ("clinic/py2", HOSPITAL, &[CHANNEL]),
        ("clinic/py2", CLINIC, &[CHANNEL]),
        ("school/registrar1", HOSPITAL, &[REPORTS]),
        ("school/admin", PARENTS, &[REPORTS]),
        ("parents/parent1", SCHOOL, &[REPORTS]),
        ("hospital/admin", PARENTS, &[CARDS, REPORTS]),
    ] {
        let cli = PeerCli::new(&network, caller, &[host]);
        let found = cli.channel_list().await.unwrap();
        table.equal(
            &format!("{caller} at {host}"),
            found,
            expected.iter().map(ToString::to_string).collect(),
        );
        for channel in [CARDS, CHANNEL, REPORTS] {
            let info = cli.channel_getinfo(channel).await;
            let known = expected.contains(&channel);
            table.equal(
                &format!("{caller} at {host}, {channel}"),
                info.is_ok(),
                known,
            );
        }
    }
    // Whom the host does not know at all.
    let stranger = PeerCli::new(&network, "clinic/py2", &[SCHOOL]);
    let error = stranger.channel_list().await.unwrap_err();
    table.contains(
        "a stranger",
        &error,
        "code = Unknown desc = creator is not accepted",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_are_fetched_from_peers_and_orderers_alike() {
    let network = Network::start().await;
    let cli = PeerCli::new(&network, "hospital/admin", &[CLINIC]);
    let clerk = PeerCli::new(&network, "hospital/hc1", &[HOSPITAL, CLINIC]);
    for patient in ["one", "two"] {
        let emr = emr_of(patient);
        let args = [CREATE, &*emr];
        let mut create = invoke(&args);
        create.waits = true;
        clerk.invoke(create).await.unwrap();
    }
    let info = cli.channel_getinfo(CHANNEL).await.unwrap();
    assert_eq!(info.height, 3);
    let mut table = Table::new();
    for orderer in [None, Some(HOSPITAL), Some(CLINIC)] {
        let address = orderer.map(|orderer| network.address(orderer));
        let fetch = async |what| {
            let block = cli.channel_fetch(CHANNEL, what, address.as_deref()).await;
            block.map(|block| block.header.unwrap())
        };
        let mut previous = Vec::new();
        for number in 0..3 {
            let header = fetch(Fetch::Number(number)).await.unwrap();
            table.equal(&format!("{orderer:?}, {number}"), header.number, number);
            let expected = std::mem::replace(&mut previous, header_hash(&header).to_vec());
            table.equal("its previous hash", header.previous_hash.to_vec(), expected);
        }
        table.equal("the last", previous, info.current_block_hash.to_vec());
        table.equal("newest", fetch(Fetch::Newest).await.unwrap().number, 2);
        table.equal("oldest", fetch(Fetch::Oldest).await.unwrap().number, 0);
        table.equal("config", fetch(Fetch::Config).await.unwrap().number, 0);
        let error = fetch(Fetch::Number(9)).await.unwrap_err();
        table.equal("none yet", &*error, "can't read the block: status:404");
    }
}
