//! How a customer stands with us: what it is filed under, and who looks after it. Nothing of it is unique among customers.

use super::profile::asking;
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use domain::customers::assignment::Assignment;
use domain::customers::commands::CustomerCommand;
use domain::ids::{CustomerId, Tag};
use serde::Serialize;
use store::Version;

/// What a customer is to be filed under, or not any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tags {
    /// Who.
    pub customer: CustomerId,
    /// The tags.
    pub tags: Vec<Tag>,
}

/// Who is to look after a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assign {
    /// Who is looked after.
    pub customer: CustomerId,
    /// By whom; perhaps by nobody.
    pub assignment: Assignment,
}

/// Files a customer under something more.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn tag(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Tags,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let command = CustomerCommand::Tag(request.tags);
    let asked = asking(caller, ("customers.tag", content), request.customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}

/// Files a customer under something no more; under what it was not, makes no event.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn untag(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Tags,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let command = CustomerCommand::Untag(request.tags);
    let asked = asking(caller, ("customers.untag", content), request.customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}

/// Has others look after a customer.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn assign(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Assign,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let command = CustomerCommand::Assign(request.assignment);
    let asked = asking(caller, ("customers.assign", content), request.customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}
