//! Tiers: reached at once, lost at a yearly review only.

use chrono::NaiveDate;

use super::Member;
use crate::calendar::Moment;
use crate::loyalty::events::LoyaltyEvent;
use crate::loyalty::loyalty_programme::LoyaltyProgramme;
use crate::loyalty::programme::Programme;
use crate::loyalty::windows::before_window;

/// The tier that these points and those earned within the window reach, when it is higher. The window ends on the latest
/// day on which the account has earned, so a purchase told late is judged as of now and not as of then.
pub(super) fn upgrade(member: &Member, rules: &Programme, points: i64, on: NaiveDate) -> Option<LoyaltyEvent> {
    let reference = member.reference(on);
    let counted = if on > before_window(reference) { points } else { 0 };
    let earned_12_months = member.earned_last_12_months(on).saturating_add(counted);
    let (from, to) = (member.tier, rules.tier_for(earned_12_months));
    (to > from).then_some(LoyaltyEvent::TierUpgraded { from, to, earned_12_months, on: reference })
}

/// The reviews that are due by now, each as of its own day. One that is made late counts what was earned since as well, if
/// that is more: who earned the tier again meanwhile must not lose it.
pub(super) fn review(member: &Member, programme: &LoyaltyProgramme, now: Moment) -> Vec<LoyaltyEvent> {
    let mut member = member.clone();
    let mut events = Vec::new();
    while let Some(on) = member.review_on.filter(|on| *on <= now.today) {
        let event = review_of(&member, &programme.on(on).rules, on);
        member = member.evolve(&event);
        events.push(event);
    }
    events
}

fn review_of(member: &Member, rules: &Programme, on: NaiveDate) -> LoyaltyEvent {
    let earned_12_months = member.earned_within(on).max(member.earned_last_12_months(on));
    let (from, to) = (member.tier, rules.tier_for(earned_12_months));
    match to < from {
        true => LoyaltyEvent::TierDowngraded { from, to, earned_12_months, on },
        false => LoyaltyEvent::TierKept { tier: from, earned_12_months, on },
    }
}
