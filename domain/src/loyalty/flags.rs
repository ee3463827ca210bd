//! What about an account is to be looked at by a person: it may be abuse, or bad luck. Nothing is refused because of it.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::event::{Clear, clear_values};

/// So many orders that are bought and given back whole are a loop.
pub const LOOP_ORDERS: u32 = 5;
/// Within so many days.
pub const LOOP_DAYS: u64 = 30;

/// What is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlagKind {
    /// Orders are bought and given back, again and again.
    BuyRefundLoop,
    /// Somebody may have sent itself to be rewarded for it.
    SelfReferral,
}

impl FlagKind {
    /// All of them.
    pub const ALL: &[Self] = &[Self::BuyRefundLoop, Self::SelfReferral];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BuyRefundLoop => "buy_refund_loop",
            Self::SelfReferral => "self_referral",
        }
    }

    /// Reads the wire name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

/// No flag is called so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no flag is called so; they are buy_refund_loop and self_referral")]
pub struct UnknownFlag;

impl std::str::FromStr for FlagKind {
    type Err = UnknownFlag;

    fn from_str(text: &str) -> Result<Self, UnknownFlag> {
        Self::parse(text).ok_or(UnknownFlag)
    }
}

impl std::fmt::Display for FlagKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Clear for FlagKind {}

clear_values! {
    /// Orders that had earned and were given back whole on a business date.
    #[derive(Copy)]
    pub struct GivenBackDay {
        /// The date.
        pub on: NaiveDate,
        /// How many.
        pub orders: u32,
    }
}
