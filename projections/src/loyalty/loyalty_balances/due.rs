//! Which accounts something is due for: pending points that vest, lots that expire, holds that lapse, tiers to be reviewed.
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

/// An account for which something is due, `since` a date or a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due<T> {
    /// Its id, which is its customer's.
    pub account: Uuid,
    /// Since when.
    pub since: T,
}

/// Accounts with pending points that vest on a date or before, the longest due first; at most so many, those behind `after`.
///
/// # Errors
/// When the database is away.
pub async fn due_vestings(
    pools: &Pools,
    tenant: TenantId,
    until: NaiveDate,
    limit: u32,
    after: Option<&Due<NaiveDate>>,
) -> Result<Vec<Due<NaiveDate>>, StoreError> {
    list(pools, include_str!("due_vestings.sql"), (tenant, until), limit, after).await
}

/// Accounts with points that are gone on a date or before, the longest due first; at most so many, those behind `after`.
///
/// # Errors
/// When the database is away.
pub async fn due_expiries(
    pools: &Pools,
    tenant: TenantId,
    until: NaiveDate,
    limit: u32,
    after: Option<&Due<NaiveDate>>,
) -> Result<Vec<Due<NaiveDate>>, StoreError> {
    list(pools, include_str!("due_expiries.sql"), (tenant, until), limit, after).await
}

/// Accounts with a hold that is over at a moment, the longest due first; at most so many, those behind `after`.
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

/// Accounts whose tier is to be reviewed on a date or before, the longest due first; at most so many, those behind `after`.
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
        .bind(after.map(|last| last.account))
        .bind(i64::from(limit));
    let rows = query.fetch_all(&pools.engine).await.map_err(failed("loyalty_balances"))?;
    rows.iter().map(read).collect::<Result<_, _>>().map_err(failed("loyalty_balances"))
}

fn read<T: for<'r> Decode<'r, Postgres> + Type<Postgres>>(row: &PgRow) -> Result<Due<T>, sqlx::Error> {
    Ok(Due { account: get(row, "account")?, since: get(row, "since")? })
}
