//! Clients that ask for more than they wait for: others are served all the same, and what was given up
//! in the middle leaves nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordon_client::{Call, ClientError};
use cordon_tests::{HOSPITAL, Network, Table, create_emr, eventually_async};
use cordon_wire::proto::gateway::EvaluateRequest;
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::{Code, Request};

use crate::guests::{self, evaluated};

/// Long enough for a call to begin, and far from enough for its fuel to end.
const GIVEN_UP: Duration = Duration::from_millis(30);
/// More than there are turns for calls.
const GIVEN_UP_CALLS: usize = 72;
/// More than there are slots for instances.
const CLEAN_CALLS: usize = 260;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_for_endless_calls_waits_alone() {
    const CROWD: usize = 240;
    let network = guests::start().await;
    let greedy = network.client("hospital/pa1");
    let ended = Arc::new(AtomicUsize::new(0));
    let mut crowd = JoinSet::new();
    for index in 0..CROWD {
        let (greedy, ended) = (greedy.clone(), Arc::clone(&ended));
        crowd.spawn(async move {
            let call = Call::new("spin", "Loop", &[]);
            if index % 4 == 0 {
                let proposal = greedy.propose(&call).unwrap();
                let _ = greedy.endorse(proposal).await;
            } else {
                let _ = greedy.evaluate(&call).await;
            }
            ended.fetch_add(1, Ordering::Relaxed);
        });
    }
    // All others of the crowd are with the host by now, or about to be.
    eventually_async("one of the crowd has ended", async || {
        (ended.load(Ordering::Relaxed) > 0).then_some(())
    })
    .await;
    let hc1 = network.client("hospital/hc1");
    create_emr(&hc1, "pa1").await.unwrap();
    create_emr(&network.client("clinic/hc2"), "pa2")
        .await
        .unwrap();
    let before_others = ended.load(Ordering::Relaxed);
    assert!(
        before_others < CROWD / 2,
        "{before_others} of {CROWD} came first"
    );
    crowd.shutdown().await;
}

/// Ends a call before its answer, in one of four ways; whether it was in time for that.
async fn give_up(network: &Network, way: usize, caller: &str, call: &Call) -> bool {
    let client = network.client(caller);
    match way {
        // The connection goes with its last client.
        0 => timeout(GIVEN_UP, client.evaluate(call)).await.is_err(),
        // The connection stays.
        1 => {
            let given_up = timeout(GIVEN_UP, client.evaluate(call)).await.is_err();
            let answer = evaluated(&client, &Call::new("memory", "Grow", &["255"])).await;
            assert_eq!(answer, "200: 256");
            given_up
        }
        // Another host is asked as well.
        2 => {
            let proposal = client.propose(call).unwrap();
            timeout(GIVEN_UP, client.endorse(proposal)).await.is_err()
        }
        // The host knows how long the client waits.
        _ => {
            let proposed_transaction = Some(client.propose(call).unwrap().signed);
            let mut request = Request::new(EvaluateRequest {
                proposed_transaction,
                ..EvaluateRequest::default()
            });
            request.set_timeout(GIVEN_UP);
            let answer = network.raw(HOSPITAL).gateway.evaluate(request).await;
            let code = answer.unwrap_err().code();
            matches!(code, Code::DeadlineExceeded | Code::Cancelled)
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_in_the_middle_leaves_its_slot_clean() {
    let network = guests::start().await;
    let before = network.settled().await;
    let mut table = Table::new();
    let callers = ["hospital/pa1", "hospital/py1"];

    // Each fills all its memory and never ends.
    let plant = Call::new("canary", "Plant", &["2"]);
    let given_up = stream::iter(0..GIVEN_UP_CALLS)
        .map(|index| give_up(&network, index % 4, callers[index / 4 % 2], &plant))
        .buffer_unordered(8)
        .filter(|given_up| futures::future::ready(*given_up))
        .count()
        .await;
    eprintln!("{given_up} of {GIVEN_UP_CALLS} calls were given up");
    table.holds("calls were given up", given_up > 0);

    // All turns are there again, and so are all slots.
    let clients = callers.map(|caller| network.client(caller));
    let scan = Call::new("canary", "Scan", &[]);
    let calls = (0..CLEAN_CALLS).map(|index| evaluated(&clients[index % 2], &scan));
    for found in join_all(calls).await {
        table.equal("found", found, "200: 0".to_owned());
    }
    table.equal("nothing has changed", network.settled().await, before);
    let created: Result<_, ClientError> = create_emr(&network.client("hospital/hc1"), "pa1").await;
    table.holds("others go on", created.is_ok());
}
