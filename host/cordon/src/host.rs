//! One organisation's host: its configuration, and everything started from it in a readable order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use cordon_channel::{Channel, ChannelConfig, ChannelError, ComponentStore, FilePackages};
use cordon_client::Client;
use cordon_execute::Runtime;
use cordon_gateway::{Executions, Host, HostOptions, Measures, Peer, serve};
use cordon_identity::SignatureCache;
use cordon_policy::AccessPolicyFile;
use cordon_types::MspId;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::administration::{HostAdministration, Jobs};
use crate::catch_up::CatchingUp;
use crate::certificates::HostMaterial;
use crate::copies::check_restored_logs;
use crate::data_lock::DataLock;
use crate::logging::TelemetrySection;
use crate::seeing::{WatchOptions, Watched};
use crate::wiring::Wiring;
use crate::{compiler, material};

/// `host.toml`. Paths are relative to the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostConfig {
    /// The organisation.
    pub(crate) msp_id: String,
    /// `host:port` by which others know this host.
    pub(crate) address: String,
    /// `host:port` to listen on, when it is not `address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listen: Option<String>,
    /// `host:port` where metrics and health are served, in plain HTTP; nowhere when it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operations: Option<String>,
    /// MSP folder with the host's signing identity.
    pub(crate) msp: PathBuf,
    /// Folder with `server.crt` and `server.key`.
    pub(crate) tls: PathBuf,
    /// Where ledgers are kept.
    pub(crate) data: PathBuf,
    /// Contracts' components, `<sha256>.wasm`.
    pub(crate) components: PathBuf,
    /// Where spans are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) telemetry: Option<TelemetrySection>,
    /// Channels this host is a member of.
    #[serde(default)]
    pub(crate) channels: Vec<ChannelSection>,
    /// Where a host is reached, by the address that a channel's configuration has for it, when it is
    /// not there: behind a proxy, or another name inside a network.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) address_overrides: BTreeMap<String, String>,
}

/// A channel in `host.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelSection {
    /// The channel's block 0.
    pub(crate) genesis: PathBuf,
}

impl HostConfig {
    /// Reads a configuration; its paths become usable from the working directory.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = material::read(path)?;
        let mut config: Self = toml::from_str(&text)
            .with_context(|| format!("{} is not a host's configuration", path.display()))?;
        let base = path.parent().unwrap_or(Path::new("."));
        let Self {
            msp,
            tls,
            data,
            components,
            channels,
            ..
        } = &mut config;
        let genesis = channels.iter_mut().map(|channel| &mut channel.genesis);
        for path in [msp, tls, data, components].into_iter().chain(genesis) {
            *path = base.join(&path);
        }
        Ok(config)
    }

    /// Takes data and port; done for all hosts before any of them starts, so that they find each other.
    pub(crate) async fn take(&self) -> Result<Taken> {
        let lock = DataLock::take(&self.data)?;
        let listener = self.listen().await?;
        Ok(Taken { lock, listener })
    }

    async fn listen(&self) -> Result<TcpListener> {
        let address = self.listen.as_ref().unwrap_or(&self.address);
        TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address}: is another host running there? (--port-base moves the ports)")
        })
    }
}

/// What a host has for itself before it starts.
pub(crate) struct Taken {
    lock: DataLock,
    pub(crate) listener: TcpListener,
}

/// What the hosts of one process share.
pub(crate) struct Shared {
    runtime: Runtime,
    executions: Arc<Executions>,
    compiled: PathBuf,
}

impl Shared {
    /// Compiled contracts are kept in the folder.
    pub(crate) fn new(compiled: PathBuf) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        // Enough to keep every core busy while some calls wait for the disk, and never more than
        // there are slots for instances.
        let executions = (cores * 2).min(cordon_execute::CALLS_MAX as usize);
        Ok(Self {
            runtime: compiler::runtime(Some(compiled.clone()))?,
            executions: Arc::new(Executions::new(executions)),
            compiled,
        })
    }
}

/// A host that runs.
pub(crate) struct RunningHost {
    channels: Vec<Arc<Channel>>,
    /// Those that follow ordering logs and configurations.
    tasks: Vec<tokio::task::JoinHandle<()>>,
    server: tokio::task::JoinHandle<Result<(), cordon_gateway::ServeError>>,
    stop: tokio::sync::watch::Sender<bool>,
    watched: Arc<Watched>,
    wiring: Arc<Wiring>,
    _lock: DataLock,
    jobs: Jobs,
}

impl RunningHost {
    /// Opens the host's channels and serves.
    pub(crate) async fn start(config: HostConfig, taken: Taken, shared: &Shared) -> Result<Self> {
        let Taken { lock, listener } = taken;
        let msp_id: MspId = config.msp_id.parse()?;
        // Before anything is opened: TLS is what is most often set up wrongly.
        let own = HostMaterial::read(&config)?;
        let wiring = Arc::new(Wiring::new(&config, own)?);

        let components = ComponentStore::new(config.components.clone(), shared.runtime.clone());
        let (packages, damaged) = FilePackages::open(
            config.data.join("packages"),
            config.components.clone(),
            shared.runtime.clone(),
        )
        .context("cannot use the packages of this host")?;
        for package in damaged {
            tracing::warn!(%package, "a package is damaged");
        }
        let signatures = Arc::new(SignatureCache::default());
        let mut channels = Vec::new();
        for section in &config.channels {
            let error = || format!("cannot use {}", section.genesis.display());
            let block = Bytes::from(std::fs::read(&section.genesis).with_context(error)?);
            let id = ChannelConfig::from_genesis(&block)
                .with_context(error)?
                .id()?;
            let dir = config.data.join("channels").join(id.as_str());
            let (components, signatures) = (components.clone(), Arc::clone(&signatures));
            let (organization, wiring) = (msp_id.clone(), Arc::clone(&wiring));
            let runtime = tokio::runtime::Handle::current();
            let opening = move || {
                let log = |config: &ChannelConfig| {
                    // Connections live on the runtime.
                    let _on = runtime.enter();
                    wiring
                        .log(config)
                        .map_err(|error| ChannelError::Internal(format!("{error:#}")))
                };
                Channel::open(&dir, &block, organization, &components, signatures, log)
            };
            let (channel, report) = tokio::task::spawn_blocking(opening)
                .await?
                .with_context(|| format!("cannot open channel {id}"))?;
            if let Some(cut) = &report.cut {
                tracing::warn!(channel = %id, ?cut, "an unfinished block was cut off; it comes again from ordering");
            }
            if let Some(reason) = &report.rebuilt {
                tracing::warn!(channel = %id, %reason, blocks = report.replayed_blocks, "the state was rebuilt from the blocks");
            }
            channels.push(Arc::new(channel));
        }

        let measures = Arc::new(Measures::default());
        let watched = Watched::new(WatchOptions {
            config: config.clone(),
            compiled: shared.compiled.clone(),
            channels: channels.clone(),
            wiring: Arc::clone(&wiring),
            measures: Arc::clone(&measures),
        });
        let jobs = Jobs::default();
        let administration = Arc::new(HostAdministration {
            config: Arc::new(config.clone()),
            channels: channels.clone(),
            wiring: Arc::clone(&wiring),
            watched: Arc::clone(&watched),
            jobs: jobs.clone(),
        });
        let host = Host::new(HostOptions {
            msp_id,
            address: config.address.clone(),
            endorser: wiring.endorser(),
            channels: channels.clone(),
            executions: Arc::clone(&shared.executions),
            local: wiring.local(),
            packages: Arc::new(packages),
            administration,
            measures,
        });
        wiring.connect(&host, channels.clone())?;
        wiring.check();
        check_restored_logs(&config.data, &wiring, &channels).await?;
        let mut tasks = vec![tokio::spawn(Arc::clone(&wiring).follow())];
        tasks.extend(
            channels
                .iter()
                .map(|channel| tokio::spawn(Arc::clone(channel).run())),
        );
        tasks.extend(watched.start().await?);
        let tls = wiring.tls();
        let (stop, mut stopping) = tokio::sync::watch::channel(false);
        let server = tokio::spawn(async move {
            let stop = async move {
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            serve(host, listener, tls, stop).await
        });
        Ok(Self {
            channels,
            tasks,
            server,
            stop,
            watched,
            wiring,
            jobs,
            _lock: lock,
        })
    }

    /// Where metrics and health are served.
    pub(crate) fn operations(&self) -> Option<SocketAddr> {
        self.watched.operations()
    }

    /// What holds the host's certificates, to have them read again.
    pub(crate) fn wiring(&self) -> &Arc<Wiring> {
        &self.wiring
    }

    /// The channels, and for each the hosts that know how many blocks it has.
    pub(crate) fn catching_up(&self) -> Vec<CatchingUp> {
        let (peers, signer) = (self.wiring.peers(), self.wiring.endorser().signer());
        let of = |channel: &Arc<Channel>| {
            let config = channel.config();
            let members: Vec<&MspId> = config.members().collect();
            let others = peers.iter();
            let others = others.filter(|peer| members.contains(&peer.msp_id()));
            let id = channel.id().as_str();
            let client = |peer: &Peer| Client::new(id, Arc::clone(&signer), peer.connection());
            CatchingUp {
                channel: Arc::clone(channel),
                others: others.map(client).collect(),
            }
        };
        self.channels.iter().map(of).collect()
    }

    /// The access policies in force on a channel, if this host is a member.
    pub(crate) fn access_policies(&self, channel: &str) -> Option<Vec<AccessPolicyFile>> {
        let mut channels = self.channels.iter();
        let found = channels.find(|known| known.id().as_str() == channel)?;
        Some(found.config().access_policies.clone())
    }

    /// Resolves when the server has ended by itself, which is an error.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        match (&mut self.server).await {
            Ok(Ok(())) => anyhow::anyhow!("the host has stopped"),
            Ok(Err(error)) => error.into(),
            Err(error) => error.into(),
        }
    }

    /// Ends calls and streams, then closes the ledgers.
    pub(crate) async fn stop(self) -> Result<()> {
        self.watched.stopping();
        self.jobs.stop();
        self.stop.send_replace(true);
        let served = self.server.await;
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
        for channel in self.channels {
            tokio::task::spawn_blocking(move || channel.ledger().close()).await??;
        }
        Ok(served??)
    }
}
