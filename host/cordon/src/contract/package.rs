//! `cordon contract package`: a component as the file that hosts install; and reading either.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::Args;
use cordon_compile::read_component;
use cordon_execute::Profile;
use cordon_lifecycle::{Label, PACKAGE_BYTES_MAX, Package, check_version};
use serde_json::json;

use crate::compiler;
use crate::output::Output;

/// What to put into a package, and where.
#[derive(Args)]
pub(crate) struct PackageArgs {
    /// The component.
    file: PathBuf,
    /// The package's label [default: NAME_VERSION].
    #[arg(long)]
    label: Option<String>,
    /// The contract's name, for the label [default: the component's, without .wasm].
    #[arg(long, conflicts_with = "label")]
    name: Option<String>,
    /// The contract's version, for the label; left out without it.
    #[arg(long, conflicts_with = "label")]
    version: Option<String>,
    /// The file to write [default: LABEL.tar.gz].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn package(args: &PackageArgs, output: &Output) -> Result<()> {
    let label = label(args)?;
    let runtime = compiler::runtime(None)?;
    let file = args.file.display();
    let component = read_component(&args.file, runtime.profile())
        .with_context(|| format!("cannot read {file}"))?;
    // No host would install it.
    runtime
        .compile(&component)
        .with_context(|| format!("{file}"))?;
    let package = Package::write(&label, "", &component)?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => PathBuf::from(format!("{label}.tar.gz")),
    };
    fs::write(&out, package.bytes()).with_context(|| format!("cannot write {}", out.display()))?;
    let sha256 = hex::encode(package.component_sha256());
    let text = format!(
        "package     {}\nbytes       {}\npackage id  {}\ncomponent   {sha256}",
        out.display(),
        package.bytes().len(),
        package.id()
    );
    let value = json!({
        "file": out.display().to_string(),
        "bytes": package.bytes().len(),
        "packageId": package.id().to_string(),
        "label": label.as_str(),
        "sha256": sha256,
    });
    output.result(&text, &value);
    Ok(())
}

fn label(args: &PackageArgs) -> Result<Label> {
    if let Some(label) = &args.label {
        return Ok(label.parse()?);
    }
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
    let name = args.name.as_deref().unwrap_or(&stem);
    let text = match &args.version {
        Some(version) => {
            check_version(version)?;
            format!("{name}_{version}")
        }
        None => name.to_owned(),
    };
    text.parse()
        .context("give the package a label with --label")
}

/// A component's bytes, from its own file or from a package with it, which then comes along.
pub(super) fn read_either(path: &Path, profile: &Profile) -> Result<(Vec<u8>, Option<Package>)> {
    let cannot_read = || format!("cannot read {}", path.display());
    if !is_gzip(path) {
        let component = read_component(path, profile).with_context(cannot_read)?;
        return Ok((component, None));
    }
    let mut bytes = Vec::new();
    let most = PACKAGE_BYTES_MAX as u64 + 1;
    let file = fs::File::open(path).with_context(cannot_read)?;
    file.take(most)
        .read_to_end(&mut bytes)
        .with_context(cannot_read)?;
    let package = Package::read(&Bytes::from(bytes))
        .with_context(|| format!("{} is no package of a contract", path.display()))?;
    Ok((package.component().to_vec(), Some(package)))
}

/// Whether a file begins as packages do; components begin otherwise. What is no file is none.
fn is_gzip(path: &Path) -> bool {
    let mut begin = [0; 2];
    path.is_file()
        && fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut begin).is_ok())
        && begin == [0x1f, 0x8b]
}

/// The package in a file.
pub(super) fn read_package(path: &Path) -> Result<Package> {
    let (_, package) = read_either(path, &Profile::default())?;
    package.with_context(|| {
        format!(
            "{} is a component: cordon contract package makes a package of it",
            path.display()
        )
    })
}
