//! What happens to a loyalty account, stored for ever.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::event::upcast::Upcaster;
use crate::event::{Clear, events};
use crate::ids::{OrderId, RefundId};
use crate::loyalty::programme::Tier;
use crate::money::{Currency, Money};

/// Points out of one lot. Written down with each use, so that the order of use may change without rewriting history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LotPoints {
    /// The number of the lot.
    pub lot: u32,
    /// How many of its points.
    pub points: i64,
}

impl Clear for LotPoints {}

events! {
    /// An event of a loyalty account. A `balance` is what is available after the event; below zero only by reversal.
    pub enum LoyaltyEvent {
        /// The customer became a member.
        #[serde(rename = "loyalty.account.enrolled")]
        Enrolled {
            /// The only currency in which the account earns.
            currency: Currency,
            /// The business date.
            on: NaiveDate,
        },
        /// A purchase earned points.
        #[serde(rename = "loyalty.points.earned")]
        PointsEarned {
            /// The order.
            order: OrderId,
            /// What was paid.
            total: Money,
            /// The points before the multiplier.
            base_points: i64,
            /// The multiplier of the tier before the purchase.
            multiplier_percent: i64,
            /// The points earned.
            points: i64,
            /// The number of the lot, from one.
            lot: u32,
            /// The business date of the purchase.
            earned_on: NaiveDate,
            /// The first day on which the points are gone.
            expires_on: NaiveDate,
            /// How many of them paid points that were owed; the others can be redeemed.
            paid_debt: i64,
            /// Available afterwards.
            balance: i64,
        },
        /// The points earned of late reached a higher tier.
        #[serde(rename = "loyalty.tier.upgraded")]
        TierUpgraded {
            /// The tier before.
            from: Tier,
            /// The tier from now on.
            to: Tier,
            /// The points earned in the twelve calendar months that end on the date.
            earned_12_months: i64,
            /// The business date: the latest on which the account has earned.
            on: NaiveDate,
        },
        /// Points became a discount.
        #[serde(rename = "loyalty.points.redeemed")]
        PointsRedeemed {
            /// The order that is discounted.
            order: OrderId,
            /// The points spent.
            points: i64,
            /// What they were worth.
            discount: Money,
            /// The lots they came from.
            from: Vec<LotPoints>,
            /// The business date.
            redeemed_on: NaiveDate,
            /// Available afterwards.
            balance: i64,
        },
        /// Points were taken back because the purchase was.
        #[serde(rename = "loyalty.points.reversed")]
        PointsReversed {
            /// The order that had earned them.
            order: OrderId,
            /// The refund.
            refund: RefundId,
            /// The lot of the order.
            lot: u32,
            /// The points taken back.
            points: i64,
            /// The lots they came from; what is missing is owed.
            from: Vec<LotPoints>,
            /// The business date.
            reversed_on: NaiveDate,
            /// Available afterwards.
            balance: i64,
        },
        /// What was left of a lot grew too old.
        #[serde(rename = "loyalty.points.expired")]
        PointsExpired {
            /// The number of the lot.
            lot: u32,
            /// The points lost.
            points: i64,
            /// The day since which they are gone.
            expires_on: NaiveDate,
            /// Available afterwards.
            balance: i64,
        },
    }
}

/// The upcasters of old versions.
pub(crate) const UPCASTERS: &[Upcaster] = &[];
