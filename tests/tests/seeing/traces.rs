//! A transaction can be followed through all hosts.

use std::collections::BTreeSet;

use cordon_client::Call;
use cordon_tests::{CHANNEL, CLINIC, HOSPITAL, Network, NetworkFile, Table, create_emr};
use cordon_wire::proto::gateway::EvaluateRequest;
use tonic::Request;

use crate::collector::{Collector, Span};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_steps_of_a_transaction_on_two_hosts_are_one_trace() {
    let collector = Collector::start().await;
    let mut network = Network::provision_from(NetworkFile::Town, "warn");
    for organization in [HOSPITAL, CLINIC] {
        collector.collect_from(&network, organization);
        network.start_host(organization);
    }
    network.settled().await;
    let done = create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();

    // The caller says which trace a query belongs to.
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let asked = Call::new("emr", "HealthCenter:CheckIsPatientRegistered", &["pa1"]);
    let proposal = network.client("hospital/hc1").propose(&asked).unwrap();
    let mut request = Request::new(EvaluateRequest {
        proposed_transaction: Some(proposal.signed),
        ..EvaluateRequest::default()
    });
    let header = format!("00-{trace}-{parent}-01").parse().unwrap();
    request.metadata_mut().insert("traceparent", header);
    network
        .raw(HOSPITAL)
        .gateway
        .evaluate(request)
        .await
        .unwrap();

    network.settled().await;
    // What was not sent yet is sent now.
    network.stop_all();
    let spans = collector.spans();
    let mut table = Table::new();
    let [hospital, clinic] = [HOSPITAL, CLINIC].map(|name| network.address(name));
    let names = |host: &str, trace: &str| -> BTreeSet<String> {
        let here = |span: &&Span| span.host == host && span.trace == trace;
        spans
            .iter()
            .filter(here)
            .map(|span| span.name.clone())
            .collect()
    };
    let set =
        |names: &[&str]| -> BTreeSet<String> { names.iter().map(ToString::to_string).collect() };

    let id = done.tx_id.to_string();
    let of_id = &id[..32];
    let asked = ["check", "execute", "access", "endorse"];
    let committed = ["validate", "commit"];
    let here = [
        &["Endorse", "Submit", "order append"],
        &asked[..],
        &committed[..],
    ]
    .concat();
    table.equal("at the first host", names(&hospital, of_id), set(&here));
    let there = [&["ProcessProposal"], &asked[..], &committed[..]].concat();
    table.equal("at the other", names(&clinic, of_id), set(&there));

    // The other host's call is a step of the first one's.
    let find = |name: &str| spans.iter().find(|s| s.name == name && s.trace == of_id);
    let (caller, callee) = (find("Endorse").unwrap(), find("ProcessProposal").unwrap());
    table.equal("the other's parent", &callee.parent, &caller.id);
    for name in ["execute", "commit"] {
        let attributes = &find(name).unwrap().attributes;
        table.equal(name, attributes.get("tx_id"), Some(&id));
        table.equal(
            name,
            attributes.get("channel").map(String::as_str),
            Some(CHANNEL),
        );
    }

    let queried = set(&["Evaluate", "check", "execute", "access"]);
    table.equal("the caller's trace", names(&hospital, trace), queried);
    let call = spans
        .iter()
        .find(|span| span.trace == trace && span.name == "Evaluate");
    table.equal("the caller's span", call.unwrap().parent.as_str(), parent);
}
