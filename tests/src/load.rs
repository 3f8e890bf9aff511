//! Clients that do not stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cordon_client::{Client, ClientError};
use tokio::task::JoinHandle;
use tonic::Code;

use crate::emr::create_emr;
use crate::process::eventually_async;

/// Clients that call until they are told to stop. What fails is tried once more.
pub struct Load {
    stop: Arc<AtomicBool>,
    counts: Arc<Vec<AtomicU64>>,
    tasks: Vec<JoinHandle<Loaded>>,
}

/// What a load has done.
#[derive(Default)]
pub struct Loaded {
    /// Transactions that are valid, as their clients were told.
    pub ids: Vec<String>,
    /// Errors of first attempts.
    pub failed: Vec<String>,
}

impl Load {
    /// Each client opens one record after the other, of patients of its own, whose names begin with
    /// `name`. Must be called inside a tokio runtime.
    pub fn start(clients: impl IntoIterator<Item = Client>, name: &str) -> Self {
        let clients: Vec<Client> = clients.into_iter().collect();
        let stop = Arc::new(AtomicBool::new(false));
        let counts: Arc<Vec<AtomicU64>> = Arc::new(clients.iter().map(|_| 0.into()).collect());
        let tasks = clients.into_iter().enumerate().map(|(index, client)| {
            let name = name.to_owned();
            let (stop, counts) = (Arc::clone(&stop), Arc::clone(&counts));
            tokio::spawn(async move {
                let mut done = Loaded::default();
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let patient = format!("{name}-{index}-{n}");
                    let receipt = match create_emr(&client, &patient).await {
                        Ok(receipt) => receipt,
                        Err(error) => {
                            assert!(may_be_tried_again(&error), "{error}: {error:?}");
                            done.failed.push(error.to_string());
                            create_emr(&client, &patient).await.unwrap()
                        }
                    };
                    done.ids.push(receipt.tx_id.to_string());
                    counts[index].fetch_add(1, Ordering::Relaxed);
                }
                done
            })
        });
        Self {
            tasks: tasks.collect(),
            stop,
            counts,
        }
    }

    /// Waits until every client has made some more transactions.
    pub async fn goes_on(&self) {
        let before = self.counts();
        eventually_async("every client goes on", async || {
            let now = self.counts();
            let mut all = now.iter().zip(&before);
            all.all(|(now, before)| *now >= before + 6).then_some(())
        })
        .await;
    }

    fn counts(&self) -> Vec<u64> {
        let counts = self.counts.iter();
        counts.map(|n| n.load(Ordering::Relaxed)).collect()
    }

    /// Stops it.
    pub async fn end(self) -> Loaded {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Loaded::default();
        for task in self.tasks {
            let done = task.await.unwrap();
            all.ids.extend(done.ids);
            all.failed.extend(done.failed);
        }
        all
    }
}

/// What clients of Fabric's Gateway try again: the host, or those it needs, cannot be reached now.
pub fn may_be_tried_again(error: &ClientError) -> bool {
    let ClientError::Status { code, .. } = error else {
        return false;
    };
    [Code::Unavailable, Code::DeadlineExceeded, Code::Aborted].contains(code)
}
