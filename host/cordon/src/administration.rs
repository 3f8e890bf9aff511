//! What a host does for admins of its organisation: functions of the system contract `cordon`, called
//! by the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use cordon_channel::Channel;
use cordon_gateway::Administration;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::calls;
use crate::copies::{Progress, Saved, backup, write_snapshot};
use crate::host::HostConfig;

use crate::logging;
use crate::reload;
use crate::seeing::Watched;
use crate::wiring::Wiring;

/// One host's. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HostAdministration {
    /// Paths usable from the working directory.
    pub(crate) config: Arc<HostConfig>,
    /// In the order of the configuration.
    pub(crate) channels: Vec<Arc<Channel>>,
    /// Its certificates and ordering logs.
    pub(crate) wiring: Arc<Wiring>,
    /// What operators see.
    pub(crate) watched: Arc<Watched>,
    /// Copies that are being written.
    pub(crate) jobs: Jobs,
}

/// How far each folder is that is being written: by its path, what is done and of how much.
#[derive(Clone, Default)]
pub(crate) struct Jobs {
    jobs: Arc<Mutex<BTreeMap<PathBuf, Arc<Job>>>>,
    stopped: Arc<AtomicBool>,
}

/// A folder that is being written.
#[must_use]
struct Begun<'a>(&'a Jobs, &'a Path);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.locked().remove(self.1);
    }
}

#[derive(Default)]
struct Job {
    done: AtomicU64,
    total: AtomicU64,
}

impl Administration for HostAdministration {
    fn call<'a>(
        &'a self,
        function: &'a str,
        args: &'a [Bytes],
    ) -> BoxFuture<'a, Result<Bytes, String>> {
        async move {
            let answer = self.answer(function, args).await;
            let answer = answer.map_err(|error| format!("{error:#}"))?;
            Ok(Bytes::from(answer.to_string()))
        }
        .boxed()
    }
}

/// Changes what is logged; the level is a JSON text.
fn log_level(level: &Bytes) -> Result<Value> {
    let level: String = read(level)?;
    let old = logging::set_level(&level).map_err(anyhow::Error::msg)?;
    tracing::warn!(%old, new = %level, "an admin has changed the log level");
    Ok(json!({ "old": old, "new": level }))
}

impl HostAdministration {
    async fn answer(&self, function: &str, args: &[Bytes]) -> Result<Value> {
        match (function, args) {
            ("Version", []) => {
                Ok(json!({ "address": self.config.address, "version": env!("CARGO_PKG_VERSION") }))
            }
            (reload::FUNCTION, []) => {
                let wiring = Arc::clone(&self.wiring);
                tokio::task::spawn_blocking(move || {
                    // Connections live on the runtime.
                    wiring.reload()
                })
                .await?
            }
            ("Status", []) => Arc::clone(&self.watched).status().await,
            (calls::FUNCTION, [channel, contract, after]) => {
                let seen = self.watched.measures.calls_seen();
                Ok(calls::answer(
                    seen,
                    &read::<String>(channel)?,
                    &read::<String>(contract)?,
                    read(after)?,
                ))
            }
            ("LogLevel", [level]) => log_level(level),
            ("Snapshot", [channel, height, out]) => {
                let (channel, height, out) = (read(channel)?, read(height)?, folder(out)?);
                self.job(out, move |host, out, progress| {
                    host.snapshot(channel, height, out, progress)
                })
                .await
            }
            ("Backup", [with_keys, out]) => {
                let (with_keys, out) = (read(with_keys)?, folder(out)?);
                self.job(out, move |host, out, progress| {
                    let saved = Saved {
                        config: &host.config,
                        channels: &host.channels,
                        ordering_logs: &host.wiring.kept_logs(),
                        signer: &host.wiring.endorser().signer(),
                    };
                    let manifest = backup(&saved, with_keys, out, progress)?;
                    Ok(manifest.summary())
                })
                .await
            }
            ("Progress", [out]) => Ok(self.jobs.progress(&folder(out)?)),
            (other, _) => {
                let shown: String = other.chars().take(64).collect();
                bail!("this host has no function {shown:?} with these arguments for its admins")
            }
        }
    }

    /// Does long work on another thread, and goes on with it when nobody waits any more.
    async fn job(
        &self,
        out: PathBuf,
        work: impl FnOnce(&Self, &Path, Progress<'_>) -> Result<Value> + Send + 'static,
    ) -> Result<Value> {
        let job = self.jobs.begin(&out)?;
        let host = self.clone();
        let working = move || {
            let progress = |done, total| {
                job.done.store(done, Ordering::Relaxed);
                job.total.store(total, Ordering::Relaxed);
                ensure!(!host.jobs.is_stopped(), "the host is shutting down");
                Ok(())
            };
            let _begun = Begun(&host.jobs, &out);
            work(&host, &out, &progress)
        };
        tokio::task::spawn_blocking(working).await?
    }

    fn snapshot(
        &self,
        channel: String,
        height: Option<u64>,
        out: &Path,
        progress: Progress<'_>,
    ) -> Result<Value> {
        let found = self
            .channels
            .iter()
            .find(|known| known.id().as_str() == channel);
        let found = found.with_context(|| format!("this host is not on channel {channel}"))?;
        let checkpoint = write_snapshot(
            found.id(),
            found.ledger(),
            &self.wiring.endorser().signer(),
            height,
            out,
            progress,
        )?;
        Ok(json!({
            "channel": channel,
            "height": checkpoint.height,
            "blockHash": hex::encode(checkpoint.block_hash),
            "stateDigest": hex::encode(checkpoint.state_digest),
        }))
    }
}

impl Jobs {
    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, out: &Path) -> Result<Arc<Job>> {
        let job = Arc::new(Job::default());
        let mut jobs = self.locked();
        ensure!(
            !jobs.contains_key(out),
            "{} is being written already",
            out.display()
        );
        jobs.insert(out.to_owned(), Arc::clone(&job));
        Ok(job)
    }

    /// Ends all work soon.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn progress(&self, out: &Path) -> Value {
        let jobs = self.locked();
        let job = jobs.get(out);
        let of =
            |part: fn(&Job) -> &AtomicU64| job.map_or(0, |job| part(job).load(Ordering::Relaxed));
        json!({ "done": of(|job| &job.done), "total": of(|job| &job.total) })
    }
}

fn read<T: serde::de::DeserializeOwned>(arg: &Bytes) -> Result<T> {
    serde_json::from_slice(arg).context("an argument is not as this host expects it")
}

/// A folder on this host's machine; relative to what, nobody could tell.
fn folder(arg: &Bytes) -> Result<PathBuf> {
    let path: PathBuf = read(arg)?;
    ensure!(path.is_absolute(), "{} is not absolute", path.display());
    Ok(path)
}
