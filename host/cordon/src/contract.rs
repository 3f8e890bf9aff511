//! `cordon contract`: write a contract, build it, run its tests and cases, and look at its component.

mod build;
mod deploy;
mod dev;
mod example;
mod folder;
mod inspect;
mod lifecycle;
mod lock;
mod new;
mod package;
mod test;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::output::Output;

/// What to do with a contract.
#[derive(Subcommand)]
pub(crate) enum ContractCommand {
    /// Write a new contract: a folder that builds and passes its tests, to go on from.
    ///
    /// It needs nothing but this program and Rust's tools, which rustup installs. README.md in it says
    /// what is what.
    ///
    /// Example: cordon contract new visits
    New {
        /// The contract's name: words of a-z and 0-9 that begin with a letter, joined by '-'.
        name: String,
        /// The folder, which is made or empty; the contract's name if it is left out.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Build a contract's component, and show what it is.
    ///
    /// What the build needs for WebAssembly is added with rustup when it is missing. The component is
    /// in target/contracts/ of the contract's folder, or of the repository for contracts in it. The
    /// same sources give the same bytes in any folder.
    ///
    /// Example: cordon contract build visits
    Build {
        /// The contract's folder.
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
        /// First replace the contract's .cordon, the SDK that it is built with, by this program's.
        #[arg(long)]
        refresh: bool,
    },
    /// Show what a component is: its functions with their documentation, arguments and an example of
    /// them in JSON, what it imports, and the limits that it would run under. A component that hosts
    /// do not accept is refused with the reason. Of a package, the component in it is shown.
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
    Deploy(deploy::DeployArgs),
    /// Build a contract and deploy it to a running development network, now and whenever a file of it
    /// is saved; and show its calls as they happen. Ctrl-C ends it.
    ///
    /// It watches src/, wit/, deps/, Cargo.toml and the access policies, NAME.cedar, which are put in
    /// force too. Of a call it shows time, function, the caller's organisation, what for, status, fuel
    /// and duration; arguments and answers are never shown.
    ///
    /// Example: cordon contract dev visits
    #[command(verbatim_doc_comment)]
    Dev(dev::DevArgs),
    /// Test a contract's folder: run its rules' tests natively (cargo test), build it, and run its cases.
    /// Of a component, run the cases alone.
    ///
    /// Cases run in the host's own execution, and answers, reads, writes, events and fuel are compared
    /// with what is recorded. docs/writing-contracts.md tells what a case is. Exit code 1 when a test
    /// fails or a case is not as recorded; --bless records what happens now.
    ///
    /// Example: cordon contract test visits
    ///
    /// A case that ends in a fault (status 500) without saying so shows what the contract said when it
    /// panicked, with its place in the source; functions by name where it was built with
    /// CORDON_CONTRACTS_NAMES=1.
    ///
    /// Example: cordon contract test target/contracts/sharing.wasm --cases contracts/sharing/cases
    /// --with emr=target/contracts/emr.wasm
    Test {
        /// The contract's folder, or a component.
        #[arg(value_name = "DIR|COMPONENT", default_value = ".")]
        path: PathBuf,
        /// The folder of the cases; cases/ in the contract's folder if it is left out.
        #[arg(long, value_name = "DIR")]
        cases: Option<PathBuf>,
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
    /// Another contract that the cases need, and its component. Can be given several times. Not needed
    /// for contracts of the same workspace, which are built too.
    #[arg(long, value_name = "NAME=COMPONENT")]
    with: Vec<String>,
}

pub(crate) async fn run(command: &ContractCommand, output: &Output) -> Result<()> {
    match command {
        ContractCommand::New { name, dir } => {
            new::new(name, dir.as_deref().unwrap_or(Path::new(name)), output)
        }
        ContractCommand::Build { folder, refresh } => build::build(folder, *refresh, output),
        ContractCommand::Inspect {
            file,
            cases,
            others,
        } => inspect::inspect(file, cases.as_deref(), &others.with, output),
        ContractCommand::Package(args) => package::package(args, output),
        ContractCommand::Install(args) => {
            let done = lifecycle::install(args, output).await;
            done.map_err(|error| args.explain(error))
        }
        ContractCommand::Approve(args) => {
            let done = lifecycle::approve(args, output).await;
            done.map_err(|error| args.caller.explain(error))
        }
        ContractCommand::Commit(args) => {
            let done = lifecycle::commit(args, output).await;
            done.map_err(|error| args.caller.explain(error))
        }
        ContractCommand::Status(args) => {
            let done = lifecycle::status(args, output).await;
            done.map_err(|error| args.caller.explain(error))
        }
        ContractCommand::Dev(args) => dev::dev(args, output).await,
        ContractCommand::Deploy(args) => deploy::deploy(args, output).await,
        ContractCommand::Test {
            path,
            cases,
            others,
            bless,
            faults,
        } => test::test(
            path,
            cases.as_deref(),
            &others.with,
            *bless,
            *faults,
            output,
        ),
    }
}
