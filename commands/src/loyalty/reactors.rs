//! What follows from what happened to loyalty accounts.

use super::referrals::{ReferralBonus, referral_bonus};
use crate::execute::Request;
use crate::reactor::{Occurrence, Reactor};
use domain::Event;
use domain::loyalty::events::LoyaltyEvent;
use domain::loyalty::referrals::ReferralStatus;

/// Who sent a customer is given points for its first purchase; they are taken back when that is given back.
pub const REFERRAL_BONUS: Reactor = Reactor {
    name: "referral_bonus",
    actor: "reactor:referral_bonus",
    handles: &["loyalty.referral.changed"],
    react: give_bonus,
};

fn give_bonus(occurrence: &Occurrence) -> Vec<Request> {
    let Event::Loyalty(LoyaltyEvent::ReferralChanged { customer, order, referrer, points, status, on, .. }) =
        &occurrence.event
    else {
        return Vec::new();
    };
    let is_back = match status {
        ReferralStatus::Earned => false,
        ReferralStatus::Reversed => true,
        ReferralStatus::Pending | ReferralStatus::Cancelled => return Vec::new(),
    };
    let (order, points) = (order.clone(), *points);
    let bonus = ReferralBonus { customer: *referrer, referred: *customer, order, points, is_back };
    vec![referral_bonus(occurrence.tenant, bonus, occurrence.occurred_at, *on)]
}
