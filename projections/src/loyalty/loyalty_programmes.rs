//! Table `loyalty_programmes`: the versions of each tenant's rules. The latest one whose date has come holds.

use crate::query::{AsOf, failed, get};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use chrono::{DateTime, NaiveDate, Utc};
use domain::Event;
use domain::ids::RehearsalId;
use domain::loyalty::events::ProgrammeEvent;
use domain::loyalty::loyalty_programme::{LoyaltyProgramme, ProgrammeVersion};
use domain::loyalty::programme::Programme;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use std::sync::Arc;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// A row of `loyalty_programmes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgrammeRow {
    /// Whose programme.
    pub tenant: TenantId,
    /// The number of the version, from one.
    pub version: i32,
    /// The first business date for which the rules hold.
    pub from_on: NaiveDate,
    /// The rules.
    pub rules: Programme,
    /// The rehearsal that it refers to.
    pub rehearsal_id: Option<Uuid>,
    /// Business date of its publication.
    pub published_on: NaiveDate,
    /// When that was.
    pub published_at: DateTime<Utc>,
    /// Position of the event.
    pub position: Position,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct LoyaltyProgrammes;

impl ReadModel for LoyaltyProgrammes {
    const NAME: &'static str = "loyalty_programmes";
    const VERSION: i32 = 1;
    const TABLES: &'static [&'static str] = &["loyalty_programmes"];
    const TABLES_SQL: &'static str = include_str!("loyalty_programmes/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("loyalty_programmes/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &["loyalty.programme.published"];
    const REVEALS: bool = false;

    type Key = (i32, i32);
    type Row = ProgrammeRow;

    fn keys(recorded: &Recorded) -> Vec<(i32, i32)> {
        match &recorded.event {
            Event::Programme(ProgrammeEvent::Published { version, .. }) => {
                vec![(recorded.tenant.0, version.cast_signed())]
            }
            Event::Programme(
                ProgrammeEvent::Rehearsed { .. }
                | ProgrammeEvent::CampaignPublished { .. }
                | ProgrammeEvent::CampaignEnded { .. },
            )
            | Event::Customer(_)
            | Event::Loyalty(_)
            | Event::Credit(_)
            | Event::CreditGroup(_)
            | Event::Access(_) => vec![],
        }
    }

    fn apply(_: &(i32, i32), row: Option<ProgrammeRow>, recorded: &Recorded) -> Option<ProgrammeRow> {
        match &recorded.event {
            Event::Programme(ProgrammeEvent::Published { version, from, rules, rehearsal, published_on }) => {
                Some(ProgrammeRow {
                    tenant: recorded.tenant,
                    version: version.cast_signed(),
                    from_on: *from,
                    rules: rules.clone(),
                    rehearsal_id: rehearsal.map(|rehearsal| rehearsal.as_uuid()),
                    published_on: *published_on,
                    published_at: recorded.occurred_at,
                    position: recorded.position,
                })
            }
            Event::Programme(
                ProgrammeEvent::Rehearsed { .. }
                | ProgrammeEvent::CampaignPublished { .. }
                | ProgrammeEvent::CampaignEnded { .. },
            )
            | Event::Customer(_)
            | Event::Loyalty(_)
            | Event::Credit(_)
            | Event::CreditGroup(_)
            | Event::Access(_) => row,
        }
    }

    async fn load(conn: &mut PgConnection, keys: &[(i32, i32)]) -> Result<Rows<Self>, sqlx::Error> {
        let sql = concat!(
            "select tenant, version, from_on, rules, rehearsal_id, published_on, published_at, position ",
            "from loyalty_programmes join unnest($1::int[], $2::int[]) as wanted (tenant, version) using (tenant, version)"
        );
        let (tenants, versions): (Vec<i32>, Vec<i32>) = keys.iter().copied().unzip();
        let rows = sqlx::query(sql).bind(tenants).bind(versions).fetch_all(conn).await?;
        rows.iter().map(|row| read(row).map(|row| ((row.tenant.0, row.version), row))).collect()
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await
    }
}

impl TableRow for ProgrammeRow {
    const TABLE: &'static str = "loyalty_programmes";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.tenant.0)
            .put("version", self.version)
            .put("from_on", self.from_on)
            .put("rules", Json(&self.rules))
            .put("rehearsal_id", self.rehearsal_id)
            .put("published_on", self.published_on)
            .put("published_at", self.published_at)
            .put("position", self.position.0);
    }
}

fn read(row: &PgRow) -> Result<ProgrammeRow, sqlx::Error> {
    let Json(rules) = get(row, "rules")?;
    Ok(ProgrammeRow {
        tenant: TenantId(get(row, "tenant")?),
        version: get(row, "version")?,
        from_on: get(row, "from_on")?,
        rules,
        rehearsal_id: get(row, "rehearsal_id")?,
        published_on: get(row, "published_on")?,
        published_at: get(row, "published_at")?,
        position: Position(get(row, "position")?),
    })
}

/// All versions of a tenant's rules, in the order in which they were published.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn all(pools: &Pools, tenant: TenantId) -> Result<AsOf<Vec<ProgrammeRow>>, StoreError> {
    let query = sqlx::query(include_str!("loyalty_programmes/all.sql"));
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("loyalty_programmes"))?;
    let rows = found.iter().filter(|row| get::<Option<i32>>(row, "version").is_ok_and(|version| version.is_some()));
    let value = rows.map(read).collect::<Result<_, _>>().map_err(failed("loyalty_programmes"))?;
    let position = found.first().map_or(Ok(0), |row| get(row, "as_of")).map_err(failed("loyalty_programmes"))?;
    Ok(AsOf { value, position: Position(position) })
}

/// A tenant's rules, to ask which of them hold on a day.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn programme(pools: &Pools, tenant: TenantId) -> Result<LoyaltyProgramme, StoreError> {
    let rows = all(pools, tenant).await?.value;
    Ok(rows.into_iter().map(ProgrammeRow::into_version).collect())
}

impl ProgrammeRow {
    /// The version as those who decide know it.
    #[must_use]
    pub fn into_version(self) -> ProgrammeVersion {
        ProgrammeVersion {
            number: self.version.cast_unsigned(),
            from: self.from_on,
            rules: Arc::new(self.rules),
            rehearsal: self.rehearsal_id.map(RehearsalId::new),
        }
    }
}

/// The rules in force, read beside another row as the column `rules`; the standard ones when there are none.
pub(crate) fn in_force(row: &PgRow) -> Result<Arc<Programme>, sqlx::Error> {
    let rules: Option<Json<Programme>> = get(row, "rules")?;
    Ok(rules.map_or_else(Programme::standard, |Json(rules)| Arc::new(rules)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folding::folded;

    #[test]
    fn a_version_is_a_row_and_a_rehearsal_is_none() {
        let rules = Programme::clone(&Programme::standard());
        let event = ProgrammeEvent::Published {
            version: 2,
            from: "2026-03-01".parse().unwrap(),
            rules: rules.clone(),
            rehearsal: None,
            published_on: "2026-02-01".parse().unwrap(),
        };
        let row = folded::<LoyaltyProgrammes>(&(7, 2), [event.into()]).unwrap();
        assert_eq!((row.version, row.from_on.to_string(), row.rules), (2, "2026-03-01".to_owned(), rules));
    }
}
