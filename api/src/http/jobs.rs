//! Jobs over HTTP: when they run, what their runs did, and a run now. A caller sees its own tenant's runs.

use crate::Api;
use crate::headers::{Idempotency, Parameters};
use crate::http::lists::{self, Cursor};
use crate::problem::Problem;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use commands::job::{JobState, JobView};
use commands::{Caller, Scope};
use serde::{Deserialize, Serialize};
use store::job_runs::JobRun;
use uuid::Uuid;

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/jobs", get(list))
        .route("/v1/jobs/{name}/runs", get(runs).post(run_now))
        .route("/v1/jobs/{name}/runs/{id}", get(one_run))
}

#[derive(Serialize)]
struct Listed<T> {
    items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct JobBody {
    name: &'static str,
    about: &'static str,
    /// A cron pattern, in the time of the tenant.
    schedule: String,
    time_zone: &'static str,
    state: JobState,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
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

#[derive(Serialize)]
struct RunBody {
    run_id: Uuid,
    job: String,
    /// `waiting`, `running`, `done` or `incomplete`.
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_for: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// `GET /v1/jobs`
async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Listed<JobBody>>, Problem> {
    caller.require(Scope::Operations)?;
    let jobs = api.jobs.of(&caller).await?;
    Ok(Json(Listed { items: jobs.into_iter().map(|job| JobBody::of(job, &caller)).collect(), next_cursor: None }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    limit: Option<usize>,
    cursor: Option<String>,
}

type Named = Result<Path<String>, PathRejection>;

/// `GET /v1/jobs/{name}/runs`: the newest first.
async fn runs(
    State(api): State<Api>,
    caller: Caller,
    name: Named,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Listed<RunBody>>, Problem> {
    caller.require(Scope::Operations)?;
    let Path(name) = name.map_err(|_| unknown())?;
    let back = lists::back(asked.limit, asked.cursor.as_deref())?;
    let page = api.jobs.runs(&caller, &name, (back.before, back.limit)).await?.ok_or_else(unknown)?;
    let items = page.runs.into_iter().map(RunBody::from).collect();
    Ok(Json(Listed { items, next_cursor: page.next.as_ref().map(Cursor::text) }))
}

/// `GET /v1/jobs/{name}/runs/{id}`
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

/// `POST /v1/jobs/{name}/runs`: asks for a run. While one that was asked for waits or runs, it is that one.
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
    Problem::not_found("job_not_found", "no job has this name")
}
