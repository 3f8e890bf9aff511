//! Who calls, and what a contract may ask of them.

use crate::error::{Error, Result};

/// Who signed the proposal, as the host read it from a certificate that it verified. Nothing in it
/// comes from the arguments of the call. `Debug` shows the organisation only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// The caller's organisation (MSP id). Never empty.
    pub msp_id: String,
    /// Subject of the certificate, RFC 2253 text.
    pub subject: String,
    /// The same text for every certificate of this person from this authority.
    pub unique_id: String,
    /// Name of the caller within the organisation: attribute `hf.EnrollmentID`, else the subject's
    /// common name; empty when there is neither.
    pub enrollment_id: String,
    /// Attributes of the certificate, sorted by name. Empty when it carries none.
    pub attributes: Vec<(String, String)>,
}

impl Caller {
    /// One attribute of the certificate; `None` when it is not carried, `Some("")` when it is carried
    /// with an empty value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let (_, value) = self.attributes.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    /// Goes on only if the certificate carries attribute `name` with exactly this value.
    ///
    /// # Errors
    /// [`Error::Forbidden`] otherwise, with a sentence that says what is needed.
    pub fn require_attribute(&self, name: &str, value: &str) -> Result<()> {
        if self.attribute(name) == Some(value) {
            return Ok(());
        }
        Err(Error::Forbidden(format!(
            "Only a caller whose certificate has {name} \"{value}\" may do this."
        )))
    }

    /// Goes on only if the caller belongs to this organisation.
    ///
    /// # Errors
    /// [`Error::Forbidden`] otherwise.
    pub fn require_msp(&self, msp_id: &str) -> Result<()> {
        if self.msp_id == msp_id {
            return Ok(());
        }
        Err(Error::Forbidden(format!(
            "Only a member of {msp_id} may do this."
        )))
    }

    /// The caller's enrollment id, which names a person within the organisation.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the certificate has none: rules that compare names must not match an
    /// empty name with an empty name.
    pub fn require_enrollment_id(&self) -> Result<&str> {
        if self.enrollment_id.is_empty() {
            return Err(Error::Forbidden(
                "Your certificate does not say who you are: it has no enrollment id.".to_owned(),
            ));
        }
        Ok(&self.enrollment_id)
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Caller({})", self.msp_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn physician() -> Caller {
        Caller {
            msp_id: "HospitalMSP".to_owned(),
            attributes: vec![("userRole".to_owned(), "physician".to_owned())],
            ..Caller::default()
        }
    }

    #[test]
    fn an_attribute_must_have_exactly_the_value() {
        assert_eq!(
            physician().require_attribute("userRole", "physician"),
            Ok(())
        );
        assert!(
            physician()
                .require_attribute("userRole", "Physician")
                .is_err()
        );
        assert!(
            physician()
                .require_attribute("userrole", "physician")
                .is_err()
        );
        assert!(Caller::default().require_attribute("userRole", "").is_err());
    }

    #[test]
    fn a_refusal_says_what_is_needed() {
        assert_eq!(
            physician().require_attribute("userRole", "patient"),
            Err(Error::Forbidden(
                "Only a caller whose certificate has userRole \"patient\" may do this.".to_owned()
            ))
        );
    }

    #[test]
    fn a_certificate_without_enrollment_id_names_nobody() {
        assert!(physician().require_enrollment_id().is_err());
        assert!(physician().require_msp("ClinicMSP").is_err());
        assert_eq!(physician().require_msp("HospitalMSP"), Ok(()));
    }
}
