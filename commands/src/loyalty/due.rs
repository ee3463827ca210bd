//! What the clock asks of one account: let points vest, let lots expire, let holds lapse, review the tier.
//!
//! A job may ask as often as it likes, from as many nodes as there are: what was due is recorded once (a lot expires once, a hold
//! ends once, a tier is reviewed once a year, by the ids of these facts in the log), and asked again there is nothing to do.
//! None of this takes a caller's idempotency key: "nothing to do" would be remembered with it, and hold on the day when there is.
//!
//! Which accounts are due is known to the read model `loyalty_balances`. An account that is gone, or not due where its
//! tenant is, is answered without events. All need the scope `loyalty:write`.

use super::programme::programme_stream;
use super::{on_account, rules_of};
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use domain::ids::CustomerId;
use domain::loyalty::commands::LoyaltyCommand;

/// Lets expire, and lapse, what is due by now.
///
/// # Errors
/// As [`CommandError`] says; refused as `not_a_member` where there is no account.
pub async fn expire_due(commands: &Commands, caller: &Caller, customer: CustomerId) -> Result<Committed, CommandError> {
    settle(commands, caller, customer, "loyalty.expire").await
}

/// Lets points vest whose day has come.
///
/// # Errors
/// As [`CommandError`] says; refused as `not_a_member` where there is no account.
pub async fn vest_due(commands: &Commands, caller: &Caller, customer: CustomerId) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyWrite)?;
    let (now, tenant) = (caller.this_moment(), caller.tenant);
    let request = on_account(caller, "loyalty.vest_due", customer, move |states| LoyaltyCommand::Vest {
        order: None,
        programme: rules_of(states, tenant),
        now,
    });
    let request = request.seeing([programme_stream(tenant)]);
    commands.execute(caller, request.content(content_of(&customer))).await
}

/// Lets lapse the holds whose time is over by now, and expire what is due.
///
/// # Errors
/// As [`CommandError`] says; refused as `not_a_member` where there is no account.
pub async fn lapse_due_holds(
    commands: &Commands,
    caller: &Caller,
    customer: CustomerId,
) -> Result<Committed, CommandError> {
    settle(commands, caller, customer, "loyalty.lapse").await
}

/// Makes the yearly reviews of the tier that are due by now; see [`domain::loyalty::loyalty_account::Member::review_on`].
///
/// # Errors
/// As [`CommandError`] says; refused as `not_a_member` where there is no account.
pub async fn review_year(
    commands: &Commands,
    caller: &Caller,
    customer: CustomerId,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyWrite)?;
    let (now, tenant) = (caller.this_moment(), caller.tenant);
    let request = on_account(caller, "loyalty.review", customer, move |states| LoyaltyCommand::Review {
        programme: rules_of(states, tenant),
        now,
    });
    let request = request.seeing([programme_stream(tenant)]);
    commands.execute(caller, request.content(content_of(&customer))).await
}

/// The two words for it differ in nothing but how they are counted: whatever is due first is recorded first.
async fn settle(
    commands: &Commands,
    caller: &Caller,
    customer: CustomerId,
    verb: &'static str,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyWrite)?;
    let now = caller.this_moment();
    let request = on_account(caller, verb, customer, move |_| LoyaltyCommand::Settle { now });
    commands.execute(caller, request.content(content_of(&customer))).await
}
