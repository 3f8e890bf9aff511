//! Material that a host must not use, and hosts whose certificate has ended.

use std::fs;

use cordon_tests::{
    CLINIC, HOSPITAL, Network, Table, answer_of, chain_info, create_emr, eventually,
    eventually_async,
};
use tonic::Code;

use super::{done, expired, fails, file, shown, signing, signing_path, tls, tls_authority, valid};

const KEY: &str = "host/msp/keystore/priv_sk";
const TLS: &str = "host/tls/server.crt";
const TLS_KEY: &str = "host/tls/server.key";

/// Files to write instead, and what the refusal says.
type Case = (&'static str, Vec<(String, String)>, &'static str);

fn cases(network: &Network) -> Vec<Case> {
    let own = network.authority(HOSPITAL);
    let foreign = network.authority(CLINIC);
    let own_tls = tls_authority(network, HOSPITAL);
    let foreign_tls = tls_authority(network, CLINIC);
    let path = || signing_path(HOSPITAL);
    let signing_files =
        |(certificate, key): (String, String)| vec![(path(), certificate), (KEY.to_owned(), key)];
    let tls_files = |(certificate, key): (String, String)| {
        vec![(TLS.to_owned(), certificate), (TLS_KEY.to_owned(), key)]
    };
    let names = ["localhost"];
    vec![
        (
            "signing: another organisation's authority",
            signing_files(signing(&foreign, "peer", valid())),
            "the signing certificate is not accepted: the certificate is not trusted by HospitalMSP: none of the authorities issued it",
        ),
        (
            "signing: another key",
            vec![(path(), signing(&own, "peer", valid()).0)],
            "the private key does not belong to the certificate",
        ),
        (
            "signing: expired",
            signing_files(signing(&own, "peer", expired())),
            "is not accepted: the certificate expired at",
        ),
        (
            "signing: a client",
            signing_files(signing(&own, "client", valid())),
            "its role is Client and has to be Peer",
        ),
        (
            "signing: no role",
            signing_files(signing(&own, "staff", valid())),
            "role units instead of one",
        ),
        (
            "signing: not readable",
            vec![(path(), "none".to_owned())],
            "there is no complete PEM block",
        ),
        (
            "signing: a key that is not readable",
            vec![(KEY.to_owned(), String::new())],
            "there is no PEM block of this kind",
        ),
        (
            "TLS: another organisation's authority",
            tls_files(tls(&foreign_tls, &names, valid())),
            "is not accepted: the certificate is not trusted by HospitalMSP: none of the authorities issued it",
        ),
        (
            "TLS: another key",
            vec![(TLS.to_owned(), tls(&own_tls, &names, valid()).0)],
            "host/tls: TLS cannot be set up",
        ),
        (
            "TLS: expired",
            tls_files(tls(&own_tls, &names, expired())),
            "is not accepted: the certificate expired at",
        ),
        (
            "TLS: other names",
            tls_files(tls(&own_tls, &["elsewhere"], valid())),
            "does not name localhost, as the old one does",
        ),
        (
            "TLS: not readable",
            vec![(TLS.to_owned(), "none".to_owned())],
            "there is no complete PEM block",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_would_not_accept_is_refused_and_the_host_goes_on() {
    let network = Network::start().await;
    let before = shown(&network, HOSPITAL).await;
    let client = network.client("hospital/hc1");
    let mut table = Table::new();
    for (index, (case, files, says)) in cases(&network).into_iter().enumerate() {
        let mut good = Vec::new();
        for (path, text) in files {
            let path = file(&network, HOSPITAL, &path);
            good.push((path.clone(), fs::read(&path).unwrap()));
            fs::write(path, text).unwrap();
        }
        let error = fails(&network, &["host", "reload", "--as", "hospital/admin"]);
        table.contains(case, &error, says);
        let rest = "the host goes on with the certificates that it has";
        table.contains(&format!("{case}: the rest"), &error, rest);
        table.equal(
            &format!("{case}: TLS"),
            &shown(&network, HOSPITAL).await,
            &before,
        );
        let written = create_emr(&client, &format!("pa{index}")).await;
        table.holds(&format!("{case}: it endorses"), written.is_ok());
        for (path, text) in good {
            fs::write(path, text).unwrap();
        }
    }
    let again = done(&network, &["host", "reload", "--as", "hospital/admin"]);
    table.contains("put right", &again.stdout, "that it uses already");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_with_an_expired_certificate_says_so_and_does_not_endorse() {
    let mut network = Network::provision();
    let (certificate, key) = signing(&network.authority(CLINIC), "peer", expired());
    fs::write(file(&network, CLINIC, &signing_path(CLINIC)), certificate).unwrap();
    fs::write(file(&network, CLINIC, KEY), key).unwrap();
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    eventually("the log says so", || {
        let log = network.log(CLINIC);
        let told = [
            "the signing certificate expired on ",
            "this host does not endorse until it is renewed",
        ];
        told.iter().all(|what| log.contains(what)).then_some(())
    });

    // Queries are answered: nobody but the caller relies on them.
    let at_clinic = network.client("clinic/hc2");
    eventually_async("the host answers", async || {
        chain_info(&at_clinic).await.ok()
    })
    .await;
    let refusal = answer_of(create_emr(&at_clinic, "pa1").await);
    assert_eq!(refusal.code, Code::Unavailable, "{refusal:?}");
    let says = "this host of ClinicMSP does not endorse: the certificate expired at ";
    assert!(refusal.message.contains(says), "{refusal:?}");
    let elsewhere = answer_of(create_emr(&network.client("hospital/hc1"), "pa1").await);
    assert_eq!(elsewhere.code, Code::Unavailable, "{elsewhere:?}");
    assert!(
        elsewhere
            .details
            .iter()
            .any(|(msp_id, text)| msp_id == "ClinicMSP" && text.contains(says)),
        "{elsewhere:?}"
    );
    assert_eq!(
        network.standing(HOSPITAL).await.height,
        1,
        "nothing was ordered"
    );

    // A certificate that has expired can be renewed, and the host needs no restart.
    done(&network, &["ca", "renew", "clinic/host"]);
    done(&network, &["host", "reload", "--as", "clinic/admin"]);
    // The keeper of the log knows the clinic again a moment later.
    eventually_async("transactions are possible", async || {
        create_emr(&at_clinic, "pa1").await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_starts_warns_of_what_ends_soon() {
    let mut network = Network::provision();
    done(&network, &["ca", "renew", "hospital/host", "--days", "10"]);
    network.start_host(HOSPITAL);
    let soon = [
        "the signing certificate expires on",
        "the TLS certificate expires on",
    ];
    let log = eventually("the log warns", || {
        let log = network.log(HOSPITAL);
        soon.iter().all(|what| log.contains(what)).then_some(log)
    });
    assert!(!log.contains("the authority certificate expires"), "{log}");
}
