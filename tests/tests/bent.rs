//! Messages bent by their structure, sent to hosts that run: each is answered, nothing but what was
//! accepted is ordered, and no transaction is committed twice. Every mutant goes through the same code
//! in `cordon-fuzz-bodies`; here a sample of them goes the whole way.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so; lints do not take helpers for tests"
)]

use std::collections::BTreeSet;

use bytes::Bytes;
use cordon_fuzz_bodies::each_mutant;
use cordon_tests::craft::{proposal, sign_again, sign_envelope, tx_id_of};
use cordon_tests::{CLINIC, HOSPITAL, Network, answer_of, blocks, create_emr, emr_of};
use cordon_types::{TxId, ValidationCode};
use cordon_wire::proto::common::Envelope;
use cordon_wire::proto::protos::SignedProposal;
use cordon_wire::transaction::{Envelope as Parsed, Transaction};
use futures::future::join_all;
use tonic::Code;

/// Mutants of each message that are sent.
const SAMPLE: usize = 80;
/// Sent at once.
const AT_ONCE: usize = 20;

/// An even sample of the mutants of a message; what each is, and its bytes.
fn sample(message: &[u8]) -> Vec<(String, Bytes)> {
    let mut all = Vec::new();
    each_mutant(message, &mut |what, bytes| {
        all.push((what.to_owned(), bytes.into()));
    });
    assert!(all.len() > SAMPLE);
    let step = all.len() / SAMPLE;
    all.into_iter().step_by(step).collect()
}

/// A host that refuses says why; none of these is a refusal.
fn is_fault(code: Code) -> bool {
    use Code::{Cancelled, DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented};
    matches!(
        code,
        Cancelled | DataLoss | DeadlineExceeded | Internal | Unavailable | Unimplemented
    )
}

fn must_be_answered(what: &str, code: Code, message: &str) {
    assert!(!is_fault(code), "{what}: {code:?}: {message}");
    assert!(
        code == Code::Ok || !message.is_empty(),
        "{what}: {code:?} without a word"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bent_messages_are_answered_and_committed_once_at_most() {
    let network = Network::start().await;
    let raw = network.raw(HOSPITAL);
    let client = network.client("hospital/hc1");
    let hc1 = network.signer("hospital/hc1");
    create_emr(&client, "p1").await.unwrap();
    let before = network.settled().await;

    // Proposals, signed by their creator as bent. An endorsement is no commit.
    let honest = proposal(&hc1, &["HealthCenter:CheckIsPatientRegistered", "p1"]);
    let mutants = sample(&honest.proposal_bytes);
    let mut executed = 0;
    for chunk in mutants.chunks(AT_ONCE) {
        let asked = chunk.iter().map(async |(what, bytes)| {
            let bent = SignedProposal {
                proposal_bytes: bytes.clone(),
                signature: Bytes::new(),
            };
            let bent = sign_again(&hc1, bent);
            let evaluated = answer_of(raw.evaluate(bent.clone()).await);
            must_be_answered(what, evaluated.code, &evaluated.message);
            let reply = raw.process_proposal(bent.clone()).await;
            let endorsed = answer_of(raw.endorse(bent).await);
            must_be_answered(what, endorsed.code, &endorsed.message);
            if let Err(status) = reply {
                must_be_answered(what, status.code(), status.message());
            }
            usize::from(evaluated.code == Code::Ok)
        });
        executed += join_all(asked).await.into_iter().sum::<usize>();
    }
    assert!(
        executed > 0,
        "no bent proposal is as good as the honest one"
    );
    assert_eq!(
        network.settled().await,
        before,
        "asking has changed something"
    );

    // Transactions, as whoever sees one on its way bends it, and as its creator would.
    let honest = proposal(&hc1, &["HealthCenter:CreateEmr", &emr_of("p2")]);
    let id = tx_id_of(&honest);
    let honest = sign_envelope(&hc1, raw.endorse(honest).await.unwrap());
    let unsigned = |(what, payload): (String, Bytes)| {
        let signature = honest.signature.clone();
        (what, Envelope { payload, signature })
    };
    let signed = |(what, payload): (String, Bytes)| {
        let signature = Bytes::new();
        (what, sign_envelope(&hc1, Envelope { payload, signature }))
    };
    let mutants = sample(&honest.payload);
    let mutants: Vec<(String, Envelope)> = mutants
        .clone()
        .into_iter()
        .map(unsigned)
        .chain(mutants.into_iter().map(signed))
        .collect();
    let mut accepted = 0;
    for chunk in mutants.chunks(AT_ONCE) {
        let sent = chunk.iter().map(async |(what, bent)| {
            let answer = answer_of(raw.submit(bent.clone()).await);
            must_be_answered(what, answer.code, &answer.message);
            u64::from(answer.code == Code::Ok)
        });
        accepted += join_all(sent).await.into_iter().sum::<u64>();
    }
    assert!(accepted > 0, "no bent transaction reaches ordering");
    // The honest one comes last: bent ones have its id, or not.
    raw.submit(honest).await.unwrap();
    create_emr(&client, "p3").await.unwrap();
    let after = network.settled().await;

    let client_of_clinic = network.client("clinic/hc2");
    let mut ordered = 0;
    let mut taken: BTreeSet<TxId> = BTreeSet::new();
    for block in blocks(&client_of_clinic).await {
        if block.header.number < before.height {
            continue;
        }
        for (bytes, &code) in block.data.iter().zip(&block.codes) {
            ordered += 1;
            let transaction = Parsed::parse(bytes).and_then(Transaction::parse).unwrap();
            if Transaction::takes_id(code) {
                assert!(taken.insert(transaction.tx_id), "an id is taken twice");
            } else {
                assert_eq!(code, ValidationCode::DuplicateTxid);
            }
        }
    }
    // The honest one, and one more to see that the hosts live on.
    assert_eq!(ordered, accepted + 2, "only what is accepted is ordered");
    assert_eq!(taken.len(), 2, "all bent ones are the honest one, or none");
    assert!(taken.contains(&id));
    for host in [HOSPITAL, CLINIC] {
        assert_eq!(network.standing(host).await, after);
        assert!(
            !network.log(host).contains("panicked"),
            "{}",
            network.log(host)
        );
    }
}
