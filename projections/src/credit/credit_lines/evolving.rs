//! What events make of a line's row: what they make of the line itself, as far as anybody asks for it.

use super::{CreditLineRow, HoldRow, Status, TemporaryRow, UseRow, pending};
use crate::read_model::Recorded;
use chrono::NaiveDate;
use domain::calendar::months_after;
use domain::credit::credit_line::REMEMBERED_MONTHS;
use domain::credit::events::{CreditEvent, RestoredUse};
use domain::credit::reasons::{ReleaseCause, SuspensionCause};
use domain::ids::{CustomerId, HoldId};
use domain::{Currency, Money};
use std::collections::BTreeSet;

/// The row after an event. A line begins with a request.
pub(super) fn apply(row: Option<CreditLineRow>, event: &CreditEvent, recorded: &Recorded) -> Option<CreditLineRow> {
    let mut row = match (row, event) {
        (Some(row), _) => row,
        (None, CreditEvent::Requested { customer, amount, on, .. }) => {
            CreditLineRow::new(*customer, amount.currency(), *on, recorded)
        }
        (None, _) => return None,
    };
    row.evolve(event);
    row.sum_up();
    Some(CreditLineRow {
        updated_at: row.updated_at.max(recorded.occurred_at),
        position: recorded.position,
        version: recorded.version,
        ..row
    })
}

impl CreditLineRow {
    fn new(customer: CustomerId, currency: Currency, on: NaiveDate, recorded: &Recorded) -> Self {
        Self {
            line: recorded.stream.id,
            tenant: recorded.tenant,
            customer: customer.as_uuid(),
            currency,
            status: Status::Requested,
            suspended_for: BTreeSet::new(),
            requested_minor: 0,
            requested_by: String::new(),
            requested_on: on,
            rejected_for: None,
            rejected_by: None,
            rejected_on: None,
            approved_by: None,
            approved_on: None,
            limit_minor: None,
            term_days: None,
            policy: None,
            closed_for: None,
            closed_on: None,
            used_minor: 0,
            held_minor: 0,
            unapplied_minor: 0,
            uses: Vec::new(),
            paid: Vec::new(),
            holds: Vec::new(),
            temporary: Vec::new(),
            group: None,
            dunning_level: 0,
            dunned_on: None,
            dunning_paused_by: BTreeSet::new(),
            review_on: None,
            next_lapse_at: None,
            next_expiry_on: None,
            next_overdue_on: None,
            next_dunning_on: None,
            next_review_on: None,
            latest_on: on,
            updated_at: recorded.occurred_at,
            created_position: recorded.position,
            position: recorded.position,
            version: recorded.version,
        }
    }

    fn evolve(&mut self, event: &CreditEvent) {
        use CreditEvent as E;
        match event {
            E::Requested { .. } => self.request(event),
            E::Approved { .. } if self.status == Status::Requested => self.approve(event),
            E::Rejected { .. } if self.status == Status::Requested => self.reject(event),
            // What is owed is paid, and told to be late, although nothing is bought any more.
            event if self.was_given() => self.change(event),
            _ => {} // of a line that was never given nothing else happens
        }
    }

    /// How an event changes a line that was given.
    fn change(&mut self, event: &CreditEvent) {
        use CreditEvent as E;
        match event {
            E::LimitChanged { .. }
            | E::TermsChanged { .. }
            | E::PolicyChanged { .. }
            | E::Suspended { .. }
            | E::Resumed { .. }
            | E::Closed { .. } => self.change_standing(event),
            E::HoldPlaced { .. } => self.place(event),
            E::HoldReleased { hold, .. } => self.end_hold(*hold),
            E::Used { .. } => self.buy(event),
            E::LimitExceeded { on, .. } => self.see(*on),
            E::PaymentApplied { unapplied, on, .. } => {
                self.see(*on);
                self.unapplied_minor = self.unapplied_minor.saturating_add(unapplied.minor());
            }
            E::Released { .. } => self.release(event),
            E::PaymentReversed { restored, from_unapplied, on, .. } => self.restore(restored, *from_unapplied, *on),
            E::UnappliedRefunded { amount, on, .. } => {
                self.see(*on);
                self.unapplied_minor = self.unapplied_minor.saturating_sub(amount.minor());
            }
            E::Overdue { order, on, .. } => {
                self.see(*on);
                let known = self.uses.iter_mut().chain(&mut self.paid);
                known.filter(|used| used.order == order.as_str()).for_each(|used| used.is_overdue = true);
            }
            E::DunningSent { .. } | E::DunningPaused { .. } | E::DunningResumed { .. } => self.change_dunning(event),
            E::TemporaryGranted { .. } | E::TemporarySettled { .. } | E::TemporaryExpired { .. } => {
                self.change_temporary(event);
            }
            E::GroupJoined { group, on } => {
                self.see(*on);
                self.group = Some(group.as_uuid());
            }
            E::GroupLeft { on, .. } => {
                self.see(*on);
                self.group = None;
            }
            E::Requested { .. } | E::Approved { .. } | E::Rejected { .. } => {} // stages of their own
        }
    }

    /// Asked for again, nothing of what was decided before holds, but by which rules what is owed still is reminded of.
    fn request(&mut self, event: &CreditEvent) {
        let CreditEvent::Requested { amount, requested_by, on, .. } = event else { return };
        self.status = Status::Requested;
        self.requested_minor = amount.minor();
        requested_by.as_str().clone_into(&mut self.requested_by);
        self.requested_on = *on;
        self.suspended_for.clear();
        (self.rejected_for, self.rejected_by, self.rejected_on) = (None, None, None);
        (self.approved_by, self.approved_on) = (None, None);
        (self.limit_minor, self.term_days) = (None, None);
        (self.closed_for, self.closed_on) = (None, None);
    }

    /// What a line that was closed remembers is known to it, and what is owed on it is owed.
    fn approve(&mut self, event: &CreditEvent) {
        let CreditEvent::Approved { limit, terms, policy, approved_by, on, .. } = event else { return };
        self.status = Status::Active;
        self.limit_minor = Some(limit.minor());
        self.term_days = Some(terms.days().into());
        self.policy = Some(policy.clone());
        self.approved_by = Some(approved_by.as_str().to_owned());
        self.approved_on = Some(*on);
        self.suspended_for.clear();
        self.latest_on = *on;
    }

    fn reject(&mut self, event: &CreditEvent) {
        let CreditEvent::Rejected { reason, rejected_by, on, .. } = event else { return };
        self.status = Status::Rejected;
        self.rejected_for = Some(*reason);
        self.rejected_by = Some(rejected_by.as_str().to_owned());
        self.rejected_on = Some(*on);
    }

    fn change_standing(&mut self, event: &CreditEvent) {
        use CreditEvent as E;
        match event {
            E::LimitChanged { to, on, .. } => {
                self.limit_minor = Some(to.minor());
                self.see(*on);
            }
            E::TermsChanged { to, on, .. } => {
                self.term_days = Some(to.days().into());
                self.see(*on);
            }
            E::PolicyChanged { policy, on } => {
                self.policy = Some(policy.clone());
                self.see(*on);
            }
            E::Suspended { cause, on, .. } => {
                self.suspended_for.insert(*cause);
                self.see(*on);
            }
            E::Resumed { cause, resumed_by, on, .. } => {
                self.suspended_for.remove(cause);
                if *cause == SuspensionCause::Overdue && resumed_by.is_some() {
                    let late = self.uses.iter_mut().filter(|used| used.due_on < *on);
                    late.for_each(|used| used.is_borne = true);
                }
                self.see(*on);
            }
            E::Closed { reason, on, .. } => {
                self.status = Status::Closed;
                self.closed_for = Some(reason.as_str().to_owned());
                self.closed_on = Some(*on);
            }
            _ => {} // no other is passed
        }
    }

    /// A new hold, in its place in the order of lapsing.
    fn place(&mut self, event: &CreditEvent) {
        let CreditEvent::HoldPlaced { hold, order, amount, on, lapses_at, lapses_on, .. } = event else { return };
        self.see(*on);
        let (hold, order, amount_minor) = (*hold, order.as_str().to_owned(), amount.minor());
        let place = self.holds.partition_point(|other| (other.lapses_at, other.hold) < (*lapses_at, hold));
        let (lapses_at, lapses_on) = (*lapses_at, *lapses_on);
        self.holds.insert(place, HoldRow { hold, order, amount_minor, lapses_at, lapses_on });
    }

    fn end_hold(&mut self, hold: HoldId) {
        self.holds.retain(|other| other.hold != hold);
    }

    fn buy(&mut self, event: &CreditEvent) {
        let CreditEvent::Used { order, amount, hold, on, due_on, .. } = event else { return };
        self.see(*on);
        if let Some(hold) = hold {
            self.end_hold(*hold);
        }
        let _same = self.take_out(order.as_str());
        self.put_in(UseRow {
            order: order.as_str().to_owned(),
            amount_minor: amount.minor(),
            outstanding_minor: amount.minor(),
            used_on: *on,
            due_on: *due_on,
            is_overdue: false,
            is_borne: false,
            kept_until: None,
        });
    }

    fn release(&mut self, event: &CreditEvent) {
        let CreditEvent::Released { order, amount, outstanding, cause, on } = event else { return };
        let kept_until = months_after(self.latest_on.max(*on), REMEMBERED_MONTHS);
        if let Some(mut used) = self.take_out(order.as_str()) {
            used.outstanding_minor = outstanding.minor();
            used.kept_until = outstanding.is_zero().then_some(kept_until);
            self.put_in(used);
        }
        let gained = match cause {
            ReleaseCause::Payment { .. } => 0,
            ReleaseCause::Unapplied {} => amount.minor().saturating_neg(),
            ReleaseCause::Cancelled { unapplied, .. } => unapplied.minor(),
        };
        self.unapplied_minor = self.unapplied_minor.saturating_add(gained);
        // Once nothing is overdue any more the next reminder is the first again.
        if !self.uses.iter().any(|used| used.is_overdue) {
            (self.dunning_level, self.dunned_on) = (0, None);
        }
        self.see(*on);
    }

    /// What a payment had paid that is none is outstanding again, and nobody bears with that.
    fn restore(&mut self, restored: &[RestoredUse], from_unapplied: Money, on: NaiveDate) {
        self.unapplied_minor = self.unapplied_minor.saturating_sub(from_unapplied.minor());
        for RestoredUse { order, amount } in restored {
            if let Some(used) = self.take_out(order.as_str()) {
                let outstanding_minor = used.outstanding_minor.saturating_add(amount.minor());
                self.put_in(UseRow { outstanding_minor, is_borne: false, kept_until: None, ..used });
            }
        }
        self.see(on);
    }

    fn change_dunning(&mut self, event: &CreditEvent) {
        match event {
            CreditEvent::DunningSent { level, on, .. } => {
                self.see(*on);
                (self.dunning_level, self.dunned_on) = ((*level).into(), Some(*on));
            }
            CreditEvent::DunningPaused { case, on } => {
                self.see(*on);
                self.dunning_paused_by.insert(case.as_str().to_owned());
            }
            CreditEvent::DunningResumed { case, on } => {
                self.see(*on);
                self.dunning_paused_by.remove(case.as_str());
            }
            _ => {} // no other is passed
        }
    }

    fn change_temporary(&mut self, event: &CreditEvent) {
        match event {
            CreditEvent::TemporaryGranted { case, amount, expires_on, on } => {
                self.see(*on);
                self.temporary.retain(|other| other.case != case.as_str());
                let (case, amount_minor, expires_on) = (case.as_str().to_owned(), amount.minor(), *expires_on);
                let key = (expires_on, case.as_str());
                let place = self.temporary.partition_point(|other| (other.expires_on, other.case.as_str()) < key);
                self.temporary.insert(place, TemporaryRow { case, amount_minor, expires_on });
            }
            CreditEvent::TemporarySettled { case, on } | CreditEvent::TemporaryExpired { case, on } => {
                self.see(*on);
                self.temporary.retain(|other| other.case != case.as_str());
            }
            _ => {} // no other is passed
        }
    }

    fn take_out(&mut self, order: &str) -> Option<UseRow> {
        let of = |uses: &mut Vec<UseRow>| {
            let place = uses.iter().position(|used| used.order == order)?;
            Some(uses.remove(place))
        };
        of(&mut self.uses).or_else(|| of(&mut self.paid))
    }

    /// In its place in the order of due, or among those that are paid.
    fn put_in(&mut self, used: UseRow) {
        if used.outstanding_minor == 0 {
            self.paid.push(used);
            return;
        }
        let key = |used: &UseRow| (used.due_on, used.used_on);
        let place = self.uses.partition_point(|other| key(other) <= key(&used));
        self.uses.insert(place, used);
    }

    /// Moves to the latest business date and forgets what cannot matter from then on.
    fn see(&mut self, on: NaiveDate) {
        if on > self.latest_on {
            self.latest_on = on;
            self.paid.retain(|used| used.kept_until.is_none_or(|until| on < until));
        }
    }

    /// Whether it ever was, also when it was closed or asked for again since.
    const fn was_given(&self) -> bool {
        self.policy.is_some()
    }

    /// Brings up to date what follows from the rest.
    pub(super) fn sum_up(&mut self) {
        if self.status.is_open() {
            self.status = if self.suspended_for.is_empty() { Status::Active } else { Status::Suspended };
        }
        self.used_minor = sum_of(self.uses.iter().map(|used| used.outstanding_minor));
        self.held_minor = sum_of(self.holds.iter().map(|hold| hold.amount_minor));
        self.review_on = self.policy.as_ref().filter(|_| self.status.is_open()).and_then(|policy| policy.review_on);
        pending::look_ahead(self);
    }
}

/// Whatever was stored makes a row: a sum stops at the largest number rather than stop the projector.
pub(super) fn sum_of(amounts: impl Iterator<Item = i64>) -> i64 {
    amounts.fold(0, i64::saturating_add)
}
