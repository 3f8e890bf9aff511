//! Health and readiness, as load balancers and schedulers ask for them.

use std::fs;

use cordon_tests::{CHANNEL, CLINIC, HOSPITAL, Network, Table, create_emr, eventually, get};
use serde_json::Value;

/// Status and failed checks, `component: reason`.
fn check(network: &Network, organization: &str, path: &str) -> (u16, Vec<String>) {
    let (status, body) = get(network.operations(organization), path);
    let body: Value = serde_json::from_str(&body).unwrap();
    let failed = body["failed_checks"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let failed = failed.map(|f| format!("{}: {}", text(&f["component"]), text(&f["reason"])));
    (status, failed.collect())
}

fn until(network: &Network, organization: &str, path: &str, status: u16) -> Vec<String> {
    eventually(&format!("{organization}: {path} is {status}"), || {
        let (found, failed) = check(network, organization, path);
        (found == status).then_some(failed)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_without_its_ordering_log_is_alive_and_not_healthy() {
    let mut network = Network::provision();
    let mut table = Table::new();
    // Whoever has not heard of the log cannot know whether it has all blocks.
    network.start_host(CLINIC);
    let waiting = until(&network, CLINIC, "/readyz", 503);
    table.contains(
        "not ready",
        &waiting.join("\n"),
        &format!("channel {CHANNEL}: the ordering log"),
    );
    let failed = until(&network, CLINIC, "/healthz", 503);
    table.contains(
        "not healthy",
        &failed.join("\n"),
        &format!("channel {CHANNEL}: the ordering log has not been reachable for"),
    );

    let waiting = check(&network, CLINIC, "/readyz").1.join("\n");
    table.contains(
        "still not ready",
        &waiting,
        "the ordering log has not answered yet",
    );

    network.start_host(HOSPITAL);
    for organization in [HOSPITAL, CLINIC] {
        table.equal(
            "healthy",
            until(&network, organization, "/healthz", 200),
            vec![],
        );
        table.equal(
            "ready",
            until(&network, organization, "/readyz", 200),
            vec![],
        );
    }
    let (status, body) = get(network.operations(CLINIC), "/version");
    table.equal("version", status, 200);
    table.contains("version", &body, env!("CARGO_PKG_VERSION"));
    let (status, body) = get(network.operations(CLINIC), "/logspec");
    table.equal(
        "log level",
        (status, body.as_str()),
        (200, "{\"spec\":\"warn\"}"),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_has_stopped_is_named() {
    let mut network = Network::start().await;
    create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();
    network.kill(CLINIC);
    network.kill(HOSPITAL);
    // A log that has lost what was read from it stops the channel.
    fs::remove_dir_all(network.data(HOSPITAL, "ordering")).unwrap();
    network.start_host(HOSPITAL);
    let failed = until(&network, HOSPITAL, "/healthz", 503);
    let mut table = Table::new();
    table.contains(
        "stopped",
        &failed.join("\n"),
        &format!("channel {CHANNEL}: stopped: "),
    );
    table.equal(
        "not ready either",
        check(&network, HOSPITAL, "/readyz").0,
        503,
    );
}
