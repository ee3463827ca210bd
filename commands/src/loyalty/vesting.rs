//! Pending points that vest because what was waited for has happened.

use super::programme::programme_stream;
use super::{on_account, rules_of, unless_deleted, vested_once};
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use domain::ids::{CustomerId, OrderId};
use domain::loyalty::commands::LoyaltyCommand;
use serde::Serialize;

/// Points of an order to vest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vest {
    /// Whose account.
    pub customer: CustomerId,
    /// The order whose points are pending.
    pub order: OrderId,
}

/// Lets the pending points of an order vest today. Points that have vested stay as they are.
///
/// # Errors
/// As [`CommandError`] says; refused as `points_not_pending` when none ever were.
pub async fn vest(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Vest,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyWrite)?;
    let (content, now, tenant) = (content_of(&request), caller.this_moment(), caller.tenant);
    let Vest { customer, order } = request;
    let once = vested_once(customer, &order);
    let once_id = once.id(tenant);
    let request = on_account(caller, "loyalty.vest", customer, move |states| {
        let order = (!states.happened(once_id)).then(|| order.clone());
        LoyaltyCommand::Vest { order, programme: rules_of(states, tenant), now }
    });
    let request = unless_deleted(request.seeing([programme_stream(tenant)]), customer);
    commands.execute(caller, request.content(content).once(once).keyed(key)).await
}
