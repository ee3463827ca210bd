//! What a business tells of itself when it asks for credit, and what others say when they decide. All of it is personal.

use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::text::{ReasonText, ScoreText, TradeReferences};

/// What is known of a business that asks for credit; each as far as it was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Financials {
    /// What it takes in a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annual_revenue: Option<Money>,
    /// What it owns less what it owes; may be below zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equity: Option<Money>,
    /// What was left of a year's revenue; may be below zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_income: Option<Money>,
    /// How many work there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employees: Option<u32>,
    /// How long it has been there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub years_in_business: Option<u16>,
    /// How a credit bureau rates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_bureau_score: Option<ScoreText>,
    /// Who can say how it pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<TradeReferences>,
    /// What else was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<ReasonText>,
}

/// What who decides about credit says about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditNote {
    /// In their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<ReasonText>,
}
