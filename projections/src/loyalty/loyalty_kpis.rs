//! Tables `loyalty_kpis` and `loyalty_liabilities`: what the loyalty programme did on each day, and what it owes since.
//!
//! Figures are by tenant and day, not by currency: points are points whatever they were earned in. What is owed is by currency as
//! well, because it is money: by how much it changed on each day, as the events say, so that what is owed on a day is the sum up to
//! it and no question reads the accounts. The first events of expiry and reversal do not tell their currency; theirs is [`UNTOLD`].
//! Points that are due and whose expiry nobody has recorded yet are known to the balances, by an index.

pub mod report;

use crate::query::get;
use crate::read_model::{ChangeOf, Combine, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use chrono::NaiveDate;
use domain::loyalty::events::LoyaltyEvent;
use domain::{Currency, Event};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use std::collections::BTreeMap;
use store::{Position, TenantId};

/// Stands for the currency that an event does not tell (ISO 4217: no currency).
pub const UNTOLD: &str = "XXX";

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
    /// Had become discounts, and came back with their orders.
    pub returned: Moved,
    /// Given by hand, less what was taken by hand.
    pub adjusted: Moved,
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
        self.returned.add(other.returned);
        self.adjusted.add(other.adjusted);
        self.expired.add(other.expired);
        self.enrolled = self.enrolled.saturating_add(other.enrolled);
        for (currency, minor) in &other.discounts {
            self.discount(currency, *minor);
        }
    }

    fn discount(&mut self, currency: &str, minor: i64) {
        add(&mut self.discounts, currency, minor);
    }

    /// Redeemed points that did not come back by earned ones, in ten-thousandths, rounded; none when nothing was earned. Those given
    /// by hand are no success of the programme, and more than was redeemed may come back on a day: that is no less than none.
    #[must_use]
    pub fn redeemed_by_earned(&self) -> Option<i128> {
        let kept = i128::from(self.redeemed.points) - i128::from(self.returned.points);
        let (redeemed, earned) = (kept.max(0), i128::from(self.earned.points));
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
    /// By how many points what is owed grew, by code of the currency; held points are owed.
    pub owed: BTreeMap<String, i64>,
    /// Position of its last event.
    pub position: Position,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct LoyaltyKpis;

impl ReadModel for LoyaltyKpis {
    const NAME: &'static str = "loyalty_kpis";
    const VERSION: i32 = 6;
    const TABLES: &'static [&'static str] = &["loyalty_kpis", "loyalty_liabilities"];
    const TABLES_SQL: &'static str = include_str!("loyalty_kpis/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("loyalty_kpis/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &[
        "loyalty.account.enrolled",
        "loyalty.points.earned",
        "loyalty.points.redeemed",
        "loyalty.points.reversed",
        "loyalty.points.returned",
        "loyalty.points.adjusted",
        "loyalty.points.expired",
        "loyalty.account.closed",
    ];
    const REVEALS: bool = false;

    type Key = (TenantId, NaiveDate);
    type Row = KpiRow;

    fn keys(recorded: &Recorded) -> Vec<Self::Key> {
        match &recorded.event {
            Event::Loyalty(event) => day_of(event).map(|day| (recorded.tenant, day)).into_iter().collect(),
            Event::Customer(_) | Event::Programme(_) | Event::Credit(_) | Event::CreditGroup(_) | Event::Access(_) => {
                vec![]
            }
        }
    }

    fn apply((tenant, day): &Self::Key, row: Option<KpiRow>, recorded: &Recorded) -> Option<KpiRow> {
        let Event::Loyalty(event) = &recorded.event else { return row };
        let (mut figures, mut owed) = row.map(|row| (row.figures, row.owed)).unwrap_or_default();
        count(&mut figures, event);
        if let Some((currency, points)) = owed_by(event) {
            add(&mut owed, &currency, points);
        }
        Some(KpiRow { tenant: *tenant, day: *day, figures, owed, position: recorded.position })
    }

    const COMBINE: Option<Combine<KpiRow>> = Some(combine);

    async fn load(conn: &mut PgConnection, keys: &[Self::Key]) -> Result<Rows<Self>, sqlx::Error> {
        let rows = sqlx::query(include_str!("loyalty_kpis/load.sql"))
            .bind(keys.iter().map(|(tenant, _)| tenant.0).collect::<Vec<_>>())
            .bind(keys.iter().map(|(_, day)| *day).collect::<Vec<_>>())
            .fetch_all(conn)
            .await?;
        rows.iter().map(|row| read(row).map(|row| ((row.tenant, row.day), row))).collect()
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await?;
        writer.put(made(changes).flat_map(KpiRow::owed)).await
    }
}

/// Adds to the sum of a currency, which stops at the largest number.
fn add(sums: &mut BTreeMap<String, i64>, currency: &str, amount: i64) {
    let sum = sums.entry(currency.to_owned()).or_default();
    *sum = sum.saturating_add(amount);
}

/// What an earlier and a later stretch of the log make of a day.
fn combine(mut earlier: KpiRow, later: KpiRow) -> KpiRow {
    earlier.figures.add(&later.figures);
    for (currency, points) in later.owed {
        add(&mut earlier.owed, &currency, points);
    }
    KpiRow { position: later.position, ..earlier }
}

/// The business date of an event that counts.
fn day_of(event: &LoyaltyEvent) -> Option<NaiveDate> {
    use LoyaltyEvent as E;
    match event {
        E::Enrolled { on, .. } => Some(*on),
        E::PointsEarned { earned_on, .. } => Some(*earned_on),
        E::PointsRedeemed { redeemed_on, .. } => Some(*redeemed_on),
        E::PointsReversed { reversed_on, pending: false, .. } => Some(*reversed_on),
        E::PointsReturned { returned_on, .. } => Some(*returned_on),
        E::PointsAdjusted { adjusted_on, .. } => Some(*adjusted_on),
        E::PointsExpired { expires_on, .. } => Some(*expires_on),
        E::Closed { on, .. } => Some(*on),
        E::PointsPending { .. }
        | E::PointsReversed { pending: true, .. }
        | E::TierUpgraded { .. }
        | E::TierDowngraded { .. }
        | E::TierKept { .. }
        | E::StampAdded { .. }
        | E::OrderRefunded { .. }
        | E::StampRemoved { .. }
        | E::RewardEarned { .. }
        | E::RewardWithdrawn { .. }
        | E::RewardRedeemed { .. }
        | E::RewardReturned { .. }
        | E::RewardExpired { .. }
        | E::ReferralChanged { .. }
        | E::FlagRaised { .. }
        | E::FlagCleared { .. }
        | E::HoldPlaced { .. }
        | E::HoldReleased { .. }
        | E::TransferSent { .. }
        | E::TransferReceived { .. }
        | E::Merged { .. }
        | E::Absorbed { .. } => None,
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
        E::PointsReversed { points, pending: false, .. } => figures.reversed.once(*points),
        E::PointsReturned { points, .. } => figures.returned.once(*points),
        E::PointsAdjusted { points, .. } => figures.adjusted.once(*points),
        E::PointsExpired { points, .. } => figures.expired.once(*points),
        E::Closed { .. }
        | E::PointsPending { .. }
        | E::PointsReversed { pending: true, .. }
        | E::TierUpgraded { .. }
        | E::TierDowngraded { .. }
        | E::TierKept { .. }
        | E::StampAdded { .. }
        | E::OrderRefunded { .. }
        | E::StampRemoved { .. }
        | E::RewardEarned { .. }
        | E::RewardWithdrawn { .. }
        | E::RewardRedeemed { .. }
        | E::RewardReturned { .. }
        | E::RewardExpired { .. }
        | E::ReferralChanged { .. }
        | E::FlagRaised { .. }
        | E::FlagCleared { .. }
        | E::HoldPlaced { .. }
        | E::HoldReleased { .. }
        | E::TransferSent { .. }
        | E::TransferReceived { .. }
        | E::Merged { .. }
        | E::Absorbed { .. } => {}
    }
}

/// By how many points an event changes what is available and held together, and the currency that they are worth money in. A transfer or
/// a merge changes what is owed to whom, not how much.
fn owed_by(event: &LoyaltyEvent) -> Option<(String, i64)> {
    use LoyaltyEvent as E;
    let of = |currency: &Currency, points| Some((currency.code().to_owned(), points));
    match event {
        E::PointsEarned { total, points, .. } => of(&total.currency(), *points),
        E::PointsRedeemed { discount, points, .. } => of(&discount.currency(), points.saturating_neg()),
        E::PointsReturned { currency, points, .. } | E::PointsAdjusted { currency, points, .. } => {
            of(currency, *points)
        }
        E::PointsReversed { currency, points, pending: false, .. } | E::PointsExpired { currency, points, .. } => {
            let code = currency.as_ref().map_or(UNTOLD, |currency| currency.code());
            Some((code.to_owned(), points.saturating_neg()))
        }
        E::Closed { points, held, currency, .. } => of(currency, points.saturating_add(*held).saturating_neg()),
        E::Enrolled { .. }
        | E::PointsPending { .. }
        | E::PointsReversed { pending: true, .. }
        | E::TierUpgraded { .. }
        | E::TierDowngraded { .. }
        | E::TierKept { .. }
        | E::StampAdded { .. }
        | E::OrderRefunded { .. }
        | E::StampRemoved { .. }
        | E::RewardEarned { .. }
        | E::RewardWithdrawn { .. }
        | E::RewardRedeemed { .. }
        | E::RewardReturned { .. }
        | E::RewardExpired { .. }
        | E::ReferralChanged { .. }
        | E::FlagRaised { .. }
        | E::FlagCleared { .. }
        | E::HoldPlaced { .. }
        | E::HoldReleased { .. }
        | E::TransferSent { .. }
        | E::TransferReceived { .. }
        | E::Merged { .. }
        | E::Absorbed { .. } => None,
    }
}

fn read(row: &PgRow) -> Result<KpiRow, sqlx::Error> {
    let moved = |points, count| Ok::<_, sqlx::Error>(Moved { points: get(row, points)?, count: get(row, count)? });
    let (Json(discounts), Json(owed)) = (get(row, "discounts")?, get(row, "owed")?);
    Ok(KpiRow {
        tenant: TenantId(get(row, "tenant")?),
        day: get(row, "day")?,
        figures: Figures {
            earned: moved("points_earned", "earned_count")?,
            redeemed: moved("points_redeemed", "redeemed_count")?,
            reversed: moved("points_reversed", "reversed_count")?,
            returned: moved("points_returned", "returned_count")?,
            adjusted: moved("points_adjusted", "adjusted_count")?,
            expired: moved("points_expired", "expired_count")?,
            enrolled: get(row, "enrolled")?,
            discounts,
        },
        owed,
        position: Position(get(row, "position")?),
    })
}

impl TableRow for KpiRow {
    const TABLE: &'static str = "loyalty_kpis";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.tenant.0)
            .put("day", self.day)
            .put("points_earned", self.figures.earned.points)
            .put("points_redeemed", self.figures.redeemed.points)
            .put("points_reversed", self.figures.reversed.points)
            .put("points_expired", self.figures.expired.points)
            .put("earned_count", self.figures.earned.count)
            .put("redeemed_count", self.figures.redeemed.count)
            .put("reversed_count", self.figures.reversed.count)
            .put("expired_count", self.figures.expired.count)
            .put("enrolled", self.figures.enrolled)
            .put("discounts", Json(&self.figures.discounts))
            .put("position", self.position.0)
            .put("points_adjusted", self.figures.adjusted.points)
            .put("adjusted_count", self.figures.adjusted.count)
            .put("points_returned", self.figures.returned.points)
            .put("returned_count", self.figures.returned.count);
    }
}

/// A row of `loyalty_liabilities`.
struct Owed<'a> {
    kpis: &'a KpiRow,
    currency: &'a str,
    points: i64,
}

impl KpiRow {
    fn owed(&self) -> impl Iterator<Item = Owed<'_>> {
        self.owed.iter().map(|(currency, points)| Owed { kpis: self, currency, points: *points })
    }
}

impl TableRow for Owed<'_> {
    const TABLE: &'static str = "loyalty_liabilities";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.kpis.tenant.0)
            .put("day", self.kpis.day)
            .put("currency", self.currency)
            .put("points", self.points);
    }
}

#[cfg(test)]
mod tests;
