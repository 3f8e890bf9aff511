//! A contract's folder: its package, the workspace that it is in, and the commands that run on it.
//! Everything but compiling is done by cargo and by `contracts/build.sh`.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::tools::{self, Found};

/// The folder for everything that is built; see `contracts/build.sh`.
const TARGET: &str = "CORDON_CONTRACTS_TARGET";

/// Exit code of cargo when code does not compile, and when dependencies cannot be had.
const CARGO_FAILED: i32 = 101;

pub(super) struct Folder {
    /// As it was given.
    path: PathBuf,
    /// The package's name, which is the contract's.
    name: String,
    workspace: PathBuf,
    /// The script that makes components.
    script: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

impl Folder {
    /// Finds out about the contract in a folder. A workspace of its own gets the SDK if it has none, and
    /// with `refresh` that of this program.
    pub(super) fn open(path: &Path, refresh: bool) -> Result<Self> {
        let manifest = path.join("Cargo.toml");
        if !manifest.is_file() || !path.join("wit").is_dir() {
            bail!(
                "{}: no contract, which has a Cargo.toml and a folder wit; `cordon contract new NAME` \
                 makes one",
                path.display()
            );
        }
        let mut command = Command::new("cargo");
        command
            .args(["metadata", "--no-deps", "--format-version=1"])
            .arg("--manifest-path")
            .arg(&manifest)
            .stderr(Stdio::inherit());
        let done = command.output().map_err(|error| missing("cargo", error))?;
        if !done.status.success() {
            bail!("{}: cargo cannot read it, see above", manifest.display());
        }
        let metadata: Metadata = serde_json::from_slice(&done.stdout)?;
        let root = metadata.workspace_root.clone();
        let package = metadata.package(&manifest)?;
        let alone = root.join("wit").is_dir();
        if alone {
            prepare(&root, refresh)?;
        } else if refresh {
            bail!(
                "{}: --refresh is for a contract with a .cordon of its own",
                path.display()
            );
        }
        let script = tools::script(&root).with_context(|| {
            format!(
                "{}: neither a .cordon/ beside the workspace's Cargo.toml nor a checkout of Cordon \
                 around it, so nothing here makes components",
                root.display()
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            name: package,
            workspace: root,
            script,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The folder of its cases.
    pub(super) fn cases(&self) -> PathBuf {
        self.path.join("cases")
    }

    /// Whether `name` is another contract of the same workspace.
    pub(super) fn is_beside(&self, name: &str) -> bool {
        !self.is_alone() && self.workspace.join(name).join("wit").is_dir()
    }

    /// Whether the contract is a workspace of its own.
    fn is_alone(&self) -> bool {
        self.workspace.join("wit").is_dir()
    }

    /// Runs the tests of its rules natively: `cargo test`.
    pub(super) fn test_rules(&self) -> Result<()> {
        say(&format!("{}: cargo test", self.name));
        let mut command = Command::new("cargo");
        // Its words go to stderr: stdout is for the result.
        command
            .arg("test")
            .current_dir(&self.path)
            .stdout(std::io::stderr());
        match run("cargo", &mut command)? {
            0 => Ok(()),
            _ => bail!(
                "{}: `cargo test` fails; its message is above",
                self.path.display()
            ),
        }
    }

    /// Makes the component, and those of other contracts of the workspace. Where they are: this one's
    /// first.
    pub(super) fn build(&self, others: &[String]) -> Result<Vec<PathBuf>> {
        let target = match std::env::var_os(TARGET) {
            // Relative to where the developer is, and not to where the script works.
            Some(target) => std::path::absolute(target)?,
            None if self.is_alone() => self.workspace.join("target"),
            None => self.repository().join("target"),
        };
        if !target.join("componentize").exists() {
            say("making the tool that makes components; this is once, and takes half a minute");
        }
        say(&format!("{}: cargo build for WebAssembly", self.name));
        let names = || std::iter::once(&self.name).chain(others);
        let mut command = Command::new("sh");
        command
            .arg(&self.script)
            .args(names())
            .env("CORDON_CONTRACTS", &self.workspace)
            .env(TARGET, &target)
            .current_dir(&self.workspace)
            // It says what was made, which is said again from the component itself.
            .stdout(Stdio::null());
        if self.is_alone() && std::env::var_os("CORDON_WASM_TOOLCHAIN_DIR").is_none() {
            // Not in `.cordon/`, which holds nothing but sources.
            command.env("CORDON_WASM_TOOLCHAIN_DIR", target.join("wasm-toolchain"));
        }
        match run("sh", &mut command)? {
            0 => {}
            CARGO_FAILED => bail!(
                "{}: cargo cannot build it; its message is above",
                self.path.display()
            ),
            _ => bail!(
                "{}: no component was made; the reason is above",
                self.path.display()
            ),
        }
        let out = match self.workspace.file_name() {
            Some(name) if !self.is_alone() => target.join(name),
            _ => target.join("contracts"),
        };
        Ok(names()
            .map(|name| out.join(format!("{name}.wasm")))
            .collect())
    }

    /// The checkout that the script is part of.
    fn repository(&self) -> &Path {
        let folder = self.script.parent().and_then(Path::parent);
        folder.unwrap_or(&self.workspace)
    }
}

impl Metadata {
    /// Name of the package with this manifest.
    fn package(self, manifest: &Path) -> Result<String> {
        let wanted = manifest.canonicalize()?;
        let mut packages = self.packages.into_iter();
        let found = packages.find(|package| {
            let path = package.manifest_path.canonicalize();
            path.is_ok_and(|path| path == wanted)
        });
        let found = found.with_context(|| format!("{}: no package", manifest.display()))?;
        Ok(found.name)
    }
}

/// Sees to the `.cordon/` of a contract that is a workspace of its own.
fn prepare(folder: &Path, refresh: bool) -> Result<()> {
    match tools::found(folder) {
        Found::Same => Ok(()),
        Found::Missing => {
            say("writing .cordon, which is missing: the SDK, and what makes components");
            tools::write(folder)
        }
        Found::Other if refresh => {
            say("replacing .cordon");
            tools::write(folder)
        }
        Found::Other => {
            say(
                "note: .cordon is of another version of cordon, or was changed, and is used as it is; \
                 `cordon contract build --refresh` replaces it",
            );
            Ok(())
        }
    }
}

/// What is being done, on stderr: stdout is for the result.
fn say(line: &str) {
    eprintln!("cordon: {line}");
}

/// Runs a command; its exit code.
fn run(program: &str, command: &mut Command) -> Result<i32> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| missing(program, error))?;
    Ok(status.code().unwrap_or(-1))
}

fn missing(program: impl AsRef<OsStr>, error: std::io::Error) -> anyhow::Error {
    let program = program.as_ref().display();
    if error.kind() == ErrorKind::NotFound {
        return anyhow::anyhow!(
            "there is no {program} on PATH: contracts are built by Rust's tools; install them with \
             rustup (https://rustup.rs), open a new terminal, and run this again"
        );
    }
    anyhow::Error::from(error).context(format!("cannot start {program}"))
}
