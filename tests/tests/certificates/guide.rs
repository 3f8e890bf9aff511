//! The operator's guide: every command in it runs, in its order.

use std::fs;
use std::path::Path;

use cordon_tests::{HOSPITAL, Network, create_emr};

use super::{done, shown};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_guide_works() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating-certificates.md");
    let text = fs::read_to_string(path).unwrap();
    let commands: Vec<&str> = text
        .split("```")
        .skip(1)
        .step_by(2)
        .flat_map(|block| block.strip_prefix("sh\n").unwrap_or_default().lines())
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    assert!(commands.len() >= 10, "{commands:?}");
    let network = Network::start().await;
    let before = shown(&network, HOSPITAL).await;
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        let (program, args) = words.split_first().unwrap();
        assert_eq!(*program, "cordon", "{command}");
        done(&network, args);
    }
    assert_ne!(shown(&network, HOSPITAL).await, before);
    create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();
}
