//! Pending points that vest because what was waited for has happened.

use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Idempotency, PathId};
use crate::http::Done;
use crate::http::customers::is_repeated;
use crate::http::loyalty::PointsView;
use crate::http::wire::Fields;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::NaiveDate;
use commands::loyalty::vesting::Vest;
use commands::{Caller, Scope};
use domain::Event;
use domain::ids::{CustomerId, OrderId};
use domain::loyalty::events::LoyaltyEvent;
use projections::loyalty::loyalty_balances::PendingRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Points of a purchase that have not vested.
#[derive(Serialize, ToSchema)]
pub(super) struct PendingView {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    points: i64,
    /// The business date of the purchase.
    pending_on: NaiveDate,
    /// The day on which they vest; none when somebody has to say so.
    vests_on: Option<NaiveDate>,
}

impl From<PendingRow> for PendingView {
    fn from(row: PendingRow) -> Self {
        let PendingRow { order: order_id, points, pending_on, vests_on, .. } = row;
        Self { order_id, points, pending_on, vests_on }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VestBody {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct VestedView {
    customer_id: Uuid,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    /// None when they had vested before.
    points_vested: Option<i64>,
    #[serde(flatten)]
    points: PointsView,
    position: i64,
    repeated: bool,
}

/// Lets the pending points of an order vest, because what was waited for has happened.
#[utoipa::path(
    post, path = "/v1/customers/{id}/loyalty/vest", tag = "loyalty", operation_id = "vest_points",
    params(PathId, Idempotency),
    request_body = VestBody,
    responses(
        (status = 201, description = "Vested", body = VestedView),
        (status = 404, description = "not_a_member, customer_not_found, points_not_pending"),
        (status = 409, description = "account_closed, customer_erased, customer_merged, customer_deleted"),
    ),
    security(("key" = [Scope::LoyaltyWrite])),
)]
pub(super) async fn vest(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<VestBody>,
) -> Result<Done<VestedView>, Problem> {
    caller.require(Scope::LoyaltyWrite)?;
    let mut fields = Fields::default();
    let order = fields.keep("/order_id", OrderId::parse(&body.order_id));
    let order = fields.end(order)?;
    let request = Vest { customer: CustomerId::new(id), order: order.clone() };
    let committed = commands::loyalty::vesting::vest(&api.commands, &caller, key, request).await?;
    let points_vested = committed.events.iter().find_map(|recorded| match &recorded.event {
        Event::Loyalty(LoyaltyEvent::PointsEarned { order: vested, points, .. }) => {
            (*vested == order).then_some(*points)
        }
        Event::Loyalty(_)
        | Event::Customer(_)
        | Event::Programme(_)
        | Event::Credit(_)
        | Event::CreditGroup(_)
        | Event::Access(_) => None,
    });
    let points = PointsView::of(&api, &caller, id, &committed).await;
    let (position, repeated) = (committed.position, is_repeated(&committed) || points_vested.is_none());
    let order_id = order.as_str().to_owned();
    let view = VestedView { customer_id: id, order_id, points_vested, points, position: position.0, repeated };
    Ok(Done::once(repeated, position, view))
}
