//! Reactors over HTTP: how they are, and the events that they could not act on. A caller sees its own tenant's events.

use crate::Api;
use crate::headers::Parameters;
use crate::http::lists::{self, Asked, Cursor, ListView};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use commands::reactor::ReactorStatus;
use commands::{Caller, Scope};
use projections::Page;
use serde::Serialize;
use store::Position;
use store::consumer::parked::Parked;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(parked)).routes(routes!(retry))
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReactorsView)]
struct Reactors {
    #[schema(value_type = Vec<schemas::Reactor>)]
    items: Vec<ReactorStatus>,
}

/// Tells how all reactors are, for operators of the installation: they act for all tenants.
#[utoipa::path(
    get, path = "/v1/reactors", tag = "operations", operation_id = "list_reactors",
    responses(
        (status = 200, description = "All of them", body = Reactors),
        (status = 403, description = "operators_only"),
    ),
    security(("key" = [Scope::Operations])),
)]
async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Reactors>, Problem> {
    caller.require_operator()?;
    Ok(Json(Reactors { items: api.reactors.status().await }))
}

#[derive(Serialize, ToSchema)]
struct ParkedView {
    position: i64,
    #[schema(value_type = schemas::EventId)]
    event_id: String,
    /// Why it could not be acted on; absent when it waits behind another of its stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "customer_erased")]
    error: Option<String>,
    attempts: i32,
    parked_at: DateTime<Utc>,
    next_attempt_at: DateTime<Utc>,
}

impl From<Parked> for ParkedView {
    fn from(parked: Parked) -> Self {
        let Parked { position, event_id, error, attempts, parked_at, next_attempt_at } = parked;
        Self { position: position.0, event_id, error, attempts, parked_at, next_attempt_at }
    }
}

/// Lists the events that a reactor could not act on, the oldest first.
#[utoipa::path(
    get, path = "/v1/reactors/{name}/parked", tag = "operations", operation_id = "list_parked_events",
    params(("name" = String, Path, description = "The reactor's name", example = "customer_lifecycle"), Asked),
    responses(
        (status = 200, description = "What waits to be acted on", body = ListView<ParkedView>),
        (status = 404, description = "reactor_not_found"),
    ),
    security(("key" = [Scope::Operations])),
)]
async fn parked(
    State(api): State<Api>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<ListView<ParkedView>>, Problem> {
    caller.require(Scope::Operations)?;
    let limit = lists::limit(asked.limit)?;
    let after = match asked.cursor.as_deref() {
        Some(cursor) => Position::parse(cursor)?,
        None => Position(0),
    };
    let Path(name) = name.map_err(|_| unknown())?;
    let page = api.reactors.parked(caller.tenant, &name, after, limit).await?.ok_or_else(unknown)?;
    Ok(Json(ListView::of(Page { rows: page.events, next: page.next }, ParkedView::from)))
}

#[derive(Serialize, ToSchema)]
struct RetryView {
    /// How many streams are tried again.
    streams: i64,
}

/// Has what is parked tried again at once.
#[utoipa::path(
    post, path = "/v1/reactors/{name}/parked/retry", tag = "operations", operation_id = "retry_parked_events",
    params(("name" = String, Path, description = "The reactor's name", example = "customer_lifecycle")),
    responses(
        (status = 200, description = "Asked for", body = RetryView),
        (status = 404, description = "reactor_not_found"),
    ),
    security(("key" = [Scope::Operations])),
)]
async fn retry(
    State(api): State<Api>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<RetryView>, Problem> {
    caller.require(Scope::Operations)?;
    let Path(name) = name.map_err(|_| unknown())?;
    let streams = api.reactors.retry(caller.tenant, &name).await?.ok_or_else(unknown)?;
    Ok(Json(RetryView { streams }))
}

fn unknown() -> Problem {
    let names: Vec<_> = commands::reactor::reactors().iter().map(|reactor| reactor.name).collect();
    Problem::not_found("reactor_not_found", format!("no reactor has this name; the reactors are: {}", names.join(", ")))
}
