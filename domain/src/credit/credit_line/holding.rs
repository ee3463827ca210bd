//! Credit that is promised to orders: authorised, captured, given back.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::using::{admit, paid_at_once};
use super::{Line, sum_of};
use crate::calendar::Moment;
use crate::credit::commands::{Charge, CreditError};
use crate::credit::events::CreditEvent;
use crate::credit::reasons::HoldRelease;
use crate::ids::{HoldId, InvoiceId, OrderId};
use crate::money::Money;

/// A line has at most so many holds at once.
pub const HOLDS_MAX: usize = 1_000;
/// So many holds that are over are remembered, to say how they ended.
const OVER_MAX: usize = 500;

/// Credit that is promised to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// The order.
    pub order: OrderId,
    /// How much, in the smallest unit of the line's currency.
    pub amount_minor: i64,
    /// From when on it is over by itself.
    pub lapses: Moment,
}

/// How a hold ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldEnd {
    /// It was used.
    Captured,
    /// Somebody gave it back.
    Voided,
    /// Nobody captured it in time.
    Lapsed,
}

impl std::fmt::Display for HoldEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Captured => "was captured",
            Self::Voided => "was voided",
            Self::Lapsed => "has lapsed",
        })
    }
}

impl From<HoldRelease> for HoldEnd {
    fn from(cause: HoldRelease) -> Self {
        match cause {
            HoldRelease::Voided => Self::Voided,
            HoldRelease::Lapsed => Self::Lapsed,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Over {
    hold: HoldId,
    ended: HoldEnd,
}

impl Hold {
    /// That its order cannot be charged beside it.
    pub(super) fn conflict(&self, line: &Line) -> CreditError {
        CreditError::OrderHeld { order: self.order.clone(), hold: self.id, amount: line.money(self.amount_minor) }
    }
}

impl Line {
    /// What is promised to orders.
    pub fn held(&self) -> Money {
        self.money(self.held_minor())
    }

    /// The open holds, in the order in which they lapse.
    pub fn holds(&self) -> &[Hold] {
        &self.holds
    }

    pub(super) fn held_minor(&self) -> i64 {
        sum_of(self.holds.iter().map(|hold| hold.amount_minor))
    }

    /// The open hold of an order.
    pub fn hold_for(&self, order: &OrderId) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.order == *order)
    }

    fn hold(&self, id: HoldId) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.id == id)
    }

    fn end_of(&self, id: HoldId) -> Option<HoldEnd> {
        self.over.iter().rev().find(|over| over.hold == id).map(|over| over.ended)
    }

    pub(super) fn change_holds(&mut self, event: &CreditEvent) {
        match event {
            CreditEvent::HoldPlaced { hold, order, amount, on, lapses_at, lapses_on, .. } => {
                self.see(*on);
                let lapses = Moment { at: *lapses_at, today: *lapses_on };
                let placed = Hold { id: *hold, order: order.clone(), amount_minor: amount.minor(), lapses };
                let key = |hold: &Hold| (hold.lapses.at, hold.id);
                let place = self.holds.partition_point(|other| key(other) < key(&placed));
                self.holds.insert(place, placed);
            }
            CreditEvent::HoldReleased { hold, cause, .. } => self.end_hold(*hold, (*cause).into()),
            _ => {} // no other is passed
        }
    }

    pub(super) fn capture_hold(&mut self, id: HoldId) {
        self.end_hold(id, HoldEnd::Captured);
    }

    fn end_hold(&mut self, id: HoldId, ended: HoldEnd) {
        self.holds.retain(|hold| hold.id != id);
        self.over.push(Over { hold: id, ended });
        self.over.drain(..self.over.len().saturating_sub(OVER_MAX));
    }
}

/// The holds whose time is over by now come free, in the order in which they lapsed.
pub(super) fn lapse(line: &Line, now: Moment) -> Vec<CreditEvent> {
    let due = line.holds.iter().take_while(|hold| hold.lapses.at <= now.at);
    due.map(|hold| released(line, hold, HoldRelease::Lapsed, hold.lapses.today)).collect()
}

fn released(line: &Line, hold: &Hold, cause: HoldRelease, on: NaiveDate) -> CreditEvent {
    let (order, amount) = (hold.order.clone(), line.money(hold.amount_minor));
    CreditEvent::HoldReleased { hold: hold.id, order, amount, cause, on }
}

pub(super) fn place(
    line: &Line,
    hold: HoldId,
    charge: Charge,
    lapses: Moment,
    now: Moment,
) -> Result<Vec<CreditEvent>, CreditError> {
    if let Some(open) = line.hold_for(&charge.order) {
        let is_same = line.money(open.amount_minor) == charge.amount;
        return if is_same { Ok(vec![]) } else { Err(open.conflict(line)) };
    }
    if let Some(used) = line.uses.get(&charge.order) {
        let amount = line.money(used.amount);
        return Err(CreditError::OrderAlreadyCharged { order: charge.order, amount });
    }
    let overridden = match admit(line, &charge, now.today)? {
        Ok(overridden) => overridden,
        Err(exceeded) => return Ok(vec![exceeded]),
    };
    if line.holds.len() >= HOLDS_MAX {
        return Err(CreditError::TooManyHolds { limit: HOLDS_MAX });
    }
    line.require_place()?;
    let Charge { order, amount, .. } = charge;
    let (on, lapses_at, lapses_on) = (now.today, lapses.at, lapses.today);
    Ok(vec![CreditEvent::HoldPlaced { hold, order, amount, on, lapses_at, lapses_on, overridden }])
}

/// What was shipped is invoiced, whatever became of the line meanwhile: neither limit nor suspension is looked at.
pub(super) fn capture(
    line: &Line,
    (id, order): (HoldId, OrderId),
    amount: Money,
    invoice: Option<InvoiceId>,
    today: NaiveDate,
) -> Result<Vec<CreditEvent>, CreditError> {
    let Some(hold) = line.hold(id) else {
        let was_captured = line.uses.get(&order).is_some_and(|used| used.hold == Some(id));
        return match was_captured {
            true => line.charged(&order, amount).map(Option::unwrap_or_default),
            false => Err(not_open(line, id)),
        };
    };
    if hold.order != order {
        return Err(CreditError::HoldOfAnotherOrder { hold: id, order: hold.order.clone() });
    }
    if line.require(amount)? > hold.amount_minor {
        return Err(CreditError::CaptureExceedsHold { held: line.money(hold.amount_minor) });
    }
    let (hold, on, due_on) = (Some(id), today, line.terms.due(today));
    Ok(paid_at_once(line, CreditEvent::Used { order, amount, hold, invoice, on, due_on, overridden: None }))
}

/// Gives a hold back. That it lapsed meanwhile is as good.
pub(super) fn void(line: &Line, id: HoldId, today: NaiveDate) -> Result<Vec<CreditEvent>, CreditError> {
    match (line.hold(id), line.end_of(id)) {
        (Some(hold), _) => Ok(vec![released(line, hold, HoldRelease::Voided, today)]),
        (None, Some(HoldEnd::Voided | HoldEnd::Lapsed)) => Ok(vec![]),
        (None, Some(HoldEnd::Captured) | None) => Err(not_open(line, id)),
    }
}

fn not_open(line: &Line, hold: HoldId) -> CreditError {
    match line.end_of(hold) {
        Some(ended) => CreditError::HoldOver { hold, ended },
        None => CreditError::HoldNotFound { hold },
    }
}
