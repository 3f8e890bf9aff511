//! A contract that calls another one, which writes: one transaction with the records of both, for
//! which both endorsement policies must be met; or the records of neither.
//!
//! `caller` needs the hospital's signature, `book` the clinic's.

use cordon_client::{Call, Prepared};
use cordon_tests::craft::{in_endorsed, in_outcome, sign_envelope};
use cordon_tests::{HOSPITAL, Network, Table, answer_of};
use cordon_types::ValidationCode;
use cordon_wire::Message as _;
use cordon_wire::proto::common::Envelope;
use cordon_wire::proto::{kvrwset, rwset};
use serde_json::json;

use crate::guests::{self, evaluated};

/// What `book` is to do.
const WRITE: &str = "0";
const WRITE_AND_REFUSE: &str = "1";

fn around(end: &str) -> Call {
    Call::new("caller", "Around", &[end])
}

/// Contract and key of every write, and whose signatures there are.
fn writes(envelope: &Envelope) -> Vec<String> {
    let mut found = Vec::new();
    in_outcome(&mut envelope.clone(), |action| {
        let set = rwset::TxReadWriteSet::decode(action.results.clone()).unwrap();
        for contract in set.ns_rwset {
            let set = kvrwset::KvrwSet::decode(contract.rwset).unwrap();
            let writes = set.writes.into_iter();
            found.extend(writes.map(|write| format!("{}: {}", contract.namespace, write.key)));
        }
    });
    found
}

async fn read(network: &Network) -> [String; 2] {
    let client = network.client("hospital/hc1");
    let read = async |contract| evaluated(&client, &Call::new(contract, "Read", &[])).await;
    [read("caller").await, read("book").await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_contracts_write_together() {
    let network = guests::start().await;
    let client = network.client("hospital/hc1");
    let mut table = Table::new();
    let endorse = async |call: &Call| client.endorse(client.propose(call).unwrap()).await.unwrap();
    let ledger_tx = |prepared: &Prepared| {
        let tx_id = prepared.tx_id.to_string();
        let args = ["ledger", "tx", "--as", "hospital/hc1", "--json", &tx_id];
        let tx = network.cli(&args).json();
        let mut endorsers = tx["endorsers"].as_array().unwrap().clone();
        endorsers.sort_by_key(ToString::to_string);
        [tx["code"].clone(), json!(endorsers)]
    };
    let both = json!(["ClinicMSP", "HospitalMSP"]);
    let own = ["caller: after", "caller: before", "caller: page"];

    // What the callee has written when it refuses is taken back, and the caller goes on.
    let prepared = endorse(&around(WRITE_AND_REFUSE)).await;
    table.equal("a refusal is an answer", &prepared.answer[..], b"1");
    table.equal(
        "own writes alone",
        writes(&prepared.envelope),
        own.map(str::to_owned).to_vec(),
    );
    client.submit(&prepared).await.unwrap();
    let (code, _) = client.commit_status(prepared.tx_id).await.unwrap();
    table.equal("the caller's", code, ValidationCode::Valid);
    table.equal(
        "on the ledger",
        ledger_tx(&prepared),
        [json!("VALID"), both.clone()],
    );
    let found = ["200: before", "200: absent"].map(str::to_owned);
    table.equal("after a refusal", read(&network).await, found.clone());

    // One signature is too few, whichever it is.
    let all: Vec<String> = ["book: page"]
        .into_iter()
        .chain(own)
        .map(str::to_owned)
        .collect();
    for kept in 0..2 {
        let prepared = endorse(&around(WRITE)).await;
        let mut envelope = prepared.envelope.clone();
        in_endorsed(&mut envelope, |endorsed| {
            assert_eq!(endorsed.endorsements.len(), 2);
            endorsed.endorsements = vec![endorsed.endorsements[kept].clone()];
        });
        let envelope = sign_envelope(client.signer(), envelope);
        let submitted = network.raw(HOSPITAL).submit(envelope).await;
        assert!(submitted.is_ok(), "{:?}", answer_of(submitted));
        let (code, _) = client.commit_status(prepared.tx_id).await.unwrap();
        table.equal(
            "one signature",
            code,
            ValidationCode::EndorsementPolicyFailure,
        );
    }
    table.equal("nothing was written", read(&network).await, found);

    // Both together are one transaction.
    let prepared = endorse(&around(WRITE)).await;
    table.equal("no refusal", &prepared.answer[..], b"0");
    table.equal("writes of both", writes(&prepared.envelope), all);
    client.submit(&prepared).await.unwrap();
    let (code, _) = client.commit_status(prepared.tx_id).await.unwrap();
    table.equal("both", code, ValidationCode::Valid);
    table.equal(
        "on the ledger",
        ledger_tx(&prepared),
        [json!("VALID"), both],
    );
    let found = ["200: before", "200: written by book"].map(str::to_owned);
    table.equal("after both", read(&network).await, found.clone());

    // A callee's fault is the whole transaction's: that no such call changes anything is in the table
    // of all guests' calls. Here it meets records that are there.
    let before = network.settled().await;
    for end in ["2", "3", "4", "5"] {
        let refused = answer_of(client.transact(&around(end)).await);
        table.contains(
            end,
            &refused.message,
            "chaincode response 500, the contract ",
        );
        table.equal("who says so", refused.details.len(), 2);
    }
    table.equal("nothing has changed", network.settled().await, before);
    table.equal("after faults", read(&network).await, found);
}
