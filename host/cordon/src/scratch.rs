//! Folders and ports for networks that live no longer than the command.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// A folder in the system's place for temporary files; removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(purpose: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("cordon-{purpose}-{}", std::process::id()));
        // Left behind by a process with the same number that was killed.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The first of `count` consecutive ports that are free now.
pub(crate) fn free_ports(count: usize) -> Result<u16> {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0")?;
        let base = first.local_addr()?.port();
        let others: Option<Vec<TcpListener>> = (1..count)
            .map(|offset| {
                let port = base.checked_add(u16::try_from(offset).ok()?)?;
                TcpListener::bind(("127.0.0.1", port)).ok()
            })
            .collect();
        if others.is_some() {
            return Ok(base);
        }
    }
    bail!("cannot find {count} free ports in a row")
}
