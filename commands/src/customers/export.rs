//! That all that is known of a customer is handed out. It is recorded before anything leaves: what cannot be recorded is not handed out.

use super::customer_stream;
use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request};
use crate::loyalty::account_stream;
use crate::states::States;
use domain::customers::commands::CustomerCommand;
use domain::customers::customer::Customer;
use domain::customers::events::ExportFormat;
use domain::ids::CustomerId;
use domain::{Decider, Refusal};

/// Records that all that is known of a customer is handed out to the caller, each time anew: a repeat hands it out again.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn export(
    commands: &Commands,
    caller: &Caller,
    customer: CustomerId,
    format: ExportFormat,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersRead)?;
    caller.require(Scope::CustomersPii)?;
    let streams = [customer_stream(customer), account_stream(customer)];
    let decide = move |states: &States<'_>| {
        let events = streams.into_iter().map(|stream| i64::from(states.version(&stream))).sum();
        let state = states.get::<Customer>(customer.as_uuid());
        let exported = Customer::decide(state, CustomerCommand::Export { format, events })?;
        Ok::<_, Refusal>(Changes::of(streams[0], exported))
    };
    commands.execute(caller, Request::new("customers.export", caller.now, streams, decide)).await
}
