//! Is the server alive, is it ready, how are its parts. Without a key the answers are terse.

use crate::Api;
use crate::auth::identify;
use crate::headers::Occasion;
use crate::openapi::schemas;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use commands::job::JobStatus;
use commands::reactor::{ReactorState, ReactorStatus};
use projections::{ProjectorState, ProjectorStatus};
use serde::Serialize;
use std::time::Duration;
use store::Position;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready)).routes(routes!(health))
}

#[derive(Serialize, ToSchema)]
struct Health {
    #[schema(example = "ok")]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Components>,
}

#[derive(Serialize, ToSchema)]
struct Components {
    event_store: StoreHealth,
    #[schema(value_type = Vec<schemas::Projector>)]
    projectors: Vec<ProjectorStatus>,
    #[schema(value_type = Vec<schemas::Reactor>)]
    reactors: Vec<ReactorStatus>,
    #[schema(value_type = Vec<schemas::Job>)]
    jobs: Vec<JobStatus>,
}

#[derive(Serialize, ToSchema)]
struct StoreHealth {
    #[schema(example = "up")]
    status: &'static str,
    #[schema(value_type = Option<i64>)]
    head: Option<Position>,
}

impl Health {
    fn terse(status: &'static str) -> Self {
        Self { status, components: None }
    }
}

/// Says that the process answers.
#[utoipa::path(
    get, path = "/health/live", tag = "operations", operation_id = "get_live",
    responses((status = 200, description = "It answers", body = Health)),
)]
async fn live() -> Json<Health> {
    Json(Health::terse("live"))
}

/// Says whether the database is reached and no projector has failed.
#[utoipa::path(
    get, path = "/health/ready", tag = "operations", operation_id = "get_ready",
    responses(
        (status = 200, description = "Ready", body = Health),
        (status = 503, description = "Not ready", body = Health),
    ),
)]
async fn ready(State(api): State<Api>) -> Response {
    let (_, components) = probe(&api).await;
    match is_ready(&components) {
        true => Json(Health::terse("ready")).into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, Json(Health::terse("unavailable"))).into_response(),
    }
}

/// Says how the server is; with a key for operations also what each part does.
#[utoipa::path(
    get, path = "/health", tag = "operations", operation_id = "get_health",
    responses(
        (status = 200, description = "Well", body = Health),
        (status = 503, description = "Degraded, or unavailable", body = Health),
    ),
)]
async fn health(State(api): State<Api>, occasion: Occasion, headers: HeaderMap) -> Response {
    let (status, components) = probe(&api).await;
    let is_operator = identify(&api, &headers, &occasion).await.is_ok_and(|caller| caller.require_operator().is_ok());
    let code = if is_ready(&components) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Health { status, components: is_operator.then_some(components) })).into_response()
}

async fn probe(api: &Api) -> (&'static str, Components) {
    let head = tokio::time::timeout(PROBE_TIMEOUT, api.store.head()).await.ok().and_then(Result::ok);
    let projectors = match head {
        Some(_) => tokio::time::timeout(PROBE_TIMEOUT, api.projections.status()).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let reactors = match head {
        Some(_) => tokio::time::timeout(PROBE_TIMEOUT, api.reactors.status()).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let jobs = match head {
        Some(_) => tokio::time::timeout(PROBE_TIMEOUT, api.jobs.status()).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let status = if head.is_some() { "up" } else { "down" };
    let components = Components { event_store: StoreHealth { status, head }, projectors, reactors, jobs };
    let summary = match (head, is_ready(&components) && reactors_are_well(&components)) {
        (None, _) => "unavailable",
        (Some(_), false) => "degraded",
        (Some(_), true) => "ok",
    };
    (summary, components)
}

/// What they put aside wants to be looked at, but this node answers requests all the same.
fn reactors_are_well(components: &Components) -> bool {
    components.reactors.iter().all(|reactor| reactor.parked == 0 && reactor.state != ReactorState::Failed)
}

fn is_ready(components: &Components) -> bool {
    let has_failed = |projector: &ProjectorStatus| projector.state == ProjectorState::Failed;
    components.event_store.head.is_some() && !components.projectors.iter().any(has_failed)
}
