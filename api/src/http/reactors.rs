//! Reactors over HTTP: how they are, and the events that they could not act on. A caller sees its own tenant's events.

use crate::Api;
use crate::headers::Parameters;
use crate::http::lists::{self, Cursor};
use crate::problem::Problem;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use commands::reactor::ReactorStatus;
use commands::{Caller, Scope};
use serde::{Deserialize, Serialize};
use store::Position;
use store::consumer::parked::Parked;

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/reactors", get(list))
        .route("/v1/reactors/{name}/parked", get(parked))
        .route("/v1/reactors/{name}/parked/retry", post(retry))
}

#[derive(Serialize)]
struct Listed<T> {
    items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// `GET /v1/reactors`
async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Listed<ReactorStatus>>, Problem> {
    caller.require(Scope::Operations)?;
    Ok(Json(Listed { items: api.reactors.status().await, next_cursor: None }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct ParkedView {
    position: i64,
    event_id: String,
    /// Why it could not be acted on; absent when it waits behind another of its stream.
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// `GET /v1/reactors/{name}/parked`: what waits to be acted on, the oldest first.
async fn parked(
    State(api): State<Api>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Listed<ParkedView>>, Problem> {
    caller.require(Scope::Operations)?;
    let limit = lists::limit(asked.limit)?;
    let after = match asked.cursor.as_deref() {
        Some(cursor) => Position::parse(cursor)?,
        None => Position(0),
    };
    let Path(name) = name.map_err(|_| unknown())?;
    let page = api.reactors.parked(caller.tenant, &name, after, limit).await?.ok_or_else(unknown)?;
    let items = page.events.into_iter().map(ParkedView::from).collect();
    Ok(Json(Listed { items, next_cursor: page.next.as_ref().map(Cursor::text) }))
}

#[derive(Serialize)]
struct RetryView {
    /// How many streams are tried again.
    streams: i64,
}

/// `POST /v1/reactors/{name}/parked/retry`: has it tried again at once.
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
    Problem::not_found("reactor_not_found", "no reactor has this name")
}
