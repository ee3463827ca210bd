//! What a line is at a moment: what has lapsed and expired by then is over, whether or not that is recorded.

use super::evolving::sum_of;
use super::{CreditLineRow, Status};
use chrono::{Days, NaiveDate};
use domain::credit::aging::{Aging, aging, within_limits};
use domain::credit::commands::CreditError;
use domain::credit::credit_line::Verdict;
use domain::credit::reasons::Bound;
use domain::{Moment, Money};

/// A line as it is at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditStanding {
    /// What its events say, without the holds and the temporary credit that are over.
    pub line: CreditLineRow,
    /// The business date.
    pub today: NaiveDate,
    /// What cases granted for a time.
    pub temporary_minor: i64,
    /// The limit, the tolerance on it, and temporary credit; nothing unless the line is open.
    pub ceiling_minor: i64,
    /// What may still be used by the line's own limit; below zero when more was taken than there is.
    pub available_minor: i64,
    /// What the group has left that the line shares a limit with; below zero when more was taken.
    pub group_left_minor: Option<i64>,
    /// What was not paid in time.
    pub overdue_minor: i64,
    /// What of it stops orders: enough, overdue for long enough, and nobody bears with it.
    pub blocking_minor: i64,
    /// What is to be paid, by how old it is.
    pub aging: Aging,
}

impl CreditLineRow {
    /// The line at a moment; what its group has left is told by the caller.
    #[must_use]
    pub fn at(mut self, now: Moment, group_left: Option<i64>) -> CreditStanding {
        let today = now.today;
        self.holds.retain(|hold| hold.lapses_at > now.at);
        self.temporary.retain(|temporary| temporary.expires_on > today);
        self.sum_up();
        let temporary_minor = sum_of(self.temporary.iter().map(|temporary| temporary.amount_minor));
        let limit = self.limit_minor.filter(|_| self.status.is_open());
        let with_tolerance = self.policy.as_ref().zip(limit).map(|(policy, limit)| policy.with_tolerance(limit));
        let ceiling_minor = with_tolerance.map_or(0, |limit| limit.saturating_add(temporary_minor));
        let late = self.uses.iter().filter(|used| used.due_on < today);
        CreditStanding {
            today,
            temporary_minor,
            ceiling_minor,
            available_minor: ceiling_minor.saturating_sub(self.taken()),
            group_left_minor: self.group.map(|_| group_left.unwrap_or(0)),
            overdue_minor: sum_of(late.map(|used| used.outstanding_minor)),
            blocking_minor: self.blocking(today),
            aging: self.aging(today),
            line: self,
        }
    }

    /// What is to be paid, by how old it is on a business date.
    #[must_use]
    pub fn aging(&self, today: NaiveDate) -> Aging {
        aging(self.uses.iter().map(|used| (used.due_on, used.outstanding_minor)), self.currency, today)
    }

    /// What is outstanding and, if that counts, held, less what came in and paid nothing yet.
    fn taken(&self) -> i64 {
        let counts_holds = self.policy.as_ref().is_some_and(domain::credit::policy::Policy::counts_holds);
        let held = if counts_holds { self.held_minor } else { 0 };
        self.used_minor.saturating_add(held).saturating_sub(self.unapplied_minor)
    }

    fn blocking(&self, today: NaiveDate) -> i64 {
        let Some(block) = self.policy.as_ref().map(|policy| policy.overdue_block) else { return 0 };
        let grace = Days::new(block.grace_days.into());
        let is_late = |due_on: NaiveDate| due_on.checked_add_days(grace).is_some_and(|until| until < today);
        let late = self.uses.iter().filter(|used| !used.is_borne && is_late(used.due_on));
        let late = sum_of(late.map(|used| used.outstanding_minor));
        if late >= block.minimum.minor() { late.max(0) } else { 0 }
    }
}

impl CreditStanding {
    /// So much in the currency of the line.
    #[must_use]
    pub fn money(&self, minor: i64) -> Money {
        within_limits(minor, self.line.currency)
    }

    /// What would come of an order of so much, as the line itself would decide.
    #[must_use]
    pub fn verdict(&self, amount: Money) -> Verdict {
        if let Some(obstacle) = self.unfit(amount).or_else(|| self.obstacle()) {
            return Verdict::Refused(obstacle);
        }
        let (bound, available) = self.room();
        match amount.minor() > available {
            true => Verdict::Exceeds { available: self.money(available.max(0)), bound },
            false => Verdict::Passes,
        }
    }

    /// Why such an order is none that this line could ever take.
    fn unfit(&self, amount: Money) -> Option<CreditError> {
        match self.line.status {
            Status::Requested => return Some(CreditError::NotApproved),
            Status::Rejected => return Some(CreditError::Rejected),
            Status::Closed => return Some(CreditError::Closed),
            Status::Active | Status::Suspended => {}
        }
        let (expected, given) = (self.line.currency, amount.currency());
        if expected != given {
            return Some(CreditError::CurrencyMismatch { expected, given });
        }
        (amount.minor() <= 0).then_some(CreditError::AmountNotPositive { amount })
    }

    /// Why nothing new is bought, however little.
    #[must_use]
    pub fn obstacle(&self) -> Option<CreditError> {
        if !self.line.suspended_for.is_empty() {
            return Some(CreditError::Suspended { causes: self.line.suspended_for.iter().copied().collect() });
        }
        if self.blocking_minor > 0 {
            return Some(CreditError::Overdue { overdue: self.money(self.blocking_minor) });
        }
        let review_on = self.line.policy.as_ref().and_then(|policy| policy.review_overdue(self.today));
        review_on.map(|review_on| CreditError::ReviewDue { review_on })
    }

    /// How much an order may take at most, and by whose limit. Money that came in before pays it without the group.
    #[must_use]
    pub fn room(&self) -> (Bound, i64) {
        let own = self.available_minor;
        let in_group = self.group_left_minor.map(|left| left.saturating_add(self.line.taken().saturating_neg().max(0)));
        match in_group {
            Some(in_group) if in_group < own => (Bound::Group, in_group),
            Some(_) | None => (Bound::Line, own),
        }
    }
}
