//! A network in a temporary folder: provisioned by `cordon init`, one process per host.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use cordon_client::{Call, Client, Endpoint};
use cordon_identity::{CertificateAuthority, Signer, SigningKey};
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::ledger::{Standing, standing};
use crate::process::{HostProcess, eventually_async};
use crate::raw::Raw;
use crate::{Cli, cordon};

/// The organisation whose process also keeps the ordering log.
pub const HOSPITAL: &str = "hospital";
/// The other one.
pub const CLINIC: &str = "clinic";
/// The channel of both.
pub const CHANNEL: &str = "providers";

/// Ports below the range from which the system takes those of outgoing connections.
const PORTS_FROM: u16 = 20_000;
const PORTS_TO: u16 = 32_000;
const PORTS_EACH: u16 = 16;

/// Which network is made.
pub enum NetworkFile {
    /// `policies/town.toml`.
    Town,
    /// Another text.
    Text(String),
}

/// A network. Everything ends, and every file goes, when it is dropped; `CORDON_TESTS_KEEP=1` keeps
/// the files and says where.
pub struct Network {
    dir: TempDir,
    ports: Ports,
    hosts: BTreeMap<String, HostProcess>,
    log: String,
}

/// Ports that no other test takes while this lives.
pub(crate) struct Ports {
    pub(crate) base: u16,
    _lock: File,
}

impl Ports {
    /// How many there are from the base on.
    pub(crate) const EACH: u16 = PORTS_EACH;

    pub(crate) fn reserve() -> Self {
        let dir = std::env::temp_dir().join("cordon-tests-ports");
        fs::create_dir_all(&dir).unwrap();
        let slots = (PORTS_TO - PORTS_FROM) / PORTS_EACH;
        // Processes begin in different places, so that they seldom meet.
        let first = u16::try_from(std::process::id() % u32::from(slots)).unwrap();
        for slot in (0..slots).map(|index| (first + index) % slots) {
            let base = PORTS_FROM + slot * PORTS_EACH;
            let lock = File::create(dir.join(base.to_string())).unwrap();
            if lock.try_lock().is_err() {
                continue;
            }
            let free = (base..base + PORTS_EACH)
                .all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
            if free {
                return Self { base, _lock: lock };
            }
        }
        panic!("no free ports between {PORTS_FROM} and {PORTS_TO}");
    }
}

impl Network {
    /// The town, provisioned; nothing runs.
    pub fn provision() -> Self {
        Self::provision_from(NetworkFile::Town, "warn")
    }

    /// Any network; its hosts will log at `log`.
    pub fn provision_from(file: NetworkFile, log: &str) -> Self {
        let mut dir = tempfile::Builder::new()
            .prefix("cordon-test-")
            .tempdir()
            .unwrap();
        if std::env::var_os("CORDON_TESTS_KEEP").is_some() {
            dir.disable_cleanup(true);
            eprintln!("files of this network: {}", dir.path().display());
        }
        fs::create_dir(dir.path().join("logs")).unwrap();
        let path = match file {
            NetworkFile::Town => town_file(),
            NetworkFile::Text(text) => {
                let path = dir.path().join("file.toml");
                fs::write(&path, text).unwrap();
                path
            }
        };
        let ports = Ports::reserve();
        let network = Self {
            dir,
            ports,
            hosts: BTreeMap::new(),
            log: log.to_owned(),
        };
        let done = cordon(&[
            "init",
            "--network",
            path.to_str().unwrap(),
            "--dir",
            network.dir_text(),
            "--port-base",
            &network.port_base().to_string(),
        ]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        network.move_operations();
        network
    }

    /// Each host's metrics and health are served where there is a free port: a test has few of its own.
    fn move_operations(&self) {
        for entry in fs::read_dir(self.dir().join("hosts")).unwrap() {
            let path = entry.unwrap().path().join("host.toml");
            let config = fs::read_to_string(&path).unwrap();
            let line = config
                .lines()
                .find(|line| line.starts_with("operations = "));
            let moved = config.replace(line.unwrap(), "operations = \"127.0.0.1:0\"");
            fs::write(path, moved).unwrap();
        }
    }

    /// The town, running: both hosts answer and are at the same height.
    pub async fn start() -> Self {
        Self::start_logging("warn").await
    }

    /// The same; its hosts log at `log`.
    pub async fn start_logging(log: &str) -> Self {
        let mut network = Self::provision_from(NetworkFile::Town, log);
        for organization in [HOSPITAL, CLINIC] {
            network.start_host(organization);
        }
        network.settled().await;
        network
    }

    /// The folder of the network.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The same as text.
    pub fn dir_text(&self) -> &str {
        self.dir().to_str().unwrap()
    }

    /// Port of the first host.
    pub fn port_base(&self) -> u16 {
        self.ports.base
    }

    /// `host:port` of a host, as its peers and errors name it.
    pub fn address(&self, organization: &str) -> String {
        self.connection_file(organization)["endpoint"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn connection_file(&self, organization: &str) -> serde_json::Value {
        let path = self.dir().join(format!("connections/{organization}.json"));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    // === processes ===

    /// The configuration file of a host.
    pub fn config(&self, organization: &str) -> PathBuf {
        self.dir().join(format!("hosts/{organization}/host.toml"))
    }

    /// A folder below a host's data.
    pub fn data(&self, organization: &str, below: &str) -> PathBuf {
        self.dir()
            .join(format!("hosts/{organization}/data"))
            .join(below)
    }

    fn spawn(&self, organization: &str) -> HostProcess {
        let config = self.config(organization);
        let args = ["host", "run", "--config", config.to_str().unwrap()];
        let stderr = self.dir().join(format!("logs/{organization}"));
        HostProcess::spawn(&args, &stderr, &self.log)
    }

    /// Starts a host and waits until it is ready.
    pub fn start_host(&mut self, organization: &str) {
        self.try_start_host(organization)
            .unwrap_or_else(|error| panic!("{organization} does not start: {error}"));
    }

    /// Starts a host that may refuse.
    ///
    /// # Errors
    /// Exit status and stderr, when it ends before it is ready.
    pub fn try_start_host(&mut self, organization: &str) -> Result<(), String> {
        let mut process = self.spawn(organization);
        process.line("ready in ")?;
        self.hosts.insert(organization.to_owned(), process);
        Ok(())
    }

    /// Starts a host and kills it a moment later, wherever it is by then.
    pub fn start_and_kill(&self, organization: &str, moment: Duration) {
        let mut process = self.spawn(organization);
        std::thread::sleep(moment);
        process.kill();
    }

    /// A host that runs.
    pub fn host(&mut self, organization: &str) -> &mut HostProcess {
        self.hosts.get_mut(organization).unwrap()
    }

    /// Where a host that runs serves metrics and health.
    pub fn operations(&self, organization: &str) -> SocketAddr {
        let ready = self.hosts[organization].said("ready in ").unwrap();
        let (_, rest) = ready.split_once("operations at http://").unwrap();
        rest.split_once(' ').unwrap().0.parse().unwrap()
    }

    /// Ends a host as `kill -9` does.
    pub fn kill(&mut self, organization: &str) {
        self.hosts.remove(organization).unwrap().kill();
    }

    /// Asks a host to end, and waits until it has.
    pub fn stop(&mut self, organization: &str, signal: &str) -> ExitStatus {
        self.hosts.remove(organization).unwrap().stop(signal)
    }

    /// Asks every host to end; each must do so in good order.
    pub fn stop_all(&mut self) {
        for organization in self.hosts.keys().cloned().collect::<Vec<_>>() {
            let status = self.stop(&organization, "TERM");
            assert!(
                status.success(),
                "{organization}: {status}: {}",
                self.log(&organization)
            );
        }
    }

    /// Everything that a host's processes have written to stderr.
    pub fn log(&self, organization: &str) -> String {
        fs::read_to_string(self.dir().join(format!("logs/{organization}"))).unwrap()
    }

    // === identities and connections ===

    /// MSP id of an organisation.
    pub fn msp_id(&self, organization: &str) -> String {
        self.connection_file(organization)["mspId"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The signing identity of `organisation/user`.
    pub fn signer(&self, caller: &str) -> Arc<Signer> {
        let (organization, user) = caller.split_once('/').unwrap();
        let msp = self
            .dir()
            .join(format!("organizations/{organization}/users/{user}/msp"));
        let certificate =
            fs::read_to_string(msp.join(format!("signcerts/{user}-cert.pem"))).unwrap();
        let key = fs::read_to_string(msp.join("keystore/priv_sk")).unwrap();
        let id = self.msp_id(organization).parse().unwrap();
        Arc::new(Signer::new(id, &certificate, SigningKey::from_pem(&key).unwrap()).unwrap())
    }

    /// An organisation's own authority, with its key.
    pub fn authority(&self, organization: &str) -> CertificateAuthority {
        let folder = self.dir().join(format!("organizations/{organization}/ca"));
        CertificateAuthority::from_pem(
            &fs::read_to_string(folder.join("ca-cert.pem")).unwrap(),
            &fs::read_to_string(folder.join("priv_sk")).unwrap(),
        )
        .unwrap()
    }

    /// A new connection to an organisation's host.
    pub fn connection(&self, organization: &str) -> Channel {
        self.connect(&self.connection_file(organization))
    }

    /// A client for `organisation/user` at a further host of that organisation.
    pub fn client_of_host(&self, host: &str, caller: &str) -> Client {
        let path = self.dir().join(format!("hosts/{host}/connection.json"));
        let file = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        Client::new(CHANNEL, self.signer(caller), self.connect(&file))
    }

    fn connect(&self, file: &serde_json::Value) -> Channel {
        let text = |name: &str| file[name].as_str().unwrap().to_owned();
        let tls_ca = self.dir().join(text("tlsCACertPath"));
        let endpoint = Endpoint {
            address: text("endpoint"),
            server_name: text("serverName"),
            tls_ca_pem: fs::read_to_string(tls_ca).unwrap(),
        };
        endpoint.connect_lazy().unwrap()
    }

    /// A client for `organisation/user` at that organisation's host.
    pub fn client(&self, caller: &str) -> Client {
        let (organization, _) = caller.split_once('/').unwrap();
        Client::new(CHANNEL, self.signer(caller), self.connection(organization))
    }

    /// Every service of an organisation's host.
    pub fn raw(&self, organization: &str) -> Raw {
        Raw::new(self.connection(organization))
    }

    /// Runs `cordon` with `--dir` of this network after the command's first two words.
    pub fn cli(&self, args: &[&str]) -> Cli {
        let (command, rest) = args.split_at(2);
        cordon(&[command, &["--dir", self.dir_text()], rest].concat())
    }

    // === state ===

    /// Where a host is on the channel; `None` while it does not answer.
    pub async fn try_standing(&self, organization: &str) -> Option<Standing> {
        let user = if organization == HOSPITAL {
            "hospital/hc1"
        } else {
            "clinic/hc2"
        };
        standing(&self.client(user)).await.ok()
    }

    /// Where a host that answers is.
    pub async fn standing(&self, organization: &str) -> Standing {
        self.try_standing(organization).await.unwrap()
    }

    /// Waits until both hosts answer and are at the same block; where that is. Fails when they are
    /// at the same height and not the same.
    pub async fn settled(&self) -> Standing {
        eventually_async("both hosts are at the same height", async || {
            let hospital = self.try_standing(HOSPITAL).await?;
            let clinic = self.try_standing(CLINIC).await?;
            if hospital.height != clinic.height {
                return None;
            }
            assert_eq!(hospital, clinic, "the hosts have parted");
            Some(hospital)
        })
        .await
    }

    /// Waits until a host answers queries.
    pub async fn answers(&self, caller: &str) {
        let client = self.client(caller);
        let call = Call::new("qscc", "GetChainInfo", &[CHANNEL]);
        eventually_async("the host answers", async || {
            client.evaluate(&call).await.ok()
        })
        .await;
    }
}

/// `policies/town.toml` of this repository.
fn town_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/town.toml")
}
