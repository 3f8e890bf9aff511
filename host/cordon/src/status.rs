//! `cordon status` and `cordon host log-level`: what admins ask of hosts that run.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use cordon_client::Call;
use cordon_identity::Certificate;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::material::{self, OrganizationDir};
use crate::output::Output;
use crate::provision::organizations;
use crate::store::{self, CallerArgs};
use crate::up::Interrupts;

/// The system contract of a host's own admins.
pub(crate) const ADMINISTRATION: &str = "cordon";
/// Between two looks of `--watch`.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// The network's folder.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: PathBuf,
    /// Who asks, and so which host: organisation/admin, for example hospital/admin.
    #[arg(long = "as", value_name = "ORG/ADMIN", required_unless_present = "all")]
    caller: Option<String>,
    /// Ask the host of every organisation that the folder has an admin's key for.
    #[arg(long, conflicts_with = "caller")]
    all: bool,
    /// Show it anew each second, until ctrl-C.
    #[arg(long)]
    watch: bool,
}

#[derive(Args)]
pub(crate) struct LogLevelArgs {
    /// The network's folder.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: PathBuf,
    /// Who asks, and so which host: organisation/admin, for example hospital/admin.
    #[arg(long = "as", value_name = "ORG/ADMIN")]
    caller: String,
    /// off, error, warn, info, debug or trace, or a module with one: warn,cordon_gateway=debug.
    level: String,
}

/// Calls a function of a host for its admins; its answer.
pub(crate) async fn ask(dir: &Path, caller: &str, function: &str, args: &[Value]) -> Result<Value> {
    let caller = CallerArgs {
        dir: dir.to_owned(),
        caller: caller.to_owned(),
        channel: String::new(),
    };
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let call = Call::new(ADMINISTRATION, function, &args);
    let answer = caller.client()?.evaluate(&call).await;
    let answer = answer.map_err(|error| caller.explain(error.into()))?;
    serde_json::from_slice(&answer).context("the host's answer is not JSON")
}

pub(crate) async fn log_level(args: &LogLevelArgs, output: &Output) -> Result<()> {
    let level = [Value::from(args.level.as_str())];
    let answer = ask(&args.dir, &args.caller, "LogLevel", &level).await?;
    let text = format!(
        "log level {} (it was {})",
        words(&answer["new"]),
        words(&answer["old"])
    );
    output.result(&text, &answer);
    Ok(())
}

pub(crate) async fn status(args: &StatusArgs, output: &Output) -> Result<()> {
    let callers = match &args.caller {
        Some(caller) => vec![caller.clone()],
        None => admins(&args.dir)?,
    };
    ensure!(
        !callers.is_empty(),
        "there is no admin's key in {}: name one with --as",
        args.dir.display()
    );
    if !args.watch {
        let (text, value, reached) = look(&args.dir, &callers).await?;
        output.result(&text, &value);
        ensure!(
            reached,
            "no host answers: start them (cordon up --dir {})",
            args.dir.display()
        );
        return Ok(());
    }
    let mut interrupts = Interrupts::listen()?;
    let redraw = std::io::stdout().is_terminal();
    loop {
        let shown = tokio::select! {
            shown = look(&args.dir, &callers) => shown,
            () = interrupts.next() => return Ok(()),
        };
        if redraw {
            // Home, and nothing below.
            let _ = std::io::stdout().write_all(b"\x1b[H\x1b[2J");
        }
        match shown {
            Ok((text, value, _)) => output.result(&text, &value),
            // It may be there again in a second.
            Err(error) => output.result(
                &format!("{error:#}"),
                &json!({ "error": format!("{error:#}") }),
            ),
        }
        if !redraw {
            output.note("");
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH_PAUSE) => {}
            () = interrupts.next() => return Ok(()),
        }
    }
}

/// One admin of each organisation in a folder that has one.
pub(crate) fn admins(dir: &Path) -> Result<Vec<String>> {
    let mut admins = Vec::new();
    for organization in organizations(dir) {
        let folder = OrganizationDir::new(dir, &organization);
        for user in store::users(dir, &organization) {
            let signcerts = folder.user(&user).join("msp/signcerts");
            let text = material::read(&material::only_file(&signcerts)?)?;
            let certificate = Certificate::from_pem(text.as_bytes())?;
            if certificate
                .organizational_units()
                .iter()
                .any(|unit| unit == "admin")
            {
                admins.push(format!("{organization}/{user}"));
                break;
            }
        }
    }
    Ok(admins)
}

/// What the hosts say: as text, as JSON, and whether any of them answered. A host that does not answer is
/// told of beside the others; alone, it is an error.
async fn look(dir: &Path, callers: &[String]) -> Result<(String, Value, bool)> {
    let asked = callers.iter().map(|caller| ask(dir, caller, "Status", &[]));
    let (mut texts, mut hosts, mut reached) = (Vec::new(), Vec::new(), false);
    for (caller, answer) in callers.iter().zip(join_all(asked).await) {
        let organization = caller.split('/').next().unwrap_or_default();
        match answer {
            Ok(mut answer) => {
                texts.push(text_of(organization, &answer));
                answer["organization"] = Value::from(organization);
                hosts.push(answer);
                reached = true;
            }
            Err(error) if callers.len() == 1 => return Err(error),
            Err(error) => {
                texts.push(format!("{organization}: {error:#}"));
                hosts.push(json!({ "organization": organization, "error": format!("{error:#}") }));
            }
        }
    }
    Ok((texts.join("\n\n"), json!({ "hosts": hosts }), reached))
}

/// One host for people.
fn text_of(organization: &str, host: &Value) -> String {
    let mut lines = vec![format!(
        "{organization}  {}  {}  version {}  up {}  log level {}",
        words(&host["mspId"]),
        words(&host["address"]),
        words(&host["version"]),
        duration(host["uptimeSeconds"].as_u64().unwrap_or_default()),
        words(&host["logLevel"]),
    )];
    for channel in list(&host["channels"]) {
        let hash = words(&channel["lastBlock"]["hash"]);
        lines.push(format!(
            "  channel      {:<12} height {:<8} {}  lag {}  last block {} {}",
            words(&channel["channel"]),
            channel["height"],
            words(&channel["state"]),
            channel["lag"],
            hash.get(..12).unwrap_or_default(),
            words(&channel["lastBlock"]["time"]),
        ));
        lines.extend(reason(&channel["reason"]));
        if channel["ordering"]["reachable"] == false {
            lines.push("               the ordering log is not reachable".to_owned());
            lines.extend(reason(&channel["ordering"]["reason"]));
        }
    }
    for peer in list(&host["peers"]) {
        let heights = peer["heights"].as_object().into_iter().flatten();
        let heights: Vec<String> = heights
            .map(|(channel, at)| format!("{channel} {at}"))
            .collect();
        let reachable = peer["reachable"] == true;
        lines.push(format!(
            "  peer         {:<12} {}  {}",
            words(&peer["mspId"]),
            words(&peer["address"]),
            if reachable {
                heights.join(", ")
            } else {
                "not reachable".to_owned()
            },
        ));
        lines.extend(reason(&peer["reason"]));
    }
    for certificate in list(&host["certificates"]) {
        let name = words(&certificate["certificate"]);
        let until = words(&certificate["notAfter"]);
        lines.push(match certificate["state"].as_str() {
            Some("expired") => format!("  certificate  {name:<12} EXPIRED since {until}"),
            Some("soon") => format!(
                "  certificate  {name:<12} WARNING: ends in {} days, {until}",
                certificate["daysLeft"]
            ),
            Some("good") => format!(
                "  certificate  {name:<12} {} days left",
                certificate["daysLeft"]
            ),
            _ => format!("  certificate  {name:<12} cannot be read"),
        });
        lines.extend(reason(&certificate["reason"]));
    }
    let disk = &host["disk"];
    let bytes = |name: &str| size(disk[name].as_u64().unwrap_or_default());
    lines.push(format!(
        "  disk         ledger {}, ordering {}, compiled contracts {}; {} free",
        bytes("ledgerBytes"),
        bytes("orderingBytes"),
        bytes("compiledBytes"),
        bytes("freeBytes"),
    ));
    if let Some(address) = host["operations"].as_str() {
        lines.push(format!("  operations   http://{address}"));
    }
    lines.join("\n")
}

fn reason(value: &Value) -> Option<String> {
    Some(format!("               {}", value.as_str()?))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn duration(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

fn size(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "KiB", "MiB"] {
        if size < 1_024.0 {
            return format!("{size:.0} {unit}");
        }
        size /= 1_024.0;
    }
    format!("{size:.1} GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_readable() {
        assert_eq!([0, 2_048, 5 << 30].map(size), ["0 B", "2 KiB", "5.0 GiB"]);
        let times = [59, 60, 7_380, 90_000].map(duration);
        assert_eq!(times, ["59 s", "1 min", "2 h 3 min", "1 d 1 h"]);
    }

    #[test]
    fn what_is_wrong_stands_out() {
        let host = json!({
            "certificates": [
                { "certificate": "tls", "state": "expired", "notAfter": "2026-01-01T00:00:00Z" },
                { "certificate": "signing", "state": "soon", "daysLeft": 3 },
            ],
            "channels": [{
                "channel": "providers", "state": "stopped", "reason": "block 3 is damaged",
                "ordering": { "reachable": false, "reason": "connection refused" },
            }],
            "peers": [{ "mspId": "ClinicMSP", "reachable": false, "reason": "no answer in time" }],
        });
        let text = text_of("hospital", &host);
        for expected in [
            "EXPIRED since 2026-01-01",
            "WARNING: ends in 3 days",
            "stopped",
            "block 3 is damaged",
            "the ordering log is not reachable",
            "connection refused",
            "not reachable",
            "no answer in time",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
}
