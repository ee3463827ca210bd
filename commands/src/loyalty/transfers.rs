//! Points that go from one account to another: one append on both.

use super::programme::programme_stream;
use super::{Today, account_stream, require_unblocked, rules_of, unless_deleted};
use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::customers::customer_stream;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::{IdempotencyKey, Once};
use crate::other_names::also_of_duplicates;
use crate::states::States;
use domain::customers::customer::Customer;
use domain::ids::{CustomerId, ReasonCode, TransferId};
use domain::loyalty::commands::{LoyaltyCommand, LoyaltyError};
use domain::loyalty::events::{LoyaltyEvent, MovedLot};
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::{Currency, Decider, Refusal};
use serde::Serialize;

/// Points to go to another account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// Whose account they come from.
    pub customer: CustomerId,
    /// The caller's name for it; made once.
    pub transfer: TransferId,
    /// Whose account they go to.
    pub to: CustomerId,
    /// How many.
    pub points: i64,
    /// Why.
    pub reason: Option<ReasonCode>,
}

/// Moves points to another account, the oldest first, with the dates they have. The same asked for again makes no event.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn transfer(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Transfer,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyAdjust)?;
    if request.customer == request.to {
        return Err(Refusal::from(LoyaltyError::TransferToItself).into());
    }
    let (customer, content, today) = (request.customer, content_of(&request), Today::of(caller, caller.now));
    let (once, sent) = (sent_once(customer, &request.transfer), request.transfer.clone());
    let once_id = once.id(caller.tenant);
    let scope = [account_stream(request.customer), account_stream(request.to), customer_stream(request.to)];
    let decide = move |states: &States<'_>| match states.happened(once_id) {
        true => Err(LoyaltyError::TransferAlreadyMade { transfer: request.transfer.clone() }.into()),
        false => decide_transfer(states, &request, &today),
    };
    let asked = Request::new("loyalty.transfer", caller.now, scope, decide).content(content).once(once).keyed(key);
    let asked = unless_deleted(asked.seeing([programme_stream(caller.tenant)]), customer);
    let facts = move |customer| [sent_once(customer, &sent)];
    commands.execute(caller, also_of_duplicates(asked, caller.tenant, customer, facts)).await
}

fn decide_transfer(states: &States<'_>, request: &Transfer, today: &Today) -> Result<Changes, Refusal> {
    let Transfer { customer, transfer, to, points, reason } = request.clone();
    require_unblocked(states, customer)?;
    if matches!(states.get::<Customer>(to.as_uuid()), Customer::Deleted(_)) {
        return Err(LoyaltyError::ReceiverDeleted.into());
    }
    let (now, sender) = (today.now, states.get::<LoyaltyAccount>(customer.as_uuid()));
    let (id, why, programme) = (transfer.clone(), reason.clone(), rules_of(states, today.tenant));
    let send = LoyaltyCommand::SendTransfer { transfer: id, to, points, reason: why, programme, now };
    let sent = LoyaltyAccount::decide(sender, send)?;
    let moved = sent.iter().find_map(moved_by);
    let mut changes = Changes::none();
    today.append(&mut changes, customer, sent);
    if let Some((lots, currency)) = moved {
        let receive = LoyaltyCommand::ReceiveTransfer { transfer, from: customer, lots, reason, currency, now };
        today.append(&mut changes, to, LoyaltyAccount::decide(states.get::<LoyaltyAccount>(to.as_uuid()), receive)?);
    }
    Ok(changes)
}

fn moved_by(event: &LoyaltyEvent) -> Option<(Vec<MovedLot>, Currency)> {
    if let LoyaltyEvent::TransferSent { lots, currency, .. } = event { Some((lots.clone(), *currency)) } else { None }
}

/// A transfer is made, by the account that gives.
pub(super) fn sent_once(customer: CustomerId, transfer: &TransferId) -> Once {
    Once::new(account_stream(customer), "send_transfer", transfer.as_str())
}
