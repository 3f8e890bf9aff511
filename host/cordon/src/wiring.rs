//! What connects a host to others: peers, ordering logs, whose TLS certificates it takes. All of it
//! follows from the channels' configurations, and is made anew when one of them changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use cordon_channel::{Channel, ChannelConfig};
use cordon_gateway::{Host, Neighbours, Peer, Tls, TlsOptions};
use cordon_identity::{Certificate, Signer};
use cordon_order::{EmbeddedLog, HostCredentials, OrderingLog, RemoteLog};
use cordon_types::{ChannelId, MspId};
use parking_lot::Mutex;

use crate::host::HostConfig;

/// Certificates and keys that a host shows to others.
pub(crate) struct Material {
    pub(crate) signer: Arc<Signer>,
    /// PEM.
    pub(crate) tls_certificate: String,
    /// PEM.
    pub(crate) tls_key: String,
    /// Authority of the organisation's own hosts, whatever channels there are. PEM.
    pub(crate) tls_root: String,
}

/// One host's connections.
pub(crate) struct Wiring {
    config: HostConfig,
    msp_id: MspId,
    material: Material,
    /// The ordering logs in use, by channel, with the address that they were made for.
    logs: Mutex<BTreeMap<ChannelId, (String, OrderingLog)>>,
}

impl Wiring {
    pub(crate) fn new(config: &HostConfig, msp_id: MspId, material: Material) -> Self {
        Self {
            config: config.clone(),
            msp_id,
            material,
            logs: Mutex::default(),
        }
    }

    /// The TLS identity, and the authorities of these channels' members: nobody else's certificates
    /// are taken.
    pub(crate) fn tls_options(&self, channels: &[Arc<ChannelConfig>]) -> TlsOptions {
        let roots = tls_roots(channels).into_values();
        TlsOptions {
            certificate: self.material.tls_certificate.clone(),
            key: self.material.tls_key.clone(),
            client_roots: roots.chain([self.material.tls_root.clone()]).collect(),
        }
    }

    /// The ordering log of a channel with this configuration.
    pub(crate) fn log(&self, channel: &ChannelConfig) -> Result<OrderingLog> {
        let id = channel.id()?;
        let address = channel.ordering.address.clone();
        if let Some((known, log)) = self.logs.lock().get(&id)
            && *known == address
        {
            return Ok(log.clone());
        }
        let log = if address == self.config.address {
            let dir = self.config.data.join("ordering").join(id.as_str());
            let (log, cut) = EmbeddedLog::open(&dir, channel.limits()?)
                .with_context(|| format!("cannot open the ordering log of channel {id}"))?;
            if let Some(cut) = cut {
                tracing::warn!(channel = %id, ?cut, "an unfinished record was cut off the ordering log; it was never acknowledged");
            }
            OrderingLog::Embedded(log)
        } else {
            let mut organizations = channel.organizations.iter();
            let keeper = organizations.find(|o| o.hosts.contains(&address));
            let Some(keeper) = keeper else {
                bail!("channel {id}: the ordering log is at {address}, which is no member's host");
            };
            let roots = keeper.msp.tls_root_certs.join("\n");
            let peer = self.peer(&keeper.msp.msp_id, &address, &roots)?;
            let certificate = Certificate::from_pem(self.material.tls_certificate.as_bytes())?;
            let statement = HostCredentials::statement(&id, certificate.der());
            let credentials = HostCredentials {
                creator: self.material.signer.serialized(),
                signature: self.material.signer.sign(&statement)?,
            };
            let log = RemoteLog::new(id.clone(), address.clone(), peer.connection(), credentials);
            OrderingLog::Remote(Box::new(log))
        };
        self.logs.lock().insert(id, (address, log.clone()));
        Ok(log)
    }

    /// The other hosts of these channels' organisations, and the logs that are kept here.
    pub(crate) fn neighbours(&self, channels: &[Arc<ChannelConfig>]) -> Result<Neighbours> {
        let roots = tls_roots(channels);
        let mut hosts: BTreeMap<&String, &MspId> = BTreeMap::new();
        for organization in channels.iter().flat_map(|channel| &channel.organizations) {
            let id = &organization.msp.msp_id;
            hosts.extend(organization.hosts.iter().map(|address| (address, id)));
        }
        hosts.remove(&self.config.address);
        let peers = hosts.into_iter().map(|(address, msp_id)| {
            let roots = roots.get(msp_id).map_or("", String::as_str);
            self.peer(msp_id, address, roots)
        });
        let peers = peers.collect::<Result<_>>()?;
        let logs = self.logs.lock();
        let kept = logs.iter().filter_map(|(id, (_, log))| match log {
            OrderingLog::Embedded(log) => Some((id.clone(), log.clone())),
            OrderingLog::Remote(_) => None,
        });
        Ok(Neighbours {
            peers,
            ordering_logs: kept.collect(),
        })
    }

    fn peer(&self, msp_id: &MspId, address: &str, roots: &str) -> Result<Peer> {
        let via = self.config.address_overrides.get(address);
        Ok(Peer::new(
            msp_id.clone(),
            address.to_owned(),
            via.map_or(address, String::as_str),
            roots,
            &self.material.tls_certificate,
            &self.material.tls_key,
        )?)
    }

    /// Follows the channels' configurations for as long as the host runs.
    pub(crate) async fn follow(
        self: Arc<Self>,
        host: Arc<Host>,
        tls: Tls,
        channels: Vec<Arc<Channel>>,
    ) {
        let mut changes: Vec<_> = channels.iter().map(|channel| channel.changes()).collect();
        if changes.is_empty() {
            return;
        }
        loop {
            let any = changes
                .iter_mut()
                .map(|changes| Box::pin(changes.changed()));
            if futures::future::select_all(any).await.0.is_err() {
                return;
            }
            for changes in &mut changes {
                changes.mark_unchanged();
            }
            if let Err(error) = self.apply(&host, &tls, &channels).await {
                tracing::error!(%error, host = %self.msp_id, "connections to other hosts stay as they were");
            }
        }
    }

    async fn apply(&self, host: &Host, tls: &Tls, channels: &[Arc<Channel>]) -> Result<()> {
        for channel in channels {
            let config = channel.config();
            let known = self.logs.lock().get(channel.id()).map(|log| log.0.clone());
            if known.is_none_or(|address| address != config.ordering.address) {
                let (channel, log) = (Arc::clone(channel), self.log(&config)?);
                tokio::task::spawn_blocking(move || channel.replace_log(log)).await??;
            }
        }
        let configs: Vec<_> = channels.iter().map(|channel| channel.config()).collect();
        tls.replace(&self.tls_options(&configs))?;
        host.reconfigure(self.neighbours(&configs)?);
        Ok(())
    }
}

/// TLS authorities by organisation: those of all channels together.
fn tls_roots(channels: &[Arc<ChannelConfig>]) -> BTreeMap<MspId, String> {
    let mut roots: BTreeMap<MspId, BTreeSet<&str>> = BTreeMap::new();
    for organization in channels.iter().flat_map(|channel| &channel.organizations) {
        let msp = &organization.msp;
        let known = roots.entry(msp.msp_id.clone()).or_default();
        known.extend(msp.tls_root_certs.iter().map(String::as_str));
    }
    let joined = |roots: BTreeSet<&str>| roots.into_iter().collect::<Vec<_>>().join("\n");
    roots
        .into_iter()
        .map(|(msp_id, roots)| (msp_id, joined(roots)))
        .collect()
}
