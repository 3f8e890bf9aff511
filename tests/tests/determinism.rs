//! What hosts endorsed, executed once more in this process: another build (tests have debug assertions
//! and another optimisation than what is shipped), another level of logging, another state that has only
//! what the blocks wrote. The signed bytes must be the same.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cordon_execute::{Call, Contract, NoLedgers, Profile, Runtime};
use cordon_identity::Certificate;
use cordon_tests::{CHANNEL, CLINIC, HOSPITAL, Network, NetworkFile, Stage, blocks, emr_of, note};
use cordon_types::{Caller, ContractId, Version};
use cordon_wire::Message as _;
use cordon_wire::proto::{msp, protos};
use cordon_wire::rw_set::encode_rw_set;
use cordon_wire::transaction::{Envelope, Transaction, encode_events, response_payload};

#[path = "../../host/execute/tests/determinism/world.rs"]
#[allow(dead_code, reason = "what only its other user needs")]
mod world;

use world::State;

/// The contracts of the channel, compiled here.
fn contracts() -> BTreeMap<ContractId, Arc<Contract>> {
    let runtime = Runtime::new(Profile::default()).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/contracts");
    let compiled = ["emr", "sharing"].map(|name| {
        let bytes = std::fs::read(root.join(format!("{name}.wasm"))).unwrap();
        (name.parse().unwrap(), runtime.compile(&bytes).unwrap())
    });
    runtime.link(runtime.profile(), compiled.into()).unwrap()
}

fn caller(creator: &Bytes) -> Arc<Caller> {
    let creator = msp::SerializedIdentity::decode(creator.clone()).unwrap();
    let certificate = Certificate::from_pem(&creator.id_bytes).unwrap();
    let attributes = certificate.attributes().clone();
    let name = certificate.common_name().unwrap_or_default().to_owned();
    Arc::new(Caller {
        msp_id: creator.mspid.parse().unwrap(),
        subject: certificate.subject().to_owned(),
        unique_id: certificate.unique_id().to_owned(),
        enrollment_id: attributes.get("hf.EnrollmentID").cloned().unwrap_or(name),
        attributes,
    })
}

/// What endorsers would sign if they came to what this process comes to.
fn executed(contract: &Contract, state: &State, transaction: &Transaction) -> Bytes {
    let timestamp = transaction.header.channel_header.timestamp.unwrap();
    let outcome = contract.call(Call {
        channel: transaction.channel.clone(),
        tx_id: transaction.tx_id,
        timestamp: (timestamp.seconds, timestamp.nanos.cast_unsigned()),
        caller: caller(&transaction.header.creator),
        transient: BTreeMap::new(),
        args: &transaction.args,
        snapshot: Box::new(state.clone()),
        ledgers: Arc::new(NoLedgers),
    });
    let outcome = outcome.unwrap();
    let signed = transaction.response_payload.clone();
    let signed = protos::ProposalResponsePayload::decode(signed).unwrap();
    let response = protos::Response {
        status: outcome.response.status,
        message: outcome.response.message,
        payload: outcome.response.payload,
    };
    response_payload(
        signed.proposal_hash.as_ref().try_into().unwrap(),
        encode_rw_set(&outcome.rw_set),
        encode_events(&transaction.contract, &transaction.tx_id, &outcome.events),
        response,
        &transaction.contract,
        &transaction.contract_version,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn another_build_comes_to_the_bytes_that_hosts_signed() {
    let mut network = Network::provision_from(NetworkFile::Town, "trace");
    network.start_host(HOSPITAL);
    network.start_host(CLINIC);
    network.settled().await;
    let (hc1, py1, pa1, py2) = ("hospital/hc1", "hospital/py1", "hospital/pa1", "clinic/py2");
    let emr = Stage::new(&network, CHANNEL, "emr", &[hc1, py1, pa1]);
    let sharing = Stage::new(&network, CHANNEL, "sharing", &[hc1, pa1, py2]);
    let create = "HealthCenter:CreateEmr";
    let created = emr.submits(hc1, create, &[&emr_of("pa1")]).await;
    let id = created["emrId"].as_str().unwrap();
    for diagnosis in ["measles", "\u{1d11e} \"quoted\"", ""] {
        let note = note("pa1", diagnosis);
        emr.submits(py1, "Physician:AddEmrNote", &[&note]).await;
    }
    emr.submits(pa1, "Patient:GetOwnEmr", &[]).await;
    for (who, function, args) in [
        (py2, "Physician:RequestEmr", &["HospitalMSP", "pa1"][..]),
        // These call the other contract.
        (hc1, "HealthCenter:AuthorizeEmrReading", &["ClinicMSP", id]),
        (pa1, "Patient:ApproveEmrSharing", &["ClinicMSP"]),
        (py2, "Physician:GetSharedEmr", &["HospitalMSP", "pa1"]),
        (pa1, "Patient:RemoveEmrSharing", &["ClinicMSP"]),
    ] {
        sharing.submits(who, function, args).await;
    }

    let contracts = contracts();
    let mut state = State::default();
    let mut compared = 0;
    for block in blocks(&network.client("hospital/admin")).await {
        for (index, envelope) in block.data.iter().enumerate() {
            let envelope = Envelope::parse(envelope).unwrap();
            let Ok(transaction) = Transaction::parse(envelope) else {
                // A configuration.
                continue;
            };
            let found = executed(&contracts[&transaction.contract], &state, &transaction);
            assert!(
                found == transaction.response_payload,
                "{} of contract {} gives other bytes here",
                String::from_utf8_lossy(&transaction.args[0]),
                transaction.contract
            );
            let version = Version {
                block: block.header.number,
                tx: u32::try_from(index).unwrap(),
            };
            let seconds = transaction.header.channel_header.timestamp.unwrap().seconds;
            state.commit(version, transaction.tx_id, seconds, &transaction.rw_set);
            compared += 1;
        }
    }
    assert_eq!(compared, 10);
    assert!(
        !network.log(HOSPITAL).is_empty(),
        "hosts have logged nothing"
    );
}
