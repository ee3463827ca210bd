//! Points that are set aside for orders: placed, captured, given back.
//!
//! They leave their lots while the hold is open, so that nothing else can spend them and the discount that was promised is there
//! even when their lot grows too old meanwhile.

use serde::{Deserialize, Serialize};

use super::{Lot, Member, discount_of, sum_of};
use crate::calendar::Moment;
use crate::ids::{HoldId, OrderId};
use crate::loyalty::commands::LoyaltyError;
use crate::loyalty::events::{LotPoints, LoyaltyEvent, ReleaseReason};
use crate::loyalty::holds::{GivenBack, give_back};
use crate::loyalty::programme::Programme;
use crate::loyalty::windows::HOLDS_MAX;
use crate::money::Money;

/// So many holds that are over are remembered, to say how they ended.
const OVER_MAX: usize = 32;

/// Points that are set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// The order that they are for.
    pub order: OrderId,
    /// How many.
    pub points: i64,
    /// What they will be worth.
    pub discount: Money,
    /// From when on it is over by itself.
    pub lapses: Moment,
    /// The lots they came from, with the points of each.
    pub lots: Vec<Lot>,
}

/// How a hold ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldEnd {
    /// Its points were spent.
    Captured,
    /// Its points were given back because somebody asked for it.
    Cancelled,
    /// Its points came back because nobody captured them in time.
    Lapsed,
}

impl std::fmt::Display for HoldEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Captured => "was captured",
            Self::Cancelled => "was released",
            Self::Lapsed => "has lapsed",
        })
    }
}

impl From<ReleaseReason> for HoldEnd {
    fn from(reason: ReleaseReason) -> Self {
        match reason {
            ReleaseReason::Cancelled => Self::Cancelled,
            ReleaseReason::Lapsed => Self::Lapsed,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Over {
    hold: HoldId,
    ended: HoldEnd,
}

impl Hold {
    fn drawn(&self) -> Vec<LotPoints> {
        self.lots.iter().map(|lot| LotPoints { lot: lot.number, points: lot.points }).collect()
    }
}

impl Member {
    /// The open holds, in the order in which they lapse.
    pub fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// The points that are set aside.
    pub fn held(&self) -> i64 {
        sum_of(self.holds.iter().map(|hold| hold.points))
    }

    fn hold(&self, id: HoldId) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.id == id)
    }

    pub(super) fn hold_for(&self, order: &OrderId) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.order == *order)
    }

    fn end_of(&self, id: HoldId) -> Option<HoldEnd> {
        self.over.iter().find(|over| over.hold == id).map(|over| over.ended)
    }

    /// Moves points out of their lots into a new hold, in its place in the order of lapsing.
    pub(super) fn add_hold(&mut self, hold: Hold, from: &[LotPoints]) {
        let held = from.iter().filter_map(|used| {
            let lot = self.lots.iter().find(|lot| lot.number == used.lot)?;
            Some(Lot { points: used.points, ..*lot })
        });
        let hold = Hold { lots: held.collect(), ..hold };
        self.take(from);
        let place = self.holds.partition_point(|other| (other.lapses.at, other.id) < (hold.lapses.at, hold.id));
        self.holds.insert(place, hold);
    }

    /// Ends a hold whose points were spent.
    pub(super) fn capture_hold(&mut self, id: HoldId) {
        self.holds.retain(|hold| hold.id != id);
        self.remember_over(id, HoldEnd::Captured);
    }

    /// Ends a hold whose points came back.
    pub(super) fn release_hold(&mut self, id: HoldId, back: &GivenBack, ended: HoldEnd) {
        self.debt = self.debt.saturating_sub(back.paid_debt);
        if let Some(place) = self.holds.iter().position(|hold| hold.id == id) {
            let hold = self.holds.remove(place);
            for part in &back.returned {
                match self.lots.iter_mut().find(|lot| lot.number == part.lot) {
                    Some(lot) => lot.points = lot.points.saturating_add(part.points),
                    None => hold.lots.iter().filter(|lot| lot.number == part.lot).for_each(|lot| {
                        self.add_lot(Lot { points: part.points, ..*lot });
                    }),
                }
            }
        }
        self.remember_over(id, ended);
    }

    fn remember_over(&mut self, hold: HoldId, ended: HoldEnd) {
        self.over.push(Over { hold, ended });
        self.over.drain(..self.over.len().saturating_sub(OVER_MAX));
    }
}

/// The holds whose time is over by now come back, in the order in which they lapsed.
pub(super) fn lapse(member: &Member, now: Moment) -> Vec<LoyaltyEvent> {
    let due = |member: &Member| member.holds.first().filter(|hold| hold.lapses.at <= now.at).cloned();
    let Some(mut hold) = due(member) else { return Vec::new() };
    let (mut member, mut events) = (member.clone(), Vec::new());
    loop {
        let ended = give_back_hold(&member, &hold, ReleaseReason::Lapsed, now);
        member = ended.iter().fold(member, Member::evolve);
        events.extend(ended);
        match due(&member) {
            Some(next) => hold = next,
            None => return events,
        }
    }
}

/// A hold that is asked for.
pub(super) struct Asked {
    pub(super) hold: HoldId,
    pub(super) order: OrderId,
    pub(super) points: i64,
    pub(super) lapses: Moment,
}

pub(super) fn place(
    member: &Member,
    asked: Asked,
    rules: &Programme,
    now: Moment,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let Asked { hold, order, points, lapses } = asked;
    if let Some(open) = member.hold_for(&order) {
        let (hold, held) = (open.id, open.points);
        let conflict = LoyaltyError::OrderAlreadyHeld { order, hold, points: held };
        return if held == points { Ok(vec![]) } else { Err(conflict) };
    }
    if let Some(redeemed) = member.redeemed.get(&order) {
        return Err(LoyaltyError::OrderAlreadyRedeemed { order, points: redeemed.points });
    }
    let discount = discount_of(member, rules, points)?;
    if member.holds.len() >= HOLDS_MAX {
        return Err(LoyaltyError::TooManyHolds { limit: HOLDS_MAX });
    }
    let (from, balance) = (member.draw(points, None), member.available() - points);
    let (placed_on, lapses_at, lapses_on) = (now.today, lapses.at, lapses.today);
    Ok(vec![LoyaltyEvent::HoldPlaced { hold, order, points, discount, from, placed_on, lapses_at, lapses_on, balance }])
}

pub(super) fn capture(
    member: &Member,
    id: HoldId,
    order: OrderId,
    now: Moment,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let Some(hold) = member.hold(id) else {
        let was_captured = member.redeemed.get(&order).is_some_and(|redeemed| redeemed.hold == Some(id));
        return if was_captured { Ok(vec![]) } else { Err(not_open(member, id)) };
    };
    if hold.order != order {
        return Err(LoyaltyError::HoldOfAnotherOrder { hold: id, order: hold.order.clone() });
    }
    let (points, discount, from) = (hold.points, hold.discount, hold.drawn());
    let (hold, redeemed_on, balance) = (Some(id), now.today, member.available());
    Ok(vec![LoyaltyEvent::PointsRedeemed { order, points, discount, from, hold, redeemed_on, balance }])
}

/// Gives the points of a hold back. That it lapsed meanwhile is as good.
pub(super) fn release(member: &Member, id: HoldId, now: Moment) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    match (member.hold(id), member.end_of(id)) {
        (Some(hold), _) => Ok(give_back_hold(member, hold, ReleaseReason::Cancelled, now)),
        (None, Some(HoldEnd::Cancelled | HoldEnd::Lapsed)) => Ok(vec![]),
        (None, Some(HoldEnd::Captured) | None) => Err(not_open(member, id)),
    }
}

fn not_open(member: &Member, hold: HoldId) -> LoyaltyError {
    match member.end_of(hold) {
        Some(ended) => LoyaltyError::HoldOver { hold, ended },
        None => LoyaltyError::HoldNotFound { hold },
    }
}

/// The points come back, and those of lots that are too old by now expire at once.
pub(super) fn give_back_hold(member: &Member, hold: &Hold, reason: ReleaseReason, now: Moment) -> Vec<LoyaltyEvent> {
    let GivenBack { paid_debt, returned } = give_back(&hold.drawn(), member.debt);
    let Moment { at: released_at, today: released_on } = match reason {
        ReleaseReason::Cancelled => now,
        ReleaseReason::Lapsed => hold.lapses,
    };
    let mut balance = member.available().saturating_add(hold.points);
    let gone_until = member.expired_until.map_or(now.today, |day| day.max(now.today));
    let expired: Vec<_> = returned
        .iter()
        .filter_map(|part| hold.lots.iter().find(|lot| lot.number == part.lot).map(|lot| (part, lot.expires_on)))
        .filter(|(_, expires_on)| *expires_on <= gone_until)
        .map(|(part, expires_on)| (*part, expires_on))
        .collect();
    let released = LoyaltyEvent::HoldReleased {
        hold: hold.id,
        order: hold.order.clone(),
        points: hold.points,
        reason,
        paid_debt,
        returned,
        released_at,
        released_on,
        balance,
    };
    let expired = expired.into_iter().map(|(LotPoints { lot, points }, expires_on)| {
        balance = balance.saturating_sub(points);
        let (hold, order, refund, currency) = (Some(hold.id), None, None, Some(member.currency));
        LoyaltyEvent::PointsExpired { lot, points, expires_on, hold, order, refund, currency, balance }
    });
    std::iter::once(released).chain(expired).collect()
}
