//! A customer is deleted, and perhaps restored. Nothing is forgotten by that, and its claims stay its own.
//!
//! With an open balance on a line of credit it is refused, but to who may approve credit and says so. The line stays as it is, and is paid.

use super::update::asking;
use crate::caller::{Caller, Scope};
use crate::credit::line_stream;
use crate::credit::owned::{lines_of, require_settled};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::IdempotencyKey;
use crate::states::States;
use domain::customers::commands::CustomerCommand;
use domain::ids::{CreditLineId, CustomerId, ReasonCode};
use domain::{Moment, Refusal};
use serde::Serialize;
use store::Version;

/// A customer to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delete {
    /// Who.
    pub customer: CustomerId,
    /// Why.
    pub reason: Option<ReasonCode>,
    /// Whether in spite of what is open on a line of credit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force_credit: bool,
}

/// Deletes a customer; if asked, only as the caller has seen it. Points stay until they expire and cannot be spent. Once more changes
/// nothing.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn delete(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Delete,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    if request.force_credit {
        caller.require(Scope::CreditApprove)?;
    }
    let (content, lines) = (content_of(&request), lines_of(commands, caller, request.customer).await?);
    let command = CustomerCommand::Delete { reason: request.reason, on: caller.today() };
    let asked = asking(caller, ("customers.delete", content), request.customer, command, seen);
    let asked = if request.force_credit { asked } else { unless_open(asked, lines, caller.this_moment()) };
    commands.execute(caller, asked.keyed(key).forgetful()).await
}

/// Refuses what would be done while something is open on one of these lines.
fn unless_open(request: Request, lines: Vec<CreditLineId>, now: Moment) -> Request {
    let seen: Vec<_> = lines.iter().copied().map(line_stream).collect();
    let decide = request.decide;
    let decide = move |states: &States<'_>| {
        let changes = decide(states)?;
        if !changes.events.is_empty() {
            require_settled(states, &lines, now)?;
        }
        Ok::<_, Refusal>(changes)
    };
    Request { decide: Box::new(decide), ..request }.seeing(seen)
}

/// Makes a deleted customer one again. One that is not deleted stays as it is.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn restore(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    customer: CustomerId,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&customer);
    let command = CustomerCommand::Restore { on: caller.today() };
    let asked = asking(caller, ("customers.restore", content), customer, command, seen);
    commands.execute(caller, asked.keyed(key).forgetful()).await
}
