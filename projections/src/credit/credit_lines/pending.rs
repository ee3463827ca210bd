//! When the jobs have something to do for a line, if nothing else happens.

use super::CreditLineRow;
use chrono::{Days, NaiveDate};
use domain::credit::policy::Policy;
use domain::credit::reasons::SuspensionCause;

/// Says in a row what is due next, and when. What is owed is due, too, on a line that is over; only nothing about it is suspended.
pub(super) fn look_ahead(row: &mut CreditLineRow) {
    let is_open = row.status.is_open();
    let policy = row.policy.as_ref();
    row.next_lapse_at = row.holds.first().map(|hold| hold.lapses_at).filter(|_| is_open);
    row.next_expiry_on = row.temporary.first().map(|temporary| temporary.expires_on).filter(|_| is_open);
    row.next_overdue_on = policy.and_then(|policy| overdue_on(row, policy));
    row.next_dunning_on = policy.and_then(|policy| dunning_on(row, policy));
    row.next_review_on = policy.filter(|_| is_open).and_then(|policy| review_on(row, policy));
}

/// The first day on which something is overdue that was not told, or on which the line is suspended for what is.
fn overdue_on(row: &CreditLineRow, policy: &Policy) -> Option<NaiveDate> {
    let untold = row.uses.iter().find(|used| !used.is_overdue).and_then(|used| later(used.due_on, 1));
    let is_open = row.status.is_open();
    let suspends = is_open && policy.suspend_when_overdue && !row.suspended_for.contains(&SuspensionCause::Overdue);
    let suspended = policy.overdue_block;
    let suspended_on = enough_on(row, suspended.minimum.minor(), |used| !used.is_borne)
        .and_then(|overdue_on| later(overdue_on, suspended.grace_days))
        .filter(|_| suspends);
    untold.into_iter().chain(suspended_on).min()
}

/// The first day on which the next level of dunning is due.
fn dunning_on(row: &CreditLineRow, policy: &Policy) -> Option<NaiveDate> {
    let sent = usize::try_from(row.dunning_level).ok()?;
    let next = policy.dunning.get(sent).filter(|_| row.dunning_paused_by.is_empty())?;
    let before = sent.checked_sub(1).and_then(|before| policy.dunning.get(before)).map_or(0, |level| level.after_days);
    let old_enough = later(row.uses.first()?.due_on, next.after_days)?;
    let enough = enough_on(row, next.minimum.minor(), |_| true)?;
    let since_last = next.after_days.saturating_sub(before).max(1);
    let long_ago = row.dunned_on.map_or(Some(NaiveDate::MIN), |sent_on| later(sent_on, since_last))?;
    Some(old_enough.max(enough).max(long_ago))
}

/// The first day on which the line is to be suspended because its limit was not looked at.
fn review_on(row: &CreditLineRow, policy: &Policy) -> Option<NaiveDate> {
    let is_suspended = row.suspended_for.contains(&SuspensionCause::ReviewDue);
    policy.review_on.filter(|_| !is_suspended).and_then(|review_on| later(review_on, 1))
}

/// The first day on which so much is overdue, and anything at all.
fn enough_on(row: &CreditLineRow, minimum: i64, counts: impl Fn(&super::UseRow) -> bool) -> Option<NaiveDate> {
    let mut overdue = 0_i64;
    let mut counted = row.uses.iter().filter(|used| counts(used));
    let last = counted.find(|used| {
        overdue = overdue.saturating_add(used.outstanding_minor);
        overdue >= minimum
    })?;
    later(last.due_on, 1)
}

fn later(day: NaiveDate, days: u16) -> Option<NaiveDate> {
    day.checked_add_days(Days::new(days.into()))
}
