//! What the clock asks of one line: let holds lapse and temporary credit expire, tell what is overdue, remind.
//!
//! A job may ask as often as it likes, from as many nodes as there are: what was due is recorded once, and asked again there is nothing
//! to do. None of this takes a caller's idempotency key: "nothing to do" would be remembered with it, and hold on the day when there is.
//! All need the scope `credit:write`.

use super::lines::{Ask, execute};
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use domain::credit::commands::CreditCommand;
use domain::ids::CreditLineId;

/// Lets lapse the holds whose time is over by now, and expire what is due.
///
/// # Errors
/// As [`CommandError`] says; refused where there is no open line.
pub async fn lapse_due_holds(
    commands: &Commands,
    caller: &Caller,
    line: CreditLineId,
) -> Result<Committed, CommandError> {
    due(commands, caller, line, ("credit.lapse", CreditCommand::Settle { now: caller.this_moment() })).await
}

/// Lets temporary credit expire whose day has come, and lapse what is due.
///
/// # Errors
/// As [`CommandError`] says; refused where there is no open line.
pub async fn expire_due(commands: &Commands, caller: &Caller, line: CreditLineId) -> Result<Committed, CommandError> {
    due(commands, caller, line, ("credit.expire", CreditCommand::Settle { now: caller.this_moment() })).await
}

/// Tells what was not paid in time, and suspends the line if its policy says so.
///
/// # Errors
/// As [`CommandError`] says; refused where no line was ever given.
pub async fn note_overdue(commands: &Commands, caller: &Caller, line: CreditLineId) -> Result<Committed, CommandError> {
    due(commands, caller, line, ("credit.note_overdue", CreditCommand::NoteOverdue { now: caller.this_moment() })).await
}

/// Reminds the customer, if it is time to.
///
/// # Errors
/// As [`CommandError`] says; refused where no line was ever given.
pub async fn dun(commands: &Commands, caller: &Caller, line: CreditLineId) -> Result<Committed, CommandError> {
    due(commands, caller, line, ("credit.dun", CreditCommand::Dun { now: caller.this_moment() })).await
}

async fn due(
    commands: &Commands,
    caller: &Caller,
    line: CreditLineId,
    (verb, command): (&'static str, CreditCommand),
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    execute(commands, caller, Ask::new(verb, line, command, content_of(&line))).await
}
