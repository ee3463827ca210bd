//! A customer is deleted, and perhaps restored. Nothing is forgotten by that, and its claims stay its own.
//!
//! Rule for the credit context, once it is there: with an open balance it is refused, but to who may force it.

use super::update::asking;
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use domain::customers::commands::CustomerCommand;
use domain::ids::{CustomerId, ReasonCode};
use serde::Serialize;
use store::Version;

/// A customer to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delete {
    /// Who.
    pub customer: CustomerId,
    /// Why.
    pub reason: Option<ReasonCode>,
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
    let content = content_of(&request);
    let command = CustomerCommand::Delete { reason: request.reason, on: caller.today() };
    let asked = asking(caller, ("customers.delete", content), request.customer, command, seen);
    commands.execute(caller, asked.keyed(key).forgetful()).await
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
