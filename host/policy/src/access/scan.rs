//! What is too deep for Cedar, found before it parses: it recurses without a bound of its own.

use super::error::{AccessProblem, Span};
use crate::limits::{ACCESS_LINKS_MAX, ACCESS_NESTING_MAX};

/// Where a policy first nests deeper, or chains more, than the limits.
///
/// Reads tokens as Cedar's lexer does: strings, comments to the end of a line (a lone CR ends one
/// too), words. Where the two would read on differently, Cedar's finds no token and stops.
pub(super) fn scan(text: &str) -> Option<(Span, AccessProblem)> {
    let bytes = text.as_bytes();
    let (mut open, mut ifs, mut links) = (0usize, 0usize, 0usize);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'/' if bytes.get(at) == Some(&b'/') => {
                at += bytes[at..]
                    .iter()
                    .take_while(|b| !matches!(b, b'\n' | b'\r'))
                    .count();
            }
            // Indices and clauses stand one in the other in Cedar's tree, as links do.
            b'[' => (open, links) = (open + 1, links + 1),
            b'(' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            b';' if open == 0 => (ifs, links) = (0, 0),
            b'&' | b'|' if bytes.get(at) == Some(&byte) => {
                at += 1;
                links += 1;
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'.' | b'!' => links += 1,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                at += bytes[at..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                    .count();
                match &bytes[start..at] {
                    b"if" => ifs += 1,
                    // A conjunction and, for `unless`, a negation.
                    b"when" | b"unless" => links += 2,
                    _ => {}
                }
            }
            _ => {}
        }
        if open + ifs > ACCESS_NESTING_MAX {
            return Some((Span::new(start, 1), AccessProblem::TooDeep));
        }
        if links > ACCESS_LINKS_MAX {
            return Some((Span::new(start, 1), AccessProblem::TooLong));
        }
    }
    None
}

/// Where the string ends that `at` is in.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => break,
            b'\\' => at += 1,
            _ => {}
        }
    }
    at
}
