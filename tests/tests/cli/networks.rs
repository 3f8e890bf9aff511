//! `cordon up`: one process for a network, once per folder, again and again.

use std::fs;
use std::path::Path;

use cordon_tests::{CLINIC, Cli, HOSPITAL, HostProcess, Network, Table, cordon, create_emr};

fn up(dir: &Path, network: &str, port_base: u16) -> Vec<String> {
    let args = [
        "up",
        "--network",
        network,
        "--dir",
        dir.to_str().unwrap(),
        "--port-base",
    ];
    let mut args: Vec<String> = args.into_iter().map(str::to_owned).collect();
    args.push(port_base.to_string());
    args
}

fn spawn(dir: &Path, args: &[String]) -> HostProcess {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    HostProcess::spawn(&args, &dir.join("logs/up"), "warn")
}

fn run(args: &[String]) -> Cli {
    cordon(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_in_one_process() {
    // Only its folder and ports are used: `up` finds it provisioned and goes on from there.
    let network = Network::provision();
    let dir = network.dir().to_owned();
    let base = network.port_base();
    let town = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/town.toml");
    let text = fs::read_to_string(&town).unwrap();
    let town = town.to_str().unwrap();
    let mut table = Table::new();

    let mut running = spawn(&dir, &up(&dir, town, base));
    running.line("ready in ").unwrap();
    // Ready means that a transaction can be submitted, at once and at any host.
    create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();
    let mut before = network.settled().await;
    table.equal("height", before.height, 2);

    // Again in the same folder, whatever the ports; and elsewhere on the same ports.
    for (case, base) in [
        ("same folder", base),
        ("same folder, other ports", base + 3),
    ] {
        let again = run(&up(&dir, town, base));
        table.equal(case, again.code, 1);
        let running = format!("a network is running in {}: stop it first", dir.display());
        table.contains(case, &again.stderr, &running);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let again = run(&up(elsewhere.path(), town, base));
    table.equal("same ports", again.code, 1);
    let taken = format!(
        "cannot listen on 127.0.0.1:{base}: is another host running there? (--port-base moves the ports)"
    );
    table.contains("same ports", &again.stderr, &taken);
    table.equal(
        "the first one is not disturbed",
        network.settled().await,
        before.clone(),
    );
    let found = network.address(HOSPITAL);
    table.equal(
        "nor is what clients know of it",
        found,
        format!("127.0.0.1:{base}"),
    );

    // ctrl-C and SIGTERM end it well; what was there is there again.
    for (signal, patient) in [("INT", "pa2"), ("TERM", "pa3"), ("INT", "pa4")] {
        let status = running.stop(signal);
        table.equal(signal, status.code(), Some(0));
        table.equal(signal, running.stderr(), String::new());
        table.contains(signal, &running.stdout(), "stopping");
        running = spawn(&dir, &up(&dir, town, base));
        running.line("ready in ").unwrap();
        table.equal(
            &format!("after {signal}"),
            network.settled().await,
            before.clone(),
        );
        create_emr(&network.client("hospital/hc1"), patient)
            .await
            .unwrap();
        let now = network.settled().await;
        table.equal(&format!("after {signal}"), now.height, before.height + 1);
        before = now;
    }
    running.kill();

    // Another network in this folder.
    let other = dir.join("other.toml");
    fs::write(
        &other,
        text.replace("1.0.0", "1.0.1")
            .replace(
                "../target",
                town.strip_suffix("policies/town.toml").unwrap(),
            )
            .replace("//", "/"),
    )
    .unwrap();
    let refused = run(&up(&dir, other.to_str().unwrap(), base));
    table.equal("another network file", refused.code, 1);
    table.contains("another network file", &refused.stderr, "holds a network made from another network file: give another --dir, or delete that folder with all its data");

    // Other ports are no other network; kill -9 loses nothing.
    let mut moved = spawn(&dir, &up(&dir, town, base + 3));
    moved.line("ready in ").unwrap();
    table.equal("on other ports", network.settled().await, before);
    table.equal(
        "on other ports",
        network.address(HOSPITAL),
        format!("127.0.0.1:{}", base + 3),
    );
    table.equal("on other ports", moved.stop("INT").code(), Some(0));
}

/// Clients that keep their connections and streams open do not keep a host from ending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_a_busy_host() {
    let mut network = Network::start().await;
    let client = network.client("clinic/hc2");
    let events = client.events("emr", Some(0), None).await.unwrap();
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.commit_status("0".repeat(64).parse().unwrap()).await })
    };
    for organization in [CLINIC, HOSPITAL] {
        let status = network.stop(organization, "INT");
        assert_eq!(status.code(), Some(0), "{}", network.log(organization));
    }
    drop(events);
    assert!(waiting.await.unwrap().is_err());
}
