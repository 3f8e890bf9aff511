//! A channel's members, who change its configuration through the command line.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::cli::Cli;
use crate::network::Network;

/// A network whose configuration is changed.
pub struct Members<'a> {
    network: &'a Network,
    channel: &'a str,
    files: TempDir,
}

impl<'a> Members<'a> {
    /// Of one channel.
    pub fn of(network: &'a Network, channel: &'a str) -> Self {
        let files = tempfile::tempdir().unwrap();
        Self {
            network,
            channel,
            files,
        }
    }

    /// A file beside the proposal, `change.json`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Proposes a change.
    pub fn propose(&self, admin: &str, change: &[&str]) -> Cli {
        self.propose_in("change.json", admin, change)
    }

    /// Proposes a change in a file of this name.
    pub fn propose_in(&self, file: &str, admin: &str, change: &[&str]) -> Cli {
        let out = self.file(file);
        let fixed = [
            "channel",
            "propose",
            "--as",
            admin,
            "--channel",
            self.channel,
        ];
        let out = ["--out", out.to_str().unwrap()];
        self.network.cli(&[&fixed[..], &out, change].concat())
    }

    /// Signs what is proposed.
    pub fn sign(&self, admin: &str) -> Cli {
        self.sign_in("change.json", admin)
    }

    /// Signs what is proposed in a file of this name.
    pub fn sign_in(&self, file: &str, admin: &str) -> Cli {
        let file = self.file(file);
        let args = ["channel", "sign", "--as", admin, file.to_str().unwrap()];
        self.network.cli(&args)
    }

    /// Proposed by the first, signed by the others, in force.
    pub fn change(&self, admins: &[&str], change: &[&str]) {
        let (first, others) = admins.split_first().unwrap();
        let mut last = self.propose(first, change);
        assert_eq!(last.code, 0, "{last:?}");
        for admin in others {
            assert!(last.stdout.contains("not in force yet"), "{last:?}");
            last = self.sign(admin);
            assert_eq!(last.code, 0, "{last:?}");
        }
        assert!(last.stdout.contains("in force since block"), "{last:?}");
    }

    /// What is in force, as `channel config` tells it.
    pub fn config(&self, admin: &str) -> Value {
        let args = [
            "channel",
            "config",
            "--as",
            admin,
            "--channel",
            self.channel,
            "--json",
        ];
        let found = self.network.cli(&args);
        assert_eq!(found.code, 0, "{found:?}");
        found.json()
    }
}
