//! A folder of cases:
//!
//! | file | written by | holds |
//! |---|---|---|
//! | `setup.json` | people | what the cases share ([`Setup`]) |
//! | `NAME.json` | people | a case ([`Case`]) |
//! | `NAME.golden` | renewing | its [`Record`] |
//! | `components.sha256` | renewing | SHA-256 of the components that were recorded, and of their sources |

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::case::{Case, Setup};
use crate::error::CasesError;
use crate::record::Record;
use crate::report::{Comparison, Report, Verdict};
use crate::town::Town;

const SETUP: &str = "setup.json";
const COMPONENTS: &str = "components.sha256";
/// The line of [`COMPONENTS`] that is not of a component.
const SOURCES: &str = "sources";
const CASE: &str = "json";
const GOLDEN: &str = "golden";

/// The cases of one contract.
pub struct Suite {
    folder: PathBuf,
    setup: Setup,
    cases: BTreeMap<String, Case>,
    records: BTreeMap<String, Record>,
    /// What is recorded in [`COMPONENTS`].
    hashes: BTreeMap<String, String>,
    /// Hash of the sources as they are; `None` when they are not known.
    sources: Option<String>,
}

impl Suite {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`CasesError`] with the file that cannot be read or is not what it should be.
    pub fn read(folder: &Path) -> Result<Self, CasesError> {
        let setup: Setup = json(&folder.join(SETUP))?;
        let (mut cases, mut records) = (BTreeMap::new(), BTreeMap::new());
        for path in entries(folder)? {
            let extension = path.extension().and_then(|extension| extension.to_str());
            let name = path.file_stem().and_then(|name| name.to_str());
            let name = name.unwrap_or_default().to_owned();
            match extension {
                Some(CASE) if !path.ends_with(SETUP) => drop(cases.insert(name, json(&path)?)),
                Some(GOLDEN) => drop(records.insert(name, Record::parse(&text(&path)?))),
                _ => {}
            }
        }
        let hashes = folder.join(COMPONENTS);
        let hashes = if hashes.exists() {
            text(&hashes)?
        } else {
            String::new()
        };
        let hashes = hashes.lines().filter_map(|line| line.split_once("  "));
        Ok(Self {
            folder: folder.to_owned(),
            sources: sources(folder, &setup.sources)?,
            setup,
            cases,
            records,
            hashes: hashes
                .map(|(hash, name)| (name.to_owned(), hash.to_owned()))
                .collect(),
        })
    }

    /// What the cases share.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Runs all cases.
    ///
    /// # Errors
    /// [`CasesError`] when a case cannot come to its call.
    pub fn run(&self, town: &Town) -> Result<Report, CasesError> {
        let comparison = self.comparison(town);
        let fuel = !matches!(comparison, Comparison::WithoutFuel(_));
        let mut ran = town.run(&self.cases)?;
        for ran in &mut ran {
            if let Some(recorded) = self.records.get(&ran.name) {
                let differences = recorded.differences(&ran.record, fuel);
                ran.verdict = if differences.is_empty() {
                    Verdict::Same
                } else {
                    Verdict::Differs(differences)
                };
            }
        }
        let orphans = self
            .records
            .keys()
            .filter(|name| !self.cases.contains_key(*name));
        Ok(Report {
            ran,
            orphans: orphans.map(|name| format!("{name}.{GOLDEN}")).collect(),
            comparison,
        })
    }

    fn comparison(&self, town: &Town) -> Comparison {
        if self.hashes.is_empty() {
            return Comparison::Unrecorded;
        }
        let Some(sources) = &self.sources else {
            return Comparison::Exact;
        };
        if self.hashes.get(SOURCES) != Some(sources) {
            return Comparison::SourcesChanged;
        }
        let others = town.hashes().iter();
        let others = others.filter(|(name, hash)| self.hashes.get(*name) != Some(hash));
        let others: Vec<String> = others.map(|(name, _)| name.clone()).collect();
        if others.is_empty() {
            Comparison::Exact
        } else {
            Comparison::WithoutFuel(others)
        }
    }

    /// Says that the records are of the sources as they are, and of components that are not these: for
    /// records that were made elsewhere of the same sources.
    ///
    /// # Errors
    /// [`CasesError`] with the file that cannot be written.
    pub fn adopt(&self) -> Result<(), CasesError> {
        let sources = self.sources.as_ref();
        let line = sources.map(|hash| format!("{hash}  {SOURCES}\n"));
        let path = self.folder.join(COMPONENTS);
        fs::write(&path, line.unwrap_or_default())
            .map_err(|reason| CasesError::File { path, reason })
    }

    /// Makes what ran the record. What is wrong by the cases themselves stays wrong. The names of the
    /// files that changed.
    ///
    /// # Errors
    /// [`CasesError`] with the file that cannot be written.
    pub fn renew(&self, town: &Town, report: &Report) -> Result<Vec<String>, CasesError> {
        let mut renewed = Vec::new();
        let mut write = |name: String, text: String| {
            let path = self.folder.join(&name);
            if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
                fs::write(&path, text).map_err(|reason| CasesError::File { path, reason })?;
                renewed.push(name);
            }
            Ok::<(), CasesError>(())
        };
        for ran in &report.ran {
            write(format!("{}.{GOLDEN}", ran.name), ran.record.to_string())?;
        }
        let mut hashes = town.hashes().clone();
        hashes.extend(self.sources.clone().map(|hash| (SOURCES.to_owned(), hash)));
        let lines = hashes
            .iter()
            .map(|(name, hash)| format!("{hash}  {name}\n"));
        write(COMPONENTS.to_owned(), lines.collect())?;
        for orphan in &report.orphans {
            let path = self.folder.join(orphan);
            fs::remove_file(&path).map_err(|reason| CasesError::File { path, reason })?;
            renewed.push(orphan.clone());
        }
        Ok(renewed)
    }
}

fn text(path: &Path) -> Result<String, CasesError> {
    fs::read_to_string(path).map_err(|reason| CasesError::File {
        path: path.to_owned(),
        reason,
    })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, CasesError> {
    serde_json::from_str(&text(path)?).map_err(|error| CasesError::Malformed {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// The entries of a folder in the order of their names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, CasesError> {
    let failed = |reason| CasesError::File {
        path: folder.to_owned(),
        reason,
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Hash of all sources: their places and bytes. Those of tests do not count.
fn sources(folder: &Path, places: &[String]) -> Result<Option<String>, CasesError> {
    let mut hash = Sha256::new();
    for place in places {
        let start = folder.join(place);
        let mut waiting = vec![start.clone()];
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(entries(&path)?.into_iter().rev());
                continue;
            }
            let below = path.strip_prefix(&start).unwrap_or(&path);
            if below.iter().any(|part| {
                let stem = Path::new(part).file_stem();
                stem.is_some_and(|stem| stem == "tests" || stem == "testing")
            }) {
                continue;
            }
            let bytes = fs::read(&path).map_err(|reason| CasesError::File {
                path: path.clone(),
                reason,
            })?;
            hash.update(format!("{place} {} {}\n", below.display(), bytes.len()));
            hash.update(bytes);
        }
    }
    Ok((!places.is_empty()).then(|| hex::encode(hash.finalize())))
}
