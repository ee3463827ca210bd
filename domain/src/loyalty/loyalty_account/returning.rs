//! Redeemed points that come back, because the order that they discounted was refunded.
//!
//! As many as the share of the order that was refunded by now, all of them when nothing remains. Those drawn last come back first, so
//! that it is as if fewer points had been redeemed; each goes back to its lot, with the expiry it had.

use chrono::NaiveDate;

use super::{Lot, Member, after, holding, stamping, sum_of};
use crate::calendar::Moment;
use crate::ids::{HoldId, OrderId, RefundId};
use crate::loyalty::commands::LoyaltyError;
use crate::loyalty::events::{LotPoints, LoyaltyEvent, MovedLot, ReleaseReason};
use crate::loyalty::holds;
use crate::money::Money;

/// What was refunded of an order by now.
pub(super) struct Return {
    pub(super) order: OrderId,
    pub(super) refund: RefundId,
    pub(super) share: (i64, i64),
    pub(super) on: NaiveDate,
}

impl Member {
    /// Whether points are remembered to have been redeemed for an order, or are held for it, or rewards were redeemed with it.
    pub fn has_spent(&self, order: &OrderId) -> bool {
        self.redeemed.contains_key(order) || self.hold_for(order).is_some() || self.has_redeemed_reward_with(order)
    }

    /// How much of an order was given back when so much of its total remains, as a part and the whole: all of it when nothing does. Of
    /// one whose total is not known nothing came back before.
    ///
    /// # Errors
    /// When what remains is less than nothing, or in another currency.
    pub fn share_given_back(&self, order: &OrderId, remaining: Money) -> Result<(i64, i64), LoyaltyError> {
        self.require_currency(remaining.currency())?;
        if remaining.is_negative() {
            return Err(LoyaltyError::NegativeTotal { total: remaining });
        }
        Ok(match self.earned.get(order).and_then(|earned| earned.paid) {
            _ if remaining.is_zero() => (1, 1),
            Some(paid) if paid > remaining.minor() => (paid.saturating_sub(remaining.minor()), paid),
            Some(_) | None => (0, 1),
        })
    }

    /// The lots that points are drawn from: those of a hold, or of the account.
    pub(super) fn lots_of(&self, from: &[LotPoints], hold: Option<HoldId>) -> Vec<Lot> {
        if let Some(hold) = self.holds.iter().find(|open| Some(open.id) == hold) {
            return hold.lots.clone();
        }
        let drawn = from.iter().filter_map(|used| {
            let lot = self.lots.iter().find(|lot| lot.number == used.lot)?;
            Some(Lot { points: used.points, ..*lot })
        });
        drawn.collect()
    }

    pub(super) fn add_returned(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::PointsReturned { order, points, returned, paid_debt, returned_on, .. } = event else {
            return;
        };
        if let Some(redeemed) = self.redeemed.get_mut(order) {
            redeemed.returned = redeemed.returned.saturating_add(*points);
            let kept = sum_of(redeemed.lots.iter().map(|lot| lot.points)).saturating_sub(*points);
            redeemed.lots = first_of(&redeemed.lots, kept);
        }
        self.see(*returned_on);
        self.debt = self.debt.saturating_sub(*paid_debt);
        for part in returned {
            match self.lots.iter_mut().find(|lot| lot.number == part.lot) {
                Some(lot) => lot.points = lot.points.saturating_add(part.points),
                None => self.add_lot(Lot {
                    number: part.lot,
                    points: part.points,
                    earned_on: part.earned_on,
                    expires_on: part.expires_on,
                }),
            }
        }
    }
}

/// What is still held for an order of which nothing remains comes back, and then what was redeemed for it, as far as it was refunded.
pub(super) fn give_back(member: &Member, wanted: &Return, now: Moment) -> Vec<LoyaltyEvent> {
    let (part, whole) = wanted.share;
    let held = member.hold_for(&wanted.order).filter(|_| part >= whole);
    let mut events =
        held.map_or_else(Vec::new, |hold| holding::give_back_hold(member, hold, ReleaseReason::Cancelled, now));
    let member = after(member, &events);
    events.extend(give_back_redeemed(&member, wanted, now));
    if part >= whole {
        events.extend(stamping::give_back(&member, (&wanted.order, &wanted.refund), wanted.on, now.today));
    }
    events
}

fn give_back_redeemed(member: &Member, wanted: &Return, now: Moment) -> Vec<LoyaltyEvent> {
    let Some(redeemed) = member.redeemed.get(&wanted.order) else { return Vec::new() };
    let spent = sum_of(redeemed.lots.iter().map(|lot| lot.points));
    let points = share_of(redeemed.points, wanted.share).saturating_sub(redeemed.returned).min(spent);
    if points <= 0 {
        return Vec::new();
    }
    let drawn = last_of(&redeemed.lots, points);
    let (returned, paid_debt) = back_to_lots(&drawn, member.debt);
    let mut balance = member.available().saturating_add(points);
    let event = LoyaltyEvent::PointsReturned {
        order: wanted.order.clone(),
        refund: wanted.refund.clone(),
        points,
        returned: returned.clone(),
        paid_debt,
        returned_on: wanted.on,
        currency: member.currency,
        balance,
    };
    let gone_until = member.expired_until.map_or(now.today, |day| day.max(now.today));
    let gone = returned.into_iter().filter(|part| part.expires_on <= gone_until).map(|part| {
        balance = balance.saturating_sub(part.points);
        let (order, refund) = (Some(wanted.order.clone()), Some(wanted.refund.clone()));
        let MovedLot { lot, points, expires_on, .. } = part;
        let (hold, currency) = (None, Some(member.currency));
        LoyaltyEvent::PointsExpired { lot, points, expires_on, hold, order, refund, currency, balance }
    });
    std::iter::once(event).chain(gone).collect()
}

/// What lots get back, and what pays the debt.
pub(super) fn back_to_lots(drawn: &[Lot], debt: i64) -> (Vec<MovedLot>, i64) {
    let points: Vec<_> = drawn.iter().map(|lot| LotPoints { lot: lot.number, points: lot.points }).collect();
    let back = holds::give_back(&points, debt);
    let returned = back.returned.iter().filter_map(|part| {
        let Lot { number: lot, earned_on, expires_on, .. } = *drawn.iter().find(|lot| lot.number == part.lot)?;
        Some(MovedLot { lot, points: part.points, earned_on, expires_on })
    });
    (returned.collect(), back.paid_debt)
}

/// The part of the points that a share is, rounded down; all of them with the whole.
fn share_of(points: i64, (part, whole): (i64, i64)) -> i64 {
    if part >= whole {
        return points;
    }
    let share = i128::from(points) * i128::from(part.max(0)) / i128::from(whole.max(1));
    i64::try_from(share).unwrap_or(points)
}

/// So many of the points, those that were drawn first.
fn first_of(lots: &[Lot], points: i64) -> Vec<Lot> {
    taken(lots.iter(), points)
}

/// So many of the points, those that were drawn last; in the order in which they were drawn.
pub(super) fn last_of(lots: &[Lot], points: i64) -> Vec<Lot> {
    let mut last = taken(lots.iter().rev(), points);
    last.reverse();
    last
}

fn taken<'a>(lots: impl Iterator<Item = &'a Lot>, points: i64) -> Vec<Lot> {
    let (mut left, mut taken) = (points, Vec::new());
    for lot in lots {
        let points = left.min(lot.points);
        if points > 0 {
            taken.push(Lot { points, ..*lot });
            left -= points;
        }
    }
    taken
}
