//! Whether a customer is reminded of what is overdue.

use super::lines::{Ask, execute};
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use domain::credit::commands::CreditCommand;
use domain::ids::{CaseId, CreditLineId};
use serde::Serialize;

/// A case while which the customer is not reminded, or not any more a reason for that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DunningPause {
    /// On this line.
    pub line: CreditLineId,
    /// The case.
    pub case: CaseId,
}

/// Does not remind the customer while a case is open.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn pause(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: DunningPause,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let command = CreditCommand::PauseDunning { case: request.case, now };
    execute(commands, caller, Ask::new("credit.pause_dunning", request.line, command, content).keyed(key)).await
}

/// Reminds again, unless another case is open.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn resume(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: DunningPause,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let command = CreditCommand::ResumeDunning { case: request.case, now };
    execute(commands, caller, Ask::new("credit.resume_dunning", request.line, command, content).keyed(key)).await
}
