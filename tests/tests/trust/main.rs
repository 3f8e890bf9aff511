//! Whom a channel trusts, changed while it runs: revoked users and hosts, other authorities, and hosts
//! that were away meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod authorities;
mod away;
mod revoked;

use std::fs;
use std::path::PathBuf;

use cordon_tests::{CHANNEL, Cli, Members, Network, Standing, eventually_async, standing_on};

/// Admins of all members.
pub(crate) const BOTH: [&str; 2] = ["hospital/admin", "clinic/admin"];
/// A further host of the clinic.
pub(crate) const CLINIC_2: &str = "clinic2";

/// Runs `cordon` off the threads that the load runs on; it must succeed.
pub(crate) fn done(network: &Network, args: &[&str]) -> Cli {
    let done = tokio::task::block_in_place(|| network.cli(args));
    assert_eq!(done.code, 0, "{args:?}: {done:?}");
    done
}

/// A change that both members make.
pub(crate) fn change(network: &Network, args: &[&str]) {
    tokio::task::block_in_place(|| Members::of(network, CHANNEL).change(&BOTH, args));
}

/// A file of an organisation, as `MSPID=FILE`.
pub(crate) fn named(network: &Network, organization: &str, file: &str) -> String {
    let path = path(network, organization, file);
    format!("{}={}", network.msp_id(organization), path.display())
}

pub(crate) fn path(network: &Network, organization: &str, file: &str) -> PathBuf {
    let folder = network.dir().join("organizations").join(organization);
    folder.join(file)
}

/// A further user of the clinic, who may open records.
pub(crate) fn issue_user(network: &Network, caller: &str) {
    let role = ["--role", "client", "--attribute", "userRole=healthcenter"];
    done(network, &[&["ca", "issue", caller][..], &role].concat());
}

/// The clinic gets its further host, which runs, and which the channel knows.
pub(crate) async fn add_clinic_2(network: &mut Network) {
    let port = (network.port_base() + 6).to_string();
    let host = ["--name", CLINIC_2, "--port", &port];
    let add = ["host", "add", "--organization", "clinic"];
    done(network, &[&add[..], &host].concat());
    network.start_host(CLINIC_2);
    let hosts = format!("ClinicMSP={},127.0.0.1:{port}", network.address("clinic"));
    change(network, &["--hosts", &hosts]);
    agreed(network).await;
}

/// Waits until all three hosts are at the same block.
pub(crate) async fn agreed(network: &Network) -> Standing {
    let second = network.client_of_host(CLINIC_2, "clinic/hc2");
    eventually_async("all hosts are at the same height", async || {
        let first = network.settled().await;
        let second = standing_on(&second, CHANNEL).await.ok()?;
        if first.height != second.height {
            return None;
        }
        assert_eq!(first, second, "the hosts have parted");
        Some(second)
    })
    .await
}

/// Auditors go the same way, and what was endorsed is endorsed again.
pub(crate) fn audited(network: &Network, hosts: &[&str]) {
    for caller in BOTH {
        done(network, &["ledger", "verify", "--as", caller]);
        let replayed = done(network, &["ledger", "replay", "--as", caller, "--json"]).json();
        assert_eq!(replayed["different"], 0, "{replayed}");
        assert_eq!(replayed["neverStood"], 0, "{replayed}");
        assert!(replayed["replayed"].as_u64().unwrap() > 0, "{replayed}");
    }
    for host in hosts {
        let blocks = network.data(host, "channels/providers/blocks");
        assert!(fs::exists(&blocks).unwrap());
        let blocks = ["--blocks", blocks.to_str().unwrap()];
        let replay = cordon_tests::cordon(&[&["ledger", "replay"][..], &blocks].concat());
        assert_eq!(replay.code, 0, "{host}: {replay:?}");
    }
}
