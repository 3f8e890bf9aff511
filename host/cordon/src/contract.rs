//! `cordon contract`: look at a contract before it is deployed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use cordon_execute::fingerprint;
use serde_json::{Value, json};

use crate::compiler;
use crate::output::Output;

/// What to do with a contract.
#[derive(Subcommand)]
pub(crate) enum ContractCommand {
    /// Show what a component is: its functions with their documentation and arguments, what it imports,
    /// and the limits that it would run under. A component that hosts do not accept is refused with
    /// the reason.
    ///
    /// Example: cordon contract inspect target/contracts/emr.wasm
    Inspect {
        /// The component.
        file: PathBuf,
    },
}

pub(crate) fn run(command: &ContractCommand, output: &Output) -> Result<()> {
    let ContractCommand::Inspect { file } = command;
    inspect(file, output)
}

fn inspect(file: &Path, output: &Output) -> Result<()> {
    let runtime = compiler::runtime(None)?;
    let bytes = runtime
        .read(file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let compiled = runtime
        .compile(&bytes)
        .with_context(|| format!("{}", file.display()))?;
    let metadata: Value = serde_json::from_str(compiled.metadata())?;
    let settings = runtime.profile().settings();
    let sha256 = hex::encode(compiled.hash());

    let mut text = format!(
        "component   {}\nbytes       {}\nsha256      {sha256}\n",
        file.display(),
        bytes.len()
    );
    for import in compiled.imports() {
        let _ = writeln!(text, "imports     {import}");
    }
    for (interface, described) in metadata["contracts"].as_object().into_iter().flatten() {
        if !interface.is_empty() {
            let _ = writeln!(text, "\n{interface}");
            paragraph(&mut text, 2, &described["info"]["description"]);
        }
        for function in described["transactions"].as_array().into_iter().flatten() {
            describe(&mut text, interface, function);
        }
    }
    let _ = writeln!(text, "\nlimits (profile {})", &fingerprint(&settings)[..16]);
    for (setting, value) in &settings {
        let _ = writeln!(text, "  {setting:<26}{value}");
    }
    let value = json!({
        "file": file.display().to_string(),
        "bytes": bytes.len(),
        "sha256": sha256,
        "imports": compiled.imports(),
        "metadata": metadata,
        "execution": settings,
        "fingerprint": fingerprint(&settings),
    });
    output.result(text.trim_end(), &value);
    Ok(())
}

/// `  HealthCenter:CreateEmr {"patientId": …} → {…}`, and its documentation.
fn describe(text: &mut String, interface: &str, function: &Value) {
    let name = function["name"].as_str().unwrap_or_default();
    let full = match interface {
        "" => name.to_owned(),
        interface => format!("{interface}:{name}"),
    };
    let parameters = function["parameters"].as_array().into_iter().flatten();
    let arguments: Vec<String> = parameters
        .map(|parameter| {
            let name = parameter["name"].as_str().unwrap_or_default();
            match parameter["schema"]["type"].as_str() {
                Some("string") => name.to_owned(),
                _ => format!("{name}={}", shape(&parameter["schema"])),
            }
        })
        .collect();
    let answer = match function.get("returns") {
        Some(schema) => format!(" → {}", shape(schema)),
        None => String::new(),
    };
    let _ = writeln!(text, "\n  {full} {}{answer}", arguments.join(" "));
    paragraph(text, 4, &function["description"]);
}

/// A JSON schema in a few characters.
fn shape(schema: &Value) -> String {
    if let Some(properties) = schema["properties"].as_object() {
        let required = schema["required"].as_array();
        let needed = |name: &str| required.is_some_and(|r| r.iter().any(|known| known == name));
        let fields: Vec<String> = properties
            .iter()
            .map(|(name, schema)| {
                let mark = if needed(name) { "" } else { "?" };
                match schema["type"].as_str() {
                    Some("string") => format!("{name}{mark}"),
                    _ => format!("{name}{mark}: {}", shape(schema)),
                }
            })
            .collect();
        return format!("{{{}}}", fields.join(", "));
    }
    if let Some(items) = schema.get("items") {
        return format!("[{}, …]", shape(items));
    }
    if let Some(choices) = schema["enum"].as_array() {
        let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
        return choices.join(" | ");
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[several].as_array() {
            let choices: Vec<String> = choices.iter().map(shape).collect();
            return choices.join(" | ");
        }
    }
    match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" | ")
        }
        _ => "anything".to_owned(),
    }
}

fn paragraph(text: &mut String, indent: usize, value: &Value) {
    for line in value.as_str().unwrap_or_default().lines() {
        let _ = writeln!(text, "{:indent$}{line}", "");
    }
}
