//! Table `audit_trail`: who caused which event, on which occasion; for searches. What happened stands in the log itself.

use crate::query::{AsOf, Page, failed, get, listed};
use crate::read_model::{ChangeOf, Occasion, ReadModel, Recorded, Rows};
use chrono::{DateTime, Utc};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use store::postgres::Pools;
use store::{Position, StoreError, TenantId, Version};
use uuid::Uuid;

/// A row of `audit_trail`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Position of the event.
    pub position: Position,
    /// Whose event.
    pub tenant: TenantId,
    /// Wire name of the event.
    pub event_type: String,
    /// Kind of the stream.
    pub category: String,
    /// The stream: category and id.
    pub stream: String,
    /// Version of the event in its stream.
    pub version: Version,
    /// On whose timeline it stands.
    pub customer: Option<Uuid>,
    /// Who caused it, and on which occasion.
    pub occasion: Occasion,
    /// Business time.
    pub occurred_at: DateTime<Utc>,
    /// When it was appended.
    pub recorded_at: DateTime<Utc>,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct AuditTrail;

impl ReadModel for AuditTrail {
    const NAME: &'static str = "audit_trail";
    const VERSION: i32 = 2;
    const TABLES: &'static [&'static str] = &["audit_trail"];
    const TABLES_SQL: &'static str = include_str!("audit_trail/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("audit_trail/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &["*"];
    const REVEALS: bool = false;
    const TELLS_OCCASION: bool = true;
    const APPEND_ONLY: bool = true;

    type Key = Position;
    type Row = AuditRow;

    fn keys(recorded: &Recorded) -> Vec<Position> {
        vec![recorded.position]
    }

    fn apply(_: &Position, _: Option<AuditRow>, recorded: &Recorded) -> Option<AuditRow> {
        Some(AuditRow {
            position: recorded.position,
            tenant: recorded.tenant,
            event_type: recorded.event.event_type().to_owned(),
            category: recorded.stream.category.to_owned(),
            stream: recorded.stream.to_string(),
            version: recorded.version,
            customer: recorded.customer_id,
            occasion: recorded.occasion.clone(),
            occurred_at: recorded.occurred_at,
            recorded_at: recorded.recorded_at,
        })
    }

    async fn load(_: &mut PgConnection, _: &[Position]) -> Result<Rows<Self>, sqlx::Error> {
        Ok(Rows::<Self>::new())
    }

    async fn write(conn: &mut PgConnection, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        let rows: Vec<&AuditRow> = changes.iter().filter_map(|change| change.after.as_ref()).collect();
        upsert(&rows).execute(conn).await?;
        Ok(())
    }
}

fn upsert<'q>(rows: &[&'q AuditRow]) -> Query<'q, Postgres, PgArguments> {
    fn column<'q, T: 'q>(rows: &[&'q AuditRow], of: impl Fn(&'q AuditRow) -> T) -> Vec<T> {
        rows.iter().map(|row| of(row)).collect()
    }
    sqlx::query(include_str!("audit_trail/upsert.sql"))
        .bind(column(rows, |row| row.position.0))
        .bind(column(rows, |row| row.tenant.0))
        .bind(column(rows, |row| row.event_type.as_str()))
        .bind(column(rows, |row| row.category.as_str()))
        .bind(column(rows, |row| row.stream.as_str()))
        .bind(column(rows, |row| row.version))
        .bind(column(rows, |row| row.customer))
        .bind(column(rows, |row| row.occasion.actor.as_str()))
        .bind(column(rows, |row| row.occasion.request_id.as_deref()))
        .bind(column(rows, |row| row.occasion.correlation_id.as_deref()))
        .bind(column(rows, |row| row.occurred_at))
        .bind(column(rows, |row| row.recorded_at))
}

fn read(row: &PgRow) -> Result<AuditRow, sqlx::Error> {
    Ok(AuditRow {
        position: Position(get(row, "position")?),
        tenant: TenantId(get(row, "tenant")?),
        event_type: get(row, "event_type")?,
        category: get(row, "category")?,
        stream: get(row, "stream")?,
        version: get(row, "version")?,
        customer: get(row, "customer_id")?,
        occasion: Occasion {
            actor: get(row, "actor")?,
            request_id: get(row, "request_id")?,
            correlation_id: get(row, "correlation_id")?,
        },
        occurred_at: get(row, "occurred_at")?,
        recorded_at: get(row, "recorded_at")?,
    })
}

/// Which events are looked for. What is not set excludes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Caused by this actor.
    pub actor: Option<String>,
    /// Caused by this request.
    pub request: Option<String>,
    /// On this customer's timeline.
    pub customer: Option<Uuid>,
    /// In this stream: category and id.
    pub stream: Option<String>,
    /// Of one of these types.
    pub types: Option<Vec<&'static str>>,
    /// Written into the log from this moment on.
    pub from: Option<DateTime<Utc>>,
    /// Written into the log before this moment.
    pub to: Option<DateTime<Utc>>,
}

/// A place in the list. Times stand first, so that a search within a range begins where the range does; positions tell events of the
/// same batch apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditPlace {
    /// When the event was appended.
    pub recorded_at: DateTime<Utc>,
    /// Its position.
    pub position: Position,
}

impl Search {
    /// Only the conditions that are set: a statement for each kind of search, so that each is planned for its index.
    fn statement(self, before: Option<AuditPlace>, limit: usize) -> QueryBuilder<Postgres> {
        // The left join keeps the row that says which position an empty page reflects.
        let mut sql = QueryBuilder::new(
            "select p.position as as_of, a.* from projection_positions p left join lateral (select e.* from ",
        );
        let is_plain =
            self.actor.is_none() && self.request.is_none() && self.customer.is_none() && self.stream.is_none();
        let fetched = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        match self.types.clone() {
            // Each type has its rows in order in the index, several together have not: as many of each, then merged.
            Some(types) if is_plain && types.len() > 1 => {
                sql.push("unnest(").push_bind(types).push(") of_type (name) cross join lateral (");
                sql.push("select * from audit_trail where event_type = of_type.name");
                self.narrow(&mut sql, before);
                sql.push(" order by recorded_at desc, position desc limit ").push_bind(fetched).push(") e");
            }
            types => {
                sql.push("audit_trail e where true");
                match types.as_deref() {
                    None => {}
                    Some(&[one]) => {
                        sql.push(" and event_type = ").push_bind(one);
                    }
                    Some(some) => {
                        sql.push(" and event_type = any(").push_bind(some.to_vec()).push(")");
                    }
                }
                self.narrow(&mut sql, before);
            }
        }
        sql.push(" order by e.recorded_at desc, e.position desc limit ").push_bind(fetched);
        sql.push(") a on true where p.projector = 'audit_trail' order by a.recorded_at desc, a.position desc");
        sql
    }

    fn narrow(self, sql: &mut QueryBuilder<Postgres>, before: Option<AuditPlace>) {
        if let Some(actor) = self.actor {
            sql.push(" and actor = ").push_bind(actor);
        }
        if let Some(request) = self.request {
            sql.push(" and request_id = ").push_bind(request);
        }
        if let Some(customer) = self.customer {
            sql.push(" and customer_id = ").push_bind(customer);
        }
        if let Some(stream) = self.stream {
            sql.push(" and stream = ").push_bind(stream);
        }
        if let Some(from) = self.from {
            sql.push(" and recorded_at >= ").push_bind(from);
        }
        // One end of the range, not two: the index is entered there.
        match (before, self.to) {
            (Some(place), to) if to.is_none_or(|to| place.recorded_at < to) => {
                sql.push(" and (recorded_at, position) < (").push_bind(place.recorded_at);
                sql.push(", ").push_bind(place.position.0).push(")");
            }
            (_, Some(to)) => {
                sql.push(" and recorded_at < ").push_bind(to);
            }
            (_, None) => {}
        }
    }
}

/// The events that are looked for, those written last first: after a place, or from the newest one on.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn search(
    pools: &Pools,
    tenant: TenantId,
    search: Search,
    before: Option<AuditPlace>,
    limit: usize,
) -> Result<AsOf<Page<AuditRow, AuditPlace>>, StoreError> {
    let mut statement = search.statement(before, limit);
    let found = pools.request.fetch_all(tenant, statement.build()).await.map_err(failed("audit_trail"))?;
    let place = |row: &PgRow| {
        Ok(AuditPlace { recorded_at: get(row, "recorded_at")?, position: Position(get(row, "position")?) })
    };
    listed(&found, limit, read, place).map_err(failed("audit_trail"))
}

#[cfg(test)]
mod tests;
