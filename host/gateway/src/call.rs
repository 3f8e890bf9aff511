//! What surrounds every call of the services: its span, and its place among the host's measures.

use cordon_channel::trace;
use cordon_types::{ChannelId, TxId};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};
use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span};

use crate::host::Host;
use crate::measures::Method;

/// The span of a call, in the trace that its metadata name, or else in its transaction's.
///
/// `channel` and `tx_id` are the request's hints, if it has such: anybody's words, so only what could be
/// ids is taken.
pub(crate) fn span<T>(method: Method, request: &Request<T>, channel: &str, tx_id: &str) -> Span {
    let span = tracing::info_span!(
        "call",
        otel.name = method.name(),
        channel = Empty,
        tx_id = Empty
    );
    if span.is_disabled() {
        return span;
    }
    if let Ok(channel) = channel.parse::<ChannelId>() {
        span.record("channel", display(channel));
    }
    let tx_id = tx_id.parse::<TxId>().ok();
    if let Some(tx_id) = &tx_id {
        span.record("tx_id", display(tx_id));
    }
    if !parent(request.metadata()).is_some_and(|parent| trace::child_of(&span, parent))
        && let Some(tx_id) = &tx_id
    {
        trace::of_transaction(&span, tx_id);
    }
    span
}

fn parent(metadata: &MetadataMap) -> Option<&str> {
    metadata.get(trace::TRACEPARENT)?.to_str().ok()
}

/// Says in a request to another host which trace it belongs to.
pub(crate) fn put_trace(metadata: &mut MetadataMap) {
    if let Some(value) = trace::traceparent(&Span::current()).and_then(|text| text.parse().ok()) {
        metadata.insert(trace::TRACEPARENT, value);
    }
}

impl Host {
    /// Does the work of a call in its span; counts and times it.
    pub(crate) async fn call<T>(
        &self,
        method: Method,
        span: Span,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        self.measures.call(method, work).instrument(span).await
    }
}
