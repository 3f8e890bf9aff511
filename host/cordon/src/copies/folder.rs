//! A folder that is there whole, or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// A folder that is being written, beside where it will be; removed when it is dropped unfinished.
pub(crate) struct Folder {
    to: PathBuf,
    at: PathBuf,
    finished: bool,
}

impl Folder {
    /// Begins the folder `to`, which must not be there, or be empty.
    pub(crate) fn begin(to: &Path) -> Result<Self> {
        let shown = to.display();
        if to.exists() {
            let mut entries =
                fs::read_dir(to).with_context(|| format!("cannot look into {shown}"))?;
            if entries.next().is_some() {
                bail!("{shown} is there and not empty: give a new folder");
            }
        }
        let (Some(parent), Some(name)) = (to.parent(), to.file_name()) else {
            bail!("{shown} is not the name of a new folder");
        };
        let mut partial = OsString::from(".");
        partial.push(name);
        partial.push(".partial");
        let at = parent.join(partial);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        match fs::create_dir(&at) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => bail!(
                "{} is there: {shown} is being written, or writing it was interrupted; delete it if nobody is",
                at.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("cannot make {shown}")),
        }
        Ok(Self {
            to: to.to_owned(),
            at,
            finished: false,
        })
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        &self.at
    }

    /// Makes everything durable and gives the folder its name.
    pub(crate) fn finish(mut self) -> Result<()> {
        sync_tree(&self.at)?;
        fs::rename(&self.at, &self.to)
            .with_context(|| format!("cannot make {}", self.to.display()))?;
        self.finished = true;
        self.to.parent().map_or(Ok(()), sync)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_dir_all(&self.at);
        }
    }
}

/// Every file below a folder, relative to it, in order.
pub(crate) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let at = dir.join(&folder);
        let error = || format!("cannot list {}", at.display());
        for entry in fs::read_dir(&at).with_context(error)? {
            let entry = entry.with_context(error)?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().with_context(error)?;
            if kind.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn sync_tree(dir: &Path) -> Result<()> {
    for path in files(dir)? {
        let path = dir.join(path);
        sync(&path)?;
        let below = path.ancestors().skip(1);
        for folder in below.take_while(|folder| folder.starts_with(dir)) {
            sync(folder)?;
        }
    }
    sync(dir)
}

/// Makes a file, or the names in a folder, durable.
pub(crate) fn sync(path: &Path) -> Result<()> {
    // A relative path of one part has the empty path as parent.
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path)
        .and_then(|file| file.sync_all())
        .with_context(|| format!("cannot make {} durable", path.display()))
}
