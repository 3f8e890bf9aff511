//! `cordon contract`: look at a contract before it is deployed, and run its cases.

mod inspect;
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
    /// the reason.
    ///
    /// With --cases, also the most that these cases use of each limit.
    ///
    /// Example: cordon contract inspect target/contracts/emr.wasm --cases contracts/emr/cases
    Inspect {
        /// The component.
        file: PathBuf,
        /// Run the cases in this folder, and show what each function used of its limits.
        #[arg(long, value_name = "DIR")]
        cases: Option<PathBuf>,
        #[command(flatten)]
        others: Others,
    },
    /// Run a contract's cases in the host's own execution, and compare answers, reads, writes, events
    /// and fuel with what is recorded. contracts/README.md tells what a case is.
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
    },
}

/// Other contracts that cases need.
#[derive(Args)]
pub(crate) struct Others {
    /// Another contract that the cases need, and its component. Can be given several times.
    #[arg(long, value_name = "NAME=COMPONENT")]
    with: Vec<String>,
}

pub(crate) fn run(command: &ContractCommand, output: &Output) -> Result<()> {
    match command {
        ContractCommand::Inspect {
            file,
            cases,
            others,
        } => inspect::inspect(file, cases.as_deref(), &others.with, output),
        ContractCommand::Test {
            file,
            cases,
            others,
            bless,
        } => test::test(file, cases, &others.with, *bless, output),
    }
}
