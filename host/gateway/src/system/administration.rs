//! `cordon`: what admins of a host's own organisation ask of it, whatever channels it is on.

use std::sync::Arc;

use bytes::Bytes;
use cordon_endorse::check_creator;
use cordon_identity::Role;
use cordon_types::status;
use cordon_wire::proposal::Proposal;
use cordon_wire::proto::protos;
use futures::future::BoxFuture;

use super::{answer, refusal};
use crate::host::{Host, now};
use crate::status::Failure;

/// What a host does for its admins.
pub trait Administration: Send + Sync {
    /// Calls `function` with JSON texts as arguments; the answer is JSON. Whoever calls is an admin of
    /// the host's organisation.
    ///
    /// Errors are sentences for that admin.
    fn call<'a>(
        &'a self,
        function: &'a str,
        args: &'a [Bytes],
    ) -> BoxFuture<'a, Result<Bytes, String>>;
}

pub(super) async fn call(
    host: &Arc<Host>,
    proposal: &Proposal,
) -> Result<protos::Response, Failure> {
    let local = Arc::clone(&host.local.borrow());
    let checked = check_creator(
        &proposal.header,
        &proposal.signed_bytes,
        &proposal.signature,
        &local,
        now(),
    )
    .map_err(|error| Failure::Refused(host.detail(error.to_string())))?;
    if !checked.identity.has_role(Role::Admin) {
        let text = format!("only admins of {} may administer this host", host.msp_id);
        return Ok(refusal(status::FORBIDDEN, text));
    }
    let (function, args) = match proposal.args.split_first() {
        Some((function, args)) => (std::str::from_utf8(function).unwrap_or_default(), args),
        None => ("", &[][..]),
    };
    let result = host.administration.call(function, args).await;
    Ok(result.map_or_else(|text| refusal(status::INVALID, text), answer))
}
