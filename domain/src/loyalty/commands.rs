//! What may be asked of a loyalty account, and how it may be refused.

use chrono::NaiveDate;
use serde::Serialize;

use crate::ids::{OrderId, RefundId};
use crate::money::{Currency, Money};
use crate::refusal::{Refusal, RefusalKind};

/// A request to a loyalty account. `today` is the business date now; what is due by then expires first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoyaltyCommand {
    /// Make the customer a member.
    Enrol {
        /// The only currency in which the account earns.
        currency: Currency,
        /// The business date.
        on: NaiveDate,
    },
    /// Earn points with a purchase.
    Earn {
        /// The order; earns once.
        order: OrderId,
        /// What was paid.
        total: Money,
        /// The business date of the purchase.
        on: NaiveDate,
        /// The business date now.
        today: NaiveDate,
    },
    /// Spend points on a discount.
    Redeem {
        /// How many.
        points: i64,
        /// The order that is discounted; redeems once.
        order: OrderId,
        /// The business date now.
        today: NaiveDate,
    },
    /// Take back what a purchase earned, because it was refunded.
    Reverse {
        /// The order.
        order: OrderId,
        /// The refund; reverses once.
        refund: RefundId,
        /// What of the order's total has not been refunded.
        remaining_total: Money,
        /// The business date now.
        today: NaiveDate,
    },
    /// Let expire what is due.
    Expire {
        /// The business date now.
        today: NaiveDate,
    },
}

/// Why a loyalty account's command is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum LoyaltyError {
    /// The customer is not a member.
    #[error("the customer is not a member of the loyalty programme")]
    NotAMember,
    /// The account earns in another currency.
    #[error("the account is in {expected}, not in {given}")]
    CurrencyMismatch {
        /// The account's currency.
        expected: Currency,
        /// The currency of the command.
        given: Currency,
    },
    /// A total below zero.
    #[error("the total must not be negative")]
    NegativeTotal {
        /// The total.
        total: Money,
    },
    /// Fewer points than the minimum, or a broken multiple.
    #[error("points are redeemed in multiples of {multiple_of}, at least {minimum}")]
    PointsNotRedeemable {
        /// The points asked for.
        points: i64,
        /// The multiple.
        multiple_of: i64,
        /// The minimum.
        minimum: i64,
    },
    /// More points than are available.
    #[error("{available} points are available")]
    InsufficientPoints {
        /// The points asked for.
        points: i64,
        /// What is available; below zero when points are owed.
        available: i64,
    },
    /// More points than an account may hold.
    #[error("an account holds at most {limit} points")]
    PointsLimit {
        /// What is available; below zero when points are owed.
        available: i64,
        /// The points that would be earned.
        points: i64,
        /// The most that an account may hold.
        limit: i64,
    },
    /// The order has redeemed another number of points.
    #[error("order {order} has already redeemed {points} points")]
    OrderAlreadyRedeemed {
        /// The order.
        order: OrderId,
        /// What it has redeemed.
        points: i64,
    },
}

impl LoyaltyError {
    /// Stable, `snake_case`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAMember => "not_a_member",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::NegativeTotal { .. } => "negative_total",
            Self::PointsNotRedeemable { .. } => "points_not_redeemable",
            Self::InsufficientPoints { .. } => "insufficient_points",
            Self::PointsLimit { .. } => "points_limit",
            Self::OrderAlreadyRedeemed { .. } => "order_already_redeemed",
        }
    }
}

impl From<LoyaltyError> for Refusal {
    fn from(error: LoyaltyError) -> Self {
        let (kind, field) = match &error {
            LoyaltyError::NotAMember => (RefusalKind::NotFound, None),
            LoyaltyError::CurrencyMismatch { .. } => (RefusalKind::Invalid, Some("/currency")),
            LoyaltyError::NegativeTotal { .. } | LoyaltyError::PointsLimit { .. } => {
                (RefusalKind::Invalid, Some("/total"))
            }
            LoyaltyError::PointsNotRedeemable { .. } | LoyaltyError::InsufficientPoints { .. } => {
                (RefusalKind::Invalid, Some("/points"))
            }
            LoyaltyError::OrderAlreadyRedeemed { .. } => (RefusalKind::Conflict, None),
        };
        Self::of(kind, error.code(), field.map(str::to_owned), &error)
    }
}
