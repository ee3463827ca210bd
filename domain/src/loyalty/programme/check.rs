//! Which rules make a programme: no gaps, nothing out of order, nothing below zero.

use serde::Serialize;

use super::{EarnBand, EarnCaps, PendingRule, Programme, RedeemRule, StampCard, Tier, TierRule};
use crate::loyalty::loyalty_account::POINTS_MAX as ACCOUNT_POINTS_MAX;

/// The most points for a unit, or for a unit of discount, or in a multiple.
const POINTS_MAX: i64 = 1_000_000;
/// The highest multiplier, in percent.
const PERCENT_MAX: i64 = 10_000;
/// The longest life of points, in months.
const EXPIRY_MONTHS_MAX: u32 = 120;
/// The most bands.
const BANDS_MAX: usize = 20;
/// The most benefits of a tier.
const BENEFITS_MAX: usize = 20;
/// The longest time in which points are pending, in days.
const VEST_DAYS_MAX: u32 = 365;
/// The most stamp cards.
const STAMP_CARDS_MAX: usize = 20;
/// The most stamps on a card.
const STAMPS_MAX: u32 = 100;
/// The most categories, or products, of a stamp card.
const STAMPED_ARTICLES_MAX: usize = 100;

/// Why rules make no programme. `at` is the JSON pointer of the field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ProgrammeFault {
    /// A number outside its bounds.
    #[error("must lie between {min} and {max}")]
    OutOfRange {
        /// Where.
        at: String,
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// Bands or tiers that do not rise.
    #[error("must be more than in the one before")]
    OutOfOrder {
        /// Where.
        at: String,
    },
    /// The first band or tier does not begin at nothing: some would earn nothing, or be of no tier.
    #[error("the first one must begin at 0")]
    Gap {
        /// Where.
        at: String,
    },
    /// Not each tier once, the lowest first.
    #[error("the tiers are bronze, silver, gold and platinum, each once, in this order")]
    TiersRequired {
        /// Where.
        at: String,
    },
    /// No band at all.
    #[error("at least one is needed")]
    BandRequired {
        /// Where.
        at: String,
    },
    /// Points could not be redeemed at all or not as few as said.
    #[error("must be a multiple of {multiple_of}")]
    NotAMultiple {
        /// Where.
        at: String,
        /// Of what.
        multiple_of: i64,
    },
    /// Two of a name.
    #[error("another one has the same")]
    Twice {
        /// Where.
        at: String,
    },
    /// A stamp card for nothing.
    #[error("a category or a product is needed")]
    ArticlesRequired {
        /// Where.
        at: String,
    },
    /// More than there may be.
    #[error("at most {limit} are allowed")]
    TooMany {
        /// Where.
        at: String,
        /// How many.
        limit: usize,
    },
}

impl ProgrammeFault {
    /// Stable, `snake_case`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } => "out_of_range",
            Self::OutOfOrder { .. } => "out_of_order",
            Self::Gap { .. } => "gap",
            Self::TiersRequired { .. } => "tiers_required",
            Self::BandRequired { .. } => "band_required",
            Self::NotAMultiple { .. } => "not_a_multiple",
            Self::Twice { .. } => "twice",
            Self::ArticlesRequired { .. } => "articles_required",
            Self::TooMany { .. } => "too_many",
        }
    }

    /// The JSON pointer of the field at fault, within the programme.
    pub fn at(&self) -> &str {
        match self {
            Self::OutOfRange { at, .. }
            | Self::OutOfOrder { at }
            | Self::Gap { at }
            | Self::TiersRequired { at }
            | Self::BandRequired { at }
            | Self::NotAMultiple { at, .. }
            | Self::Twice { at }
            | Self::ArticlesRequired { at }
            | Self::TooMany { at, .. } => at,
        }
    }
}

type Checked = Result<(), ProgrammeFault>;

impl Programme {
    /// Whether the rules make a programme.
    ///
    /// # Errors
    /// The first fault that is found.
    pub fn check(&self) -> Checked {
        check_bands(&self.earn)?;
        check_redeem(&self.redeem)?;
        within("/expiry_months", self.expiry_months.into(), 1, EXPIRY_MONTHS_MAX.into())?;
        check_tiers(&self.tiers)?;
        check_caps(&self.caps)?;
        check_pending(self.pending)?;
        check_stamp_cards(&self.stamp_cards)
    }
}

fn check_bands(bands: &[EarnBand]) -> Checked {
    at_most("/earn", BANDS_MAX, bands.len())?;
    let first = bands.first().ok_or_else(|| ProgrammeFault::BandRequired { at: "/earn".to_owned() })?;
    if first.above != 0 {
        return Err(ProgrammeFault::Gap { at: "/earn/0/above".to_owned() });
    }
    for (index, band) in bands.iter().enumerate() {
        within(&format!("/earn/{index}/points_per_unit"), band.points_per_unit, 0, POINTS_MAX)?;
        within(&format!("/earn/{index}/above"), band.above, 0, ACCOUNT_POINTS_MAX)?;
    }
    rising("earn", "above", bands.iter().map(|band| band.above))
}

fn check_redeem(rule: &RedeemRule) -> Checked {
    within("/redeem/points_per_unit", rule.points_per_unit, 1, POINTS_MAX)?;
    within("/redeem/multiple_of", rule.multiple_of, 1, POINTS_MAX)?;
    within("/redeem/minimum", rule.minimum, 1, ACCOUNT_POINTS_MAX)?;
    if rule.minimum % rule.multiple_of == 0 {
        return Ok(());
    }
    Err(ProgrammeFault::NotAMultiple { at: "/redeem/minimum".to_owned(), multiple_of: rule.multiple_of })
}

fn check_tiers(tiers: &[TierRule]) -> Checked {
    if !tiers.iter().map(|rule| rule.tier).eq(Tier::ALL.iter().copied()) {
        return Err(ProgrammeFault::TiersRequired { at: "/tiers".to_owned() });
    }
    for (index, rule) in tiers.iter().enumerate() {
        within(&format!("/tiers/{index}/multiplier_percent"), rule.multiplier_percent, 0, PERCENT_MAX)?;
        within(&format!("/tiers/{index}/from_points"), rule.from_points, 0, ACCOUNT_POINTS_MAX)?;
        at_most(&format!("/tiers/{index}/benefits"), BENEFITS_MAX, rule.benefits.len())?;
    }
    if tiers.first().is_some_and(|lowest| lowest.from_points != 0) {
        return Err(ProgrammeFault::Gap { at: "/tiers/0/from_points".to_owned() });
    }
    rising("tiers", "from_points", tiers.iter().map(|rule| rule.from_points))
}

fn check_caps(caps: &EarnCaps) -> Checked {
    for (field, most) in [("points_per_order", caps.points_per_order), ("points_per_day", caps.points_per_day)] {
        within(&format!("/caps/{field}"), most.unwrap_or(1), 1, ACCOUNT_POINTS_MAX)?;
    }
    Ok(())
}

fn check_pending(rule: Option<PendingRule>) -> Checked {
    let days = rule.and_then(|rule| rule.vest_after_days).unwrap_or(1);
    within("/pending/vest_after_days", days.into(), 1, VEST_DAYS_MAX.into())
}

fn check_stamp_cards(cards: &[StampCard]) -> Checked {
    at_most("/stamp_cards", STAMP_CARDS_MAX, cards.len())?;
    for (index, card) in cards.iter().enumerate() {
        let at = |field: &str| format!("/stamp_cards/{index}{field}");
        if cards.iter().take(index).any(|before| before.code == card.code) {
            return Err(ProgrammeFault::Twice { at: at("/code") });
        }
        if card.categories.is_empty() && card.products.is_empty() {
            return Err(ProgrammeFault::ArticlesRequired { at: at("") });
        }
        at_most(&at("/categories"), STAMPED_ARTICLES_MAX, card.categories.len())?;
        at_most(&at("/products"), STAMPED_ARTICLES_MAX, card.products.len())?;
        within(&at("/stamps"), card.stamps.into(), 1, STAMPS_MAX.into())?;
        let months = card.reward_expiry_months.unwrap_or(1);
        within(&at("/reward_expiry_months"), months.into(), 1, EXPIRY_MONTHS_MAX.into())?;
    }
    Ok(())
}

fn within(at: &str, number: i64, min: i64, max: i64) -> Checked {
    let is_within = (min..=max).contains(&number);
    is_within.then_some(()).ok_or_else(|| ProgrammeFault::OutOfRange { at: at.to_owned(), min, max })
}

fn at_most(at: &str, limit: usize, given: usize) -> Checked {
    (given <= limit).then_some(()).ok_or_else(|| ProgrammeFault::TooMany { at: at.to_owned(), limit })
}

fn rising(list: &str, field: &str, numbers: impl Iterator<Item = i64> + Clone) -> Checked {
    let mut pairs = numbers.clone().zip(numbers.skip(1));
    match pairs.position(|(one, next)| next <= one) {
        Some(index) => Err(ProgrammeFault::OutOfOrder { at: format!("/{list}/{}/{field}", index + 1) }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::EarnedOf;
    use super::*;
    use crate::ids::{CategoryCode, RewardCode, StampCardCode};

    fn fault(change: impl FnOnce(&mut Programme)) -> Option<(&'static str, String)> {
        let mut programme = Programme::clone(&Programme::standard());
        change(&mut programme);
        programme.check().err().map(|fault| (fault.code(), fault.at().to_owned()))
    }

    fn at(code: &'static str, at: &str) -> Option<(&'static str, String)> {
        Some((code, at.to_owned()))
    }

    #[test]
    fn the_standard_rules_make_a_programme() {
        assert_eq!(fault(|_| {}), None);
    }

    #[test]
    fn bands_begin_at_nothing_and_rise() {
        let band = |above| EarnBand { above, points_per_unit: 1, of: EarnedOf::Part };
        assert_eq!(fault(|rules| rules.earn = vec![]), at("band_required", "/earn"));
        assert_eq!(fault(|rules| rules.earn = vec![band(10)]), at("gap", "/earn/0/above"));
        assert_eq!(fault(|rules| rules.earn.push(band(50))), None);
        assert_eq!(fault(|rules| rules.earn = [0, 50, 50].map(band).to_vec()), at("out_of_order", "/earn/2/above"));
        assert_eq!(fault(|rules| rules.earn[0].points_per_unit = -1), at("out_of_range", "/earn/0/points_per_unit"));
        assert_eq!(fault(|rules| rules.earn = (0..21).map(band).collect()), at("too_many", "/earn"));
    }

    #[test]
    fn each_tier_is_there_once_and_asks_for_more_than_the_one_below() {
        assert_eq!(fault(|rules| rules.tiers.truncate(3)), at("tiers_required", "/tiers"));
        assert_eq!(fault(|rules| rules.tiers.swap(1, 2)), at("tiers_required", "/tiers"));
        assert_eq!(fault(|rules| rules.tiers[0].from_points = 1), at("gap", "/tiers/0/from_points"));
        assert_eq!(fault(|rules| rules.tiers[2].from_points = 1_000), at("out_of_order", "/tiers/2/from_points"));
        let negative = fault(|rules| rules.tiers[1].multiplier_percent = -125);
        assert_eq!(negative, at("out_of_range", "/tiers/1/multiplier_percent"));
    }

    #[test]
    fn points_can_be_redeemed_and_grow_old() {
        assert_eq!(fault(|rules| rules.redeem.points_per_unit = 0), at("out_of_range", "/redeem/points_per_unit"));
        assert_eq!(fault(|rules| rules.redeem.multiple_of = 0), at("out_of_range", "/redeem/multiple_of"));
        assert_eq!(fault(|rules| rules.redeem.minimum = 150), at("not_a_multiple", "/redeem/minimum"));
        assert_eq!(fault(|rules| rules.expiry_months = 0), at("out_of_range", "/expiry_months"));
    }

    #[test]
    fn caps_and_the_time_of_pending_points_are_at_least_one() {
        let caps = |order, day| EarnCaps { points_per_order: order, points_per_day: day };
        assert_eq!(fault(|rules| rules.caps = caps(Some(1), Some(1))), None);
        assert_eq!(fault(|rules| rules.caps = caps(Some(0), None)), at("out_of_range", "/caps/points_per_order"));
        assert_eq!(fault(|rules| rules.caps = caps(None, Some(-1))), at("out_of_range", "/caps/points_per_day"));
        let pending = |days| Some(PendingRule { vest_after_days: days });
        assert_eq!(fault(|rules| rules.pending = pending(None)), None);
        assert_eq!(fault(|rules| rules.pending = pending(Some(0))), at("out_of_range", "/pending/vest_after_days"));
        assert_eq!(fault(|rules| rules.pending = pending(Some(366))), at("out_of_range", "/pending/vest_after_days"));
    }

    #[test]
    fn a_stamp_card_is_for_some_articles_and_there_once() {
        let card = || StampCard {
            code: StampCardCode::parse("coffee").unwrap(),
            categories: vec![CategoryCode::parse("hot_drinks").unwrap()],
            products: vec![],
            stamps: 10,
            reward: RewardCode::parse("free_coffee").unwrap(),
            reward_expiry_months: None,
        };
        assert_eq!(fault(|rules| rules.stamp_cards = vec![card()]), None);
        assert_eq!(fault(|rules| rules.stamp_cards = vec![card(), card()]), at("twice", "/stamp_cards/1/code"));
        let none = StampCard { categories: vec![], ..card() };
        assert_eq!(fault(|rules| rules.stamp_cards = vec![none]), at("articles_required", "/stamp_cards/0"));
        let empty = StampCard { stamps: 0, ..card() };
        assert_eq!(fault(|rules| rules.stamp_cards = vec![empty]), at("out_of_range", "/stamp_cards/0/stamps"));
    }
}
