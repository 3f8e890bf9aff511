//! A slot of the pool serves one channel after the other, and nothing of the one is left for the other.

use cordon_client::{Call, Client};
use cordon_tests::{CHANNEL, Network, REPORTS, Table};
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};

use crate::guests::{self, evaluated};

/// Ends of a call that has filled its memory and its table, and what it then answers: how many words
/// and elements hold the pattern, were they looked for.
const ENDS: [(&str, &str); 3] = [
    ("0", "200: 2107152"),
    ("1", "500: the contract trapped"),
    ("2", "500: the contract ran out of fuel"),
];
const PLANTED: usize = 8;
/// More than there are slots.
const SCANS: usize = 260;

async fn scan(clients: &[Client], table: &mut Table) {
    let found: Vec<String> = stream::iter(0..SCANS)
        .map(|index| {
            // The same component, whose slots are given to it again, and another one.
            let contract = ["canary", "scanner"][index % 2];
            let client = &clients[index / 2 % clients.len()];
            async move { evaluated(client, &Call::new(contract, "Scan", &[])).await }
        })
        .buffer_unordered(8)
        .collect()
        .await;
    for found in found {
        table.equal("on the other channel", found, "200: 0".to_owned());
    }
}

fn clients(network: &Network, channel: &str) -> Vec<Client> {
    let callers = ["hospital/pd1", "hospital/pd2"];
    callers
        .map(|caller| network.client_on(channel, caller))
        .to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_channel_is_found_on_another() {
    let network = guests::start().await;
    let before = network.settled().await;
    let mut table = Table::new();
    let (here, there) = (clients(&network, CHANNEL), clients(&network, REPORTS));
    for (end, expected) in ENDS {
        let plant = Call::new("canary", "Plant", &[end]);
        let planted = (0..PLANTED).map(|index| evaluated(&here[index % here.len()], &plant));
        for found in join_all(planted).await {
            table.equal(end, found, expected.to_owned());
        }
        scan(&there, &mut table).await;
    }
    // And while others go on planting.
    let plant = Call::new("canary", "Plant", &["1"]);
    let planting = async {
        loop {
            assert_eq!(evaluated(&here[0], &plant).await, ENDS[1].1);
        }
    };
    tokio::select! {
        () = planting => unreachable!("it has no end"),
        () = scan(&there, &mut table) => {}
    }
    table.equal("nothing has changed", network.settled().await, before);
}
