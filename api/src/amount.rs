//! Amounts on the wire: a decimal string or a JSON number, taken digit by digit. No float ever holds one.

use domain::Money;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The digits of an amount as the caller wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmountText(String);

impl AmountText {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Money> for AmountText {
    fn from(money: Money) -> Self {
        Self(money.amount())
    }
}

/// As all amounts are told: a decimal string.
impl Serialize for AmountText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AmountText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let token = raw.get();
        match token.as_bytes().first() {
            Some(b'"') => serde_json::from_str(token).map(Self).map_err(D::Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(Self(token.to_owned())),
            _ => Err(D::Error::custom("invalid type: must be an amount: a decimal string or a number")),
        }
    }
}
