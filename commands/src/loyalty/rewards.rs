//! Rewards of stamp cards, redeemed with an order.

use super::{account_stream, spending};
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::{IdempotencyKey, Once};
use domain::ids::{CustomerId, OrderId};
use domain::loyalty::commands::LoyaltyCommand;
use serde::Serialize;

/// A reward to be handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RedeemReward {
    /// Whose account.
    pub customer: CustomerId,
    /// Its number in the account.
    pub reward: u32,
    /// The order with which it is handed over.
    pub order: OrderId,
}

/// Hands a reward over with an order, once. Not to who is blocked.
///
/// # Errors
/// As [`CommandError`] says; refused as `reward_not_found` when there is none or it has expired, as `reward_already_redeemed` when it
/// was with another order.
pub async fn redeem(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: RedeemReward,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let RedeemReward { customer, reward, order } = request;
    let request = spending(caller, "loyalty.reward.redeem", customer, move |_| LoyaltyCommand::RedeemReward {
        reward,
        order: order.clone(),
        now,
    });
    let once = redeemed_once(customer, reward);
    commands.execute(caller, request.content(content).once(once).keyed(key)).await
}

/// A reward is handed over.
pub(super) fn redeemed_once(customer: CustomerId, reward: u32) -> Once {
    Once::new(account_stream(customer), "redeem_reward", reward.to_string())
}
