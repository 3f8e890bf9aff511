//! A channel's configuration changed by its members while it runs: who may, what takes effect, who
//! gets nothing any more.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;
use std::path::Path;

use cordon_tests::{
    CHANNEL, CLINIC, HOSPITAL, Members, Network, REPORTS, SCHOOL, cordon, create_emr,
    eventually_async, standing_on,
};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const BOTH: [&str; 2] = ["hospital/admin", "clinic/admin"];

#[tokio::test(flavor = "multi_thread")]
async fn a_change_takes_effect_once_enough_have_signed_and_stays_readable() {
    let mut network = Network::start().await;
    let members = Members::of(&network, CHANNEL);

    // The whole document, edited.
    let document = members.file("providers.json");
    let out = ["--out", text(&document)];
    let shown = [&["channel", "config", "--as", "clinic/hc2"][..], &out].concat();
    let shown = network.cli(&shown);
    assert_eq!(shown.code, 0, "{shown:?}");
    let config = fs::read_to_string(&document).unwrap();
    fs::write(
        &document,
        config.replace("\"transactions_max\": 500", "\"transactions_max\": 2"),
    )
    .unwrap();
    let proposed = members.propose("hospital/admin", &[text(&document)]);
    assert_eq!(proposed.code, 0, "{proposed:?}");
    for part in [
        "-    \"transactions_max\": 500",
        "+    \"transactions_max\": 2",
        "not in force yet",
        "ClinicMSP",
    ] {
        assert!(proposed.stdout.contains(part), "{part}: {proposed:?}");
    }
    // Nobody is an admin by signing, and the same admin counts once.
    let again = members.sign("hospital/admin");
    assert!(again.stdout.contains("not in force yet"), "{again:?}");
    let clerk = members.sign("clinic/hc2");
    assert!(clerk.stdout.contains("not in force yet"), "{clerk:?}");
    let signed = members.sign("clinic/admin");
    assert!(
        signed.stdout.contains("in force since block 1"),
        "{signed:?}"
    );
    assert_eq!(
        members.config("clinic/hc2")["config"]["batch"]["transactions_max"],
        2
    );

    // What was proposed on the version before is told so.
    let late = members.sign("clinic/admin");
    assert_eq!(late.code, 1);
    assert!(late.stderr.contains("the next is 2"), "{late:?}");

    // One endorsement policy less strict: one host alone is enough.
    members.change(
        &BOTH,
        &["--endorsement-policy", "emr=OR('HospitalMSP.peer')"],
    );
    drop(members);
    network.settled().await;
    network.kill(CLINIC);
    create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();
    network.start_host(CLINIC);
    network.settled().await;

    // A tighter limit counts at once, on every host.
    let members = Members::of(&network, CHANNEL);
    members.change(&BOTH, &["--limit", "fuel_max=1000"]);
    drop(members);
    network.settled().await;
    let error = create_emr(&network.client("clinic/hc2"), "pa2")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("500"), "{error}");

    let history = network
        .cli(&["channel", "history", "--as", "clinic/hc2", "--json"])
        .json();
    let versions = history["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 4);
    assert_eq!(versions[2]["changed"], serde_json::json!(["contracts"]));
    assert_eq!(versions[3]["changed"], serde_json::json!(["execution"]));
    assert_eq!(versions[1]["submittedBy"], "ClinicMSP admin");

    // Auditors and restarted hosts go the same way.
    for caller in BOTH {
        let verified = network.cli(&["ledger", "verify", "--as", caller]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
    network.stop(HOSPITAL, "TERM");
    network.start_host(HOSPITAL);
    network.settled().await;
    let found = Members::of(&network, CHANNEL).config("hospital/hc1");
    assert_eq!(found["version"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_lock_everybody_out_is_refused() {
    let network = Network::start().await;
    let members = Members::of(&network, CHANNEL);
    let before = network.settled().await;
    for (change, reason) in [
        (
            ["--governance-policy", "OutOf(2,'HospitalMSP.orderer')"],
            "nobody could ever satisfy it",
        ),
        (
            ["--governance-policy", "OR('SchoolMSP.admin')"],
            "SchoolMSP is no member",
        ),
        (["--governance-policy", "MOST Admins"], "is no policy"),
        (
            ["--lifecycle-policy", "AND('SchoolMSP.peer')"],
            "SchoolMSP is no member",
        ),
        (
            ["--remove-organization", "ClinicMSP"],
            "endorsement policy of contract emr: ClinicMSP is no member",
        ),
        (
            ["--ordering", "127.0.0.1:1"],
            "which is no organisation's host",
        ),
        (
            ["--hosts", "ClinicMSP=nowhere"],
            "is not the address of a host",
        ),
        (["--block-bytes-max", "0"], "bytes_max must be at least 1"),
        (["--limit", "fuel=1"], "there is no limit fuel"),
        (["--block-transactions-max", "500"], "nothing to change"),
    ] {
        let refused = members.propose("hospital/admin", &change);
        assert_eq!(refused.code, 1, "{change:?} {refused:?}");
        assert!(refused.stderr.contains(reason), "{change:?} {refused:?}");
        assert!(!members.file("change.json").exists(), "{change:?}");
    }
    assert_eq!(network.settled().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_that_is_added_joins_from_block_0_and_one_that_is_removed_gets_nothing() {
    let mut network = Network::start_town().await;
    create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();

    // Added.
    let members = Members::of(&network, CHANNEL);
    let school = members.file("school.json");
    let printed = ["channel", "organization", SCHOOL, "--out", text(&school)];
    let printed = network.cli(&printed);
    assert_eq!(printed.code, 0, "{printed:?}");
    members.change(&BOTH, &["--add-organization", text(&school)]);
    drop(members);
    network.stop(SCHOOL, "TERM");
    let folder = |organization: &str| network.dir().join("hosts").join(organization);
    for file in fs::read_dir(folder(HOSPITAL).join("components")).unwrap() {
        let file = file.unwrap();
        let to = folder(SCHOOL).join("components").join(file.file_name());
        fs::copy(file.path(), to).unwrap();
    }
    let genesis = Path::new("channels/providers.block");
    fs::copy(folder(HOSPITAL).join(genesis), folder(SCHOOL).join(genesis)).unwrap();
    let path = network.config(SCHOOL);
    let config = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        config + "\n[[channels]]\ngenesis = \"channels/providers.block\"\n",
    )
    .unwrap();
    network.start_host(SCHOOL);
    let registrar = network.client_on(CHANNEL, "school/registrar1");
    let hospital = network.client_on(CHANNEL, "hospital/hc1");
    let expected = standing_on(&hospital, CHANNEL).await.unwrap();
    eventually_async("the new member's host has caught up", async || {
        let found = standing_on(&registrar, CHANNEL).await.ok()?;
        (found == expected).then_some(())
    })
    .await;
    // It serves: its host answers for contracts, and its own people are known.
    let refused = create_emr(&registrar, "pa9").await.unwrap_err();
    assert_eq!(refused.contract_refusal().unwrap().0, 403, "{refused}");
    let config = Members::of(&network, CHANNEL).config("school/registrar1");
    assert_eq!(
        config["config"]["organizations"][2]["msp"]["msp_id"],
        "SchoolMSP"
    );

    // Removed again, by two of three.
    let members = Members::of(&network, CHANNEL);
    members.change(&BOTH, &["--remove-organization", "SchoolMSP"]);
    let removed_at = standing_on(&hospital, CHANNEL).await.unwrap().height;
    create_emr(&network.client("hospital/hc1"), "pa2")
        .await
        .unwrap();
    network.settled().await;
    // Others answer as if there were no such channel, and so does its own host.
    for host in [HOSPITAL, CLINIC, SCHOOL] {
        let client = network.client_at(host, CHANNEL, "school/registrar1");
        let error = standing_on(&client, CHANNEL).await.unwrap_err();
        let text = error.to_string();
        let stranger = text.contains("providers") || text.contains("is not a member");
        assert!(stranger, "{host}: {text}");
    }
    // Its host has what was before, restarts included, and nothing after.
    for _ in 0..2 {
        let client = network.client_at(SCHOOL, CHANNEL, "clinic/hc2");
        let standing = eventually_async("the host is where it was", async || {
            let found = standing_on(&client, CHANNEL).await.ok()?;
            (found.height == removed_at).then_some(found)
        })
        .await;
        assert_eq!(standing.height, removed_at);
        network.stop(SCHOOL, "TERM");
        network.start_host(SCHOOL);
    }
    // Its other channel goes on.
    network.settled_on(REPORTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ordering_log_moves_to_another_address() {
    let mut network = Network::start().await;
    let members = Members::of(&network, CHANNEL);
    // A port of this network's that no host has.
    let address = format!("127.0.0.1:{}", network.port_base() + 7);
    let hosts = format!("HospitalMSP={address}");
    members.change(&BOTH, &["--hosts", &hosts, "--ordering", &address]);
    drop(members);
    network.settled().await;
    // Its host is there from now on; the other one finds it without a restart.
    let before = network.address(HOSPITAL);
    network.stop(HOSPITAL, "TERM");
    for path in [
        network.config(HOSPITAL),
        network.dir().join("connections/hospital.json"),
    ] {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(&before));
        fs::write(&path, text.replace(&before, &address)).unwrap();
    }
    network.start_host(HOSPITAL);
    let client = network.client("clinic/hc2");
    eventually_async("the other host orders at the new address", async || {
        create_emr(&client, "pa1").await.ok()
    })
    .await;
    network.settled().await;
}

/// Whoever comes second is told, and can propose the same on what is in force now.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_proposals_for_one_version_the_second_is_overtaken() {
    let network = Network::start().await;
    let members = Members::of(&network, CHANNEL);
    for (file, admin, max) in [
        ("first.json", "hospital/admin", "7"),
        ("second.json", "clinic/admin", "8"),
    ] {
        let proposed = members.propose_in(file, admin, &["--block-transactions-max", max]);
        assert_eq!(proposed.code, 0, "{proposed:?}");
    }
    let signed = members.sign_in("first.json", "clinic/admin");
    assert!(
        signed.stdout.contains("in force since block 1"),
        "{signed:?}"
    );
    network.settled().await;
    for admin in BOTH {
        let late = members.sign_in("second.json", admin);
        assert_eq!(late.code, 1, "{late:?}");
        let told = "the proposal is for version 1 of the configuration of channel providers, and the next is 2: propose it again on what is in force";
        assert!(late.stderr.contains(told), "{late:?}");
    }
    let transactions_max =
        |admin: &str| members.config(admin)["config"]["batch"]["transactions_max"].clone();
    assert_eq!(transactions_max("clinic/admin"), 7);
    members.change(&BOTH, &["--block-transactions-max", "8"]);
    assert_eq!(transactions_max("hospital/admin"), 8);
}

/// Both are complete before either is ordered: the ledger has one of them.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_complete_proposals_at_once_one_takes_effect() {
    let network = Network::start().await;
    let members = Members::of(&network, CHANNEL);
    let files = ["first.json", "second.json"];
    for (file, max) in files.into_iter().zip(["7", "8"]) {
        let proposed =
            members.propose_in(file, "hospital/admin", &["--block-transactions-max", max]);
        assert_eq!(proposed.code, 0, "{proposed:?}");
    }
    let dir = network.dir_text();
    let signing = files.map(|file| {
        let (file, dir) = (members.file(file), dir.to_owned());
        std::thread::spawn(move || {
            let dir = ["--dir", &dir, "--as", "clinic/admin", text(&file)];
            cordon(&[&["channel", "sign"][..], &dir].concat())
        })
    });
    let signed = signing.map(|signing| signing.join().unwrap());
    let effective: Vec<bool> = signed
        .iter()
        .map(|signed| signed.code == 0 && signed.stdout.contains("in force since block"))
        .collect();
    assert_eq!(effective.iter().filter(|e| **e).count(), 1, "{signed:?}");
    let overtaken = &signed[usize::from(effective[0])];
    assert_eq!(overtaken.code, 1, "{overtaken:?}");
    network.settled().await;
    let config = members.config("clinic/admin");
    assert_eq!(config["version"], 1);
    let expected = if effective[0] { 7 } else { 8 };
    assert_eq!(config["config"]["batch"]["transactions_max"], expected);
}
