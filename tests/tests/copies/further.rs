//! A further host of an organisation, and that all hosts save the same.

use std::fs;

use cordon_tests::{CHANNEL, HOSPITAL, Network, Table, blocks, cordon, create_emr};

use crate::files::{below, client_at_further, end_of, reaches, snapshot};

/// Even where the organisation's first host keeps the ordering log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_further_host_catches_up_serves_and_saves_what_the_others_save() {
    let mut network = Network::start().await;
    let hc1 = network.client("hospital/hc1");
    for index in 0..5 {
        create_emr(&hc1, &format!("pa{index}")).await.unwrap();
    }
    let port = (network.port_base() + 6).to_string();
    let add = |name: &str, organization: &str, port: &str| {
        network.cli(&[
            "host",
            "add",
            "--organization",
            organization,
            "--name",
            name,
            "--port",
            port,
        ])
    };
    let added = add("hospital2", HOSPITAL, &port);
    assert_eq!(added.code, 0, "{added:?}");
    let mut table = Table::new();
    table.contains("add", &added.stdout, "on providers, cards, reports");
    for (case, name, organization, at, says) in [
        (
            "name",
            "hospital2",
            HOSPITAL,
            "9",
            "there is a host hospital2: give another --name",
        ),
        (
            "first host's name",
            "clinic",
            HOSPITAL,
            "9",
            "there is a host clinic",
        ),
        ("no name", "../x", HOSPITAL, "9", "host name \"../x\""),
        (
            "organisation",
            "h3",
            "insurer",
            "9",
            "there is no organization insurer",
        ),
        (
            "port",
            "h3",
            HOSPITAL,
            &port,
            "is the address of host hospital2: give another --port",
        ),
    ] {
        let refused = add(name, organization, at);
        table.equal(case, refused.code, 1);
        table.contains(case, &refused.stderr, says);
    }
    table.holds("nothing of h3", !network.dir().join("hosts/h3").exists());

    network.start_host("hospital2");
    network
        .host("hospital2")
        .line("caught up: channel providers has 6 blocks")
        .unwrap();
    let there = client_at_further(&network, "hospital2", "hospital/hc1");
    reaches(&there, 6).await;
    // It serves: it is the hospital's endorser of this one.
    let receipt = create_emr(&there, "from the further host").await.unwrap();
    table.equal("its block", receipt.block, 6);
    reaches(&hc1, 7).await;
    let signed = blocks(&hc1).await[6].data[0].clone();
    let named = signed
        .windows(10)
        .any(|part| part == b"HospitalMSP"[..10].as_ref());
    table.holds("endorsed by the hospital", named);
    network.settled().await;

    // All three save the same, now and of any height.
    let verified = |name: &str| {
        let done = cordon(&[
            "channel",
            "snapshot",
            "verify",
            &below(&network, name),
            "--json",
        ]);
        assert_eq!(done.code, 0, "{done:?}");
        done
    };
    for height in [None, Some("1"), Some("4")] {
        let mut ends = Vec::new();
        for (host, admin) in [
            (None, "hospital/admin"),
            (Some("hospital2"), "hospital/admin"),
            (None, "clinic/admin"),
        ] {
            let name = format!("{height:?}-{host:?}-{}", &admin[..6]);
            let out = below(&network, &name);
            let mut args = vec!["--as", admin, "--channel", CHANNEL, "--out", &out];
            args.extend(host.into_iter().flat_map(|host| ["--host", host]));
            args.extend(height.into_iter().flat_map(|height| ["--height", height]));
            let end = snapshot(&network, &args);
            table.equal(&name, end_of(&verified(&name)), end.clone());
            ends.push(end);
        }
        let wanted = height.map_or(7, |height| height.parse().unwrap());
        table.equal("height", ends[0].0, wanted);
        table.equal("as the further host", &ends[1], &ends[0]);
        table.equal("as the clinic", &ends[2], &ends[0]);
    }
    let shown = verified("None-Some(\"hospital2\")-hospit").json();
    table.equal(
        "signed by",
        shown["signedBy"]["mspId"].clone(),
        "HospitalMSP".into(),
    );
    let subject = shown["signedBy"]["subject"].as_str().unwrap().to_owned();
    table.contains("signed by", &subject, "CN=hospital2.hospital");
    let digest = hex::encode(network.standing(HOSPITAL).await.state_digest);
    table.equal(
        "the host's own digest",
        shown["stateDigest"].clone(),
        digest.into(),
    );

    // What cannot be saved.
    let there = below(&network, "None-None-clinic");
    let file = below(&network, "a file");
    fs::write(&file, "").unwrap();
    let new = below(&network, "new");
    for (case, admin, more, says) in [
        (
            "too high",
            "clinic/admin",
            vec!["--out", &new, "--height", "8"],
            "channel providers has 7 blocks on this host: --height takes 1 to 7, not 8",
        ),
        (
            "no block",
            "clinic/admin",
            vec!["--out", &new, "--height", "0"],
            "takes 1 to 7, not 0",
        ),
        (
            "folder",
            "clinic/admin",
            vec!["--out", &there],
            "is there and not empty: give a new folder",
        ),
        (
            "file",
            "clinic/admin",
            vec!["--out", &file],
            "cannot look into",
        ),
        (
            "channel",
            "clinic/admin",
            vec!["--out", &new, "--channel", "cards"],
            "this host is not on channel cards",
        ),
        (
            "no admin",
            "clinic/hc2",
            vec!["--out", &new],
            "only admins of ClinicMSP may administer this host",
        ),
    ] {
        let refused =
            network.cli(&[&["channel", "snapshot", "--as", admin], more.as_slice()].concat());
        table.equal(case, refused.code, 1);
        table.contains(case, &refused.stderr, says);
    }
    table.holds("nothing was begun", !network.dir().join("new").exists());
    let partial = fs::read_dir(network.dir()).unwrap();
    let partial = partial.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".partial")
    });
    table.equal("nothing is left over", partial.count(), 0);
    network.stop_all();
}
