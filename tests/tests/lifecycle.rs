//! Contracts that come onto a running channel, and change there: by the members together, through the
//! command line.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cordon_client::{Call, ClientError};
use cordon_tests::{CLINIC, Cli, HOSPITAL, Network, blocks};
use cordon_types::ValidationCode;
use cordon_wire::transaction::{Envelope, Transaction};
use serde_json::Value;
use tempfile::TempDir;

/// A component whose function `run` writes `value` under key `run`, and whose upgrade writes the
/// version before under key `from`: unless that begins with `x`, which it refuses, or with `t`, on
/// which it traps.
fn component(value: &str) -> Vec<u8> {
    let text = include_str!("lifecycle/register.wat");
    let length = value.len().to_string();
    let text = text.replace("VALUE", value).replace("LENGTH", &length);
    wat::parse_str(text).unwrap()
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A package with the component that writes `value`.
    fn package(&self, value: &str) -> PathBuf {
        let file = self.path(&format!("{value}.wasm"));
        fs::write(&file, component(value)).unwrap();
        let out = self.path(&format!("{value}.tar.gz"));
        let made = cordon_tests::cordon(&[
            "contract",
            "package",
            text(&file),
            "--label",
            value,
            "--out",
            text(&out),
        ]);
        assert_eq!(made.code, 0, "{made:?}");
        out
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn contract(network: &Network, args: &[&str]) -> Cli {
    network.cli(&[&["contract"], args].concat())
}

fn done(cli: Cli) -> Cli {
    assert_eq!(cli.code, 0, "{cli:?}");
    cli
}

fn approve(network: &Network, admin: &str, package: &Path, version: &str) -> Cli {
    contract(
        network,
        &[
            "approve",
            "register",
            "--as",
            admin,
            "--package",
            text(package),
            "--version",
            version,
        ],
    )
}

fn commit(network: &Network, admin: &str) -> Cli {
    contract(network, &["commit", "register", "--as", admin])
}

fn status(network: &Network) -> Value {
    let args = ["status", "register", "--as", "hospital/admin", "--json"];
    done(contract(network, &args)).json()["contracts"][0].clone()
}

/// The contract's state, by the blocks.
async fn state(network: &Network) -> Vec<(String, String)> {
    let mut state = BTreeMap::new();
    for block in blocks(&network.client("hospital/admin")).await {
        for (envelope, code) in block.data.iter().zip(&block.codes) {
            let envelope = Envelope::parse(envelope).unwrap();
            let Ok(transaction) = Transaction::parse(envelope) else {
                continue;
            };
            let valid = *code == ValidationCode::Valid;
            let sets = transaction.rw_set.contracts.into_iter();
            for set in sets.filter(|set| valid && set.contract.as_str() == "register") {
                for write in set.writes {
                    let value = write.value.unwrap().to_vec();
                    state.insert(write.key, String::from_utf8(value).unwrap());
                }
            }
        }
    }
    state.into_iter().collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let expected = expected.iter();
    expected
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

const BOTH: [&str; 2] = ["hospital/admin", "clinic/admin"];

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_comes_and_changes_as_members_agree() {
    let mut network = Network::start().await;
    let files = Files::new();
    let first = files.package("one");

    // Whose host does not have it cannot approve it; who is no admin can do nothing.
    let refused = approve(&network, "hospital/admin", &first, "1.0");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("404"), "{refused:?}");
    let clerk = contract(&network, &["install", text(&first), "--as", "hospital/hc1"]);
    assert!(clerk.stderr.contains("403"), "{clerk:?}");
    for admin in BOTH {
        done(contract(
            &network,
            &["install", text(&first), "--as", admin],
        ));
    }
    let listed = done(contract(&network, &["install", "--as", "clinic/admin"]));
    assert!(
        listed.stdout.contains("one:") && listed.stdout.contains("not in use"),
        "{listed:?}"
    );

    // One of two is not enough, and something else does not count.
    let approved = done(approve(&network, "hospital/admin", &first, "1.0"));
    assert!(
        approved.stdout.contains("HospitalMSP approved it"),
        "{approved:?}"
    );
    assert!(
        approved
            .stdout
            .contains("ClinicMSP has not approved this sequence"),
        "{approved:?}"
    );
    let early = commit(&network, "hospital/admin");
    assert_eq!(early.code, 1);
    assert!(
        early.stderr.contains("ClinicMSP has not approved"),
        "{early:?}"
    );
    let other = done(approve(&network, "clinic/admin", &first, "1.1"));
    assert!(
        other
            .stdout
            .contains("HospitalMSP approved it with another version"),
        "{other:?}"
    );
    assert_eq!(status(&network)["pending"]["approvals"]["ClinicMSP"], false);
    done(approve(&network, "clinic/admin", &first, "1.0"));
    network.settled().await;
    done(commit(&network, "clinic/admin"));
    network.settled().await;
    assert_eq!(status(&network)["committed"]["sequence"], 1);

    // Nobody may call it until access policies say so.
    let client = network.client("clinic/hc2");
    let run = Call::new("register", "run", &[]);
    let error = client.transact(&run).await.unwrap_err();
    assert_eq!(error.contract_refusal().unwrap().0, 403);
    permit_everything(&network, &files);
    network.settled().await;
    client.transact(&run).await.unwrap();
    network.settled().await;
    assert_eq!(state(&network).await, pairs(&[("run", "one")]));

    // An upgrade: what was endorsed on the version before and comes after it is not valid.
    let late = client.endorse(client.propose(&run).unwrap()).await.unwrap();
    let second = files.package("two");
    for admin in BOTH {
        done(contract(
            &network,
            &["install", text(&second), "--as", admin],
        ));
        done(approve(&network, admin, &second, "x2"));
    }
    network.settled().await;
    done(commit(&network, "hospital/admin"));
    client.submit(&late).await.unwrap();
    let (code, _) = client.commit_status(late.tx_id).await.unwrap();
    assert_eq!(code, ValidationCode::ChaincodeVersionConflict);
    assert_eq!(
        state(&network).await,
        pairs(&[("from", "1.0"), ("run", "one")])
    );
    client.transact(&run).await.unwrap();
    network.settled().await;
    assert_eq!(
        state(&network).await,
        pairs(&[("from", "1.0"), ("run", "two")])
    );

    // A new component under an old version's name could not be told apart.
    let third = files.package("three");
    for admin in BOTH {
        done(contract(
            &network,
            &["install", text(&third), "--as", admin],
        ));
    }
    let same = approve(&network, "hospital/admin", &third, "x2");
    assert_eq!(same.code, 1, "{same:?}");
    // An upgrade that is refused leaves everything as it was.
    for admin in BOTH {
        done(approve(&network, admin, &third, "3.0"));
    }
    let before = network.settled().await;
    let refused = commit(&network, "clinic/admin");
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("the version before stays"),
        "{refused:?}"
    );
    assert_eq!(network.settled().await, before);
    client.transact(&run).await.unwrap();
    assert_eq!(status(&network)["committed"]["version"], "x2");

    // Restarted hosts, auditors and rebuilt states know the same.
    for organization in [HOSPITAL, CLINIC] {
        network.stop(organization, "TERM");
        fs::remove_dir_all(network.data(organization, "channels/providers/state")).unwrap();
        network.start_host(organization);
    }
    network.settled().await;
    client.transact(&run).await.unwrap();
    network.settled().await;
    assert_eq!(status(&network)["committed"]["version"], "x2");
    for caller in BOTH {
        done(network.cli(&["ledger", "verify", "--as", caller]));
    }
}

/// Everybody may call everything of `register`.
fn permit_everything(network: &Network, files: &Files) {
    let folder = files.path("policies");
    fs::create_dir(&folder).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for entry in fs::read_dir(root.join("policies/providers")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    let everything = root.join("tests/hostile/policies/everything.cedar");
    fs::copy(everything, folder.join("register.cedar")).unwrap();
    let mut args = vec!["policy", "set"];
    for admin in BOTH {
        args.extend(["--as", admin]);
    }
    args.push(text(&folder));
    done(network.cli(&args));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_the_component_executes_nothing_of_it_and_goes_on_with_the_rest() {
    let mut network = Network::start().await;
    let files = Files::new();
    let everything =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile/policies/everything.cedar");
    let file = files.path("register.wasm");
    fs::write(&file, component("one")).unwrap();
    let args = [
        "deploy",
        text(&file),
        "--access-policies",
        text(&everything),
    ];
    let deployed = done(contract(&network, &args));
    assert!(
        deployed.stdout.contains("is in force on channel providers"),
        "{deployed:?}"
    );
    network.settled().await;

    network.stop(CLINIC, "TERM");
    let sha256 = status(&network)["committed"]["sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    let folder = network.dir().join("hosts/clinic");
    fs::remove_file(folder.join(format!("components/{sha256}.wasm"))).unwrap();
    fs::remove_dir_all(folder.join("data/packages")).unwrap();
    network.start_host(CLINIC);
    network.answers("clinic/hc2").await;
    let run = Call::new("register", "run", &[]);
    let error = network
        .client("clinic/hc2")
        .evaluate(&run)
        .await
        .unwrap_err();
    let ClientError::Status { details, .. } = &error else {
        panic!("{error}");
    };
    let told = format!("{error} {details:?}");
    assert!(told.contains("cordon contract install"), "{told}");
    // Other contracts run, and blocks come.
    cordon_tests::create_emr(&network.client("clinic/hc2"), "pa1")
        .await
        .unwrap();
    network.settled().await;
    // Installed again, without a restart.
    let package = files.package("one");
    done(contract(
        &network,
        &["install", text(&package), "--as", "clinic/admin"],
    ));
    network.client("clinic/hc2").transact(&run).await.unwrap();
}
