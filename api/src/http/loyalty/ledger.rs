//! `GET /v1/customers/{id}/loyalty/ledger`: every movement of points with the balance that it left. `GET /v1/loyalty/ledger`: those of all
//! members, in the order in which they happened.

use crate::Api;
use crate::headers::{MinPosition, Parameters, PathId};
use crate::http::lists::{self, Asked, Cursor, ListView};
use crate::http::loyalty::campaigns::CampaignPointsView;
use crate::http::loyalty::not_a_member;
use crate::http::{Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use commands::{Caller, Scope};
use domain::Currency;
use projections::ReadModel;
use projections::loyalty::loyalty_balances::{self, LoyaltyBalances};
use projections::loyalty::loyalty_ledger::{self, LedgerRow, LoyaltyLedger};
use serde::{Deserialize, Serialize};
use store::Position;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

#[derive(Serialize, ToSchema)]
pub(super) struct MovementView {
    position: i64,
    #[schema(example = "earned")]
    kind: &'static str,
    points: i64,
    held: i64,
    balance: i64,
    lot: Option<i64>,
    #[schema(value_type = Option<schemas::OrderId>)]
    order_id: Option<String>,
    #[schema(value_type = Option<schemas::RefundId>)]
    refund_id: Option<String>,
    hold_id: Option<Uuid>,
    #[schema(value_type = Option<schemas::AdjustmentId>)]
    adjustment_id: Option<String>,
    /// Why points were given or taken by hand, or transferred.
    #[schema(value_type = Option<schemas::ReasonCode>)]
    reason: Option<String>,
    #[schema(value_type = Option<schemas::TransferId>)]
    transfer_id: Option<String>,
    other_customer_id: Option<Uuid>,
    #[schema(value_type = Option<schemas::Amount>)]
    amount: Option<String>,
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Option<Currency>,
    /// What of points earned campaigns gave; of those taken back, by how much less.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    campaigns: Vec<CampaignPointsView>,
    on: NaiveDate,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
}

impl From<LedgerRow> for MovementView {
    fn from(row: LedgerRow) -> Self {
        Self {
            position: row.position.0,
            kind: row.kind.as_str(),
            points: row.points,
            held: row.held,
            balance: row.balance,
            lot: row.lot,
            order_id: row.order,
            refund_id: row.refund,
            hold_id: row.hold,
            adjustment_id: row.adjustment,
            reason: row.reason,
            transfer_id: row.transfer,
            other_customer_id: row.other_account,
            amount: row.amount.map(|amount| amount.amount()),
            currency: row.amount.map(|amount| amount.currency()),
            campaigns: row.campaigns.into_iter().map(Into::into).collect(),
            on: row.moved_on,
            occurred_at: row.occurred_at,
            recorded_at: row.recorded_at,
        }
    }
}

/// Tells every movement of a member's points, the newest first, with the balance that it left.
#[utoipa::path(
    get, path = "/v1/customers/{id}/loyalty/ledger", tag = "loyalty", operation_id = "get_loyalty_ledger",
    params(PathId, Asked, MinPosition),
    responses(
        (status = 200, description = "A part of the ledger", body = ListView<MovementView>),
        (status = 404, description = "not_a_member"),
    ),
    security(("key" = [Scope::LoyaltyRead])),
)]
pub(super) async fn get_ledger(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(asked): Parameters<Asked>,
    min_position: MinPosition,
) -> Result<Found<ListView<MovementView>>, Problem> {
    caller.require(Scope::LoyaltyRead)?;
    let back = lists::back(asked.limit, asked.cursor.as_deref())?;
    wait_for(&api, &[LoyaltyLedger::NAME, LoyaltyBalances::NAME], min_position).await?;
    let page = loyalty_ledger::list(&api.pools, caller.tenant, id, back).await?;
    let found = Found::list(page, MovementView::from);
    // A member who never earned has an empty ledger; who is no member has none.
    if found.body.is_empty()
        && loyalty_balances::find(&api.pools, caller.tenant, id, caller.this_moment()).await?.is_none()
    {
        return Err(not_a_member());
    }
    Ok(found)
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AskedOfAll {
    /// Only this customer's.
    customer: Option<Uuid>,
    /// Most items of an answer.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: Option<usize>,
    /// Where to go on: `next_cursor` of the answer before.
    #[param(example = "b2a")]
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct MemberMovementView {
    customer_id: Uuid,
    #[serde(flatten)]
    movement: MovementView,
}

impl From<LedgerRow> for MemberMovementView {
    fn from(row: LedgerRow) -> Self {
        Self { customer_id: row.account, movement: row.into() }
    }
}

/// Tells every movement of all members' points, the oldest first, with the balance that it left.
#[utoipa::path(
    get, path = "/v1/loyalty/ledger", tag = "loyalty", operation_id = "list_loyalty_movements",
    params(AskedOfAll, MinPosition),
    responses((status = 200, description = "A part of the ledger", body = ListView<MemberMovementView>)),
    security(("key" = [Scope::LoyaltyRead])),
)]
pub(super) async fn list_movements(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<AskedOfAll>,
    min_position: MinPosition,
) -> Result<Found<ListView<MemberMovementView>>, Problem> {
    caller.require(Scope::LoyaltyRead)?;
    let limit = lists::limit(asked.limit)?;
    let after = asked.cursor.as_deref().map(Position::parse).transpose()?.unwrap_or(Position(0));
    wait_for(&api, &[LoyaltyLedger::NAME], min_position).await?;
    let page = loyalty_ledger::list_after(&api.pools, caller.tenant, asked.customer, after, limit).await?;
    Ok(Found::list(page, MemberMovementView::from))
}
