//! `cordon contract`: look at a contract before it is deployed, and run its cases.

mod inspect;
mod lifecycle;
mod package;
mod test;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::output::Output;

/// What to do with a contract.
#[derive(Subcommand)]
pub(crate) enum ContractCommand {
    /// Show what a component is: its functions with their documentation and arguments, what it imports,
    /// and the limits that it would run under. A component that hosts do not accept is refused with
    /// the reason. Of a package, the component in it is shown.
    ///
    /// With --cases, also the most that these cases use of each limit.
    ///
    /// Example: cordon contract inspect target/contracts/emr.wasm --cases contracts/emr/cases
    Inspect {
        /// The component, or a package with it.
        file: PathBuf,
        /// Run the cases in this folder, and show what each function used of its limits.
        #[arg(long, value_name = "DIR")]
        cases: Option<PathBuf>,
        #[command(flatten)]
        others: Others,
    },
    /// Make the package that hosts install: a component with a label. The same component and label
    /// give the same bytes, so that organisations can compare what they install. No network is needed.
    ///
    /// Example: cordon contract package target/contracts/emr.wasm --version 1.0
    Package(package::PackageArgs),
    /// Put a package on a host, which checks and compiles it; without a package, list what is there.
    ///
    /// Example: cordon contract install emr_1.1.tar.gz --as hospital/admin
    #[command(verbatim_doc_comment)]
    Install(lifecycle::InstallArgs),
    /// Agree to a contract's definition in the name of an organisation: name, version, component,
    /// endorsement policy. Its package must be installed on the organisation's host. Prints who else
    /// has approved it, and what differs.
    ///
    /// Example: cordon contract approve emr --package emr_1.1.tar.gz --version 1.1 --as hospital/admin
    #[command(verbatim_doc_comment)]
    Approve(lifecycle::ApproveArgs),
    /// Put in force what the caller's organisation has approved, if enough others have, too.
    ///
    /// Example: cordon contract commit emr --as hospital/admin
    #[command(verbatim_doc_comment)]
    Commit(lifecycle::NamedArgs),
    /// The contracts of a channel: what is in force, and what is still missing for what was approved.
    ///
    /// Example: cordon contract status --as hospital/admin
    #[command(verbatim_doc_comment)]
    Status(lifecycle::StatusArgs),
    /// Package, install, approve and commit for every member at once, on a development network: one
    /// whose folder has the keys of all admins.
    ///
    /// Example: cordon contract deploy visits.wasm --access-policies visits.cedar
    #[command(verbatim_doc_comment)]
    Deploy(lifecycle::DeployArgs),
    /// Run a contract's cases in the host's own execution, and compare answers, reads, writes, events
    /// and fuel with what is recorded. contracts/README.md tells what a case is.
    ///
    /// A case that ends in a fault (status 500) without saying so shows what the contract said when it
    /// panicked, with its place in the source; functions by name where it was built with
    /// CORDON_CONTRACTS_NAMES=1.
    ///
    /// Exit code 1 when a case is not as recorded; --bless records what happens now.
    ///
    /// Example: cordon contract test target/contracts/sharing.wasm --cases contracts/sharing/cases
    /// --with emr=target/contracts/emr.wasm
    Test {
        /// The component.
        file: PathBuf,
        /// The folder of its cases.
        #[arg(long, value_name = "DIR")]
        cases: PathBuf,
        #[command(flatten)]
        others: Others,
        /// Record what happens now. What a case itself says is not changed.
        #[arg(long)]
        bless: bool,
        /// Show that of every fault, also where a case expects it.
        #[arg(long)]
        faults: bool,
    },
}

/// Other contracts that cases need.
#[derive(Args)]
pub(crate) struct Others {
    /// Another contract that the cases need, and its component. Can be given several times.
    #[arg(long, value_name = "NAME=COMPONENT")]
    with: Vec<String>,
}

pub(crate) async fn run(command: &ContractCommand, output: &Output) -> Result<()> {
    match command {
        ContractCommand::Inspect {
            file,
            cases,
            others,
        } => inspect::inspect(file, cases.as_deref(), &others.with, output),
        ContractCommand::Package(args) => package::package(args, output),
        ContractCommand::Install(args) => lifecycle::install(args, output).await,
        ContractCommand::Approve(args) => lifecycle::approve(args, output).await,
        ContractCommand::Commit(args) => lifecycle::commit(args, output).await,
        ContractCommand::Status(args) => lifecycle::status(args, output).await,
        ContractCommand::Deploy(args) => lifecycle::deploy(args, output).await,
        ContractCommand::Test {
            file,
            cases,
            others,
            bless,
            faults,
        } => test::test(file, cases, &others.with, *bless, *faults, output),
    }
}
