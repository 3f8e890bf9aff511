//! Real messages bent by their structure: every field and every message in them removed, emptied,
//! doubled, moved, of another type, and with fields that nobody knows. What is tried with each mutant
//! is at the targets' bodies; here stands what needs the original beside it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which lints do not take for tests"
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use cordon_fuzz_bodies::{
    block, each_mutant, envelope, heal, id_at_endorser, in_one_block, proposal, samples, sign,
};
use cordon_policy::EndorsementPolicy;
use cordon_types::ValidationCode;
use cordon_wire::proto::{common, gateway, protos};
use cordon_wire::transaction::{Envelope, Transaction};
use cordon_wire::{Message, encode};

/// Every mutant of a message and what was done to it.
fn mutants(message: &impl Message) -> Vec<(String, Bytes)> {
    let mut all = Vec::new();
    each_mutant(&message.encode_to_vec(), &mut |what, bytes| {
        all.push((what.to_owned(), Bytes::from(bytes)));
    });
    all
}

/// Says which mutant a panic is about.
struct Bent<'a>(&'a str);

impl Drop for Bent<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("bent: {}", self.0);
        }
    }
}

#[test]
fn a_message_is_bent_in_every_place() {
    let message = common::Header {
        channel_header: encode(&common::ChannelHeader {
            channel_id: "c".to_owned(),
            ..Default::default()
        }),
        signature_header: Bytes::new(),
    };
    // 0a 03 [22 01 63]
    assert_eq!(hex::encode(encode(&message)), "0a03220163");
    let mutants: BTreeMap<String, String> = mutants(&message)
        .into_iter()
        .map(|(what, bytes)| (what, hex::encode(&bytes)))
        .collect();
    for (what, bytes) in [
        ("message.1 removed", ""),
        ("message.1 doubled at the end", "0a032201630a03220163"),
        ("message.1 emptied", "0a00"),
        ("message.1 is followed by an empty one", "0a032201630a00"),
        ("message.1 has a tag 2 bytes too long", "8a800003220163"),
        ("message.1 has a number 2 bytes too long", "0a838000220163"),
        ("message.1 is of wire type 3", "0b03220163"),
        (
            "message with unknown bytes at the start",
            "faff030208010a03220163",
        ),
        ("message.1.4 removed", "0a00"),
        ("message.1.4 doubled in place", "0a06220163220163"),
        ("message.1.4 says one byte less", "0a03220063"),
        ("message.1 with half a tag at the end", "0a0422016380"),
    ] {
        assert_eq!(mutants.get(what).map(String::as_str), Some(bytes), "{what}");
    }
}

#[test]
fn a_bent_proposal_has_one_id_or_none() {
    let original = samples::proposal(1);
    let id = id_at_endorser(&original).expect("the original is accepted");
    let inner = protos::Proposal::decode(original.proposal_bytes.clone()).unwrap();
    let (mut tried, mut same, mut other) = (0, 0, 0);
    for (what, bytes) in mutants(&inner) {
        let _bent = Bent(&what);
        let mut bent = protos::SignedProposal {
            proposal_bytes: bytes,
            signature: original.signature.clone(),
        };
        proposal(&encode(&bent));
        if bent.proposal_bytes != original.proposal_bytes {
            assert_eq!(id_at_endorser(&bent), None, "nobody signed this");
        }
        bent.signature = sign(&bent.proposal_bytes);
        match id_at_endorser(&bent) {
            Some(bent) if bent == id => same += 1,
            Some(_) => other += 1,
            None => {}
        }
        tried += 1;
    }
    for (_, bytes) in mutants(&original) {
        proposal(&bytes);
    }
    assert!(tried > 500 && same > 50, "{tried} mutants, {same} accepted");
    // The id follows from creator and nonce, and stands in a third place: all three change at once.
    assert_eq!(other, 0, "a bent proposal is accepted under another id");
}

/// Whoever sees a transaction may bend it; its creator may even sign it again. Beside the original in a
/// block, in either order, one of them at most takes the id.
#[test]
fn a_bent_transaction_is_not_committed_beside_the_original() {
    let original = samples::transaction(1);
    let bytes = encode(&original);
    let id = Transaction::parse(Envelope::parse(&bytes).unwrap())
        .unwrap()
        .tx_id;
    assert_eq!(
        in_one_block(std::slice::from_ref(&bytes)),
        [(ValidationCode::Valid, Some(id))]
    );

    let (mut duplicates, mut tried) = (0, 0);
    for (what, mutant) in mutants(&original) {
        let _bent = Bent(&what);
        envelope(&mutant);
        let healed = heal(&mutant);
        let healed = (healed != mutant).then_some(healed);
        for mutant in healed.into_iter().chain([mutant]) {
            let after = in_one_block(&[bytes.clone(), mutant.clone()]);
            assert_eq!(after[0], (ValidationCode::Valid, Some(id)));
            let before = in_one_block(&[mutant.clone(), bytes.clone()]);
            let with_id = [after[1], before[0]]
                .iter()
                .any(|(_, taken)| *taken == Some(id));
            if before[0].1 == Some(id) {
                assert_eq!(before[1].0, ValidationCode::DuplicateTxid);
                assert_eq!(after[1].0, ValidationCode::DuplicateTxid);
                duplicates += 1;
            } else {
                assert!(!with_id, "the id is taken only behind the original");
                assert_eq!(before[1], (ValidationCode::Valid, Some(id)));
            }
            // The same signed content is the same transaction, whatever stands around it.
            let payload = |bytes| Some(Envelope::parse(bytes).ok()?.payload);
            let signature = |bytes| Some(Envelope::parse(bytes).ok()?.signature);
            let signed = signature(&mutant).is_some_and(|signature| !signature.is_empty());
            if signed && payload(&mutant) == payload(&bytes) {
                assert_eq!(after[1].0, ValidationCode::DuplicateTxid);
            }
            tried += 1;
        }
    }
    assert!(
        tried > 1500 && duplicates > 200,
        "{tried} mutants, {duplicates} with the id"
    );
}

#[test]
fn a_bent_configuration_is_not_committed_beside_the_original() {
    let original = encode(&samples::configuration(1));
    let [(ValidationCode::Valid, Some(id))] = in_one_block(std::slice::from_ref(&original))[..]
    else {
        panic!("the original is valid");
    };
    let (mut tried, mut taken) = (0, 0);
    for (what, mutant) in mutants(&samples::configuration(1)) {
        let _bent = Bent(&what);
        envelope(&mutant);
        let verdicts = in_one_block(&[mutant, original.clone()]);
        let valid = verdicts
            .iter()
            .filter(|(code, _)| *code == ValidationCode::Valid);
        assert!(
            valid.count() <= 1,
            "two configurations follow the same one: {verdicts:?}"
        );
        taken += usize::from(verdicts[0].1 == Some(id));
        tried += 1;
    }
    assert!(
        tried > 500 && taken > 10,
        "{tried} mutants, {taken} with the id"
    );
}

#[test]
fn bent_blocks_and_requests_are_taken_apart_or_refused() {
    for (what, mutant) in mutants(&samples::block()) {
        let _bent = Bent(&what);
        block(&mutant);
    }
    for (what, mutant) in mutants(&samples::seek()) {
        let _bent = Bent(&what);
        envelope(&mutant);
    }
    let endorse = gateway::EndorseRequest {
        transaction_id: "id".to_owned(),
        channel_id: "providers".to_owned(),
        proposed_transaction: Some(samples::proposal(1)),
        endorsing_organizations: vec!["Org1MSP".to_owned()],
    };
    for (what, mutant) in mutants(&endorse) {
        let _bent = Bent(&what);
        if let Ok(request) = gateway::EndorseRequest::decode(mutant) {
            proposal(&encode(&request.proposed_transaction.unwrap_or_default()));
        }
    }
    let submit = gateway::SubmitRequest {
        transaction_id: "id".to_owned(),
        channel_id: "providers".to_owned(),
        prepared_transaction: Some(samples::transaction(1)),
    };
    for (what, mutant) in mutants(&submit) {
        let _bent = Bent(&what);
        if let Ok(request) = gateway::SubmitRequest::decode(mutant) {
            envelope(&encode(&request.prepared_transaction.unwrap_or_default()));
        }
    }
    let policy = EndorsementPolicy::parse("AND('A.peer', OutOf(1,'B.member','C.admin'))").unwrap();
    for (what, mutant) in mutants(&policy.to_proto()) {
        let _bent = Bent(&what);
        cordon_fuzz_bodies::endorsement_policy(&mutant);
    }
}
