//! A backup of a host: a folder laid out as a host's folder is, with a manifest.
//!
//! The host goes on while it is written, so each file has its cut. Blocks are those of one moment,
//! copied record by record; what is committed meanwhile is not in it. Of an ordering log the host
//! keeps, the records are taken *after* the blocks: a block is cut from records that were on disk
//! before it, so a log that is read later holds everything that the blocks rest on, and a restored
//! host finds its place in it. The other way round a block could be saved whose records are not.
//! State is derived, and not saved.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use cordon_channel::Channel;
use cordon_identity::Signer;
use cordon_order::EmbeddedLog;
use cordon_types::ChannelId;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::manifest::{MANIFEST, Manifest, SavedChannel};
use super::restored::mark_restored;
use super::snapshot::copy_blocks;
use super::{Folder, Progress, folder, write_host_file};
use crate::host::HostConfig;

/// What a private key's file holds.
const KEY_MARK: &str = "PRIVATE KEY-----";
/// For the owner alone.
const KEY_MODE: u32 = 0o600;

/// What of a running host is saved.
pub(crate) struct Saved<'a> {
    /// Paths usable from the working directory.
    pub(crate) config: &'a HostConfig,
    /// In the order of the configuration.
    pub(crate) channels: &'a [Arc<Channel>],
    pub(crate) ordering_logs: &'a BTreeMap<ChannelId, EmbeddedLog>,
    pub(crate) signer: &'a Signer,
}

/// Saves a host into the new folder `to`. Blocking.
pub(crate) fn backup(
    host: &Saved<'_>,
    with_keys: bool,
    to: &Path,
    progress: Progress<'_>,
) -> Result<Manifest> {
    let config = host.config;
    let folder = Folder::begin(to)?;
    let dir = folder.path();
    if with_keys {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    let mut saved = config.clone();
    (saved.msp, saved.tls) = (PathBuf::from("msp"), PathBuf::from("tls"));
    (saved.data, saved.components) = (PathBuf::from("data"), PathBuf::from("components"));
    let mut channels = Vec::new();
    for (section, channel) in saved.channels.iter_mut().zip(host.channels) {
        let genesis = PathBuf::from(format!("channels/{}.block", channel.id()));
        copy_file(&section.genesis, &dir.join(&genesis), true)?;
        section.genesis = genesis;
        channels.push(save_channel(host, channel, dir, progress)?);
    }
    copy_tree(&config.components, &dir.join(&saved.components), true)?;
    copy_tree(&config.msp, &dir.join(&saved.msp), with_keys)?;
    copy_tree(&config.tls, &dir.join(&saved.tls), with_keys)?;
    let comment = "# Saved by `cordon host backup`. Paths are relative to this file.\n";
    write_host_file(&dir.join("host.toml"), comment, &saved)?;
    let created = OffsetDateTime::now_utc()
        .replace_nanosecond(0)?
        .format(&Rfc3339)?;
    let of = (config.msp_id.clone(), config.address.clone(), created);
    let manifest = Manifest::of(dir, of, with_keys, channels)?;
    let path = dir.join(MANIFEST);
    fs::write(&path, manifest.to_text()?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    folder.finish()?;
    Ok(manifest)
}

fn save_channel(
    host: &Saved<'_>,
    channel: &Channel,
    dir: &Path,
    progress: Progress<'_>,
) -> Result<SavedChannel> {
    let id = channel.id();
    let blocks = channel.ledger().block_files();
    let to = dir.join("data/channels").join(id.as_str()).join("blocks");
    let end = copy_blocks(id, &blocks, host.signer, blocks.height(), &to, progress)?;
    // After the blocks, as said above.
    let log = host.ordering_logs.get(id);
    let ordering_records = log
        .map(|log| log.copy(&dir.join("data/ordering").join(id.as_str()), progress))
        .transpose()?;
    Ok(SavedChannel {
        channel: id.to_string(),
        height: end.height,
        block_hash: hex::encode(end.block_hash),
        state_digest: hex::encode(end.state_digest),
        ordering_records,
    })
}

/// Makes a host's folder `to` from the backup in `from`. Nothing is written before all of the backup
/// is verified. Blocking.
pub(crate) fn restore(from: &Path, to: &Path, progress: Progress<'_>) -> Result<Manifest> {
    let path = from.join(MANIFEST);
    let manifest = read_verified(from, &path, progress)
        .with_context(|| format!("the backup in {} cannot be used", from.display()))?;
    let folder = Folder::begin(to)?;
    let dir = folder.path();
    if manifest.keys {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    for file in manifest.files() {
        copy_file(&from.join(&file), &dir.join(&file), true)?;
    }
    let channels = manifest.channels.iter();
    for channel in channels.filter(|channel| channel.ordering_records.is_some()) {
        // Checked: the name of a channel is no path.
        let id: ChannelId = channel.channel.parse()?;
        mark_restored(&dir.join("data"), &id)?;
    }
    // Where the operator puts the key.
    fs::create_dir_all(dir.join("msp/keystore"))?;
    folder.finish()?;
    Ok(manifest)
}

fn read_verified(from: &Path, path: &Path, progress: Progress<'_>) -> Result<Manifest> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest = Manifest::parse(&text).with_context(|| format!("{MANIFEST} cannot be read"))?;
    ensure!(
        manifest.files().any(|file| file == Path::new("host.toml")),
        "{MANIFEST} does not name host.toml"
    );
    manifest.verify(from, progress)?;
    Ok(manifest)
}

/// Copies a folder; without keys, every file but those that hold a private key.
fn copy_tree(from: &Path, to: &Path, with_keys: bool) -> Result<()> {
    for file in folder::files(from)? {
        copy_file(&from.join(&file), &to.join(&file), with_keys)?;
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path, with_keys: bool) -> Result<()> {
    let error = || format!("cannot copy {} to {}", from.display(), to.display());
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(error)?;
    }
    let bytes = fs::read(from).with_context(error)?;
    let is_key = std::str::from_utf8(&bytes).is_ok_and(|text| text.contains(KEY_MARK));
    if !is_key {
        return fs::write(to, bytes).with_context(error);
    }
    if with_keys {
        crate::material::write_mode(to, &bytes, KEY_MODE)?;
    }
    Ok(())
}
