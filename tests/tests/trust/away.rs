//! Hosts that were away while everything changed.

use std::fs;
use std::path::Path;

use cordon_client::Call;
use cordon_tests::{CLINIC, HOSPITAL, Network, create_emr};

use crate::{BOTH, CLINIC_2, add_clinic_2, agreed, audited, change, done, issue_user, named, path};

/// A component whose function `run` writes `value`.
fn component(value: &str) -> Vec<u8> {
    let text = include_str!("../lifecycle/register.wat");
    let length = value.len().to_string();
    let text = text.replace("VALUE", value).replace("LENGTH", &length);
    wat::parse_str(text).unwrap()
}

/// Two versions of a contract, one after the other.
async fn deploy(network: &Network) {
    let everything =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile/policies/everything.cedar");
    let everything = everything.to_str().unwrap();
    for value in ["one", "two"] {
        let file = network.dir().join("register.wasm");
        fs::write(&file, component(value)).unwrap();
        let mut args = vec!["contract", "deploy", file.to_str().unwrap()];
        if value == "one" {
            args.extend(["--access-policies", everything]);
        } else {
            args.extend(["--version", "two"]);
        }
        done(network, &args);
        network.settled().await;
        let run = Call::new("register", "run", &[]);
        network.client("hospital/hc1").transact(&run).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_away_during_all_changes_catches_up_and_agrees() {
    let mut network = Network::start().await;
    add_clinic_2(&mut network).await;
    network.kill(CLINIC_2);

    let hc1 = network.client("hospital/hc1");
    create_emr(&hc1, "pa1").await.unwrap();
    change(&network, &["--block-transactions-max", "3"]);
    deploy(&network).await;
    change(&network, &["--limit", "keys_max=900"]);
    issue_user(&network, "clinic/hc9");
    create_emr(&network.client("clinic/hc9"), "pa2")
        .await
        .unwrap();
    done(&network, &["ca", "revoke", "clinic/hc9"]);
    change(
        &network,
        &["--revoke", &named(&network, CLINIC, "ca/crl.pem")],
    );
    // The clinic's own authorities, so that the host's certificates are others when it comes back.
    for kind in ["ca", "tlsca"] {
        let file = path(&network, CLINIC, &format!("{kind}/{kind}-cert.pem"));
        fs::copy(file, network.dir().join(format!("old-{kind}"))).unwrap();
    }
    done(&network, &["ca", "renew-ca", CLINIC, "--new-key"]);
    let next = |kind: &str| named(&network, CLINIC, &format!("{kind}/next/{kind}-cert.pem"));
    change(
        &network,
        &["--add-ca", &next("ca"), "--add-tls-ca", &next("tlsca")],
    );
    done(&network, &["ca", "renew-ca", CLINIC, "--switch"]);
    done(&network, &["ca", "renew", "clinic/host"]);
    done(&network, &["host", "reload", "--as", "clinic/admin"]);
    for who in ["clinic2", "admin", "hc2"] {
        done(&network, &["ca", "renew", &format!("clinic/{who}")]);
    }
    let gone = |kind: &str| {
        let file = network.dir().join(format!("old-{kind}"));
        format!("ClinicMSP={}", file.display())
    };
    // The list has to be by an authority that is still trusted.
    let list = named(&network, CLINIC, "ca/crl.pem");
    change(
        &network,
        &[
            "--remove-ca",
            &gone("ca"),
            "--remove-tls-ca",
            &gone("tlsca"),
            "--revoke",
            &list,
        ],
    );
    create_emr(&hc1, "pa3").await.unwrap();
    network.settled().await;

    // Blocks bring no code: the operator does.
    let components = |host: &str| network.dir().join(format!("hosts/{host}/components"));
    for entry in fs::read_dir(components(CLINIC)).unwrap() {
        let path = entry.unwrap().path();
        let to = components(CLINIC_2).join(path.file_name().unwrap());
        fs::copy(&path, to).unwrap();
    }
    network.start_host(CLINIC_2);
    agreed(&network).await;
    let second = network.client_of_host(CLINIC_2, "clinic/hc2");
    let run = Call::new("register", "run", &[]);
    create_emr(&second, "pa4").await.unwrap();
    second.transact(&run).await.unwrap();
    agreed(&network).await;

    // Hosts that derive their state anew, and one that only starts again.
    for host in [CLINIC, CLINIC_2] {
        network.stop(host, "TERM");
        fs::remove_dir_all(network.data(host, "channels/providers/state")).unwrap();
        network.start_host(host);
    }
    network.stop(HOSPITAL, "KILL");
    network.start_host(HOSPITAL);
    agreed(&network).await;
    create_emr(&network.client("clinic/hc2"), "pa5")
        .await
        .unwrap();
    agreed(&network).await;
    for caller in BOTH {
        let history = done(&network, &["channel", "history", "--as", caller, "--json"]);
        // Hosts, batch, access policies, limit, list, added, removed, and block 0.
        let versions = history.json()["versions"].as_array().unwrap().len();
        assert_eq!(versions, 8);
    }
    audited(&network, &[CLINIC, CLINIC_2, HOSPITAL]);
}
