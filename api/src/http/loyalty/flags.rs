//! What about accounts a person is to look at: orders that are bought and given back, again and again, and who may have sent itself.

use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Idempotency, MinPosition, Parameters, PathIdAnd};
use crate::http::customers::is_repeated;
use crate::http::lists::{self, ListView};
use crate::http::wire::Fields;
use crate::http::{Done, Found, wait_for};
use crate::openapi::parameters::OfFlag;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::NaiveDate;
use commands::loyalty::flags::ClearFlag;
use commands::{Caller, Scope};
use domain::ids::{CustomerId, ReasonCode};
use domain::loyalty::flags::FlagKind;
use projections::ReadModel;
use projections::loyalty::loyalty_flags::{self, FlagRow, LoyaltyFlags};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

#[derive(Serialize, ToSchema)]
pub(super) struct FlagView {
    customer_id: Uuid,
    /// What is to be looked at: `buy_refund_loop`, at least five orders that had earned were given back whole within thirty days;
    /// `self_referral`, who sent the customer may be the same person, or turned out to be.
    #[schema(example = "buy_refund_loop")]
    flag: &'static str,
    /// How many orders it was when it was flagged; of `self_referral` the first purchase, or none.
    #[schema(example = 5)]
    orders: i32,
    /// The business date of the first of them.
    since: NaiveDate,
    raised_on: NaiveDate,
    /// When somebody had looked at it, or the account was over; none: it is to be looked at.
    cleared_on: Option<NaiveDate>,
    /// What came of it.
    #[schema(value_type = Option<schemas::ReasonCode>)]
    reason: Option<String>,
}

impl From<FlagRow> for FlagView {
    fn from(row: FlagRow) -> Self {
        let FlagRow { account: customer_id, flag, orders, since, raised_on, cleared_on, reason, .. } = row;
        Self { customer_id, flag: flag.as_str(), orders, since, raised_on, cleared_on, reason }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AskedFlags {
    /// Only those of this customer.
    customer: Option<Uuid>,
    /// Those too that somebody has looked at.
    #[serde(default)]
    #[param(default = false, example = true)]
    cleared: bool,
    /// Most items of an answer.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: Option<usize>,
    /// Where to go on: `next_cursor` of the answer before.
    #[param(example = "b2a")]
    cursor: Option<String>,
}

/// Lists what about accounts is to be looked at, the latest first. Nothing is refused because of it.
#[utoipa::path(
    get, path = "/v1/loyalty/flags", tag = "loyalty", operation_id = "list_loyalty_flags",
    params(AskedFlags, MinPosition),
    responses((status = 200, description = "A part of the list", body = ListView<FlagView>)),
    security(("key" = [Scope::LoyaltyRead])),
)]
pub(super) async fn list_flags(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<AskedFlags>,
    min_position: MinPosition,
) -> Result<Found<ListView<FlagView>>, Problem> {
    caller.require(Scope::LoyaltyRead)?;
    let back = lists::back(asked.limit, asked.cursor.as_deref())?;
    wait_for(&api, &[LoyaltyFlags::NAME], min_position).await?;
    let page = loyalty_flags::list(&api.pools, caller.tenant, (asked.customer, asked.cleared), back).await?;
    Ok(Found::list(page, FlagView::from))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClearFlagBody {
    /// What came of it, as a word that reports can count.
    #[schema(value_type = Option<schemas::ReasonCode>)]
    reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ClearedFlagView {
    customer_id: Uuid,
    #[schema(example = "buy_refund_loop")]
    flag: &'static str,
    position: i64,
    repeated: bool,
}

/// Tells that somebody has looked at what was flagged. What was counted so far counts no more.
#[utoipa::path(
    post, path = "/v1/customers/{id}/loyalty/flags/{flag}/clear", tag = "loyalty", operation_id = "clear_loyalty_flag",
    params(OfFlag, Idempotency),
    request_body = ClearFlagBody,
    responses(
        (status = 201, description = "Cleared", body = ClearedFlagView),
        (status = 400, description = "invalid_parameter"),
        (status = 404, description = "not_a_member, customer_not_found, not_flagged"),
        (status = 409, description = "account_closed, customer_erased, customer_merged"),
    ),
    security(("key" = [Scope::LoyaltyAdjust])),
)]
pub(super) async fn clear(
    State(api): State<Api>,
    caller: Caller,
    PathIdAnd(id, flag): PathIdAnd<FlagKind>,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<ClearFlagBody>,
) -> Result<Done<ClearedFlagView>, Problem> {
    caller.require(Scope::LoyaltyAdjust)?;
    let mut fields = Fields::default();
    let reason = fields.keep("/reason", body.reason.as_deref().map(ReasonCode::parse).transpose());
    let reason = fields.end(reason)?;
    let request = ClearFlag { customer: CustomerId::new(id), flag, reason };
    let committed = commands::loyalty::flags::clear(&api.commands, &caller, key, request).await?;
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let view = ClearedFlagView { customer_id: id, flag: flag.as_str(), position: position.0, repeated };
    Ok(Done::once(repeated, position, view))
}
