//! What others call a customer. A name is one customer's: it is claimed with the event that links it, and free with the one that
//! unlinks it.

use super::update::asking;
use super::{reference_claim, taken};
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use domain::customers::commands::CustomerCommand;
use domain::customers::events::ExternalReference;
use domain::ids::{CustomerId, ExternalSystem};
use domain::text::{ReferenceText, UserId};
use serde::Serialize;
use store::{ClaimKey, Version};

/// What another system calls a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkReference {
    /// Whom.
    pub customer: CustomerId,
    /// The system, and its name for the customer.
    pub reference: ExternalReference,
}

/// A system that calls a customer nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnlinkReference {
    /// Whom.
    pub customer: CustomerId,
    /// The system.
    pub system: ExternalSystem,
    /// Which of its names; all if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<ReferenceText>,
}

/// As whom a customer logs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkUser {
    /// Who.
    pub customer: CustomerId,
    /// The user of the authentication service.
    pub user: UserId,
}

/// The claim of a user of the authentication service.
#[must_use]
pub fn user_claim(user: &UserId) -> ClaimKey {
    ClaimKey { kind: "user".to_owned(), value: user.as_str().to_owned() }
}

/// Remembers what another system calls a customer.
///
/// # Errors
/// As [`CommandError`] says; [`CommandError::Claimed`] when the system calls another customer so.
pub async fn link_reference(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: LinkReference,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let claimed_at = vec![(reference_claim(&request.reference), "/reference".to_owned())];
    let command = CustomerCommand::LinkReference(request.reference);
    let asked = asking(caller, ("customers.link_reference", content), request.customer, command, seen);
    taken::execute(commands, caller, asked.claiming(claimed_at).keyed(key)).await
}

/// Forgets what another system calls a customer; what it did not call anything is left as it is.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn unlink_reference(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: UnlinkReference,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let command = CustomerCommand::UnlinkReference { system: request.system, reference: request.reference };
    let asked = asking(caller, ("customers.unlink_reference", content), request.customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}

/// Remembers as whom a customer logs in, instead of the one before.
///
/// # Errors
/// As [`CommandError`] says; [`CommandError::Claimed`] when another customer logs in so.
pub async fn link_user(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: LinkUser,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let claimed_at = vec![(user_claim(&request.user), "/user_id".to_owned())];
    let command = CustomerCommand::LinkUser(request.user);
    let asked = asking(caller, ("customers.link_user", content), request.customer, command, seen);
    taken::execute(commands, caller, asked.claiming(claimed_at).keyed(key)).await
}

/// Forgets as whom a customer logs in, also as its duplicates did.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn unlink_user(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    customer: CustomerId,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&customer);
    let asked = asking(caller, ("customers.unlink_user", content), customer, CustomerCommand::UnlinkUser, seen);
    commands.execute(caller, asked.keyed(key)).await
}
