//! Jobs over HTTP: when they run, what their runs did, and a run now. A caller sees its own tenant's runs.

use crate::Api;
use crate::headers::{Idempotency, Parameters};
use crate::http::lists::{self, Asked, ListView};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use commands::job::{JobState, JobView};
use commands::{Caller, Scope};
use projections::Page;
use serde::Serialize;
use store::job_runs::JobRun;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(runs, run_now)).routes(routes!(one_run))
}

#[derive(Serialize, ToSchema)]
#[schema(as = JobsView)]
struct Jobs {
    items: Vec<JobBody>,
}

#[derive(Serialize, ToSchema)]
struct JobBody {
    #[schema(example = "loyalty_expiry")]
    name: &'static str,
    #[schema(example = "Lets points expire whose day has come")]
    about: &'static str,
    /// A cron pattern, in the time of the tenant.
    #[schema(example = "0 3 * * *")]
    schedule: String,
    #[schema(example = "Europe/Madrid")]
    time_zone: &'static str,
    #[schema(value_type = schemas::JobState)]
    state: JobState,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "the event store is unavailable")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_run_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run: Option<RunBody>,
}

impl JobBody {
    fn of(view: JobView, caller: &Caller) -> Self {
        let JobView { status, about, schedule, next_run_at, last_run } = view;
        Self {
            name: status.name,
            about,
            schedule: schedule.to_string(),
            time_zone: caller.zone.name(),
            state: status.state,
            owner: status.owner,
            error: status.error,
            next_run_at,
            last_run: last_run.map(RunBody::from),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct RunBody {
    run_id: Uuid,
    #[schema(example = "loyalty_expiry")]
    job: String,
    #[schema(value_type = schemas::RunStatus)]
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_for: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::Actor>)]
    asked_by: Option<String>,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime<Utc>>,
    attempts: i32,
    examined: i64,
    changed: i64,
    refused: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "the event store is unavailable")]
    error: Option<String>,
}

impl From<JobRun> for RunBody {
    fn from(run: JobRun) -> Self {
        let open = if run.started_at.is_some() { "running" } else { "waiting" };
        Self {
            run_id: run.id,
            job: run.job,
            status: run.outcome.unwrap_or_else(|| open.to_owned()),
            scheduled_for: run.scheduled_for,
            asked_by: run.asked_by,
            created_at: run.created_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
            attempts: run.attempts,
            examined: run.tally.examined,
            changed: run.tally.changed,
            refused: run.tally.refused,
            error: run.error,
        }
    }
}

/// Tells when jobs run, and how their last run went.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "operations", operation_id = "list_jobs",
    responses(
        (status = 200, description = "All of them", body = Jobs),
    ),
    security(("key" = [Scope::Operations])),
)]
async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Jobs>, Problem> {
    caller.require(Scope::Operations)?;
    let jobs = api.jobs.of(&caller).await?;
    Ok(Json(Jobs { items: jobs.into_iter().map(|job| JobBody::of(job, &caller)).collect() }))
}

type Named = Result<Path<String>, PathRejection>;

/// Lists the runs of a job, the newest first.
#[utoipa::path(
    get, path = "/v1/jobs/{name}/runs", tag = "operations", operation_id = "list_job_runs",
    params(("name" = String, Path, description = "The job's name", example = "loyalty_expiry"), Asked),
    responses(
        (status = 200, description = "Runs", body = ListView<RunBody>),
        (status = 404, description = "job_not_found"),
    ),
    security(("key" = [Scope::Operations])),
)]
async fn runs(
    State(api): State<Api>,
    caller: Caller,
    name: Named,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<ListView<RunBody>>, Problem> {
    caller.require(Scope::Operations)?;
    let Path(name) = name.map_err(|_| unknown())?;
    let back = lists::back(asked.limit, asked.cursor.as_deref())?;
    let page = api.jobs.runs(&caller, &name, (back.before, back.limit)).await?.ok_or_else(unknown)?;
    Ok(Json(ListView::of(Page { rows: page.runs, next: page.next }, RunBody::from)))
}

/// Tells of one run of a job.
#[utoipa::path(
    get, path = "/v1/jobs/{name}/runs/{id}", tag = "operations", operation_id = "get_job_run",
    params(("name" = String, Path, description = "The job's name", example = "loyalty_expiry"), ("id" = Uuid, Path, description = "The run's id")),
    responses(
        (status = 200, description = "The run", body = RunBody),
        (status = 404, description = "job_run_not_found"),
    ),
    security(("key" = [Scope::Operations])),
)]
async fn one_run(
    State(api): State<Api>,
    caller: Caller,
    path: Result<Path<(String, Uuid)>, PathRejection>,
) -> Result<Json<RunBody>, Problem> {
    caller.require(Scope::Operations)?;
    let no_such_run = || Problem::not_found("job_run_not_found", "the job has no such run");
    let Path((name, id)) = path.map_err(|_| no_such_run())?;
    let run = api.jobs.run(&caller, &name, id).await?.ok_or_else(no_such_run)?;
    Ok(Json(run.into()))
}

/// Asks for a run of a job. While one that was asked for waits or runs, it is that one.
#[utoipa::path(
    post, path = "/v1/jobs/{name}/runs", tag = "operations", operation_id = "run_job",
    params(("name" = String, Path, description = "The job's name", example = "loyalty_expiry"), Idempotency),
    responses(
        (status = 202, description = "It will be run", body = RunBody,
            headers(("Location" = String, description = "Path of the run"))),
        (status = 404, description = "job_not_found"),
    ),
    security(("key" = [Scope::Operations])),
)]
async fn run_now(
    State(api): State<Api>,
    caller: Caller,
    name: Named,
    Idempotency(key): Idempotency,
) -> Result<Response, Problem> {
    caller.require(Scope::Operations)?;
    let Path(name) = name.map_err(|_| unknown())?;
    let run = api.jobs.ask(&caller, &name, key.as_ref()).await?.ok_or_else(unknown)?;
    let location = HeaderValue::try_from(format!("/v1/jobs/{name}/runs/{}", run.id)).ok();
    let mut response = (StatusCode::ACCEPTED, Json(RunBody::from(run))).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn unknown() -> Problem {
    let names: Vec<_> = commands::job::jobs().iter().map(|job| job.name).collect();
    Problem::not_found("job_not_found", format!("no job has this name; the jobs are: {}", names.join(", ")))
}
