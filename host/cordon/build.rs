//! Puts into the binary what a contract's folder needs outside of this repository: the interface of
//! hosts, the SDK, what makes components, and the contract that `cordon contract new` writes.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files and folders, relative to the repository. They keep their places below a contract's `.cordon/`.
const TOOLS: [&str; 8] = [
    "contracts/Cargo.toml",
    "contracts/build.sh",
    "contracts/componentize/Cargo.lock",
    "contracts/componentize/Cargo.toml",
    "contracts/componentize/src",
    "contracts/sdk",
    "contracts/toolchain.sh",
    "wit",
];
const TEMPLATE: &str = "host/cordon/template";
const LOCK: &str = "contracts/Cargo.lock";

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize()?;
    let mut tools = Vec::new();
    for place in TOOLS {
        find(&root.join(place), &mut tools)?;
    }
    let mut template = Vec::new();
    find(&root.join(TEMPLATE), &mut template)?;
    let mut code = String::new();
    list(&mut code, "TOOLS", &root, &tools);
    list(&mut code, "TEMPLATE", &root.join(TEMPLATE), &template);
    let lock = root.join(LOCK).display().to_string();
    let _ = writeln!(code, "const LOCK: &str = include_str!({lock:?});");
    for place in TOOLS.iter().chain([&TEMPLATE, &LOCK]) {
        println!("cargo:rerun-if-changed={}", root.join(place).display());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("embedded.rs"), code)
}

/// All files at or below `path`, in the order of their names.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        entries.push(entry?.path());
    }
    entries.sort();
    entries.iter().try_for_each(|entry| find(entry, files))
}

/// A constant of pairs: the place below `base`, and the text.
fn list(code: &mut String, name: &str, base: &Path, files: &[PathBuf]) {
    let _ = writeln!(code, "const {name}: &[(&str, &str)] = &[");
    for file in files {
        let place = file.strip_prefix(base).unwrap_or(file);
        let place = place.to_string_lossy().replace('\\', "/");
        let file = file.display().to_string();
        let _ = writeln!(code, "    ({place:?}, include_str!({file:?})),");
    }
    let _ = writeln!(code, "];");
}
