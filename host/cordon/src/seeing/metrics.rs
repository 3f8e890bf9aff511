//! The host's measures as Prometheus reads them. `docs/metrics.md` explains each.
//!
//! Labels are names of channels, deployed contracts, methods and codes; nothing that comes with a call.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use cordon_channel::Durations;
use cordon_gateway::Method;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::{Watched, disk};
use crate::certificates::certificates;

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics at this moment.
pub(crate) fn text(host: &Watched) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot(families(host))));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// One metric with all its values.
#[derive(Debug)]
struct Family {
    /// Without the `_total` that counters get.
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    samples: Vec<(Labels, Value)>,
}

type Labels = Vec<(&'static str, String)>;

#[derive(Debug)]
enum Value {
    Counter(u64),
    Gauge(f64),
    Histogram(Durations),
}

#[derive(Debug)]
struct Snapshot(Vec<Family>);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for Family {
            name,
            help,
            kind,
            samples,
        } in &self.0
        {
            let mut metric = encoder.encode_descriptor(name, help, None, *kind)?;
            for (labels, value) in samples {
                if labels.is_empty() {
                    value.encode(&mut metric)?;
                } else {
                    value.encode(&mut metric.encode_family(labels)?)?;
                }
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(&self, metric: &mut MetricEncoder) -> Result<(), fmt::Error> {
        match self {
            Self::Counter(count) => metric.encode_counter::<NoLabelSet, _, u64>(count, None),
            Self::Gauge(value) => metric.encode_gauge(value),
            Self::Histogram(Durations { sum, buckets }) => {
                let count = buckets.iter().map(|(_, count)| count).sum();
                metric.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
            }
        }
    }
}

fn counter(count: u64) -> Value {
    Value::Counter(count)
}

#[allow(clippy::cast_precision_loss, reason = "what is shown is rounded")]
fn gauge(value: u64) -> Value {
    Value::Gauge(value as f64)
}

fn flag(on: bool) -> Value {
    gauge(u64::from(on))
}

fn families(host: &Watched) -> Vec<Family> {
    let mut families = channels(host);
    families.extend(contracts(host));
    families.extend(calls(host));
    families.extend(around(host));
    families
}

fn family(
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    samples: impl IntoIterator<Item = (Labels, Value)>,
) -> Family {
    let samples = samples.into_iter().collect();
    Family {
        name,
        help,
        kind,
        samples,
    }
}

fn channels(host: &Watched) -> Vec<Family> {
    use MetricType::{Counter, Gauge, Histogram};
    let each = |value: &dyn Fn(&cordon_channel::Channel) -> Value| -> Vec<(Labels, Value)> {
        let channels = host.channels.iter();
        channels
            .map(|c| (vec![("channel", c.id().to_string())], value(c)))
            .collect()
    };
    let transactions = host.channels.iter().flat_map(|channel| {
        channel
            .measures()
            .transactions()
            .into_iter()
            .map(|(code, count)| {
                let labels = vec![
                    ("channel", channel.id().to_string()),
                    ("code", code.name().to_owned()),
                ];
                (labels, counter(count))
            })
    });
    let steps = host.channels.iter().flat_map(|channel| {
        let measures = channel.measures();
        let steps = [
            ("validate", &measures.validate),
            ("write", &measures.write),
            ("state", &measures.state),
        ];
        steps.map(|(step, histogram)| {
            let labels = vec![
                ("channel", channel.id().to_string()),
                ("step", step.to_owned()),
            ];
            (labels, Value::Histogram(histogram.read()))
        })
    });
    vec![
        family(
            "cordon_channel_height",
            "Blocks on the ledger",
            Gauge,
            each(&|c| gauge(c.ledger().height())),
        ),
        family(
            "cordon_channel_lag_blocks",
            "Blocks that another host has and this one has not",
            Gauge,
            each(&|c| gauge(host.lag(c))),
        ),
        family(
            "cordon_channel_following",
            "1 while this host follows the channel, 0 when it has stopped",
            Gauge,
            each(&|c| flag(c.stopped().is_none())),
        ),
        family(
            "cordon_channel_executes",
            "1 when this host executes the channel's contracts",
            Gauge,
            each(&|c| flag(c.current().executes().is_ok())),
        ),
        family(
            "cordon_transactions",
            "Transactions committed since the start, by validation code",
            Counter,
            transactions,
        ),
        family(
            "cordon_commit_seconds",
            "Time that a block takes, by step",
            Histogram,
            steps,
        ),
        family(
            "cordon_ordering_reachable",
            "1 while the ordering log can be read",
            Gauge,
            each(&|c| flag(c.measures().ordering_lost().is_none())),
        ),
        family(
            "cordon_ordering_append_seconds",
            "Time until the ordering log has a transaction",
            Histogram,
            each(&|c| Value::Histogram(c.measures().append.read())),
        ),
        family(
            "cordon_ordering_appends_under_way",
            "Transactions handed to the ordering log and not acknowledged yet",
            Gauge,
            each(&|c| gauge(c.measures().appends_under_way())),
        ),
    ]
}

fn contracts(host: &Watched) -> Vec<Family> {
    use MetricType::{Counter, Histogram};
    let mut proposals = Vec::new();
    let mut durations = Vec::new();
    let mut fuel = Vec::new();
    for ((channel, contract), measures) in host.measures.contracts() {
        let labels = vec![
            ("channel", channel.to_string()),
            ("contract", contract.to_string()),
        ];
        for (result, count) in [
            ("endorsed", &measures.endorsed),
            ("answered", &measures.answered),
            ("refused", &measures.refused),
            ("fault", &measures.faults),
            ("failed", &measures.failed),
        ] {
            let mut labels = labels.clone();
            labels.push(("result", result.to_owned()));
            proposals.push((labels, counter(count.load(Relaxed))));
        }
        durations.push((labels.clone(), Value::Histogram(measures.duration.read())));
        fuel.push((labels, counter(measures.fuel.load(Relaxed))));
    }
    vec![
        family(
            "cordon_proposals",
            "Proposals accepted for execution here, by what became of them",
            Counter,
            proposals,
        ),
        family(
            "cordon_execution_seconds",
            "Time that a call of a contract takes",
            Histogram,
            durations,
        ),
        family(
            "cordon_execution_fuel",
            "Fuel used by calls of a contract",
            Counter,
            fuel,
        ),
    ]
}

fn calls(host: &Watched) -> Vec<Family> {
    use MetricType::{Counter, Gauge, Histogram};
    let method = |method: Method| ("method", method.name().to_owned());
    let each = |value: &dyn Fn(Method) -> Value| -> Vec<(Labels, Value)> {
        let all = Method::ALL.into_iter();
        all.map(|m| (vec![method(m)], value(m))).collect()
    };
    let answered = Method::ALL.into_iter().flat_map(|m| {
        host.measures.calls(m).codes().map(move |(code, count)| {
            (
                vec![method(m), ("code", format!("{code:?}"))],
                counter(count),
            )
        })
    });
    let streams = [
        Method::ChaincodeEvents,
        Method::Deliver,
        Method::Append,
        Method::Read,
    ];
    let open = streams.map(|m| {
        (
            vec![method(m)],
            gauge(host.measures.calls(m).open.load(Relaxed)),
        )
    });
    vec![
        family(
            "cordon_grpc_calls",
            "Calls answered, by method and gRPC code",
            Counter,
            answered,
        ),
        family(
            "cordon_grpc_call_seconds",
            "Time until a call is answered, or its stream begins",
            Histogram,
            each(&|m| Value::Histogram(host.measures.calls(m).duration.read())),
        ),
        family(
            "cordon_grpc_open_streams",
            "Streams that have not ended",
            Gauge,
            open,
        ),
    ]
}

/// What is around the host: peers, certificates, disk, process.
fn around(host: &Watched) -> Vec<Family> {
    use MetricType::Gauge;
    let seen = host.seen();
    let reachable = seen
        .iter()
        .filter(|peer| peer.unreachable.is_none())
        .count();
    let expiries = certificates(&host.config).into_iter().filter_map(|shown| {
        let at = u64::try_from(shown.not_after).ok()?;
        Some((vec![("certificate", shown.what.to_owned())], gauge(at)))
    });
    let parts = [
        ("ledger", host.config.data.join("channels")),
        ("ordering", host.config.data.join("ordering")),
        ("compiled", host.compiled.clone()),
    ];
    let used =
        parts.map(|(part, folder)| (vec![("part", part.to_owned())], gauge(disk::used(&folder))));
    let free = disk::room(&host.config.data).ok();
    let free = free.map(|room| (Vec::new(), gauge(room.free_bytes)));
    let one = |value: Value| [(Vec::new(), value)];
    let started = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .saturating_sub(host.started.elapsed());
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    vec![
        family(
            "cordon_build_info",
            "1, with the host's version",
            Gauge,
            [(version, gauge(1))],
        ),
        family(
            "cordon_start_time_seconds",
            "When the host was started, Unix time",
            Gauge,
            one(gauge(started.as_secs())),
        ),
        family(
            "cordon_peers",
            "Hosts of other organisations",
            Gauge,
            one(gauge(seen.len() as u64)),
        ),
        family(
            "cordon_peers_reachable",
            "Those of them that answer",
            Gauge,
            one(gauge(reachable as u64)),
        ),
        family(
            "cordon_certificate_expiry_seconds",
            "When a certificate ends, Unix time",
            Gauge,
            expiries,
        ),
        family(
            "cordon_disk_used_bytes",
            "Bytes in the host's files",
            Gauge,
            used,
        ),
        family(
            "cordon_disk_free_bytes",
            "Bytes that can still be written",
            Gauge,
            free,
        ),
        family(
            "process_resident_memory_bytes",
            "Memory that the process has resident",
            Gauge,
            resident_bytes().map(|bytes| (Vec::new(), gauge(bytes))),
        ),
        family(
            "process_open_fds",
            "Files and connections that the process has open",
            Gauge,
            open_files().map(|count| (Vec::new(), gauge(count))),
        ),
    ]
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1_024)
}

fn open_files() -> Option<u64> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}
