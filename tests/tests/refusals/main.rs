//! What is refused: with which gRPC code, in which words, and that nothing has changed afterwards.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod arguments;
mod missing;
mod proposals;
mod strangers;
mod transactions;

use cordon_identity::Signer;
use cordon_tests::craft::{proposal, sign_again, sign_envelope};
use cordon_tests::{Answer, Raw, emr_of};
use cordon_wire::proto::common::Envelope;
use cordon_wire::proto::protos::SignedProposal;
use tonic::Code;

pub(crate) const CREATE: &str = "HealthCenter:CreateEmr";
pub(crate) const EVALUATE: &str = "evaluate call to endorser returned error: ";
pub(crate) const ENDORSE: &str =
    "failed to endorse transaction, see attached details for more info: ";
pub(crate) const SUBMIT: &str = "failed to submit transaction: ";

pub(crate) fn refused(code: Code, prefix: &str, text: &str) -> Answer {
    Answer {
        code,
        message: format!("{prefix}{text}"),
        details: vec![("HospitalMSP".to_owned(), text.to_owned())],
    }
}

pub(crate) fn plain(code: Code, message: &str) -> Answer {
    Answer {
        code,
        message: message.to_owned(),
        details: Vec::new(),
    }
}

/// A proposal with something changed before it is signed.
pub(crate) fn changed(
    signer: &Signer,
    args: &[&str],
    change: impl FnOnce(&mut SignedProposal),
) -> SignedProposal {
    let mut signed = proposal(signer, args);
    change(&mut signed);
    sign_again(signer, signed)
}

/// An endorsed transaction that opens a record for `patient`, signed.
pub(crate) async fn endorsed(raw: &Raw, signer: &Signer, patient: &str) -> Envelope {
    let envelope = raw
        .endorse(proposal(signer, &[CREATE, &emr_of(patient)]))
        .await
        .unwrap();
    sign_envelope(signer, envelope)
}
