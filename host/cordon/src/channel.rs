//! `cordon channel`: a channel's configuration and its copies.

use anyhow::Result;
use clap::Subcommand;

use crate::governance::{self, GovernanceCommand};
use crate::output::Output;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum ChannelCommand {
    #[command(flatten)]
    Governance(GovernanceCommand),
}

pub(crate) async fn run(command: ChannelCommand, output: &Output) -> Result<()> {
    match command {
        ChannelCommand::Governance(command) => governance::run(command, output).await,
    }
}
