//! Commands on all customers who are the same person. Who that is, the log knows beside its streams.

use crate::caller::Caller;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request};
use crate::refusals;
use domain::ids::CustomerId;

/// How often it is looked again who is the same person, when more have become so meanwhile.
const ATTEMPTS_MAX: u32 = 5;

/// Carries out a request that is about all who are the same person as a customer, that one too. When more have become so meanwhile,
/// which shows as a conflict or as [`refusals::outdated`], it is looked up again.
///
/// # Errors
/// As [`CommandError`] says; [`CommandError::Conflict`] when it changes again and again.
pub(super) async fn execute(
    commands: &Commands,
    caller: &Caller,
    customer: CustomerId,
    asked: impl Fn(Vec<CustomerId>) -> Request,
) -> Result<Committed, CommandError> {
    for _ in 1..ATTEMPTS_MAX {
        match attempt(commands, caller, customer, &asked).await {
            Err(CommandError::Conflict) => {}
            answer => return answer,
        }
    }
    attempt(commands, caller, customer, &asked).await
}

async fn attempt(
    commands: &Commands,
    caller: &Caller,
    customer: CustomerId,
    asked: &impl Fn(Vec<CustomerId>) -> Request,
) -> Result<Committed, CommandError> {
    let person = commands.store().linked(caller.tenant, customer.as_uuid()).await;
    let person = person.map_err(CommandError::unavailable)?.into_iter().map(CustomerId::new).collect();
    match commands.execute(caller, asked(person)).await {
        Err(CommandError::Refused(refusal)) if refusals::is_outdated(&refusal) => Err(CommandError::Conflict),
        answer => answer,
    }
}
