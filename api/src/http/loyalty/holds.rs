//! Holds: points set aside while a sale is made, captured with it or released.

use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Idempotency, MinPosition, PathId, PathIds};
use crate::http::customers::is_repeated;
use crate::http::loyalty::PointsView;
use crate::http::wire::Fields;
use crate::http::{Done, wait_for};
use crate::openapi::parameters::OfHold;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::{DateTime, Utc};
use commands::loyalty::holds::{CaptureHold, PlaceHold, ReleaseHold};
use commands::{Caller, Committed, Scope};
use domain::ids::{CustomerId, HoldId, OrderId};
use domain::loyalty::events::LoyaltyEvent;
use domain::{Currency, Event, Money};
use projections::ReadModel;
use projections::loyalty::loyalty_balances::{self, HoldRow, LoyaltyBalances};
use projections::loyalty::loyalty_programmes::LoyaltyProgrammes;
use serde::{Deserialize, Serialize};
use store::Position;
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceBody {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(minimum = 1, example = 500)]
    points: i64,
}

/// Points that are set aside.
#[derive(Serialize, ToSchema)]
pub(super) struct HoldView {
    #[schema(value_type = Uuid)]
    hold_id: HoldId,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    points: i64,
    #[schema(value_type = schemas::Amount)]
    discount: String,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    lapses_at: DateTime<Utc>,
}

impl From<HoldRow> for HoldView {
    fn from(row: HoldRow) -> Self {
        let (discount, currency) = (row.discount.amount(), row.discount.currency());
        let (hold_id, order_id, points, lapses_at) = (row.hold, row.order, row.points, row.lapses_at);
        Self { hold_id, order_id, points, discount, currency, lapses_at }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct PlacedView {
    customer_id: Uuid,
    #[serde(flatten)]
    hold: HoldView,
    balance: i64,
    position: i64,
    repeated: bool,
}

/// Sets points aside while a sale is made.
#[utoipa::path(
    post, path = "/v1/customers/{id}/loyalty/holds", tag = "loyalty", operation_id = "place_hold",
    params(PathId, Idempotency),
    request_body = PlaceBody,
    responses(
        (status = 201, description = "Set aside", body = PlacedView),
        (status = 400, description = "position_beyond_head"),
        (status = 404, description = "not_a_member, customer_not_found, hold_not_found"),
        (status = 409, description = "order_already_held, order_already_redeemed, too_many_holds, account_closed, customer_blocked, customer_erased, customer_merged, customer_deleted, projection_behind"),
        (status = 422, description = "points_not_redeemable, insufficient_points"),
    ),
    security(("key" = [Scope::LoyaltyWrite])),
)]
pub(super) async fn place(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<PlaceBody>,
) -> Result<Done<PlacedView>, Problem> {
    caller.require(Scope::LoyaltyWrite)?;
    let order = read_order(&body.order_id)?;
    let request = PlaceHold { customer: CustomerId::new(id), points: body.points, order: order.clone() };
    let committed = commands::loyalty::holds::place(&api.commands, &caller, key, request).await?;
    let position = committed.position;
    let (hold, balance, repeated) = match placed_by(&committed) {
        Some((hold, balance)) => (hold, balance, committed.repeated),
        None => {
            let (hold, balance) = open_hold(&api, &caller, id, &order, position).await?;
            (hold, balance, true)
        }
    };
    let view = PlacedView { customer_id: id, hold, balance, position: position.0, repeated };
    Ok(Done::once(repeated, position, view))
}

fn placed_by(committed: &Committed) -> Option<(HoldView, i64)> {
    committed.events.iter().find_map(|recorded| match &recorded.event {
        Event::Loyalty(LoyaltyEvent::HoldPlaced { hold, order, points, discount, lapses_at, balance, .. }) => {
            let (amount, currency) = (discount.amount(), discount.currency());
            let (hold_id, order_id, points, lapses_at) = (*hold, order.as_str().to_owned(), *points, *lapses_at);
            Some((HoldView { hold_id, order_id, points, discount: amount, currency, lapses_at }, *balance))
        }
        Event::Loyalty(_)
        | Event::Customer(_)
        | Event::Programme(_)
        | Event::Credit(_)
        | Event::CreditGroup(_)
        | Event::Access(_) => None,
    })
}

/// The hold that the order has had before: the command found it and made no event, so the balances are asked for it.
async fn open_hold(
    api: &Api,
    caller: &Caller,
    account: Uuid,
    order: &OrderId,
    position: Position,
) -> Result<(HoldView, i64), Problem> {
    wait_for(api, &[LoyaltyBalances::NAME, LoyaltyProgrammes::NAME], MinPosition(Some(position.0))).await?;
    let known = loyalty_balances::find(&api.pools, caller.tenant, account, caller.this_moment()).await?;
    let found = known.and_then(|known| {
        let balance = known.value.available;
        let hold = known.value.holds.into_iter().find(|hold| hold.order == order.as_str())?;
        Some((hold.into(), balance))
    });
    let gone = "the hold of this order ended while it was looked up; ask again";
    found.ok_or_else(|| Problem::not_found("hold_not_found", gone))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CaptureBody {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct CapturedView {
    customer_id: Uuid,
    #[schema(value_type = Uuid)]
    hold_id: HoldId,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    points: Option<i64>,
    #[schema(value_type = Option<schemas::Amount>)]
    discount: Option<String>,
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Option<Currency>,
    balance: Option<i64>,
    position: i64,
    repeated: bool,
}

/// Redeems the points of a hold with its order.
#[utoipa::path(
    post, path = "/v1/customers/{id}/loyalty/holds/{hold}/capture", tag = "loyalty", operation_id = "capture_hold",
    params(OfHold, Idempotency),
    request_body = CaptureBody,
    responses(
        (status = 201, description = "Redeemed", body = CapturedView),
        (status = 404, description = "not_a_member, customer_not_found, hold_not_found"),
        (status = 409, description = "hold_over, hold_of_another_order, order_already_redeemed, account_closed, customer_erased, customer_merged, customer_deleted"),
    ),
    security(("key" = [Scope::LoyaltyWrite])),
)]
pub(super) async fn capture(
    State(api): State<Api>,
    caller: Caller,
    PathIds(customer, hold): PathIds,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<CaptureBody>,
) -> Result<Done<CapturedView>, Problem> {
    caller.require(Scope::LoyaltyWrite)?;
    let (order, hold) = (read_order(&body.order_id)?, HoldId::new(hold));
    let order_id = order.as_str().to_owned();
    let request = CaptureHold { customer: CustomerId::new(customer), hold, order };
    let committed = commands::loyalty::holds::capture(&api.commands, &caller, key, request).await?;
    let redeemed: Option<(i64, Money, i64)> = committed.events.iter().find_map(|recorded| match &recorded.event {
        Event::Loyalty(LoyaltyEvent::PointsRedeemed { points, discount, balance, .. }) => {
            Some((*points, *discount, *balance))
        }
        Event::Loyalty(_)
        | Event::Customer(_)
        | Event::Programme(_)
        | Event::Credit(_)
        | Event::CreditGroup(_)
        | Event::Access(_) => None,
    });
    let repeated = is_repeated(&committed);
    let view = CapturedView {
        customer_id: customer,
        hold_id: hold,
        order_id,
        points: redeemed.map(|(points, ..)| points),
        discount: redeemed.map(|(_, discount, _)| discount.amount()),
        currency: redeemed.map(|(_, discount, _)| discount.currency()),
        balance: redeemed.map(|(.., balance)| balance),
        position: committed.position.0,
        repeated,
    };
    Ok(Done::once(repeated, committed.position, view))
}

#[derive(Serialize, ToSchema)]
pub(super) struct ReleasedView {
    customer_id: Uuid,
    #[schema(value_type = Uuid)]
    hold_id: HoldId,
    balance: Option<i64>,
    position: i64,
    repeated: bool,
}

/// Gives the points of a hold back.
#[utoipa::path(
    post, path = "/v1/customers/{id}/loyalty/holds/{hold}/release", tag = "loyalty", operation_id = "release_hold",
    params(OfHold, Idempotency),
    responses(
        (status = 201, description = "Given back", body = ReleasedView),
        (status = 404, description = "not_a_member, customer_not_found, hold_not_found"),
        (status = 409, description = "hold_over, account_closed, customer_erased, customer_merged, customer_deleted"),
    ),
    security(("key" = [Scope::LoyaltyWrite])),
)]
pub(super) async fn release(
    State(api): State<Api>,
    caller: Caller,
    PathIds(customer, hold): PathIds,
    Idempotency(key): Idempotency,
) -> Result<Done<ReleasedView>, Problem> {
    caller.require(Scope::LoyaltyWrite)?;
    let hold = HoldId::new(hold);
    let request = ReleaseHold { customer: CustomerId::new(customer), hold };
    let committed = commands::loyalty::holds::release(&api.commands, &caller, key, request).await?;
    let balance = PointsView::of(&api, &caller, customer, &committed).await.balance;
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let view = ReleasedView { customer_id: customer, hold_id: hold, balance, position: position.0, repeated };
    Ok(Done::once(repeated, position, view))
}

fn read_order(text: &str) -> Result<OrderId, Problem> {
    let mut fields = Fields::default();
    let order = fields.keep("/order_id", OrderId::parse(text));
    fields.end(order)
}
