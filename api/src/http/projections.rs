//! Projections over HTTP, for the operators of the installation: how they are, and what they are told.

use crate::Api;
use crate::body::JsonBody;
use crate::headers::Idempotency;
use crate::http::Done;
use crate::http::wire::Fields;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use commands::access::{SkipEvent, skip_event};
use commands::{Caller, CommandError, Scope};
use domain::ids::Label;
use domain::text::ReasonText;
use futures::TryStreamExt;
use projections::{ProjectionOverview, SkipError};
use serde::{Deserialize, Serialize};
use store::{Filter, Position, ReadAll, StoreError, TenantId};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(skip)).routes(routes!(pause)).routes(routes!(resume))
}

type Name = Result<Path<String>, PathRejection>;

#[derive(Serialize, ToSchema)]
#[schema(as = ProjectionsView)]
struct ListView {
    /// The last position of the log.
    #[schema(value_type = i64)]
    head: Position,
    #[schema(value_type = Vec<schemas::Projection>)]
    items: Vec<ProjectionOverview>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SkipBody {
    /// The position at which it has failed.
    #[schema(minimum = 1, example = 7)]
    position: i64,
    #[schema(example = "the row of order-7 does not fit")]
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct SkippedView {
    #[schema(example = "customers")]
    projection: &'static str,
    position: i64,
    skipped: bool,
}

#[derive(Serialize, ToSchema)]
struct PausedView {
    #[schema(example = "customers")]
    projection: &'static str,
    paused: bool,
}

/// Tells how all projections are.
#[utoipa::path(
    get, path = "/v1/projections", tag = "operations", operation_id = "list_projections",
    responses(
        (status = 200, description = "All of them", body = ListView),
        (status = 403, description = "operators_only"),
    ),
    security(("key" = [Scope::Operations])),
)]
async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<ListView>, Problem> {
    caller.require_operator()?;
    let (head, items) = api.projections.overview().await?;
    Ok(Json(ListView { head, items }))
}

/// Leaves out the event at which a projector has failed, and no other.
#[utoipa::path(
    post, path = "/v1/projections/{name}/skip", tag = "operations", operation_id = "skip_event",
    params(("name" = String, Path, description = "The projection's name", example = "customers"), Idempotency),
    request_body = SkipBody,
    responses(
        (status = 201, description = "Left out", body = SkippedView),
        (status = 403, description = "operators_only"),
        (status = 404, description = "projection_not_found"),
        (status = 409, description = "projection_not_failed, no_event_to_skip"),
    ),
    security(("key" = [Scope::Operations])),
)]
async fn skip(
    State(api): State<Api>,
    caller: Caller,
    name: Name,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<SkipBody>,
) -> Result<Done<SkippedView>, Problem> {
    caller.require_operator()?;
    let projection = known(&api, name)?;
    let wanted = wanted(projection, &body)?;
    let concerned =
        Caller { tenant: tenant_at(&api, Position(body.position)).await?.unwrap_or(caller.tenant), ..caller };
    let act = skip_event(&api.commands, &concerned, key, wanted);
    let committed = api.projections.skip(projection, Position(body.position), act).await.map_err(refused)?;
    let is_repeated = committed.repeated || committed.events.is_empty();
    let view = SkippedView { projection, position: body.position, skipped: true };
    Ok(Done::once(is_repeated, committed.position, view))
}

/// Lets a projector rest until it is resumed, on all nodes.
#[utoipa::path(
    post, path = "/v1/projections/{name}/pause", tag = "operations", operation_id = "pause_projection",
    params(("name" = String, Path, description = "The projection's name", example = "customers")),
    responses(
        (status = 200, description = "As it was asked", body = PausedView),
        (status = 403, description = "operators_only"),
        (status = 404, description = "projection_not_found"),
    ),
    security(("key" = [Scope::Operations])),
)]
async fn pause(State(api): State<Api>, caller: Caller, name: Name) -> Result<Json<PausedView>, Problem> {
    caller.require_operator()?;
    let projection = known(&api, name)?;
    api.projections.pause_projector(projection, &caller.actor).await?;
    Ok(Json(PausedView { projection, paused: true }))
}

/// Lets a projector go on.
#[utoipa::path(
    post, path = "/v1/projections/{name}/resume", tag = "operations", operation_id = "resume_projection",
    params(("name" = String, Path, description = "The projection's name", example = "customers")),
    responses(
        (status = 200, description = "As it was asked", body = PausedView),
        (status = 403, description = "operators_only"),
        (status = 404, description = "projection_not_found"),
    ),
    security(("key" = [Scope::Operations])),
)]
async fn resume(State(api): State<Api>, caller: Caller, name: Name) -> Result<Json<PausedView>, Problem> {
    caller.require_operator()?;
    let projection = known(&api, name)?;
    api.projections.resume_projector(projection).await?;
    Ok(Json(PausedView { projection, paused: false }))
}

/// Whose event stands at a position: that it is left out belongs on that tenant's audit trail.
async fn tenant_at(api: &Api, position: Position) -> Result<Option<TenantId>, StoreError> {
    let after = Position(position.0.saturating_sub(1));
    if after < Position(0) || position > api.store.head().await? {
        return Ok(None);
    }
    let read = ReadAll { after, filter: Filter::default(), limit: 1, reveal: false };
    let found = api.store.read_all(read).try_next().await?;
    Ok(found.filter(|event| event.position == position).map(|event| event.tenant))
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
        let detail = format!("there is no such projection; the projections are: {}", names.join(", "));
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
