//! Access policies on the ledger: who may change them, what is refused, and that every host and every
//! auditor goes on with the same ones.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cordon_channel::ChannelConfig;
use cordon_client::{ClientError, approve};
use cordon_tests::{CHANNEL, CLINIC, Cli, HOSPITAL, Network, Table, create_emr};
use cordon_types::ValidationCode;
use serde_json::Value;

/// The town's policies for channel `providers`, with changes to that of `emr`.
fn policies(dir: &Path, name: &str, change: impl Fn(String) -> String) -> PathBuf {
    let folder = dir.join(name);
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../policies/providers"
    ))
    .unwrap()
    {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let file = path.file_name().unwrap();
        let text = if file == "emr.cedar" {
            change(text)
        } else {
            text
        };
        fs::write(folder.join(file), text).unwrap();
    }
    folder
}

fn set(network: &Network, admins: &[&str], folder: &Path) -> Cli {
    let mut args = vec!["policy", "set"];
    for admin in admins {
        args.extend(["--as", admin]);
    }
    args.push(folder.to_str().unwrap());
    network.cli(&args)
}

fn history(network: &Network, caller: &str) -> Value {
    let found = network.cli(&["policy", "history", "--as", caller, "--json"]);
    assert_eq!(found.code, 0, "{found:?}");
    found.json()
}

const ADMINS: [&str; 2] = ["hospital/admin", "clinic/admin"];

#[tokio::test(flavor = "multi_thread")]
async fn who_may_call_is_changed_by_admins_of_the_members_together() {
    let mut network = Network::start().await;
    let scratch = tempfile::tempdir().unwrap();
    let nobody = policies(scratch.path(), "nobody", |_| "// nobody\n".to_owned());
    let everybody = policies(scratch.path(), "everybody", |text| text);
    let misspelt = policies(scratch.path(), "misspelt", |text| {
        text.replace("Action::\"Physician\"", "Action::\"Physicain\"")
    });
    let clerk = network.client("hospital/hc1");
    create_emr(&clerk, "pa1").await.unwrap();
    let before = network.settled().await;

    // Whatever is not right is refused before it takes room in a block.
    let mut table = Table::new();
    let refused = |text: &'static str| (1, text);
    for (case, admins, folder, (code, text)) in [
        (
            "one of two",
            &ADMINS[..1],
            &nobody,
            refused("do not satisfy the channel's governance policy"),
        ),
        (
            "two of one",
            &["hospital/admin", "hospital/admin"],
            &nobody,
            refused("do not satisfy the channel's governance policy"),
        ),
        (
            "no admins",
            &["hospital/hc1", "clinic/hc2"],
            &nobody,
            refused("do not satisfy the channel's governance policy"),
        ),
        (
            "a stranger",
            &["hospital/admin", "school/admin"],
            &nobody,
            refused("the organisation is not a member of the channel"),
        ),
        (
            "the same again",
            &ADMINS,
            &everybody,
            refused("nothing to change"),
        ),
        (
            "misspelt",
            &ADMINS,
            &misspelt,
            refused(
                "emr.cedar:14:30: contract emr has no function or interface \"Physicain\"; did you mean \"Physician\"?",
            ),
        ),
        (
            "no folder",
            &ADMINS,
            &scratch.path().join("none"),
            refused("cannot read access policies"),
        ),
    ] {
        let found = set(&network, admins, folder);
        table.equal(case, found.code, code);
        table.contains(case, &found.stderr, text);
    }
    drop(table);
    assert_eq!(network.settled().await, before, "nothing was committed");

    let done = set(&network, &ADMINS, &nobody);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains("version 1"), "{done:?}");
    network.settled().await;
    // Both hosts go on with it, and the denial says so.
    let physician = network.client("clinic/hc2");
    for client in [&clerk, &physician] {
        let error = create_emr(client, "pa2").await.unwrap_err();
        let (status, sentence) = error.contract_refusal().unwrap();
        assert_eq!(status, 403);
        assert!(
            sentence.starts_with("no access policy of contract emr permits"),
            "{sentence}"
        );
    }
    let versions = history(&network, "clinic/py2")["versions"].clone();
    assert_eq!(versions.as_array().unwrap().len(), 2);
    assert_eq!(versions[1]["submittedBy"], "HospitalMSP admin");
    assert_eq!(
        versions[1]["approvedBy"],
        serde_json::json!(["HospitalMSP admin", "ClinicMSP admin"])
    );
    assert_eq!(versions[1]["changed"], serde_json::json!(["emr"]));
    assert!(versions[1]["time"].as_str().unwrap().starts_with("20"));

    // It outlives a stop, a crash, and the loss of everything that is derived from blocks.
    network.stop(HOSPITAL, "TERM");
    network.kill(CLINIC);
    for below in ["state", "transactions"] {
        let path = network.data(CLINIC, &format!("channels/providers/{below}"));
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    network.start_host(HOSPITAL);
    network.start_host(CLINIC);
    network.answers("hospital/hc1").await;
    network.answers("clinic/hc2").await;
    assert!(
        create_emr(&network.client("clinic/hc2"), "pa2")
            .await
            .is_err()
    );
    assert_eq!(history(&network, "hospital/hc1")["versions"], versions);

    // And back; auditors follow all of it.
    let done = set(&network, &["clinic/admin", "hospital/admin"], &everybody);
    assert_eq!(done.code, 0, "{done:?}");
    network.settled().await;
    create_emr(&network.client("clinic/hc2"), "pa2")
        .await
        .unwrap();
    for caller in ADMINS {
        let verified = network.cli(&["ledger", "verify", "--as", caller]);
        assert_eq!(verified.code, 0, "{verified:?}");
        assert!(
            verified.stdout.contains("verified 5 blocks"),
            "{verified:?}"
        );
    }
}

/// What `cordon policy set` would not send.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_is_refused() {
    let network = Network::start().await;
    let client = network.client("hospital/admin");
    let before = network.settled().await;
    let host = network.config(HOSPITAL);
    let genesis = host.with_file_name("channels").join("providers.block");
    let config = ChannelConfig::from_genesis(&Bytes::from(fs::read(genesis).unwrap())).unwrap();
    let approved = |sequence, document: &Bytes| -> Vec<_> {
        let signers = ADMINS.map(|admin| network.signer(admin));
        let approvals = signers.iter();
        approvals
            .map(|signer| approve(signer, CHANNEL, sequence, document).unwrap())
            .collect()
    };
    let changed = |change: &dyn Fn(&mut ChannelConfig)| {
        let mut config = config.clone();
        change(&mut config);
        config.to_document()
    };
    let documents = [
        (
            changed(&|c| c.organizations.truncate(1)),
            1,
            "endorsement policy of contract emr: ClinicMSP is no member of the channel",
        ),
        (
            changed(&|c| {
                c.contracts[0].endorsement_policy = Some("OR('HospitalMSP.peer')".to_owned());
            }),
            1,
            "contract emr: its sequence must be 2, as its definition changes",
        ),
        (
            changed(&|c| c.contracts[0].version = "2".to_owned()),
            1,
            "contract emr: another version or component is approved and committed",
        ),
        (
            changed(&|c| c.governance_policy = "OutOf(2, 'HospitalMSP.orderer')".to_owned()),
            1,
            "governance policy: nobody could ever satisfy it",
        ),
        (Bytes::from_static(b"{}"), 1, "no channel configuration"),
        (
            changed(&|c| c.access_policies.clear()),
            2,
            "its number is 2, and the next is 1",
        ),
    ];
    for (document, sequence, text) in documents {
        let error = client
            .configure(sequence, &document, approved(sequence, &document))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
    assert_eq!(network.settled().await, before);

    // Of two at the same moment one takes effect.
    let document = changed(&|c| c.access_policies.clear());
    let (one, two) = tokio::join!(
        client.configure(1, &document, approved(1, &document)),
        client.configure(1, &document, approved(1, &document)),
    );
    let codes: Vec<_> = [one, two]
        .into_iter()
        .filter_map(Result::err)
        .map(|error| match error {
            ClientError::NotValid { code, .. } => Some(code),
            _ => None,
        })
        .collect();
    assert!(
        matches!(
            codes[..],
            [None | Some(ValidationCode::InvalidConfigTransaction)]
        ),
        "{codes:?}"
    );
    network.settled().await;
}
