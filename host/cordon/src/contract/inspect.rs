//! `cordon contract inspect`: what a contract may use, and with cases, what it did use.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use cordon_execute::{Settings, fingerprint};
use serde_json::{Value, json};

use super::package::read_either;
use super::test::read_cases;
use crate::compiler;
use crate::output::Output;

pub(super) fn inspect(
    file: &Path,
    cases: Option<&Path>,
    with: &[String],
    output: &Output,
) -> Result<()> {
    let runtime = compiler::runtime(None)?;
    let (bytes, package) = read_either(file, runtime.profile())?;
    let compiled = runtime
        .compile(&bytes)
        .with_context(|| format!("{}", file.display()))?;
    let metadata: Value = serde_json::from_str(compiled.metadata())?;
    let settings = runtime.profile().settings();
    let sha256 = hex::encode(compiled.hash());

    let used = match cases {
        Some(cases) => {
            let (suite, town) = read_cases(&runtime, file, cases, with)?;
            let report = suite.run(&town)?;
            let most = report.most_used(&suite.setup().contract).into_iter();
            let most = most.map(|(function, used)| (function.to_owned(), used));
            Some(most.collect::<MostUsed>())
        }
        None if with.is_empty() => None,
        None => bail!("--with says which contracts the cases need: give --cases too"),
    };

    let mut text = format!(
        "component   {}\nbytes       {}\nsha256      {sha256}\n",
        file.display(),
        bytes.len()
    );
    let package_id = package.map(|package| package.id().to_string());
    if let Some(package_id) = &package_id {
        let _ = writeln!(text, "package id  {package_id}");
    }
    for import in compiled.imports() {
        let _ = writeln!(text, "imports     {import}");
    }
    for (interface, described) in metadata["contracts"].as_object().into_iter().flatten() {
        if !interface.is_empty() {
            let _ = writeln!(text, "\n{interface}");
            paragraph(&mut text, 2, &described["info"]["description"]);
        }
        for function in described["transactions"].as_array().into_iter().flatten() {
            describe(&mut text, interface, function, used.as_ref(), &settings);
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
        "packageId": package_id,
        "imports": compiled.imports(),
        "metadata": metadata,
        "execution": settings,
        "fingerprint": fingerprint(&settings),
        "used": used,
    });
    output.result(text.trim_end(), &value);
    Ok(())
}

/// The most that cases used of each setting, by function.
type MostUsed = BTreeMap<String, BTreeMap<&'static str, u64>>;

/// `  HealthCenter:CreateEmr {"patientId": …} → {…}`, and its documentation.
fn describe(
    text: &mut String,
    interface: &str,
    function: &Value,
    used: Option<&MostUsed>,
    settings: &Settings,
) {
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
    let Some(used) = used else { return };
    let Some(used) = used.get(&full) else {
        text.push_str("    no case calls it\n");
        return;
    };
    for (setting, used) in used {
        let limit = settings.get(*setting).and_then(Value::as_u64);
        let limit = limit.unwrap_or_default();
        let share = *used as f64 / limit.max(1) as f64 * 100.0;
        let _ = writeln!(
            text,
            "    {setting:<26}{used:>10} of {limit} ({share:.2} %)"
        );
    }
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
        // It is the component's own text, and a terminal obeys control characters.
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        let _ = writeln!(text, "{:indent$}{line}", "");
    }
}
