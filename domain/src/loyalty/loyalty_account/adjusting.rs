//! Points given and taken by hand.
//!
//! Points given are a lot like those of a purchase, but count for no tier: who was paid for a broken cup is no better customer.

use serde::{Deserialize, Serialize};

use super::{Lot, Member, POINTS_MAX, sum_of};
use crate::calendar::Moment;
use crate::event::Personal;
use crate::ids::AdjustmentId;
use crate::loyalty::adjustments::{AdjustmentNote, AdjustmentReason};
use crate::loyalty::commands::LoyaltyError;
use crate::loyalty::events::LoyaltyEvent;
use crate::loyalty::programme::Programme;

/// The most points that are given or taken at once by hand: more is a slip of the finger.
pub const ADJUSTMENT_MAX: i64 = 1_000_000;
/// So many adjustments are remembered, to tell a repeat from another under its id; that one is made once is the log's to know.
const REMEMBERED_MAX: usize = 16;

/// What somebody wants to give or take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Adjustment {
    pub(super) id: AdjustmentId,
    pub(super) points: i64,
    pub(super) reason: AdjustmentReason,
    pub(super) note: Personal<AdjustmentNote>,
}

impl Member {
    pub(super) fn add_adjusted(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::PointsAdjusted {
            adjustment,
            points,
            reason,
            lot,
            expires_on,
            from,
            paid_debt,
            adjusted_on,
            personal,
            ..
        } = event
        else {
            return;
        };
        self.see(*adjusted_on);
        if let Some((number, expires_on)) = lot.zip(*expires_on) {
            self.debt = self.debt.saturating_sub(*paid_debt);
            self.next_lot = self.next_lot.max(number.saturating_add(1));
            let points = points.saturating_sub(*paid_debt);
            self.add_lot(Lot { number, points, earned_on: *adjusted_on, expires_on });
        }
        self.take(from);
        // Only what somebody was given for others may be missing when it is taken back.
        let drawn = sum_of(from.iter().map(|used| used.points));
        self.debt = self.debt.saturating_add(points.saturating_neg().saturating_sub(drawn).max(0));
        let (id, points, reason, note) = (adjustment.clone(), *points, *reason, personal.clone());
        self.adjustments.push(Adjustment { id, points, reason, note });
        self.adjustments.drain(..self.adjustments.len().saturating_sub(REMEMBERED_MAX));
    }
}

pub(super) fn adjust(
    member: &Member,
    wanted: Adjustment,
    rules: &Programme,
    now: Moment,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    if let Some(made) = member.adjustments.iter().find(|made| made.id == wanted.id) {
        let conflict = LoyaltyError::AdjustmentAlreadyMade { adjustment: wanted.id.clone(), points: made.points };
        return if *made == wanted { Ok(vec![]) } else { Err(conflict) };
    }
    check(member, &wanted)?;
    let Adjustment { id: adjustment, points, reason, note: personal } = wanted;
    let is_given = points > 0;
    Ok(vec![LoyaltyEvent::PointsAdjusted {
        adjustment,
        points,
        reason,
        lot: is_given.then_some(member.next_lot),
        expires_on: is_given.then(|| rules.expires_on(now.today)),
        from: member.draw(points.saturating_neg(), None),
        paid_debt: if is_given { member.debt.min(points) } else { 0 },
        adjusted_on: now.today,
        currency: member.currency,
        balance: member.available().saturating_add(points),
        personal,
    }])
}

/// What is taken is there, unless it goes back with somebody else's purchase, and what is given has room.
fn check(member: &Member, wanted: &Adjustment) -> Result<(), LoyaltyError> {
    let (available, points) = (member.available(), wanted.points);
    if points == 0 {
        return Err(LoyaltyError::AdjustmentOfNothing);
    }
    if points.saturating_abs() > ADJUSTMENT_MAX {
        return Err(LoyaltyError::AdjustmentLimit { points, limit: ADJUSTMENT_MAX });
    }
    let may_owe = wanted.reason == AdjustmentReason::Referral;
    if !may_owe && points < 0 && points.saturating_neg() > available {
        return Err(LoyaltyError::InsufficientPoints { points: points.saturating_neg(), available });
    }
    if available.saturating_add(member.held()).saturating_add(points) > POINTS_MAX {
        return Err(LoyaltyError::AdjustedPointsLimit { available, points, limit: POINTS_MAX });
    }
    Ok(())
}
