//! `cordon contract inspect`: what a contract may use, and with cases, what it did use.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use cordon_execute::{Compiled, Runtime, Settings, fingerprint};
use serde_json::{Map, Value, json};

use super::example::Examples;
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
    let component = Component::read(&runtime, file)?;
    let metadata = component.metadata()?;
    let examples = Examples::of(&metadata);
    let settings = runtime.profile().settings();

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

    let mut text = component.head();
    text.push('\n');
    let mut shown = Map::new();
    for (interface, described) in metadata["contracts"].as_object().into_iter().flatten() {
        if !interface.is_empty() {
            let _ = writeln!(text, "\n{interface}");
            paragraph(&mut text, 2, &described["info"]["description"]);
        }
        for function in described["transactions"].as_array().into_iter().flatten() {
            let full = full_name(interface, function);
            describe(&mut text, &full, function);
            let example = Example::of(function, &examples);
            example.describe(&mut text);
            shown.insert(full.clone(), example.to_json());
            if let Some(used) = &used {
                describe_used(&mut text, used.get(&full), &settings);
            }
        }
    }
    let _ = writeln!(text, "\nlimits (profile {})", &fingerprint(&settings)[..16]);
    for (setting, value) in &settings {
        let _ = writeln!(text, "  {setting:<26}{value}");
    }
    let mut value = component.describe();
    value["metadata"] = metadata;
    value["examples"] = shown.into();
    value["execution"] = json!(settings);
    value["fingerprint"] = fingerprint(&settings).into();
    value["used"] = json!(used);
    output.result(text.trim_end(), &value);
    Ok(())
}

/// A component that hosts accept.
pub(super) struct Component {
    file: PathBuf,
    bytes: usize,
    /// The package that it is in.
    package_id: Option<String>,
    compiled: Arc<Compiled>,
}

impl Component {
    pub(super) fn read(runtime: &Runtime, file: &Path) -> Result<Self> {
        let (bytes, package) = read_either(file, runtime.profile())?;
        let compiled = runtime
            .compile(&bytes)
            .with_context(|| format!("{}", file.display()))?;
        Ok(Self {
            file: file.to_owned(),
            bytes: bytes.len(),
            package_id: package.map(|package| package.id().to_string()),
            compiled,
        })
    }

    fn metadata(&self) -> Result<Value> {
        Ok(serde_json::from_str(self.compiled.metadata())?)
    }

    /// The names of all functions, as clients say them.
    pub(super) fn functions(&self) -> Result<Vec<String>> {
        let metadata = self.metadata()?;
        let interfaces = metadata["contracts"].as_object().into_iter().flatten();
        let names = interfaces.flat_map(|(interface, described)| {
            let functions = described["transactions"].as_array().into_iter().flatten();
            functions.map(|function| full_name(interface, function))
        });
        Ok(names.collect())
    }

    /// SHA-256 of the component, hex.
    pub(super) fn sha256(&self) -> String {
        hex::encode(self.compiled.hash())
    }

    /// What it is, and what it imports, for people.
    pub(super) fn head(&self) -> String {
        let mut text = format!(
            "component   {}\nbytes       {}\nsha256      {}",
            self.file.display(),
            self.bytes,
            hex::encode(self.compiled.hash()),
        );
        if let Some(package_id) = &self.package_id {
            let _ = write!(text, "\npackage id  {package_id}");
        }
        for import in self.compiled.imports() {
            let _ = write!(text, "\nimports     {import}");
        }
        text
    }

    /// The same for programs.
    pub(super) fn describe(&self) -> Value {
        json!({
            "file": self.file.display().to_string(),
            "bytes": self.bytes,
            "sha256": hex::encode(self.compiled.hash()),
            "packageId": self.package_id,
            "imports": self.compiled.imports(),
        })
    }
}

/// A call of a function, and its answer.
struct Example {
    arguments: Vec<Value>,
    /// `None` where nothing is answered.
    answer: Option<Value>,
}

impl Example {
    fn of(function: &Value, examples: &Examples) -> Self {
        let value =
            |name: &Value, schema| examples.value(name.as_str().unwrap_or_default(), schema);
        let parameters = function["parameters"].as_array().into_iter().flatten();
        Self {
            arguments: parameters
                .map(|parameter| value(&parameter["name"], &parameter["schema"]))
                .collect(),
            answer: function
                .get("returns")
                .map(|schema| value(&function["name"], schema)),
        }
    }

    /// Arguments as they are typed in a shell, and the answer as it is printed.
    fn describe(&self, text: &mut String) {
        let typed = |value: &Value| match value {
            Value::String(text) => quoted(text),
            value => quoted(&value.to_string()),
        };
        let arguments: Vec<String> = self.arguments.iter().map(typed).collect();
        if !arguments.is_empty() {
            let _ = writeln!(text, "    example   {}", arguments.join(" "));
        }
        if let Some(answer) = &self.answer {
            let _ = writeln!(text, "    answers   {answer}");
        }
    }

    fn to_json(&self) -> Value {
        json!({ "arguments": self.arguments, "answer": self.answer })
    }
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// `HealthCenter:CreateEmr`.
fn full_name(interface: &str, function: &Value) -> String {
    let name = function["name"].as_str().unwrap_or_default();
    match interface {
        "" => name.to_owned(),
        interface => format!("{interface}:{name}"),
    }
}

/// The most that cases used of each setting, by function.
type MostUsed = BTreeMap<String, BTreeMap<&'static str, u64>>;

/// `  HealthCenter:CreateEmr emr={patientId, …} → {…}`, and its documentation.
fn describe(text: &mut String, full: &str, function: &Value) {
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

/// What cases used of each limit, and how much of it.
fn describe_used(
    text: &mut String,
    used: Option<&BTreeMap<&'static str, u64>>,
    settings: &Settings,
) {
    let Some(used) = used else {
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
