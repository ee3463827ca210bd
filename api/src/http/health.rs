//! Is the server alive, is it ready, how are its parts. Without a key the answers are terse.

use crate::Api;
use crate::auth::caller_or_stranger;
use crate::headers::Occasion;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use commands::job::JobStatus;
use commands::reactor::{ReactorState, ReactorStatus};
use projections::{ProjectorState, ProjectorStatus};
use serde::Serialize;
use std::time::{Duration, Instant};
use store::Position;
use tokio::sync::Mutex;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long strangers are told what was seen last.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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

/// Says that the process answers.
#[utoipa::path(
    get, path = "/health/live", tag = "operations", operation_id = "get_live",
    responses((status = 200, description = "It answers", body = Health)),
)]
async fn live() -> Json<Health> {
    Json(Health { status: "live", components: None })
}

/// Says whether the server can do its work: the database is reached.
///
/// A projector that has failed does not change that: commands and all other queries work, and on another node it would fail, too.
#[utoipa::path(
    get, path = "/health/ready", tag = "operations", operation_id = "get_ready",
    responses(
        (status = 200, description = "Ready", body = Health),
        (status = 503, description = "Not ready", body = Health),
    ),
)]
async fn ready(State(api): State<Api>) -> Response {
    match api.bounds().last_look.status(&api).await {
        Status::Ok | Status::Degraded => Json(Health { status: "ready", components: None }).into_response(),
        Status::Unavailable => answer(Status::Unavailable, None),
    }
}

/// Says how the server is; with a key for operations also what each part does.
#[utoipa::path(
    get, path = "/health", tag = "operations", operation_id = "get_health",
    responses(
        (status = 200, description = "Well; or degraded: it works, but somebody has to look at a part of it", body = Health),
        (status = 429, description = "rate_limited"),
        (status = 503, description = "Unavailable", body = Health),
    ),
)]
async fn health(State(api): State<Api>, occasion: Occasion, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = caller_or_stranger(&api, &headers, &occasion).await?;
    if caller.is_some_and(|caller| caller.require_operator().is_ok()) {
        let components = Components::looked_at(&api).await;
        return Ok(answer(components.status(), Some(components)));
    }
    Ok(answer(api.bounds().last_look.status(&api).await, None))
}

fn answer(status: Status, components: Option<Components>) -> Response {
    let code = match status {
        Status::Ok | Status::Degraded => StatusCode::OK,
        Status::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(Health { status: status.as_str(), components })).into_response()
}

/// How the server is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok,
    /// It answers requests, but a part of it wants to be looked at.
    Degraded,
    Unavailable,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What strangers are told: however many ask, one of them looks, once a second.
#[derive(Debug, Default)]
pub(crate) struct LastLook(Mutex<Option<(Instant, Status)>>);

impl LastLook {
    async fn status(&self, api: &Api) -> Status {
        let mut last = self.0.lock().await;
        if let Some((at, status)) = *last
            && at.elapsed() < LOOK_AGAIN
        {
            return status;
        }
        let status = Components::looked_at(api).await.status();
        *last = Some((Instant::now(), status));
        status
    }
}

impl Components {
    async fn looked_at(api: &Api) -> Self {
        let head = tokio::time::timeout(PROBE_TIMEOUT, api.store.head()).await.ok().and_then(Result::ok);
        let status = if head.is_some() { "up" } else { "down" };
        let event_store = StoreHealth { status, head };
        if head.is_none() {
            return Self { event_store, projectors: Vec::new(), reactors: Vec::new(), jobs: Vec::new() };
        }
        let (projectors, reactors, jobs) =
            tokio::join!(soon(api.projections.status()), soon(api.reactors.status()), soon(api.jobs.status()));
        Self { event_store, projectors, reactors, jobs }
    }

    fn status(&self) -> Status {
        let stands = |state: ProjectorState| matches!(state, ProjectorState::Failed | ProjectorState::Paused);
        let is_stuck = |reactor: &ReactorStatus| reactor.parked > 0 || reactor.state == ReactorState::Failed;
        let is_degraded =
            self.projectors.iter().any(|projector| stands(projector.state)) || self.reactors.iter().any(is_stuck);
        match self.event_store.head {
            None => Status::Unavailable,
            Some(_) if is_degraded => Status::Degraded,
            Some(_) => Status::Ok,
        }
    }
}

async fn soon<T: Default>(answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(PROBE_TIMEOUT, answer).await.unwrap_or_default()
}
