//! Reminding a customer of what is overdue, one level after the other.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::{Line, after, overdue, sum_of};
use crate::credit::commands::CreditError;
use crate::credit::events::CreditEvent;
use crate::ids::CaseId;

/// A line has at most so many cases at once that pause dunning, and so many that granted temporary credit.
pub const CASES_MAX: usize = 100;

/// How often the customer was reminded since something is overdue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dunning {
    /// The levels that were sent.
    sent: u8,
    sent_on: Option<NaiveDate>,
    paused: BTreeSet<CaseId>,
}

impl Line {
    /// How many levels of dunning were sent since something is overdue.
    pub const fn dunning_level(&self) -> u8 {
        self.dunning.sent
    }

    /// The cases because of which the customer is not reminded.
    pub const fn dunning_paused(&self) -> &BTreeSet<CaseId> {
        &self.dunning.paused
    }

    pub(super) fn change_dunning(&mut self, event: &CreditEvent) {
        match event {
            CreditEvent::DunningSent { level, on, .. } => {
                self.see(*on);
                self.dunning.sent = *level;
                self.dunning.sent_on = Some(*on);
            }
            CreditEvent::DunningPaused { case, on } => {
                self.see(*on);
                self.dunning.paused.insert(case.clone());
            }
            CreditEvent::DunningResumed { case, on } => {
                self.see(*on);
                self.dunning.paused.remove(case);
            }
            _ => {} // no other is passed
        }
    }

    /// Once nothing is overdue any more the next reminder is the first again.
    pub(super) fn start_dunning_over(&mut self) {
        if !self.uses.values().any(|used| used.is_overdue && used.outstanding > 0) {
            self.dunning.sent = 0;
            self.dunning.sent_on = None;
        }
    }
}

/// Tells what is overdue, as the job for that does, and reminds of it if it is time to.
pub(super) fn dun(line: &Line, today: NaiveDate) -> Vec<CreditEvent> {
    let mut events = overdue::note(line, today);
    let reminder = reminder(&after(line, &events), today);
    events.extend(reminder);
    events
}

/// The next level, if the oldest is overdue for long enough, all together is enough, and the level before was long enough ago. A line that
/// was noticed late is reminded as gently as others.
fn reminder(line: &Line, today: NaiveDate) -> Option<CreditEvent> {
    let dunning = &line.dunning;
    if !dunning.paused.is_empty() {
        return None;
    }
    let levels = &line.policy.dunning;
    let sent = usize::from(dunning.sent);
    let next = levels.get(sent)?;
    let late = || line.uses.values().filter(|used| used.is_overdue && used.outstanding > 0 && used.due_on < today);
    let oldest_due_on = late().map(|used| used.due_on).min()?;
    let overdue = sum_of(late().map(|used| used.outstanding));
    let before = sent.checked_sub(1).and_then(|before| levels.get(before)).map_or(0, |level| level.after_days);
    let is_after =
        |from: NaiveDate, days: u16| from.checked_add_days(Days::new(days.into())).is_some_and(|due| due <= today);
    let is_time = is_after(oldest_due_on, next.after_days)
        && dunning.sent_on.is_none_or(|sent_on| is_after(sent_on, next.after_days.saturating_sub(before).max(1)));
    (is_time && overdue >= next.minimum.minor()).then(|| CreditEvent::DunningSent {
        level: dunning.sent.saturating_add(1),
        channels: next.channels.clone(),
        overdue: line.money(overdue),
        oldest_due_on,
        on: today,
    })
}

pub(super) fn pause(line: &Line, case: CaseId, on: NaiveDate) -> Result<Vec<CreditEvent>, CreditError> {
    if line.dunning.paused.contains(&case) {
        return Ok(vec![]);
    }
    if line.dunning.paused.len() >= CASES_MAX {
        return Err(CreditError::TooManyCases { limit: CASES_MAX });
    }
    Ok(vec![CreditEvent::DunningPaused { case, on }])
}

pub(super) fn resume(line: &Line, case: CaseId, on: NaiveDate) -> Vec<CreditEvent> {
    let is_paused = line.dunning.paused.contains(&case);
    is_paused.then_some(CreditEvent::DunningResumed { case, on }).into_iter().collect()
}
