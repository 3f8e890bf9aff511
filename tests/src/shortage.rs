//! A machine that runs short of something: a small disk of its own for a folder, and limits on a process
//! that runs.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory, mounted over a folder. What lies in the folder is hidden meanwhile.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Of so many bytes, over `folder`, which is made if absent. `None`, with the reason on stderr,
    /// where this machine does not let a test mount anything.
    pub fn over(folder: &Path, bytes: u64) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let size = format!("size={bytes}");
        let path = folder.to_str().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs", path])
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder.to_owned())),
            Ok(output) => {
                let reason = String::from_utf8_lossy(&output.stderr);
                eprintln!("SKIPPED: a small disk cannot be mounted here: {reason}");
                None
            }
            Err(error) => {
                eprintln!("SKIPPED: there is no `mount` here: {error}");
                None
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        for block in [64 << 10, 1] {
            let block = vec![0u8; block];
            while ballast.write_all(&block).is_ok() {}
        }
    }

    /// Gives it back.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    /// Nobody can write any more, or again; nobody may have a file open for writing.
    pub fn writable(&self, writable: bool) {
        let mode = if writable { "remount,rw" } else { "remount,ro" };
        let status = Command::new("mount")
            .args(["-o", mode])
            .arg(&self.0)
            .status();
        assert!(status.unwrap().success(), "{mode}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: hosts may still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Changes a limit of a process that runs: `nofile` or `fsize`, as `prlimit` names them; `None` lifts
/// it as far as it may go. Only the soft limit, which is the one that counts.
pub fn limit(process: u32, what: &str, value: Option<u64>) {
    let value = value.map_or("unlimited".to_owned(), |value| value.to_string());
    let output = Command::new("prlimit")
        .arg(format!("--pid={process}"))
        .arg(format!("--{what}={value}:"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "prlimit {what}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Files that a process has open.
pub fn open_files(process: u32) -> u64 {
    fs::read_dir(format!("/proc/{process}/fd")).unwrap().count() as u64
}
