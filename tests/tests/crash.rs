//! Hosts and the ordering log are killed at random moments under load. Whatever was acknowledged is
//! there afterwards, exactly once, on every host.
//!
//! `CORDON_TESTS_SEED` repeats the choices of a run (not the machine's timing), `CORDON_TESTS_CRASHES`
//! sets how often something is killed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordon_client::{Call, Client};
use cordon_tests::{
    CHANNEL, CLINIC, HOSPITAL, Network, PATIENCE, Random, as_json, blocks, emr_of,
    eventually_async, note, state_of,
};
use cordon_types::{TxId, ValidationCode};

const CRASHES: u64 = 30;
const WORKERS: u64 = 6;
/// Before a client that was refused tries something else.
const PAUSE: Duration = Duration::from_millis(5);

/// What a worker wanted to write.
#[derive(Clone)]
struct Wish {
    /// Of the organisation with this index.
    organization: usize,
    patient: String,
    /// `None`: a new record.
    note: Option<String>,
}

/// What became of it, as far as its client knows.
#[derive(Clone)]
struct Written {
    wish: Wish,
    tx_id: TxId,
    /// Ordering has acknowledged it.
    ordered: bool,
    /// Verdict and block, when the client was told.
    verdict: Option<(ValidationCode, u64)>,
}

/// One organisation's people at their own host.
struct Staff {
    health_center: Client,
    physician: Client,
}

struct Load {
    staff: [Staff; 2],
    written: Mutex<Vec<Written>>,
    acknowledged: AtomicUsize,
    done: AtomicBool,
}

impl Load {
    async fn work(self: Arc<Self>, worker: u64, seed: u64) {
        let mut random = Random::new(seed ^ (worker << 32));
        let mut patients: [Vec<String>; 2] = Default::default();
        for round in 0.. {
            if self.done.load(Ordering::Relaxed) {
                return;
            }
            let organization = usize::from(random.below(2) == 1);
            let known = &patients[organization];
            let wish = if known.is_empty() || random.below(3) == 0 {
                let patient = format!("w{worker}-{round}");
                Wish {
                    organization,
                    patient,
                    note: None,
                }
            } else {
                let known_count = known.len() as u64;
                let patient = known[usize::try_from(random.below(known_count)).unwrap()].clone();
                let note = Some(format!("note {worker}-{round}"));
                Wish {
                    organization,
                    patient,
                    note,
                }
            };
            let opened = wish.note.is_none().then(|| wish.patient.clone());
            if self.write(wish).await {
                patients[organization].extend(opened);
            } else {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Whether the client was told that it is committed and valid.
    async fn write(&self, wish: Wish) -> bool {
        let staff = &self.staff[wish.organization];
        let (client, call) = match &wish.note {
            None => {
                let args = [emr_of(&wish.patient)];
                let call = Call::new("emr", "HealthCenter:CreateEmr", &[&args[0]]);
                (&staff.health_center, call)
            }
            Some(text) => {
                let args = [note(&wish.patient, text)];
                let call = Call::new("emr", "Physician:AddEmrNote", &[&args[0]]);
                (&staff.physician, call)
            }
        };
        // Refused or unreachable: nothing was ordered.
        let Ok(prepared) = client.endorse(client.propose(&call).unwrap()).await else {
            return false;
        };
        let tx_id = prepared.tx_id;
        // From here on it may take effect, whatever the client is told.
        let index = {
            let mut written = self.written.lock().unwrap();
            written.push(Written {
                wish,
                tx_id,
                ordered: false,
                verdict: None,
            });
            written.len() - 1
        };
        if client.submit(&prepared).await.is_err() {
            return false;
        }
        self.written.lock().unwrap()[index].ordered = true;
        let Ok((code, block)) = client.commit_status(tx_id).await else {
            return false;
        };
        self.written.lock().unwrap()[index].verdict = Some((code, block));
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        code == ValidationCode::Valid
    }
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_survives_every_crash() {
    let seed = variable("CORDON_TESTS_SEED", u64::from(std::process::id()));
    let crashes = variable("CORDON_TESTS_CRASHES", CRASHES);
    eprintln!("CORDON_TESTS_SEED={seed} CORDON_TESTS_CRASHES={crashes}");
    let mut random = Random::new(seed);
    let mut network = Network::start().await;
    let load = Arc::new(Load {
        staff: [
            Staff {
                health_center: network.client("hospital/hc1"),
                physician: network.client("hospital/py1"),
            },
            Staff {
                health_center: network.client("clinic/hc2"),
                physician: network.client("clinic/py2"),
            },
        ],
        written: Mutex::default(),
        acknowledged: AtomicUsize::new(0),
        done: AtomicBool::new(false),
    });
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(Arc::clone(&load).work(worker, seed)))
        .collect();

    for crash in 0..crashes {
        // Work goes on after each crash, and a random while later comes the next one.
        let before = load.acknowledged.load(Ordering::Relaxed);
        let more = 1 + usize::try_from(random.below(30)).unwrap();
        eventually_async(&format!("work goes on after crash {crash}"), async || {
            (load.acknowledged.load(Ordering::Relaxed) >= before + more).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_micros(random.below(20_000))).await;
        let victims: &[&str] = match random.below(4) {
            0 => &[CLINIC],
            1 => &[HOSPITAL, CLINIC],
            _ => &[HOSPITAL],
        };
        for victim in victims {
            network.kill(victim);
        }
        for victim in victims {
            // Sometimes it is killed again while it picks itself up.
            if random.below(4) == 0 {
                let moment = Duration::from_micros(random.below(60_000));
                network.start_and_kill(victim, moment);
            }
            network.start_host(victim);
        }
    }
    load.done.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    let end = network.settled().await;
    let mut written = load.written.lock().unwrap().clone();
    eprintln!(
        "{} transactions begun, {} acknowledged, height {}",
        written.len(),
        load.acknowledged.load(Ordering::Relaxed),
        end.height
    );
    verdicts_of_what_was_ordered(&network, &mut written).await;
    blocks_agree(&network, &written).await;
    records_agree(&network, &written).await;
}

/// What ordering has acknowledged gets a verdict, also when its client was not there to be told.
async fn verdicts_of_what_was_ordered(network: &Network, written: &mut [Written]) {
    let client = network.client("clinic/hc2");
    for written in written.iter_mut().filter(|written| written.ordered) {
        let status = tokio::time::timeout(PATIENCE, client.commit_status(written.tx_id)).await;
        let verdict = status.expect("what was ordered has no verdict").unwrap();
        if let Some(told) = written.verdict {
            assert_eq!(verdict, told, "{}", written.tx_id);
        }
        written.verdict = Some(verdict);
    }
}

async fn blocks_agree(network: &Network, written: &[Written]) {
    let here = blocks(&network.client("hospital/hc1")).await;
    let there = blocks(&network.client("clinic/hc2")).await;
    assert_eq!(here.len(), there.len());
    for (one, other) in here.iter().zip(&there) {
        let number = one.header.number;
        assert_eq!(one.hash(), other.hash(), "block {number}");
        assert_eq!(one.commit_hash, other.commit_hash, "block {number}");
        assert_eq!(one.codes, other.codes, "block {number}");
    }
    let mut ids = BTreeSet::new();
    for block in &here {
        for envelope in block
            .data
            .iter()
            .skip(usize::from(block.header.number == 0))
        {
            let envelope = cordon_wire::transaction::Envelope::parse(envelope).unwrap();
            let id = envelope.header.channel_header.tx_id;
            assert!(ids.insert(id.clone()), "{id} is there twice");
        }
    }
    for written in written {
        if let Some((code, block)) = written.verdict {
            let places = state_of(
                &here[usize::try_from(block).unwrap()..=usize::try_from(block).unwrap()],
                &written.tx_id.to_string(),
            );
            assert_eq!(places, [(block, code.name())], "{}", written.tx_id);
        }
    }
}

/// Asks both hosts for every record: notes that were acknowledged are there once, others at most
/// once, and there are no further ones.
async fn records_agree(network: &Network, written: &[Written]) {
    let mut expected: BTreeMap<(usize, String), BTreeMap<String, bool>> = BTreeMap::new();
    for Written { wish, verdict, .. } in written {
        let valid = verdict.map(|(code, _)| code == ValidationCode::Valid);
        let key = (wish.organization, wish.patient.clone());
        match &wish.note {
            None if valid == Some(true) => {
                expected.entry(key).or_default();
            }
            Some(text) if valid != Some(false) => {
                expected
                    .entry(key)
                    .or_default()
                    .insert(text.clone(), valid == Some(true));
            }
            _ => {}
        }
    }
    assert!(!expected.is_empty());
    for host in [HOSPITAL, CLINIC] {
        let connection = network.connection(host);
        let physicians = ["hospital/py1", "clinic/py2"]
            .map(|user| Client::new(CHANNEL, network.signer(user), connection.clone()));
        for ((organization, patient), notes) in &expected {
            let call = Call::new("emr", "Physician:GetEmrByPatientId", &[patient]);
            let answer = physicians[*organization].evaluate(&call).await;
            let emr =
                as_json(&answer.unwrap_or_else(|error| panic!("{patient} at {host}: {error}")));
            let mut found = BTreeSet::new();
            for note in emr["notes"].as_array().unwrap() {
                let text = note["diagnosis"].as_str().unwrap().to_owned();
                assert!(
                    notes.contains_key(&text),
                    "{text:?} at {host} was never written"
                );
                assert!(
                    found.insert(text.clone()),
                    "{text:?} is there twice at {host}"
                );
            }
            for (text, acknowledged) in notes {
                assert!(
                    !acknowledged || found.contains(text),
                    "{text:?} is lost at {host}"
                );
            }
        }
    }
}
