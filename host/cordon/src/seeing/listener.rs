//! The operations listener: plain HTTP as Fabric's, and nothing can be changed through it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;

use super::health::Failed;
use super::{Watched, metrics};
use crate::logging;

type Host = State<Arc<Watched>>;

/// Answers until it is aborted.
pub(crate) async fn serve(listener: TcpListener, watched: Arc<Watched>) {
    let routes = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .route("/logspec", get(logspec))
        .with_state(watched);
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the operations listener has failed");
    }
}

async fn healthz(State(host): Host) -> Response {
    checked(host.unhealthy())
}

async fn readyz(State(host): Host) -> Response {
    checked(host.not_ready())
}

/// Fabric's answer.
fn checked(failed: Vec<Failed>) -> Response {
    let time = OffsetDateTime::now_utc()
        .format(&Rfc3339)
        .unwrap_or_default();
    if failed.is_empty() {
        return Json(json!({ "status": "OK", "time": time })).into_response();
    }
    let failed: Vec<_> = failed
        .into_iter()
        .map(|failed| json!({ "component": failed.component, "reason": failed.reason }))
        .collect();
    let body = json!({ "status": "Service Unavailable", "time": time, "failed_checks": failed });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

async fn metrics(State(host): Host) -> Response {
    // It looks at files.
    let text = tokio::task::spawn_blocking(move || metrics::text(&host)).await;
    match text {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn version() -> Response {
    Json(json!({ "Version": env!("CARGO_PKG_VERSION") })).into_response()
}

async fn logspec() -> Response {
    Json(json!({ "spec": logging::level() })).into_response()
}
