//! Two hosts of one organisation: one takes over from the other, under load, for clients of others and
//! for its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::fs;

use cordon_client::Call;
use cordon_tests::{
    CARDS, CHANNEL, CLINIC, Load, Loaded, Members, Network, PARENTS, REPORTS, Standing, blocks,
    create_emr, eventually_async, may_be_tried_again, standing_on, state_of,
};

const CLINIC_2: &str = "clinic2";
const BOTH: [&str; 2] = ["hospital/admin", "clinic/admin"];
/// So many clients at the hospital's host.
fn load(network: &Network, name: &str) -> Load {
    Load::start((0..4).map(|_| network.client("hospital/hc1")), name)
}

/// The clinic has two hosts, which the channel knows, and all three have caught up. The first is asked
/// first.
async fn start() -> Network {
    let mut network = Network::start().await;
    let port = (network.port_base() + 6).to_string();
    let added = network.cli(&[
        "host",
        "add",
        "--organization",
        CLINIC,
        "--name",
        CLINIC_2,
        "--port",
        &port,
    ]);
    assert_eq!(added.code, 0, "{added:?}");
    network.start_host(CLINIC_2);
    let members = Members::of(&network, CHANNEL);
    let hosts = format!("ClinicMSP={},127.0.0.1:{port}", network.address(CLINIC));
    members.change(&BOTH, &["--hosts", &hosts]);
    drop(members);
    agreed(&network).await;
    network
}

/// Waits until all three hosts are at the same block.
async fn agreed(network: &Network) -> Standing {
    let second = network.client_of_host(CLINIC_2, "clinic/hc2");
    eventually_async("all hosts are at the same height", async || {
        let (first, second) = (
            network.settled().await,
            standing_on(&second, CHANNEL).await.ok()?,
        );
        if first.height != second.height {
            return None;
        }
        assert_eq!(first, second, "the hosts have parted");
        Some(second)
    })
    .await
}

async fn all_valid(network: &Network, done: &Loaded) {
    let blocks = blocks(&network.client("hospital/admin")).await;
    for id in &done.ids {
        let states = state_of(&blocks, id);
        assert!(matches!(states[..], [(_, "VALID")]), "{id}: {states:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_host_of_the_organisation_takes_over_from_one_that_is_killed() {
    let mut network = start().await;
    let load = load(&network, "kill");
    load.goes_on().await;
    network.kill(CLINIC);
    load.goes_on().await;
    // Its own people go on at the second host.
    let there = network.client_of_host(CLINIC_2, "clinic/hc2");
    create_emr(&there, "at the second host").await.unwrap();
    load.goes_on().await;
    network.start_host(CLINIC);
    load.goes_on().await;
    // Back again the other way: the first has caught up, under load.
    network.kill(CLINIC_2);
    load.goes_on().await;
    create_emr(&network.client("clinic/hc2"), "at the first host")
        .await
        .unwrap();
    network.start_host(CLINIC_2);
    load.goes_on().await;
    let done = load.end().await;
    eprintln!(
        "{} transactions, {} failed at first: {:?}",
        done.ids.len(),
        done.failed.len(),
        done.failed
    );
    // An endorsement that is lost with its host is asked of the other one, and no client notices.
    assert_eq!(done.failed, Vec::<String>::new());
    agreed(&network).await;
    all_valid(&network, &done).await;

    // Without any of them it says whom it cannot reach.
    network.kill(CLINIC);
    network.kill(CLINIC_2);
    let hc1 = network.client("hospital/hc1");
    let error = create_emr(&hc1, "with none").await.unwrap_err();
    assert!(may_be_tried_again(&error), "{error:?}");
    let told = format!("{error} {error:?}");
    for address in [
        network.address(CLINIC),
        format!("127.0.0.1:{}", network.port_base() + 6),
    ] {
        assert!(told.contains(&address), "{told}");
    }
    network.start_host(CLINIC_2);
    eventually_async("it is found again", async || {
        create_emr(&hc1, "with one").await.ok()
    })
    .await;
    network.start_host(CLINIC);
    agreed(&network).await;
}

/// A host that takes connections and never answers costs each call the longest wait, if it is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_does_not_answer_is_waited_for_once() {
    let mut network = start().await;
    let hc1 = network.client("hospital/hc1");
    create_emr(&hc1, "before").await.unwrap();
    network.host(CLINIC).signal("STOP");
    // The first of these waits for as long as any host is waited for. Did every one of them, the others
    // would not end in a test's time.
    create_emr(&hc1, "waiting").await.unwrap();
    let load = load(&network, "stop");
    load.goes_on().await;
    let done = load.end().await;
    assert_eq!(done.failed, Vec::<String>::new());
    network.host(CLINIC).signal("CONT");
    agreed(&network).await;
    all_valid(&network, &done).await;
}

/// A host that is on other channels of its organisation is not asked on this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_is_asked_on_its_own_channels_only() {
    let mut network = Network::start_town().await;
    let port = (network.port_base() + 6).to_string();
    let host = ["--name", "parents2", "--port", &port];
    let add = ["host", "add", "--organization", PARENTS];
    let added = network.cli(&[&add[..], &host].concat());
    assert_eq!(added.code, 0, "{added:?}");
    let config = network.config("parents2");
    let text = fs::read_to_string(&config).unwrap();
    let cards = "[[channels]]\ngenesis = \"channels/cards.block\"\n";
    assert!(text.contains(cards), "{text}");
    fs::write(&config, text.replace(cards, "")).unwrap();
    network.start_host("parents2");
    let members = Members::of(&network, REPORTS);
    let hosts = format!("ParentsMSP={},127.0.0.1:{port}", network.address(PARENTS));
    let admins = ["hospital/admin", "parents/admin"];
    members.change(&admins, &["--hosts", &hosts]);
    drop(members);
    network.settled_everywhere().await;

    // The first host is lost for a moment, so that another one would be asked before it.
    let hc1 = network.client_on(CARDS, "hospital/hc1");
    let accept = Call::new("cards", "HealthCenter:AcceptAgreement", &["nobody"]);
    network.kill(PARENTS);
    let error = hc1.transact(&accept).await.unwrap_err();
    let told = format!("{error:?}");
    assert!(may_be_tried_again(&error), "{told}");
    assert!(told.contains(&network.address(PARENTS)), "{told}");
    assert!(!told.contains(&port), "{told}");
    network.start_host(PARENTS);
    eventually_async("the contract answers", async || {
        let error = hc1.transact(&accept).await.unwrap_err();
        error.contract_refusal().is_some().then_some(())
    })
    .await;
}
