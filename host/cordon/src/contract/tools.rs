//! What a contract's folder holds of Cordon, in `.cordon/`: the interface of hosts (`wit/`), the SDK, and
//! what makes components. It is part of this program, so that a contract can be built on a machine that
//! has no checkout; and it is in the folder, so that the contract's sources alone decide its bytes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The folder's name.
const FOLDER: &str = ".cordon";

/// The contract that [`super::new`] writes: places and texts.
pub(super) fn template() -> &'static [(&'static str, &'static str)] {
    TEMPLATE
}

/// The lock of the repository's own contracts.
pub(super) fn lock() -> &'static str {
    LOCK
}

/// The text of one of the files.
pub(super) fn text(place: &str) -> &'static str {
    let found = TOOLS.iter().find(|(known, _)| *known == place);
    found.map_or("", |(_, text)| text)
}

/// Writes `.cordon/` into a contract's folder, in the place of the one that is there.
pub(super) fn write(contract: &Path) -> Result<()> {
    let folder = contract.join(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    for (place, text) in files() {
        let path = folder.join(place);
        put(&path, &text)?;
        if text.starts_with("#!") {
            executable(&path)?;
        }
    }
    Ok(())
}

/// How the `.cordon/` of a contract's folder stands to this program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none.
    Missing,
    /// It is that of this program.
    Same,
    /// It is that of another version of Cordon, or was changed.
    Other,
}

pub(super) fn found(contract: &Path) -> Found {
    let folder = contract.join(FOLDER);
    if !folder.exists() {
        return Found::Missing;
    }
    let same = files().all(|(place, text)| {
        fs::read(folder.join(place)).is_ok_and(|found| found == text.as_bytes())
    });
    if same { Found::Same } else { Found::Other }
}

/// The script that makes components, of a workspace of contracts: in its `.cordon/`, or in the checkout
/// that the workspace is in.
pub(super) fn script(workspace: &Path) -> Option<PathBuf> {
    workspace.ancestors().find_map(|folder| {
        let own = folder.join(FOLDER).join("contracts/build.sh");
        let shared = folder.join("contracts/build.sh");
        [own, shared].into_iter().find(|path| path.is_file())
    })
}

/// Places below `.cordon/`, and texts.
fn files() -> impl Iterator<Item = (&'static str, String)> {
    TOOLS.iter().map(|(place, text)| {
        let text = match *place {
            // Of the workspace, the SDK alone is there.
            "contracts/Cargo.toml" => without_members(text),
            _ => (*text).to_owned(),
        };
        (*place, text)
    })
}

fn without_members(manifest: &str) -> String {
    let lines = manifest.lines().map(|line| {
        if line.starts_with("members = ") {
            "members = [\"sdk\"]\n".to_owned()
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

/// Writes a file, and the folders that it is in.
pub(super) fn put(path: &Path, text: &str) -> Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(unix)]
fn executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", path.display()))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_tools_are_known_as_this_programs_until_they_are_changed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(found(folder.path()), Found::Missing);
        write(folder.path()).unwrap();
        assert_eq!(found(folder.path()), Found::Same);
        let own = folder.path().join(".cordon/contracts/build.sh");
        assert_eq!(script(folder.path()), Some(own));

        let changed = folder.path().join(".cordon/contracts/sdk/src/lib.rs");
        fs::write(&changed, "// changed").unwrap();
        let left = folder.path().join(".cordon/contracts/sdk/src/left.rs");
        fs::write(&left, "").unwrap();
        assert_eq!(found(folder.path()), Found::Other);
        write(folder.path()).unwrap();
        assert_eq!(found(folder.path()), Found::Same);
        assert!(!left.exists(), "what was there before is gone");
    }

    #[test]
    fn the_workspace_in_it_has_the_sdk_alone() {
        let (_, manifest) = files()
            .find(|(place, _)| *place == "contracts/Cargo.toml")
            .unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let members = manifest["workspace"]["members"].as_array().unwrap();
        assert_eq!(members, &["sdk".into()]);
    }
}
