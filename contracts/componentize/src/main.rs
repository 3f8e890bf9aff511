//! Turns a contract's core module into a component, and says what it is.
//!
//! `componentize CORE.wasm OUT.wasm WIT-FOLDER...` — the folders are those of the contract's own WIT
//! and of what it depends on, dependencies first.
//!
//! The component carries a custom section `cordon:package-docs`, from which hosts answer
//! `GetMetadata`: a JSON object from package name (`cordon:emr@1.0.0`) to that package's documentation
//! in the form that wit-parser's `PackageMetadata` has. The usual section name, `package-docs`, is for
//! binary WIT packages: tools that decode a component refuse it there.
//!
//! A component that would import anything but `cordon:contract` or another contract's package, or that
//! exports an undocumented function, is refused here, where the developer can do something about it,
//! and not only by the host at installation.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::{PackageMetadata, Resolve, WorldItem, WorldKey};

/// Where the documentation is kept in the component.
const DOCS_SECTION: &str = "cordon:package-docs";

/// The package of everything that a contract may import from its host.
const CONTRACT_PACKAGE: (&str, &str) = ("cordon", "contract");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [core, out, wit @ ..] = arguments.as_slice() else {
        eprintln!("componentize: usage: componentize CORE.wasm OUT.wasm WIT-FOLDER...");
        return ExitCode::from(2);
    };
    match run(core.as_ref(), out.as_ref(), wit) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("componentize: {core}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(core: &Path, out: &Path, wit: &[String]) -> Result<()> {
    let module = std::fs::read(core).context("cannot read the core module")?;
    let mut component = ComponentEncoder::default()
        .module(&module)
        .context("the module names no world; was it built with the SDK?")?
        .validate(true)
        .encode()
        .context("the module does not fit its world")?;

    let mut documented = Resolve::default();
    for folder in wit {
        documented
            .push_path(folder)
            .with_context(|| format!("cannot read the WIT in {folder}"))?;
    }
    let summary = describe(&component, &documented)?;

    CustomSection {
        name: DOCS_SECTION.into(),
        data: docs(&documented)?.into(),
    }
    .append_to_component(&mut component);
    // Written beside and renamed, so that who reads meanwhile sees the old or the new one whole.
    let beside = out.with_extension("wasm.new");
    std::fs::write(&beside, &component)
        .and_then(|()| std::fs::rename(&beside, out))
        .with_context(|| format!("cannot write {}", out.display()))?;

    println!("{}: {} bytes", out.display(), component.len());
    println!("  sha256 {}", hex(&Sha256::digest(&component)));
    println!("{summary}");
    Ok(())
}

/// The imported interfaces and exported functions, one per line, checked.
fn describe(component: &[u8], documented: &Resolve) -> Result<String> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("a binary WIT package, not a component");
    };
    let mut lines = Vec::new();
    for (key, _) in &resolve.worlds[world].imports {
        let name = resolve.name_world_key(key);
        let interface = match key {
            WorldKey::Interface(id) => &resolve.interfaces[*id],
            WorldKey::Name(name) => bail!("it imports `{name}`, which is in no package"),
        };
        let package = interface.package.context("an interface without package")?;
        let package = &resolve.packages[package].name;
        let of_host = (package.namespace.as_str(), package.name.as_str()) == CONTRACT_PACKAGE;
        let of_contract = documented.package_names.contains_key(package);
        ensure!(
            of_host || of_contract,
            "it imports `{name}`, which no host gives to a contract; contracts see nothing but \
             cordon:contract and other contracts"
        );
        lines.push(format!("  imports {name}"));
    }
    for (key, item) in &resolve.worlds[world].exports {
        let WorldItem::Interface { id, .. } = item else {
            bail!(
                "it exports `{}` outside any interface",
                resolve.name_world_key(key)
            );
        };
        for function in resolve.interfaces[*id].functions.keys() {
            let name = format!("{}.{function}", resolve.name_world_key(key));
            ensure!(
                is_documented(&resolve, *id, function, documented),
                "`{name}` has no doc comment; clients read it as the function's description"
            );
            lines.push(format!("  exports {name}"));
        }
    }
    Ok(lines.join("\n"))
}

fn is_documented(
    resolve: &Resolve,
    id: wit_parser::InterfaceId,
    function: &str,
    documented: &Resolve,
) -> bool {
    let interface = &resolve.interfaces[id];
    let source = interface.package.and_then(|package| {
        let package = documented
            .package_names
            .get(&resolve.packages[package].name)?;
        let interface = documented.packages[*package]
            .interfaces
            .get(interface.name.as_ref()?)?;
        documented.interfaces[*interface].functions.get(function)
    });
    source.is_some_and(|function| function.docs.contents.is_some())
}

/// The documentation of all packages but `cordon:contract`, which every host knows.
fn docs(documented: &Resolve) -> Result<Vec<u8>> {
    let packages: BTreeMap<String, PackageMetadata> = documented
        .package_names
        .iter()
        .filter(|(name, _)| (name.namespace.as_str(), name.name.as_str()) != CONTRACT_PACKAGE)
        .map(|(name, id)| (name.to_string(), PackageMetadata::extract(documented, *id)))
        .collect();
    serde_json::to_vec(&packages).context("documentation is text and must serialize")
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
