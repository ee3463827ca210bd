//! Table `loyalty_rehearsals`: what rules would have changed, had they always held. Published rules may refer to one.

use crate::query::{AsOf, failed, get};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use chrono::{DateTime, NaiveDate, Utc};
use domain::Event;
use domain::loyalty::events::{ProgrammeEvent, RehearsalOutcome};
use domain::loyalty::programme::Programme;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// A row of `loyalty_rehearsals`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RehearsalRow {
    /// Whose programme.
    pub tenant: TenantId,
    /// The rehearsal.
    pub rehearsal_id: Uuid,
    /// The rules.
    pub rules: Programme,
    /// What they would have changed.
    pub outcome: RehearsalOutcome,
    /// Business date of the rehearsal.
    pub rehearsed_on: NaiveDate,
    /// When that was.
    pub rehearsed_at: DateTime<Utc>,
    /// Position of the event.
    pub position: Position,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct LoyaltyRehearsals;

impl ReadModel for LoyaltyRehearsals {
    const NAME: &'static str = "loyalty_rehearsals";
    const VERSION: i32 = 1;
    const TABLES: &'static [&'static str] = &["loyalty_rehearsals"];
    const TABLES_SQL: &'static str = include_str!("loyalty_rehearsals/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("loyalty_rehearsals/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &["loyalty.programme.rehearsed"];
    const REVEALS: bool = false;

    type Key = (i32, Uuid);
    type Row = RehearsalRow;

    fn keys(recorded: &Recorded) -> Vec<(i32, Uuid)> {
        match &recorded.event {
            Event::Programme(ProgrammeEvent::Rehearsed { rehearsal, .. }) => {
                vec![(recorded.tenant.0, rehearsal.as_uuid())]
            }
            Event::Programme(
                ProgrammeEvent::Published { .. }
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

    fn apply(_: &(i32, Uuid), row: Option<RehearsalRow>, recorded: &Recorded) -> Option<RehearsalRow> {
        match &recorded.event {
            Event::Programme(ProgrammeEvent::Rehearsed { rehearsal, rules, outcome, rehearsed_on }) => {
                Some(RehearsalRow {
                    tenant: recorded.tenant,
                    rehearsal_id: rehearsal.as_uuid(),
                    rules: rules.clone(),
                    outcome: outcome.clone(),
                    rehearsed_on: *rehearsed_on,
                    rehearsed_at: recorded.occurred_at,
                    position: recorded.position,
                })
            }
            Event::Programme(
                ProgrammeEvent::Published { .. }
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

    async fn load(conn: &mut PgConnection, keys: &[(i32, Uuid)]) -> Result<Rows<Self>, sqlx::Error> {
        let sql = concat!(
            "select * from loyalty_rehearsals ",
            "join unnest($1::int[], $2::uuid[]) as wanted (tenant, rehearsal_id) using (tenant, rehearsal_id)"
        );
        let (tenants, rehearsals): (Vec<i32>, Vec<Uuid>) = keys.iter().copied().unzip();
        let rows = sqlx::query(sql).bind(tenants).bind(rehearsals).fetch_all(conn).await?;
        rows.iter().map(|row| read(row).map(|row| ((row.tenant.0, row.rehearsal_id), row))).collect()
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await
    }
}

impl TableRow for RehearsalRow {
    const TABLE: &'static str = "loyalty_rehearsals";

    fn put(&self, to: &mut Columns) {
        let outcome = &self.outcome;
        to.put("tenant", self.tenant.0)
            .put("rehearsal_id", self.rehearsal_id)
            .put("rules", Json(&self.rules))
            .put("replayed", outcome.position)
            .put("members", outcome.members)
            .put("purchases", outcome.purchases)
            .put("upgraded", outcome.upgraded)
            .put("downgraded", outcome.downgraded)
            .put("points", outcome.points)
            .put("rehearsed_points", outcome.rehearsed_points)
            .put("liabilities", Json(&outcome.liabilities))
            .put("rehearsed_liabilities", Json(&outcome.rehearsed_liabilities))
            .put("rehearsed_on", self.rehearsed_on)
            .put("rehearsed_at", self.rehearsed_at)
            .put("position", self.position.0);
    }
}

fn read(row: &PgRow) -> Result<RehearsalRow, sqlx::Error> {
    let (Json(rules), Json(liabilities), Json(rehearsed_liabilities)) =
        (get(row, "rules")?, get(row, "liabilities")?, get(row, "rehearsed_liabilities")?);
    let outcome = RehearsalOutcome {
        position: get(row, "replayed")?,
        members: get(row, "members")?,
        purchases: get(row, "purchases")?,
        upgraded: get(row, "upgraded")?,
        downgraded: get(row, "downgraded")?,
        points: get(row, "points")?,
        rehearsed_points: get(row, "rehearsed_points")?,
        liabilities,
        rehearsed_liabilities,
    };
    Ok(RehearsalRow {
        tenant: TenantId(get(row, "tenant")?),
        rehearsal_id: get(row, "rehearsal_id")?,
        rules,
        outcome,
        rehearsed_on: get(row, "rehearsed_on")?,
        rehearsed_at: get(row, "rehearsed_at")?,
        position: Position(get(row, "position")?),
    })
}

/// The latest rehearsals of a tenant, the newest first.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn latest(pools: &Pools, tenant: TenantId, limit: u16) -> Result<AsOf<Vec<RehearsalRow>>, StoreError> {
    let query = sqlx::query(include_str!("loyalty_rehearsals/latest.sql")).bind(i32::from(limit));
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("loyalty_rehearsals"))?;
    let rows = found.iter().filter(|row| get::<Option<Uuid>>(row, "rehearsal_id").is_ok_and(|id| id.is_some()));
    let value = rows.map(read).collect::<Result<_, _>>().map_err(failed("loyalty_rehearsals"))?;
    let position = found.first().map_or(Ok(0), |row| get(row, "as_of")).map_err(failed("loyalty_rehearsals"))?;
    Ok(AsOf { value, position: Position(position) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folding::folded;
    use domain::ids::RehearsalId;

    #[test]
    fn a_rehearsal_is_a_row_with_its_rules_and_what_came_of_them() {
        let (rules, id) = (Programme::clone(&Programme::standard()), Uuid::from_u128(9));
        let outcome = RehearsalOutcome {
            position: 7,
            members: 3,
            purchases: 5,
            upgraded: 1,
            downgraded: 0,
            points: 100,
            rehearsed_points: 150,
            liabilities: vec![],
            rehearsed_liabilities: vec![],
        };
        let event = ProgrammeEvent::Rehearsed {
            rehearsal: RehearsalId::new(id),
            rules: rules.clone(),
            outcome: outcome.clone(),
            rehearsed_on: "2026-02-01".parse().unwrap(),
        };
        let row = folded::<LoyaltyRehearsals>(&(7, id), [event.into()]).unwrap();
        assert_eq!((row.rules, row.outcome), (rules, outcome));
    }
}
