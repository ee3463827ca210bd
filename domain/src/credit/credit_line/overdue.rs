//! What was not paid in time, and when that stops orders.

use chrono::{Days, NaiveDate};

use super::standing::suspend;
use super::{Line, after, sum_of};
use crate::credit::events::CreditEvent;
use crate::credit::financials::CreditNote;
use crate::credit::reasons::SuspensionCause;
use crate::ids::OrderId;
use crate::money::Money;

impl Line {
    /// What was not paid in time.
    pub fn overdue(&self, today: NaiveDate) -> Money {
        let late = self.uses.values().filter(|used| used.due_on < today);
        self.money(sum_of(late.map(|used| used.outstanding)))
    }

    /// What is overdue beyond the days of grace, if that is enough to stop orders and nobody bears with it.
    pub(super) fn blocking(&self, today: NaiveDate) -> Option<i64> {
        let block = self.policy.overdue_block;
        let grace = Days::new(block.grace_days.into());
        let is_late = |due_on: NaiveDate| due_on.checked_add_days(grace).is_some_and(|borne_until| borne_until < today);
        let late = self.uses.values().filter(|used| !used.is_borne && is_late(used.due_on));
        Some(sum_of(late.map(|used| used.outstanding))).filter(|late| *late > 0 && *late >= block.minimum.minor())
    }

    pub(super) fn note_overdue(&mut self, order: &OrderId, on: NaiveDate) {
        self.see(on);
        if let Some(used) = self.uses.get_mut(order) {
            used.is_overdue = true;
        }
    }

    /// Somebody bears with all that is overdue by now.
    pub(super) fn bear_overdue(&mut self, today: NaiveDate) {
        for used in self.uses.values_mut() {
            used.is_borne |= used.outstanding > 0 && used.due_on < today;
        }
    }
}

/// Tells of each use once that it is overdue, and suspends the line for what its policy says.
pub(super) fn note(line: &Line, today: NaiveDate) -> Vec<CreditEvent> {
    let late = line.open_uses().into_iter().filter(|(_, used)| !used.is_overdue && used.due_on < today);
    let noted = late.map(|(order, used)| {
        let (order, outstanding, due_on) = (order.clone(), line.money(used.outstanding), used.due_on);
        CreditEvent::Overdue { order, outstanding, due_on, on: today }
    });
    let mut events: Vec<_> = noted.collect();
    let suspended = suspensions(&after(line, &events), today);
    events.extend(suspended);
    events
}

fn suspensions(line: &Line, today: NaiveDate) -> Vec<CreditEvent> {
    let for_overdue = line.policy.suspend_when_overdue && line.blocking(today).is_some();
    let for_review = line.policy.review_overdue(today).is_some();
    let causes = [(for_overdue, SuspensionCause::Overdue), (for_review, SuspensionCause::ReviewDue)];
    let due = causes.into_iter().filter(|(is_due, _)| *is_due);
    due.filter_map(|(_, cause)| suspend(line, cause, CreditNote::default(), today)).collect()
}
