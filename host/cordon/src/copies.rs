//! Copies of what a host holds: snapshots of a channel and joining from them, backups and restoring
//! from them. All that is copied is blocks, ordering logs and configuration; state follows from
//! blocks, and is derived anew wherever they arrive.

mod backup;
mod folder;
mod join;
mod manifest;
mod restored;
mod snapshot;

use std::path::Path;

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;

use crate::host::HostConfig;
use crate::material;

pub(crate) use backup::{Saved, backup, restore};
pub(crate) use folder::Folder;
pub(crate) use join::{JoinArgs, join};
pub(crate) use restored::check_restored_logs;
pub(crate) use snapshot::{verify_snapshot, write_snapshot};

/// Told how much is done, and of how much; an error ends the work.
pub(crate) type Progress<'a> = &'a (dyn Fn(u64, u64) -> Result<()> + Sync);

/// Shows progress on a bar, which is seen on a terminal only.
pub(crate) fn on_bar(bar: &ProgressBar) -> impl Fn(u64, u64) -> Result<()> + Sync + '_ {
    |done, total| {
        bar.set_length(total);
        bar.set_position(done);
        Ok(())
    }
}

/// A host's configuration as its file says it, paths relative to the file, with the comment that the
/// file begins with.
pub(crate) fn read_host_file(path: &Path) -> Result<(String, HostConfig)> {
    let text = material::read(path)?;
    let config = toml::from_str(&text)
        .with_context(|| format!("{} is not a host's configuration", path.display()))?;
    let lines = text.split_inclusive('\n');
    let comment = lines.take_while(|line| line.starts_with('#')).collect();
    Ok((comment, config))
}

/// Writes a host's configuration. The file is the old one or the new one whenever the machine stops.
pub(crate) fn write_host_file(path: &Path, comment: &str, config: &HostConfig) -> Result<()> {
    let text = format!("{comment}\n{}", toml::to_string(config)?);
    let new = path.with_extension("toml.new");
    material::write(&new, text.trim_start())?;
    folder::sync(&new)?;
    std::fs::rename(&new, path).with_context(|| format!("cannot write {}", path.display()))?;
    path.parent().map_or(Ok(()), folder::sync)
}
