//! Pending points: earned with a purchase, and not to be spent before they vest.
//!
//! They vest on their day, or when somebody says so. A refund before that takes them back where they are; the account owes nothing
//! by it. They count for the tier, and begin to grow old, on the day on which they vest.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::earning::{Earning, NewLot, credit};
use super::{EarnedOrder, Lot, Member, after, campaigning, referring, sum_of};
use crate::calendar::Moment;
use crate::ids::{OrderId, RefundId};
use crate::loyalty::campaigns::CampaignPoints;
use crate::loyalty::commands::LoyaltyError;
use crate::loyalty::events::LoyaltyEvent;
use crate::loyalty::loyalty_programme::LoyaltyProgramme;
use crate::loyalty::merging::AbsorbedPending;
use crate::loyalty::programme::{PendingRule, Tier};
use crate::loyalty::windows;
use crate::money::Money;

/// The most orders whose points are pending at once.
pub(super) const PENDING_MAX: usize = 10_000;

/// The points of a purchase that have not vested; never nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingPoints {
    lot: u32,
    points: i64,
    since: NaiveDate,
    vests_on: Option<NaiveDate>,
    expires_on: Option<NaiveDate>,
    total: Money,
    programme: Option<u32>,
    tier: Tier,
    base_points: i64,
    multiplier_percent: i64,
    capped: i64,
}

/// What a purchase earned is set aside until it vests; of a purchase that is told late that may have been long ago.
pub(super) fn set_pending(
    member: &Member,
    earning: Earning,
    (on, rule): (NaiveDate, PendingRule),
    programme: &LoyaltyProgramme,
    today: NaiveDate,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    if member.pending.len() >= PENDING_MAX {
        return Err(LoyaltyError::TooManyPending { limit: PENDING_MAX });
    }
    let vests_on = rule.vest_after_days.and_then(|days| on.checked_add_days(Days::new(days.into())));
    let rules = programme.version(earning.programme).rules;
    let Earning { order, total, programme: version, tier, base_points, multiplier_percent, campaigns, capped, points } =
        earning;
    let pending = LoyaltyEvent::PointsPending {
        order: order.clone(),
        total,
        programme: version,
        tier,
        base_points,
        multiplier_percent,
        points,
        lot: member.next_lot,
        pending_on: on,
        vests_on,
        expires_on: vests_on.map(|day| rules.expires_on(day)),
        campaigns,
        capped,
        pending: member.pending().saturating_add(points),
        balance: member.available(),
    };
    let mut events = vec![pending];
    let member = after(member, &events);
    if let Some(on) = vests_on.filter(|day| *day <= today) {
        let vested = become_earned(&member, (&order, on), programme, today);
        events.extend(vested);
    }
    Ok(events)
}

/// What has vested by now, the oldest first.
pub(super) fn vest_due(member: &Member, programme: &LoyaltyProgramme, now: Moment) -> Vec<LoyaltyEvent> {
    let by_day = member.pending.iter().filter_map(|(order, pending)| Some((pending.vests_on?, pending.lot, order)));
    let mut due: Vec<_> = by_day.filter(|(day, ..)| *day <= now.today).collect();
    due.sort_unstable();
    let due = due.into_iter().map(|(day, _, order)| (order, day));
    vest_all(member, due, programme, now.today)
}

/// What is pending of orders that the account knows, too, which takes over: it vests today, or on the day on which it has. Only that account's
/// copy of such an order is given back from then on, so there is nothing to wait for, and nobody could say so any more.
pub(super) fn vest_told_twice(
    member: &Member,
    takes_over: &Member,
    programme: &LoyaltyProgramme,
    now: Moment,
) -> Vec<LoyaltyEvent> {
    let twice = member.pending.iter().filter(|(order, _)| takes_over.knows(order));
    let on = |pending: &PendingPoints| pending.vests_on.map_or(now.today, |day| day.min(now.today));
    let mut twice: Vec<_> = twice.map(|(order, pending)| (on(pending), pending.lot, order)).collect();
    twice.sort_unstable();
    let twice = twice.into_iter().map(|(day, _, order)| (order, day));
    vest_all(member, twice, programme, now.today)
}

fn vest_all<'a>(
    member: &Member,
    due: impl Iterator<Item = (&'a OrderId, NaiveDate)>,
    programme: &LoyaltyProgramme,
    today: NaiveDate,
) -> Vec<LoyaltyEvent> {
    let mut events = Vec::new();
    for of_order in due {
        let vested = become_earned(&after(member, &events), of_order, programme, today);
        events.extend(vested);
    }
    events
}

/// Points of an order vest today, because somebody says so. None: only what was due by itself.
pub(super) fn vest(
    member: &Member,
    order: Option<&OrderId>,
    programme: &LoyaltyProgramme,
    now: Moment,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let Some(order) = order.filter(|order| !member.has_vested(order)) else { return Ok(vec![]) };
    if !member.pending.contains_key(order) {
        return Err(LoyaltyError::PointsNotPending { order: order.clone() });
    }
    Ok(become_earned(member, (order, now.today), programme, now.today))
}

fn become_earned(
    member: &Member,
    (order, on): (&OrderId, NaiveDate),
    programme: &LoyaltyProgramme,
    today: NaiveDate,
) -> Vec<LoyaltyEvent> {
    let Some(pending) = member.pending.get(order).cloned() else { return Vec::new() };
    let stays = || programme.version(pending.programme).rules.expires_on(on);
    let expires_on = pending.expires_on.filter(|_| pending.vests_on == Some(on)).unwrap_or_else(stays);
    let lot = NewLot { number: pending.lot, earned_on: on, expires_on, pending_since: Some(pending.since) };
    let earning = Earning {
        order: order.clone(),
        total: pending.total,
        programme: pending.programme,
        tier: pending.tier,
        base_points: pending.base_points,
        multiplier_percent: pending.multiplier_percent,
        campaigns: member.given_with(order),
        capped: pending.capped,
        points: pending.points,
    };
    let mut events = credit(member, earning, lot, &programme.on(on).rules, today);
    events.extend(referring::vested(member, order, today));
    events
}

impl Member {
    /// The points that have not vested. They cannot be spent, and count for no tier.
    pub fn pending(&self) -> i64 {
        sum_of(self.pending.values().map(|pending| pending.points))
    }

    /// When the points of an order vest, if they are pending and do so by themselves.
    pub fn vests_on(&self, order: &OrderId) -> Option<NaiveDate> {
        self.pending.get(order)?.vests_on
    }

    /// The first day on which pending points vest by themselves.
    pub fn next_vesting(&self) -> Option<NaiveDate> {
        self.pending.values().filter_map(|pending| pending.vests_on).min()
    }

    /// Whether points of an order are pending.
    pub fn is_pending(&self, order: &OrderId) -> bool {
        self.pending.contains_key(order)
    }

    fn has_vested(&self, order: &OrderId) -> bool {
        self.has_earned(order) && !self.is_pending(order)
    }

    pub(super) fn add_pending(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::PointsPending {
            order,
            total,
            programme,
            tier,
            base_points,
            multiplier_percent,
            points,
            lot,
            pending_on,
            vests_on,
            expires_on,
            campaigns,
            capped,
            ..
        } = event
        else {
            return;
        };
        let pending = PendingPoints {
            lot: *lot,
            points: *points,
            since: *pending_on,
            vests_on: *vests_on,
            expires_on: *expires_on,
            total: *total,
            programme: *programme,
            tier: *tier,
            base_points: *base_points,
            multiplier_percent: *multiplier_percent,
            capped: *capped,
        };
        self.remember_pending(order, pending, campaigns, (0, BTreeSet::new()));
    }

    /// The order counts as one that has earned what is pending and what was taken back of it.
    fn remember_pending(
        &mut self,
        order: &OrderId,
        pending: PendingPoints,
        campaigns: &[CampaignPoints],
        (reversed, refunds): (i64, BTreeSet<RefundId>),
    ) {
        let since = pending.since;
        self.see(since);
        let remembered_until = windows::remembered_until(self.latest);
        let earned = EarnedOrder {
            lot: pending.lot,
            points: pending.points.saturating_add(reversed),
            programme: pending.programme,
            multiplier_percent: pending.multiplier_percent,
            paid: Some(pending.total.minor()),
            left: None,
            given: campaigning::remembered(pending.total, campaigns),
            reversed,
            refunds,
            earned_on: since,
            pending_since: None,
            expires_on: remembered_until,
            expired: false,
            remembered_until,
        };
        self.remember_order(order, earned);
        self.pending.insert(order.clone(), pending);
    }

    /// What is pending, under the numbers of the account that takes over. Of orders that it knows, too, nothing is any more.
    pub(super) fn pending_handed_over(&self, to: &Self) -> Vec<AbsorbedPending> {
        let handed_over = self.pending.iter().map(|(order, pending)| {
            let earned = self.earned.get(order);
            AbsorbedPending {
                order: order.clone(),
                total: pending.total,
                programme: pending.programme,
                tier: pending.tier,
                base_points: pending.base_points,
                multiplier_percent: pending.multiplier_percent,
                points: pending.points,
                reversed: earned.map_or(0, |earned| earned.reversed),
                refunds: earned.map_or_else(Vec::new, |earned| earned.refunds.iter().cloned().collect()),
                lot: pending.lot.saturating_add(to.lots_before()),
                pending_on: pending.since,
                vests_on: pending.vests_on,
                expires_on: pending.expires_on,
                campaigns: self.given_with(order),
                capped: pending.capped,
            }
        });
        handed_over.collect()
    }

    pub(super) fn absorb_pending(&mut self, absorbed: &AbsorbedPending) {
        if self.has_earned(&absorbed.order) {
            return;
        }
        let pending = PendingPoints {
            lot: absorbed.lot,
            points: absorbed.points,
            since: absorbed.pending_on,
            vests_on: absorbed.vests_on,
            expires_on: absorbed.expires_on,
            total: absorbed.total,
            programme: absorbed.programme,
            tier: absorbed.tier,
            base_points: absorbed.base_points,
            multiplier_percent: absorbed.multiplier_percent,
            capped: absorbed.capped,
        };
        let taken_back = (absorbed.reversed, absorbed.refunds.iter().cloned().collect());
        self.remember_pending(&absorbed.order, pending, &absorbed.campaigns, taken_back);
    }

    /// The orders whose points are not pending.
    pub(super) fn vested(&self) -> impl Iterator<Item = (&OrderId, &EarnedOrder)> {
        self.earned.iter().filter(|(order, _)| !self.pending.contains_key(*order))
    }

    /// A refund takes pending points back: nothing was to be spent, and nothing is owed.
    pub(super) fn take_back_pending(&mut self, order: &OrderId, refund: &RefundId, points: i64, on: NaiveDate) {
        self.take_from_order(order, refund, points, on);
        if let Some(pending) = self.pending.get_mut(order) {
            pending.points = pending.points.saturating_sub(points);
        }
        self.pending.retain(|_, pending| pending.points > 0);
        self.see(on);
    }

    /// The order has earned what was pending of it.
    pub(super) fn remember_vested(&mut self, order: &OrderId, lot: Lot) {
        self.pending.remove(order);
        self.see(lot.earned_on);
        let remembered_until = windows::remembered_until(self.latest).max(lot.expires_on);
        if let Some(earned) = self.earned.get_mut(order) {
            earned.pending_since = Some(earned.earned_on);
            (earned.earned_on, earned.expires_on) = (lot.earned_on, lot.expires_on);
            earned.remembered_until = remembered_until;
        }
    }
}
