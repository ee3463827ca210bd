//! What campaigns give to who sent a customer, with its first purchase.
//!
//! The account of who was sent tells it; the points are the referrer's, who is given them by whoever listens. The account remembers it for
//! as long as it is one: there is one first purchase.

use chrono::NaiveDate;

use super::{ADJUSTMENT_MAX, Member, campaigning, flagging};
use crate::ids::OrderId;
use crate::loyalty::campaigns::{CampaignPoints, Purchase};
use crate::loyalty::events::LoyaltyEvent;
use crate::loyalty::loyalty_programme::LoyaltyProgramme;
use crate::loyalty::programme::Tier;
use crate::loyalty::referrals::{ReferralStatus, RewardedReferral};
use crate::loyalty::sale::{Referred, Sale, SaleRefund};

/// The first purchase of who was sent, by the tier that it had before; once.
pub(super) fn note(
    member: &Member,
    sale: &Sale,
    tier: Option<Tier>,
    programme: &LoyaltyProgramme,
    today: NaiveDate,
) -> Vec<LoyaltyEvent> {
    let Some(Referred { customer, by: referrer, looks_alike }) = sale.buyer.referred() else { return Vec::new() };
    if member.has_referral_with(&sale.order) || sale.total.currency() != member.currency {
        return Vec::new();
    }
    let campaigns = rewards(sale, tier.unwrap_or(member.tier), programme);
    let points = campaigning::points_of(&campaigns).min(ADJUSTMENT_MAX);
    let is_rewarded = points > 0 || member.is_rewarded_for_being_sent(&sale.order, programme);
    let flag =
        (is_rewarded && looks_alike).then(|| flagging::raise_self_referral(member, (1, sale.on), today)).flatten();
    if points == 0 {
        return flag.into_iter().collect();
    }
    let (order, is_pending) = (sale.order.clone(), member.is_pending(&sale.order));
    let status = if is_pending { ReferralStatus::Pending } else { ReferralStatus::Earned };
    let referral = RewardedReferral { customer, order, referrer, points, campaigns, is_pending };
    [referral.told(status, today)].into_iter().chain(flag).collect()
}

/// What the campaigns of its date give to the referrer.
fn rewards(sale: &Sale, tier: Tier, programme: &LoyaltyProgramme) -> Vec<CampaignPoints> {
    let purchase = Purchase { total: sale.total, remaining: sale.total, given_back: &[] };
    let given = programme.campaigns_on(sale.on).filter_map(|(campaign, version)| {
        let (rules, points) = (&version.rules, version.rules.referrer_points?);
        let matched = if rules.is_for_articles() { Some(rules.lines_of(sale)?) } else { None };
        let gives = rules.is_for(campaign, sale, tier) && rules.is_reached(matched.as_ref(), purchase);
        gives.then_some(CampaignPoints { campaign, version: version.number, points, matched: None })
    });
    given.collect()
}

/// The points of an order have vested, and so has what the referrer is given.
pub(super) fn vested(member: &Member, order: &OrderId, today: NaiveDate) -> Vec<LoyaltyEvent> {
    let promised = member.referrals_with(order).filter(|referral| referral.is_pending);
    promised.map(|referral| referral.clone().told(ReferralStatus::Earned, today)).collect()
}

/// Nothing is left of the purchase: nothing is due to who sent the customer. Of one whose points are gone, though something is left, nothing
/// vests any more: it counts.
pub(super) fn give_back(member: &Member, refunded: &SaleRefund, today: NaiveDate) -> Vec<LoyaltyEvent> {
    let is_whole = refunded.remaining_total.is_zero();
    let vests = member.is_pending(&refunded.order);
    let changed = member.referrals_with(&refunded.order).filter_map(|referral| {
        let status = match (is_whole, referral.is_pending) {
            (true, true) => ReferralStatus::Cancelled,
            (true, false) => ReferralStatus::Reversed,
            (false, true) if !vests => ReferralStatus::Earned,
            (false, true | false) => return None,
        };
        Some(referral.clone().told(status, today))
    });
    changed.collect()
}

impl RewardedReferral {
    fn told(self, status: ReferralStatus, on: NaiveDate) -> LoyaltyEvent {
        let Self { customer, order, referrer, points, campaigns, .. } = self;
        LoyaltyEvent::ReferralChanged { customer, order, referrer, points, campaigns, status, on }
    }
}

impl Member {
    /// Whether who sent the customer is given something for this order.
    pub fn has_referral_with(&self, order: &OrderId) -> bool {
        self.referrals_with(order).next().is_some()
    }

    /// Whether a campaign for such customers gave something with an order.
    fn is_rewarded_for_being_sent(&self, order: &OrderId, programme: &LoyaltyProgramme) -> bool {
        let given = self.given_with(order);
        let rules = |given: &CampaignPoints| programme.campaign_rules(given.campaign, given.version);
        given.iter().filter_map(rules).any(|rules| rules.referred)
    }

    fn referrals_with(&self, order: &OrderId) -> impl Iterator<Item = &RewardedReferral> {
        self.referrals.iter().filter(move |referral| referral.order == *order)
    }

    pub(super) fn change_referral(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::ReferralChanged { customer, order, referrer, points, campaigns, status, .. } = event else {
            return;
        };
        self.referrals.retain(|known| (known.customer, &known.order) != (*customer, order));
        let is_pending = match status {
            ReferralStatus::Pending => true,
            ReferralStatus::Earned => false,
            ReferralStatus::Cancelled | ReferralStatus::Reversed => return,
        };
        let (order, campaigns) = (order.clone(), campaigns.clone());
        let (customer, referrer, points) = (*customer, *referrer, *points);
        self.referrals.push(RewardedReferral { customer, order, referrer, points, campaigns, is_pending });
    }

    /// What was given for the other's copy of an order that this account knows, too, stays: only this one's is given back.
    pub(super) fn absorb_referrals(&mut self, absorbed: &[RewardedReferral]) {
        let new = |other: &&RewardedReferral| other.is_pending || !self.knows(&other.order);
        let new: Vec<_> = absorbed.iter().filter(new).cloned().collect();
        self.referrals.extend(new);
    }
}
