//! Orders that only the account knows, given back.

use crate::Api;
use crate::amount::AmountText;
use crate::body::JsonBody;
use crate::headers::{Idempotency, PathId};
use crate::http::Done;
use crate::http::customers::is_repeated;
use crate::http::loyalty::PointsView;
use crate::http::wire::Fields;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::loyalty::refunds::GiveBack;
use commands::{Caller, Scope};
use domain::ids::{CustomerId, OrderId, RefundId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GiveBackBody {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    /// Your name for it: the same one takes back once.
    #[schema(value_type = schemas::RefundId)]
    refund_id: String,
    /// What remains of the order's total; nothing, unless it is said.
    #[schema(value_type = Option<schemas::Amount>)]
    remaining: Option<AmountText>,
    /// Of what remains.
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Option<String>,
    #[schema(value_type = Option<schemas::When>)]
    occurred_at: Option<String>,
}

impl GiveBackBody {
    fn read(&self, customer: CustomerId, caller: &Caller) -> Result<GiveBack, Problem> {
        let mut fields = Fields::default();
        let order = fields.keep("/order_id", OrderId::parse(&self.order_id));
        let refund = fields.keep("/refund_id", RefundId::parse(&self.refund_id));
        let remaining = fields.optional_money("/remaining", self.remaining.as_ref(), self.currency.as_ref());
        if remaining.flatten().is_some_and(|remaining| remaining.is_negative()) {
            fields.blame("/remaining", "negative_total", "cannot be less than nothing");
        }
        let at = fields.when("/occurred_at", self.occurred_at.as_ref());
        let read = || {
            let at = at?.map(|when| when.moment(caller));
            Some(GiveBack { customer, refund: refund?, order: order?, remaining: remaining?, at })
        };
        fields.end(read())
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct GivenBackView {
    customer_id: Uuid,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(value_type = schemas::RefundId)]
    refund_id: String,
    #[serde(flatten)]
    points: PointsView,
    position: i64,
    repeated: bool,
}

/// Gives back an order that only the account knows.
///
/// One that was told by `earn`, or one that was discounted, or had a reward handed over with it, and then came to nothing. Its points go, those redeemed for it come back, and so do its rewards when nothing of it remains. A recorded purchase is given back by
/// `POST /v1/customers/{id}/refunds`.
#[utoipa::path(
    post, path = "/v1/customers/{id}/loyalty/refunds", tag = "loyalty", operation_id = "give_back_order",
    params(PathId, Idempotency),
    request_body = GiveBackBody,
    responses(
        (status = 201, description = "Given back", body = GivenBackView),
        (status = 404, description = "not_a_member, customer_not_found, order_not_known"),
        (status = 409, description = "order_recorded, refund_already_recorded, account_closed, customer_erased, customer_merged, customer_deleted"),
        (status = 422, description = "currency_mismatch, negative_total, nothing_given_back, total_not_known, in_the_future, too_long_ago"),
    ),
    security(("key" = [Scope::LoyaltyWrite])),
)]
pub(super) async fn give_back(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<GiveBackBody>,
) -> Result<Done<GivenBackView>, Problem> {
    caller.require(Scope::LoyaltyWrite)?;
    let request = body.read(CustomerId::new(id), &caller)?;
    let (order_id, refund_id) = (request.order.as_str().to_owned(), request.refund.as_str().to_owned());
    let committed = commands::loyalty::refunds::give_back(&api.commands, &caller, key, request).await?;
    let points = PointsView::of(&api, &caller, id, &committed).await;
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let view = GivenBackView { customer_id: id, order_id, refund_id, points, position: position.0, repeated };
    Ok(Done::once(repeated, position, view))
}
