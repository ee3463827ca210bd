//! The rules of a loyalty programme: what a purchase earns, what points are worth, which tier comes when.
//!
//! Pure numbers in whole points, whole units of a currency and percent; an account applies them and writes the outcome into its
//! events, so that a change of the rules never rewrites history.

use std::sync::{Arc, LazyLock};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::calendar::months_after;
use crate::event::{Clear, clear_values};
use crate::ids::{BenefitCode, CategoryCode, RewardCode, Sku, StampCardCode};
use crate::money::{Currency, Money};

mod check;

pub use check::ProgrammeFault;

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

/// Of what a band's rate is earned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarnedOf {
    /// Of the part of the total that lies above the band's beginning; the rest earns as in the bands below.
    #[default]
    Part,
    /// Of the whole total, as soon as it lies above the band's beginning.
    Total,
}

impl Clear for EarnedOf {}

clear_values! {
    /// What purchases of some size earn.
    #[derive(Copy)]
    #[serde(deny_unknown_fields)]
    pub struct EarnBand {
        /// For totals above so many whole units of the currency; 0 in the first band.
        #[serde(default)]
        pub above: i64,
        /// Points for each whole unit.
        pub points_per_unit: i64,
        /// Of what.
        #[serde(default)]
        pub of: EarnedOf,
    }

    /// What points are worth, and how they are redeemed.
    #[derive(Copy)]
    #[serde(deny_unknown_fields)]
    pub struct RedeemRule {
        /// Points that are worth one whole unit of discount.
        pub points_per_unit: i64,
        /// Points are redeemed in multiples of this.
        pub multiple_of: i64,
        /// The fewest points that are redeemed at once.
        pub minimum: i64,
    }

    /// What a tier asks for and gives.
    #[serde(deny_unknown_fields)]
    pub struct TierRule {
        /// The tier.
        pub tier: Tier,
        /// Points earned within the window that reach it.
        pub from_points: i64,
        /// What multiplies the points of a purchase, in percent.
        pub multiplier_percent: i64,
        /// What else its members enjoy, for those who serve them to know: `free_shipping`, say.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub benefits: Vec<BenefitCode>,
    }

    /// The most points that purchases earn, before they count as pending or earned.
    #[derive(Copy, Default)]
    #[serde(deny_unknown_fields)]
    pub struct EarnCaps {
        /// With one order.
        pub points_per_order: Option<i64>,
        /// With all orders of a business date.
        pub points_per_day: Option<i64>,
    }

    /// Points of a purchase are pending until they vest.
    #[derive(Copy)]
    #[serde(deny_unknown_fields)]
    pub struct PendingRule {
        /// So many days after the purchase: the time in which it may be given back. None: when somebody says so only.
        pub vest_after_days: Option<u32>,
    }

    /// So many of these articles earn a reward.
    #[serde(deny_unknown_fields)]
    pub struct StampCard {
        /// What it is called.
        pub code: StampCardCode,
        /// The articles that earn a stamp each, by their categories.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub categories: Vec<CategoryCode>,
        /// And by name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub products: Vec<Sku>,
        /// So many stamps make the card full.
        pub stamps: u32,
        /// What a full card is worth, for those who serve members to know.
        pub reward: RewardCode,
        /// A reward can be redeemed for so many calendar months; none: for ever.
        pub reward_expiry_months: Option<u32>,
    }

    /// The rules of a programme.
    #[serde(deny_unknown_fields)]
    pub struct Programme {
        /// What purchases earn: bands by the size of the total, the lowest first.
        pub earn: Vec<EarnBand>,
        /// What points are worth.
        pub redeem: RedeemRule,
        /// Points live for so many calendar months.
        pub expiry_months: u32,
        /// The four tiers, the lowest first.
        pub tiers: Vec<TierRule>,
        /// The most that purchases earn.
        #[serde(default, skip_serializing_if = "EarnCaps::is_none")]
        pub caps: EarnCaps,
        /// Whether points are pending first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub pending: Option<PendingRule>,
        /// The stamp cards.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub stamp_cards: Vec<StampCard>,
    }
}

impl EarnCaps {
    /// Whether nothing is capped.
    pub const fn is_none(&self) -> bool {
        self.points_per_order.is_none() && self.points_per_day.is_none()
    }

    /// The points of an order, as far as it may earn them.
    pub fn of_order(&self, points: i64) -> i64 {
        points.min(self.points_per_order.unwrap_or(i64::MAX))
    }

    /// The points of an order on a day that has earned so many before.
    pub fn of_day(&self, points: i64, before: i64) -> i64 {
        points.min(self.points_per_day.unwrap_or(i64::MAX).saturating_sub(before).max(0))
    }
}

static STANDARD: LazyLock<Arc<Programme>> = LazyLock::new(|| {
    let tier = |tier, from_points, multiplier_percent| TierRule {
        tier,
        from_points,
        multiplier_percent,
        benefits: Vec::new(),
    };
    Arc::new(Programme {
        earn: vec![EarnBand { above: 0, points_per_unit: 1, of: EarnedOf::Part }],
        redeem: RedeemRule { points_per_unit: 100, multiple_of: 100, minimum: 100 },
        expiry_months: 24,
        tiers: vec![
            tier(Tier::Bronze, 0, 100),
            tier(Tier::Silver, 1_000, 125),
            tier(Tier::Gold, 5_000, 150),
            tier(Tier::Platinum, 20_000, 200),
        ],
        caps: EarnCaps::default(),
        pending: None,
        stamp_cards: Vec::new(),
    })
});

impl Programme {
    /// The rules of a tenant that has made none of its own.
    pub fn standard() -> Arc<Self> {
        Arc::clone(&STANDARD)
    }

    /// Points of a purchase before the multiplier; none for less than nothing. Parts of a unit earn nothing.
    pub fn base_points(&self, total: Money) -> i64 {
        if total.is_negative() { 0 } else { base_points(&self.earn, total.whole_units(), total) }
    }

    /// Points of a purchase: `floor(base × percent / 100)`.
    pub const fn points(&self, base_points: i64, multiplier_percent: i64) -> i64 {
        base_points.saturating_mul(multiplier_percent) / 100
    }

    /// What multiplies the points of a member of a tier, in percent.
    pub fn multiplier_percent(&self, tier: Tier) -> i64 {
        self.rule(tier).map_or(100, |rule| rule.multiplier_percent)
    }

    /// What else members of a tier enjoy.
    pub fn benefits(&self, tier: Tier) -> &[BenefitCode] {
        self.rule(tier).map_or(&[], |rule| &rule.benefits)
    }

    /// The highest tier that so many points within the window reach.
    pub fn tier_for(&self, earned: i64) -> Tier {
        self.tiers.iter().rev().find(|rule| earned >= rule.from_points).map_or(Tier::Bronze, |rule| rule.tier)
    }

    /// The points within the window that reach a tier.
    pub fn threshold(&self, tier: Tier) -> i64 {
        self.rule(tier).map_or(0, |rule| rule.from_points)
    }

    fn rule(&self, tier: Tier) -> Option<&TierRule> {
        self.tiers.iter().find(|rule| rule.tier == tier)
    }

    /// Whether so many points may be redeemed at once, were they available.
    pub const fn redeemable(&self, points: i64) -> bool {
        points >= self.redeem.minimum && points % self.redeem.multiple_of == 0
    }

    /// What points are worth: `floor(points × minor units of a unit / redeem.points_per_unit)` minor units.
    /// None when no amount of money is that large.
    pub fn discount(&self, points: i64, currency: Currency) -> Option<Money> {
        let minor = points.checked_mul(currency.minor_per_major())? / self.redeem.points_per_unit;
        Money::from_minor(minor, currency).ok()
    }

    /// The first day on which points earned on a day are gone.
    pub fn expires_on(&self, earned_on: NaiveDate) -> NaiveDate {
        months_after(earned_on, self.expiry_months)
    }
}

/// Of the highest band that the total lies above, and of those below it as far as it leaves them something.
fn base_points(bands: &[EarnBand], units: i64, total: Money) -> i64 {
    let Some((band, below)) = bands.split_last() else { return 0 };
    let begins = band.above.saturating_mul(total.currency().minor_per_major());
    if !below.is_empty() && total.minor() <= begins {
        return base_points(below, units, total);
    }
    match band.of {
        EarnedOf::Total => units.saturating_mul(band.points_per_unit),
        EarnedOf::Part => {
            let of_part = (units - band.above).saturating_mul(band.points_per_unit);
            let at_beginning = Money::from_minor(begins, total.currency()).unwrap_or(total);
            of_part.saturating_add(if below.is_empty() { 0 } else { base_points(below, band.above, at_beginning) })
        }
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

    fn earning(earn: Vec<EarnBand>) -> Programme {
        Programme { earn, ..Programme::clone(&Programme::standard()) }
    }

    #[test]
    fn a_whole_unit_earns_a_point_and_a_broken_one_none() {
        let points = |amount, currency| Programme::standard().base_points(money(amount, currency));
        assert_eq!((points("0.99", "USD"), points("1.00", "USD"), points("19.99", "USD")), (0, 1, 19));
        assert_eq!((points("19", "JPY"), points("19.999", "KWD"), points("-5", "USD")), (19, 19, 0));
    }

    #[test]
    fn a_band_earns_more_for_what_lies_above_its_beginning() {
        let first = EarnBand { above: 0, points_per_unit: 1, of: EarnedOf::Part };
        let programme = earning(vec![first, EarnBand { above: 50, points_per_unit: 2, of: EarnedOf::Part }]);
        let points = |amount| programme.base_points(money(amount, "USD"));
        assert_eq!((points("49.99"), points("50.00"), points("50.99")), (49, 50, 50));
        assert_eq!((points("51.00"), points("100.00")), (52, 150));
        let higher = EarnBand { above: 100, points_per_unit: 3, of: EarnedOf::Part };
        let programme = earning(vec![programme.earn[0], programme.earn[1], higher]);
        assert_eq!(programme.base_points(money("120.00", "USD")), 50 + 100 + 60);
    }

    #[test]
    fn a_band_may_earn_more_for_the_whole_total() {
        let first = EarnBand { above: 0, points_per_unit: 1, of: EarnedOf::Part };
        let programme = earning(vec![first, EarnBand { above: 50, points_per_unit: 2, of: EarnedOf::Total }]);
        let points = |amount| programme.base_points(money(amount, "USD"));
        assert_eq!((points("50.00"), points("50.01"), points("60.00")), (50, 100, 120));
    }

    #[test]
    fn the_multiplier_rounds_down() {
        let points = |base, percent| Programme::standard().points(base, percent);
        assert_eq!(
            (points(19, 100), points(19, 125), points(3, 125), points(19, 150), points(19, 200)),
            (19, 23, 3, 28, 38)
        );
    }

    #[test]
    fn a_tier_begins_exactly_at_its_threshold() {
        let tier = |points| Programme::standard().tier_for(points);
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
            |points, currency| Programme::standard().discount(points, Currency::parse(currency).unwrap()).unwrap();
        assert_eq!(discount(100, "USD"), money("1.00", "USD"));
        assert_eq!(discount(300, "JPY"), money("3", "JPY"));
        assert_eq!(discount(100, "KWD"), money("1.000", "KWD"));
    }

    #[test]
    fn only_whole_multiples_from_the_minimum_on_are_redeemed() {
        let redeemable: Vec<_> = [-100, 0, 99, 100, 101, 150, 200]
            .into_iter()
            .filter(|points| Programme::standard().redeemable(*points))
            .collect();
        assert_eq!(redeemable, [100, 200]);
    }

    #[test]
    fn months_are_calendar_months_and_the_last_day_stands_for_a_missing_one() {
        let programme = Programme::standard();
        assert_eq!(programme.expires_on(day("2024-02-29")), day("2026-02-28"));
        assert_eq!(programme.expires_on(day("2024-01-31")), day("2026-01-31"));
    }
}
