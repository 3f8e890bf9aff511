//! A host joins a channel: from a snapshot, or from block 0.

use std::fs;

use cordon_tests::{CHANNEL, CLINIC, Network, Table, cordon, create_emr};

use crate::files::{below, forget_channels, set_policies, snapshot};

/// Joins the clinic's host; more arguments after the usual ones.
fn join(network: &Network, more: &[&str]) -> cordon_tests::Cli {
    let config = network.config(CLINIC).display().to_string();
    let genesis = below(network, "providers.block");
    let args = [
        "channel",
        "join",
        "--config",
        &config,
        "--genesis",
        &genesis,
    ];
    cordon(&[&args, more].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_joins_from_a_snapshot_and_from_block_0() {
    let mut network = Network::start().await;
    let hc1 = network.client("hospital/hc1");
    for index in 0..6 {
        if index == 2 {
            set_policies(&network);
        } else {
            create_emr(&hc1, &format!("pa{index}")).await.unwrap();
        }
    }
    let mut before = network.settled().await;
    let mut table = Table::new();
    let out = below(&network, "snapshot");
    let (height, _, digest) = snapshot(
        &network,
        &["--as", "hospital/admin", "--height", "4", "--out", &out],
    );
    table.equal("height", height, 4);
    for (which, number) in [("0", 0), ("config", 3), ("newest", 6), ("3", 3)] {
        let file = below(&network, &format!("{which}.block"));
        let args = [
            "--as",
            "clinic/admin",
            "--channel",
            CHANNEL,
            "--block",
            which,
            "--out",
            &file,
        ];
        let fetched = network.cli(&[&["channel", "fetch", "--json"], args.as_slice()].concat());
        table.equal(which, fetched.code, 0);
        table.equal(which, fetched.json()["number"].as_u64(), Some(number));
    }
    let genesis = below(&network, "providers.block");
    fs::copy(below(&network, "0.block"), &genesis).unwrap();
    table.equal(
        "block 0 is what the founders have",
        fs::read(&genesis).unwrap(),
        fs::read(
            network
                .dir()
                .join("hosts/hospital/channels/providers.block"),
        )
        .unwrap(),
    );

    let refused = join(&network, &[]);
    table.equal("running", refused.code, 1);
    table.contains(
        "running",
        &refused.stderr,
        "stop the host before it joins a channel",
    );

    for (case, more) in [
        ("snapshot", vec!["--snapshot", out.as_str()]),
        ("block 0", vec![]),
    ] {
        assert!(network.stop(CLINIC, "TERM").success());
        let refused = join(&network, &more);
        table.equal(case, refused.code, 1);
        table.contains(
            case,
            &refused.stderr,
            "this host is on channel providers already",
        );
        forget_channels(&network, CLINIC);
        let joined = join(&network, &[&["--json"], more.as_slice()].concat());
        assert_eq!(joined.code, 0, "{case}: {joined:?}");
        let told = joined.json();
        let from = if case == "snapshot" {
            (4, digest.clone().into())
        } else {
            (0, serde_json::Value::Null)
        };
        table.equal(
            case,
            (
                told["height"].as_u64().unwrap(),
                told["stateDigest"].clone(),
            ),
            from,
        );
        table.equal(case, told["missingComponents"].as_array().unwrap().len(), 0);

        network.start_host(CLINIC);
        network
            .host(CLINIC)
            .line("caught up: channel providers")
            .unwrap();
        table.equal(case, network.settled().await, before.clone());
        // It endorses, and commits what comes.
        let hc2 = network.client("clinic/hc2");
        create_emr(&hc2, &format!("after {case}")).await.unwrap();
        before = network.settled().await;
        let verified = network.cli(&["ledger", "verify", "--as", "clinic/admin", "--json"]);
        table.equal(case, verified.code, 0);
        table.equal(
            case,
            verified.json()["height"].as_u64(),
            Some(before.height),
        );
        let log = network.log(CLINIC);
        table.holds(case, !log.contains("ERROR"));
    }

    // What is no block 0, or has nothing to do with this host.
    assert!(network.stop(CLINIC, "TERM").success());
    forget_channels(&network, CLINIC);
    let config = network.config(CLINIC);
    let text = fs::read(&config).unwrap();
    let block = below(&network, "3.block");
    let shown = config.display().to_string();
    let args = ["channel", "join", "--config", &shown, "--genesis", &block];
    let refused = cordon(&args);
    table.equal("a later block", refused.code, 1);
    let says = "3.block is not a channel's block 0: ";
    table.contains("a later block", &refused.stderr, says);
    table.equal("a later block", fs::read(&config).unwrap(), text);
    let channels = network.dir().join("hosts/clinic/channels");
    table.holds("a later block", !channels.exists());

    // Another channel's block 0, which may come to name this organisation; and a log elsewhere.
    let cards = network.dir().join("hosts/hospital/channels/cards.block");
    let cards = cards.display().to_string();
    let place = ["--ordering", "127.0.0.1:9"];
    let args = ["channel", "join", "--config", &shown, "--genesis", &cards];
    let joined = cordon(&[&args[..], &place].concat());
    table.equal("another's channel", joined.code, 0);
    let says = "note: ClinicMSP is no member by block 0";
    table.contains("another's channel", &joined.stdout, says);
    let text = fs::read_to_string(&config).unwrap();
    table.contains("a log elsewhere", &text, "= \"127.0.0.1:9\"");
}
