//! What connects a host to others: peers, ordering logs, certificates, whose TLS certificates it takes.
//! All of it follows from the channels' configurations and the host's own files, and is made anew when
//! one of them changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, Weak};

use anyhow::{Context as _, Result};
use cordon_channel::{Channel, ChannelConfig};
use cordon_endorse::Endorser;
use cordon_gateway::{Host, Neighbours, Peer, Tls, TlsOptions};
use cordon_identity::Membership;
use cordon_order::{EmbeddedLog, OrderingLog, RemoteLog};
use cordon_types::{ChannelId, MspId};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::certificates::{HostMaterial, certificates, day, days_left};
use crate::host::HostConfig;
use crate::material::now;

/// One host's connections, and the certificates that it shows on them.
pub(crate) struct Wiring {
    config: HostConfig,
    msp_id: MspId,
    endorser: Endorser,
    tls: Tls,
    /// What the host's own organisation is, to those that administer the host.
    local: watch::Sender<Arc<Membership>>,
    material: Mutex<Arc<HostMaterial>>,
    /// The ordering logs in use, by channel, with what they were made for.
    logs: Mutex<BTreeMap<ChannelId, (Keeper, OrderingLog)>>,
    /// The other hosts.
    peers: Mutex<Vec<Peer>>,
    /// What is wired, once it is there.
    wired: OnceLock<Wired>,
    /// One change at a time.
    changing: Mutex<()>,
}

/// Who keeps an ordering log, by a channel's configuration: where, and by which authorities it is known.
#[derive(PartialEq, Eq)]
struct Keeper {
    msp_id: MspId,
    address: String,
    /// PEM.
    roots: String,
}

impl Keeper {
    fn of(channel: &ChannelConfig) -> Result<Self> {
        let address = &channel.ordering.address;
        let mut organizations = channel.organizations.iter();
        let keeper = organizations.find(|o| o.hosts.contains(address));
        let keeper = keeper.with_context(|| {
            format!(
                "channel {}: the ordering log is at {address}, which is no member's host",
                channel.channel
            )
        })?;
        Ok(Self {
            msp_id: keeper.msp.msp_id.clone(),
            address: address.clone(),
            roots: keeper.msp.tls_root_certs.join("\n"),
        })
    }
}

struct Wired {
    /// The host has what leads here.
    host: Weak<Host>,
    channels: Vec<Arc<Channel>>,
}

impl Wiring {
    pub(crate) fn new(config: &HostConfig, material: HostMaterial) -> Result<Self> {
        let tls = Tls::new(&tls_options(&material, &[]))?;
        Ok(Self {
            config: config.clone(),
            msp_id: config.msp_id.parse()?,
            endorser: Endorser::new(Arc::clone(&material.signer)),
            tls,
            local: watch::Sender::new(Arc::clone(&material.local)),
            material: Mutex::new(Arc::new(material)),
            logs: Mutex::default(),
            peers: Mutex::default(),
            wired: OnceLock::new(),
            changing: Mutex::new(()),
        })
    }

    pub(crate) fn endorser(&self) -> Endorser {
        self.endorser.clone()
    }

    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    pub(crate) fn local(&self) -> watch::Receiver<Arc<Membership>> {
        self.local.subscribe()
    }

    /// The other hosts of the channels' organisations.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        self.peers.lock().clone()
    }

    /// The ordering logs that are kept here.
    pub(crate) fn kept_logs(&self) -> BTreeMap<ChannelId, EmbeddedLog> {
        let logs = self.logs.lock();
        let kept = logs.iter().filter_map(|(id, (_, log))| match log {
            OrderingLog::Embedded(log) => Some((id.clone(), log.clone())),
            OrderingLog::Remote(_) => None,
        });
        kept.collect()
    }

    fn material(&self) -> Arc<HostMaterial> {
        Arc::clone(&self.material.lock())
    }

    /// The ordering log of a channel with this configuration.
    pub(crate) fn log(&self, channel: &ChannelConfig) -> Result<OrderingLog> {
        let id = channel.id()?;
        let keeper = Keeper::of(channel)?;
        let log = if keeper.address == self.config.address {
            let dir = self.config.data.join("ordering").join(id.as_str());
            let (log, cut) = EmbeddedLog::open(&dir, channel.limits()?)
                .with_context(|| format!("cannot open the ordering log of channel {id}"))?;
            if let Some(cut) = cut {
                tracing::warn!(channel = %id, ?cut, "an unfinished record was cut off the ordering log; it was never acknowledged");
            }
            OrderingLog::Embedded(log)
        } else {
            let connection = self.connection(&keeper)?;
            let credentials = self.material().vouch(&id)?;
            let address = keeper.address.clone();
            let log = RemoteLog::new(id.clone(), address, connection, credentials);
            OrderingLog::Remote(Box::new(log))
        };
        self.logs.lock().insert(id, (keeper, log.clone()));
        Ok(log)
    }

    /// To the host that keeps an ordering log.
    fn connection(&self, keeper: &Keeper) -> Result<tonic::transport::Channel> {
        let peer = self.peer(&keeper.msp_id, &keeper.address, &keeper.roots)?;
        Ok(peer.connection())
    }

    /// The other hosts of these channels' organisations, and the logs that are kept here.
    fn neighbours(&self, channels: &[Arc<ChannelConfig>]) -> Neighbours {
        let roots = tls_roots(channels);
        let mut hosts: BTreeMap<&String, &MspId> = BTreeMap::new();
        for organization in channels.iter().flat_map(|channel| &channel.organizations) {
            let id = &organization.msp.msp_id;
            hosts.extend(organization.hosts.iter().map(|address| (address, id)));
        }
        hosts.remove(&self.config.address);
        // One that cannot be used takes nobody the others.
        let peers = hosts.into_iter().filter_map(|(address, msp_id)| {
            let roots = roots.get(msp_id).map_or("", String::as_str);
            let peer = self.peer(msp_id, address, roots);
            let left_out = |error: &anyhow::Error| {
                tracing::error!(%address, "a host of {msp_id} is left out: {error:#}");
            };
            peer.inspect_err(left_out).ok()
        });
        Neighbours {
            peers: peers.collect(),
            ordering_logs: self.kept_logs(),
        }
    }

    fn peer(&self, msp_id: &MspId, address: &str, roots: &str) -> Result<Peer> {
        let via = self.config.address_overrides.get(address);
        let material = self.material();
        Ok(Peer::new(
            msp_id.clone(),
            address.to_owned(),
            via.map_or(address, String::as_str),
            roots,
            &material.tls_certificate,
            &material.tls_key,
        )?)
    }

    /// The host is there, with these channels: their configurations count from now on.
    pub(crate) fn connect(&self, host: &Arc<Host>, channels: Vec<Arc<Channel>>) -> Result<()> {
        let host = Arc::downgrade(host);
        let _ = self.wired.set(Wired { host, channels });
        self.apply()
    }

    /// Follows the channels' configurations for as long as the host runs.
    pub(crate) async fn follow(self: Arc<Self>) {
        let channels = self.wired.get().map_or(&[][..], |wired| &wired.channels);
        let mut changes: Vec<_> = channels.iter().map(|channel| channel.changes()).collect();
        if changes.is_empty() {
            return;
        }
        // What changed before somebody listened counts too.
        if let Some(first) = changes.first_mut() {
            first.mark_changed();
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
            let wiring = Arc::clone(&self);
            let runtime = tokio::runtime::Handle::current();
            let applied = tokio::task::spawn_blocking(move || {
                // Connections live on the runtime.
                let _on = runtime.enter();
                wiring.apply()
            });
            if let Err(error) = applied
                .await
                .map_err(Into::into)
                .and_then(|applied| applied)
            {
                tracing::error!(%error, host = %self.msp_id, "connections to other hosts stay as they were");
            }
        }
    }

    /// Tells the operator if others will not accept this host.
    pub(crate) fn check(&self) {
        let channels = self.wired.get().map_or(&[][..], |wired| &wired.channels);
        if let Err(error) = self.material().check(channels, now()) {
            tracing::error!("others will not accept this host: {error:#}");
        }
    }

    /// Reads the host's certificates again, and uses them if all others will accept them. What has
    /// changed, and until when each is valid. Blocking.
    ///
    /// Errors say what is wrong with the files; the host then goes on with what it has.
    pub(crate) fn reload(&self) -> Result<Value> {
        self.replace_material()
            .context("the host goes on with the certificates that it has")
    }

    fn replace_material(&self) -> Result<Value> {
        let new = HostMaterial::read(&self.config)?;
        let wired = self.wired.get().context("the host has not started yet")?;
        new.check(&wired.channels, now())?;
        let old = self.material();
        new.check_names(&old)?;
        let mut changed = Vec::new();
        if new.signer.serialized() != old.signer.serialized() {
            changed.push("signing");
        }
        if new.tls_certificate != old.tls_certificate {
            changed.push("TLS");
        }
        // It refuses a key that is another certificate's.
        let configs = self.configs();
        Tls::new(&tls_options(&new, &configs))
            .with_context(|| format!("cannot use the files in {}", self.config.tls.display()))?;
        let new = Arc::new(new);
        *self.material.lock() = Arc::clone(&new);
        if let Err(error) = self.apply() {
            *self.material.lock() = old;
            return Err(error);
        }
        for (id, (keeper, log)) in &*self.logs.lock() {
            if let OrderingLog::Remote(log) = log {
                // The signing identity vouches for the certificate of the connection.
                log.replace(self.connection(keeper)?, new.vouch(id)?);
            }
        }
        self.endorser.replace(Arc::clone(&new.signer));
        self.local.send_replace(Arc::clone(&new.local));
        tracing::info!(?changed, "the host's certificates were read again");
        let certificates = certificates(&self.config);
        let certificates = certificates.iter().map(|info| {
            json!({
                "what": info.what,
                "subject": info.subject,
                "notAfter": info.not_after,
                "validUntil": day(info.not_after),
                "daysLeft": days_left(info.not_after, now()),
            })
        });
        Ok(json!({ "changed": changed, "certificates": certificates.collect::<Vec<_>>() }))
    }

    fn configs(&self) -> Vec<Arc<ChannelConfig>> {
        let channels = self.wired.get().map_or(&[][..], |wired| &wired.channels);
        channels.iter().map(|channel| channel.config()).collect()
    }

    fn apply(&self) -> Result<()> {
        let _one = self.changing.lock();
        let wired = self.wired.get().context("the host has not started yet")?;
        for channel in &wired.channels {
            if let Err(error) = self.follow_log(channel) {
                tracing::error!(channel = %channel.id(), "the ordering log stays where it was: {error:#}");
            }
        }
        let configs = self.configs();
        self.tls.replace(&tls_options(&self.material(), &configs))?;
        let neighbours = self.neighbours(&configs);
        self.peers.lock().clone_from(&neighbours.peers);
        if let Some(host) = wired.host.upgrade() {
            host.reconfigure(neighbours);
        }
        Ok(())
    }

    /// Finds a channel's log where its configuration has it now.
    fn follow_log(&self, channel: &Channel) -> Result<()> {
        let config = channel.config();
        let keeper = Keeper::of(&config)?;
        let mut logs = self.logs.lock();
        match logs.get_mut(channel.id()) {
            Some((known, _)) if *known == keeper => return Ok(()),
            // At the same place, known by other authorities.
            Some((known, OrderingLog::Remote(log))) if known.address == keeper.address => {
                let credentials = self.material().vouch(channel.id())?;
                log.replace(self.connection(&keeper)?, credentials);
                *known = keeper;
                return Ok(());
            }
            Some((known, OrderingLog::Embedded(_))) if known.address == keeper.address => {
                *known = keeper;
                return Ok(());
            }
            _ => {}
        }
        drop(logs);
        Ok(channel.replace_log(self.log(&config)?)?)
    }
}

/// The TLS identity, and the authorities of these channels' members: nobody else's certificates are
/// taken.
fn tls_options(material: &HostMaterial, channels: &[Arc<ChannelConfig>]) -> TlsOptions {
    let roots = tls_roots(channels).into_values();
    TlsOptions {
        certificate: material.tls_certificate.clone(),
        key: material.tls_key.clone(),
        client_roots: roots.chain([material.tls_roots.clone()]).collect(),
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
