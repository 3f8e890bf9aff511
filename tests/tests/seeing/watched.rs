//! A status that is shown anew until somebody has seen enough.

use cordon_tests::{HostProcess, Network};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_is_watched_ends_in_good_order_when_it_is_stopped() {
    let network = Network::start().await;
    let stderr = network.dir().join("logs/watch");
    let dir = network.dir_text();
    let args = ["status", "--as", "clinic/admin", "--watch", "--dir", dir];
    let mut watching = HostProcess::spawn(&args, &stderr, "warn");
    watching.line("  disk").unwrap();
    watching.line("  disk").unwrap();
    assert!(watching.stop("INT").success());
}
