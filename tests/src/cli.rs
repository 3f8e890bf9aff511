//! Commands that end by themselves.

use std::process::{Command, Stdio};

use crate::process::binary;

/// What a command did.
#[derive(Debug)]
pub struct Cli {
    /// Exit code.
    pub code: i32,
    /// Its output.
    pub stdout: String,
    /// Its complaints.
    pub stderr: String,
}

impl Cli {
    /// The one JSON object that it printed.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs `cordon` to its end.
pub fn cordon(args: &[&str]) -> Cli {
    let output = Command::new(binary())
        .args(args)
        .env_remove("CORDON_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", binary().display()));
    Cli {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
