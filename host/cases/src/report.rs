//! What running cases gave, beside what is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cordon_execute::Diagnosis;

use crate::difference::Difference;
use crate::record::Record;

/// How much of an answer a case's line shows, in characters; the record has all of it.
const ANSWER_SHOWN: usize = 60;

/// What became of one case.
#[derive(Debug)]
pub struct Ran {
    /// Its name: that of its file.
    pub name: String,
    /// The contract that was called.
    pub contract: String,
    /// The function, as clients name it.
    pub function: String,
    /// Status of the answer.
    pub status: i32,
    /// Contract and name of the function, and of those of other contracts on the channel that it called.
    pub reached: BTreeSet<(String, String)>,
    /// What was used of each limit, by the setting of the profile that bounds it.
    pub used: BTreeMap<&'static str, u64>,
    /// All that it did.
    pub record: Record,
    /// Why the contract was at fault, if it was.
    pub diagnosis: Option<Diagnosis>,
    /// What is answered otherwise than the case says, in sentences.
    pub wrong: Vec<String>,
    /// Whether it did what is recorded.
    pub verdict: Verdict,
}

/// A case beside its record.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As recorded.
    Same,
    /// Not as recorded.
    Differs(Vec<Difference>),
    /// There is no record.
    Unrecorded,
}

/// How the components relate to those of the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// Everything is compared.
    Exact,
    /// The sources are those of the records, these components are not: another toolchain has built
    /// them. Everything but fuel and memory is compared.
    WithoutFuel(Vec<String>),
    /// The sources are not those of the records: these must be renewed, even if nothing differs.
    SourcesChanged,
    /// The folder has no records.
    Unrecorded,
}

/// What running the cases of a folder gave.
#[derive(Debug)]
pub struct Report {
    /// Every case, by name.
    pub ran: Vec<Ran>,
    /// Records without a case.
    pub orphans: Vec<String>,
    /// What could be compared.
    pub comparison: Comparison,
}

impl Ran {
    /// Whether it answered as the case says, and did as recorded.
    pub fn is_same(&self) -> bool {
        self.wrong.is_empty() && self.verdict == Verdict::Same
    }

    /// The case in a line, and what is not as it should be below.
    fn describe(&self, faults: bool) -> String {
        let verdict = match (&self.verdict, self.wrong.is_empty()) {
            (_, false) => "wrong",
            (Verdict::Same, true) => "ok",
            (Verdict::Differs(_), true) => "differs",
            (Verdict::Unrecorded, true) => "new",
        };
        let used = |setting| self.used.get(setting).copied().unwrap_or_default();
        let mut text = format!(
            "{verdict:<8} {:<40} {}  fuel {:>9}  reads {:>2}  writes {:>2}  bytes written {:>5}",
            self.name,
            self.status,
            used("fuel_max"),
            self.record.reads(),
            self.record.writes(),
            used("write_bytes_max"),
        );
        text = format!("{text}  {}", shortened(self.record.answer()));
        let mut below = |line: &str| text = format!("{text}\n    {}", line.replace('\n', "\n    "));
        for wrong in &self.wrong {
            below(&format!("wrong    {wrong}"));
        }
        if let Verdict::Differs(differences) = &self.verdict {
            for difference in differences {
                below(&difference.to_string());
            }
        }
        if let Some(diagnosis) = self
            .diagnosis
            .as_ref()
            .filter(|_| faults || !self.is_same())
        {
            below(&format!("fault    {diagnosis}"));
        }
        text
    }
}

/// An answer, or its beginning.
fn shortened(answer: &str) -> String {
    let end = answer.char_indices().nth(ANSWER_SHOWN);
    match end {
        Some((end, _)) => format!("{}…", &answer[..end]),
        None => answer.to_owned(),
    }
}

impl Report {
    /// Whether everything is as the cases say and as recorded.
    pub fn is_same(&self) -> bool {
        self.ran.iter().all(Ran::is_same)
            && self.orphans.is_empty()
            && matches!(
                self.comparison,
                Comparison::Exact | Comparison::WithoutFuel(_)
            )
    }

    /// The most that the cases used of each limit, by function of `contract`.
    pub fn most_used(&self, contract: &str) -> BTreeMap<&str, BTreeMap<&'static str, u64>> {
        let mut most: BTreeMap<&str, BTreeMap<&'static str, u64>> = BTreeMap::new();
        for ran in self.ran.iter().filter(|ran| ran.contract == contract) {
            let known = most.entry(&ran.function).or_default();
            for (setting, used) in &ran.used {
                let known = known.entry(setting).or_default();
                *known = (*known).max(*used);
            }
        }
        most
    }
}

impl Report {
    /// What is not as it should be, and what could not be compared. Without the cases that are right.
    pub fn failures(&self) -> String {
        self.describe(false, |ran| !ran.is_same())
    }

    /// All cases, and why contracts were at fault also where a case says that they are.
    pub fn with_faults(&self) -> String {
        self.describe(true, |_| true)
    }

    fn describe(&self, faults: bool, shown: impl Fn(&Ran) -> bool) -> String {
        let ran = self.ran.iter().filter(|ran| shown(ran));
        let mut lines: Vec<String> = ran.map(|ran| ran.describe(faults)).collect();
        let orphans = self.orphans.iter();
        lines.extend(orphans.map(|orphan| format!("orphan   {orphan}: a record without a case")));
        lines.extend(match &self.comparison {
            Comparison::Exact => None,
            Comparison::WithoutFuel(components) => Some(format!(
                "NOTE: FUEL IS NOT COMPARED. The sources are those of the records, but another toolchain \
                 has built: {}. Everything else but memory is compared.",
                components.join(", ")
            )),
            Comparison::SourcesChanged => Some(
                "differs  the contracts' sources are not those that the records were made of"
                    .to_owned(),
            ),
            Comparison::Unrecorded => Some("new      nothing is recorded yet".to_owned()),
        });
        let same = self.ran.iter().filter(|ran| ran.is_same()).count();
        lines.push(format!(
            "{same} of {} cases are as recorded",
            self.ran.len()
        ));
        lines.join("\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe(false, |_| true))
    }
}
