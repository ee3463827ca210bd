//! What the account of a duplicate hands over, as it is stored for ever.

use chrono::NaiveDate;

use crate::event::clear_values;
use crate::ids::{HoldId, OrderId, RefundId, RewardCode, StampCardCode};
use crate::loyalty::campaigns::{CampaignPoints, GivenWithOrder};
use crate::loyalty::events::{MovedLot, StampedLine};
use crate::loyalty::programme::Tier;
use crate::money::Money;

clear_values! {
    /// A lot of the other account, or what is left of none but still counts for the tier.
    pub struct AbsorbedLot {
        /// Its number in the account that takes over.
        pub lot: u32,
        /// The points that were left.
        pub points: i64,
        /// The points that count for the tier: earned, less reversed.
        pub counted: i64,
        /// The business date on which they were earned.
        pub earned_on: NaiveDate,
        /// The first day on which they are gone.
        pub expires_on: NaiveDate,
        /// The order that earned them, when that may still be given back.
        pub order: Option<AbsorbedEarning>,
    }

    /// An order that earned a lot.
    pub struct AbsorbedEarning {
        /// The order.
        pub order: OrderId,
        /// The points it earned.
        pub points: i64,
        /// The version of the programme whose rules were applied; none: the standard rules.
        pub programme: Option<u32>,
        /// The multiplier of the tier then.
        pub multiplier_percent: i64,
        /// What was paid; the first five versions tell it only with what campaigns gave.
        pub paid: Option<Money>,
        /// What was taken back.
        pub reversed: i64,
        /// By which refunds.
        pub refunds: Vec<RefundId>,
        /// What campaigns gave with it, as far as it has not been taken back.
        pub given: Option<GivenWithOrder>,
        /// Whether what was left has expired.
        pub expired: bool,
        /// The first business date on which it is forgotten.
        pub remembered_until: NaiveDate,
    }

    /// Points of an order that have not vested.
    pub struct AbsorbedPending {
        /// The order.
        pub order: OrderId,
        /// What was paid.
        pub total: Money,
        /// The version of the programme whose rules were applied; none: the standard rules.
        pub programme: Option<u32>,
        /// The tier then.
        pub tier: Tier,
        /// The points before the multiplier.
        pub base_points: i64,
        /// The multiplier of the tier then.
        pub multiplier_percent: i64,
        /// The points, without those that were taken back.
        pub points: i64,
        /// What was taken back.
        pub reversed: i64,
        /// By which refunds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub refunds: Vec<RefundId>,
        /// The number of the lot that they will be in the account that takes over.
        pub lot: u32,
        /// The business date of the purchase.
        pub pending_on: NaiveDate,
        /// The business date on which they vest by themselves.
        pub vests_on: Option<NaiveDate>,
        /// The first day on which they are gone, if they vest then.
        pub expires_on: Option<NaiveDate>,
        /// What of the points campaigns gave.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub campaigns: Vec<CampaignPoints>,
        /// How many more it would have been without caps.
        pub capped: i64,
    }

    /// What is on a stamp card.
    pub struct AbsorbedCard {
        /// The card.
        pub card: StampCardCode,
        /// The stamps; below zero when they had earned a reward that is spent.
        pub stamps: i64,
    }

    /// A reward.
    pub struct AbsorbedReward {
        /// Its number in the account that takes over.
        pub reward: u32,
        /// The card that had earned it.
        pub card: StampCardCode,
        /// What it is.
        pub code: RewardCode,
        /// How many stamps it took.
        pub stamps: u32,
        /// The business date on which it was earned.
        pub earned_on: NaiveDate,
        /// The first day on which it is gone; none: never.
        pub expires_on: Option<NaiveDate>,
        /// The order with which it was redeemed; none: it can still be.
        pub redeemed_with: Option<OrderId>,
        /// The first business date on which that is forgotten.
        pub remembered_until: Option<NaiveDate>,
    }

    /// The stamps of an order on one card.
    pub struct AbsorbedStamps {
        /// The order.
        pub order: OrderId,
        /// The card.
        pub card: StampCardCode,
        /// The stamps that have not been taken back.
        pub lines: Vec<StampedLine>,
        /// The refunds that took some back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub refunds: Vec<RefundId>,
        /// The first business date on which it is forgotten.
        pub remembered_until: NaiveDate,
    }

    /// An order that was discounted.
    pub struct AbsorbedRedemption {
        /// The order.
        pub order: OrderId,
        /// The points it took.
        pub points: i64,
        /// The hold that had set them aside.
        pub hold: Option<HoldId>,
        /// How many of them have come back.
        pub returned: i64,
        /// The lots of the others, which may come back there.
        pub lots: Vec<MovedLot>,
        /// The first business date on which it is forgotten.
        pub remembered_until: NaiveDate,
    }
}

impl AbsorbedLot {
    /// The points that were left, with their dates.
    pub const fn moved(&self) -> MovedLot {
        MovedLot { lot: self.lot, points: self.points, earned_on: self.earned_on, expires_on: self.expires_on }
    }
}
