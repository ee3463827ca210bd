//! The till's two steps: points are held while the sale is made, then captured with it, or released.

use super::programme::programme_stream;
use super::{ended_once, on_account, redeemed_once, rules_of, spending};
use crate::caller::{Caller, Scope};
use crate::customers::customer_stream;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use crate::ids::new_id;
use crate::other_names::also_of_duplicates;
use domain::ids::{CustomerId, HoldId, OrderId};
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::windows::lapses_at;
use serde::Serialize;

/// Points to be held for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlaceHold {
    /// Whose account.
    pub customer: CustomerId,
    /// How many.
    pub points: i64,
    /// The order; has one open hold at most.
    pub order: OrderId,
}

/// A hold to become a discount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaptureHold {
    /// Whose account.
    pub customer: CustomerId,
    /// The hold.
    pub hold: HoldId,
    /// The order that it is for; redeems once.
    pub order: OrderId,
}

/// A hold that is not needed any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleaseHold {
    /// Whose account.
    pub customer: CustomerId,
    /// The hold.
    pub hold: HoldId,
}

/// Holds points for an order, under a new id. The same points asked for again, while the hold is open, make no event.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn place(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: PlaceHold,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyWrite)?;
    let (content, now, hold) = (content_of(&request), caller.this_moment(), HoldId::new(new_id()));
    let (lapses, tenant) = (caller.moment(lapses_at(now.at)), caller.tenant);
    let PlaceHold { customer, points, order } = request;
    let request = spending(caller, "loyalty.hold.place", customer, move |states| LoyaltyCommand::PlaceHold {
        hold,
        points,
        order: order.clone(),
        lapses,
        programme: rules_of(states, tenant),
        now,
    });
    let request = request.content(content).keyed(key).seeing([programme_stream(tenant)]);
    commands.execute(caller, request).await
}

/// Turns held points into the discount that was promised, once per order.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn capture(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: CaptureHold,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let CaptureHold { customer, hold, order } = request;
    let (once, captured) = (redeemed_once(customer, &order), order.clone());
    let request = on_account(caller, "loyalty.hold.capture", customer, move |_| LoyaltyCommand::CaptureHold {
        hold,
        order: order.clone(),
        now,
    });
    let request = request.seeing([customer_stream(customer)]).content(content).once(once).keyed(key);
    let facts = move |customer| [redeemed_once(customer, &captured)];
    commands.execute(caller, also_of_duplicates(request, caller.tenant, customer, facts)).await
}

/// Gives held points back. A hold that has lapsed meanwhile needs nothing done.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn release(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ReleaseHold,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let ReleaseHold { customer, hold } = request;
    let once = ended_once(customer, hold);
    let once_id = once.id(caller.tenant);
    let request = on_account(caller, "loyalty.hold.release", customer, move |states| match states.happened(once_id) {
        true => LoyaltyCommand::Settle { now },
        false => LoyaltyCommand::ReleaseHold { hold, now },
    });
    commands.execute(caller, request.content(content).once(once).keyed(key)).await
}
