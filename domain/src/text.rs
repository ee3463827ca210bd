//! Bounded texts that people write: names and other systems' references. Trimmed, without control characters.
//!
//! All of these may tell who somebody is, so none of them is allowed in the clear part of an event.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::refusal::InvalidValue;

/// Why a text is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// More characters than allowed.
    #[error("must not have more than {max} characters")]
    TooLong {
        /// The most characters allowed.
        max: usize,
    },
    /// A line break, tab or another control character.
    #[error("must not contain control characters")]
    ControlCharacter,
}

impl InvalidValue for TextError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong { .. } => "too_long",
            Self::ControlCharacter => "control_character",
        }
    }
}

/// Declares a newtype around a trimmed, bounded text.
macro_rules! bounded_text {
    ($($(#[$doc:meta])* $name:ident: $max:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The most characters it may have.
            pub const MAX: usize = $max;

            /// Trims and checks a text.
            ///
            /// # Errors
            /// When it is empty, too long or has control characters.
            pub fn parse(text: &str) -> Result<Self, $crate::text::TextError> {
                $crate::text::bounded(text, Self::MAX).map(|text| Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        $crate::text::string_conversions!($name, $crate::text::TextError);
    )*};
}

pub(crate) use bounded_text;

/// What every newtype around a `String` offers: `Display`, `FromStr`, and the conversions that serde validates through.
macro_rules! string_conversions {
    ($name:ident, $error:ty) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}
pub(crate) use string_conversions;

bounded_text! {
    /// A person's name as they write it, in one piece: what a first and a last name are differs by country.
    PersonName: 200;
    /// The name of a business.
    CompanyName: 200;
    /// What another system calls a customer.
    ReferenceText: 128;
    /// Who somebody is to the authentication service.
    UserId: 128;
    /// A note about a customer.
    MetadataText: 500;
    /// Why somebody did something, in their own words.
    ReasonText: 500;
    /// A line of an address.
    AddressLine: 200;
    /// A town, a province or a state.
    PlaceName: 100;
    /// A postal code, as its country writes it.
    PostalCode: 20;
    /// How a credit bureau rates a business, in its own scale.
    ScoreText: 64;
    /// Who can say how a business pays.
    TradeReferences: 1000;
    /// What who brings something must know.
    Instructions: 500;
    /// What a customer wants or does not want.
    PreferenceText: 200;
}

/// A text in small letters without accents: for comparisons, not to be shown.
pub(crate) fn folded(text: &str) -> impl Iterator<Item = char> {
    text.nfkd().filter(|character| !is_combining_mark(*character)).flat_map(char::to_lowercase)
}

/// The trimmed text, if it is one.
pub(crate) fn bounded(text: &str, max: usize) -> Result<&str, TextError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.chars().any(char::is_control) {
        return Err(TextError::ControlCharacter);
    }
    if text.chars().count() > max {
        return Err(TextError::TooLong { max });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed() {
        assert_eq!(PersonName::parse("  Ana María  ").unwrap().as_str(), "Ana María");
    }

    #[test]
    fn a_name_is_counted_in_characters_not_bytes() {
        assert!(PersonName::parse(&"ñ".repeat(200)).is_ok());
        assert_eq!(PersonName::parse(&"ñ".repeat(201)), Err(TextError::TooLong { max: 200 }));
    }

    #[test]
    fn white_space_and_control_characters_are_refused() {
        assert_eq!(PersonName::parse(" \t "), Err(TextError::Empty));
        assert_eq!(PersonName::parse("Ana\u{0}"), Err(TextError::ControlCharacter));
        assert_eq!(PersonName::parse("Ana\nB"), Err(TextError::ControlCharacter));
    }

    #[test]
    fn deserialising_validates() {
        assert!(serde_json::from_str::<PersonName>("\"\"").is_err());
        assert_eq!(serde_json::from_str::<PersonName>("\" Ana \"").unwrap().as_str(), "Ana");
    }
}
