//! A customer is forgotten, for good.

use super::{customer_stream, person};
use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::IdempotencyKey;
use crate::loyalty::{Today, account_stream};
use crate::states::States;
use domain::customers::commands::CustomerCommand;
use domain::customers::customer::Customer;
use domain::customers::events::ErasureGround;
use domain::ids::CustomerId;
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::{Decider, Refusal};
use serde::Serialize;

/// A customer to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erase {
    /// Who.
    pub customer: CustomerId,
    /// Why.
    pub ground: ErasureGround,
}

/// Forgets who a customer is, with all who are the same person: their keys are destroyed, their claims are free, their loyalty
/// accounts are closed. Once more changes nothing.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn erase(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Erase,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersErase)?;
    let asked = |person| erasing(caller, &request, person).keyed(key.clone());
    person::execute(commands, caller, request.customer, asked).await
}

fn erasing(caller: &Caller, request: &Erase, person: Vec<CustomerId>) -> Request {
    let (ground, today) = (request.ground, Today::of(caller, caller.now));
    let scope: Vec<_> = person.iter().flat_map(|id| [account_stream(*id), customer_stream(*id)]).collect();
    let decide = move |states: &States<'_>| decide_erasure(states, &person, ground, &today);
    Request::new("customers.erase", caller.now, scope, decide).content(content_of(request))
}

fn decide_erasure(
    states: &States<'_>,
    person: &[CustomerId],
    ground: ErasureGround,
    today: &Today,
) -> Result<Changes, Refusal> {
    let mut changes = Changes::none();
    for customer in person {
        let subjects = person.iter().map(CustomerId::as_uuid).collect();
        let erase = CustomerCommand::Erase { ground, subjects, on: today.now.today };
        let erased = Customer::decide(states.get::<Customer>(customer.as_uuid()), erase)?;
        if erased.is_empty() {
            continue;
        }
        let account = states.get::<LoyaltyAccount>(customer.as_uuid());
        if account.member().is_ok() {
            today.append(
                &mut changes,
                *customer,
                LoyaltyAccount::decide(account, LoyaltyCommand::Close { now: today.now })?,
            );
        }
        changes = changes.and(customer_stream(*customer), erased);
        changes.erase(customer.as_uuid());
    }
    Ok(changes)
}
