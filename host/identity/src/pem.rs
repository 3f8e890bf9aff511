//! Cutting PEM blocks out of text as clients send it. Lenient around the block, strict inside.
//!
//! Clients pass a file unchanged: text before the block, CRLF, blank lines, a missing last newline
//! and further certificates after the first are all met in practice (WIRE.md §7).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::IdentityError;
use crate::limits::PEM_BYTES_MAX;

pub(crate) const CERTIFICATE: &str = "CERTIFICATE";
pub(crate) const REVOCATION_LIST: &str = "X509 CRL";

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// Where a label with its dashes must end; "EC PRIVATE KEY" is the longest that is met.
const LABEL_BYTES_MAX: usize = 64;

/// One block: its label and its decoded bytes.
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    pub(crate) der: Vec<u8>,
}

/// The first block whose label is among `labels`; blocks with other labels before it are skipped.
pub(crate) fn first_of<'a>(
    text: &'a [u8],
    labels: &[&str],
    what: &'static str,
) -> Result<Block<'a>, IdentityError> {
    if text.len() > PEM_BYTES_MAX {
        return Err(IdentityError::malformed(what, "the PEM text is too long"));
    }
    let mut rest = text;
    while let Some((label, body, after)) = next(rest) {
        if labels.contains(&label) {
            return Ok(Block {
                label,
                der: decode(body, what)?,
            });
        }
        rest = after;
    }
    Err(IdentityError::malformed(
        what,
        "there is no PEM block of this kind",
    ))
}

/// The first block of `text`, which must be a certificate.
///
/// Fabric takes the first block whatever its label and fails when it is not a certificate; to skip
/// ahead would let one creator mean different certificates to different readers.
pub(crate) fn first_certificate(text: &[u8]) -> Result<Vec<u8>, IdentityError> {
    let what = "certificate";
    if text.len() > PEM_BYTES_MAX {
        return Err(IdentityError::malformed(what, "the PEM text is too long"));
    }
    match next(text) {
        Some((CERTIFICATE, body, _)) => decode(body, what),
        Some(_) => Err(IdentityError::malformed(
            what,
            "the first PEM block is of another kind",
        )),
        None => Err(IdentityError::malformed(
            what,
            "there is no complete PEM block",
        )),
    }
}

/// Every certificate in `text`, in order; blocks of other kinds are skipped.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, IdentityError> {
    let what = "certificate";
    if text.len() > PEM_BYTES_MAX {
        return Err(IdentityError::malformed(what, "the PEM text is too long"));
    }
    let (mut rest, mut found) = (text, Vec::new());
    while let Some((label, body, after)) = next(rest) {
        if label == CERTIFICATE {
            found.push(decode(body, what)?);
        }
        rest = after;
    }
    Ok(found)
}

/// `der` as PEM text with lines of 64 and LF.
pub(crate) fn encode(label: &str, der: &[u8]) -> Result<String, IdentityError> {
    pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, der)
        .map_err(|_| IdentityError::Crypto { what: "encode PEM" })
}

/// Label, body and remainder of the first block; `None` when there is none or it does not end.
///
/// Linear in the text, whatever it is: a block that does not end is not searched past, because the
/// search would start anew at each of many beginnings.
fn next(text: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + find(text.get(from..)?, BEGIN.as_bytes())?;
        from = at + BEGIN.len();
        // A boundary stands at the beginning of a line.
        if at == 0 || text[at - 1] == b'\n' {
            break;
        }
    }
    let rest = &text[from..];
    let label_length = find(&rest[..rest.len().min(LABEL_BYTES_MAX)], DASHES.as_bytes())?;
    let label = str::from_utf8(&rest[..label_length]).ok()?;
    let body = &rest[label_length + DASHES.len()..];
    let end = format!("{END}{label}{DASHES}");
    let body_length = find(body, end.as_bytes())?;
    Some((
        label,
        &body[..body_length],
        &body[body_length + end.len()..],
    ))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn decode(body: &[u8], what: &'static str) -> Result<Vec<u8>, IdentityError> {
    let digits: Vec<u8> = body
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    STANDARD
        .decode(digits)
        .map_err(|_| IdentityError::malformed(what, "its PEM body is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_block_is_cut_out_of_what_clients_send() {
        let block = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----";
        for text in [
            block.to_owned(),
            format!("{block}\n"),
            format!("Certificate:\n  Data: x\n{block}\n"),
            block.replace('\n', "\r\n"),
            block.replace('\n', "\n\n"),
            format!("{block}\n{}", block.replace("AQID", "BAUG")),
            block.replace("AQID", " AQ\nID "),
        ] {
            assert_eq!(
                first_certificate(text.as_bytes()).unwrap(),
                [1, 2, 3],
                "{text}"
            );
        }
        for text in [
            "",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nAQI\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nh: v\n\nAQID\n-----END CERTIFICATE-----",
            "x-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----",
            "-----BEGIN X-----\nAQID\n-----END X-----\n-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----",
        ] {
            assert!(first_certificate(text.as_bytes()).is_err(), "{text}");
        }
        let long = format!("{}\n{block}", "x".repeat(PEM_BYTES_MAX));
        assert!(first_certificate(long.as_bytes()).is_err());
    }

    #[test]
    fn a_wanted_block_is_found_behind_others() {
        let text = "-----BEGIN EC PARAMETERS-----\nAA==\n-----END EC PARAMETERS-----\n\
                    -----BEGIN K-----\nAQID\n-----END K-----\n";
        let block = first_of(text.as_bytes(), &["K"], "key").unwrap();
        assert_eq!((block.label, block.der), ("K", vec![1, 2, 3]));
        assert!(first_of(text.as_bytes(), &["L"], "key").is_err());
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics(parts in prop::collection::vec(prop_oneof![
            Just("-----BEGIN ".to_owned()), Just("-----".to_owned()), Just("CERTIFICATE".to_owned()),
            Just("-----END CERTIFICATE-----".to_owned()), Just("\n".to_owned()), ".{0,8}",
        ], 0..16)) {
            let _ = first_certificate(parts.concat().as_bytes());
            let _ = first_of(parts.concat().as_bytes(), &["A", CERTIFICATE], "x");
            let _ = certificates(parts.concat().as_bytes());
        }

        #[test]
        fn what_is_encoded_is_decoded(der in prop::collection::vec(any::<u8>(), 0..300)) {
            let text = encode(CERTIFICATE, &der).unwrap();
            prop_assert_eq!(&first_certificate(text.as_bytes()).unwrap(), &der);
            let other = encode(REVOCATION_LIST, &der).unwrap();
            let all = certificates([text.as_str(), &other, &text].concat().as_bytes());
            prop_assert_eq!(all.unwrap(), [der.clone(), der]);
        }
    }
}
