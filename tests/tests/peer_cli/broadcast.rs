//! `orderer.AtomicBroadcast/Broadcast`: what is taken, in which order, and what ends a stream.

use bytes::Bytes;
use cordon_fuzz_bodies::{Random, each_mutant};
use cordon_identity::CertificateAuthority;
use cordon_order::ENVELOPE_BYTES_MAX;
use cordon_tests::craft::{in_envelope_channel_header, issue, sign_envelope, valid_now};
use cordon_tests::{
    Broadcast, CLINIC, HOSPITAL, Network, PeerCli, Table, blocks, eventually_async, state_of,
};
use cordon_wire::proto::common::{ChannelHeader, Envelope, HeaderType, Status};
use cordon_wire::{Message as _, encode};

use crate::transaction;

const PEERS: [&str; 2] = [HOSPITAL, CLINIC];

async fn open(network: &Network, at: &str) -> Broadcast {
    Broadcast::open(&network.connection(at)).await.unwrap()
}

/// The answer to one envelope on a stream of its own, which ends after it: after success because the
/// client has closed its side.
async fn answer(network: &Network, at: &str, envelope: Envelope) -> (Status, String) {
    let mut stream = open(network, at).await;
    let reply = stream.send(envelope).await.unwrap();
    let status = Status::try_from(reply.status).unwrap();
    if status == Status::Success {
        stream.close();
    }
    assert_eq!(stream.next().await, Ok(None), "{status:?} {}", reply.info);
    (status, reply.info)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_ordered_is_refused_and_ends_the_stream() {
    let network = Network::start().await;
    let cli = PeerCli::new(&network, "hospital/hc1", &PEERS);
    let signer = network.signer("hospital/hc1");
    let (good, _) = transaction(&cli, "one").await;
    let before = network.settled().await;
    let with_header = |change: &dyn Fn(&mut ChannelHeader)| {
        let mut envelope = good.clone();
        in_envelope_channel_header(&mut envelope, change);
        sign_envelope(&signer, envelope)
    };
    let signed_by = |signature: Bytes| Envelope {
        signature,
        ..good.clone()
    };
    let bent = |at: usize| {
        let mut signature = good.signature.to_vec();
        signature[at] ^= 1;
        signed_by(signature.into())
    };
    let stranger = CertificateAuthority::create("ca.hospital", "hospital", valid_now()).unwrap();
    let stranger = issue(
        &stranger,
        "HospitalMSP",
        Some("client"),
        "healthcenter",
        valid_now(),
    );
    let strange = PeerCli::new(&network, "hospital/hc1", &PEERS);
    let (_, id) = strange.proposal(HeaderType::EndorserTransaction, "a", "b", &[], false);
    let others_words = signed_by(stranger.sign(&good.payload).unwrap());
    let updates = "configurations are not changed by updates of type CONFIG_UPDATE here";
    let creator = "creator is not accepted";
    let mut cases = vec![
        (
            "nothing".to_owned(),
            Envelope::default(),
            Status::BadRequest,
            "not signed",
        ),
        (
            "no signature".to_owned(),
            signed_by(Bytes::new()),
            Status::BadRequest,
            "not signed",
        ),
        (
            "a bent signature".to_owned(),
            bent(20),
            Status::Forbidden,
            creator,
        ),
        (
            "another's signature".to_owned(),
            others_words,
            Status::Forbidden,
            creator,
        ),
        (
            "a channel that is not there".to_owned(),
            with_header(&|header| header.channel_id = "records".to_owned()),
            Status::BadRequest,
            "",
        ),
        (
            "another's id".to_owned(),
            with_header(&|header| header.tx_id = id.to_string()),
            Status::BadRequest,
            "",
        ),
        (
            "an update".to_owned(),
            with_header(&|header| header.r#type = HeaderType::ConfigUpdate as i32),
            Status::NotImplemented,
            updates,
        ),
    ];
    for kind in [0, 1, 4, 5, 6, 7, 99, -1] {
        let envelope = with_header(&|header| header.r#type = kind);
        cases.push((format!("type {kind}"), envelope, Status::BadRequest, ""));
    }
    let mut table = Table::new();
    for (case, envelope, status, text) in cases {
        for at in PEERS {
            let (found, info) = answer(&network, at, envelope.clone()).await;
            table.equal(&format!("{case} at {at}: {info}"), found, status);
            table.contains(&format!("{case} at {at}"), &info, text);
            table.holds(&format!("{case} at {at}: a sentence"), !info.is_empty());
        }
    }
    table.equal("nothing has changed", network.settled().await, before);
    // It was good all the time.
    for at in PEERS {
        let found = answer(&network, at, good.clone()).await;
        table.equal(at, found, (Status::Success, String::new()));
    }
}

/// What ordering would not take is said in an answer; what no host reads ends the call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envelope_that_is_too_large_is_refused() {
    let network = Network::start().await;
    let cli = PeerCli::new(&network, "hospital/hc1", &PEERS);
    let signer = network.signer("hospital/hc1");
    let (good, _) = transaction(&cli, "one").await;
    let before = network.settled().await;
    // A field that nobody knows, and everybody signs and hashes: number 1000, with so many bytes.
    let padded = |bytes: usize| {
        let mut payload = good.payload.to_vec();
        payload.extend([0xc2, 0x3e]);
        let mut length = bytes;
        while length >= 0x80 {
            payload.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        payload.push(u8::try_from(length).unwrap());
        payload.resize(payload.len() + bytes, 0);
        let envelope = Envelope {
            payload: payload.into(),
            signature: Bytes::new(),
        };
        sign_envelope(&signer, envelope)
    };
    let mut table = Table::new();
    for at in PEERS {
        let (status, info) = answer(&network, at, padded(ENVELOPE_BYTES_MAX)).await;
        table.equal(at, status, Status::BadRequest);
        table.contains(at, &info, "ordering refused the envelope: it has");
        let mut stream = open(&network, at).await;
        let more = stream.send(padded(ENVELOPE_BYTES_MAX * 2)).await;
        table.holds(
            &format!("{at}: {more:?}"),
            !matches!(more, Ok(reply) if reply.status == 200),
        );
    }
    table.equal("nothing has changed", network.settled().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envelopes_of_one_stream_are_answered_and_ordered_in_turn() {
    let network = Network::start().await;
    let cli = PeerCli::new(&network, "hospital/hc1", &PEERS);
    let mut envelopes = Vec::new();
    let mut ids = Vec::new();
    for patient in 0..8 {
        let (envelope, id) = transaction(&cli, &format!("patient{patient}")).await;
        envelopes.push(envelope);
        ids.push(id.to_string());
    }
    envelopes[6].signature = envelopes[5].signature.clone();
    for at in PEERS {
        let mut stream = open(&network, at).await;
        for envelope in &envelopes {
            // Nothing is waited for, and what comes after the refused one may not even be read.
            stream.push(envelope.clone()).await;
        }
        let mut statuses = Vec::new();
        while let Some(reply) = stream.next().await.unwrap() {
            statuses.push(reply.status);
        }
        assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 403], "at {at}");
    }
    // The second time each was ordered again: nobody looks for duplicates before validation.
    let client = network.client("hospital/admin");
    let chain = eventually_async("all are in blocks", async || {
        let chain = blocks(&client).await;
        let count: usize = chain.iter().map(|block| block.data.len()).sum();
        (count == 13).then_some(chain)
    })
    .await;
    network.settled().await;
    let mut places = Vec::new();
    for id in &ids[..6] {
        let found = state_of(&chain, id);
        let codes: Vec<&str> = found.iter().map(|(_, code)| *code).collect();
        assert_eq!(codes, ["VALID", "DUPLICATE_TXID"]);
        places.push(found[0].0);
    }
    assert!(places.is_sorted(), "{places:?}");
    for id in &ids[6..] {
        assert_eq!(state_of(&chain, id), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_ordering_log_a_host_says_that_it_is_unavailable() {
    let mut network = Network::start().await;
    let cli = PeerCli::new(&network, "hospital/hc1", &PEERS);
    let (envelope, id) = transaction(&cli, "one").await;
    network.kill(HOSPITAL);
    let (status, info) = answer(&network, CLINIC, envelope.clone()).await;
    assert_eq!(status, Status::ServiceUnavailable);
    assert!(info.contains("ordering at 127.0.0.1:"), "{info}");
    network.start_host(HOSPITAL);
    // The host finds the log again by itself.
    eventually_async("the log takes the envelope", async || {
        let (status, _) = answer(&network, CLINIC, envelope.clone()).await;
        assert!([Status::Success, Status::ServiceUnavailable].contains(&status));
        (status == Status::Success).then_some(())
    })
    .await;
    let (code, _) = network
        .client("clinic/hc2")
        .commit_status(id)
        .await
        .unwrap();
    assert_eq!(code.name(), "VALID");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_stops_ends_open_streams_with_an_error() {
    let mut network = Network::start().await;
    let cli = PeerCli::new(&network, "hospital/hc1", &PEERS);
    let (envelope, _) = transaction(&cli, "one").await;
    let mut used = open(&network, CLINIC).await;
    assert_eq!(used.send(envelope).await.unwrap().status, 200);
    let mut idle = open(&network, CLINIC).await;
    let mut raw = network.raw(CLINIC).orderer;
    let waiting = raw.deliver(tokio_stream::pending()).await.unwrap();
    let mut waiting = waiting.into_inner();
    assert!(network.stop(CLINIC, "TERM").success());
    let expected = "rpc error: code = Unavailable desc = the host is shutting down";
    assert_eq!(used.next().await, Err(expected.to_owned()));
    assert_eq!(idle.next().await, Err(expected.to_owned()));
    let status = waiting.message().await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
}

/// Whatever is done to a transaction on its way: it is refused, or is still the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bent_envelopes_are_refused() {
    let network = Network::start().await;
    let cli = PeerCli::new(&network, "hospital/hc1", &PEERS);
    let (good, _) = transaction(&cli, "one").await;
    let before = network.settled().await;
    let mut mutants = Vec::new();
    each_mutant(&encode(&good), &mut |what, bytes| {
        let envelope = Envelope::decode(&*bytes).ok();
        mutants.extend(
            envelope
                .filter(|e| *e != good)
                .map(|e| (what.to_owned(), e)),
        );
    });
    assert!(mutants.len() > 1_000, "{}", mutants.len());
    let mut random = Random::new(7);
    let mut table = Table::new();
    for _ in 0..250 {
        let chosen = usize::try_from(random.below(mutants.len() as u64)).unwrap();
        let (what, envelope) = mutants.swap_remove(chosen);
        let (status, info) = answer(&network, CLINIC, envelope).await;
        let refused = [Status::BadRequest, Status::Forbidden].contains(&status);
        table.holds(&format!("{what}: {status:?} {info}"), refused);
    }
    table.equal("nothing has changed", network.settled().await, before);
}
