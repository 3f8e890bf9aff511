//! `cordon bench`: what transactions, queries and contract calls cost on this machine, beside what
//! the protocol's cryptography alone costs, measured in the same run. The last line is one JSON
//! object.

mod contract;
mod memory;
mod servers;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use cordon_client::{Call, Client};
use cordon_identity::SigningKey;
use serde_json::{Value, json};

use self::servers::{Servers, cpu_seconds};
use crate::load::{self, Kind, Measured};
use crate::network::Network;
use crate::output::Output;
use crate::scratch::Scratch;
use crate::{ledger, store};

const CHANNEL: &str = "providers";

/// What to measure.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// The network file.
    #[arg(long, default_value = "policies/town.toml", value_name = "FILE")]
    network: PathBuf,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 8, value_name = "SECONDS")]
    seconds: u64,
    /// Full blocks of updates for the measurement of memory; 0 leaves it out. 3,000 take some
    /// minutes.
    #[arg(long, default_value_t = 3_000, value_name = "COUNT")]
    memory_blocks: u64,
    /// Do the measurement of memory in this process and nothing else.
    #[arg(long, hide = true)]
    memory_only: bool,
}

pub(crate) async fn bench(args: &BenchArgs, output: &Output) -> Result<()> {
    if args.memory_only {
        println!("{}", memory::run(args.memory_blocks)?);
        return Ok(());
    }
    let (network, _) = Network::read(&args.network)?;
    let component = network
        .channels
        .iter()
        .flat_map(|channel| &channel.contracts)
        .find(|contract| contract.name == "emr")
        .context("the network has no contract emr")?
        .component
        .clone();
    output.note("contract call (emr CreateEmr, JSON in and out, fresh instance), µs");
    let component = std::fs::read(&component).with_context(|| {
        format!(
            "cannot read {}: build it with `make contracts`",
            component.display()
        )
    })?;
    let calls = contract::calls(&component)?;
    output.note(&format!("  {calls}"));
    output.note("the same with and without protections, and 10,000 steps of floating point, µs");
    let protections = contract::protections(&component)?;
    output.note(&format!("  {protections}"));
    output.note("cryptography of one transaction, µs");
    let crypto = crypto_bound()?;
    output.note(&format!("  {crypto}"));

    let scratch = Scratch::new("bench")?;
    let servers = Servers::start(&args.network, CHANNEL, &scratch)?;
    let client = store::client(scratch.path(), "hospital", "hc1", CHANNEL)?;
    let time = Duration::from_secs(args.seconds);
    // Caches are filled and connections made before anything is measured.
    load::run(
        &vec![client.clone(); 8],
        Kind::Commit,
        Duration::from_secs(1),
        |n| load::create_emr("warm", n),
    )
    .await?;

    let mut rows = Vec::new();
    output.note("network: two hosts and the ordering in two processes, AND policy, TLS; clients in this process");
    output.note("  work      clients   per second   p50 ms   p95 ms   p99 ms   server CPU ms   client CPU ms   bytes on disk   resident MB");
    for clients in [1, 16, 64, 256] {
        let run = format!("c{clients}");
        let call = move |n| load::create_emr(&run, n);
        rows.push(
            measure(
                &servers,
                &client,
                "create",
                clients,
                Kind::Commit,
                time,
                call,
            )
            .await?,
        );
        print_row(output, rows.last());
    }
    let patient = "c64-00000000";
    let note = json!({ "patientId": patient, "area": "Cardiology", "diagnosis": "x".repeat(300) });
    let note = note.to_string();
    let call = move |_| Call::new("emr", "Physician:AddEmrNote", &[&note]);
    let physician = store::client(scratch.path(), "hospital", "py1", CHANNEL)?;
    rows.push(
        measure(
            &servers,
            &physician,
            "add note",
            64,
            Kind::Commit,
            time,
            call,
        )
        .await?,
    );
    print_row(output, rows.last());
    for clients in [1, 64] {
        let call = |_| {
            Call::new(
                "emr",
                "HealthCenter:CheckIsPatientRegistered",
                &["c64-00000000"],
            )
        };
        rows.push(
            measure(
                &servers,
                &client,
                "read",
                clients,
                Kind::Evaluate,
                time,
                call,
            )
            .await?,
        );
        print_row(output, rows.last());
    }
    let hospital = ledger::info(&client, CHANNEL).await?;
    let clinic = store::client(scratch.path(), "clinic", "hc2", CHANNEL)?;
    let mut other = ledger::info(&clinic, CHANNEL).await?;
    while other.height < hospital.height {
        tokio::time::sleep(Duration::from_millis(10)).await;
        other = ledger::info(&clinic, CHANNEL).await?;
    }
    ensure!(hospital == other, "the hosts' ledgers differ");
    drop(servers);
    let mut memory = Value::Null;
    if args.memory_blocks > 0 {
        output.note(&format!(
            "memory: one ledger, {} blocks of 500 updates on 10,000 keys, in a process of its own",
            args.memory_blocks
        ));
        memory = memory_of_child(args.memory_blocks)?;
        output.note(&format!("  {memory}"));
    }
    let figures = json!({
        "contract_call_us": calls, "protections": protections, "crypto_us": crypto, "network": rows, "memory": memory,
    });
    println!("{figures}");
    Ok(())
}

/// A process of its own, so that nothing else is in what it has resident.
fn memory_of_child(blocks: u64) -> Result<Value> {
    let output = Command::new(std::env::current_exe()?)
        .args([
            "bench",
            "--memory-only",
            "--memory-blocks",
            &blocks.to_string(),
        ])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the measurement of memory failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn print_row(output: &Output, row: Option<&Value>) {
    let Some(row) = row else { return };
    let number = |field: &str| row[field].as_f64().unwrap_or_default();
    output.note(&format!(
        "  {:<9} {:>7} {:>12.0} {:>8.1} {:>8.1} {:>8.1} {:>15.2} {:>15.2} {:>15.0} {:>13.0}",
        row["work"].as_str().unwrap_or_default(),
        number("clients"),
        number("per_second"),
        number("p50_ms"),
        number("p95_ms"),
        number("p99_ms"),
        number("server_cpu_ms"),
        number("client_cpu_ms"),
        number("disk_bytes"),
        number("resident_mb"),
    ));
}

async fn measure(
    servers: &Servers,
    client: &Client,
    work: &str,
    clients: usize,
    kind: Kind,
    time: Duration,
    call: impl Fn(u64) -> Call + Send + Sync + 'static,
) -> Result<Value> {
    let before = (
        servers.cpu_seconds()?,
        cpu_seconds("self")?,
        servers.disk_bytes()?,
    );
    let measured: Measured = load::run(&vec![client.clone(); clients], kind, time, call).await?;
    let per_call = |seconds: f64| seconds * 1_000.0 / measured.calls as f64;
    let server = per_call(servers.cpu_seconds()? - before.0);
    let own = per_call(cpu_seconds("self")? - before.1);
    let disk = servers.disk_bytes()?.saturating_sub(before.2) as f64 / measured.calls as f64;
    let mut row = serde_json::to_value(&measured)?;
    row["work"] = json!(work);
    row["server_cpu_ms"] = json!(server);
    row["client_cpu_ms"] = json!(own);
    row["disk_bytes"] = json!(disk);
    row["resident_mb"] = json!(servers.resident_bytes()? as f64 / 1e6);
    Ok(row)
}

/// Signatures and verifications of one transaction with two endorsing and committing hosts: the
/// proposal on both hosts, the gateway's look at the other endorsement, the transaction at the
/// gateway and on the other host with the endorsement it did not make, and the request for the
/// commit status. A host never verifies again what it has verified or signed itself; the plain
/// protocol would verify nine times.
fn crypto_bound() -> Result<Value> {
    const ROUNDS: u32 = 2_000;
    const VERIFICATIONS: f64 = 7.0;
    const VERIFICATIONS_PLAIN: f64 = 9.0;
    const SIGNATURES: f64 = 2.0;
    let key = SigningKey::generate()?;
    let public = key.public_key()?;
    let message = [7; 1024];
    let signature = key.sign(&message)?;
    let cost = |work: &dyn Fn() -> Result<()>| -> Result<f64> {
        let started = Instant::now();
        for _ in 0..ROUNDS {
            work()?;
        }
        Ok(started.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS))
    };
    let sign = cost(&|| {
        key.sign(&message)?;
        Ok(())
    })?;
    let verify = cost(&|| {
        public.verify(&message, &signature)?;
        Ok(())
    })?;
    Ok(json!({
        "sign": round(sign),
        "verify": round(verify),
        "bound_per_transaction": round(SIGNATURES * sign + VERIFICATIONS * verify),
        "plain_protocol_per_transaction": round(SIGNATURES * sign + VERIFICATIONS_PLAIN * verify),
    }))
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
