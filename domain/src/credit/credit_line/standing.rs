//! Limit, terms and policy of a line, whether anything new is bought on it, and its end.

use chrono::NaiveDate;

use super::{Line, with_consequences};
use crate::credit::commands::{CreditCommand, CreditError};
use crate::credit::events::CreditEvent;
use crate::credit::financials::CreditNote;
use crate::credit::policy::Policy;
use crate::credit::reasons::SuspensionCause;
use crate::ids::{Actor, ReasonCode};
use crate::money::Money;

impl Line {
    pub(super) fn change_standing(&mut self, event: &CreditEvent) {
        use CreditEvent as E;
        match event {
            E::LimitChanged { to, on, .. } => {
                self.limit = to.minor();
                self.see(*on);
            }
            E::TermsChanged { to, on, .. } => {
                self.terms = *to;
                self.see(*on);
            }
            E::PolicyChanged { policy, on } => {
                self.policy = policy.clone();
                self.see(*on);
            }
            E::Suspended { cause, on, .. } => {
                self.suspended.insert(*cause);
                self.see(*on);
            }
            E::Resumed { cause, resumed_by, on, .. } => {
                self.suspended.remove(cause);
                if *cause == SuspensionCause::Overdue && resumed_by.is_some() {
                    self.bear_overdue(*on);
                }
                self.see(*on);
            }
            _ => {} // no other is passed
        }
    }
}

pub(super) fn decide(line: &Line, command: CreditCommand) -> Result<Vec<CreditEvent>, CreditError> {
    use CreditCommand as C;
    match command {
        C::ChangeLimit { limit, reason, changed_by, note, now } => {
            change_limit(line, limit, (reason, changed_by), note, now.today)
        }
        C::ChangeTerms { terms, reason, note, now } => {
            let (from, personal) = (line.terms, note.into());
            let changed = CreditEvent::TermsChanged { from, to: terms, reason, on: now.today, personal };
            Ok((terms != from).then_some(changed).into_iter().collect())
        }
        C::ChangePolicy { policy, now } => change_policy(line, *policy, now.today),
        C::Suspend { note, now } => Ok(suspend(line, SuspensionCause::ByHand, note, now.today).into_iter().collect()),
        C::Resume { cause, resumed_by, note, now } => resume(line, cause, resumed_by, note, now.today),
        C::Close { reason, note, now } => close(line, reason, note, now.today),
        _ => Ok(vec![]),
    }
}

fn change_limit(
    line: &Line,
    limit: Money,
    (reason, changed_by): (ReasonCode, Actor),
    note: CreditNote,
    on: NaiveDate,
) -> Result<Vec<CreditEvent>, CreditError> {
    line.require_currency(limit)?;
    if limit.minor() <= 0 {
        return Err(CreditError::LimitNotPositive { limit });
    }
    let (from, personal) = (line.limit(), note.into());
    let changed = CreditEvent::LimitChanged { from, to: limit, reason, changed_by, on, personal };
    Ok((limit != from).then_some(changed).into_iter().collect())
}

/// Other rules may end what the rules before had suspended.
fn change_policy(line: &Line, policy: Policy, on: NaiveDate) -> Result<Vec<CreditEvent>, CreditError> {
    if policy == line.policy {
        return Ok(vec![]);
    }
    policy.check(line.currency, on).map_err(CreditError::Faulty)?;
    Ok(with_consequences(line, vec![CreditEvent::PolicyChanged { policy, on }], on))
}

/// For the same cause a line is suspended once.
pub(super) fn suspend(line: &Line, cause: SuspensionCause, note: CreditNote, on: NaiveDate) -> Option<CreditEvent> {
    let is_new = !line.suspended.contains(&cause);
    is_new.then(|| CreditEvent::Suspended { cause, on, personal: note.into() })
}

fn resume(
    line: &Line,
    cause: SuspensionCause,
    resumed_by: Actor,
    note: CreditNote,
    on: NaiveDate,
) -> Result<Vec<CreditEvent>, CreditError> {
    if !line.suspended.contains(&cause) {
        return Ok(vec![]);
    }
    if cause == SuspensionCause::ReviewDue {
        return Err(CreditError::ReviewFirst);
    }
    Ok(vec![CreditEvent::Resumed { cause, resumed_by: Some(resumed_by), on, personal: note.into() }])
}

/// What a line was suspended for and is not any more: it was paid, or the rules are others.
pub(super) fn ended(line: &Line, today: NaiveDate) -> Vec<CreditEvent> {
    let is_over = |cause: &SuspensionCause| match cause {
        SuspensionCause::ByHand => false,
        SuspensionCause::Overdue => !line.policy.suspend_when_overdue || line.blocking(today).is_none(),
        SuspensionCause::ReviewDue => line.policy.review_overdue(today).is_none(),
    };
    let resumed =
        |cause| CreditEvent::Resumed { cause, resumed_by: None, on: today, personal: CreditNote::default().into() };
    line.suspended.iter().copied().filter(is_over).map(resumed).collect()
}

fn close(line: &Line, reason: ReasonCode, note: CreditNote, on: NaiveDate) -> Result<Vec<CreditEvent>, CreditError> {
    let (outstanding, held) = (line.outstanding_minor(), line.held_minor());
    let (temporary, unapplied) = (line.temporary_on(on), line.unapplied);
    if [outstanding, held, temporary, unapplied].iter().any(|minor| *minor != 0) {
        let [outstanding, held, temporary, unapplied] =
            [outstanding, held, temporary, unapplied].map(|minor| line.money(minor));
        return Err(CreditError::StillInUse { outstanding, held, temporary, unapplied });
    }
    if let Some(group) = line.group {
        return Err(CreditError::InGroup { group });
    }
    Ok(vec![CreditEvent::Closed { reason, on, personal: note.into() }])
}
