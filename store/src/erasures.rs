//! Receipts of erasures: who was erased, at which position, and the signed text that says what was done.
//!
//! That somebody was erased is said by the log and by the key that is gone; a receipt is written down once, for whoever asks later
//! and for the list that is applied again when an older backup is restored.

use crate::postgres::unavailable;
use crate::{Position, StoreError, TenantId};
use chrono::{DateTime, Utc};
use sqlx::PgPool;
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
    /// The event that says so.
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

const COLUMNS: &str = "select tenant, subject_id, position, erased_at, receipt from erasures";

/// Keeps a receipt, unless there is one: the first stays.
///
/// # Errors
/// When the database is away.
pub async fn keep(engine: &PgPool, erasure: &Erasure) -> Result<(), StoreError> {
    sqlx::query(
        "insert into erasures (tenant, subject_id, position, erased_at, receipt) values ($1, $2, $3, $4, $5) \
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

/// The receipt of a subject's erasure.
///
/// # Errors
/// When the database is away.
pub async fn find(engine: &PgPool, tenant: TenantId, subject: Uuid) -> Result<Option<Erasure>, StoreError> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} where tenant = $1 and subject_id = $2")))
        .bind(tenant.0)
        .bind(subject)
        .fetch_optional(engine)
        .await
        .map_err(unavailable)
}

/// Some receipts behind a position, of all tenants, the oldest first.
///
/// # Errors
/// When the database is away.
pub async fn after(engine: &PgPool, position: Position, limit: i64) -> Result<Vec<Erasure>, StoreError> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} where position > $1 order by position limit $2")))
        .bind(position.0)
        .bind(limit)
        .fetch_all(engine)
        .await
        .map_err(unavailable)
}

/// Which of these subjects still have a key, or personal data could still be written of them: those that were not erased.
///
/// # Errors
/// When the database is away.
pub async fn alive(engine: &PgPool, subjects: &[(TenantId, Uuid)]) -> Result<Vec<(TenantId, Uuid)>, StoreError> {
    let (tenants, ids): (Vec<i32>, Vec<Uuid>) = subjects.iter().map(|(tenant, id)| (tenant.0, *id)).unzip();
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
