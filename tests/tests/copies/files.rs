//! What the tests do with files.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cordon_client::Client;
use cordon_identity::{Signer, SigningKey};
use cordon_journal::{Journal, Options, Reader, scan};
use cordon_tests::{Cli, Network, eventually_async};

/// A folder below the network's own, as text.
pub(crate) fn below(network: &Network, name: &str) -> String {
    network.dir().join(name).display().to_string()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Every file and folder below, with the files' content.
pub(crate) fn tree(dir: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
            found.push((path, None));
        } else {
            let content = fs::read(&path).unwrap();
            found.push((path, Some(content)));
        }
    }
    found.sort();
    found
}

pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// The blocks in a folder of block files.
pub(crate) fn records(dir: &Path) -> Vec<Bytes> {
    let reader = Reader::new(dir);
    let found = scan(dir).unwrap().records;
    let read = found.into_iter().map(|at| reader.read(at).unwrap());
    read.collect()
}

/// Makes a folder of block files hold these, each intact by its own checksum.
pub(crate) fn set_records(dir: &Path, records: &[Bytes]) {
    fs::remove_dir_all(dir).unwrap();
    let (mut journal, _) = Journal::open(dir, Options::default()).unwrap();
    let records: Vec<&[u8]> = records.iter().map(AsRef::as_ref).collect();
    journal.append(&records).unwrap();
    journal.finish().unwrap();
}

/// The signing identity of an organisation's first host.
pub(crate) fn host_signer(network: &Network, organization: &str) -> Signer {
    let msp = network
        .dir()
        .join(format!("organizations/{organization}/host/msp"));
    let certificate = msp.join(format!("signcerts/host.{organization}-cert.pem"));
    let certificate = fs::read_to_string(certificate).unwrap();
    let key = fs::read_to_string(msp.join("keystore/priv_sk")).unwrap();
    let id = network.msp_id(organization).parse().unwrap();
    Signer::new(id, &certificate, SigningKey::from_pem(&key).unwrap()).unwrap()
}

/// A client for `caller` at a further host of its organisation.
pub(crate) fn client_at_further(network: &Network, host: &str, caller: &str) -> Client {
    network.client_of_host(host, caller)
}

/// A snapshot by the host of `admin`; height, block hash and digest.
pub(crate) fn snapshot(network: &Network, more: &[&str]) -> (u64, String, String) {
    let made = network.cli(&[&["channel", "snapshot", "--json"], more].concat());
    assert_eq!(made.code, 0, "{made:?}");
    end_of(&made)
}

/// Where a snapshot ends, as a command has printed it.
pub(crate) fn end_of(cli: &Cli) -> (u64, String, String) {
    let value = cli.json();
    let text = |name: &str| value[name].as_str().unwrap().to_owned();
    let height = value["height"].as_u64().unwrap();
    (height, text("blockHash"), text("stateDigest"))
}

/// Waits until a client's host has so many blocks.
pub(crate) async fn reaches(client: &Client, height: u64) {
    eventually_async("the host has the blocks", async || {
        let info = cordon_tests::chain_info(client).await.ok()?;
        (info.height >= height).then_some(())
    })
    .await;
}

/// Takes the channels out of a stopped host's configuration, and what it had of them.
pub(crate) fn forget_channels(network: &Network, organization: &str) {
    let path = network.config(organization);
    let text = fs::read_to_string(&path).unwrap();
    let from = text.find("[[channels]]").unwrap();
    fs::write(&path, &text[..from]).unwrap();
    let home = path.parent().unwrap();
    fs::remove_dir_all(home.join("data")).unwrap();
    fs::remove_dir_all(home.join("channels")).unwrap();
}

/// Puts other access policies in force on the channel: one block, with a configuration.
pub(crate) fn set_policies(network: &Network) {
    let folder = network.dir().join("policies");
    let town = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/providers");
    copy(&town, &folder);
    let emr = folder.join("emr.cedar");
    let text = fs::read_to_string(&emr).unwrap();
    fs::write(emr, format!("// Changed.\n{text}")).unwrap();
    let folder = folder.to_str().unwrap();
    let admins = ["--as", "hospital/admin", "--as", "clinic/admin"];
    let set = network.cli(&[&["policy", "set"], &admins[..], &[folder]].concat());
    assert_eq!(set.code, 0, "{set:?}");
}
