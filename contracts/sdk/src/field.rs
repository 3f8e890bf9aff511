//! Checks on the texts that clients send. The sentences name a field as clients write it.

use crate::error::{Error, Result};

/// Longest id that is accepted, in bytes: three parts of a key have to fit into 1,024.
pub const ID_BYTES_MAX: usize = 256;

/// Longest other text that is accepted, in bytes: several of them have to fit into a value of 1 MiB.
pub const TEXT_BYTES_MAX: usize = 65_536;

/// A text that must be given. It is kept as it was sent, white space around it included.
///
/// # Errors
/// `Invalid` when it is empty or only white space, or longer than [`TEXT_BYTES_MAX`].
pub fn check_text(field: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::Invalid(format!("{field} must not be empty.")));
    }
    check_length(field, text, TEXT_BYTES_MAX)
}

/// A text that can be a part of a key: 1 to [`ID_BYTES_MAX`] bytes without the characters that keys
/// reserve.
///
/// # Errors
/// `Invalid` when it is not.
pub fn check_id(field: &str, id: &str) -> Result<()> {
    check_text(field, id)?;
    check_length(field, id, ID_BYTES_MAX)?;
    if id.contains(['\0', '\u{10FFFF}']) {
        return Err(Error::Invalid(format!(
            "{field} must not contain the characters U+0000 and U+10FFFF."
        )));
    }
    Ok(())
}

/// A text that may be left out; a blank one counts as left out, since forms send those.
///
/// # Errors
/// `Invalid` when it is longer than [`TEXT_BYTES_MAX`].
pub fn optional_text(field: &str, text: Option<String>) -> Result<Option<String>> {
    let text = text.filter(|text| !text.trim().is_empty());
    if let Some(text) = &text {
        check_length(field, text, TEXT_BYTES_MAX)?;
    }
    Ok(text)
}

fn check_length(field: &str, text: &str, bytes_max: usize) -> Result<()> {
    if text.len() > bytes_max {
        return Err(Error::Invalid(format!(
            "{field} is too long: it has at most {bytes_max} bytes."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_is_named_as_clients_write_it() {
        assert!(refusal(check_text("area", " \t")).contains("area must not be empty."));
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        assert!(refusal(check_text("area", &long)).contains("at most 65536 bytes"));
        assert!(refusal(optional_text("note", Some(long))).contains("note is too long"));
        assert!(refusal(check_id("patientId", &"x".repeat(257))).contains("at most 256 bytes"));
        for reserved in ["a\0", "\u{10FFFF}a"] {
            assert!(refusal(check_id("patientId", reserved)).contains("must not contain"));
        }
    }

    #[test]
    fn what_can_be_is_kept_as_it_is() {
        assert_eq!(check_text("area", " x "), Ok(()));
        assert_eq!(check_id("patientId", &"ä".repeat(128)), Ok(()));
        assert_eq!(optional_text("note", Some("  ".into())), Ok(None));
        assert_eq!(
            optional_text("note", Some(" x".into())),
            Ok(Some(" x".into()))
        );
    }
}
