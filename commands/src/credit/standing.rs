//! Limit, terms and policy of a line, whether anything new is bought on it, and its end. All need the scope `credit:approve`.

use super::actor_of;
use super::lines::{Ask, Needs, execute};
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use domain::Money;
use domain::credit::commands::CreditCommand;
use domain::credit::financials::CreditNote;
use domain::credit::policy::Policy;
use domain::credit::reasons::SuspensionCause;
use domain::credit::terms::Terms;
use domain::ids::{CreditLineId, ReasonCode};
use serde::Serialize;
use store::Version;

/// Another limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeLimit {
    /// Of this line.
    pub line: CreditLineId,
    /// The limit.
    pub limit: Money,
    /// Why.
    pub reason: ReasonCode,
    /// What is said about it.
    pub note: CreditNote,
}

/// Other terms, for what is bought from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeTerms {
    /// Of this line.
    pub line: CreditLineId,
    /// The terms.
    pub terms: Terms,
    /// Why.
    pub reason: ReasonCode,
    /// What is said about it.
    pub note: CreditNote,
}

/// Other rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangePolicy {
    /// Of this line.
    pub line: CreditLineId,
    /// All of them.
    pub policy: Policy,
}

/// A line on which nothing new is to be bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suspend {
    /// The line.
    pub line: CreditLineId,
    /// What is said about it.
    pub note: CreditNote,
}

/// The end of what a line was suspended for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resume {
    /// The line.
    pub line: CreditLineId,
    /// Which cause.
    pub cause: SuspensionCause,
    /// What is said about it.
    pub note: CreditNote,
}

/// A line to be ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Close {
    /// The line.
    pub line: CreditLineId,
    /// Why.
    pub reason: ReasonCode,
    /// What is said about it.
    pub note: CreditNote,
}

/// Lets more or less be used; only of what the caller has seen, if a version of the line is named.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn change_limit(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ChangeLimit,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let (content, now, changed_by) = (content_of(&request), caller.this_moment(), actor_of(caller)?);
    let ChangeLimit { line, limit, reason, note } = request;
    let command = CreditCommand::ChangeLimit { limit, reason, changed_by, note, now };
    let ask = Ask::new("credit.change_limit", line, command, content).needing(Needs::Active);
    execute(commands, caller, ask.only_if_at(seen).keyed(key)).await
}

/// Has what is bought from now on paid in another time, if the line is as the caller has seen it.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn change_terms(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ChangeTerms,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let ChangeTerms { line, terms, reason, note } = request;
    let command = CreditCommand::ChangeTerms { terms, reason, note, now };
    let ask = Ask::new("credit.change_terms", line, command, content).needing(Needs::Active);
    execute(commands, caller, ask.only_if_at(seen).keyed(key)).await
}

/// Lets other rules hold, if the line is as the caller has seen it.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn change_policy(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ChangePolicy,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let command = CreditCommand::ChangePolicy { policy: Box::new(request.policy), now };
    let ask = Ask::new("credit.change_policy", request.line, command, content).needing(Needs::Active);
    execute(commands, caller, ask.only_if_at(seen).keyed(key)).await
}

/// Has nothing new bought on credit.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn suspend(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Suspend,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let command = CreditCommand::Suspend { note: request.note, now };
    execute(commands, caller, Ask::new("credit.suspend", request.line, command, content).keyed(key)).await
}

/// Ends what a suspension was for.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn resume(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Resume,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let (content, now, resumed_by) = (content_of(&request), caller.this_moment(), actor_of(caller)?);
    let Resume { line, cause, note } = request;
    let command = CreditCommand::Resume { cause, resumed_by, note, now };
    let ask = Ask::new("credit.resume", line, command, content).needing(Needs::Active);
    execute(commands, caller, ask.keyed(key)).await
}

/// Ends a line on which nothing is owed.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn close(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Close,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let Close { line, reason, note } = request;
    let command = CreditCommand::Close { reason, note, now };
    execute(commands, caller, Ask::new("credit.close", line, command, content).keyed(key)).await
}
