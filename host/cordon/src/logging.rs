//! Logs and traces of this process: what is logged can be changed while it runs, and spans go to an
//! OpenTelemetry collector if there is one.

use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

/// The environment's word for where spans go, the same for all programs.
const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Logged when nothing else is asked for.
const DEFAULT: &str = "warn";

/// `[telemetry]` in `host.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TelemetrySection {
    /// The collector that spans go to, `http://host:port`, by OTLP over gRPC.
    pub(crate) otlp: String,
}

/// What is logged, for the whole process.
struct Logs {
    handle: reload::Handle<EnvFilter, Registry>,
    spec: Mutex<String>,
}

static LOGS: OnceLock<Logs> = OnceLock::new();

/// Where spans go, if anywhere.
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Sends what has not been sent. Blocks; the runtime must still be there.
    pub(crate) fn flush(self) {
        if let Some(Err(error)) = self.0.map(|provider| provider.shutdown()) {
            tracing::warn!(%error, "the last spans may be lost");
        }
    }
}

/// Where a host's configuration and the environment say that spans go; the configuration counts more.
pub(crate) fn collector(configured: Option<TelemetrySection>) -> Option<String> {
    let configured = configured.map(|section| section.otlp);
    let collector = configured.or_else(|| std::env::var(OTLP_ENDPOINT).ok());
    collector.filter(|endpoint| !endpoint.is_empty())
}

/// Begins to log to stderr, as CORDON_LOG says, and to send spans to `collector` if there is one.
/// `instance` tells spans of several hosts apart. Must be called in a runtime.
///
/// # Errors
/// The collector's address is none.
pub(crate) fn start(collector: Option<String>, instance: Option<String>) -> Result<Telemetry> {
    let asked = std::env::var("CORDON_LOG").unwrap_or_default();
    let spec = match EnvFilter::try_new(&asked) {
        Ok(_) if !asked.is_empty() => asked,
        _ => DEFAULT.to_owned(),
    };
    let (filter, handle) = reload::Layer::new(EnvFilter::new(&spec));
    let logs = fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(filter);

    let provider = collector
        .map(|endpoint| provider(endpoint, instance))
        .transpose()?;
    let spans = provider.as_ref().map(|provider| {
        // Our own steps, and no events: these are in the log.
        let steps =
            filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("cordon"));
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("cordon"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(steps.with_max_level_hint(LevelFilter::INFO))
    });
    tracing_subscriber::registry().with(logs).with(spans).init();
    let spec = Mutex::new(spec);
    let _ = LOGS.set(Logs { handle, spec });
    Ok(Telemetry(provider))
}

fn provider(endpoint: String, instance: Option<String>) -> Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&endpoint)
        .build()
        .with_context(|| format!("spans cannot be sent to {endpoint}"))?;
    let resource = Resource::builder()
        .with_service_name("cordon")
        .with_attributes(instance.map(|instance| KeyValue::new("service.instance.id", instance)))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

/// What is logged.
pub(crate) fn level() -> String {
    let Some(logs) = LOGS.get() else {
        return "off".to_owned();
    };
    logs.spec
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Changes what is logged; returns what was logged before.
///
/// # Errors
/// A sentence that names what is wrong with `spec`; nothing has changed.
pub(crate) fn set_level(spec: &str) -> Result<String, String> {
    check(spec)?;
    let filter = EnvFilter::try_new(spec).map_err(|error| format!("{spec:?}: {error}"))?;
    let logs = LOGS.get().ok_or("this process does not log")?;
    logs.handle
        .reload(filter)
        .map_err(|error| error.to_string())?;
    let mut current = logs.spec.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::replace(&mut current, spec.to_owned()))
}

/// Parts divided by commas: a level, or a module and a level, `cordon_gateway=debug`. The library would
/// take any other word for a module of which everything is logged.
fn check(spec: &str) -> Result<(), String> {
    for part in spec.split(',') {
        let (module, level) = part.split_once('=').unwrap_or(("cordon", part));
        let is_module = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let known =
            level.parse::<LevelFilter>().is_ok() && !level.bytes().any(|b| b.is_ascii_digit());
        if level.is_empty() || !known || module.is_empty() || !module.chars().all(is_module) {
            let shown: String = part.chars().take(64).collect();
            return Err(format!(
                "{shown:?} is no log level: use off, error, warn, info, debug or trace, or a module with one, cordon_gateway=debug; several are divided by commas"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_known_words_and_nothing_else() {
        for good in [
            "info",
            "OFF",
            "warn,cordon_gateway=debug",
            "cordon_channel::committer=trace",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
            assert!(EnvFilter::try_new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "loud",
            "info,",
            "=info",
            "a b=info",
            "cordon=loud",
            "[span{tx=1}]=info",
            "3",
        ] {
            let error = check(bad).unwrap_err();
            assert!(error.contains("is no log level"), "{error}");
        }
    }
}
