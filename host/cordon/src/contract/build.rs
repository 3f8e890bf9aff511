//! `cordon contract build`: the component of a contract's folder.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::folder::Folder;
use super::inspect::Component;
use crate::compiler;
use crate::output::Output;

pub(super) fn build(path: &Path, refresh: bool, output: &Output) -> Result<()> {
    let folder = Folder::open(path, refresh)?;
    let built = folder.build(&[])?;
    let runtime = compiler::runtime(None)?;
    // A host's own checks, here where the developer can do something about it.
    for file in built {
        let component = Component::read(&runtime, &file)?;
        let functions = component.functions()?;
        let mut text = component.head();
        for function in &functions {
            text.push_str(&format!("\nfunction    {function}"));
        }
        let mut value = component.describe();
        value["contract"] = json!(folder.name());
        value["functions"] = json!(functions);
        output.result(&text, &value);
    }
    Ok(())
}
