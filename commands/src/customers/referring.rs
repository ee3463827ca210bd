//! Who sent whom. It rests on both customers; only the one that was sent changes, so that a popular referrer keeps nobody waiting.

use super::customer_stream;
use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::IdempotencyKey;
use crate::states::States;
use chrono::NaiveDate;
use domain::customers::commands::CustomerCommand;
use domain::customers::customer::Customer;
use domain::ids::CustomerId;
use domain::{Decider, Refusal};
use serde::Serialize;
use store::Version;

/// A customer that another one sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refer {
    /// Who was sent.
    pub customer: CustomerId,
    /// Who sent it.
    pub referrer: CustomerId,
}

/// Remembers who sent a customer that has not bought yet. The same again changes nothing.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn refer(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Refer,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let (content, on) = (content_of(&request), caller.today());
    let Refer { customer, referrer } = request;
    let stream = customer_stream(customer);
    let decide = move |states: &States<'_>| {
        let command = referring(states, customer, referrer, on);
        let referred = Customer::decide(states.get::<Customer>(customer.as_uuid()), command)?;
        Ok::<_, Refusal>(Changes::of(stream, referred))
    };
    let asked = Request::new("customers.refer", caller.now, [stream], decide).content(content);
    // One that names itself stands in the scope already.
    let other = (referrer != customer).then(|| customer_stream(referrer));
    commands.execute(caller, asked.seeing(other).only_if_at(stream, seen).keyed(key)).await
}

/// The request has to be seeing the referrer.
pub(super) fn referring(
    states: &States<'_>,
    customer: CustomerId,
    referrer: CustomerId,
    on: NaiveDate,
) -> CustomerCommand {
    let known = Box::new(states.get::<Customer>(referrer.as_uuid()).clone());
    CustomerCommand::Refer { id: customer, by: referrer, referrer: known, on }
}
