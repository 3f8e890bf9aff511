//! `cordon ca revoke` and `cordon ca crl`.

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use cordon_identity::{Revocation, RevocationList, RevocationReason};
use serde_json::{Value, json};

use super::Folder;
use super::files::{Kind, Organization, serial};
use crate::certificates::day;
use crate::material::{self, DAY, DAYS, now, replace, write};
use crate::output::Output;

#[derive(Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    folder: Folder,
    /// A user, or a host: ORG/host, or the name in its certificate.
    #[arg(value_name = "ORG/NAME")]
    who: String,
    /// Why, for whoever reads the list.
    #[arg(long, default_value = "unspecified", value_parser = clap::builder::PossibleValuesParser::new(RevocationReason::names()))]
    reason: String,
}

#[derive(Args)]
pub(crate) struct CrlArgs {
    #[command(flatten)]
    folder: Folder,
    /// The organisation.
    #[arg(value_name = "ORG")]
    organization: String,
    /// Sign the list anew, with the next number.
    #[arg(long)]
    renew: bool,
    /// When the list after it is promised. Channels do not judge it; other tools may.
    #[arg(long, value_name = "N", default_value_t = DAYS, requires = "renew", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

pub(super) fn revoke(args: &RevokeArgs, output: &Output) -> Result<()> {
    let (organization, name) = Organization::of(&args.folder.dir, &args.who)?;
    let _lock = organization.lock()?;
    let identity = organization.identity(name)?;
    let reason = RevocationReason::from_name(&args.reason).context("clap knows the reasons")?;
    let now = now();
    let mut list = organization.revoked()?.unwrap_or(RevocationList {
        number: 0,
        this_update: 0,
        next_update: 0,
        revoked: Vec::new(),
    });
    // Whoever has a key may still have the certificates that were replaced.
    let mut certificates = vec![identity.certificate(Kind::Signing)?];
    certificates.extend(identity.replaced()?);
    certificates.retain(|certificate| !list.contains(certificate.serial()));
    ensure!(
        !certificates.is_empty(),
        "{} is revoked already: cordon ca crl {} shows the list",
        args.who,
        organization.name
    );
    list.revoked
        .extend(certificates.iter().map(|certificate| Revocation {
            serial: certificate.serial().to_vec(),
            at: now,
            reason,
        }));
    list.number += 1;
    list.this_update = now;
    list.next_update = now + i64::from(DAYS) * DAY;
    write_list(&organization, &list)?;

    let serials: Vec<String> = certificates.iter().map(serial).collect();
    let path = organization.dir.revocation_list();
    let text = format!(
        "{} is on the revocation list of {}, number {}: {}\n\
         A channel takes the list when a configuration with it is committed: cordon channel propose.\n\
         Until then {} can go on there. The organisation's own host takes it with: cordon host reload --as {}/ADMIN",
        args.who,
        organization.name,
        list.number,
        path.display(),
        args.who,
        organization.name
    );
    output.result(
        &text,
        &json!({
            "identity": args.who,
            "serials": serials,
            "reason": reason.name(),
            "number": list.number,
            "list": path.display().to_string(),
        }),
    );
    Ok(())
}

pub(super) fn crl(args: &CrlArgs, output: &Output) -> Result<()> {
    let organization = Organization::open(&args.folder.dir, &args.organization)?;
    let name = &organization.name;
    let _lock = organization.lock()?;
    let list = organization.revoked()?;
    let list = if args.renew {
        let (number, revoked) = list.map_or((0, Vec::new()), |list| (list.number, list.revoked));
        let list = RevocationList {
            number: number + 1,
            this_update: now(),
            next_update: now() + i64::from(args.days) * DAY,
            revoked,
        };
        write_list(&organization, &list)?;
        list
    } else {
        list.with_context(|| {
            format!("{name} has no revocation list: cordon ca revoke makes it, or cordon ca crl {name} --renew an empty one")
        })?
    };
    let path = organization.dir.revocation_list();
    let mut text = format!(
        "revocation list of {name}, number {}, of {}, the next until {}: {}",
        list.number,
        day(list.this_update),
        day(list.next_update),
        path.display()
    );
    let mut revoked: Vec<Value> = Vec::new();
    for Revocation { serial, at, reason } in &list.revoked {
        let (serial, reason) = (hex::encode(serial), reason.name());
        text += &format!("\n  {serial}  {}  {reason}", day(*at));
        revoked.push(json!({ "serial": serial, "at": at, "reason": reason }));
    }
    output.result(
        &text,
        &json!({
            "organization": name,
            "number": list.number,
            "thisUpdate": list.this_update,
            "nextUpdate": list.next_update,
            "revoked": revoked,
            "list": path.display().to_string(),
            "pem": material::read(&path)?,
        }),
    );
    Ok(())
}

/// Signs a list and puts it where it is looked for: beside the authority, and into every MSP folder of the
/// organisation's own.
pub(super) fn write_list(organization: &Organization, list: &RevocationList) -> Result<()> {
    let text = organization
        .authority(Kind::Signing)?
        .revocation_list(list)?;
    let path = organization.dir.revocation_list();
    replace(&path, &text, false)?;
    for msp in organization.msps()? {
        let path = msp.join("crls/crl.pem");
        if path.exists() {
            replace(&path, &text, false)?;
        } else {
            write(&path, &text)?;
        }
    }
    Ok(())
}
