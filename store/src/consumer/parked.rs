//! Events put aside: one that a reactor could not act on, and all later ones of its stream, so that their order is kept
//! while other streams go on.
//!
//! Only the owner of the consumer puts events aside and takes them back, each time under the lock of the consumer and its own
//! epoch: a former owner that does not know it yet changes nothing. What is kept is where the event stands, never what it
//! says.

use super::{Checkpoint, advance, lock, newest, prune};
use crate::postgres::{Pools, unavailable};
use crate::{Position, RecordedEvent, StoreError, StreamId, TenantId};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use std::collections::HashSet;
use std::time::Duration;
use uuid::Uuid;

/// An event that is to be put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// Its place in the log.
    pub position: Position,
    /// Whose event.
    pub tenant: TenantId,
    /// Its stream.
    pub stream: StreamId,
    /// Its id.
    pub event_id: String,
    /// What is wrong with it, without personal data; none when it waits behind one with which something is wrong.
    pub error: Option<String>,
}

impl Parking {
    /// Puts an event aside.
    #[must_use]
    pub fn of(event: &RecordedEvent, error: Option<String>) -> Self {
        let (position, tenant, stream) = (event.position, event.tenant, event.stream);
        Self { position, tenant, stream, event_id: event.id(), error }
    }
}

/// An event that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Its place in the log.
    pub position: Position,
    /// Its id: stream and version.
    pub event_id: String,
    /// What is wrong with it; none when it waits behind another.
    pub error: Option<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was put aside.
    pub parked_at: DateTime<Utc>,
    /// When it is tried again.
    pub next_attempt_at: DateTime<Utc>,
}

/// The stream of an event that was put aside: category and id.
pub type StreamKey = (String, Uuid);

/// Names a stream as [`streams`] does.
#[must_use]
pub fn key_of(stream: &StreamId) -> StreamKey {
    (stream.category.to_owned(), stream.id)
}

/// Makes `epoch` the epoch of a consumer without generations, and says where it stands; none when a newer owner was here.
///
/// # Errors
/// When the database refuses or is away.
pub async fn begin(pool: &PgPool, consumer: &str, epoch: i64) -> Result<Option<Checkpoint>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, consumer).await?;
    let checkpoint = super::take_over(&mut tx, consumer, Checkpoint::ONLY_GENERATION, epoch).await?;
    if let Some(checkpoint) = &checkpoint {
        prune(&mut tx, consumer, checkpoint).await?;
    }
    tx.commit().await?;
    Ok(checkpoint)
}

/// Writes the next checkpoint and what is to be put aside before it, to be tried again after a pause, together. `false`: somebody newer has taken over, and
/// nothing was written.
///
/// # Errors
/// When the database refuses or is away.
pub async fn advance_past(
    pool: &PgPool,
    consumer: &str,
    from: &Checkpoint,
    to: Position,
    (parking, pause): (&[Parking], Duration),
) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, consumer).await?;
    if !advance(&mut tx, consumer, from, to).await? {
        return Ok(false);
    }
    prune(&mut tx, consumer, &Checkpoint { position: to, ..*from }).await?;
    if !parking.is_empty() {
        sqlx::query(include_str!("park.sql"))
            .bind(consumer)
            .bind(parking.iter().map(|event| event.position.0).collect::<Vec<_>>())
            .bind(parking.iter().map(|event| event.tenant.0).collect::<Vec<_>>())
            .bind(parking.iter().map(|event| event.stream.category).collect::<Vec<_>>())
            .bind(parking.iter().map(|event| event.stream.id).collect::<Vec<_>>())
            .bind(parking.iter().map(|event| event.event_id.as_str()).collect::<Vec<_>>())
            .bind(parking.iter().map(|event| event.error.as_deref()).collect::<Vec<_>>())
            .bind(pause.as_secs_f64())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Has a consumer without generations begin again behind a position, as after the log was restored to an older point: what it
/// does again it does under the same ids. What was put aside from there on is forgotten: it will be met again. False when the
/// consumer was never there.
///
/// # Errors
/// When the database refuses or is away.
pub async fn restart(pool: &PgPool, consumer: &str, after: Position) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, consumer).await?;
    let Some(newest) = newest(&mut tx, consumer, Checkpoint::ONLY_GENERATION).await? else { return Ok(false) };
    sqlx::query("delete from projection_checkpoints where projector = $1").bind(consumer).execute(&mut *tx).await?;
    let forget = "delete from parked_events where consumer = $1 and position > $2";
    sqlx::query(forget).bind(consumer).bind(after.0).execute(&mut *tx).await?;
    sqlx::query(
        "insert into projection_checkpoints (projector, generation, epoch, position, leaf_hash) \
         values ($1, $2, $3, $4, (select leaf_hash from events where position = $4))",
    )
    .bind(consumer)
    .bind(newest.generation)
    .bind(newest.epoch)
    .bind(after.0)
    .execute(&mut *tx)
    .await?;
    sqlx::query("set local synchronous_commit = on").execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(true)
}

/// As [`super::has_followed_this_log`].
///
/// # Errors
/// When the database refuses or is away.
pub async fn has_followed_this_log(pool: &PgPool, consumer: &str, at: &Checkpoint) -> Result<bool, sqlx::Error> {
    super::has_followed_this_log(&mut *pool.acquire().await?, consumer, at).await
}

/// The streams of which events are put aside.
///
/// # Errors
/// When the database refuses or is away.
pub async fn streams(pool: &PgPool, consumer: &str) -> Result<HashSet<StreamKey>, sqlx::Error> {
    let rows = sqlx::query("select distinct category, stream from parked_events where consumer = $1")
        .bind(consumer)
        .fetch_all(pool)
        .await?;
    rows.iter().map(|row| Ok((row.try_get("category")?, row.try_get("stream")?))).collect()
}

/// The first event of each stream whose turn has come to be tried again, at most `limit`.
///
/// # Errors
/// When the database refuses or is away.
pub async fn due(pool: &PgPool, consumer: &str, limit: i64) -> Result<Vec<Position>, sqlx::Error> {
    let rows = sqlx::query_scalar(include_str!("due.sql")).bind(consumer).bind(limit).fetch_all(pool).await?;
    Ok(rows.into_iter().map(Position).collect())
}

/// The event of a stream that waits next behind a position.
///
/// # Errors
/// When the database refuses or is away.
pub async fn next_of(
    pool: &PgPool,
    consumer: &str,
    (category, stream): &StreamKey,
    after: Position,
) -> Result<Option<Position>, sqlx::Error> {
    let position: Option<i64> = sqlx::query_scalar(
        "select min(position) from parked_events where consumer = $1 and category = $2 and stream = $3 and position > $4",
    )
    .bind(consumer)
    .bind(category)
    .bind(stream)
    .bind(after.0)
    .fetch_one(pool)
    .await?;
    Ok(position.map(Position))
}

/// Takes back an event that has been acted on. `false`: somebody newer has taken over.
///
/// # Errors
/// When the database refuses or is away.
pub async fn take_back(pool: &PgPool, consumer: &str, epoch: i64, position: Position) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, consumer).await?;
    if !is_owner(&mut tx, consumer, epoch).await? {
        return Ok(false);
    }
    sqlx::query("delete from parked_events where consumer = $1 and position = $2")
        .bind(consumer)
        .bind(position.0)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(true)
}

/// Notes that an event failed once more; the pause until the next attempt doubles up to `longest`. `false`: somebody newer has
/// taken over.
///
/// # Errors
/// When the database refuses or is away.
pub async fn failed_again(
    pool: &PgPool,
    consumer: &str,
    epoch: i64,
    (position, error): (Position, &str),
    (first, longest): (Duration, Duration),
) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, consumer).await?;
    if !is_owner(&mut tx, consumer, epoch).await? {
        return Ok(false);
    }
    sqlx::query(include_str!("failed_again.sql"))
        .bind(consumer)
        .bind(position.0)
        .bind(error)
        .bind(first.as_secs_f64())
        .bind(longest.as_secs_f64())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(true)
}

async fn is_owner(conn: &mut sqlx::PgConnection, consumer: &str, epoch: i64) -> Result<bool, sqlx::Error> {
    let newest = newest(conn, consumer, Checkpoint::ONLY_GENERATION).await?;
    Ok(newest.is_some_and(|newest| newest.epoch == epoch))
}

/// Asks for another attempt of what a tenant has put aside there: at once, whatever its pause. Says how many streams that are.
///
/// # Errors
/// When the database refuses or is away.
pub async fn ask_again(pool: &PgPool, consumer: &str, tenant: TenantId) -> Result<i64, StoreError> {
    sqlx::query_scalar(include_str!("ask_again.sql"))
        .bind(consumer)
        .bind(tenant.0)
        .fetch_one(pool)
        .await
        .map_err(unavailable)
}

/// What a tenant has put aside at a consumer, in order, after a position.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    consumer: &str,
    tenant: TenantId,
    after: Position,
    limit: i64,
) -> Result<Vec<Parked>, StoreError> {
    let query = sqlx::query(
        "select position, event_id, error, attempts, parked_at, next_attempt_at from parked_events \
         where consumer = $1 and position > $2 order by position limit $3",
    )
    .bind(consumer)
    .bind(after.0)
    .bind(limit);
    let rows = pools.request.fetch_all(tenant, query).await.map_err(unavailable)?;
    rows.iter().map(read).collect::<Result<_, _>>().map_err(unavailable)
}

fn read(row: &PgRow) -> Result<Parked, sqlx::Error> {
    Ok(Parked {
        position: Position(row.try_get("position")?),
        event_id: row.try_get("event_id")?,
        error: row.try_get("error")?,
        attempts: row.try_get("attempts")?,
        parked_at: row.try_get("parked_at")?,
        next_attempt_at: row.try_get("next_attempt_at")?,
    })
}

/// A consumer without generations, as the tables show it to every node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Which consumer.
    pub consumer: String,
    /// The last position that it has dealt with.
    pub position: Position,
    /// Which node runs it.
    pub owner: Option<Uuid>,
    /// How many events are put aside, of all tenants.
    pub parked: i64,
}

/// How these consumers stand.
///
/// # Errors
/// When the database refuses or is away.
pub async fn standings(pool: &PgPool, consumers: &[&str]) -> Result<Vec<Standing>, StoreError> {
    let rows = sqlx::query(include_str!("standings.sql")).bind(consumers).fetch_all(pool).await.map_err(unavailable)?;
    let read = |row: &PgRow| {
        Ok(Standing {
            consumer: row.try_get("consumer")?,
            position: Position(row.try_get("position")?),
            owner: row.try_get("owner")?,
            parked: row.try_get("parked")?,
        })
    };
    rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(unavailable)
}
