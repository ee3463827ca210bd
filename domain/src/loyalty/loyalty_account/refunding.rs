//! Orders that only the account knows, given back: such as earned without a recorded purchase, or were discounted, or had a reward handed over
//! with them. Recorded purchases are the customer's to give back.

use serde::{Deserialize, Serialize};

use super::returning::{self, Return};
use super::{Member, after, reverse};
use crate::calendar::Moment;
use crate::ids::{OrderId, RefundId};
use crate::loyalty::commands::LoyaltyError;
use crate::loyalty::events::LoyaltyEvent;
use crate::loyalty::loyalty_programme::LoyaltyProgramme;
use crate::loyalty::sale::SaleRefund;
use crate::money::Money;

/// What a refund has left of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Left {
    pub(super) refund: RefundId,
    /// In the smallest unit of the account's currency.
    pub(super) remaining: i64,
}

impl Member {
    /// What of the total of an order has not been given back, as far as the account was told a total.
    fn left_of(&self, order: &OrderId) -> Option<Money> {
        let earned = self.earned.get(order)?;
        let left = earned.left.as_ref().map(|left| left.remaining);
        Money::from_minor(left.or(earned.paid)?, self.currency).ok()
    }

    pub(super) fn note_left(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::OrderRefunded { order, refund, remaining, refunded_on } = event else { return };
        self.see(*refunded_on);
        if let Some(earned) = self.earned.get_mut(order) {
            earned.left = Some(Box::new(Left { refund: refund.clone(), remaining: remaining.minor() }));
        }
    }

    /// Whether less remains than before. Of an order of which no total is known there is no part.
    fn require_less(&self, order: &OrderId, remaining: Money) -> Result<(), LoyaltyError> {
        match self.left_of(order) {
            Some(left) if remaining.minor() >= left.minor() => {
                Err(LoyaltyError::NothingGivenBack { order: order.clone(), left })
            }
            None if !self.has_earned(order) && !remaining.is_zero() => {
                Err(LoyaltyError::TotalNotKnown { order: order.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Takes back what the rest of the order would not have earned, and gives back what was spent for it.
pub(super) fn refund(
    member: &Member,
    refunded: SaleRefund,
    programme: &LoyaltyProgramme,
    now: Moment,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let SaleRefund { order, refund, remaining_total: remaining, on, .. } = refunded.clone();
    if !member.has_earned(&order) && !member.has_spent(&order) {
        return Err(LoyaltyError::OrderNotKnown { order });
    }
    let share = member.share_given_back(&order, remaining)?;
    let left = Left { refund: refund.clone(), remaining: remaining.minor() };
    if member.earned.get(&order).is_some_and(|earned| earned.left.as_deref() == Some(&left)) {
        return Ok(vec![]);
    }
    member.require_less(&order, remaining)?;
    let mut events =
        vec![LoyaltyEvent::OrderRefunded { order: order.clone(), refund: refund.clone(), remaining, refunded_on: on }];
    events.extend(reverse(member, refunded, programme, now.today)?);
    let left = after(member, &events);
    events.extend(returning::give_back(&left, &Return { order: order.clone(), refund, share, on }, now));
    // What was spent for an order of which nothing else is known comes back once.
    let has_followed = events.len() > 1 || member.has_earned(&order);
    Ok(if has_followed { events } else { vec![] })
}
