//! `cordon contract new`: a folder with a small contract that is whole: it builds, and passes its tests.
//!
//! What is written is `host/cordon/template`, a contract named [`MODEL`], under another name.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use cordon_cases::Suite;
use cordon_types::ContractId;
use serde_json::json;

use super::{lock, tools};
use crate::output::Output;

/// The name that stands for the contract's own in the template.
const MODEL: &str = "visits";

/// Packages that the template's manifest names beside the SDK.
const DEPENDENCIES: [&str; 1] = ["serde"];

/// What cargo, Rust or WIT understand otherwise, in a name that is nothing but lower-case words.
const RESERVED: &str = "\
    abstract alloc as async await become bool borrow box break build char const constructor continue core \
    crate deps do dyn else enum error-context examples export extern false final flags fn for from func \
    future if impl import in include incremental interface let list loop macro map match mod move mut own \
    option override package priv proc-macro pub record ref resource result return self static std stream \
    string struct super test trait true try tuple type typeof union unsafe unsized use variant virtual \
    where while with world yield aux con nul prn cordon contract";

pub(super) fn new(name: &str, folder: &Path, output: &Output) -> Result<()> {
    check(name)?;
    let made = !folder.exists();
    if !made {
        let mut entries = fs::read_dir(folder)
            .with_context(|| format!("{}: not a folder that can be read", folder.display()))?;
        if entries.next().is_some() {
            bail!(
                "{} is not empty: name another folder with --dir, or remove what is there",
                folder.display()
            );
        }
    }
    if let Err(error) = write(name, folder) {
        // It was not there, or empty: so it is again.
        let _ = fs::remove_dir_all(folder);
        if !made {
            let _ = fs::create_dir(folder);
        }
        return Err(error);
    }
    let shown = folder.display();
    let text = format!(
        "contract {name} is in {shown}\n\n  cd {shown}\n  cordon contract test\n\n\
         README.md there says what is what, and what to do next."
    );
    let value = json!({ "contract": name, "folder": folder.display().to_string() });
    output.result(&text, &value);
    Ok(())
}

/// Whether contract, package and WIT package can have this name.
fn check(name: &str) -> Result<()> {
    name.parse::<ContractId>().context(name.to_owned())?;
    let word = |word: &str| {
        let begin = word.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        begin && word.bytes().all(known)
    };
    if !name.split('-').all(word) {
        bail!(
            "{name}: the name is also that of a Rust package and a WIT package, so it consists of words \
             of a-z and 0-9 that begin with a letter, joined by '-', like visits or medical-visits"
        );
    }
    let reserved = RESERVED.split_whitespace().any(|word| word == name);
    if reserved || lock::names()?.contains(name) {
        bail!("{name}: this name means something else to cargo, Rust or WIT; choose another one");
    }
    Ok(())
}

fn write(name: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (place, text) in tools::template() {
        let place = place
            .replace(MODEL, name)
            .replace("gitignore", ".gitignore");
        tools::put(&folder.join(place), &named(text, name))?;
    }
    tools::put(&folder.join("Cargo.lock"), &lock::of(name, &DEPENDENCIES)?)?;
    tools::write(folder)?;
    // The records are the template's: of these sources, and of another component.
    Suite::read(&folder.join("cases"))?.adopt()?;
    Ok(())
}

/// A text of the template, under the name of the contract.
fn named(text: &str, name: &str) -> String {
    // Paths in Rust have no '-'.
    let path = format!("::{}", name.replace('-', "_"));
    text.replace(&format!("::{MODEL}"), &path)
        .replace(MODEL, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_contracts_a_packages_and_wits() {
        for good in ["visits", "medical-visits", "a", "x1-y2", &"a".repeat(64)] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-",
            "a-",
            "-a",
            "a--b",
            "a_b",
            "Visits",
            "1a",
            "a-1",
            "a b",
            "a/b",
            "../a",
            "é",
            "type",
            "test",
            "record",
            "serde",
            "cordon-sdk",
            "contract",
            "cordon",
            "emr",
            &"a".repeat(65),
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_place_of_the_templates_name_gets_the_contracts() {
        let text = "use a::visits::b; // cordon contract build visits";
        assert_eq!(
            named(text, "my-register"),
            "use a::my_register::b; // cordon contract build my-register"
        );
        let folder = tempfile::tempdir().unwrap();
        write("my-register", folder.path()).unwrap();
        for (place, _) in tools::template() {
            assert!(!place.contains("my-register"));
            let place = place
                .replace(MODEL, "my-register")
                .replace("gitignore", ".gitignore");
            let text = fs::read_to_string(folder.path().join(&place)).unwrap();
            assert!(!text.contains(MODEL), "{place}");
        }
    }

    #[test]
    fn what_cannot_be_written_whole_is_not_written() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        let output = Output::new(true);
        assert!(new("visits", &file, &output).is_err());
        assert!(new("visits", &file.join("below"), &output).is_err());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
        let full = parent.path().join("full");
        fs::create_dir(&full).unwrap();
        fs::write(full.join("mine"), "").unwrap();
        let error = new("visits", &full, &output).unwrap_err().to_string();
        assert!(error.contains("is not empty"), "{error}");
        assert_eq!(fs::read_dir(&full).unwrap().count(), 1);
    }
}
