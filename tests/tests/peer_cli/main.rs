//! Fabric's own command line at a network of ours: what it can do, what it is told of channels, and
//! what it is refused (`WIRE.md` sections 16, 18 and 19).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod broadcast;
mod commands;
mod configuration;
mod environment;
mod lifecycle;
mod refusals;

use cordon_tests::{CHANNEL, Invoke, PeerCli, emr_of};
use cordon_types::TxId;
use cordon_wire::proto::common::{Envelope, HeaderType};

pub(crate) const CREATE: &str = "HealthCenter:CreateEmr";

/// `peer chaincode invoke -C providers -n emr`, without `-o`, waiting for nothing.
pub(crate) fn invoke<'a>(args: &'a [&'a str]) -> Invoke<'a> {
    Invoke {
        channel: CHANNEL,
        contract: "emr",
        args,
        orderer: None,
        waits: false,
        is_init: false,
    }
}

/// A transaction that opens a record, endorsed and signed.
pub(crate) async fn transaction(cli: &PeerCli, patient: &str) -> (Envelope, TxId) {
    let kind = HeaderType::EndorserTransaction;
    let (signed, id) = cli.proposal(kind, CHANNEL, "emr", &[CREATE, &emr_of(patient)], false);
    let responses = cli.endorse(&signed).await.unwrap();
    (cli.transaction(&signed, &responses).unwrap(), id)
}
