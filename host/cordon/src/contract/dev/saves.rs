//! When a file of a contract's folder is saved.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{Receiver, channel};

/// Folders in which every file counts.
const FOLDERS: [&str; 3] = ["src", "wit", "deps"];
/// A save is over when so long nothing more has happened. Editors write several times.
const QUIET: Duration = Duration::from_millis(80);
/// Longest that the end of it is waited for.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(1);

/// A folder that is watched. What is built there, and what tools write, does not count.
pub(super) struct Saves {
    folder: PathBuf,
    watcher: RecommendedWatcher,
    /// When something happened first that was not told yet.
    events: Receiver<Instant>,
}

impl Saves {
    pub(super) fn watch(folder: &Path) -> Result<Self> {
        let folder = folder
            .canonicalize()
            .with_context(|| format!("cannot read {}", folder.display()))?;
        let (sender, events) = channel(1);
        let root = folder.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Who lost events does not know what has changed.
            let changed = event.map_or(true, |event| {
                writes(event.kind)
                    && event
                        .paths
                        .iter()
                        .any(|path| path.strip_prefix(&root).is_ok_and(counts))
            });
            if changed {
                // Full: somebody will look anyway.
                let _ = sender.try_send(Instant::now());
            }
        });
        let watcher = watcher.context("this system does not tell when files change")?;
        let mut saves = Self {
            folder,
            watcher,
            events,
        };
        saves.attend()?;
        Ok(saves)
    }

    /// Looks at the folders that there are now: one that was replaced is another one.
    fn attend(&mut self) -> Result<()> {
        let cannot = || format!("cannot watch {}", self.folder.display());
        self.watcher
            .watch(&self.folder, RecursiveMode::NonRecursive)
            .with_context(cannot)?;
        for name in FOLDERS {
            let folder = self.folder.join(name);
            if folder.is_dir() {
                self.watcher
                    .watch(&folder, RecursiveMode::Recursive)
                    .with_context(cannot)?;
            }
        }
        Ok(())
    }

    /// Waits for the next save; when it began.
    pub(super) async fn next(&mut self) -> Result<Instant> {
        let began = self.events.recv().await;
        let began = began.context("files are no longer watched")?;
        while began.elapsed() < QUIET_WAIT_MAX
            && tokio::time::timeout(QUIET, self.events.recv())
                .await
                .is_ok()
        {}
        self.attend()?;
        Ok(began)
    }

    /// What is in the files that count: their paths and bytes.
    pub(super) fn sources(&self) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
        let mut found = BTreeMap::new();
        collect(&self.folder, Path::new(""), &mut found)
            .with_context(|| format!("cannot read {}", self.folder.display()))?;
        Ok(found)
    }
}

/// Whether files may be others after this event. That one was read says nothing: building reads them.
fn writes(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(mode)) => mode == AccessMode::Write,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// Whether a file decides what is deployed, or may hold such. `path` is below the contract's folder.
fn counts(path: &Path) -> bool {
    // Editors keep what is not saved in files of such names.
    let passing = |name: &str| name.starts_with('.') || name.ends_with('~');
    let names: Option<Vec<&str>> = path.iter().map(|name| name.to_str()).collect();
    let Some(names) = names else { return false };
    if names.iter().any(|name| passing(name)) {
        return false;
    }
    match names.as_slice() {
        [] => false,
        [name] if *name == "Cargo.toml" || *name == "wit.deps" || *name == "build.rs" => true,
        [_] if path
            .extension()
            .is_some_and(|extension| extension == "cedar") =>
        {
            true
        }
        [first, ..] => FOLDERS.contains(first),
    }
}

fn collect(
    root: &Path,
    below: &Path,
    found: &mut BTreeMap<PathBuf, Vec<u8>>,
) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let path = below.join(entry?.file_name());
        if !counts(&path) {
            continue;
        }
        let file = root.join(&path);
        // Gone again, it is none.
        if file.is_dir() {
            collect(root, &path, found)?;
        } else if let Ok(bytes) = fs::read(&file) {
            found.insert(path, bytes);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_and_what_editors_leave_behind_does_not_count() {
        for path in [
            "src/lib.rs",
            "src/domain/tests.rs",
            "wit/visits.wit",
            "deps/emr/wit/emr.wit",
            "Cargo.toml",
            "visits.cedar",
            "wit.deps",
        ] {
            assert!(counts(Path::new(path)), "{path}");
        }
        for path in [
            "",
            "target/contracts/visits.wasm",
            ".cordon/contracts/sdk/src/lib.rs",
            "Cargo.lock",
            "README.md",
            "cases/book.json",
            "src/.lib.rs.swp",
            "src/lib.rs~",
            ".visits.cedar.swp",
        ] {
            assert!(!counts(Path::new(path)), "{path}");
        }
    }

    #[tokio::test]
    async fn a_save_is_told_whichever_way_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("src")).unwrap();
        fs::write(path("src/lib.rs"), "1").unwrap();
        let mut saves = Saves::watch(folder.path()).unwrap();
        let mut before = saves.sources().unwrap();
        let mut changed = async |what: &str| {
            loop {
                saves.next().await.unwrap();
                let after = saves.sources().unwrap();
                if after != before {
                    before = after;
                    return;
                }
                // Half of it.
                eprintln!("{what}: not yet");
            }
        };
        fs::write(path("src/lib.rs"), "2").unwrap();
        changed("written").await;
        fs::write(path("src/new"), "3").unwrap();
        fs::rename(path("src/new"), path("src/lib.rs")).unwrap();
        changed("renamed").await;
        fs::write(path("visits.cedar"), "").unwrap();
        changed("made").await;
        fs::create_dir(path("wit")).unwrap();
        fs::write(path("wit/visits.wit"), "1").unwrap();
        changed("in a new folder").await;
        fs::write(path("wit/visits.wit"), "2").unwrap();
        changed("there again").await;
        fs::remove_dir_all(path("src")).unwrap();
        changed("removed").await;
        fs::create_dir(path("src")).unwrap();
        fs::write(path("src/lib.rs"), "4").unwrap();
        changed("replaced").await;
        fs::write(path("src/lib.rs"), "5").unwrap();
        changed("in the replaced folder").await;
    }
}
