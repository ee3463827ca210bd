//! When what was left of erased persons in the files of the database was made away with, and up to which position of the log.

use crate::postgres::unavailable;
use crate::{Position, StoreError};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

/// A scrub that came to its end.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ScrubRecord {
    /// Whoever was erased up to this position was scrubbed.
    #[sqlx(try_from = "i64")]
    pub up_to: Position,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// When it was done.
    pub ended_at: DateTime<Utc>,
    /// What was out of its reach, and what an operator has to do about it.
    pub remains: Vec<String>,
}

/// How scrubbing stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The last scrub.
    pub last: Option<ScrubRecord>,
    /// Subjects that were erased since.
    pub erased_since: i64,
}

/// An append may have begun so long before its commit: who was erased in it counts as erased after a scrub that began meanwhile.
const APPEND_SECONDS_MAX: f64 = 60.0;

/// Keeps what a scrub did.
///
/// # Errors
/// When the database is away.
pub(crate) async fn keep(
    engine: &mut PgConnection,
    (up_to, began_at): (Position, DateTime<Utc>),
    remains: &[String],
) -> Result<ScrubRecord, sqlx::Error> {
    sqlx::query_as(
        "insert into scrubs (up_to, began_at, remains) values ($1, $2, $3) returning up_to, began_at, ended_at, remains",
    )
    .bind(up_to.0)
    .bind(began_at)
    .bind(remains)
    .fetch_one(engine)
    .await
}

/// The last scrub, and how many subjects were erased since.
///
/// # Errors
/// When the database is away.
pub async fn standing(engine: &PgPool) -> Result<Standing, StoreError> {
    let last: Option<ScrubRecord> =
        sqlx::query_as("select up_to, began_at, ended_at, remains from scrubs order by id desc limit 1")
            .fetch_optional(engine)
            .await
            .map_err(unavailable)?;
    let erased_since = erased_between(engine, last.as_ref().map(|last| last.began_at), None).await?;
    Ok(Standing { last, erased_since })
}

/// How many subjects were erased since a scrub began, and before a moment.
///
/// # Errors
/// When the database is away.
pub async fn erased_between(
    engine: &PgPool,
    after: Option<DateTime<Utc>>,
    before: Option<DateTime<Utc>>,
) -> Result<i64, StoreError> {
    sqlx::query_scalar(
        "select count(*) from subject_keys where erased_at >= coalesce($1 - make_interval(secs => $3), '-infinity') \
         and erased_at < coalesce($2, 'infinity')",
    )
    .bind(after)
    .bind(before)
    .bind(APPEND_SECONDS_MAX)
    .fetch_one(engine)
    .await
    .map_err(unavailable)
}

/// When whoever was erased at a position was scrubbed with nothing left; none when that is to come.
///
/// # Errors
/// When the database is away.
pub async fn scrubbed_at(engine: &PgPool, erased_at: Position) -> Result<Option<DateTime<Utc>>, StoreError> {
    sqlx::query_scalar("select min(ended_at) from scrubs where up_to >= $1 and remains = '{}'")
        .bind(erased_at.0)
        .fetch_one(engine)
        .await
        .map_err(unavailable)
}
