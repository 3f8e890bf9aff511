//! A certificate that is revoked counts for nothing from the block on that carries the list.

use std::fs;

use cordon_client::{Call, ClientError, Prepared};
use cordon_identity::{Certificate, Signer, SigningKey};
use cordon_order::{HostCredentials, OrderingLog, RemoteLog};
use cordon_tests::craft::{Seek, next_commit, specified};
use cordon_tests::{
    CHANNEL, CLINIC, HOSPITAL, Network, Table, answer_of, blocks as blocks_of, create_emr, emr_of,
    eventually_async, standing_on, state_of, within,
};
use cordon_types::ValidationCode;
use cordon_wire::encode;
use cordon_wire::proto::protos::deliver_response::Type;
use tonic::transport::{Certificate as Root, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status, Streaming};

use crate::{CLINIC_2, add_clinic_2, audited, change, done, issue_user, named, path};

const USER: &str = "clinic/hc9";

fn create(patient: &str) -> Call {
    Call::new("emr", "HealthCenter:CreateEmr", &[&emr_of(patient)])
}

/// The ordering log as a host of the clinic has it, which may hand it anything.
fn log(network: &Network) -> OrderingLog {
    let read = |file: &str| fs::read_to_string(path(network, CLINIC, file)).unwrap();
    let shown = read("host/tls/server.crt");
    let root = fs::read_to_string(path(network, HOSPITAL, "tlsca/tlsca-cert.pem")).unwrap();
    let tls = ClientTlsConfig::new()
        .ca_certificate(Root::from_pem(root))
        .identity(Identity::from_pem(&shown, read("host/tls/server.key")))
        .domain_name("localhost");
    let endpoint = Endpoint::from_shared(format!("https://{}", network.address(HOSPITAL)));
    let connection = endpoint.unwrap().tls_config(tls).unwrap().connect_lazy();
    let signer = Signer::new(
        "ClinicMSP".parse().unwrap(),
        &read("host/msp/signcerts/host.clinic-cert.pem"),
        SigningKey::from_pem(&read("host/msp/keystore/priv_sk")).unwrap(),
    )
    .unwrap();
    let shown = Certificate::from_pem(shown.as_bytes()).unwrap();
    let statement = HostCredentials::statement(&CHANNEL.parse().unwrap(), shown.der());
    let credentials = HostCredentials {
        creator: signer.serialized(),
        signature: signer.sign(&statement).unwrap(),
    };
    OrderingLog::Remote(Box::new(RemoteLog::new(
        CHANNEL.parse().unwrap(),
        network.address(HOSPITAL),
        connection,
        credentials,
    )))
}

/// How a stream ends, whatever came before.
async fn end_of<T>(stream: &mut Streaming<T>) -> Status {
    loop {
        match within(stream.message()).await {
            Ok(Some(_)) => {}
            Ok(None) => return Status::ok("the stream has ended well"),
            Err(status) => return status,
        }
    }
}

async fn prepare(network: &Network, caller: &str, host: &str, patient: &str) -> Prepared {
    let client = network.client_at(host, CHANNEL, caller);
    let proposal = client.propose(&create(patient)).unwrap();
    client.endorse(proposal).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_user_is_refused_from_the_block_on_that_carries_the_list() {
    let network = Network::start().await;
    issue_user(&network, USER);
    let own = network.client(USER);
    create_emr(&own, "pa1").await.unwrap();
    let late = prepare(&network, USER, CLINIC, "pa2").await;
    let elsewhere = prepare(&network, USER, HOSPITAL, "pa3").await;

    // Streams of that user and of another one, at both hosts.
    let seek = Seek::new(next_commit(), specified(u64::MAX));
    let mut events = Vec::new();
    let mut blocks = Vec::new();
    for (host, caller) in [
        (CLINIC, USER),
        (HOSPITAL, USER),
        (CLINIC, "clinic/hc2"),
        (HOSPITAL, "clinic/hc2"),
    ] {
        let client = network.client_at(host, CHANNEL, caller);
        events.push(client.events("emr", None, None).await.unwrap());
        let envelope = seek.envelope(&network.signer(caller));
        let mut deliver = network.raw(host).deliver;
        let stream = deliver.deliver_filtered(futures::stream::iter([envelope]));
        blocks.push(within(stream).await.unwrap().into_inner());
    }

    // On the list, and still on no channel.
    done(
        &network,
        &["ca", "revoke", USER, "--reason", "key-compromise"],
    );
    create_emr(&own, "pa4").await.unwrap();
    for stream in &mut events {
        assert!(within(stream.message()).await.unwrap().is_some());
    }
    change(
        &network,
        &["--revoke", &named(&network, CLINIC, "ca/crl.pem")],
    );
    network.settled().await;

    let mut table = Table::new();
    let revoked = "the certificate is revoked by ClinicMSP";
    for host in [CLINIC, HOSPITAL] {
        let client = network.client_at(host, CHANNEL, USER);
        let evaluated = answer_of(client.evaluate(&create("pa5")).await);
        let proposed = answer_of(
            client
                .endorse(client.propose(&create("pa5")).unwrap())
                .await,
        );
        let submitted = answer_of(client.submit(&late).await);
        let read = answer_of(client.events("emr", None, None).await);
        table.equal(
            &format!("events at {host}"),
            (read.code, &*read.message),
            (Code::PermissionDenied, "access denied"),
        );
        for (case, found) in [
            ("evaluate", evaluated),
            ("endorse", proposed),
            ("submit", submitted),
        ] {
            let told = format!("{found:?}");
            table.contains(&format!("{case} at {host}"), &told, revoked);
        }
    }
    // What a member's host hands over all the same is judged by every host alike. It takes no id, so
    // nobody can wait for its verdict.
    let log = log(&network);
    for late in [&late, &elsewhere] {
        log.append(encode(&late.envelope)).await.unwrap();
    }
    let other = network.client("clinic/hc2");
    let admin = network.client("clinic/admin");
    for late in [&late, &elsewhere] {
        let id = late.tx_id.to_string();
        let found = eventually_async("it is in a block", async || {
            let found = state_of(&blocks_of(&admin).await, &id);
            (!found.is_empty()).then_some(found)
        })
        .await;
        let codes: Vec<&str> = found.iter().map(|(_, code)| *code).collect();
        table.equal("a late one", codes, vec!["BAD_CREATOR_SIGNATURE"]);
    }

    // Open streams end; those of others go on.
    create_emr(&other, "pa6").await.unwrap();
    let refused = (Code::PermissionDenied, "access denied");
    for stream in &mut events[..2] {
        let status = end_of(stream).await;
        table.equal("events end", (status.code(), status.message()), refused);
    }
    for stream in &mut blocks[..2] {
        let status = end_of(stream).await;
        table.equal("blocks end", (status.code(), status.message()), refused);
    }
    let expected = network.settled().await.height - 1;
    for stream in &mut events[2..] {
        let event = within(stream.message()).await.unwrap().unwrap();
        table.equal("events go on", event.block_number, expected);
    }
    for stream in &mut blocks[2..] {
        loop {
            let reply = within(stream.message()).await.unwrap().unwrap();
            let Some(Type::FilteredBlock(block)) = reply.r#type else {
                panic!("{reply:?}");
            };
            if block.number == expected {
                break;
            }
        }
    }
    audited(&network, &[CLINIC, HOSPITAL]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_hosts_endorsements_do_not_count_and_the_log_does_not_answer_it() {
    let mut network = Network::start().await;
    add_clinic_2(&mut network).await;
    let second = network.client_of_host(CLINIC_2, "clinic/hc2");
    // Endorsed by the host that is revoked next, and by the hospital's.
    let proposal = second.propose(&create("pa1")).unwrap();
    let late = second.endorse(proposal).await.unwrap();
    done(&network, &["ca", "revoke", "clinic/clinic2.clinic"]);
    create_emr(&second, "pa2").await.unwrap();
    change(
        &network,
        &["--revoke", &named(&network, CLINIC, "ca/crl.pem")],
    );
    let configured = network.settled().await;

    let hc2 = network.client("clinic/hc2");
    hc2.submit(&late).await.unwrap();
    let (code, _) = hc2.commit_status(late.tx_id).await.unwrap();
    assert_eq!(code, ValidationCode::EndorsementPolicyFailure);
    // Whoever asks it for an endorsement is told; nobody takes its answer.
    let refused = create_emr(&second, "pa3").await.unwrap_err();
    let ClientError::Status { .. } = &refused else {
        panic!("{refused:?}");
    };
    // It has the block with the list, and nothing that came later, before and after a restart.
    for _ in 0..2 {
        eventually_async("the log has refused the host", async || {
            let log = network.log(CLINIC_2);
            log.contains("access denied").then_some(())
        })
        .await;
        let standing = standing_on(&second, CHANNEL).await.unwrap();
        assert_eq!(standing, configured);
        network.stop(CLINIC_2, "TERM");
        fs::write(network.dir().join("logs").join(CLINIC_2), "").unwrap();
        network.start_host(CLINIC_2);
        network.client_of_host(CLINIC_2, "clinic/hc2");
    }
    // The others do without it.
    for patient in ["pa4", "pa5"] {
        create_emr(&hc2, patient).await.unwrap();
        let at_hospital = network.client("hospital/hc1");
        create_emr(&at_hospital, &format!("{patient} too"))
            .await
            .unwrap();
    }
    network.settled().await;
    audited(&network, &[CLINIC, HOSPITAL]);
}
