//! What channel `cards` says about a child: the only place where this contract asks another channel,
//! and the only one that reads JSON.

use cordon_sdk::{Block, Query, World};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::domain::Result;
use crate::error::ReportsError;

/// The channel that keeps the cards.
pub const CHANNEL: &str = "cards";

/// The contract on it.
pub const CONTRACT: &str = "cards";

/// SHA-256.
pub type Digest = [u8; 32];

/// Random bytes in a form, as hex digits.
const SALT_DIGITS: usize = 64;

/// The fields of a report form. Fields that this contract does not know are left alone: a card may
/// learn to say more.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Form {
    /// The child's id.
    pub child_id: String,
    /// Whether the child is fit for school.
    pub fit_for_school: bool,
    /// Whether all vaccinations are there.
    pub vaccinations_complete: bool,
    /// Restrictions to heed.
    pub restrictions: Option<String>,
    /// A note for the school.
    pub note: Option<String>,
    /// When the child was assessed.
    pub assessed_on: String,
    /// Who assessed the child.
    pub pediatrician: String,
    /// What keeps the form from being guessed by its hash.
    pub salt: String,
}

/// A form as the card gave it.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenForm {
    /// Its bytes, which are JSON of a [`Form`].
    pub text: String,
    /// Their hash.
    pub digest: Digest,
    /// The newest block of the card.
    pub origin: Block,
}

/// Goes on only if the child is the caller's own. Nothing else of the answer is used.
///
/// # Errors
/// What channel `cards` refuses with.
pub fn require_own_child(world: &impl World, child_id: &str) -> Result<()> {
    world.query(&Query {
        channel: CHANNEL,
        contract: CONTRACT,
        function: "Parent:GetChild",
        arguments: &[child_id],
    })?;
    Ok(())
}

/// The child's report form as it is now, in the caller's name.
///
/// # Errors
/// What channel `cards` refuses with; [`ReportsError::UnreadableForm`] when it gives no form of this
/// child, or one that could be guessed by its hash.
pub fn ask(world: &impl World, child_id: &str) -> Result<GivenForm> {
    let answer = world.query(&Query {
        channel: CHANNEL,
        contract: CONTRACT,
        function: "Forms:GetReportForm",
        arguments: &[child_id],
    })?;
    let text = String::from_utf8(answer.payload).map_err(|_| ReportsError::UnreadableForm)?;
    let form = parse(&text).ok_or(ReportsError::UnreadableForm)?;
    if form.child_id != child_id {
        return Err(ReportsError::UnreadableForm);
    }
    Ok(GivenForm {
        digest: digest(&text),
        text,
        origin: answer.origin.ok_or(ReportsError::UnreadableForm)?,
    })
}

/// The fields of a form; `None` when it is none.
pub fn parse(text: &str) -> Option<Form> {
    let form: Form = serde_json::from_str(text).ok()?;
    let salted =
        form.salt.len() == SALT_DIGITS && form.salt.bytes().all(|digit| digit.is_ascii_hexdigit());
    salted.then_some(form)
}

/// The hash of a form.
pub fn digest(text: &str) -> Digest {
    Sha256::digest(text).into()
}

/// A hash in lower-case hex digits.
pub fn hex(hash: &Digest) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    hash.iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form_with(salt: &str) -> String {
        format!(
            r#"{{"childId":"c","fitForSchool":true,"vaccinationsComplete":false,"restrictions":null,
            "note":"n","assessedOn":"d","pediatrician":"p","salt":"{salt}","later":[1]}}"#
        )
    }

    #[test]
    fn a_form_is_read_and_what_is_unknown_is_left_alone() {
        let form = parse(&form_with(&"0f".repeat(32))).unwrap();
        assert!(form.fit_for_school && !form.vaccinations_complete);
        assert_eq!((form.restrictions, form.note), (None, Some("n".to_owned())));
    }

    #[test]
    fn a_form_that_is_none_or_not_salted_is_not_read() {
        for salt in ["", &"0f".repeat(31), &"0g".repeat(32), &"0f".repeat(33)] {
            assert!(parse(&form_with(salt)).is_none(), "{salt}");
        }
        for text in ["", "{}", "[]", "null", "\"form\""] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_digest_reads_as_sha256sum_writes_it() {
        // Source: FIPS 180-4's example, the hash of "abc".
        assert_eq!(
            hex(&digest("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
