//! `cordon init` and `cordon host run`: what is made, and what cannot be made or started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cordon_tests::{
    CLINIC, HOSPITAL, Network, NetworkFile, Table, cordon, create_emr, eventually_async, town_text,
};

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn keys_are_for_their_owner_only() {
    let network = Network::provision();
    let mut keys = 0;
    for path in files(network.dir()) {
        let text = fs::read(&path).unwrap();
        if text.windows(12).any(|window| window == b"PRIVATE KEY-") {
            keys += 1;
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    // Two authorities, a host's two and each user's two: for hospital, clinic, parents and school.
    let users = [7, 4, 3, 3];
    assert_eq!(
        keys,
        users.map(|users| 2 + 2 + users * 2).iter().sum::<i32>()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_provisioned() {
    let dir = tempfile::tempdir().unwrap();
    let text = town_text();
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/contracts/emr.wasm");
    let not_a_component = dir.path().join("text.wasm");
    fs::write(&not_a_component, "text").unwrap();
    let mut table = Table::new();
    for (case, from, to, says) in [
        (
            "no component",
            component.to_str().unwrap(),
            "/nowhere.wasm",
            "cannot read the component of contract emr, /nowhere.wasm: build it with `make contracts`",
        ),
        (
            "text as component",
            component.to_str().unwrap(),
            not_a_component.to_str().unwrap(),
            "contract emr (",
        ),
        (
            "endorsement policy that is none",
            "AND('HospitalMSP.peer','ClinicMSP.peer')",
            "AND('HospitalMSP.peer'",
            "channel providers",
        ),
        (
            "endorsement policy of a stranger",
            "'ClinicMSP.peer'",
            "'SchoolMSP.peer'",
            "SchoolMSP",
        ),
        (
            "unknown field",
            "name = \"emr\"",
            "name = \"emr\"\nowner = \"me\"",
            "unknown field `owner`",
        ),
        (
            "no TOML",
            "[[channels]]",
            "[[channels",
            "is not a network file",
        ),
        (
            "organisation twice",
            "name = \"clinic\"",
            "name = \"hospital\"",
            "organization hospital is there twice",
        ),
    ] {
        assert!(text.contains(from), "{case}");
        let file = dir.path().join("network.toml");
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let target = dir.path().join(case.replace(' ', "-"));
        let args = [
            "init",
            "--network",
            file.to_str().unwrap(),
            "--dir",
            target.to_str().unwrap(),
        ];
        let found = cordon(&args);
        table.equal(case, (found.code, found.stdout.as_str()), (1, ""));
        table.contains(case, &found.stderr, says);
        // Refused once is not refused for ever: with the right file the folder is of use.
        fs::write(&file, &text).unwrap();
        let found = cordon(&args);
        table.equal(
            &format!("{case}, put right"),
            (found.code, found.stderr.as_str()),
            (0, ""),
        );
    }
    let found = cordon(&[
        "init",
        "--network",
        "/nowhere.toml",
        "--dir",
        dir.path().to_str().unwrap(),
    ]);
    table.equal("no network file", found.code, 1);
    table.contains(
        "no network file",
        &found.stderr,
        "cannot read the network file /nowhere.toml",
    );
    let found = cordon(&["host", "run", "--config", "/nowhere/host.toml"]);
    table.equal("no configuration", found.code, 1);
    table.contains(
        "no configuration",
        &found.stderr,
        "cannot read /nowhere/host.toml",
    );
}

/// An organisation by itself: nobody but its own host looks at its TLS files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let component = root.join("target/contracts/emr.wasm");
    // A folder of its own: the town's has policies for a second contract.
    let policies = tempfile::tempdir().unwrap();
    let policy = root.join("policies/providers/emr.cedar");
    fs::copy(policy, policies.path().join("emr.cedar")).unwrap();
    let text = format!(
        r#"
        [[organizations]]
        name = "hospital"
        msp_id = "HospitalMSP"
        port = 7051
        users = [{{ name = "hc1", attributes = {{ userRole = "healthcenter" }} }}]

        [[channels]]
        name = "providers"
        organizations = ["hospital"]
        ordering = "hospital"
        access_policies = "{}"

        [[channels.contracts]]
        name = "emr"
        version = "1"
        component = "{}"
        endorsement_policy = "OR('HospitalMSP.peer')"
        "#,
        policies.path().display(),
        component.display()
    );
    let mut network = Network::provision_from(NetworkFile::Text(text), "warn");
    let mut table = Table::new();
    for name in ["server.crt", "server.key"] {
        let path = network
            .dir()
            .join("organizations/hospital/host/tls")
            .join(name);
        let good = fs::read(&path).unwrap();
        fs::write(&path, "none").unwrap();
        let started = network.try_start_host(HOSPITAL);
        table.holds(
            &format!("{name}: never says that it is ready"),
            started.is_err(),
        );
        if let Err(error) = started {
            table.contains(name, &error, "TLS cannot be set up");
        } else {
            network.kill(HOSPITAL);
        }
        fs::write(&path, good).unwrap();
    }
    network.start_host(HOSPITAL);
    let client = network.client("hospital/hc1");
    let receipt = create_emr(&client, "pa1").await.unwrap();
    table.equal("put right", receipt.block, 1);
}

/// What is left of a good file.
type Damage = &'static dyn Fn(Vec<u8>) -> Vec<u8>;

/// A host whose configuration, keys or code are not what they must be says which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_cannot_start() {
    let mut network = Network::provision();
    let dir = network.dir().to_owned();
    let host = dir.join("organizations/clinic/host");
    let config = network.config(CLINIC);
    let cases: &[(&str, PathBuf, Damage, &str)] = &[
        (
            "configuration",
            config.clone(),
            &|text| [text, b"\nports = 1\n".to_vec()].concat(),
            "is not a host's configuration",
        ),
        (
            "genesis block",
            dir.join("hosts/clinic/channels/providers.block"),
            &|mut bytes| {
                let at = bytes.len() / 2;
                bytes[at] ^= 1;
                bytes
            },
            "channels/providers.block",
        ),
        (
            "signing key",
            host.join("msp/keystore/priv_sk"),
            &|_| b"none".to_vec(),
            "organizations/clinic/host/msp",
        ),
        (
            "certificate",
            host.join("msp/signcerts/host.clinic-cert.pem"),
            &|_| b"none".to_vec(),
            "organizations/clinic/host/msp",
        ),
        (
            "TLS certificate",
            host.join("tls/server.crt"),
            &|_| b"none".to_vec(),
            "TLS",
        ),
        (
            "TLS key",
            host.join("tls/server.key"),
            &|_| b"none".to_vec(),
            "TLS",
        ),
    ];
    let mut table = Table::new();
    for (case, path, damage, says) in cases {
        let good = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        fs::write(path, damage(good.clone())).unwrap();
        let started = network.try_start_host(CLINIC);
        table.holds(&format!("{case}: it does not start"), started.is_err());
        if let Err(error) = started {
            table.holds(case, error.starts_with("exit status: 1: "));
            table.contains(case, &error, says);
            table.holds(&format!("{case}: no panic"), !error.contains("panicked"));
        } else {
            network.kill(CLINIC);
        }
        fs::write(path, good).unwrap();
    }
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    let height = network.settled().await.height;
    table.equal("put right", height, 1);
    let client = network.client("hospital/hc1");
    eventually_async("and working", async || {
        create_emr(&client, "pa1").await.ok()
    })
    .await;
}
