//! Backups of a host that works, and hosts that are made from them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cordon_tests::{
    CLINIC, Cli, HOSPITAL, HostProcess, Network, Table, cordon, create_emr, eventually_async,
};

use crate::files::{below, flip, tree};

fn backup(network: &Network, organization: &str, name: &str, more: &[&str]) -> Cli {
    let (admin, out) = (format!("{organization}/admin"), below(network, name));
    let args = ["host", "backup", "--as", &admin, "--out", &out];
    network.cli(&[&args, more].concat())
}

fn restore(network: &Network, from: &str, to: &str) -> Cli {
    let (from, to) = (below(network, from), below(network, to));
    cordon(&["host", "restore", "--from", &from, "--to", &to])
}

/// Gives a restored host its keys, as an operator does who keeps them elsewhere.
fn give_keys(network: &Network, organization: &str, restored: &str) {
    let keys = network
        .dir()
        .join(format!("organizations/{organization}/host"));
    let to = network.dir().join(restored);
    for key in ["msp/keystore/priv_sk", "tls/server.key"] {
        fs::copy(keys.join(key), to.join(key)).unwrap();
    }
}

/// Runs a restored host; what it says when it ends before it is ready.
fn run(network: &Network, restored: &str) -> Result<HostProcess, String> {
    let config = below(network, &format!("{restored}/host.toml"));
    let log = network.dir().join("logs").join(restored);
    let mut process = HostProcess::spawn(&["host", "run", "--config", &config], &log, "warn");
    process.line("ready in ").map(|_| process)
}

/// Transactions, one after the other, until it is told to stop; how many have taken effect.
struct Load {
    stop: Arc<AtomicBool>,
    working: tokio::task::JoinHandle<u64>,
}

impl Load {
    async fn begin(network: &Network, name: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (client, told) = (network.client("hospital/hc1"), Arc::clone(&stop));
        let before = network.standing(HOSPITAL).await.height;
        let working = tokio::spawn(async move {
            let mut done = 0;
            while !told.load(Ordering::Relaxed) {
                let patient = format!("{name}{done}");
                create_emr(&client, &patient).await.unwrap();
                done += 1;
            }
            done
        });
        eventually_async("the load has begun", async || {
            let here = network.try_standing(HOSPITAL).await?;
            (here.height >= before + 3).then_some(())
        })
        .await;
        Self { stop, working }
    }

    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.working.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_restored_catches_up_and_agrees() {
    let mut network = Network::start().await;
    let load = Load::begin(&network, "load").await;
    let mut table = Table::new();
    let saved = backup(&network, CLINIC, "saved", &["--json"]);
    assert_eq!(saved.code, 0, "{saved:?}");
    let saved = saved.json();
    table.equal("keys", saved["keys"].clone(), false.into());
    table.equal(
        "no log",
        saved["channels"][0]["orderingRecords"].clone(),
        serde_json::Value::Null,
    );
    let height = saved["channels"][0]["height"].as_u64().unwrap();
    table.holds("some blocks", height > 3);
    load.end().await;
    let ahead = network.settled().await;
    table.holds("not all blocks", height <= ahead.height);
    for (path, content) in tree(&network.dir().join("saved")) {
        let content = content.unwrap_or_default();
        let key = content.windows(12).any(|part| part == b"PRIVATE KEY-");
        table.holds(&format!("{}: no key", path.display()), !key);
    }

    network.kill(CLINIC);
    let restored = restore(&network, "saved", "restored");
    assert_eq!(restored.code, 0, "{restored:?}");
    table.contains(
        "keys",
        &restored.stdout,
        "restored/msp/keystore/priv_sk and ",
    );
    let again = restore(&network, "saved", "restored");
    table.contains(
        "twice",
        &again.stderr,
        "restored is there and not empty: give a new folder",
    );
    let error = run(&network, "restored").err().unwrap_or_default();
    table.contains("without keys", &error, "msp/keystore is empty");
    give_keys(&network, CLINIC, "restored");
    let _clinic = run(&network, "restored").unwrap();
    table.equal(
        "it catches up and agrees",
        network.settled().await,
        ahead.clone(),
    );
    create_emr(&network.client("clinic/hc2"), "after")
        .await
        .unwrap();
    table.equal(
        "and goes on",
        network.settled().await.height,
        ahead.height + 1,
    );
    let verified = network.cli(&["ledger", "verify", "--as", "clinic/admin"]);
    table.equal("verified", verified.code, 0);
}

/// The keeper of the ordering log: its backup holds what its blocks rest on; and a log that is older
/// than what others have committed is not used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_keeper_goes_on_only_with_a_log_that_lacks_nothing() {
    let mut network = Network::start().await;
    let load = Load::begin(&network, "load").await;
    let mut table = Table::new();
    let old = backup(&network, HOSPITAL, "old", &["--with-keys"]);
    assert_eq!(old.code, 0, "{old:?}");
    table.contains("said", &old.stdout, "PRIVATE KEYS are in it");
    load.end().await;
    create_emr(&network.client("hospital/hc1"), "later")
        .await
        .unwrap();
    let ahead = network.settled().await;
    assert!(backup(&network, HOSPITAL, "new", &["--with-keys"]).code == 0);

    network.kill(HOSPITAL);
    for name in ["old", "new"] {
        let restored = restore(&network, name, &format!("from-{name}"));
        assert_eq!(restored.code, 0, "{restored:?}");
    }
    let mode = |path: &str| {
        let path = network.dir().join(path);
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    for folder in ["old", "from-old"] {
        table.equal(folder, mode(folder), 0o700);
        for key in ["msp/keystore/priv_sk", "tls/server.key"] {
            let key = format!("{folder}/{key}");
            table.equal(&key, mode(&key), 0o600);
        }
    }

    // The clinic has more than the old log: it is not used, however often it is tried.
    let clinic = network.address(CLINIC);
    for round in ["first", "second"] {
        let error = run(&network, "from-old").err().unwrap_or_default();
        table.contains(round, &error, "exit status: 1");
        table.contains(
            round,
            &error,
            "the ordering log of channel providers comes from a backup and has ",
        );
        let says = format!(
            "ClinicMSP at {clinic} has committed block {}, which was made of ",
            ahead.height - 1
        );
        table.contains(round, &error, &says);
        table.contains(round, &error, "would fork the channel");
    }
    // Nor while that cannot be known.
    assert!(network.stop(CLINIC, "TERM").success());
    let error = run(&network, "from-new").err().unwrap_or_default();
    let says = format!("ClinicMSP at {clinic} cannot be asked whether it has committed more");
    table.contains("alone", &error, &says);
    table.contains("alone", &error, "start that host first");

    network.start_host(CLINIC);
    let mut others = Vec::new();
    for organization in ["parents", "school"] {
        // The hospital keeps their channels' logs too.
        let error = run(&network, "from-new").err().unwrap_or_default();
        table.contains(
            organization,
            &error,
            "cannot be asked whether it has committed more",
        );
        network.start_host(organization);
        others.push(organization);
    }
    let hospital = run(&network, "from-new").unwrap();
    table.equal("with all", network.settled().await, ahead.clone());
    eventually_async("it goes on", async || {
        create_emr(&network.client("clinic/hc2"), "after")
            .await
            .ok()
    })
    .await;
    table.equal("further", network.settled().await.height, ahead.height + 1);
    // Compared once, it is a log like any other.
    drop(hospital);
    for organization in others {
        network.kill(organization);
    }
    table.holds("alone", run(&network, "from-new").is_ok());
}

type Damage = fn(&Path);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_backup_is_refused_and_nothing_is_written() {
    let network = Network::start().await;
    create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();
    assert_eq!(backup(&network, HOSPITAL, "good", &[]).code, 0);
    let cases: Vec<(&str, Damage, &str)> = vec![
        (
            "blocks",
            |dir| {
                flip(
                    &dir.join("data/channels/providers/blocks/00000000.seg"),
                    200,
                );
            },
            "data/channels/providers/blocks/00000000.seg does not have the SHA-256 of the manifest",
        ),
        (
            "log",
            |dir| flip(&dir.join("data/ordering/providers/00000000.seg"), 100),
            "data/ordering/providers/00000000.seg does not have the SHA-256",
        ),
        (
            "configuration",
            |dir| flip(&dir.join("host.toml"), 3),
            "host.toml does not have the SHA-256",
        ),
        (
            "block 0",
            |dir| flip(&dir.join("channels/cards.block"), 50),
            "channels/cards.block does not",
        ),
        (
            "certificate",
            |dir| flip(&dir.join("tls/server.crt"), 50),
            "tls/server.crt does not",
        ),
        (
            "shorter",
            |dir| {
                let path = dir.join("data/ordering/providers/00000000.seg");
                let bytes = fs::read(&path).unwrap();
                fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
            },
            "bytes, and the manifest says ",
        ),
        (
            "missing",
            |dir| fs::remove_file(dir.join("host.toml")).unwrap(),
            "cannot read ",
        ),
        (
            "more",
            |dir| fs::write(dir.join("data/more"), "").unwrap(),
            "data/more is not in the manifest",
        ),
        (
            "no manifest",
            |dir| fs::remove_file(dir.join("manifest.json")).unwrap(),
            "cannot read ",
        ),
        (
            "manifest",
            |dir| fs::write(dir.join("manifest.json"), "{}").unwrap(),
            "manifest.json cannot be read: missing field",
        ),
        (
            "a way out",
            |dir| {
                let path = dir.join("manifest.json");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(path, text.replace("\"host.toml\"", "\"../host.toml\"")).unwrap();
            },
            "manifest.json cannot be read: it names the file \"../host.toml\"",
        ),
    ];
    let mut table = Table::new();
    let good: PathBuf = network.dir().join("good");
    for (case, damage, says) in cases {
        let dir = network.dir().join("damaged");
        crate::files::copy(&good, &dir);
        damage(&dir);
        let refused = restore(&network, "damaged", "made");
        table.equal(case, refused.code, 1);
        table.contains(case, &refused.stderr, "damaged cannot be used: ");
        table.contains(case, &refused.stderr, says);
        table.holds(case, !network.dir().join("made").exists());
        fs::remove_dir_all(dir).unwrap();
    }
    table.equal("the good one", restore(&network, "good", "made").code, 0);
    let refused = network.cli(&["host", "backup", "--as", "clinic/hc2", "--out", "x"]);
    table.contains(
        "no admin",
        &refused.stderr,
        "only admins of ClinicMSP may administer this host",
    );
}
