//! `GET /v1/customers/{id}/timeline`: what happened to a customer, the newest first, with the facts of each event.

use crate::Api;
use crate::headers::{MinPosition, Parameters, PathId};
use crate::http::lists::{self, ListView};
use crate::http::{Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::{DateTime, Utc};
use commands::{Caller, CommandError, Scope};
use domain::Event;
use projections::ReadModel;
use projections::customers::customer_timeline::{self, CustomerTimeline, TimelineRow};
use projections::customers::customers::{self, Customers};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Most entries of an answer.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: Option<usize>,
    /// Where to go on: `next_cursor` of the answer before.
    #[param(example = "b2a")]
    cursor: Option<String>,
    /// Only this event type, or those that begin so.
    #[serde(rename = "type")]
    #[param(example = "customer.*")]
    kind: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct EntryView {
    position: i64,
    #[serde(rename = "type")]
    #[schema(value_type = schemas::EventType)]
    kind: String,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    #[schema(value_type = schemas::Facts)]
    facts: Value,
}

impl From<TimelineRow> for EntryView {
    fn from(row: TimelineRow) -> Self {
        Self {
            position: row.position.0,
            kind: row.event_type,
            occurred_at: row.occurred_at,
            recorded_at: row.recorded_at,
            facts: row.facts,
        }
    }
}

/// What is told to who holds another scope, too, by the beginnings of its types.
const WALLS: [(Scope, &str); 2] = [(Scope::LoyaltyRead, "loyalty."), (Scope::CreditRead, "credit.")];

/// The types that a caller may see: points need the scope of points here as in the ledger, and so credit. Who asks for nothing else is
/// told so.
pub(super) fn visible(
    caller: &Caller,
    asked: Option<Vec<&'static str>>,
) -> Result<Option<Vec<&'static str>>, CommandError> {
    let walls: Vec<_> = WALLS.into_iter().filter(|(scope, _)| caller.require(*scope).is_err()).collect();
    if walls.is_empty() {
        return Ok(asked);
    }
    let behind = |name: &str| walls.iter().find(|(_, beginning)| name.starts_with(beginning));
    let asked = asked.unwrap_or_else(|| Event::TYPES.to_vec());
    let shown: Vec<_> = asked.iter().copied().filter(|name| behind(name).is_none()).collect();
    match asked.first().and_then(|name| behind(name)).filter(|_| shown.is_empty()) {
        Some((scope, _)) => caller.require(*scope).map(|()| None),
        None => Ok(Some(shown)),
    }
}

/// Tells what happened to a customer, the newest first.
///
/// What happened to points is told to who has `loyalty:read`, what happened to credit to who has `credit:read`.
#[utoipa::path(
    get, path = "/v1/customers/{id}/timeline", tag = "customers",
    params(PathId, Asked, MinPosition),
    responses(
        (status = 200, description = "A part of the timeline", body = ListView<EntryView>),
        (status = 404, description = "customer_not_found"),
    ),
    security(("key" = [Scope::CustomersRead])),
)]
pub(super) async fn get_timeline(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(asked): Parameters<Asked>,
    min_position: MinPosition,
) -> Result<Found<ListView<EntryView>>, Problem> {
    caller.require(Scope::CustomersRead)?;
    let back = lists::back(asked.limit, asked.cursor.as_deref())?;
    let types = visible(&caller, lists::event_types(asked.kind.as_deref())?)?;
    wait_for(&api, &[CustomerTimeline::NAME, Customers::NAME], min_position).await?;
    let page = customer_timeline::list(&api.pools, caller.tenant, id, types.as_deref(), back).await?;
    let found = Found::list(page, EntryView::from);
    // Nothing of the kind may have happened to a customer that there is.
    if found.body.is_empty() && customers::find(&api.pools, caller.tenant, id).await?.is_none() {
        return Err(super::customer_not_found());
    }
    Ok(found)
}
