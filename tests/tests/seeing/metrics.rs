//! What is counted, and that the page and the dashboard speak of what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cordon_tests::{CLINIC, HOSPITAL, Network, Table, create_emr, eventually, get, note, submit};
use serde_json::Value;

/// Kind of each metric, by the name that is asked for.
fn kinds(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            let total = if kind == "counter" { "_total" } else { "" };
            (format!("{name}{total}"), kind.to_owned())
        })
        .collect()
}

/// The value of one series, written as it is in the output.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

fn labels(text: &str, name: &str) -> Option<BTreeSet<String>> {
    let line = text.lines().find(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']) || rest.starts_with("_count"))
    })?;
    let labels = line
        .split_once('{')
        .map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
    let names = labels.split(',').filter_map(|label| label.split_once('='));
    Some(names.map(|(name, _)| name.to_owned()).collect())
}

fn doc(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_counted_and_explained() {
    let network = Network::start().await;
    let hc1 = network.client("hospital/hc1");
    create_emr(&hc1, "pa1").await.unwrap();
    network.settled().await;
    // Refused by the access policy, on both hosts.
    submit(&hc1, "Physician:AddEmrNote", &[&note("pa1", "x")])
        .await
        .unwrap_err();
    network.settled().await;

    let mut table = Table::new();
    let text = get(network.operations(HOSPITAL), "/metrics").1;
    let emr = "channel=\"providers\",contract=\"emr\"";
    for (series, expected) in [
        (
            "cordon_channel_height{channel=\"providers\"}".to_owned(),
            2.0,
        ),
        (
            "cordon_transactions_total{channel=\"providers\",code=\"VALID\"}".to_owned(),
            1.0,
        ),
        (
            "cordon_commit_seconds_count{channel=\"providers\",step=\"write\"}".to_owned(),
            1.0,
        ),
        (
            "cordon_commit_seconds_count{channel=\"providers\",step=\"validate\"}".to_owned(),
            1.0,
        ),
        (
            "cordon_ordering_append_seconds_count{channel=\"providers\"}".to_owned(),
            1.0,
        ),
        (
            "cordon_ordering_appends_under_way{channel=\"providers\"}".to_owned(),
            0.0,
        ),
        (
            "cordon_ordering_reachable{channel=\"providers\"}".to_owned(),
            1.0,
        ),
        (
            format!("cordon_proposals_total{{{emr},result=\"endorsed\"}}"),
            1.0,
        ),
        (
            format!("cordon_proposals_total{{{emr},result=\"refused\"}}"),
            1.0,
        ),
        (format!("cordon_execution_seconds_count{{{emr}}}"), 2.0),
        (
            "cordon_grpc_calls_total{method=\"Endorse\",code=\"Ok\"}".to_owned(),
            1.0,
        ),
        (
            "cordon_grpc_calls_total{method=\"Endorse\",code=\"Aborted\"}".to_owned(),
            1.0,
        ),
        (
            "cordon_grpc_calls_total{method=\"Submit\",code=\"Ok\"}".to_owned(),
            1.0,
        ),
        ("cordon_grpc_open_streams{method=\"Read\"}".to_owned(), 1.0),
    ] {
        table.equal(&series, value(&text, &series), Some(expected));
    }
    let fuel = value(&text, &format!("cordon_execution_fuel_total{{{emr}}}"));
    table.holds("fuel was used", fuel.is_some_and(|fuel| fuel > 0.0));
    let clinic = eventually("the clinic has answered once and refused once", || {
        let text = get(network.operations(CLINIC), "/metrics").1;
        let asked = value(
            &text,
            "cordon_grpc_calls_total{method=\"ProcessProposal\",code=\"Ok\"}",
        );
        (asked == Some(2.0)).then_some(text)
    });
    let endorsed = value(
        &clinic,
        &format!("cordon_proposals_total{{{emr},result=\"endorsed\"}}"),
    );
    table.equal("the other host's", endorsed, Some(1.0));

    // The page names what there is, and nothing else.
    let kinds = kinds(&text);
    let page = doc("metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut explained = BTreeMap::new();
    for row in rows {
        let (name, rest) = row.split_once("` | ").unwrap();
        let (kind, rest) = rest.split_once(" | ").unwrap();
        let (written, meaning) = rest.split_once(" | ").unwrap();
        table.holds(name, meaning.len() > 20);
        explained.insert(name.to_owned(), kind.to_owned());
        let written: BTreeSet<String> = written
            .split(", ")
            .filter(|l| !l.is_empty())
            .map(|l| l.trim_matches('`').to_owned())
            .collect();
        let found = labels(&text, name).unwrap_or_else(|| panic!("{name} has no value"));
        table.equal(name, found, written);
    }
    table.equal("the page and the output", explained, kinds.clone());

    // So does the dashboard.
    let dashboard: Value = serde_json::from_str(&doc("grafana-dashboard.json")).unwrap();
    let mut used = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            used.extend(
                words
                    .filter(|w| w.starts_with("cordon_") || w.starts_with("process_"))
                    .map(str::to_owned),
            );
        }
    }
    table.holds("the dashboard shows something", used.len() > 10);
    for name in used {
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|end| name.strip_suffix(end))
            .any(|base| kinds.get(base).is_some_and(|kind| kind == "histogram"));
        table.holds(&name, of_histogram || kinds.contains_key(&name));
    }
}
