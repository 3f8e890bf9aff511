//! Composite keys: a kind of record and the parts that name one, in one text that keeps them apart.
//!
//! The format is Fabric's (fabric-chaincode-go, shim/stub.go, `CreateCompositeKey`): U+0000, the kind,
//! U+0000, then each part followed by U+0000. Because every part ends with U+0000 and none contains
//! it, different parts give different keys, and a key begins with the key of its leading parts only
//! if it has these leading parts. Joining texts with `+` has neither property: it makes the records of
//! ("a", "bc") and ("ab", "c") one record.

use crate::error::Error;

/// Ends every part, and begins every key.
const SEPARATOR: char = '\u{0}';
/// The greatest code point, refused in parts as in Fabric, where it ends a range of keys.
const RANGE_END: char = '\u{10FFFF}';

/// Longest key that a host accepts, in bytes of UTF-8 (`wit/contract.wit`, interface `state`).
pub const KEY_BYTES_MAX: usize = 1024;

/// A checked composite key, or the common beginning of several.
///
/// `Debug` shows the length only: keys name people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

/// Why texts do not make a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A part contains U+0000 or U+10FFFF.
    #[error("A name must not contain U+0000 or U+10FFFF.")]
    ForbiddenCharacter,
    /// The whole is longer than [`KEY_BYTES_MAX`].
    #[error("The names are too long: a key has at most 1,024 bytes, this would have {0}.")]
    TooLong(usize),
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl Key {
    /// The key of kind `kind` with these parts, which may be empty texts, and may be none.
    ///
    /// # Errors
    /// [`KeyError`] when kind or parts contain U+0000 or U+10FFFF, or the key would be too long.
    pub fn new<P: AsRef<str>>(kind: &str, parts: &[P]) -> Result<Self, KeyError> {
        let bytes = parts
            .iter()
            .map(|part| part.as_ref().len() + 1)
            .sum::<usize>()
            + kind.len()
            + 2;
        if bytes > KEY_BYTES_MAX {
            return Err(KeyError::TooLong(bytes));
        }
        let mut text = String::with_capacity(bytes);
        text.push(SEPARATOR);
        for part in std::iter::once(kind).chain(parts.iter().map(AsRef::as_ref)) {
            if part.contains([SEPARATOR, RANGE_END]) {
                return Err(KeyError::ForbiddenCharacter);
            }
            text.push_str(part);
            text.push(SEPARATOR);
        }
        Ok(Self(text))
    }

    /// The key as a host knows it. It is also the prefix of exactly those keys that have the same kind
    /// and begin with the same parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Kind and parts of a key in a host's words; `None` when it is not a composite key.
    pub fn split(text: &str) -> Option<(&str, Vec<&str>)> {
        let inner = text.strip_prefix(SEPARATOR)?.strip_suffix(SEPARATOR)?;
        let mut parts = inner.split(SEPARATOR);
        let kind = parts.next()?;
        Some((kind, parts.collect()))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Key({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few letters, so that equal and nearly equal parts are common.
    fn parts() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[ab\u{1}é]{0,3}", 0..4)
    }

    proptest! {
        #[test]
        fn different_parts_give_different_keys(
            left in parts(), right in parts(), kind in "[ab]{0,2}", other in "[ab]{0,2}",
        ) {
            let same = (&kind, &left) == (&other, &right);
            let equal = Key::new(&kind, &left) == Key::new(&other, &right);
            prop_assert_eq!(same, equal);
        }

        #[test]
        fn a_prefix_is_exactly_the_leading_parts(leading in parts(), parts in parts()) {
            let prefix = Key::new("kind", &leading).unwrap();
            let key = Key::new("kind", &parts).unwrap();
            prop_assert_eq!(key.as_str().starts_with(prefix.as_str()), parts.starts_with(&leading));
        }

        #[test]
        fn another_kind_is_never_below_a_prefix(kind in "[ab]{0,3}", other in "[ab]{0,3}") {
            let prefix = Key::new::<&str>(&kind, &[]).unwrap();
            let key = Key::new(&other, &["a"]).unwrap();
            prop_assert_eq!(key.as_str().starts_with(prefix.as_str()), kind == other);
        }

        #[test]
        fn split_gives_the_parts_back(kind in "[ab]{0,3}", parts in parts()) {
            let key = Key::new(&kind, &parts).unwrap();
            let (found, texts) = Key::split(key.as_str()).unwrap();
            prop_assert_eq!(found, kind);
            prop_assert_eq!(texts, parts);
        }
    }

    #[test]
    fn moving_a_letter_between_parts_gives_another_key() {
        assert_ne!(Key::new("k", &["a", "bc"]), Key::new("k", &["ab", "c"]));
        assert_ne!(Key::new("k", &["a"]), Key::new("k", &["a", ""]));
        assert_eq!(
            Key::new("k", &["a", "bc"]).unwrap().as_str(),
            "\0k\0a\0bc\0"
        );
    }

    #[test]
    fn separators_in_parts_are_refused() {
        for part in ["\0", "a\0b", "\u{10FFFF}", "a\u{10FFFF}"] {
            assert_eq!(Key::new("kind", &[part]), Err(KeyError::ForbiddenCharacter));
            assert_eq!(Key::new(part, &["a"]), Err(KeyError::ForbiddenCharacter));
        }
    }

    #[test]
    fn a_key_has_at_most_1024_bytes() {
        let fits = "x".repeat(KEY_BYTES_MAX - 4);
        assert_eq!(
            Key::new("k", &[&fits]).unwrap().as_str().len(),
            KEY_BYTES_MAX
        );
        assert_eq!(
            Key::new("k", &[fits + "x"]),
            Err(KeyError::TooLong(KEY_BYTES_MAX + 1))
        );
    }

    #[test]
    fn debug_does_not_show_the_names() {
        assert_eq!(
            format!("{:?}", Key::new("k", &["alice"]).unwrap()),
            "Key(9 bytes)"
        );
    }

    #[test]
    fn a_text_that_is_no_composite_key_is_not_split() {
        assert_eq!(Key::split("plain"), None);
        assert_eq!(Key::split("\0"), None);
    }
}
