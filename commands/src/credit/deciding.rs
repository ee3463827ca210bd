//! Credit is asked for, and given or not.

use super::lines::{Ask, Needs, When, execute};
use super::{actor_of, line_stream};
use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::customers::customer_stream;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::IdempotencyKey;
use crate::states::States;
use domain::credit::commands::CreditCommand;
use domain::credit::credit_line::CreditLine;
use domain::credit::financials::{CreditNote, Financials};
use domain::credit::policy::Policy;
use domain::credit::reasons::RejectReason;
use domain::credit::terms::Terms;
use domain::ids::{CreditLineId, CustomerId};
use domain::{Decider, Money, Refusal};
use serde::Serialize;

/// Credit that a business asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestCredit {
    /// Who asks.
    pub customer: CustomerId,
    /// For how much; also says in which currency.
    pub amount: Money,
    /// What it tells of itself.
    pub financials: Financials,
}

/// Credit to be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approve {
    /// On this line.
    pub line: CreditLineId,
    /// Up to this.
    pub limit: Money,
    /// To be paid so.
    pub terms: Terms,
    /// By these rules; those that hold unless others are said, if not given.
    pub policy: Option<Policy>,
    /// What is said about it.
    pub note: CreditNote,
}

/// Credit not to be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// On this line.
    pub line: CreditLineId,
    /// Why.
    pub reason: RejectReason,
    /// What is said about it.
    pub note: CreditNote,
}

/// Asks for credit for a business: one line for each currency.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn request(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: RequestCredit,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let (content, now, requested_by) = (content_of(&request), caller.this_moment(), actor_of(caller)?);
    let RequestCredit { customer, amount, financials } = request;
    let (line, when) = (CreditLineId::of(customer, amount.currency()), When::of(caller));
    let financials = Box::new(financials);
    let command = CreditCommand::Request { customer, amount, requested_by, financials, now };
    let decide = move |states: &States<'_>| {
        Needs::Borrower.check(states, customer)?;
        let state = states.get::<CreditLine>(line.as_uuid());
        let requested = CreditLine::decide(state, command.clone())?;
        let mut changes = Changes::none();
        when.append(&mut changes, (states, line, customer), state, requested);
        Ok::<_, Refusal>(changes)
    };
    let asked = Request::new("credit.request", caller.now, [line_stream(line)], decide);
    commands.execute(caller, asked.seeing([customer_stream(customer)]).content(content).keyed(key)).await
}

/// Gives the credit that was asked for, by somebody else than who asked.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn approve(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Approve,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let (content, now, approved_by) = (content_of(&request), caller.this_moment(), actor_of(caller)?);
    let Approve { line, limit, terms, policy, note } = request;
    let policy = Box::new(policy.unwrap_or_else(|| Policy::default_in(limit.currency())));
    let command = CreditCommand::Approve { limit, terms, policy, approved_by, note, now };
    let ask = Ask::new("credit.approve", line, command, content).needing(Needs::Borrower);
    execute(commands, caller, ask.keyed(key)).await
}

/// Does not give the credit that was asked for.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn reject(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Reject,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let (content, now, rejected_by) = (content_of(&request), caller.this_moment(), actor_of(caller)?);
    let Reject { line, reason, note } = request;
    let command = CreditCommand::Reject { reason, rejected_by, note, now };
    execute(commands, caller, Ask::new("credit.reject", line, command, content).keyed(key)).await
}
