//! The hosts that are measured, and what the system says of them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::network::Network;
use crate::provision::provision;
use crate::scratch::{Scratch, free_ports};

/// Clock ticks per second of `/proc/<pid>/stat`; a constant of Linux's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// The hosts, each in its own process.
pub(super) struct Servers {
    hosts: Vec<Child>,
    dir: PathBuf,
}

impl Servers {
    /// The members of `channel`, and that channel alone.
    pub(super) fn start(network_file: &Path, channel: &str, scratch: &Scratch) -> Result<Self> {
        let (mut network, text) = Network::read(network_file)?;
        network.channels.retain(|known| known.name == channel);
        let members: Vec<String> = network
            .channels
            .iter()
            .flat_map(|channel| channel.organizations.clone())
            .collect();
        let organizations = &mut network.organizations;
        organizations.retain(|organization| members.contains(&organization.name));
        network.move_ports(free_ports(network.organizations.len() * 2)?)?;
        let provisioned = provision(&network, &text, scratch.path())?;
        let binary = std::env::current_exe()?;
        let mut servers = Self {
            hosts: Vec::new(),
            dir: scratch.path().to_owned(),
        };
        for config in &provisioned.hosts {
            let child = Command::new(&binary)
                .args(["host", "run", "--config"])
                .arg(config)
                .stdout(Stdio::piped())
                .spawn()?;
            servers.hosts.push(child);
        }
        for host in &mut servers.hosts {
            let stdout = host.stdout.take().context("piped")?;
            let mut line = String::new();
            std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)?;
            ensure!(line.starts_with("ready"), "a host did not start");
        }
        Ok(servers)
    }

    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        self.hosts
            .iter()
            .map(|host| cpu_seconds(&host.id().to_string()))
            .sum()
    }

    pub(super) fn resident_bytes(&self) -> Result<u64> {
        self.hosts
            .iter()
            .map(|host| resident_bytes(&host.id().to_string()))
            .sum()
    }

    /// Bytes that the hosts' files take on disk, ordering log included.
    pub(super) fn disk_bytes(&self) -> Result<u64> {
        fn of(path: &Path) -> std::io::Result<u64> {
            use std::os::unix::fs::MetadataExt as _;
            let mut sum = 0;
            for entry in std::fs::read_dir(path)? {
                let entry = entry?;
                // Files come and go while the hosts run.
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                sum += if metadata.is_dir() {
                    of(&entry.path())?
                } else {
                    metadata.len().min(metadata.blocks() * 512)
                };
            }
            Ok(sum)
        }
        Ok(of(&self.dir.join("hosts"))?)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for host in &mut self.hosts {
            let _ = host.kill();
            let _ = host.wait();
        }
    }
}

/// Memory that a process has resident.
pub(crate) fn resident_bytes(pid: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next())
        .context("no VmRSS")?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}

/// User and system time of a process.
pub(crate) fn cpu_seconds(pid: &str) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; fields are counted after it.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| -> Result<f64> {
        Ok(fields.get(index).context("short stat")?.parse::<f64>()?)
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}
