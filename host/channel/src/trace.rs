//! What ties the spans of one transaction together on all hosts.
//!
//! A transaction's calls come one after the other, perhaps at different hosts, and hosts commit it that
//! were never asked about it. So its trace id is the beginning of its own id, unless whoever calls
//! says which trace the call belongs to, by W3C `traceparent`.

use cordon_types::TxId;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// gRPC metadata with the trace and span of whoever calls.
pub const TRACEPARENT: &str = "traceparent";

/// Makes `span`, which nobody has entered yet, part of the transaction's trace.
pub fn of_transaction(span: &Span, tx_id: &TxId) {
    if span.is_disabled() {
        return;
    }
    let (trace, rest) = tx_id.as_bytes().split_at(16);
    let mut ids = ([0; 16], [0; 8]);
    ids.0.copy_from_slice(trace);
    ids.1.copy_from_slice(&rest[..8]);
    set(
        span,
        TraceId::from_bytes(ids.0),
        SpanId::from_bytes(ids.1),
        TraceFlags::SAMPLED,
    );
}

/// Makes `span`, which nobody has entered yet, a child of what a `traceparent` names; says whether it
/// names something.
pub fn child_of(span: &Span, traceparent: &str) -> bool {
    let Some((trace, parent, flags)) = parse(traceparent) else {
        return false;
    };
    set(span, trace, parent, flags);
    true
}

/// The `traceparent` that names `span`; `None` when nobody collects traces.
pub fn traceparent(span: &Span) -> Option<String> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| {
        format!(
            "00-{}-{}-{:02x}",
            context.trace_id(),
            context.span_id(),
            context.trace_flags().to_u8()
        )
    })
}

/// A span of each of these transactions, while the work on all of them lasts.
pub(crate) fn of_transactions<'a>(
    ids: impl Iterator<Item = &'a TxId>,
    span: impl Fn(&TxId) -> Span,
) -> Vec<Span> {
    let spans = ids.map(|tx_id| {
        let span = span(tx_id);
        of_transaction(&span, tx_id);
        span
    });
    spans.collect()
}

fn set(span: &Span, trace: TraceId, parent: SpanId, flags: TraceFlags) {
    let remote = SpanContext::new(trace, parent, flags, true, TraceState::NONE);
    // Refused when nobody collects traces.
    let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote));
}

/// Version 00 of <https://www.w3.org/TR/trace-context/>, and what later versions begin with.
fn parse(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let mut parts = text.split('-');
    let version = hex::<1>(parts.next()?)?[0];
    let trace = TraceId::from_bytes(hex(parts.next()?)?);
    let parent = SpanId::from_bytes(hex(parts.next()?)?);
    let flags = TraceFlags::new(hex::<1>(parts.next()?)?[0]);
    let whole = version != 0 || parts.next().is_none();
    let valid = trace != TraceId::INVALID && parent != SpanId::INVALID && version != 0xff;
    (whole && valid).then_some((trace, parent, flags))
}

/// Lower-case digits only.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    hex::decode_to_slice(text, &mut bytes)
        .ok()
        .filter(|()| lower)?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let (found, parent, flags) = parse(&format!("00-{trace}-{span}-01")).unwrap();
        assert_eq!(
            (found.to_string(), parent.to_string()),
            (trace.into(), span.into())
        );
        assert!(flags.is_sampled());
        assert!(parse(&format!("01-{trace}-{span}-00-more")).is_some());
        for bad in [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}0-{span}-01"),
        ] {
            assert!(parse(&bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "\\PC{0,80}") {
            let _ = parse(&text);
        }
    }
}
