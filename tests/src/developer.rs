//! What a contract's developer does: commands that documents tell, in a shell, in one folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Cli;
use crate::document::{self, Shell};

/// The repository.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

/// The commands of a document below this heading and before the next, block by block.
pub fn commands(text: &str, heading: &str) -> Vec<String> {
    let blocks = document::blocks(text, Some(heading)).into_iter();
    blocks.map(|block| block.commands).collect()
}

impl Shell {
    /// In a folder without a contract. It is always the same folder, where a later run finds the
    /// dependencies of contract visits compiled: one test after the other.
    pub fn of_a_developer() -> Self {
        let shell = Self::new(root().join("target/contract-developer"));
        let (visits, kept) = (shell.contract(), shell.kept());
        if visits.join("target").exists() && !kept.exists() {
            fs::rename(visits.join("target"), &kept).unwrap();
        }
        let _ = fs::remove_dir_all(&visits);
        shell
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
