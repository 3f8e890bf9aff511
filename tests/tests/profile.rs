//! The execution profile of a channel: its limits hold, and a host with another engine says nothing of
//! what contracts do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;

use bytes::Bytes;
use cordon_channel::{ChannelConfig, genesis_block};
use cordon_tests::{CLINIC, HOSPITAL, Network, NetworkFile, cordon, create_emr, town_text};

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_another_engine_does_not_endorse() {
    let mut network = Network::provision();
    for organization in [HOSPITAL, CLINIC] {
        let host = network.config(organization);
        let path = host.with_file_name("channels").join("providers.block");
        let block = Bytes::from(fs::read(&path).unwrap());
        let mut config = ChannelConfig::from_genesis(&block).unwrap();
        let execution = &mut config.execution;
        execution.insert("engine".to_owned(), "wasmtime 1.0.0".into());
        execution.insert("moon_phase".to_owned(), 3.into());
        fs::write(&path, genesis_block(&config)).unwrap();
        network.start_host(organization);
    }
    let before = network.settled().await;
    let error = create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("Unavailable"), "{text}");
    for part in [
        "does not execute contracts of channel providers",
        "engine is \"wasmtime 1.0.0\" on the channel and \"wasmtime ",
        "moon_phase is 3 on the channel and not known here",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // The ledger is there all the same.
    assert_eq!(network.settled().await, before);
    assert!(network.log(CLINIC).contains("does not execute contracts"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channels_own_limits_hold() {
    let text = town_text().replacen(
        "name = \"providers\"",
        "name = \"providers\"\nexecution = { fuel_max = 5000 }",
        1,
    );
    let mut network = Network::provision_from(NetworkFile::Text(text), "warn");
    network.start_host(HOSPITAL);
    network.start_host(CLINIC);
    let before = network.settled().await;
    let error = create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap_err();
    assert_eq!(
        error.contract_refusal(),
        Some((500, "the contract ran out of fuel"))
    );
    assert_eq!(network.settled().await, before);
}

#[test]
fn a_profile_that_no_host_has_is_refused_when_the_network_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("town.toml");
    for (setting, expected) in [
        (
            "stack_bytes_max = 1",
            "stack_bytes_max is 1 on the channel and 524288 here",
        ),
        (
            "fuel_maximum = 1",
            "fuel_maximum is 1 on the channel and not known here",
        ),
    ] {
        let text = town_text().replacen(
            "name = \"providers\"",
            &format!("name = \"providers\"\nexecution = {{ {setting} }}"),
            1,
        );
        fs::write(&path, text).unwrap();
        let network = dir.path().join("network");
        let done = cordon(&[
            "init",
            "--network",
            path.to_str().unwrap(),
            "--dir",
            network.to_str().unwrap(),
        ]);
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.stderr.contains(expected), "{done:?}");
    }
}
