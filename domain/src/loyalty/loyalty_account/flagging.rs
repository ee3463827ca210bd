//! What may be abuse is flagged for a person to look at: orders that earn and are given back whole, again and again, and who may have sent
//! itself.

use chrono::{Days, NaiveDate};

use super::Member;
use crate::ids::ReasonCode;
use crate::loyalty::commands::LoyaltyError;
use crate::loyalty::events::LoyaltyEvent;
use crate::loyalty::flags::{FlagKind, GivenBackDay, LOOP_DAYS, LOOP_ORDERS};

/// A loop, once it is one and until somebody has looked at it.
pub(super) fn raise(member: &Member, raised_on: NaiveDate) -> Option<LoyaltyEvent> {
    let flag = FlagKind::BuyRefundLoop;
    let orders = member.given_back.iter().map(|day| day.orders).fold(0, u32::saturating_add);
    let since = member.given_back.first()?.on;
    let is_new = orders >= LOOP_ORDERS && !member.flags.contains(&flag);
    is_new.then_some(LoyaltyEvent::FlagRaised { flag, orders, since, raised_on })
}

/// Who may have sent itself, until somebody has looked at it.
pub(super) fn raise_self_referral(
    member: &Member,
    (orders, since): (u32, NaiveDate),
    raised_on: NaiveDate,
) -> Option<LoyaltyEvent> {
    let flag = FlagKind::SelfReferral;
    (!member.flags.contains(&flag)).then_some(LoyaltyEvent::FlagRaised { flag, orders, since, raised_on })
}

/// Somebody has looked at it: what was counted so far counts no more.
pub(super) fn clear(
    member: &Member,
    flag: FlagKind,
    reason: Option<ReasonCode>,
    cleared_on: NaiveDate,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    match member.flags.contains(&flag) {
        true => Ok(vec![LoyaltyEvent::FlagCleared { flag, reason, cleared_on }]),
        false => Err(LoyaltyError::NotFlagged { flag }),
    }
}

impl Member {
    /// What is to be looked at.
    pub fn flags(&self) -> impl Iterator<Item = FlagKind> + '_ {
        self.flags.iter().copied()
    }

    /// Counts orders that were given back whole; what is older than a loop may be is forgotten.
    pub(super) fn count_given_back(&mut self, counted: GivenBackDay) {
        match self.given_back.iter_mut().find(|day| day.on == counted.on) {
            Some(day) => day.orders = day.orders.saturating_add(counted.orders),
            None => self.given_back.push(counted),
        }
        self.given_back.sort_unstable_by_key(|day| day.on);
        let latest = self.given_back.last().map_or(counted.on, |day| day.on);
        let from = latest.checked_sub_days(Days::new(LOOP_DAYS)).unwrap_or(NaiveDate::MIN);
        self.given_back.retain(|day| day.on > from);
    }

    pub(super) fn clear_flag(&mut self, flag: FlagKind) {
        self.flags.remove(&flag);
        match flag {
            FlagKind::BuyRefundLoop => self.given_back.clear(),
            FlagKind::SelfReferral => {}
        }
    }
}
