//! The machine under a host fails it: no room on the disk, a disk that cannot be written, no more open
//! files, a second host on the same data. Whoever waits is told, nothing is acknowledged that is not
//! kept, and after the repair everything acknowledged is on every host.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::fs;
use std::net::TcpStream;

use cordon_client::{Call, Client, ClientError};
use cordon_tests::{
    CLINIC, HOSPITAL, HostProcess, Network, SmallDisk, Standing, cordon, create_emr, emr_of,
    evaluate, eventually, eventually_async, limit, open_files,
};
use cordon_types::{TxId, ValidationCode};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const NO_ROOM: &str = "No space left on device";
/// Room for a channel's blocks, state and ordering log, and little more.
const DISK_BYTES: u64 = 16 << 20;
/// Far more than what a page of a file that is begun still takes.
const TRIES_MAX: usize = 1_000;

/// Patients whose records were acknowledged, and what each transaction was.
#[derive(Default)]
struct Acknowledged {
    patients: Vec<(String, TxId)>,
    /// Of another organisation.
    elsewhere: Vec<TxId>,
}

impl Acknowledged {
    fn next(&self) -> String {
        format!("patient {}", self.patients.len())
    }

    /// Opens records that must be committed.
    async fn create(&mut self, client: &Client, count: usize) {
        for _ in 0..count {
            let patient = self.next();
            let receipt = create_emr(client, &patient).await.unwrap();
            self.patients.push((patient, receipt.tx_id));
        }
    }

    /// Opens records until the client is told otherwise; what it is told.
    async fn create_until_refused(&mut self, client: &Client) -> ClientError {
        for _ in 0..TRIES_MAX {
            let patient = self.next();
            let call = Call::new("emr", "HealthCenter:CreateEmr", &[&emr_of(&patient)]);
            let prepared = match client.endorse(client.propose(&call).unwrap()).await {
                Ok(prepared) => prepared,
                Err(error) => return error,
            };
            if let Err(error) = client.submit(&prepared).await {
                return error;
            }
            // Submit has acknowledged it: it has to be there in the end, seen now or not.
            self.patients.push((patient, prepared.tx_id));
            match client.commit_status(prepared.tx_id).await {
                Ok((code, _)) => assert_eq!(code, ValidationCode::Valid),
                Err(error) => return error,
            }
        }
        panic!("there is room without end");
    }

    /// Both hosts have been started again, agree, and have all of it.
    async fn all_there(&self, network: &mut Network) -> Standing {
        let standing = network.settled().await;
        for (organization, user, physician) in [
            (HOSPITAL, "hospital/hc1", "hospital/py1"),
            (CLINIC, "clinic/hc2", "clinic/py2"),
        ] {
            let verified = network.cli(&["ledger", "verify", "--as", user]);
            assert_eq!(verified.code, 0, "{organization}: {}", verified.stderr);
            let client = network.client(user);
            let own = self.patients.iter().map(|(_, tx_id)| tx_id);
            for tx_id in own.chain(&self.elsewhere) {
                let (code, _) = client.commit_status(*tx_id).await.unwrap();
                assert_eq!(code, ValidationCode::Valid, "{organization}: {tx_id}");
            }
            if organization == HOSPITAL {
                let physician = network.client(physician);
                for (patient, _) in &self.patients {
                    let emr = evaluate(&physician, "Physician:GetEmrByPatientId", &[patient]).await;
                    assert_eq!(emr.unwrap()["patientId"], *patient);
                }
            }
        }
        standing
    }

    /// Ends and starts both hosts, and looks for all of it.
    async fn all_there_after_a_restart(&mut self, network: &mut Network) {
        network.stop_all();
        for organization in [HOSPITAL, CLINIC] {
            network.start_host(organization);
        }
        self.all_there(network).await;
        self.create(&network.client("hospital/hc1"), 1).await;
        network.settled().await;
    }
}

/// Code, and all that is shown to the client.
fn told(error: &ClientError) -> (Code, String) {
    match error {
        ClientError::Status {
            code,
            message,
            details,
        } => (*code, format!("{message} {details:?}")),
        other => panic!("{other}"),
    }
}

/// What the health service of a host says of it.
async fn health(network: &Network, organization: &str) -> ServingStatus {
    let mut client = HealthClient::new(network.connection(organization));
    let request = HealthCheckRequest {
        service: String::new(),
    };
    client.check(request).await.unwrap().into_inner().status()
}

/// Both hosts, with a small disk below one of them.
async fn on_a_small_disk(organization: &str, below: &str) -> Option<(Network, SmallDisk)> {
    let mut network = Network::provision();
    let disk = SmallDisk::over(&network.data(organization, below), DISK_BYTES)?;
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    network.settled().await;
    Some((network, disk))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_room_for_the_ordering_log_refuses_transactions_until_there_is_some() {
    let Some((mut network, disk)) = on_a_small_disk(HOSPITAL, "ordering").await else {
        return;
    };
    let (hc1, hc2) = (network.client("hospital/hc1"), network.client("clinic/hc2"));
    let mut acknowledged = Acknowledged::default();
    acknowledged.create(&hc1, 3).await;

    for round in 0..2 {
        disk.fill();
        let error = acknowledged.create_until_refused(&hc1).await;
        let (code, text) = told(&error);
        assert_eq!(code, Code::Unavailable, "{text}");
        assert!(text.contains("does not take transactions"), "{text}");
        // The other organisation is told as much, and not where the log lies.
        let call = Call::new(
            "emr",
            "HealthCenter:CreateEmr",
            &[&emr_of(&format!("at the clinic {round}"))],
        );
        let prepared = hc2.endorse(hc2.propose(&call).unwrap()).await.unwrap();
        let (code, text) = told(&hc2.submit(&prepared).await.unwrap_err());
        assert_eq!(code, Code::Unavailable, "{text}");
        assert!(!text.contains(network.dir_text()), "{text}");
        // Both go on in everything else.
        for organization in [HOSPITAL, CLINIC] {
            assert_eq!(health(&network, organization).await, ServingStatus::Serving);
        }

        disk.free();
        // Nothing is acknowledged that was refused, and the same transaction is taken now.
        eventually_async("there is room again", async || {
            hc2.submit(&prepared).await.ok()
        })
        .await;
        let (code, _) = hc2.commit_status(prepared.tx_id).await.unwrap();
        assert_eq!(code, ValidationCode::Valid);
        acknowledged.elsewhere.push(prepared.tx_id);
        acknowledged.create(&hc1, 3).await;
        network.settled().await;
    }
    let log = network.log(HOSPITAL);
    for text in [
        NO_ROOM,
        "ordering/providers/00000000.seg",
        "until it can be written again",
        "takes transactions again",
    ] {
        assert!(log.contains(text), "{text:?} is not in: {log}");
    }
    acknowledged.all_there_after_a_restart(&mut network).await;
}

/// The channel of a host that cannot keep its blocks has stopped there, and says so to whoever asks.
async fn has_stopped(network: &mut Network, organization: &str, user: &str, why: &str) {
    let client = network.client(user);
    let error = eventually_async("the channel stops", async || {
        let call = Call::new("emr", "HealthCenter:CheckIsPatientRegistered", &["x"]);
        client.evaluate(&call).await.err()
    })
    .await;
    let (code, text) = told(&error);
    assert_eq!(code, Code::Unavailable, "{text}");
    assert!(
        text.contains("channel providers has stopped on this host"),
        "{text}"
    );
    eventually_async("the health service says so", async || {
        (health(network, organization).await == ServingStatus::NotServing).then_some(())
    })
    .await;
    let log = network.log(organization);
    for text in [why, "start the host again"] {
        assert!(log.contains(text), "{text:?} is not in: {log}");
    }
    assert!(!log.contains("panicked"), "{log}");
    assert!(
        network.host(organization).ended().is_none(),
        "it still runs"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_room_for_blocks_stops_the_channel_there_until_a_restart() {
    let Some((mut network, disk)) = on_a_small_disk(CLINIC, "").await else {
        return;
    };
    let hc1 = network.client("hospital/hc1");
    let mut acknowledged = Acknowledged::default();
    acknowledged.create(&hc1, 3).await;
    disk.fill();
    // The clinic has to endorse, so the hospital is told when it cannot any more.
    let error = acknowledged.create_until_refused(&hc1).await;
    let (code, text) = told(&error);
    assert_eq!(code, Code::Unavailable, "{text}");
    has_stopped(&mut network, CLINIC, "clinic/hc2", NO_ROOM).await;

    // Started on a disk that is still full, it says that, or stops as before.
    network.kill(CLINIC);
    if let Err(error) = network.try_start_host(CLINIC) {
        assert!(
            error.contains(NO_ROOM) && !error.contains("panicked"),
            "{error}"
        );
    } else {
        network.kill(CLINIC);
    }
    disk.free();
    network.start_host(CLINIC);
    acknowledged.all_there(&mut network).await;
    acknowledged.all_there_after_a_restart(&mut network).await;
}

/// A limit of the process instead of the disk: a write beyond it fails and does not end the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_on_the_size_of_files_is_told_like_a_full_disk() {
    let mut network = Network::start().await;
    let hc1 = network.client("hospital/hc1");
    let mut acknowledged = Acknowledged::default();
    acknowledged.create(&hc1, 3).await;
    network.settled().await;
    let blocks = fs::metadata(network.data(CLINIC, "channels/providers/blocks/00000000.seg"));
    limit(
        network.host(CLINIC).id(),
        "fsize",
        Some(blocks.unwrap().len() + 100),
    );
    let error = acknowledged.create_until_refused(&hc1).await;
    assert_eq!(told(&error).0, Code::Unavailable);
    has_stopped(&mut network, CLINIC, "clinic/hc2", "File too large").await;
    network.kill(CLINIC);
    network.start_host(CLINIC);
    acknowledged.all_there(&mut network).await;
    acknowledged.all_there_after_a_restart(&mut network).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_too_many_open_files_a_host_goes_on() {
    let mut network = Network::start().await;
    let hc1 = network.client("hospital/hc1");
    let mut acknowledged = Acknowledged::default();
    acknowledged.create(&hc1, 3).await;
    network.settled().await;
    for organization in [HOSPITAL, CLINIC] {
        let process = network.host(organization).id();
        limit(process, "nofile", Some(open_files(process) + 2));
        let address = network.address(organization);
        let crowd: Vec<TcpStream> = (0..8)
            .map(|_| TcpStream::connect(&address).unwrap())
            .collect();
        eventually("a connection is not accepted", || {
            network
                .log(organization)
                .contains("a connection was not accepted")
                .then_some(())
        });
        // Who is connected already is served, and blocks are kept.
        acknowledged.create(&hc1, 5).await;
        drop(crowd);
        // And others, as soon as there are files again.
        let hc2 = network.client("clinic/hc2");
        let patient = format!("while {organization} was full");
        let receipt = create_emr(&hc2, &patient).await.unwrap();
        acknowledged.elsewhere.push(receipt.tx_id);
        network.settled().await;
        limit(process, "nofile", Some(1024));
    }
    acknowledged.all_there(&mut network).await;
    acknowledged.all_there_after_a_restart(&mut network).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_cannot_be_written_is_refused_at_start() {
    let Some((mut network, disk)) = on_a_small_disk(CLINIC, "").await else {
        return;
    };
    let hc1 = network.client("hospital/hc1");
    let mut acknowledged = Acknowledged::default();
    acknowledged.create(&hc1, 3).await;
    network.settled().await;
    assert!(network.stop(CLINIC, "TERM").success());
    disk.writable(false);
    let error = network.try_start_host(CLINIC).unwrap_err();
    let data = network.data(CLINIC, "");
    let data = data.to_str().unwrap().trim_end_matches('/');
    for text in [
        "exit status: 1",
        data,
        "Read-only file system",
        "mounted for writing",
    ] {
        assert!(error.contains(text), "{text:?} is not in: {error}");
    }
    disk.writable(true);
    network.start_host(CLINIC);
    acknowledged.all_there(&mut network).await;
    acknowledged.all_there_after_a_restart(&mut network).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_host_on_the_same_data_is_refused_before_it_opens_anything() {
    let mut network = Network::start().await;
    let hc1 = network.client("hospital/hc1");
    let mut acknowledged = Acknowledged::default();
    acknowledged.create(&hc1, 3).await;
    let process = network.host(CLINIC).id();

    // With its own configuration, and with one that takes another port.
    let config = network.config(CLINIC);
    let beside = config.with_file_name("beside.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&beside, format!("listen = \"127.0.0.1:0\"\n{text}")).unwrap();
    for config in [&config, &beside] {
        let stderr = network.dir().join("logs/second");
        let args = ["host", "run", "--config", config.to_str().unwrap()];
        let error = HostProcess::spawn(&args, &stderr, "warn")
            .line("ready in ")
            .unwrap_err();
        for text in [
            "exit status: 1",
            &format!("another host (process {process}) works with"),
            network
                .data(CLINIC, "")
                .to_str()
                .unwrap()
                .trim_end_matches('/'),
            "stop it first",
        ] {
            assert!(error.contains(text), "{text:?} is not in: {error}");
        }
    }
    // `cordon up` locks the network, and its hosts' data like any host.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/town.toml");
    let up = cordon(&["up", "--network", file, "--dir", network.dir_text()]);
    assert_eq!(up.code, 1, "{up:?}");
    assert!(up.stderr.contains("another host (process"), "{up:?}");

    // The first one has noticed nothing.
    acknowledged.create(&hc1, 3).await;
    acknowledged.all_there(&mut network).await;
    // A lock falls with its process, however that ends.
    network.kill(CLINIC);
    network.start_host(CLINIC);
    acknowledged.all_there(&mut network).await;
    acknowledged.all_there_after_a_restart(&mut network).await;
}
