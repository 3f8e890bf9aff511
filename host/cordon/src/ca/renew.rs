//! `cordon ca renew`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use cordon_identity::SigningKey;
use serde_json::{Value, json};

use super::files::{Identity, Kind, Organization, serial};
use super::{Folder, ensure_within};
use crate::certificates::day;
use crate::material::{self, DAYS, replace, validity, write, write_secret};
use crate::output::Output;

#[derive(Args)]
pub(crate) struct RenewArgs {
    #[command(flatten)]
    folder: Folder,
    /// A user, or a host: ORG/host, or the name in its certificate.
    #[arg(value_name = "ORG/NAME")]
    who: String,
    /// How long the new certificates are valid.
    #[arg(long, value_name = "N", default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Make new keys too.
    #[arg(long)]
    new_key: bool,
}

/// What a file becomes.
struct Change {
    kind: Kind,
    certificate_path: PathBuf,
    key_path: PathBuf,
    old: String,
    old_serial: String,
    new: String,
    new_serial: String,
    /// The text of a new key.
    key: Option<String>,
}

pub(super) fn renew(args: &RenewArgs, output: &Output) -> Result<()> {
    let (organization, name) = Organization::of(&args.folder.dir, &args.who)?;
    let _lock = organization.lock()?;
    let identity = organization.identity(name)?;
    let validity = validity(material::now(), args.days);
    // Everything is made before anything is replaced.
    let changes = Kind::BOTH
        .into_iter()
        .filter(|kind| *kind == Kind::Signing || identity.files(*kind).is_ok())
        .map(|kind| {
            change(&organization, &identity, kind, validity, args.new_key)
                .with_context(|| format!("the {} certificate of {}", kind.what(), args.who))
        })
        .collect::<Result<Vec<_>>>()?;
    for change in &changes {
        let name = format!(
            "{}-{}",
            change.kind.what().to_lowercase(),
            change.old_serial
        );
        let old = identity.old();
        write(&old.join(format!("{name}.pem")), &change.old)?;
        // A new key and its certificate cannot be replaced in one step. Whoever starts in between is told
        // that they do not fit; a host that runs goes on with what it has.
        if let Some(key) = &change.key {
            let old_key = material::read(&change.key_path)?;
            write_secret(&old.join(format!("{name}.key")), &old_key)?;
            replace(&change.key_path, key, true)?;
        }
        replace(&change.certificate_path, &change.new, false)?;
    }

    let is_host = changes
        .iter()
        .any(|change| change.certificate_path.ends_with("server.crt"));
    let until = day(validity.not_after);
    let mut text = format!("{} is renewed until {until}", args.who);
    if is_host {
        text += &format!(
            "\nIts host goes on with the old certificates until it is told: cordon host reload --as {}/ADMIN",
            organization.name
        );
    }
    let certificates: Vec<Value> = changes
        .iter()
        .map(|change| {
            json!({
                "what": change.kind.what(),
                "path": change.certificate_path.display().to_string(),
                "serial": change.new_serial,
                "replaced": change.old_serial,
            })
        })
        .collect();
    output.result(
        &text,
        &json!({
            "identity": args.who,
            "notAfter": validity.not_after,
            "newKey": args.new_key,
            "certificates": certificates,
        }),
    );
    Ok(())
}

fn change(
    organization: &Organization,
    identity: &Identity,
    kind: Kind,
    validity: cordon_identity::Validity,
    new_key: bool,
) -> Result<Change> {
    let (certificate_path, key_path) = identity.files(kind)?;
    let certificate = identity.certificate(kind)?;
    if kind == Kind::Signing {
        let revoked = organization.revoked()?;
        ensure!(
            !revoked.is_some_and(|list| list.contains(certificate.serial())),
            "it is revoked: give whoever it was a new identity with another name (cordon ca issue)"
        );
    }
    let authority = organization.authority(kind)?;
    ensure_within(validity.not_after, authority.certificate())?;
    let key = new_key.then(SigningKey::generate).transpose()?;
    let public = key.as_ref().map(SigningKey::public_key).transpose()?;
    let public = public.as_ref().unwrap_or(certificate.public_key());
    let new = authority.renew(&certificate, public, validity)?;
    Ok(Change {
        kind,
        old: material::read(&certificate_path)?,
        certificate_path,
        key_path,
        old_serial: serial(&certificate),
        new: new.to_pem()?,
        new_serial: serial(&new),
        key: key.map(|key| key.to_pkcs8_pem()).transpose()?,
    })
}
