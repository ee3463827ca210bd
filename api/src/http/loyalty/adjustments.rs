//! Points given and taken by hand.

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
use commands::loyalty::adjustments::Adjust;
use commands::{Caller, Committed, Scope};
use domain::Event;
use domain::ids::{AdjustmentId, CustomerId};
use domain::loyalty::adjustments::{AdjustmentNote, AdjustmentReason};
use domain::loyalty::events::LoyaltyEvent;
use domain::text::ReasonText;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AdjustBody {
    #[schema(value_type = schemas::AdjustmentId)]
    adjustment_id: String,
    /// How many points to give; below zero to take.
    #[schema(minimum = -1_000_000, maximum = 1_000_000, example = 200)]
    points: i64,
    #[schema(value_type = schemas::AdjustmentReason)]
    reason: String,
    /// What is to be known about it. Who asks for all that is known of them is told.
    #[schema(max_length = 500, example = "A broken cup")]
    note: Option<String>,
}

impl AdjustBody {
    fn read(&self, customer: CustomerId) -> Result<Adjust, Problem> {
        let mut fields = Fields::default();
        let adjustment = fields.keep("/adjustment_id", AdjustmentId::parse(&self.adjustment_id));
        let reason = fields.keep("/reason", AdjustmentReason::parse(&self.reason));
        let note = fields.keep_optional("/note", self.note.as_ref(), ReasonText::parse);
        let read = || {
            let note = AdjustmentNote { note: note? };
            Some(Adjust { customer, adjustment: adjustment?, points: self.points, reason: reason?, note })
        };
        fields.end(read())
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct AdjustedView {
    customer_id: Uuid,
    #[schema(value_type = schemas::AdjustmentId)]
    adjustment_id: String,
    points: i64,
    #[schema(value_type = schemas::AdjustmentReason)]
    reason: &'static str,
    /// The first day on which points that were given are gone.
    expires_on: Option<NaiveDate>,
    balance: Option<i64>,
    position: i64,
    repeated: bool,
}

/// Gives or takes points by hand. They count for no tier.
#[utoipa::path(
    post, path = "/v1/customers/{id}/loyalty/adjustments", tag = "loyalty", operation_id = "adjust_points",
    params(PathId, Idempotency),
    request_body = AdjustBody,
    responses(
        (status = 201, description = "Given or taken", body = AdjustedView),
        (status = 404, description = "not_a_member, customer_not_found"),
        (status = 409, description = "adjustment_already_made, already_happened, account_closed, customer_erased, customer_merged, customer_deleted"),
        (status = 422, description = "adjustment_of_nothing, adjustment_limit, insufficient_points, points_limit"),
    ),
    security(("key" = [Scope::LoyaltyAdjust])),
)]
pub(super) async fn adjust(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<AdjustBody>,
) -> Result<Done<AdjustedView>, Problem> {
    caller.require(Scope::LoyaltyAdjust)?;
    let request = body.read(CustomerId::new(id))?;
    let (adjustment_id, points, reason) = (request.adjustment.as_str().to_owned(), request.points, request.reason);
    let committed = commands::loyalty::adjustments::adjust(&api.commands, &caller, key, request).await?;
    let balance = PointsView::of(&api, &caller, id, &committed).await.balance;
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let view = AdjustedView {
        customer_id: id,
        adjustment_id,
        points,
        reason: reason.as_str(),
        expires_on: expires_on(&committed),
        balance,
        position: position.0,
        repeated,
    };
    Ok(Done::once(repeated, position, view))
}

fn expires_on(committed: &Committed) -> Option<NaiveDate> {
    committed.events.iter().find_map(|recorded| match &recorded.event {
        Event::Loyalty(LoyaltyEvent::PointsAdjusted { expires_on, .. }) => *expires_on,
        Event::Loyalty(_)
        | Event::Customer(_)
        | Event::Programme(_)
        | Event::Credit(_)
        | Event::CreditGroup(_)
        | Event::Access(_) => None,
    })
}
