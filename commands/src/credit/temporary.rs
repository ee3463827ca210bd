//! Credit for some time, because of a case. Needs the scope `credit:approve`.

use super::lines::{Ask, Needs, execute};
use super::{granted_once, temporary_ended_once};
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use chrono::NaiveDate;
use domain::Money;
use domain::credit::commands::CreditCommand;
use domain::ids::{CaseId, CreditLineId};
use serde::Serialize;

/// Credit for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrantTemporary {
    /// On this line.
    pub line: CreditLineId,
    /// The case because of which; it grants once.
    pub case: CaseId,
    /// How much more.
    pub amount: Money,
    /// The first day on which it is gone.
    pub expires_on: NaiveDate,
}

/// A case that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettleTemporary {
    /// On this line.
    pub line: CreditLineId,
    /// The case.
    pub case: CaseId,
}

/// Lets more be used for some time.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn grant(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: GrantTemporary,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let GrantTemporary { line, case, amount, expires_on } = request;
    let once = granted_once(line, &case);
    let command = CreditCommand::GrantTemporary { case, amount, expires_on, now };
    let ask = Ask::new("credit.grant_temporary", line, command, content).needing(Needs::Buyer);
    execute(commands, caller, ask.once(once).keyed(key)).await
}

/// Ends that, because the case is over.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn settle(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: SettleTemporary,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let SettleTemporary { line, case } = request;
    let once = temporary_ended_once(line, &case);
    let command = CreditCommand::SettleTemporary { case, now };
    execute(commands, caller, Ask::new("credit.settle_temporary", line, command, content).once(once).keyed(key)).await
}
