//! Makes one core module of what `componentize-qjs` makes of a contract in JavaScript.
//!
//! `flatten COMPONENT.wasm SCRIPTS.js CORE.wasm WIT-FOLDER...` — the scripts are all that the contract
//! consists of, in one file; the folders are as for `componentize`, which makes the contract's component of
//! the result, as it does for one in Rust.
//!
//! That program links three modules when the component is instantiated: `main`, which holds memory,
//! table and the state after the script was read; the JavaScript engine; and the conversion between the
//! contract's types and the engine's. Hosts allow a contract few instances, and nothing of WASI. Besides,
//! the component has a function by which a client could run any script. Here the three become one module
//! that has the contract's functions and no other. What the engine would call of WASI traps, and so
//! answers with status 500. Of the interfaces of the world those are imported that the scripts name.

mod link;
mod part;
mod used;
mod write;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use wit_component::StringEncoding;
use wit_parser::Resolve;

use link::Linked;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [component, scripts, out, wit @ ..] = arguments.as_slice() else {
        eprintln!("flatten: usage: flatten COMPONENT.wasm SCRIPTS.js CORE.wasm WIT-FOLDER...");
        return ExitCode::from(2);
    };
    match run(component.as_ref(), scripts.as_ref(), out.as_ref(), wit) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flatten: {component}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(component: &Path, scripts: &Path, out: &Path, wit: &[String]) -> Result<()> {
    let component = std::fs::read(component).context("cannot read the component")?;
    let scripts = std::fs::read_to_string(scripts).context("cannot read the scripts")?;
    let mut resolve = Resolve::default();
    let mut own = None;
    for folder in wit {
        let (package, _) = resolve
            .push_path(folder)
            .with_context(|| format!("cannot read the WIT in {folder}"))?;
        own = Some(package);
    }
    let own = own.context("no folder of WIT is named")?;
    let world = resolve.select_world(&[own], None)?;

    let mut module = Linked::new(&component, &scripts)?.module()?.finish();
    wit_component::embed_component_metadata(
        &mut module,
        &resolve,
        world,
        StringEncoding::UTF8,
        false,
    )?;
    std::fs::write(out, module).with_context(|| format!("cannot write {}", out.display()))
}
