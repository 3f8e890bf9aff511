//! One organisation's host: its configuration, and everything started from it in a readable order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use cordon_channel::{Channel, ChannelConfig, ComponentStore};
use cordon_endorse::Endorser;
use cordon_execute::Runtime;
use cordon_gateway::{Executions, Host, HostOptions, Peer, Tls, TlsOptions, serve};
use cordon_identity::{Certificate, Membership, Msp, SignatureCache};
use cordon_order::{EmbeddedLog, HostCredentials, OrderingLog, RemoteLog};
use cordon_policy::AccessPolicyFile;
use cordon_types::{ChannelId, MspId};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::administration::HostAdministration;
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
    /// MSP folder with the host's signing identity.
    pub(crate) msp: PathBuf,
    /// Folder with `server.crt` and `server.key`.
    pub(crate) tls: PathBuf,
    /// Where ledgers are kept.
    pub(crate) data: PathBuf,
    /// Contracts' components, `<sha256>.wasm`.
    pub(crate) components: PathBuf,
    /// Channels this host is a member of.
    #[serde(default)]
    pub(crate) channels: Vec<ChannelSection>,
    /// Hosts of other organisations.
    #[serde(default)]
    pub(crate) peers: Vec<PeerSection>,
}

/// A channel in `host.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelSection {
    /// The channel's block 0.
    pub(crate) genesis: PathBuf,
    /// Where the ordering log is.
    pub(crate) ordering: OrderingSection,
}

/// Where the ordering log of a channel is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OrderingSection {
    /// In this process.
    Here,
    /// At the host with this address, one of `peers`.
    At(String),
}

/// Another organisation's host in `host.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeerSection {
    pub(crate) msp_id: String,
    pub(crate) address: String,
    pub(crate) server_name: String,
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

    /// Takes the port; done for all hosts before any of them starts, so that they find each other.
    pub(crate) async fn listen(&self) -> Result<TcpListener> {
        let address = self.listen.as_ref().unwrap_or(&self.address);
        TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address}: is another host running there? (--port-base moves the ports)")
        })
    }
}

/// What the hosts of one process share.
pub(crate) struct Shared {
    runtime: Runtime,
    executions: Arc<Executions>,
}

impl Shared {
    /// Compiled contracts are kept in the folder.
    pub(crate) fn new(compiled: PathBuf) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        // Enough to keep every core busy while some calls wait for the disk, and never more than
        // there are slots for instances.
        let executions = (cores * 2).min(cordon_execute::CALLS_MAX as usize);
        Ok(Self {
            runtime: compiler::runtime(Some(compiled))?,
            executions: Arc::new(Executions::new(executions)),
        })
    }
}

/// A host that runs.
pub(crate) struct RunningHost {
    channels: Vec<Arc<Channel>>,
    committers: Vec<tokio::task::JoinHandle<()>>,
    server: tokio::task::JoinHandle<Result<(), cordon_gateway::ServeError>>,
    stop: tokio::sync::watch::Sender<bool>,
}

impl RunningHost {
    /// Opens the host's channels and serves on `listener`.
    pub(crate) async fn start(
        config: HostConfig,
        listener: TcpListener,
        shared: &Shared,
    ) -> Result<Self> {
        let msp_id: MspId = config.msp_id.parse()?;
        let signer = Arc::new(material::signer(msp_id.clone(), &config.msp)?);
        let certificate = material::read(&config.tls.join("server.crt"))?;
        let key = material::read(&config.tls.join("server.key"))?;

        let genesis: Vec<(Bytes, ChannelConfig)> = config
            .channels
            .iter()
            .map(|section| {
                let error = || format!("cannot use {}", section.genesis.display());
                let block = Bytes::from(std::fs::read(&section.genesis).with_context(error)?);
                let channel = ChannelConfig::from_genesis(&block).with_context(error)?;
                Ok((block, channel))
            })
            .collect::<Result<_>>()?;
        // Whose TLS certificates are trusted: those of the channels' members, and nobody else's.
        let roots = tls_roots(genesis.iter().map(|(_, config)| config));
        let peers = config
            .peers
            .iter()
            .map(|peer| {
                let roots = roots
                    .get(&peer.msp_id)
                    .with_context(|| format!("{} is on no channel of this host", peer.msp_id))?;
                let id = peer.msp_id.parse()?;
                let address = peer.address.clone();
                Ok(Peer::new(
                    id,
                    address,
                    &peer.server_name,
                    roots,
                    &certificate,
                    &key,
                )?)
            })
            .collect::<Result<Vec<_>>>()?;

        let local = Membership::new(
            [Msp::new(&material::local_msp(msp_id.clone(), &config.msp)?)
                .with_context(|| format!("cannot use {}", config.msp.display()))?],
        );

        // Before anything is opened: TLS is what is most often set up wrongly.
        let tls = Tls::new(&TlsOptions {
            certificate: certificate.clone(),
            key,
            client_roots: roots.into_values().collect(),
        })?;
        let shown = Certificate::from_pem(certificate.as_bytes())?;
        let vouch = |channel: &ChannelId| -> Result<HostCredentials> {
            let statement = HostCredentials::statement(channel, shown.der());
            Ok(HostCredentials {
                creator: signer.serialized(),
                signature: signer.sign(&statement)?,
            })
        };
        let components = ComponentStore::new(config.components.clone(), shared.runtime.clone());
        let signatures = Arc::new(SignatureCache::default());
        let mut ordering_logs = BTreeMap::new();
        let mut channels = Vec::new();
        for (section, (block, channel_config)) in config.channels.iter().zip(genesis) {
            let id = channel_config.id()?;
            let log = open_log(&config, section, &channel_config, &peers, &vouch)?;
            if let OrderingLog::Embedded(log) = &log {
                ordering_logs.insert(id.clone(), log.clone());
            }
            let dir = config.data.join("channels").join(id.as_str());
            let (components, signatures) = (components.clone(), Arc::clone(&signatures));
            let opening = move || Channel::open(&dir, &block, log, &components, signatures);
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

        let host = Host::new(HostOptions {
            msp_id,
            address: config.address.clone(),
            endorser: Endorser::new(Arc::clone(&signer)),
            channels: channels.clone(),
            peers,
            ordering_logs,
            executions: Arc::clone(&shared.executions),
            local,
            administration: Arc::new(HostAdministration {
                address: config.address.clone(),
            }),
        });
        let committers = channels
            .iter()
            .map(|channel| tokio::spawn(Arc::clone(channel).run()))
            .collect();
        let (stop, mut stopping) = tokio::sync::watch::channel(false);
        let server = tokio::spawn(async move {
            let stop = async move {
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            serve(host, listener, tls, stop).await
        });
        Ok(Self {
            channels,
            committers,
            server,
            stop,
        })
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
        self.stop.send_replace(true);
        let served = self.server.await;
        for committer in self.committers {
            committer.abort();
            let _ = committer.await;
        }
        for channel in self.channels {
            tokio::task::spawn_blocking(move || channel.ledger().close()).await??;
        }
        Ok(served??)
    }
}

/// TLS authorities by organisation: those of all channels together.
fn tls_roots<'a>(channels: impl Iterator<Item = &'a ChannelConfig>) -> BTreeMap<String, String> {
    let mut roots: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for organization in channels.flat_map(|channel| &channel.organizations) {
        let known = roots.entry(organization.msp_id.to_string()).or_default();
        known.extend(organization.tls_root_certs.iter().map(String::as_str));
    }
    let joined = |roots: BTreeSet<&str>| roots.into_iter().collect::<Vec<_>>().join("\n");
    roots
        .into_iter()
        .map(|(msp_id, roots)| (msp_id, joined(roots)))
        .collect()
}

fn open_log(
    config: &HostConfig,
    section: &ChannelSection,
    channel: &ChannelConfig,
    peers: &[Peer],
    vouch: &dyn Fn(&ChannelId) -> Result<HostCredentials>,
) -> Result<OrderingLog> {
    let id: ChannelId = channel.id()?;
    match &section.ordering {
        OrderingSection::Here => {
            let dir = config.data.join("ordering").join(id.as_str());
            let (log, cut) = EmbeddedLog::open(&dir, channel.limits()?)
                .with_context(|| format!("cannot open the ordering log of channel {id}"))?;
            if let Some(cut) = cut {
                tracing::warn!(channel = %id, ?cut, "an unfinished record was cut off the ordering log; it was never acknowledged");
            }
            Ok(OrderingLog::Embedded(log))
        }
        OrderingSection::At(address) => {
            let Some(peer) = peers.iter().find(|peer| peer.address() == address) else {
                bail!("channel {id}: the ordering log is at {address}, which is none of the peers");
            };
            let credentials = vouch(&id)?;
            let log = RemoteLog::new(id, address.clone(), peer.connection(), credentials);
            Ok(OrderingLog::Remote(Box::new(log)))
        }
    }
}
