//! Snapshots that are not what they should be: each is refused in its own words, and nothing is
//! installed.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use cordon_channel::Checkpoint;
use cordon_identity::{CertificateAuthority, Signer};
use cordon_tests::{CLINIC, HOSPITAL, Network, Table, cordon, craft, create_emr};
use cordon_types::ValidationCode;
use cordon_wire::block::{
    CommittedBlock, SLOT_TRANSACTIONS_FILTER, data_hash, header_hash, set_verdicts,
};
use cordon_wire::proto::common;

use crate::files::{
    below, copy, flip, forget_channels, host_signer, records, set_policies, set_records, snapshot,
    tree,
};

const HEIGHT: usize = 5;
const SEGMENT: &str = "blocks/00000000.seg";
const CHECKPOINT: &str = "checkpoint.json";

/// Where each record of a segment begins: 36 bytes of header, then records of 12 + length bytes.
fn offsets(segment: &Path) -> Vec<usize> {
    let bytes = fs::read(segment).unwrap();
    let mut at = 36;
    let mut found = Vec::new();
    while at < bytes.len() {
        found.push(at);
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        at += 12 + usize::try_from(length).unwrap();
    }
    found
}

fn cut(segment: &Path, at: usize) {
    let bytes = fs::read(segment).unwrap();
    fs::write(segment, &bytes[..at]).unwrap();
}

/// Changes one block, which stays intact as a record.
fn change(dir: &Path, number: usize, change: impl FnOnce(&mut common::Block)) {
    let blocks = dir.join("blocks");
    let mut all = records(&blocks);
    craft::edit(&mut all[number], change);
    set_records(&blocks, &all);
}

fn rewrite(dir: &Path, change: impl FnOnce(String) -> String) {
    let path = dir.join(CHECKPOINT);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text);
    fs::write(path, changed).unwrap();
}

/// Changes the envelope of block 4, a configuration; all hashes are made to fit.
fn forge_config(dir: &Path) {
    let before = CommittedBlock::parse(&records(&dir.join("blocks"))[3]).unwrap();
    change(dir, 4, |block| {
        let data = &mut block.data.as_mut().unwrap().data;
        craft::edit(&mut data[0], |envelope: &mut common::Envelope| {
            envelope.signature = craft::high_s(&envelope.signature);
        });
        let header = block.header.as_mut().unwrap();
        header.data_hash = Bytes::copy_from_slice(&data_hash(data));
        let hash = header_hash(header);
        // No writes: the commit hash of one valid transaction that changes no key.
        let hash = cordon_wire::sha256([
            b"cordon commit 1".as_slice(),
            &before.commit_hash,
            &hash,
            &1u64.to_be_bytes(),
            &[0],
            &[0],
        ]);
        set_verdicts(block, &[ValidationCode::Valid], hash);
    });
}

/// Signs where the snapshot's blocks end, whoever that is.
fn sign(dir: &Path, signer: &Signer, time: i64) {
    let last = CommittedBlock::parse(records(&dir.join("blocks")).last().unwrap()).unwrap();
    let found = Checkpoint::parse(&fs::read(dir.join(CHECKPOINT)).unwrap()).unwrap();
    let height = last.header.number + 1;
    let signed = Checkpoint::sign(
        signer,
        found.channel,
        height,
        last.hash(),
        last.commit_hash,
        last.consenter_metadata.clone(),
        time,
    );
    fs::write(dir.join(CHECKPOINT), signed.unwrap().to_text()).unwrap();
}

/// The network, with the clinic's host ready to join; the snapshot that others are made from, and one
/// of another channel.
async fn ready() -> Network {
    let mut network = Network::start_town().await;
    let hc1 = network.client("hospital/hc1");
    for index in 2..HEIGHT {
        create_emr(&hc1, &format!("pa{index}")).await.unwrap();
    }
    set_policies(&network);
    network.settled().await;
    for channel in ["providers", "cards"] {
        let out = below(&network, channel);
        let args = [
            "--as",
            "hospital/admin",
            "--channel",
            channel,
            "--out",
            &out,
        ];
        snapshot(&network, &args);
    }
    let genesis = network
        .dir()
        .join("hosts/hospital/channels/providers.block");
    fs::copy(genesis, below(&network, "providers.block")).unwrap();
    network.stop_all();
    forget_channels(&network, CLINIC);
    network
}

type Damage<'a> = Box<dyn Fn(&Path) + 'a>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_is_refused_by_its_fault_and_nothing_is_installed() {
    let network = ready().await;
    let good = network.dir().join("providers");
    let cards = network.dir().join("cards");
    let at = offsets(&good.join(SEGMENT));
    assert_eq!(at.len(), HEIGHT);
    let place = |record: usize| format!("{SEGMENT} at byte {}", at[record]);
    let hospital = host_signer(&network, HOSPITAL);
    let stranger = CertificateAuthority::create("ca.stranger", "stranger", craft::valid_now());
    let stranger = stranger.unwrap();
    let issued = |authority: &CertificateAuthority, unit, validity| {
        craft::issue(authority, "HospitalMSP", Some(unit), "", validity)
    };
    let expired = cordon_identity::Validity {
        not_before: craft::now() - 7200,
        not_after: craft::now() - 3600,
    };
    let now = craft::now();

    let cases: Vec<(&str, Damage<'_>, String)> = vec![
        (
            "segment header",
            Box::new(|dir| flip(&dir.join(SEGMENT), 5)),
            format!("block 0 is damaged ({SEGMENT} at byte 0): the segment's header is damaged"),
        ),
        (
            "salt",
            Box::new(|dir| flip(&dir.join(SEGMENT), 26)),
            "the segment's header is damaged".into(),
        ),
        (
            "record length",
            Box::new(|dir| flip(&dir.join(SEGMENT), at[2] + 1)),
            format!(
                "block 2 is damaged ({}): the record's header is damaged",
                place(2)
            ),
        ),
        (
            "record checksum",
            Box::new(|dir| flip(&dir.join(SEGMENT), at[1] + 9)),
            format!(
                "block 1 is damaged ({}): the record's content is damaged",
                place(1)
            ),
        ),
        (
            "block",
            Box::new(|dir| flip(&dir.join(SEGMENT), at[3] + 100)),
            format!(
                "block 3 is damaged ({}): the record's content is damaged",
                place(3)
            ),
        ),
        (
            "last block",
            Box::new(|dir| flip(&dir.join(SEGMENT), at[4] + 100)),
            "block 4 is not whole".into(),
        ),
        (
            "cut within a block",
            Box::new(|dir| cut(&dir.join(SEGMENT), at[4] + 50)),
            "block 4 is not whole".into(),
        ),
        (
            "cut between blocks",
            Box::new(|dir| cut(&dir.join(SEGMENT), at[4])),
            "it has 4 blocks, and its checkpoint says 5".into(),
        ),
        (
            "all blocks cut",
            Box::new(|dir| cut(&dir.join(SEGMENT), 36)),
            "it has 0 blocks, and its checkpoint says 5".into(),
        ),
        (
            "no blocks",
            Box::new(|dir| fs::remove_dir_all(dir.join("blocks")).unwrap()),
            "cannot list".into(),
        ),
        (
            "a block more",
            Box::new(|dir| {
                let mut all = records(&dir.join("blocks"));
                all.push(all[4].clone());
                set_records(&dir.join("blocks"), &all);
            }),
            "it has 6 blocks, and its checkpoint says 5".into(),
        ),
        (
            "reordered",
            Box::new(|dir| {
                let mut all = records(&dir.join("blocks"));
                all.swap(2, 3);
                set_records(&dir.join("blocks"), &all);
            }),
            "block 2 does not continue the chain: its number differs".into(),
        ),
        (
            "renumbered",
            Box::new(|dir| {
                change(dir, 2, |block| {
                    block.header.as_mut().unwrap().number = 3;
                });
            }),
            "block 2 does not continue the chain: its number differs".into(),
        ),
        (
            "previous hash",
            Box::new(|dir| {
                change(dir, 2, |block| {
                    block.header.as_mut().unwrap().previous_hash = Bytes::from_static(&[7; 32]);
                });
            }),
            "block 2 does not continue the chain: its previous hash differs".into(),
        ),
        (
            "data",
            Box::new(|dir| {
                change(dir, 2, |block| {
                    block
                        .data
                        .as_mut()
                        .unwrap()
                        .data
                        .push(Bytes::from_static(b"x"));
                });
            }),
            "block 2: ".into(),
        ),
        (
            "data and its hash",
            Box::new(|dir| {
                change(dir, 4, |block| {
                    let data = &mut block.data.as_mut().unwrap().data;
                    let mut bytes = data[0].to_vec();
                    *bytes.last_mut().unwrap() ^= 1;
                    data[0] = bytes.into();
                    block.header.as_mut().unwrap().data_hash =
                        Bytes::copy_from_slice(&data_hash(data));
                });
            }),
            "block 4 does not continue the chain: its commit hash differs".into(),
        ),
        (
            "verdict",
            Box::new(|dir| {
                change(dir, 3, |block| {
                    let metadata = &mut block.metadata.as_mut().unwrap().metadata;
                    metadata[SLOT_TRANSACTIONS_FILTER] = Bytes::from_static(&[11]);
                });
            }),
            "block 3 does not continue the chain: its commit hash differs".into(),
        ),
        (
            "commit hash",
            Box::new(|dir| {
                change(dir, 3, |block| {
                    set_verdicts(block, &[ValidationCode::Valid], [7; 32]);
                });
            }),
            "block 3 does not continue the chain: its commit hash differs".into(),
        ),
        (
            "a configuration that its signer did not sign so",
            Box::new(|dir| {
                forge_config(dir);
                sign(dir, &hospital, now);
            }),
            "block 4, transaction 0: the block says VALID, the rules say ".into(),
        ),
        (
            "another channel",
            Box::new(|dir| {
                fs::remove_dir_all(dir).unwrap();
                copy(&cards, dir);
            }),
            "it is of channel cards, and the block 0 given is channel providers's".into(),
        ),
        (
            "another channel's blocks",
            Box::new(|dir| {
                let mut all = records(&cards.join("blocks"));
                all.extend(records(&dir.join("blocks")).into_iter().skip(1));
                set_records(&dir.join("blocks"), &all);
            }),
            "its blocks are of channel cards, and its checkpoint is of channel providers".into(),
        ),
        (
            "no checkpoint",
            Box::new(|dir| fs::remove_file(dir.join(CHECKPOINT)).unwrap()),
            "cannot read".into(),
        ),
        (
            "checkpoint's form",
            Box::new(|dir| rewrite(dir, |text| text.replace("\"time\"", "\"tune\""))),
            "the checkpoint cannot be read: unknown field `tune`".into(),
        ),
        (
            "checkpoint's spaces",
            Box::new(|dir| rewrite(dir, |text| text + " ")),
            "the checkpoint cannot be read: it is not in its one encoding".into(),
        ),
        (
            "checkpoint's height",
            Box::new(|dir| rewrite(dir, |text| text.replace("\"height\": 5", "\"height\": 4"))),
            "it has 5 blocks, and its checkpoint says 4".into(),
        ),
        (
            "checkpoint's time",
            Box::new(|dir| rewrite(dir, |text| text.replace("\"time\": 1", "\"time\": 2"))),
            "the checkpoint is not signed by a host of a member: ".into(),
        ),
        (
            "checkpoint's block hash",
            Box::new(|dir| rewrite(dir, |text| flipped(&text, "blockHash"))),
            "its checkpoint names another hash of block 4".into(),
        ),
        (
            "checkpoint's digest",
            Box::new(|dir| rewrite(dir, |text| flipped(&text, "stateDigest"))),
            "its checkpoint names another state digest after block 4".into(),
        ),
        (
            "checkpoint's place in the log",
            Box::new(|dir| rewrite(dir, |text| flipped(&text, "logPosition"))),
            "its checkpoint names another place in the ordering log after block 4".into(),
        ),
        (
            "checkpoint's signature",
            Box::new(|dir| {
                rewrite(dir, |text| {
                    let at = text.find("\"signature\": \"").unwrap() + 14 + 20;
                    let digit = if &text[at..=at] == "0" { "1" } else { "0" };
                    format!("{}{digit}{}", &text[..at], &text[at + 1..])
                });
            }),
            "the checkpoint is not signed by a host of a member: ".into(),
        ),
        (
            "by a client",
            Box::new(|dir| sign(dir, &network.signer("hospital/hc1"), now)),
            "the checkpoint is signed by CN=hc1,OU=client of HospitalMSP, which is no host".into(),
        ),
        (
            "by an admin",
            Box::new(|dir| sign(dir, &network.signer("hospital/admin"), now)),
            "of HospitalMSP, which is no host".into(),
        ),
        (
            "by a host of no member",
            Box::new(|dir| sign(dir, &host_signer(&network, "school"), now)),
            "the checkpoint is not signed by a host of a member: ".into(),
        ),
        (
            "by a stranger's host",
            Box::new(|dir| {
                sign(dir, &issued(&stranger, "peer", craft::valid_now()), now);
            }),
            "the checkpoint is not signed by a host of a member: ".into(),
        ),
        (
            "by an expired host",
            Box::new(|dir| {
                sign(
                    dir,
                    &issued(&network.authority(HOSPITAL), "peer", expired),
                    now,
                );
            }),
            "the checkpoint is not signed by a host of a member: ".into(),
        ),
    ];
    let home = network.dir().join("hosts/clinic");
    let before = tree(&home);
    let (config, genesis) = (network.config(CLINIC), below(&network, "providers.block"));
    let join = |dir: &Path| {
        cordon(&[
            "channel",
            "join",
            "--config",
            config.to_str().unwrap(),
            "--genesis",
            &genesis,
            "--snapshot",
            dir.to_str().unwrap(),
        ])
    };
    let mut table = Table::new();
    for (case, damage, says) in &cases {
        let dir = network.dir().join("damaged");
        copy(&good, &dir);
        damage(&dir);
        let refused = join(&dir);
        table.equal(case, refused.code, 1);
        let begins = format!("cordon: the snapshot in {} cannot be used: ", dir.display());
        table.holds(case, refused.stderr.starts_with(&begins));
        table.contains(
            case,
            &refused.stderr.replace(&format!("{}/", dir.display()), ""),
            says,
        );
        table.holds(
            &format!("{case}: nothing is installed"),
            without_empty(&tree(&home)) == without_empty(&before),
        );
        let verified = cordon(&[
            "channel",
            "snapshot",
            "verify",
            dir.to_str().unwrap(),
            "--genesis",
            &genesis,
        ]);
        table.equal(
            &format!("{case}: verified"),
            &verified.stderr,
            &refused.stderr,
        );
        fs::remove_dir_all(dir).unwrap();
    }
    // It is the damage that was refused: signed again by whoever made it, the snapshot is good.
    sign(&good, &hospital, now);
    let joined = join(&good);
    table.equal("the good one", joined.code, 0);
    table.equal(
        "the good one",
        joined
            .stderr
            .lines()
            .filter(|line| line.starts_with("cordon:"))
            .count(),
        0,
    );
}

/// A folder that was made and stays empty is no installation.
fn without_empty(
    tree: &[(std::path::PathBuf, Option<Vec<u8>>)],
) -> Vec<&(std::path::PathBuf, Option<Vec<u8>>)> {
    tree.iter()
        .filter(|(_, content)| content.is_some())
        .collect()
}

/// The first digit of a hex field becomes another one.
fn flipped(text: &str, field: &str) -> String {
    let at = text.find(&format!("\"{field}\": \"")).unwrap() + field.len() + 5;
    let digit = if &text[at..=at] == "0" { "1" } else { "0" };
    format!("{}{digit}{}", &text[..at], &text[at + 1..])
}
