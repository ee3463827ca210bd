//! What campaigns give with the purchases of a member, and what of it a refund takes back.
//!
//! The account remembers of each order what campaigns gave with it and for which lines, so that a refund finds what the rest of the
//! purchase would not have earned, by the versions of the campaigns that it earned by.

use chrono::NaiveDate;

use super::{EarnedOrder, Member, sum_of};
use crate::ids::{CampaignId, OrderId};
use crate::loyalty::campaigns::{CampaignPoints, CampaignRules, CampaignVersion, GivenWithOrder, Purchase};
use crate::loyalty::loyalty_programme::LoyaltyProgramme;
use crate::loyalty::programme::Programme;
use crate::loyalty::sale::{Sale, SaleRefund};
use crate::money::Money;

/// What the campaigns of its date give with a purchase.
pub(super) fn given(
    member: &Member,
    sale: &Sale,
    rules: (&Programme, i64),
    programme: &LoyaltyProgramme,
) -> Vec<CampaignPoints> {
    let of_campaign = |(id, version)| given_by(member, sale, (id, version), rules);
    programme.campaigns_on(sale.on).filter_map(of_campaign).collect()
}

fn given_by(
    member: &Member,
    sale: &Sale,
    (campaign, version): (CampaignId, &CampaignVersion),
    rules: (&Programme, i64),
) -> Option<CampaignPoints> {
    let campaign_rules = &version.rules;
    if !campaign_rules.is_for(campaign, sale, member.tier) {
        return None;
    }
    let matched = if campaign_rules.is_for_articles() { Some(campaign_rules.lines_of(sale)?) } else { None };
    let purchase = Purchase { total: sale.total, remaining: sale.total, given_back: &[] };
    let points = campaign_rules.points(matched.as_ref(), purchase, rules);
    let points = member.capped(points, (campaign, campaign_rules), sale.on);
    (points > 0).then_some(CampaignPoints { campaign, version: version.number, points, matched })
}

/// What campaigns would have given with what remains of an order; never more than they gave.
pub(super) fn kept(
    earned: &EarnedOrder,
    refunded: &SaleRefund,
    rules: &Programme,
    programme: &LoyaltyProgramme,
) -> Vec<CampaignPoints> {
    let Some(GivenWithOrder { total, campaigns }) = earned.given.as_deref() else { return Vec::new() };
    let purchase = Purchase { total: *total, remaining: refunded.remaining_total, given_back: &refunded.given_back };
    let of_campaign = |given: &CampaignPoints| {
        let campaign_rules = programme.campaign_rules(given.campaign, given.version);
        let points = campaign_rules.map_or(0, |campaign| {
            campaign.points(given.matched.as_ref(), purchase, (rules, earned.multiplier_percent))
        });
        CampaignPoints { points: points.min(given.points), ..given.clone() }
    };
    campaigns.iter().map(of_campaign).collect()
}

/// The points of some campaigns together.
pub(super) fn points_of(campaigns: &[CampaignPoints]) -> i64 {
    sum_of(campaigns.iter().map(|given| given.points))
}

impl EarnedOrder {
    /// What is taken back of what campaigns gave, when so much is kept.
    pub(super) fn taken_from_campaigns(&self, kept: &[CampaignPoints]) -> Vec<CampaignPoints> {
        let given = self.given.iter().flat_map(|given| &given.campaigns);
        let taken = given.zip(kept).filter_map(|(given, kept)| {
            let points = given.points.saturating_sub(kept.points);
            (points > 0).then_some(CampaignPoints { points, matched: None, ..*given })
        });
        taken.collect()
    }

    /// What campaigns gave, as far as it has not been taken back.
    pub(super) fn campaigns(&self) -> &[CampaignPoints] {
        self.given.as_ref().map_or(&[], |given| &given.campaigns)
    }
}

/// What campaigns gave with an order, to be remembered; nothing of most.
pub(super) fn remembered(total: Money, campaigns: &[CampaignPoints]) -> Option<Box<GivenWithOrder>> {
    (!campaigns.is_empty()).then(|| Box::new(GivenWithOrder { total, campaigns: campaigns.to_vec() }))
}

impl Member {
    /// Whether a refund of an order has to tell of all lines that were given back by now.
    pub fn asks_for_lines(&self, order: &OrderId) -> bool {
        let given = self.earned.get(order).map_or(&[][..], EarnedOrder::campaigns);
        given.iter().any(|given| given.matched.is_some())
    }

    /// What campaigns gave with an order that is remembered, less what was taken back.
    pub(super) fn given_with(&self, order: &OrderId) -> Vec<CampaignPoints> {
        let given = self.earned.get(order).map_or(&[][..], EarnedOrder::campaigns);
        given.iter().filter(|given| given.points > 0).cloned().collect()
    }

    /// What the caps of a campaign leave of points beside what it has given: for the day, and for the birthday.
    fn capped(&self, points: i64, (campaign, rules): (CampaignId, &CampaignRules), on: NaiveDate) -> i64 {
        let of_day = rules.caps.points_per_day.map(|most| (most, 0));
        let of_birthday = rules.birthday.as_ref().and_then(|rule| {
            // Purchases for one birthday are never further apart, those for two always are.
            Some((rule.points_per_birthday?, rule.within_days.saturating_mul(2)))
        });
        [of_day, of_birthday].into_iter().flatten().fold(points, |points, (most, days)| {
            points.min(most.saturating_sub(self.given_around(on, days, campaign)).max(0))
        })
    }

    /// What a campaign gave with the purchases of a business date and so many days around it, less what was taken back.
    fn given_around(&self, on: NaiveDate, days: u32, campaign: CampaignId) -> i64 {
        let is_near = |date: NaiveDate| date.signed_duration_since(on).num_days().unsigned_abs() <= days.into();
        let near = self.earned.values().filter(|earned| is_near(earned.bought_on()));
        let given = near.flat_map(EarnedOrder::campaigns).filter(|given| given.campaign == campaign);
        sum_of(given.map(|given| given.points))
    }

    pub(super) fn take_from_campaigns(&mut self, order: &OrderId, taken: &[CampaignPoints]) {
        let Some(given) = self.earned.get_mut(order).and_then(|earned| earned.given.as_mut()) else { return };
        for CampaignPoints { campaign, points, .. } in taken {
            for given in given.campaigns.iter_mut().filter(|given| given.campaign == *campaign) {
                given.points = given.points.saturating_sub(*points);
            }
        }
    }
}
