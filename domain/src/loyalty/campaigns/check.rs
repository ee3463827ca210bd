//! Which rules make a campaign: one that gives something, to somebody, on some day.

use chrono::NaiveDate;
use serde::Serialize;

use super::CampaignRules;
use crate::loyalty::loyalty_account::POINTS_MAX as ACCOUNT_POINTS_MAX;

/// The most points of a bonus, or for an article.
const POINTS_MAX: i64 = 1_000_000;
/// The highest multiplier, in percent.
const PERCENT_MAX: i64 = 10_000;
/// The most categories, products or channels.
const CODES_MAX: usize = 100;
/// The most days before and after a birthday. Purchases for one birthday are never further apart than twice as many, those for two always.
const BIRTHDAY_DAYS_MAX: i64 = 60;
/// The most whole units that may be asked for.
const AMOUNT_MAX: i64 = 1_000_000_000;

/// Why rules make no campaign. `at` is the JSON pointer of the field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum CampaignFault {
    /// It ends before it begins.
    #[error("must not lie before the day on which it begins")]
    UntilBeforeFrom {
        /// Where.
        at: String,
    },
    /// Neither a multiplier nor points.
    #[error("a multiplier or points are needed")]
    NothingGiven {
        /// Where.
        at: String,
    },
    /// Points for articles, of no articles.
    #[error("a category or a product is needed")]
    ArticlesRequired {
        /// Where.
        at: String,
    },
    /// Points for who sent a customer, of whom nobody sent.
    #[error("only a campaign for referred customers gives something to who sent them")]
    ReferredRequired {
        /// Where.
        at: String,
    },
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
    /// The same twice.
    #[error("another one is the same")]
    Twice {
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

impl CampaignFault {
    /// Stable, `snake_case`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UntilBeforeFrom { .. } => "until_before_from",
            Self::NothingGiven { .. } => "nothing_given",
            Self::ArticlesRequired { .. } => "articles_required",
            Self::ReferredRequired { .. } => "referred_required",
            Self::OutOfRange { .. } => "out_of_range",
            Self::Twice { .. } => "twice",
            Self::TooMany { .. } => "too_many",
        }
    }

    /// The JSON pointer of the field at fault.
    pub fn at(&self) -> &str {
        match self {
            Self::UntilBeforeFrom { at }
            | Self::NothingGiven { at }
            | Self::ArticlesRequired { at }
            | Self::ReferredRequired { at }
            | Self::OutOfRange { at, .. }
            | Self::Twice { at }
            | Self::TooMany { at, .. } => at,
        }
    }
}

type Checked = Result<(), CampaignFault>;

impl CampaignRules {
    /// Whether they make a campaign.
    ///
    /// # Errors
    /// The first fault, and where it is.
    pub fn check(&self, from: NaiveDate, until: Option<NaiveDate>) -> Checked {
        if until.is_some_and(|until| until < from) {
            return Err(CampaignFault::UntilBeforeFrom { at: "/until".to_owned() });
        }
        let given = [self.multiplier_percent, self.bonus_points, self.points_per_article, self.referrer_points];
        if given.iter().all(Option::is_none) {
            return Err(CampaignFault::NothingGiven { at: "/rules".to_owned() });
        }
        within("minimum_amount", self.minimum_amount, 1, AMOUNT_MAX)?;
        within("multiplier_percent", self.multiplier_percent, 101, PERCENT_MAX)?;
        within("bonus_points", self.bonus_points, 1, POINTS_MAX)?;
        within("points_per_article", self.points_per_article, 1, POINTS_MAX)?;
        within("referrer_points", self.referrer_points, 1, POINTS_MAX)?;
        within("caps/points_per_order", self.caps.points_per_order, 1, ACCOUNT_POINTS_MAX)?;
        within("caps/points_per_day", self.caps.points_per_day, 1, ACCOUNT_POINTS_MAX)?;
        if let Some(birthday) = &self.birthday {
            within("birthday/within_days", Some(birthday.within_days.into()), 0, BIRTHDAY_DAYS_MAX)?;
            within("birthday/points_per_birthday", birthday.points_per_birthday, 1, ACCOUNT_POINTS_MAX)?;
        }
        if self.points_per_article.is_some() && !self.is_for_articles() {
            return Err(CampaignFault::ArticlesRequired { at: "/rules/points_per_article".to_owned() });
        }
        if self.referrer_points.is_some() && !self.referred {
            return Err(CampaignFault::ReferredRequired { at: "/rules/referrer_points".to_owned() });
        }
        each_once("categories", &self.categories)?;
        each_once("products", &self.products)?;
        each_once("channels", &self.channels)?;
        each_once("tiers", &self.tiers)?;
        each_once("segments", &self.segments)
    }
}

fn within(field: &str, number: Option<i64>, min: i64, max: i64) -> Checked {
    let is_within = number.is_none_or(|number| (min..=max).contains(&number));
    is_within.then_some(()).ok_or_else(|| CampaignFault::OutOfRange { at: format!("/rules/{field}"), min, max })
}

fn each_once<T: PartialEq>(field: &str, codes: &[T]) -> Checked {
    if codes.len() > CODES_MAX {
        return Err(CampaignFault::TooMany { at: format!("/rules/{field}"), limit: CODES_MAX });
    }
    let again = codes.iter().enumerate().find(|(index, code)| codes.iter().take(*index).any(|before| before == *code));
    again.map_or(Ok(()), |(index, _)| Err(CampaignFault::Twice { at: format!("/rules/{field}/{index}") }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CategoryCode, Channel, Sku};
    use crate::loyalty::campaigns::BirthdayRule;
    use crate::loyalty::programme::{EarnCaps, Tier};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn fault(change: impl FnOnce(&mut CampaignRules)) -> Option<(&'static str, String)> {
        let mut rules = CampaignRules { multiplier_percent: Some(200), ..CampaignRules::default() };
        change(&mut rules);
        let fault = rules.check(day("2026-03-01"), Some(day("2026-03-31"))).err();
        fault.map(|fault| (fault.code(), fault.at().to_owned()))
    }

    fn at(code: &'static str, at: &str) -> Option<(&'static str, String)> {
        Some((code, at.to_owned()))
    }

    #[test]
    fn a_campaign_gives_something_within_its_bounds() {
        assert_eq!(fault(|_| {}), None);
        assert_eq!(fault(|rules| rules.multiplier_percent = None), at("nothing_given", "/rules"));
        for percent in [-200, 0, 100, 10_001] {
            let wrong = fault(|rules| rules.multiplier_percent = Some(percent));
            assert_eq!(wrong, at("out_of_range", "/rules/multiplier_percent"), "{percent}");
        }
        assert_eq!(fault(|rules| rules.multiplier_percent = Some(101)), None);
        for points in [-1, 0, 1_000_001] {
            let wrong = fault(|rules| rules.bonus_points = Some(points));
            assert_eq!(wrong, at("out_of_range", "/rules/bonus_points"), "{points}");
        }
        assert_eq!(fault(|rules| rules.minimum_amount = Some(0)), at("out_of_range", "/rules/minimum_amount"));
        let caps = |order, day| EarnCaps { points_per_order: order, points_per_day: day };
        assert_eq!(fault(|rules| rules.caps = caps(Some(1), Some(1))), None);
        assert_eq!(fault(|rules| rules.caps = caps(Some(0), None)), at("out_of_range", "/rules/caps/points_per_order"));
        assert_eq!(fault(|rules| rules.caps = caps(None, Some(-5))), at("out_of_range", "/rules/caps/points_per_day"));
    }

    #[test]
    fn who_sent_a_customer_is_given_something_by_campaigns_for_such_customers_only() {
        let gives = |referred, referrer_points| {
            let rules = CampaignRules { referred, referrer_points, ..CampaignRules::default() };
            let found = rules.check(day("2026-03-01"), None).err();
            found.map(|fault| (fault.code(), fault.at().to_owned()))
        };
        assert_eq!(gives(true, Some(1)), None);
        assert_eq!(gives(true, None), at("nothing_given", "/rules"));
        assert_eq!(gives(false, Some(1)), at("referred_required", "/rules/referrer_points"));
        assert_eq!(gives(true, Some(1_000_001)), at("out_of_range", "/rules/referrer_points"));
    }

    #[test]
    fn a_birthday_has_no_more_days_around_it_than_lie_between_two() {
        let around = |within_days, points_per_birthday| {
            fault(|rules| rules.birthday = Some(BirthdayRule { within_days, points_per_birthday }))
        };
        assert_eq!([around(0, None), around(60, Some(1))], [None, None]);
        assert_eq!(around(61, None), at("out_of_range", "/rules/birthday/within_days"));
        assert_eq!(around(3, Some(0)), at("out_of_range", "/rules/birthday/points_per_birthday"));
    }

    #[test]
    fn points_for_articles_are_for_some_that_are_named() {
        let without = fault(|rules| rules.points_per_article = Some(50));
        assert_eq!(without, at("articles_required", "/rules/points_per_article"));
        let named = fault(|rules| {
            rules.points_per_article = Some(50);
            rules.products = vec![Sku::parse("wine-1").unwrap()];
        });
        assert_eq!(named, None);
        let wrong = fault(|rules| rules.points_per_article = Some(0));
        assert_eq!(wrong, at("out_of_range", "/rules/points_per_article"));
    }

    #[test]
    fn lists_are_short_and_name_each_once() {
        let category = |number: usize| CategoryCode::parse(&format!("c-{number}")).unwrap();
        assert_eq!(fault(|rules| rules.categories = (0..100).map(category).collect()), None);
        assert_eq!(
            fault(|rules| rules.categories = (0..101).map(category).collect()),
            at("too_many", "/rules/categories")
        );
        assert_eq!(
            fault(|rules| rules.categories = vec![category(1), category(1)]),
            at("twice", "/rules/categories/1")
        );
        let web = || Channel::parse("web").unwrap();
        assert_eq!(fault(|rules| rules.channels = vec![web(), web()]), at("twice", "/rules/channels/1"));
        assert_eq!(fault(|rules| rules.tiers = vec![Tier::Gold, Tier::Gold]), at("twice", "/rules/tiers/1"));
        let sku = || Sku::parse("wine-1").unwrap();
        assert_eq!(fault(|rules| rules.products = vec![sku(), sku()]), at("twice", "/rules/products/1"));
    }

    #[test]
    fn a_campaign_lasts_at_least_a_day() {
        let rules = CampaignRules { bonus_points: Some(50), ..CampaignRules::default() };
        let (first, before) = (day("2026-03-01"), day("2026-02-28"));
        assert_eq!(rules.check(first, Some(first)), Ok(()));
        assert_eq!(rules.check(first, None), Ok(()));
        let fault = CampaignFault::UntilBeforeFrom { at: "/until".to_owned() };
        assert_eq!(rules.check(first, Some(before)), Err(fault));
    }
}
