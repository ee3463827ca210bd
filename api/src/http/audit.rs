//! The audit trail over HTTP: who caused which event, when and on which occasion.

use crate::Api;
use crate::headers::{MinPosition, Parameters};
use crate::http::lists::{self, ListView, wrong};
use crate::http::wire::When;
use crate::http::{Found, wait_for};
use crate::problem::Problem;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use chrono::{DateTime, Utc};
use commands::{Caller, Scope};
use projections::ReadModel;
use projections::audit::audit_trail::{self, AuditRow, AuditTrail, Search};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const ACTOR_LENGTH_MAX: usize = 128;

pub(crate) fn routes() -> Router<Api> {
    Router::new().route("/v1/audit/events", get(search_events))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    actor: Option<String>,
    customer: Option<Uuid>,
    #[serde(rename = "type")]
    kind: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

impl Asked {
    fn search(self, caller: &Caller) -> Result<Search, Problem> {
        Ok(Search {
            customer: self.customer,
            types: lists::event_types(self.kind.as_deref())?,
            from: when("from", self.from.as_deref())?.map(|from| from.moment(caller)),
            to: when("to", self.to.as_deref())?.map(|to| to.end(caller)),
            actor: self.actor.map(actor).transpose()?,
        })
    }
}

fn when(name: &str, text: Option<&str>) -> Result<Option<When>, Problem> {
    let read =
        |text| When::parse(text).ok_or_else(|| wrong(name, "must be a time of RFC 3339 or a date such as 2026-03-01"));
    text.map(read).transpose()
}

/// No actor is called otherwise, and not every text may go to the database.
fn actor(text: String) -> Result<String, Problem> {
    let fits = (1..=ACTOR_LENGTH_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text) } else { Err(wrong("actor", "must be an actor such as key:<id> or cli")) }
}

#[derive(Serialize)]
struct AuditedView {
    position: i64,
    id: String,
    #[serde(rename = "type")]
    kind: String,
    category: String,
    stream: String,
    customer_id: Option<Uuid>,
    actor: String,
    request_id: Option<String>,
    correlation_id: Option<String>,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
}

impl From<AuditRow> for AuditedView {
    fn from(row: AuditRow) -> Self {
        Self {
            position: row.position.0,
            id: format!("{}/{}", row.stream, row.version),
            kind: row.event_type,
            category: row.category,
            stream: row.stream,
            customer_id: row.customer,
            actor: row.occasion.actor,
            request_id: row.occasion.request_id,
            correlation_id: row.occasion.correlation_id,
            occurred_at: row.occurred_at,
            recorded_at: row.recorded_at,
        }
    }
}

/// `GET /v1/audit/events`
async fn search_events(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<Asked>,
    min_position: MinPosition,
) -> Result<Found<ListView<AuditedView>>, Problem> {
    caller.require(Scope::AuditRead)?;
    let back = lists::back(asked.limit, asked.cursor.as_deref())?;
    let search = asked.search(&caller)?;
    wait_for(&api, &[AuditTrail::NAME], min_position).await?;
    let page = audit_trail::search(&api.pools, caller.tenant, search, back).await?;
    Ok(Found::list(page, AuditedView::from))
}
