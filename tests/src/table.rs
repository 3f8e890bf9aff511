//! Tables of cases: every one runs, then all failures are told together.

use std::fmt::Debug;

/// Collects the failures of named cases. Panics when dropped with failures.
#[derive(Default)]
pub struct Table {
    cases: usize,
    failures: Vec<String>,
}

impl Table {
    /// A table without cases.
    pub fn new() -> Self {
        Self::default()
    }

    /// A case with a result that must be exactly this.
    pub fn equal<T: PartialEq + Debug>(&mut self, case: &str, found: T, expected: T) {
        self.cases += 1;
        if found != expected {
            let failure = format!("{case}\n     found {found:?}\n  expected {expected:?}");
            self.failures.push(failure);
        }
    }

    /// A case with a text that must contain this.
    pub fn contains(&mut self, case: &str, found: &str, expected: &str) {
        self.cases += 1;
        if !found.contains(expected) {
            let failure = format!("{case}\n     found {found:?}\n  expected …{expected:?}…");
            self.failures.push(failure);
        }
    }

    /// A case that must hold.
    pub fn holds(&mut self, case: &str, holds: bool) {
        self.equal(case, holds, true);
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for failure in &self.failures {
                eprintln!("before that: {failure}");
            }
            return;
        }
        assert!(self.cases > 0, "a table without cases proves nothing");
        assert!(
            self.failures.is_empty(),
            "{} of {} cases:\n{}",
            self.failures.len(),
            self.cases,
            self.failures.join("\n")
        );
    }
}
