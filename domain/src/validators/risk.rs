//! How suspicious a new customer is: what was found, each with its weight, and what to do with such a sum.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::Clear;
use crate::refusal::InvalidValue;
use crate::validators::business;

/// Declares what may be found, each with its wire name, its usual weight and its words.
macro_rules! factors {
    ($($(#[$doc:meta])* $factor:ident, $field:ident, $weight:literal, $message:expr;)*) => {
        /// Something suspicious.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum RiskFactor {$( $(#[$doc])* $factor, )*}

        impl RiskFactor {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$factor),*];

            /// The wire name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$factor => stringify!($field),)* }
            }

            /// In words, as callers have always read them.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$factor => $message,)* }
            }
        }

        /// How much each counts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct RiskWeights {$( $(#[$doc])* pub $field: u8, )*}

        impl Default for RiskWeights {
            fn default() -> Self {
                Self { $($field: $weight,)* }
            }
        }

        impl RiskWeights {
            /// How much a factor counts.
            pub const fn of(&self, factor: RiskFactor) -> u8 {
                match factor { $(RiskFactor::$factor => self.$field,)* }
            }

            fn set(&mut self, factor: RiskFactor, weight: u8) {
                match factor { $(RiskFactor::$factor => self.$field = weight,)* }
            }
        }
    };
}

factors! {
    /// The mailbox lasts for minutes.
    TemporaryDomain, temporary_domain, 25, "Temporary email domain detected";
    /// What was given as an address is none.
    InvalidEmail, invalid_email, 30, "Email address is not valid";
    /// The domain of the address takes no mail, as far as that was looked up.
    NoMail, no_mail, 25, "Email domain takes no mail";
    /// The domain of the address is not like the company's name.
    DomainMismatch, domain_mismatch, 10, business::MISMATCH;
    /// What was given as a number is none.
    InvalidPhone, invalid_phone, 30, "Phone is not a telephone number";
    /// The number is of another country than the customer.
    PhoneCountry, phone_country, 10, "Phone country doesn't match customer country";
    /// What was given as a document cannot be one.
    InvalidDocument, invalid_document, 30, "Document is not valid";
    /// The control letter of the document does not fit.
    DocumentControl, document_control, 20, "Document control letter is wrong";
    /// A customer who is known already.
    Duplicate, duplicate, 15, "Customer is known already";
    /// Many of the same domain, number or address of the internet within a day.
    Velocity, velocity, 15, "Many of the same origin in 24 hours";
    /// On the list of those who are not wanted.
    Blocked, blocked, 60, "On the blocked list";
}

/// A weight that cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeightError {
    /// Nothing suspicious is called so.
    #[error("is nothing that is looked for; weights have {}", names())]
    UnknownFactor,
    /// Less than nothing, or more than all.
    #[error("must be from 0 to {MOST}")]
    OutOfRange,
}

impl InvalidValue for WeightError {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownFactor => "unknown_factor",
            Self::OutOfRange => "out_of_range",
        }
    }
}

fn names() -> String {
    RiskFactor::ALL.iter().map(|factor| factor.as_str()).collect::<Vec<_>>().join(", ")
}

impl RiskFactor {
    /// Reads a wire name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|factor| factor.as_str() == name)
    }
}

impl RiskWeights {
    /// These weights, with another for what is called so.
    ///
    /// # Errors
    /// When nothing is called so, or no weight is such a number.
    pub fn with(mut self, name: &str, weight: i64) -> Result<Self, WeightError> {
        let factor = RiskFactor::parse(name).ok_or(WeightError::UnknownFactor)?;
        let weight = u8::try_from(weight).ok().filter(|weight| *weight <= MOST).ok_or(WeightError::OutOfRange)?;
        self.set(factor, weight);
        Ok(self)
    }

    /// All of them by their names.
    pub fn all(&self) -> impl Iterator<Item = (RiskFactor, u8)> {
        RiskFactor::ALL.iter().map(|factor| (*factor, self.of(*factor)))
    }

    /// Whether each counts as usual.
    pub fn are_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Clear for RiskWeights {}

/// Those that are not as usual, by their names: what a tenant did not touch goes with the standard of later versions.
impl Serialize for RiskWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let usual = Self::default();
        let others = self.all().filter(|(factor, weight)| usual.of(*factor) != *weight);
        serializer.collect_map(others.map(|(factor, weight)| (factor.as_str(), weight)))
    }
}

/// A name that means nothing any more counts for nothing: what was stored has happened.
impl<'de> Deserialize<'de> for RiskWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut weights = Self::default();
        for (name, weight) in BTreeMap::<String, u8>::deserialize(deserializer)? {
            RiskFactor::parse(&name).into_iter().for_each(|factor| weights.set(factor, weight));
        }
        Ok(weights)
    }
}

/// How suspicious it is as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RiskLevel {
    /// Not.
    Low,
    /// Somebody should look.
    Medium,
    /// Nothing goes on until somebody has decided.
    High,
}

/// The least sums of the levels above low.
const MEDIUM: u8 = 30;
const HIGH: u8 = 60;
/// No sum counts for more.
const MOST: u8 = 100;

impl RiskLevel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The level of a sum.
    pub const fn of(score: u8) -> Self {
        match score {
            HIGH.. => Self::High,
            MEDIUM.. => Self::Medium,
            _ => Self::Low,
        }
    }

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// What to do.
    pub const fn recommendation(self) -> &'static str {
        match self {
            Self::Low => "approve",
            Self::Medium => "manual_review",
            Self::High => "reject_or_manual_approval",
        }
    }
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// From 0 to 100.
    pub score: u8,
    /// The level of the score.
    pub level: RiskLevel,
    /// What was found, in the order of the list.
    pub factors: Vec<RiskFactor>,
}

impl Risk {
    /// Sums up what was found; each counts once.
    pub fn of(found: impl Fn(RiskFactor) -> bool, weights: &RiskWeights) -> Self {
        let factors: Vec<_> = RiskFactor::ALL.iter().copied().filter(|factor| found(*factor)).collect();
        let sum: u32 = factors.iter().map(|factor| u32::from(weights.of(*factor))).sum();
        let score = u8::try_from(sum).unwrap_or(MOST).min(MOST);
        Self { score, level: RiskLevel::of(score), factors }
    }
}

#[cfg(test)]
mod tests {
    use super::{Risk, RiskFactor as F, RiskLevel, RiskWeights, WeightError};

    fn risk(found: &[F]) -> (u8, &'static str, &'static str) {
        let risk = Risk::of(|factor| found.contains(&factor), &RiskWeights::default());
        assert_eq!(risk.factors, found);
        (risk.score, risk.level.as_str(), risk.level.recommendation())
    }

    #[test]
    fn what_was_found_is_summed_up() {
        assert_eq!(risk(&[]), (0, "low", "approve"));
        assert_eq!(risk(&[F::TemporaryDomain]), (25, "low", "approve"));
        assert_eq!(risk(&[F::TemporaryDomain, F::DomainMismatch]), (35, "medium", "manual_review"));
        assert_eq!(
            risk(&[F::PhoneCountry, F::DocumentControl, F::Duplicate, F::Velocity]),
            (60, "high", "reject_or_manual_approval")
        );
        assert_eq!(risk(&[F::Blocked]), (60, "high", "reject_or_manual_approval"));
        assert_eq!(risk(F::ALL).0, 100);
    }

    #[test]
    fn levels_begin_at_thirty_and_sixty() {
        let levels = [0, 29, 30, 59, 60, 100].map(|score| RiskLevel::of(score).as_str());
        assert_eq!(levels, ["low", "low", "medium", "medium", "high", "high"]);
    }

    #[test]
    fn weights_can_be_others() {
        let weights = RiskWeights { temporary_domain: 255, duplicate: 0, ..RiskWeights::default() };
        assert_eq!(Risk::of(|factor| factor == F::TemporaryDomain, &weights).score, 100);
        assert_eq!(Risk::of(|factor| factor == F::Duplicate, &weights).score, 0);
    }

    #[test]
    fn weights_are_told_by_their_names_and_kept_where_they_are_not_as_usual() {
        let weights =
            RiskWeights::default().with("blocked", 100).and_then(|weights| weights.with("velocity", 0)).unwrap();
        assert_eq!((weights.blocked, weights.velocity, weights.duplicate), (100, 0, 15));
        let stored = serde_json::to_string(&weights).unwrap();
        assert_eq!(stored, r#"{"velocity":0,"blocked":100}"#);
        assert_eq!(serde_json::from_str::<RiskWeights>(&stored).unwrap(), weights);
        let usual = weights.with("blocked", 60).and_then(|weights| weights.with("velocity", 15)).unwrap();
        assert_eq!((usual.are_usual(), serde_json::to_string(&usual).unwrap().as_str()), (true, "{}"));
        let of_before = r#"{"star_sign":7,"velocity":0}"#;
        assert_eq!(serde_json::from_str::<RiskWeights>(of_before).unwrap(), RiskWeights { velocity: 0, ..usual });
    }

    #[test]
    fn a_weight_is_from_nothing_to_all_and_of_something_that_is_looked_for() {
        let refused = |name, weight| RiskWeights::default().with(name, weight).err();
        assert_eq!((refused("blocked", 0), refused("blocked", 100)), (None, None));
        for weight in [-1, 101, 256, i64::MAX] {
            assert_eq!(refused("blocked", weight), Some(WeightError::OutOfRange), "{weight}");
        }
        assert_eq!(refused("star_sign", 7), Some(WeightError::UnknownFactor));
        assert!(WeightError::UnknownFactor.to_string().contains("temporary_domain, invalid_email"));
    }
}
