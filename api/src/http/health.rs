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
use store::postgres::{TreeState, TreeStatus};
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
    /// Absent when they did not answer in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<schemas::Projector>>)]
    projectors: Option<Vec<ProjectorStatus>>,
    #[schema(value_type = Vec<schemas::Reactor>)]
    reactors: Vec<ReactorStatus>,
    #[schema(value_type = Vec<schemas::Job>)]
    jobs: Vec<JobStatus>,
    #[schema(value_type = schemas::Tree)]
    tree: TreeStatus,
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

/// Says whether the server can do its work: the database is reached, and no read model is still run by a server of an older version.
///
/// Until those are made again, queries may ask for what the rows have not got: whoever exchanges servers one after the other leaves the
/// requests to the older ones for so long. Where there is no older one, the server does what it can meanwhile. A projector that has
/// failed does not change that: commands and all other queries work, and on another node it would fail, too.
#[utoipa::path(
    get, path = "/health/ready", tag = "operations", operation_id = "get_ready",
    responses(
        (status = 200, description = "Ready", body = Health),
        (status = 503, description = "Not ready", body = Health),
    ),
)]
async fn ready(State(api): State<Api>) -> Response {
    let Look { status, is_outdated } = api.bounds().last_look.look(&api).await;
    match status {
        Status::Unavailable => answer(Status::Unavailable, None),
        Status::Ok | Status::Degraded if is_outdated => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "outdated", components: None })).into_response()
        }
        Status::Ok | Status::Degraded => Json(Health { status: "ready", components: None }).into_response(),
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
    Ok(answer(api.bounds().last_look.look(&api).await.status, None))
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

/// What a look at the parts comes to.
#[derive(Debug, Clone, Copy)]
struct Look {
    status: Status,
    /// Whether a read model is still run by a node of an older version.
    is_outdated: bool,
}

/// What strangers are told: however many ask, one of them looks, once a second.
#[derive(Debug, Default)]
pub(crate) struct LastLook(Mutex<Option<(Instant, Look)>>);

impl LastLook {
    async fn look(&self, api: &Api) -> Look {
        let mut last = self.0.lock().await;
        if let Some((at, look)) = *last
            && at.elapsed() < LOOK_AGAIN
        {
            return look;
        }
        let components = Components::looked_at(api).await;
        // Where that cannot be said in time, it is as it was; and at first not ready.
        let before = last.is_none_or(|(_, look)| look.is_outdated);
        let look = Look { status: components.status(), is_outdated: components.is_outdated().unwrap_or(before) };
        *last = Some((Instant::now(), look));
        look
    }
}

impl Components {
    async fn looked_at(api: &Api) -> Self {
        let head = tokio::time::timeout(PROBE_TIMEOUT, api.store.head()).await.ok().and_then(Result::ok);
        let status = if head.is_some() { "up" } else { "down" };
        let (event_store, tree) = (StoreHealth { status, head }, api.tree.status());
        if head.is_none() {
            return Self { event_store, projectors: None, reactors: Vec::new(), jobs: Vec::new(), tree };
        }
        let (projectors, reactors, jobs) =
            tokio::join!(soon(api.projections.status()), soon(api.reactors.status()), soon(api.jobs.status()));
        let (reactors, jobs) = (reactors.unwrap_or_default(), jobs.unwrap_or_default());
        Self { event_store, projectors, reactors, jobs, tree }
    }

    fn status(&self) -> Status {
        let is_stuck = |reactor: &ReactorStatus| reactor.parked > 0 || reactor.state == ReactorState::Failed;
        let is_still = self.projectors.as_ref().is_none_or(|projectors| projectors.iter().any(stands_still));
        let is_unpublished = self.tree.published.values().any(|published| published.error.is_some());
        let is_tree_degraded = self.tree.state == TreeState::Failed || is_unpublished;
        let is_degraded = is_still || is_tree_degraded || self.reactors.iter().any(is_stuck);
        match self.event_store.head {
            None => Status::Unavailable,
            Some(_) if is_degraded => Status::Degraded,
            Some(_) => Status::Ok,
        }
    }

    /// None when nobody knows.
    fn is_outdated(&self) -> Option<bool> {
        let is_older =
            |projector: &ProjectorStatus| projector.state == ProjectorState::Outdated && projector.owner.is_some();
        self.projectors.as_ref().map(|projectors| projectors.iter().any(is_older))
    }
}

/// Whether somebody has to see to it. Rows that another build has made are well where a node of that build runs the projector.
fn stands_still(projector: &ProjectorStatus) -> bool {
    match projector.state {
        ProjectorState::Failed | ProjectorState::Paused => true,
        state => state.is_of_another_build() && projector.owner.is_none(),
    }
}

async fn soon<T>(answer: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PROBE_TIMEOUT, answer).await.ok()
}
