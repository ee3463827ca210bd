//! Table `loyalty_kpis`: what the loyalty programme did on each day, and with the balances what it still owes.
//!
//! Rows are by tenant and day, not by currency: points are points whatever they were earned in, and not every event names a
//! currency (an expiry, a reversal), so that the currency of an account would have to be known from another row. Money is
//! only in discounts, which have their currency with them.

use crate::query::{AsOf, as_of, failed, get};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows};
use chrono::NaiveDate;
use domain::loyalty::events::LoyaltyEvent;
use domain::loyalty::programme::Programme;
use domain::{Currency, Event, Money};
use serde::Deserialize;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::types::Json;
use sqlx::{PgConnection, Postgres};
use std::collections::BTreeMap;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};

const PROGRAMME: Programme = Programme::STANDARD;

/// Points that moved, and how often they did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// How many points.
    pub points: i64,
    /// How often.
    pub count: i64,
}

impl Moved {
    /// Whatever was stored makes a sum: it stops at the largest number.
    fn add(&mut self, other: Self) {
        self.points = self.points.saturating_add(other.points);
        self.count = self.count.saturating_add(other.count);
    }

    fn once(&mut self, points: i64) {
        self.add(Self { points, count: 1 });
    }
}

/// What happened to points, on a day or within a range of days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Earned by purchases.
    pub earned: Moved,
    /// Became discounts.
    pub redeemed: Moved,
    /// Taken back with their purchases.
    pub reversed: Moved,
    /// Grew too old, as far as it is recorded.
    pub expired: Moved,
    /// Customers who became members.
    pub enrolled: i64,
    /// What the redeemed points were worth, in minor units by code of the currency.
    pub discounts: BTreeMap<String, i64>,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.earned.add(other.earned);
        self.redeemed.add(other.redeemed);
        self.reversed.add(other.reversed);
        self.expired.add(other.expired);
        self.enrolled = self.enrolled.saturating_add(other.enrolled);
        for (currency, minor) in &other.discounts {
            self.discount(currency, *minor);
        }
    }

    fn discount(&mut self, currency: &str, minor: i64) {
        let given = self.discounts.entry(currency.to_owned()).or_default();
        *given = given.saturating_add(minor);
    }

    /// Redeemed points by earned ones, in ten-thousandths, rounded; none when nothing was earned.
    #[must_use]
    pub fn redeemed_by_earned(&self) -> Option<i128> {
        let (redeemed, earned) = (i128::from(self.redeemed.points), i128::from(self.earned.points));
        (earned > 0).then(|| (redeemed * 10_000 + earned / 2) / earned)
    }
}

/// A row of `loyalty_kpis`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KpiRow {
    /// Whose programme.
    pub tenant: TenantId,
    /// The business date.
    pub day: NaiveDate,
    /// What happened on it.
    pub figures: Figures,
    /// Position of its last event.
    pub position: Position,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct LoyaltyKpis;

impl ReadModel for LoyaltyKpis {
    const NAME: &'static str = "loyalty_kpis";
    const VERSION: i32 = 1;
    const TABLES: &'static [&'static str] = &["loyalty_kpis"];
    const TABLES_SQL: &'static str = include_str!("loyalty_kpis/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("loyalty_kpis/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &[
        "loyalty.account.enrolled",
        "loyalty.points.earned",
        "loyalty.points.redeemed",
        "loyalty.points.reversed",
        "loyalty.points.expired",
    ];
    const REVEALS: bool = false;

    type Key = (TenantId, NaiveDate);
    type Row = KpiRow;

    fn keys(recorded: &Recorded) -> Vec<Self::Key> {
        match &recorded.event {
            Event::Loyalty(event) => day_of(event).map(|day| (recorded.tenant, day)).into_iter().collect(),
            Event::Customer(_) | Event::Access(_) => vec![],
        }
    }

    fn apply((tenant, day): &Self::Key, row: Option<KpiRow>, recorded: &Recorded) -> Option<KpiRow> {
        let Event::Loyalty(event) = &recorded.event else { return row };
        let mut figures = row.map(|row| row.figures).unwrap_or_default();
        count(&mut figures, event);
        Some(KpiRow { tenant: *tenant, day: *day, figures, position: recorded.position })
    }

    async fn load(conn: &mut PgConnection, keys: &[Self::Key]) -> Result<Rows<Self>, sqlx::Error> {
        let sql = "select k.* from loyalty_kpis k \
                   join unnest($1::int[], $2::date[]) as wanted (tenant, day) using (tenant, day)";
        let rows = sqlx::query(sql)
            .bind(keys.iter().map(|(tenant, _)| tenant.0).collect::<Vec<_>>())
            .bind(keys.iter().map(|(_, day)| *day).collect::<Vec<_>>())
            .fetch_all(conn)
            .await?;
        rows.iter().map(|row| read(row).map(|row| ((row.tenant, row.day), row))).collect()
    }

    async fn write(conn: &mut PgConnection, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        let rows: Vec<&KpiRow> = changes.iter().filter_map(|change| change.after.as_ref()).collect();
        upsert(&rows).execute(conn).await?;
        Ok(())
    }
}

/// The business date of an event that counts.
fn day_of(event: &LoyaltyEvent) -> Option<NaiveDate> {
    use LoyaltyEvent as E;
    match event {
        E::Enrolled { on, .. } => Some(*on),
        E::PointsEarned { earned_on, .. } => Some(*earned_on),
        E::PointsRedeemed { redeemed_on, .. } => Some(*redeemed_on),
        E::PointsReversed { reversed_on, .. } => Some(*reversed_on),
        E::PointsExpired { expires_on, .. } => Some(*expires_on),
        E::TierUpgraded { .. }
        | E::TierDowngraded { .. }
        | E::TierKept { .. }
        | E::HoldPlaced { .. }
        | E::HoldReleased { .. } => None,
    }
}

fn count(figures: &mut Figures, event: &LoyaltyEvent) {
    use LoyaltyEvent as E;
    match event {
        E::Enrolled { .. } => figures.enrolled = figures.enrolled.saturating_add(1),
        E::PointsEarned { points, .. } => figures.earned.once(*points),
        E::PointsRedeemed { points, discount, .. } => {
            figures.redeemed.once(*points);
            figures.discount(discount.currency().code(), discount.minor());
        }
        E::PointsReversed { points, .. } => figures.reversed.once(*points),
        E::PointsExpired { points, .. } => figures.expired.once(*points),
        E::TierUpgraded { .. }
        | E::TierDowngraded { .. }
        | E::TierKept { .. }
        | E::HoldPlaced { .. }
        | E::HoldReleased { .. } => {}
    }
}

fn read(row: &PgRow) -> Result<KpiRow, sqlx::Error> {
    let moved = |points, count| Ok::<_, sqlx::Error>(Moved { points: get(row, points)?, count: get(row, count)? });
    let Json(discounts) = get(row, "discounts")?;
    Ok(KpiRow {
        tenant: TenantId(get(row, "tenant")?),
        day: get(row, "day")?,
        figures: Figures {
            earned: moved("points_earned", "earned_count")?,
            redeemed: moved("points_redeemed", "redeemed_count")?,
            reversed: moved("points_reversed", "reversed_count")?,
            expired: moved("points_expired", "expired_count")?,
            enrolled: get(row, "enrolled")?,
            discounts,
        },
        position: Position(get(row, "position")?),
    })
}

fn upsert<'q>(rows: &[&'q KpiRow]) -> Query<'q, Postgres, PgArguments> {
    fn column<'q, T: 'q>(rows: &[&'q KpiRow], of: impl Fn(&'q KpiRow) -> T) -> Vec<T> {
        rows.iter().map(|row| of(row)).collect()
    }
    sqlx::query(include_str!("loyalty_kpis/upsert.sql"))
        .bind(column(rows, |row| row.tenant.0))
        .bind(column(rows, |row| row.day))
        .bind(column(rows, |row| row.figures.earned.points))
        .bind(column(rows, |row| row.figures.redeemed.points))
        .bind(column(rows, |row| row.figures.reversed.points))
        .bind(column(rows, |row| row.figures.expired.points))
        .bind(column(rows, |row| row.figures.earned.count))
        .bind(column(rows, |row| row.figures.redeemed.count))
        .bind(column(rows, |row| row.figures.reversed.count))
        .bind(column(rows, |row| row.figures.expired.count))
        .bind(column(rows, |row| row.figures.enrolled))
        .bind(column(rows, |row| Json(&row.figures.discounts)))
        .bind(column(rows, |row| row.position.0))
}

/// What a programme did within a range of days, and what it owes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The sums over the range.
    pub sums: Figures,
    /// The days on which anything happened, in order.
    pub days: Vec<(NaiveDate, Figures)>,
    /// What all accounts have on the caller's business date, by currency.
    pub outstanding: Vec<Outstanding>,
}

/// What the accounts of a currency have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outstanding {
    /// The currency in which they earn.
    pub currency: Currency,
    /// What may be redeemed, and what is held, less what is owed.
    pub points: i64,
    /// What grew too old since the last event of its account: not in `points`, and not yet recorded as expired.
    pub due: i64,
    /// What the points are worth; none when no amount of money is that large.
    pub worth: Option<Money>,
}

/// A day as the statement of the report tells it.
#[derive(Deserialize)]
struct Day {
    day: NaiveDate,
    points_earned: i64,
    points_redeemed: i64,
    points_reversed: i64,
    points_expired: i64,
    earned_count: i64,
    redeemed_count: i64,
    reversed_count: i64,
    expired_count: i64,
    enrolled: i64,
    discounts: BTreeMap<String, i64>,
}

impl From<Day> for (NaiveDate, Figures) {
    fn from(day: Day) -> Self {
        let figures = Figures {
            earned: Moved { points: day.points_earned, count: day.earned_count },
            redeemed: Moved { points: day.points_redeemed, count: day.redeemed_count },
            reversed: Moved { points: day.points_reversed, count: day.reversed_count },
            expired: Moved { points: day.points_expired, count: day.expired_count },
            enrolled: day.enrolled,
            discounts: day.discounts,
        };
        (day.day, figures)
    }
}

#[derive(Deserialize)]
struct Available {
    currency: Currency,
    available: i64,
    due: i64,
}

impl From<Available> for Outstanding {
    fn from(Available { currency, available, due }: Available) -> Self {
        let points = available.saturating_sub(due);
        Self { currency, points, due, worth: PROGRAMME.discount(points, currency) }
    }
}

/// The figures from one day to another, both included, and what is outstanding on the caller's business date.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn report(
    pools: &Pools,
    tenant: TenantId,
    (from, to): (NaiveDate, NaiveDate),
    today: NaiveDate,
) -> Result<AsOf<Report>, StoreError> {
    let query = sqlx::query(include_str!("loyalty_kpis/report.sql")).bind(from).bind(to).bind(today);
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("loyalty_kpis"))?;
    let told = found.first().ok_or(sqlx::Error::RowNotFound).and_then(read_report);
    told.map_err(failed("loyalty_kpis"))
}

fn read_report(row: &PgRow) -> Result<AsOf<Report>, sqlx::Error> {
    let (Json(days), Json(outstanding)): (Json<Vec<Day>>, Json<Vec<Available>>) =
        (get(row, "days")?, get(row, "outstanding")?);
    let days: Vec<(NaiveDate, Figures)> = days.into_iter().map(Into::into).collect();
    let mut sums = Figures::default();
    days.iter().for_each(|(_, figures)| sums.add(figures));
    let outstanding = outstanding.into_iter().map(Into::into).collect();
    match get::<Option<i64>>(row, "as_of")? {
        Some(_) => as_of(row, Report { sums, days, outstanding }),
        None => Ok(AsOf { value: Report { sums, days, outstanding }, position: Position(0) }),
    }
}

#[cfg(test)]
mod tests;
