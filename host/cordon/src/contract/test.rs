//! `cordon contract test`: a contract's rules natively, and its recorded cases.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use cordon_cases::{Comparison, Ran, Report, Suite, Town, Verdict};
use cordon_execute::{Diagnosis, Runtime};
use serde_json::{Value, json};

use super::folder::Folder;
use super::package::read_either;
use crate::compiler;
use crate::output::Output;

pub(super) fn test(
    path: &Path,
    cases: Option<&Path>,
    with: &[String],
    bless: bool,
    faults: bool,
    output: &Output,
) -> Result<()> {
    if path.is_dir() {
        let folder = Folder::open(path, false)?;
        let cases = cases.map_or_else(|| folder.cases(), Path::to_owned);
        folder.test_rules()?;
        let others = beside(&folder, &cases, with)?;
        let built = folder.build(&others)?;
        let names = others.iter().zip(built.iter().skip(1));
        let names = names.map(|(name, path)| format!("{name}={}", path.display()));
        let with: Vec<String> = with.iter().cloned().chain(names).collect();
        return run_cases(&built[0], &cases, &with, bless, faults, output);
    }
    if !path.exists() {
        bail!("{}: there is no such folder or component", path.display());
    }
    let cases = cases.with_context(|| {
        format!(
            "{}: a component says nothing of its cases: name their folder with --cases",
            path.display()
        )
    })?;
    run_cases(path, cases, with, bless, faults, output)
}

/// The other contracts that the cases need and that the workspace has.
fn beside(folder: &Folder, cases: &Path, with: &[String]) -> Result<Vec<String>> {
    let suite = Suite::read(cases)?;
    let given = |name: &str| {
        with.iter()
            .any(|other| other.split('=').next() == Some(name))
    };
    let names = suite.setup().contracts.keys();
    let needed = names.filter(|name| **name != suite.setup().contract && !given(name));
    Ok(needed
        .filter(|name| folder.is_beside(name))
        .cloned()
        .collect())
}

fn run_cases(
    file: &Path,
    cases: &Path,
    with: &[String],
    bless: bool,
    faults: bool,
    output: &Output,
) -> Result<()> {
    let runtime = compiler::runtime(None)?;
    let (mut suite, town) = read_cases(&runtime, file, cases, with)?;
    let mut renewed = Vec::new();
    if bless {
        renewed = suite.renew(&town, &suite.run(&town)?)?;
        suite = Suite::read(cases)?;
    }
    let report = suite.run(&town)?;
    let mut text = if faults {
        report.with_faults()
    } else {
        report.to_string()
    };
    for name in &renewed {
        text = format!("{text}\nrenewed  {name}");
    }
    output.result(&text, &describe(&report, &renewed));
    if report.is_same() {
        return Ok(());
    }
    if report.ran.iter().any(|ran| !ran.wrong.is_empty()) {
        bail!(
            "{}: a case is not answered as it says: mend the contract, or the case",
            cases.display()
        );
    }
    bail!(
        "{}: what the contract does is not what is recorded: if it should be, run this again with \
         --bless and look at the difference",
        cases.display()
    )
}

/// The cases of a folder, and the contracts that they run on: `file` is the one that they call.
pub(super) fn read_cases(
    runtime: &Runtime,
    file: &Path,
    cases: &Path,
    with: &[String],
) -> Result<(Suite, Town)> {
    let read = |path: &Path| read_either(path, runtime.profile()).map(|(bytes, _)| bytes);
    let suite = Suite::read(cases)?;
    let mut components = BTreeMap::from([(suite.setup().contract.clone(), read(file)?)]);
    for other in with {
        let (name, path) = other
            .split_once('=')
            .with_context(|| format!("--with {other}: say it as NAME=COMPONENT"))?;
        components.insert(name.to_owned(), read(Path::new(path))?);
    }
    let town = Town::new(runtime, suite.setup(), &components)
        .context("other contracts are given by --with NAME=COMPONENT")?;
    Ok((suite, town))
}

fn describe(report: &Report, renewed: &[String]) -> Value {
    let (comparison, components) = match &report.comparison {
        Comparison::Exact => ("exact", &Vec::new()),
        Comparison::WithoutFuel(components) => ("withoutFuel", components),
        Comparison::SourcesChanged => ("sourcesChanged", &Vec::new()),
        Comparison::Unrecorded => ("unrecorded", &Vec::new()),
    };
    json!({
        "same": report.is_same(),
        "comparison": comparison,
        "otherComponents": components,
        "cases": report.ran.iter().map(describe_case).collect::<Vec<_>>(),
        "orphans": report.orphans,
        "renewed": renewed,
    })
}

fn describe_case(ran: &Ran) -> Value {
    let differences = match &ran.verdict {
        Verdict::Same => Some(Vec::new()),
        Verdict::Differs(differences) => {
            Some(differences.iter().map(ToString::to_string).collect())
        }
        Verdict::Unrecorded => None,
    };
    json!({
        "name": ran.name,
        "contract": ran.contract,
        "function": ran.function,
        "status": ran.status,
        "answer": ran.record.answer(),
        "reads": ran.record.reads(),
        "writes": ran.record.writes(),
        "used": ran.used,
        "same": ran.is_same(),
        "wrong": ran.wrong,
        "fault": ran.diagnosis.as_ref().map(describe_fault),
        // Null where nothing is recorded.
        "differences": differences,
        "record": ran.record.lines().iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn describe_fault(fault: &Diagnosis) -> Value {
    json!({
        "contract": fault.contract.as_str(),
        "function": fault.function,
        "fault": fault.fault.to_string(),
        "panics": fault.panics,
        "trap": fault.trap,
        "memoryRefused": fault.memory_refused,
        "backtrace": fault.backtrace,
    })
}
