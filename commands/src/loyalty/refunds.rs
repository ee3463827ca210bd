//! Orders that only the account knows, given back: those that earned without a recorded purchase, and those that were discounted, or had a
//! reward handed over with them, and then came to nothing.

use super::programme::programme_stream;
use super::{Today, account_stream, refund_key, rules_of, unless_deleted};
use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::{IdempotencyKey, Once};
use crate::other_names::also_of_duplicates;
use crate::states::States;
use chrono::{DateTime, NaiveDate, Utc};
use domain::customers::customer::Customer;
use domain::ids::{CustomerId, OrderId, RefundId};
use domain::loyalty::commands::{LoyaltyCommand, LoyaltyError};
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::loyalty::sale::SaleRefund;
use domain::{Decider, Money, Refusal};
use serde::Serialize;

/// An order to be given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GiveBack {
    /// Whose account.
    pub customer: CustomerId,
    /// The refund; made once.
    pub refund: RefundId,
    /// The order.
    pub order: OrderId,
    /// What remains of its total; nothing if not given.
    pub remaining: Option<Money>,
    /// When; now if not given.
    pub at: Option<DateTime<Utc>>,
}

/// Takes back what the rest of an order would not have earned, and gives back what was spent for it. Purchases that are recorded are
/// given back by [`crate::customers::refund`]. The same refund once more takes and gives nothing more.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn give_back(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: GiveBack,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyWrite)?;
    caller.require_business_time("/occurred_at", request.at)?;
    let (occurred_at, content, customer) = (request.at.unwrap_or(caller.now), content_of(&request), request.customer);
    let (today, on) = (Today::of(caller, occurred_at), caller.business_date(occurred_at));
    let (order, refund) = (request.order.clone(), request.refund.clone());
    let once = refunded_once(customer, &order, &refund);
    let once_id = once.id(caller.tenant);
    let decide = move |states: &States<'_>| match states.happened(once_id) {
        true => {
            let GiveBack { order, refund, .. } = request.clone();
            Err(LoyaltyError::RefundAlreadyRecorded { order, refund }.into())
        }
        false => decide(states, &request, on, &today),
    };
    let asked = Request::new("loyalty.give_back", occurred_at, [account_stream(customer)], decide);
    let asked = unless_deleted(asked.seeing([programme_stream(caller.tenant)]), customer);
    let facts = move |customer| [refunded_once(customer, &order, &refund)];
    let asked = asked.content(content).once(once).keyed(key);
    commands.execute(caller, also_of_duplicates(asked, caller.tenant, customer, facts)).await
}

fn decide(states: &States<'_>, request: &GiveBack, on: NaiveDate, today: &Today) -> Result<Changes, Refusal> {
    let GiveBack { customer, refund, order, remaining, .. } = request.clone();
    if states.get::<Customer>(customer.as_uuid()).order(&order).is_some() {
        return Err(LoyaltyError::OrderRecorded { order }.into());
    }
    let (account, now) = (states.get::<LoyaltyAccount>(customer.as_uuid()), today.now);
    let remaining = remaining.unwrap_or(Money::zero(account.member()?.currency()));
    let refunded = SaleRefund::remaining(order, refund, remaining, on);
    let refund = LoyaltyCommand::RefundOrder { refunded, programme: rules_of(states, today.tenant), now };
    let mut changes = Changes::none();
    today.append(&mut changes, customer, LoyaltyAccount::decide(account, refund)?);
    Ok(changes)
}

/// An order that only the account knows is given back, by the refund.
pub(super) fn refunded_once(customer: CustomerId, order: &OrderId, refund: &RefundId) -> Once {
    Once::new(account_stream(customer), "refund_order", refund_key(order, refund))
}
