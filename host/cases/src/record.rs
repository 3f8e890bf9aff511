//! The record of a call: all that it did, one thing a line, for people to read in a diff.
//!
//! A line is `what = value`. Bytes are shown as ASCII text, a backslash doubled, 0 as `\0` and every
//! other byte that is not printable as `\xNN`, so different bytes never read the same.

use std::fmt;
use std::fmt::Write as _;

use cordon_execute::Observed;
use cordon_types::{RangeResults, Version};

use crate::difference::{Difference, differences};

/// A line of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is about: `fuel`, `write emr KEY`.
    pub key: String,
    /// May be empty.
    pub value: String,
}

/// All that a call did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record(Vec<Line>);

impl Line {
    fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        match text.split_once(" = ") {
            Some((key, value)) => Self::new(key, value),
            None => Self::new(text.strip_suffix(" =").unwrap_or(text), ""),
        }
    }

    /// Whether its value is fuel or memory, which another toolchain's code uses more or less of.
    fn is_fuel(&self) -> bool {
        let end = ["fuel", "rest", "used memory_bytes"].contains(&self.key.as_str());
        end || self.key.starts_with("call ")
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.value.is_empty() { "" } else { " " };
        write!(f, "{} ={space}{}", self.key, self.value)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Record {
    /// The answer: the sentence of a refusal, or the payload, which may be empty.
    pub fn answer(&self) -> &str {
        let answers = self.lines().iter();
        let mut answers = answers.filter(|line| ["message", "payload"].contains(&&*line.key));
        answers.next().map_or("", |line| &line.value)
    }

    /// How many reads of committed state it made: of keys, and of ranges.
    pub fn reads(&self) -> usize {
        self.count(&["read ", "range "])
    }

    /// How many keys it wrote or deleted.
    pub fn writes(&self) -> usize {
        self.count(&["write ", "delete "])
    }

    fn count(&self, begins: &[&str]) -> usize {
        let lines = self.lines().iter();
        let counted = lines.filter(|line| begins.iter().any(|begin| line.key.starts_with(begin)));
        counted.count()
    }

    /// What was observed of call number `last` of a case, under a limit of `fuel_max`.
    pub(crate) fn of(observed: &Observed, fuel_max: u64, last: usize) -> Self {
        let outcome = &observed.outcome;
        let mut lines = vec![Line::new("status", outcome.response.status.to_string())];
        if !outcome.response.message.is_empty() {
            let message = shown(outcome.response.message.as_bytes());
            lines.push(Line::new("message", message));
        }
        if !outcome.response.payload.is_empty() {
            lines.push(Line::new("payload", shown(&outcome.response.payload)));
        }
        for set in &outcome.rw_set.contracts {
            let contract = &set.contract;
            for read in &set.reads {
                let key = format!("read {contract} {}", shown(read.key.as_bytes()));
                lines.push(Line::new(key, version(read.version)));
            }
            for range in &set.range_reads {
                let (start, end) = (shown(range.start.as_bytes()), shown(range.end.as_bytes()));
                let key = format!("range {contract} {start} .. {end}");
                let ended = if range.exhausted {
                    "to its end"
                } else {
                    "a page"
                };
                lines.push(Line::new(key, ended));
                match &range.results {
                    RangeResults::Raw(reads) => lines.extend(reads.iter().map(|read| {
                        let key = format!("found {contract} {}", shown(read.key.as_bytes()));
                        Line::new(key, version(read.version))
                    })),
                    RangeResults::Merkle { hashes, .. } => lines.extend(
                        hashes
                            .iter()
                            .map(|hash| Line::new("found hash", hex::encode(hash))),
                    ),
                }
            }
            for write in &set.writes {
                let key = shown(write.key.as_bytes());
                lines.push(match &write.value {
                    Some(value) => Line::new(format!("write {contract} {key}"), shown(value)),
                    None => Line::new(format!("delete {contract} {key}"), ""),
                });
            }
        }
        for event in &outcome.events {
            let key = format!("event {}", shown(event.name.as_bytes()));
            lines.push(Line::new(key, shown(&event.payload)));
        }
        let used = observed.used;
        for (name, used) in [
            ("host_bytes", used.host_bytes),
            ("keys", used.keys),
            ("memory_bytes", used.memory_bytes),
            ("write_bytes", used.write_bytes),
        ] {
            lines.push(Line::new(format!("used {name}"), used.to_string()));
        }
        lines.push(Line::new("fuel", outcome.fuel.to_string()));
        let mut left = fuel_max;
        for call in &observed.host_calls {
            let mut key = format!("call {} {}", call.contract, call.function);
            if let Some(subject) = &call.subject {
                key = format!("{key} {}", shown(subject.as_bytes()));
            }
            let since = left.saturating_sub(call.fuel_left);
            lines.push(Line::new(key, since.to_string()));
            left = call.fuel_left;
        }
        let rest = left.saturating_sub(fuel_max - outcome.fuel);
        lines.push(Line::new("rest", rest.to_string()));
        for line in &mut lines {
            name_tx_ids(&mut line.key, last);
            name_tx_ids(&mut line.value, last);
        }
        // As it will be read again: a key may hold what ends one.
        Self::parse(&Self(lines).to_string())
    }

    pub(crate) fn parse(text: &str) -> Self {
        Self(text.lines().map(Line::parse).collect())
    }

    /// Its lines, in order.
    pub fn lines(&self) -> &[Line] {
        &self.0
    }

    /// What is different in `found`; fuel counts or does not.
    pub(crate) fn differences(&self, found: &Self, fuel: bool) -> Vec<Difference> {
        let compared = |record: &Self| -> Vec<Line> {
            let mut lines = record.0.clone();
            for line in lines.iter_mut().filter(|line| !fuel && line.is_fuel()) {
                line.value.clear();
            }
            lines
        };
        differences(&compared(self), &compared(found))
    }
}

fn version(version: Option<Version>) -> String {
    version.map_or("absent".to_owned(), |version| {
        format!("block {}, transaction {}", version.block, version.tx)
    })
}

/// Bytes for people. `contracts/cases` writes the same.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            0 => text.push_str("\\0"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(text, "\\x{byte:02x}")),
        }
    }
    text
}

/// The id of transaction number `n` of a case, as `cordon_sdk::testing` counts them: looks as random
/// as a hash, so that nothing depends on the order of ids by accident.
pub(crate) fn tx_id(number: usize) -> [u8; 32] {
    let mut id = [0; 32];
    for (lane, quarter) in id.chunks_exact_mut(8).enumerate() {
        // SplitMix64, one step per quarter.
        let step = (number * 4 + lane + 1) as u64;
        let mut bits = step.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        quarter.copy_from_slice(&(bits ^ (bits >> 31)).to_be_bytes());
    }
    id
}

/// Puts names in the place of transaction ids.
pub(crate) fn name_tx_ids(text: &mut String, last: usize) {
    for number in 1..=last {
        let id = hex::encode(tx_id(number));
        if text.contains(&id) {
            let name = if number == last {
                "<tx>".to_owned()
            } else {
                format!("<tx {number}>")
            };
            *text = text.replace(&id, &name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable_and_never_read_the_same() {
        assert_eq!(
            shown("\0emr\0M\u{fc}ller".as_bytes()),
            "\\0emr\\0M\\xc3\\xbcller"
        );
        assert_eq!(
            shown(b"a\\x07\n\x07\xff= \x80"),
            "a\\\\x07\\x0a\\x07\\xff= \\x80"
        );
    }

    #[test]
    fn lines_are_read_as_they_were_written() {
        for line in [
            Line::new("fuel", "7"),
            Line::new("delete emr a", ""),
            Line::new("write emr a", "b = c"),
        ] {
            assert_eq!(Line::parse(&line.to_string()), line);
        }
        assert_eq!(Line::new("delete emr a", "").to_string(), "delete emr a =");
    }

    #[test]
    fn transaction_ids_are_those_of_native_tests() {
        // Of `TestWorld`'s first call, number 0: SplitMix64's first value for seed 0.
        assert!(hex::encode(tx_id(0)).starts_with("e220a8397b1dcdaf"));
        let mut text = format!("{}!", hex::encode(tx_id(2)));
        name_tx_ids(&mut text, 3);
        assert_eq!(text, "<tx 2>!");
    }
}
