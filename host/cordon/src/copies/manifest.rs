//! What a backup holds: every file with its length and SHA-256, so that nothing is restored that is
//! not what was saved. It guards against accidents; whoever can write the backup can write this.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Progress, folder};

/// The file's name in a backup.
pub(super) const MANIFEST: &str = "manifest.json";
const FORMAT: u32 = 1;
/// Longest text that is read.
const TEXT_BYTES_MAX: usize = 64 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Manifest {
    format: u32,
    /// The organisation.
    pub(super) msp_id: String,
    /// Address of the host.
    pub(super) address: String,
    /// When it was written, RFC 3339.
    pub(super) created: String,
    /// Whether private keys are in it.
    pub(super) keys: bool,
    pub(super) channels: Vec<SavedChannel>,
    files: Vec<SavedFile>,
}

/// A channel in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SavedChannel {
    pub(super) channel: String,
    pub(super) height: u64,
    pub(super) block_hash: String,
    pub(super) state_digest: String,
    /// Records of the ordering log, if the host keeps it.
    pub(super) ordering_records: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SavedFile {
    /// Relative to the backup, with `/`.
    path: String,
    bytes: u64,
    sha256: String,
}

impl Manifest {
    /// Of the files in `dir`.
    pub(super) fn of(
        dir: &Path,
        (msp_id, address, created): (String, String, String),
        keys: bool,
        channels: Vec<SavedChannel>,
    ) -> Result<Self> {
        let files = folder::files(dir)?
            .into_iter()
            .map(|path| {
                let (bytes, sha256) = measure(&dir.join(&path))?;
                let path = path
                    .to_str()
                    .context("a file's name is not text")?
                    .to_owned();
                Ok(SavedFile {
                    path,
                    bytes,
                    sha256,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            format: FORMAT,
            msp_id,
            address,
            created,
            keys,
            channels,
            files,
        })
    }

    pub(super) fn to_text(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads a manifest. Its paths stay below the folder that they are joined to, and no two are the
    /// same.
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        ensure!(
            text.len() <= TEXT_BYTES_MAX,
            "it has more than {TEXT_BYTES_MAX} bytes"
        );
        let manifest: Self = serde_json::from_slice(text)?;
        ensure!(
            manifest.format == FORMAT,
            "it has format {}, this program reads format {FORMAT}",
            manifest.format
        );
        let mut paths = BTreeSet::new();
        for file in &manifest.files {
            let path = &file.path;
            let plain = |component| matches!(component, Component::Normal(_));
            // As it was written: `a//b` and `a/./b` would be other names of `a/b`.
            let parts: Option<Vec<_>> = Path::new(path)
                .components()
                .map(|component| {
                    plain(component)
                        .then(|| component.as_os_str().to_str())
                        .flatten()
                })
                .collect();
            let normal = parts.is_some_and(|parts| !parts.is_empty() && parts.join("/") == *path);
            ensure!(normal && path != MANIFEST, "it names the file {path:?}");
            ensure!(paths.insert(path), "it names the file {path:?} twice");
        }
        Ok(manifest)
    }

    /// What the command line shows of it.
    pub(crate) fn summary(&self) -> Value {
        json!({
            "mspId": self.msp_id,
            "address": self.address,
            "created": self.created,
            "keys": self.keys,
            "channels": self.channels,
            "files": self.files.len(),
        })
    }

    /// The files, relative to the backup.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.files.iter().map(|file| PathBuf::from(&file.path))
    }

    /// Checks that `dir` holds these files, and no others.
    pub(super) fn verify(&self, dir: &Path, progress: Progress<'_>) -> Result<()> {
        let named: BTreeSet<PathBuf> = self.files().collect();
        for path in folder::files(dir)? {
            if path != Path::new(MANIFEST) && !named.contains(&path) {
                bail!("{} is not in the manifest", path.display());
            }
        }
        let total = self.files.len() as u64;
        for (done, file) in (1..).zip(&self.files) {
            let SavedFile {
                path,
                bytes,
                sha256,
            } = file;
            let (found, hash) = measure(&dir.join(path))?;
            ensure!(
                found == *bytes,
                "{path} has {found} bytes, and the manifest says {bytes}"
            );
            ensure!(
                hash == *sha256,
                "{path} does not have the SHA-256 of the manifest"
            );
            progress(done, total)?;
        }
        Ok(())
    }
}

/// Length and SHA-256 of a file; the largest are segments of block files.
fn measure(path: &Path) -> Result<(u64, String)> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let hash = cordon_wire::sha256([bytes.as_slice()]);
    Ok((bytes.len() as u64, hex::encode(hash)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(paths: &[&str]) -> Manifest {
        let files = paths.iter().map(|path| SavedFile {
            path: (*path).to_owned(),
            bytes: 3,
            sha256: "00".repeat(32),
        });
        Manifest {
            format: FORMAT,
            msp_id: "HospitalMSP".to_owned(),
            address: "127.0.0.1:7051".to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            keys: false,
            channels: vec![SavedChannel {
                channel: "providers".to_owned(),
                height: 1,
                block_hash: "00".repeat(32),
                state_digest: "00".repeat(32),
                ordering_records: Some(0),
            }],
            files: files.collect(),
        }
    }

    #[test]
    fn a_manifest_reads_back() {
        let manifest = manifest(&["host.toml", "data/channels/a/blocks/00000000.seg"]);
        let text = manifest.to_text().unwrap();
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn no_path_leads_out_of_the_folder_or_to_a_file_twice() {
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a/./b",
            "a//b",
            "./a",
            "a/",
            ".",
            "..",
            "manifest.json",
        ] {
            let text = manifest(&[path]).to_text().unwrap();
            let error = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, format!("it names the file {path:?}"));
        }
        let text = manifest(&["a", "b", "a"]).to_text().unwrap();
        let error = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "it names the file \"a\" twice");
    }

    /// Every byte of a manifest changed to every of some others: it is refused, or says what it says.
    #[test]
    fn a_changed_text_is_refused_or_read_as_it_stands() {
        let manifest = manifest(&["host.toml", "data/channels/a/blocks/00000000.seg"]);
        let text = manifest.to_text().unwrap().into_bytes();
        for at in 0..text.len() {
            for byte in *b"\0/.\"{}1 " {
                let mut changed = text.clone();
                changed[at] = byte;
                let Ok(read) = Manifest::parse(&changed) else {
                    continue;
                };
                for path in read.files() {
                    let below = path
                        .components()
                        .all(|part| matches!(part, Component::Normal(_)));
                    assert!(below, "{}", path.display());
                }
                let again = Manifest::parse(read.to_text().unwrap().as_bytes()).unwrap();
                assert_eq!(again, read);
            }
        }
    }
}
