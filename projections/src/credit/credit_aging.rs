//! Table `credit_aging`: every order that was bought on credit, with what of it is outstanding; and how old that is.
//!
//! An order that is paid keeps its row, with nothing outstanding: a payment that turns out to be none brings it back. How old something is
//! depends on the day: the queries are told it.

use crate::credit::credit_lines;
use crate::query::{AsOf, failed, get, lowest_position, word};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use crate::time_travel::{TimeTravelError, Until};
use chrono::NaiveDate;
use domain::credit::aging::{Aging, aging, within_limits};
use domain::credit::events::CreditEvent;
use domain::{Currency, Event, Money};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};
use store::postgres::Pools;
use store::{EventStore, Position, StoreError, TenantId};
use uuid::Uuid;

/// A row of `credit_aging`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseRow {
    /// The line on which it was bought.
    pub line: Uuid,
    /// The order.
    pub order: String,
    /// Whose business it is.
    pub tenant: TenantId,
    /// Whose line it is.
    pub customer: Option<Uuid>,
    /// How much it was.
    pub amount: Money,
    /// What is to be paid still.
    pub outstanding_minor: i64,
    /// The invoice.
    pub invoice: Option<String>,
    /// Business date on which it was bought.
    pub used_on: NaiveDate,
    /// The last day on which it is paid in time.
    pub due_on: NaiveDate,
    /// Business date on which it was told to be overdue.
    pub overdue_noted_on: Option<NaiveDate>,
    /// Position of the event by which it was bought.
    pub position: Position,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct CreditAging;

impl ReadModel for CreditAging {
    const NAME: &'static str = "credit_aging";
    const VERSION: i32 = 1;
    const TABLES: &'static [&'static str] = &["credit_aging"];
    const TABLES_SQL: &'static str = include_str!("credit_aging/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("credit_aging/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] =
        &["credit.used", "credit.released", "credit.payment.reversed", "credit.overdue"];
    const REVEALS: bool = false;

    type Key = (Uuid, String);
    type Row = UseRow;

    fn keys(recorded: &Recorded) -> Vec<(Uuid, String)> {
        use CreditEvent as E;
        let Event::Credit(event) = &recorded.event else { return vec![] };
        let key = |order: &domain::ids::OrderId| (recorded.stream.id, order.as_str().to_owned());
        match event {
            E::Used { order, .. } | E::Released { order, .. } | E::Overdue { order, .. } => vec![key(order)],
            E::PaymentReversed { restored, .. } => restored.iter().map(|restored| key(&restored.order)).collect(),
            E::Requested { .. }
            | E::Approved { .. }
            | E::Rejected { .. }
            | E::LimitChanged { .. }
            | E::TermsChanged { .. }
            | E::PolicyChanged { .. }
            | E::Suspended { .. }
            | E::Resumed { .. }
            | E::Closed { .. }
            | E::HoldPlaced { .. }
            | E::HoldReleased { .. }
            | E::LimitExceeded { .. }
            | E::PaymentApplied { .. }
            | E::UnappliedRefunded { .. }
            | E::DunningSent { .. }
            | E::DunningPaused { .. }
            | E::DunningResumed { .. }
            | E::TemporaryGranted { .. }
            | E::TemporarySettled { .. }
            | E::TemporaryExpired { .. }
            | E::GroupJoined { .. }
            | E::GroupLeft { .. } => vec![],
        }
    }

    fn apply((line, order): &(Uuid, String), row: Option<UseRow>, recorded: &Recorded) -> Option<UseRow> {
        use CreditEvent as E;
        let Event::Credit(event) = &recorded.event else { return row };
        if let E::Used { amount, invoice, on, due_on, .. } = event {
            return Some(UseRow {
                line: *line,
                order: order.clone(),
                tenant: recorded.tenant,
                customer: recorded.customer_id,
                amount: *amount,
                outstanding_minor: amount.minor(),
                invoice: invoice.as_ref().map(|invoice| invoice.as_str().to_owned()),
                used_on: *on,
                due_on: *due_on,
                overdue_noted_on: None,
                position: recorded.position,
            });
        }
        Some(row?.after(event))
    }

    async fn load(conn: &mut PgConnection, keys: &[(Uuid, String)]) -> Result<Rows<Self>, sqlx::Error> {
        let sql = concat!(
            "select * from credit_aging ",
            "join unnest($1::uuid[], $2::text[]) as wanted (line_id, order_id) using (line_id, order_id)"
        );
        let (lines, orders): (Vec<Uuid>, Vec<&str>) = keys.iter().map(|(line, order)| (*line, order.as_str())).unzip();
        let rows = sqlx::query(sql).bind(lines).bind(orders).fetch_all(conn).await?;
        rows.iter().map(|row| read(row).map(|row| ((row.line, row.order.clone()), row))).collect()
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await
    }
}

impl UseRow {
    fn after(mut self, event: &CreditEvent) -> Self {
        match event {
            CreditEvent::Released { outstanding, .. } => self.outstanding_minor = outstanding.minor(),
            CreditEvent::PaymentReversed { restored, .. } => {
                for restored in restored.iter().filter(|restored| restored.order.as_str() == self.order) {
                    self.outstanding_minor = self.outstanding_minor.saturating_add(restored.amount.minor());
                }
            }
            CreditEvent::Overdue { on, .. } => self.overdue_noted_on = Some(*on),
            _ => {} // no other has its key
        }
        self
    }
}

fn read(row: &PgRow) -> Result<UseRow, sqlx::Error> {
    let minor = get(row, "amount_minor")?;
    Ok(UseRow {
        line: get(row, "line_id")?,
        order: get(row, "order_id")?,
        tenant: TenantId(get(row, "tenant")?),
        customer: get(row, "customer_id")?,
        amount: word(row, "currency", |code| Money::from_minor(minor, Currency::parse(code).ok()?).ok())?,
        outstanding_minor: get(row, "outstanding_minor")?,
        invoice: get(row, "invoice_id")?,
        used_on: get(row, "used_on")?,
        due_on: get(row, "due_on")?,
        overdue_noted_on: get(row, "overdue_noted_on")?,
        position: Position(get(row, "position")?),
    })
}

impl TableRow for UseRow {
    const TABLE: &'static str = "credit_aging";

    fn put(&self, to: &mut Columns) {
        to.put("line_id", self.line)
            .put("order_id", self.order.as_str())
            .put("tenant", self.tenant.0)
            .put("customer_id", self.customer)
            .put("currency", self.amount.currency().code().to_owned())
            .put("amount_minor", self.amount.minor())
            .put("outstanding_minor", self.outstanding_minor)
            .put("invoice_id", self.invoice.as_deref())
            .put("used_on", self.used_on)
            .put("due_on", self.due_on)
            .put("overdue_noted_on", self.overdue_noted_on)
            .put("position", self.position.0);
    }
}

/// What is outstanding of somebody, by order and by age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aged {
    /// The orders, the oldest due first.
    pub uses: Vec<UseRow>,
    /// They in sum by age, a sum for each currency.
    pub sums: Vec<AgedSum>,
}

/// What is outstanding in a currency, by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgedSum {
    /// The currency.
    pub currency: Currency,
    /// How many orders are not paid.
    pub orders: i64,
    /// What is to be paid of them, by how old it is.
    pub aging: Aging,
}

/// What is outstanding on a line on a business date, as far as is known now.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn of_line(pools: &Pools, tenant: TenantId, line: Uuid, today: NaiveDate) -> Result<AsOf<Aged>, StoreError> {
    aged(pools, tenant, sqlx::query(include_str!("credit_aging/of_line.sql")).bind(line), today).await
}

/// What a customer has to pay on a business date, on all lines, as far as is known now.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn of_customer(
    pools: &Pools,
    tenant: TenantId,
    customer: Uuid,
    today: NaiveDate,
) -> Result<AsOf<Aged>, StoreError> {
    aged(pools, tenant, sqlx::query(include_str!("credit_aging/of_customer.sql")).bind(customer), today).await
}

async fn aged(
    pools: &Pools,
    tenant: TenantId,
    query: Query<'_, Postgres, PgArguments>,
    today: NaiveDate,
) -> Result<AsOf<Aged>, StoreError> {
    // An answer says what it reflects, also when it is empty; so the position is read before.
    let position = lowest_position(pools, tenant, &["credit_aging"]).await?;
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("credit_aging"))?;
    let uses = found.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(failed("credit_aging"))?;
    Ok(AsOf { value: Aged { sums: sums(&uses, today), uses }, position })
}

/// A sum for each currency, in the order of their codes.
fn sums(uses: &[UseRow], today: NaiveDate) -> Vec<AgedSum> {
    let mut currencies: Vec<Currency> = uses.iter().map(|used| used.amount.currency()).collect();
    currencies.sort_by(|one, other| one.code().cmp(other.code()));
    currencies.dedup();
    let sum = |currency: Currency| {
        let own = || uses.iter().filter(|used| used.amount.currency() == currency);
        let outstanding = own().map(|used| (used.due_on, used.outstanding_minor));
        let orders = i64::try_from(own().count()).unwrap_or(i64::MAX);
        AgedSum { currency, orders, aging: aging(outstanding, currency, today) }
    };
    currencies.into_iter().map(sum).collect()
}

/// What all customers have to pay on a business date, in sum by currency, as far as is known now.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn of_all(pools: &Pools, tenant: TenantId, today: NaiveDate) -> Result<AsOf<Vec<AgedSum>>, StoreError> {
    let position = lowest_position(pools, tenant, &["credit_aging"]).await?;
    let query = sqlx::query(include_str!("credit_aging/of_all.sql")).bind(today);
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("credit_aging"))?;
    let sum = |row: &PgRow| {
        let currency = word(row, "currency", |code| Currency::parse(code).ok())?;
        let class = |column| Ok::<_, sqlx::Error>(within_limits(get(row, column)?, currency));
        let aging = Aging {
            current: class("current_minor")?,
            days_1_to_30: class("days_1_to_30_minor")?,
            days_31_to_60: class("days_31_to_60_minor")?,
            days_61_to_90: class("days_61_to_90_minor")?,
            over_90_days: class("over_90_days_minor")?,
        };
        Ok(AgedSum { currency, orders: get(row, "orders")?, aging })
    };
    let sums = found.iter().map(sum).collect::<Result<_, sqlx::Error>>().map_err(failed("credit_aging"))?;
    Ok(AsOf { value: sums, position })
}

/// What was outstanding on a line on a business date, by what its events said until then.
///
/// # Errors
/// As [`TimeTravelError`] says.
pub async fn past(
    store: &dyn EventStore,
    tenant: TenantId,
    line: Uuid,
    until: Until,
    today: NaiveDate,
) -> Result<Aging, TimeTravelError> {
    Ok(credit_lines::find_past(store, tenant, line, until).await?.aging(today))
}

#[cfg(test)]
mod tests;
