//! Telephone numbers in the form of E.164, judged by the metadata of libphonenumber.
//!
//! Extensions are dropped: the number is for calling and finding a person, not for reaching a desk. How texts are read is said in
//! [`crate::validators::phone`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::refusal::InvalidValue;
use crate::validators::phone::{self, PhoneFault};

/// Why a text is not taken as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// The region is not a two-letter country code that has telephone numbers.
    #[error("the region must be an ISO 3166-1 code of two letters")]
    UnknownRegion,
    /// Not a number that can be assigned.
    #[error("is not a valid telephone number; write it with + and the country code")]
    Invalid,
}

impl InvalidValue for PhoneError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::UnknownRegion => "unknown_region",
            Self::Invalid => "invalid_phone",
        }
    }
}

/// A telephone number, kept as E.164: `+34600123456`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone(String);

impl Phone {
    /// Reads a number as people write it; without `+` it is one of the given region (ISO 3166-1, two letters).
    ///
    /// # Errors
    /// When it is empty, the region is unknown, or no such number can be assigned.
    pub fn parse(text: &str, region: Option<&str>) -> Result<Self, PhoneError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(PhoneError::Empty);
        }
        match phone::read(text, region) {
            Ok(reading) if reading.valid => Ok(Self(reading.e164)),
            Err(PhoneFault::UnknownRegion) => Err(PhoneError::UnknownRegion),
            Ok(_)
            | Err(PhoneFault::UnknownCountryCode | PhoneFault::NoNumber | PhoneFault::TooShort | PhoneFault::TooLong) => {
                Err(PhoneError::Invalid)
            }
        }
    }

    /// The number as E.164.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What serde reads a stored number through. Only the shape is checked: the metadata changes with every release, and a
/// number that was valid when it was recorded must stay readable for ever. What callers send goes through [`Phone::parse`].
impl TryFrom<String> for Phone {
    type Error = PhoneError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix('+').ok_or(PhoneError::Invalid)?;
        let shaped = (4..=17).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if shaped { Ok(Self(text)) } else { Err(PhoneError::Invalid) }
    }
}

impl From<Phone> for String {
    fn from(phone: Phone) -> Self {
        phone.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_kept_as_e164_however_it_is_written() {
        for text in [
            "+34 600 12 34 56",
            "+34-600.123.456",
            "tel:+34-600-123-456",
            "0034600123456",
            "600 123 456",
            "600123456 ext. 7",
        ] {
            assert_eq!(Phone::parse(text, Some("ES")).map(String::from), Ok("+34600123456".to_owned()), "{text}");
        }
    }

    #[test]
    fn a_national_number_needs_a_region() {
        assert_eq!(Phone::parse("600 123 456", None), Err(PhoneError::Invalid));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert_eq!(Phone::parse("", None), Err(PhoneError::Empty));
        assert_eq!(Phone::parse("+34600123456", Some("XX")), Err(PhoneError::UnknownRegion));
        for text in ["call me", "+34 600", "+34600123456789", "+999 1234567"] {
            assert_eq!(Phone::parse(text, None), Err(PhoneError::Invalid), "{text}");
        }
    }

    #[test]
    fn a_stored_number_needs_only_its_shape() {
        assert!(serde_json::from_str::<Phone>("\"+99912345678\"").is_ok());
        assert!(serde_json::from_str::<Phone>("\"600123456\"").is_err());
    }
}
