//! Receipts of erasures: who was erased, at which position, and the signed text that says what was done.
//!
//! That somebody was erased is said by the log and by the key that is gone; a receipt is written down once, for whoever asks later
//! and for the list that is applied again when an older backup is restored. Receipts have numbers, by which the list is followed: who has seen
//! one has seen all before it.

use crate::postgres::unavailable;
use crate::{Position, StoreError, TenantId};
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use std::time::Duration;
use uuid::Uuid;

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Erasure {
    /// Whose subject.
    #[sqlx(try_from = "i32")]
    pub tenant: TenantId,
    /// Who was erased.
    #[sqlx(rename = "subject_id")]
    pub subject: Uuid,
    /// The event that says so, in the log of then: a log that was restored may hold another there.
    #[sqlx(try_from = "i64")]
    pub position: Position,
    /// When.
    pub erased_at: DateTime<Utc>,
    /// The signed note.
    pub receipt: String,
}

impl From<i32> for TenantId {
    fn from(number: i32) -> Self {
        Self(number)
    }
}

impl From<i64> for Position {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

const COLUMNS: &str = "select tenant, subject_id, position, erased_at, receipt";

/// A receipt with its number.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Numbered {
    /// Counts receipts in the order in which they were written down.
    pub number: i64,
    /// The receipt.
    #[sqlx(flatten)]
    pub erasure: Erasure,
}

/// Keeps a receipt, unless there is one: the first stays.
///
/// # Errors
/// When the database is away.
pub async fn keep(engine: &PgPool, erasure: &Erasure) -> Result<(), StoreError> {
    keep_all(engine, std::slice::from_ref(erasure)).await.map(drop)
}

/// Keeps receipts of those who have none yet; says how many that were.
///
/// # Errors
/// When the database is away.
pub async fn keep_all(engine: &PgPool, erasures: &[Erasure]) -> Result<u64, StoreError> {
    let mut transaction = engine.begin().await.map_err(unavailable)?;
    // Numbers become visible in their order only if they are given one after the other.
    sqlx::query("select pg_advisory_xact_lock(hashtext('clientela.erasures'))")
        .execute(&mut *transaction)
        .await
        .map_err(unavailable)?;
    let written = sqlx::query(
        "insert into erasures (tenant, subject_id, position, erased_at, receipt) \
         select * from unnest($1::int4[], $2::uuid[], $3::int8[], $4::timestamptz[], $5::text[]) on conflict do nothing",
    )
    .bind(erasures.iter().map(|erasure| erasure.tenant.0).collect::<Vec<_>>())
    .bind(erasures.iter().map(|erasure| erasure.subject).collect::<Vec<_>>())
    .bind(erasures.iter().map(|erasure| erasure.position.0).collect::<Vec<_>>())
    .bind(erasures.iter().map(|erasure| erasure.erased_at).collect::<Vec<_>>())
    .bind(erasures.iter().map(|erasure| erasure.receipt.as_str()).collect::<Vec<_>>())
    .execute(&mut *transaction)
    .await
    .map_err(unavailable)?;
    transaction.commit().await.map_err(unavailable)?;
    Ok(written.rows_affected())
}

/// The receipt of a subject's erasure.
///
/// # Errors
/// When the database is away.
pub async fn find(engine: &PgPool, tenant: TenantId, subject: Uuid) -> Result<Option<Erasure>, StoreError> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} from erasures where tenant = $1 and subject_id = $2")))
        .bind(tenant.0)
        .bind(subject)
        .fetch_optional(engine)
        .await
        .map_err(unavailable)
}

/// Some receipts behind a number, of all tenants, the first ones first.
///
/// # Errors
/// When the database is away.
pub async fn after(engine: &PgPool, number: i64, limit: i64) -> Result<Vec<Numbered>, StoreError> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{COLUMNS}, number from erasures where number > $1 order by number limit $2"
    )))
    .bind(number)
    .bind(limit)
    .fetch_all(engine)
    .await
    .map_err(unavailable)
}

/// All subjects that there is a receipt of, and the last number that was given by then.
///
/// # Errors
/// When the database is away.
pub async fn all_subjects(engine: &PgPool) -> Result<(Vec<(TenantId, Uuid)>, i64), StoreError> {
    let rows: Vec<(i32, Uuid, i64)> = sqlx::query_as("select tenant, subject_id, number from erasures")
        .fetch_all(engine)
        .await
        .map_err(unavailable)?;
    let last = rows.iter().map(|(.., number)| *number).max().unwrap_or_default();
    Ok((rows.into_iter().map(|(tenant, id, _)| (TenantId(tenant), id)).collect(), last))
}

/// The receipts of these subjects.
///
/// # Errors
/// When the database is away.
pub async fn of(engine: &PgPool, subjects: &[(TenantId, Uuid)]) -> Result<Vec<Erasure>, StoreError> {
    let (tenants, ids) = columns(subjects);
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} from erasures where (tenant, subject_id) in (select * from unnest($1::int4[], $2::uuid[]))"
    )))
    .bind(tenants)
    .bind(ids)
    .fetch_all(engine)
    .await
    .map_err(unavailable)
}

/// Keeps the receipt of an erasure that had to be made once more in a restored log.
///
/// # Errors
/// When the database is away.
pub async fn keep_again(engine: &PgPool, erasure: &Erasure) -> Result<(), StoreError> {
    sqlx::query(
        "insert into erasures_again (tenant, subject_id, position, erased_at, receipt) values ($1, $2, $3, $4, $5) \
         on conflict do nothing",
    )
    .bind(erasure.tenant.0)
    .bind(erasure.subject)
    .bind(erasure.position.0)
    .bind(erasure.erased_at)
    .bind(&erasure.receipt)
    .execute(engine)
    .await
    .map(drop)
    .map_err(unavailable)
}

/// The receipt of an erasure that had to be made once more, by the event that says so.
///
/// # Errors
/// When the database is away.
pub async fn find_again(
    engine: &PgPool,
    (tenant, subject): (TenantId, Uuid),
    position: Position,
) -> Result<Option<Erasure>, StoreError> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} from erasures_again where tenant = $1 and subject_id = $2 and position = $3"
    )))
    .bind(tenant.0)
    .bind(subject)
    .bind(position.0)
    .fetch_optional(engine)
    .await
    .map_err(unavailable)
}

/// Some subjects whose erasure stands in the log and has no receipt: whoever erased them did not come to it. Only of the last while
/// if one is given, and not of the last moments then, in which a receipt may still be on its way.
///
/// # Errors
/// When the database is away.
pub async fn without_receipt(
    engine: &PgPool,
    within: Option<Duration>,
    limit: i64,
) -> Result<Vec<(TenantId, Uuid)>, StoreError> {
    let rows: Vec<(i32, Uuid)> = sqlx::query_as(include_str!("erasures/without_receipt.sql"))
        .bind(within.map(|within| within.as_secs_f64()))
        .bind(limit)
        .fetch_all(engine)
        .await
        .map_err(unavailable)?;
    Ok(rows.into_iter().map(|(tenant, id)| (TenantId(tenant), id)).collect())
}

/// Which of these subjects still have a key, or personal data could still be written of them: those that were not erased.
///
/// # Errors
/// When the database is away.
pub async fn alive(engine: &PgPool, subjects: &[(TenantId, Uuid)]) -> Result<Vec<(TenantId, Uuid)>, StoreError> {
    let (tenants, ids) = columns(subjects);
    let rows: Vec<(i32, Uuid)> = sqlx::query_as(
        "select r.t, r.s from unnest($1::int4[], $2::uuid[]) as r(t, s) \
         join subject_keys k on k.tenant = r.t and k.subject_id = r.s where k.wrapped_key is not null",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(engine)
    .await
    .map_err(unavailable)?;
    Ok(rows.into_iter().map(|(tenant, id)| (TenantId(tenant), id)).collect())
}

fn columns(subjects: &[(TenantId, Uuid)]) -> (Vec<i32>, Vec<Uuid>) {
    subjects.iter().map(|(tenant, id)| (tenant.0, *id)).unzip()
}
