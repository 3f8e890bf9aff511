//! What operators see of a host: its channels, peers, certificates and disk.
//!
//! [`Watched`] is where all of it is found; `status` tells it to admins, `metrics` and `health` to whoever
//! reads the operations listener (`listener`). Nothing of a record is in any of it.

mod disk;
mod health;
mod listener;
mod metrics;
mod peers;
mod status;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cordon_channel::Channel;
use cordon_gateway::Measures;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::certificates::warn_of_expiry;
use crate::host::HostConfig;
use crate::material::now;
use crate::wiring::Wiring;
use peers::PeerSeen;

/// Between two looks at the other hosts, and while this one is not ready.
const LOOK_PAUSE: Duration = Duration::from_secs(10);
const LOOK_PAUSE_NOT_READY: Duration = Duration::from_millis(500);
/// Certificates that end soon are told of in the log as often as that.
const WARN_PAUSE: Duration = Duration::from_hours(24);

/// One host, as those see it who look after it.
pub(crate) struct Watched {
    config: HostConfig,
    compiled: PathBuf,
    channels: Vec<Arc<Channel>>,
    wiring: Arc<Wiring>,
    pub(crate) measures: Arc<Measures>,
    started: Instant,
    operations: OnceLock<SocketAddr>,
    seen: Mutex<Vec<PeerSeen>>,
    caught_up: AtomicBool,
    stopping: AtomicBool,
}

/// What a host is watched by.
pub(crate) struct WatchOptions {
    pub(crate) config: HostConfig,
    /// Where compiled contracts are kept.
    pub(crate) compiled: PathBuf,
    pub(crate) channels: Vec<Arc<Channel>>,
    pub(crate) wiring: Arc<Wiring>,
    pub(crate) measures: Arc<Measures>,
}

impl Watched {
    pub(crate) fn new(options: WatchOptions) -> Arc<Self> {
        Arc::new(Self {
            config: options.config,
            compiled: options.compiled,
            channels: options.channels,
            wiring: options.wiring,
            measures: options.measures,
            started: Instant::now(),
            operations: OnceLock::new(),
            seen: Mutex::default(),
            caught_up: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        })
    }

    /// Begins to look at the other hosts, and to answer on the operations listener if there is one.
    pub(crate) async fn start(self: &Arc<Self>) -> Result<Vec<JoinHandle<()>>> {
        let mut tasks = vec![tokio::spawn(Arc::clone(self).watch())];
        if let Some(address) = &self.config.operations {
            let listener = TcpListener::bind(address).await.with_context(|| {
                format!("cannot listen for operations on {address}: is something else running there? (--port-base moves the ports)")
            })?;
            let address = listener.local_addr()?;
            let _ = self.operations.set(address);
            tracing::info!(%address, "metrics and health are served");
            tasks.push(tokio::spawn(listener::serve(listener, Arc::clone(self))));
        }
        Ok(tasks)
    }

    /// Where metrics and health are served; `None` when they are not.
    pub(crate) fn operations(&self) -> Option<SocketAddr> {
        self.operations.get().copied()
    }

    /// From now on the host is not ready any more.
    pub(crate) fn stopping(&self) {
        self.stopping.store(true, Relaxed);
    }

    async fn watch(self: Arc<Self>) {
        let mut warned: Option<Instant> = None;
        loop {
            if warned.is_none_or(|last| last.elapsed() >= WARN_PAUSE) {
                warned = Some(Instant::now());
                warn_of_expiry(&self.config, now());
            }
            self.look().await;
            if !self.caught_up.load(Relaxed) && self.is_level() {
                self.caught_up.store(true, Relaxed);
            }
            let ready = self.caught_up.load(Relaxed);
            tokio::time::sleep(if ready {
                LOOK_PAUSE
            } else {
                LOOK_PAUSE_NOT_READY
            })
            .await;
        }
    }

    /// Whether every channel follows its log, and no host that answers is ahead of it.
    fn is_level(&self) -> bool {
        self.channels.iter().all(|channel| {
            channel.stopped().is_none()
                && channel.measures().ordering_lost().is_none()
                && self.lag(channel) == 0
        })
    }
}
