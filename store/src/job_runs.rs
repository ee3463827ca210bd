//! Runs of jobs: which are to be made, where each stands, and what came of it.
//!
//! A run belongs to one tenant. It is scheduled once for a moment, whoever tries to, and carried out under the epoch of a lease
//! ([`crate::consumer::Leases`]): who began it under an older epoch can write nothing of it any more.
//!
//! Nothing here knows what a job does.

use crate::postgres::{Pools, unavailable};
use crate::{Position, StoreError, TenantId};
use chrono::{DateTime, Utc};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgPool, Postgres, Row};
use std::time::Duration;
use uuid::Uuid;

/// A run of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    /// Its id.
    pub id: Uuid,
    /// Its place in the order in which runs were made known.
    pub number: Position,
    /// Which job.
    pub job: String,
    /// For whom.
    pub tenant: TenantId,
    /// The moment for which it was scheduled; none when somebody asked for it.
    pub scheduled_for: Option<DateTime<Utc>>,
    /// Who asked for it.
    pub asked_by: Option<String>,
    /// When it was made known.
    pub created_at: DateTime<Utc>,
    /// When it was first begun.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was done.
    pub ended_at: Option<DateTime<Utc>>,
    /// `done` or `incomplete`; none while it waits or runs.
    pub outcome: Option<String>,
    /// How often it was begun: more than once when a node stopped meanwhile.
    pub attempts: i32,
    /// What it has done.
    pub tally: Tally,
    /// Behind which item it goes on.
    pub cursor: Option<String>,
    /// What went wrong; no personal data.
    pub error: Option<String>,
}

/// What a run has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Items looked at. What was looked at just before a node was killed may be counted twice.
    pub examined: i64,
    /// Items that were changed.
    pub changed: i64,
    /// Items whose change was refused.
    pub refused: i64,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All was done.
    Done,
    /// Something was refused.
    Incomplete,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Incomplete => "incomplete",
        }
    }
}

const COLUMNS: &str = "id, number, job, tenant, scheduled_for, asked_by, created_at, started_at, ended_at, outcome, \
                       attempts, examined, changed, refused, cursor, error";

/// Makes a scheduled run known, unless it is already. Says whether it is new.
///
/// # Errors
/// When the database is away.
pub async fn schedule(
    pool: &PgPool,
    id: Uuid,
    (job, tenant): (&str, TenantId),
    scheduled_for: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let made = sqlx::query(
        "insert into job_runs (id, job, tenant, scheduled_for) values ($1, $2, $3, $4) on conflict do nothing",
    )
    .bind(id)
    .bind(job)
    .bind(tenant.0)
    .bind(scheduled_for)
    .execute(pool)
    .await
    .map_err(unavailable)?;
    Ok(made.rows_affected() == 1)
}

/// Makes a run known that somebody asked for; the one that waits or runs already when there is one, or the one of the same id.
///
/// # Errors
/// When the database is away.
pub async fn ask(
    pool: &PgPool,
    id: Uuid,
    (job, tenant): (&str, TenantId),
    asked_by: &str,
) -> Result<JobRun, StoreError> {
    sqlx::query("insert into job_runs (id, job, tenant, asked_by) values ($1, $2, $3, $4) on conflict do nothing")
        .bind(id)
        .bind(job)
        .bind(tenant.0)
        .bind(asked_by)
        .execute(pool)
        .await
        .map_err(unavailable)?;
    let sql = format!(
        "select {COLUMNS} from job_runs where job = $2 and tenant = $3 \
         and (id = $1 or (ended_at is null and asked_by is not null)) order by (id = $1) desc limit 1"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).bind(job).bind(tenant.0);
    let row = query.fetch_one(pool).await.map_err(unavailable)?;
    read(&row).map_err(unavailable)
}

/// The runs of a job that wait or were left in the middle, the oldest first.
///
/// # Errors
/// When the database is away.
pub async fn open(pool: &PgPool, job: &str) -> Result<Vec<JobRun>, StoreError> {
    let sql = format!("select {COLUMNS} from job_runs where job = $1 and ended_at is null order by number limit 100");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(job).fetch_all(pool).await.map_err(unavailable)?;
    rows.iter().map(read).collect::<Result<_, _>>().map_err(unavailable)
}

/// Begins a run, or goes on with one, under an epoch. `false`: a newer owner has it, or it is over.
///
/// # Errors
/// When the database is away.
pub async fn begin(pool: &PgPool, id: Uuid, epoch: i64) -> Result<bool, StoreError> {
    let begun = sqlx::query(
        "update job_runs set epoch = $2, attempts = attempts + 1, started_at = coalesce(started_at, clock_timestamp()) \
         where id = $1 and epoch <= $2 and ended_at is null",
    );
    changed(begun.bind(id).bind(epoch), pool).await
}

/// Adds to what a run has done, and notes where it goes on. `false`: a newer owner has it.
///
/// # Errors
/// When the database is away.
pub async fn note(
    pool: &PgPool,
    (id, epoch): (Uuid, i64),
    more: &Tally,
    (cursor, error): (&str, Option<&str>),
) -> Result<bool, StoreError> {
    let noted = sqlx::query(
        "update job_runs set examined = examined + $3, changed = changed + $4, refused = refused + $5, cursor = $6, \
         error = coalesce(error, $7) where id = $1 and epoch = $2 and ended_at is null",
    )
    .bind(id)
    .bind(epoch)
    .bind(more.examined)
    .bind(more.changed)
    .bind(more.refused)
    .bind(cursor)
    .bind(error);
    changed(noted, pool).await
}

/// Ends a run. `false`: a newer owner has it.
///
/// # Errors
/// When the database is away.
pub async fn end(pool: &PgPool, id: Uuid, epoch: i64) -> Result<bool, StoreError> {
    let ended = sqlx::query(
        "update job_runs set ended_at = clock_timestamp(), outcome = case when refused = 0 then $3 else $4 end \
         where id = $1 and epoch = $2 and ended_at is null",
    )
    .bind(id)
    .bind(epoch)
    .bind(Outcome::Done.as_str())
    .bind(Outcome::Incomplete.as_str());
    changed(ended, pool).await
}

async fn changed(query: Query<'_, Postgres, PgArguments>, pool: &PgPool) -> Result<bool, StoreError> {
    query.execute(pool).await.map(|changed| changed.rows_affected() == 1).map_err(unavailable)
}

/// Forgets runs that ended so long ago, but for the latest of each tenant.
///
/// # Errors
/// When the database is away.
pub async fn prune(pool: &PgPool, job: &str, older_than: Duration) -> Result<u64, StoreError> {
    let pruned = sqlx::query(
        "delete from job_runs r where r.job = $1 and r.ended_at < clock_timestamp() - make_interval(secs => $2) \
         and exists (select from job_runs later where later.job = r.job and later.tenant = r.tenant \
                     and later.number > r.number)",
    )
    .bind(job)
    .bind(older_than.as_secs_f64())
    .execute(pool)
    .await
    .map_err(unavailable)?;
    Ok(pruned.rows_affected())
}

/// The latest run of each of a tenant's jobs.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn latest(pools: &Pools, tenant: TenantId, jobs: &[&str]) -> Result<Vec<JobRun>, StoreError> {
    let sql = format!(
        "select {COLUMNS} from (select distinct on (job) * from job_runs where job = any($1) \
         order by job, number desc) latest"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(jobs);
    let rows = pools.request.fetch_all(tenant, query).await.map_err(unavailable)?;
    rows.iter().map(read).collect::<Result<_, _>>().map_err(unavailable)
}

/// A tenant's runs of a job, the newest first.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    job: &str,
    (before, limit): (Position, i64),
) -> Result<Vec<JobRun>, StoreError> {
    let sql = format!("select {COLUMNS} from job_runs where job = $1 and number < $2 order by number desc limit $3");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(job).bind(before.0).bind(limit);
    let rows = pools.request.fetch_all(tenant, query).await.map_err(unavailable)?;
    rows.iter().map(read).collect::<Result<_, _>>().map_err(unavailable)
}

/// One of a tenant's runs of a job.
///
/// # Errors
/// When the database is away, or the row makes no sense.
pub async fn find(pools: &Pools, tenant: TenantId, job: &str, id: Uuid) -> Result<Option<JobRun>, StoreError> {
    let sql = format!("select {COLUMNS} from job_runs where job = $1 and id = $2");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(job).bind(id);
    let row = pools.request.fetch_optional(tenant, query).await.map_err(unavailable)?;
    row.as_ref().map(read).transpose().map_err(unavailable)
}

fn read(row: &PgRow) -> Result<JobRun, sqlx::Error> {
    Ok(JobRun {
        id: row.try_get("id")?,
        number: Position(row.try_get("number")?),
        job: row.try_get("job")?,
        tenant: TenantId(row.try_get("tenant")?),
        scheduled_for: row.try_get("scheduled_for")?,
        asked_by: row.try_get("asked_by")?,
        created_at: row.try_get("created_at")?,
        started_at: row.try_get("started_at")?,
        ended_at: row.try_get("ended_at")?,
        outcome: row.try_get("outcome")?,
        attempts: row.try_get("attempts")?,
        tally: Tally {
            examined: row.try_get("examined")?,
            changed: row.try_get("changed")?,
            refused: row.try_get("refused")?,
        },
        cursor: row.try_get("cursor")?,
        error: row.try_get("error")?,
    })
}

/// Who runs a consumer, as the leases say.
///
/// # Errors
/// When the database is away.
pub async fn owners(pool: &PgPool, consumers: &[&str]) -> Result<Vec<(String, Uuid)>, StoreError> {
    let sql = "select consumer, owner from leases where consumer = any($1) and expires_at > clock_timestamp()";
    sqlx::query_as(sql).bind(consumers).fetch_all(pool).await.map_err(unavailable)
}
