//! Projections over HTTP, for the operators of the installation: how they are, and what they are told.

use crate::Api;
use crate::body::JsonBody;
use crate::headers::Idempotency;
use crate::http::Done;
use crate::http::wire::Fields;
use crate::problem::Problem;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use commands::access::{SkipEvent, skip_event};
use commands::{Caller, CommandError, Scope};
use domain::ids::Label;
use domain::text::ReasonText;
use projections::{ProjectionOverview, SkipError};
use serde::{Deserialize, Serialize};
use store::Position;

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/projections", get(list))
        .route("/v1/projections/{name}/skip", post(skip))
        .route("/v1/projections/{name}/pause", post(pause))
        .route("/v1/projections/{name}/resume", post(resume))
}

type Name = Result<Path<String>, PathRejection>;

#[derive(Serialize)]
struct ListView {
    head: Position,
    items: Vec<ProjectionOverview>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SkipBody {
    position: i64,
    reason: String,
}

#[derive(Serialize)]
struct SkippedView {
    projection: &'static str,
    position: i64,
    skipped: bool,
}

#[derive(Serialize)]
struct PausedView {
    projection: &'static str,
    paused: bool,
}

/// `GET /v1/projections`
async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<ListView>, Problem> {
    caller.require(Scope::Operations)?;
    let (head, items) = api.projections.overview().await?;
    Ok(Json(ListView { head, items }))
}

/// `POST /v1/projections/{name}/skip`: leaves out the event at which the projector has failed, and no other.
async fn skip(
    State(api): State<Api>,
    caller: Caller,
    name: Name,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<SkipBody>,
) -> Result<Done<SkippedView>, Problem> {
    caller.require(Scope::Operations)?;
    let projection = known(&api, name)?;
    let act = skip_event(&api.commands, &caller, key, wanted(projection, &body)?);
    let committed = api.projections.skip(projection, Position(body.position), act).await.map_err(refused)?;
    let is_repeated = committed.repeated || committed.events.is_empty();
    let view = SkippedView { projection, position: body.position, skipped: true };
    Ok(Done::once(is_repeated, committed.position, view))
}

/// `POST /v1/projections/{name}/pause`: until it is resumed, on all nodes.
async fn pause(State(api): State<Api>, caller: Caller, name: Name) -> Result<Json<PausedView>, Problem> {
    caller.require(Scope::Operations)?;
    let projection = known(&api, name)?;
    api.projections.pause_projector(projection, &caller.actor).await?;
    Ok(Json(PausedView { projection, paused: true }))
}

/// `POST /v1/projections/{name}/resume`
async fn resume(State(api): State<Api>, caller: Caller, name: Name) -> Result<Json<PausedView>, Problem> {
    caller.require(Scope::Operations)?;
    let projection = known(&api, name)?;
    api.projections.resume_projector(projection).await?;
    Ok(Json(PausedView { projection, paused: false }))
}

fn wanted(projection: &str, body: &SkipBody) -> Result<SkipEvent, Problem> {
    let mut fields = Fields::default();
    let projector = Label::parse(projection).map_err(|error| Problem::internal().because(error))?;
    let reason = fields.keep("/reason", ReasonText::parse(&body.reason));
    fields.end(reason.map(|reason| SkipEvent { projector, position: body.position, reason }))
}

/// The projection of this name, or 404 with the names that there are.
fn known(api: &Api, name: Name) -> Result<&'static str, Problem> {
    let names: Vec<&str> = api.projections.names().collect();
    let found = name.ok().and_then(|Path(name)| names.iter().copied().find(|known| *known == name));
    found.ok_or_else(|| {
        let detail = format!("there is no such projection; there are {}", names.join(", "));
        Problem::not_found("projection_not_found", detail).with("known", names)
    })
}

fn refused(error: SkipError<CommandError>) -> Problem {
    let detail = error.to_string();
    match error {
        SkipError::NotFailed => Problem::new(StatusCode::CONFLICT, "projection_not_failed", detail),
        SkipError::NoEvent => Problem::new(StatusCode::CONFLICT, "no_event_to_skip", detail),
        SkipError::Elsewhere { failed_at, .. } => {
            Problem::invalid_field("/position", "wrong_position", detail).with("failed_at", failed_at.0)
        }
        SkipError::Act(error) => error.into(),
        SkipError::Store(error) => error.into(),
    }
}
