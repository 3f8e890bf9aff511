//! What a contract's developer does: commands that documents tell, in a shell, in one folder.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Cli;
use crate::process::binary;

/// The repository.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

/// The commands of a document: what stands in its blocks of `sh` below this heading and before the next.
pub fn commands(text: &str, heading: &str) -> Vec<String> {
    let mut section = false;
    let mut block: Option<String> = None;
    let mut blocks = Vec::new();
    for line in text.lines() {
        match &mut block {
            Some(text) if line == "```" => {
                blocks.push(std::mem::take(text));
                block = None;
            }
            Some(text) => *text = format!("{text}{line}\n"),
            None if line.starts_with('#') => section = line == heading,
            None if section && line == "```sh" => block = Some(String::new()),
            None => {}
        }
    }
    blocks
}

/// A folder where somebody works in a shell, with `cordon` on the PATH.
pub struct Shell {
    folder: PathBuf,
    /// Where the shell is.
    pub place: PathBuf,
}

impl Shell {
    /// In a folder without a contract. It is always the same folder, where a later run finds the
    /// dependencies of contract visits compiled: one test after the other.
    pub fn of_a_developer() -> Self {
        let folder = root().join("target/contract-developer");
        let shell = Self {
            place: folder.clone(),
            folder,
        };
        let (visits, kept) = (shell.contract(), shell.kept());
        if visits.join("target").exists() && !kept.exists() {
            fs::rename(visits.join("target"), &kept).unwrap();
        }
        let _ = fs::remove_dir_all(&visits);
        fs::create_dir_all(shell.folder.join("bin")).unwrap();
        let program = shell.folder.join("bin/cordon");
        let _ = fs::remove_file(&program);
        std::os::unix::fs::symlink(binary().canonicalize().unwrap(), program).unwrap();
        shell
    }

    /// The folder that the developer begins in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where contract visits is, once it is made.
    pub fn contract(&self) -> PathBuf {
        self.folder.join("visits")
    }

    fn kept(&self) -> PathBuf {
        self.folder.join("target")
    }

    /// Gives contract visits what an earlier run has compiled.
    pub fn take_target(&self) {
        if self.kept().exists() {
            fs::rename(self.kept(), self.contract().join("target")).unwrap();
        }
    }

    /// Runs commands until one fails.
    pub fn run(&mut self, commands: &str) -> Cli {
        let place = self.folder.join("place");
        let script = format!(
            "set -eu\ncd '{}'\n{commands}\npwd >'{}'",
            self.place.display(),
            place.display()
        );
        let mut path = OsString::from(self.folder.join("bin"));
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        let done = run(Command::new("sh")
            .args(["-c", &script])
            .env("PATH", path)
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("CORDON_CONTRACTS_TARGET"));
        if done.code == 0 {
            self.place = fs::read_to_string(place).unwrap().trim().into();
        }
        done
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Cli {
    let output = command
        .env_remove("CORDON_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Cli {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Replaces one place in a file.
pub fn change(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} has no {from:?}", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}
