//! People: issued, listed, renewed, revoked.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use cordon_client::Call;
use cordon_identity::{IdentityError, Membership, Msp, MspConfig, Role};
use cordon_tests::{HOSPITAL, Network, Table, create_emr, evaluate, note, submit};
use serde_json::json;

use super::{certificate, done, fails, file};

/// The organisation as a channel would know it with its revocation list.
fn hospital(network: &Network, with_list: bool) -> Membership {
    let read = |path| fs::read_to_string(file(network, HOSPITAL, path)).unwrap();
    let id = "HospitalMSP".parse().unwrap();
    let mut config = MspConfig::new(id, read("ca/ca-cert.pem"), read("tlsca/tlsca-cert.pem"));
    if with_list {
        config.revocation_list = vec![read("ca/crl.pem")];
    }
    Membership::new([Msp::new(&config).unwrap()])
}

fn mode(network: &Network, path: &str) -> u32 {
    let metadata = fs::metadata(file(network, HOSPITAL, path)).unwrap();
    metadata.permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_user_calls_contracts_at_once_with_its_attributes() {
    let network = Network::start().await;
    create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();
    let told = done(
        &network,
        &[
            "ca",
            "issue",
            "hospital/py7",
            "--role",
            "client",
            "--attribute",
            "userRole=physician",
            "--attribute",
            "hf.EnrollmentID=dr-seven",
            "--json",
        ],
    );
    assert_eq!(
        told.json()["attributes"],
        json!({ "userRole": "physician", "hf.EnrollmentID": "dr-seven", "uid": "py7", "hf.Type": "client" })
    );
    // The access policy asks for userRole, and the contract writes the name into the note.
    let py7 = network.client("hospital/py7");
    submit(&py7, "Physician:AddEmrNote", &[&note("pa1", "well")])
        .await
        .unwrap();
    let emr = evaluate(&py7, "Physician:GetEmrByPatientId", &["pa1"])
        .await
        .unwrap();
    assert!(emr.to_string().contains("dr-seven"), "{emr}");

    for key in ["users/py7/msp/keystore/priv_sk", "users/py7/tls/client.key"] {
        assert_eq!(mode(&network, key), 0o600, "{key}");
    }
    let administers = done(
        &network,
        &["ca", "issue", "hospital/admin2", "--role", "admin"],
    );
    assert!(administers.stdout.contains("role admin"), "{administers:?}");
    done(&network, &["host", "reload", "--as", "hospital/admin2"]);

    // A host, and its names.
    done(
        &network,
        &[
            "ca",
            "issue",
            "hospital/second",
            "--role",
            "peer",
            "--tls-name",
            "second.hospital",
            "--tls-name",
            "127.0.0.2",
        ],
    );
    let second = certificate(
        &network,
        HOSPITAL,
        "peers/second/msp/signcerts/second-cert.pem",
    );
    let members = hospital(&network, false);
    let msp = members.msp(&"HospitalMSP".parse().unwrap()).unwrap();
    assert_eq!(msp.verify(&second).unwrap().role(), Role::Peer);
    let names = certificate(&network, HOSPITAL, "peers/second/tls/server.crt").tls_names();
    assert_eq!(
        names.unwrap(),
        ["127.0.0.2", "second.hospital"].map(str::to_owned).into()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_issued_says_why() {
    let network = Network::provision();
    let mut table = Table::new();
    for (args, says) in [
        (
            &["hospital/hc1", "--role", "client"][..],
            "hospital/hc1 is there already: cordon ca renew",
        ),
        (
            &["hospital/host", "--role", "peer"],
            "hospital/host is there already",
        ),
        (
            &["hospital/host.hospital", "--role", "peer"],
            "user name \"host.hospital\"",
        ),
        (
            &["bank/x", "--role", "client"],
            "there is no organization bank in ",
        ),
        (
            &["hc9", "--role", "client"],
            "is not organisation/name, for example hospital/hc1",
        ),
        (&["hospital/../x", "--role", "client"], "user name"),
        (
            &["hospital/x", "--role", "client", "--attribute", "a"],
            "is not name=value",
        ),
        (
            &["hospital/x", "--role", "client", "--tls-name", "a"],
            "--tls-name is for hosts",
        ),
        (
            &["hospital/x", "--role", "client", "--days", "4000"],
            "the authority's own certificate ends on ",
        ),
    ] {
        let args = [&["ca", "issue"], args].concat();
        table.contains(&args.join(" "), &fails(&network, &args), says);
        table.holds(
            "nothing is left",
            !file(&network, HOSPITAL, "users/x").exists(),
        );
    }
    for (args, says) in [
        (
            ["ca", "renew", "hospital/nobody"],
            "organization hospital has no nobody; there are host, admin, hc1, pa1,",
        ),
        (
            ["ca", "revoke", "hospital/nobody"],
            "organization hospital has no nobody",
        ),
        (
            ["ca", "crl", "hospital"],
            "hospital has no revocation list: cordon ca revoke makes it",
        ),
    ] {
        table.contains(&args.join(" "), &fails(&network, &args), says);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_user_is_the_same_to_contracts_and_the_list_shows_what_ends() {
    let network = Network::start().await;
    let path = "users/py1/msp/signcerts/py1-cert.pem";
    let old = certificate(&network, HOSPITAL, path);
    let old_client = network.client("hospital/py1");
    create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();
    for options in [&["--days", "10"][..], &["--new-key", "--days", "20"]] {
        done(
            &network,
            &[&["ca", "renew", "hospital/py1"], options].concat(),
        );
        let new = certificate(&network, HOSPITAL, path);
        assert_eq!(
            (new.unique_id(), new.attributes()),
            (old.unique_id(), old.attributes())
        );
        assert_ne!(new.serial(), old.serial());
        for client in [&network.client("hospital/py1"), &old_client] {
            submit(client, "Physician:AddEmrNote", &[&note("pa1", "well")])
                .await
                .unwrap();
        }
    }
    assert_eq!(mode(&network, "users/py1/msp/keystore/priv_sk"), 0o600);
    let kept = file(
        &network,
        HOSPITAL,
        &format!("users/py1/old/signing-{}.pem", hex::encode(old.serial())),
    );
    assert_eq!(fs::read(kept).unwrap(), old.to_pem().unwrap().into_bytes());

    let told = done(
        &network,
        &["ca", "list", "--json", "--organization", "hospital"],
    )
    .json();
    assert_eq!(
        told["expiring"],
        json!(["hospital/py1 (signing)", "hospital/py1 (TLS)"])
    );
    let rows = told["certificates"].as_array().unwrap();
    let of = |name: &str, what: &str| -> Vec<&serde_json::Value> {
        rows.iter()
            .filter(|row| row["name"] == name && row["what"] == what)
            .collect()
    };
    let days = of("py1", "signing")[0]["daysLeft"].as_i64();
    assert!([Some(19), Some(20)].contains(&days), "{days:?}");
    assert_eq!(of("py1", "signing")[0]["role"], "client");
    assert_eq!(of("host", "signing")[0]["role"], "peer");
    assert_eq!(of("py1", "replaced").len(), 2);
    assert_eq!(
        (of("ca", "authority").len(), of("tlsca", "authority").len()),
        (1, 1)
    );
    assert!(
        rows.iter()
            .all(|row| row["revoked"] == false && row["organization"] == "hospital")
    );
    let text = done(&network, &["ca", "list"]).stdout;
    assert!(
        text.contains("within 30 days: hospital/py1 (signing), hospital/py1 (TLS)"),
        "{text}"
    );
    assert!(text.contains("parents/parent1"), "{text}");
    done(&network, &["ca", "renew", "hospital/py1"]);
    let told = done(&network, &["ca", "list", "--json"]).json();
    assert_eq!(told["expiring"], json!([]));
}

/// `openssl crl -verify`, where there is an openssl.
fn openssl_accepts(network: &Network) {
    let path = |path| file(network, HOSPITAL, path);
    let output = Command::new("openssl")
        .args(["crl", "-noout", "-text", "-verify", "-in"])
        .arg(path("ca/crl.pem"))
        .arg("-CAfile")
        .arg(path("ca/ca-cert.pem"))
        .output();
    let Ok(output) = output else {
        return eprintln!("there is no openssl here: it was not asked");
    };
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("verify OK"), "{told}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("Key Compromise"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_revoked_is_on_a_list_that_members_and_openssl_accept() {
    let network = Network::start().await;
    done(
        &network,
        &["ca", "issue", "hospital/admin2", "--role", "admin"],
    );
    // With a certificate from before, too.
    let before = network.signer("hospital/admin2");
    let reload = Call::new("cordon", "ReloadCertificates", &[]);
    done(&network, &["ca", "renew", "hospital/admin2", "--new-key"]);
    let after = network.signer("hospital/admin2");
    let told = done(
        &network,
        &[
            "ca",
            "revoke",
            "hospital/admin2",
            "--reason",
            "key-compromise",
            "--json",
        ],
    )
    .json();
    assert_eq!(
        (
            told["number"].clone(),
            told["serials"].as_array().unwrap().len()
        ),
        (json!(1), 2)
    );
    openssl_accepts(&network);

    let (with, without) = (hospital(&network, true), hospital(&network, false));
    for signer in [&before, &after] {
        let refused = with.identity(&signer.serialized()).unwrap_err();
        assert!(
            matches!(refused, IdentityError::Revoked { .. }),
            "{refused}"
        );
        without.identity(&signer.serialized()).unwrap();
    }
    with.identity(&network.signer("hospital/hc1").serialized())
        .unwrap();

    // The organisation's own host asks its own files, once it has read them again.
    let client = |signer| cordon_client::Client::new("", signer, network.connection(HOSPITAL));
    client(before.clone()).evaluate(&reload).await.unwrap();
    for signer in [before, after] {
        let refused = client(signer).evaluate(&reload).await.unwrap_err();
        assert!(
            refused.to_string().contains("is revoked by HospitalMSP"),
            "{refused}"
        );
    }
    done(&network, &["host", "reload", "--as", "hospital/admin"]);

    let again = fails(&network, &["ca", "revoke", "hospital/admin2"]);
    assert!(again.contains("is revoked already"), "{again}");
    let renewed = fails(&network, &["ca", "renew", "hospital/admin2"]);
    assert!(
        renewed.contains("it is revoked: give whoever it was a new identity"),
        "{renewed}"
    );
    done(&network, &["ca", "revoke", "hospital/hc1"]);
    done(
        &network,
        &["ca", "crl", "hospital", "--renew", "--days", "30"],
    );
    let list = done(&network, &["ca", "crl", "hospital", "--json"]).json();
    assert_eq!(list["number"], 3);
    let reasons: Vec<&str> = list["revoked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|revoked| revoked["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["key-compromise", "key-compromise", "unspecified"]);
    openssl_accepts(&network);
    let rows = done(&network, &["ca", "list", "--json"]).json();
    let rows = rows["certificates"].as_array().unwrap();
    let revoked = rows.iter().filter(|row| row["revoked"] == true).count();
    assert_eq!(revoked, 3);
}
