//! Which accounts something is due for: lots that expire, holds that lapse, tiers to be reviewed.
//!
//! For the jobs, which work for all tenants: asked as the engine, by an index, a part at a time. What a job has done is gone from
//! the list once the projection has seen it; until then it is listed again, and done again changes nothing.
//!
//! Dates are business dates, and where it is the latest on Earth they begin 26 hours before they do where it is the earliest. The
//! caller asks until the date that it is in the first of its tenants' time zones; an account that is not due yet where its
//! tenant is, is answered by its command without events.

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
    /// Whose account.
    pub tenant: TenantId,
    /// Its id, which is its customer's.
    pub account: Uuid,
    /// Since when.
    pub since: T,
}

/// Accounts with points that are gone on a date or before, the longest due first; at most so many, those behind `after`.
///
/// # Errors
/// When the database is away.
pub async fn due_expiries(
    pools: &Pools,
    until: NaiveDate,
    limit: u32,
    after: Option<&Due<NaiveDate>>,
) -> Result<Vec<Due<NaiveDate>>, StoreError> {
    list(pools, include_str!("due_expiries.sql"), until, limit, after).await
}

/// Accounts with a hold that is over at a moment, the longest due first; at most so many, those behind `after`.
///
/// # Errors
/// When the database is away.
pub async fn due_hold_lapses(
    pools: &Pools,
    until: DateTime<Utc>,
    limit: u32,
    after: Option<&Due<DateTime<Utc>>>,
) -> Result<Vec<Due<DateTime<Utc>>>, StoreError> {
    list(pools, include_str!("due_hold_lapses.sql"), until, limit, after).await
}

/// Accounts whose tier is to be reviewed on a date or before, the longest due first; at most so many, those behind `after`.
///
/// # Errors
/// When the database is away.
pub async fn due_reviews(
    pools: &Pools,
    until: NaiveDate,
    limit: u32,
    after: Option<&Due<NaiveDate>>,
) -> Result<Vec<Due<NaiveDate>>, StoreError> {
    list(pools, include_str!("due_reviews.sql"), until, limit, after).await
}

async fn list<T>(
    pools: &Pools,
    sql: &'static str,
    until: T,
    limit: u32,
    after: Option<&Due<T>>,
) -> Result<Vec<Due<T>>, StoreError>
where
    T: Copy + Send + for<'q> Encode<'q, Postgres> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
{
    let query = sqlx::query(sql)
        .bind(until)
        .bind(after.map(|last| last.since))
        .bind(after.map(|last| last.account))
        .bind(i64::from(limit));
    let rows = query.fetch_all(&pools.engine).await.map_err(failed("loyalty_balances"))?;
    rows.iter().map(read).collect::<Result<_, _>>().map_err(failed("loyalty_balances"))
}

fn read<T: for<'r> Decode<'r, Postgres> + Type<Postgres>>(row: &PgRow) -> Result<Due<T>, sqlx::Error> {
    Ok(Due { tenant: TenantId(get(row, "tenant")?), account: get(row, "account")?, since: get(row, "since")? })
}
