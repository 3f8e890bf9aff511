//! `cordon ca issue`.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::files::Organization;
use super::{Folder, ensure_within};
use crate::certificates::day;
use crate::material::{self, DAYS, OrganizationDir, add_usual_attributes, server_names, validity};
use crate::network::User;
use crate::output::Output;

#[derive(Args)]
pub(crate) struct IssueArgs {
    #[command(flatten)]
    folder: Folder,
    /// The new user or host, for example hospital/py7.
    #[arg(value_name = "ORG/NAME")]
    who: String,
    /// What it is within its organisation.
    #[arg(long, value_enum)]
    role: RoleName,
    /// An attribute that contracts and access policies see; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    attribute: Vec<String>,
    /// How long the certificates are valid.
    #[arg(long, value_name = "N", default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// A DNS name or address in a host's TLS certificate, by which others reach it; may be given several
    /// times. By default localhost, 127.0.0.1 and ::1.
    #[arg(long, value_name = "NAME")]
    tls_name: Vec<String>,
}

/// A role, by the unit in the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleName {
    /// A person or program that calls contracts.
    Client,
    /// An administrator of the organisation.
    Admin,
    /// A host.
    Peer,
}

pub(super) fn issue(args: &IssueArgs, output: &Output) -> Result<()> {
    let (organization, name) = Organization::of(&args.folder.dir, &args.who)?;
    let role = match args.role {
        RoleName::Client => "client",
        RoleName::Admin => "admin",
        RoleName::Peer => "peer",
    };
    let is_host = args.role == RoleName::Peer;
    ensure!(
        is_host || args.tls_name.is_empty(),
        "--tls-name is for hosts: {name} is to be {role}; leave it out, or give --role peer"
    );
    let _lock = organization.lock()?;
    let folder = organization.new_identity(name, role)?;
    let mut user = User {
        name: name.to_owned(),
        role: role.to_owned(),
        attributes: args
            .attribute
            .iter()
            .map(|text| {
                let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
                let (name, value) = pair.with_context(|| {
                    format!("--attribute {text:?} is not name=value, for example role=physician")
                })?;
                Ok((name.to_owned(), value.to_owned()))
            })
            .collect::<Result<_>>()?,
    };
    if !is_host {
        add_usual_attributes(&mut user);
    }
    let tls_names = match (is_host, args.tls_name.is_empty()) {
        (false, _) => vec![name.to_owned()],
        (true, true) => server_names(),
        (true, false) => args.tls_name.clone(),
    };
    let (ca, tls_ca) = organization.both()?;
    let validity = validity(material::now(), args.days);
    for authority in [&ca, &tls_ca] {
        ensure_within(validity.not_after, authority.certificate())?;
    }
    // Beside its place and then moved there, so that nobody finds half an identity.
    let parent = folder.parent().context("an identity is in a folder")?;
    let beside = parent.join(format!(".{name}.new"));
    let _ = fs::remove_dir_all(&beside);
    OrganizationDir::issue(&beside, &user, &tls_names, (&ca, &tls_ca), validity)?;
    fs::rename(&beside, &folder)
        .with_context(|| format!("cannot move {} to its place", folder.display()))?;

    let text = format!(
        "{} is there, role {role}, valid until {}: {}",
        args.who,
        day(validity.not_after),
        folder.display()
    );
    output.result(
        &text,
        &json!({
            "identity": args.who,
            "role": role,
            "folder": folder.display().to_string(),
            "attributes": user.attributes,
            "notAfter": validity.not_after,
        }),
    );
    Ok(())
}
