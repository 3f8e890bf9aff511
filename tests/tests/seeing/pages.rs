//! What the operator's guide says can be typed as it stands.

use std::fs;
use std::path::Path;

use cordon_tests::{CLINIC, HOSPITAL, HostProcess, Network, cordon, get};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_page_works() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating-seeing.md");
    let page = fs::read_to_string(path).unwrap();
    let blocks = page
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let commands: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert!(commands.len() >= 6, "{commands:?}");
    let network = Network::start().await;
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[..] {
            ["curl", url] => {
                // Ports are others here.
                let (host, path) = url
                    .strip_prefix("http://")
                    .unwrap()
                    .split_once('/')
                    .unwrap();
                let organization = match host {
                    "127.0.0.1:7055" => HOSPITAL,
                    "127.0.0.1:7056" => CLINIC,
                    other => panic!("{other} is no host of the town"),
                };
                let (status, body) = get(network.operations(organization), &format!("/{path}"));
                assert_eq!(status, 200, "{command}: {body}");
            }
            ["cordon", ref args @ ..] => {
                let args = [args, &["--dir", network.dir_text()]].concat();
                if args.contains(&"--watch") {
                    let stderr = network.dir().join("logs/watch");
                    let mut watching = HostProcess::spawn(&args, &stderr, "warn");
                    watching.line("  disk").unwrap();
                    assert!(watching.stop("INT").success(), "{command}");
                    continue;
                }
                let done = cordon(&args);
                assert_eq!(done.code, 0, "{command}: {}", done.stderr);
            }
            _ => panic!("{command}: what is this?"),
        }
    }
}
