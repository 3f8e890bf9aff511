//! `cordon ca renew-ca`: new authorities beside the old ones. Who trusts an authority is for the channels'
//! members to decide; until they have, the new ones issue nothing.

use anyhow::{Context as _, Result, bail};
use clap::Args;
use cordon_identity::{Certificate, RevocationList};
use serde_json::json;

use super::Folder;
use super::files::{Kind, Organization, authority_in, serial};
use super::revoke::write_list;
use crate::certificates::day;
use crate::material::{self, now, replace, validity, write, write_secret};
use crate::output::Output;

#[derive(Args)]
pub(crate) struct RenewCaArgs {
    #[command(flatten)]
    folder: Folder,
    /// The organisation.
    #[arg(value_name = "ORG")]
    organization: String,
    /// How long the new certificates are valid.
    #[arg(long, value_name = "N", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Make new keys too. Certificates of the old authorities do not chain to the new ones then.
    #[arg(long)]
    new_key: bool,
    /// Let the authorities issue that an earlier `renew-ca` has made.
    #[arg(long, conflicts_with_all = ["days", "new_key"])]
    switch: bool,
}

pub(super) fn renew_ca(args: &RenewCaArgs, output: &Output) -> Result<()> {
    let organization = Organization::open(&args.folder.dir, &args.organization)?;
    let _lock = organization.lock()?;
    if args.switch {
        switch(&organization, output)
    } else {
        prepare(args, &organization, output)
    }
}

/// Makes the new authorities, and lets the organisation's own files trust them.
fn prepare(args: &RenewCaArgs, organization: &Organization, output: &Output) -> Result<()> {
    let name = &organization.name;
    if let Some(waiting) = Kind::BOTH
        .into_iter()
        .find(|kind| organization.next(*kind).exists())
    {
        bail!(
            "new authorities wait in {} already: let them issue (cordon ca renew-ca {name} --switch), or delete that folder",
            organization.next(waiting).display()
        );
    }
    let validity = validity(now(), args.days);
    let mut made = Vec::new();
    for kind in Kind::BOTH {
        let authority = organization.authority(kind)?;
        let new = authority
            .renewed(args.new_key, validity)
            .with_context(|| format!("the {} of {name}", kind.folders().0))?;
        made.push((kind, new));
    }
    let mut texts = Vec::new();
    let mut values = Vec::new();
    for (kind, new) in &made {
        let certificate = new.certificate();
        let next = organization.next(*kind);
        let path = next.join(format!("{}-cert.pem", kind.folders().0));
        write_secret(&next.join("priv_sk"), &new.key().to_pkcs8_pem()?)?;
        write(&path, &certificate.to_pem()?)?;
        let mut trusted = organization.authorities(*kind)?;
        trusted.push(certificate.clone());
        write_trusted(organization, *kind, &trusted)?;
        texts.push(format!("  {}", path.display()));
        values.push(json!({
            "what": kind.folders().0,
            "path": path.display().to_string(),
            "serial": serial(certificate),
            "subject": certificate.subject(),
        }));
    }
    let text = format!(
        "new authorities of {name}, valid until {}, wait beside the old ones:\n{}\n\
         What to do now:\n  \
         1. propose on every channel of {name} that its root_certs and tls_root_certs hold the old and the new certificate (cordon channel propose)\n  \
         2. when that is committed everywhere: cordon ca renew-ca {name} --switch, and from then on the new ones issue\n  \
         3. renew the hosts (cordon ca renew) and let them know (cordon host reload), then renew everybody else\n  \
         4. propose on every channel that the old certificates go",
        day(validity.not_after),
        texts.join("\n")
    );
    output.result(
        &text,
        &json!({ "organization": name, "newKey": args.new_key, "notAfter": validity.not_after, "waiting": values }),
    );
    Ok(())
}

/// Lets the new authorities issue; the old ones stay trusted.
fn switch(organization: &Organization, output: &Output) -> Result<()> {
    let name = &organization.name;
    let mut ready = Vec::new();
    for kind in Kind::BOTH {
        let next = organization.next(kind);
        if !next.exists() {
            bail!(
                "no new authorities wait for {name}: make them first (cordon ca renew-ca {name})"
            );
        }
        ready.push((kind, authority_in(&next)?));
    }
    let revoked = organization.revoked()?;
    for (kind, new) in &ready {
        let folder = organization.dir.path().join(kind.folders().0);
        let old = organization.authority(*kind)?;
        let kept = folder.join("old").join(serial(old.certificate()));
        write(&kept.join("cert.pem"), &old.certificate().to_pem()?)?;
        write_secret(&kept.join("priv_sk"), &old.key().to_pkcs8_pem()?)?;
        let mut trusted = vec![new.certificate().clone()];
        let others = organization.authorities(*kind)?.into_iter();
        trusted.extend(others.filter(|other| !other.is_same(new.certificate())));
        // The new key is found by its certificate, so both may be there for a moment.
        write_secret(&folder.join("next_sk"), &new.key().to_pkcs8_pem()?)?;
        write_trusted(organization, *kind, &trusted)?;
        replace(&folder.join("priv_sk"), &new.key().to_pkcs8_pem()?, true)?;
        std::fs::remove_file(folder.join("next_sk"))?;
        let next = organization.next(*kind);
        std::fs::remove_dir_all(&next)
            .with_context(|| format!("cannot remove {}", next.display()))?;
    }
    // Signed by the one that issues, so that it holds when the old certificates go.
    if let Some(list) = revoked {
        let now = now();
        let list = RevocationList {
            number: list.number + 1,
            this_update: now,
            next_update: list.next_update.max(now + 1),
            revoked: list.revoked,
        };
        write_list(organization, &list)?;
    }
    let text = format!(
        "the new authorities of {name} issue from now on; the old ones are still trusted.\n\
         Renew the hosts (cordon ca renew ORG/NAME; cordon ca list --organization {name} shows all) and let them know\n\
         (cordon host reload), then renew everybody else: a host knows the new authorities' admins once it is reloaded.\n\
         Then propose on every channel that the old certificates go (cordon channel propose)"
    );
    output.result(&text, &json!({ "organization": name, "switched": true }));
    Ok(())
}

/// Writes whom the organisation's own files trust: the file beside the authority's key, every MSP folder
/// and every TLS folder. The first issues.
fn write_trusted(organization: &Organization, kind: Kind, trusted: &[Certificate]) -> Result<()> {
    let texts = trusted
        .iter()
        .map(|certificate| Ok(certificate.to_pem()?))
        .collect::<Result<Vec<_>>>()?;
    replace(&organization.authority_file(kind)?, &texts.concat(), false)?;
    let (folder, in_msp) = kind.folders();
    for msp in organization.msps()? {
        // Fabric's tools read the first certificate of each file.
        let known = material::files(&msp.join(in_msp))?
            .iter()
            .map(|path| Ok(Certificate::from_pem(material::read(path)?.as_bytes())?))
            .collect::<Result<Vec<_>>>()?;
        for (certificate, text) in trusted.iter().zip(&texts) {
            if !known.iter().any(|known| known.is_same(certificate)) {
                let name = format!("{folder}-{}.pem", serial(certificate));
                write(&msp.join(in_msp).join(name), text)?;
            }
        }
    }
    if kind == Kind::Tls {
        for identity in organization.identities()? {
            let path = identity.folder.join("tls/ca.crt");
            if path.exists() {
                replace(&path, &texts.concat(), false)?;
            }
        }
    }
    Ok(())
}
