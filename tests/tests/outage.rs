//! A host or the ordering log is away: who is told what, and that everything comes back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::time::{Duration, Instant};

use cordon_client::{Call, ClientError};
use cordon_tests::{
    CLINIC, HOSPITAL, Network, Table, answer_of, create_emr, emr_of, evaluate, eventually_async,
    note, submit,
};
use cordon_types::ValidationCode;
use tonic::Code;

/// An answer about somebody who is away must not take longer: `peer.rs` waits 3 s for a connection.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_host_is_away() {
    let mut network = Network::start().await;
    let hc1 = network.client("hospital/hc1");
    let py1 = network.client("hospital/py1");
    create_emr(&hc1, "pa1").await.unwrap();
    let before = network.settled().await;
    let clinic = network.address(CLINIC);
    let mut table = Table::new();

    for round in ["killed", "stopped", "killed again"] {
        if round == "stopped" {
            let status = network.stop(CLINIC, "TERM");
            assert!(status.success(), "{status}: {}", network.log(CLINIC));
        } else {
            network.kill(CLINIC);
        }
        let began = Instant::now();
        let error = create_emr(&hc1, "pa2").await.unwrap_err();
        table.holds(
            &format!("{round}: told in time"),
            began.elapsed() < TOLD_WITHIN,
        );
        let ClientError::Status {
            code,
            message,
            details,
        } = error
        else {
            panic!("{error}");
        };
        table.equal(&format!("{round}: code"), code, Code::Unavailable);
        let expected = format!(
            "the endorsement policy needs organisations whose hosts cannot be reached: ClinicMSP at {clinic}"
        );
        table.equal(&format!("{round}: text"), message, expected);
        let named: Vec<_> = details
            .iter()
            .map(|d| (d.msp_id.as_str(), d.address.as_str()))
            .collect();
        table.equal(
            &format!("{round}: details"),
            named,
            vec![("ClinicMSP", clinic.as_str())],
        );

        // Asking needs nobody else.
        let emr = evaluate(&py1, "Physician:GetEmrByPatientId", &["pa1"])
            .await
            .unwrap();
        table.equal(
            &format!("{round}: evaluate"),
            emr["patientId"].clone(),
            "pa1".into(),
        );
        let cli = network.cli(&[
            "tx",
            "submit",
            "--as",
            "hospital/hc1",
            "emr",
            "HealthCenter:CreateEmr",
            &emr_of("pa2"),
        ]);
        table.equal(&format!("{round}: exit code"), cli.code, 3);
        table.contains(
            &format!("{round}: complaint"),
            &cli.stderr,
            &format!("ClinicMSP ({clinic})"),
        );
        table.equal(
            &format!("{round}: nothing has changed"),
            network.standing(HOSPITAL).await,
            before.clone(),
        );

        network.start_host(CLINIC);
        network.settled().await;
    }
    // The hospital finds its way back by itself.
    eventually_async("endorsing works again", async || {
        create_emr(&hc1, "pa2").await.ok()
    })
    .await;
    let settled = network.settled().await;
    table.equal("one block more", settled.height, before.height + 1);

    // Blocks that are cut while a host is away are waiting for it. They need no endorsement of it,
    // so these are endorsed while it is there.
    let mut prepared = Vec::new();
    for index in 0..20 {
        let call = Call::new(
            "emr",
            "Physician:AddEmrNote",
            &[&note("pa1", &format!("note {index}"))],
        );
        prepared.push(py1.endorse(py1.propose(&call).unwrap()).await.unwrap());
    }
    network.kill(CLINIC);
    for prepared in &prepared {
        py1.submit(prepared).await.unwrap();
        let (code, _) = py1.commit_status(prepared.tx_id).await.unwrap();
        table.equal("committed without the clinic", code, ValidationCode::Valid);
    }
    let ahead = network.standing(HOSPITAL).await;
    network.start_host(CLINIC);
    table.equal("the clinic catches up", network.settled().await, ahead);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ordering_log_is_away() {
    let mut network = Network::start().await;
    let hc2 = network.client("clinic/hc2");
    let py2 = network.client("clinic/py2");
    create_emr(&hc2, "pa1").await.unwrap();
    let before = network.settled().await;
    let hospital = network.address(HOSPITAL);
    let mut table = Table::new();

    // Endorsed while it was there, to be submitted while it is not.
    let call = Call::new("emr", "Physician:AddEmrNote", &[&note("pa1", "late")]);
    let late = py2.endorse(py2.propose(&call).unwrap()).await.unwrap();
    network.kill(HOSPITAL);

    let began = Instant::now();
    let error = py2.submit(&late).await.unwrap_err();
    table.holds("told in time", began.elapsed() < TOLD_WITHIN);
    let ClientError::Status {
        code,
        message,
        details,
    } = &error
    else {
        panic!("{error}");
    };
    table.equal("submit: code", *code, Code::Unavailable);
    table.contains(
        "submit: text",
        message,
        &format!("ordering at {hospital} is not reachable: "),
    );
    let addresses: Vec<_> = details.iter().map(|d| d.address.as_str()).collect();
    table.equal("submit: details", addresses, vec![hospital.as_str()]);

    let endorsing = submit(&py2, "Physician:AddEmrNote", &[&note("pa1", "x")]).await;
    let found = answer_of(endorsing);
    table.equal("endorse: code", found.code, Code::Unavailable);
    table.contains(
        "endorse: text",
        &found.message,
        &format!("HospitalMSP at {hospital}"),
    );
    table.equal("endorse: details", found.details.len(), 1);
    let emr = evaluate(&py2, "Physician:GetEmrByPatientId", &["pa1"])
        .await
        .unwrap();
    table.equal("evaluate", emr["notes"].as_array().unwrap().len(), 0);
    table.equal(
        "nothing has changed",
        network.standing(CLINIC).await,
        before.clone(),
    );
    let cli = network.cli(&[
        "tx",
        "evaluate",
        "--as",
        "hospital/py1",
        "emr",
        "Physician:GetEmrByPatientId",
        "pa1",
    ]);
    table.equal("its own clients are told as well", cli.code, 3);

    network.start_host(HOSPITAL);
    // What was not acknowledged may be sent again as it is: it takes effect once.
    eventually_async("ordering works again", async || {
        py2.submit(&late).await.ok()
    })
    .await;
    let (code, _) = py2.commit_status(late.tx_id).await.unwrap();
    table.equal("late, but valid", code, ValidationCode::Valid);
    eventually_async("endorsing works again", async || {
        submit(&py2, "Physician:AddEmrNote", &[&note("pa1", "after")])
            .await
            .ok()
    })
    .await;
    network.settled().await;
    let emr = evaluate(&py2, "Physician:GetEmrByPatientId", &["pa1"])
        .await
        .unwrap();
    table.equal("both notes", emr["notes"].as_array().unwrap().len(), 2);
}

/// Whoever waits for something from a host that ends is told, and not left waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_ends_tells_those_who_wait() {
    let mut network = Network::start().await;
    let hc1 = network.client("hospital/hc1");
    let waiting = {
        let client = network.client("hospital/hc1");
        tokio::spawn(async move { client.commit_status("0".repeat(64).parse().unwrap()).await })
    };
    let mut events = hc1.events("emr", None, None).await.unwrap();
    let listening = tokio::spawn(async move { events.message().await });
    create_emr(&hc1, "pa1").await.unwrap();
    let mut table = Table::new();
    let event = listening.await.unwrap().unwrap().unwrap();
    table.equal("the event came", event.events.len(), 1);
    let mut events = hc1.events("emr", None, None).await.unwrap();
    let listening = tokio::spawn(async move { events.message().await });

    let began = Instant::now();
    let status = network.stop(HOSPITAL, "TERM");
    table.holds("the host ends well", status.success());
    // Its clients keep their connections open; it does not wait for them for long.
    table.holds(
        "the host ends soon",
        began.elapsed() < Duration::from_secs(15),
    );
    let found = answer_of(waiting.await.unwrap());
    table.equal(
        "commit status",
        (found.code, found.message.as_str()),
        (Code::Unavailable, "the host is shutting down"),
    );
    let found = answer_of(listening.await.unwrap());
    table.equal(
        "events",
        (found.code, found.message.as_str()),
        (Code::Unavailable, "the host is shutting down"),
    );
}
