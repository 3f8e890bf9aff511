//! One host at a time works on a folder of data.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// Held for as long as the host runs; falls with the process however that ends.
pub(crate) struct DataLock(#[allow(dead_code, reason = "open is locked")] File);

impl DataLock {
    /// Takes the folder, which is made if absent, before anything in it is opened. Journals and state
    /// have locks of their own, but which of them meets another host first would be chance, and the
    /// other's ports would be the first thing complained about.
    ///
    /// # Errors
    /// The host that has it, by the number of its process; or why nothing can be written there.
    pub(crate) fn take(data: &Path) -> Result<Self> {
        let dir = data.display();
        let unusable = || {
            format!(
                "a host must be able to write to {dir}: see that the disk is mounted for writing and \
                 has room, and that the folder is this user's"
            )
        };
        std::fs::create_dir_all(data).with_context(unusable)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(data.join("lock"))
            .with_context(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                let known = file.read_to_string(&mut process).is_ok() && !process.is_empty();
                let process = if known {
                    format!(" (process {})", process.trim())
                } else {
                    String::new()
                };
                bail!(
                    "another host{process} works with {dir}: stop it first, or give this one other \
                     `data` in its host.toml"
                );
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(unusable),
        }
        // For whoever is refused. A disk that is full is told of where something is lost by it.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self(file))
    }
}
