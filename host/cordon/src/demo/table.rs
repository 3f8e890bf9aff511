//! Organisation × what lies on its disk × what its people can read: searched for and tried, not
//! asserted.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use cordon_client::Call;
use serde_json::{Value, json};

use super::emr::{DIAGNOSIS, EMR};
use super::school::{ALLERGY, CARDS, REPORT_NOTE, REPORTS};
use super::sharing::{READ, SHARING};
use super::story::{Stage, Step, Story, step};
use crate::network::Network;

/// What is looked for on disks.
const MARKS: [(&str, &str); 3] = [
    ("Ann's record", DIAGNOSIS),
    ("Tom's card", ALLERGY),
    ("Tom's report", REPORT_NOTE),
];

/// Somebody tries to read something.
struct Reader {
    stage: Stage,
    step: Step<'static>,
    /// Whether that should work by now.
    expected: bool,
}

const fn reader(
    stage: Stage,
    who: &'static str,
    what: &'static str,
    call: (&'static str, &'static [&'static str]),
    expected: bool,
) -> Reader {
    Reader {
        stage,
        step: step(who, what, call.0, call.1),
        expected,
    }
}

const OWN: (&str, &[&str]) = ("Patient:GetOwnEmr", &[]);
const RECORD: (&str, &[&str]) = ("Physician:GetEmrByPatientId", &["pa1"]);
const CARD: (&str, &[&str]) = ("Pediatrician:GetCard", &["tom"]);
const CHILD: (&str, &[&str]) = ("Parent:GetCard", &["tom"]);
const REPORT: (&str, &[&str]) = ("Registrar:GetReport", &["tom"]);
const SHARED: (&str, &[&str]) = (READ.function, READ.args);

const READERS: [Reader; 9] = [
    reader(EMR, "hospital/py1", "Ann's record", RECORD, true),
    reader(EMR, "hospital/pa1", "Ann's record", OWN, true),
    reader(CARDS, "hospital/pd1", "Tom's card", CARD, true),
    reader(CARDS, "hospital/pd2", "Tom's card", CARD, false),
    reader(SHARING, "clinic/py2", "Ann's record", SHARED, false),
    reader(CARDS, "parents/parent1", "Tom's card", CHILD, true),
    reader(CARDS, "parents/parent2", "Tom's card", CHILD, false),
    reader(REPORTS, "school/registrar1", "Tom's report", REPORT, true),
    reader(REPORTS, "school/registrar2", "Tom's report", REPORT, false),
];

pub(super) async fn show(story: &Story<'_>, network: &Network) -> Result<Value> {
    let mut rows = Vec::new();
    let mut lines = vec![[
        "organisation".into(),
        "on its disk".into(),
        "its people can read".into(),
    ]];
    for organization in &network.organizations {
        let name = &organization.name;
        let channels: Vec<&str> = network
            .channels
            .iter()
            .filter(|channel| channel.organizations.contains(name))
            .map(|channel| channel.name.as_str())
            .collect();
        let mut on_disk = Vec::new();
        for (what, mark) in MARKS {
            if holds(&story.dir, name, mark)? {
                on_disk.push(what);
            }
        }
        // A card stays with the organisations of its channel.
        ensure!(
            on_disk.contains(&"Tom's card") == channels.contains(&CARDS.channel),
            "{name} must hold the card exactly if it is a member of channel cards"
        );
        let mut reads = Vec::new();
        for Reader {
            stage,
            step,
            expected,
        } in READERS
        {
            let Some((_, user)) = step.who.split_once('/').filter(|(of, _)| of == name) else {
                continue;
            };
            ensure!(
                can_read(story, stage, step).await? == expected,
                "{} must {}be able to read {}",
                step.who,
                if expected { "" } else { "not " },
                step.what
            );
            reads.push(format!(
                "{user}: {}",
                if expected { step.what } else { "nothing" }
            ));
        }
        lines.push([
            name.clone(),
            format!("{} ({})", on_disk.join(", "), channels.join(", ")),
            reads.join("; "),
        ]);
        rows.push(json!({
            "organization": name, "channels": channels, "onDisk": on_disk, "canRead": reads,
        }));
    }
    let widths = [0, 1].map(|column| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or_default()
    });
    for [organization, on_disk, reads] in &lines {
        story.output.note(&format!(
            "  {organization:<a$}  {on_disk:<b$}  {reads}",
            a = widths[0],
            b = widths[1],
        ));
    }
    story.output.note(
        "\n  The clinic's host holds Ann's record because both are on channel providers; its people read it\n  only while the hospital and Ann agree, and she has withdrawn.",
    );
    Ok(rows.into())
}

async fn can_read(story: &Story<'_>, stage: Stage, step: Step<'_>) -> Result<bool> {
    let client = story.client(stage, step.who)?;
    let call = Call::new(stage.contract, step.function, step.args);
    match client.evaluate(&call).await {
        Ok(_) => Ok(true),
        Err(error) if error.contract_refusal().is_some() => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{} as {}", step.function, step.who)),
    }
}

/// Whether `mark` stands anywhere in the files of an organisation's host.
pub(super) fn holds(network: &Path, organization: &str, mark: &str) -> Result<bool> {
    fn search(dir: &Path, mark: &[u8]) -> Result<bool> {
        let error = || format!("cannot search {}", dir.display());
        for entry in fs::read_dir(dir).with_context(error)? {
            let path = entry.with_context(error)?.path();
            let found = if path.is_dir() {
                search(&path, mark)?
            } else {
                let content = fs::read(&path).with_context(error)?;
                content.windows(mark.len()).any(|window| window == mark)
            };
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }
    search(&network.join("hosts").join(organization), mark.as_bytes())
}
