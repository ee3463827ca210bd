//! What commands on one line have in common: its streams are looked up, then the line decides, and the group that it shares a limit with
//! is told in the same append what it takes of that.

use super::{
    charged_once, ended_once, granted_once, group_stream, line_stream, overdue_once, paid_once, refunded_once,
    released_once, reversed_once, temporary_ended_once,
};
use crate::caller::{Caller, beginning_of};
use crate::changes::{Change, Changes};
use crate::customers::customer_stream;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request};
use crate::identity::{IdempotencyKey, Once};
use crate::refusals;
use crate::states::States;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::credit::commands::{CreditCommand, CreditError, CreditGroupCommand};
use domain::credit::credit_group::CreditGroup;
use domain::credit::credit_line::{CreditLine, Line};
use domain::credit::events::CreditEvent;
use domain::credit::reasons::{HoldRelease, ReleaseCause};
use domain::customers::customer::Customer;
use domain::customers::events::CustomerKind;
use domain::event::Personal;
use domain::ids::{CreditGroupId, CreditLineId, CustomerId};
use domain::{Decider, Moment, Money, Refusal};
use serde_json::Value;
use std::borrow::Cow;
use store::{TenantId, Version};

/// How often the streams of a command are looked up, when a line has joined or left a group meanwhile.
const ATTEMPTS_MAX: u32 = 5;

/// What has to be true of the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: what is owed is owed, whatever became of the customer.
    Nothing,
    /// It is there: not deleted, not merged into another one, not erased.
    Active,
    /// It may buy: it is not blocked, either.
    Buyer,
    /// It may be given credit: it may buy, and is a business.
    Borrower,
}

/// A command on a line.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) verb: &'static str,
    pub(super) line: CreditLineId,
    pub(super) command: CreditCommand,
    pub(super) needs: Needs,
    /// What makes two requests the same.
    pub(super) content: Value,
    pub(super) once: Option<Once>,
    pub(super) key: Option<IdempotencyKey>,
    /// The version of the line that the caller has seen, if it is for that only.
    pub(super) seen: Option<Version>,
}

impl Ask {
    /// A command that happens as often as it is asked, whoever the line is of.
    pub(super) fn new(verb: &'static str, line: CreditLineId, command: CreditCommand, content: Value) -> Self {
        Self { verb, line, command, needs: Needs::Nothing, content, once: None, key: None, seen: None }
    }

    pub(super) fn keyed(self, key: Option<IdempotencyKey>) -> Self {
        Self { key, ..self }
    }

    pub(super) fn only_if_at(self, seen: Option<Version>) -> Self {
        Self { seen, ..self }
    }

    pub(super) fn once(self, once: Once) -> Self {
        Self { once: Some(once), ..self }
    }

    pub(super) fn needing(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }
}

/// What of a line says which other streams a command on it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) customer: Option<CustomerId>,
    pub(super) group: Option<CreditGroupId>,
}

impl Known {
    pub(super) fn of(line: &CreditLine) -> Self {
        let group = line.open().ok().and_then(Line::group);
        Self { customer: line.customer(), group }
    }

    /// The state of the line, if it is as it was when the streams were looked up.
    pub(super) fn checked<'s>(self, states: &States<'s>, line: CreditLineId) -> Result<&'s CreditLine, Refusal> {
        let state = states.get::<CreditLine>(line.as_uuid());
        if Self::of(state) == self { Ok(state) } else { Err(refusals::outdated()) }
    }
}

/// Carries a command on a line out.
///
/// # Errors
/// As [`CommandError`] says.
pub(super) async fn execute(commands: &Commands, caller: &Caller, ask: Ask) -> Result<Committed, CommandError> {
    looking(commands, caller, ask.line, |known| asking(caller, ask.clone(), known)).await
}

/// Carries out a request that is made from what is known of a line. When that has changed meanwhile it is looked up again.
///
/// # Errors
/// As [`CommandError`] says; [`CommandError::Conflict`] when it changes again and again.
pub(super) async fn looking(
    commands: &Commands,
    caller: &Caller,
    line: CreditLineId,
    asked: impl Fn(Known) -> Request,
) -> Result<Committed, CommandError> {
    for _ in 0..ATTEMPTS_MAX {
        let known = commands.look(caller, line.as_uuid(), Known::of).await?;
        match commands.execute(caller, asked(known)).await {
            Err(CommandError::Refused(refusal)) if refusals::is_outdated(&refusal) => {}
            answer => return answer,
        }
    }
    Err(CommandError::Conflict)
}

fn asking(caller: &Caller, ask: Ask, known: Known) -> Request {
    let Ask { verb, line, command, needs, content, once, key, seen } = ask;
    let when = When::of(caller);
    let scope = [line_stream(line)].into_iter().chain(known.group.map(group_stream));
    let decide = move |states: &States<'_>| {
        let state = known.checked(states, line)?;
        // Of nobody's line nothing can be asked: the line says so better.
        if let Some(customer) = known.customer {
            needs.check(states, customer)?;
        }
        let command = with_group(states, known, line, command.clone());
        let command = unless_gone(states, known, command);
        let events = CreditLine::decide(state, command)?;
        let Some(customer) = known.customer else { return Ok(Changes::none()) };
        let mut changes = Changes::none();
        when.append(&mut changes, (states, line, customer), state, events.clone());
        tell_group(&mut changes, states, (known, line), state, &events)?;
        Ok::<_, Refusal>(changes)
    };
    let asked = Request::new(verb, caller.now, scope, decide).seeing(known.customer.map(customer_stream));
    Request { once, ..asked.content(content).only_if_at(line_stream(line), seen).keyed(key) }
}

/// An order is told what the group has left.
fn with_group(states: &States<'_>, known: Known, line: CreditLineId, mut command: CreditCommand) -> CreditCommand {
    let now = command.now();
    if let CreditCommand::Use { charge, .. } | CreditCommand::Authorise { charge, .. } = &mut command {
        charge.group_available = available_in_group(states, known, line, now);
    }
    command
}

/// Who was deleted or erased is not reminded: what is late is told all the same.
fn unless_gone(states: &States<'_>, known: Known, command: CreditCommand) -> CreditCommand {
    let is_gone = |customer: CustomerId| {
        matches!(states.get::<Customer>(customer.as_uuid()), Customer::Deleted(_) | Customer::Erased)
    };
    match command {
        CreditCommand::Dun { now } if known.customer.is_some_and(is_gone) => CreditCommand::NoteOverdue { now },
        command => command,
    }
}

/// What the group of a line has left, once what is due has lapsed at the line. None, too, where a group makes no sense: then it has nothing.
pub(super) fn available_in_group(states: &States<'_>, known: Known, line: CreditLineId, now: Moment) -> Option<Money> {
    let group = states.get::<CreditGroup>(known.group?.as_uuid()).formed().ok()?;
    let state = states.get::<CreditLine>(line.as_uuid());
    let taken = group.members().get(&line)?.exposure;
    let takes = settled(state, now).open().ok()?.exposure();
    group.available().checked_add(taken).ok()?.checked_sub(takes).ok()
}

/// A line after what is due by now.
pub(super) fn settled(line: &CreditLine, now: Moment) -> Cow<'_, CreditLine> {
    match CreditLine::decide(line, CreditCommand::Settle { now }).unwrap_or_default() {
        due if due.is_empty() => Cow::Borrowed(line),
        due => Cow::Owned(CreditLine::fold(line.clone(), &due)),
    }
}

/// Takes note at the group of what the line takes after these events.
fn tell_group(
    changes: &mut Changes,
    states: &States<'_>,
    (known, line): (Known, CreditLineId),
    state: &CreditLine,
    events: &[CreditEvent],
) -> Result<(), Refusal> {
    let Some(group) = known.group.filter(|_| !events.is_empty()) else { return Ok(()) };
    let exposure = CreditLine::fold(state.clone(), events).open()?.exposure();
    let change = CreditGroupCommand::ChangeExposure { line, exposure };
    let changed = CreditGroup::decide(states.get::<CreditGroup>(group.as_uuid()), change)?;
    *changes = std::mem::take(changes).and(group_stream(group), changed);
    Ok(())
}

impl Needs {
    /// The request has to be seeing the customer.
    pub(super) fn check(self, states: &States<'_>, customer: CustomerId) -> Result<(), Refusal> {
        let known = || states.get::<Customer>(customer.as_uuid()).active();
        match self {
            Self::Nothing => {}
            Self::Active => drop(known()?),
            Self::Buyer => known()?.require_unblocked()?,
            Self::Borrower => {
                known()?.require_unblocked()?;
                require_business(states, customer)?;
            }
        }
        Ok(())
    }
}

/// Credit is for businesses.
pub(super) fn require_business(states: &States<'_>, customer: CustomerId) -> Result<(), Refusal> {
    match states.get::<Customer>(customer.as_uuid()).active()?.profile().kind {
        CustomerKind::Business => Ok(()),
        CustomerKind::Individual => Err(CreditError::BusinessOnly.into()),
    }
}

/// Where and when a command is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    zone: Tz,
    tenant: TenantId,
}

impl When {
    pub(super) fn of(caller: &Caller) -> Self {
        Self { zone: caller.zone, tenant: caller.tenant }
    }

    /// Adds a line's events, each with the once-only fact that it records. What comes about with time has the time when it came about,
    /// whenever that is noticed. Of who was erased nothing personal is written any more.
    pub(super) fn append(
        &self,
        changes: &mut Changes,
        (states, line, customer): (&States<'_>, CreditLineId, CustomerId),
        state: &CreditLine,
        events: Vec<CreditEvent>,
    ) {
        let is_erased = matches!(states.get::<Customer>(customer.as_uuid()), Customer::Erased);
        for event in events {
            let event = if is_erased { forgotten(event) } else { event };
            let once_id = once_of(line, &event).map(|once| once.id(self.tenant));
            let occurred_at = self.came_about(state, &event);
            let change = Change::new(line_stream(line), event).of_customer(customer);
            changes.push(Change { once_id, occurred_at, ..change });
        }
    }

    fn came_about(&self, state: &CreditLine, event: &CreditEvent) -> Option<DateTime<Utc>> {
        match event {
            CreditEvent::HoldReleased { hold, cause: HoldRelease::Lapsed, .. } => {
                state.open().ok()?.holds().iter().find(|held| held.id == *hold).map(|held| held.lapses.at)
            }
            CreditEvent::TemporaryExpired { on, .. } => Some(beginning_of(*on, self.zone)),
            _ => None,
        }
    }
}

/// The event without what was personal.
fn forgotten(mut event: CreditEvent) -> CreditEvent {
    use CreditEvent as E;
    match &mut event {
        E::Requested { personal, .. } => *personal = Personal::Erased,
        E::Approved { personal, .. }
        | E::Rejected { personal, .. }
        | E::LimitChanged { personal, .. }
        | E::TermsChanged { personal, .. }
        | E::Suspended { personal, .. }
        | E::Resumed { personal, .. }
        | E::Closed { personal, .. } => *personal = Personal::Erased,
        E::PolicyChanged { .. }
        | E::HoldPlaced { .. }
        | E::HoldReleased { .. }
        | E::Used { .. }
        | E::LimitExceeded { .. }
        | E::PaymentApplied { .. }
        | E::Released { .. }
        | E::PaymentReversed { .. }
        | E::UnappliedRefunded { .. }
        | E::Overdue { .. }
        | E::DunningSent { .. }
        | E::DunningPaused { .. }
        | E::DunningResumed { .. }
        | E::TemporaryGranted { .. }
        | E::TemporarySettled { .. }
        | E::TemporaryExpired { .. }
        | E::GroupJoined { .. }
        | E::GroupLeft { .. } => {}
    }
    event
}

fn once_of(line: CreditLineId, event: &CreditEvent) -> Option<Once> {
    use CreditEvent as E;
    match event {
        E::Used { order, .. } => Some(charged_once(line, order)),
        E::HoldReleased { hold, .. } => Some(ended_once(line, *hold)),
        E::PaymentApplied { payment, .. } => Some(paid_once(line, payment)),
        E::PaymentReversed { payment, .. } => Some(reversed_once(line, payment)),
        E::UnappliedRefunded { refund, .. } => Some(refunded_once(line, refund)),
        E::Released { cause: ReleaseCause::Cancelled { release, .. }, .. } => Some(released_once(line, release)),
        E::Overdue { order, .. } => Some(overdue_once(line, order)),
        E::TemporaryGranted { case, .. } => Some(granted_once(line, case)),
        E::TemporarySettled { case, .. } | E::TemporaryExpired { case, .. } => Some(temporary_ended_once(line, case)),
        E::Requested { .. }
        | E::Approved { .. }
        | E::Rejected { .. }
        | E::LimitChanged { .. }
        | E::TermsChanged { .. }
        | E::PolicyChanged { .. }
        | E::Suspended { .. }
        | E::Resumed { .. }
        | E::Closed { .. }
        | E::HoldPlaced { .. }
        | E::LimitExceeded { .. }
        | E::Released { cause: ReleaseCause::Payment { .. } | ReleaseCause::Unapplied {}, .. }
        | E::DunningSent { .. }
        | E::DunningPaused { .. }
        | E::DunningResumed { .. }
        | E::GroupJoined { .. }
        | E::GroupLeft { .. } => None,
    }
}
