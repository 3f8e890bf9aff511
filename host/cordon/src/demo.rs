//! `cordon demo`: the published stories, told with real calls on a network of its own. Every step is
//! checked; the exit code is 0 only if each did what its story says.

mod emr;
mod school;
mod sharing;
mod story;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use cordon_client::Call;
use serde_json::{Value, json};

use crate::network::Network;
use crate::output::Output;
use crate::provision::provision;
use crate::scratch::{Scratch, free_ports};
use crate::up::RunningNetwork;
use crate::{load, store};

use self::story::Story;

/// Where the demo finds its network.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// The network file.
    #[arg(long, default_value = "policies/town.toml", value_name = "FILE")]
    network: PathBuf,
    /// Length of the short load at the end, in seconds.
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    load_seconds: u64,
}

pub(crate) async fn demo(args: &DemoArgs, output: &Output) -> Result<()> {
    let scratch = Scratch::new("demo")?;
    let (mut network, text) = Network::read(&args.network)?;
    network.move_ports(free_ports(network.organizations.len() * 2)?)?;
    let provisioned = provision(&network, &text, scratch.path())?;
    let running = RunningNetwork::start(&network, &provisioned, scratch.path()).await?;
    output.note(&format!(
        "A town is up: {} organisations with a host each, and {} channels.\n",
        network.organizations.len(),
        network.channels.len()
    ));
    let told = tell(&network, &scratch, args, output).await;
    running.stop().await?;
    let summary = told?;
    output.result("\nEvery step did what its story says.", &summary);
    Ok(())
}

async fn tell(
    network: &Network,
    scratch: &Scratch,
    args: &DemoArgs,
    output: &Output,
) -> Result<Value> {
    let mut story = Story::new(network, scratch.path(), output);
    let emr_id = emr::tell(&mut story).await?;
    sharing::tell(&mut story, &emr_id).await?;
    school::tell(&mut story).await?;

    output.note("\nWHAT IS ON THE LEDGERS\n");
    let mut ledgers = Vec::new();
    for channel in &network.channels {
        ledgers.push(story.compare_hosts(channel).await?);
    }
    output.note("\nWHO HOLDS WHAT, AND WHO CAN READ IT\n");
    let table = table::show(&story, network).await?;

    output.note("\nA SHORT LOAD ON THIS MACHINE (clients included)\n");
    let load = short_load(&story, args).await?;
    Ok(json!({ "ledgers": ledgers, "organizations": table, "load": load }))
}

async fn short_load(story: &Story<'_>, args: &DemoArgs) -> Result<Value> {
    let client = store::client(&story.dir, "hospital", "hc1", emr::CHANNEL)?;
    let clients = vec![client; 32];
    let time = Duration::from_secs(args.load_seconds);
    let create = load::run(&clients, load::Kind::Commit, time, |n| {
        load::create_emr("load", n)
    })
    .await?;
    story.output.note(&format!(
        "  {:.0} records created and committed per second by 32 clients, p50 {:.1} ms, p99 {:.1} ms",
        create.per_second, create.p50_ms, create.p99_ms
    ));
    let check = |_| Call::new("emr", "HealthCenter:CheckIsPatientRegistered", &["pa1"]);
    let read = load::run(&clients, load::Kind::Evaluate, time / 2, check).await?;
    story.output.note(&format!(
        "  {:.0} queries per second by 32 clients, p50 {:.1} ms, p99 {:.1} ms",
        read.per_second, read.p50_ms, read.p99_ms
    ));
    Ok(json!({ "create": create, "read": read }))
}
