//! Points that go from one account to another, with the dates they had.
//!
//! What somebody has earned counts for the tier of who earned it, wherever the points go: else a tier could be lent.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Lot, LoyaltyAccount, Member, POINTS_MAX, sum_of};
use crate::ids::{CustomerId, ReasonCode, TransferId};
use crate::loyalty::commands::LoyaltyError;
use crate::loyalty::events::{LoyaltyEvent, MovedLot};
use crate::loyalty::holds::give_back;
use crate::loyalty::windows;
use crate::money::Currency;

/// A transfer that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordedTransfer {
    transfer: TransferId,
    other: Other,
    points: i64,
    pub(super) remembered_until: NaiveDate,
}

/// The account at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Other {
    To(CustomerId),
    From(CustomerId),
}

impl Member {
    pub(super) fn add_transfer(&mut self, (transfer, other): (TransferId, Other), points: i64, on: NaiveDate) {
        self.see(on);
        let remembered_until = windows::remembered_until(self.latest);
        self.transfers.push(RecordedTransfer { transfer, other, points, remembered_until });
    }

    /// Takes lots in that come from another account, less what they pay of the debt.
    pub(super) fn add_moved(&mut self, lots: &[MovedLot], paid_debt: i64) {
        self.debt = self.debt.saturating_sub(paid_debt);
        let drawn: Vec<_> = lots.iter().map(MovedLot::drawn).collect();
        let left = give_back(&drawn, paid_debt).returned;
        for lot in lots {
            self.next_lot = self.next_lot.max(lot.lot.saturating_add(1));
            if let Some(left) = left.iter().find(|left| left.lot == lot.lot) {
                let (number, points, earned_on, expires_on) = (lot.lot, left.points, lot.earned_on, lot.expires_on);
                self.add_lot(Lot { number, points, earned_on, expires_on });
            }
        }
    }

    fn moved(&self, points: i64) -> Vec<MovedLot> {
        let drawn = self.draw(points, None).into_iter().filter_map(|part| {
            let lot = self.lots.iter().find(|lot| lot.number == part.lot)?;
            let (earned_on, expires_on) = (lot.earned_on, lot.expires_on);
            Some(MovedLot { lot: part.lot, points: part.points, earned_on, expires_on })
        });
        drawn.collect()
    }
}

/// Held points are promised to an order and stay.
pub(super) fn send(
    member: &Member,
    (transfer, to): (TransferId, CustomerId),
    points: i64,
    reason: Option<ReasonCode>,
    sent_on: NaiveDate,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let is_sent = |made: &&RecordedTransfer| made.transfer == transfer && matches!(made.other, Other::To(_));
    if let Some(made) = member.transfers.iter().find(is_sent) {
        let is_same = made.other == Other::To(to) && made.points == points;
        return if is_same { Ok(vec![]) } else { Err(LoyaltyError::TransferAlreadyMade { transfer }) };
    }
    if points <= 0 {
        return Err(LoyaltyError::PointsNotPositive { points });
    }
    let available = member.available();
    if points > available {
        return Err(LoyaltyError::InsufficientPoints { points, available });
    }
    let (lots, currency, balance) = (member.moved(points), member.currency, available - points);
    Ok(vec![LoyaltyEvent::TransferSent { transfer, to, points, lots, reason, currency, sent_on, balance }])
}

/// Tells who cannot receive points apart from who cannot give any.
pub(super) const fn open_to_receive(state: &LoyaltyAccount) -> Result<(), LoyaltyError> {
    match state {
        LoyaltyAccount::NotEnrolled => Err(LoyaltyError::ReceiverNotAMember),
        LoyaltyAccount::Closed => Err(LoyaltyError::ReceiverClosed),
        LoyaltyAccount::Merged { into, .. } => Err(LoyaltyError::ReceiverMerged { survivor: *into }),
        LoyaltyAccount::Member(_) => Ok(()),
    }
}

pub(super) fn receive(
    member: &Member,
    (transfer, from): (TransferId, CustomerId),
    lots: &[MovedLot],
    (reason, currency): (Option<ReasonCode>, Currency),
    received_on: NaiveDate,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    if member.transfers.iter().any(|made| made.transfer == transfer && made.other == Other::From(from)) {
        return Ok(vec![]);
    }
    if currency != member.currency {
        return Err(LoyaltyError::ReceiverCurrency { expected: member.currency, given: currency });
    }
    let points = sum_of(lots.iter().map(|lot| lot.points));
    let balance = member.available().saturating_add(points);
    if balance.saturating_add(member.held()) > POINTS_MAX {
        return Err(LoyaltyError::ReceiverLimit { limit: POINTS_MAX });
    }
    let (lots, paid_debt) = (numbered(member.next_lot, lots), member.debt.min(points));
    Ok(vec![LoyaltyEvent::TransferReceived {
        transfer,
        from,
        points,
        lots,
        paid_debt,
        reason,
        currency,
        received_on,
        balance,
    }])
}

/// As lots of another account, one for each pair of dates: so their number is bounded by the days on which points live.
fn numbered(next_lot: u32, lots: &[MovedLot]) -> Vec<MovedLot> {
    let mut of_dates: BTreeMap<(NaiveDate, NaiveDate), i64> = BTreeMap::new();
    for lot in lots {
        let points = of_dates.entry((lot.expires_on, lot.earned_on)).or_default();
        *points = points.saturating_add(lot.points);
    }
    let numbers = (0..).map(|nth| next_lot.saturating_add(nth));
    let numbered = numbers.zip(of_dates).map(|(lot, ((expires_on, earned_on), points))| MovedLot {
        lot,
        points,
        earned_on,
        expires_on,
    });
    numbered.collect()
}
