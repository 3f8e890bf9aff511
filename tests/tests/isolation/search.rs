//! Looking for marked values in everything that a host ever had.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use cordon_tests::craft::nonce;
use memchr::memmem::Finder;

/// A random text that stands at the beginning of many values; where it is found, one of them is, whole
/// or cut off.
pub(crate) struct Mark {
    text: String,
    forms: Vec<(String, Finder<'static>)>,
}

impl Mark {
    /// A new one.
    pub(crate) fn new() -> Self {
        // Not only hex digits: nothing else that is random can be taken for it.
        let text = format!("Zq{}", hex::encode(&nonce()[..8]));
        let forms = forms(text.as_bytes());
        let forms = forms
            .into_iter()
            .map(|(name, form)| (name, Finder::new(&form).into_owned()))
            .collect();
        Self { text, forms }
    }

    /// A value with this mark.
    pub(crate) fn value(&self, name: &str) -> String {
        format!("{}-{name}", self.text)
    }

    /// Where it is found, and in which form: `source: form`, once for each.
    pub(crate) fn find(&self, sources: &[Source]) -> Vec<String> {
        let mut found = Vec::new();
        for source in sources {
            for (name, form) in &self.forms {
                if let Some(at) = form.find(&source.bytes) {
                    let from = at.saturating_sub(60);
                    let to = (at + 120).min(source.bytes.len());
                    let around = source.bytes[from..to].escape_ascii();
                    found.push(format!("{}: {name}: {around}", source.name));
                }
            }
        }
        found
    }

    /// Whether it is found anywhere.
    pub(crate) fn is_in(&self, sources: &[Source]) -> bool {
        !self.find(sources).is_empty()
    }
}

/// How bytes may be written: as they are, and as dumps and logs show them. Nothing here compresses;
/// what is encrypted under a key of the reader's is recorded decrypted.
fn forms(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let decimals: Vec<String> = text.iter().map(ToString::to_string).collect();
    let mut forms = vec![
        ("plain".to_owned(), text.to_vec()),
        ("hex".to_owned(), hex::encode(text).into_bytes()),
        ("HEX".to_owned(), hex::encode_upper(text).into_bytes()),
        ("a list".to_owned(), decimals.join(", ").into_bytes()),
        ("a tight list".to_owned(), decimals.join(",").into_bytes()),
    ];
    for (name, engine) in [("base64", STANDARD_NO_PAD), ("base64url", URL_SAFE_NO_PAD)] {
        for offset in 0..3 {
            let padded = [&vec![0; offset], text, &[0; 3]].concat();
            let encoded = engine.encode(padded).into_bytes();
            // The digits that are made of the text's bits alone.
            let (from, to) = ((offset * 8).div_ceil(6), (offset + text.len()) * 8 / 6);
            forms.push((format!("{name} at {offset}"), encoded[from..to].to_vec()));
        }
    }
    forms
}

/// Something to search: a file, a log, what was recorded.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Source {
    pub(crate) fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

/// Every file below `dir`, and one source with all names of files and folders.
pub(crate) fn folder(dir: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut names = String::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            names.push_str(&name);
            names.push('\n');
            if path.is_dir() {
                folders.push(path);
            } else {
                sources.push(Source::new(
                    path.display().to_string(),
                    fs::read(&path).unwrap(),
                ));
            }
        }
    }
    sources.push(Source::new(format!("names in {}", dir.display()), names));
    sources
}

/// Bytes in all of them together.
pub(crate) fn size(sources: &[Source]) -> usize {
    sources.iter().map(|source| source.bytes.len()).sum()
}

#[test]
fn every_form_is_found_wherever_it_begins() {
    let (mark, other) = (Mark::new(), Mark::new());
    let value = mark.value("x").into_bytes();
    let encode = |engine: &base64::engine::GeneralPurpose| {
        (0..6)
            .map(|before| {
                engine
                    .encode([&vec![7; before], &value[..]].concat())
                    .into_bytes()
            })
            .collect::<Vec<_>>()
    };
    let mut written = vec![
        value.clone(),
        hex::encode(&value).into_bytes(),
        hex::encode_upper(&value).into_bytes(),
        format!("{value:?}").into_bytes(),
        format!("{:?}", bytes::Bytes::from(value.clone())).into_bytes(),
        serde_json::to_vec(&value).unwrap(),
    ];
    written.extend(encode(&STANDARD_NO_PAD));
    written.extend(encode(&URL_SAFE_NO_PAD));
    for bytes in written {
        let shown = bytes.escape_ascii().to_string();
        let sources = [Source::new(
            "it",
            [&b"before "[..], &bytes, b" after"].concat(),
        )];
        assert!(mark.is_in(&sources), "{shown}");
        assert!(!other.is_in(&sources), "{shown}");
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a").join(mark.value("folder"))).unwrap();
    assert_eq!(mark.find(&folder(dir.path())).len(), 1, "a folder's name");
}
