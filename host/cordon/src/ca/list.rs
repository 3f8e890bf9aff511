//! `cordon ca list`.

use anyhow::Result;
use clap::Args;
use cordon_identity::{Certificate, RevocationList};
use serde::Serialize;
use serde_json::json;

use super::Folder;
use super::files::{Kind, Organization, serial};
use crate::certificates::{WARN_DAYS, day, days_left};
use crate::material::now;
use crate::output::Output;

#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    folder: Folder,
    /// Only this organisation's.
    #[arg(long, value_name = "ORG")]
    organization: Option<String>,
}

/// A certificate of an organisation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    organization: String,
    /// Whose: a user, a host, `ca` or `tlsca`.
    name: String,
    /// `signing`, `TLS`, `authority`, or `replaced` for one that a renewal has replaced.
    what: &'static str,
    subject: String,
    role: String,
    serial: String,
    valid_until: String,
    not_after: i64,
    days_left: i64,
    revoked: bool,
}

pub(super) fn list(args: &ListArgs, output: &Output) -> Result<()> {
    let network = &args.folder.dir;
    let names = match &args.organization {
        Some(name) => vec![name.clone()],
        None => Organization::names(network)?,
    };
    let mut rows = Vec::new();
    for name in names {
        rows_of(&Organization::open(network, &name)?, now(), &mut rows)?;
    }
    // What was replaced or taken back may end as it likes.
    let ends = |row: &&Row| !row.revoked && row.what != "replaced" && row.days_left < WARN_DAYS;
    let expiring: Vec<String> = rows
        .iter()
        .filter(ends)
        .map(|row| format!("{}/{} ({})", row.organization, row.name, row.what))
        .collect();
    let value = json!({ "certificates": rows, "expiring": expiring });
    let mut text = table(&rows);
    if !expiring.is_empty() {
        text += &format!(
            "\n\nexpired, or within {WARN_DAYS} days: {}\n  cordon ca renew ORG/NAME renews them, cordon ca renew-ca ORG an authority",
            expiring.join(", ")
        );
    }
    output.result(&text, &value);
    Ok(())
}

fn rows_of(organization: &Organization, now: i64, rows: &mut Vec<Row>) -> Result<()> {
    let revoked = organization.revoked()?;
    let mut add =
        |name: &str, what, certificate: &Certificate, revoked: Option<&RevocationList>| {
            let units = certificate.organizational_units().first().cloned();
            rows.push(Row {
                organization: organization.name.clone(),
                name: name.to_owned(),
                what,
                subject: certificate.subject().to_owned(),
                role: match what {
                    "authority" | "TLS" => String::new(),
                    _ => units.unwrap_or_default(),
                },
                serial: serial(certificate),
                valid_until: day(certificate.not_after()),
                not_after: certificate.not_after(),
                days_left: days_left(certificate.not_after(), now),
                revoked: revoked.is_some_and(|list| list.contains(certificate.serial())),
            });
        };
    for kind in Kind::BOTH {
        for certificate in organization.authorities(kind)? {
            add(kind.folders().0, "authority", &certificate, None);
        }
    }
    for identity in organization.identities()? {
        let name = &identity.name;
        let signing = identity.certificate(Kind::Signing)?;
        add(name, Kind::Signing.what(), &signing, revoked.as_ref());
        if identity.files(Kind::Tls).is_ok() {
            add(
                name,
                Kind::Tls.what(),
                &identity.certificate(Kind::Tls)?,
                None,
            );
        }
        for certificate in identity.replaced()? {
            if certificate.not_after() >= now {
                add(name, "replaced", &certificate, revoked.as_ref());
            }
        }
    }
    Ok(())
}

fn table(rows: &[Row]) -> String {
    let mut lines = vec![format!(
        "{:<24} {:<10} {:<8} {:>6}  {:<11} {:<33} {}",
        "whose", "what", "role", "days", "until", "serial", "subject"
    )];
    lines.extend(rows.iter().map(|row| {
        format!(
            "{:<24} {:<10} {:<8} {:>6}  {:<11} {:<33} {}{}",
            format!("{}/{}", row.organization, row.name),
            row.what,
            row.role,
            row.days_left,
            row.valid_until,
            row.serial,
            row.subject,
            if row.revoked { "  REVOKED" } else { "" }
        )
    }));
    lines.join("\n")
}
