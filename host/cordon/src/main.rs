//! The command line of Cordon.

mod administration;
mod bench;
mod ca;
mod calls;
mod catch_up;
mod certificates;
mod channel;
mod compiler;
mod contract;
mod copies;
mod data_lock;
mod demo;
mod governance;
mod host;
mod hosts;
mod ledger;
mod load;
mod logging;
mod material;
mod network;
mod output;
mod peer_cli;
mod policy;
mod provision;
mod reload;
mod replay;
mod scratch;
mod seeing;
mod status;
mod store;
mod tx;
mod up;
mod wiring;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use cordon_execute::{Profile, thread_stack_bytes};

use crate::output::Output;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused, not valid, or failed; stderr says why and what to do next
  2  the command line is not right
  3  a host that is needed cannot be reached

Logs go to stderr; CORDON_LOG sets what is logged (error, warn, info, debug; default warn).";

/// Health-record smart contracts as WebAssembly components, on a permissioned ledger.
#[derive(Parser)]
#[command(name = "cordon", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a development network on this machine, and keep it running until ctrl-C.
    ///
    /// The first start makes keys, certificates and channels in --dir; later ones go on with what is
    /// there. The line that begins with "ready" appears once a transaction can be submitted.
    Up(NetworkArgs),
    /// Make keys, certificates, channels and host configurations, without starting anything.
    Init(NetworkArgs),
    /// One organisation's host.
    #[command(subcommand)]
    Host(HostCommand),
    /// Show how a host that runs is: channels, peers, certificates, disk.
    ///
    /// Example: cordon status --as hospital/admin --watch
    Status(status::StatusArgs),
    /// Certificates of the network's organisations: list, issue, renew, revoke.
    #[command(subcommand)]
    Ca(ca::CaCommand),
    /// Call contracts.
    #[command(subcommand)]
    Tx(tx::TxCommand),
    /// Look into a channel's ledger.
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Look at contracts before they are deployed, and run their cases.
    #[command(subcommand)]
    Contract(contract::ContractCommand),
    /// A channel: its configuration and how it is changed, its blocks as files, joining it.
    #[command(subcommand)]
    Channel(channel::ChannelCommand),
    /// Access policies of a channel: who may call what.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Tell the stories of the town's contracts with real calls, on a network of its own, show who
    /// holds and reads what, then measure a short load.
    Demo(demo::DemoArgs),
    /// Measure transactions, queries and contract calls beside the protocol's cryptography.
    ///
    /// The last line is one JSON object with every figure.
    Bench(bench::BenchArgs),
    /// Compile the component on stdin, for the host that this process is a child of.
    #[command(name = compiler::COMMAND, hide = true)]
    CompileComponent,
}

/// A network file and the folder it lives in.
#[derive(Args)]
pub(crate) struct NetworkArgs {
    /// The network file.
    #[arg(long, default_value = "policies/town.toml", value_name = "FILE")]
    network: PathBuf,
    /// Folder of keys, configurations and data.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: PathBuf,
    /// Give the hosts the ports from this one on, instead of those in the network file.
    #[arg(long, value_name = "PORT")]
    port_base: Option<u16>,
}

#[derive(Subcommand)]
enum HostCommand {
    /// Run one host from its configuration until ctrl-C.
    ///
    /// `cordon init` writes such files: DIR/hosts/<organisation>/host.toml.
    Run {
        /// The host's configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Make a further host of an organisation in a network's folder.
    ///
    /// Example: cordon host add --organization hospital --name hospital2 --port 7061
    Add(hosts::AddArgs),
    /// Save a running host on its machine: blocks, ordering logs, components, configuration.
    ///
    /// Example: cordon host backup --as hospital/admin --out /backup/hospital
    Backup(hosts::BackupArgs),
    /// Make a host's folder from a backup, after every file of it is verified.
    ///
    /// Example: cordon host restore --from /backup/hospital --to hosts/hospital
    Restore(hosts::RestoreArgs),
    /// Let a running host use the certificates and keys that are in its files now, without a restart.
    ///
    /// They are checked first: the keys belong to the certificates, the organisation's authorities issued
    /// them as every channel knows these, for a host, for now and for the same names. If anything is wrong,
    /// the host goes on with what it has. On SIGHUP a host does the same.
    ///
    /// Example: cordon host reload --as hospital/admin
    Reload(reload::ReloadArgs),
    /// Change what a host that runs logs, until it is started again.
    ///
    /// Example: cordon host log-level debug --as hospital/admin
    LogLevel(status::LogLevelArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::CompileComponent) {
        return compiler::child();
    }
    let output = Output::new(cli.json);
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Contracts run on threads of this runtime, one on top of the other when they call each other.
        .thread_stack_size(thread_stack_bytes(&Profile::default()))
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let telemetry = {
                let _in_runtime = runtime.enter();
                start_logging(&cli.command)?
            };
            let result = runtime.block_on(run(cli.command, &output));
            telemetry.flush();
            result
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output.error(&error),
    }
}

/// Logs and spans; a host's configuration may say where spans go.
fn start_logging(command: &Command) -> anyhow::Result<logging::Telemetry> {
    // What is wrong with a configuration is said by the command itself.
    match command {
        Command::Host(HostCommand::Run { config }) => {
            let config = host::HostConfig::read(config).ok();
            let (telemetry, address) = config.map(|c| (c.telemetry, c.address)).unzip();
            logging::start(logging::collector(telemetry.flatten()), address)
        }
        Command::Up(_) => logging::start(logging::collector(None), None),
        _ => logging::start(None, None),
    }
}

async fn run(command: Command, output: &Output) -> anyhow::Result<()> {
    match command {
        Command::Up(args) => up::up(&args, output).await,
        Command::Init(args) => up::init(&args, output),
        Command::Host(HostCommand::Run { config }) => up::run_host(&config, output).await,
        Command::Host(HostCommand::LogLevel(args)) => status::log_level(&args, output).await,
        Command::Status(args) => status::status(&args, output).await,
        Command::Host(HostCommand::Reload(args)) => reload::run(args, output).await,
        Command::Ca(command) => ca::run(&command, output),
        Command::Host(HostCommand::Add(args)) => hosts::add(&args, output),
        Command::Host(HostCommand::Backup(args)) => hosts::backup(args, output).await,
        Command::Host(HostCommand::Restore(args)) => hosts::restore(args, output).await,
        Command::Tx(command) => tx::run(command, output).await,
        Command::Ledger(command) => ledger::run(command, output).await,
        Command::Contract(command) => contract::run(&command, output).await,
        Command::Channel(command) => channel::run(command, output).await,
        Command::Policy(command) => policy::run(command, output).await,
        Command::Demo(args) => unless_interrupted(demo::demo(&args, output)).await,
        Command::Bench(args) => unless_interrupted(bench::bench(&args, output)).await,
        // Ran before there was a runtime.
        Command::CompileComponent => Ok(()),
    }
}

/// Ctrl-C ends the work, and what it made for itself is removed.
async fn unless_interrupted(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    up::Interrupts::listen()?.unless(work).await
}
