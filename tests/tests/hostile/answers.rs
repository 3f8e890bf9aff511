//! Every call of every guest has its exact answer, changes nothing, and stays within the host's
//! memory, while others are served.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cordon_client::{Call, Client};
use cordon_tests::{CLINIC, HOSPITAL, Network, Table, create_emr, evaluate};
use futures::future::join_all;
use serde_json::json;

use crate::guests::{self, Case, endorsed, evaluated};

/// Who calls guests, each at the own organisation's host, and how many calls each has under way.
const HOSTILE: [&str; 3] = ["hospital/pa1", "hospital/py1", "clinic/py2"];
const UNDER_WAY: usize = 2;
/// Queries of others that must be answered in the meantime.
const SERVED_MIN: usize = 20;

/// What a host has resident when it does nothing much, and as much again: a debug build, the code of
/// all contracts, the state's cache.
const IDLE_BYTES: u64 = 384 << 20;
/// What a call may cost: the contract's memory (16 MiB), what it has handed to the host (64 MiB by
/// the engine's count, which is up to two and a half times less than it costs), and the JSON of its
/// answer.
const CALL_BYTES: u64 = 192 << 20;

/// Calls that a host runs at once.
fn running_max() -> usize {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    (2 * cores).min(64)
}

/// The most memory that a host may ever have resident.
fn resident_bytes_max() -> u64 {
    IDLE_BYTES + CALL_BYTES * running_max() as u64
}

fn check_memory(table: &mut Table, network: &mut Network) {
    for host in [HOSPITAL, CLINIC] {
        let (peak, max) = (
            network.host(host).resident_peak_bytes(),
            resident_bytes_max(),
        );
        let case = format!("{host} has had {} of {} MiB", peak >> 20, max >> 20);
        eprintln!("{case}");
        table.holds(&case, peak > 10 << 20 && peak < max);
    }
}

fn rounds() -> usize {
    let rounds = std::env::var("CORDON_HOSTILE_ROUNDS");
    rounds.map_or(1, |rounds| rounds.parse().unwrap())
}

/// Answers of a part of the cases, each as a query and as a call to be submitted.
async fn part(
    client: &Client,
    cases: &[Case],
    from: usize,
    step: usize,
) -> Vec<(String, String, String)> {
    let mut answers = Vec::new();
    for case in cases.iter().skip(from).step_by(step) {
        for (how, found) in [
            ("evaluated", evaluated(client, &case.call).await),
            ("endorsed", endorsed(client, &case.call).await),
        ] {
            let name = format!("{}, {how}", case.name);
            answers.push((name, found, case.expected.clone()));
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_has_its_answer_and_changes_nothing_and_others_are_served() {
    let mut network = guests::start().await;
    let hc1 = network.client("hospital/hc1");
    create_emr(&hc1, "pa1").await.unwrap();
    let before = network.settled().await;
    let mut table = Table::new();

    let cases = guests::cases();
    let served = Arc::new(AtomicUsize::new(0));
    let lanes = HOSTILE.len() * UNDER_WAY;
    let hostile = join_all((0..lanes).map(|lane| {
        let client = network.client(HOSTILE[lane % HOSTILE.len()]);
        let (cases, served) = (&cases, Arc::clone(&served));
        async move {
            let mut answers = Vec::new();
            for _ in 0..rounds() {
                answers.extend(part(&client, cases, lane, lanes).await);
            }
            while served.load(Ordering::Relaxed) < SERVED_MIN {
                answers.extend(part(&client, cases, lane, lanes).await);
            }
            answers
        }
    }));
    let clinic = network.client("clinic/hc2");
    let ordinary = async {
        loop {
            for (client, registered) in [(&hc1, true), (&clinic, false)] {
                let function = "HealthCenter:CheckIsPatientRegistered";
                let answer = evaluate(client, function, &["pa1"]).await;
                assert_eq!(answer.unwrap(), json!(registered));
                served.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let answers = tokio::select! {
        answers = hostile => answers,
        () = ordinary => unreachable!("it has no end"),
    };
    for (name, found, expected) in answers.into_iter().flatten() {
        table.equal(&name, found, expected);
    }
    eprintln!(
        "others were served {} times",
        served.load(Ordering::Relaxed)
    );
    table.equal("nothing has changed", network.settled().await, before);
    check_memory(&mut table, &mut network);
}

/// Everybody asks for the largest answer of a kind at once; half of them wait for their turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_answers_at_once_fit_the_hosts_memory() {
    let mut network = guests::start().await;
    let before = network.settled().await;
    let mut table = Table::new();
    let too_long = "500: the contract exceeded its limit of bytes of the result";
    for (function, length, expected) in [
        ("Bytes", "1677000", "200: 2236002 bytes"),
        ("Texts", "1000", too_long),
        ("Records", "300000", too_long),
        ("Flags", "1000000", "500: the contract trapped"),
    ] {
        let callers = [
            "hospital/pa1",
            "hospital/py1",
            "hospital/hc1",
            "hospital/pa3",
        ];
        let clients: Vec<Client> = callers.map(|caller| network.client(caller)).to_vec();
        let call = Call::new("answers", function, &["65536", length]);
        let calls =
            (0..2 * running_max()).map(|index| evaluated(&clients[index % callers.len()], &call));
        for found in join_all(calls).await {
            table.equal(function, found, expected.to_owned());
        }
    }
    table.equal("nothing has changed", network.settled().await, before);
    check_memory(&mut table, &mut network);
}
