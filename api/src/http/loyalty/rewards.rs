//! Stamp cards and their rewards: what is on them, what an order brought, and rewards handed over.

use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Idempotency, PathIdAnd};
use crate::http::Done;
use crate::http::customers::is_repeated;
use crate::http::wire::Fields;
use crate::openapi::parameters::OfReward;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::NaiveDate;
use commands::loyalty::rewards::RedeemReward;
use commands::{Caller, Scope};
use domain::Event;
use domain::ids::{CustomerId, OrderId};
use domain::loyalty::events::LoyaltyEvent;
use projections::loyalty::loyalty_balances::{CardBalance, RewardRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What is on a stamp card.
#[derive(Serialize, ToSchema)]
pub(super) struct StampCardView {
    #[schema(example = "coffee")]
    card: String,
    /// Below zero when the stamps of a reward that was handed over were taken back.
    #[schema(example = 7)]
    stamps: i64,
    /// How many make it full; none when the rules have no such card any more.
    #[schema(example = 10)]
    of: Option<u32>,
    /// What a full card earns.
    #[schema(example = "free_coffee")]
    reward: Option<String>,
}

impl From<CardBalance> for StampCardView {
    fn from(known: CardBalance) -> Self {
        let CardBalance { card, stamps, of, reward } = known;
        Self { card, stamps, of, reward }
    }
}

/// A reward that can be handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct RewardView {
    /// Its number in the account.
    #[schema(example = 1)]
    reward: u32,
    /// What it is.
    #[schema(example = "free_coffee")]
    code: String,
    /// The card that earned it.
    #[schema(example = "coffee")]
    card: String,
    earned_on: NaiveDate,
    /// The first day on which it is gone; none: never.
    expires_on: Option<NaiveDate>,
}

impl From<RewardRow> for RewardView {
    fn from(row: RewardRow) -> Self {
        let RewardRow { reward, card, code, earned_on, expires_on } = row;
        Self { reward, code, card, earned_on, expires_on }
    }
}

impl RewardView {
    fn told_by(event: &LoyaltyEvent) -> Option<Self> {
        let (LoyaltyEvent::RewardEarned { reward, card, code, earned_on, expires_on, .. }
        | LoyaltyEvent::RewardReturned { reward, card, code, earned_on, expires_on, .. }) = event
        else {
            return None;
        };
        let (code, card) = (code.as_str().to_owned(), card.as_str().to_owned());
        Some(Self { reward: *reward, code, card, earned_on: *earned_on, expires_on: *expires_on })
    }
}

/// The stamps that an order brought to a card, or took from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct StampsView {
    #[schema(example = "coffee")]
    card: String,
    /// Below zero those taken back.
    #[schema(example = 2)]
    stamps: i64,
    /// What is on the card afterwards.
    #[schema(example = 7)]
    on_card: i64,
}

/// What a command did to stamp cards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct CardsView {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stamps: Vec<StampsView>,
    /// Rewards of cards that are full now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rewards_earned: Vec<RewardView>,
    /// Numbers of rewards that are no more, because their stamps were taken back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!([1]))]
    rewards_withdrawn: Vec<u32>,
    /// Rewards that can be handed over again, because their order was given back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rewards_returned: Vec<RewardView>,
}

impl CardsView {
    /// With what an event tells of cards; most tell nothing.
    pub(super) fn tell(&mut self, event: &LoyaltyEvent) {
        if let LoyaltyEvent::StampAdded { card, stamps, on_card, .. } = event {
            self.put(card.as_str(), i64::from(*stamps), *on_card);
        }
        if let LoyaltyEvent::StampRemoved { card, stamps, on_card, .. } = event {
            self.put(card.as_str(), -i64::from(*stamps), *on_card);
        }
        if let LoyaltyEvent::RewardEarned { card, on_card, .. } = event {
            self.put(card.as_str(), 0, *on_card);
            self.rewards_earned.extend(RewardView::told_by(event));
        }
        if let LoyaltyEvent::RewardWithdrawn { reward, card, on_card, .. } = event {
            self.put(card.as_str(), 0, *on_card);
            // One that has come back to a card that owes stamps can be handed over no more than before.
            match self.rewards_returned.iter().position(|returned| returned.reward == *reward) {
                Some(place) => drop(self.rewards_returned.remove(place)),
                None => self.rewards_withdrawn.push(*reward),
            }
        }
        if let LoyaltyEvent::RewardReturned { .. } = event {
            self.rewards_returned.extend(RewardView::told_by(event));
        }
    }

    fn put(&mut self, card: &str, stamps: i64, on_card: i64) {
        match self.stamps.iter_mut().find(|known| known.card == card) {
            Some(known) => {
                known.stamps = known.stamps.saturating_add(stamps);
                known.on_card = on_card;
            }
            None => self.stamps.push(StampsView { card: card.to_owned(), stamps, on_card }),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedeemRewardBody {
    /// The order with which it is handed over.
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RedeemedRewardView {
    customer_id: Uuid,
    /// Its number in the account.
    #[schema(example = 1)]
    reward: u32,
    /// What is handed over; none when that was long ago.
    #[schema(example = "free_coffee")]
    code: Option<String>,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    position: i64,
    repeated: bool,
}

/// Hands a reward of a stamp card over, with an order.
#[utoipa::path(
    post, path = "/v1/customers/{id}/loyalty/rewards/{reward}/redeem", tag = "loyalty", operation_id = "redeem_reward",
    params(OfReward, Idempotency),
    request_body = RedeemRewardBody,
    responses(
        (status = 201, description = "Handed over", body = RedeemedRewardView),
        (status = 400, description = "invalid_parameter"),
        (status = 404, description = "not_a_member, customer_not_found, reward_not_found"),
        (status = 409, description = "reward_already_redeemed, account_closed, customer_blocked, customer_erased, customer_merged, customer_deleted"),
    ),
    security(("key" = [Scope::LoyaltyWrite])),
)]
pub(super) async fn redeem(
    State(api): State<Api>,
    caller: Caller,
    PathIdAnd(id, reward): PathIdAnd<u32>,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<RedeemRewardBody>,
) -> Result<Done<RedeemedRewardView>, Problem> {
    caller.require(Scope::LoyaltyWrite)?;
    let mut fields = Fields::default();
    let order = fields.keep("/order_id", OrderId::parse(&body.order_id));
    let order = fields.end(order)?;
    let order_id = order.as_str().to_owned();
    let request = RedeemReward { customer: CustomerId::new(id), reward, order };
    let committed = commands::loyalty::rewards::redeem(&api.commands, &caller, key, request).await?;
    let code = committed.events.iter().find_map(|recorded| match &recorded.event {
        Event::Loyalty(LoyaltyEvent::RewardRedeemed { code, .. }) => Some(code.as_str().to_owned()),
        Event::Loyalty(_)
        | Event::Customer(_)
        | Event::Programme(_)
        | Event::Credit(_)
        | Event::CreditGroup(_)
        | Event::Access(_) => None,
    });
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let view = RedeemedRewardView { customer_id: id, reward, code, order_id, position: position.0, repeated };
    Ok(Done::once(repeated, position, view))
}
