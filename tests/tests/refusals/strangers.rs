//! Those who may not read a channel: refused, and none the wiser.

use std::sync::Arc;

use bytes::Bytes;
use cordon_client::Client;
use cordon_identity::{CertificateAuthority, Signer};
use cordon_tests::craft::{issue, valid_now};
use cordon_tests::{Answer, CHANNEL, HOSPITAL, Network, Raw, Table, answer_of, within};
use cordon_wire::encode;
use cordon_wire::proto::gateway::{
    ChaincodeEventsRequest, CommitStatusRequest, SignedChaincodeEventsRequest,
    SignedCommitStatusRequest,
};
use tonic::Code;

use crate::plain;

/// Whether the channel exists, and why exactly a stranger is refused, is nobody else's business: all
/// answers are the same, to the last byte (`WIRE.md` section 12).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_cannot_tell_whether_a_channel_exists() {
    let network = Network::start().await;
    let stranger = CertificateAuthority::create("ca.hospital", "hospital", valid_now()).unwrap();
    let denied = plain(Code::PermissionDenied, "access denied");
    let mut table = Table::new();
    for msp in ["HospitalMSP", "SchoolMSP"] {
        let signer = issue(&stranger, msp, Some("client"), "healthcenter", valid_now());
        let signer = Arc::new(signer);
        for channel in [CHANNEL, "records"] {
            let connection = network.connection(HOSPITAL);
            let client = Client::new(channel, Arc::clone(&signer), connection);
            let case = format!("somebody of {msp} on {channel}");
            let found = answer_of(client.commit_status("0".repeat(64).parse().unwrap()).await);
            table.equal(&format!("{case}, commit status"), found, denied.clone());
            let found = answer_of(client.events("emr", None, None).await);
            table.equal(&format!("{case}, events"), found, denied.clone());
        }
    }
    // The same for a member who does not sign.
    let raw = network.raw(HOSPITAL);
    let hc1 = network.signer("hospital/hc1");
    for found in unsigned(&raw, &hc1).await {
        table.equal("not signed", found, denied.clone());
    }
}

async fn unsigned(raw: &Raw, signer: &Signer) -> [Answer; 2] {
    let request = SignedCommitStatusRequest {
        request: encode(&CommitStatusRequest {
            transaction_id: "0".repeat(64),
            channel_id: CHANNEL.to_owned(),
            identity: signer.serialized(),
        }),
        signature: Bytes::new(),
    };
    let status = within(raw.gateway.clone().commit_status(request)).await;
    let request = SignedChaincodeEventsRequest {
        request: encode(&ChaincodeEventsRequest {
            channel_id: CHANNEL.to_owned(),
            chaincode_id: "emr".to_owned(),
            identity: signer.serialized(),
            ..ChaincodeEventsRequest::default()
        }),
        signature: Bytes::new(),
    };
    let events = within(raw.gateway.clone().chaincode_events(request)).await;
    [answer_of(status), answer_of(events)]
}
