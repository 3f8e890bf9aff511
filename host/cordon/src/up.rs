//! `cordon up`, `cordon init` and `cordon host run`.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use cordon_client::Call;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::NetworkArgs;
use crate::catch_up;
use crate::host::{HostConfig, RunningHost, Shared};
use crate::material;
use crate::network::{ChannelEntry, Network, read_access_policies};
use crate::output::Output;
use crate::provision::{Provisioned, provision};
use crate::reload;
use crate::store;

/// A network that has not come up by then will not.
const READY_MAX: Duration = Duration::from_mins(1);
const PROBE_PAUSE: Duration = Duration::from_millis(20);

impl NetworkArgs {
    /// Makes the folder ready. The lock is held for as long as nobody else may change it.
    pub(crate) fn provision(&self) -> Result<(Network, Provisioned, File)> {
        let (mut network, text) = Network::read(&self.network)?;
        let lock = self.lock()?;
        // A network keeps the ports that it was given, until it is given others.
        let remembered = self.dir.join("port-base");
        let base = match self.port_base {
            Some(base) => Some(base),
            None => std::fs::read_to_string(&remembered)
                .ok()
                .and_then(|base| base.parse().ok()),
        };
        if let Some(base) = base {
            ensure!(
                base > 0,
                "--port-base 0: give the first of the ports to use"
            );
            network.move_ports(base)?;
            material::write(&remembered, &base.to_string())?;
        }
        let provisioned = provision(&network, &text, &self.dir)?;
        Ok((network, provisioned, lock))
    }

    fn lock(&self) -> Result<File> {
        let dir = self.dir.display();
        std::fs::create_dir_all(&self.dir).with_context(|| format!("cannot make {dir}"))?;
        let path = self.dir.join("lock");
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                bail!("a network is running in {dir}: stop it first, or give another --dir")
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }
}

/// All hosts of a network in this process.
pub(crate) struct RunningNetwork(Vec<RunningHost>);

impl RunningNetwork {
    /// Starts every host and waits until each answers on each of its channels.
    pub(crate) async fn start(
        network: &Network,
        provisioned: &Provisioned,
        dir: &Path,
    ) -> Result<Self> {
        let mut configs = Vec::new();
        for path in &provisioned.hosts {
            let config = HostConfig::read(path)?;
            let taken = config.take().await?;
            configs.push((config, taken));
        }
        let shared = Shared::new(dir.join("compiled"))?;
        let mut hosts = Vec::new();
        for (config, taken) in configs {
            hosts.push(RunningHost::start(config, taken, &shared).await?);
        }
        let running = Self(hosts);
        tokio::time::timeout(READY_MAX, answers(network, dir))
            .await
            .context("the hosts do not answer")??;
        Ok(running)
    }

    /// The channels whose access policies are not those in the network's files: these count when the
    /// network is made, and later only when they are put on the ledger.
    fn with_other_access_policies<'a>(&self, network: &'a Network) -> Vec<&'a ChannelEntry> {
        let differs = |entry: &&ChannelEntry| {
            let in_force = self
                .0
                .iter()
                .find_map(|host| host.access_policies(&entry.name));
            let files = read_access_policies(&entry.access_policies).ok();
            in_force
                .zip(files)
                .is_some_and(|(in_force, files)| in_force != files)
        };
        network.channels.iter().filter(differs).collect()
    }

    /// Resolves when a host ends by itself, which is an error.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        let hosts = self.0.iter_mut().map(|host| Box::pin(host.failed()));
        futures::future::select_all(hosts).await.0
    }

    pub(crate) async fn stop(self) -> Result<()> {
        for result in futures::future::join_all(self.0.into_iter().map(RunningHost::stop)).await {
            result?;
        }
        Ok(())
    }
}

/// Waits until every member's host answers on every channel, through the door that clients use.
async fn answers(network: &Network, dir: &Path) -> Result<()> {
    for channel in &network.channels {
        for name in &channel.organizations {
            let Some(user) = network.organization(name).and_then(|o| o.users.first()) else {
                continue;
            };
            let client = store::client(dir, name, &user.name, &channel.name)?;
            let call = Call::new("qscc", "GetChainInfo", &[&channel.name]);
            while let Err(error) = client.evaluate(&call).await {
                tracing::debug!(%error, organization = name, "not ready");
                tokio::time::sleep(PROBE_PAUSE).await;
            }
        }
    }
    Ok(())
}

pub(crate) fn init(args: &NetworkArgs, output: &Output) -> Result<()> {
    let (_, provisioned, _lock) = args.provision()?;
    let hosts: Vec<String> = provisioned
        .hosts
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let lines: Vec<String> = hosts
        .iter()
        .map(|path| format!("  cordon host run --config {path}"))
        .collect();
    let text = format!(
        "The network's keys and configurations are in {}. Start its hosts with\n{}",
        args.dir.display(),
        lines.join("\n")
    );
    output.result(
        &text,
        &json!({ "dir": args.dir.display().to_string(), "hosts": hosts }),
    );
    Ok(())
}

pub(crate) async fn up(args: &NetworkArgs, output: &Output) -> Result<()> {
    let started = Instant::now();
    let fresh = !args.dir.join("network.toml").exists();
    if fresh {
        output.note(&format!(
            "making keys, certificates and channels in {}",
            args.dir.display()
        ));
    }
    let (network, provisioned, _lock) = args.provision()?;
    let mut interrupts = Interrupts::listen()?;
    let mut running = interrupts
        .unless(RunningNetwork::start(&network, &provisioned, &args.dir))
        .await?;
    for organization in &network.organizations {
        let users: Vec<&str> = organization
            .users
            .iter()
            .map(|user| user.name.as_str())
            .collect();
        output.note(&format!(
            "{:<10} {:<14} 127.0.0.1:{}  {}",
            organization.name,
            organization.msp_id,
            organization.port,
            users.join(" ")
        ));
    }
    for channel in running.with_other_access_policies(&network) {
        output.note(&format!(
            "note: the files in {} are not the access policies in force on channel {}; `cordon policy set` puts them there",
            channel.access_policies.display(),
            channel.name
        ));
    }
    let seconds = started.elapsed().as_secs_f64();
    let text = format!(
        "ready in {seconds:.2} s: {} organizations, {} channels; clients find them in {}/connections (ctrl-C stops)",
        network.organizations.len(),
        network.channels.len(),
        args.dir.display()
    );
    output.result(&text, &json!({ "ready": true, "seconds": seconds }));
    let failed = tokio::select! {
        () = interrupts.next() => None,
        error = running.failed() => Some(error),
    };
    if let Some(error) = failed {
        return Err(error);
    }
    output.note("stopping");
    running.stop().await
}

pub(crate) async fn run_host(path: &Path, output: &Output) -> Result<()> {
    let started = Instant::now();
    let config = HostConfig::read(path)?;
    let taken = config.take().await?;
    let shared = Shared::new(config.data.join("compiled"))?;
    let (msp_id, address) = (config.msp_id.clone(), taken.listener.local_addr()?);
    let mut interrupts = Interrupts::listen()?;
    let mut running = interrupts
        .unless(RunningHost::start(config, taken, &shared))
        .await?;
    let seconds = started.elapsed().as_secs_f64();
    let operations = running.operations();
    let seen = operations.map_or(String::new(), |at| format!(", operations at http://{at}"));
    let text = format!("ready in {seconds:.2} s: {msp_id} at {address}{seen} (ctrl-C stops)");
    let ready =
        json!({ "ready": true, "seconds": seconds, "address": address, "operations": operations });
    let mut hangups = signal(SignalKind::hangup()).context("cannot listen for signals")?;
    output.result(&text, &ready);
    let catching_up = tokio::spawn(catch_up::show(running.catching_up(), output.clone()));
    loop {
        tokio::select! {
            () = interrupts.next() => break,
            error = running.failed() => {
                catching_up.abort();
                return Err(error);
            }
            _ = hangups.recv() => {
                let wiring = Arc::clone(running.wiring());
                match tokio::task::spawn_blocking(move || wiring.reload()).await? {
                    Ok(answer) => output.note(&reload::text(&answer)),
                    Err(error) => tracing::error!("{error:#}"),
                }
            }
        }
    }
    catching_up.abort();
    output.note("stopping");
    running.stop().await
}

/// Ctrl-C, and the request to end, from when this is made: whoever sees the ready line may send them
/// at once.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    /// Not listened to: that somebody could makes a write beyond the limit of a file's size fail, which
    /// is told like a full disk, and not end the process without a word.
    _file_size: Signal,
}

impl Interrupts {
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for signals")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for signals")?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))
                .context("cannot listen for signals")?,
        })
    }

    /// Resolves when there is one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Work that an interrupt ends.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            result = work => result,
            () = self.next() => bail!("interrupted"),
        }
    }
}
