//! How a customer stands with us: what it is filed under, who looks after it, what it may, and how far it has come. Nothing of it is
//! unique among customers.

use super::update::asking;
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use domain::customers::assignment::Assignment;
use domain::customers::blocking::{BlockNote, BlockReason};
use domain::customers::commands::CustomerCommand;
use domain::customers::events::LifecycleStage;
use domain::customers::portal::PortalPermission;
use domain::ids::{CustomerId, Tag};
use domain::segment::{Scores, Segmented};
use serde::Serialize;
use std::collections::BTreeSet;
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

/// What a customer may see and do for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrantPortal {
    /// Who.
    pub customer: CustomerId,
    /// All that it may.
    pub permissions: BTreeSet<PortalPermission>,
}

/// Which kind of buyer somebody has found a customer to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeSegment {
    /// Who.
    pub customer: CustomerId,
    /// Which one.
    pub to: Segmented,
    /// What it follows from, if that is known.
    pub scores: Option<Scores>,
}

/// A customer who may spend no points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Who.
    pub customer: CustomerId,
    /// Why.
    pub reason: BlockReason,
    /// The same in words.
    pub note: BlockNote,
}

/// A stage that somebody says a customer has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeLifecycle {
    /// Who.
    pub customer: CustomerId,
    /// The stage.
    pub to: LifecycleStage,
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

/// Lets a customer see and do this for itself, and nothing else.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn grant_portal(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: GrantPortal,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let command = CustomerCommand::GrantPortal(request.permissions);
    let asked = asking(caller, ("customers.grant_portal", content), request.customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}

/// Lets a customer spend no points, until it is unblocked.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn block(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Block,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let command = CustomerCommand::Block { reason: request.reason, note: request.note, on: caller.today() };
    let asked = asking(caller, ("customers.block", content), request.customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}

/// Records the stage that somebody says a customer has come to.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn change_lifecycle(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ChangeLifecycle,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let command = CustomerCommand::ChangeLifecycle { to: request.to, on: caller.today() };
    let asked = asking(caller, ("customers.change_lifecycle", content), request.customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}

/// Lets a customer see and do nothing for itself any more.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn revoke_portal(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    customer: CustomerId,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&customer);
    let command = CustomerCommand::RevokePortal;
    let asked = asking(caller, ("customers.revoke_portal", content), customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}

/// Lets a customer do what others may.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn unblock(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    customer: CustomerId,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&customer);
    let command = CustomerCommand::Unblock { on: caller.today() };
    let asked = asking(caller, ("customers.unblock", content), customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}

/// Records which kind of buyer a customer has been found to be. The same as before makes no event, whatever its scores.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn change_segment(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ChangeSegment,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let command = CustomerCommand::ChangeSegment { to: request.to, scores: request.scores, on: caller.today() };
    let asked = asking(caller, ("customers.change_segment", content), request.customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}
