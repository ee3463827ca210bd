//! Campaigns: what purchases earn beside the rules of the programme, for a time, for some articles, channels or tiers.
//!
//! A campaign is a tenant's, in versions as the programme is: of a business date that version holds which was published last of those
//! whose date has come. Several campaigns add up: each gives what it would give alone.

mod check;
mod matching;
mod publishing;

use std::sync::Arc;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::event::{Clear, clear_values};
use crate::ids::{CampaignId, CategoryCode, Channel, Sku};
use crate::loyalty::programme::{EarnCaps, Tier};
use crate::money::Money;
use crate::segment::Segment;
use crate::text::bounded_text;

pub use check::CampaignFault;
pub(super) use matching::Purchase;
pub use publishing::CampaignDraft;

/// The most campaigns that are not over.
pub const RUNNING_MAX: usize = 200;
/// The most versions of all campaigns of a tenant together.
pub const CAMPAIGN_VERSIONS_MAX: usize = 2_000;

bounded_text! {
    /// What a campaign is called: the business's own words about its offer, so that they may be read by anyone.
    CampaignName: 100;
}

impl Clear for CampaignName {}

clear_values! {
    /// Which purchases a campaign is for, and what it gives.
    #[derive(Default)]
    #[serde(deny_unknown_fields)]
    pub struct CampaignRules {
        /// Only for articles of these categories.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub categories: Vec<CategoryCode>,
        /// Only for these articles. With categories: for both.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub products: Vec<Sku>,
        /// Only for what is sold there.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub channels: Vec<Channel>,
        /// Only for members of these tiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub tiers: Vec<Tier>,
        /// Only for buyers of these segments.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub segments: Vec<Segment>,
        /// Only for the few for whom most is done.
        #[serde(default, skip_serializing_if = "is_false")]
        pub vip: bool,
        /// Only around a member's birthday.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub birthday: Option<BirthdayRule>,
        /// Only for the first purchase of a customer that another one sent.
        #[serde(default, skip_serializing_if = "is_false")]
        pub referred: bool,
        /// Only if at least so many whole units were paid for what it is for.
        pub minimum_amount: Option<i64>,
        /// What multiplies the points of what it is for, in percent; 200 doubles them.
        pub multiplier_percent: Option<i64>,
        /// Points for each purchase.
        pub bonus_points: Option<i64>,
        /// Points for each of the articles.
        pub points_per_article: Option<i64>,
        /// What who sent the customer is given. No multiplier and no cap is for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub referrer_points: Option<i64>,
        /// The most that it gives to a member, with an order and with all orders of a business date.
        #[serde(default, skip_serializing_if = "EarnCaps::is_none")]
        pub caps: EarnCaps,
    }

    /// Which days are around a birthday, and how much is given for one.
    #[serde(deny_unknown_fields)]
    pub struct BirthdayRule {
        /// For so many days before it and after it, and on the day.
        pub within_days: u32,
        /// The most points for one birthday.
        pub points_per_birthday: Option<i64>,
    }

    /// The lines of a purchase that a campaign is for.
    #[serde(deny_unknown_fields)]
    pub struct MatchedLines {
        /// Their indexes in the purchase, from zero.
        pub lines: Vec<u32>,
        /// How many articles they are; what lowers the price is none.
        pub articles: u64,
        /// What they cost.
        pub price: Money,
        /// What all lines cost.
        pub price_of_all: Money,
    }

    /// What a campaign gave with a purchase.
    #[serde(deny_unknown_fields)]
    pub struct CampaignPoints {
        /// The campaign.
        pub campaign: CampaignId,
        /// The version of its rules.
        pub version: u32,
        /// How many points, before the caps of the programme.
        pub points: i64,
        /// For which lines; none where it was for the whole purchase.
        pub matched: Option<MatchedLines>,
    }

    /// What campaigns gave with an order, as far as it has not been taken back.
    #[serde(deny_unknown_fields)]
    pub struct GivenWithOrder {
        /// What was paid for the order.
        pub total: Money,
        /// What each of them gave.
        pub campaigns: Vec<CampaignPoints>,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A campaign of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    id: CampaignId,
    versions: Vec<CampaignVersion>,
    /// The first business date on which it gives nothing any more, whatever its versions say.
    ended: Option<NaiveDate>,
}

/// A version of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignVersion {
    /// The number, from one.
    pub number: u32,
    /// What it is called.
    pub name: CampaignName,
    /// What it gives.
    pub rules: Arc<CampaignRules>,
    /// The first business date for which it holds.
    pub from: NaiveDate,
    /// The last business date on which it gives anything; none: until it is ended.
    pub until: Option<NaiveDate>,
}

impl Campaign {
    /// The version that gives something on a business date.
    fn on(&self, date: NaiveDate) -> Option<&CampaignVersion> {
        if self.ended.is_some_and(|ended| ended <= date) {
            return None;
        }
        let version = self.versions.iter().rev().find(|version| version.from <= date)?;
        version.until.is_none_or(|until| date <= until).then_some(version)
    }

    /// Whether it gives nothing any more from a day on: the last version has the last word.
    fn is_over(&self, today: NaiveDate) -> bool {
        let until = self.versions.last().and_then(|version| version.until);
        self.ended.is_some_and(|ended| ended <= today) || until.is_some_and(|until| until < today)
    }
}

/// The campaigns of a tenant. Clones share them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Campaigns(Arc<Vec<Campaign>>);

impl Campaigns {
    /// Those that give something on a business date, by the versions that do, in the order in which they came about.
    pub(super) fn on(&self, date: NaiveDate) -> impl Iterator<Item = (CampaignId, &CampaignVersion)> {
        self.0.iter().filter_map(move |campaign| Some((campaign.id, campaign.on(date)?)))
    }

    /// The rules of a version.
    pub(super) fn rules(&self, campaign: CampaignId, version: u32) -> Option<&CampaignRules> {
        let versions = &self.find(campaign)?.versions;
        versions.iter().find(|known| known.number == version).map(|known| &*known.rules)
    }

    fn find(&self, id: CampaignId) -> Option<&Campaign> {
        self.0.iter().find(|campaign| campaign.id == id)
    }
}
