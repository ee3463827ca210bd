//! For which lines the clock asks something: holds that lapse, temporary credit that expires, orders that are overdue, reminders, reviews.
//!
//! For the jobs, of one tenant at a time, in parts: asked as the engine, by an index. What a job has done is gone from the list
//! once the projection has seen it; until then it is listed again, and done again changes nothing.
//!
//! Dates are business dates of the tenant.

use crate::query::{failed, get};
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Encode, Postgres, Type};
use store::postgres::Pools;
use store::{StoreError, TenantId};
use uuid::Uuid;

/// A line for which something is due, `since` a date or a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due<T> {
    /// Its id.
    pub line: Uuid,
    /// Whose it is.
    pub customer: Uuid,
    /// Since when.
    pub since: T,
}

/// Lines with a hold that is over at a moment, the longest due first; at most so many, those behind `after`.
///
/// # Errors
/// When the database is away.
pub async fn due_hold_lapses(
    pools: &Pools,
    tenant: TenantId,
    until: DateTime<Utc>,
    limit: u32,
    after: Option<&Due<DateTime<Utc>>>,
) -> Result<Vec<Due<DateTime<Utc>>>, StoreError> {
    list(pools, include_str!("due_hold_lapses.sql"), (tenant, until), limit, after).await
}

/// Lines with temporary credit that is gone on a date or before, the longest due first; at most so many, those behind `after`.
///
/// # Errors
/// When the database is away.
pub async fn due_temporary_expiries(
    pools: &Pools,
    tenant: TenantId,
    until: NaiveDate,
    limit: u32,
    after: Option<&Due<NaiveDate>>,
) -> Result<Vec<Due<NaiveDate>>, StoreError> {
    list(pools, include_str!("due_temporary_expiries.sql"), (tenant, until), limit, after).await
}

/// Lines of which something is overdue on a date that was not told, or for which they are to be suspended, the longest due first; at most
/// so many, those behind `after`.
///
/// # Errors
/// When the database is away.
pub async fn due_overdue(
    pools: &Pools,
    tenant: TenantId,
    until: NaiveDate,
    limit: u32,
    after: Option<&Due<NaiveDate>>,
) -> Result<Vec<Due<NaiveDate>>, StoreError> {
    list(pools, include_str!("due_overdue.sql"), (tenant, until), limit, after).await
}

/// Lines whose customer, neither deleted nor erased, is to be reminded on a date or before, the longest due first; at most so many, those behind `after`.
///
/// # Errors
/// When the database is away.
pub async fn due_dunnings(
    pools: &Pools,
    tenant: TenantId,
    until: NaiveDate,
    limit: u32,
    after: Option<&Due<NaiveDate>>,
) -> Result<Vec<Due<NaiveDate>>, StoreError> {
    list(pools, include_str!("due_dunnings.sql"), (tenant, until), limit, after).await
}

/// Lines that are to be suspended on a date or before because nobody looked at their limit, the longest due first; at most so many, those
/// behind `after`.
///
/// # Errors
/// When the database is away.
pub async fn due_reviews(
    pools: &Pools,
    tenant: TenantId,
    until: NaiveDate,
    limit: u32,
    after: Option<&Due<NaiveDate>>,
) -> Result<Vec<Due<NaiveDate>>, StoreError> {
    list(pools, include_str!("due_reviews.sql"), (tenant, until), limit, after).await
}

async fn list<T>(
    pools: &Pools,
    sql: &'static str,
    (tenant, until): (TenantId, T),
    limit: u32,
    after: Option<&Due<T>>,
) -> Result<Vec<Due<T>>, StoreError>
where
    T: Copy + Send + for<'q> Encode<'q, Postgres> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
{
    let query = sqlx::query(sql)
        .bind(tenant.0)
        .bind(until)
        .bind(after.map(|last| last.since))
        .bind(after.map(|last| last.line))
        .bind(i64::from(limit));
    let rows = query.fetch_all(&pools.engine).await.map_err(failed("credit_lines"))?;
    rows.iter().map(read).collect::<Result<_, _>>().map_err(failed("credit_lines"))
}

fn read<T: for<'r> Decode<'r, Postgres> + Type<Postgres>>(row: &PgRow) -> Result<Due<T>, sqlx::Error> {
    Ok(Due { line: get(row, "line_id")?, customer: get(row, "customer_id")?, since: get(row, "since")? })
}
