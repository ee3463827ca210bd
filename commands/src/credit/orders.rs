//! Orders that are bought on credit: at once, or in two steps; and given back.
//!
//! That an order does not fit is an event: see [`Committed::within_the_limit`].

use super::lines::{Ask, Needs, execute};
use super::{actor_of, charged_once, ended_once, released_once};
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use crate::ids::new_id;
use chrono::{DateTime, Days, NaiveDate, Utc};
use domain::Money;
use domain::credit::commands::{Charge, CreditCommand};
use domain::credit::credit_line::CreditLine;
use domain::credit::policy::HOLD_DAYS;
use domain::credit::reasons::Override;
use domain::ids::{CreditLineId, HoldId, InvoiceId, OrderId, ReasonCode, ReleaseId};
use serde::Serialize;

/// An order to be bought on credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UseCredit {
    /// On this line.
    pub line: CreditLineId,
    /// The order; charged once.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// The invoice.
    pub invoice: Option<InvoiceId>,
    /// Why the caller lets it pass in spite of limit, suspension and debt.
    pub override_reason: Option<ReasonCode>,
}

/// An order that is promised credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Authorise {
    /// On this line.
    pub line: CreditLineId,
    /// The order; has one open hold at most.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// Why the caller lets it pass in spite of limit, suspension and debt.
    pub override_reason: Option<ReasonCode>,
}

/// A promise to be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capture {
    /// On this line.
    pub line: CreditLineId,
    /// The hold.
    pub hold: HoldId,
    /// The order that it is for.
    pub order: OrderId,
    /// How much of it.
    pub amount: Money,
    /// The invoice.
    pub invoice: Option<InvoiceId>,
}

/// A promise that is not needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Void {
    /// On this line.
    pub line: CreditLineId,
    /// The hold.
    pub hold: HoldId,
}

/// An order that came to nothing, or to less.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// On this line.
    pub line: CreditLineId,
    /// The caller's name for it; made once.
    pub release: ReleaseId,
    /// The order.
    pub order: OrderId,
    /// How much of it.
    pub amount: Money,
    /// Why.
    pub reason: ReasonCode,
}

/// Charges an order to a line of credit, once.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn use_credit(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: UseCredit,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let UseCredit { line, order, amount, invoice, override_reason } = request;
    let once = charged_once(line, &order);
    let overridden = overriding(caller, override_reason)?;
    let charge = Charge { order, amount, overridden, group_available: None };
    let ask = Ask::new("credit.use", line, CreditCommand::Use { charge, invoice, now }, content);
    execute(commands, caller, ask.needing(Needs::Buyer).once(once).keyed(key)).await
}

/// Promises credit to an order, under a new id. The same asked for again, while the promise holds, makes no event.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn authorise(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Authorise,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let (content, now, hold) = (content_of(&request), caller.this_moment(), HoldId::new(new_id()));
    let Authorise { line, order, amount, override_reason } = request;
    let overridden = overriding(caller, override_reason)?;
    let charge = Charge { order, amount, overridden, group_available: None };
    let lapses = caller.moment(lapses_at(now.at));
    let ask = Ask::new("credit.authorise", line, CreditCommand::Authorise { hold, charge, lapses, now }, content);
    execute(commands, caller, ask.needing(Needs::Buyer).keyed(key)).await
}

/// Uses what was promised to an order. What was shipped is invoiced, whatever became of line and customer meanwhile.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn capture(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Capture,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let Capture { line, hold, order, amount, invoice } = request;
    let once = charged_once(line, &order);
    let command = CreditCommand::Capture { hold, order, amount, invoice, now };
    execute(commands, caller, Ask::new("credit.capture", line, command, content).once(once).keyed(key)).await
}

/// Gives back what was promised. A promise that has lapsed meanwhile needs nothing done.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn void(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Void,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let Void { line, hold } = request;
    let ask = Ask::new("credit.void", line, CreditCommand::Void { hold, now }, content);
    execute(commands, caller, ask.once(ended_once(line, hold)).keyed(key)).await
}

/// Gives back what an order used. What of it was paid already is unapplied then.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn release(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Release,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let Release { line, release, order, amount, reason } = request;
    let once = released_once(line, &release);
    let command = CreditCommand::Release { release, order, amount, reason, now };
    execute(commands, caller, Ask::new("credit.release", line, command, content).once(once).keyed(key)).await
}

/// Only who may approve credit lets an order pass.
fn overriding(caller: &Caller, reason: Option<ReasonCode>) -> Result<Option<Override>, CommandError> {
    let Some(reason) = reason else { return Ok(None) };
    caller.require(Scope::CreditApprove)?;
    Ok(Some(Override { released_by: actor_of(caller)?, reason }))
}

fn lapses_at(placed_at: DateTime<Utc>) -> DateTime<Utc> {
    placed_at.checked_add_days(Days::new(HOLD_DAYS.into())).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// An order that was bought on credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargedOrder {
    /// The last day on which it is paid in time.
    pub due_on: NaiveDate,
    /// The hold that had kept it.
    pub hold: Option<HoldId>,
}

/// The order as the line knows it, for who asked for it once more and was told that there was nothing to do.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn charged(
    commands: &Commands,
    caller: &Caller,
    line: CreditLineId,
    order: OrderId,
) -> Result<Option<ChargedOrder>, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let see = move |line: &CreditLine| {
        let used = line.owing().ok()?.uses().get(&order)?;
        Some(ChargedOrder { due_on: used.due_on(), hold: used.hold() })
    };
    commands.look(caller, line.as_uuid(), see).await
}

/// The open hold of an order, and when it lapses, for the same.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn held(
    commands: &Commands,
    caller: &Caller,
    line: CreditLineId,
    order: OrderId,
) -> Result<Option<(HoldId, DateTime<Utc>)>, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let see = move |line: &CreditLine| {
        let hold = line.open().ok()?.hold_for(&order)?;
        Some((hold.id, hold.lapses.at))
    };
    commands.look(caller, line.as_uuid(), see).await
}
