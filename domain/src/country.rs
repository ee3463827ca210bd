//! Countries by their code of two letters (ISO 3166-1). Known are those in which telephones have numbers: all with inhabitants.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::Clear;
use crate::refusal::InvalidValue;
use crate::validators::phone;

/// Why a text is no country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a country of ISO 3166-1, two capital letters such as ES")]
pub struct CountryError;

impl InvalidValue for CountryError {
    fn code(&self) -> &'static str {
        "unknown_country"
    }
}

/// A country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

impl Country {
    /// Spain.
    pub const ES: Self = Self(*b"ES");

    /// Reads a code.
    ///
    /// # Errors
    /// When no country has it.
    pub fn parse(text: &str) -> Result<Self, CountryError> {
        let country = Self::try_from(text.to_owned())?;
        if phone::has_telephones(text) { Ok(country) } else { Err(CountryError) }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What serde reads a stored country through: only the shape is checked, because countries come and go.
impl TryFrom<String> for Country {
    type Error = CountryError;

    fn try_from(text: String) -> Result<Self, CountryError> {
        let code: [u8; 2] = text.as_bytes().try_into().map_err(|_| CountryError)?;
        if code.iter().all(u8::is_ascii_uppercase) { Ok(Self(code)) } else { Err(CountryError) }
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.as_str().to_owned()
    }
}

impl Clear for Country {}

#[cfg(test)]
mod tests {
    use super::{Country, CountryError};

    #[test]
    fn a_country_is_one_of_iso_3166() {
        for code in ["ES", "MX", "US", "GB", "AX"] {
            assert_eq!(Country::parse(code).unwrap().as_str(), code);
        }
        for code in ["", "E", "es", "ESP", "XX", "ZZ", "34", "É"] {
            assert_eq!(Country::parse(code), Err(CountryError), "{code}");
        }
    }

    #[test]
    fn a_stored_country_needs_only_its_shape() {
        assert!(serde_json::from_str::<Country>("\"YU\"").is_ok());
        assert!(serde_json::from_str::<Country>("\"yu\"").is_err());
    }
}
