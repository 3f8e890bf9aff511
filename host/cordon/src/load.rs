//! Closed-loop load: so many clients, each one call after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use cordon_client::{Call, Client, ClientError};
use futures::future::join_all;
use serde::Serialize;

/// What one call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Endorse, submit, wait until committed.
    Commit,
    /// Evaluate.
    Evaluate,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    /// Clients at once.
    pub(crate) clients: usize,
    /// Calls that did what they were for.
    pub(crate) calls: u64,
    /// Calls per second.
    pub(crate) per_second: f64,
    /// Latency in milliseconds: median, and the slowest of 95 and 99 in 100.
    pub(crate) p50_ms: f64,
    /// See `p50_ms`.
    pub(crate) p95_ms: f64,
    /// See `p50_ms`.
    pub(crate) p99_ms: f64,
}

/// Runs `clients` (one after the other call on each) for `time`. `call` gives the n-th call.
///
/// # Errors
/// The first call that fails ends the load.
pub(crate) async fn run(
    clients: &[Client],
    kind: Kind,
    time: Duration,
    call: impl Fn(u64) -> Call + Send + Sync + 'static,
) -> Result<Measured> {
    let next = Arc::new(AtomicU64::new(0));
    let call = Arc::new(call);
    let started = Instant::now();
    let end = started + time;
    let tasks = clients.iter().map(|client| {
        let (client, next, call) = (client.clone(), Arc::clone(&next), Arc::clone(&call));
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            while Instant::now() < end {
                let call = call(next.fetch_add(1, Ordering::Relaxed));
                let before = Instant::now();
                match kind {
                    Kind::Commit => drop(client.transact(&call).await?),
                    Kind::Evaluate => drop(client.evaluate(&call).await?),
                }
                latencies.push(before.elapsed());
            }
            Ok::<_, ClientError>(latencies)
        })
    });
    let mut latencies = Vec::new();
    for task in join_all(tasks).await {
        latencies.extend(task??);
    }
    let elapsed = started.elapsed().as_secs_f64();
    ensure!(!latencies.is_empty(), "no call ended within the time");
    latencies.sort_unstable();
    let at = |percent: usize| {
        let index = (latencies.len() * percent / 100).min(latencies.len() - 1);
        latencies[index].as_secs_f64() * 1_000.0
    };
    Ok(Measured {
        clients: clients.len(),
        calls: latencies.len() as u64,
        per_second: latencies.len() as f64 / elapsed,
        p50_ms: at(50),
        p95_ms: at(95),
        p99_ms: at(99),
    })
}

/// Creates the record of the n-th patient of a run: about 400 bytes in state.
pub(crate) fn create_emr(run: &str, n: u64) -> Call {
    let name = format!("{:-<250}", format!("Patient {n} of {run} "));
    let emr = serde_json::json!({
        "patientId": format!("{run}-{n:08}"),
        "patientName": name,
        "patientBirthdate": "10-03",
    });
    Call::new("emr", "HealthCenter:CreateEmr", &[&emr.to_string()])
}
