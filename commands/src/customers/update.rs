//! Changing what is known of a customer. What is taken away becomes free for others in the same append, what is new is taken.

use super::{claims_of, customer_stream, require_born, user_claim};
use crate::access::require_zone;
use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::IdempotencyKey;
use crate::states::States;
use domain::customers::commands::{CustomerCommand, CustomerPatch};
use domain::customers::customer::Customer;
use domain::customers::events::CustomerEvent;
use domain::ids::CustomerId;
use domain::{Decider, Patch, Refusal};
use serde::Serialize;
use serde_json::Value;
use store::{ClaimKey, Version};

/// A change of what is known of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Update {
    /// Who.
    pub customer: CustomerId,
    /// What is to become of each field.
    pub patch: CustomerPatch,
}

/// Changes what is known of a customer; if asked, only as the caller has seen it.
///
/// # Errors
/// As [`CommandError`] says; [`CommandError::Claimed`] when an e-mail, phone or document is another customer's.
pub async fn update(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Update,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    if let Patch::Set(zone) = &request.patch.time_zone {
        require_zone(zone)?;
    }
    if let Patch::Set(birth_date) = request.patch.birth_date {
        require_born(caller, Some(birth_date))?;
    }
    let content = content_of(&request);
    let command = CustomerCommand::Update(request.patch);
    let asked = asking(caller, ("customers.update", content), request.customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}

/// A command on one customer, if asked only as the caller has seen it. The claims follow what it changes.
pub(super) fn asking(
    caller: &Caller,
    (verb, content): (&'static str, Value),
    customer: CustomerId,
    command: CustomerCommand,
    seen: Option<Version>,
) -> Request {
    let stream = customer_stream(customer);
    let decide = move |states: &States<'_>| with_claims(states, customer, command.clone());
    Request::new(verb, caller.now, [stream], decide).content(content).only_if_at(stream, seen)
}

/// What a command changes of one customer, with the claims that it gives back and takes by that.
pub(super) fn with_claims(
    states: &States<'_>,
    customer: CustomerId,
    command: CustomerCommand,
) -> Result<Changes, Refusal> {
    let state = states.get::<Customer>(customer.as_uuid());
    let decided = Customer::decide(state, command)?;
    let (free, taken) = moved_claims(state, &decided);
    let mut changes = Changes::of(customer_stream(customer), decided);
    for claim in free {
        changes.release(claim, customer.as_uuid());
    }
    for claim in taken {
        changes.take(claim, customer.as_uuid());
    }
    Ok(changes)
}

/// The claims that are a customer's no more, and those that have become so.
fn moved_claims(customer: &Customer, updated: &[CustomerEvent]) -> (Vec<ClaimKey>, Vec<ClaimKey>) {
    let before = held_claims(customer);
    let after =
        if updated.is_empty() { before.clone() } else { held_claims(&Customer::fold(customer.clone(), updated)) };
    let free = before.iter().filter(|claim| !after.contains(claim)).cloned().collect();
    let taken = after.into_iter().filter(|claim| !before.contains(claim)).collect();
    (free, taken)
}

/// The claims that are a customer's, as its events say.
pub(crate) fn held_claims(customer: &Customer) -> Vec<ClaimKey> {
    let Some(customer) = customer.holder() else { return Vec::new() };
    let contact = customer.contact().known().map(claims_of).unwrap_or_default();
    contact.into_iter().chain(customer.logins().all().map(user_claim)).collect()
}
