//! `cordon ca`: an organisation's certificates over their lifetime, on the folder of a network.

mod files;
mod issue;
mod list;
mod renew;
mod renew_ca;
mod revoke;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};

use crate::output::Output;

/// What to do with certificates.
#[derive(Subcommand)]
pub(crate) enum CaCommand {
    /// Every certificate: whose it is, its role, how many days are left, and whether it is revoked.
    ///
    /// Example: cordon ca list --organization hospital
    List(list::ListArgs),
    /// Make a new user or host: a signing and a TLS certificate, with keys that only the owner of the
    /// files may read. It can call contracts at once; no host has to be told.
    ///
    /// Example: cordon ca issue hospital/py7 --role client --attribute role=physician
    #[command(verbatim_doc_comment)]
    Issue(issue::IssueArgs),
    /// Replace somebody's signing and TLS certificate by new ones that say the same: subject, role and
    /// attributes stay. The old ones are kept in the folder `old`.
    ///
    /// A host goes on with what it has until it is told: cordon host reload.
    ///
    /// Examples: cordon ca renew hospital/host
    ///           cordon ca renew hospital/hc1 --new-key --days 90
    #[command(verbatim_doc_comment)]
    Renew(renew::RenewArgs),
    /// Renew an organisation's authorities, in two steps, so that the old and the new ones are both trusted
    /// for a while: first they are made and wait, then, with --switch, they issue.
    ///
    /// Examples: cordon ca renew-ca hospital --new-key
    ///           cordon ca renew-ca hospital --switch
    #[command(verbatim_doc_comment)]
    RenewCa(renew_ca::RenewCaArgs),
    /// Put somebody's signing certificates, the replaced ones too, on the organisation's revocation list.
    ///
    /// Example: cordon ca revoke hospital/hc1 --reason key-compromise
    Revoke(revoke::RevokeArgs),
    /// Print an organisation's revocation list; with --renew, sign it anew.
    ///
    /// Example: cordon ca crl hospital --renew --days 365
    Crl(revoke::CrlArgs),
}

/// Where the organisations are.
#[derive(Args)]
struct Folder {
    /// The network's folder.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) fn run(command: &CaCommand, output: &Output) -> Result<()> {
    match command {
        CaCommand::List(args) => list::list(args, output),
        CaCommand::Issue(args) => issue::issue(args, output),
        CaCommand::Renew(args) => renew::renew(args, output),
        CaCommand::RenewCa(args) => renew_ca::renew_ca(args, output),
        CaCommand::Revoke(args) => revoke::revoke(args, output),
        CaCommand::Crl(args) => revoke::crl(args, output),
    }
}

/// A certificate that outlives its authority would end with it, and nobody would see why.
fn ensure_within(not_after: i64, authority: &cordon_identity::Certificate) -> Result<()> {
    ensure!(
        not_after <= authority.not_after(),
        "the authority's own certificate ends on {}: give fewer --days, or renew it first (cordon ca renew-ca)",
        crate::certificates::day(authority.not_after())
    );
    Ok(())
}
