//! Points given and taken by hand. Who may do so is few; who did it stands with the event.

use super::programme::programme_stream;
use super::{adjusted_once, on_account, rules_of, unless_deleted};
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use crate::other_names::also_of_duplicates;
use domain::ids::{AdjustmentId, CustomerId};
use domain::loyalty::adjustments::{AdjustmentNote, AdjustmentReason};
use domain::loyalty::commands::LoyaltyCommand;
use serde::Serialize;

/// Points to be given, or taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adjust {
    /// Whose account.
    pub customer: CustomerId,
    /// The adjustment; made once.
    pub adjustment: AdjustmentId,
    /// How many points to give; below zero to take.
    pub points: i64,
    /// Why.
    pub reason: AdjustmentReason,
    /// What is said about it.
    pub note: AdjustmentNote,
}

/// Gives or takes points by hand, once per adjustment.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn adjust(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Adjust,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyAdjust)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let Adjust { customer, adjustment, points, reason, note } = request;
    let (once, made, tenant) = (adjusted_once(customer, &adjustment), adjustment.clone(), caller.tenant);
    let request = on_account(caller, "loyalty.adjust", customer, move |states| LoyaltyCommand::Adjust {
        adjustment: adjustment.clone(),
        points,
        reason,
        note: note.clone(),
        programme: rules_of(states, tenant),
        now,
    });
    let request = unless_deleted(request.seeing([programme_stream(tenant)]), customer);
    let request = request.content(content).once(once).keyed(key);
    let facts = move |customer| [adjusted_once(customer, &made)];
    commands.execute(caller, also_of_duplicates(request, tenant, customer, facts)).await
}
