//! Authorities with new keys take the place of old ones while everybody works.

use std::fs;

use cordon_tests::{
    CHANNEL, CLINIC, HOSPITAL, Load, Network, NetworkFile, Table, answer_of, blocks, create_emr,
    eventually_async, state_of, town_text,
};

use crate::{audited, change, done, named, path};

/// The town without its other channels, on which the hospital's authorities would have to be replaced too.
fn one_channel() -> NetworkFile {
    let text = town_text();
    let mut parts = text.split("[[channels]]");
    let head = parts.next().unwrap();
    let channel = parts.find(|part| part.trim_start().starts_with("name = \"providers\""));
    NetworkFile::Text(format!("{head}[[channels]]{}", channel.unwrap()))
}

/// First the clinic's, then those of the hospital, whose host keeps the ordering log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organisations_authorities_are_replaced_and_no_transaction_of_others_fails() {
    let mut network = Network::provision_from(one_channel(), "warn");
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    network.settled().await;
    let mut ids = Vec::new();
    for (organization, own, other) in [
        (CLINIC, "clinic/hc2", "hospital/hc1"),
        (HOSPITAL, "hospital/hc1", "clinic/hc2"),
    ] {
        let others = Load::start([network.client(other), network.client(other)], organization);
        let old = Load::start([network.client(own)], &format!("old {organization}"));
        let before = network.signer(own);
        for kind in ["ca", "tlsca"] {
            let file = path(&network, organization, &format!("{kind}/{kind}-cert.pem"));
            fs::copy(
                &file,
                network.dir().join(format!("old-{organization}-{kind}")),
            )
            .unwrap();
        }
        done(&network, &["ca", "renew-ca", organization, "--new-key"]);
        let next = |kind: &str| {
            named(
                &network,
                organization,
                &format!("{kind}/next/{kind}-cert.pem"),
            )
        };
        let add = ["--add-ca", &next("ca"), "--add-tls-ca", &next("tlsca")];
        change(&network, &add);
        others.goes_on().await;
        done(&network, &["ca", "renew-ca", organization, "--switch"]);
        let admin = format!("{organization}/admin");
        // The host first: it knows an admin by the new authority once it is told.
        done(&network, &["ca", "renew", &format!("{organization}/host")]);
        done(&network, &["host", "reload", "--as", &admin]);
        for who in [&admin, own] {
            done(&network, &["ca", "renew", who]);
        }
        others.goes_on().await;
        old.goes_on().await;
        let new = Load::start([network.client(own)], &format!("new {organization}"));
        new.goes_on().await;
        // Until here both are accepted.
        let old = old.end().await;
        let msp_id = network.msp_id(organization);
        let gone = |kind: &str| {
            let file = network.dir().join(format!("old-{organization}-{kind}"));
            format!("{msp_id}={}", file.display())
        };
        let remove = [
            "--remove-ca",
            &gone("ca"),
            "--remove-tls-ca",
            &gone("tlsca"),
        ];
        change(&network, &remove);
        others.goes_on().await;
        new.goes_on().await;
        for done in [others.end().await, new.end().await, old] {
            assert_eq!(done.failed, Vec::<String>::new(), "{organization}");
            ids.extend(done.ids);
        }
        network.settled().await;

        let mut table = Table::new();
        for host in [CLINIC, HOSPITAL] {
            let connection = network.connection(host);
            let client = cordon_client::Client::new(CHANNEL, before.clone(), connection);
            let refused = answer_of(create_emr(&client, "pa9").await);
            let told = format!("{refused:?}");
            let expected = format!("the certificate is not trusted by {msp_id}");
            table.contains(&format!("{own} at {host}"), &told, &expected);
            let new = network.client_at(host, CHANNEL, own);
            let opened = create_emr(&new, &format!("{organization} at {host}")).await;
            table.holds(&format!("{own} at {host}: {opened:?}"), opened.is_ok());
        }
        drop(table);
        // Every connection between the hosts is made again.
        network.settled().await;
        network.stop(organization, "TERM");
        network.start_host(organization);
        let log = network.log(organization);
        assert!(!log.contains("will not accept"), "{log}");
        for caller in [own, other] {
            let client = network.client(caller);
            let mut attempt = 0;
            eventually_async("they find each other again", async || {
                attempt += 1;
                let patient = format!("{organization}, {caller}, {attempt}");
                create_emr(&client, &patient).await.ok()
            })
            .await;
        }
        network.settled().await;
    }
    let blocks = blocks(&network.client("hospital/admin")).await;
    for id in &ids {
        let states = state_of(&blocks, id);
        assert!(matches!(states[..], [(_, "VALID")]), "{id}: {states:?}");
    }
    audited(&network, &[CLINIC, HOSPITAL]);
}
