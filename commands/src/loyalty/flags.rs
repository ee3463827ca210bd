//! What was flagged for a person to look at, and was looked at.

use super::on_account;
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use domain::ids::{CustomerId, ReasonCode};
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::flags::FlagKind;
use serde::Serialize;

/// A flag to be cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClearFlag {
    /// Whose account.
    pub customer: CustomerId,
    /// What was flagged.
    pub flag: FlagKind,
    /// What came of it.
    pub reason: Option<ReasonCode>,
}

/// Tells that somebody has looked at what was flagged. What was counted so far counts no more.
///
/// # Errors
/// As [`CommandError`] says; refused as `not_flagged` when nothing of the kind is to be looked at.
pub async fn clear(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ClearFlag,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyAdjust)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let ClearFlag { customer, flag, reason } = request;
    let request = on_account(caller, "loyalty.flag.clear", customer, move |_| LoyaltyCommand::ClearFlag {
        flag,
        reason: reason.clone(),
        now,
    });
    commands.execute(caller, request.content(content).keyed(key)).await
}
