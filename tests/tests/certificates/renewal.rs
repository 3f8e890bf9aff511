//! Renewal of hosts that run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cordon_client::Client;
use cordon_identity::Certificate;
use cordon_tests::{CLINIC, HOSPITAL, Network, blocks, create_emr, eventually_async, state_of};
use cordon_wire::Message as _;
use cordon_wire::proto::msp::SerializedIdentity;
use cordon_wire::transaction::{Envelope, Transaction};

use super::{certificate, done, fails, shown, signing_path};

/// Who calls, one transaction after the other, each for patients of its own.
const CALLERS: [&str; 6] = [
    "hospital/hc1",
    "hospital/hc1",
    "hospital/hc1",
    "clinic/hc2",
    "clinic/hc2",
    "clinic/hc2",
];

/// Clients that call until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    counts: Arc<[AtomicU64; CALLERS.len()]>,
    tasks: Vec<tokio::task::JoinHandle<Vec<(String, String)>>>,
}

impl Load {
    fn start(network: &Network) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let counts: Arc<[AtomicU64; CALLERS.len()]> = Arc::default();
        let tasks = CALLERS.iter().enumerate().map(|(index, caller)| {
            let client: Client = network.client(caller);
            let (stop, counts) = (Arc::clone(&stop), Arc::clone(&counts));
            tokio::spawn(async move {
                let mut ends = Vec::new();
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let end = match create_emr(&client, &format!("pa-{index}-{n}")).await {
                        Ok(receipt) => (receipt.tx_id.to_string(), String::new()),
                        Err(error) => (String::new(), format!("{error}: {error:?}")),
                    };
                    ends.push(end);
                    counts[index].fetch_add(1, Ordering::Relaxed);
                }
                ends
            })
        });
        Self {
            tasks: tasks.collect(),
            stop,
            counts,
        }
    }

    /// Waits until every client has made some more transactions from beginning to end.
    async fn goes_on(&self) {
        let before = self.counts.each_ref().map(|n| n.load(Ordering::Relaxed));
        eventually_async("every client goes on", async || {
            let mut all = self.counts.iter().zip(before);
            all.all(|(now, before)| now.load(Ordering::Relaxed) >= before + 3)
                .then_some(())
        })
        .await;
    }

    /// The ids of all transactions; none may have failed.
    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut ids = Vec::new();
        for task in self.tasks {
            for (id, error) in task.await.unwrap() {
                assert_eq!(error, "", "a transaction failed");
                ids.push(id);
            }
        }
        ids
    }
}

/// Goal: no client notices that its hosts' certificates and keys change. Method: both hosts, the keeper of
/// the log and the one that appends from elsewhere, are renewed several times under load, with the old
/// keys, with new ones, by a command and by a signal; then every handshake and endorsement is looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_are_renewed_under_load_and_no_transaction_fails() {
    let mut network = Network::start().await;
    let mut serials: BTreeMap<&str, BTreeSet<Vec<u8>>> = BTreeMap::new();
    let load = Load::start(&network);
    load.goes_on().await;
    for organization in [HOSPITAL, CLINIC] {
        let first = certificate(&network, organization, &signing_path(organization));
        serials.insert(organization, [first.serial().to_vec()].into());
    }
    for (round, options) in [&[][..], &["--new-key"], &["--new-key", "--days", "40"], &[]]
        .into_iter()
        .enumerate()
    {
        for organization in [CLINIC, HOSPITAL] {
            let before = shown(&network, organization).await;
            let who = format!("{organization}/host");
            done(&network, &[&["ca", "renew", &who], options].concat());
            assert_eq!(
                shown(&network, organization).await,
                before,
                "not before it is told"
            );
            if round == 3 {
                network.host(organization).signal("HUP");
                eventually_async("the signal is taken", async || {
                    (shown(&network, organization).await != before).then_some(())
                })
                .await;
            } else {
                let admin = format!("{organization}/admin");
                let told = done(&network, &["host", "reload", "--as", &admin]);
                let expected = "the host uses its new certificates: signing, TLS\n";
                assert!(told.stdout.starts_with(expected), "{told:?}");
            }
            let tls = certificate(&network, organization, "host/tls/server.crt");
            assert_eq!(shown(&network, organization).await, tls.der());
            let new = certificate(&network, organization, &signing_path(organization));
            serials
                .get_mut(organization)
                .unwrap()
                .insert(new.serial().to_vec());
            load.goes_on().await;
        }
    }
    let ids = load.end().await;
    network.settled().await;

    let blocks = blocks(&network.client("hospital/admin")).await;
    for id in &ids {
        let states = state_of(&blocks, id);
        assert!(matches!(states[..], [(_, "VALID")]), "{id}: {states:?}");
    }
    let mut endorsed: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for envelope in blocks.iter().skip(1).flat_map(|block| &block.data) {
        let transaction = Transaction::parse(Envelope::parse(envelope).unwrap()).unwrap();
        for endorsement in &transaction.endorsements {
            let identity = SerializedIdentity::decode(endorsement.endorser.clone()).unwrap();
            let signed_by = Certificate::from_pem(&identity.id_bytes).unwrap();
            let serials = endorsed.entry(identity.mspid).or_default();
            serials.insert(signed_by.serial().to_vec());
        }
    }
    for (organization, msp_id) in [(HOSPITAL, "HospitalMSP"), (CLINIC, "ClinicMSP")] {
        assert_eq!(serials[organization].len(), 5);
        assert_eq!(
            endorsed[msp_id], serials[organization],
            "all of them endorsed"
        );
    }
    // A host that starts finds the same files.
    network.stop_all();
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
        let log = network.log(organization);
        assert!(!log.contains("will not accept"), "{log}");
    }
    network.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_admins_of_the_host_have_it_reloaded() {
    let network = Network::start().await;
    let before = shown(&network, HOSPITAL).await;
    done(&network, &["ca", "renew", "hospital/host.hospital"]);
    let error = fails(&network, &["host", "reload", "--as", "hospital/hc1"]);
    assert!(error.contains("only admins of HospitalMSP"), "{error}");
    assert_eq!(shown(&network, HOSPITAL).await, before);
    let told = done(
        &network,
        &["host", "reload", "--json", "--as", "hospital/admin"],
    )
    .json();
    assert_eq!(told["changed"], serde_json::json!(["signing", "TLS"]));
    let kinds: Vec<&str> = told["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|certificate| certificate["what"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["signing", "TLS", "authority", "TLS authority"]);
    assert_ne!(shown(&network, HOSPITAL).await, before);
    let again = done(&network, &["host", "reload", "--as", "hospital/admin"]);
    assert!(again.stdout.contains("that it uses already"), "{again:?}");
}
