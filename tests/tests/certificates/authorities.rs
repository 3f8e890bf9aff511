//! Authorities: renewed beside the old ones, which stay trusted.

use std::fs;

use cordon_tests::{HOSPITAL, Network, answer_of, create_emr};
use serde_json::json;

use super::{certificate, done, fails, file, shown};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_with_the_same_key_is_known_to_the_channels() {
    let network = Network::start().await;
    let old = certificate(&network, HOSPITAL, "ca/ca-cert.pem");
    let error = fails(&network, &["ca", "renew-ca", "hospital", "--switch"]);
    assert!(
        error.contains("no new authorities wait for hospital"),
        "{error}"
    );
    done(&network, &["ca", "revoke", "hospital/pa1"]);
    let told = done(&network, &["ca", "renew-ca", "hospital", "--days", "4000"]);
    assert!(
        told.stdout.contains("propose on every channel of hospital"),
        "{told:?}"
    );
    let error = fails(&network, &["ca", "renew-ca", "hospital"]);
    assert!(error.contains("new authorities wait in "), "{error}");
    // Until the switch the old one issues, and no certificate outlives it.
    let error = fails(
        &network,
        &[
            "ca",
            "issue",
            "hospital/hc8",
            "--role",
            "client",
            "--days",
            "3900",
        ],
    );
    assert!(
        error.contains("the authority's own certificate ends on "),
        "{error}"
    );
    done(&network, &["ca", "renew-ca", "hospital", "--switch"]);
    let new = certificate(&network, HOSPITAL, "ca/ca-cert.pem");
    assert_eq!(new.subject(), old.subject());
    assert_eq!(new.public_key(), old.public_key());
    assert!(new.not_after() > old.not_after());
    assert!(!file(&network, HOSPITAL, "ca/next").exists());

    done(
        &network,
        &[
            "ca",
            "issue",
            "hospital/hc8",
            "--role",
            "client",
            "--days",
            "3900",
            "--attribute",
            "userRole=healthcenter",
        ],
    );
    create_emr(&network.client("hospital/hc8"), "pa1")
        .await
        .unwrap();
    create_emr(&network.client("hospital/hc1"), "pa2")
        .await
        .unwrap();
    done(&network, &["ca", "renew", "hospital/host"]);
    done(&network, &["host", "reload", "--as", "hospital/admin"]);
    create_emr(&network.client("hospital/hc8"), "pa3")
        .await
        .unwrap();
    let list = done(&network, &["ca", "crl", "hospital", "--json"]).json();
    assert_eq!(
        (
            list["number"].clone(),
            list["revoked"].as_array().unwrap().len()
        ),
        (json!(2), 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_with_a_new_key_counts_once_the_channels_know_it() {
    let network = Network::start().await;
    let before = shown(&network, HOSPITAL).await;
    done(&network, &["ca", "renew-ca", "hospital", "--new-key"]);
    done(
        &network,
        &[
            "ca",
            "issue",
            "hospital/hc8",
            "--role",
            "client",
            "--attribute",
            "userRole=healthcenter",
        ],
    );
    create_emr(&network.client("hospital/hc8"), "pa1")
        .await
        .unwrap();

    done(&network, &["ca", "renew-ca", "hospital", "--switch"]);
    done(
        &network,
        &[
            "ca",
            "issue",
            "hospital/hc9",
            "--role",
            "client",
            "--attribute",
            "userRole=healthcenter",
        ],
    );
    let refusal = answer_of(create_emr(&network.client("hospital/hc9"), "pa2").await);
    assert!(
        refusal.message.contains("is not trusted by HospitalMSP"),
        "{refusal:?}"
    );
    // The host knows its own authorities, and says which channel does not yet.
    done(&network, &["ca", "renew", "hospital/host"]);
    let error = fails(&network, &["host", "reload", "--as", "hospital/admin"]);
    assert!(
        error.contains("by the configuration of channel "),
        "{error}"
    );
    assert_eq!(shown(&network, HOSPITAL).await, before);
    create_emr(&network.client("hospital/hc8"), "pa2")
        .await
        .unwrap();
    let rows = done(
        &network,
        &["ca", "list", "--organization", "hospital", "--json"],
    )
    .json();
    let authorities = rows["certificates"].as_array().unwrap().iter();
    assert_eq!(
        authorities.filter(|row| row["what"] == "authority").count(),
        4
    );
}

/// Names of files and folders as cryptogen and a Fabric CA server choose them.
#[tokio::test(flavor = "multi_thread")]
async fn folders_of_other_tools_are_understood() {
    let network = Network::provision();
    let path = |path| file(&network, HOSPITAL, path);
    for folder in ["peers", "ca/msp", "ca/msp/keystore"] {
        fs::create_dir(path(folder)).unwrap();
    }
    for (from, to) in [
        ("ca/ca-cert.pem", "ca/ca.hospital-cert.pem"),
        ("ca/priv_sk", "ca/msp/keystore/0a1b_sk"),
        ("tlsca/priv_sk", "tlsca/0c2d_sk"),
        ("host", "peers/peer0.hospital"),
        ("users/hc1", "users/hc1@hospital"),
        (
            "users/hc1@hospital/msp/keystore/priv_sk",
            "users/hc1@hospital/msp/keystore/3e4f_sk",
        ),
    ] {
        fs::rename(path(from), path(to)).unwrap();
    }
    // A key that is another's is passed over.
    fs::copy(path("tlsca/0c2d_sk"), path("ca/00_sk")).unwrap();
    done(
        &network,
        &["ca", "issue", "hospital/hc8", "--role", "client"],
    );
    let signing = "users/hc1@hospital/msp/signcerts/hc1-cert.pem";
    let tls = "peers/peer0.hospital/tls/server.crt";
    let before = [signing, tls].map(|path| certificate(&network, HOSPITAL, path));
    for who in ["hc1@hospital", "hc1", "peer0.hospital", "host.hospital"] {
        let who = format!("hospital/{who}");
        done(&network, &["ca", "renew", &who, "--new-key"]);
    }
    let after = [signing, tls].map(|path| certificate(&network, HOSPITAL, path));
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.subject(), after.subject());
        assert_ne!(before.serial(), after.serial());
    }
    done(&network, &["ca", "revoke", "hospital/hc1"]);
    // Both steps, so that the authority is found again where it then is.
    done(&network, &["ca", "renew-ca", "hospital", "--new-key"]);
    done(&network, &["ca", "renew-ca", "hospital", "--switch"]);
    done(&network, &["ca", "renew", "hospital/host.hospital"]);
    let rows = done(
        &network,
        &["ca", "list", "--organization", "hospital", "--json"],
    )
    .json();
    let rows = rows["certificates"].as_array().unwrap();
    let revoked = rows.iter().filter(|row| row["revoked"] == true);
    assert_eq!(revoked.count(), 3, "the one in use, and the two before it");
}
