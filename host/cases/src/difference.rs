//! What is different between two records, line by line.

use std::fmt;

use crate::record::Line;

/// A line that is not as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The same thing with another value.
    Changed {
        /// What: `fuel`, `write emr KEY`.
        key: String,
        /// The value in the record.
        recorded: String,
        /// The value now.
        found: String,
    },
    /// Recorded, and does not happen now.
    Gone(Line),
    /// Happens now, and is not recorded.
    New(Line),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed {
                key,
                recorded,
                found,
            } => write!(
                f,
                "changed  {key}\n         recorded  {recorded}\n         found     {found}"
            ),
            Self::Gone(line) => write!(f, "gone     {line}"),
            Self::New(line) => write!(f, "new      {line}"),
        }
    }
}

/// The differences, in the order of the lines.
pub(crate) fn differences(recorded: &[Line], found: &[Line]) -> Vec<Difference> {
    // Longest common subsequence of keys: `common[i][j]` of what follows i and j. Records have some
    // dozens of lines.
    let mut common = vec![vec![0_usize; found.len() + 1]; recorded.len() + 1];
    for i in (0..recorded.len()).rev() {
        for j in (0..found.len()).rev() {
            common[i][j] = if recorded[i].key == found[j].key {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut differences = Vec::new();
    while i < recorded.len() || j < found.len() {
        match (recorded.get(i), found.get(j)) {
            (Some(old), Some(new)) if old.key == new.key => {
                if old.value != new.value {
                    differences.push(Difference::Changed {
                        key: old.key.clone(),
                        recorded: old.value.clone(),
                        found: new.value.clone(),
                    });
                }
                i += 1;
                j += 1;
            }
            (Some(old), new) if new.is_none() || common[i + 1][j] >= common[i][j + 1] => {
                differences.push(Difference::Gone(old.clone()));
                i += 1;
            }
            (_, new) => {
                differences.extend(new.cloned().map(Difference::New));
                j += 1;
            }
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(recorded: &str, found: &str) -> Vec<String> {
        let lines = |text: &str| -> Vec<Line> { text.split(", ").map(Line::parse).collect() };
        differences(&lines(recorded), &lines(found))
            .iter()
            .map(|difference| {
                let words: Vec<String> = difference
                    .to_string()
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect();
                words.join(" ")
            })
            .collect()
    }

    #[test]
    fn every_difference_is_told_by_name() {
        let recorded = "fuel = 7, call get a = 1, call get a = 2, call put b = 3";
        assert_eq!(told(recorded, recorded), [""; 0]);
        assert_eq!(
            told(
                recorded,
                "fuel = 8, call get a = 1, call get a = 2, call put b = 3"
            ),
            ["changed fuel recorded 7 found 8"]
        );
        assert_eq!(
            told(
                recorded,
                "fuel = 7, call get a = 1, call put b = 3, call put c = 4"
            ),
            ["gone call get a = 2", "new call put c = 4"]
        );
        assert_eq!(
            told("a = 1", "b = 1, a = 2, c = 3"),
            ["new b = 1", "changed a recorded 1 found 2", "new c = 3"]
        );
    }
}
