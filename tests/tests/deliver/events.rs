//! Contract events and commit status: from where, which, and in what order.

use cordon_client::Call;
use cordon_identity::Signer;
use cordon_tests::craft::{
    in_endorsed, newest, next_commit, oldest, proposal, sign_envelope, specified, tx_id_of_envelope,
};
use cordon_tests::{CHANNEL, HOSPITAL, Network, Raw, Table, answer_of, create_emr, emr_of, within};
use cordon_types::{TxId, ValidationCode};
use cordon_wire::encode;
use cordon_wire::proto::gateway::{
    ChaincodeEventsRequest, ChaincodeEventsResponse, CommitStatusRequest,
    SignedChaincodeEventsRequest, SignedCommitStatusRequest,
};
use cordon_wire::proto::orderer::SeekPosition;
use cordon_wire::proto::orderer::seek_position::Type as SeekType;
use std::time::Duration;
use tonic::{Code, Request, Status, Streaming};

use crate::{MESSAGE_MAX, SILENCE, add_notes};

async fn open(
    raw: &Raw,
    signer: &Signer,
    contract: &str,
    start: Option<SeekType>,
    after: &str,
) -> Result<Streaming<ChaincodeEventsResponse>, Status> {
    let request = encode(&ChaincodeEventsRequest {
        channel_id: CHANNEL.to_owned(),
        chaincode_id: contract.to_owned(),
        identity: signer.serialized(),
        start_position: start.map(|kind| SeekPosition { r#type: Some(kind) }),
        after_transaction_id: after.to_owned(),
    });
    let signature = signer.sign(&request).unwrap();
    let request = SignedChaincodeEventsRequest { request, signature };
    let stream = within(raw.gateway.clone().chaincode_events(request)).await?;
    Ok(stream.into_inner())
}

/// Block and transaction of the next `count` events.
async fn take(stream: &mut Streaming<ChaincodeEventsResponse>, count: usize) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    while found.len() < count {
        let message = tokio::time::timeout(MESSAGE_MAX, stream.message()).await;
        let message = message
            .expect("no event in time")
            .unwrap()
            .expect("the stream has ended");
        assert!(
            !message.events.is_empty(),
            "blocks without events are skipped"
        );
        for event in message.events {
            assert_eq!(event.chaincode_id, "emr");
            assert!(["EmrCreated", "EmrNoteAdded"].contains(&event.event_name.as_str()));
            // Both events of this contract hold the id that was made.
            assert_eq!(event.payload, event.tx_id);
            found.push((message.block_number, event.tx_id));
        }
    }
    found
}

async fn is_silent(stream: &mut Streaming<ChaincodeEventsResponse>) -> bool {
    tokio::time::timeout(SILENCE, stream.message())
        .await
        .is_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events() {
    let network = Network::start().await;
    let raw = network.raw(HOSPITAL);
    let hc1 = network.signer("hospital/hc1");
    let client = network.client("hospital/hc1");
    let mut table = Table::new();
    let created = create_emr(&client, "pa1").await.unwrap();
    network.settled().await;

    // An invalid transaction has no event.
    let envelope = raw
        .endorse(proposal(&hc1, &["CreateEmr", &emr_of("pa2")]))
        .await
        .unwrap();
    let mut envelope = envelope;
    in_endorsed(&mut envelope, |endorsed| endorsed.endorsements.clear());
    let envelope = sign_envelope(&hc1, envelope);
    let refused = tx_id_of_envelope(&envelope);
    raw.submit(envelope).await.unwrap();
    let (_, refused_in) = client.commit_status(refused).await.unwrap();

    let notes = add_notes(&network.client("hospital/py1"), "pa1", 12).await;
    let place = |(block, tx_id): &(u64, TxId)| (*block, tx_id.to_string());
    let mut all = vec![(created.block, created.tx_id.to_string())];
    all.extend(notes.iter().map(place));
    let end = network.settled().await;

    for (case, start, expected) in [
        ("from the beginning", specified(0), &all[..]),
        ("from a block", specified(notes[0].0), &all[1..]),
        (
            "from a block without events",
            specified(refused_in),
            &all[1..],
        ),
    ] {
        let mut stream = open(&raw, &hc1, "emr", start, "").await.unwrap();
        table.equal(
            case,
            take(&mut stream, expected.len()).await,
            expected.to_vec(),
        );
        table.holds(&format!("{case}: no more"), is_silent(&mut stream).await);
    }
    for (index, (block, tx_id)) in all.iter().enumerate() {
        // Wherever a client was interrupted, it goes on with the very next event; the start position
        // does not count then.
        for start in [None, specified(0), specified(*block)] {
            let mut stream = open(&raw, &hc1, "emr", start, tx_id).await.unwrap();
            let rest = &all[index + 1..];
            let case = format!("after event {index}");
            table.equal(&case, take(&mut stream, rest.len()).await, rest.to_vec());
            if index + 1 == all.len() {
                table.holds(&case, is_silent(&mut stream).await);
            }
        }
    }
    // A transaction without an event is a place like any other.
    let mut stream = open(&raw, &hc1, "emr", None, &refused.to_string())
        .await
        .unwrap();
    table.equal(
        "after an invalid one",
        take(&mut stream, 12).await,
        all[1..].to_vec(),
    );
    // One that is not known says nothing.
    let unknown = "0".repeat(64);
    let mut stream = open(&raw, &hc1, "emr", specified(0), &unknown)
        .await
        .unwrap();
    table.equal(
        "after an unknown one",
        take(&mut stream, 13).await,
        all.clone(),
    );

    for (case, start) in [("oldest", oldest()), ("newest", newest())] {
        let found = answer_of(open(&raw, &hc1, "emr", start, "").await);
        table.equal(
            case,
            (found.code, found.message.as_str()),
            (
                Code::InvalidArgument,
                "start_position must be specified or next_commit",
            ),
        );
    }

    let mut waiting = Vec::new();
    for (case, start) in [
        ("from now on", None),
        ("from the next commit on", next_commit()),
        ("from the next block on", specified(end.height)),
        ("from a block of the future on", specified(end.height + 1)),
    ] {
        waiting.push((case, open(&raw, &hc1, "emr", start, "").await.unwrap()));
    }
    let mut other = open(&raw, &hc1, "billing", specified(0), "").await.unwrap();
    let first = create_emr(&client, "pa3").await.unwrap();
    let second = create_emr(&client, "pa4").await.unwrap();
    let both = [first, second].map(|receipt| (receipt.block, receipt.tx_id.to_string()));
    for (case, stream) in &mut waiting {
        let expected = if case.contains("future") {
            &both[1..]
        } else {
            &both[..]
        };
        table.equal(case, take(stream, expected.len()).await, expected.to_vec());
    }
    table.holds("another contract's events", is_silent(&mut other).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_status() {
    let network = Network::start().await;
    let raw = network.raw(HOSPITAL);
    let hc1 = network.signer("hospital/hc1");
    let client = network.client("hospital/hc1");
    let mut table = Table::new();

    // Asked before it is submitted: waits for it.
    let call = Call::new("emr", "CreateEmr", &[&emr_of("pa1")]);
    let prepared = client
        .endorse(client.propose(&call).unwrap())
        .await
        .unwrap();
    let asking = {
        let (client, tx_id) = (client.clone(), prepared.tx_id);
        tokio::spawn(async move { client.commit_status(tx_id).await })
    };
    // The other host tells as well, also somebody of another organisation.
    let elsewhere = {
        let (client, tx_id) = (network.client("clinic/py2"), prepared.tx_id);
        tokio::spawn(async move { client.commit_status(tx_id).await })
    };
    tokio::time::sleep(SILENCE).await;
    table.holds("waits", !asking.is_finished() && !elsewhere.is_finished());
    client.submit(&prepared).await.unwrap();
    table.equal(
        "committed",
        asking.await.unwrap().unwrap(),
        (ValidationCode::Valid, 1),
    );
    table.equal(
        "at the clinic",
        elsewhere.await.unwrap().unwrap(),
        (ValidationCode::Valid, 1),
    );
    let again = client.commit_status(prepared.tx_id).await.unwrap();
    table.equal("asked again", again, (ValidationCode::Valid, 1));

    // Never heard of: waits as long as the client does.
    let request = encode(&CommitStatusRequest {
        transaction_id: "0".repeat(64),
        channel_id: CHANNEL.to_owned(),
        identity: hc1.serialized(),
    });
    let signature = hc1.sign(&request).unwrap();
    let mut request = Request::new(SignedCommitStatusRequest { request, signature });
    let patience = Duration::from_millis(300);
    request.set_timeout(patience);
    let began = std::time::Instant::now();
    let found = answer_of(within(raw.gateway.clone().commit_status(request)).await);
    // Which of the two depends on whose clock fires first, the client's or the host's.
    table.holds(
        "unknown: ends",
        matches!(found.code, Code::DeadlineExceeded | Code::Cancelled),
    );
    table.holds("unknown: not before", began.elapsed() >= patience);

    let other = cordon_client::Client::new("records", hc1, network.connection(HOSPITAL));
    let found = answer_of(other.commit_status(prepared.tx_id).await);
    table.equal(
        "another channel",
        (found.code, found.message.as_str()),
        (Code::PermissionDenied, "access denied"),
    );
}
