//! Corrections of points by hand: why they are made, and what who makes them may add.

use serde::{Deserialize, Serialize};

use crate::event::Clear;
use crate::refusal::InvalidValue;
use crate::text::ReasonText;

/// Why points are given or taken by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentReason {
    /// To please the customer.
    Goodwill,
    /// Something was counted wrong.
    Correction,
    /// The customer suffered a loss.
    Compensation,
    /// An offer that the programme does not count by itself.
    Promotion,
    /// The points were come by dishonestly.
    Fraud,
    /// For a customer that this one sent, or because that one gave back what it had bought. Nobody says so by hand.
    Referral,
}

/// A text that names no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be goodwill, correction, compensation, promotion or fraud")]
pub struct UnknownAdjustmentReason;

impl InvalidValue for UnknownAdjustmentReason {
    fn code(&self) -> &'static str {
        "unknown_reason"
    }
}

impl AdjustmentReason {
    /// Those that a person may give.
    pub const BY_HAND: [Self; 5] = [Self::Goodwill, Self::Correction, Self::Compensation, Self::Promotion, Self::Fraud];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Goodwill => "goodwill",
            Self::Correction => "correction",
            Self::Compensation => "compensation",
            Self::Promotion => "promotion",
            Self::Fraud => "fraud",
            Self::Referral => "referral",
        }
    }

    /// Reads the wire name of a reason that a person may give.
    ///
    /// # Errors
    /// When no such reason has it.
    pub fn parse(text: &str) -> Result<Self, UnknownAdjustmentReason> {
        Self::BY_HAND.into_iter().find(|reason| reason.as_str() == text).ok_or(UnknownAdjustmentReason)
    }
}

impl Clear for AdjustmentReason {}

/// What who corrects points says about it; personal, as all free text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdjustmentNote {
    /// In their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<ReasonText>,
}
