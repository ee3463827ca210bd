//! The rules of a loyalty programme: what a purchase earns, what points are worth, which tier comes when.
//!
//! Pure numbers in whole points and percent; an account applies them and writes the outcome into its events, so that a
//! change of the rules never rewrites history.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::calendar::{anniversary_after, months_after, months_before};
use crate::event::Clear;
use crate::money::{Currency, Money};

/// How much of a regular a customer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Everybody at first.
    Bronze,
    /// The second.
    Silver,
    /// The third.
    Gold,
    /// The highest.
    Platinum,
}

impl Tier {
    /// All of them, the lowest first.
    pub const ALL: &[Self] = &[Self::Bronze, Self::Silver, Self::Gold, Self::Platinum];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bronze => "bronze",
            Self::Silver => "silver",
            Self::Gold => "gold",
            Self::Platinum => "platinum",
        }
    }

    /// The next higher one.
    pub fn next(self) -> Option<Self> {
        Self::ALL.iter().copied().find(|tier| *tier > self)
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Clear for Tier {}

/// What a tier asks for and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierRule {
    /// The tier.
    pub tier: Tier,
    /// Points earned within the window that reach it.
    pub from_points: i64,
    /// What multiplies the points of a purchase, in percent.
    pub multiplier_percent: i64,
}

/// The rules of a programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programme {
    /// Points for each whole major unit of a purchase's total.
    pub points_per_unit: i64,
    /// Points that are worth one major unit of discount.
    pub points_per_unit_of_discount: i64,
    /// Points are redeemed in multiples of this.
    pub redeem_multiple: i64,
    /// The fewest points that are redeemed at once.
    pub redeem_minimum: i64,
    /// Points live for so many calendar months.
    pub expiry_months: u32,
    /// A tier counts the points earned within so many calendar months.
    pub tier_window_months: u32,
    /// A hold is over by itself after so many minutes.
    pub hold_minutes: u32,
    /// An account has at most so many holds at once.
    pub holds_max: usize,
    /// The tiers, the lowest first.
    pub tiers: [TierRule; 4],
}

impl Programme {
    /// The rules of a tenant that has made none of its own.
    pub const STANDARD: Self = Self {
        points_per_unit: 1,
        points_per_unit_of_discount: 100,
        redeem_multiple: 100,
        redeem_minimum: 100,
        expiry_months: 24,
        tier_window_months: 12,
        hold_minutes: 15,
        holds_max: 32,
        tiers: [
            TierRule { tier: Tier::Bronze, from_points: 0, multiplier_percent: 100 },
            TierRule { tier: Tier::Silver, from_points: 1_000, multiplier_percent: 125 },
            TierRule { tier: Tier::Gold, from_points: 5_000, multiplier_percent: 150 },
            TierRule { tier: Tier::Platinum, from_points: 20_000, multiplier_percent: 200 },
        ],
    };

    /// Points of a purchase before the multiplier: `floor(total) × points_per_unit`; none for less than nothing.
    pub const fn base_points(&self, total: Money) -> i64 {
        if total.is_negative() { 0 } else { total.whole_units().saturating_mul(self.points_per_unit) }
    }

    /// Points of a purchase: `floor(base × percent / 100)`.
    pub const fn points(&self, base_points: i64, multiplier_percent: i64) -> i64 {
        base_points.saturating_mul(multiplier_percent) / 100
    }

    /// What multiplies the points of a member of a tier, in percent.
    pub fn multiplier_percent(&self, tier: Tier) -> i64 {
        self.tiers.iter().find(|rule| rule.tier == tier).map_or(100, |rule| rule.multiplier_percent)
    }

    /// The highest tier that so many points within the window reach.
    pub fn tier_for(&self, earned: i64) -> Tier {
        self.tiers.iter().rev().find(|rule| earned >= rule.from_points).map_or(Tier::Bronze, |rule| rule.tier)
    }

    /// The points within the window that reach a tier.
    pub fn threshold(&self, tier: Tier) -> i64 {
        self.tiers.iter().find(|rule| rule.tier == tier).map_or(0, |rule| rule.from_points)
    }

    /// Whether so many points may be redeemed at once, were they available.
    pub const fn redeemable(&self, points: i64) -> bool {
        points >= self.redeem_minimum && points % self.redeem_multiple == 0
    }

    /// What points are worth: `floor(points × minor units of a major unit / points_per_unit_of_discount)` minor units.
    /// None when no amount of money is that large.
    pub fn discount(&self, points: i64, currency: Currency) -> Option<Money> {
        let minor = points.checked_mul(currency.minor_per_major())? / self.points_per_unit_of_discount;
        Money::from_minor(minor, currency).ok()
    }

    /// The first day on which points earned on a day are gone.
    pub fn expires_on(&self, earned_on: NaiveDate) -> NaiveDate {
        months_after(earned_on, self.expiry_months)
    }

    /// The first moment at which a hold is over.
    pub fn lapses_at(&self, placed_at: DateTime<Utc>) -> DateTime<Utc> {
        let lapses_at = placed_at.checked_add_signed(TimeDelta::minutes(self.hold_minutes.into()));
        lapses_at.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// When the tier of a member is reviewed next, after a day on which a tier was reached or reviewed. The lowest tier is not
    /// reviewed: nobody can lose it.
    pub fn review_after(&self, on: NaiveDate, enrolled_on: NaiveDate, tier: Tier) -> Option<NaiveDate> {
        (self.threshold(tier) > 0).then(|| anniversary_after(enrolled_on, on))
    }

    /// The last day of which no window needs the earnings any more: neither the one that ends on `reference` nor that of the next
    /// review, which may come late. Nothing is kept for a review that is more than a window late.
    pub fn before_counted(&self, reference: NaiveDate, review_on: Option<NaiveDate>) -> NaiveDate {
        let before = self.before_window(reference);
        let before_review = review_on.map_or(before, |on| self.before_window(on));
        before.min(before_review.max(self.before_window(before)))
    }

    /// The last day before the window that ends on a day: what was earned after it counts.
    pub fn before_window(&self, reference: NaiveDate) -> NaiveDate {
        months_before(reference, self.tier_window_months)
    }
}

impl Default for Programme {
    fn default() -> Self {
        Self::STANDARD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: &str, currency: &str) -> Money {
        Money::parse(amount, Currency::parse(currency).unwrap()).unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_whole_unit_earns_a_point_and_a_broken_one_none() {
        let points = |amount, currency| Programme::STANDARD.base_points(money(amount, currency));
        assert_eq!((points("0.99", "USD"), points("1.00", "USD"), points("19.99", "USD")), (0, 1, 19));
        assert_eq!((points("19", "JPY"), points("19.999", "KWD"), points("-5", "USD")), (19, 19, 0));
    }

    #[test]
    fn the_multiplier_rounds_down() {
        let points = |base, percent| Programme::STANDARD.points(base, percent);
        assert_eq!(
            (points(19, 100), points(19, 125), points(3, 125), points(19, 150), points(19, 200)),
            (19, 23, 3, 28, 38)
        );
    }

    #[test]
    fn a_tier_begins_exactly_at_its_threshold() {
        let tier = |points| Programme::STANDARD.tier_for(points);
        assert_eq!(
            (tier(-1), tier(0), tier(999), tier(1_000)),
            (Tier::Bronze, Tier::Bronze, Tier::Bronze, Tier::Silver)
        );
        assert_eq!(
            (tier(4_999), tier(5_000), tier(19_999), tier(20_000)),
            (Tier::Silver, Tier::Gold, Tier::Gold, Tier::Platinum)
        );
    }

    #[test]
    fn a_hundred_points_are_worth_one_unit_whatever_its_decimals() {
        let discount =
            |points, currency| Programme::STANDARD.discount(points, Currency::parse(currency).unwrap()).unwrap();
        assert_eq!(discount(100, "USD"), money("1.00", "USD"));
        assert_eq!(discount(300, "JPY"), money("3", "JPY"));
        assert_eq!(discount(100, "KWD"), money("1.000", "KWD"));
    }

    #[test]
    fn only_whole_multiples_from_the_minimum_on_are_redeemed() {
        let redeemable: Vec<_> = [-100, 0, 99, 100, 101, 150, 200]
            .into_iter()
            .filter(|points| Programme::STANDARD.redeemable(*points))
            .collect();
        assert_eq!(redeemable, [100, 200]);
    }

    #[test]
    fn months_are_calendar_months_and_the_last_day_stands_for_a_missing_one() {
        let programme = Programme::STANDARD;
        assert_eq!(programme.expires_on(day("2024-02-29")), day("2026-02-28"));
        assert_eq!(programme.expires_on(day("2024-01-31")), day("2026-01-31"));
        assert_eq!(programme.before_window(day("2024-02-29")), day("2023-02-28"));
    }
}
