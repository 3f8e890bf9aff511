//! Files that are not as a host left them: what it repairs, and what it refuses in which words.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use cordon_client::Call;
use cordon_tests::{CLINIC, HOSPITAL, Network, Standing, blocks, create_emr};

const BLOCKS: &str = "channels/providers/blocks/00000000.seg";
const STATE: &str = "channels/providers/state";
const LOG: &str = "ordering/providers/00000000.seg";

/// A network that stands still, with some blocks.
async fn stopped() -> (Network, Standing) {
    let mut network = Network::start().await;
    let hc1 = network.client("hospital/hc1");
    for index in 0..6 {
        create_emr(&hc1, &format!("pa{index}")).await.unwrap();
    }
    let standing = network.settled().await;
    network.stop_all();
    (network, standing)
}

/// Both hosts again, where they were; and further.
async fn as_before(network: &mut Network, before: &Standing) {
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    assert_eq!(&network.settled().await, before);
    let here = blocks(&network.client("hospital/hc1")).await;
    let there = blocks(&network.client("clinic/hc2")).await;
    let hashes = |blocks: &[cordon_wire::block::CommittedBlock]| -> Vec<_> {
        blocks
            .iter()
            .map(|block| (block.hash(), block.commit_hash))
            .collect()
    };
    assert_eq!(hashes(&here), hashes(&there));
    let patient = format!("patient of block {}", before.height);
    create_emr(&network.client("hospital/hc1"), &patient)
        .await
        .unwrap();
    assert_eq!(network.settled().await.height, before.height + 1);
}

fn cut(path: &Path, bytes: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length - bytes).unwrap();
}

/// Flips a bit `from_end` bytes before the end, or at `offset`.
fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 0x10;
    file.write_all_at(&byte, at).unwrap();
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

/// Where each record of a segment begins: 36 bytes of header, then records of 12 + length bytes.
fn records(path: &Path) -> Vec<u64> {
    let bytes = fs::read(path).unwrap();
    let mut at = 36;
    let mut found = Vec::new();
    while at < bytes.len() {
        found.push(at as u64);
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        at += 12 + usize::try_from(length).unwrap();
    }
    found
}

/// Starting is refused, and the refusal says all of this.
fn refused(network: &mut Network, organization: &str, says: &[&str]) {
    let error = network.try_start_host(organization).unwrap_err();
    assert!(error.starts_with("exit status: 1"), "{error}");
    for text in says {
        assert!(error.contains(text), "{text:?} is not in: {error}");
    }
    assert!(!error.contains("panicked"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_last_block_comes_again_from_ordering() {
    let (mut network, before) = stopped().await;
    for organization in [CLINIC, HOSPITAL] {
        cut(&network.data(organization, BLOCKS), 7);
    }
    as_before(&mut network, &before).await;
    for organization in [CLINIC, HOSPITAL] {
        let log = network.log(organization);
        assert!(log.contains("an unfinished block was cut off"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_the_last_block_is_repaired_from_ordering() {
    let (mut network, before) = stopped().await;
    for organization in [CLINIC, HOSPITAL] {
        let path = network.data(organization, BLOCKS);
        flip(&path, length(&path) - 5);
    }
    as_before(&mut network, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_lost_whole_come_again_from_ordering() {
    let (mut network, before) = stopped().await;
    let path = network.data(CLINIC, BLOCKS);
    let from = records(&path)[3];
    cut(&path, length(&path) - from);
    // And a ledger that is lost altogether.
    fs::remove_dir_all(network.data(HOSPITAL, "channels")).unwrap();
    as_before(&mut network, &before).await;
}

/// The damaged blocks are kept for whoever wants to know, and made again from the ordering log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_the_middle_is_set_aside_and_cut_again() {
    let (mut network, mut before) = stopped().await;
    let place = |path: &Path, at: u64| format!("({} at byte {at})", path.display());
    for (case, organization, block, within, says) in [
        ("content", CLINIC, 2, 40, "the record's content is damaged"),
        (
            "content, at the log's keeper",
            HOSPITAL,
            3,
            40,
            "the record's content is damaged",
        ),
        ("length", CLINIC, 4, 1, "the record's header is damaged"),
        (
            "checksum",
            HOSPITAL,
            1,
            9,
            "the record's content is damaged",
        ),
        (
            "the first block",
            CLINIC,
            0,
            100,
            "the record's content is damaged",
        ),
    ] {
        let path = network.data(organization, BLOCKS);
        let whole = fs::read(&path).unwrap();
        let at = records(&path)[block];
        flip(&path, at + within);
        let damaged = fs::read(&path).unwrap();
        as_before(&mut network, &before).await;
        let log = network.log(organization);
        for text in [
            &format!("block {block} is damaged"),
            &place(&path, at),
            says,
            "blocks were set aside",
        ] {
            assert!(log.contains(text), "{case}: {text:?} is not in: {log}");
        }
        let aside = network.data(organization, &format!("channels/providers/damaged-{block}"));
        let kept: Vec<_> = fs::read_dir(aside)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        let end = usize::try_from(at).unwrap();
        assert_eq!(kept.len(), 1, "{case}");
        assert!(
            damaged.ends_with(&fs::read(&kept[0]).unwrap()),
            "{case}: kept as it was"
        );
        network.stop_all();
        let again = fs::read(&path).unwrap();
        assert_eq!(
            again[..end],
            whole[..end],
            "{case}: what was good is as it was"
        );
        before = standing_still(&mut network).await;
    }

    // A segment whose header is damaged is lost whole; ordering has it all.
    let path = network.data(CLINIC, BLOCKS);
    flip(&path, 20);
    as_before(&mut network, &before).await;
    let log = network.log(CLINIC);
    assert!(log.contains("the segment's header is damaged"), "{log}");
}

/// Starts both, asks where they are, and stops them again.
async fn standing_still(network: &mut Network) -> Standing {
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    let standing = network.settled().await;
    network.stop_all();
    standing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_or_damaged_state_is_rebuilt() {
    let (mut network, before) = stopped().await;
    for organization in [CLINIC, HOSPITAL] {
        fs::remove_dir_all(network.data(organization, STATE)).unwrap();
    }
    as_before(&mut network, &before).await;
    for organization in [CLINIC, HOSPITAL] {
        let log = network.log(organization);
        assert!(
            log.contains("the state was rebuilt from the blocks"),
            "{log}"
        );
    }
    let before = network.settled().await;
    network.stop_all();

    // Every file of it, damaged somewhere in the middle.
    for organization in [CLINIC, HOSPITAL] {
        damage_all(&network.data(organization, STATE));
    }
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    assert_eq!(network.settled().await, before);
    let py1 = network.client("hospital/py1");
    for index in 0..6 {
        let patient = format!("pa{index}");
        let emr = cordon_tests::evaluate(&py1, "Physician:GetEmrByPatientId", &[&patient]).await;
        assert_eq!(emr.unwrap()["patientId"], patient);
    }
}

fn damage_all(dir: &Path) {
    let mut damaged = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let bytes = length(&path);
        for part in 1..8 {
            let at = bytes * part / 8;
            if at < bytes {
                flip(&path, at);
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0, "{}", dir.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_ordering_log_is_refused_by_name() {
    let (mut network, before) = stopped().await;
    let path = network.data(HOSPITAL, LOG);
    let at = records(&path)[4];
    let shown = path.display().to_string();
    flip(&path, at + 60);
    let place =
        format!("{shown} is damaged at byte {at} (record 4): the record's content is damaged");
    refused(
        &mut network,
        HOSPITAL,
        &["cannot open the ordering log of channel providers", &place],
    );
    flip(&path, at + 60);

    // A last record that was torn was never acknowledged; but one that is whole and wrong may have
    // been, and hosts may have read it.
    let last = *records(&path).last().unwrap();
    flip(&path, length(&path) - 1);
    let place = format!("{shown} is damaged at byte {last}");
    refused(
        &mut network,
        HOSPITAL,
        &["cannot open the ordering log of channel providers", &place],
    );
    flip(&path, length(&path) - 1);
    as_before(&mut network, &before).await;
}

/// A log that has lost records which blocks were made of is another log: nobody follows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordering_log_that_lost_its_end_is_not_followed() {
    let (mut network, _) = stopped().await;
    let path = network.data(HOSPITAL, LOG);
    let from = records(&path)[6];
    cut(&path, length(&path) - from);
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    let mut table = cordon_tests::Table::new();
    for caller in ["hospital/hc1", "clinic/hc2"] {
        let client = network.client(caller);
        let call = Call::new("emr", "HealthCenter:CheckIsPatientRegistered", &["pa0"]);
        let found = cordon_tests::eventually_async("the channel stops", async || {
            let found = cordon_tests::answer_of(client.evaluate(&call).await);
            (found.code != tonic::Code::Ok).then_some(found)
        })
        .await;
        table.equal(caller, found.code, tonic::Code::Unavailable);
        table.contains(
            caller,
            &found.message,
            "channel providers has stopped on this host: ",
        );
        table.contains(
            caller,
            &found.message,
            "the ordering log is not the one read before",
        );
        // What is committed stays readable.
        table.holds(caller, cordon_tests::chain_info(&client).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_data_directory_serves_one_process() {
    let mut network = Network::start().await;
    let before = network.settled().await;
    for organization in [HOSPITAL, CLINIC] {
        // The same data, another port.
        let config = network.config(organization);
        let text = fs::read_to_string(&config).unwrap();
        let free = format!("127.0.0.1:{}", network.port_base() + 5);
        let twin = config.with_file_name("twin.toml");
        fs::write(&twin, format!("listen = \"{free}\"\n{text}")).unwrap();
        let cli = cordon_tests::cordon(&["host", "run", "--config", twin.to_str().unwrap()]);
        assert_eq!(cli.code, 1, "{cli:?}");
        let data = network.data(organization, "");
        let says = format!("works with {}", data.display());
        let says = says.trim_end_matches('/');
        assert!(cli.stderr.contains(says), "{says}: {}", cli.stderr);
        // The same port too: what is worse is told.
        let cli = cordon_tests::cordon(&["host", "run", "--config", config.to_str().unwrap()]);
        assert_eq!(cli.code, 1, "{cli:?}");
        assert!(cli.stderr.contains(says), "{}", cli.stderr);
    }
    create_emr(&network.client("hospital/hc1"), "pa1")
        .await
        .unwrap();
    assert_eq!(network.settled().await.height, before.height + 1);
    network.stop_all();
}
